"""A partner scans a code and asks whether a benefit applies. One thing to know: the checks run in a fixed order and the
person comes last, so no Problem a partner can see depends on who the person is.

Order: partner and request → the recorded answer → the code → the offer → its quota → the person.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, LargeBinary, Select, and_, bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of
from core.errors import ExpectedError, Forbidden
from core.identifiers import new_id
from core.keys import Keys
from core.statements import Prepared, PreparedInserts
from partners.accounts import ACCOUNT_COLUMNS, Principal, Role, principal_of
from partners.answers import (
    Problem,
    Request,
    RequestConflict,
    answer_row,
    body_hash,
    forget_expired,
    recorded_answer,
)
from partners.catalogue import Catalogue, Offer
from partners.codes import CreditCode
from partners.eligibility import Outcome, Standing, WhyNot, outcome_of, why_not
from partners.quotas import give_back, take_unit
from partners.receipts import sign_receipt
from partners.standing import count_uses
from partners.tables import (
    access_events,
    accounts,
    answers,
    catalogue_state,
    security_events,
    verifications,
)
from scoring.scores import SCORE_STATE, SubjectDataFault, current_scores
from scoring.subjects import is_minor
from scoring.tables import enrollments, scores, subjects

MUTATION = "verifyCreditCode"
RESERVATION = timedelta(minutes=10)
REPLAY_WINDOW = timedelta(hours=24)


class CodeInvalid(ExpectedError):
    """Not a code of ours, or changed."""

    code = "CODE_INVALID"


class CodeExpired(ExpectedError):
    """A genuine code past its minute."""

    code = "CODE_EXPIRED"


class CodeReplayed(ExpectedError):
    """A code that has decided already."""

    code = "CODE_REPLAYED"


class CodeOtherOffer(ExpectedError):
    """Its holder bound the code to another offer."""

    code = "CODE_OTHER_OFFER"


class OfferNotYours(ExpectedError):
    """No such offer of this partner."""

    code = "OFFER_NOT_YOURS"


class OfferClosed(ExpectedError):
    """The offer is not open today."""

    code = "OFFER_CLOSED"


@dataclass(frozen=True, slots=True)
class Scan:
    """What a partner sends."""

    request_id: str
    code: str
    offer_id: int
    clerk: str | None = None
    site: str | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """The answer. `benefit` is None with `STANDARD_SERVICE`, and nothing else differs."""

    id: UUID
    outcome: Outcome
    benefit: str | None
    receipt: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Verifier:
    """What deciding takes besides the database: keys, issuer, and how public ids are written."""

    keys: Keys
    issuer: str
    partner_public_id: Callable[[int], str]
    offer_public_id: Callable[[int], str]


def _as_stored(verification: Verification) -> dict[str, Any]:
    return asdict(verification) | {"id": str(verification.id), "expires_at": verification.expires_at.isoformat()}


def _from_stored(stored: dict[str, Any]) -> Verification | Problem:
    if "code" in stored:
        return Problem(**stored)
    return Verification(
        id=UUID(stored["id"]),
        outcome=Outcome(stored["outcome"]),
        benefit=stored["benefit"],
        receipt=stored["receipt"],
        expires_at=datetime.fromisoformat(stored["expires_at"]),
    )


def _scan_statement() -> Select[Any]:
    mine = bindparam("subject", type_=BigInteger)
    answered = and_(
        answers.c.partner_id == accounts.c.partner_id,
        answers.c.mutation == MUTATION,
        answers.c.request_id == bindparam("request"),
    )
    used = and_(verifications.c.subject_id == mine, verifications.c.code_id == bindparam("code", type_=LargeBinary))
    return (
        select(
            *ACCOUNT_COLUMNS,
            catalogue_state.c.version.label("catalogue_version"),
            answers.c.body_hash,
            answers.c.answer,
            answers.c.at.label("answered_at"),
            verifications.c.at.label("used_at"),
            subjects.c.kind,
            subjects.c.place,
            subjects.c.birth_on,
            enrollments.c.enrolled_at,
            *SCORE_STATE,
        )
        .select_from(accounts)
        .join(catalogue_state, catalogue_state.c.id == 1)
        .outerjoin(answers, answered)
        .outerjoin(verifications, used)
        .outerjoin(subjects, subjects.c.id == mine)
        .outerjoin(enrollments, and_(enrollments.c.subject_id == mine, enrollments.c.left_at.is_(None)))
        .outerjoin(scores, and_(scores.c.subject_id == mine, scores.c.model == bindparam("model")))
        .where(accounts.c.id == bindparam("account"))
    )


READ_SCAN = Prepared(_scan_statement())
"""Everything a decision looks at, in one statement; no row where there is no such account."""

WRITE_DECISION = PreparedInserts(verifications, access_events, audit.audit_entries, answers)
WRITE_REFUSAL = PreparedInserts(access_events, audit.audit_entries, answers)
WRITE_UNATTRIBUTED = PreparedInserts(security_events, answers)
WRITE_CONFLICT = PreparedInserts(access_events, audit.audit_entries)
WRITE_UNATTRIBUTED_CONFLICT = PreparedInserts(security_events)


def _check_code(code: CreditCode | None, row: Any, *, offer_id: int, now: datetime) -> CreditCode:
    if code is None or row.kind is None:
        raise CodeInvalid("这不是有效的信用码,或内容不完整。请对方重新出示后再扫。")
    if row.used_at is not None and row.used_at > now - REPLAY_WINDOW:
        raise CodeReplayed("这个信用码已经核验过一次。请对方刷新后重新出示。")
    if code.expires_at <= now:
        raise CodeExpired("这个信用码已过期(有效期不超过 60 秒)。请对方刷新后重新出示。")
    if code.offer_id is not None and code.offer_id != offer_id:
        raise CodeOtherOffer("持码人已将此码限定用于另一项优惠。请核对优惠项目,或请对方重新出示。")
    return code


def _check_offer(catalogue: Catalogue, *, offer_id: int, partner_id: int) -> Offer:
    offer = catalogue.offers.get(offer_id)
    if offer is None or offer.partner.id != partner_id:
        raise OfferNotYours("贵单位名下没有这项优惠。请核对优惠编号。")
    if not offer.is_open(catalogue.on):
        raise OfferClosed("这项优惠今天不开放。请按标准服务办理,或核对优惠的起止日期。")
    return offer


async def _times_used(connection: AsyncConnection, *, subject_id: int, offer: Offer, now: datetime) -> int:
    """Live reservations and redemptions of this offer by this subject. Locks the subject: two sites may ask at once."""
    await connection.execute(select(subjects.c.id).where(subjects.c.id == subject_id).with_for_update())
    return (await count_uses(connection, subject_id=subject_id, now=now)).get(offer.id, 0)


async def _standing(
    connection: AsyncConnection, row: Any, *, code: CreditCode, offer: Offer, lineage: tuple[str, ...], now: datetime
) -> Standing:
    """What is known of the person; a fault in this one person's data raises an alarm and never a Problem."""
    minor = is_minor(row.birth_on, on=day_of(now))
    grade, under_review = None, False
    if row.enrolled_at is not None and not minor and row.kind == offer.subject_kind:
        try:
            stored = [row] if row.model is not None else []
            (score,) = await current_scores(
                connection, subject_id=code.subject_id, models=[offer.model], stored=stored, now=now
            )
            grade = score.grade
            if grade is not None and grade not in {known.code for known in offer.model.grades}:
                raise SubjectDataFault(f"{offer.model.id}: unknown grade")
        except SubjectDataFault as fault:
            grade, under_review = None, True
            await connection.execute(
                insert(security_events).values(
                    id=new_id(),
                    at=now,
                    kind="SUBJECT_DATA_FAULT",
                    partner_id=None,
                    detail={"subject": code.subject_id, "fault": str(fault)},
                )
            )
    used = 0
    if offer.limit_per_person is not None:
        used = await _times_used(connection, subject_id=code.subject_id, offer=offer, now=now)
    return Standing(
        kind=row.kind,
        lineage=lineage,
        enrolled=row.enrolled_at is not None,
        minor=minor,
        grade=grade,
        used=used,
        under_review=under_review,
    )


