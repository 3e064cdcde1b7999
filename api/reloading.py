"""Reads the keys again when their file was changed. One thing to know: whoever rotates sets the instant of the change
so far ahead that every process has looked at the file by then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from core.keys import Keys

log = logging.getLogger("xinyi.keys")
SECONDS_BETWEEN = 0.5


@asynccontextmanager
async def reloading(keys: Keys) -> AsyncIterator[None]:
    """Look at the file of the keys as long as the application runs."""
    stop = asyncio.Event()
    task = asyncio.create_task(_keep_looking(keys, stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def _keep_looking(keys: Keys, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            keys.refresh()
        except Exception:  # the next look may do better, and the keys held are good until then
            log.exception("keys")
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS_BETWEEN):
                await stop.wait()
