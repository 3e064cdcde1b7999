"""The usual way: verify and profile with FastAPI and SQLAlchemy's ORM, as most people would write them. One thing to
know: nothing in it is slow on purpose; a session for each request, entities loaded when needed, response models.

The same keys, codes, receipts, audit leaves and eligibility rules as the product, over the same tables.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import uuid4

import orjson
from fastapi import Depends, FastAPI, Header, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import joinedload

from api.identity import Claims
from api.identity.bearer import BearerTokens
from api.ids import key_of, public_id
from benchmarks.ordinary_models import (
    AccessEvent,
    Account,
    Answer,
    AuditEntry,
    BenefitOut,
    BenefitsOut,
    Coded,
    EdgeOut,
    Enrollment,
    LineOut,
    Named,
    Offer,
    OfferOut,
    PageOut,
    ProblemOut,
    ProfileOut,
    Redemption,
    ScanIn,
    Score,
    ScoreOut,
    SecurityEvent,
    Subject,
    Verification,
    VerificationOut,
)
from core.audit import chained, entry_of
from core.clock import day_of, utc_now
from core.database import Trail, carried
from core.errors import BadInput, ExpectedError, Forbidden, Unauthenticated, Unavailable
from core.identifiers import new_id
from core.keys import Keys, load_keys
from core.sealing import keyed_hash
from core.settings import Settings, read_settings
from partners.accounts import Role
from partners.answers import RequestConflict
from partners.codes import CreditCode, open_code
from partners.eligibility import MESSAGES, Outcome, Standing, WhyNot, outcome_of, why_not
from partners.kinds import benefit_kinds
from partners.receipts import sign_receipt
from partners.rulebook import Rulebook, load_rulebook
from partners.verification import CodeExpired, CodeInvalid, CodeOtherOffer, CodeReplayed, OfferClosed, OfferNotYours
from scoring.scores import SubjectScore, current_scores
from scoring.subjects import SubjectDataFault, is_minor

ATTEMPTS = 5
DAY = timedelta(hours=24)
MUTATION = "verifyCreditCode"
STATUS = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403, "BAD_USER_INPUT": 400, "UNAVAILABLE": 503}


@dataclass(frozen=True)
class Rules:
    """An offer as the eligibility rules see it."""

    subject_kind: str
    places: frozenset[str]
    passing_grades: frozenset[str]
    limit_per_person: int | None


@dataclass
class Desk:
    """What lives as long as the process."""

    settings: Settings
    keys: Keys
    rulebook: Rulebook
    tokens: BearerTokens
    sessions: async_sessionmaker[AsyncSession]
    clock: Callable[[], datetime]

    def rules(self, offer: Offer) -> Rules:
        """The offer's rules."""
        model = self.rulebook.models.get(offer.model)
        return Rules(
            subject_kind=model.subject,
            places=frozenset({offer.partner.place, *offer.also_open_to}),
            passing_grades=frozenset(
                grade.code for grade in model.grades if model.at_least(grade.code, offer.threshold)
            ),
            limit_per_person=offer.limit_per_person,
        )


def desk_of(request: Request) -> Desk:
    """The process's desk."""
    desk: Desk = request.app.state.desk
    return desk


async def session_of(request: Request) -> AsyncIterator[AsyncSession]:
    """A session for one request."""
    async with desk_of(request).sessions() as session:
        yield session


def claims_of(request: Request, authorization: Annotated[str, Header()] = "") -> Claims:
    """Who signed in."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated
    desk = desk_of(request)
    return desk.tokens.check(token.strip(), now=desk.clock().timestamp())


DeskGiven = Annotated[Desk, Depends(desk_of)]
SessionGiven = Annotated[AsyncSession, Depends(session_of)]
ClaimsGiven = Annotated[Claims, Depends(claims_of)]


async def account_of(session: AsyncSession, claims: Claims, *roles: Role) -> Account:
    """The account as the database has it now."""
    if claims.role not in roles:
        raise Forbidden
    account = await session.get(Account, claims.account)
    if account is None or account.ended_at is not None or account.role != claims.role:
        raise Unauthenticated
    return account


async def enrollment_of(session: AsyncSession, subject_id: int) -> Enrollment | None:
    """The subject's present enrolment."""
    statement = select(Enrollment).where(Enrollment.subject_id == subject_id, Enrollment.left_at.is_(None))
    found: Enrollment | None = await session.scalar(statement)
    return found


