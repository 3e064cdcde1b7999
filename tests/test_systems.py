"""The systems of the source documents: each has its line in docs/systems.md, its table, and the law of its kind."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from core.places import ROOT, load_places
from scoring.engine import NotAssessed, Record, Score, evaluate
from scoring.model import ClassificationMethod, Model, StandingMethod
from scoring.models import load_models
from scoring.values import half_up

MODELS = load_models(load_places())
DOCUMENT = (Path(__file__).parent.parent / "docs" / "systems.md").read_text(encoding="utf-8")
ROWS = [line.split(" | ") for line in DOCUMENT.splitlines() if line.startswith("| ") and "`" in line]
GRADED = [model for model in MODELS.all if not isinstance(model.method, ClassificationMethod | StandingMethod)]
DAY = date(2026, 6, 1)
DAYS = st.dates(date(2021, 1, 1), date(2026, 12, 31))


def result(model_id: str, *records: Record, on: date = DAY, **facts: int) -> Score:
    found = evaluate(MODELS.get(model_id), records=records, facts=facts, on=on)
    assert isinstance(found, Score)
    return found


def test_the_document_lists_every_model_with_its_place_and_status() -> None:
    listed = {
        (place, name, row[3])
        for row in ROWS
        for place, name in re.findall(r"`([a-z-]+)` `([a-z-]+)`", row[2])
        if "." not in name
    }
    assert listed == {(model.place, model.id, model.status) for model in MODELS.all}


def test_the_document_lists_every_other_file_of_rules() -> None:
    listed = {f"{place}/{name}" for row in ROWS for place, name in re.findall(r"`([a-z-]+)` `([a-z-]+\.yaml)`", row[2])}
    kinds = ("park-index.yaml", "inspection.yaml", "recognition.yaml", "early-warning.yaml")
    assert listed == {str(path.relative_to(ROOT)) for kind in kinds for path in ROOT.glob(f"*/{kind}")}


@pytest.mark.parametrize("model", GRADED, ids=lambda model: model.id)
def test_a_table_stands_on_both_sides_of_every_threshold(model: Model) -> None:
    path = ROOT / model.place / "models" / f"{model.id}-{model.version}.tests.yaml"
    cases = [case["expect"] for case in yaml.safe_load(path.read_text(encoding="utf-8"))]
    reached = {(round(100 * expect["points"]), expect["grade"]) for expect in cases if expect.get("points") is not None}
    for above, below in zip(model.grades, model.grades[1:], strict=False):
        assert above.at_least is not None
        assert (above.at_least, above.code) in reached, f"nobody at {above.at_least}"
        nearest = max(points for points, grade in reached if grade == below.code)
        assert above.at_least - nearest <= 1000, f"nobody just under {above.at_least}"


CHANGXING = st.lists(
    st.builds(
        Record,
        st.sampled_from(["incentive", "constraint", "veto"]),
        DAYS,
        st.none() | DAYS,
        points=st.sampled_from([0, 5000, 14999, 15001, 20000, 34000]),
    ),
    max_size=8,
)


@given(CHANGXING, DAYS)
def test_three_years_of_changxing_are_three_single_years(records: list[Record], on: date) -> None:
    base = MODELS.get("changxing-accountant")
    standing = [record for record in records if record.removed_on is None or record.removed_on > on]
    grades = []
    for year in (on.year - 3, on.year - 2, on.year - 1):
        # What was put right by now counts in no year, what was on record then and is not yet put right does.
        found = evaluate(base, records=standing, facts={}, on=date(year, 12, 31))
        assert isinstance(found, Score)
        assert found.grade is not None
        grades.append(found.grade.code)
    if all(grade == "优秀" for grade in grades):
        expected = "first"
    elif all(grade in ("优秀", "良好") for grade in grades):
        expected = "second"
    else:
        expected = "other"
    grade = result("changxing-honours", *records, on=on).grade
    assert grade is not None
    assert grade.code == expected


INTEGRITY = st.lists(
    st.builds(
        Record,
        st.sampled_from(sorted(MODELS.get("integrity-points").items)),
        DAYS,
        minor=st.booleans(),
        corrected_on=st.none() | DAYS,
        force_majeure=st.booleans(),
        serious_consequence=st.booleans(),
    ),
    max_size=6,
)


@given(INTEGRITY)
def test_lenience_and_force_majeure_never_lower_integrity_points(records: list[Record]) -> None:
    plain = [record._replace(minor=False, corrected_on=None, force_majeure=False) for record in records]
    lenient, strict = result("integrity-points", *records).points, result("integrity-points", *plain).points
    assert lenient is not None
    assert strict is not None
    assert lenient >= strict


def test_what_is_forgiven_is_shown_as_a_reminder_of_no_points() -> None:
    found = result(
        "integrity-points",
        Record("administrative-penalty", date(2026, 5, 1), minor=True, corrected_on=date(2026, 5, 9), id="p"),
    )
    assert [(line.rule, line.points, line.records) for line in found.lines] == [
        ("base", 10000, ()),
        ("lenience-minor", 0, ("p",)),
    ]
    assert "第三十条第二款" in found.lines[1].basis


@given(st.integers(0, 10_000), st.lists(st.builds(Record, st.just("administrative-penalty"), DAYS), max_size=5))
def test_half_of_a_park_enterprise_is_the_model_it_is_built_on(market: int, records: list[Record]) -> None:
    public = result("public-evaluation", *records).points
    assert public is not None
    assert result("park-enterprise", *records, market_evaluation=market).points == half_up(public + market, 2)
    assert isinstance(evaluate(MODELS.get("park-enterprise"), records=records, facts={}, on=DAY), NotAssessed)


def test_an_entrepreneur_is_never_worse_off_for_an_enterprise() -> None:
    without = result("huixinma-entrepreneur").points
    points = [result("huixinma-entrepreneur", led_enterprise_points=100 * n).points for n in (0, 67, 68, 79, 80, 100)]
    assert [without, *points] == [6000, 6000, 6000, 6600, 6600, 7200, 7200]
