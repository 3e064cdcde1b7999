"""How a deployment is watched: alive, ready, counted, logged, and stopped without losing what runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from factories import ENTERPRISES, ISSUE, PEOPLE, VERIFY, City, offer_id, resident_id
from prometheus_client.parser import text_string_to_metric_families

from api.identity.bearer import issue_token
from core.keys import load_keys
from partners.accounts import Role
from partners.receipts import check_receipt

KINDS = {"query": "{ benefitKinds { code } }"}


@pytest.fixture
def city_url(sqlite_template: Path, tmp_path: Path) -> str:
    """SQLite alone."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    return f"sqlite+aiosqlite:///{tmp_path}/city.db"


async def test_it_is_alive_and_ready(city: City) -> None:
    alive, ready = await city.client.get("/healthz"), await city.client.get("/readyz")
    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "database": "ok", "cache": "ok"})


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/.well-known/jwks.json"])
async def test_what_is_only_read_cannot_be_posted_to(city: City, path: str) -> None:
    assert (await city.client.post(path)).status_code == 405


async def test_a_slash_too_many_leads_to_graphql(city: City) -> None:
    response = await city.client.get("/graphql/")
    assert response.status_code == 307
    assert response.headers["location"].removeprefix("http://test") == "/graphql"


async def test_nothing_else_is_served(city: City) -> None:
    for path in ("/admin", "/graphql/x", "/.env", "/docs", "/%2e%2e/keys.json", "/static/../keys.json"):
        assert (await city.client.get(path)).status_code == 404


async def test_the_key_set_shows_public_halves_of_keys_that_others_check_alone(city: City) -> None:
    response = await city.client.get("/.well-known/jwks.json")
    keys = response.json()["keys"]
    public = {"receipt", "proof", "results", "audit", "consent", "report", "webhook", "settlement"}
    public |= {"credential", "presentation", "offline"}
    assert {key["purpose"] for key in keys} == public
    assert {name for key in keys for name in key} == {"kty", "crv", "x", "kid", "alg", "use", "purpose"}
    answer = await city.verify(await city.code("good"))
    assert check_receipt(city.keys, answer["receipt"])["outcome"] == "BENEFIT_APPLIES"


async def test_metrics_can_be_parsed_and_count_by_path_and_status(city: City) -> None:
    async def counted(path: str, status: str) -> float:
        families = {f.name: f for f in text_string_to_metric_families((await city.client.get("/metrics")).text)}
        assert {"xinyi_requests", "xinyi_request_seconds"} <= set(families)
        wanted = {"path": path, "status": status}
        return sum(
            one.value
            for one in families["xinyi_requests"].samples
            if one.name == "xinyi_requests_total" and one.labels == wanted
        )

    before = [await counted("/graphql", "200"), await counted("/graphql", "400"), await counted("other", "404")]
    await city.ask(KINDS["query"])
    await city.client.post("/graphql", content=b"{", headers={"content-type": "application/json"})
    for name in ("a", "b"):
        await city.client.get(f"/{name}-{time.time()}")
    after = [await counted("/graphql", "200"), await counted("/graphql", "400"), await counted("other", "404")]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1, 2]


# A real process.


@dataclass
class Process:
    """A running `xinyi serve`, its database and where its log goes."""

    popen: subprocess.Popen[bytes]
    url: str
    database: Path
    keys: Path
    log: Path

    def token(self, account: str, role: Role) -> str:
        """A bearer token good now."""
        now = datetime.now(UTC)
        keys, lifetime = load_keys(self.keys), timedelta(minutes=5)
        return issue_token(keys, issuer="https://xinyi.example", account=account, role=role, now=now, lifetime=lifetime)

    def ask(self, query: str, variables: dict[str, Any] | None = None, *, token: str | None = None) -> httpx.Response:
        """POST one request."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        asked = {"query": query, "variables": variables}
        return httpx.post(f"{self.url}/graphql", json=asked, headers=headers, timeout=30)

    def lines(self) -> list[dict[str, Any]]:
        """The log so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def process(sqlite_template: Path, keys_file: Path, tmp_path: Path) -> Iterator[Process]:
    """A server on a free port, stopped in the end whatever happens."""
    database = tmp_path / "city.db"
    shutil.copy(sqlite_template, database)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "XINYI_ENVIRONMENT": "demo",
        "XINYI_DATABASE_URL": f"sqlite+aiosqlite:///{database}",
        "XINYI_KEYS_FILE": str(keys_file),
    }
    log = tmp_path / "log"
    with log.open("wb") as told:
        popen = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "serve", "--port", str(port)], env=environment, stderr=told
        )
    found = Process(popen, f"http://127.0.0.1:{port}", database, keys_file, log)
    try:
        for _ in range(300):
            try:
                httpx.get(f"{found.url}/healthz")
                break
            except httpx.TransportError:
                assert popen.poll() is None, log.read_text()
                time.sleep(0.1)
        yield found
    finally:
        popen.kill()
        popen.wait()


