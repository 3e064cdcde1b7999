"""The scores of one subject, kept and made again when due. One thing to know: a stored score is used only on days for
which it is still true; past `valid_until` it is made afresh from what is known, without any job having run.

A result pushed by a competent body takes precedence while it is in force (`scoring.inputs`), and is then the stored
score itself, so whoever reads a score reads the right one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from core.database import announce
from core.integrity import RowChanged, is_intact, sealed
from core.news import BENEFITS, of_subject
from scoring.engine import NotAssessed, Record, Score, ScoreLine
from scoring.inputs import Inputs, Origin, PushedResult, note_inputs, read_inputs, result_on
from scoring.model import Model
from scoring.subjects import SubjectDataFault, is_going_on
from scoring.tables import enrollments, scores, subjects


@dataclass(frozen=True, slots=True)
class SubjectScore:
    """A score as it is stored and shown."""

    model: str
    points: int | None
    """Hundredths of a point; None where the model has none or could not speak."""
    grade: str | None
    reason: str | None
    """Why the model could not speak."""
    lines: Sequence[Mapping[str, Any]]
    evaluated_at: datetime
    valid_until: date | None
    """First day on which time alone may have changed it."""
    origin: Origin
    issuer: str | None
    """Who made it, where it was not computed here."""
    result_on: date | None
    """The day of a result that was not computed here."""
    better_grade: str | None
    """What counts for benefits where it is better than the grade: kept from the version before, or recognised."""
    better_why: str | None

    @property
    def counting_grade(self) -> str | None:
        """The grade that counts for benefits."""
        return self.better_grade or self.grade


SCORE_STATE = (
    scores.c.model,
    scores.c.model_checksum,
    scores.c.points,
    scores.c.grade,
    scores.c.reason,
    scores.c.better_grade,
    scores.c.evaluated_on,
    scores.c.evaluated_at,
    scores.c.valid_until,
    scores.c.mac.label("score_mac"),
)
"""What deciding looks at."""
SCORE_COLUMNS = (
    *SCORE_STATE,
    scores.c.lines,
    scores.c.origin,
    scores.c.issuer,
    scores.c.result_on,
    scores.c.better_why,
)
"""The same, with the explanation and where it comes from, where it is shown."""


def is_current(row: Row[Any], model: Model, *, on: date) -> bool:
    """Whether a stored score is the model's answer on that day."""
    return bool(
        row.model_checksum == model.checksum
        and row.evaluated_on <= on
        and (row.valid_until is None or on < row.valid_until)
    )


_DECIDING = tuple(name for name in scores.info["sealed"] if name != "subject_id")
"""Columns of `scores`; whoever reads a score knows its subject already."""


def check_intact(connection: AsyncConnection, row: Any, *, subject_id: int) -> None:
    """Refuse a stored score (a row with `SCORE_STATE`) that is not as it was written.

    Raises:
        SubjectDataFault: somebody has changed it by hand.
    """
    stored = {name: getattr(row, name) for name in _DECIDING} | {"subject_id": subject_id}
    if not is_intact(connection, scores, stored, row.score_mac):
        raise SubjectDataFault("scores: changed by hand")


def stored_score(row: Row[Any]) -> SubjectScore:
    """A row of `scores`, read with `SCORE_COLUMNS`, as a `SubjectScore`."""
    return SubjectScore(
        row.model,
        row.points,
        row.grade,
        row.reason,
        row.lines,
        row.evaluated_at,
        row.valid_until,
        row.origin,
        row.issuer,
        row.result_on,
        row.better_grade,
        row.better_why,
    )


def as_result(score: SubjectScore, model: Model) -> Score | NotAssessed:
    """A stored score as the engine gave it."""
    if score.reason is not None:
        return NotAssessed(model, score.reason, score.valid_until)
    grade = next((grade for grade in model.grades if grade.code == score.grade), None)
    lines = [ScoreLine(**dict(line) | {"records": tuple(line["records"])}) for line in score.lines]
    return Score(model, score.points, grade, tuple(lines), score.valid_until)


