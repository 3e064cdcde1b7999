"""What is done with a pay-later order in the API. One thing to know: a partner's act is done once for each request id,
a holder's once by its nature."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from sqlalchemy import select

from api.context import Info
from api.errors import Problem
from api.ids import uuid_of
from api.mutations import mutation
from api.orders import BOTH, Order, shown_order, steps_of
from api.permissions import PARTNER, SUBJECT
from api.scalars import Fen
from api.verification import LONGEST_REASON, LONGEST_REQUEST_ID, checked_text
from core.errors import BadInput, Forbidden
from partners import answers
from partners.catalogue import Catalogue
from partners.orders import workflow
from partners.orders.acts import Draft, act_as_holder, act_as_partner, create_order
from partners.orders.tables import orders
from partners.orders.workflow import Side

LONGEST_TITLE = 60


@strawberry.input(description="An order from a verified benefit.")
class CreateOrderInput:
    """For `createOrder`."""

    request_id: str = strawberry.field(description="Your id of this request: 1 to 128 characters, the same on a retry.")
    verification_id: strawberry.ID = strawberry.field(description="The verification, at most ten minutes old.")
    title: str = strawberry.field(description="What is ordered, in 1 to 60 neutral characters.")
    amount_fen: Fen = strawberry.field(description="The most it may cost, in 分.")
    pay_days: int | None = strawberry.field(
        default=None, description="Days after completion for paying; left out, as the offer says, or 7."
    )
    benefit_fen: Fen | None = strawberry.field(
        default=None, description="What the benefit itself costs its budget, in 分, where it has one."
    )


@strawberry.input(description="Which order to confirm.")
class ConfirmOrderInput:
    """For `confirmOrder`."""

    order_id: strawberry.ID = strawberry.field(description="The order.")


@strawberry.input(description="Which order begins.")
class StartOrderInput:
    """For `startOrder`."""

    request_id: str = strawberry.field(description="Your id of this request: 1 to 128 characters, the same on a retry.")
    order_id: strawberry.ID = strawberry.field(description="The order.")


@strawberry.input(description="Which order is done, and what it costs.")
class CompleteOrderInput:
    """For `completeOrder`."""

    request_id: str = strawberry.field(description="Your id of this request: 1 to 128 characters, the same on a retry.")
    order_id: strawberry.ID = strawberry.field(description="The order.")
    amount_fen: Fen = strawberry.field(description="What it costs, in 分: at most what was confirmed.")


@strawberry.input(description="Which order is paid.")
class RecordPaymentInput:
    """For `recordPayment`."""

    request_id: str = strawberry.field(description="Your id of this request: 1 to 128 characters, the same on a retry.")
    order_id: strawberry.ID = strawberry.field(description="The order.")
    amount_fen: Fen = strawberry.field(description="What was paid, in 分; the rest, if any, is let go.")


@strawberry.input(description="Which order to call off.")
class CancelOrderInput:
    """For `cancelOrder`."""

    order_id: strawberry.ID = strawberry.field(description="The order.")
    reason: str | None = strawberry.field(default=None, description="Why, if one likes to say; at most 200 characters.")
    request_id: str | None = strawberry.field(
        default=None, description="For partners, who need one: 1 to 128 characters, the same on a retry."
    )


def _union(name: str, what: str) -> Any:
    return strawberry.union(name, description=f"{what}, or why not.")


CreateOrderResult = Annotated[Order | Problem, _union("CreateOrderResult", "The order")]
ConfirmOrderResult = Annotated[Order | Problem, _union("ConfirmOrderResult", "The confirmed order")]
StartOrderResult = Annotated[Order | Problem, _union("StartOrderResult", "The order in service")]
CompleteOrderResult = Annotated[Order | Problem, _union("CompleteOrderResult", "The completed order")]
RecordPaymentResult = Annotated[Order | Problem, _union("RecordPaymentResult", "The paid order")]
CancelOrderResult = Annotated[Order | Problem, _union("CancelOrderResult", "The cancelled order")]


async def _as_partner(
    info: Info,
    action: workflow.OrderAction,
    request_id: str,
    order_id: strawberry.ID,
    *,
    amount_fen: int | None = None,
    reason: str = "",
) -> Order | Problem:
    context, state = info.context, info.context.state
    request_id = checked_text("requestId", request_id, LONGEST_REQUEST_ID)
    key = uuid_of(order_id, "Order")
    async with state.database.transaction() as connection:
        principal = await context.principal(connection)
        if principal.partner_id is None:
            raise Forbidden
        known = await state.current_catalogue(connection)
        answer = await act_as_partner(
            connection,
            account=principal.account,
            partner_id=principal.partner_id,
            request_id=request_id,
            order_id=key,
            action=action,
            keys=state.keys,
            now=context.now,
            amount_fen=amount_fen,
            reason=reason,
        )
    return _result(answer, known)


async def _as_holder(info: Info, action: workflow.OrderAction, order_id: strawberry.ID, reason: str = "") -> Order:
    context, state = info.context, info.context.state
    key = uuid_of(order_id, "Order")
    async with state.database.transaction() as connection:
        principal = await context.principal(connection)
        if principal.subject_id is None:
            raise Forbidden
        known = await state.current_catalogue(connection)
        order = await act_as_holder(
            connection,
            account=principal.account,
            subject_id=principal.subject_id,
            order_id=key,
            action=action,
            now=context.now,
            reason=reason,
        )
        mine = (orders.c.subject_id == principal.subject_id, orders.c.id == key)
        rows = (await connection.execute(select(orders).where(*mine))).all()
        steps = await steps_of(connection, rows)
    return shown_order(order, Side.HOLDER, known, steps[order.id])


def _result(answer: workflow.Order | answers.Problem, known: Catalogue) -> Order | Problem:
    if isinstance(answer, answers.Problem):
        return Problem(code=answer.code, message=answer.message)
    return shown_order(answer, Side.PARTNER, known, [])


@strawberry.type
class OrderMutations:
    """From the proposal to the payment."""

    @mutation(description="Propose an order from a verified benefit, which it uses.", to=PARTNER)
    async def create_order(self, info: Info, input: CreateOrderInput) -> CreateOrderResult:  # noqa: A002
        """Only where the offer lets one pay later."""
        context, state = info.context, info.context.state
        request_id = checked_text("requestId", input.request_id, LONGEST_REQUEST_ID)
        draft = Draft(
            verification_id=uuid_of(input.verification_id, "Verification"),
            title=checked_text("title", input.title, LONGEST_TITLE),
            amount_fen=input.amount_fen,
            pay_days=input.pay_days,
            benefit_fen=input.benefit_fen,
        )
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            if principal.partner_id is None:
                raise Forbidden
            known = await state.current_catalogue(connection)
            answer = await create_order(
                connection,
                account=principal.account,
                partner_id=principal.partner_id,
                request_id=request_id,
                draft=draft,
                offers=known.offers,
                keys=state.keys,
                now=context.now,
            )
        return _result(answer, known)

    @mutation(description="Confirm an order; within 15 minutes of its proposal.", to=SUBJECT)
    async def confirm_order(self, info: Info, input: ConfirmOrderInput) -> ConfirmOrderResult:  # noqa: A002
        """Saying no is `cancelOrder`, and has no consequence."""
        return await _as_holder(info, workflow.OrderAction.CONFIRM, input.order_id)

    @mutation(description="The service of a confirmed order begins.", to=PARTNER)
    async def start_order(self, info: Info, input: StartOrderInput) -> StartOrderResult:  # noqa: A002
        """From here on it cannot be called off."""
        return await _as_partner(info, workflow.OrderAction.START, input.request_id, input.order_id)

    @mutation(description="The service is done; its amount goes down or stays.", to=PARTNER)
    async def complete_order(self, info: Info, input: CompleteOrderInput) -> CompleteOrderResult:  # noqa: A002
        """From here on the days for paying count."""
        return await _as_partner(
            info, workflow.OrderAction.COMPLETE, input.request_id, input.order_id, amount_fen=input.amount_fen
        )

    @mutation(description="The order is paid; whatever its delay had closed is open again.", to=PARTNER)
    async def record_payment(self, info: Info, input: RecordPaymentInput) -> RecordPaymentResult:  # noqa: A002
        """At once."""
        return await _as_partner(
            info, workflow.OrderAction.RECORD_PAYMENT, input.request_id, input.order_id, amount_fen=input.amount_fen
        )

    @mutation(description="Call an order off before its service begins; nothing was used then.", to=BOTH)
    async def cancel_order(self, info: Info, input: CancelOrderInput) -> CancelOrderResult:  # noqa: A002
        """By either side."""
        reason = checked_text("reason", input.reason, LONGEST_REASON) if input.reason else ""
        async with info.context.state.database.reading() as connection:
            principal = await info.context.principal(connection)
        if principal.partner_id is None:
            return await _as_holder(info, workflow.OrderAction.CANCEL, input.order_id, reason)
        if input.request_id is None:
            raise BadInput("机构取消订单须写明 requestId,以便重试时只取消一次。请补上。")
        return await _as_partner(info, workflow.OrderAction.CANCEL, input.request_id, input.order_id, reason=reason)