async def verify_credit_code(
    connection: AsyncConnection,
    *,
    account: str,
    scan: Scan,
    code: CreditCode | None,
    catalogue: Catalogue,
    refresh: Callable[[AsyncConnection], Awaitable[Catalogue]],
    lineage: Callable[[str], tuple[str, ...]],
    verifier: Verifier,
    now: datetime,
) -> Verification | Problem:
    """Decide once about one code at one offer, and write decision, access log, audit and answer together.

    `code` is what `codes.open_code` found in the scan. `catalogue` is the one in memory; `refresh` reads it again
    where the database has a newer version.

    Raises:
        Unauthenticated, Forbidden: the account is no partner's.
        Conflict: another request was quicker; run it again.
    """
    offer = catalogue.offers.get(scan.offer_id)
    row = await READ_SCAN.first(
        connection,
        account=account,
        request=scan.request_id,
        subject=code.subject_id if code else -1,
        code=code.id if code else b"",
        model=offer.model.id if offer else "",
    )
    principal = principal_of(account, Role.PARTNER, row)
    if row is None or row.catalogue_version != catalogue.version or catalogue.on != day_of(now):
        catalogue = await refresh(connection)
        return await verify_credit_code(
            connection,
            account=account,
            scan=scan,
            code=code,
            catalogue=catalogue,
            refresh=refresh,
            lineage=lineage,
            verifier=verifier,
            now=now,
        )
    request = _request(verifier.keys, principal, scan)
    owner = code if row.kind is not None else None  # whose code it is, where that can be told
    try:
        known = recorded_answer(request, stored_hash=row.body_hash, answer=row.answer, at=row.answered_at, now=now)
    except RequestConflict as problem:
        return await _refuse(connection, request, problem, code=owner, scan=scan, account=account, now=now)
    if known is not None:
        return _from_stored(known)
    if row.answer is not None:
        await forget_expired(connection, request, now=now)
    try:
        code = _check_code(code, row, offer_id=scan.offer_id, now=now)
        offer = _check_offer(catalogue, offer_id=scan.offer_id, partner_id=request.partner_id)
        if offer.has_quota:
            await take_unit(connection, offer_id=offer.id, now=now)
    except ExpectedError as problem:
        return await _refuse(connection, request, problem, code=owner, scan=scan, account=account, now=now)
    standing = await _standing(connection, row, code=code, offer=offer, lineage=lineage(row.place), now=now)
    reasons = why_not(offer, standing)
    if offer.has_quota:
        # Also when nothing is given back, so that the time of the answer does not tell which one it was.
        await give_back(connection, offer_id=offer.id, units=1 if reasons else 0)
    return await _decide(
        connection, request, reasons, code=code, offer=offer, scan=scan, account=account, verifier=verifier, now=now
    )


