"""What others have written runs against us: suites, clients and generators from npm, on a real demo city.

The one thing to know: the checks themselves are the `.mjs` files beside this one, run by Node's own test runner.
"""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256

import pytest

from tests_web.conftest import NodeTests
from tests_web.figures import Figures
from tests_web.node import HERE, run_node
from tests_web.served import ROOT, City

OPERATIONS = sorted((ROOT / "examples/miniprogram/operations").glob("*.graphql"))


def node(*arguments: str, city: City | None = None, from_root: bool = False) -> str:
    """What a script printed; it has to succeed."""
    ran = run_node(*arguments, folder=ROOT if from_root else HERE, given=city.given if city else None)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def modules(name: str) -> str:
    return str(HERE / "node_modules" / name)


def test_graphql_over_http_stands_every_audit(node_tests: NodeTests, figures: Figures) -> None:
    figure = node_tests("audits.test.mjs")
    assert figure == "61/61"
    figures.add("GraphQL over HTTP: server audits", "graphql-http", figure)


def test_websocket_is_complete_for_its_client(node_tests: NodeTests, figures: Figures) -> None:
    figures.add("WebSocket, `graphql-transport-ws`", "graphql-ws ws", node_tests("websocket.test.mjs"))


def test_event_streams_are_complete_for_their_client(node_tests: NodeTests, figures: Figures) -> None:
    figures.add("SSE, distinct connections", "graphql-sse", node_tests("sse.test.mjs"))


@pytest.fixture(scope="session")
def relay() -> None:
    """The operations as relay-compiler makes them, under generated/."""
    node("build-relay.mjs")


@pytest.mark.usefixtures("relay")
def test_relay_compiles_the_operations_and_pages_through_its_store(node_tests: NodeTests, figures: Figures) -> None:
    compiled = list((HERE / "generated/relay/__generated__").glob("*.js"))
    documents = json.loads((HERE / "generated/relay-documents.json").read_text())
    figures.add("relay-compiler", "relay-compiler", f"{len(documents)} documents, {len(compiled)} modules")
    figures.add("Relay's own environment", "relay-runtime", node_tests("relay.test.mjs"))


def test_generated_types_hold_under_strict_typescript(city: City, figures: Figures) -> None:
    node("build-documents.mjs", "--check")
    node(modules("typescript/bin/tsc"), "--project", ".")
    node("typed/program.ts", city=city)
    documents = json.loads((ROOT / "examples/miniprogram/documents.json").read_text())
    packages = "@graphql-codegen/cli @graphql-codegen/client-preset typescript"
    figures.add("GraphQL Code Generator, `tsc --strict`", packages, f"{len(documents)} documents, 0 errors")


def test_usual_clients_ask_act_and_listen(node_tests: NodeTests, figures: Figures) -> None:
    packages = "@apollo/client @urql/core graphql-request"
    figures.add("Apollo Client, urql, graphql-request", packages, node_tests("clients.test.mjs"))


def test_the_page_for_trying_documents_works_in_a_browser(node_tests: NodeTests, figures: Figures) -> None:
    figures.add("GraphiQL in Chromium, under its policy", "playwright-core", node_tests("graphiql.test.mjs"))


def test_schema_and_operations_satisfy_graphql_eslint(figures: Figures) -> None:
    given = (
        "-c",
        "tests_web/eslint.config.mjs",
        "--format",
        "json",
        "schema.graphql",
        "examples/miniprogram/operations",
    )
    linted = json.loads(node(modules("eslint/bin/eslint.js"), *given, from_root=True))
    assert len(linted) == 1 + len(OPERATIONS)
    assert [found for file in linted for found in file["messages"]] == []
    figures.add("graphql-eslint, recommended and Relay", "@graphql-eslint/eslint-plugin eslint", "0 findings")


@pytest.mark.usefixtures("relay")
@pytest.mark.parametrize(
    "manifest", ["examples/miniprogram/documents.json", "tests_web/generated/relay-documents.json"]
)
def test_a_generated_manifest_is_registered_and_answered_by_id(city: City, manifest: str) -> None:
    documents = json.loads((ROOT / manifest).read_text())
    for key, text in documents.items():
        assert sha256(text.encode()).hexdigest() == key.removeprefix("sha256:")
    command = [
        "documents",
        "register",
        manifest,
        "--app",
        "miniprogram",
        "--as",
        "operator-1",
        "--data",
        str(city.folder),
    ]
    ran = subprocess.run(
        [sys.executable, "-m", "cli.main", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    [notice] = [key for key, text in documents.items() if "query EnrollNoticeQuery" in text]
    node("by-id.mjs", notice.removeprefix("sha256:"), city=city)


def test_the_page_on_clients_holds_these_figures(figures: Figures) -> None:
    figures.add("Node, on which they run", "node", "from its wheel")
    page = (ROOT / "docs/clients.md").read_text().splitlines()
    assert [line for line in figures.lines if line not in page] == []
