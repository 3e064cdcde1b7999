"""Partners and offers in memory, by version. One thing to know: each request compares one number with the database,
so an offer closed by another process is closed here at once, and reading the catalogue costs nothing.

The guard runs over every offer when a version is loaded and when a day begins: what has become unlawful is closed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import announce
from core.news import CATALOGUE, CHANGED
from legal.deniability import Crowd
from legal.effects import Effect
from legal.guard import KindLimits, Refusal, check_offer
from legal.terms import Baseline, Citation, Ladder, OfferTerms
from partners.kinds import BenefitKind
from partners.limits import Limit, limits_of
from partners.quotas import EVER
from partners.rulebook import Rulebook, with_published
from partners.tables import baselines, catalogue_state, grants, offers, partner_labels, partners, quotas
from scoring.model import Model

BENEFIT_CHECK = "benefit-check"
"""The purpose for which a code is verified."""
Predicate = tuple[int, str, str, str]
"""Partner, service, model and the lowest grade: what is granted."""
Stored = tuple[tuple[Any, ...], tuple[Baseline, ...], bool, bool]
"""A row of `offers`, how its standard service has stood, whether it has a quota, whether it is granted."""


@dataclass(frozen=True)
class Partner:
    """A body that gives benefits."""

    id: int
    place: str
    sector: str
    name: str
    status: str = "LIVE"
    """Of its onboarding; its offers are open while it is LIVE."""


@dataclass(frozen=True, eq=False)
class Offer:
    """An offer as it was approved, with all that deciding about it takes. Implements `eligibility.OfferRules`."""

    id: int
    version: int
    status: str
    partner: Partner
    kind: BenefitKind
    model: Model
    subject_kind: str
    terms: OfferTerms
    places: frozenset[str]
    """The places whose subjects it is open to."""
    passing_grades: frozenset[str]
    limit_per_person: int | None
    has_quota: bool
    """Whether uses of it take a unit of quota that is never filled again."""
    history: tuple[Baseline, ...]
    """How the standard service has stood, oldest first."""
    refusals: tuple[Refusal, ...] = ()
    """Why the guard closed it, if it did."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """The terms of its kind, as stored."""
    limits: tuple[Limit, ...] = ()
    """Besides `limit_per_person` and the quota."""
    budget_fen: int | None = None
    most_fen: int | None = None
    """The most that one use may cost the budget; there is one where there is a budget."""
    exclusive_group: str = ""
    """Of this partner's offers in one group a subject gets one."""
    priority: int = 0
    crowd: Crowd | None = None
    """Who would get the standard service, as last counted on a simulated population; None: not counted yet."""
    signed: frozenset[str] = frozenset()
    """Keys of the reviews that a person answers for, see `legal.case.review_key`."""
    is_granted: bool = True
    """Whether its partner may ask about it: see `partners.grants`."""
    districts: Mapping[str, str] = field(default_factory=dict)
    """Where in its partner's place it is given: names by code; none: all over it."""

    @cached_property
    def words(self) -> str:
        """What a search looks through, in small letters."""
        terms = self.terms
        return "\n".join((terms.title, terms.benefit, terms.standard_service, self.partner.name)).lower()

    def is_published(self, on: date) -> bool:
        """Whether it was approved and has not ended by that day; it may open later."""
        ended = self.terms.closes_on is not None and self.terms.closes_on <= on
        return self.status == "approved" and not ended

    def is_open(self, on: date) -> bool:
        """Whether the benefit can be had on that day."""
        begun = self.is_published(on) and self.terms.opens_on <= on
        return begun and self.partner.status == "LIVE" and not self.refusals


