"""Writing down a step of an order. One thing to know: the state, the step, the audit row and what the other side is
told are one transaction, and a use that comes to nothing is given back in it."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.database import announce
from core.identifiers import public_id
from core.news import BENEFITS, of_partner, of_subject
from partners.orders.tables import order_steps, orders
from partners.orders.workflow import OrderState
from partners.redemption import AlreadyReversed, undo_redemption
from partners.tables import redemptions
from partners.webhooks.events import emit

CLOCK = "clock"
"""The actor of what time alone brings about."""
NOT_CONFIRMED = "订单未在时限内确认"
"""Why the use of an order that expired was undone."""


async def take_step(
    connection: AsyncConnection,
    row: Any,
    *,
    becomes: OrderState,
    actor: str,
    act: str,
    now: datetime,
    reason: str = "",
    amount_fen: int | None = None,
    **changes: Any,
) -> None:
    """Let an order, whose `row` the caller has locked, become something; `changes` are further columns."""
    mine = (orders.c.subject_id == row.subject_id, orders.c.id == row.id)
    await connection.execute(update(orders).where(*mine).values(state=becomes.value, **changes))
    await note_step(connection, row, becomes, actor=actor, now=now, reason=reason, amount_fen=amount_fen)
    content = {"order": str(row.id), "state": becomes.value, "amountFen": amount_fen}
    await audit.record(connection, at=now, actor=actor, action=act, content=content, subject_id=row.subject_id)
    await emit(
        connection,
        partner_id=row.partner_id,
        type=f"order.{becomes.value.lower().replace('_', '-')}",
        lane=f"subject:{row.subject_id}",
        payload={"order": public_id("Order", row.id), "state": becomes.value, "at": now.isoformat()},
        now=now,
    )


async def note_step(
    connection: AsyncConnection,
    row: Any,
    state: OrderState,
    *,
    actor: str,
    now: datetime,
    reason: str = "",
    amount_fen: int | None = None,
) -> None:
    """Append a step to an order that the caller has locked."""
    mine = (order_steps.c.subject_id == row.subject_id, order_steps.c.order_id == row.id)
    number = (await connection.scalar(select(func.max(order_steps.c.step)).where(*mine)) or 0) + 1
    step = {"subject_id": row.subject_id, "order_id": row.id, "step": number, "state": state.value}
    said = {"actor": actor, "at": now, "amount_fen": amount_fen, "reason": reason}
    await connection.execute(insert(order_steps).values(**step, **said))
    for topic in (of_subject(row.subject_id), of_partner(row.partner_id)):
        announce(connection, topic, f"order:{row.id}:{number}")
    announce(connection, of_subject(row.subject_id), BENEFITS)  # one that is overdue closes paying later


async def give_use_back(connection: AsyncConnection, row: Any, *, actor: str, reason: str, now: datetime) -> None:
    """Undo the use of the benefit that the order was made from; its quota and limits are free again."""
    mine = (redemptions.c.subject_id == row.subject_id, redemptions.c.verification_id == row.verification_id)
    used = (await connection.execute(select(redemptions.c.id).where(*mine))).scalar_one()
    with suppress(AlreadyReversed):  # by the partner itself, before
        await undo_redemption(
            connection, account=actor, partner_id=row.partner_id, redemption_id=used, reason=reason, now=now
        )


async def expire(connection: AsyncConnection, row: Any, *, now: datetime) -> None:
    """Note that nobody confirmed an order in time, and give its use back; the caller has locked the row."""
    await take_step(connection, row, becomes=OrderState.EXPIRED, actor=CLOCK, act="expireOrder", now=now, ended_at=now)
    await give_use_back(connection, row, actor=CLOCK, reason=NOT_CONFIRMED, now=now)
