"""Looks after orders while nobody does: notes what time has brought about, and reminds. One thing to know: nothing
depends on it but the notices; what an order is, is read off its days."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from core.database import Database
from partners.notices import tell_holder
from partners.orders.steps import CLOCK, expire, note_step, take_step
from partners.orders.tables import order_steps, orders
from partners.orders.workflow import OrderState

REMINDED_BEFORE = timedelta(days=3)
BATCH = 100
REMINDED = "提醒付款"


async def look_at_orders(database: Database, *, now: datetime) -> Mapping[str, int]:
    """Expire what nobody confirmed, note what is overdue, and remind three days before; how many of each.

    Any number of processes may look at once; each order is seen to by one of them, once.
    """
    on = day_of(now)
    unpaid = orders.c.state == OrderState.COMPLETED.value
    # What is due so soon after its completion that this was said then needs no saying again.
    is_near = and_(orders.c.due_on.between(on, on + REMINDED_BEFORE), orders.c.pay_days > REMINDED_BEFORE.days)
    reminded = exists().where(
        order_steps.c.subject_id == orders.c.subject_id,
        order_steps.c.order_id == orders.c.id,
        order_steps.c.reason == REMINDED,
        order_steps.c.actor == CLOCK,
    )
    due: dict[str, tuple[ColumnElement[bool], Callable[[AsyncConnection, Any, datetime], Awaitable[None]]]] = {
        "expired": (and_(orders.c.state == OrderState.CREATED.value, orders.c.expires_at <= now), _expire),
        "overdue": (and_(unpaid, orders.c.due_on < on), _note_overdue),
        "reminded": (and_(unpaid, is_near, ~reminded), _remind),
    }
    return {name: await _each(database, which, does, now) for name, (which, does) in due.items()}


async def _each(
    database: Database,
    which: ColumnElement[bool],
    does: Callable[[AsyncConnection, Any, datetime], Awaitable[None]],
    now: datetime,
) -> int:
    number = 0
    while True:
        async with database.transaction() as connection:
            some = select(orders).where(which).order_by(orders.c.id).limit(BATCH).with_for_update(skip_locked=True)
            rows = (await connection.execute(some)).all()
            for row in rows:
                await does(connection, row, now)
        number += len(rows)
        if len(rows) < BATCH:
            return number


async def _expire(connection: AsyncConnection, row: Any, now: datetime) -> None:
    await expire(connection, row, now=now)


async def _note_overdue(connection: AsyncConnection, row: Any, now: datetime) -> None:
    await take_step(connection, row, becomes=OrderState.OVERDUE, actor=CLOCK, act="noteOverdueOrder", now=now)
    text = (
        f"一笔先用后付的订单已过付款期限({row.due_on.isoformat()})。付清之前,这家机构的先用后付暂按标准服务办理;"
        "付清即恢复。这不影响您的评价,也不告知其他机构。"
    )
    await tell_holder(connection, row, "order-overdue", text, now)


async def _remind(connection: AsyncConnection, row: Any, now: datetime) -> None:
    await note_step(connection, row, OrderState.COMPLETED, actor=CLOCK, now=now, reason=REMINDED)
    text = f"一笔先用后付的订单将于 {row.due_on.isoformat()} 到期,请在当日(含)之前付款。"
    await tell_holder(connection, row, "order-due", text, now)