@dataclass(frozen=True)
class Catalogue:
    """One version of the reference data, judged for one day."""

    version: int
    on: date
    partners: dict[int, Partner]
    offers: dict[int, Offer]
    rulebook: Rulebook
    """With the models published by this version; offers go by the versions in force on the day."""
    granted: Set[Predicate] = frozenset()
    """What partners may ask."""
    stored: Mapping[int, Sequence[Stored]] = field(default_factory=dict)
    """What each partner's offers were read from."""
    labels: Mapping[tuple[int, str], Set[str]] = field(default_factory=dict)
    """Names of gates (site) and people on duty (clerk) in use, by partner and kind, where any was ever registered."""

    @cached_property
    def open_offers(self) -> tuple[Offer, ...]:
        """The offers open on the day, by id."""
        return tuple(offer for _, offer in sorted(self.offers.items()) if offer.is_open(self.on))

    @cached_property
    def _by_kind(self) -> dict[tuple[str | None, str | None], tuple[Offer, ...]]:
        groups: dict[tuple[str | None, str | None], list[Offer]] = defaultdict(list)
        for offer in self.open_offers:
            for subject_kind in (None, offer.subject_kind):
                for kind in (None, offer.kind.code):
                    groups[subject_kind, kind].append(offer)
        return {key: tuple(group) for key, group in groups.items()}

    @cached_property
    def _by_partner(self) -> dict[int, tuple[Offer, ...]]:
        groups: dict[int, list[Offer]] = defaultdict(list)
        for offer in self.open_offers:
            groups[offer.partner.id].append(offer)
        return {key: tuple(group) for key, group in groups.items()}

    @cached_property
    def _ladders(self) -> dict[str, Ladder]:
        return {}

    def ladder(self, model: Model) -> Ladder:
        """What the guard needs to know of a model on the day; made once."""
        if model.id not in self._ladders:
            self._ladders[model.id] = self.rulebook.ladder(model, on=self.on)
        return self._ladders[model.id]

    @cached_property
    def known_terms(self) -> Mapping[int, Sequence[OfferTerms]]:
        """The terms that the public has seen, by partner: what the guard looks at beside an offer. Those of an offer
        that has ended are among them, not `published`: its standard service is still to be compared with (L1)."""
        groups: dict[int, list[OfferTerms]] = defaultdict(list)
        for offer in self.offers.values():
            if offer.is_published(self.on):
                groups[offer.partner.id].append(offer.terms)
            elif offer.status in {"approved", "paused", "closed"}:
                groups[offer.partner.id].append(replace(offer.terms, published=False))
        return groups

    def open_for(self, *, subject_kind: str | None = None, kind: str | None = None) -> tuple[Offer, ...]:
        """Open offers, of one subject kind and one benefit kind where given, by id."""
        return self._by_kind.get((subject_kind, kind), ())

    def alike(self, *, subject_kind: str, kind: str | None, by_area: bool) -> Sequence[Sequence[Offer]]:
        """`open_for` in groups, each by id: what one of a group asks of a subject for itself, all of it ask. `by_area`,
        all of a group are given in the same districts too."""
        key = (subject_kind, kind, by_area)
        if key not in self._alike:
            groups: dict[Any, list[Offer]] = defaultdict(list)
            for offer in self.open_for(subject_kind=subject_kind, kind=kind):
                given_in = (offer.partner.place, *offer.districts) if by_area else ()
                groups[offer.model.id, offer.places, offer.passing_grades, offer.is_granted, given_in].append(offer)
            self._alike[key] = list(groups.values())
        return self._alike[key]

    @cached_property
    def _alike(self) -> dict[tuple[str, str | None, bool], Sequence[Sequence[Offer]]]:
        return {}

    def open_of(self, partner_id: int) -> tuple[Offer, ...]:
        """Open offers of one partner, by id."""
        return self._by_partner.get(partner_id, ())


def page_after(items: tuple[Offer, ...], after: int | None, first: int) -> tuple[tuple[Offer, ...], bool]:
    """At most `first` offers with an id above `after`, and whether there are more."""
    start = 0 if after is None else bisect_right(items, after, key=lambda offer: offer.id)
    return items[start : start + first], len(items) > start + first


async def catalogue_version(connection: AsyncConnection) -> int:
    """The version of the reference data now in the database."""
    return int(await connection.scalar(select(catalogue_state.c.version)) or 0)


async def bump_catalogue(connection: AsyncConnection) -> None:
    """Tell all processes, by way of the database, that reference data has changed; and whoever listens."""
    await connection.execute(update(catalogue_state).values(version=catalogue_state.c.version + 1))
    announce(connection, CATALOGUE, CHANGED)


