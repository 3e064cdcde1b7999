"""The grade that counts for benefits: never worse than the score's own, kept for a while when the rules change, and
recognised from other places."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from factories import NOON, City, rulebook
from hypothesis import event, given, settings
from hypothesis import strategies as st
from sample_models import ALL_OPERATORS, load_here
from sqlalchemy import update
from test_engine import records_of
from test_results import NUMBERS

from scoring.engine import Record, Score, evaluate
from scoring.inputs import Inputs, PushedResult, result_on
from scoring.issuers import Issuer, Push, PushedRow
from scoring.model import Model
from scoring.results import receive_results, withdraw_batch
from scoring.tables import scores

CHANGED = date(2026, 3, 1)
BEFORE = ALL_OPERATORS.replace("in_force_from: 2024-01-01", f"in_force_from: 2024-01-01\nin_force_until: {CHANGED}")
AFTER = (
    ALL_OPERATORS.replace('version: "2024-01"', 'version: "2026-03"')
    .replace("in_force_from: 2024-01-01", f"in_force_from: {CHANGED}\ngrace: {{months: 6}}")
    .replace("each: 33.33", "each: 20")
    .replace("points: 500", "points: 480")
)


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Model]:
    root = tmp_path_factory.mktemp("versions")
    (root / "here" / "models").mkdir(parents=True)
    (root / "here" / "models" / "all-operators-2026-03.yaml").write_text(AFTER, encoding="utf-8")
    before, after = load_here(root, {"all-operators": BEFORE}).all
    return before, after


def grade_of(model: Model, records: list[Record], on: date) -> str:
    result = evaluate(model, records=records, facts={}, on=on)
    assert isinstance(result, Score)
    assert result.grade
    return result.grade.code


def counting(model: Model, inputs: Inputs, on: date) -> str:
    result = result_on(model, inputs, on=on)
    assert isinstance(result.score, Score)
    assert result.score.grade
    return (result.better.grade if result.better else result.score.grade).code


def test_whoever_had_a_grade_keeps_it_for_benefits_until_the_days_of_grace_are_over(
    versions: tuple[Model, Model],
) -> None:
    before, after = versions
    award = [Record("award", date(2026, 2, 28))] * 2
    assert (grade_of(before, award, CHANGED), grade_of(after, award, CHANGED)) == ("G1", "G2")
    last = date(2026, 8, 31)
    kept = result_on(after, Inputs(tuple(award)), on=CHANGED)
    assert kept.better is not None
    assert kept.better.grade.code == "G1"
    assert kept.better.why == "评分模型改版前(2024-01 版)的等级较好,享受优惠时保留到 2026-09-01 前。"
    assert result_on(after, Inputs(), on=last).better is not None
    assert result_on(after, Inputs(), on=last).score.valid_until == last + timedelta(days=1)
    assert result_on(after, Inputs(), on=last + timedelta(days=1)).better is None


@settings(max_examples=200, deadline=None)
@given(data=st.data(), days=st.integers(0, 183))
def test_no_change_of_rules_takes_a_benefit_away_within_the_days_of_grace(
    versions: tuple[Model, Model], data: st.DataObject, days: int
) -> None:
    before, after = versions
    on = CHANGED + timedelta(days=days)
    records = data.draw(records_of(after, on))
    counts, theirs, own = counting(after, Inputs(tuple(records)), on), *(grade_of(m, records, on) for m in versions)
    event(f"kept: {counts != own}")
    assert counts == min((theirs, own), key=after.rank)
    assert before.at_least(counts, theirs)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), start=st.integers(-30, 200))
def test_what_counts_holds_until_the_day_that_is_said(
    versions: tuple[Model, Model], data: st.DataObject, start: int
) -> None:
    _, after = versions
    on = CHANGED + timedelta(days=max(start, 0))
    inputs = Inputs(tuple(data.draw(records_of(after, on))))
    result = result_on(after, inputs, on=on)
    until = result.score.valid_until or on + timedelta(days=400)
    for day in range(min((until - on).days, 400)):
        assert counting(after, inputs, on + timedelta(days=day)) == counting(after, inputs, on)


def test_a_recognised_result_counts_only_where_it_is_better_and_while_it_holds() -> None:
    model = rulebook().models.get("xiangxinfen")
    at = datetime(2026, 5, 1, tzinfo=UTC)

    def there(grade: str, model_id: str = "huixinma-person") -> Inputs:
        result = PushedResult(
            "1", model_id, "pushed", None, grade, date(2026, 5, 1), date(2026, 8, 1), "外地", None, at
        )
        return Inputs(pushed=(result,))

    found = result_on(model, there("A"), on=date(2026, 7, 31))
    assert found.better is not None
    assert found.better.grade.code == "A"
    assert "大委办发〔2019〕8号" in found.better.why
    assert found.score.valid_until == date(2026, 8, 1)
    assert result_on(model, there("A"), on=date(2026, 8, 1)).better is None
    assert result_on(model, there("A"), on=date(2026, 4, 30)).score.valid_until == date(2026, 5, 1)
    assert result_on(model, there("B"), on=date(2026, 6, 1)).better is None
    assert result_on(model, there("A", "huixinma-enterprise"), on=date(2026, 6, 1)).better is None


async def test_a_result_of_another_place_opens_a_benefit_here_and_withdrawing_it_closes_it(city: City) -> None:
    query = "{ me { scores { model { id } grade { code } benefitGrade { code } benefitGradeReason } } }"

    async def outcome() -> str:
        return str((await city.verify(await city.code("poor")))["outcome"])

    async def shown() -> dict[str, object]:
        body = await city.ask(query, by="poor")
        return dict(next(one for one in body["data"]["me"]["scores"] if one["model"]["id"] == "xiangxinfen"))

    assert await outcome() == "STANDARD_SERVICE"
    own = await shown()
    issuer = Issuer("huizhou", "惠州市", frozenset({"huixinma-person"}), frozenset({"hunan-shaoyang"}))
    row = PushedRow(NUMBERS["poor"], None, "A+", NOON.date(), None, None)
    push = Push(issuer, "batch-1", "huixinma-person", (row,))
    models = city.state.rulebook.models
    async with city.state.database.transaction() as connection:
        received = await receive_results(
            connection, push, models=models, keys=city.keys, actor="provider", now=city.now
        )
    assert (received.applied, list(received.leftovers)) == (1, [])
    now = await shown()
    assert now["grade"] == own["grade"]
    assert now["benefitGrade"] == {"code": "A+"}
    assert "得到承认" in str(now["benefitGradeReason"])
    assert await outcome() == "BENEFIT_APPLIES"
    assert {one.model for one in await city.rows(scores) if one.better_grade} == {"xiangxinfen"}
    async with city.state.database.transaction() as connection:
        await withdraw_batch(
            connection, issuer="huizhou", batch="batch-1", models=models, actor="provider", now=city.now
        )
    assert await shown() == own
    assert await outcome() == "STANDARD_SERVICE"


async def test_the_stored_grade_that_counts_is_what_is_decided_by(city: City) -> None:
    await city.ask("{ me { scores { points } } }", by="poor")
    assert (await city.verify(await city.code("poor")))["outcome"] == "STANDARD_SERVICE"
    await city.write(update(scores).values(better_grade="A+", better_why="测试"))
    assert (await city.verify(await city.code("poor")))["outcome"] == "BENEFIT_APPLIES"
