"""What a new version of a model would change, over a whole population. One thing to know: what leaves this file is in
tens; fewer than ten people are never shown, and what stops publishing is judged on the exact numbers before that.

Nobody's outcome is touched: both versions are computed beside each other, on Parquet files, and compared in SQL.
"""

# ruff: noqa: S608  # every value goes through `literal`
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.clock import years_before
from legal.deniability import Crowd, says_nothing_bad
from scoring.divisions import district_name
from scoring.life.reasons import Direction, literal, top_reasons
from scoring.model import Model
from scoring.values import half_up

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SMALLEST = 10
"""Fewer people than this are never shown, nor compared."""
FAIR = Fraction(8, 10)
"""The group served least must reach this part of the share of the group served most."""
BARS = 20
AGES = ((18, "18–29 岁"), (30, "30–44 岁"), (45, "45–59 岁"), (60, "60 岁及以上"))
SEXES = {"F": "女", "M": "男"}
ATTRIBUTES = {"sex": "性别", "age": "年龄段", "district": "区县"}
ScorePopulation = Callable[..., object]
"""`scoring.population.run.score_population`, or what does the same."""


@dataclass(frozen=True, slots=True)
class OfferThreshold:
    """What a simulation has to know of an offer that goes by the model."""

    offer: str
    title: str
    threshold: str
    """Code of the lowest grade that gets the benefit."""
    places: frozenset[str] | None = None
    """Whose subjects may have it; None: everybody of the population."""
    spent_fen: int | None = None
    """What it paid out in the year before, in 分; None where redemptions carry no amount."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A simulation that was run: of which content, what it shows, and the same as a page for people."""

    checksum: str
    summary: dict[str, Any]
    page: str


@dataclass(frozen=True, slots=True)
class Population:
    """The Parquet files of `xinyi population`; subjects may also have sex, birth_on, district, place and kind."""

    records: Path
    subjects: Path
    facts: Path | None = None


def simulate(
    after: Model,
    before: Model | None,
    *,
    population: Population,
    on: date,
    offers: Sequence[OfferThreshold] = (),
    folder: Path,
    score: ScorePopulation | None = None,
) -> dict[str, Any]:
    """Both versions over the population on that day, compared: plain JSON values, people in tens (None: fewer).

    Only adults and subjects of the model's kind are looked at. `folder` is for intermediate files. Without `offers`
    every grade above that of somebody with no record is taken for a threshold.

    Raises:
        ExpectedError: the population cannot be read or scored; see `score_population`.
    """
    import duckdb

    score = score or _engine()
    with duckdb.connect() as database:
        for name, model, other in (("after", after, before), ("before", before, after)):
            out = folder / f"{name}.parquet"
            if model is not None:
                records = _known_records(database, population.records, model, other, folder / f"{name}-records.parquet")
                score(
                    model,
                    records=records,
                    subjects=population.subjects,
                    facts=population.facts,
                    out=out,
                    on=on,
                )
        _join_people(database, after, before, population=population, folder=folder, on=on)
        return _summary(database, after, before, population=population, on=on, offers=offers)


def shown(people: int) -> int | None:
    """A number of people as it may be shown: in tens, rounded down; None for fewer than ten."""
    return None if people < SMALLEST else people - people % 10


def _engine() -> ScorePopulation:
    from scoring.population.run import score_population

    return score_population


def _known_records(database: DuckDBPyConnection, records: Path, model: Model, other: Model | None, out: Path) -> Path:
    """The records without those of items that only the other version knows; one that neither knows is a bad row."""
    strange = sorted(set(other.all_items) - set(model.all_items)) if other is not None else []
    if not strange:
        return records
    kept = f"SELECT * FROM read_parquet({literal(records)}) WHERE item IS NULL OR item NOT IN ({_list(strange)})"
    database.execute(f"COPY ({kept}) TO {literal(out)} (FORMAT parquet)")
    return out


