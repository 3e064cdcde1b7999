"""What somebody tried who had read the code, and what came of it."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator
from itertools import repeat
from pathlib import Path

import pytest
from factories import City, open_city
from hostile_values import quickly
from streaming import TICKS, Served, Talk, serving, until
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from api.transport import slow_clients
from api.transport.server import QUIET
from api.transport.websocket import PROTOCOL


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
        with quickly():
            answer = await sent(served, flood)
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


@pytest.mark.parametrize("kind", ["[]", "{}", "1", "null", '"x"'])
async def test_a_message_of_no_kind_ends_the_connection_by_the_protocol(small: City, kind: str) -> None:
    async with serving(small) as served, served.socket() as socket:
        await socket.send(f'{{"type": {kind}}}')
        assert await Talk(socket).closed() == (4400, "Invalid message received")


UPGRADE = (
    b"GET /graphql HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nsec-websocket-protocol: " + PROTOCOL.encode() + b"\r\n\r\n"
)
SMALL_FRAMES = {
    "pongs": b"\x8a\x80\0\0\0\0",
    "pings": b"\x89\x80\0\0\0\0",
    "pings to answer": b"\x89\xfd\0\0\0\0" + b"x" * 125,
    "messages": b"\x81\x80\0\0\0\0",
    "parts": b"\x01\x80\0\0\0\0" + b"\x00\x80\0\0\0\0" * 50_000,
}


@pytest.mark.parametrize("frame", SMALL_FRAMES.values(), ids=SMALL_FRAMES)
async def test_a_flood_of_small_frames_keeps_nobody_busy(small: City, frame: bytes) -> None:
    async with serving(small) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(UPGRADE)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        flood = frame * (300_000 // len(frame) + 1)
        with quickly():
            async with asyncio.timeout(10):
                for part in repeat(flood, 20):
                    try:
                        writer.write(part)
                        await writer.drain()
                        await asyncio.sleep(0.01)
                    except ConnectionError:
                        break
                else:
                    pytest.fail("not cut off")
        writer.close()


async def test_pings_in_measure_are_answered(small: City) -> None:
    async with serving(small) as served, served.talk() as talk:
        for _ in range(200):
            await (await talk.socket.ping())
        await talk.send(type="ping")
        assert await talk.receive() == {"type": "pong"}


async def test_what_a_careless_client_puts_into_the_address_of_its_socket_is_in_no_log(
    small: City, caplog: pytest.LogCaptureFixture
) -> None:
    before = {name: logging.getLogger(name).level for name in QUIET}
    try:
        for name in QUIET:
            logging.getLogger(name).setLevel(logging.WARNING)
        caplog.set_level(logging.INFO)
        async with serving(small) as served:
            address = f"ws://127.0.0.1:{served.port}/graphql?access_token=a-secret"
            async with connect(address, subprotocols=[Subprotocol(PROTOCOL)], proxy=None):
                pass
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
    # The test's own client writes to the same log.
    assert not [line for line in caplog.records if line.name != "websockets.client" and "a-secret" in line.getMessage()]
