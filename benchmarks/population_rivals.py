"""The same two models as somebody would write them by hand for one day, and for a rule engine. One thing to know: each
writes the same Parquet file as ours, and the benchmark compares every row before it times anything."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import zen

from scoring.engine import Record

ON = date(2026, 11, 20)
YEAR_AGO = date(2025, 11, 20)
NEW_YEAR = date(2026, 1, 1)
GENERAL = [
    "court-enforcement",
    "administrative-penalty",
    "administrative-enforcement",
    "abnormal-operation",
    "tax-arrears",
    "abnormal-taxpayer",
    "utility-arrears",
    "commitment-breach",
    "contract-breach",
]
SERIOUS = [
    "licence-suspended",
    "qualification-lowered",
    "licence-revoked",
    "business-restricted",
    "suspension-ordered",
    "closure-ordered",
    "industry-ban",
]
Rival = Callable[[Path, Path, Path], None]
"""Reads subjects and records, writes results."""

HEBEI_SQL = f"""
    SELECT subject, CAST(NULL AS DECIMAL(18, 2)) AS points,
        CASE WHEN revoked > 0 THEN 'D'
             WHEN serious > 0 OR listed > 0 OR general > 5 OR grave > 0 THEN 'C'
             WHEN general > 0 THEN 'B' ELSE 'A' END AS grade
    FROM read_parquet($subjects) LEFT JOIN (
        SELECT subject,
            count(*) FILTER (item IN {tuple(GENERAL)}) AS general,
            count(*) FILTER (item IN {tuple(GENERAL)} AND serious_consequence) AS grave,
            count(*) FILTER (item IN {tuple(SERIOUS)}) AS serious,
            count(*) FILTER (item = 'serious-list') AS listed,
            count(*) FILTER (item = 'business-licence-revoked') AS revoked
        FROM read_parquet($records)
        WHERE occurred_on <= DATE '{ON}' AND (removed_on IS NULL OR removed_on > DATE '{ON}')
            AND (occurred_on > DATE '{YEAR_AGO}' OR item IN ('serious-list', 'business-licence-revoked'))
        GROUP BY subject
    ) USING (subject)"""
CHANGXING_SQL = f"""
    SELECT subject, points, CASE WHEN points >= 850 THEN '优秀' WHEN points >= 800 THEN '良好'
        WHEN points >= 750 THEN '中等' WHEN points >= 700 THEN '较差' ELSE '差' END AS grade
    FROM (
        SELECT subject, CAST(CASE WHEN vetoes > 0 THEN 0 ELSE 1000
            + least(coalesce(added, 0), 340) - least(coalesce(taken, 0), 1000) END AS DECIMAL(18, 2)) AS points
        FROM read_parquet($subjects) LEFT JOIN (
            SELECT subject,
                sum(points) FILTER (item = 'incentive') AS added,
                sum(points) FILTER (item = 'constraint') AS taken,
                count(*) FILTER (item = 'veto') AS vetoes
            FROM read_parquet($records)
            WHERE occurred_on BETWEEN DATE '{NEW_YEAR}' AND DATE '{ON}'
                AND (removed_on IS NULL OR removed_on > DATE '{ON}')
            GROUP BY subject
        ) USING (subject)
    )"""


def by_sql(query: str) -> Rival:
    """A statement written by hand, on DuckDB with all cores and the memory it likes."""

    def run(subjects: Path, records: Path, out: Path) -> None:
        with duckdb.connect(config={"preserve_insertion_order": "false"}) as connection:
            named = query.replace("$subjects", f"'{subjects}'").replace("$records", f"'{records}'")
            connection.execute(f"COPY ({named}) TO '{out}'")

    return run


def _live(records: Path) -> pl.LazyFrame:
    removed = pl.col("removed_on")
    return pl.scan_parquet(records).filter(pl.col("occurred_on") <= ON, removed.is_null() | (removed > ON))


def hebei_polars(subjects: Path, records: Path, out: Path) -> None:
    """`hebei-enterprise` in Polars."""
    item, lasting = pl.col("item"), ["serious-list", "business-licence-revoked"]
    general = item.is_in(GENERAL)
    counts = (
        _live(records)
        .filter((pl.col("occurred_on") > YEAR_AGO) | item.is_in(lasting))
        .group_by("subject")
        .agg(
            general.sum().alias("general"),
            (general & pl.col("serious_consequence").fill_null(value=False)).sum().alias("grave"),
            item.is_in(SERIOUS).sum().alias("serious"),
            (item == "serious-list").sum().alias("listed"),
            (item == "business-licence-revoked").sum().alias("revoked"),
        )
    )
    grade = (
        pl.when(pl.col("revoked") > 0)
        .then(pl.lit("D"))
        .when((pl.col("serious") > 0) | (pl.col("listed") > 0) | (pl.col("general") > 5) | (pl.col("grave") > 0))
        .then(pl.lit("C"))
        .when(pl.col("general") > 0)
        .then(pl.lit("B"))
        .otherwise(pl.lit("A"))
    )
    joined = pl.scan_parquet(subjects).join(counts, on="subject", how="left")
    points = pl.lit(None, dtype=pl.Decimal(18, 2)).alias("points")
    joined.select("subject", points, grade.alias("grade")).collect(engine="streaming").write_parquet(out)


def changxing_polars(subjects: Path, records: Path, out: Path) -> None:
    """`changxing-accountant` in Polars, in whole hundredths."""
    item, worth = pl.col("item"), (pl.col("points") * 100).cast(pl.Int64)
    sums = (
        _live(records)
        .filter(pl.col("occurred_on") >= NEW_YEAR)
        .with_columns(worth.alias("worth"))
        .group_by("subject")
        .agg(
            pl.col("worth").filter(item == "incentive").sum().alias("added"),
            pl.col("worth").filter(item == "constraint").sum().alias("taken"),
            (item == "veto").sum().alias("vetoes"),
        )
    )
    total = (
        pl.when(pl.col("vetoes") > 0)
        .then(0)
        .otherwise(
            100_000
            + pl.col("added").fill_null(0).clip(upper_bound=34_000)
            - pl.col("taken").fill_null(0).clip(upper_bound=100_000)
        )
    )
    grade = (
        pl.when(pl.col("total") >= 85_000)
        .then(pl.lit("优秀"))
        .when(pl.col("total") >= 80_000)
        .then(pl.lit("良好"))
        .when(pl.col("total") >= 75_000)
        .then(pl.lit("中等"))
        .when(pl.col("total") >= 70_000)
        .then(pl.lit("较差"))
        .otherwise(pl.lit("差"))
    )
    joined = pl.scan_parquet(subjects).join(sums, on="subject", how="left").with_columns(total.alias("total"))
    points = (pl.col("total").cast(pl.Decimal(18, 2)) / pl.lit(100)).cast(pl.Decimal(18, 2)).alias("points")
    joined.select("subject", points, grade.alias("grade")).collect(engine="streaming").write_parquet(out)


RIVALS: Mapping[str, Mapping[str, Rival]] = {
    "hebei-enterprise": {"DuckDB by hand": by_sql(HEBEI_SQL), "Polars by hand": hebei_polars},
    "changxing-accountant": {"DuckDB by hand": by_sql(CHANGXING_SQL), "Polars by hand": changxing_polars},
}


def _zen_decision() -> Any:
    """`hebei-enterprise` as a JDM document; days are whole numbers, which is the kindest way to give them."""

    def listed(items: Sequence[str]) -> str:
        return "[" + ", ".join(f"'{item}'" for item in items) + "]"

    counting = {
        "live": "filter(records, #.occurred_on <= on and (#.removed_on == null or #.removed_on > on))",
        "young": "filter($.live, #.occurred_on > yearAgo)",
        "revoked": "count($.live, #.item == 'business-licence-revoked')",
        "listed": "count($.live, #.item == 'serious-list')",
        "serious": f"count($.young, #.item in {listed(SERIOUS)})",
        "general": f"count($.young, #.item in {listed(GENERAL)})",
        "grave": f"count($.young, #.serious_consequence and #.item in {listed(GENERAL)})",
    }
    worse = "serious > 0 or listed > 0 or general > 5 or grave > 0"
    grading = {"grade": f"revoked > 0 ? 'D' : ({worse} ? 'C' : (general > 0 ? 'B' : 'A'))"}
    nodes = [
        {"id": "input", "type": "inputNode", "name": "input"},
        *(
            {
                "id": name,
                "type": "expressionNode",
                "name": name,
                "content": {"expressions": [{"id": key, "key": key, "value": value} for key, value in made.items()]},
            }
            for name, made in (("counting", counting), ("grading", grading))
        ),
        {"id": "output", "type": "outputNode", "name": "output"},
    ]
    ids = [str(node["id"]) for node in nodes]
    edges = [
        {"id": f"{one}-{other}", "type": "edge", "sourceId": one, "targetId": other} for one, other in pairwise(ids)
    ]
    document = {"nodes": [node | {"position": {"x": 0, "y": 0}} for node in nodes], "edges": edges}
    return zen.ZenEngine().create_decision(json.dumps(document))


def _zen_chunk(inputs: list[dict[str, Any]]) -> tuple[float, list[str]]:
    decision = _zen_decision()
    decision.evaluate(inputs[0])
    began = time.perf_counter()
    grades = [decision.evaluate(one)["result"]["grade"] for one in inputs]
    return time.perf_counter() - began, grades


def _plain(record: Record) -> dict[str, object]:
    def day(value: date | None) -> int | None:
        return None if value is None else value.toordinal()

    return {
        "item": record.item,
        "occurred_on": day(record.occurred_on),
        "removed_on": day(record.removed_on),
        "serious_consequence": record.serious_consequence,
    }


def zen_grades(people: Sequence[Sequence[Record]]) -> tuple[list[str], float]:
    """Grades of people with these records, and subjects a second on all cores."""
    days = {"on": ON.toordinal(), "yearAgo": YEAR_AGO.toordinal()}
    inputs = [days | {"records": [_plain(record) for record in records]} for records in people]
    cores = os.cpu_count() or 1
    chunks = [inputs[core::cores] for core in range(cores)]
    with ProcessPoolExecutor(cores) as pool:
        done = list(pool.map(_zen_chunk, chunks))
    grades = [""] * len(inputs)
    for core, (_, found) in enumerate(done):
        grades[core::cores] = found
    return grades, len(inputs) / max(seconds for seconds, _ in done)
