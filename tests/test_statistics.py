"""Figures about many enterprises: what may be published, what is kept month by month, who reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import product
from typing import Any

import pytest
from factories import NOON, City, rulebook
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import insert, select
from stdnum.cn import uscc as uscc_number

from core.audit import audit_entries
from scoring.disclosure import Atom, publishable, table
from scoring.parks import park_index
from scoring.statistics import StatisticsRules, early_warnings, months_before, read_statistics, take_statistics
from scoring.subjects import SubjectKind, subject_row
from scoring.tables import grade_statistics, park_indices, scores, subjects

REGIONS, INDUSTRIES = ("r1", "r2", "r3"), ("i1", "i2", "i3")
COUNTS = st.one_of(st.just(0), st.integers(1, 9), st.sampled_from([9, 10, 11, 19, 20, 29]), st.integers(10, 60))
POPULATIONS = st.dictionaries(
    st.tuples(st.sampled_from(REGIONS), st.sampled_from(INDUSTRIES), st.sampled_from(("A", "B"))), COUNTS, max_size=14
)
HUNAN = rulebook().models.get("hunan-comprehensive")


def decade(number: int) -> range:
    return range(number - number % 10, number - number % 10 + 10)


def spread(total: int, places: int) -> list[int] | None:
    """`total` over so many places, at most 9 in each and at least 1 in all; None where it does not fit."""
    parts = []
    for _ in range(places):
        parts.append(min(9, total))
        total -= parts[-1]
    return parts if total == 0 and parts and parts[0] else None


def others_like_it(population: dict[Atom, int], atom: Atom) -> Iterator[dict[Atom, int]]:
    """Populations that may publish the same as this one, in which the atom has ten subjects or more, or none."""
    region, _, grade = atom
    row = {one for one in population if (one[0], one[2]) == (region, grade) and population[one]}
    column = {one for one in population if one[2] == grade and population[one]}
    yield {one: 0 if one in column else count for one, count in population.items()}
    told = {one for one, count in publishable(population).items() if count}
    lifted = {
        one: max(decade(count)) if (one[0], one[1], one[2]) in told and count >= 10 else count
        for one, count in population.items()
    }
    for shown in (population, lifted):
        # In its own row, the atom takes the large one's part, the others share what is left.
        hidden = [one for one in row if one not in told and one != atom]
        for total in decade(sum(population[one] for one in (*hidden, atom))):
            for mine in range(10, total):
                if parts := spread(total - mine, len(hidden)):
                    yield {**shown, **dict(zip(hidden, parts, strict=True)), atom: mine}
        # Or its row is hidden as a whole: then it takes the large row's part.
        rows = {one[0] for one in column if (one[0], None, grade) not in told}
        rows = {one for one in rows if not any((one, industry, grade) in told for industry in INDUSTRIES)}
        pooled = [one for one in column if one[0] in rows]
        for total in decade(sum(population[one] for one in pooled)):
            for mine in range(10, total):
                heads = [min(one for one in pooled if one[0] == head) for head in sorted(rows - {region}, key=str)]
                if parts := spread(total - mine, len(heads)):
                    emptied = {**shown, **dict.fromkeys(pooled, 0)}
                    yield {**emptied, **dict(zip(heads, parts, strict=True)), atom: mine}


@given(POPULATIONS)
@example({("r1", "i1", "A"): 9, ("r1", "i2", "A"): 1})
@example({("r1", "i1", "A"): 3, ("r1", "i2", "A"): 10, ("r1", "i3", "A"): 10})
@example({("r1", "i1", "A"): 1, ("r1", "i2", "A"): 29, ("r1", "i3", "A"): 29})
@example({("r1", "i1", "A"): 5, ("r2", "i1", "A"): 105, ("r3", "i1", "A"): 50})
@example({(region, "i1", "A"): 9 for region in REGIONS})
def test_no_group_can_be_known_to_have_one_to_nine_subjects(population: dict[Atom, int]) -> None:
    published = publishable(population)
    groups: list[set[Atom]] = [{one} for one in population]
    groups += [{one for one in population if (one[0], one[2]) == cell} for cell in product(REGIONS, "AB")]
    groups += [{one for one in population if (one[1], one[2]) == cell} for cell in product(INDUSTRIES, "AB")]
    for group in groups:
        if not 1 <= sum(population[one] for one in group) <= 9:
            continue
        atom = next(one for one in group if population[one])
        assert any(
            publishable(other) == published and not 1 <= sum(other[one] for one in group) <= 9
            for other in others_like_it(population, atom)
        ), group


@given(POPULATIONS, st.sampled_from(["region", "industry"]))
def test_every_published_figure_is_a_sum_of_blocks_of_ten_or_more(population: dict[Atom, int], first: Any) -> None:
    blocks = publishable(population, first=first)
    by_region, by_industry = table(blocks, "region"), table(blocks, "industry")
    for cells, place in ((by_region, 0), (by_industry, 1)):
        for (value, grade), count in cells.items():
            there = sum(n for one, n in population.items() if one[2] == grade and value in (None, one[place]))
            assert count % 10 == 0
            assert 10 <= count <= there
    # The two tables agree, so what one shows and the other does not is a sum of blocks as well.
    for grade in "AB":
        sums = [sum(n for (_, of), n in cells.items() if of == grade) for cells in (by_region, by_industry)]
        assert sums[0] == sums[1] == sum(n for one, n in blocks.items() if one[2] == grade)


@given(POPULATIONS)
def test_which_dimension_comes_first_is_a_matter_of_names(population: dict[Atom, int]) -> None:
    turned = {(one[1], one[0], one[2]): count for one, count in population.items()}
    assert {(b, a, g): n for (a, b, g), n in publishable(turned, first="industry").items()} == publishable(population)


def test_a_small_cell_takes_its_smallest_neighbour_along() -> None:
    population = {("r1", "i1", "A"): 3, ("r1", "i2", "A"): 14, ("r1", "i3", "A"): 40}
    assert publishable(population) == {("r1", None, "A"): 10, ("r1", "i3", "A"): 40}
    assert publishable({("r1", "i1", "A"): 9}) == {}
    assert publishable({("r1", "i1", "A"): 10}) == {("r1", "i1", "A"): 10}
    assert publishable({("r1", "i1", "A"): 9, ("r2", "i1", "A"): 9}) == {(None, None, "A"): 10}


def rules() -> StatisticsRules:
    return rulebook().statistics


async def settle(city: City, grades: dict[str, int], *, district: str = "430502", industry: str = "C") -> None:
    """Enterprises of one district and industry with these grades of hunan-comprehensive."""
    statements: list[Any] = []
    held = {row.id for row in await city.rows(subjects)}
    number = max([3000, *held]) + 1
    for grade, count in grades.items():
        for _ in range(count):
            front = f"91430502MA9{number:06d}"
            row = subject_row(
                city.keys,
                kind=SubjectKind.ENTERPRISE,
                place="hunan-shaoyang",
                name="测试企业",
                number=front + uscc_number.calc_check_digit(front),
                industry=industry,
                park="shaoyang-etdz",
            )
            statements.append(insert(subjects).values(id=number, **{**row, "district": district}))
            statements.append(
                insert(scores).values(
                    subject_id=number,
                    model=HUNAN.id,
                    model_checksum=HUNAN.checksum,
                    grade=grade,
                    lines=[],
                    evaluated_on=city.now.date(),
                    evaluated_at=city.now,
                )
            )
            number += 1
    await city.write(*statements)


async def take(city: City) -> int:
    """How many models were taken."""
    async with city.state.database.transaction() as connection:
        takes = await take_statistics(
            connection,
            actor="statistics",
            places=["hunan-shaoyang"],
            models=city.state.rulebook.models,
            rules=rules(),
            now=city.now,
        )
    return len(takes)


async def test_a_month_is_taken_once_and_nothing_under_ten_is_stored(city: City) -> None:
    await settle(city, {"A": 25, "B": 4})
    await settle(city, {"A": 12}, district="430503", industry="F")
    assert await take(city) == 3
    await settle(city, {"A": 30})
    assert await take(city) == 0
    found = {(row.dimension, row.value, row.grade): row.count for row in await city.rows(grade_statistics)}
    assert found == {
        ("region", "430502", "A"): 20,
        ("region", "430503", "A"): 10,
        ("industry", "C", "A"): 20,
        ("industry", "F", "A"): 10,
    }
    written = [row for row in await city.rows(audit_entries) if row.action == "takeStatistics"]
    assert len(written) == 1


async def test_a_score_that_no_longer_holds_is_not_counted(city: City) -> None:
    await settle(city, {"A": 25})
    await city.write(scores.update().values(valid_until=city.now.date()))
    await take(city)
    assert await city.rows(grade_statistics) == []


async def test_a_park_index_is_the_mean_of_its_weights_and_not_published_under_ten(city: City) -> None:
    shaoyang = rules().parks["hunan-shaoyang"]
    assert park_index(shaoyang, {"A": 9}) is None
    assert park_index(shaoyang, {"A": 10}) == 1200
    assert park_index(shaoyang, {"A": 5, "D": 5}) == 1000
    assert park_index(shaoyang, {"A": 1, "B-": 9, "unknown": 50}) == 1020
    assert park_index(shaoyang, {"B-": 10, "C+": 1}) == 995  # 1000 − 50 ÷ 11 = 995.45…
    await settle(city, {"A": 10, "B-": 10})
    await take(city)
    assert [(row.park, row.points, row.enterprises) for row in await city.rows(park_indices)] == [
        ("shaoyang-etdz", 1100, 20)
    ]
    body = await city.ask('{ parkIndices(place: "hunan-shaoyang") { month park name points enterprises } }')
    assert body["data"]["parkIndices"] == [
        {
            "month": "2026-11-01",
            "park": "shaoyang-etdz",
            "name": "邵阳经济技术开发区",
            "points": 1100,
            "enterprises": 20,
        }
    ]


def test_an_early_warning_needs_five_points_and_fifty_enterprises() -> None:
    (rule,) = rules().warnings["hunan-shaoyang"]
    before = {("C", "A"): 90, ("C", "D"): 10}

    def values(now: dict[tuple[str | None, str], int]) -> list[str | None]:
        return [one.value for one in early_warnings(rule, HUNAN, before=before, now=now)]

    assert values({("C", "A"): 170, ("C", "D"): 30}) == [None, "C"]  # 10 % to 15 %
    assert values({("C", "A"): 180, ("C", "D"): 30}) == []  # 14.3 %
    assert values({("C", "A"): 40, ("C", "C-"): 10}) == [None, "C"]
    assert values({("C", "A"): 30, ("C", "C-"): 10}) == []  # forty enterprises
    assert values({("F", "A"): 40, ("F", "D"): 60}) == [None]  # nothing to compare F with


async def test_a_month_stands_beside_the_one_before_and_warns(city: City) -> None:
    start = city.now
    await settle(city, {"A": 90, "D": 12})
    assert await take(city) == 3
    city.now = start + timedelta(days=92)
    await settle(city, {"D": 40})
    await take(city)
    query = """{ statistics(place: "hunan-shaoyang", model: "hunan-comprehensive", by: INDUSTRY,
      comparedWith: "2026-11-30") { month comparedWith smallest cells { value grade count earlierCount }
      warnings { rule value message } } }"""
    body = await city.ask(query, by="auditor")
    found = body["data"]["statistics"]
    assert (found["month"], found["comparedWith"], found["smallest"]) == ("2027-02-01", "2026-11-01", 10)
    assert found["cells"] == [
        {"value": "C", "grade": "A", "count": 90, "earlierCount": 90},
        {"value": "C", "grade": "D", "count": 50, "earlierCount": 10},
    ]
    assert [one["value"] for one in found["warnings"]] == [None, "C"]
    assert "由约 10% 升至约 35%" in found["warnings"][0]["message"]
    again = await city.ask(query.replace("INDUSTRY", 'INDUSTRY, month: "2026-12-01"'), by="operator")
    assert again["data"]["statistics"] is None


@pytest.mark.parametrize("model", ["xiangxinfen", "hebei-enterprise", "nothing"])
async def test_statistics_are_of_enterprise_models_of_the_place_alone(city: City, model: str) -> None:
    query = f'{{ statistics(place: "hunan-shaoyang", model: "{model}", by: REGION) {{ month }} }}'
    body = await city.ask(query, by="reviewer")
    assert [error["extensions"]["code"] for error in body["errors"]] == ["BAD_USER_INPUT"]


async def test_what_was_never_taken_is_null(city: City) -> None:
    async with city.state.database.reading() as connection:
        found = await read_statistics(connection, place="hunan-shaoyang", model=HUNAN, by="region", rules=rules())
        assert (await connection.execute(select(grade_statistics))).all() == []
    assert found is None


def test_months_are_counted_back_over_the_year() -> None:
    assert months_before(date(2026, 2, 1), 3) == date(2025, 11, 1)
    assert months_before(date(1, 1, 1), 1) == date.min
    assert Counter(months_before(date(2026, 12, 1), n).month for n in range(12)) == Counter(range(1, 13))
    assert NOON.month == 11