async def verify(
    given: ScanIn, desk: DeskGiven, session: SessionGiven, claims: ClaimsGiven
) -> VerificationOut | ProblemOut:
    """Decide about a code."""
    now = desk.clock()
    for _ in range(ATTEMPTS):
        try:
            return await decide(desk, session, claims, given, now)
        except IntegrityError:
            await session.rollback()  # another request wrote first
    raise Unavailable


async def decide(
    desk: Desk, session: AsyncSession, claims: Claims, given: ScanIn, now: datetime
) -> VerificationOut | ProblemOut:
    """One transaction."""
    account = await account_of(session, claims, Role.PARTNER)
    offer_id = key_of(given.offerId, "Offer")
    body = {"code": given.code, "offer": offer_id, "clerk": given.clerk, "site": given.site}
    body_hash = keyed_hash(desk.keys, "body", orjson.dumps(body, option=orjson.OPT_SORT_KEYS))
    recorded = await session.get(Answer, (account.partner_id, MUTATION, given.requestId))
    if recorded is not None and recorded.at <= now - DAY:
        await session.delete(recorded)
        await session.flush()
        recorded = None
    if recorded is not None and recorded.body_hash == body_hash:
        return ProblemOut(**recorded.answer) if "code" in recorded.answer else shown(recorded.answer)
    answer = Answer(
        partner_id=account.partner_id, mutation=MUTATION, request_id=given.requestId, body_hash=body_hash, at=now
    )
    code = open_code(desk.keys, given.code)
    subject = await session.get(Subject, code.subject_id) if code else None
    seen = AccessEvent(
        id=new_id(),
        at=now,
        partner_id=account.partner_id,
        offer_id=offer_id,
        why_not=[],
        clerk=given.clerk,
        site=given.site,
    )
    try:
        if recorded is not None:
            raise RequestConflict("这个 requestId 已用于另一个内容不同的请求。请换一个新的 requestId。")
        if code is None or subject is None:
            raise CodeInvalid("这不是有效的信用码,或内容不完整。请对方重新出示后再扫。")
        await check_code(session, code, offer_id=offer_id, now=now)
        offer = await check_offer(session, offer_id=offer_id, partner_id=account.partner_id, now=now)
    except ExpectedError as problem:
        answer.answer = {"code": problem.code, "message": problem.message}
        if code is None or subject is None:
            detail = {"offer": offer_id}
            session.add(
                SecurityEvent(id=new_id(), at=now, kind=problem.code, partner_id=account.partner_id, detail=detail)
            )
        else:
            content = {"offer": offer_id, "problem": problem.code}
            entry = entry_of(at=now, actor=account.id, action=MUTATION, content=content, subject_id=subject.id)
            seen.subject_id, seen.problem = subject.id, problem.code
            session.add_all([seen, AuditEntry(**chained(entry, Trail()))])
        if recorded is None:
            session.add(answer)
        await session.commit()
        return ProblemOut(**answer.answer)
    reasons = why_not(desk.rules(offer), await standing_of(desk, session, subject, offer, now))
    outcome, verification_id = outcome_of(reasons), uuid4()
    content = {
        "verification": str(verification_id),
        "offer": offer.id,
        "version": offer.version,
        "outcome": outcome.value,
    }
    entry = entry_of(at=now, actor=account.id, action=MUTATION, content=content, subject_id=subject.id)
    receipt = sign_receipt(
        desk.keys,
        issuer=desk.settings.issuer,
        verification_id=verification_id,
        partner=public_id("Partner", offer.partner_id),
        offer=public_id("Offer", offer.id),
        offer_version=offer.version,
        outcome=outcome.value,
        subject_id=subject.id,
        leaf=entry["leaf"],
        at=now,
    )
    verification = Verification(
        subject_id=subject.id,
        id=verification_id,
        code_id=code.id,
        partner_id=account.partner_id,
        offer_id=offer.id,
        offer_version=offer.version,
        outcome=outcome.value,
        at=now,
        expires_at=now + timedelta(minutes=10),
        reserved=False,
    )
    seen.subject_id, seen.outcome, seen.receipt = subject.id, outcome.value, receipt
    seen.why_not = [reason.value for reason in reasons]
    answer.answer = {
        "id": str(verification_id),
        "outcome": outcome.value,
        "benefit": None if reasons else offer.benefit,
        "receipt": receipt,
        "expires_at": verification.expires_at.isoformat(),
    }
    session.add_all([verification, seen, AuditEntry(**chained(entry, Trail())), answer])
    await session.commit()
    return shown(answer.answer)


