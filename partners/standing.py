"""How one subject stands, read in one statement. One thing to know: this is for the subject itself; what a partner is
told is decided in `verification`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, and_, bindparam, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from core.database import Database, Instant
from core.errors import Forbidden
from core.statements import Prepared
from partners.accounts import ACCOUNT_COLUMNS, Principal, Role, principal_of
from partners.catalogue import Offer
from partners.eligibility import Outcome, Standing, WhyNot, why_not
from partners.rulebook import Rulebook
from partners.tables import OF_VERIFICATION, accounts, catalogue_state, quotas, redemptions, verifications
from scoring.consent.consents import CONSENT_STATE, is_withheld
from scoring.model import Model
from scoring.scores import SCORE_COLUMNS, SubjectScore, current_scores, refresh_scores
from scoring.subjects import SUBJECT_STATE, SubjectDataFault, check_subject, has_ended, is_minor
from scoring.tables import consents, enrollments, scores, subjects

READ_SUBJECT = Prepared(
    select(
        *ACCOUNT_COLUMNS,
        catalogue_state.c.version.label("catalogue_version"),
        *SUBJECT_STATE,
        subjects.c.display_name,
        enrollments.c.enrolled_at,
        exists().where(consents.c.subject_id == accounts.c.subject_id).label("has_consents"),
        *SCORE_COLUMNS,
    )
    .select_from(accounts)
    .join(catalogue_state, catalogue_state.c.id == 1)
    .outerjoin(subjects, subjects.c.id == accounts.c.subject_id)
    .outerjoin(enrollments, and_(enrollments.c.subject_id == accounts.c.subject_id, enrollments.c.left_at.is_(None)))
    .outerjoin(scores, scores.c.subject_id == accounts.c.subject_id)
    .where(accounts.c.id == bindparam("account"))
)
"""The account, its subject, and a row for each stored score."""


@dataclass(frozen=True, slots=True)
class SubjectStanding:
    """A subject as it sees itself."""

    id: int
    kind: str
    lineage: tuple[str, ...]
    display_name: str
    enrolled: bool
    minor: bool
    models: tuple[Model, ...]
    scores: Sequence[SubjectScore]
    """One for each of `models`; empty while not enrolled, for a minor, and while the data is being checked."""
    under_review: bool
    has_consents: bool
    """Whether it has ever given or been asked for one; who has not needs no looking."""
    catalogue_version: int

    def towards(self, offer: Offer, *, used: int = 0, withheld: bool = False) -> Standing:
        """The standing that decides about an offer."""
        grade = next((score.counting_grade for score in self.scores if score.model == offer.model.id), None)
        return Standing(
            kind=self.kind,
            lineage=self.lineage,
            enrolled=self.enrolled,
            minor=self.minor,
            grade=grade,
            used=used,
            under_review=self.under_review,
            consent_withheld=withheld,
        )


async def read_standing(
    connection: AsyncConnection, *, account: str, role: Role, rulebook: Rulebook, now: datetime
) -> SubjectStanding:
    """The subject that an account acts for.

    Raises:
        Unauthenticated, Forbidden: the account has ended, or acts for no subject.
    """
    rows: list[Any] = await READ_SUBJECT.all(connection, account=account)
    principal: Principal = principal_of(account, role, rows[0] if rows else None, now=now)
    if principal.subject_id is None:
        raise Forbidden
    row, on = rows[0], day_of(now)
    minor = is_minor(row.birth_on, on=on)
    models: tuple[Model, ...] = ()
    lineage: tuple[str, ...] = ()
    found: Sequence[SubjectScore] = ()
    under_review = False
    ended = has_ended(row, on=on)
    try:
        check_subject(connection, row)
        lineage, models = rulebook.lineage(row.place), rulebook.models_for(row.place, row.kind, on)
        if row.enrolled_at is not None and not minor and not ended:
            found = await current_scores(
                connection, subject_id=principal.subject_id, models=models, stored=rows, now=now
            )
    except SubjectDataFault:
        under_review = True
    return SubjectStanding(
        id=principal.subject_id,
        kind=row.kind,
        lineage=lineage,
        display_name=row.display_name,
        enrolled=row.enrolled_at is not None,
        minor=minor,
        models=models,
        scores=found,
        under_review=under_review,
        has_consents=bool(row.has_consents),
        catalogue_version=row.catalogue_version,
    )


async def score_participant(connection: AsyncConnection, *, subject_id: int, rulebook: Rulebook, now: datetime) -> None:
    """Make and store the scores of somebody who takes part, in a transaction. A minor gets none, nor who does not.

    A fault in the subject's data leaves it without scores; whoever looks at them next meets the fault.
    """
    row = (await connection.execute(_WHO.where(subjects.c.id == subject_id))).one()
    on = day_of(now)
    if row.enrolled_at is not None and not is_minor(row.birth_on, on=on) and not has_ended(row, on=on):
        with suppress(SubjectDataFault):
            check_subject(connection, row)
            models = rulebook.models_for(row.place, row.kind, on)
            await refresh_scores(connection, subject_id=subject_id, models=models, now=now)


_WHO = select(*SUBJECT_STATE, enrollments.c.enrolled_at).outerjoin(
    enrollments, and_(enrollments.c.subject_id == subjects.c.id, enrollments.c.left_at.is_(None))
)

_COUNT_USES = Prepared(
    select(verifications.c.offer_id, func.count().label("uses"))
    .select_from(verifications)
    .outerjoin(redemptions, OF_VERIFICATION)
    .where(
        verifications.c.subject_id == bindparam("subject", type_=BigInteger),
        verifications.c.outcome == Outcome.BENEFIT_APPLIES.value,
        or_(
            and_(redemptions.c.id.is_(None), verifications.c.expires_at > bindparam("now", type_=Instant)),
            and_(redemptions.c.id.is_not(None), redemptions.c.reversed_at.is_(None)),
        ),
    )
    .group_by(verifications.c.offer_id)
)
_LAPSED = (
    select(func.count())
    .where(
        verifications.c.offer_id == quotas.c.offer_id,
        verifications.c.reserved,
        verifications.c.expires_at <= bindparam("now", type_=Instant),
    )
    .scalar_subquery()
)
_EXHAUSTED = Prepared(
    # The plain comparison first: only of offers that look full are lapsed reservations counted.
    select(quotas.c.offer_id).where(quotas.c.taken >= quotas.c.cap, quotas.c.taken - _LAPSED >= quotas.c.cap)
)


async def count_uses(connection: AsyncConnection, *, subject_id: int, now: datetime) -> dict[int, int]:
    """How often the subject has redeemed or reserved each offer, by offer id; 0 is left out."""
    return {row.offer_id: row.uses for row in await _COUNT_USES.all(connection, subject=subject_id, now=now)}


async def exhausted_offers(connection: AsyncConnection, *, now: datetime) -> set[int]:
    """The offers that have no unit of quota left, reservations that ran out counting as free."""
    return {row.offer_id for row in await _EXHAUSTED.all(connection, now=now)}


async def reasons_for(
    database: Database, standing: SubjectStanding, *, offers: Sequence[Offer], now: datetime
) -> list[tuple[WhyNot, ...]]:
    """Why each offer does not apply; empty where it does."""
    used: dict[int, int] = {}
    gone: set[int] = set()
    withheld: set[int] = set()
    is_counted = any(offer.limit_per_person is not None or offer.has_quota for offer in offers)
    if is_counted or standing.has_consents:
        async with database.reading() as connection:
            if is_counted:
                used = await count_uses(connection, subject_id=standing.id, now=now)
                gone = await exhausted_offers(connection, now=now)
            if standing.has_consents:
                standing, withheld = await _withheld(connection, standing, offers=offers, now=now)
    found = []
    for offer in offers:
        decisive = standing.towards(offer, used=used.get(offer.id, 0), withheld=offer.id in withheld)
        reasons = why_not(offer, decisive)
        found.append((*reasons, WhyNot.QUOTA_EXHAUSTED) if offer.id in gone else reasons)
    return found


_CONSENTS = Prepared(select(*CONSENT_STATE).where(consents.c.subject_id == bindparam("subject", type_=BigInteger)))


async def _withheld(
    connection: AsyncConnection, standing: SubjectStanding, *, offers: Sequence[Offer], now: datetime
) -> tuple[SubjectStanding, set[int]]:
    """The offers for whose partner consent was given and holds no more; under review where one was changed by hand."""
    by_partner: dict[int | None, list[Any]] = defaultdict(list)
    for row in await _CONSENTS.all(connection, subject=standing.id):
        by_partner[row.consent_partner_id].append(row)
    on = day_of(now)
    try:
        return standing, {
            offer.id
            for offer in offers
            if is_withheld(connection, by_partner[offer.partner.id], offer_id=offer.id, on=on)
        }
    except SubjectDataFault:
        return replace(standing, under_review=True), set()
