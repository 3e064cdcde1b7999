"""How one subject stands, read in one statement. One thing to know: this is for the subject itself; what a partner is
told is decided in `verification`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import chain
from typing import Any

from sqlalchemy import BigInteger, Select, and_, bindparam, case, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from core.database import Database, Instant
from core.errors import Forbidden
from core.statements import Prepared, one_of
from partners.accounts import ACCOUNT_COLUMNS, Principal, Role, principal_of
from partners.catalogue import Catalogue, Offer
from partners.choosing import chosen, rivals_of
from partners.eligibility import Outcome, Standing, WhyNot, why_not
from partners.limits import Bucket, Limit, Limited, Period, began_at, buckets_of, personal_limits
from partners.orders.overdue import partners_owed, pays_later
from partners.orders.tables import orders
from partners.quotas import exhausted
from partners.rulebook import Rulebook
from partners.tables import OF_VERIFICATION, accounts, catalogue_state, redemptions, verifications
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
        subjects.c.district,
        enrollments.c.enrolled_at,
        exists().where(consents.c.subject_id == accounts.c.subject_id).label("has_consents"),
        exists().where(orders.c.subject_id == accounts.c.subject_id).label("has_orders"),
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
    place: str
    lineage: tuple[str, ...]
    """The place and those above it; empty where it is none that is served."""
    district: str | None
    """The division code (GB/T 2260) inside its number: where a person was first, or an enterprise is, registered."""
    display_name: str
    enrolled: bool
    minor: bool
    models: tuple[Model, ...]
    scores: Sequence[SubjectScore]
    """One for each of `models`; empty while not enrolled, for a minor, and while the data is being checked."""
    under_review: bool
    has_consents: bool
    """Whether it has ever given or been asked for one; who has not needs no looking."""
    has_orders: bool
    """Whether there is any order; who has none owes nothing."""
    catalogue_version: int

    def towards(
        self,
        offer: Offer,
        *,
        used: int = 0,
        withheld: bool = False,
        limit_reached: bool = False,
        outranked: bool = False,
        order_overdue: bool = False,
    ) -> Standing:
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
            limit_reached=limit_reached,
            outranked=outranked,
            order_overdue=order_overdue,
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
        place=row.place,
        lineage=lineage,
        district=row.district,
        display_name=row.display_name,
        enrolled=row.enrolled_at is not None,
        minor=minor,
        models=models,
        scores=found,
        under_review=under_review,
        has_consents=bool(row.has_consents),
        has_orders=bool(row.has_orders),
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


@dataclass(frozen=True, slots=True)
class Uses:
    """How often one subject has redeemed an offer, or holds it reserved: in each period, and ever."""

    in_period: Mapping[Period, int]

    def reached(self, offer: Limited) -> tuple[Limit, ...]:
        """The limits per person that are used up."""
        return tuple(limit for limit in personal_limits(offer) if self.in_period[limit.period] >= limit.most)


NO_USES = Uses(dict.fromkeys(Period, 0))


def _uses_statement() -> Select[Any]:
    now = bindparam("now", type_=Instant)
    counts = [
        func.coalesce(
            func.sum(case((verifications.c.at >= bindparam(f"{period.value}_began", type_=Instant), 1), else_=0)), 0
        ).label(period.value)
        for period in Period
    ]
    live = or_(
        and_(
            redemptions.c.id.is_(None),
            verifications.c.expires_at > now,
            verifications.c.lapsed.is_(False),
            verifications.c.voided_at.is_(None),
        ),
        and_(redemptions.c.id.is_not(None), redemptions.c.reversed_at.is_(None)),
    )
    mine = verifications.c.subject_id == bindparam("subject", type_=BigInteger)
    return (
        select(verifications.c.offer_id, *counts)
        .select_from(verifications)
        .outerjoin(redemptions, OF_VERIFICATION)
        .where(mine, one_of(verifications.c.offer_id, "offers"))
        .where(verifications.c.outcome == Outcome.BENEFIT_APPLIES.value, live)
        .group_by(verifications.c.offer_id)
    )


_USES = Prepared(_uses_statement())


async def count_uses(
    connection: AsyncConnection, *, subject_id: int, offers: Sequence[int], now: datetime
) -> dict[int, Uses]:
    """The subject's uses of these offers, by offer id; who has none is left out. A use counts in the period in which
    it was verified (Asia/Shanghai)."""
    on = day_of(now)
    began = {f"{period.value}_began": began_at(period, on) for period in Period}
    rows = await _USES.all(connection, subject=subject_id, offers=offers, now=now, **began)
    return {row.offer_id: Uses({period: int(getattr(row, period.value)) for period in Period}) for row in rows}


@dataclass(frozen=True, slots=True)
class Judged:
    """How an offer stands for a subject: available where there are no reasons."""

    reasons: tuple[WhyNot, ...]
    reached: tuple[Limit, ...] = ()
    """The limits per person that are used up."""
    uses: Uses = NO_USES
    empty: Bucket | None = None
    """What of the offer is used up by everybody together."""
    instead: Offer | None = None
    """The offer of the same group that applies in its place."""


async def judge_offers(
    database: Database, standing: SubjectStanding, *, offers: Sequence[Offer], catalogue: Catalogue, now: datetime
) -> list[Judged]:
    """Each offer as a partner's scan would now decide about it, one for one. Reads what is used of these offers, and of
    those of their groups that come first, and nothing of any other."""
    rivals = {offer.id: rivals_of(offer, catalogue) for offer in offers}
    looked_at = {offer.id: offer for offer in (*offers, *chain.from_iterable(rivals.values()))}
    limited = [offer.id for offer in looked_at.values() if personal_limits(offer)]
    buckets = {
        offer.id: found for offer in looked_at.values() if (found := buckets_of(offer, on=day_of(now), site=None))
    }
    used: dict[int, Uses] = {}
    empty: dict[int, Bucket] = {}
    withheld: set[int] = set()
    faulty: set[int] = set()
    owed: set[int] = set()
    paid_later = standing.has_orders and any(pays_later(offer) for offer in looked_at.values())
    if limited or buckets or standing.has_consents or paid_later:
        async with database.reading() as connection:
            if limited:
                used = await count_uses(connection, subject_id=standing.id, offers=limited, now=now)
            if buckets:
                empty = await exhausted(connection, buckets, now=now)
            if standing.has_consents:
                withheld, faulty = await _withheld(
                    connection, standing.id, offers=list(looked_at.values()), on=day_of(now)
                )
            if paid_later:
                owed = await partners_owed(connection, subject_id=standing.id, on=day_of(now))

    def judge(offer: Offer, instead: Offer | None) -> Judged:
        uses = used.get(offer.id, NO_USES)
        reached = uses.reached(offer)
        # As a scan does it: consents to another partner that were changed by hand say nothing about this one.
        stands = replace(standing, under_review=True) if offer.id in faulty else standing
        decisive = stands.towards(
            offer,
            used=uses.in_period[Period.EVER],
            withheld=offer.id in withheld,
            limit_reached=bool(reached),
            outranked=instead is not None,
            order_overdue=pays_later(offer) and offer.partner.id in owed,
        )
        reasons = why_not(offer, decisive)
        if not offer.is_granted:
            reasons = (*reasons, WhyNot.NOT_OFFERED_NOW)
        if offer.id in empty:
            reasons = (*reasons, WhyNot.QUOTA_EXHAUSTED)
        return Judged(reasons, reached, uses, empty.get(offer.id), instead)

    alone = {offer.id: judge(offer, None) for offer in looked_at.values()}

    def with_group(offer: Offer) -> Judged:
        first = chosen(rival for rival in rivals[offer.id] if not alone[rival.id].reasons)
        return alone[offer.id] if first is None else judge(offer, first)

    return [with_group(offer) for offer in offers]


async def reasons_for(
    database: Database, standing: SubjectStanding, *, offers: Sequence[Offer], catalogue: Catalogue, now: datetime
) -> list[tuple[WhyNot, ...]]:
    """Why each offer does not apply; empty where it does."""
    judged = await judge_offers(database, standing, offers=offers, catalogue=catalogue, now=now)
    return [one.reasons for one in judged]


_CONSENTS = Prepared(select(*CONSENT_STATE).where(consents.c.subject_id == bindparam("subject", type_=BigInteger)))


async def _withheld(
    connection: AsyncConnection, subject_id: int, *, offers: Sequence[Offer], on: date
) -> tuple[set[int], set[int]]:
    """The offers for whose partner consent was given and holds no more; and those for whose partner one was changed by
    hand."""
    by_partner: dict[int | None, list[Any]] = defaultdict(list)
    for row in await _CONSENTS.all(connection, subject=subject_id):
        by_partner[row.consent_partner_id].append(row)
    withheld, faulty = set(), set()
    for offer in offers:
        rows = by_partner.get(offer.partner.id)
        if not rows:
            continue
        try:
            if is_withheld(connection, rows, offer_id=offer.id, on=on):
                withheld.add(offer.id)
        except SubjectDataFault:
            faulty.add(offer.id)
    return withheld, faulty
