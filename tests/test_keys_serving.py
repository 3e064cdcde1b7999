"""Keys change under two servers at work. One thing to know: they are told by the file alone, and nobody notices."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import orjson
import pytest
from factories import ISSUE, VERIFY, offer_id
from servers import Postgres

from api.identity.bearer import issue_token
from cli.main import run
from core.keys import PUBLIC, SECRET, SIGNING, load_keys, load_public_keys
from partners.accounts import Role
from partners.receipts import check_receipt

EVERY = (*SIGNING, *SECRET)
AHEAD = 2
WORKERS = 4


@contextmanager
def serving(environment: dict[str, str], log: Path) -> Iterator[str]:
    """A real `xinyi serve`; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cli.main", "serve", "--port", str(port)]
    with log.open("wb") as told:
        popen = subprocess.Popen(command, env=environment, stderr=told)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                httpx.get(f"{address}/healthz")
                break
            except httpx.TransportError:
                assert popen.poll() is None, log.read_text()
                time.sleep(0.1)
        yield address
    finally:
        popen.kill()
        popen.wait()


class Load:
    """Citizens who show codes and a partner who scans them, at one server or the other, until told to stop."""

    def __init__(self, addresses: list[str], token: Callable[[str, Role], str]) -> None:
        self.addresses, self.token = addresses, token
        self.stop, self.receipts, self.failures, self.asked = asyncio.Event(), list[str](), list[Any](), 0

    async def do(self, client: httpx.AsyncClient, address: str, query: str, token: str, **given: Any) -> dict[str, Any]:
        """One mutation's result; a failure of any kind is kept."""
        self.asked += 1
        headers = {"authorization": f"Bearer {token}"}
        asked = {"query": query, "variables": {"input": given}}
        response = await client.post(f"{address}/graphql", json=asked, headers=headers)
        body = response.json()
        [result] = (body.get("data") or {"": None}).values()
        if response.status_code != 200 or "errors" in body or not result or result["__typename"] == "Problem":
            self.failures.append(body)
        return result or {}

    async def work(self, worker: int) -> None:
        """Show and scan, each at another server than the one before."""
        # Tokens of the first minute are shown all the time, and fresh ones too.
        citizen, scenic = self.token("good", Role.CITIZEN), self.token("scenic", Role.PARTNER)
        kept: list[str] = []
        async with httpx.AsyncClient(timeout=30) as client:
            for turn in range(100_000):
                if self.stop.is_set():
                    break
                here, there = self.addresses[turn % 2], self.addresses[(turn + 1 + turn // 2) % 2]
                shown = await self.do(client, here, ISSUE, citizen if turn % 3 else self.token("good", Role.CITIZEN))
                kept.append(shown.get("token", ""))
                # A code waits a while before it is scanned, be it made under the key before.
                if len(kept) > worker * 5:
                    asked = {"requestId": f"{worker}-{turn}", "code": kept.pop(0), "offerId": offer_id("museum")}
                    first = await self.do(client, there, VERIFY, scenic, **asked)
                    again = await self.do(client, here, VERIFY, scenic, **asked) if turn % 4 == 0 else first
                    if again != first:
                        self.failures.append((first, again))
                    self.receipts.append(first.get("receipt", ""))


@pytest.fixture
def deployment(
    postgres: Postgres, postgres_template: str, keys_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """The environment of a small city on PostgreSQL with keys of its own."""
    shutil.copy(keys_file, tmp_path / "keys.json")
    given = {
        "XINYI_ENVIRONMENT": "demo",
        "XINYI_DATABASE_URL": postgres.create_database("rotated_city", template=postgres_template),
        "XINYI_KEYS_FILE": str(tmp_path / "keys.json"),
        "XINYI_RATE_PER_SECOND": "100000",
        "XINYI_RATE_BURST": "100000",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    yield os.environ | given
    postgres.sql("DROP DATABASE rotated_city WITH (FORCE)")


async def test_every_key_is_rotated_under_load_at_two_servers_and_no_request_fails(
    deployment: dict[str, str], tmp_path: Path
) -> None:
    path = Path(deployment["XINYI_KEYS_FILE"])
    before = load_keys(path)
    held = load_keys(path)

    def token(account: str, role: Role) -> str:
        held.refresh()
        now, lifetime = datetime.now(UTC), timedelta(minutes=5)
        return issue_token(held, issuer="https://xinyi.example", account=account, role=role, now=now, lifetime=lifetime)

    with ExitStack() as servers:
        addresses = [servers.enter_context(serving(deployment, tmp_path / f"log-{n}")) for n in range(2)]
        load = Load(addresses, token)
        workers = [asyncio.create_task(load.work(n)) for n in range(WORKERS)]
        for purpose in EVERY:
            assert await asyncio.to_thread(run, ["keys", "rotate", purpose, "--in", str(AHEAD)]) == 0
        await asyncio.sleep(AHEAD + 1)
        under_old_keys = len(load.receipts)
        assert await asyncio.to_thread(run, ["keys", "rehash"]) == 0
        await asyncio.sleep(0.5)
        load.stop.set()
        await asyncio.gather(*workers)
        async with httpx.AsyncClient() as client:
            sets = [await client.get(f"{address}/.well-known/jwks.json") for address in addresses]
    published = [answer.json() for answer in sets]
    assert load.failures == []
    assert len(load.receipts) > under_old_keys > 0
    after = load_keys(path)
    assert all(after.active(purpose).kid != before.active(purpose).kid for purpose in EVERY)
    assert published[0] == published[1] == after.jwks()
    assert len(published[0]["keys"]) == 2 * len(PUBLIC)

    # Receipts of before and after are checked with what either server publishes.
    (tmp_path / "jwks.json").write_bytes(sets[0].content)
    public = load_public_keys(tmp_path / "jwks.json")
    assert all(check_receipt(public, receipt) for receipt in load.receipts)
    kids = [jwt.get_unverified_header(receipt)["kid"] for receipt in load.receipts]
    old, new = before.active("receipt").kid, after.active("receipt").kid
    assert {*kids} == {old, new}
    logs = "".join((tmp_path / f"log-{n}").read_text() for n in range(2))
    assert '"level":"ERROR"' not in logs
    assert "Traceback" not in logs


def test_each_rotation_and_each_move_is_in_the_audit_trail(deployment: dict[str, str], postgres: Postgres) -> None:
    assert run(["keys", "rotate", "seal", "lookup", "--in", "2", "--suite", "sm"]) == 0
    assert run(["keys", "rehash"]) == 0
    kept = "SELECT actor, action FROM audit_entries WHERE action IN ('rotateKeys', 'rehash') ORDER BY at"
    assert postgres.sql(kept, database="rotated_city").splitlines() == ["cli|rotateKeys", "cli|rehash"]
    said = postgres.sql("SELECT content FROM audit_entries WHERE action = 'rotateKeys'", database="rotated_city")
    keys = load_keys(Path(deployment["XINYI_KEYS_FILE"]))
    assert orjson.loads(said)["keys"] == [keys.active(purpose).kid for purpose in ("seal", "lookup")]
    for key in keys.all:
        assert (key.secret or b"").hex() not in said
