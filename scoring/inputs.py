"""What is known of a subject, and what a model says of it. One thing to know: a result that a competent body pushed and
that is in force on the day is the answer; without one, the engine's is.

Whenever what is known has changed, it is appended to `score_inputs` as a whole. Nothing else about the past is stored:
any earlier score is made again from what was known then (《黑龙江省社会信用条例》第三十五条).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Row, Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.identifiers import new_id
from core.integrity import RowChanged, is_intact
from scoring.engine import NotAssessed, Record, Score, ScoreLine, evaluate
from scoring.model import Grade, Model
from scoring.recognition import ForeignGrade, recognised_grade
from scoring.tables import credit_records, facts, pushed_results, score_inputs

Origin = Literal["computed", "pushed", "corrected"]


class PushedResult(NamedTuple):
    """A result made elsewhere, or corrected here. It holds from `result_on` on, and before `valid_until`."""

    id: str
    model: str
    origin: Origin
    points: int | None
    """Hundredths; None where the result is a grade alone."""
    grade: str
    result_on: date
    valid_until: date | None
    issuer: str
    """As it is shown to people."""
    reference: str | None
    received_at: datetime


class Inputs(NamedTuple):
    """All that a score is made from. `facts` by name, as stored in JSON."""

    records: tuple[Record, ...] = ()
    facts: Mapping[str, object] = {}
    pushed: tuple[PushedResult, ...] = ()


class BetterGrade(NamedTuple):
    """A grade that counts for benefits because it is better than the score's own."""

    grade: Grade
    why: str
    """For the subject, in a plain sentence."""


class Result(NamedTuple):
    """What holds on a day: the score, and the pushed result that it is, if it is one."""

    score: Score | NotAssessed
    pushed: PushedResult | None = None
    better: BetterGrade | None = None

    @property
    def origin(self) -> Origin:
        """Where it comes from."""
        return "computed" if self.pushed is None else self.pushed.origin


class Snapshot(NamedTuple):
    """What was known from `at` on."""

    at: datetime
    inputs: Inputs


def result_on(model: Model, inputs: Inputs, *, on: date) -> Result:
    """What holds about the subject on that day: the newest pushed result in force, else the computed one.

    A pushed grade that this version of the model does not know is passed over.

    Raises:
        ValueError, LookupError, TypeError, ArithmeticError: the data cannot be evaluated.
    """
    known = [(pushed, grade) for pushed in inputs.pushed if (grade := _grade(model, pushed)) is not None]
    later = [pushed.result_on for pushed, _ in known if pushed.result_on > on]
    held = [one for one in known if one[0].result_on <= on and (one[0].valid_until is None or on < one[0].valid_until)]
    pushed = None
    score: Score | NotAssessed
    if held:
        pushed, grade = max(held, key=lambda one: (one[0].result_on, one[0].received_at, one[0].id))
        line = ScoreLine("pushed", pushed.points or 0, _LABELS[pushed.origin], _basis(pushed))
        score = Score(model, pushed.points, grade, (line,), pushed.valid_until)
    else:
        score = evaluate(model, records=inputs.records, facts=model.read_facts(inputs.facts), on=on)
    ends = [*later, *([] if score.valid_until is None else [score.valid_until])]
    better = _better_grade(model, inputs, score, on, ends)
    return Result(score._replace(valid_until=min(ends, default=None)), pushed, better)


def _better_grade(
    model: Model, inputs: Inputs, score: Score | NotAssessed, on: date, ends: list[date]
) -> BetterGrade | None:
    """The best grade that another rule gives, where it is better than the score's own; `ends` gets the days on which
    that may change."""
    found = [*_before_the_change(model, inputs, on, ends), *_recognised(model, inputs, on, ends)]
    best = min(found, key=lambda one: model.rank(one.grade.code), default=None)
    own = score.grade if isinstance(score, Score) else None
    return None if best is None or (own is not None and model.at_least(own.code, best.grade.code)) else best


def _before_the_change(model: Model, inputs: Inputs, on: date, ends: list[date]) -> Iterator[BetterGrade]:
    """What the version before would still give: nobody loses a benefit at once because the rules changed."""
    earlier = model.version_before(on)
    if earlier is None:
        return
    version, until = earlier
    then = result_on(version, inputs, on=on)
    ends += [day for day in (until, then.score.valid_until) if day is not None]
    grade = then.better.grade if then.better else getattr(then.score, "grade", None)
    same = next((one for one in model.grades if grade is not None and one.code == grade.code), None)
    if same is not None:
        kept = f"保留到 {until} 前" if until else "继续保留"
        yield BetterGrade(same, f"评分模型改版前({version.version} 版)的等级较好,享受优惠时{kept}。")


def _recognised(model: Model, inputs: Inputs, on: date, ends: list[date]) -> Iterator[BetterGrade]:
    """What results of other places are recognised as."""
    if not model.recognitions:
        return
    wanted = {table.of for table in model.recognitions}
    results = [
        ForeignGrade(pushed.model, pushed.grade, pushed.result_on, pushed.valid_until)
        for pushed in inputs.pushed
        if pushed.model in wanted
    ]
    if not results:
        return
    days = [day for result in results for day in (result.from_on, result.until_on)]
    days += [day for table in model.recognitions for day in (table.in_force_from, table.in_force_until)]
    ends += [day for day in days if day is not None and day > on]
    found = recognised_grade(model, recognitions=model.recognitions, results=results, on=on)
    if found is not None:
        grade = next(one for one in model.grades if one.code == found.grade)
        source = found.recognition.source
        yield BetterGrade(grade, f"外地评价结果({found.result.grade})得到承认,依据{source.title or source.reason}。")


