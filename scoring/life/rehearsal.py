"""A simulation over the people of this deployment. One thing to know: only those who take part are looked at, because
enrolment is the consent to being evaluated, and because nobody else can show a code and get an answer.

They leave the database under their row numbers, into a folder of this process alone that is gone afterwards.
"""

from __future__ import annotations

import asyncio
import csv
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from core.database import Database
from core.errors import ExpectedError
from core.places import Places
from scoring.facts import Fact
from scoring.life.reasons import literal
from scoring.life.report import report_page
from scoring.life.simulation import OfferThreshold, Population, Rehearsal, ScorePopulation, simulate
from scoring.model import Model
from scoring.subjects import is_going_on
from scoring.tables import credit_records, enrollments, facts, subjects
from scoring.values import hundredths

BATCH = 5_000
_SUBJECTS = {"subject": "VARCHAR", "sex": "VARCHAR", "birth_on": "DATE", "district": "VARCHAR", "place": "VARCHAR"}
_RECORDS = {
    "subject": "VARCHAR",
    "item": "VARCHAR",
    "occurred_on": "DATE",
    "removed_on": "DATE",
    "serious_consequence": "BOOLEAN",
    "points": "DECIMAL(18,2)",
    "minor": "BOOLEAN",
    "corrected_on": "DATE",
    "force_majeure": "BOOLEAN",
}
_FACTS = {"subject": "VARCHAR", "fact": "VARCHAR", "value": "DECIMAL(18,2)", "weight": "DECIMAL(18,2)"}


class TooManySubjects(ExpectedError):
    """More people than one request should work on."""

    code = "TOO_MANY_SUBJECTS"


class NobodyToSimulate(ExpectedError):
    """Nobody takes part whom the model is for."""

    code = "NOBODY_TO_SIMULATE"


async def rehearse(
    database: Database,
    *,
    after: Model,
    before: Model | None,
    offers: Sequence[OfferThreshold],
    places: Places,
    now: datetime,
    most: int | None = None,
    score: ScorePopulation | None = None,
) -> Rehearsal:
    """Simulate a version over the enrolled subjects of its kind in its place and below; the numbers and the page.

    `most`: refuse a larger population instead of keeping a request waiting.

    Raises:
        TooManySubjects, NobodyToSimulate
    """
    theirs = [code for code in places if after.place in places[code].lineage]
    with tempfile.TemporaryDirectory(prefix="xinyi-") as made:
        folder = Path(made)
        async with database.reading() as connection:
            people = int(await connection.scalar(_taking_part(after, theirs, func.count(), on=day_of(now))) or 0)
            if not people:
                raise NobodyToSimulate("没有加入的主体适用这个模型,无从模拟。请先让主体加入,或用 population simulate。")
            if most is not None and people > most:
                raise TooManySubjects(
                    f"适用的主体超过 {most:,} 个,不宜在一次请求中模拟。请在服务器上运行 xinyi model simulate。"
                )
            await _export(connection, folder, after=after, before=before, places=theirs, on=day_of(now))

        def run() -> tuple[dict[str, Any], str]:
            summary = simulate(
                after,
                before,
                population=_as_parquet(folder),
                on=day_of(now),
                offers=offers,
                folder=folder,
                score=score,
            )
            return summary, report_page(summary)

        summary, page = await asyncio.to_thread(run)
    return Rehearsal(after.checksum, summary, page)


def _taking_part(model: Model, places: Sequence[str], *columns: Any, on: date) -> Select[Any]:
    return (
        select(*columns)
        .select_from(subjects)
        .join(enrollments, (enrollments.c.subject_id == subjects.c.id) & enrollments.c.left_at.is_(None))
        .where(subjects.c.kind == model.subject, subjects.c.place.in_(places), is_going_on(on))
    )