def shown(answer: dict[str, Any]) -> VerificationOut:
    """A recorded verification as the partner sees it."""
    return VerificationOut(
        id=public_id("Verification", answer["id"]),
        outcome=answer["outcome"],
        benefit=answer["benefit"],
        receipt=answer["receipt"],
        expiresAt=datetime.fromisoformat(answer["expires_at"]),
    )


async def check_code(session: AsyncSession, code: CreditCode, *, offer_id: int, now: datetime) -> None:
    """Unused, in time, and for this offer."""
    statement = select(Verification).where(Verification.subject_id == code.subject_id, Verification.code_id == code.id)
    used = await session.scalar(statement)
    if used is not None and used.at > now - DAY:
        raise CodeReplayed("这个信用码已经核验过一次。请对方刷新后重新出示。")
    if code.expires_at <= now:
        raise CodeExpired("这个信用码已过期(有效期不超过 60 秒)。请对方刷新后重新出示。")
    if code.offer_id is not None and code.offer_id != offer_id:
        raise CodeOtherOffer("持码人已将此码限定用于另一项优惠。请核对优惠项目,或请对方重新出示。")


async def check_offer(session: AsyncSession, *, offer_id: int, partner_id: int, now: datetime) -> Offer:
    """The partner's, and open today."""
    offer = await session.get(Offer, offer_id, options=[joinedload(Offer.partner), joinedload(Offer.quota)])
    if offer is None or offer.partner_id != partner_id:
        raise OfferNotYours("贵单位名下没有这项优惠。请核对优惠编号。")
    on = day_of(now)
    if offer.status != "approved" or offer.opens_on > on or (offer.closes_on is not None and offer.closes_on <= on):
        raise OfferClosed("这项优惠今天不开放。请按标准服务办理,或核对优惠的起止日期。")
    if offer.quota is not None or offer.limit_per_person is not None:
        raise BadInput("此服务只用于测量,不核验有名额或个人次数限制的优惠。")
    return offer


async def connection_of(desk: Desk, session: AsyncSession) -> AsyncConnection:
    """The session's connection, through which sealed rows can be read."""
    connection = await session.connection()
    carried(connection).keys = desk.keys
    return connection


