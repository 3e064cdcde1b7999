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
from factories import City, open_city
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from streaming import TICKS, Served, serving, until

import api.transport.bodies
from api.transport import slow_clients, streams

MANY = 50
GRAPHQL = "application/graphql-response+json"
ENROLL = "mutation ($input: EnrollInput!) { enroll(input: $input) { __typename ... on Problem { code } } }"
NOTICE = "2026-11-22"


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
    city_url: str, keys_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(connection: AsyncConnection, **_: object) -> None:
        if connection.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_sleep(60)"))  # cut off in mid-statement
        await asyncio.sleep(60)  # cut off between two

    async with open_city(database_url=city_url, keys_file=keys_file, request_seconds=0.5) as city:
        before = await city.tally()
        with monkeypatch.context() as patched:
            patched.setattr("api.subjects.score_participant", endless)  # by then the enrolment is written
            bodies = await asyncio.gather(
                *(city.ask(ENROLL, {"input": {"noticeVersion": NOTICE}}, by="stranger") for _ in range(3))
            )
        for body in bodies:
            assert body["errors"][0]["extensions"]["code"] == "TIMEOUT"
            assert "data" not in body
        assert await city.tally() == before
        assert connections_of(city) == 0
        assert await city.do(ENROLL, by="stranger", noticeVersion=NOTICE) == {"__typename": "Enrollment"}
        assert await city.code("stranger")


async def raw(served: Served, *parts: bytes, pause: float = 0) -> bytes:
    """What comes back when these bytes are sent one after the other, until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(pause)
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


HEAD = b"POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n"


async def test_a_body_that_does_not_come_is_not_waited_for(sqlite_city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.transport.bodies, "SECONDS", 0.2)
    async with serving(sqlite_city) as served:
        for parts in ((HEAD,), (HEAD, b'{"que')):
            answer = await raw(served, *parts)
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 408 ")
            assert b"connection: close" in head
            assert orjson.loads(body)["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_head_that_does_not_come_is_not_waited_for(sqlite_city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_clients, "HEAD_SECONDS", 0.2)
    async with serving(sqlite_city) as served:
        began = asyncio.get_running_loop().time()
        assert await raw(served) == b""
        assert await raw(served, *(b"G", b"E", b"T", b" "), pause=0.01) == b""
        whole = HEAD + b'{"query":"{ hello }"}'
        answer = await raw(served, whole, b"POST /graphql", pause=0.05)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert asyncio.get_running_loop().time() - began < 3, "and a second request's head neither"


async def test_a_head_that_comes_in_time_may_come_in_pieces(sqlite_city: City) -> None:
    whole = HEAD.replace(b"host: a", b"host: a\r\nconnection: close") + b'{"query":"{ hello }"}'
    async with serving(sqlite_city) as served:
        answer = await raw(served, *(whole[n : n + 7] for n in range(0, len(whole), 7)), pause=0.001)
    assert b'"hello":"hello"' in answer


async def unread(served: Served, first: bytes, *more: bytes) -> socket.socket:
    """A client that asks, and reads next to nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", served.port))
    await loop.sock_sendall(client, first)
    for part in more:
        await loop.sock_recv(client, 1000)
        await loop.sock_sendall(client, part)
    return client


def post_of(query: str) -> bytes:
    """A request for events, as it goes over the wire."""
    body = orjson.dumps({"query": query})
    head = "POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\naccept: text/event-stream\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


UPGRADE = (
    b"GET /graphql HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n"
)


def frame(**message: Any) -> bytes:
    """A text frame of a client, with a mask of zeros."""
    content = orjson.dumps(message)
    return b"\x81" + bytes([0x80 | len(content)]) + b"\0\0\0\0" + content


async def test_a_client_that_reads_nothing_is_cut_off(sqlite_city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_clients, "READ_SECONDS", 0.3)
    flood = "subscription { flood }"
    async with serving(sqlite_city) as served:
        tasks = len(asyncio.all_tasks())
        over_http = await unread(served, post_of(flood))
        over_socket = await unread(
            served, UPGRADE, frame(type="connection_init"), frame(type="subscribe", id="1", payload={"query": flood})
        )
        await until(lambda: len(served.streams) == 2)
        await until(lambda: len(served.streams) == 0)
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        over_http.close()
        over_socket.close()


def cut(client: socket.socket) -> None:
    """End a connection as a crash does: with a reset, and without a word."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


async def test_connections_that_are_cut_leave_nothing_behind(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST_OPEN", 2 * MANY)
    async with serving(city) as served:
        await asyncio.sleep(0.05)
        tasks = len(asyncio.all_tasks())
        clients = []
        for number in range(MANY):
            clients.append(await unread(served, post_of(TICKS)))
            key = f"{number}"
            clients.append(
                await unread(
                    served,
                    UPGRADE,
                    frame(type="connection_init"),
                    frame(type="subscribe", id=key, payload={"query": TICKS}),
                )
            )
        await served.heard(2 * MANY)
        served.say("in the middle of things")
        for client in clients:
            cut(client)
        served.say("and after")
        await until(lambda: served.listeners() == 0 and len(served.streams) == 0)
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        assert connections_of(city) == 0
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.post(served.url, json={"query": "{ hello }"})).json()["data"] == {"hello": "hello"}
