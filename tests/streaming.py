"""The small city on a port of this machine, with subscriptions of every sort. One thing to know: `ticks` says what the
test publishes, so a test decides when an event comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import strawberry
from factories import City
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import ClientConnection, connect

from api.context import Info
from api.identity.bearer import BearerTokens
from api.permissions import ANYONE, PARTNER, SUBJECT, AccessRules, access
from api.running.execution import Operations
from api.running.limits import Limits
from api.transport.http import GraphQLEndpoint
from api.transport.server import listen_on, server_of
from api.transport.streams import Streams
from api.transport.websocket import PROTOCOL, GraphQLSockets
from core.errors import Forbidden
from core.news import News

TOPIC = "ticks"
TICKS = "subscription { ticks { text } }"


@strawberry.type(description="One event.", directives=access(ANYONE))
class Tick:
    """What was published."""

    text: str = strawberry.field(description="The text.")

    @strawberry.field(description="Who hears it.", directives=access(ANYONE))
    async def listener(self, info: Info) -> str:
        """Asked of the database."""
        async with info.context.state.database.reading() as connection:
            return (await info.context.principal(connection)).account


@strawberry.type(description="Queries.")
class Query:
    """One that is quick and one that is slow."""

    @strawberry.field(description="A greeting.", directives=access(ANYONE))
    def hello(self) -> str:
        """At once."""
        return "hello"

    @strawberry.field(description="Never answers.", directives=access(ANYONE))
    async def never(self, info: Info) -> str:
        """Holds a database connection meanwhile."""
        async with info.context.state.database.reading():
            await asyncio.sleep(3600)
        return ""


@strawberry.type(description="Subscriptions.")
class Subscription:
    """What the test says, in several ways."""

    @strawberry.subscription(description="For everybody.", directives=access(ANYONE))
    async def ticks(self, info: Info) -> AsyncGenerator[Tick, None]:
        """Ends with `end`, fails with `fail`, refuses with `refuse`."""
        async with info.context.state.cache.listen(TOPIC) as texts:
            async for text in texts:
                if text == "end":
                    return
                if text == "fail":
                    raise ValueError("SELECT secret")
                if text == "refuse":
                    raise Forbidden
                yield Tick(text=text)

    @strawberry.subscription(description="For subjects.", directives=access(SUBJECT))
    async def mine(self, info: Info) -> AsyncGenerator[Tick, None]:
        """The same."""
        async with info.context.state.cache.listen(TOPIC) as texts:
            async for text in texts:
                yield Tick(text=text)

    @strawberry.subscription(description="For partners.", directives=access(PARTNER))
    async def theirs(self) -> AsyncGenerator[Tick, None]:
        """One event."""
        yield Tick(text="theirs")

    @strawberry.subscription(description="Counts.", directives=access(ANYONE))
    async def count(self, upto: int) -> AsyncGenerator[int, None]:
        """From one on."""
        for number in range(1, upto + 1):
            yield number

    @strawberry.subscription(description="More than anybody reads.", directives=access(ANYONE))
    async def flood(self) -> AsyncGenerator[str, None]:
        """Without an end."""
        while True:
            yield "x" * 100_000
            await asyncio.sleep(0)


SCHEMA = strawberry.Schema(query=Query, subscription=Subscription)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens elsewhere, five seconds at most."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event of its own
            await asyncio.sleep(0.01)


class Served:
    """A city on a port."""

    def __init__(self, city: City, streams: Streams, port: int) -> None:
        self.city, self.streams, self.port = city, streams, port
        self.url = f"http://127.0.0.1:{port}/graphql"

    def say(self, *texts: str) -> None:
        """Publish."""
        self.city.state.cache.publish([News(TOPIC, text) for text in texts])

    async def heard(self, number: int = 1) -> None:
        """Wait until so many listen."""
        await until(lambda: self.listeners() >= number)

    def listeners(self) -> int:
        """How many listen to the topic."""
        return len(self.city.state.cache._fanout._listeners.get(TOPIC, ()))  # type: ignore[attr-defined]

    def socket(self, **given: Any) -> connect:
        """A WebSocket to be opened; the protocol is spoken unless said otherwise."""
        given = {"subprotocols": [PROTOCOL], "compression": None, "proxy": None} | given
        return connect(f"ws://127.0.0.1:{self.port}/graphql", **given)

    @asynccontextmanager
    async def talk(self, by: str | None = None, **given: Any) -> AsyncIterator[Talk]:
        """A connection that has introduced itself."""
        async with self.socket(**given) as socket:
            talk = Talk(socket)
            payload = {"authorization": f"Bearer {self.city.token(by)}"} if by else None
            await talk.send(type="connection_init", payload=payload)
            assert await talk.receive() == {"type": "connection_ack"}
            yield talk


class Talk:
    """JSON over a WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, **message: Any) -> None:
        """One message."""
        await self.socket.send(orjson.dumps(message).decode())

    async def subscribe(self, query: str, key: str = "1", **payload: Any) -> None:
        """Begin an operation."""
        await self.send(type="subscribe", id=key, payload={"query": query, **payload})

    async def receive(self) -> Any:
        """The next message; what it says of its cost is left out."""
        async with asyncio.timeout(5):
            message = orjson.loads(await self.socket.recv())
        if isinstance(message.get("payload"), dict):
            message["payload"].pop("extensions", None)
        return message

    async def closed(self) -> tuple[int | None, str | None]:
        """Wait until the server closes: code and reason."""
        async with asyncio.timeout(5):
            await self.socket.wait_closed()
        return self.socket.close_code, self.socket.close_reason


@asynccontextmanager
async def serving(city: City, *, seconds: float = 10) -> AsyncIterator[Served]:
    """The city with the subscriptions above, under the server that `xinyi serve` runs."""
    state, settings, streams = city.state, city.settings, Streams()
    tokens = BearerTokens(state.keys, issuer=settings.issuer)
    limits = Limits(state.cache, per_second=settings.rate_per_second, burst=settings.rate_burst)
    operations = Operations(SCHEMA._schema, AccessRules(SCHEMA._schema), introspection=True, seconds=seconds)
    app = Starlette(
        routes=[
            Route("/graphql", GraphQLEndpoint(state, operations, tokens, limits, streams, console=False)),
            WebSocketRoute("/graphql", GraphQLSockets(state, operations, tokens, limits, streams)),
        ]
    )
    app.state.streams = streams
    listener = listen_on("127.0.0.1", 0)
    server = server_of(app, lifespan="off")
    running = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    served = Served(city, streams, listener.getsockname()[1])
    try:
        yield served
    finally:
        server.should_exit = True
        async with asyncio.timeout(10):
            await running
