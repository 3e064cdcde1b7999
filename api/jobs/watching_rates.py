"""Looks in the background for partners that ask at unusual rates. One thing to know: it counts how much was asked, and
never what was answered."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager
from datetime import date

from api.context import State
from api.jobs.background import repeating
from core.errors import Unavailable
from partners.probing import look_for_unusual_rates

log = logging.getLogger("xinyi.partners")
SECONDS_BETWEEN = 300


def watching_rates(state: State) -> AbstractAsyncContextManager[None]:
    """Look as long as the application runs."""
    usual: dict[tuple[int, date], float] = {}

    async def look() -> None:
        try:
            async with state.database.transaction() as connection:
                await look_for_unusual_rates(connection, usual=usual, now=state.clock())
        except Unavailable:  # the next pass looks again
            log.warning("rates not looked at: the database does not answer")

    return repeating(look, seconds=SECONDS_BETWEEN, log=log)
