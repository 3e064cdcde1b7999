"""What a simulation says, checked by hand on populations small enough to count."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from model_drafts import draft

from core.datafile import RuleFile
from core.places import load_places
from scoring.life.simulation import OfferThreshold, Population, shown, simulate
from scoring.model import Model
from scoring.models import load_models, read_models

PLACES = load_places()
MODELS = load_models(PLACES)
SHIPPED = MODELS.version("xiangxinfen", "2025-03")
DAY = date(2026, 11, 20)


def drafted(award: int = 40) -> Model:
    (made,) = read_models(
        [(RuleFile.of_text(draft(award=award)[0], name="draft"), "hunan-shaoyang")], places=PLACES, known=MODELS.all
    )
    return made


def population(folder: Path, people: list[dict[str, Any]]) -> Population:
    """Parquet files of people: sex, born, district, items (each occurred on 2026-01-01)."""
    rows = [
        (f"s{n}", one.get("sex"), one.get("born", date(1980, 1, 1)), one.get("district"))
        for n, one in enumerate(people)
    ]
    records = [(f"s{n}", item, date(2026, 1, 1)) for n, one in enumerate(people) for item in one.get("items", ())]
    with duckdb.connect() as database:
        database.execute("CREATE TABLE s (subject VARCHAR, sex VARCHAR, birth_on DATE, district VARCHAR)")
        database.executemany("INSERT INTO s VALUES (?, ?, ?, ?)", rows)
        database.execute("CREATE TABLE r (subject VARCHAR, item VARCHAR, occurred_on DATE)")
        if records:
            database.executemany("INSERT INTO r VALUES (?, ?, ?)", records)
        database.execute(f"COPY s TO '{folder}/s.parquet'")
        database.execute(f"""COPY (SELECT *, NULL::DATE AS removed_on, NULL::BOOLEAN AS serious_consequence,
            NULL::DECIMAL(18,2) AS points FROM r) TO '{folder}/r.parquet'""")
    return Population(records=folder / "r.parquet", subjects=folder / "s.parquet")


def run(folder: Path, people: list[dict[str, Any]], *, award: int = 40, **given: Any) -> dict[str, Any]:
    return simulate(drafted(award), SHIPPED, population=population(folder, people), on=DAY, folder=folder, **given)


def times(number: int, **one: Any) -> list[dict[str, Any]]:
    return [one] * number


AWARD = ("honour-award",)
TOURISM = OfferThreshold("1", "守信游客赠册", "A", spent_fen=100_000)


def test_those_with_an_award_move_up_and_nobody_else(tmp_path: Path) -> None:
    found = run(tmp_path, times(30, items=AWARD) + times(50) + times(20, items=("rescue-honour",)), offers=[TOURISM])
    assert found["people"] == 100
    grades = {row["code"]: (row["before"], row["after"]) for row in found["grades"]}
    assert grades == {
        "A+": (None, None), "A": (20, 50), "B": (80, 50), "C+": (None, None), "C": (None, None), None: (None, None),
    }  # fmt: skip
    assert {(m["from"], m["to"]): m["people"] for m in found["moves"] if m["people"]} == {
        ("A", "A"): 20, ("B", "A"): 30, ("B", "B"): 50,
    }  # fmt: skip
    assert found["changed"] == {"better": 30, "worse": None, "points_up": 30, "points_down": None}
    assert found["reasons"]["better"] == {
        "looked_at": 30,
        "rules": [{"rule": "honour-award", "label": "近五年的表彰奖励", "percent": 100, "mean_points": 1500}],
    }
    assert found["reasons"]["worse"] == {"looked_at": None, "rules": []}
    (offer,) = found["offers"]
    assert (offer["before"], offer["after"], offer["standard"], offer["clean_percent"]) == (20, 50, 50, 100)
    assert (offer["spent_fen"], offer["expected_fen"]) == (100_000, 250_000)
    assert found["stops"] == {"deniability": [], "disparity": []}


def test_the_histogram_counts_everybody_once(tmp_path: Path) -> None:
    found = run(tmp_path, times(30, items=AWARD) + times(50) + times(20, items=("rescue-honour",)))
    assert sum(bar["after"] or 0 for bar in found["histogram"]) == 100
    assert sum(bar["before"] or 0 for bar in found["histogram"]) == 100
    assert {bar["from"]: bar["after"] for bar in found["histogram"] if bar["after"]} == {
        60000: 50,
        64000: 30,
        66000: 20,
    }


@pytest.mark.parametrize(("women", "ratio", "stops"), [(79, "0.79", True), (80, "0.80", False), (100, "1.00", False)])
def test_a_ratio_under_four_fifths_stops_and_four_fifths_does_not(
    tmp_path: Path, women: int, ratio: str, stops: bool
) -> None:
    people = times(women, sex="F", items=AWARD) + times(100 - women, sex="F") + times(100, sex="M", items=AWARD)
    found = run(tmp_path, people, offers=[TOURISM])
    (sex,) = [one for one in found["disparity"] if one["attribute"] == "sex"]
    assert (sex["ratio"], sex["stops"]) == (ratio, stops)
    assert found["stops"]["disparity"] == (["A 及以上 · 性别"] if stops else [])
    assert [(group["group"], group["people"]) for group in sex["groups"]] == [("女", 100), ("男", 100)]


def test_groups_of_fewer_than_ten_are_neither_shown_nor_compared(tmp_path: Path) -> None:
    people = times(9, district="430502") + times(10, district="430503", items=AWARD) + times(10, district="430511")
    found = run(tmp_path, people, offers=[TOURISM])
    (district,) = [one for one in found["disparity"] if one["attribute"] == "district"]
    assert [group["group"] for group in district["groups"]] == ["430503", "430511"]
    assert (district["ratio"], district["lowest"]) == ("0.00", "430511")
    assert "430502" not in json.dumps(found)


def test_ages_are_those_of_the_day_and_minors_are_left_out(tmp_path: Path) -> None:
    born = [date(2008, 11, 21), date(2008, 11, 20), date(1996, 11, 20), date(1966, 11, 21), date(1966, 11, 20)]
    found = run(tmp_path, [{"born": day} for day in born for _ in range(10)], offers=[TOURISM])
    assert found["people"] == 40
    (age,) = [one for one in found["disparity"] if one["attribute"] == "age"]
    assert [(group["group"], group["people"]) for group in age["groups"]] == [
        ("18–29 岁", 10), ("30–44 岁", 10), ("45–59 岁", 10), ("60 岁及以上", 10),
    ]  # fmt: skip


@pytest.mark.parametrize(("clean", "denies"), [(30, True), (29, False)])
def test_at_least_half_of_those_with_the_standard_service_must_have_no_adverse_record(
    tmp_path: Path, clean: int, denies: bool
) -> None:
    people = times(clean) + times(30, items=("administrative-penalty",)) + times(40, items=("rescue-honour",))
    found = run(tmp_path, people, offers=[TOURISM])
    assert found["offers"][0]["denies"] is denies
    assert found["stops"]["deniability"] == ([] if denies else ["守信游客赠册(A)"])


def test_an_offer_is_judged_on_those_who_may_have_it(tmp_path: Path) -> None:
    there = OfferThreshold("2", "别处", "A", places=frozenset({"guangdong-huizhou"}))
    made = population(tmp_path, times(20))
    with duckdb.connect() as database:
        subjects = f"SELECT *, 'hunan-shaoyang' AS place FROM read_parquet('{made.subjects}')"
        database.execute(f"COPY ({subjects}) TO '{tmp_path}/p.parquet'")
    made = Population(records=made.records, subjects=tmp_path / "p.parquet")
    found = simulate(drafted(), SHIPPED, population=made, on=DAY, offers=[there], folder=tmp_path)
    assert (found["offers"][0]["after"], found["offers"][0]["standard"]) == (None, None)


def test_a_first_version_is_simulated_without_a_comparison(tmp_path: Path) -> None:
    found = simulate(drafted(), None, population=population(tmp_path, times(20)), on=DAY, folder=tmp_path)
    assert (found["before"], found["moves"], found["reasons"]) == (None, [], None)
    assert {row["code"]: row["after"] for row in found["grades"]}["B"] == 20


def test_a_record_of_an_item_that_only_one_version_knows_stops_neither(tmp_path: Path) -> None:
    content, _ = draft(replace=("  rescue-honour: {label: 见义勇为表彰, nature: honour}\n", ""))
    start = content.index("    - id: rescue-honour")
    content = content[:start] + content[content.index("    - id: court-enforcement") :]
    (after,) = read_models(
        [(RuleFile.of_text(content, name="draft"), "hunan-shaoyang")], places=PLACES, known=MODELS.all
    )
    made = population(tmp_path, times(20, items=("rescue-honour",)))
    found = simulate(after, SHIPPED, population=made, on=DAY, folder=tmp_path)
    assert {(m["from"], m["to"]): m["people"] for m in found["moves"] if m["people"]} == {("A", "B"): 20}
    assert found["reasons"]["worse"]["rules"][0]["mean_points"] == -6000


@given(st.integers(0, 10**8))
def test_people_are_shown_in_tens_and_never_fewer(people: int) -> None:
    told = shown(people)
    assert (told is None) == (people < 10)
    assert told is None or (told % 10 == 0 and 0 <= people - told < 10)


def test_the_command_writes_the_page_and_prints_the_numbers(tmp_path: Path) -> None:
    from cli.simulate import simulate as command

    made = population(tmp_path, times(30, items=AWARD) + times(50))
    (tmp_path / "new.yaml").write_text(draft()[0], encoding="utf-8")
    (tmp_path / "offers.json").write_text('[{"offer": "1", "threshold": "A", "spent_fen": 5}]', encoding="utf-8")
    arguments = [str(tmp_path / "new.yaml"), "--records", str(made.records), "--subjects", str(made.subjects)]
    arguments += ["--on", "2026-11-20", "--out", str(tmp_path / "report.html"), "--json"]
    result = CliRunner().invoke(command, [*arguments, "--offers", str(tmp_path / "offers.json")])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["changed"]["better"], told["offers"][0]["after"]) == (30, 30)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_points_of_records_are_exact_in_the_reasons(tmp_path: Path) -> None:
    accountant = MODELS.version("changxing-accountant", "2022-01")
    made = population(tmp_path, times(20))
    with duckdb.connect() as database:
        database.execute(f"""COPY (SELECT 's' || i AS subject, 'incentive' AS item, DATE '2026-01-01' AS occurred_on,
            NULL::DATE AS removed_on, NULL::BOOLEAN AS serious_consequence, {Decimal("339.99")}::DECIMAL(18,2) AS points
            FROM range(20) t(i)) TO '{tmp_path}/own.parquet'""")
    made = Population(records=tmp_path / "own.parquet", subjects=made.subjects)
    content = (PLACES["zhejiang-changxing"].folder / "models/changxing-accountant-2022-01.yaml").read_text("utf-8")
    changed = content.replace('"2022-01"', '"2027-01"').replace("at_most: 340", "at_most: 300")
    (after,) = read_models(
        [(RuleFile.of_text(changed, name="draft"), "zhejiang-changxing")], places=PLACES, known=MODELS.all
    )
    found = simulate(after, accountant, population=made, on=DAY, folder=tmp_path)
    assert found["changed"] == {"better": None, "worse": None, "points_up": None, "points_down": 20}