def baseline_of(row: Any) -> Baseline:
    """A row of `baselines` in the guard's words."""
    return Baseline(
        price_fen=row.price_fen,
        deposit_fen=row.deposit_fen,
        days=row.days,
        documents=tuple(row.documents),
        queue=row.queue,
        code_required=row.code_required,
        source=Citation(row.source_title, row.source_clause),
        in_force_from=row.in_force_from,
    )


def present_baseline(history: Sequence[Baseline], on: date) -> Baseline:
    """The standard service in force on that day; before the first one's day, the first."""
    begun = [baseline for baseline in history if baseline.in_force_from <= on]
    return begun[-1] if begun else history[0]


def kind_limits(kind: BenefitKind) -> KindLimits:
    """A kind in the guard's words."""
    return KindLimits(code=kind.code, effects=kind.effects, protected_service=kind.protected_service)


async def lock_catalogue(connection: AsyncConnection) -> None:
    """Let nobody else change reference data until this transaction ends: what is judged beside the other offers is so
    judged beside all of them."""
    await connection.execute(select(catalogue_state.c.version).with_for_update())


async def load_catalogue(
    connection: AsyncConnection, rulebook: Rulebook, *, on: date, known: Catalogue | None = None
) -> Catalogue:
    """Read partners, offers and published models, and let the guard judge each published offer for that day.

    Of `known`, read before, the offers are taken over of partners about whom nothing has changed.
    """
    version = await catalogue_version(connection)
    rulebook = await with_published(connection, rulebook)
    found = {
        row.id: Partner(row.id, row.place, row.sector, row.name, row.status)
        for row in await connection.execute(select(partners))
    }
    history: dict[int, list[Baseline]] = defaultdict(list)
    for row in await connection.execute(select(baselines).order_by(baselines.c.offer_id, baselines.c.in_force_from)):
        history[row.offer_id].append(baseline_of(row))
    limited = set((await connection.scalars(select(quotas.c.offer_id).where(quotas.c.bucket == EVER))).all())
    granted = await _granted(connection)
    rows: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in await connection.execute(select(offers).order_by(offers.c.id)):
        rows[row.partner_id].append(row)
    stored = {
        key: [(tuple(row), tuple(history[row.id]), row.id in limited, _predicate(row) in granted) for row in of_partner]
        for key, of_partner in rows.items()
    }
    if known is not None and (known.on != on or known.rulebook is not rulebook):
        known = None
    read: dict[int, Offer] = {}
    fresh: list[int] = []
    for key, of_partner in rows.items():
        if known is not None and known.partners.get(key) == found[key] and known.stored.get(key) == stored[key]:
            read |= {row.id: known.offers[row.id] for row in of_partner}
            continue
        for row, (_, stood, has_quota, is_granted) in zip(of_partner, stored[key], strict=True):
            read[row.id] = _offer(row, rulebook, found[key], stood, limited=has_quota, is_granted=is_granted, on=on)
            fresh.append(row.id)
    read = dict(sorted(read.items()))
    unjudged = Catalogue(version, on, found, read, rulebook, granted, stored, await _labels(connection))
    judged = {key: _judged(read[key], unjudged) for key in fresh if read[key].is_published(on)}
    return replace(unjudged, offers=read | judged)


def judged_offer(row: Any, catalogue: Catalogue, *, history: Sequence[Baseline], limited: bool) -> Offer:
    """An offer as it would stand in the catalogue with these columns, and what the guard has against it."""
    offer = _offer(
        row,
        catalogue.rulebook,
        catalogue.partners[row.partner_id],
        tuple(history),
        limited=limited,
        is_granted=_predicate(row) in catalogue.granted,
        on=catalogue.on,
    )
    return _judged(offer, catalogue)


def _judged(offer: Offer, catalogue: Catalogue) -> Offer:
    others = catalogue.known_terms.get(offer.partner.id, ())
    ladder = catalogue.ladder(offer.model)
    found = refusals_of(offer, others=others, ladder=ladder, rulebook=catalogue.rulebook, on=catalogue.on)
    return replace(offer, refusals=found)


async def _labels(connection: AsyncConnection) -> Mapping[tuple[int, str], Set[str]]:
    found: dict[tuple[int, str], set[str]] = defaultdict(set)
    for row in await connection.execute(select(partner_labels)):
        in_use = found[row.partner_id, row.kind]
        if row.ended_at is None:
            in_use.add(row.label)
    return dict(found)


