"""Evaluate a score model against records and facts. Pure: no clock, no database, no network.

A result holds from its day until `valid_until`: every day on which time alone may change it (a record starts to
count, is removed, leaves its window or grows into the next step) is noted on the way, and the earliest is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple, TypeAlias

from scoring.model import (
    Band,
    CompositionMethod,
    CountRule,
    FactRule,
    Fade,
    ForceMajeure,
    Grade,
    Lenience,
    MinorLenience,
    Model,
    PointsMethod,
    RecordRule,
    Rule,
    StandingMethod,
    VetoRule,
    Window,
)
from scoring.values import half_up


class Record(NamedTuple):
    """One thing on record. Counts from `occurred_on` until `removed_on`, that day excluded.

    `points` in hundredths, for items whose records carry their own. `id` is named in the lines it contributed to.
    `minor`, `corrected_on` (the day it was put right) and `force_majeure` matter to models that are lenient.
    """

    item: str
    occurred_on: date
    removed_on: date | None = None
    serious_consequence: bool = False
    points: int | None = None
    id: str | None = None
    minor: bool = False
    corrected_on: date | None = None
    force_majeure: bool = False


class ScoreLine(NamedTuple):
    """What one rule contributed, in hundredths; all lines together are the result exactly."""

    rule: str
    points: int
    label: str
    basis: str
    records: tuple[str, ...] = ()


class Score(NamedTuple):
    """A result. `points` in hundredths, None where the model gives a grade alone (its lines are then 0).

    `valid_until` is the first day on which time alone may have changed the result; None when it never will.
    """

    model: Model
    points: int | None
    grade: Grade | None
    lines: tuple[ScoreLine, ...]
    valid_until: date | None


class NotAssessed(NamedTuple):
    """The model cannot speak about this subject; `reason` is a public code. Never the same as a low result."""

    model: Model
    reason: str
    valid_until: date | None


_Live: TypeAlias = dict[str, list[Record]]


def evaluate(model: Model, *, records: Sequence[Record], facts: Mapping[str, object], on: date) -> Score | NotAssessed:
    """The result of `model` on that day.

    Records of items and facts that the model does not know are none of its business. `facts` as
    `Model.read_facts` gives them: numbers in hundredths, weighted scores as (score, weight) pairs.
    """
    changes: list[date] = []
    if isinstance(model.method, CompositionMethod):
        return _composition(model, model.method, records=records, facts=facts, on=on)
    if isinstance(model.method, StandingMethod):
        return _standing(model, model.method, records=records, facts=facts, on=on)
    live = _live(model, records, on, changes)
    excused = _excuse(model, model.lenience, live, on, changes) if model.lenience is not None else []
    if isinstance(model.method, PointsMethod):
        result = _points(model.method, model, live=live, facts=facts, on=on, changes=changes)
    else:
        result = _classification(model, live, on, changes)
    return result._replace(lines=(*result.lines, *excused)) if excused else result


def no_record_grade(model: Model, on: date) -> Grade | None:
    """The grade of somebody about whom nothing at all is known; None where the model then cannot speak."""
    result = evaluate(model, records=(), facts={}, on=on)
    return result.grade if isinstance(result, Score) else None


def _live(model: Model, records: Sequence[Record], on: date, changes: list[date]) -> _Live:
    """The records that count on the day before any window, by item."""
    live: _Live = {}
    for record in records:
        removed_on = record.removed_on
        if record.item not in model.items or (removed_on is not None and removed_on <= on):
            continue
        if record.occurred_on > on:
            changes.append(record.occurred_on)
            continue
        if removed_on is not None:
            changes.append(removed_on)
        live.setdefault(record.item, []).append(record)
    return live


def _excuse(model: Model, lenience: Lenience, live: _Live, on: date, changes: list[date]) -> list[ScoreLine]:
    """Take out of `live` what has no consequence; a line of no points for each reason."""
    lines = []
    if (rule := lenience.force_majeure) is not None:
        found = [record for item in model.adverse_items & live.keys() for record in live[item] if record.force_majeure]
        lines += _taken_out(live, found, "lenience-force-majeure", rule)
    if (minor := lenience.minor) is not None:
        found = _within(live, sorted(model.adverse_items), minor.window, on, changes)
        if len(found) == 1 and found[0].minor and not found[0].serious_consequence:
            put_right = found[0].corrected_on
            if put_right is not None and put_right <= on:
                lines += _taken_out(live, found, "lenience-minor", minor)
            elif put_right is not None:
                changes.append(put_right)
    return lines


def _taken_out(live: _Live, found: list[Record], name: str, rule: ForceMajeure | MinorLenience) -> list[ScoreLine]:
    if not found:
        return []
    for record in found:
        live[record.item] = [other for other in live[record.item] if other is not record]
    return [ScoreLine(name, 0, rule.label, rule.basis, _ids(found))]


def _within(live: _Live, items: Sequence[str], window: Window | None, on: date, changes: list[date]) -> list[Record]:
    """The live records of `items` inside the window."""
    found = [record for item in items if item in live for record in live[item]]
    if window is None or not found:
        return found
    if window == "calendar-year":
        found = [record for record in found if record.occurred_on.year == on.year]
        if found and on.year < date.max.year:
            changes.append(date(on.year + 1, 1, 1))
        return found
    inside = []
    for record in found:
        end = window.end(record.occurred_on)
        if end is None or on < end:
            inside.append(record)
            if end is not None:
                changes.append(end)
    return inside


def _points(
    method: PointsMethod, model: Model, *, live: _Live, facts: Mapping[str, object], on: date, changes: list[date]
) -> Score:
    lines = [ScoreLine("base", method.base.points, method.base.label, method.base.basis)]
    by_dimension: dict[str | None, int] = {}
    vetoes: list[ScoreLine] = []
    for rule in method.rules:
        found = [] if isinstance(rule, FactRule) else _within(live, rule.items, rule.window, on, changes)
        points = _signed(rule, found, facts, on, changes)
        if not found and not points:
            continue
        line = ScoreLine(rule.id, points, rule.label, rule.basis, _ids(found))
        if isinstance(rule, VetoRule):
            vetoes.append(line)
            continue
        lines.append(line)
        by_dimension[rule.dimension] = by_dimension.get(rule.dimension, 0) + points
    for dimension in method.dimensions:
        reached = by_dimension.get(dimension.id, 0)
        excess = abs(reached) - dimension.at_most
        if excess > 0:
            back = -excess if reached > 0 else excess
            lines.append(ScoreLine(dimension.id, back, dimension.label, dimension.basis))
    total = sum(line.points for line in lines)
    if method.ceiling is not None and total > method.ceiling:
        lines.append(ScoreLine("ceiling", method.ceiling - total, "总分上限", model.basis))
        total = method.ceiling
    if total < method.floor:
        lines.append(ScoreLine("floor", method.floor - total, "总分下限", model.basis))
        total = method.floor
    for line in vetoes:
        lines.append(line._replace(points=method.floor - total))
        total = method.floor
    return Score(model, total, _grade_from(model, total), tuple(lines), min(changes, default=None))


def _signed(rule: Rule, found: list[Record], facts: Mapping[str, object], on: date, changes: list[date]) -> int:
    """What the rule adds (positive) or subtracts (negative)."""
    if isinstance(rule, RecordRule):
        total = _weight(rule, found, on, changes)
        if rule.at_most is not None and total > rule.at_most:
            total = rule.at_most
        return total if rule.op == "add" else -total
    if isinstance(rule, CountRule):
        total = _band(rule.bands, 100 * len(found))
        return total if rule.op == "add-by-count" else -total
    if isinstance(rule, FactRule):
        value = facts.get(rule.fact)
        return _band(rule.bands, value) if isinstance(value, int) else 0
    return 0


def _weight(rule: RecordRule, found: list[Record], on: date, changes: list[date]) -> int:
    """What the records are worth together, each period of the calendar for so much at most."""
    if rule.each != "own" and not rule.decay and rule.fade is None:
        worth = [rule.each] * len(found)
    elif rule.each == "own":
        worth = [record.points or 0 for record in found]
    elif rule.fade is not None:
        worth = [_faded(rule.each, rule.fade, record, on, changes) for record in found]
    else:
        worth = [_decayed(rule, record, on, changes) for record in found]
    if rule.each_period is None:
        return sum(worth)
    periods: dict[tuple[int, int], int] = {}
    for record, points in zip(found, worth, strict=True):
        day = record.occurred_on
        period = (day.year, day.month if rule.each_period.period == "calendar-month" else 0)
        periods[period] = periods.get(period, 0) + points
    return sum(min(points, rule.each_period.at_most) for points in periods.values())


def _faded(each: int, fade: Fade, record: Record, on: date, changes: list[date]) -> int:
    """The points of one record at its age, evenly less from day to day; rounded half up to the hundredth."""
    age = (on - record.occurred_on).days
    if age >= fade.to_days:
        return fade.to
    steps = max(1, fade.from_days + 1 - age)
    if on.toordinal() + steps <= date.max.toordinal():
        changes.append(on + timedelta(days=steps))
    if age <= fade.from_days:
        return each
    return fade.to + half_up((each - fade.to) * (fade.to_days - age), fade.to_days - fade.from_days)


def _decayed(rule: RecordRule, record: Record, on: date, changes: list[date]) -> int:
    """The points of one record at its age; the steps are in order of age."""
    each = 0 if rule.each == "own" else rule.each
    for step in rule.decay:
        begins = step.after.end(record.occurred_on)
        if begins is None or on < begins:
            if begins is not None:
                changes.append(begins)
            break
        each = step.each
    return each


def _band(bands: Sequence[Band], value: int) -> int:
    """The points of the highest band reached; the bands rise."""
    points = 0
    for band in bands:
        if value < band.at_least:
            break
        points = band.points
    return points


def _grade_from(model: Model, total: int) -> Grade:
    for grade in model.grades[:-1]:
        if grade.at_least is not None and total >= grade.at_least:
            return grade
    return model.grades[-1]


def _classification(model: Model, live: _Live, on: date, changes: list[date]) -> Score:
    # Worst first. What is left unlooked at below the deciding grade can only matter once its conditions cease,
    # and the days on which they may cease have been noted.
    for grade in reversed(model.grades):
        lines = []
        for condition in grade.when:
            found = _within(live, model.groups[condition.group], condition.window, on, changes)
            if condition.serious_consequence:
                found = [record for record in found if record.serious_consequence]
            if len(found) >= condition.at_least:
                lines.append(ScoreLine(condition.id, 0, condition.label, condition.basis, _ids(found)))
        if lines:
            return Score(model, None, grade, tuple(lines), min(changes, default=None))
    return Score(model, None, model.grades[0], (), min(changes, default=None))


def _composition(
    model: Model, method: CompositionMethod, *, records: Sequence[Record], facts: Mapping[str, object], on: date
) -> Score | NotAssessed:
    """Facts do not age: the result stands until a fact changes, or one of the models it is built on does."""
    values: list[tuple[int, int]] = []
    counted: list[tuple[str, ...]] = []
    changes: list[date] = []
    missing: str | None = None
    for part in method.parts:
        value: object = facts.get(part.fact) if part.fact is not None else None
        ids: tuple[str, ...] = ()
        if part.model is not None:
            inner = evaluate(model.components[part.id], records=records, facts=facts, on=on)
            value, ids = (inner.points, _ids_of(inner.lines)) if isinstance(inner, Score) else (None, ())
            changes += [] if inner.valid_until is None else [inner.valid_until]
        fraction = _as_fraction(value)
        if fraction is None:
            missing = missing or part.missing
            continue
        values.append(fraction)
        counted.append(ids)
    if missing is not None:
        return NotAssessed(model, missing, min(changes, default=None))
    lines, numerator, denominator = [], 0, 1
    for part, value_of, ids in zip(method.parts, values, counted, strict=True):
        above, below = value_of[0] * part.percent, value_of[1] * 100
        lines.append(ScoreLine(part.id, half_up(above, below), part.label, part.basis, ids))
        numerator, denominator = numerator * below + above * denominator, denominator * below
    total = half_up(numerator, denominator)
    left = total - sum(line.points for line in lines)
    if left:
        lines.append(ScoreLine("rounding", left, "四舍五入", model.basis))
    return Score(model, total, _grade_from(model, total), tuple(lines), min(changes, default=None))


def _standing(
    model: Model, method: StandingMethod, *, records: Sequence[Record], facts: Mapping[str, object], on: date
) -> Score | NotAssessed:
    base = model.components["of"]
    standing = [record for record in records if record.removed_on is None or record.removed_on > on]
    # What is put right one day stops counting in every year.
    changes = [
        record.removed_on for record in standing if record.removed_on is not None and record.item in base.all_items
    ]
    if on.year < date.max.year:
        changes.append(date(on.year + 1, 1, 1))
    valid_until = min(changes, default=None)
    lines, worst = [], 0
    for year in range(max(on.year - method.years, date.min.year), on.year):
        result = evaluate(base, records=standing, facts=facts, on=date(year, 12, 31))
        if isinstance(result, NotAssessed) or result.grade is None:
            return NotAssessed(model, getattr(result, "reason", "NOT_ASSESSED"), valid_until)
        worst = max(worst, base.rank(result.grade.code))
        label = f"{year} 年度:{result.grade.name}"
        lines.append(ScoreLine(f"year-{year}", 0, label, method.basis, _ids_of(result.lines)))
    grade = next(
        (
            grade
            for grade in model.grades[:-1]
            if grade.every_year_at_least is not None and worst <= base.rank(grade.every_year_at_least)
        ),
        model.grades[-1],
    )
    return Score(model, None, grade, tuple(lines), valid_until)


def _as_fraction(value: object) -> tuple[int, int] | None:
    """A number, or the mean of scores by weight, as numerator and denominator; None where there is nothing."""
    if isinstance(value, int):
        return value, 1
    if not isinstance(value, Sequence) or not value:
        return None
    return sum(score * weight for score, weight in value), sum(weight for _, weight in value)


def _ids(records: Sequence[Record]) -> tuple[str, ...]:
    return tuple([record.id for record in records if record.id is not None])


def _ids_of(lines: Sequence[ScoreLine]) -> tuple[str, ...]:
    """The records of all lines, each once, in order."""
    return tuple(dict.fromkeys(record for line in lines for record in line.records))
