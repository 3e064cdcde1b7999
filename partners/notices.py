"""What is told to a subject, in its own inbox. One thing to know: a notice is written in the transaction of what it
tells of, and says nothing about the subject that a bystander should not read over its shoulder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.identifiers import new_id
from partners.tables import notices


async def tell(
    connection: AsyncConnection,
    *,
    subject_id: int,
    kind: str,
    text: str,
    now: datetime,
    partner_id: int | None = None,
    offer_id: int | None = None,
) -> None:
    """Put a notice into a subject's inbox, in the caller's transaction."""
    row = {"subject_id": subject_id, "id": new_id(), "at": now, "kind": kind, "text": text}
    await connection.execute(insert(notices).values(**row, partner_id=partner_id, offer_id=offer_id))


async def tell_holder(connection: AsyncConnection, row: Row[Any], kind: str, text: str, now: datetime) -> None:
    """Tell the holder of an order or an application, whose row it is, about it."""
    about = {"partner_id": row.partner_id, "offer_id": row.offer_id}
    await tell(connection, subject_id=row.subject_id, kind=kind, text=text, now=now, **about)


async def notices_page(
    connection: AsyncConnection, subject_id: int, *, after: UUID | None = None, most: int
) -> Sequence[Any]:
    """At most `most` rows of the inbox below that id, the newest first."""
    wanted = select(notices).where(notices.c.subject_id == subject_id).order_by(notices.c.id.desc()).limit(most)
    if after is not None:
        wanted = wanted.where(notices.c.id < after)
    return (await connection.execute(wanted)).all()


async def unread_notices(connection: AsyncConnection, subject_id: int) -> int:
    """How many notices the subject has not read."""
    mine = and_(notices.c.subject_id == subject_id, notices.c.read_at.is_(None))
    return int(await connection.scalar(select(func.count()).select_from(notices).where(mine)) or 0)


async def mark_read(connection: AsyncConnection, subject_id: int, *, ids: Sequence[UUID] | None, now: datetime) -> int:
    """Mark these as read (None: all there are now), in a transaction; how many were not. Those of others, and those
    that never were, are passed over."""
    mine = and_(notices.c.subject_id == subject_id, notices.c.read_at.is_(None), notices.c.at <= now)
    if ids is not None:
        mine = and_(mine, notices.c.id.in_(ids))
    return (await connection.execute(update(notices).where(mine).values(read_at=now))).rowcount
