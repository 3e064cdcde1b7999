"""A partner scans a code and asks whether a benefit applies. One thing to know: the checks run in a fixed order and the
person comes last, so no Problem a partner can see depends on who the person is.

Order: partner and request → the recorded answer → the code → the offer, and how many of them were asked → its quota and
limits → the person.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, LargeBinary, Select, and_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from core.database import Instant, begun
from core.errors import ExpectedError, Forbidden
from core.statements import Prepared
from partners.accounts import ACCOUNT_COLUMNS, Role, principal_of
from partners.answers import Problem, Request, RequestConflict, body_hashes, forget_expired, recorded_answer
from partners.catalogue import Catalogue, Offer
from partners.choosing import chosen, rivals_of
from partners.codes import CreditCode
from partners.decisions import Asked, Scan, Verification, Verifier, stored_answer, write_decision, write_refusal
from partners.eligibility import Standing, why_not
from partners.labels import check_labels
from partners.limits import Period, buckets_of, is_counted, personal_limits
from partners.orders.overdue import free_unconfirmed, partners_owed, pays_later
from partners.probing import WINDOW, OutOfGrant, check_probing, judge_refusal
from partners.quotas import exhausted, give_back, lapse_for, take
from partners.standing import Uses, count_uses
from partners.tables import accounts, answers, catalogue_state, verifications
from scoring.consent.consents import CONSENT_STATE, is_withheld
from scoring.model import Model
from scoring.scores import SCORE_STATE, check_intact, is_current, refresh_scores
from scoring.subjects import SUBJECT_STATE, SubjectDataFault, check_subject, has_ended, is_minor, lock_subject
from scoring.tables import consents, enrollments, scores, subjects

MUTATION = "verifyCreditCode"
MOST_OFFERS = 5
"""How many of its offers a partner may ask about one person within `probing.WINDOW`, unless settings say another."""
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
        answers.c.mutation == bindparam("mutation", MUTATION),
        answers.c.request_id == bindparam("request"),
    )
    used = and_(verifications.c.subject_id == mine, verifications.c.code_id == bindparam("code", type_=LargeBinary))
    earlier = verifications.alias("earlier")
    others = (
        select(func.count(earlier.c.offer_id.distinct()))
        .where(
            earlier.c.subject_id == mine,
            earlier.c.at > bindparam("since", type_=Instant),
            earlier.c.partner_id == accounts.c.partner_id,
            earlier.c.offer_id != bindparam("offer", type_=BigInteger),
            earlier.c.account.is_not(None),  # of an offline pass its partner has not heard yet
        )
        .scalar_subquery()
    )
    return (
        select(
            *ACCOUNT_COLUMNS,
            catalogue_state.c.version.label("catalogue_version"),
            answers.c.body_hash,
            answers.c.answer,
            answers.c.at.label("answered_at"),
            verifications.c.at.label("used_at"),
            others.label("other_offers"),
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
    most_offers: int = MOST_OFFERS,
    mutation: str = MUTATION,
) -> Verification | Problem:
    """Decide once about one code at one offer, on a connection of `Database.statements`.

    `code` is what `codes.open_code` found in the scan, or what a wallet's credential stands for, whose answers are
    recorded under another `mutation`. `catalogue` is the one in memory; `refresh` reads it again where the database has
    a newer version.

    Raises:
        Unauthenticated, Forbidden: the account is no partner's.
        BadInput: a label that the partner has not registered, or none where the offer counts by site.
        Conflict: another request was quicker; run it again.
    """
    while True:
        offer = catalogue.offers.get(scan.offer_id)
        rows: list[Any] = await READ_SCAN.all(
            connection,
            account=account,
            mutation=mutation,
            request=scan.request_id,
            subject=code.subject_id if code else -1,
            code=code.id if code else b"",
            model=offer.model.id if offer else "",
            offer=scan.offer_id,
            since=now - WINDOW,
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
    request = Request(principal.partner_id, mutation, scan.request_id, body_hashes(verifier.keys, body))
    asked = Asked(account, request, scan, now)
    owner = code if row.kind is not None else None  # whose code it is, where that can be told
    try:
        known = recorded_answer(request, stored_hash=row.body_hash, answer=row.answer, at=row.answered_at, now=now)
    except RequestConflict as problem:
        return await write_refusal(connection, asked, problem, owner=owner)
    if known is not None:
        return stored_answer(known)
    check_labels(catalogue, request.partner_id, offer, site=scan.site, clerk=scan.clerk)
    rivals = rivals_of(offer, catalogue) if offer is not None else ()
    if offer is not None and pays_later(offer) and is_counted(offer):
        await free_unconfirmed(connection, offer=offer, now=now)
    writes_once = row.answer is None and (
        offer is None
        or (offer.is_granted and row.other_offers < most_offers and _takes_one_statement(offer, row, on=day_of(now)))
    )
    async with nullcontext() if writes_once and not rivals else begun(connection):
        if row.answer is not None:
            await forget_expired(connection, request, now=now)
        try:
            code = check_code(code, row, offer_id=scan.offer_id, now=now)
            offer = check_offer(offer, on=catalogue.on, partner_id=request.partner_id)
            check_probing(row.other_offers, most=most_offers)
            buckets = buckets_of(offer, on=day_of(now), site=scan.site)
            if buckets:
                await take(connection, offer_id=offer.id, buckets=buckets, now=now)
        except ExpectedError as problem:
            if owner is not None:
                problem = await judge_refusal(
                    connection, problem, subject_id=owner.subject_id, partner_id=request.partner_id, now=now
                )
            return await write_refusal(connection, asked, problem, owner=owner)
        standing, fault = await standing_towards(
            connection, rows, code=code, offer=offer, rivals=rivals, site=scan.site, lineage=lineage, now=now
        )
        reasons = why_not(offer, standing)
        holds = [(bucket.name, bucket.units) for bucket in buckets]
        if holds:
            # Also when nothing is given back, so that the time of the answer does not tell which one it was.
            returned = [(name, units if reasons else 0) for name, units in holds]
            await give_back(connection, offer_id=offer.id, holds=returned)
        return await write_decision(
            connection, asked, reasons, code=code, offer=offer, verifier=verifier, holds=holds, fault=fault
        )


def _takes_one_statement(offer: Offer, row: Any, *, on: date) -> bool:
    """Whether the decision is all there is to write, which is a transaction by itself; most scans are so.

    A limit of any sort, or a score that has to be made afresh, takes several.
    """
    has_score = row.model is not None and is_current(row, offer.model, on=on)
    return not is_counted(offer) and (has_score or not _is_scored(row, offer, on=on))


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
        OfferNotYours, OutOfGrant, OfferClosed: it is not, or may not be asked about.
    """
    if offer is None or offer.partner.id != partner_id:
        raise OfferNotYours("贵单位名下没有这项优惠。请核对优惠编号。")
    if not offer.is_granted:
        raise OutOfGrant("贵单位目前没有核验这项优惠的授权,或授权已收回。请按标准服务办理,并向运营人员申请授权。")
    if not offer.is_open(on):
        raise OfferClosed("这项优惠今天不开放。请按标准服务办理,或核对优惠的起止日期。")
    return offer


