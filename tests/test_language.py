"""What each operator of the language does at its edges, and what the loader refuses of the newer ones."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from sample_models import (
    ALL_OPERATORS,
    COMPOSED,
    FILES,
    INDICATORS,
    LENIENT_CLASSES,
    THREE_YEARS,
    load_here,
    sample_models,
)

from core.errors import DataFileError
from scoring.engine import NotAssessed, Record, Score, evaluate
from scoring.models import UnknownModel

ON = date(2026, 6, 1)
MODELS = sample_models()


def result_of(name: str, *records: Record, on: date = ON, **facts: int) -> Score:
    result = evaluate(MODELS.get(name), records=records, facts=facts, on=on)
    assert isinstance(result, Score)
    return result


def points_of(rule: str, *records: Record, on: date = ON) -> int:
    return sum(line.points for line in result_of("all-operators", *records, on=on).lines if line.rule == rule)


def ago(item: str, days: int, **given: object) -> Record:
    return Record(item, ON - timedelta(days=days), **given)  # type: ignore[arg-type]


def test_linear_decay_is_whole_until_it_begins_and_its_rest_once_it_has_ended() -> None:
    assert [points_of("awards", ago("award", age)) for age in (0, 30, 31, 399, 400, 3000)] == [
        3333,
        3333,
        150 + 3174,  # 3183 × 369 / 370 = 3174.397
        150 + 9,  # 3183 × 1 / 370 = 8.60, rounded half up
        150,
        150,
    ]


def test_linear_decay_rounds_each_record_half_up() -> None:
    assert [points_of("faults", ago("fault", age)) for age in range(8)] == [
        -1001,
        -858,
        -715,
        -572,
        -429,
        -286,
        -143,
        0,
    ]


def test_a_record_growing_lighter_says_when_it_will_next_change() -> None:
    model = MODELS.get("all-operators")
    for age, next_change in ((0, 31), (30, 1), (31, 1), (399, 1), (400, None)):
        result = evaluate(model, records=[ago("award", age)], facts={}, on=ON)
        assert result.valid_until == (None if next_change is None else ON + timedelta(days=next_change))


def test_records_of_one_month_count_for_so_much_at_most_and_each_month_for_itself() -> None:
    in_may = [Record("visit", date(2026, 5, day)) for day in (1, 10, 31)]
    assert points_of("visits", *in_may[:2]) == 800
    assert points_of("visits", *in_may) == 800
    assert points_of("visits", *in_may, Record("visit", date(2026, 6, 1))) == 1200
    assert points_of("visits", *in_may, Record("visit", date(2025, 5, 31))) == 1200


def test_the_whole_is_limited_after_the_periods_are() -> None:
    every_month = [Record("visit", date(2025, month, day)) for month in range(1, 13) for day in (1, 2)]
    assert points_of("visits", *every_month) == 6000


def test_one_minor_breach_put_right_is_a_reminder_and_no_more() -> None:
    breach = ago("breach", 100, id="7", minor=True, corrected_on=ON)
    result = result_of("all-operators", breach)
    assert (result.points, result.lines[-1].rule, result.lines[-1].points) == (50_000, "lenience-minor", 0)
    assert result.lines[-1].records == ("7",)


@pytest.mark.parametrize(
    ("why", "records"),
    [
        ("not minor", [ago("breach", 100, corrected_on=ON)]),
        ("not put right", [ago("breach", 100, minor=True)]),
        ("put right only tomorrow", [ago("breach", 100, minor=True, corrected_on=ON + timedelta(days=1))]),
        ("not without harm", [ago("breach", 100, minor=True, corrected_on=ON, serious_consequence=True)]),
        ("older than the window", [ago("breach", 731, minor=True, corrected_on=ON)]),
        ("not isolated", [ago("breach", 100, minor=True, corrected_on=ON), ago("fault", 6)]),
    ],
)
def test_no_lenience_where_one_of_its_conditions_is_missing(why: str, records: list[Record]) -> None:
    result = result_of("all-operators", *records)
    assert result.points is not None
    assert result.points < 50_000, why
    assert "lenience-minor" not in {line.rule for line in result.lines}


def test_a_breach_is_isolated_again_once_the_other_has_been_removed_or_is_due_to_force_majeure() -> None:
    breach = ago("breach", 100, minor=True, corrected_on=ON)
    assert result_of("all-operators", breach, ago("fault", 6, removed_on=ON)).points == 50_000
    assert result_of("all-operators", breach, ago("fault", 6, force_majeure=True)).points == 50_000


def test_what_force_majeure_caused_counts_nowhere() -> None:
    result = result_of("all-operators", *[ago("breach", 10, force_majeure=True)] * 4)
    assert (result.points, result.grade and result.grade.code) == (50_000, "G2")
    assert [(line.rule, line.points) for line in result.lines] == [("base", 50_000), ("lenience-force-majeure", 0)]


def test_a_model_that_is_not_lenient_does_not_look_at_the_marks() -> None:
    marked = ago("breach", 10, force_majeure=True, minor=True)
    assert result_of("lenient-classes", marked).grade == result_of("lenient-classes", ago("breach", 10)).grade


def test_a_classification_is_lenient_too() -> None:
    result = result_of("lenient-classes", ago("breach", 10, minor=True, corrected_on=ON))
    assert result.grade
    assert (result.grade.code, [line.rule for line in result.lines]) == ("A", ["lenience-minor"])


def test_a_composition_takes_the_points_of_the_version_it_names() -> None:
    result = result_of("composed", ago("breach", 10, id="1"), public=8000)
    assert [(line.rule, line.points, line.records) for line in result.lines] == [
        ("own", 13_800, ("1",)),  # 30 % of 460
        ("public", 5_600, ()),
    ]
    assert result.points == 19_400
    assert result.valid_until == date(2026, 11, 22)


def test_a_composition_without_one_of_its_parts_cannot_speak() -> None:
    result = evaluate(MODELS.get("composed"), records=(), facts={}, on=ON)
    assert isinstance(result, NotAssessed)
    assert result.reason == "NO_PUBLIC"


def test_a_standing_asks_every_full_year_before_the_day() -> None:
    award_each_year = [Record("award", date(year, 12, 20)) for year in (2023, 2024, 2025) for _ in range(2)]
    good = result_of("three-years", *award_each_year)
    assert good.grade
    assert (good.grade.code, good.points) == ("S1", None)
    assert [line.rule for line in good.lines] == ["year-2023", "year-2024", "year-2025"]
    assert [line.label for line in good.lines] == ["2023 年度:一级", "2024 年度:一级", "2025 年度:一级"]
    assert good.valid_until == date(2027, 1, 1)
    one_missing = result_of("three-years", *award_each_year[2:])
    assert one_missing.grade
    assert one_missing.grade.code == "S2"
    breach = result_of("three-years", *award_each_year, Record("breach", date(2024, 12, 30)))
    this_year = result_of("three-years", *award_each_year, Record("breach", date(2026, 1, 1)))
    assert breach.grade
    assert this_year.grade
    assert (breach.grade.code, this_year.grade.code) == ("S2", "S1")


def test_what_has_been_removed_since_counts_in_no_year_of_a_standing() -> None:
    breaches = [Record("breach", date(2024, 12, 30), date(2026, 7, 1))] * 2
    codes = []
    for day in (30, 31):
        grade = result_of("three-years", *breaches, on=date(2026, 6, 1) + timedelta(days=day - 1)).grade
        assert grade
        codes.append(grade.code)
    assert codes == ["S3", "S2"]
    assert result_of("three-years", *breaches).valid_until == date(2026, 7, 1)


def test_the_first_years_of_the_calendar_have_fewer_before_them() -> None:
    assert [line.rule for line in result_of("three-years", on=date(2, 1, 1)).lines] == ["year-1"]
    assert result_of("three-years", on=date(1, 1, 1)).lines == ()


def test_a_model_built_on_another_changes_its_checksum_with_it(tmp_path: Path) -> None:
    before = MODELS.get("three-years").checksum
    files = {"all-operators": ALL_OPERATORS.replace("points: 500", "points: 501"), "three-years": THREE_YEARS}
    assert load_here(tmp_path, files).get("three-years").checksum != before


def test_an_exact_version_is_found_or_named_as_missing() -> None:
    assert MODELS.version("composed", "2024-01").id == "composed"
    with pytest.raises(UnknownModel, match="composed-2024-02"):
        MODELS.version("composed", "2024-02")


BUILT_ON = '{id: all-operators, version: "2024-01"}'


@pytest.mark.parametrize(
    ("name", "edit", "line", "said"),
    [
        ("all-operators", ("fade: {to_days: 7}", "fade: {from_days: 7, to_days: 7}"), 35, "to_days 不大于 from_days"),
        ("all-operators", ("to: 1.5}", "to: 33.33}"), 26, "不小于 each"),
        ("all-operators", ("each: 10.01,", "each: 10.01, decay: [{after: {days: 1}, each: 1}],"), 35, "不能与 decay"),
        ("all-operators", ("each: 33.33,", "each: own,"), 26, "自带分值"),
        ("all-operators", ("period: calendar-month", "period: week"), 28, "calendar-month"),
        ("all-operators", ("to_days: 400", "to_days: 400.5"), 26, "integer"),
        ("all-operators", ("label: 轻微偶发且已改正, ", ""), 16, "label"),
        ("all-operators", ("id: many-awards", "id: lenience-minor"), 30, "引擎"),
        ("all-operators", ("at_least: 500}", "every_year_at_least: G1}"), 40, "缺口"),
        ("composed", (f"model: {BUILT_ON}", 'model: {id: composed, version: "2024-01"}'), 12, "成环"),
        ("composed", (f"model: {BUILT_ON}", 'model: {id: all-operators, version: "2023-01"}'), 12, "没有模型"),
        ("composed", (f"model: {BUILT_ON}", 'model: {id: lenient-classes, version: "2024-01"}'), 12, "没有分数"),
        ("composed", (f"model: {BUILT_ON}", f"fact: public, model: {BUILT_ON}"), 12, "恰好写一个"),
        ("composed", (f"model: {BUILT_ON}", "label2: x"), 12, "label2"),
        ("composed", ("facts:\n", "facts:\n  hours: {label: 时长, at_most: 999}\n"), 8, "写法不同"),
        ("composed", ("subject: person", "subject: enterprise"), 12, "另一类主体"),
        ("composed", ("at_least: 200", "at_least: 280"), 15, "最高只有 273.25 分"),
        ("composed", ("method:", "lenience: {}\nmethod:"), 9, "不能自带 lenience"),
        ("three-years", ("every_year_at_least: G1", "every_year_at_least: G9"), 9, "没有等级 G9"),
        ("three-years", ("every_year_at_least: G2", "every_year_at_least: G1"), 10, "重叠或顺序颠倒"),
        ("three-years", ("every_year_at_least: G2", "every_year_at_least: G4"), 10, "人人都能达到"),
        ("three-years", (", every_year_at_least: G2", ""), 10, "缺口"),
        ("three-years", ("name: 其他", "name: 其他, at_least: 3"), 11, "请写 every_year_at_least"),
        ("three-years", ("years: 3", "years: 0"), 7, "greater than"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(
    tmp_path: Path, name: str, edit: tuple[str, str], line: int, said: str
) -> None:
    assert edit[0] in FILES[name]
    with pytest.raises(DataFileError, match=said) as caught:
        load_here(tmp_path, FILES | {name: FILES[name].replace(*edit, 1)})
    assert (caught.value.file, caught.value.line) == (f"here/models/{name}-2024-01.yaml", line)


def test_a_circle_of_models_is_refused_however_long(tmp_path: Path) -> None:
    other = COMPOSED.replace("id: composed", "id: other").replace("all-operators", "composed")
    with pytest.raises(DataFileError, match="成环"):
        load_here(tmp_path, {"composed": COMPOSED.replace("all-operators", "other"), "other": other})


def test_a_model_of_another_place_cannot_be_built_on(tmp_path: Path) -> None:
    there = tmp_path / "there"
    (there / "models").mkdir(parents=True)
    (there / "place.yaml").write_text("name: 彼地\n", encoding="utf-8")
    (there / "indicators.yaml").write_text(INDICATORS, encoding="utf-8")
    (there / "models" / "all-operators-2024-01.yaml").write_text(ALL_OPERATORS, encoding="utf-8")
    with pytest.raises(DataFileError, match="只能引用本地或上级地方的模型"):
        load_here(tmp_path, {"composed": COMPOSED})


def test_the_samples_use_every_operator_there_is() -> None:
    text = ALL_OPERATORS + LENIENT_CLASSES + COMPOSED + THREE_YEARS
    for word in ("add,", "deduct,", "add-by-count", "deduct-by-count", "add-by-fact", "decay", "fade", "each_period"):
        assert word in text
