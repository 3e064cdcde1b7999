"""When an answer about a person leaves. One thing to know: at the next multiple of `GRID` after its scan came in, so
that how long it took to find out says next to nothing about what was found out (`make bench ARGS="--only reasons"`).

Waiting holds no connection and no processor: others are served meanwhile, and a busy server answers as many a second as
it would without.
"""

from __future__ import annotations

import asyncio
from time import monotonic

GRID = 0.005
"""Seconds: several times what one reason takes more than another."""


async def until_the_grid(began: float) -> None:
    """Wait until a multiple of `GRID` has passed since `began` (`time.monotonic`)."""
    await asyncio.sleep(GRID - (monotonic() - began) % GRID)
