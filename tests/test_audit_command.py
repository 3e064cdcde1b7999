"""`xinyi audit` and `xinyi consent` as they are typed; a server killed under load; a database from before there were
chains."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic import command
from factories import NOON, VERIFY, offer_id, open_city
from servers import Postgres
from sqlalchemy import column, insert, table, text
from test_consents import REVOKE, give

from api.identity.bearer import issue_token
from api.jobs.checkpointing import PATH
from cli.main import run
from core.audit import audit_entries, leaf_of
from core.checkpoints import Verified, verify_trail
from core.database import Database
from core.identifiers import new_id
from core.keys import Keys, load_keys
from core.migrations import config, migrate
from partners.accounts import Role
from partners.codes import issue_code

Xinyi = Callable[..., tuple[int, str, str]]
_NUMBERS = count(1)


@pytest.fixture
def xinyi(capfd: pytest.CaptureFixture[str]) -> Xinyi:
    """Run a command: exit code, standard output, standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        told = capfd.readouterr()
        assert "Traceback" not in told.err
        return code, told.out, told.err

    return call


@dataclass
class Deployment:
    """A city on SQLite that has had a day, its files, and what its people hold."""

    database: Path
    receipts: list[str]
    consent: str
    checkpoints: Path

    def change(self, statement: str, *values: Any) -> None:
        """By hand."""
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            connection.execute(statement, values)


