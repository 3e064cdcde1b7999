"""Answers as server-sent events: one POST, one operation, one stream (GraphQL over SSE, distinct connections). One
thing to know: `complete` says that there is nothing more to come; a stream that ends without it broke off, as it does
when the server stops, and the client should connect anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import orjson
from graphql import located_error
from starlette.types import Receive, Scope, Send

from api.context import Context
from api.errors import error_body
from api.running.execution import Answer
from api.transport.streams import GoingAway, Streams
from core.errors import Unauthenticated

log = logging.getLogger("xinyi.api")
KEEP_ALIVE_SECONDS = 15
"""How long a stream is silent at most, so that proxies let it be and a client that is gone is noticed."""


class EventStream:
    """One answer (ASGI). Ends with the operation, the client, the token or the server, whichever is first."""

    def __init__(self, answers: AsyncGenerator[Answer], streams: Streams, context: Context) -> None:
        self._answers, self._streams, self._context = answers, streams, context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        claims, remote, now = self._context.claims, self._context.remote, self._context.now
        await send({"type": "http.response.start", "status": 200, "headers": self._headers()})
        is_complete = False
        try:
            async with self._streams.hold(claims, remote, now=now, state=self._context.state):
                is_complete = await self._until_gone(receive, send)
        except Unauthenticated as ended:
            error = error_body(
                located_error(ended), request_id=self._context.request_id, language=self._context.language
            )
            await _send(send, _event("next", {"errors": [error]}))
            is_complete = True
        except GoingAway:
            log.info("event stream ended: the server stops", extra={"request_id": self._context.request_id})
        await _send(send, _event("complete") if is_complete else b"", more_body=False)

    async def _until_gone(self, receive: Receive, send: Send) -> bool:
        """Send answers until there are no more, or nobody listens; whether all were sent."""
        sending = asyncio.create_task(_send_all(self._answers, send))
        leaving = asyncio.create_task(_left(receive))
        try:
            while True:
                ended, _ = await asyncio.wait(
                    (sending, leaving), timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if ended:
                    return sending in ended and sending.exception() is None
                await _send(send, b":\n\n")
        finally:
            sending.cancel()
            leaving.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),  # a proxy that gathers the answer first would hold all events back
            (b"x-request-id", self._context.request_id.encode()),
        ]


async def _send_all(answers: AsyncGenerator[Answer], send: Send) -> None:
    async with aclosing(answers):
        async for answer in answers:
            await _send(send, _event("next", answer.body))


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, body: bytes, *, more_body: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more_body})


def _event(name: str, body: Mapping[str, Any] | None = None) -> bytes:
    data = b"" if body is None else b" " + orjson.dumps(body, default=str)
    return b"event: %s\ndata:%s\n\n" % (name.encode(), data)
