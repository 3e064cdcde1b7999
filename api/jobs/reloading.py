"""Reads the keys again when their file was changed. One thing to know: whoever rotates sets the instant of the change
so far ahead that every process has looked at the file by then."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager

from api.jobs.background import repeating
from core.keys import Keys

log = logging.getLogger("xinyi.keys")
SECONDS_BETWEEN = 0.5


def reloading(keys: Keys) -> AbstractAsyncContextManager[None]:
    """Look at the file of the keys as long as the application runs."""

    async def look() -> None:
        keys.refresh()

    return repeating(look, seconds=SECONDS_BETWEEN, log=log, at_once=True)