@pytest.fixture
def deployment(sqlite_template: Path, keys_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Five scans, a consent, and a checkpoint that somebody has kept."""
    database = tmp_path / "city.db"
    shutil.copy(sqlite_template, database)
    monkeypatch.setenv("XINYI_DATABASE_URL", f"sqlite+aiosqlite:///{database}")
    monkeypatch.setenv("XINYI_KEYS_FILE", str(keys_file))
    monkeypatch.setenv("XINYI_ENVIRONMENT", "demo")

    async def a_day() -> tuple[list[str], str]:
        async with open_city(database_url=f"sqlite+aiosqlite:///{database}", keys_file=keys_file) as city:
            receipts = [(await city.verify(await city.code("good")))["receipt"] for _ in range(5)]
            given = await give(city)
            revoked = await city.do(REVOKE, by="good", consentId=given["id"])
        async with open_city(database_url=f"sqlite+aiosqlite:///{database}", keys_file=keys_file) as city:
            (tmp_path / "kept.jsonl").write_bytes((await city.client.get(PATH)).content)
        return receipts, revoked["receipt"]

    receipts, consent = asyncio.run(a_day())
    for place, receipt in enumerate(receipts):
        (tmp_path / f"receipt-{place}").write_text(receipt + "\n")
    (tmp_path / "consent").write_text(consent + "\n")
    return Deployment(database, receipts, consent, tmp_path / "kept.jsonl")


def test_a_trail_that_holds_ends_with_the_number_of_rows(deployment: Deployment, xinyi: Xinyi, tmp_path: Path) -> None:
    code, out, err = xinyi(
        "audit", "verify", "--checkpoints", deployment.checkpoints, "--receipt", tmp_path / "receipt-0",
        "--receipt", tmp_path / "consent",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert re.search(r"\b7\b", out)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE audit_entries SET actor = 'nobody' WHERE step = 3", "第 3 行"),
        ("DELETE FROM audit_entries WHERE step = 4", "第 4 行"),
        ("DELETE FROM audit_entries WHERE step >= 6", "第 6 行"),
        ("DELETE FROM audit_entries", "第 1 行"),
    ],
)
def test_the_first_row_changed_or_missing_is_named_in_one_line(
    deployment: Deployment, xinyi: Xinyi, statement: str, named: str
) -> None:
    deployment.change(statement)
    code, out, err = xinyi("audit", "verify")
    assert (code, out) == (1, "")
    assert re.fullmatch(r"AUDIT_BROKEN: .+\n", err)
    assert named in err


def test_a_receipt_in_somebodys_hands_finds_what_an_insider_with_the_keys_took_away(
    deployment: Deployment, xinyi: Xinyi, tmp_path: Path
) -> None:
    deployment.change("DELETE FROM audit_entries")
    deployment.change("DELETE FROM audit_chains")
    deployment.change("DELETE FROM audit_checkpoints")
    assert xinyi("audit", "verify")[0] == 0, "an empty trail is whole by itself"
    for option, file in (("--receipt", tmp_path / "receipt-0"), ("--checkpoints", deployment.checkpoints)):
        code, _, err = xinyi("audit", "verify", option, file)
        assert (code, err.partition(":")[0]) == (1, "AUDIT_BROKEN")


def test_what_is_no_receipt_and_what_are_no_checkpoints_are_refused_in_one_line(
    deployment: Deployment, xinyi: Xinyi, tmp_path: Path
) -> None:
    for wrong in (tmp_path / "nowhere", deployment.database):
        assert xinyi("audit", "verify", "--checkpoints", wrong)[0] == 1
        assert xinyi("audit", "verify", "--receipt", wrong)[0] == 1
    (tmp_path / "receipt-0").write_text(deployment.receipts[0][:-1])
    code, _, err = xinyi("audit", "verify", "--receipt", tmp_path / "receipt-0")
    assert (code, err.partition(":")[0]) == (1, "SIGNATURE_INVALID")


def test_a_checkpoint_can_be_made_by_command(deployment: Deployment, xinyi: Xinyi) -> None:
    assert xinyi("audit", "checkpoint")[:2] == (0, ""), "nothing has moved"
    deployment.change("UPDATE audit_chains SET signed_step = 0")
    code, out, _ = xinyi("audit", "checkpoint")
    assert (code, '"number":2' in out) == (0, True)


def test_a_consents_receipt_is_checked_without_a_server(deployment: Deployment, xinyi: Xinyi, tmp_path: Path) -> None:
    code, out, _ = xinyi("consent", "verify", tmp_path / "consent")
    assert (code, '"act": "revoked"' in out) == (0, True)
    (tmp_path / "consent").write_text(deployment.consent[:-5] + "AAAAA")
    code, out, err = xinyi("consent", "verify", tmp_path / "consent")
    assert (code, out, err.partition(":")[0]) == (1, "", "SIGNATURE_INVALID")


# A real server, killed


@pytest.fixture(params=["sqlite", "postgresql"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a small city's database."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "city.db")
        return f"sqlite+aiosqlite:///{tmp_path}/city.db"
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.create_database(f"killed_{next(_NUMBERS)}", template=request.getfixturevalue("postgres_template"))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def asking(url: str, keys: Keys, stop: threading.Event) -> Iterator[threading.Thread]:
    """Partners that scan one code after another until told to stop or the server is gone."""

    def scan(worker: int) -> None:
        now = datetime.now(UTC)
        token = issue_token(
            keys, issuer="https://xinyi.example", account="scenic", role=Role.PARTNER, now=now,
            lifetime=timedelta(minutes=5),
        )  # fmt: skip
        with httpx.Client(timeout=5, headers={"authorization": f"Bearer {token}"}) as client:
            for n in range(10_000):
                _, code = issue_code(keys, subject_id=1, offer_id=None, now=datetime.now(UTC))
                asked = {"requestId": f"{worker}-{n}", "code": code, "offerId": offer_id("museum")}
                try:
                    client.post(f"{url}/graphql", json={"query": VERIFY, "variables": {"input": asked}})
                except httpx.TransportError:
                    return
                if stop.is_set():
                    return

    for worker in range(4):
        yield threading.Thread(target=scan, args=(worker,))


def test_a_server_killed_under_load_leaves_a_trail_that_holds(served: str, keys_file: Path) -> None:
    keys, port = load_keys(keys_file), free_port()
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "XINYI_ENVIRONMENT": "demo", "XINYI_DATABASE_URL": served, "XINYI_KEYS_FILE": str(keys_file),
        "XINYI_RATE_BURST": "100000", "XINYI_RATE_PER_SECOND": "100000",
    }  # fmt: skip
    arguments = [sys.executable, "-m", "cli.main", "serve", "--port", str(port)]
    for _ in range(2):
        server = subprocess.Popen(arguments, env=environment, stderr=subprocess.DEVNULL)
        try:
            for _ in range(300):
                try:
                    httpx.get(f"{url}/healthz")
                    break
                except httpx.TransportError:
                    assert server.poll() is None
                    time.sleep(0.1)
            stop = threading.Event()
            threads = list(asking(url, keys, stop))
            for thread in threads:
                thread.start()
            time.sleep(2)
            os.kill(server.pid, signal.SIGKILL)
            stop.set()
            for thread in threads:
                thread.join()
        finally:
            server.kill()
            server.wait()

    async def look() -> tuple[Verified, int]:
        database = Database(served, keys=keys)
        async with database.reading() as connection:
            found = await verify_trail(connection, keys)
            logged = await connection.scalar(text("SELECT count(*) FROM access_events"))
        await database.close()
        return found, int(logged or 0)

    found, logged = asyncio.run(look())
    assert found.rows == logged > 20


async def test_a_database_from_before_there_were_chains_verifies_once_migrated(
    served: str, city_before_chains: Callable[[str], Any], keys_file: Path
) -> None:
    keys = load_keys(keys_file)
    database = await city_before_chains(served)
    await migrate(database)
    async with database.reading() as connection:
        found = await verify_trail(connection, keys)
    assert found.rows >= 20
    await database.close()


@pytest.fixture
def city_before_chains(keys_file: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """An empty database of revision 0005 with twenty audit rows as they were written then."""

    async def make(served: str) -> Database:
        if served.startswith("sqlite"):
            url = f"sqlite+aiosqlite:///{tmp_path}/old.db"
        else:
            url = request.getfixturevalue("postgres").create_database("before_chains")
        database = Database(url, keys=load_keys(keys_file))
        async with database.transaction() as connection:
            await connection.run_sync(lambda sync: command.upgrade(config(sync), "0005"))
        async with database.transaction() as connection:
            for n in range(20):
                row: dict[str, Any] = {
                    "subject_id": n % 3, "id": new_id(), "at": NOON, "actor": "test", "action": "test", "content": "{}",
                    "nonce": f"{n:064d}",
                }  # fmt: skip
                row["leaf"] = leaf_of(row)
                columns = sorted(row)
                typed = table("audit_entries", *(column(name, audit_entries.c[name].type) for name in columns))
                await connection.execute(insert(typed).values(row))
        return database

    return make
