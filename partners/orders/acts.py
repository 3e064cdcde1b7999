"""What partner and holder do with a pay-later order. One thing to know: an order begins with a verified benefit, which
it uses in the same transaction, and what it costs is at most what its holder confirmed.

An unpaid order is a debt and no more: no record comes of it by itself, no score looks at it, no other partner hears of
it (《黑龙江省社会信用条例》第二十七条: a record rests on a legal document in force).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of
from core.errors import BadInput
from core.identifiers import new_id, public_id
from core.keys import Keys
from legal.effects import Effect
from partners.answers import Problem, Request, answer_once, body_hashes
from partners.catalogue import Offer
from partners.notices import tell_holder
from partners.orders.steps import give_use_back, note_step, take_step
from partners.orders.tables import orders
from partners.orders.workflow import (
    CONFIRMED_WITHIN,
    MOST_PAY_DAYS,
    MOVES,
    USUAL_PAY_DAYS,
    WORDS,
    BadAmount,
    NotPayLater,
    Order,
    OrderAction,
    OrderState,
    Side,
    UnknownOrder,
    WrongOrderState,
    order_of,
    restored_order,
    state_of,
    stored_order,
)
from partners.redemption import NotRedeemable, use_benefit
from partners.tables import verifications
from partners.webhooks.events import emit

CREATE = "createOrder"
_ACTS = {
    OrderAction.CONFIRM: "confirmOrder",
    OrderAction.START: "startOrder",
    OrderAction.COMPLETE: "completeOrder",
    OrderAction.RECORD_PAYMENT: "recordPayment",
    OrderAction.CANCEL: "cancelOrder",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """An order as a partner proposes it. `pay_days`: None for as long as the offer says; `benefit_fen`: what the
    benefit itself costs its budget, where it has one."""

    verification_id: UUID
    title: str
    amount_fen: int
    pay_days: int | None = None
    benefit_fen: int | None = None


async def create_order(
    connection: AsyncConnection,
    *,
    account: str,
    partner_id: int,
    request_id: str,
    draft: Draft,
    offers: Mapping[int, Offer],
    keys: Keys,
    now: datetime,
) -> Order | Problem:
    """Make an order from a benefit that was verified within the last ten minutes, and use that benefit by it.

    Raises:
        RequestConflict: the request id was used for another body. Nothing is written.
        Conflict: another request was quicker; run it again.
    """
    body: dict[str, Any] = {
        "verification": str(draft.verification_id),
        "title": draft.title,
        "amount": draft.amount_fen,
    }
    body |= {"payDays": draft.pay_days, "benefit": draft.benefit_fen}
    request = Request(partner_id, CREATE, request_id, body_hashes(keys, body))

    async def act() -> dict[str, Any]:
        return stored_order(await _create(connection, draft, offers, account=account, partner_id=partner_id, now=now))

    return _answered(await answer_once(connection, request, act, now=now))


async def act_as_partner(
    connection: AsyncConnection,
    *,
    account: str,
    partner_id: int,
    request_id: str,
    order_id: UUID,
    action: OrderAction,
    keys: Keys,
    now: datetime,
    amount_fen: int | None = None,
    reason: str = "",
) -> Order | Problem:
    """Start, complete, cancel, or record the payment of an order of this partner's, once for each request.

    Raises:
        RequestConflict: the request id was used for another body. Nothing is written.
        Conflict: another request was quicker; run it again.
    """
    body = {"order": str(order_id), "amount": amount_fen, "reason": reason}
    request = Request(partner_id, _ACTS[action], request_id, body_hashes(keys, body))

    async def act() -> dict[str, Any]:
        row = await _locked(connection, orders.c.id == order_id, orders.c.partner_id == partner_id)
        moved = await _move(
            connection, row, action, Side.PARTNER, account=account, now=now, amount_fen=amount_fen, reason=reason
        )
        return stored_order(moved)

    return _answered(await answer_once(connection, request, act, now=now))


async def act_as_holder(
    connection: AsyncConnection,
    *,
    account: str,
    subject_id: int,
    order_id: UUID,
    action: OrderAction,
    now: datetime,
    reason: str = "",
) -> Order:
    """Confirm or cancel one's own order, in a transaction; what was done before changes nothing.

    Raises:
        UnknownOrder, WrongOrderState: there is none, or it does not stand where this begins.
    """
    row = await _locked(connection, orders.c.id == order_id, orders.c.subject_id == subject_id)
    if state_of(row, now=now) is MOVES[action].becomes:
        return order_of(row, now=now)
    return await _move(connection, row, action, Side.HOLDER, account=account, now=now, reason=reason)


def _answered(answer: Mapping[str, Any] | Problem) -> Order | Problem:
    return answer if isinstance(answer, Problem) else restored_order(answer)


async def _create(
    connection: AsyncConnection, draft: Draft, offers: Mapping[int, Offer], *, account: str, partner_id: int,
    now: datetime,
) -> Order:  # fmt: skip
    asked = select(verifications.c.subject_id, verifications.c.offer_id).where(
        verifications.c.id == draft.verification_id, verifications.c.partner_id == partner_id
    )
    verified = (await connection.execute(asked)).one_or_none()
    if verified is None:
        raise NotRedeemable("贵单位没有这次核验。请核对 verificationId。")
    pay_days = _pay_days(draft, offers.get(verified.offer_id))
    await use_benefit(
        connection,
        account=account,
        partner_id=partner_id,
        verification_id=draft.verification_id,
        amount_fen=draft.benefit_fen,  # not what the order costs: that is the holder's own debt
        now=now,
    )
    row = {
        "subject_id": verified.subject_id,
        "id": new_id(),
        "partner_id": partner_id,
        "offer_id": verified.offer_id,
        "verification_id": draft.verification_id,
        "state": OrderState.CREATED.value,
        "title": draft.title,
        "amount_fen": draft.amount_fen,
        "pay_days": pay_days,
        "expires_at": now + CONFIRMED_WITHIN,
        "created_at": now,
    }
    await connection.execute(insert(orders).values(row))
    made = await _locked(connection, orders.c.subject_id == verified.subject_id, orders.c.id == row["id"])
    await note_step(connection, made, OrderState.CREATED, actor=account, now=now, amount_fen=draft.amount_fen)
    content = {"order": str(made.id), "verification": str(draft.verification_id), "amountFen": draft.amount_fen}
    await audit.record(connection, at=now, actor=account, action=CREATE, content=content, subject_id=made.subject_id)
    payload = {"order": public_id("Order", made.id), "state": made.state, "at": now.isoformat()}
    lane = f"subject:{made.subject_id}"
    await emit(connection, partner_id=partner_id, type="order.created", lane=lane, payload=payload, now=now)
    await tell_holder(
        connection, made, "order-to-confirm", "有一笔先用后付的订单等您确认,十五分钟内有效;不确认即作废。", now
    )
    return order_of(made, now=now)


def _pay_days(draft: Draft, offer: Offer | None) -> int:
    """Within how many days the order is to be paid.

    Raises:
        NotPayLater, BadAmount, BadInput: the offer has no such order.
    """
    if offer is None or Effect.DEFERRED_PAYMENT not in offer.terms.effects:
        raise NotPayLater("这项优惠不是先用后付,没有订单可建。请改用 redeemBenefit 核销。")
    most = offer.details.get("largest_amount_fen")
    if most is not None and draft.amount_fen > most:
        raise BadAmount(f"金额超过这项优惠的后付上限 {most} 分。请改小金额,超出部分按标准服务收取。")
    promised = offer.details.get("pay_within_days")
    days = draft.pay_days if draft.pay_days is not None else promised or USUAL_PAY_DAYS
    if not max(promised or 1, 1) <= days <= MOST_PAY_DAYS:
        raise BadInput(f"payDays 须在 {promised or 1} 到 {MOST_PAY_DAYS} 之间,不得短于优惠所写的付款期限。请改正。")
    return int(days)


async def _locked(connection: AsyncConnection, *which: Any) -> Row[Any]:
    row = (await connection.execute(select(orders).where(*which).with_for_update())).one_or_none()
    if row is None:
        raise UnknownOrder("没有这笔订单。请从订单列表中选择。")
    return row


async def _move(
    connection: AsyncConnection,
    row: Row[Any],
    action: OrderAction,
    side: Side,
    *,
    account: str,
    now: datetime,
    amount_fen: int | None = None,
    reason: str = "",
) -> Order:
    move, stands = MOVES[action], state_of(row, now=now)
    if side not in move.by or stands not in move.begins:
        raise WrongOrderState(f"这笔订单目前是“{WORDS[stands]}”,不能如此操作。请刷新后按 allowedActions 办理。")
    changes = _changes(row, action, amount_fen, now)
    await take_step(
        connection, row, becomes=move.becomes, actor=account, act=_ACTS[action], now=now, reason=reason,
        amount_fen=amount_fen, **changes,
    )  # fmt: skip
    if action is OrderAction.CANCEL:
        await give_use_back(connection, row, actor=account, reason="订单取消", now=now)
    if action is OrderAction.COMPLETE:
        due_on = changes["due_on"].isoformat()
        await tell_holder(
            connection, row, "order-completed", f"一笔先用后付的订单已完成,请在 {due_on} 之前(含当日)付款。", now
        )
    mine = (orders.c.subject_id == row.subject_id, orders.c.id == row.id)
    return order_of(await _locked(connection, *mine), now=now)


def _changes(row: Row[Any], action: OrderAction, amount_fen: int | None, now: datetime) -> dict[str, Any]:
    """What else an act changes; the amount may only go down.

    Raises:
        BadAmount: it would go up.
    """
    match action:
        case OrderAction.COMPLETE:
            if amount_fen is None or amount_fen > row.amount_fen:
                raise BadAmount(f"结算金额不得高于持有人确认的 {row.amount_fen} 分。请改小金额;另加的服务另行下单。")
            return {"final_fen": amount_fen, "due_on": day_of(now) + timedelta(days=row.pay_days)}
        case OrderAction.RECORD_PAYMENT:
            if amount_fen is None or amount_fen > row.final_fen:
                raise BadAmount(f"收款不得高于应付的 {row.final_fen} 分。请核对金额,多收的请退还。")
            return {"paid_fen": amount_fen, "ended_at": now}
        case OrderAction.CANCEL:
            return {"ended_at": now}
        case _:
            return {}
