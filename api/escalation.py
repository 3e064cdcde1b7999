"""Notes once a minute which cases are overdue, for nobody may be looking. One thing to know: nothing depends on it; a
disputed record stays out of use whether or not it was noted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from api.cases import look_for_overdue
from api.context import State

log = logging.getLogger("xinyi.cases")
SECONDS_BETWEEN = 60


@asynccontextmanager
async def escalating(state: State) -> AsyncIterator[None]:
    """Look in the background as long as the application runs."""
    stop = asyncio.Event()
    task = asyncio.create_task(_keep_looking(state, stop))
    try:
        yield
    finally:
        # A cancellation may be lost inside a database driver; the event is not.
        stop.set()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep_looking(state: State, stop: asyncio.Event) -> None:
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS_BETWEEN):
                await stop.wait()
        if stop.is_set():
            return
        try:
            await look_for_overdue(state, now=state.clock())
        except Exception:  # the next look may do better, and whoever opens a case looks too
            log.exception("overdue cases")
