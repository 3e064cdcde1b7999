"""What the sandbox does by itself: it delivers its webhooks, and forgets what is old. One thing to know: both go by the
real time, and begin when the first partner has come."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import date, datetime

from api.jobs.background import repeating
from api.jobs.webhook_sending import SECONDS_BETWEEN, posting, private_allowed
from api.sandbox_state import SandboxState
from core.clock import day_of
from core.database import Conflict
from partners.sandbox.cleaning import clean
from partners.sandbox.deliveries import FORGED, bring_forward, forged, forged_keys, is_ahead, let_forged_be
from partners.webhooks.delivery import Deliver, Parcel, Pass, Undelivered, send_due

log = logging.getLogger("xinyi.sandbox")
SECONDS_BETWEEN_LOOKS = 600
"""How often it is seen whether a day has begun on which nothing was forgotten yet."""


async def send_in_sandbox(state: SandboxState) -> Pass:
    """Send whatever is due in the sandbox, forged test events under signatures that are not ours."""
    now = state.clock()
    async with state.database.reading() as connection:
        is_moved = await is_ahead(connection, now=now)
    if is_moved:
        async with state.database.transaction() as connection:
            await bring_forward(connection, now=now)
    async with AsyncExitStack() as opened:
        done = await send_due(state.database, deliver=_delivering(opened, state), clock=state.clock)
    if done.postponed:  # a forged event is among these, whatever was answered
        async with state.database.transaction() as connection:
            await let_forged_be(connection, now=state.clock())
    return done


def _delivering(opened: AsyncExitStack, state: SandboxState) -> Deliver:
    at_home, issuer = private_allowed(state), state.settings.issuer
    genuinely = posting(opened, state.keys, issuer=issuer, private_allowed=at_home)
    falsely = posting(opened, forged_keys(state.keys), issuer=issuer, private_allowed=at_home)

    async def deliver(parcel: Parcel, at: datetime) -> int:
        if parcel.number != FORGED:
            return await genuinely(parcel, at)
        try:
            status = await falsely(forged(parcel), at)
        except Undelivered as refused:
            if refused.status is not None and 400 <= refused.status < 500:
                raise Undelivered(f"签名是伪造的,接收方正确拒收(HTTP {refused.status})", refused.status) from refused
            raise
        raise Undelivered(f"签名是伪造的,接收方却收下了(HTTP {status})。应答复 4xx", status)

    return deliver


def sending_in_sandbox(state: SandboxState) -> AbstractAsyncContextManager[None]:
    """Send in the background as long as the application runs."""

    async def send() -> None:
        if state.is_ready and any(done := await send_in_sandbox(state)):
            log.info("webhooks", extra=done._asdict())

    return repeating(send, seconds=SECONDS_BETWEEN, log=log)


def cleaning(state: SandboxState) -> AbstractAsyncContextManager[None]:
    """Forget once a day what is older than thirty days."""
    cleaned_on: date | None = None

    async def look() -> None:
        nonlocal cleaned_on
        now = state.clock()
        if not state.is_ready or cleaned_on == day_of(now):
            return
        try:
            if await clean(state.database, now=now):
                cleaned_on = day_of(now)
        except Conflict:
            return  # a partner, or another process, is at work on it: the next look goes on

    return repeating(look, seconds=SECONDS_BETWEEN_LOOKS, log=log)
