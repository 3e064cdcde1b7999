"""What somebody tried who had read the code, and what came of it."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from factories import City, open_city
from streaming import TICKS, Served, serving, until

from api import slow_clients


@pytest.fixture
async def small(sqlite_template: Path, tmp_path: Path, keys_file: Path) -> AsyncIterator[City]:
    """For what does not depend on the store."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    async with open_city(database_url=f"sqlite+aiosqlite:///{tmp_path}/city.db", keys_file=keys_file) as city:
        yield city


HEAD = b"POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
ASKED = b'{"query":"{ hello }"}'
LENGTH = b"content-length: 21\r\n"
FLOOD = 8_000_000


async def sent(served: Served, *parts: bytes, pause: float = 0) -> bytes:
    """What comes back until the server closes, or has answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        async with asyncio.timeout(10):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)
            return await reader.read(100)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "flood",
    [
        HEAD + LENGTH + b"accept: " + b"," * FLOOD + b"\r\n\r\n" + ASKED,
        HEAD + LENGTH + b"x: y\r\n" * (FLOOD // 6) + b"\r\n" + ASKED,
        HEAD + LENGTH + b"accept-language: " + b"a," * (FLOOD // 2),
        b"GET /graphql?" + b"a=b&" * (FLOOD // 4) + b" HTTP/1.1\r\nhost: a\r\n\r\n",
        b"x" * FLOOD,
    ],
    ids=["one header", "many headers", "no end", "query string", "no request"],
)
async def test_a_head_without_measure_is_cut_off_before_anybody_reads_it(small: City, flood: bytes) -> None:
    async with serving(small) as served:
        began = time.thread_time()
        answer = await sent(served, flood)
        assert time.thread_time() - began < 0.5
        assert not answer or answer.split()[1] in {b"400", b"431"}
        assert b" 200 " in await sent(served, HEAD + LENGTH + b"x: " + b"y" * 30_000 + b"\r\n\r\n" + ASKED)


TRICKLES = {
    "a body": b"POST /sign-in/session HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    b"content-length: 9000\r\n\r\n{",
    "in chunks": b"POST /sign-in/session HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    b"transfer-encoding: chunked\r\n\r\n",
    "that nobody reads": b"GET /graphql?query=%7Bhello%7D HTTP/1.1\r\nhost: a\r\ncontent-length: 9000\r\n\r\n",
}


@pytest.mark.parametrize("trickle", TRICKLES.values(), ids=TRICKLES)
async def test_a_body_that_only_trickles_in_holds_no_connection(
    small: City, monkeypatch: pytest.MonkeyPatch, trickle: bytes
) -> None:
    monkeypatch.setattr(slow_clients, "PACE_SECONDS", 0.3)
    async with serving(small) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(trickle)

        def drips() -> bool:
            writer.write(b"1\r\na\r\n" if b"chunked" in trickle else b"a")
            return reader.at_eof() or reader.exception() is not None or writer.is_closing()

        await until(drips)
        writer.close()


async def test_whoever_listens_without_a_word_is_not_taken_for_a_trickle(
    small: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_clients, "PACE_SECONDS", 0.1)
    async with serving(small) as served, served.talk() as talk:
        await talk.subscribe(TICKS)
        await served.heard(1)
        await asyncio.sleep(0.5)
        served.say("still there")
        assert (await talk.receive())["payload"] == {"data": {"ticks": {"text": "still there"}}}