def score_row(
    model: Model,
    *,
    subject_id: int,
    records: Sequence[Record],
    known: Mapping[str, object],
    now: datetime,
    pushed: Sequence[PushedResult] = (),
) -> dict[str, Any]:
    """A row for `scores`, true on the day of `now`. `known` are the subject's facts by name.

    Raises:
        SubjectDataFault: the data cannot be evaluated.
    """
    on = day_of(now)
    try:
        found = result_on(model, Inputs(tuple(records), known, tuple(pushed)), on=on)
    except (ValueError, LookupError, TypeError, ArithmeticError) as error:
        raise SubjectDataFault(f"{model.id}: {type(error).__name__}") from error
    result = found.score
    row: dict[str, Any] = {
        "subject_id": subject_id,
        "model": model.id,
        "model_checksum": model.checksum,
        "points": None,
        "grade": None,
        "reason": None,
        "lines": [],
        "evaluated_on": on,
        "evaluated_at": now,
        "valid_until": result.valid_until,
        "origin": found.origin,
        "issuer": found.pushed.issuer if found.pushed else None,
        "result_on": found.pushed.result_on if found.pushed else None,
        "better_grade": found.better.grade.code if found.better else None,
        "better_why": found.better.why if found.better else None,
    }
    if isinstance(result, NotAssessed):
        return row | {"reason": result.reason}
    lines = [line._asdict() for line in result.lines]
    return row | {"points": result.points, "grade": result.grade.code if result.grade else None, "lines": lines}


def _as_score(row: Mapping[str, Any]) -> SubjectScore:
    return SubjectScore(**{name: row[name] for name in SubjectScore.__slots__})


def _rows(subject_id: int, known: Inputs, models: Sequence[Model], now: datetime) -> list[dict[str, Any]]:
    return [
        score_row(model, subject_id=subject_id, records=known.records, known=known.facts, pushed=known.pushed, now=now)
        for model in models
    ]


async def known_of(connection: AsyncConnection, subject_id: int) -> Inputs:
    """What is known of one subject now.

    Raises:
        SubjectDataFault: what is stored cannot be read.
    """
    try:
        return (await read_inputs(connection, [subject_id]))[subject_id]
    except ValueError as error:  # what is stored is no JSON
        raise SubjectDataFault("facts: unreadable") from error
    except RowChanged as error:
        raise SubjectDataFault(f"{error}: changed by hand") from error


async def evaluate_subject(
    connection: AsyncConnection, *, subject_id: int, models: Sequence[Model], now: datetime
) -> list[dict[str, Any]]:
    """Rows for `scores`, made from what is known of the subject; nothing is written.

    Raises:
        SubjectDataFault: the data cannot be evaluated.
    """
    return _rows(subject_id, await known_of(connection, subject_id), models, now)


async def refresh_scores(
    connection: AsyncConnection, *, subject_id: int, models: Sequence[Model], now: datetime
) -> list[SubjectScore]:
    """Make the subject's scores afresh and store them, in a transaction: that which changed a record, if one did.

    Locks the subject, so that a record that arrives meanwhile is either seen here or makes the scores again itself.

    Raises:
        SubjectDataFault: the data cannot be evaluated.
    """
    made, faults = await refresh_many(connection, {subject_id: models}, now=now)
    if faults:
        raise faults[subject_id]
    return made[subject_id]


