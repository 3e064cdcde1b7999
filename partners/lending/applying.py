"""What an applicant does: apply, answer the bank's offer, withdraw. One thing to know: applying consents to named
indicators for one bank and one application, as a consent of its own, to be taken back while the application goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of
from core.errors import BadInput
from core.identifiers import new_id, public_id
from partners.catalogue import Offer
from partners.lending.tables import loan_applications, loan_steps
from partners.lending.workflow import (
    DECIDING,
    FARMERS,
    OPEN_FOR,
    AlreadyApplied,
    LoanAction,
    LoanRefused,
    LoanState,
    Side,
    UnknownApplication,
    check_begins,
    state_of,
)
from partners.rulebook import Rulebook
from partners.webhooks.events import emit
from scoring.consent.consents import (
    ConsentFaulty,
    Move,
    NoticeOutdated,
    UnknownConsent,
    WrongState,
    give_consent,
    move_consent,
)
from scoring.consent.purposes import Purpose
from scoring.consent.receipts import Issuing
from scoring.consent.terms import Terms
from scoring.lending import LendingRules
from scoring.subjects import has_ended, is_minor, lock_subject
from scoring.tables import subjects

PURPOSE, WRITTEN_PURPOSE = "loan-answers", "loan-answers-written"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is applied for, and which indicators the bank may have answered."""

    product: str
    amount_fen: int
    months: int
    use: str
    indicators: tuple[str, ...]
    purpose_version: str | None = None
    """Version of the consent's text that was shown; None: the one in force."""
    statement: str | None = None
    """The words of a consent in writing."""


async def apply_for_loan(
    connection: AsyncConnection,
    *,
    account: str,
    subject_id: int,
    offer: Offer | None,
    wish: Wish,
    rulebook: Rulebook,
    issuing: Issuing,
    now: datetime,
) -> UUID:
    """Apply at the bank of an offer, in a transaction; the application's id.

    Raises:
        LoanRefused, AlreadyApplied, NoticeOutdated, StatementMissing: not like that.
    """
    await lock_subject(connection, subject_id)  # two clicks at once are one application
    subject: Any = (await connection.execute(select(subjects).where(subjects.c.id == subject_id))).one()
    on = day_of(now)
    offer = _checked_offer(offer, wish, subject, rulebook, now)
    mine = (loan_applications.c.subject_id == subject_id, loan_applications.c.offer_id == offer.id)
    for row in await connection.execute(select(loan_applications).where(*mine)):
        if state_of(row, on=on) in DECIDING:
            held = public_id("LoanApplication", row.id)
            raise AlreadyApplied(f"您已有一笔同一产品的申请正在办理({held})。请等待结果,或撤回后再申请。")
    purpose = _purpose(wish, subject, rulebook, now)
    consent_id, application_id = new_id(), new_id()
    terms = Terms(
        purpose=purpose,
        recipient=offer.partner.name,
        frequency="per-use",
        ends_on=on + OPEN_FOR,
        scope=wish.indicators,
        partner_id=offer.partner.id,
        offer_id=offer.id,
    )
    await give_consent(
        connection,
        consent_id=consent_id,
        subject_id=subject_id,
        terms=terms,
        statement=wish.statement,
        actor=account,
        issuing=issuing,
        now=now,
    )
    values: dict[str, Any] = {
        "subject_id": subject_id,
        "id": application_id,
        "partner_id": offer.partner.id,
        "offer_id": offer.id,
    }
    asked = {"product": wish.product, "amount_fen": wish.amount_fen, "months": wish.months, "use": wish.use}
    values |= asked | {"consent_id": consent_id, "state": LoanState.APPLIED.value, "indicators": list(wish.indicators)}
    values |= {"applied_at": now, "expires_on": on + OPEN_FOR}
    await connection.execute(insert(loan_applications).values(values))
    made = await locked(
        connection, loan_applications.c.subject_id == subject_id, loan_applications.c.id == application_id
    )
    await note(connection, made, LoanState.APPLIED, actor=account, act="applyForLoan", now=now)
    return application_id


def _checked_offer(offer: Offer | None, wish: Wish, subject: Any, rulebook: Rulebook, now: datetime) -> Offer:
    on = day_of(now)
    if offer is None or offer.kind.code != "loan" or not offer.is_open(on):
        raise LoanRefused("没有这项信易贷产品,或今天不开放。请从优惠列表中选择。")
    if offer.subject_kind != subject.kind or offer.places.isdisjoint(rulebook.lineage(subject.place)):
        raise LoanRefused("这项产品面向另一类主体,或未对您所在地开放。请从您的优惠列表中选择。")
    if is_minor(subject.birth_on, on=on) or has_ended(subject, on=on):
        raise LoanRefused("未满十八周岁或已注销的主体不能申请贷款。登记有误的,请先更正。")
    if subject.kind == "person" and wish.product != FARMERS:
        raise LoanRefused(f"个人在这里只申请{FARMERS}。其他个人贷款请直接向银行申请。")
    stated = offer.details.get("product")
    if stated is not None and stated != wish.product:
        raise LoanRefused(f"这项优惠的产品是{stated}。请改正 product,或另选优惠。")
    largest, longest = offer.details.get("largest_amount_fen"), offer.details.get("longest_months")
    if (largest is not None and wish.amount_fen > largest) or (longest is not None and wish.months > longest):
        raise LoanRefused("金额或期限超过这项产品的上限。请按产品说明改小后再申请。")
    return offer


