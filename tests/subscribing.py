"""A subscription of somebody of the small city, for tests. One thing to know: it runs as the server runs it, but for
the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

from factories import City, role_of

from api.context import Context
from api.identity import Claims
from api.running.execution import GraphQLRequest, Operations
from api.schema import ACCESS, SCHEMA

OPERATIONS = Operations(SCHEMA._schema, ACCESS, introspection=True)
SECONDS = 10
"""How long an event is waited for."""


class Heard:
    """What comes in."""

    def __init__(self) -> None:
        self._bodies: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def add(self, body: dict[str, Any] | None) -> None:
        """An answer, or None where the stream has ended."""
        self._bodies.put_nowait(body)

    async def body(self) -> dict[str, Any] | None:
        """The next answer; None where the stream has ended."""
        async with asyncio.timeout(SECONDS):
            return await self._bodies.get()

    async def next(self) -> Any:
        """What the next event is about."""
        body = await self.body()
        assert body is not None, "the stream has ended"
        assert "errors" not in body, body
        (value,) = body["data"].values()
        return value

    async def until_nothing(self, seconds: float) -> int:
        """How many answers come until none has come for a while."""
        count = 0
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(seconds):
                    await self._bodies.get()
                count += 1
        return count

    async def nothing(self, seconds: float = 0.3) -> None:
        """Nothing comes for a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                raise AssertionError(await self._bodies.get())


def listeners(city: City) -> int:
    """How often anybody listens to a topic at this instance."""
    fanout = city.state.cache._fanout  # type: ignore[attr-defined]
    return sum(map(len, fanout._listeners.values()))


@asynccontextmanager
async def subscribed(
    city: City, query: str, variables: dict[str, Any] | None = None, *, by: str | None
) -> AsyncIterator[Heard]:
    """Subscribe; by the time the block begins, somebody listens or was refused."""
    ends = int(city.now.timestamp()) + 3600
    claims = None if by is None else Claims(by, role_of(by), ends)
    context = Context(city.state, claims, city.now, "request")
    heard, before = Heard(), listeners(city)

    async def listen() -> None:
        async with aclosing(OPERATIONS.subscribe(GraphQLRequest(query, None, variables), context)) as answers:
            async for answer in answers:
                heard.add(answer.body)
        heard.add(None)

    task = asyncio.create_task(listen())
    while listeners(city) == before and not task.done():  # noqa: ASYNC110  # nobody tells when one begins to listen
        await asyncio.sleep(0.001)
    try:
        yield heard
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert listeners(city) <= before, "a listener was left behind"
