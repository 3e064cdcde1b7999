"""At most four sentences that say why a score is what it is. One thing to know: pure, and every number in a sentence is
that of a line, or of several that a dimension caps together.

Neutral words: a record is named as it stands in the model, and nobody is judged
(《黑龙江省社会信用条例》第二十六条).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from scoring.engine import NotAssessed, Record, Score, ScoreLine
from scoring.model import (
    ClassificationMethod,
    CompositionMethod,
    CountRule,
    FactRule,
    PointsMethod,
    RecordRule,
    Span,
    VetoRule,
    Window,
)
from scoring.values import number_text

MOST = 4
_YOU = {"person": "您", "enterprise": "贵单位"}


class _Part(NamedTuple):
    """What one rule, or several under one cap, moved the result by."""

    points: int
    sentence: str


def headlines(result: Score | NotAssessed, *, records: Sequence[Record] = ()) -> tuple[str, ...]:
    """The largest contributions up and down, in plain Chinese; with the day on which one ends where `records`, the
    subject's own, tell it simply."""
    model = result.model
    if isinstance(result, NotAssessed):
        return (_not_assessed(result),)
    if any(line.rule == "pushed" for line in result.lines):
        return tuple(_pushed(result))
    known = {record.id: record for record in records if record.id is not None}
    match model.method:
        case PointsMethod():
            told = [*_by_points(result, model.method, known), *_excused(result)]
        case ClassificationMethod():
            told = [*_by_condition(result, known), *_excused(result)]
        case CompositionMethod():
            told = list(_by_part(result, model.method))
        case _:
            told = [f"{line.label}。" for line in reversed(result.lines)]
    return tuple(told[:MOST])


def _not_assessed(result: NotAssessed) -> str:
    model, you = result.model, _YOU[result.model.subject]
    parts = model.method.parts if isinstance(model.method, CompositionMethod) else ()
    missing = next((f",因为还没有「{part.label}」" for part in parts if part.missing == result.reason), "")
    return f"暂时不能作出评价{missing};这不会给{you}带来任何不利。"


def _pushed(result: Score) -> Iterator[str]:
    line = result.lines[0]
    yield f"采用{line.basis}。"
    if result.points is not None:
        yield f"结果为 {number_text(result.points)} 分。"
    if result.valid_until is not None:
        yield f"这一结果到 {result.valid_until} 之前有效。"


def _by_points(result: Score, method: PointsMethod, known: Mapping[str, Record]) -> Iterator[str]:
    parts = [*_parts(result, method, known)]
    ups = sorted((part for part in parts if part.points > 0), key=lambda part: -part.points)
    downs = sorted((part for part in parts if part.points < 0), key=lambda part: part.points)
    # Two of each, so that neither hides the other; what one side leaves free the other may have.
    room = max(2, MOST - len(downs)), max(2, MOST - len(ups))
    chosen = [*ups[: room[0]], *downs[: room[1]]]
    yield from (part.sentence for part in sorted(chosen, key=lambda part: -abs(part.points)))
    if not parts:
        yield f"目前没有计分的记录,总分就是{method.base.label} {number_text(method.base.points)} 分。"
    if any(line.rule == "ceiling" for line in result.lines) and method.ceiling is not None:
        yield f"总分已到上限 {number_text(method.ceiling)} 分。"


def _parts(result: Score, method: PointsMethod, known: Mapping[str, Record]) -> Iterator[_Part]:
    you, lines = _YOU[result.model.subject], {line.rule: line for line in result.lines}
    capped = {dimension.id: dimension for dimension in method.dimensions if dimension.id in lines}
    together = dict.fromkeys(capped, 0)
    for rule in method.rules:
        line = lines.get(rule.id)
        if line is None or line.points == 0:
            continue
        if rule.dimension in together:
            together[rule.dimension] += line.points
        elif isinstance(rule, VetoRule):
            end = _end(line, rule.window, known)
            yield _Part(line.points, f"有 {len(line.records)} 条「{rule.label}」记录,按规定总分计为最低{end}。")
        else:
            yield _Part(line.points, _of_rule(rule, line, you, known))
    for name, dimension in capped.items():
        points = together[name] + lines[name].points
        yield _Part(points, f"按「{dimension.label}」,这一类共{_moved(points, you)}。")


def _of_rule(rule: RecordRule | CountRule | FactRule, line: ScoreLine, you: str, known: Mapping[str, Record]) -> str:
    if isinstance(rule, FactRule) or not line.records:
        return f"「{rule.label}」{_moved(line.points, you)}。"
    end = _end(line, rule.window, known)
    found = f"{_period(rule.window, rule.label)}有 {len(line.records)} 条「{rule.label}」记录"
    return f"{found},{_moved(line.points, you)}{end}。"


def _moved(points: int, you: str) -> str:
    return f"让{you}多了 {number_text(points)} 分" if points > 0 else f"使{you}少了 {number_text(-points)} 分"


def _by_condition(result: Score, known: Mapping[str, Record]) -> Iterator[str]:
    name = result.grade.name if result.grade else ""
    conditions = {condition.id: condition for grade in result.model.grades for condition in grade.when}
    found = [line for line in result.lines if line.rule in conditions]
    for line in found:
        window = conditions[line.rule].window
        end = _end(line, window, known)
        yield f"{_period(window, line.label)}有 {len(line.records)} 条「{line.label}」记录,所以是{name}{end}。"
    if not found:
        yield f"没有影响分类的记录,所以是{name}。"


def _by_part(result: Score, method: CompositionMethod) -> Iterator[str]:
    parts = {part.id for part in method.parts}
    lines = [line for line in result.lines if line.rule in parts]
    for line in sorted(lines, key=lambda line: -line.points):
        yield f"「{line.label}」,计入 {number_text(line.points)} 分。"


def _excused(result: Score) -> Iterable[str]:
    return (
        f"有 {len(line.records)} 条记录不计入,不影响结果:{line.label}。"
        for line in result.lines
        if line.rule.startswith("lenience-")
    )


def _period(window: Window | None, label: str) -> str:
    """The window in words, where the label does not say it itself."""
    if label.startswith(("近", "本", "当")):
        return ""
    if isinstance(window, Span):
        for count, unit in ((window.years, "年"), (window.months, "个月"), (window.days, "天")):
            if count is not None:
                return f"近 {count} {unit}"
    return "今年" if window == "calendar-year" else ""


def _end(line: ScoreLine, window: Window | None, known: Mapping[str, Record]) -> str:
    """The day from which a single record counts no more, where time alone will bring it."""
    record = known.get(line.records[0]) if len(line.records) == 1 else None
    if record is None:
        return ""
    ends = [record.removed_on, _leaves(record.occurred_on, window)]
    day = min((end for end in ends if end is not None), default=None)
    return "" if day is None else f",自 {day} 起不再计入"


def _leaves(occurred_on: date, window: Window | None) -> date | None:
    if window == "calendar-year":
        return date(occurred_on.year + 1, 1, 1) if occurred_on.year < date.max.year else None
    return window.end(occurred_on) if isinstance(window, Span) else None
