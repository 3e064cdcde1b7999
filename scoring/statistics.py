"""Grades of many enterprises together, by region and by industry, month by month. One thing to know: a month is taken
once, and only what may be published is ever stored (see `scoring.disclosure`).

《河北省人民政府办公厅关于推进企业信用分级分类监管工作的实施意见》五(三);《关于进一步加快推进社会信用体系建设的实施方案》
大委办发〔2019〕8号 二(四)13 for the early warning, which looks at published figures alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, NamedTuple

from pydantic import Field
from sqlalchemy import insert, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of
from core.datafile import Document, RuleFile
from core.places import Places, Source
from scoring.disclosure import SMALLEST, Dimension, publishable, table
from scoring.model import Code, Model
from scoring.models import Models
from scoring.parks import ParkIndexRules, load_park_indices, park_index
from scoring.subjects import is_going_on
from scoring.tables import grade_statistics, park_indices, scores, statistics_takes, subjects

Count = Annotated[int, Field(strict=True, ge=1)]
Cells = Mapping[tuple[str | None, str], int]
"""Published counts by (value, grade); the value None gathers those not told."""


class WarningRule(Document):
    """Warns where the share of the lowest grades has risen by `up_by` percentage points or more in `months`, among
    `at_least` enterprises or more."""

    id: Code
    label: str
    in_force_from: date
    lowest_grades: Count
    months: Count
    up_by: Count
    at_least: Count
    source: Source


class _WarningFile(Document):
    rules: Annotated[tuple[WarningRule, ...], Field(min_length=1)]


class EarlyWarning(NamedTuple):
    """A rule that holds for one region or industry (None: all together); shares in percent, rounded down."""

    rule: WarningRule
    value: str | None
    before: int
    now: int


@dataclass(frozen=True, slots=True)
class StatisticsRules:
    """The early-warning rules and the park indices, by place."""

    warnings: Mapping[str, tuple[WarningRule, ...]]
    parks: Mapping[str, ParkIndexRules]


@dataclass(frozen=True, slots=True)
class Take:
    """What `take_statistics` wrote for one model of one place."""

    place: str
    model: str
    cells: int
    parks: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """One month's published counts of one model in one place by one dimension, and an earlier month's beside them."""

    month: date
    cells: Cells
    earlier_month: date | None
    earlier_cells: Cells
    warnings: Sequence[EarlyWarning]


def load_statistics(places: Places, models: Models) -> StatisticsRules:
    """Read `early-warning.yaml` (the nearest of a place's lineage) and `park-index.yaml`.

    Raises:
        DataFileError: a file is broken, with its line.
    """
    own = {
        place.code: RuleFile(path, root=places.root).parse(_WarningFile).rules
        for place in places.values()
        if (path := place.folder / "early-warning.yaml").exists()
    }
    warnings = {code: next((own[one] for one in place.lineage if one in own), ()) for code, place in places.items()}
    return StatisticsRules(warnings, load_park_indices(places, models))


def month_of(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)


def months_before(month: date, months: int) -> date:
    """The first day of the month so many months earlier; not before the calendar begins."""
    year, index = divmod(month.year * 12 + month.month - 1 - months, 12)
    return date(year, index + 1, 1) if year >= 1 else date.min


async def take_statistics(
    connection: AsyncConnection,
    *,
    actor: str,
    places: Sequence[str],
    models: Models,
    rules: StatisticsRules,
    now: datetime,
) -> list[Take]:
    """Write this month's figures for each enterprise model of each place, from the scores that hold today.

    What was taken this month already is left as it is and not among the answer.
    """
    on = day_of(now)
    month, takes = month_of(on), []
    for place in places:
        for model in models.in_force(place, on):
            key = {"month": month, "place": place, "model": model.id}
            if model.subject != "enterprise" or not await _begin(connection, key, now):
                continue
            held = await _held_grades(connection, place=place, model=model, on=on)
            regions, industries = ({row[column] for row in held} for column in (0, 1))
            # The coarser dimension first, as more of it can be shown. How many values there are tells of no grade.
            first: Dimension = "industry" if len(industries) < len(regions) else "region"
            blocks = publishable(Counter((row[0], row[1], row[3]) for row in held), first=first)
            cells = [
                {**key, "dimension": by, "value": value or "", "grade": grade, "count": count}
                for by in _DIMENSIONS
                for (value, grade), count in table(blocks, by).items()
            ]
            parks = _park_rows(rules.parks.get(place), model, held, month=month, place=place)
            for target, rows in ((grade_statistics, cells), (park_indices, parks)):
                if rows:
                    await connection.execute(insert(target), rows)
            takes.append(Take(place, model.id, len(cells), len(parks)))
    if takes:
        content = {"month": month.isoformat(), "models": [f"{take.place}/{take.model}" for take in takes]}
        await audit.record(connection, at=now, actor=actor, action="takeStatistics", content=content)
    return takes


_DIMENSIONS: tuple[Dimension, ...] = ("region", "industry")


async def _begin(connection: AsyncConnection, key: Mapping[str, object], now: datetime) -> bool:
    """Whether this is the month's one take; of two at once the second waits for the first and is none."""
    made: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = made(statistics_takes).values(**key, taken_at=now).on_conflict_do_nothing()
    return await connection.scalar(statement.returning(statistics_takes.c.month)) is not None


async def _held_grades(
    connection: AsyncConnection, *, place: str, model: Model, on: date
) -> list[tuple[str | None, str | None, str | None, str]]:
    """District, industry, park and grade of every enterprise of the place whose stored score holds on the day."""
    found = await connection.execute(
        select(subjects.c.district, subjects.c.industry, subjects.c.park, scores.c.grade)
        .join(scores, scores.c.subject_id == subjects.c.id)
        .where(
            subjects.c.place == place,
            subjects.c.kind == "enterprise",
            scores.c.model == model.id,
            scores.c.model_checksum == model.checksum,
            scores.c.grade.is_not(None),
            scores.c.evaluated_on <= on,
            is_going_on(on),
            or_(scores.c.valid_until.is_(None), scores.c.valid_until > on),
        )
    )
    known = {grade.code for grade in model.grades}
    return [(row[0], row[1], row[2], row[3]) for row in found if row[3] in known]


def _park_rows(
    rules: ParkIndexRules | None,
    model: Model,
    held: Sequence[tuple[str | None, str | None, str | None, str]],
    *,
    month: date,
    place: str,
) -> list[dict[str, object]]:
    if rules is None or rules.model != model.id:
        return []
    by_park: dict[str | None, Counter[str]] = defaultdict(Counter)
    for _, _, park, grade in held:
        by_park[park][grade] += 1
    rows = []
    for one in rules.parks:
        points, number = park_index(rules, by_park[one.code]), by_park[one.code].total()
        if points is not None:
            counted = number - number % SMALLEST
            rows.append({"month": month, "place": place, "park": one.code, "points": points, "enterprises": counted})
    return rows


async def read_statistics(
    connection: AsyncConnection,
    *,
    place: str,
    model: Model,
    by: Dimension,
    rules: StatisticsRules,
    month: date | None = None,
    compared_with: date | None = None,
) -> Statistics | None:
    """The published figures of a month (None: the newest taken), beside those of an earlier one (None: the month
    before). None where that month was not taken."""
    taken = statistics_takes.c
    mine = (taken.place == place) & (taken.model == model.id)
    months = [row.month for row in await connection.execute(select(taken.month).where(mine).order_by(taken.month))]
    if not months or (month is not None and month_of(month) not in months):
        return None
    chosen = months[-1] if month is None else month_of(month)
    earlier = months_before(chosen, 1) if compared_with is None else month_of(compared_with)

    async def cells(of: date) -> dict[tuple[str | None, str], int]:
        held = grade_statistics.c
        wanted = (held.month == of) & (held.place == place) & (held.model == model.id) & (held.dimension == by)
        rows = await connection.execute(select(held.value, held.grade, held.count).where(wanted))
        return {(row[0] or None, row[1]): row[2] for row in rows}

    now, warnings = await cells(chosen), []
    for rule in rules.warnings.get(place, ()):
        before = months_before(chosen, rule.months)
        if rule.in_force_from <= chosen and before in months:
            warnings += early_warnings(rule, model, before=await cells(before), now=now)
    return Statistics(
        month=chosen,
        cells=now,
        earlier_month=earlier if earlier in months else None,
        earlier_cells=await cells(earlier),
        warnings=warnings,
    )


def early_warnings(rule: WarningRule, model: Model, *, before: Cells, now: Cells) -> list[EarlyWarning]:
    """Where the rule holds, by value; the whole place (None) first."""
    lowest = {grade.code for grade in model.grades[-rule.lowest_grades :]}
    then, today = _shares(before, lowest), _shares(now, lowest)
    return [
        EarlyWarning(rule, value, 100 * then[value][0] // then[value][1], 100 * low // number)
        for value, (low, number) in sorted(today.items(), key=lambda one: one[0] or "")
        if value in then
        and min(number, then[value][1]) >= rule.at_least
        # In whole numbers: low / number − low' / number' ≥ up_by / 100.
        and 100 * (low * then[value][1] - then[value][0] * number) >= rule.up_by * number * then[value][1]
    ]


def _shares(cells: Cells, lowest: set[str]) -> dict[str | None, tuple[int, int]]:
    """How many are of the lowest grades, and how many in all, by value and (None) together."""
    low: Counter[str | None] = Counter()
    number: Counter[str | None] = Counter()
    for (value, grade), count in cells.items():
        for group in {value, None}:
            number[group] += count
            low[group] += count if grade in lowest else 0
    return {value: (low[value], number[value]) for value in number}


class ParkIndex(NamedTuple):
    """A park's index of one month; `enterprises` is rounded down to ten."""

    month: date
    park: str
    points: int
    enterprises: int


async def read_park_indices(connection: AsyncConnection, *, place: str) -> list[ParkIndex]:
    """The newest 100 indices that the place has published, the newest month first."""
    held = park_indices.c
    statement = select(held.month, held.park, held.points, held.enterprises).where(held.place == place)
    found = await connection.execute(statement.order_by(held.month.desc(), held.park).limit(100))
    return [ParkIndex(*row) for row in found]
