"""GraphQL over WebSocket (`graphql-transport-ws`). One thing to know: each operation of a connection is a task of its
own, asks for its own allowance and knows its own moment; what a connection has is whose it is.

Close codes and their words are those of the protocol, which clients go by. Strawberry's handler of the same protocol
runs documents through Strawberry's own execution; ours have to be judged, paid for and masked like any other request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing, suppress
from typing import Any
from uuid import uuid4

import orjson
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected

from api.context import Context, State
from api.errors import MASKED
from api.identity import Claims
from api.identity.bearer import BearerTokens
from api.identity.holding import admitted, check_holds
from api.language import language_of, tell
from api.running.execution import Answer, GraphQLRequest, Operations
from api.running.limits import Limits
from api.transport.http import HttpProblem, context_of, request_of
from api.transport.origins import is_allowed_origin
from api.transport.streams import GoingAway, Streams, TooManyStreams
from core.errors import ExpectedError, Unauthenticated

log = logging.getLogger("xinyi.api")
PROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 5
"""How long a client may take to say who it is."""
MOST_OPERATIONS = 50
"""Operations that may run at once on one connection."""
LONGEST_REASON = 123
"""Bytes of a close frame's reason (RFC 6455, section 5.5)."""


class _Closed(Exception):
    """The connection is to be closed, and why."""

    def __init__(self, code: int, reason: str) -> None:
        self.code, self.reason = code, reason


class GraphQLSockets:
    """`/graphql` for WebSockets."""

    def __init__(
        self, state: State, operations: Operations, tokens: BearerTokens, limits: Limits, streams: Streams
    ) -> None:
        self.state, self.operations, self.tokens, self.limits = state, operations, tokens, limits
        self.streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        socket = WebSocket(scope, receive, send)
        if not is_allowed_origin(self.state.settings, socket.headers.get("origin"), socket.headers.get("host")):
            await socket.close()  # before it is accepted: answered with 403
            return
        is_spoken = PROTOCOL in scope["subprotocols"]
        with suppress(WebSocketDisconnect, WebSocketDisconnected):
            await socket.accept(PROTOCOL if is_spoken else None)
            closed = (
                await _Connection(self, socket).talk() if is_spoken else _Closed(4406, "Subprotocol not acceptable")
            )
            await socket.close(closed.code, closed.reason)