async def standing_towards(
    connection: AsyncConnection,
    rows: Sequence[Any],
    *,
    code: CreditCode,
    offer: Offer,
    rivals: Sequence[Offer],
    site: str | None,
    lineage: Callable[[str], tuple[str, ...]],
    now: datetime,
) -> tuple[Standing, SubjectDataFault | None]:
    """What is known of the person. A fault in this one person's data is for an alarm, and never a Problem.

    The offers of a group that come first are judged like the one asked about, whoever the person is.
    """
    judged = (offer, *rivals)
    used = await _uses(connection, subject_id=code.subject_id, offers=judged, now=now)
    stored = await _stored_scores(connection, rows[0], subject_id=code.subject_id, offers=judged)
    found = [
        await apart_from_limits(connection, rows, one, stored.get(one.model.id), code=code, lineage=lineage, now=now)
        for one in judged
    ]
    fault = next((fault for _, fault in found if fault is not None), None)
    standings = [_with_uses(standing, one, used) for (standing, _), one in zip(found, judged, strict=True)]
    if any(pays_later(one) for one in judged):
        owed = await partners_owed(connection, subject_id=code.subject_id, on=day_of(now))
        standings = [
            replace(standing, order_overdue=pays_later(one) and one.partner.id in owed)
            for standing, one in zip(standings, judged, strict=True)
        ]
    if not rivals:
        return standings[0], fault
    buckets = {rival.id: buckets_of(rival, on=day_of(now), site=site) for rival in rivals}
    empty = await exhausted(connection, buckets, now=now)
    first = chosen(
        rival
        for rival, standing in zip(rivals, standings[1:], strict=True)
        if rival.id not in empty and not why_not(rival, standing)
    )
    return replace(standings[0], outranked=first is not None), fault


