"""What an order means for later verifications. One thing to know: an overdue one closes pay-later at its own partner
for its own holder until it is paid, and touches nothing else (L9); one that nobody confirmed holds nothing back."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Date, and_, bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import Instant, begun
from core.statements import Prepared
from legal.effects import Effect
from partners.catalogue import Offer
from partners.orders.steps import expire
from partners.orders.tables import orders
from partners.orders.workflow import OrderState

_OVERDUE = Prepared(
    select(orders.c.partner_id)
    .where(
        orders.c.subject_id == bindparam("subject", type_=BigInteger),
        or_(
            orders.c.state == OrderState.OVERDUE.value,
            and_(orders.c.state == OrderState.COMPLETED.value, orders.c.due_on < bindparam("day", type_=Date)),
        ),
    )
    .distinct()
)


def _is_unconfirmed(partner: Any, offer: Any, now: Any) -> ColumnElement[bool]:
    return and_(
        orders.c.partner_id == partner,
        orders.c.offer_id == offer,
        orders.c.state == OrderState.CREATED.value,
        orders.c.expires_at <= now,
    )


_UNCONFIRMED = Prepared(
    select(orders.c.id)
    .where(
        _is_unconfirmed(
            bindparam("partner", type_=BigInteger),
            bindparam("offer", type_=BigInteger),
            bindparam("now", type_=Instant),
        )
    )
    .limit(1)
)


def pays_later(offer: Offer) -> bool:
    """Whether the offer lets one pay later, so that there are orders."""
    return Effect.DEFERRED_PAYMENT in offer.terms.effects


async def partners_owed(connection: AsyncConnection, *, subject_id: int, on: date) -> set[int]:
    """The partners at which this subject has an order that is overdue on the day."""
    return {row.partner_id for row in await _OVERDUE.all(connection, subject=subject_id, day=on)}


async def free_unconfirmed(connection: AsyncConnection, *, offer: Offer, now: datetime) -> None:
    """Give back what orders of this offer hold that nobody confirmed in time: without any job, and in a transaction of
    its own on a connection of `Database.statements`, so that whoever takes of the offer next waits for no lock of it.
    """
    if not await _UNCONFIRMED.all(connection, partner=offer.partner.id, offer=offer.id, now=now):
        return
    async with begun(connection):
        # Whoever else is at it is waited for: by then the units are free.
        lapsed = select(orders).where(_is_unconfirmed(offer.partner.id, offer.id, now)).order_by(orders.c.id)
        for row in (await connection.execute(lapsed.with_for_update())).all():
            await expire(connection, row, now=now)
