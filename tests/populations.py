"""Whole populations as Parquet files, and what the engine for one person says of them. One thing to know: people are
drawn from a seed, many at a time, so that one run of an engine compares hundreds of cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import duckdb

from scoring.engine import Record, Score, evaluate
from scoring.model import Model

RECORD_TYPES = {
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
SUBJECT_TYPES = {"subject": "VARCHAR"}
FACT_TYPES = {"subject": "VARCHAR", "fact": "VARCHAR", "value": "DECIMAL(18,2)", "weight": "DECIMAL(18,2)"}
Results = dict[str, tuple[Decimal | None, str | None]]
"""Points and grade by subject."""


@dataclass
class Person:
    """What is on record about one subject; facts as `evaluate` takes them."""

    records: list[Record] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Files:
    """The files of a run."""

    folder: Path

    @property
    def given(self) -> dict[str, Path]:
        """As `score_population` takes them."""
        names = {"subjects": "S", "records": "R", "facts": "F", "out": "O"}
        return {name: self.folder / f"{stem}.parquet" for name, stem in names.items()}


def write_table(path: Path, types: Mapping[str, str], rows: Iterable[tuple[Any, ...]], *, options: str = "") -> None:
    """Rows as a Parquet file with columns of these DuckDB types."""
    columns = list(zip(*rows, strict=True)) or [()] * len(types)
    selected = ", ".join(f"CAST(unnest(?::VARCHAR[]) AS {kind}) AS {name}" for name, kind in types.items())
    texts = [[None if value is None else str(value) for value in column] for column in columns]
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT {selected}) TO '{path}' (FORMAT parquet{options})", texts)


def write_population(folder: Path, people: Mapping[str, Person]) -> Files:
    """The three files of these people."""
    files = Files(folder)
    given = files.given
    write_table(given["subjects"], SUBJECT_TYPES, [(name,) for name in people])
    write_table(
        given["records"],
        RECORD_TYPES,
        [(name, *_row(record)) for name, person in people.items() for record in person.records],
    )
    write_table(
        given["facts"],
        FACT_TYPES,
        [(name, *row) for name, person in people.items() for row in _fact_rows(person.facts)],
    )
    return files


def _row(record: Record) -> tuple[Any, ...]:
    points = None if record.points is None else _decimal(record.points)
    return (
        record.item,
        record.occurred_on,
        record.removed_on,
        record.serious_consequence,
        points,
        record.minor,
        record.corrected_on,
        record.force_majeure,
    )


def _fact_rows(facts: Mapping[str, Any]) -> Iterable[tuple[Any, ...]]:
    for name, value in facts.items():
        for score, weight in [(value, None)] if isinstance(value, int) else value:
            yield name, _decimal(score), None if weight is None else _decimal(weight)


def _decimal(hundredths: int) -> Decimal:
    return Decimal(hundredths).scaleb(-2)


def read_results(path: Path) -> Results:
    """What a run has written."""
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT subject, points, grade FROM '{path}'").fetchall()
    results = {subject: (points, grade) for subject, points, grade in rows}
    assert len(results) == len(rows), "a subject has more than one row"
    return results


def expected(model: Model, people: Mapping[str, Person], on: date) -> Results:
    """What the engine for one person says."""
    results: Results = {}
    for name, person in people.items():
        result = evaluate(model, records=person.records, facts=person.facts, on=on)
        if isinstance(result, Score) and result.grade is not None:
            results[name] = None if result.points is None else _decimal(result.points), result.grade.code
        else:
            results[name] = None, None
    return results


def random_people(model: Model, on: date, *, seed: int, number: int = 150) -> dict[str, Person]:
    """People with records of the model's items around all its windows, and with some of its facts."""
    random = Random(seed)
    items = sorted(model.all_items)
    return {
        f"p{n}": Person(
            [_random_record(random, model, items, on) for _ in range(_few(random, items))], _facts(random, model)
        )
        for n in range(number)
    }


def _few(random: Random, items: list[str]) -> int:
    return random.choice([0, 1, 1, 2, 3, 4, 8, 15]) if items else 0


def _random_record(random: Random, model: Model, items: list[str], on: date) -> Record:
    item = random.choice(items)
    near = [0, 1, 30, 31, 44, 45, 46, 180, 181, 182, 364, 365, 366, 729, 730, 731, 1096]
    age = random.choice([random.randint(-3, 1500), random.choice(near) + random.randint(-1, 1)])
    own = item in model.own_points_items
    return Record(
        item,
        _moved(on, -age),
        random.choice([None, None, _moved(on, random.randint(-40, 40))]),
        random.random() < 0.2,
        random.choice([0, 1, random.randint(0, 30_000), 10**16 if random.random() < 0.05 else 5]) if own else None,
        None,
        random.random() < 0.5,
        random.choice([None, _moved(on, random.randint(-40, 10))]),
        random.random() < 0.15,
    )


def _facts(random: Random, model: Model) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, fact in model.all_facts.items():
        if random.random() < 0.2:
            continue
        if fact.type == "number":
            found[name] = random.choice([fact.at_least, fact.at_most, random.randint(fact.at_least, fact.at_most), 550])
            found[name] = min(max(found[name], fact.at_least), fact.at_most)
            continue
        scores = [random.randint(fact.at_least, fact.at_most) for _ in range(random.randint(1, 4))]
        found[name] = tuple((score, random.choice([1, 50, 100, 333, random.randint(1, 10_000)])) for score in scores)
    return found


def _moved(day: date, days: int) -> date:
    return date.fromordinal(min(max(day.toordinal() + days, date.min.toordinal()), date.max.toordinal()))