async def _granted(connection: AsyncConnection) -> Set[Predicate]:
    """What partners may ask: which service goes by which grade of which model."""
    held = select(grants.c.partner_id, grants.c.service, grants.c.model, grants.c.threshold).where(
        grants.c.purpose == BENEFIT_CHECK, grants.c.granted_at.is_not(None), grants.c.revoked_at.is_(None)
    )
    return {(row.partner_id, row.service, row.model, row.threshold) for row in await connection.execute(held)}


def _predicate(row: Any) -> Predicate:
    return (row.partner_id, row.kind, row.model, row.threshold)


def terms_of(row: Any, *, partner: Partner, kind: BenefitKind, model: Model, baseline: Baseline) -> OfferTerms:
    """A row of `offers` in the guard's words."""
    return OfferTerms(
        offer=str(row.id),
        partner=str(partner.id),
        place=partner.place,
        kind=kind.code,
        model=model.id,
        subject=model.subject,
        threshold=row.threshold,
        title=row.title,
        standard_service=row.standard_service,
        benefit=row.benefit,
        effects=tuple(Effect(effect) for effect in row.effects),
        payer=row.payer,
        budget=row.budget,
        standard_lanes_unchanged=row.standard_lanes_unchanged,
        baseline=baseline,
        notice=row.notice,
        measure=row.measure,
        group=row.exclusive_group,
        priority=row.priority,
        conditions=tuple(row.conditions),
        basic_public_service=kind.protected_service or row.basic_public_service,
        statutory_right=row.statutory_right,
        opens_on=row.opens_on,
        closes_on=row.closes_on,
        published=row.status == "approved",
    )


def _offer(
    row: Any,
    rulebook: Rulebook,
    partner: Partner,
    history: tuple[Baseline, ...],
    *,
    limited: bool,
    is_granted: bool,
    on: date,
) -> Offer:
    model, kind = rulebook.models.get(row.model, on), rulebook.kinds[row.kind]
    return Offer(
        id=row.id,
        version=row.version,
        status=row.status,
        partner=partner,
        kind=kind,
        model=model,
        subject_kind=model.subject,
        terms=terms_of(row, partner=partner, kind=kind, model=model, baseline=present_baseline(history, on)),
        places=frozenset({partner.place, *row.also_open_to}),
        passing_grades=_passing_grades(model, row.threshold),
        limit_per_person=row.limit_per_person,
        has_quota=limited,
        history=history,
        details=row.details,
        limits=limits_of(row.limits),
        budget_fen=row.budget_fen,
        most_fen=row.most_fen,
        exclusive_group=row.exclusive_group,
        priority=row.priority,
        crowd=_crowd(row.crowd),
        signed=frozenset(review["key"] for review in row.signed_reviews),
        is_granted=is_granted,
        # A district that is listed no longer has its code for a name.
        districts={code: rulebook.places.district_names.get(code, code) for code in row.districts},
    )


def _crowd(stored: Mapping[str, Any] | None) -> Crowd | None:
    """None also where fewer people were found than are counted, see `partners.offers.crowds`."""
    return Crowd(stored["standard"], stored["without_adverse"]) if stored and "standard" in stored else None


def _passing_grades(model: Model, threshold: str) -> frozenset[str]:
    """The grades at or above the threshold; none where this version of the model does not have it."""
    codes = [grade.code for grade in model.grades]
    return frozenset(codes[: codes.index(threshold) + 1] if threshold in codes else ())


def refusals_of(
    offer: Offer, *, others: Sequence[OfferTerms], ladder: Ladder, rulebook: Rulebook, on: date
) -> tuple[Refusal, ...]:
    """What the guard has against an offer on that day, beside its partner's published offers."""
    return check_offer(
        offer.terms,
        ladder=ladder,
        others=[terms for terms in others if terms.offer != offer.terms.offer],
        baselines=offer.history,
        protected=rulebook.protected[offer.partner.place],
        kind=kind_limits(offer.kind),
        on=on,
        measures=rulebook.measures[offer.partner.place],
        crowd=offer.crowd,
        signed=offer.signed,
    )