def test_a_server_logs_json_lines_that_name_requests_and_nobody(process: Process) -> None:
    citizen, scenic = process.token("good", Role.CITIZEN), process.token("scenic", Role.PARTNER)
    code = process.ask(ISSUE, {"input": {}}, token=citizen).json()["data"]["issueCreditCode"]["token"]
    asked = {"requestId": "r-1", "code": code, "offerId": offer_id("museum"), "clerk": "3号", "site": "东门"}
    answer = process.ask(VERIFY, {"input": asked}, token=scenic)
    assert answer.json()["data"]["verifyCreditCode"]["outcome"] == "BENEFIT_APPLIES"
    assert httpx.get(f"{process.url}/graphql", params={"query": "{ me { displayName } }"}).status_code == 200
    strange = b"POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \xff\xfe\r\ncontent-length: 0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(process.url.rpartition(":")[2]))) as raw:
        raw.sendall(strange)
        assert raw.recv(100).startswith(b"HTTP/1.1 4")
    lines = [line for line in process.lines() if line["message"] == "request"]
    named = [line for line in lines if line["request_id"] == answer.headers["x-request-id"]]
    assert [(line["method"], line["path"], line["status"]) for line in named] == [("POST", "/graphql", 200)]
    assert set(named[0]) == {
        "time", "level", "logger", "message", "request_id", "method", "path", "status", "milliseconds"
    }  # fmt: skip
    log = process.log.read_text()
    numbers = [resident_id(person["birth"], n) for n, person in enumerate(PEOPLE.values(), 1)]
    for secret in (
        citizen,
        scenic,
        code,
        "displayName",
        "verifyCreditCode",
        "测",
        "东门",
        "r-1",
        "Bearer",
        "Traceback",
    ):
        assert secret not in log, secret
    for number in (*numbers, ENTERPRISES["firm"]["uscc"]):
        assert number not in log


# Asked by SIGTERM, the process ends in the way of that signal, as supervisors expect; Ctrl-C is no error.
@pytest.mark.parametrize(("polite", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 0)])
def test_a_server_told_to_stop_finishes_what_it_has_begun(process: Process, polite: signal.Signals, code: int) -> None:
    token = process.token("good", Role.CITIZEN)
    shown = process.ask(ISSUE, {"input": {}}, token=token).json()["data"]["issueCreditCode"]["token"]
    asked = {"requestId": "1", "code": shown, "offerId": offer_id("museum")}
    with sqlite3.connect(process.database, isolation_level=None) as writer, ThreadPoolExecutor(1) as apart:
        writer.execute("BEGIN IMMEDIATE")  # the one writer of a SQLite file: the verification has to wait for us
        waiting = apart.submit(process.ask, VERIFY, {"input": asked}, token=process.token("scenic", Role.PARTNER))
        time.sleep(0.5)
        process.popen.send_signal(polite)
        time.sleep(0.5)
        assert not waiting.done()
        assert process.popen.poll() is None
        writer.execute("ROLLBACK")
        answer = waiting.result()
    assert answer.json()["data"]["verifyCreditCode"]["outcome"] == "BENEFIT_APPLIES"
    assert process.popen.wait(timeout=20) == code
    with sqlite3.connect(process.database) as reader:
        assert reader.execute("SELECT count(*) FROM verifications").fetchone() == (1,)
    assert "Traceback" not in process.log.read_text()
