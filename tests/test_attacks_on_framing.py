"""What can be hidden behind a body, or piled up behind an answer. One thing to know: gateways in front of us see none
of it, so what is counted and left out here is counted and left out nowhere else."""

from __future__ import annotations

import asyncio
import shutil
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from factories import City, open_city
from hostile_values import quickly
from streaming import TICKS, Served, serving, until

from api.transport import slow_clients

CHUNKED = b"POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n"
ASKED = b'15\r\n{"query":"{ hello }"}\r\n'
LENGTH = 2_000_000
FLOODS = {
    "one trailer": CHUNKED + b"\r\n" + ASKED + b"0\r\nx: " + b"a" * LENGTH,
    "many trailers": CHUNKED + b"\r\n" + ASKED + b"0\r\n" + b"a: b\r\n" * (LENGTH // 6),
    "an extension of a chunk": CHUNKED + b"\r\n15;" + b"a" * LENGTH,
    "lines between requests": b"GET /graphql?query=%7Bhello%7D HTTP/1.1\r\nhost: a\r\n\r\n" + b"\r\n" * (LENGTH // 2),
    "after an upgrade to nothing": b"GET / HTTP/1.1\r\nhost: a\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n"
    + b"a" * LENGTH,
    "requests": b"GET / HTTP/1.1\r\n\r\n" * (LENGTH // 18),
}


@pytest.fixture
async def small(sqlite_template: Path, tmp_path: Path, keys_file: Path) -> AsyncIterator[City]:
    """For what does not depend on the store."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    async with open_city(database_url=f"sqlite+aiosqlite:///{tmp_path}/city.db", keys_file=keys_file) as city:
        yield city


async def opened(served: Served, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which so much was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(sent)
    return reader, writer


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
async def test_what_has_no_end_is_cut_off_wherever_it_stands_and_costs_little(small: City, flood: bytes) -> None:
    async with serving(small) as served:
        tracemalloc.start()
        try:
            with quickly():
                _, writer = await opened(served, flood)
                await until(writer.transport.is_closing)
            assert tracemalloc.get_traced_memory()[1] < 5 * LENGTH
        finally:
            tracemalloc.stop()
            writer.close()


async def test_empty_lines_between_requests_keep_no_connection(small: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_clients, "HEAD_SECONDS", 0.5)
    asked = b"GET /graphql?query=%7Bhello%7D HTTP/1.1\r\nhost: a\r\n\r\n"
    async with serving(small) as served:
        reader, writer = await opened(served, asked)
        async with asyncio.timeout(5):
            await reader.readuntil(b"}}}}")
            writer.write(b"\r\n" + asked)  # some clients of old do so
            await reader.readuntil(b"}}}}")

        def drips() -> bool:
            writer.write(b"\r\n")
            return reader.at_eof() or reader.exception() is not None or writer.is_closing()

        await until(drips)
        writer.close()


async def test_a_trailer_is_no_header(small: City) -> None:
    async with serving(small) as served:
        close = b"connection: close\r\n\r\n"
        for sent in (
            CHUNKED + close + ASKED + b"0\r\nauthorization: Bearer x\r\naccept: text/html\r\n\r\n",
            CHUNKED + b"trailer: authorization\r\n" + close + ASKED + b"0\r\nAuthorization: Bearer x\r\n\r\n",
        ):
            reader, writer = await opened(served, sent)
            async with asyncio.timeout(5):
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            assert orjson.loads(body)["data"] == {"hello": "hello"}
            writer.close()


async def test_some_requests_sent_at_once_are_answered_in_their_order(small: City) -> None:
    async with serving(small) as served:
        asked = b"".join(
            b"GET /graphql?query=%%7Ba%d:hello%%7D HTTP/1.1\r\nhost: a\r\n\r\n" % number for number in range(50)
        )
        reader, writer = await opened(served, asked)
        async with asyncio.timeout(5):
            for number in range(50):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
                assert orjson.loads(await reader.readuntil(b"}}}}"))["data"] == {f"a{number}": "hello"}
        writer.close()


async def test_a_stream_behind_which_another_request_waits_ends_with_its_connection(small: City) -> None:
    body = orjson.dumps({"query": TICKS})
    asked = b"POST /graphql HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\ncontent-type: application/json\r\n"
    asked += b"content-length: %d\r\n\r\n" % len(body) + body
    async with serving(small) as served:
        _, writer = await opened(served, asked)
        await served.heard(1)
        writer.write(b"GET /graphql?query=%7Bhello%7D HTTP/1.1\r\nhost: a\r\n\r\n")
        await writer.drain()
        writer.transport.abort()

        def gone() -> bool:
            served.say("anybody?")  # what is written to nobody finds out that nobody is there
            return served.listeners() == 0 and len(served.streams) == 0

        await until(gone)
