"""Looks after offers in the background: tells which the guard has closed, and counts crowds anew each day. One thing to
know: nothing depends on it being in time; what is unlawful is closed by whoever reads the catalogue next."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager

from api.context import State
from api.ids import public_id
from api.jobs.background import repeating
from partners.catalogue import lock_catalogue
from partners.offers.crowds import are_due, recount
from partners.offers.life import Desk
from partners.offers.watch import closed_by_guard, tell_closed

log = logging.getLogger("xinyi.offers")
SECONDS_BETWEEN = 60
ACTOR = "guard"


async def look_at_offers(state: State) -> None:
    """One look. Takes the write lock only where there is something to write."""
    async with state.database.reading() as connection:
        known = await state.current_catalogue(connection)
        is_due = await are_due(connection, known)
    if is_due:
        async with state.database.transaction() as connection:
            await lock_catalogue(connection)
            await recount(connection, await state.current_catalogue(connection))
        async with state.database.reading() as connection:
            known = await state.current_catalogue(connection)
    if closed_by_guard(known):
        async with state.database.transaction() as connection:
            await lock_catalogue(connection)  # another process looks as well
            desk = Desk(connection, ACTOR, await state.current_catalogue(connection), state.clock())
            await tell_closed(desk, public_id=lambda key: public_id("Offer", key))


def watching_offers(state: State) -> AbstractAsyncContextManager[None]:
    """Look as long as the application runs."""
    return repeating(lambda: look_at_offers(state), seconds=SECONDS_BETWEEN, log=log)
