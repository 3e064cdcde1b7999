"""Pay-later orders in the API. One thing to know: both sides read the same order, and nothing in it is about the
person; what its holder said when cancelling is for the holder alone."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any

import strawberry
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from api.context import Context, Info
from api.ids import public_id
from api.offers import Offer, Partner, offer_of, partner_of
from api.pagination import After, First, PageInfo, cursor_of, id_after, page_info, page_size
from api.permissions import PARTNER, SUBJECT, access
from api.scalars import Fen
from core.errors import Forbidden
from partners.catalogue import Catalogue
from partners.orders import workflow
from partners.orders.steps import CLOCK
from partners.orders.tables import order_steps, orders
from partners.orders.workflow import Side, allowed_actions, order_of, stands_in
from partners.standing import SubjectStanding
from partners.tables import accounts

BOTH = (*SUBJECT, *PARTNER)


@strawberry.enum(description="Where a pay-later order stands: one word.")
class OrderState(Enum):
    """`partners.orders.workflow.OrderState`, described."""

    CREATED = strawberry.enum_value("CREATED", description="Proposed; its holder has 15 minutes to confirm it.")
    CONFIRMED = strawberry.enum_value("CONFIRMED", description="Confirmed by its holder.")
    IN_SERVICE = strawberry.enum_value("IN_SERVICE", description="The service has begun.")
    COMPLETED = strawberry.enum_value("COMPLETED", description="Done; to be paid by its day.")
    PAID = strawberry.enum_value("PAID", description="Paid.")
    OVERDUE = strawberry.enum_value("OVERDUE", description="Not paid by its day: a debt, and nothing more.")
    CANCELLED = strawberry.enum_value("CANCELLED", description="Called off before it began; nothing was used.")
    EXPIRED = strawberry.enum_value("EXPIRED", description="Not confirmed in time; nothing was used.")


@strawberry.enum(description="What can be done with a pay-later order.")
class OrderAction(Enum):
    """`partners.orders.workflow.OrderAction`, described."""

    CONFIRM = strawberry.enum_value("CONFIRM", description="`confirmOrder`.")
    START = strawberry.enum_value("START", description="`startOrder`.")
    COMPLETE = strawberry.enum_value("COMPLETE", description="`completeOrder`.")
    RECORD_PAYMENT = strawberry.enum_value("RECORD_PAYMENT", description="`recordPayment`.")
    CANCEL = strawberry.enum_value("CANCEL", description="`cancelOrder`; before confirming, this is saying no.")


@strawberry.type(description="How an order came to stand where it does.", directives=access(SUBJECT))
class OrderStep:
    """Never changed."""

    state: OrderState = strawberry.field(description="After the step.")
    at: datetime = strawberry.field(description="When.")
    by: str = strawberry.field(description="Who, in words: 本人、机构 or 到时自动.")
    amount_fen: Fen | None = strawberry.field(description="The amount it was about, in 分.")
    words: str = strawberry.field(description="What was said of it.")


@strawberry.type(description="An order that is paid later.", directives=access(BOTH))
class Order:
    """The same for both sides."""

    held: strawberry.Private[workflow.Order]
    side: strawberry.Private[Side]
    steps_held: strawberry.Private[list[OrderStep]]
    id: strawberry.ID = strawberry.field(description="Opaque id.")
    state: OrderState = strawberry.field(description="Where it stands now.")
    partner: Partner = strawberry.field(description="Who gives the service.")
    offer: Offer | None = strawberry.field(description="Under which offer it is paid later.")
    title: str = strawberry.field(description="What is ordered.")
    amount_fen: Fen = strawberry.field(description="The most it may cost, in 分.")
    final_fen: Fen | None = strawberry.field(description="What it did cost, in 分; never more than was confirmed.")
    paid_fen: Fen | None = strawberry.field(description="What was paid, in 分.")
    pay_days: int = strawberry.field(description="Within how many days of its completion it is to be paid.")
    due_on: date | None = strawberry.field(description="Last day for paying; null before it is completed.")
    expires_at: datetime = strawberry.field(description="Until when it can be confirmed.")
    created_at: datetime = strawberry.field(description="When it was proposed.")

    @strawberry.field(description="What you may do with it next.")
    def allowed_actions(self) -> list[OrderAction]:
        """For whoever asks."""
        return [OrderAction(one.value) for one in allowed_actions(self.held.state, self.side)]

    @strawberry.field(description="How it came here, oldest first.", directives=access(SUBJECT))
    def steps(self) -> list[OrderStep]:
        """For its holder."""
        return self.steps_held


@strawberry.type(description="An order in a page (Relay).", directives=access(BOTH))
class OrderEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: Order = strawberry.field(description="The order.")


@strawberry.type(description="A page of orders, newest first (Relay).", directives=access(BOTH))
class OrderConnection:
    """Relay's connection."""

    edges: list[OrderEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


States = Annotated[
    list[OrderState] | None, strawberry.argument(description="Those that stand in one of these states alone.")
]
"""The `states` of a list of orders."""


def shown_order(order: workflow.Order, side: Side, known: Catalogue, steps: list[OrderStep]) -> Order:
    """An order as one of its sides reads it."""
    offer = known.offers.get(order.offer_id)
    return Order(
        held=order,
        side=side,
        steps_held=steps,
        id=strawberry.ID(public_id("Order", order.id)),
        state=OrderState(order.state.value),
        partner=partner_of(known.partners[order.partner_id]),
        offer=offer_of(offer) if offer else None,
        title=order.title,
        amount_fen=Fen(order.amount_fen),
        final_fen=None if order.final_fen is None else Fen(order.final_fen),
        paid_fen=None if order.paid_fen is None else Fen(order.paid_fen),
        pay_days=order.pay_days,
        due_on=order.due_on,
        expires_at=order.expires_at,
        created_at=order.created_at,
    )


@strawberry.type
class OrderFields:
    """The part of `CreditSubject` that is its orders."""

    held: strawberry.Private[SubjectStanding]

    @strawberry.field(description="My orders that are paid later, newest first.")
    async def orders(
        self, info: Info, first: First = None, after: After = None, states: States = None
    ) -> OrderConnection:
        """At all partners; each of these reads its own alone."""
        return await _page(info.context, orders.c.subject_id == self.held.id, Side.HOLDER, first, after, states)


async def _page(  # noqa: PLR0917  # a page's usual arguments
    context: Context,
    mine: ColumnElement[bool],
    side: Side,
    first: int | None,
    after: str | None,
    states: list[OrderState] | None,
) -> OrderConnection:
    size, last = page_size(first), id_after(after)
    wanted = select(orders).where(mine).order_by(orders.c.id.desc()).limit(size + 1)
    if last is not None:
        wanted = wanted.where(orders.c.id < last)
    if states is not None:
        wanted = wanted.where(stands_in((workflow.OrderState(one.name) for one in states), now=context.now))
    async with context.state.database.reading() as connection:
        known = await context.state.current_catalogue(connection)
        rows = (await connection.execute(wanted)).all()
        steps = await steps_of(connection, rows[:size]) if side is Side.HOLDER else {}
    edges = [
        OrderEdge(
            cursor=cursor_of(row.id),
            node=shown_order(order_of(row, now=context.now), side, known, steps.get(row.id, [])),
        )
        for row in rows[:size]
    ]
    info = page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
    return OrderConnection(edges=edges, page_info=info)


async def steps_of(connection: AsyncConnection, rows: Any) -> dict[Any, list[OrderStep]]:
    """The steps of one subject's orders, oldest first, by order."""
    found: dict[Any, list[OrderStep]] = defaultdict(list)
    if not rows:
        return found
    wanted = (
        select(order_steps, accounts.c.subject_id.label("acts_for"))
        .outerjoin(accounts, accounts.c.id == order_steps.c.actor)
        .where(
            order_steps.c.subject_id == rows[0].subject_id,
            order_steps.c.order_id.in_([row.id for row in rows]),
        )
        .order_by(order_steps.c.step)
    )
    for row in await connection.execute(wanted):
        by = "到时自动" if row.actor == CLOCK else "机构" if row.acts_for is None else "本人"
        amount = None if row.amount_fen is None else Fen(row.amount_fen)
        state = OrderState(row.state)
        found[row.order_id].append(OrderStep(state=state, at=row.at, by=by, amount_fen=amount, words=row.reason))
    return found


@strawberry.type
class OrderQueries:
    """A partner's orders; a subject's own are under `me`."""

    @strawberry.field(description="The orders of your partner, newest first.", directives=access(PARTNER))
    async def orders(
        self, info: Info, first: First = None, after: After = None, states: States = None
    ) -> OrderConnection:
        """Nobody else's."""
        context = info.context
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
        if principal.partner_id is None:
            raise Forbidden
        return await _page(context, orders.c.partner_id == principal.partner_id, Side.PARTNER, first, after, states)