async def standing_of(desk: Desk, session: AsyncSession, subject: Subject, offer: Offer, now: datetime) -> Standing:
    """How the subject stands towards the offer."""
    enrollment = await enrollment_of(session, subject.id)
    minor = is_minor(subject.birth_on, on=day_of(now))
    model = desk.rulebook.models.get(offer.model)
    grade, under_review = None, False
    if enrollment is not None and not minor and subject.kind == model.subject:
        stored = await session.get(Score, (subject.id, model.id))
        try:
            (score,) = await current_scores(
                await connection_of(desk, session),
                subject_id=subject.id,
                models=[model],
                stored=[stored] if stored else [],  # type: ignore[list-item]  # has a row's attributes
                now=now,
            )
            grade = score.grade
        except SubjectDataFault as fault:
            under_review = True
            detail = {"subject": subject.id, "fault": str(fault)}
            session.add(SecurityEvent(id=new_id(), at=now, kind="SUBJECT_DATA_FAULT", detail=detail))
    return Standing(
        kind=subject.kind,
        lineage=desk.rulebook.lineage(subject.place),
        enrolled=enrollment is not None,
        minor=minor,
        grade=grade,
        under_review=under_review,
    )


async def me(
    desk: DeskGiven,
    session: SessionGiven,
    claims: ClaimsGiven,
    first: Annotated[int, Query(ge=1, le=100)] = 20,
    after: str | None = None,
) -> ProfileOut:
    """Scores, and benefits available or not."""
    now = desk.clock()
    on = day_of(now)
    account = await account_of(session, claims, Role.CITIZEN, Role.AGENT)
    subject = await session.get(Subject, account.subject_id)
    if subject is None:
        raise Forbidden
    enrollment = await enrollment_of(session, subject.id)
    minor = is_minor(subject.birth_on, on=on)
    models = desk.rulebook.models_for(subject.place, subject.kind, on)
    scores: Sequence[SubjectScore] = []
    under_review = False
    if enrollment is not None and not minor:
        stored: Any = (await session.scalars(select(Score).where(Score.subject_id == subject.id))).all()
        try:
            scores = await current_scores(
                await connection_of(desk, session), subject_id=subject.id, models=models, stored=stored, now=now
            )
        except SubjectDataFault:
            under_review = True
    grades = {score.model: score.grade for score in scores}
    served = desk.rulebook.served
    kinds = {model.id for place in served for model in desk.rulebook.models_for(place, subject.kind, on)}
    statement = (
        select(Offer)
        .options(joinedload(Offer.partner), joinedload(Offer.quota))
        .where(
            Offer.model.in_(kinds),
            Offer.status == "approved",
            Offer.opens_on <= on,
            or_(Offer.closes_on.is_(None), Offer.closes_on > on),
        )
        .order_by(Offer.id)
        .limit(first + 1)
    )
    if after:
        statement = statement.where(Offer.id > int(urlsafe_b64decode(after)))
    offers = list((await session.scalars(statement)).all())
    more, offers = len(offers) > first, offers[:first]
    used = await uses_of(session, subject.id, offers, now)
    gone = await exhausted(session, offers, now)
    edges = []
    for offer in offers:
        standing = Standing(
            kind=subject.kind,
            lineage=desk.rulebook.lineage(subject.place),
            enrolled=enrollment is not None,
            minor=minor,
            grade=grades.get(offer.model),
            used=used.get(offer.id, 0),
            under_review=under_review,
        )
        reasons = list(why_not(desk.rules(offer), standing))
        if offer.id in gone:
            reasons.append(WhyNot.QUOTA_EXHAUSTED)
        edges.append(EdgeOut(cursor=cursor_of(offer), node=benefit_out(offer, reasons)))
    return ProfileOut(
        scores=[score_out(score, model) for score, model in zip(scores, models, strict=False)],
        benefits=BenefitsOut(
            edges=edges, pageInfo=PageOut(hasNextPage=more, endCursor=edges[-1].cursor if edges else None)
        ),
    )


