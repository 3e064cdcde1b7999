"""Why a new version moves people up or down. One thing to know: rules are compared for a sample of those who moved, by
the engine that explains single scores, so the reasons are the lines that people would read."""

# ruff: noqa: S608  # every value goes through `literal`
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scoring.engine import Record, Score, evaluate
from scoring.model import Model

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SAMPLE = 20_000
MOST = 8
_COLUMNS = {
    "item": "item",
    "occurred_on": "occurred_on",
    "removed_on": "removed_on",
    "serious_consequence": "coalesce(serious_consequence, false)",
    "points": "CAST(points * 100 AS BIGINT)",
    "minor": "coalesce(minor, false)",
    "corrected_on": "corrected_on",
    "force_majeure": "coalesce(force_majeure, false)",
}
_ABSENT = {"serious_consequence": "false", "minor": "false", "force_majeure": "false"}


def literal(value: object) -> str:
    """A SQL literal of text."""
    return "'" + str(value).replace("'", "''") + "'"


class Direction(IntEnum):
    """Which way somebody moved."""

    BETTER = 1
    WORSE = -1


def top_reasons(
    database: DuckDBPyConnection,
    after: Model,
    before: Model,
    *,
    records: Path,
    facts: Path | None,
    on: date,
    direction: Direction,
) -> dict[str, Any]:
    """The rules that most often moved people of table `people` that way, with how often among those looked at.

    In percent of those looked at: at most 20,000, chosen by a hash. Fewer than ten people give no reasons.
    """
    database.execute(f"""
        CREATE OR REPLACE TABLE moved AS
        SELECT subject FROM people WHERE direction = {direction.value} ORDER BY md5(subject), subject LIMIT {SAMPLE}""")
    subjects = [row[0] for row in database.execute("SELECT subject FROM moved").fetchall()]
    if len(subjects) < 10:
        return {"looked_at": None, "rules": []}
    recorded, known = _records(database, records), _facts(database, facts)
    seen: Counter[str] = Counter()
    points: Counter[str] = Counter()
    labels: dict[str, str] = {}
    for subject in subjects:
        lines = [
            _lines(model, recorded.get(subject, []), known.get(subject, {}), on, labels) for model in (before, after)
        ]
        for rule in lines[0].keys() | lines[1].keys():
            change = lines[1].get(rule, 0) - lines[0].get(rule, 0)
            came_or_went = (rule in lines[0]) != (rule in lines[1]) and not change
            if change * direction.value > 0 or came_or_went:
                seen[rule] += 1
                points[rule] += change
    return {
        "looked_at": len(subjects) - len(subjects) % 10,
        "rules": [
            {
                "rule": rule,
                "label": labels[rule],
                "percent": 100 * people // len(subjects),
                "mean_points": points[rule] // people if points[rule] >= 0 else -(-points[rule] // people),
            }
            for rule, people in sorted(seen.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST]
            if people >= 10
        ],
    }


def _lines(
    model: Model, records: list[Record], facts: Mapping[str, object], on: date, labels: dict[str, str]
) -> dict[str, int]:
    result = evaluate(model, records=records, facts=facts, on=on)
    if not isinstance(result, Score):
        return {}
    labels.update((line.rule, line.label) for line in result.lines)
    points: Counter[str] = Counter()
    for line in result.lines:
        points[line.rule] += line.points
    return dict(points)


def _records(database: DuckDBPyConnection, file: Path) -> dict[str, list[Record]]:
    source = f"read_parquet({literal(file)})"
    there = {row[0] for row in database.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    columns = ", ".join(value if name in there else _ABSENT.get(name, "NULL") for name, value in _COLUMNS.items())
    found: dict[str, list[Record]] = defaultdict(list)
    for subject, item, occurred_on, removed_on, serious, points, minor, corrected_on, unavoidable in database.execute(
        f"SELECT subject, {columns} FROM {source} JOIN moved USING (subject)"
    ).fetchall():
        record = Record(
            item=item,
            occurred_on=occurred_on,
            removed_on=removed_on,
            serious_consequence=serious,
            points=points,
            minor=minor,
            corrected_on=corrected_on,
            force_majeure=unavoidable,
        )
        found[subject].append(record)
    return found


def _facts(database: DuckDBPyConnection, file: Path | None) -> dict[str, dict[str, object]]:
    """Numbers in hundredths; rows with a weight together are weighted scores, as the engine takes them."""
    if file is None:
        return {}
    source = f"read_parquet({literal(file)})"
    found: dict[str, dict[str, object]] = defaultdict(dict)
    for subject, fact, value, weight in database.execute(f"""
        SELECT subject, fact, CAST(value * 100 AS BIGINT), CAST(weight * 100 AS BIGINT)
        FROM {source} JOIN moved USING (subject)""").fetchall():
        if weight is None:
            found[subject][fact] = value
        else:
            earlier = found[subject].get(fact, ())
            found[subject][fact] = (*earlier, (value, weight)) if isinstance(earlier, tuple) else ((value, weight),)
    return found
