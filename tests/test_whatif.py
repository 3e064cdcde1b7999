"""What is supposed comes true: the score foretold is the score that later stands there."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from factories import NOON, City
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, update

from core.errors import BadInput
from core.places import load_places
from scoring.engine import Record
from scoring.inputs import Inputs, PushedResult, result_on
from scoring.model import Model
from scoring.models import load_models
from scoring.tables import credit_records, facts
from scoring.whatif import Change, check_change, what_if

MODELS = load_models(load_places()).all
TODAY = NOON.date()
DAYS = st.dates(date(2019, 1, 1), date(2027, 12, 31))
SHOWN = "points grade { code } reason origin lines { rule points records } headlines"
WHAT_IF = f"""query ($input: WhatIfInput!) {{ me {{ scores {{ model {{ id }}
  whatIf(input: $input) {{ day modelVersion difference changes {SHOWN} }} }} }} }}"""


@st.composite
def records_of(draw: st.DrawFn, model: Model, name: str) -> tuple[Record, ...]:
    """Up to six records of the model's items."""
    items = st.sampled_from(sorted(model.all_items))
    made = []
    for number in range(draw(st.integers(0, 6)) if model.all_items else 0):
        item, occurred_on = draw(items), draw(DAYS)
        removed_on = draw(st.one_of(st.none(), DAYS))
        put_right = draw(st.one_of(st.none(), DAYS))
        points = draw(st.integers(0, 40_000)) if item in model.own_points_items else None
        flags = [draw(st.booleans()) for _ in range(3)]
        made.append(
            Record(item, occurred_on, removed_on, flags[0], points, f"{name}{number}", flags[1], put_right, flags[2])
        )
    return tuple(made)


@st.composite
def facts_of(draw: st.DrawFn, model: Model) -> dict[str, object]:
    """Some of the model's facts."""
    found: dict[str, object] = {}
    for name, fact in model.all_facts.items():
        if draw(st.booleans()):
            number = str(draw(st.integers(fact.at_least, min(fact.at_most, 200_000))) / 100)
            found[name] = number if fact.type == "number" else [{"industry": "x", "score": number, "weight": "1"}]
    return found


@st.composite
def suppositions(draw: st.DrawFn) -> tuple[Model, Inputs, Change]:
    """A model, what is known, and what is supposed."""
    model = draw(st.sampled_from(MODELS))
    inputs = Inputs(draw(records_of(model, "r")), draw(facts_of(model)))
    gone = [record.id for record in inputs.records if record.id is not None and draw(st.booleans())]
    day = draw(st.dates(date(2024, 1, 1), date(2030, 12, 31)))
    return model, inputs, Change(day, frozenset(gone), draw(records_of(model, "n")), draw(facts_of(model)))


@settings(max_examples=400, deadline=None)
@given(supposed=suppositions())
def test_what_is_supposed_is_what_holds_once_it_has_come_true(supposed: tuple[Model, Inputs, Change]) -> None:
    model, inputs, change = supposed
    # As the city would write it down: a repaired record is not deleted, it has a day from which it counts no more.
    kept = [
        record._replace(removed_on=change.day) if record.id in change.without else record for record in inputs.records
    ]
    later = Inputs((*kept, *change.add), {**inputs.facts, **change.facts})
    assert what_if(model, inputs, change) == result_on(model, later, on=change.day)


def test_supposing_nothing_changes_nothing() -> None:
    model = next(model for model in MODELS if model.id == "xiangxinfen")
    inputs = Inputs((Record("honour-award", date(2026, 1, 1), id="a"),), {"volunteer_hours": "20"})
    assert what_if(model, inputs, Change(TODAY)) == result_on(model, inputs, on=TODAY)


def test_a_pushed_result_in_force_on_the_day_stays_the_answer_and_gives_way_after_its_end() -> None:
    model = next(model for model in MODELS if model.id == "xiangxinfen")
    pushed = PushedResult(
        "1", model.id, "pushed", 70000, "A+", date(2026, 1, 1), date(2027, 1, 1), "省平台", None, NOON
    )
    inputs = Inputs(pushed=(pushed,))
    add = (Record("court-enforcement", date(2026, 11, 1)),)
    before = what_if(model, inputs, Change(date(2026, 12, 31), add=add))
    assert (before.origin, before.score.points) == ("pushed", 70000)  # type: ignore[union-attr]
    after = what_if(model, inputs, Change(date(2027, 1, 1), add=add))
    assert (after.origin, after.score.points) == ("computed", 47000)  # type: ignore[union-attr]


async def read(city: City, query: str, given_: dict[str, Any] | None = None, *, by: str = "good") -> Any:
    body = await city.ask(query, None if given_ is None else {"input": given_}, by=by)
    assert "errors" not in body, body
    return body["data"]["me"]["scores"]


async def score_of(city: City, model: str, *, by: str = "good") -> Any:
    scores = await read(city, f"{{ me {{ scores {{ model {{ id }} {SHOWN} }} }} }}", by=by)
    return next({**score, "model": None} for score in scores if score["model"]["id"] == model)