def _request(keys: Keys, principal: Principal, scan: Scan) -> Request:
    if principal.partner_id is None:
        raise Forbidden
    body = {"code": scan.code, "offer": scan.offer_id, "clerk": scan.clerk, "site": scan.site}
    return Request(principal.partner_id, MUTATION, scan.request_id, body_hash(keys, body))


async def _decide(
    connection: AsyncConnection,
    request: Request,
    reasons: tuple[WhyNot, ...],
    *,
    code: CreditCode,
    offer: Offer,
    scan: Scan,
    account: str,
    verifier: Verifier,
    now: datetime,
) -> Verification:
    """Write what was decided. The same rows, the same signature and the same answer whichever way it went."""
    outcome, verification_id = outcome_of(reasons), uuid4()
    entry = audit.new_entry(
        at=now,
        actor=account,
        action=MUTATION,
        content={
            "verification": str(verification_id),
            "offer": offer.id,
            "version": offer.version,
            "outcome": outcome.value,
        },
        subject_id=code.subject_id,
    )
    receipt = sign_receipt(
        verifier.keys,
        issuer=verifier.issuer,
        verification_id=verification_id,
        partner=verifier.partner_public_id(offer.partner.id),
        offer=verifier.offer_public_id(offer.id),
        offer_version=offer.version,
        outcome=outcome.value,
        subject_id=code.subject_id,
        leaf=entry["leaf"],
        at=now,
    )
    applies = outcome is Outcome.BENEFIT_APPLIES
    verification = Verification(
        id=verification_id,
        outcome=outcome,
        benefit=offer.terms.benefit if applies else None,
        receipt=receipt,
        expires_at=now + RESERVATION,
    )
    decided = {
        "subject_id": code.subject_id,
        "id": verification_id,
        "code_id": code.id,
        "partner_id": request.partner_id,
        "offer_id": offer.id,
        "offer_version": offer.version,
        "outcome": outcome.value,
        "at": now,
        "expires_at": verification.expires_at,
        "reserved": applies and offer.has_quota,
    }
    seen = _access_event(
        code,
        request,
        scan,
        now=now,
        outcome=outcome.value,
        why_not=[reason.value for reason in reasons],
        receipt=receipt,
    )
    await WRITE_DECISION.run(connection, decided, seen, entry, answer_row(request, _as_stored(verification), now=now))
    return verification


async def _refuse(
    connection: AsyncConnection,
    request: Request,
    problem: ExpectedError,
    *,
    code: CreditCode | None,
    scan: Scan,
    account: str,
    now: datetime,
) -> Problem:
    """Write a refusal: to its subject's access log where the code tells whose it is, else to the security log.

    A conflict is logged like any other, but not recorded: its request id holds another answer.
    """
    answer = Problem(problem.code, problem.message)
    is_conflict = isinstance(problem, RequestConflict)
    answered = () if is_conflict else (answer_row(request, asdict(answer), now=now),)
    if code is None:
        event = {
            "id": new_id(),
            "at": now,
            "kind": answer.code,
            "partner_id": request.partner_id,
            "detail": {"offer": scan.offer_id},
        }
        await (WRITE_UNATTRIBUTED_CONFLICT if is_conflict else WRITE_UNATTRIBUTED).run(connection, event, *answered)
        return answer
    entry = audit.new_entry(
        at=now,
        actor=account,
        action=MUTATION,
        content={"offer": scan.offer_id, "problem": answer.code},
        subject_id=code.subject_id,
    )
    seen = _access_event(code, request, scan, now=now, problem=answer.code)
    await (WRITE_CONFLICT if is_conflict else WRITE_REFUSAL).run(connection, seen, entry, *answered)
    return answer


def _access_event(
    code: CreditCode,
    request: Request,
    scan: Scan,
    *,
    now: datetime,
    outcome: str | None = None,
    problem: str | None = None,
    why_not: list[str] | None = None,
    receipt: str | None = None,
) -> dict[str, Any]:
    return {
        "subject_id": code.subject_id,
        "id": new_id(),
        "at": now,
        "partner_id": request.partner_id,
        "offer_id": scan.offer_id,
        "outcome": outcome,
        "problem": problem,
        "why_not": why_not or [],
        "receipt": receipt,
        "clerk": scan.clerk,
        "site": scan.site,
    }
