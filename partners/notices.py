"""What is told to a subject, in its own inbox. One thing to know: a notice is written in the transaction of what it
tells of, and says nothing about the subject that a bystander should not read over its shoulder."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert
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
