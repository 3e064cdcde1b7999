"""Connections that stay open (WebSocket, server-sent events). One thing to know: each is held under a deadline, which
is where its token ends, and which the server brings forward when it stops; so nobody has to ask again and again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from api.context import State
from api.identity import Claims
from api.identity.holding import ended
from core.errors import ExpectedError, Unauthenticated

log = logging.getLogger("xinyi.api")
MOST_OPEN = 50
"""Connections that one account may hold open in one process; of those not signed in, one address."""
CLOSING_SECONDS = 2


class TooManyStreams(ExpectedError):
    """One caller holds too many connections or operations open."""

    code = "TOO_MANY_STREAMS"


class GoingAway(Exception):
    """The server is stopping: the client should connect anew."""


class Streams:
    """All that this process holds open."""

    def __init__(self) -> None:
        self.is_closing = False
        self._held: Counter[str] = Counter()
        self._deadlines: set[asyncio.Timeout] = set()

    def __len__(self) -> int:
        """How many are open."""
        return len(self._deadlines)

    def check(self, claims: Claims | None, address: str) -> None:
        """Raises `TooManyStreams` where the caller may not open another one."""
        if self._held[_caller(claims, address)] >= MOST_OPEN:
            raise TooManyStreams(f"同时打开的连接已达 {MOST_OPEN} 个。请先关闭不再使用的连接,再重新连接。")

    @asynccontextmanager
    async def hold(
        self, claims: Claims | None, address: str, *, now: datetime, state: State | None = None
    ) -> AsyncIterator[None]:
        """Count one open connection as long as the block runs, which is ended when the token or the server does; with
        a `state`, also when the session that the token came from does.

        Raises:
            TooManyStreams: the caller has as many as it may.
            Unauthenticated: the token has ended meanwhile.
            GoingAway: the server is stopping.
        """
        self.check(claims, address)
        if self.is_closing:
            raise GoingAway
        caller = _caller(claims, address)
        self._held[caller] += 1
        deadline = asyncio.timeout(claims.expires_at - now.timestamp() if claims else None)
        ending = _end_with_session(deadline, state, claims) if state and claims and claims.session else None
        try:
            async with deadline:
                self._deadlines.add(deadline)
                yield
        except TimeoutError:
            if not deadline.expired():
                raise
            raise (GoingAway() if self.is_closing else Unauthenticated(_OVER)) from None
        finally:
            if ending is not None:
                ending.cancel()
                await asyncio.gather(ending, return_exceptions=True)
            self._deadlines.discard(deadline)
            self._held[caller] -= 1
            if not self._held[caller]:
                del self._held[caller]

    async def close(self) -> None:
        """End all, and see them off for a moment."""
        self.is_closing = True
        loop = asyncio.get_running_loop()
        for deadline in tuple(self._deadlines):
            deadline.reschedule(loop.time())
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_SECONDS):
                await self._ended()

    async def _ended(self) -> None:
        while self._deadlines:  # noqa: ASYNC110  # once in a server's life: no event is kept for it
            await asyncio.sleep(0.01)


_OVER = "令牌已过期,或登录已被终止。请重新登录。"


def _end_with_session(deadline: asyncio.Timeout, state: State, claims: Claims) -> asyncio.Task[None]:
    """Bring a deadline forward when the session has ended. Should that not be found out, the token's end stands."""

    async def watch() -> None:
        try:
            await ended(state, claims)
        except ExpectedError:
            log.warning("session not watched", exc_info=True)
            return
        deadline.reschedule(asyncio.get_running_loop().time())

    return asyncio.create_task(watch())


def _caller(claims: Claims | None, address: str) -> str:
    return f"account:{claims.account}" if claims else f"address:{address}"