class _Connection:
    """One connection, from its acceptance to its end."""

    def __init__(self, sockets: GraphQLSockets, socket: WebSocket) -> None:
        self._serving, self._socket = sockets, socket
        self._remote = socket.client.host if socket.client else ""
        self._claims: Claims | None = None
        self._language = language_of(socket.headers.get("accept-language"))
        self._operations: dict[str, asyncio.Task[None]] = {}
        """Those that run, by the ids that the client gave them."""
        self._tasks: set[asyncio.Task[None]] = set()
        """All that have not ended, those among them whose ids are free again."""

    async def talk(self) -> _Closed:
        """Serve until there is a reason to close.

        Raises:
            WebSocketDisconnect: the client has gone.
        """
        try:
            async with asyncio.timeout(INIT_SECONDS) as waiting:
                await self._introduced()
        except TimeoutError:
            if not waiting.expired():
                raise
            return _Closed(4408, "Connection initialisation timeout")
        except _Closed as closed:
            return closed
        try:
            state = self._serving.state
            async with self._serving.streams.hold(self._claims, self._remote, now=state.clock(), state=state):
                await self._send({"type": "connection_ack"})
                while True:
                    await self._take(await self._message())
        except _Closed as closed:
            return closed
        except Unauthenticated:
            return _Closed(4401, "Unauthorized")
        except TooManyStreams:
            return _Closed(4429, "Too many connections")
        except GoingAway:
            return _Closed(1001, "Going away")
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _introduced(self) -> None:
        """Wait until the client has said who it is."""
        while True:
            message = await self._message()
            if message["type"] == "connection_init":
                break
            if message["type"] == "subscribe":
                raise _Closed(4401, "Unauthorized")
            await self._take(message)
        given = message.get("payload") or {}
        if isinstance(given.get("acceptLanguage"), str):
            self._language = language_of(given["acceptLanguage"])
        authorization = given.get("authorization") or given.get("Authorization")
        authorization = authorization or self._socket.headers.get("authorization")
        state = self._serving.state
        try:
            if authorization is not None and not isinstance(authorization, str):
                raise Unauthenticated
            self._claims, _ = await admitted(
                state,
                self._serving.tokens,
                self._serving.limits,
                authorization,
                remote=self._remote,
                now=state.clock(),
            )
        except Unauthenticated:
            raise _Closed(4401, "Unauthorized") from None
        except ExpectedError:
            raise _Closed(4429, "Too many requests") from None

    async def _message(self) -> dict[str, Any]:
        """The next message, which has the shape that its type asks for."""
        received = await self._socket.receive()
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received.get("code", 1005))
        try:
            message = orjson.loads(received.get("text") or b"")
        except orjson.JSONDecodeError:
            message = None
        if not _is_message(message):
            raise _Closed(4400, "Invalid message received")
        return dict(message)

    async def _take(self, message: Mapping[str, Any]) -> None:
        kind = message["type"]
        if kind == "connection_init":
            raise _Closed(4429, "Too many initialisation requests")
        if kind == "ping":
            payload = {"payload": message["payload"]} if message.get("payload") else {}
            await self._send({"type": "pong", **payload})
        elif kind == "subscribe":
            await self._begin(message["id"], message["payload"])
        elif kind == "complete":
            running = self._operations.pop(message["id"], None)
            if running is not None:
                running.cancel()

    async def _begin(self, key: str, payload: Mapping[str, Any]) -> None:
        if key in self._operations:
            reason = f"Subscriber for {key} already exists"
            raise _Closed(4409, reason if len(reason.encode()) <= LONGEST_REASON else "Subscriber already exists")
        try:
            asked = request_of(payload)
        except HttpProblem as problem:
            await self._refuse(key, problem.message, code=problem.code)
            return
        if len(self._tasks) >= MOST_OPERATIONS:
            message = f"一个连接上同时进行的操作最多 {MOST_OPERATIONS} 个。请先结束不再需要的操作,再重试。"
            await self._refuse(key, message, code=TooManyStreams.code)
            return
        task = asyncio.create_task(self._operate(key, asked))
        self._operations[key] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _operate(self, key: str, asked: GraphQLRequest) -> None:
        """Run one operation to its end, and tell the client each of its answers."""
        request_id = uuid4().hex
        try:
            async with aclosing(self._serving.operations.subscribe(asked, await self._context(request_id))) as answers:
                async for answer in answers:
                    if not answer.ran:
                        await self._end(key, {"type": "error", "id": key, "payload": answer.body["errors"]})
                        await self._sign_out(answer)
                        return
                    await self._send({"type": "next", "id": key, "payload": answer.body})
            await self._end(key, {"type": "complete", "id": key})
        except (WebSocketDisconnect, WebSocketDisconnected):
            return  # whoever reads from the connection hears of it too
        except ExpectedError as error:
            await self._refuse(key, error.message, code=error.code, **getattr(error, "extensions", {}))
        except Exception:
            log.exception("unexpected error", extra={"request_id": request_id})
            await self._refuse(key, MASKED, code="INTERNAL_SERVER_ERROR", requestId=request_id)

    async def _context(self, request_id: str) -> Context:
        serving, headers = self._serving, self._socket.headers
        await check_holds(serving.state, self._claims)
        allowance = await serving.limits.check(self._claims, self._remote)
        context = context_of(
            serving.state,
            self._claims,
            headers,
            remote=self._remote,
            now=serving.state.clock(),
            request_id=request_id,
            allowance=allowance,
        )
        context.language = self._language
        return context

    async def _sign_out(self, answer: Answer) -> None:
        """Close where an answer says that the token is good for nothing any more."""
        if self._claims is not None and answer.body["errors"][0]["extensions"]["code"] == Unauthenticated.code:
            await self._socket.close(4401, "Unauthorized")

    async def _refuse(self, key: str, message: str, **extensions: object) -> None:
        error = {"message": tell(message, self._language), "extensions": extensions}
        await self._end(key, {"type": "error", "id": key, "payload": [error]})

    async def _end(self, key: str, message: Mapping[str, Any]) -> None:
        """The last message of an operation; its id is free before the client can know."""
        self._operations.pop(key, None)
        with suppress(WebSocketDisconnect, WebSocketDisconnected):
            await self._send(message)

    async def _send(self, message: Mapping[str, Any]) -> None:
        await self._socket.send_text(orjson.dumps(message, default=str).decode())


_SENT_BY_CLIENTS = frozenset({"connection_init", "ping", "pong", "subscribe", "complete"})


def _is_message(message: Any) -> bool:
    """Whether this is a message that the protocol lets a client send."""
    if not isinstance(message, dict):
        return False
    kind, key, payload = message.get("type"), message.get("id"), message.get("payload")
    if not isinstance(kind, str) or kind not in _SENT_BY_CLIENTS:
        return False
    if kind == "complete":
        return isinstance(key, str) and key != ""
    if kind == "subscribe":
        return isinstance(key, str) and key != "" and isinstance(payload, dict) and _is_request(payload)
    return payload is None or isinstance(payload, dict)


def _is_request(payload: Mapping[str, Any]) -> bool:
    named = payload.get("operationName")
    return (
        isinstance(payload.get("query"), str)
        and (named is None or isinstance(named, str))
        and all(payload.get(name) is None or isinstance(payload[name], dict) for name in ("variables", "extensions"))
    )
