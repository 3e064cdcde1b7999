"""The scores of one subject, kept and made again when due. One thing to know: a stored score is used only on days for
which it is still true; past `valid_until` it is made afresh from the records, without any job having run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from scoring.engine import NotAssessed, Record, evaluate
from scoring.model import Model
from scoring.subjects import lock_subject
from scoring.tables import credit_records, facts, scores


class SubjectDataFault(Exception):
    """The records or facts of this one subject cannot be evaluated. The caller raises an alarm, never a refusal."""


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


SCORE_STATE = (
    scores.c.model,
    scores.c.model_checksum,
    scores.c.points,
    scores.c.grade,
    scores.c.reason,
    scores.c.evaluated_on,
    scores.c.evaluated_at,
    scores.c.valid_until,
)
"""What deciding looks at."""
SCORE_COLUMNS = (*SCORE_STATE, scores.c.lines)
"""The same, with the explanation, where it is shown."""


def is_current(row: Row[Any], model: Model, *, on: date) -> bool:
    """Whether a stored score is the model's answer on that day."""
    return bool(
        row.model_checksum == model.checksum
        and row.evaluated_on <= on
        and (row.valid_until is None or on < row.valid_until)
    )


def stored_score(row: Row[Any]) -> SubjectScore:
    """A row of `scores` as a `SubjectScore`; without its lines where they were not read."""
    lines = getattr(row, "lines", ())
    return SubjectScore(row.model, row.points, row.grade, row.reason, lines, row.evaluated_at)


def score_row(
    model: Model, *, subject_id: int, records: Sequence[Record], known: Mapping[str, object], now: datetime
) -> dict[str, Any]:
    """A row for `scores`, evaluated on the day of `now`. `known` are the subject's facts by name.

    Raises:
        SubjectDataFault: the data cannot be evaluated.
    """
    on = day_of(now)
    try:
        result = evaluate(model, records=records, facts=model.read_facts(known), on=on)
    except (ValueError, LookupError, TypeError, ArithmeticError) as error:
        raise SubjectDataFault(f"{model.id}: {type(error).__name__}") from error
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
    }
    if isinstance(result, NotAssessed):
        return row | {"reason": result.reason}
    lines = [
        {"rule": line.rule, "points": line.points, "label": line.label, "basis": line.basis, "records": line.records}
        for line in result.lines
    ]
    return row | {"points": result.points, "grade": result.grade.code if result.grade else None, "lines": lines}


def _as_score(row: Mapping[str, Any]) -> SubjectScore:
    return SubjectScore(row["model"], row["points"], row["grade"], row["reason"], row["lines"], row["evaluated_at"])


async def evaluate_subject(
    connection: AsyncConnection, *, subject_id: int, models: Sequence[Model], now: datetime
) -> list[dict[str, Any]]:
    """Rows for `scores`, made from the subject's records and facts; nothing is written.

    Raises:
        SubjectDataFault: the data cannot be evaluated.
    """
    found = await connection.execute(select(credit_records).where(credit_records.c.subject_id == subject_id))
    records = [
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
        for row in found
    ]
    known = await connection.execute(select(facts.c.name, facts.c.value).where(facts.c.subject_id == subject_id))
    try:
        values = {row.name: row.value for row in known}
    except ValueError as error:  # what is stored is no JSON
        raise SubjectDataFault("facts: unreadable") from error
    return [score_row(model, subject_id=subject_id, records=records, known=values, now=now) for model in models]


async def refresh_scores(
    connection: AsyncConnection, *, subject_id: int, models: Sequence[Model], now: datetime
) -> list[SubjectScore]:
    """Make the subject's scores afresh and store them, in a transaction: that which changed a record, if one did.

    Locks the subject, so that a record that arrives meanwhile is either seen here or makes the scores again itself.

    Raises:
        SubjectDataFault: the data cannot be evaluated.
    """
    await lock_subject(connection, subject_id)
    rows = await evaluate_subject(connection, subject_id=subject_id, models=models, now=now)
    insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    for row in rows:
        statement = insert(scores).values(row)
        again = {name: statement.excluded[name] for name in row if name not in ("subject_id", "model")}
        await connection.execute(statement.on_conflict_do_update(index_elements=["subject_id", "model"], set_=again))
    return [_as_score(row) for row in rows]


async def current_scores(
    connection: AsyncConnection, *, subject_id: int, models: Sequence[Model], stored: Sequence[Row[Any]], now: datetime
) -> list[SubjectScore]:
    """The scores true at `now`, one per model: the stored ones where still true, the others made afresh.

    Raises:
        SubjectDataFault: the data cannot be evaluated.
    """
    on = day_of(now)
    rows = {row.model: row for row in stored if row.model is not None}
    due = [model for model in models if model.id not in rows or not is_current(rows[model.id], model, on=on)]
    fresh = {}
    if due:
        made = await evaluate_subject(connection, subject_id=subject_id, models=due, now=now)
        fresh = {row["model"]: _as_score(row) for row in made}
    return [fresh.get(model.id) or stored_score(rows[model.id]) for model in models]
