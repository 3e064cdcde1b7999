"""Looks at pay-later orders once a minute, for nobody may be looking. One thing to know: nothing depends on it but the
notices; an order's state is read off its days."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager

from api.context import State
from api.jobs.background import repeating
from partners.orders.looking import look_at_orders

log = logging.getLogger("xinyi.orders")
SECONDS_BETWEEN = 60


def watching_orders(state: State) -> AbstractAsyncContextManager[None]:
    """Look in the background as long as the application runs."""

    async def look() -> None:
        done = await look_at_orders(state.database, now=state.clock())
        if any(done.values()):
            log.info("orders", extra=dict(done))

    return repeating(look, seconds=SECONDS_BETWEEN, log=log)
