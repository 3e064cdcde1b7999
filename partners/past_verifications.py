"""What a partner was answered, to be read again. One thing to know: who showed the code is in none of it, and a row
tells no more than the answer did."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import start_of
from partners.eligibility import Outcome
from partners.orders.tables import orders
from partners.tables import OF_VERIFICATION, accounts, redemptions, verifications

_OF_ORDER = and_(orders.c.subject_id == verifications.c.subject_id, orders.c.verification_id == verifications.c.id)


async def verifications_on(
    connection: AsyncConnection, *, partner_id: int, day: date, last: tuple[datetime, UUID] | None, most: int
) -> Sequence[Row[Any]]:
    """A partner's verifications of a day in Asia/Shanghai, newest first, at most `most` from after the one at `last`.
    What became of each is with it: `redemption_id`, `redeemed_at`, `amount_fen`, `reversed_at`, `order_id`."""
    # By account, because that is how they lie in order of time.
    asked_through = select(accounts.c.id).where(accounts.c.partner_id == partner_id)
    row = verifications.c
    columns: list[Any] = [
        row.id,
        row.offer_id,
        row.outcome,
        row.at,
        row.expires_at,
        row.lapsed,
        row.voided_at,
        row.site,
        redemptions.c.id.label("redemption_id"),
        redemptions.c.at.label("redeemed_at"),
        redemptions.c.amount_fen,
        redemptions.c.reversed_at,
        orders.c.id.label("order_id"),
    ]
    statement = (
        select(*columns)
        .outerjoin(redemptions, OF_VERIFICATION)
        .outerjoin(orders, _OF_ORDER)
        .where(
            row.account.in_(asked_through),
            row.partner_id == partner_id,
            row.at >= start_of(day),
            row.at < start_of(day + timedelta(days=1)),
        )
        .order_by(row.at.desc(), row.id.desc())
        .limit(most)
    )
    if last is not None:
        at, key = last
        statement = statement.where(or_(row.at < at, and_(row.at == at, row.id < key)))
    return (await connection.execute(statement)).all()


async def uses_of(
    connection: AsyncConnection, subject_id: int, verification_ids: Collection[UUID]
) -> dict[UUID, Row[Any]]:
    """The redemptions of these verifications of a subject's, by verification; those without are left out."""
    row = redemptions.c
    columns: list[Any] = [row.verification_id, row.at, row.amount_fen, row.reversed_at]
    mine = select(*columns).where(row.subject_id == subject_id, row.verification_id.in_(verification_ids))
    return {use.verification_id: use for use in await connection.execute(mine)}


def is_redeemable(row: Row[Any], *, now: datetime) -> bool:
    """Whether `redeemBenefit` would still take it."""
    return (
        row.outcome == Outcome.BENEFIT_APPLIES.value
        and row.redemption_id is None
        and row.voided_at is None
        and not row.lapsed
        and row.expires_at > now
    )
