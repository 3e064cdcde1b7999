"""Whether a sign-in still holds. One thing to know: every way in asks here, and nowhere else: a token that came from a
sign-in carries its session, and is refused at the very next request once that has ended, in every process.

Tokens without a session (of partners' keys, of the demo's command line) cost no look at the database.
"""

from __future__ import annotations

from datetime import datetime

from api.context import State
from api.identity import Claims
from api.identity.bearer import BearerTokens
from partners.sessions.opening import check_session


async def signed_in(state: State, tokens: BearerTokens, authorization: str | None, *, now: datetime) -> Claims | None:
    """The claims of an `Authorization` header whose session, if it came from one, holds; None where there is no header.

    Raises:
        Unauthenticated: it carries no good token, or its session has ended.
    """
    claims = tokens.signed_in(authorization, now=now.timestamp())
    await check_holds(state, claims)
    return claims


async def check_holds(state: State, claims: Claims | None) -> None:
    """For connections that stay open: whether what was signed in still is.

    Raises:
        Unauthenticated: its session has ended.
    """
    if claims is not None and claims.session is not None:
        async with state.database.reading() as connection:
            await check_session(connection, claims.session)
