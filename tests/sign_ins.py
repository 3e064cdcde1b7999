"""Sessions and linked identities for tests that are not about them."""

from __future__ import annotations

from typing import Any

from factories import City
from sqlalchemy import select

from api.ids import public_id
from partners.sessions.linking import link_identity, links_of
from partners.sessions.opening import Opened, open_session
from partners.tables import accounts

SIGN_INS = ("endSession", "endAllSessions", "endLinkedIdentity", "openedSession", "linkedIdentity")
"""What `sign_in_input` gives an input for."""


async def sign_in(city: City, account: str, *, provider: str = "city-id", device: str = "Firefox · Linux") -> Opened:
    """A session of that account."""
    async with city.state.database.transaction() as connection:
        row = (await connection.execute(select(accounts).where(accounts.c.id == account))).one()
        return await open_session(connection, city.keys, account=row, provider=provider, device=device, now=city.now)


async def link(city: City, account: str, identity: str, *, provider: str = "mini") -> str:
    """Bind an outside identity to that account; the public id of the newest link."""
    async with city.state.database.transaction() as connection:
        row = (await connection.execute(select(accounts).where(accounts.c.id == account))).one()
        await link_identity(
            connection, city.keys, account=row, provider=provider, identity=identity, shown="小程序", now=city.now
        )
        newest = (await links_of(connection, account))[0]
    return public_id("LinkedIdentity", newest.id)


async def sign_in_input(city: City, what: str, actor: str) -> dict[str, Any]:
    """A good input, with what it is about on file."""
    account = "good" if actor == "anonymous" else actor
    match what:
        case "endSession":
            return {"sessionId": public_id("Session", (await sign_in(city, account)).id)}
        case "endAllSessions":
            return {"keepCurrent": True}
        case "endLinkedIdentity":
            return {"linkedIdentityId": await link(city, account, f"openid-{account}")}
        case "openedSession":
            await sign_in(city, account)
        case "linkedIdentity":
            await link(city, account, f"openid-{account}")
    return {}
