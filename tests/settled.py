"""Uses of benefits written straight into the tables, for settlement and the figures of a month."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from partners.tables import redemptions, verifications


async def add_use(
    connection: AsyncConnection,
    *,
    at: datetime,
    subject_id: int = 1,
    partner_id: int = 1,
    offer_id: int = 1,
    fen: int | None = 500,
    redeemed: bool = True,
    reversed_at: datetime | None = None,
    outcome: str = "BENEFIT_APPLIES",
) -> UUID:
    """A verification at that instant, used at once unless told otherwise; the redemption's id."""
    verification: dict[str, Any] = {"subject_id": subject_id, "id": uuid4(), "code_id": uuid4().bytes}
    await connection.execute(
        insert(verifications).values(
            **verification,
            partner_id=partner_id,
            offer_id=offer_id,
            offer_version=1,
            outcome=outcome,
            at=at,
            expires_at=at + timedelta(minutes=10),
            reserved=False,
        )
    )
    redemption_id = uuid4()
    if redeemed:
        await connection.execute(
            insert(redemptions).values(
                subject_id=subject_id,
                id=redemption_id,
                verification_id=verification["id"],
                partner_id=partner_id,
                amount_fen=fen,
                took_quota=False,
                at=at,
                reversed_at=reversed_at,
                reversal_reason="顾客退票" if reversed_at else None,
            )
        )
    return redemption_id
