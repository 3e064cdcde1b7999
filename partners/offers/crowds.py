"""Who would get the standard service, counted over the people there are (L12). One thing to know: every living adult
of the offer's places is counted, taking part or not, and nobody is named; fewer than ten are not counted at all.

A count is made when an offer is submitted and approved, and again every day. Without a count the guard says nothing
about L12: of a handful of people no share can be told, and it would tell about them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Date, and_, bindparam, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import years_before
from partners.catalogue import Catalogue, Offer, bump_catalogue
from partners.rulebook import Rulebook
from partners.tables import offers
from scoring.subjects import SubjectKind
from scoring.tables import credit_records, enrollments, scores, subjects

SMALLEST, ADULT = 10, 18


class Counted(Protocol):
    """What a count needs to know of an offer; an `OfferDraft` does."""

    @property
    def partner_id(self) -> int: ...
    @property
    def model(self) -> str: ...
    @property
    def threshold(self) -> str: ...
    @property
    def also_open_to(self) -> Iterable[str]: ...


async def count_crowd(connection: AsyncConnection, offer: Counted, catalogue: Catalogue) -> dict[str, Any] | None:
    """The count for one offer, as `offers.crowd` keeps it; None for enterprises' offers."""
    rulebook, on = catalogue.rulebook, catalogue.on
    model = rulebook.models.get(offer.model, on)
    if model.subject != "person":
        return None
    places = {catalogue.partners[offer.partner_id].place, *offer.also_open_to}
    counts = Counts(await _people(connection, rulebook, on), await _graded(connection, rulebook, on, offer.model))
    return counts.of(places, _passing(rulebook, offer, on), rulebook, on)


async def are_due(connection: AsyncConnection, catalogue: Catalogue) -> bool:
    """Whether a published offer has not been counted today."""
    return bool(await _due(connection, catalogue))


async def _due(connection: AsyncConnection, catalogue: Catalogue) -> list[Offer]:
    on = catalogue.on
    wanted = select(offers.c.id, offers.c.crowd).where(offers.c.status == "approved")
    counted = {row.id for row in await connection.execute(wanted) if (row.crowd or {}).get("on") == on.isoformat()}
    return [
        offer
        for offer in catalogue.offers.values()
        if offer.is_published(on) and offer.subject_kind == "person" and offer.id not in counted
    ]


async def recount(connection: AsyncConnection, catalogue: Catalogue) -> int:
    """Count anew for every published offer whose count is of another day; how many were written."""
    rulebook, on = catalogue.rulebook, catalogue.on
    due = await _due(connection, catalogue)
    if not due:
        return 0
    people = await _people(connection, rulebook, on)
    graded = {model: await _graded(connection, rulebook, on, model) for model in {one.model.id for one in due}}
    found = [
        {
            "offer_id": one.id,
            "crowd": Counts(people, graded[one.model.id]).of(one.places, one.passing_grades, rulebook, on),
        }
        for one in due
    ]
    statement = update(offers).where(offers.c.id == bindparam("offer_id")).values(crowd=bindparam("crowd"))
    await connection.execute(statement, found)
    await bump_catalogue(connection)
    return len(found)


class Counts:
    """Living adults by place, and those with a grade by place and grade; each as (all, without adverse record)."""

    def __init__(self, people: dict[str, tuple[int, int]], graded: dict[tuple[str, str], tuple[int, int]]) -> None:
        self._people, self._graded = people, graded

    def of(self, places: Iterable[str], passing: frozenset[str], rulebook: Rulebook, on: date) -> dict[str, Any]:
        """Who would get the standard service of an offer open to these places with these passing grades; of fewer than
        ten the day alone."""
        wanted = set(places)
        here = {place for place in self._people if place in rulebook.places and wanted & set(rulebook.lineage(place))}
        everybody = [self._people[place] for place in here]
        passes = [n for (place, grade), n in self._graded.items() if place in here and grade in passing]
        standard = sum(n for n, _ in everybody) - sum(n for n, _ in passes)
        without = sum(n for _, n in everybody) - sum(n for _, n in passes)
        if standard < SMALLEST:
            return {"on": on.isoformat()}
        return {"on": on.isoformat(), "standard": standard, "without_adverse": without}


def _passing(rulebook: Rulebook, offer: Counted, on: date) -> frozenset[str]:
    codes = [grade.code for grade in rulebook.models.get(offer.model, on).grades]
    return frozenset(codes[: codes.index(offer.threshold) + 1] if offer.threshold in codes else ())


def _living_adult(on: date) -> ColumnElement[bool]:
    return and_(
        subjects.c.kind == SubjectKind.PERSON,
        subjects.c.birth_on <= years_before(on, ADULT),
        or_(subjects.c.ended_on.is_(None), subjects.c.ended_on > on),
    )


def _clean(rulebook: Rulebook, on: date) -> ColumnElement[bool]:
    """Whether a subject has no adverse record in force."""
    adverse = {
        code for place in rulebook.catalogues.values() for code, item in place.items.items() if item.nature == "adverse"
    }
    in_force = and_(
        credit_records.c.subject_id == subjects.c.id,
        credit_records.c.item.in_(sorted(adverse)),
        credit_records.c.occurred_on <= on,
        or_(credit_records.c.removed_on.is_(None), credit_records.c.removed_on > bindparam("day", on, Date)),
    )
    return ~exists().where(in_force)


async def _people(connection: AsyncConnection, rulebook: Rulebook, on: date) -> dict[str, tuple[int, int]]:
    clean = _clean(rulebook, on).label("clean")
    told = select(subjects.c.place, clean).where(_living_adult(on)).subquery()
    counted = select(told.c.place, told.c.clean, func.count().label("people")).group_by(told.c.place, told.c.clean)
    found: dict[str, tuple[int, int]] = {}
    for row in await connection.execute(counted):
        everybody, without = found.get(row.place, (0, 0))
        found[row.place] = (everybody + row.people, without + (row.people if row.clean else 0))
    return found


async def _graded(
    connection: AsyncConnection, rulebook: Rulebook, on: date, model: str
) -> dict[tuple[str, str], tuple[int, int]]:
    """Of those who take part: whoever does not gets the standard service whatever the grade."""
    grade = func.coalesce(scores.c.better_grade, scores.c.grade).label("grade")
    told = (
        select(subjects.c.place, grade, _clean(rulebook, on).label("clean"))
        .select_from(subjects)
        .join(scores, and_(scores.c.subject_id == subjects.c.id, scores.c.model == model))
        .join(enrollments, and_(enrollments.c.subject_id == subjects.c.id, enrollments.c.left_at.is_(None)))
        .where(_living_adult(on))
        .subquery()
    )
    columns = (told.c.place, told.c.grade, told.c.clean)
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for row in await connection.execute(select(*columns, func.count().label("people")).group_by(*columns)):
        key = (row.place, row.grade)
        everybody, without = found.get(key, (0, 0))
        found[key] = (everybody + row.people, without + (row.people if row.clean else 0))
    return found
