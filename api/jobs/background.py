"""Work that is done again and again as long as the application runs. One thing to know: nothing anybody is owed depends
on it; a pass that fails is logged, and the next one may do better."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def repeating(
    work: Callable[[], Awaitable[object]],
    *,
    seconds: float,
    log: logging.Logger,
    at_once: bool = False,
    once_more: bool = False,
) -> AsyncIterator[None]:
    """Do `work` every so many seconds while the block runs: `at_once`, also when it begins; `once_more`, also when it
    ends."""
    stop = asyncio.Event()
    task = asyncio.create_task(_repeat(work, stop, seconds=seconds, log=log, at_once=at_once, once_more=once_more))
    try:
        yield
    finally:
        # A cancellation may be lost inside a database driver; the event is not.
        stop.set()
        if not once_more:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _repeat(
    work: Callable[[], Awaitable[object]],
    stop: asyncio.Event,
    *,
    seconds: float,
    log: logging.Logger,
    at_once: bool,
    once_more: bool,
) -> None:
    is_due = at_once
    while True:
        if is_due:
            try:
                await work()
            except Exception:
                log.exception("background work")
        if stop.is_set():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stop.wait()
        is_due = once_more or not stop.is_set()
