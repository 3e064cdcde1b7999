"""What the sandbox forgets. One thing to know: an instant is that of the partner's clock, so what was written at a time
that has not come stays until thirty days after it has.

Audit rows stay, as everywhere; so do offers, people, orders and conformance runs, which are few.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Table, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import Database
from partners.orders.tables import orders
from partners.sandbox.personas import standing_use
from partners.sandbox.tables import sandbox_faults, sandbox_key_changes, sandbox_personas
from partners.tables import access_events, answers, outcome_reports, redemptions, verifications
from partners.webhooks.tables import webhook_attempts, webhook_deliveries, webhook_events

KEPT = timedelta(days=30)
BATCH, MOST_BATCHES = 500, 100
"""Rows of one transaction, and transactions of one kind in one pass."""

_Batch = Callable[[AsyncConnection, datetime], Awaitable[int]]


async def clean(database: Database, *, now: datetime) -> bool:
    """Forget what is older than thirty days; whether that was all there was to forget.

    Raises:
        Conflict: a partner is at work on a row right now; the next pass will find it.
    """
    is_all = True
    for batch in _BATCHES:
        for _ in range(MOST_BATCHES):
            async with database.transaction() as connection:
                gone = await batch(connection, now - KEPT)
            if gone < BATCH:
                break
        else:
            is_all = False
    return is_all


async def _uses(connection: AsyncConnection, before: datetime) -> int:
    """Verifications with what came of them: not those that hold quota, that an order rests on, or that make a persona
    what it is."""
    partners = await connection.scalars(select(sandbox_personas.c.partner_id).distinct())
    standing = [standing_use(partner_id) for partner_id in partners]
    key = (verifications.c.subject_id, verifications.c.id)
    owed = select(orders.c.id).where(orders.c.subject_id == key[0], orders.c.verification_id == key[1]).exists()
    is_over = (verifications.c.at < before, verifications.c.reserved.is_(False), verifications.c.id.not_in(standing))
    found = (await connection.execute(select(*key).where(*is_over, ~owed).limit(BATCH))).all()
    keys = [(row.subject_id, row.id) for row in found]
    if keys:
        for came in (outcome_reports, redemptions):
            of_them = tuple_(came.c.subject_id, came.c.verification_id).in_(keys)
            await connection.execute(delete(came).where(of_them))
        await connection.execute(delete(verifications).where(tuple_(*key).in_(keys)))
    return len(keys)


async def _events(connection: AsyncConnection, before: datetime) -> int:
    """Webhook events with their deliveries, arrived or not; the endpoints stay."""
    old = select(webhook_events.c.id).where(webhook_events.c.at < before).limit(BATCH)
    ids = (await connection.scalars(old)).all()
    if ids:
        for part in (webhook_attempts, webhook_deliveries):
            await connection.execute(delete(part).where(part.c.event_id.in_(ids)))
        await connection.execute(delete(webhook_events).where(webhook_events.c.id.in_(ids)))
    return len(ids)


def _rows(table: Table, at: ColumnElement[datetime]) -> _Batch:
    key = list(table.primary_key.columns)

    async def batch(connection: AsyncConnection, before: datetime) -> int:
        found = (await connection.execute(select(*key).where(at < before).limit(BATCH))).all()
        if found:
            await connection.execute(delete(table).where(tuple_(*key).in_([tuple(row) for row in found])))
        return len(found)

    return batch


_BATCHES: tuple[_Batch, ...] = (
    _rows(sandbox_faults, sandbox_faults.c.made_at),
    _rows(sandbox_key_changes, sandbox_key_changes.c.at),
    _rows(answers, answers.c.at),
    _rows(access_events, access_events.c.at),
    _uses,
    _events,
)
