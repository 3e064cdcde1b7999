"""Uvicorn's protocols, with an end to their patience. One thing to know: whoever does not send a request, or sends a
head without an end, or does not read what was sent, is cut off here, below everything that could be kept waiting.

Uvicorn itself waits for all for ever, and closing politely waits for the reader too, so the connection is aborted.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

log = logging.getLogger("uvicorn.websocket")
HEAD_SECONDS = 10.0
"""How long a client may take to send the head of a request, from the connection's first moment or its first byte."""
LARGEST_HEAD = 65_536
"""Bytes of a head that is still not complete when they have come; or that follow the last piece of a body."""
MOST_WAITING = 100
"""Requests that a client may send on one connection before it has its answers."""
PACE_SECONDS, SLOWEST_PACE = 15.0, 1_000
"""A body that has begun brings so many bytes a second at least, looked at so often; read or not."""
AT_ONCE = 16_384
"""Bytes that are taken apart before it is looked whether there is an end to it."""
MOST_FRAMES, CONTROL_SECONDS = 1_000, 10.0
"""Pings and pongs of one connection in that time; messages that wait to be read; frames of one message."""
READ_SECONDS = 60.0
"""How long a client may leave what was sent to it unread, once so much lies waiting that we stop writing."""


class _Reading(asyncio.Protocol):
    """Waits for a reader, and no longer."""

    loop: asyncio.AbstractEventLoop
    transport: Any
    _reader: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """Too much lies waiting."""
        super().pause_writing()
        self._reader = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The reader has caught up."""
        self._stop_waiting()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """There is nobody to wait for any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _stop_waiting(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None


class WebSocketProtocol(_Reading, WebSocketsSansIOProtocol):
    """WebSocket. Uvicorn's own pings find out who is gone without a word. Frames are counted: one of six bytes is
    as much work for us as one of a thousand."""

    _controls, _counted_from = 0, 0.0

    def connection_made(self, transport: Any) -> None:
        """Tell the log of it elsewhere: uvicorn does so with the query string, which may be a secret."""
        self.logger = log
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Read it bit by bit, and no more of it than anybody sends who means well."""
        for start in range(0, len(data), AT_ONCE):
            super().data_received(data[start : start + AT_ONCE])
            if self.queue.qsize() > MOST_FRAMES or len(self.frames) > MOST_FRAMES:
                self.transport.abort()
            if self.transport.is_closing():
                return

    def handle_ping(self) -> None:
        """Answered, in measure."""
        if self._is_counted():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """An answer to ours, or to nobody's."""
        if self._is_counted():
            super().handle_pong(event)

    def _is_counted(self) -> bool:
        """Count a frame that carries no message; whether the connection stands."""
        now = self.loop.time()
        if now - self._counted_from > CONTROL_SECONDS:
            self._controls, self._counted_from = 0, now
        self._controls += 1
        if self._controls > MOST_FRAMES:
            self.transport.abort()
        return not self.transport.is_closing()


class HttpProtocol(_Reading, HttpToolsProtocol):
    """HTTP/1.1. What follows a body (trailers) is passed over: it has not been before the eyes of any gateway, and for
    uvicorn it would be headers like those in front."""

    _head: asyncio.TimerHandle | None = None
    _is_headless = True
    _idle_size = 0
    """Bytes since the head began, or since the last piece of its body."""
    _answered: RequestResponseCycle | None = None
    _pace: asyncio.TimerHandle | None = None
    _is_bodiless = False
    _body_size = 0

    def connection_made(self, transport: Any) -> None:
        """Wait for the first head."""
        super().connection_made(transport)
        self._head = self.loop.call_later(HEAD_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Read it bit by bit, and wait for the rest of a head or a body, where this is not all of it."""
        for start in range(0, len(data), AT_ONCE):
            piece = data[start : start + AT_ONCE]
            self._idle_size += len(piece)
            super().data_received(piece)
            if self._idle_size > LARGEST_HEAD or len(self.pipeline) > MOST_WAITING:
                self.transport.abort()
            if self.transport.is_closing() or self.transport.get_protocol() is not self:  # a WebSocket by now
                return
        if self._is_headless or self._is_between():
            if self._head is None:
                self._head = self.loop.call_later(HEAD_SECONDS, self.transport.abort)
        elif self._is_bodiless and self._pace is None:
            self._watch_pace()

    def _is_between(self) -> bool:
        """Whether what came is neither head nor body, and nobody waits for an answer: empty lines keep a connection."""
        return not self._is_bodiless and self.cycle is not None and self.cycle.response_complete

    def on_message_begin(self) -> None:
        """A head begins; what it came with was counted for the one before, and is too little to matter."""
        self._is_headless, self._idle_size = True, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; none that comes after the body."""
        if self._is_headless:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head is complete."""
        self._is_headless, self._is_bodiless = False, True
        self._forget_head()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of a body."""
        self._body_size += len(body)
        self._idle_size = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._is_bodiless = False
        self._forget_pace()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """There is nobody to wait for any more."""
        self._forget_head()
        self._forget_pace()
        super().connection_lost(exc)
        # Uvicorn tells the request that came last; where that one is waiting, an earlier one is being answered.
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def _watch_pace(self) -> None:
        self._body_size = 0
        self._pace = self.loop.call_later(PACE_SECONDS, self._check_pace)

    def _check_pace(self) -> None:
        # While it is us who do not read, nobody can be blamed.
        if self.flow.read_paused or self._body_size >= PACE_SECONDS * SLOWEST_PACE:
            self._watch_pace()
        else:
            self.transport.abort()

    def _forget_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _forget_pace(self) -> None:
        if self._pace is not None:
            self._pace.cancel()
            self._pace = None
