"""Telling in time that a key ends. One thing to know: a partner is told once of each key, and only where no other key
of the same use goes on after it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import Database
from partners.alarms import raise_alarm
from partners.onboarding.keys import live_keys
from partners.onboarding.tables import partner_keys
from partners.onboarding.workflow import hold_partner
from partners.tables import security_events
from partners.webhooks.events import emit

AHEAD = timedelta(days=14)
KIND = "KEY_EXPIRING"


async def tell_of_expiring_keys(database: Database, *, now: datetime) -> int:
    """Raise an alarm and tell the partner for each key that ends within 14 days and was not told of; how many."""
    ends = partner_keys.c.expires_at
    ending = (partner_keys.c.revoked_at.is_(None), ends > now, ends <= now + AHEAD)
    async with database.reading() as connection:
        of_partners = select(partner_keys.c.partner_id).distinct().where(*ending)
        found = (await connection.scalars(of_partners.order_by(partner_keys.c.partner_id))).all()
    told = 0
    for partner_id in found:
        async with database.transaction() as connection:
            told += await _tell_partner(connection, partner_id, now=now)
    return told


async def _tell_partner(connection: AsyncConnection, partner_id: int, *, now: datetime) -> int:
    partner = await hold_partner(connection, partner_id)  # another instance may be looking too
    alarms = select(security_events.c.detail).where(
        security_events.c.kind == KIND, security_events.c.partner_id == partner_id, security_events.c.at > now - AHEAD
    )
    known = {detail["kid"] for detail in (await connection.scalars(alarms)).all()}
    keys = (await connection.execute(live_keys(partner_id, now=now))).all()
    lasting = {key.use for key in keys if key.expires_at > now + AHEAD}
    due = [key for key in keys if key.use not in lasting and key.kid not in known]
    if partner.status == "OFFBOARDED":
        return 0
    for key in due:
        said = {"kid": key.kid, "use": key.use, "expiresAt": key.expires_at.isoformat()}
        await raise_alarm(connection, kind=KIND, detail=said, now=now, partner_id=partner_id)
        lane = f"key:{key.kid}"
        await emit(connection, partner_id=partner_id, type="key.expiring", lane=lane, payload=said, now=now)
    return len(due)