_LABELS = {"pushed": "推送的评价结果", "corrected": "更正后的评价结果"}


def _grade(model: Model, pushed: PushedResult) -> Grade | None:
    if pushed.model != model.id:
        return None
    return next((grade for grade in model.grades if grade.code == pushed.grade), None)


def _basis(pushed: PushedResult) -> str:
    reference = f"({pushed.reference})" if pushed.reference else ""
    return f"{pushed.issuer} {pushed.result_on} 的结果{reference}"


async def read_inputs(connection: AsyncConnection, subject_ids: Sequence[int]) -> dict[int, Inputs]:
    """What is known of these subjects now; an entry for each.

    What is suspended from use is left out.

    Raises:
        ValueError: the facts of one of them are no JSON.
        RowChanged: a row of one of them is not as it was written.
    """
    found: dict[int, tuple[list[Record], dict[str, object], list[PushedResult]]]
    found = {subject_id: ([], {}, []) for subject_id in subject_ids}
    mine = credit_records.c.subject_id.in_(subject_ids)
    for row in await connection.execute(select(credit_records).where(mine).order_by(credit_records.c.id)):
        _check(connection, credit_records, row)
        if row.suspended_at is not None:
            continue
        found[row.subject_id][0].append(
            Record(
                row.item,
                row.occurred_on,
                row.removed_on,
                row.serious_consequence,
                row.points,
                row.id,
                row.minor,
                row.corrected_on,
                row.force_majeure,
            )
        )
    for row in await connection.execute(
        select(facts).where(facts.c.subject_id.in_(subject_ids)).order_by(facts.c.name)
    ):
        _check(connection, facts, row)
        found[row.subject_id][1][row.name] = row.value
    standing = pushed_results.c.subject_id.in_(subject_ids) & pushed_results.c.withdrawn_at.is_(None)
    for row in await connection.execute(select(pushed_results).where(standing).order_by(pushed_results.c.id)):
        _check(connection, pushed_results, row)
        found[row.subject_id][2].append(
            PushedResult(
                str(row.id),
                row.model,
                row.origin,
                row.points,
                row.grade,
                row.result_on,
                row.valid_until,
                row.issuer_name,
                row.reference,
                row.received_at,
            )
        )
    return {key: Inputs(tuple(records), known, tuple(pushed)) for key, (records, known, pushed) in found.items()}


def _check(connection: AsyncConnection, table: Table, row: Row[Any]) -> None:
    if not is_intact(connection, table, row._asdict(), row.mac):
        raise RowChanged(table.name)


async def note_inputs(connection: AsyncConnection, known: Mapping[int, Inputs], *, now: datetime) -> None:
    """Append what is known of each subject where it differs from what was noted last. The caller holds their locks."""
    newest_first = func.row_number().over(
        partition_by=score_inputs.c.subject_id, order_by=(score_inputs.c.at.desc(), score_inputs.c.id.desc())
    )
    ranked = select(score_inputs, newest_first.label("rank")).where(score_inputs.c.subject_id.in_(list(known)))
    last = ranked.subquery()
    noted = {
        row.subject_id: (row.records, row.facts, row.pushed)
        for row in await connection.execute(select(last).where(last.c.rank == 1))
    }
    rows = [inputs_row(key, inputs, now=now) for key, inputs in known.items()]
    changed = [row for row in rows if noted.get(row["subject_id"]) != (row["records"], row["facts"], row["pushed"])]
    if changed:
        await connection.execute(insert(score_inputs), changed)


async def read_snapshots(connection: AsyncConnection, subject_id: int) -> list[Snapshot]:
    """All that was ever noted of the subject, oldest first."""
    mine = select(score_inputs).where(score_inputs.c.subject_id == subject_id)
    found = await connection.execute(mine.order_by(score_inputs.c.at, score_inputs.c.id))
    return [Snapshot(row.at, _inputs(row)) for row in found]


def inputs_row(subject_id: int, inputs: Inputs, *, now: datetime) -> dict[str, Any]:
    """A row for `score_inputs`; what is absent, false or none is left out of it."""
    return {
        "subject_id": subject_id,
        "id": new_id(),
        "at": now,
        "records": [_plain(record) for record in inputs.records],
        "facts": dict(inputs.facts),
        "pushed": [_plain(pushed) for pushed in inputs.pushed],
    }


def _plain(entry: Record | PushedResult) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in entry._asdict().items()
        if value is not None and value is not False
    }


def _inputs(row: Any) -> Inputs:
    pushed: Iterable[dict[str, Any]] = (
        dict.fromkeys(PushedResult._fields)
        | _dated(entry)
        | {"received_at": datetime.fromisoformat(entry["received_at"])}
        for entry in row.pushed
    )
    return Inputs(
        tuple(Record(**_dated(entry)) for entry in row.records),
        row.facts,
        tuple(PushedResult(**entry) for entry in pushed),
    )


def _dated(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: date.fromisoformat(value) if name.endswith("_on") or name == "valid_until" else value
        for name, value in entry.items()
    }