def _join_people(
    database: DuckDBPyConnection, after: Model, before: Model | None, *, population: Population, folder: Path, on: date
) -> None:
    """Table `people`: one row each, with what both versions say; `direction` is 1 for a better grade, −1 for worse."""
    source = f"read_parquet({literal(population.subjects)})"
    columns = {row[0] for row in database.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    age = "".join(f" WHEN birth_on <= DATE '{years_before(on, years)}' THEN '{band}'" for years, band in reversed(AGES))
    sex = "".join(f" WHEN '{code}' THEN '{name}'" for code, name in SEXES.items())
    chosen = {
        "sex": f"CASE sex{sex} END" if "sex" in columns else "NULL",
        "age": f"CASE{age} END" if "birth_on" in columns else "NULL",
        "district": "district" if "district" in columns else "NULL",
        "place": "place" if "place" in columns else "NULL",
    }
    wanted = [f"kind = '{after.subject}'"] if "kind" in columns else []
    if "birth_on" in columns:
        wanted.append(f"(birth_on IS NULL OR birth_on <= DATE '{years_before(on, 18)}')")
    adverse = sorted(
        code for model in (after, before) if model is not None for code, item in model.all_items.items()
        if item.nature == "adverse"
    )  # fmt: skip
    live = f"occurred_on <= DATE '{on}' AND (removed_on IS NULL OR removed_on > DATE '{on}')"
    result = "SELECT subject, CAST(points * 100 AS BIGINT) AS points, grade FROM read_parquet({})"
    nothing = "SELECT NULL::VARCHAR AS subject, NULL::BIGINT AS points, NULL::VARCHAR AS grade WHERE false"
    old = result.format(literal(folder / "before.parquet")) if before is not None else nothing
    database.execute(f"""
        CREATE TABLE people AS
        WITH chosen AS (
            SELECT subject, {", ".join(f"CAST({value} AS VARCHAR) AS {name}" for name, value in chosen.items())}
            FROM {source} {"WHERE " + " AND ".join(wanted) if wanted else ""}
        ), recorded AS (
            SELECT DISTINCT subject FROM read_parquet({literal(population.records)})
            WHERE {live} AND item IN ({_list(adverse)})
        )
        SELECT chosen.*, new.points AS points, new.grade AS grade, old.points AS old_points, old.grade AS old_grade,
            recorded.subject IS NOT NULL AS adverse,
            {_direction(after, before)} AS direction
        FROM chosen
        JOIN ({result.format(literal(folder / "after.parquet"))}) AS new USING (subject)
        LEFT JOIN ({old}) AS old USING (subject)
        LEFT JOIN recorded USING (subject)""")


def _direction(after: Model, before: Model | None) -> str:
    """1 better, −1 worse, 0 the same or not comparable: by grade where the ladders are one, else by points."""
    if before is None:
        return "0"
    if not _same_ladder(after, before):
        return "coalesce(sign(new.points - old.points), 0)"
    rank = (
        "CASE {} " + " ".join(f"WHEN {literal(g.code)} THEN {place}" for place, g in enumerate(after.grades)) + " END"
    )
    return f"coalesce(sign({rank.format('old.grade')} - {rank.format('new.grade')}), 0)"


def _same_ladder(after: Model, before: Model) -> bool:
    return [grade.code for grade in after.grades] == [grade.code for grade in before.grades]


def _summary(
    database: DuckDBPyConnection,
    after: Model,
    before: Model | None,
    *,
    population: Population,
    on: date,
    offers: Sequence[OfferThreshold],
) -> dict[str, Any]:
    def count(condition: str) -> int:
        return _count(database, condition)

    judged = [_offer(database, after, before, offer) for offer in offers]
    thresholds = list(dict.fromkeys(offer.threshold for offer in offers)) or _upper_grades(after, on)
    disparity = [
        _disparity(database, after, before, threshold=threshold, attribute=attribute)
        for threshold in thresholds
        if threshold in {grade.code for grade in after.grades}
        for attribute in ATTRIBUTES
        if count(f"{attribute} IS NOT NULL")
    ]
    reasons = None
    if before is not None:
        reasons = {
            direction.name.lower(): top_reasons(
                database, after, before, records=population.records, facts=population.facts, on=on, direction=direction
            )
            for direction in Direction
        }
    return {
        "model": after.id,
        "name": after.name,
        "subject": after.subject,
        "on": on.isoformat(),
        "after": {"version": after.version, "checksum": after.checksum},
        "before": {"version": before.version, "checksum": before.checksum} if before else None,
        "same_ladder": before is None or _same_ladder(after, before),
        "people": shown(count("true")),
        "assessed": {"before": shown(count("old_grade IS NOT NULL")), "after": shown(count("grade IS NOT NULL"))},
        "grades": _grades(database, after, before),
        "histogram": _histogram(database),
        "moves": _moves(database, after, before) if before is not None else [],
        "changed": {
            "better": shown(count("direction > 0")),
            "worse": shown(count("direction < 0")),
            "points_up": shown(count("points > old_points")),
            "points_down": shown(count("points < old_points")),
        },
        "reasons": reasons,
        "offers": judged,
        "disparity": disparity,
        "stops": {
            "deniability": [f"{one['title']}({one['threshold']})" for one in judged if one["denies"] is False],
            "disparity": [one["finding"] for one in disparity if one["stops"]],
        },
    }


def _count(database: DuckDBPyConnection, condition: str) -> int:
    row = database.execute(f"SELECT count(*) FROM people WHERE {condition}").fetchone()
    return int(row[0]) if row else 0


def _upper_grades(model: Model, on: date) -> list[str]:
    """The grades above that of somebody with no record; of a model that cannot speak about one, all but the last."""
    from scoring.engine import no_record_grade

    unrecorded = no_record_grade(model, on)
    last = model.rank(unrecorded.code) if unrecorded else len(model.grades) - 1
    return [grade.code for grade in model.grades[:last]]


def _grades(database: DuckDBPyConnection, after: Model, before: Model | None) -> list[dict[str, Any]]:
    names = {grade.code: grade.name for model in (after, before) if model for grade in model.grades}
    found: dict[str, Mapping[str | None, int]] = {
        column: dict(database.execute(f"SELECT {column}, count(*) FROM people GROUP BY ALL").fetchall())
        for column in ("old_grade", "grade")
    }
    rows: list[tuple[str | None, str]] = [*names.items(), (None, "未评价")]
    return [
        {
            "code": code,
            "name": name,
            "before": shown(found["old_grade"].get(code, 0)) if before is not None else None,
            "after": shown(found["grade"].get(code, 0)),
        }
        for code, name in rows
    ]


def _histogram(database: DuckDBPyConnection) -> list[dict[str, Any]]:
    """Points in bars of one width, hundredths of a point; empty where the model has none."""
    found = database.execute("""
        SELECT least(min(points), min(old_points)), greatest(max(points), max(old_points)) FROM people""").fetchone()
    if found is None or found[0] is None:
        return []
    low, high = int(found[0]), int(found[1])
    width = _bar_width(high - low + 1)
    first = low // width * width
    counts: dict[str, dict[int, int]] = {}
    for column in ("old_points", "points"):
        bars = f"SELECT ({column} - {first}) // {width}, count(*) FROM people WHERE {column} IS NOT NULL GROUP BY ALL"
        counts[column] = dict(database.execute(bars).fetchall())
    return [
        {
            "from": first + bar * width,
            "until": first + (bar + 1) * width,
            "before": shown(counts["old_points"].get(bar, 0)),
            "after": shown(counts["points"].get(bar, 0)),
        }
        for bar in range((high - first) // width + 1)
    ]


def _bar_width(span: int) -> int:
    """The smallest of 1, 2, 5, 10, 20 … points that needs no more bars than `BARS`."""
    unit = 100
    while True:
        for step in (1, 2, 5):
            if step * unit * BARS >= span:
                return step * unit
        unit *= 10


def _moves(database: DuckDBPyConnection, after: Model, before: Model) -> list[dict[str, Any]]:
    found = {
        (old, new): people
        for old, new, people in database.execute(
            "SELECT old_grade, grade, count(*) FROM people GROUP BY ALL"
        ).fetchall()
    }
    return [
        {"from": old, "to": new, "people": shown(found.get((old, new), 0))}
        for old in [*(grade.code for grade in before.grades), None]
        for new in [*(grade.code for grade in after.grades), None]
    ]


def _passes(model: Model | None, threshold: str, column: str) -> str:
    """The condition for reaching a threshold; nobody reaches one that the ladder does not have."""
    codes = [grade.code for grade in model.grades] if model is not None else []
    reached = codes[: codes.index(threshold) + 1] if threshold in codes else []
    return f"coalesce({column} IN ({_list(reached)}), false)"


def _offer(database: DuckDBPyConnection, after: Model, before: Model | None, offer: OfferThreshold) -> dict[str, Any]:
    """Who would get the benefit, what it may cost, and whether the standard service still says nothing bad (L12)."""
    there = "true" if offer.places is None else f"coalesce(place IN ({_list(sorted(offer.places))}), false)"
    new, old = _passes(after, offer.threshold, "grade"), _passes(before, offer.threshold, "old_grade")
    reached, reached_before = (_count(database, f"{there} AND {one}") for one in (new, old))
    standard = _count(database, f"{there} AND NOT {new}")
    clean = _count(database, f"{there} AND NOT {new} AND NOT adverse")
    expected = None
    if offer.spent_fen is not None and (base := shown(reached_before)):
        # From the numbers as shown: an exact sum of money would tell the exact numbers.
        expected = half_up(offer.spent_fen * (shown(reached) or 0), base)
    return {
        "offer": offer.offer,
        "title": offer.title,
        "threshold": offer.threshold,
        "before": shown(reached_before) if before is not None else None,
        "after": shown(reached),
        "standard": shown(standard),
        "clean_percent": half_up(100 * clean, standard) if standard >= SMALLEST else None,
        # Of an enterprise anybody may know the record: deniability is for people.
        "denies": None if after.subject != "person" else says_nothing_bad(Crowd(standard, clean)),
        "spent_fen": offer.spent_fen,
        "expected_fen": expected,
    }


def _disparity(
    database: DuckDBPyConnection, after: Model, before: Model | None, *, threshold: str, attribute: str
) -> dict[str, Any]:
    """The share of each group that reaches a threshold, and the ratio of the lowest to the highest."""
    new, old = _passes(after, threshold, "grade"), _passes(before, threshold, "old_grade")
    found = database.execute(f"""
        SELECT {attribute}, count(*), count(*) FILTER (WHERE {new}), count(*) FILTER (WHERE {old})
        FROM people WHERE {attribute} IS NOT NULL GROUP BY ALL HAVING count(*) >= {SMALLEST} ORDER BY 1""").fetchall()
    shares = [(Fraction(reached, people), group) for group, people, reached, _ in found]
    lowest, highest = (min(shares, default=None), max(shares, default=None)) if len(shares) > 1 else (None, None)
    ratio = lowest[0] / highest[0] if lowest and highest and highest[0] else None
    return {
        "finding": f"{threshold} 及以上 · {ATTRIBUTES[attribute]}",
        "threshold": threshold,
        "attribute": attribute,
        "groups": [
            {
                "group": group,
                "name": (district_name(group) if attribute == "district" else None) or group,
                "people": shown(people),
                "before_percent": half_up(100 * reached_before, people) if before is not None else None,
                "after_percent": half_up(100 * reached, people),
            }
            for group, people, reached, reached_before in found
        ],
        # Rounded down, so that what stops never looks as if it did not.
        "ratio": None if ratio is None else f"{int(ratio * 100) / 100:.2f}",
        "lowest": lowest[1] if ratio is not None and lowest else None,
        "highest": highest[1] if ratio is not None and highest else None,
        "stops": ratio is not None and ratio < FAIR,
    }


def _list(values: Sequence[str]) -> str:
    return ", ".join(map(literal, values)) or "NULL"