async def uses_of(session: AsyncSession, subject_id: int, offers: Sequence[Offer], now: datetime) -> dict[int, int]:
    """How often the subject uses or has reserved the limited ones."""
    limited = [offer.id for offer in offers if offer.limit_per_person is not None]
    if not limited:
        return {}
    redeemed = (Redemption.subject_id == Verification.subject_id) & (Redemption.verification_id == Verification.id)
    statement = (
        select(Verification.offer_id, func.count().label("uses"))
        .outerjoin(Redemption, redeemed)
        .where(
            Verification.subject_id == subject_id,
            Verification.offer_id.in_(limited),
            Verification.outcome == Outcome.BENEFIT_APPLIES.value,
            or_(
                Redemption.id.is_(None) & (Verification.expires_at > now),
                Redemption.id.is_not(None) & Redemption.reversed_at.is_(None),
            ),
        )
        .group_by(Verification.offer_id)
    )
    return {row.offer_id: row.uses for row in await session.execute(statement)}


async def exhausted(session: AsyncSession, offers: Sequence[Offer], now: datetime) -> set[int]:
    """The offers without a unit left, reservations that ran out counting as free."""
    full = [offer.id for offer in offers if offer.quota is not None and offer.quota.taken >= offer.quota.cap]
    if not full:
        return set()
    statement = (
        select(Verification.offer_id, func.count().label("uses"))
        .where(Verification.offer_id.in_(full), Verification.reserved, Verification.expires_at <= now)
        .group_by(Verification.offer_id)
    )
    lapsed = {row.offer_id: row.uses for row in await session.execute(statement)}
    return {
        offer.id
        for offer in offers
        if offer.id in full and offer.quota.taken - lapsed.get(offer.id, 0) >= offer.quota.cap
    }


def cursor_of(offer: Offer) -> str:
    """Where the offer stands in the list."""
    return urlsafe_b64encode(str(offer.id).encode()).decode()


def benefit_out(offer: Offer, reasons: Sequence[WhyNot]) -> BenefitOut:
    """An offer as it stands for the subject."""
    kind = benefit_kinds()[offer.kind]
    return BenefitOut(
        available=not reasons,
        whyNot=[ProblemOut(code=reason.value, message=MESSAGES[reason]) for reason in reasons],
        offer=OfferOut(
            id=public_id("Offer", offer.id),
            title=offer.title,
            standardService=offer.standard_service,
            benefit=offer.benefit,
            kind=Coded(code=kind.code, name=kind.name),
            partner=Named(id=public_id("Partner", offer.partner.id), name=offer.partner.name),
        ),
    )


def score_out(score: SubjectScore, model: Any) -> ScoreOut:
    """A score as its subject sees it."""
    grade = next((grade for grade in model.grades if grade.code == score.grade), None)
    return ScoreOut(
        model=Named(id=model.id, name=model.name),
        points=None if score.points is None else Decimal(score.points).scaleb(-2),
        grade=Coded(code=grade.code, name=grade.name) if grade else None,
        lines=[
            LineOut(rule=line["rule"], label=line["label"], points=Decimal(line["points"]).scaleb(-2))
            for line in score.lines
        ],
        evaluatedAt=score.evaluated_at,
    )


async def problem(_: Request, error: Exception) -> JSONResponse:
    """An expected failure as JSON."""
    assert isinstance(error, ExpectedError)
    return JSONResponse({"code": error.code, "message": error.message}, STATUS.get(error.code, 200))


async def alive() -> str:
    """The process runs."""
    return "ok"


def create_app(settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> FastAPI:
    """The ASGI application for these settings."""
    keys = load_keys(settings.keys_file)
    engine = create_async_engine(settings.database_url, pool_size=16, max_overflow=0)
    desk = Desk(
        settings=settings,
        keys=keys,
        rulebook=load_rulebook(settings.jurisdictions, settings.places),
        tokens=BearerTokens(keys, issuer=settings.issuer),
        sessions=async_sessionmaker(engine, expire_on_commit=False),
        clock=clock,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    made = FastAPI(lifespan=lifespan)
    made.state.desk = desk
    made.post("/verify")(verify)
    made.get("/me")(me)
    made.get("/healthz")(alive)
    made.add_exception_handler(ExpectedError, problem)
    return made


def app() -> FastAPI:
    """For uvicorn: the application for the settings of the environment."""
    return create_app(read_settings())
