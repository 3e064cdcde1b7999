"""How a subject's score came to be what it is. One thing to know: no past score is stored; each is made again by the
same engine from what was known on the day (`score_inputs`), under the version of the model then in force."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from scoring.engine import NotAssessed, Score
from scoring.inputs import Inputs, Result, Snapshot, read_snapshots, result_on
from scoring.model import Model
from scoring.models import Models
from scoring.values import number_text

ONE_DAY = timedelta(days=1)


class Entry(NamedTuple):
    """A stretch of days with one result; `until_on` is exclusive."""

    from_on: date
    until_on: date
    result: Result


class Timeline:
    """What was known of one subject, and the versions of one model, by day."""

    def __init__(self, snapshots: Sequence[Snapshot], models: Models, model_id: str) -> None:
        # Of several snapshots of one day the last one stands for the day.
        self._known = {day_of(snapshot.at): snapshot.inputs for snapshot in snapshots}
        self._models, self._model_id = models, model_id
        self._made: dict[date, Result | None] = {}
        versions = [model for model in models.all if model.id == model_id]
        begun = {model.in_force_from for model in versions}
        ended = {model.in_force_until for model in versions if model.in_force_until is not None}
        self._turns = sorted(self._known.keys() | begun | ended)

    @property
    def begins_on(self) -> date | None:
        """The first day that anything is known of."""
        return min(self._known, default=None)

    def on(self, day: date) -> Result | None:
        """The result of that day; None before anything was known, or with no version of the model in force."""
        if day not in self._made:
            inputs, model = self._inputs(day), version_on(self._models, self._model_id, day)
            made = None if inputs is None or model is None else result_on(model, inputs, on=day)
            self._made[day] = made
        return self._made[day]

    def newest_first(self, *, since: date, until: date, most: int) -> list[Entry]:
        """At most `most` entries of the days before `until`, back to `since`; the oldest may have begun earlier."""
        begins_on = self.begins_on
        if begins_on is None:
            return []
        start, entries = max(since, begins_on), list[Entry]()
        # A result says when it ends, not when it began: so forward within a year, and the years backwards.
        while until > start and len(entries) <= most:
            year_begins = max(start, date((until - ONE_DAY).year, 1, 1))
            for entry in reversed(list(self._forward(year_begins, until))):
                if entries and entry.until_on == entries[-1].from_on and _is_same(entry.result, entries[-1].result):
                    entries[-1] = entries[-1]._replace(from_on=entry.from_on)
                else:
                    entries.append(entry)
            until = year_begins
        return entries[:most]

    def _inputs(self, day: date) -> Inputs | None:
        known = max((noted for noted in self._known if noted <= day), default=None)
        return None if known is None else self._known[known]

    def _forward(self, day: date, end: date) -> Iterator[Entry]:
        while day < end:
            result = self.on(day)
            turns = [end, *(turn for turn in self._turns if turn > day)]
            if result is not None and result.score.valid_until is not None:
                turns.append(result.score.valid_until)
            until = min(turns)
            if result is not None:
                yield Entry(day, until, result)
            day = until


def _is_same(one: Result, other: Result) -> bool:
    """Whether two results differ in nothing that is shown."""
    return _shown(one) == _shown(other)


def _shown(result: Result) -> tuple[object, ...]:
    score = result.score
    if isinstance(score, NotAssessed):
        return score.model.checksum, score.reason, result.better
    return score.model.checksum, score.points, score.grade, score.lines, result.pushed, result.better


def changes_between(before: Result, after: Result) -> list[str]:
    """What changed from one result to a later one, in plain sentences; empty where nothing that is shown did."""
    told = []
    old, new = before.score, after.score
    if old.model.version != new.model.version:
        told.append(f"评分模型由 {old.model.version} 版改为 {new.model.version} 版。")
    if isinstance(old, NotAssessed) or isinstance(new, NotAssessed):
        if isinstance(new, Score):
            told.append("此前资料不全、不能评价,现在可以评价了。")
        elif isinstance(old, Score):
            told.append("资料不全,暂时不能评价。")
        return told
    if after.pushed != before.pushed:
        told.append(_origin_change(after))
    else:
        told += _line_changes(old, new)
    if old.grade and new.grade and old.grade.code != new.grade.code:
        told.append(f"等级由{old.grade.name}变为{new.grade.name}。")
    return told


def _origin_change(after: Result) -> str:
    pushed = after.pushed
    if pushed is None:
        return "推送的结果已到期或撤回,改用本地计算的结果。"
    word = "更正后" if pushed.origin == "corrected" else "推送"
    return f"改用{pushed.issuer}于 {pushed.result_on} {word}的结果。"


def _line_changes(old: Score, new: Score) -> Iterator[str]:
    before, after = ({line.rule: line for line in score.lines} for score in (old, new))
    for rule, line in before.items():
        if rule not in after:
            yield f"「{line.label}」不再计入{_difference(-line.points)}。"
    for rule, line in after.items():
        earlier = before.get(rule)
        if earlier is None:
            yield f"新计入「{line.label}」{_difference(line.points)}。"
        elif line.points != earlier.points:
            change = _difference(line.points - earlier.points)
            yield f"「{line.label}」由 {number_text(earlier.points)} 分变为 {number_text(line.points)} 分{change}。"
        elif line.records != earlier.records:
            yield f"「{line.label}」所依据的记录由 {len(earlier.records)} 条变为 {len(line.records)} 条,分值未变。"


def _difference(points: int) -> str:
    if points == 0:
        return ""
    return f",多了 {number_text(points)} 分" if points > 0 else f",少了 {number_text(-points)} 分"


async def recompute(
    connection: AsyncConnection, *, subject_id: int, model_id: str, models: Models, at: datetime
) -> Result | None:
    """The result as it was at that instant: what was known then, under the version in force on that day.

    None where nothing had been noted yet, or no version was in force.

    Raises:
        UnknownModel: there is no such model.
    """
    earlier = [snapshot for snapshot in await read_snapshots(connection, subject_id) if snapshot.at <= at]
    return Timeline(earlier, models, model_id).on(day_of(at))


def version_on(models: Models, model_id: str, day: date) -> Model | None:
    """The version of the model in force on that day, if there is one."""
    model = models.get(model_id, day)
    return model if model.is_in_force(day) else None