async def refresh_many(
    connection: AsyncConnection, models: Mapping[int, Sequence[Model]], *, now: datetime
) -> tuple[dict[int, list[SubjectScore]], dict[int, SubjectDataFault]]:
    """`refresh_scores` for many subjects at once, with the models of each: as many statements as for one.

    Those whose data cannot be evaluated are left as they are, and returned apart.
    """
    await lock_subjects(connection, models)
    known, faults = await _readable(connection, list(models))
    made: dict[int, list[dict[str, Any]]] = {}
    for subject_id, inputs in known.items():
        try:
            made[subject_id] = _rows(subject_id, inputs, models[subject_id], now)
        except SubjectDataFault as fault:
            faults[subject_id] = fault
    # A scan may have begun while its subject still took part: of whoever has left or ended since, nothing is kept.
    staying = await _taking_part(connection, list(made), on=day_of(now))
    await note_inputs(connection, {subject_id: known[subject_id] for subject_id in staying}, now=now)
    rows = [sealed(connection, scores, row) for subject_id in staying for row in made[subject_id]]
    if rows:
        await _tell_changes(connection, rows)
        insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        statement = insert(scores)
        again = {name: statement.excluded[name] for name in rows[0] if name not in ("subject_id", "model")}
        await connection.execute(
            statement.on_conflict_do_update(index_elements=["subject_id", "model"], set_=again), rows
        )
    return {key: [_as_score(row) for row in of_subject] for key, of_subject in made.items()}, faults


_RESULT = (scores.c.points, scores.c.grade, scores.c.reason, scores.c.better_grade)


async def _tell_changes(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Tell those whose score has another result than the one stored, or had none. The rows are not stored yet."""
    theirs = scores.c.subject_id.in_({row["subject_id"] for row in rows})
    stored = {
        (row.subject_id, row.model): row[2:]
        for row in await connection.execute(select(scores.c.subject_id, scores.c.model, *_RESULT).where(theirs))
    }
    for row in rows:
        if stored.get((row["subject_id"], row["model"])) != tuple(row[column.name] for column in _RESULT):
            announce(connection, of_subject(row["subject_id"]), BENEFITS)


async def _taking_part(connection: AsyncConnection, subject_ids: Sequence[int], *, on: date) -> list[int]:
    current = enrollments.c.subject_id.in_(subject_ids) & enrollments.c.left_at.is_(None)
    of_subject = subjects.c.id == enrollments.c.subject_id
    found = select(enrollments.c.subject_id).join(subjects, of_subject).where(current, is_going_on(on))
    return list((await connection.execute(found)).scalars())


async def lock_subjects(connection: AsyncConnection, subject_ids: Iterable[int]) -> None:
    """`lock_subject` for many, always in the same order, so that two who do so never wait for each other."""
    mine = select(subjects.c.id).where(subjects.c.id.in_(list(subject_ids)))
    await connection.execute(mine.order_by(subjects.c.id).with_for_update())


async def _readable(
    connection: AsyncConnection, subject_ids: Sequence[int]
) -> tuple[dict[int, Inputs], dict[int, SubjectDataFault]]:
    try:
        return await read_inputs(connection, subject_ids), {}
    except (ValueError, RowChanged):  # of one of them; find out of which
        known, faults = {}, {}
        for subject_id in subject_ids:
            try:
                known[subject_id] = await known_of(connection, subject_id)
            except SubjectDataFault as fault:
                faults[subject_id] = fault
        return known, faults


async def current_scores(
    connection: AsyncConnection, *, subject_id: int, models: Sequence[Model], stored: Sequence[Row[Any]], now: datetime
) -> list[SubjectScore]:
    """The scores true at `now`, one per model: the stored ones where still true, the others made afresh.

    Raises:
        SubjectDataFault: the data cannot be evaluated.
    """
    on = day_of(now)
    rows = {row.model: row for row in stored if row.model is not None}
    for row in rows.values():
        check_intact(connection, row, subject_id=subject_id)
    due = [model for model in models if model.id not in rows or not is_current(rows[model.id], model, on=on)]
    fresh = {}
    if due:
        made = await evaluate_subject(connection, subject_id=subject_id, models=due, now=now)
        fresh = {row["model"]: _as_score(row) for row in made}
    return [fresh.get(model.id) or stored_score(rows[model.id]) for model in models]
