"""Python's `gql` talks to the application on a port: HTTP and WebSocket, the client others have written."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from factories import City, offer_id
from gql import Client, GraphQLRequest, gql
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport
from graphql import GraphQLError
from streaming import until
from websockets.exceptions import ConnectionClosedError

from api.transport.server import listen_on, server_of

NAME = gql("query Name { me { id displayName enrolled } }")
SHOW = gql(
    """mutation Show($input: IssueCreditCodeInput!) {
      issueCreditCode(input: $input) { __typename ... on CreditCode { token } ... on Problem { code } }
    }"""
)
SCANNED = gql("subscription Scanned { codeScanned { action outcome partner { id } offer { id title } } }")


@pytest.fixture
def city_url(sqlite_template: Path, tmp_path: Path) -> str:
    """SQLite alone: a client does not see the store."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    return f"sqlite+aiosqlite:///{tmp_path}/city.db"


@pytest.fixture
async def address(city: City) -> AsyncIterator[str]:
    """Host and port of the application, under the server that `xinyi serve` runs."""
    listener = listen_on("127.0.0.1", 0)
    server = server_of(city.app, lifespan="off")
    running = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await running


def bearer(city: City, account: str | None) -> dict[str, str]:
    return {"authorization": f"Bearer {city.token(account)}"} if account else {}


def by_http(city: City, address: str, account: str | None = "good") -> Client:
    transport = HTTPXAsyncTransport(url=f"http://{address}/graphql", headers=bearer(city, account))
    return Client(transport=transport, fetch_schema_from_transport=True)


def by_socket(address: str, **given: Any) -> Client:
    # It waits for more of what it has left to listen to, ten seconds unless told otherwise.
    return Client(transport=WebsocketsTransport(url=f"ws://{address}/graphql", close_timeout=0.5, **given))


async def test_gql_asks_and_acts_by_http(city: City, address: str) -> None:
    async with by_http(city, address) as session:
        assert (await session.execute(NAME))["me"]["enrolled"] is True
        shown = await session.execute(GraphQLRequest(SHOW, variable_values={"input": {}}))
    assert shown["issueCreditCode"]["__typename"] == "CreditCode"


async def test_gql_reads_the_schema_and_refuses_a_wrong_document_itself(city: City, address: str) -> None:
    client = by_http(city, address)
    async with client as session:
        assert client.schema is not None
        assert "codeScanned" in client.schema.subscription_type.fields  # type: ignore[union-attr]
        with pytest.raises(GraphQLError, match="Cannot query field 'grade' on type 'Offer'"):
            await session.execute(gql("{ offers { edges { node { grade } } } }"))


async def test_gql_shows_what_was_refused(city: City, address: str) -> None:
    async with by_http(city, address, None) as session:
        with pytest.raises(TransportQueryError) as refused:
            await session.execute(NAME)
    assert refused.value.errors is not None
    assert refused.value.errors[0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("way", ["header", "payload"])
async def test_gql_asks_acts_and_listens_by_websocket(city: City, address: str, way: str) -> None:
    given = {"headers": bearer(city, "good")} if way == "header" else {"init_payload": bearer(city, "good")}
    async with by_socket(address, **given) as session:
        assert (await session.execute(NAME))["me"]["enrolled"] is True
        shown = await session.execute(GraphQLRequest(SHOW, variable_values={"input": {}}))
        heard = asyncio.ensure_future(anext(session.subscribe(SCANNED)))
        await until(lambda: len(city.state.cache._fanout) > 0)  # type: ignore[attr-defined]
        answered = await city.verify(shown["issueCreditCode"]["token"])
        event = (await asyncio.wait_for(heard, 5))["codeScanned"]
    assert event["action"] == "verifyCreditCode"
    assert event["outcome"] == answered["outcome"]
    assert event["offer"]["id"] == offer_id("museum")


async def test_gql_is_sent_away_with_a_wrong_token(address: str) -> None:
    session = by_socket(address, init_payload={"authorization": "Bearer no.such.token"})
    with pytest.raises(TransportConnectionFailed) as refused:
        async with session:
            pass
    closed = refused.value.__cause__
    assert isinstance(closed, ConnectionClosedError)
    assert closed.rcvd is not None
    assert closed.rcvd.code == 4401
