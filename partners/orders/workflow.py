"""The life of a pay-later order. Pure: no clock, no connection. One thing to know: what a day or an hour brings about
(EXPIRED, OVERDUE) is read off the row whenever somebody looks, whether or not it was noted yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, or_

from core.clock import day_of
from core.errors import ExpectedError
from partners.orders.tables import orders

CONFIRMED_WITHIN = timedelta(minutes=15)
"""How long its holder may think about it."""
USUAL_PAY_DAYS, MOST_PAY_DAYS = 7, 365


class OrderState(StrEnum):
    """Where an order stands."""

    CREATED = "CREATED"
    CONFIRMED = "CONFIRMED"
    IN_SERVICE = "IN_SERVICE"
    COMPLETED = "COMPLETED"
    PAID = "PAID"
    OVERDUE = "OVERDUE"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


WORDS = {
    OrderState.CREATED: "待确认",
    OrderState.CONFIRMED: "已确认",
    OrderState.IN_SERVICE: "服务中",
    OrderState.COMPLETED: "已完成待付款",
    OrderState.PAID: "已付清",
    OrderState.OVERDUE: "已过付款期限",
    OrderState.CANCELLED: "已取消",
    OrderState.EXPIRED: "未在时限内确认",
}
"""Each state in words."""


class OrderAction(StrEnum):
    """What can be done with an order."""

    CONFIRM = "CONFIRM"
    START = "START"
    COMPLETE = "COMPLETE"
    RECORD_PAYMENT = "RECORD_PAYMENT"
    CANCEL = "CANCEL"


class Side(StrEnum):
    """Who acts: whoever the order is for, or the partner."""

    HOLDER = "HOLDER"
    PARTNER = "PARTNER"


class Move(NamedTuple):
    """Who may do it, where it begins, and where it leads."""

    by: frozenset[Side]
    begins: frozenset[OrderState]
    becomes: OrderState


_HOLDER, _PARTNER = frozenset({Side.HOLDER}), frozenset({Side.PARTNER})
MOVES: Mapping[OrderAction, Move] = {
    OrderAction.CONFIRM: Move(_HOLDER, frozenset({OrderState.CREATED}), OrderState.CONFIRMED),
    OrderAction.START: Move(_PARTNER, frozenset({OrderState.CONFIRMED}), OrderState.IN_SERVICE),
    OrderAction.COMPLETE: Move(_PARTNER, frozenset({OrderState.IN_SERVICE}), OrderState.COMPLETED),
    OrderAction.RECORD_PAYMENT: Move(_PARTNER, frozenset({OrderState.COMPLETED, OrderState.OVERDUE}), OrderState.PAID),
    OrderAction.CANCEL: Move(
        _HOLDER | _PARTNER, frozenset({OrderState.CREATED, OrderState.CONFIRMED}), OrderState.CANCELLED
    ),
}
"""Time alone leads from CREATED to EXPIRED and from COMPLETED to OVERDUE."""


class NotPayLater(ExpectedError):
    """The offer does not let anybody pay later."""

    code = "NOT_PAY_LATER"


class BadAmount(ExpectedError):
    """More than was agreed: an amount only ever goes down."""

    code = "AMOUNT_TOO_HIGH"


class UnknownOrder(ExpectedError):
    """No such order of whoever asks."""

    code = "UNKNOWN_ORDER"


class WrongOrderState(ExpectedError):
    """The order does not stand where this act begins."""

    code = "WRONG_STATE"


def state_of(row: Any, *, now: datetime) -> OrderState:
    """Where an order (a row of `orders`) stands at that moment."""
    stored = OrderState(row.state)
    if stored is OrderState.CREATED and row.expires_at <= now:
        return OrderState.EXPIRED
    if stored is OrderState.COMPLETED and row.due_on < day_of(now):
        return OrderState.OVERDUE
    return stored


def stands_in(states: Iterable[OrderState], *, now: datetime) -> ColumnElement[bool]:
    """Rows of `orders` that stand in one of these states at that moment, as `state_of` tells it."""
    stored, lapsed, late = orders.c.state, orders.c.expires_at <= now, orders.c.due_on < day_of(now)
    conditions: list[ColumnElement[bool]] = []
    for state in states:
        match state:
            case OrderState.CREATED:
                conditions.append(and_(stored == state.value, orders.c.expires_at > now))
            case OrderState.EXPIRED:
                conditions.append(or_(stored == state.value, and_(stored == OrderState.CREATED.value, lapsed)))
            case OrderState.COMPLETED:
                conditions.append(and_(stored == state.value, orders.c.due_on >= day_of(now)))
            case OrderState.OVERDUE:
                conditions.append(or_(stored == state.value, and_(stored == OrderState.COMPLETED.value, late)))
            case _:
                conditions.append(stored == state.value)
    return or_(false(), *conditions)


def allowed_actions(state: OrderState, side: Side) -> tuple[OrderAction, ...]:
    """What this side may do next."""
    return tuple(action for action, move in MOVES.items() if side in move.by and state in move.begins)


@dataclass(frozen=True, slots=True)
class Order:
    """An order as its two sides see it: nothing in it is about the holder."""

    id: UUID
    partner_id: int
    offer_id: int
    state: OrderState
    title: str
    amount_fen: int
    final_fen: int | None
    paid_fen: int | None
    pay_days: int
    due_on: date | None
    expires_at: datetime
    created_at: datetime


def order_of(row: Any, *, now: datetime) -> Order:
    """A row of `orders` as it stands at that moment."""
    values = {field.name: getattr(row, field.name) for field in fields(Order)}
    return Order(**values | {"state": state_of(row, now=now)})


def stored_order(order: Order) -> dict[str, Any]:
    """The order in plain JSON values, for a recorded answer."""
    return asdict(order) | {
        "id": str(order.id),
        "due_on": order.due_on.isoformat() if order.due_on else None,
        "expires_at": order.expires_at.isoformat(),
        "created_at": order.created_at.isoformat(),
    }


def restored_order(stored: Mapping[str, Any]) -> Order:
    """What `stored_order` wrote down."""
    values = dict(stored)
    return Order(
        **values
        | {
            "id": UUID(values["id"]),
            "state": OrderState(values["state"]),
            "due_on": date.fromisoformat(values["due_on"]) if values["due_on"] else None,
            "expires_at": datetime.fromisoformat(values["expires_at"]),
            "created_at": datetime.fromisoformat(values["created_at"]),
        }
    )
