"""Using a verified benefit, releasing it unused, and taking a use back. One thing to know: what was reserved still
redeems, whatever has happened to the offer or the person since."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.database import announce
from core.errors import ExpectedError
from core.identifiers import public_id
from core.keys import Keys
from core.news import BENEFITS, of_subject
from partners.answers import Problem, Request, answer_once, body_hashes
from partners.eligibility import Outcome
from partners.limits import BUDGET
from partners.quotas import Hold, give_back, held_by
from partners.tables import OF_VERIFICATION, redemptions, verifications
from partners.webhooks.events import emit

REDEEM, REVERSE, RELEASE = "redeemBenefit", "reverseRedemption", "releaseVerification"


class NotRedeemable(ExpectedError):
    """Nothing of this partner's that could be redeemed or reversed under that id."""

    code = "NOT_REDEEMABLE"


class AlreadyRedeemed(ExpectedError):
    """The verification was redeemed before."""

    code = "ALREADY_REDEEMED"


class AlreadyReversed(ExpectedError):
    """The redemption was reversed before."""

    code = "ALREADY_REVERSED"


@dataclass(frozen=True, slots=True)
class Redemption:
    """A benefit used, taken back, or released before use: of the redemption or verification, and when."""

    id: UUID
    at: datetime


async def _once(
    connection: AsyncConnection, request: Request, act: Callable[[], Awaitable[Redemption]], *, now: datetime
) -> Redemption | Problem:
    """The recorded answer to this request; where there is none, act and record what came of it."""

    async def stored() -> dict[str, Any]:
        done = await act()
        return {"id": str(done.id), "at": done.at.isoformat()}

    answer = await answer_once(connection, request, stored, now=now)
    return (
        answer if isinstance(answer, Problem) else Redemption(UUID(answer["id"]), datetime.fromisoformat(answer["at"]))
    )


async def redeem_benefit(
    connection: AsyncConnection,
    *,
    account: str,
    partner_id: int,
    request_id: str,
    verification_id: UUID,
    amount_fen: int | None,
    keys: Keys,
    now: datetime,
) -> Redemption | Problem:
    """Use a benefit that was verified within the last ten minutes. Where the offer has a budget, `amount_fen` is taken
    of it, and the rest of what was reserved goes back.

    Raises:
        RequestConflict: the request id was used for another body. Nothing is written.
        Conflict: another request was quicker; run it again.
    """
    body = {"verification": str(verification_id), "amount": amount_fen}
    request = Request(partner_id, REDEEM, request_id, body_hashes(keys, body))

    async def act() -> Redemption:
        return await use_benefit(
            connection,
            account=account,
            partner_id=partner_id,
            verification_id=verification_id,
            amount_fen=amount_fen,
            now=now,
        )

    return await _once(connection, request, act, now=now)


async def use_benefit(
    connection: AsyncConnection,
    *,
    account: str,
    partner_id: int,
    verification_id: UUID,
    amount_fen: int | None,
    now: datetime,
) -> Redemption:
    """Redeem, in the caller's transaction, without an answer of its own being recorded.

    Raises:
        NotRedeemable, AlreadyRedeemed: nothing is reserved for it, or it was redeemed.
    """
    row = await _verification(connection, partner_id=partner_id, verification_id=verification_id)
    if row.outcome != Outcome.BENEFIT_APPLIES.value:
        raise NotRedeemable("这次核验的答复是标准服务,没有可核销的优惠。请按标准服务办理。")
    if row.voided_at is not None:
        raise NotRedeemable("这次核验所用的密钥已报失,核验作废。请对方重新出示信用码,用新的密钥核验。")
    if row.expires_at <= now or row.lapsed:
        raise NotRedeemable("核验已超过 10 分钟或已提前释放,保留的名额已退回。请对方重新出示信用码。")
    held = held_by(row, one=row.reserved)
    kept = _kept(held, amount_fen)
    redemption = Redemption(uuid4(), now)
    if row.reserved:
        # The units now belong to the redemption; the sweep of expired reservations must not free them.
        await connection.execute(update(verifications).where(_this(row)).values(reserved=False))
    await connection.execute(
        insert(redemptions).values(
            subject_id=row.subject_id,
            id=redemption.id,
            verification_id=row.id,
            partner_id=partner_id,
            amount_fen=amount_fen,
            took_quota=row.reserved,
            at=now,
            site=row.site,
            holds=[list(hold) for hold in kept] or None,
        )
    )
    if kept != held:
        rest = dict(held)[BUDGET] - dict(kept)[BUDGET]
        await give_back(connection, offer_id=row.offer_id, holds=[(BUDGET, rest)])
    content = {"redemption": str(redemption.id), "verification": str(row.id), "amountFen": amount_fen}
    await audit.record(connection, at=now, actor=account, action=REDEEM, content=content, subject_id=row.subject_id)
    announce(connection, of_subject(row.subject_id), BENEFITS)
    return redemption


def _kept(held: tuple[Hold, ...], amount_fen: int | None) -> tuple[Hold, ...]:
    """What a redemption keeps of what was reserved for it.

    Raises:
        NotRedeemable: the offer has a budget, and the amount is missing or more than was reserved.
    """
    most = dict(held).get(BUDGET)
    if most is None:
        return held
    if amount_fen is None:
        raise NotRedeemable("这项优惠有预算,核销时须填写金额 amountFen(单位:分)。请填写后重试。")
    if amount_fen > most:
        raise NotRedeemable(f"金额 {amount_fen} 分超过这项优惠单次上限 {most} 分。请核对金额;超出部分不能由优惠承担。")
    return tuple((name, amount_fen if name == BUDGET else units) for name, units in held)


