"""Whether a sign-in still holds. One thing to know: every way in asks here, and nowhere else: a token that came from a
sign-in carries its session, and is refused at the very next request once that has ended, in every process.

Tokens without a session (of partners' keys, of the demo's command line) cost no look at the database.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from api.context import State
from api.identity import Claims
from api.identity.bearer import BearerTokens
from api.running.limits import Allowance, Limits
from core.errors import Unauthenticated
from partners.sessions.opening import check_session, topic_of


async def admitted(
    state: State, tokens: BearerTokens, limits: Limits, authorization: str | None, *, remote: str, now: datetime
) -> tuple[Claims | None, Allowance]:
    """The claims of an `Authorization` header whose session, if it came from one, holds, None where there is no header;
    and what pays for the request. A token that is no good is counted for the address that it came from.

    Raises:
        Unauthenticated: it carries no good token, or its session has ended.
        Throttled: too much was asked.
    """
    try:
        claims = tokens.signed_in(authorization, now=now.timestamp())
        await check_holds(state, claims)
    except Unauthenticated:
        await limits.check(None, remote)
        raise
    return claims, await limits.check(claims, remote)


async def check_holds(state: State, claims: Claims | None) -> None:
    """For connections that stay open: whether what was signed in still is.

    Raises:
        Unauthenticated: its session has ended.
    """
    if claims is not None and claims.session is not None:
        async with state.database.reading() as connection:
            await check_session(connection, claims.session)


async def ended(state: State, claims: Claims) -> None:
    """Return when the session of these claims has ended; where there is none, never."""
    if claims.session is None:
        await asyncio.Event().wait()
        return
    async with state.cache.listen(topic_of(claims.session)) as texts:
        try:
            await check_holds(state, claims)  # it may have ended before we listened
            async for _ in texts:
                await check_holds(state, claims)
        except Unauthenticated:
            return