async def _uses(
    connection: AsyncConnection, *, subject_id: int, offers: Sequence[Offer], now: datetime
) -> dict[int, Uses]:
    """The subject's live reservations and redemptions of those offers that have a limit per person. Locks the subject,
    once for all of them: two sites may ask at once."""
    limited = [offer.id for offer in offers if personal_limits(offer)]
    if not limited:
        return {}
    await lock_subject(connection, subject_id)
    await lapse_for(connection, subject_id=subject_id, offers=limited, now=now)
    return await count_uses(connection, subject_id=subject_id, offers=limited, now=now)


def _with_uses(standing: Standing, offer: Offer, used: Mapping[int, Uses]) -> Standing:
    if offer.id not in used:
        return standing
    uses = used[offer.id]
    return replace(standing, used=uses.in_period[Period.EVER], limit_reached=bool(uses.reached(offer)))


async def _stored_scores(
    connection: AsyncConnection, row: Any, *, subject_id: int, offers: Sequence[Offer]
) -> dict[str, Any]:
    """The stored scores that the offers go by, by model. That of the offer asked about was read with the scan."""
    found = {} if row.model is None else {row.model: row}
    others = {offer.model.id for offer in offers} - {offers[0].model.id}
    if others:
        mine = select(*SCORE_STATE).where(scores.c.subject_id == subject_id, scores.c.model.in_(others))
        found |= {one.model: one for one in await connection.execute(mine)}
    return found


async def apart_from_limits(
    connection: AsyncConnection,
    rows: Sequence[Any],
    offer: Offer,
    stored: Any | None,
    *,
    code: CreditCode,
    lineage: Callable[[str], tuple[str, ...]],
    now: datetime,
) -> tuple[Standing, SubjectDataFault | None]:
    """How the person stands towards one offer, apart from its limits."""
    row = rows[0]
    places: tuple[str, ...] = ()
    grade, fault, withheld = None, None, False
    try:
        check_subject(connection, row)
        withheld = is_withheld(connection, rows, offer_id=offer.id, on=day_of(now))
        places = lineage(row.place)
        if _is_scored(row, offer, on=day_of(now)):
            grade = await _grade(connection, stored, subject_id=code.subject_id, model=offer.model, now=now)
    except SubjectDataFault as found:
        fault = found
    standing = Standing(
        kind=row.kind,
        lineage=places,
        enrolled=row.enrolled_at is not None,
        minor=is_minor(row.birth_on, on=day_of(now)),
        grade=grade,
        under_review=fault is not None,
        consent_withheld=withheld,
    )
    return standing, fault


async def _grade(
    connection: AsyncConnection, stored: Any | None, *, subject_id: int, model: Model, now: datetime
) -> str | None:
    """The subject's grade now: the stored one while it is true, else one made afresh and stored."""
    if stored is not None and is_current(stored, model, on=day_of(now)):
        check_intact(connection, stored, subject_id=subject_id)
        grade: str | None = stored.better_grade or stored.grade
    else:
        (score,) = await refresh_scores(connection, subject_id=subject_id, models=[model], now=now)
        grade = score.counting_grade
    if grade is not None and grade not in {known.code for known in model.grades}:
        raise SubjectDataFault(f"{model.id}: unknown grade")
    return grade
