"""Time at the door: what takes too long is given up and leaves nothing behind, and slow or vanished clients hold
nothing."""

from __future__ import annotations

import asyncio
import shutil
import socket
import struct
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from factories import ISSUE, City, open_city
from sqlalchemy import text
from streaming import TICKS, Served, serving, until

import api.http
from api import slow_clients
from api.execution import Operations
from core.database import Database
from core.keys import load_keys

MANY = 50
GRAPHQL = "application/graphql-response+json"


@pytest.fixture
def sqlite_city_url(sqlite_template: Path, tmp_path: Path) -> str:
    """For what does not depend on the store."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    return f"sqlite+aiosqlite:///{tmp_path}/city.db"


@pytest.fixture
async def sqlite_city(sqlite_city_url: str, keys_file: Path) -> Any:
    """The same."""
    async with open_city(database_url=sqlite_city_url, keys_file=keys_file) as opened:
        yield opened


def connections_of(city: City) -> int:
    """Database connections that somebody holds."""
    database = city.state.database
    if database.is_sqlite:
        return database.reader.pool.checkedout() + database.writer.pool.checkedout()  # type: ignore[attr-defined]
    return database.reader.pool.checkedout() - len(database._warm._idle)  # type: ignore[attr-defined]


async def test_an_answer_that_takes_too_long_is_given_up_and_its_connection_given_back(city: City) -> None:
    async with serving(city, seconds=0.2) as served, httpx.AsyncClient(trust_env=False) as client:
        for accept, status in ((GRAPHQL, 503), ("application/json", 200)):
            crowd = [client.post(served.url, json={"query": "{ never }"}, headers={"accept": accept}) for _ in range(6)]
            for response in await asyncio.gather(*crowd):
                assert (response.status_code, set(response.json()) - {"extensions"}) == (status, {"errors"})
                assert response.json()["errors"][0]["extensions"]["code"] == "TIMEOUT"
        assert connections_of(city) == 0
    async with city.state.database.reading() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1


async def test_a_mutation_that_is_given_up_writes_nothing_and_the_next_one_writes(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await city.tally()
    real = Database.transaction

    def endless(self: Database) -> Any:
        begun = real(self)

        class Endless:
            async def __aenter__(self) -> Any:
                return await begun.__aenter__()

            async def __aexit__(self, *error: Any) -> Any:
                try:
                    if error[0] is None:
                        await asyncio.sleep(3600)  # all is written, and not committed
                except BaseException as cut:
                    await begun.__aexit__(type(cut), cut, cut.__traceback__)
                    raise
                return await begun.__aexit__(*error)

        return Endless()

    from factories import ENTERPRISES  # noqa: F401

    enroll = """mutation ($input: EnrollInput!) { enroll(input: $input) { __typename ... on Problem { code } } }"""
    operations = _operations(city)
    monkeypatch.setattr(operations, "_seconds", 0.2)
    with monkeypatch.context() as patched:
        patched.setattr(Database, "transaction", endless)
        body = await city.ask(enroll, {"input": {"noticeVersion": "2026-11-22"}}, by="stranger")
    assert body["errors"][0]["extensions"]["code"] == "TIMEOUT"
    assert "data" not in body
    assert await city.tally() == before
    assert connections_of(city) == 0
    monkeypatch.setattr(operations, "_seconds", 10)
    assert await city.do(enroll, by="stranger", noticeVersion="2026-11-22") == {"__typename": "Enrollment"}
    assert await city.code("stranger")
