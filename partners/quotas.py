"""How many times an offer may be used in all. One thing to know: a unit is reserved before the person is looked at,
and a reservation that ran out counts as free at the next taking, without any job."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, exists, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import ExpectedError
from partners.tables import OF_VERIFICATION, quotas, redemptions, verifications

EVER = "ever"
"""The bucket of an offer that is never filled again."""


class QuotaExhausted(ExpectedError):
    """Nothing left of an offer, for anybody."""

    code = "QUOTA_EXHAUSTED"


async def take_unit(connection: AsyncConnection, *, offer_id: int, now: datetime) -> None:
    """Reserve one unit.

    Raises:
        QuotaExhausted: all are redeemed or reserved.
    """
    if await _take(connection, offer_id):
        return
    lapsed = and_(verifications.c.offer_id == offer_id, verifications.c.reserved, verifications.c.expires_at <= now)
    swept = await connection.execute(update(verifications).where(lapsed).values(reserved=False, lapsed=True))
    if swept.rowcount:
        await give_back(connection, offer_id=offer_id, units=swept.rowcount)
        if await _take(connection, offer_id):
            return
    raise QuotaExhausted("这项优惠的名额已满,请按标准服务办理。名额退回后可再试。")


async def _take(connection: AsyncConnection, offer_id: int) -> bool:
    taken = await connection.execute(
        update(quotas)
        .where(quotas.c.offer_id == offer_id, quotas.c.bucket == EVER, quotas.c.taken < quotas.c.cap)
        .values(taken=quotas.c.taken + 1)
    )
    return taken.rowcount == 1


async def sweep_person(connection: AsyncConnection, *, subject_id: int, offer_id: int, now: datetime) -> None:
    """End one subject's reservations of an offer that ran out, before they are counted as free."""
    ran_out = and_(
        verifications.c.subject_id == subject_id,
        verifications.c.offer_id == offer_id,
        verifications.c.expires_at <= now,
        verifications.c.lapsed.is_(False),
        ~exists(redemptions.select().where(OF_VERIFICATION)),
    )
    held = await connection.execute(
        update(verifications).where(ran_out, verifications.c.reserved).values(reserved=False, lapsed=True)
    )
    if held.rowcount:
        await give_back(connection, offer_id=offer_id, units=held.rowcount)
    await connection.execute(update(verifications).where(ran_out).values(lapsed=True))


async def give_back(connection: AsyncConnection, *, offer_id: int, units: int = 1) -> None:
    """Return units that were reserved or redeemed."""
    await connection.execute(
        update(quotas)
        .where(quotas.c.offer_id == offer_id, quotas.c.bucket == EVER)
        .values(taken=quotas.c.taken - units)
    )
