"""Why a score is what it is, in at most four sentences."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_whatif import MODELS, TODAY, facts_of, records_of

from core.places import load_places
from scoring.engine import NotAssessed, Record, Score, evaluate
from scoring.headlines import MOST, headlines
from scoring.inputs import Inputs, PushedResult, result_on
from scoring.model import CompositionMethod, Model, PointsMethod
from scoring.models import load_models
from scoring.values import number_text

SHAMING = re.compile("失信|老赖|恶劣|不良|差评|警告|黑名单|污点|可耻")
FOUND = load_models(load_places())


def told(model_id: str, *records: Record, on: date = TODAY, **facts: object) -> tuple[str, ...]:
    model = FOUND.get(model_id, on)
    named = tuple(record._replace(id=str(place)) for place, record in enumerate(records))
    return headlines(evaluate(model, records=named, facts=model.read_facts(facts), on=on), records=named)


def test_the_largest_contributions_up_and_down_are_told_with_the_day_they_end() -> None:
    assert told(
        "xiangxinfen",
        Record("commitment-breach", date(2025, 3, 1)),
        Record("commitment-kept", date(2026, 1, 1)),
        Record("commitment-kept", date(2026, 2, 1)),
        volunteer_hours="100",
    ) == (
        "「志愿服务时长」让您多了 20 分。",
        "有 1 条「近两年未履行的信用承诺」记录,使您少了 20 分,自 2027-03-01 起不再计入。",
        "有 2 条「近两年履行的信用承诺」记录,让您多了 12 分。",
    )


def test_a_record_that_is_to_be_removed_earlier_ends_on_that_day() -> None:
    (sentence,) = told("xiangxinfen", Record("court-enforcement", date(2026, 1, 1), date(2027, 1, 15)))
    assert sentence.endswith("使您少了 130 分,自 2027-01-15 起不再计入。")


def test_rules_under_a_full_cap_are_told_as_one() -> None:
    records = [Record("volunteer-service", date(2026, 1, day)) for day in range(1, 8)]
    assert told("xiangxinfen", *records, volunteer_hours="300") == (
        "按「志愿服务合计不超过 60 分」,这一类共让您多了 60 分。",
    )


def test_with_nothing_on_record_the_start_is_told() -> None:
    assert told("xiangxinfen") == ("目前没有计分的记录,总分就是基础分 600 分。",)


def test_classes_are_told_by_what_decided_them() -> None:
    assert told("hebei-enterprise") == ("没有影响分类的记录,所以是A 类。",)
    (sentence,) = told("hebei-enterprise", Record("tax-arrears", date(2026, 5, 5)))
    assert sentence.startswith("近 1 年有 1 条「")
    assert sentence.endswith("记录,所以是B 类,自 2027-05-05 起不再计入。")


def test_parts_are_told_by_their_share() -> None:
    assert told("hunan-comprehensive", public="90", industries=[{"industry": "x", "score": "80", "weight": 1}]) == (
        "「公共信用综合评价,占 50%」,计入 45 分。",
        "「行业信用评价的加权平均值,占 50%」,计入 40 分。",
    )


def test_what_cannot_be_assessed_says_what_is_missing_and_that_it_harms_nobody() -> None:
    assert told("hunan-comprehensive") == (
        "暂时不能作出评价,因为还没有「公共信用综合评价,占 50%」;这不会给贵单位带来任何不利。",
    )


def test_a_pushed_result_says_whose_it_is() -> None:
    model = FOUND.get("xiangxinfen")
    end = date(2027, 1, 1)
    pushed = PushedResult("1", model.id, "pushed", 71_250, "A+", date(2026, 11, 1), end, "省平台", None, None)  # type: ignore[arg-type]
    assert headlines(result_on(model, Inputs(pushed=(pushed,)), on=TODAY).score) == (
        "采用省平台 2026-11-01 的结果。",
        "结果为 712.5 分。",
        "这一结果到 2027-01-01 之前有效。",
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[Model, tuple[Record, ...], dict[str, object], date]:
    model = draw(st.sampled_from(MODELS))
    day = draw(st.dates(date(2022, 1, 1), date(2028, 12, 31)))
    return model, draw(records_of(model, "r")), draw(facts_of(model)), day


@settings(max_examples=300, deadline=None)
@given(case=cases())
def test_every_sentence_is_neutral_and_every_number_true(
    case: tuple[Model, tuple[Record, ...], dict[str, object], date],
) -> None:
    model, records, raw, day = case
    result = evaluate(model, records=records, facts=model.read_facts(raw), on=day)
    found = headlines(result, records=records)
    assert 1 <= len(found) <= MOST
    assert not [sentence for sentence in found if SHAMING.search(sentence) and not _is_a_label(sentence, model)]
    if isinstance(result, NotAssessed) or not isinstance(model.method, PointsMethod):
        return
    sums = {line.points for line in result.lines} | _capped(result)
    for sentence in found:
        moved = re.search(r"(多了|少了) ([\d.]+) 分", sentence)
        if moved:
            sign = 1 if moved[1] == "多了" else -1
            assert moved[2] in {number_text(points * sign) for points in sums}, sentence
        ends = re.search(r"自 (\S+) 起不再计入", sentence)
        if ends:
            label = sentence.split("「")[1].split("」")[0]
            later = evaluate(model, records=records, facts=model.read_facts(raw), on=date.fromisoformat(ends[1]))
            assert isinstance(later, Score)
            before, after = (
                {record for line in one.lines if line.label == label for record in line.records}
                for one in (result, later)
            )
            assert len(before) == 1
            assert not before & after


def _is_a_label(sentence: str, model: Model) -> bool:
    """Whether the word stands in a name that the model's own source uses."""
    return all(SHAMING.search(part) is None for part in re.split("「[^」]*」", sentence))


def _capped(result: Score) -> set[int]:
    method = result.model.method
    assert isinstance(method, PointsMethod)
    lines = {line.rule: line.points for line in result.lines}
    return {
        lines[one.id] + sum(lines.get(rule.id, 0) for rule in method.rules if rule.dimension == one.id)
        for one in method.dimensions
        if one.id in lines
    }


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.id}-{model.version}")
def test_every_model_has_something_to_say_about_somebody_without_records(model: Model) -> None:
    found = headlines(evaluate(model, records=(), facts={}, on=TODAY))
    assert found
    assert all(sentence.endswith("。") for sentence in found)
    if isinstance(model.method, CompositionMethod):
        assert len(found) <= MOST