async def _export(
    connection: AsyncConnection, folder: Path, *, after: Model, before: Model | None, places: Sequence[str], on: date
) -> None:
    """CSV files of subjects, records and facts, a few thousand subjects at a time."""
    both = [model for model in (after, before) if model is not None]
    items = sorted({item for model in both for item in model.all_items})
    # A record without the points that its item needs gives its one subject no score, and stops nobody else's.
    own = frozenset(item for model in both for item in model.own_points_items)
    known = {name: fact for model in both for name, fact in model.all_facts.items()}
    with (
        (folder / "subjects.csv").open("w", newline="") as people_file,
        (folder / "records.csv").open("w", newline="") as records_file,
        (folder / "facts.csv").open("w", newline="") as facts_file,
    ):
        write_people, write_records, write_facts = map(csv.writer, (people_file, records_file, facts_file))
        last = 0
        columns = (subjects.c.id, subjects.c.sex, subjects.c.birth_on, subjects.c.district, subjects.c.place)
        statement = _taking_part(after, places, *columns, on=on).order_by(subjects.c.id).limit(BATCH)
        while people := (await connection.execute(statement.where(subjects.c.id > last))).all():
            ids, last = [row.id for row in people], people[-1].id
            write_people.writerows(people)
            mine = credit_records.c
            recorded = select(
                mine.subject_id, mine.item, mine.occurred_on, mine.removed_on, mine.serious_consequence, mine.points,
                mine.minor, mine.corrected_on, mine.force_majeure,
            ).where(mine.subject_id.in_(ids), mine.item.in_(items), mine.suspended_at.is_(None))  # fmt: skip
            write_records.writerows(
                (*row[:5], None if row.points is None else Decimal(row.points).scaleb(-2), *row[6:])
                for row in await connection.execute(recorded)
                if row.points is not None or row.item not in own
            )
            stated = select(facts.c.subject_id, facts.c.name, facts.c.value)
            stated = stated.where(facts.c.subject_id.in_(ids), facts.c.name.in_(sorted(known)))
            for row in await connection.execute(stated):
                write_facts.writerows(_fact_rows(row.subject_id, row.name, known[row.name], row.value))


def _fact_rows(subject: int, name: str, fact: Fact, value: object) -> Iterator[tuple[object, ...]]:
    """A stored fact as rows of (subject, fact, value, weight).

    What cannot be read is left out: the same fault gives its one subject no score, and stops nobody else's.
    """
    try:
        if fact.type == "number":
            yield subject, name, _exact(value, fact), None
        elif isinstance(value, list):
            yield from [(subject, name, _exact(one["score"], fact), _exact(one["weight"])) for one in value]
    except (InvalidOperation, KeyError, TypeError, ValueError):
        return


def _exact(value: object, fact: Fact | None = None) -> Decimal:
    number = hundredths(Decimal(str(value)))
    if fact is not None and not fact.at_least <= number <= fact.at_most:
        raise ValueError("out of range")
    return Decimal(number).scaleb(-2)


def _as_parquet(folder: Path) -> Population:
    made = {
        name: _convert(folder, name, columns)
        for name, columns in (("subjects", _SUBJECTS), ("records", _RECORDS), ("facts", _FACTS))
    }
    return Population(records=made["records"], subjects=made["subjects"], facts=made["facts"])


def _convert(folder: Path, name: str, columns: Mapping[str, str]) -> Path:
    import duckdb

    out, given = folder / f"{name}.parquet", folder / f"{name}.csv"
    typed = _pairs(columns.items())
    # Told and not guessed: a file may be empty, and a code may look like a number.
    form = """auto_detect = false, header = false, delim = ',', quote = '"', escape = '"', nullstr = ''"""
    source = f"read_csv({literal(given)}, {form}, columns = {{{typed}}})"
    with duckdb.connect() as database:
        database.execute(f"COPY (SELECT * FROM {source}) TO {literal(out)} (FORMAT parquet)")  # noqa: S608  # quoted
    given.unlink()
    return out


def _pairs(columns: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in columns)