async def _verification(connection: AsyncConnection, *, partner_id: int, verification_id: UUID) -> Any:
    """A partner's verification, locked, that was not redeemed.

    Raises:
        NotRedeemable, AlreadyRedeemed: there is none, or it was.
    """
    statement = (
        select(verifications, redemptions.c.id.label("redemption_id"))
        .outerjoin(redemptions, OF_VERIFICATION)
        .where(verifications.c.id == verification_id, verifications.c.partner_id == partner_id)
        .with_for_update(of=verifications)
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotRedeemable("贵单位没有这次核验。请核对 verificationId。")
    if row.redemption_id is not None:
        raise AlreadyRedeemed("这次核验已经核销过。如需更正,请先冲正再重新核验。")
    return row


def _this(row: Any) -> Any:
    return and_(verifications.c.subject_id == row.subject_id, verifications.c.id == row.id)


async def release_verification(
    connection: AsyncConnection,
    *,
    account: str,
    partner_id: int,
    request_id: str,
    verification_id: UUID,
    keys: Keys,
    now: datetime,
) -> Redemption | Problem:
    """Give back what a verification reserved, before its time is over; it redeems no more. `at` of the answer is the
    moment from which nothing is held: that of the first release, or of the end where it had run out before.

    Raises:
        RequestConflict: the request id was used for another body. Nothing is written.
        Conflict: another request was quicker; run it again.
    """
    request = Request(partner_id, RELEASE, request_id, body_hashes(keys, {"verification": str(verification_id)}))

    async def act() -> Redemption:
        row = await _verification(connection, partner_id=partner_id, verification_id=verification_id)
        if row.outcome != Outcome.BENEFIT_APPLIES.value:
            raise NotRedeemable("这次核验的答复是标准服务,没有保留名额,无需释放。")
        ended_at = min(row.expires_at, now)
        if row.lapsed and not row.reserved:
            return Redemption(row.id, ended_at)
        over = {"reserved": False, "lapsed": True, "expires_at": ended_at}
        await connection.execute(update(verifications).where(_this(row)).values(over))
        await give_back(connection, offer_id=row.offer_id, holds=held_by(row, one=True) if row.reserved else ())
        content = {"verification": str(row.id)}
        await audit.record(
            connection, at=now, actor=account, action=RELEASE, content=content, subject_id=row.subject_id
        )
        announce(connection, of_subject(row.subject_id), BENEFITS)
        return Redemption(row.id, ended_at)

    return await _once(connection, request, act, now=now)


async def reverse_redemption(
    connection: AsyncConnection,
    *,
    account: str,
    partner_id: int,
    request_id: str,
    redemption_id: UUID,
    reason: str,
    keys: Keys,
    now: datetime,
) -> Redemption | Problem:
    """Take a redemption back and free what it took of quota, limits and budget. `at` of the answer is the moment of the
    reversal.

    Raises:
        RequestConflict: the request id was used for another body. Nothing is written.
        Conflict: another request was quicker; run it again.
    """
    body = {"redemption": str(redemption_id), "reason": reason}
    request = Request(partner_id, REVERSE, request_id, body_hashes(keys, body))

    async def act() -> Redemption:
        return await undo_redemption(
            connection, account=account, partner_id=partner_id, redemption_id=redemption_id, reason=reason, now=now
        )

    return await _once(connection, request, act, now=now)


async def undo_redemption(
    connection: AsyncConnection, *, account: str, partner_id: int, redemption_id: UUID, reason: str, now: datetime
) -> Redemption:
    """Reverse, in the caller's transaction, without an answer of its own being recorded.

    Raises:
        NotRedeemable, AlreadyReversed: there is no such redemption, or it was reversed.
    """
    statement = (
        select(redemptions, verifications.c.offer_id)
        .join(verifications, OF_VERIFICATION)
        .where(redemptions.c.id == redemption_id, redemptions.c.partner_id == partner_id)
        .with_for_update(of=redemptions)
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotRedeemable("贵单位没有这笔核销。请核对 redemptionId。")
    if row.reversed_at is not None:
        raise AlreadyReversed("这笔核销已经冲正过,无需重复操作。")
    mine = and_(redemptions.c.subject_id == row.subject_id, redemptions.c.id == row.id)
    await connection.execute(update(redemptions).where(mine).values(reversed_at=now, reversal_reason=reason))
    await give_back(connection, offer_id=row.offer_id, holds=held_by(row, one=row.took_quota))
    content = {"redemption": str(row.id), "reason": reason}
    await audit.record(connection, at=now, actor=account, action=REVERSE, content=content, subject_id=row.subject_id)
    announce(connection, of_subject(row.subject_id), BENEFITS)
    told = {"redemption": public_id("Redemption", row.id), "at": now.isoformat()}
    lane = f"subject:{row.subject_id}"
    await emit(connection, partner_id=partner_id, type="redemption.reversed", lane=lane, payload=told, now=now)
    return Redemption(row.id, now)
