"""A partner scans a code and asks whether a benefit applies. One thing to know: the checks run in a fixed order and the
person comes last, so no Problem a partner can see depends on who the person is.

Order: partner and request → the recorded answer → the code → the offer → its quota → the person.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, LargeBinary, Select, and_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from core.database import begun
from core.errors import ExpectedError, Forbidden
from core.statements import Prepared
from partners.accounts import ACCOUNT_COLUMNS, Role, principal_of
from partners.answers import Problem, Request, RequestConflict, body_hashes, forget_expired, recorded_answer
from partners.catalogue import Catalogue, Offer
from partners.codes import CreditCode
from partners.decisions import Asked, Scan, Verification, Verifier, stored_answer, write_decision, write_refusal
from partners.eligibility import Standing, why_not
from partners.quotas import give_back, sweep_person, take_unit
from partners.standing import count_uses
from partners.tables import accounts, answers, catalogue_state, verifications
from scoring.consent.consents import CONSENT_STATE, is_withheld
from scoring.model import Model
from scoring.scores import SCORE_STATE, check_intact, is_current, refresh_scores
from scoring.subjects import SUBJECT_STATE, SubjectDataFault, check_subject, has_ended, is_minor, lock_subject
from scoring.tables import consents, enrollments, scores, subjects

MUTATION = "verifyCreditCode"
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
            *SUBJECT_STATE,
            enrollments.c.enrolled_at,
            *SCORE_STATE,
            *CONSENT_STATE,
        )
        .select_from(accounts)
        .join(catalogue_state, catalogue_state.c.id == 1)
        .outerjoin(answers, answered)
        .outerjoin(verifications, used)
        .outerjoin(subjects, subjects.c.id == mine)
        .outerjoin(enrollments, and_(enrollments.c.subject_id == mine, enrollments.c.left_at.is_(None)))
        .outerjoin(scores, and_(scores.c.subject_id == mine, scores.c.model == bindparam("model")))
        .outerjoin(consents, and_(consents.c.subject_id == mine, consents.c.partner_id == accounts.c.partner_id))
        .where(accounts.c.id == bindparam("account"))
    )


READ_SCAN = Prepared(_scan_statement())
"""Everything a decision looks at, in one statement; no row where there is no such account, and one more for each
further consent that the subject has given this partner."""


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
    """Decide once about one code at one offer, on a connection of `Database.statements`.

    `code` is what `codes.open_code` found in the scan. `catalogue` is the one in memory; `refresh` reads it again
    where the database has a newer version.

    Raises:
        Unauthenticated, Forbidden: the account is no partner's.
        Conflict: another request was quicker; run it again.
    """
    while True:
        offer = catalogue.offers.get(scan.offer_id)
        rows: list[Any] = await READ_SCAN.all(
            connection,
            account=account,
            request=scan.request_id,
            subject=code.subject_id if code else -1,
            code=code.id if code else b"",
            model=offer.model.id if offer else "",
        )
        row = rows[0] if rows else None
        principal = principal_of(account, Role.PARTNER, row, now=now)
        # A catalogue of the next day will do: another request that began after midnight may have been quicker.
        if row is not None and row.catalogue_version == catalogue.version and catalogue.on >= day_of(now):
            break
        catalogue = await refresh(connection)
    if principal.partner_id is None:
        raise Forbidden
    body = {"code": scan.code, "offer": scan.offer_id, "clerk": scan.clerk, "site": scan.site}
    request = Request(principal.partner_id, MUTATION, scan.request_id, body_hashes(verifier.keys, body))
    asked = Asked(account, request, scan, now)
    owner = code if row.kind is not None else None  # whose code it is, where that can be told
    try:
        known = recorded_answer(request, stored_hash=row.body_hash, answer=row.answer, at=row.answered_at, now=now)
    except RequestConflict as problem:
        return await write_refusal(connection, asked, problem, owner=owner)
    if known is not None:
        return stored_answer(known)
    writes_once = row.answer is None and (offer is None or _takes_one_statement(offer, row, on=day_of(now)))
    async with nullcontext() if writes_once else begun(connection):
        if row.answer is not None:
            await forget_expired(connection, request, now=now)
        try:
            code = check_code(code, row, offer_id=scan.offer_id, now=now)
            offer = check_offer(offer, on=catalogue.on, partner_id=request.partner_id)
            if offer.has_quota:
                await take_unit(connection, offer_id=offer.id, now=now)
        except ExpectedError as problem:
            return await write_refusal(connection, asked, problem, owner=owner)
        standing, fault = await _standing(connection, rows, code=code, offer=offer, lineage=lineage, now=now)
        reasons = why_not(offer, standing)
        if offer.has_quota:
            # Also when nothing is given back, so that the time of the answer does not tell which one it was.
            await give_back(connection, offer_id=offer.id, units=1 if reasons else 0)
        return await write_decision(connection, asked, reasons, code=code, offer=offer, verifier=verifier, fault=fault)


def _takes_one_statement(offer: Offer, row: Any, *, on: date) -> bool:
    """Whether the decision is all there is to write, which is a transaction by itself; most scans are so.

    A quota, a personal limit, or a score that has to be made afresh takes several.
    """
    has_score = row.model is not None and is_current(row, offer.model, on=on)
    return not offer.has_quota and offer.limit_per_person is None and (has_score or not _is_scored(row, offer, on=on))


def _is_scored(row: Any, offer: Offer, *, on: date) -> bool:
    """Whether the subject takes part, is of age, and is of the kind that the offer's model is for."""
    return (
        row.enrolled_at is not None
        and row.kind == offer.subject_kind
        and not is_minor(row.birth_on, on=on)
        and not has_ended(row, on=on)
    )