def _purpose(wish: Wish, subject: Any, rulebook: Rulebook, now: datetime) -> Purpose:
    """The purpose that the indicators take: in writing where a natural person names a sensitive one."""
    rules: LendingRules = rulebook.lending[subject.place]
    known = rules.open_to(subject.kind)
    unknown = [name for name in wish.indicators if name not in known]
    if unknown or not wish.indicators or len(set(wish.indicators)) != len(wish.indicators):
        named = f"没有 {unknown[0][:60]} 这一项。" if unknown else ""
        raise BadInput(f"indicators 须逐项点明,至少一项且不重复。{named}请从 loanIndicators 中选择。")
    written = subject.kind == "person" and any(known[name].written for name in wish.indicators)
    purpose = rulebook.purposes[subject.place].in_force(day_of(now))[WRITTEN_PURPOSE if written else PURPOSE]
    if wish.purpose_version not in (None, purpose.version):
        raise NoticeOutdated("这一用途的说明文字已更新。请重新阅读最新版本后再决定。")
    return purpose


async def act_as_applicant(
    connection: AsyncConnection,
    *,
    account: str,
    subject_id: int,
    application_id: UUID,
    action: LoanAction,
    rulebook: Rulebook,
    issuing: Issuing,
    now: datetime,
    reason: str = "",
) -> None:
    """Accept or decline what the bank offered, or withdraw, in a transaction; what was done before changes nothing.

    Raises:
        UnknownApplication, WrongLoanState: there is none, or it does not stand where this begins.
    """
    await lock_subject(connection, subject_id)
    mine = (loan_applications.c.subject_id == subject_id, loan_applications.c.id == application_id)
    row = await locked(connection, *mine)
    becomes, act = {
        LoanAction.ACCEPT: (LoanState.ACCEPTED, "answerLoanOffer"),
        LoanAction.DECLINE: (LoanState.DECLINED, "answerLoanOffer"),
        LoanAction.WITHDRAW: (LoanState.WITHDRAWN, "withdrawLoan"),
    }[action]
    if row.state == becomes.value and row.decline_reason is None:
        return
    check_begins(row, Side.APPLICANT, action, on=day_of(now))
    await connection.execute(update(loan_applications).where(*mine).values(state=becomes.value))
    await note(connection, row, becomes, actor=account, act=act, now=now, reason=reason)
    await end_consent(connection, row, rulebook=rulebook, actor=account, issuing=issuing, now=now)


async def end_consent(
    connection: AsyncConnection, row: Any, *, rulebook: Rulebook, actor: str, issuing: Issuing, now: datetime
) -> None:
    """End the consent of an application that is decided, so that the bank is told nothing more; the caller holds the
    subject's lock. One that its subject has ended, that somebody changed by hand, or that ended with an entry that was
    merged into this one, tells nothing anyway."""
    place = await connection.scalar(select(subjects.c.place).where(subjects.c.id == row.subject_id))
    try:
        await move_consent(
            connection,
            subject_id=row.subject_id,
            consent_id=row.consent_id,
            move=Move.USE_UP,
            purposes=rulebook.purposes[str(place)].versions,
            actor=actor,
            issuing=issuing,
            now=now,
            reason="申请办结",
        )
    except (UnknownConsent, WrongState, ConsentFaulty):
        return


async def locked(connection: AsyncConnection, *which: Any) -> Row[Any]:
    """The application, locked.

    Raises:
        UnknownApplication: there is none.
    """
    found = await connection.execute(select(loan_applications).where(*which).with_for_update())
    row = found.one_or_none()
    if row is None:
        raise UnknownApplication("没有这笔贷款申请。请从申请列表中选择。")
    return row


async def note(
    connection: AsyncConnection, row: Any, state: LoanState, *, actor: str, act: str, now: datetime, reason: str = ""
) -> None:
    """The step, its audit row, and what the bank is told, for an application that the caller has locked."""
    mine = (loan_steps.c.subject_id == row.subject_id, loan_steps.c.application_id == row.id)
    last = await connection.scalar(select(func.max(loan_steps.c.step)).where(*mine)) or 0
    step = {"subject_id": row.subject_id, "application_id": row.id, "step": last + 1, "state": state.value}
    await connection.execute(insert(loan_steps).values(**step, actor=actor, at=now, reason=reason))
    content = {"application": str(row.id), "state": state.value}
    await audit.record(connection, at=now, actor=actor, action=act, content=content, subject_id=row.subject_id)
    payload = {"application": public_id("LoanApplication", row.id), "state": state.value, "at": now.isoformat()}
    kind, lane = f"loan.{state.value.lower()}", f"subject:{row.subject_id}"
    await emit(connection, partner_id=row.partner_id, type=kind, lane=lane, payload=payload, now=now)