async def foretold(city: City, model: str, given_: dict[str, Any], *, by: str = "good") -> Any:
    return next(score["whatIf"] for score in await read(city, WHAT_IF, given_, by=by) if score["model"]["id"] == model)


def same(told: Any, score: Any) -> bool:
    """Equal but for the names that supposed records have."""
    lines = [[(line["rule"], line["points"], len(line["records"])) for line in one["lines"]] for one in (told, score)]
    keys = ("points", "grade", "reason", "origin", "headlines")
    return lines[0] == lines[1] and all(told[key] == score[key] for key in keys)


async def test_a_record_that_is_repaired_and_one_that_is_added_come_out_as_foretold(city: City) -> None:
    day = TODAY + timedelta(days=400)
    told = await foretold(
        city,
        "xiangxinfen",
        {
            "day": str(day),
            "without": ["r0"],
            "add": [{"item": "administrative-penalty", "occurredOn": "2026-12-24"}],
            "facts": [{"name": "volunteer_hours", "value": "100"}],
        },
        by="poor",
    )
    before = await score_of(city, "xiangxinfen", by="poor")
    penalty = {"id": "x", "item": "administrative-penalty", "occurred_on": date(2026, 12, 24), "source": "测试"}
    await city.write(
        update(credit_records)
        .where(credit_records.c.subject_id == 3, credit_records.c.id == "r0")
        .values(removed_on=date(2026, 12, 1)),
        insert(credit_records).values(subject_id=3, **penalty),
        insert(facts).values(subject_id=3, name="volunteer_hours", value="100.00", observed_on=day),
    )
    city.wait(days=400)
    score = await score_of(city, "xiangxinfen", by="poor")
    assert same(told, score), (told, score)
    assert (told["day"], told["origin"]) == (str(day), "COMPUTED")
    assert float(told["difference"]) == float(score["points"]) - float(before["points"])
    assert any("人民法院生效文书确定的义务未履行" in change for change in told["changes"])


async def test_what_an_enterprises_evaluations_would_make_comes_out_as_foretold(city: City) -> None:
    industries = [{"industry": "retail", "score": "61.5", "weight": "3"}, {"industry": "tax", "score": 70, "weight": 1}]
    told = await foretold(
        city, "hunan-comprehensive", {"facts": [{"name": "industries", "industries": industries}]}, by="firm"
    )
    await city.write(
        update(facts).where(facts.c.name == "industries", facts.c.subject_id == 8).values(value=industries)
    )
    assert same(told, await score_of(city, "hunan-comprehensive", by="firm"))
    await city.write(delete(facts).where(facts.c.name == "public", facts.c.subject_id == 8))
    assert (await score_of(city, "hunan-comprehensive", by="firm"))["reason"] == "NO_PUBLIC_EVALUATION"


async def test_asking_what_if_writes_nothing(city: City) -> None:
    before = await city.tally()
    await foretold(city, "xiangxinfen", {"day": "2030-01-01"})
    assert await city.tally() == before


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "yesterday": ({"day": "2026-11-19"}, "day 须在今天"),
    "beyond ten years": ({"day": "2036-11-21"}, "day 须在今天"),
    "another's record": ({"without": ["r7"]}, "without 中有不属于您的记录编号"),
    "an unknown item": ({"add": [{"item": "donation", "occurredOn": "2026-01-01"}]}, "没有 'donation' 这个项目"),
    "a record after the day": ({"add": [{"item": "honour-award", "occurredOn": "2026-11-21"}]}, "occurredOn 不能晚于"),
    "points where the model sets them": (
        {"add": [{"item": "honour-award", "occurredOn": "2026-01-01", "points": 5}]},
        "请不要填写 points",
    ),
    "too many": ({"add": [{"item": "honour-award", "occurredOn": "2026-01-01"}] * 51}, "最多 50 条"),
    "an unknown figure": ({"facts": [{"name": "income", "value": 1}]}, "不看 'income' 这项数据"),
    "a figure out of range": ({"facts": [{"name": "volunteer_hours", "value": "100000.01"}]}, "超出范围"),
    "a figure with three decimals": ({"facts": [{"name": "volunteer_hours", "value": "1.001"}]}, "两位小数"),
    "a figure that is no number": ({"facts": [{"name": "volunteer_hours", "value": "NaN"}]}, "十进制数"),
    "a figure of another shape": ({"facts": [{"name": "volunteer_hours", "industries": []}]}, "volunteer_hours"),
}


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("what", REFUSED)
async def test_what_cannot_be_is_refused_in_plain_words(city: City, what: str) -> None:
    given_, sentence = REFUSED[what]
    body = await city.ask(WHAT_IF, {"input": given_}, by="good")
    (error,) = body["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert sentence in error["message"]


def test_an_item_whose_records_carry_their_points_needs_them() -> None:
    model = next(model for model in MODELS if model.id == "changxing-accountant")
    with pytest.raises(BadInput, match="请填写 points"):
        check_change(model, Inputs(), Change(TODAY, add=(Record("incentive", TODAY),)), today=TODAY)