def check_code(code: CreditCode | None, row: Any, *, offer_id: int | None, now: datetime) -> CreditCode:
    """The code if it may be used for this offer; `row` has its holder's `kind` and `used_at`, when it decided.

    Raises:
        CodeInvalid, CodeReplayed, CodeExpired, CodeOtherOffer: it may not.
    """
    if code is None or row.kind is None:
        raise CodeInvalid("这不是有效的信用码,或内容不完整。请对方重新出示后再扫。")
    if row.used_at is not None and row.used_at > now - REPLAY_WINDOW:
        raise CodeReplayed("这个信用码已经核验过一次。请对方刷新后重新出示。")
    if code.expires_at <= now:
        raise CodeExpired("这个信用码已过期(有效期不超过 60 秒)。请对方刷新后重新出示。")
    if code.offer_id is not None and code.offer_id != offer_id:
        raise CodeOtherOffer("持码人已将此码限定用于另一项优惠。请核对优惠项目,或请对方重新出示。")
    return code


def check_offer(offer: Offer | None, *, on: date, partner_id: int) -> Offer:
    """The offer if it is this partner's and open.

    Raises:
        OfferNotYours, OfferClosed: it is not.
    """
    if offer is None or offer.partner.id != partner_id:
        raise OfferNotYours("贵单位名下没有这项优惠。请核对优惠编号。")
    if not offer.is_open(on):
        raise OfferClosed("这项优惠今天不开放。请按标准服务办理,或核对优惠的起止日期。")
    return offer


async def _times_used(connection: AsyncConnection, *, subject_id: int, offer: Offer, now: datetime) -> int:
    """Live reservations and redemptions of this offer by this subject. Locks the subject: two sites may ask at once."""
    await lock_subject(connection, subject_id)
    await sweep_person(connection, subject_id=subject_id, offer_id=offer.id, now=now)
    return (await count_uses(connection, subject_id=subject_id, now=now)).get(offer.id, 0)


async def _standing(
    connection: AsyncConnection,
    rows: Sequence[Any],
    *,
    code: CreditCode,
    offer: Offer,
    lineage: Callable[[str], tuple[str, ...]],
    now: datetime,
) -> tuple[Standing, SubjectDataFault | None]:
    """What is known of the person. A fault in this one person's data is for an alarm, and never a Problem."""
    row = rows[0]
    places: tuple[str, ...] = ()
    grade, fault, withheld = None, None, False
    try:
        check_subject(connection, row)
        withheld = is_withheld(connection, rows, offer_id=offer.id, on=day_of(now))
        places = lineage(row.place)
        if _is_scored(row, offer, on=day_of(now)):
            grade = await _grade(connection, row, subject_id=code.subject_id, model=offer.model, now=now)
    except SubjectDataFault as found:
        fault = found
    used = 0
    if offer.limit_per_person is not None:
        used = await _times_used(connection, subject_id=code.subject_id, offer=offer, now=now)
    standing = Standing(
        kind=row.kind,
        lineage=places,
        enrolled=row.enrolled_at is not None,
        minor=is_minor(row.birth_on, on=day_of(now)),
        grade=grade,
        used=used,
        under_review=fault is not None,
        consent_withheld=withheld,
    )
    return standing, fault


async def _grade(connection: AsyncConnection, row: Any, *, subject_id: int, model: Model, now: datetime) -> str | None:
    """The subject's grade now: the stored one while it is true, else one made afresh and stored."""
    if row.model is not None and is_current(row, model, on=day_of(now)):
        check_intact(connection, row, subject_id=subject_id)
        grade: str | None = row.better_grade or row.grade
    else:
        (score,) = await refresh_scores(connection, subject_id=subject_id, models=[model], now=now)
        grade = score.counting_grade
    if grade is not None and grade not in {known.code for known in model.grades}:
        raise SubjectDataFault(f"{model.id}: unknown grade")
    return grade
