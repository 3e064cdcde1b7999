"""The engine against a second implementation, and against its own laws for every shipped model and operator."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import reference_models as reference
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sample_models import sample_models

from core.places import load_places
from scoring.engine import NotAssessed, Record, Score, evaluate, no_record_grade
from scoring.lines import read_line
from scoring.model import Model, PointsMethod, RecordRule, Span
from scoring.models import load_models
from scoring.values import half_up, hundredths, number_text

MODELS = load_models(load_places())
HEBEI, CHANGXING, HUNAN = (
    MODELS.get(name) for name in ("hebei-enterprise", "changxing-accountant", "hunan-comprehensive")
)
EDGES = [
    date.min,
    date(1, 12, 31),
    date(2, 1, 1),
    date(2020, 2, 29),
    date(2023, 2, 28),
    date(2023, 3, 1),
    date(2023, 12, 31),
    date(2024, 1, 1),
    date(2024, 2, 28),
    date(2024, 2, 29),
    date(2024, 3, 1),
    date(2024, 12, 31),
    date(2025, 1, 1),
    date(2025, 2, 28),
    date(2025, 3, 1),
    date(9998, 12, 31),
    date(9999, 1, 1),
    date.max,
]
DAYS = st.one_of(st.sampled_from(EDGES), st.dates(date(2018, 1, 1), date(2027, 12, 31)))
OFFSETS = st.one_of(
    st.sampled_from([0, 1, 2, 30, 31, 59, 60, 364, 365, 366, 367, 729, 730, 731, 1095, 1096, 1097, 1826, 1827]),
    st.integers(-40, 2200),
)
CENTS = st.one_of(
    st.sampled_from([0, 1, 15000, 15001, 14999, 20000, 20001, 25001, 30000, 30001, 34000, 34001, 33999, 100000]),
    st.integers(0, 120_000),
)


def shifted(day: date, days: int) -> date:
    """The day, moved within the calendar."""
    return date.fromordinal(min(max(day.toordinal() + days, 1), date.max.toordinal()))


def decimal(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


@st.composite
def records_of(draw: st.DrawFn, model: Model, on: date, max_size: int = 8) -> list[Record]:
    def record() -> Record:
        occurred = shifted(on, -draw(OFFSETS))
        removed = draw(st.none() | st.sampled_from([-1, 0, 1, 400]) | OFFSETS)
        return Record(
            draw(st.sampled_from(sorted(model.all_items))),
            occurred,
            None if removed is None else shifted(on, removed),
            draw(st.booleans()),
            draw(CENTS) if model.own_points_items else None,
            str(draw(st.integers(1, 99))),
            draw(st.booleans()),
            draw(st.none() | OFFSETS.map(lambda days: shifted(on, -days))),
            draw(st.integers(0, 9)) == 0,
        )

    return [record() for _ in range(draw(st.integers(0, max_size)))] if model.all_items else []


@st.composite
def facts_of(draw: st.DrawFn, model: Model) -> dict[str, object]:
    facts: dict[str, object] = {}
    for name, fact in model.all_facts.items():
        number = st.sampled_from([0, 1999, 2000, 3000, 10000]) | st.integers(fact.at_least, fact.at_most)
        bounded = number.filter(lambda value, fact=fact: value <= fact.at_most)
        if draw(st.booleans()):
            facts[name] = (
                draw(bounded)
                if fact.type == "number"
                else tuple(draw(st.lists(st.tuples(bounded, st.integers(1, 10_000)), max_size=4)))
            )
    return facts


@st.composite
def situations(draw: st.DrawFn) -> tuple[Model, list[Record], dict[str, object], date]:
    model, on = draw(st.sampled_from(MODELS.all + sample_models().all)), draw(DAYS)
    return model, draw(records_of(model, on)), draw(facts_of(model)), on


def outcome(result: Score | NotAssessed) -> tuple[object, ...]:
    """What a result says, apart from how long it holds."""
    if isinstance(result, NotAssessed):
        return (result.reason,)
    lines = sorted((line.rule, line.points, tuple(sorted(line.records))) for line in result.lines)
    return result.points, result.grade and result.grade.code, lines


def as_line(records: list[Record], facts: dict[str, Any] | None = None) -> bytes:
    content = {
        "subject": "s",
        "records": [
            {
                "item": record.item,
                "occurred_on": record.occurred_on.isoformat(),
                "removed_on": record.removed_on and record.removed_on.isoformat(),
                "serious_consequence": record.serious_consequence,
                "points": None if record.points is None else float(decimal(record.points)),
            }
            for record in records
        ],
        "facts": facts,
    }
    return json.dumps(content).encode()


def read(model: Model, line: bytes, on: date) -> Score | NotAssessed:
    asked = read_line(model, line)
    return evaluate(model, records=asked.records, facts=asked.facts, on=on)


def as_json(records: list[Record]) -> list[dict[str, Any]]:
    raw: list[dict[str, Any]] = json.loads(as_line(records), parse_float=Decimal, parse_int=Decimal)["records"]
    return raw


def near(model: Model) -> st.SearchStrategy[tuple[list[Record], date]]:
    return DAYS.flatmap(lambda on: st.tuples(records_of(model, on, max_size=12), st.just(on)))


@settings(max_examples=600, deadline=None)
@given(near(HEBEI))
def test_hebei_agrees_with_the_reference(case: tuple[list[Record], date]) -> None:
    records, on = case
    result = read(HEBEI, as_line(records), on)
    assert isinstance(result, Score)
    assert result.grade
    assert (result.points, result.grade.code) == (None, reference.hebei(as_json(records), on))


def test_both_agree_with_the_reference_on_twenty_thousand_drawn_cases() -> None:
    draw = Random(20220421)
    for model in (HEBEI, CHANGXING):
        items = list(model.all_items)
        for _ in range(10_000):
            on = draw.choice(EDGES) if draw.random() < 0.5 else date(draw.randint(2018, 2027), draw.randint(1, 12), 1)
            records = [
                Record(
                    draw.choice(items),
                    shifted(on, -draw.choice([-1, 0, 1, 58, 59, 60, 364, 365, 366, 367, draw.randint(0, 800)])),
                    shifted(on, draw.randint(-1, 1)) if draw.random() < 0.2 else None,
                    draw.random() < 0.05,
                    draw.choice([0, 1, 7_500, 14_999, 15_000, 15_001, 20_001, 34_000, 50_000]),
                )
                for _ in range(draw.randint(0, 8))
            ]
            result = read(model, as_line(records), on)
            assert isinstance(result, Score)
            assert result.grade
            if model is HEBEI:
                assert result.grade.code == reference.hebei(as_json(records), on)
            else:
                assert result.points is not None
                expected = reference.changxing(as_json(records), on)
                assert (decimal(result.points), result.grade.code) == expected


@settings(max_examples=500, deadline=None)
@given(st.integers(4, 7), st.sampled_from(EDGES), st.lists(st.sampled_from([-1, 0, 1, 2]), min_size=7, max_size=7))
def test_hebei_agrees_around_five_general_records_a_year_old(count: int, on: date, shifts: list[int]) -> None:
    year, month, day = reference.year_ago(on)
    edge = date(year, month, day) if year else date.min
    records = [Record("tax-arrears", shifted(edge, shift)) for shift in shifts[:count]]
    result = read(HEBEI, as_line(records), on)
    assert isinstance(result, Score)
    assert result.grade
    assert result.grade.code == reference.hebei(as_json(records), on)


@settings(max_examples=600, deadline=None)
@given(near(CHANGXING))
def test_changxing_agrees_with_the_reference(case: tuple[list[Record], date]) -> None:
    records, on = case
    result = read(CHANGXING, as_line(records), on)
    assert isinstance(result, Score)
    assert result.grade
    assert result.points is not None
    points, grade = reference.changxing(as_json(records), on)
    assert (decimal(result.points), result.grade.code) == (points, grade)


SCORES = st.one_of(
    st.sampled_from([0, 5999, 6000, 6001, 6499, 6500, 7499, 7500, 8999, 9000, 9499, 9500, 9501, 10000]),
    st.integers(0, 10_000),
)
INDUSTRIES = st.lists(st.tuples(SCORES, st.sampled_from([1, 100, 300, 700]) | st.integers(1, 10**17)), max_size=5)


@settings(max_examples=600, deadline=None)
@given(st.none() | SCORES, INDUSTRIES)
@example(9500, [(9499, 100)])  # 94.995 rounds up to A
@example(9499, [(9499, 100), (9500, 100)])  # 94.9925 does not
def test_hunan_agrees_with_the_reference(public: int | None, industries: list[tuple[int, int]]) -> None:
    facts = {
        "public": None if public is None else decimal(public),
        "industries": [
            {"industry": "甲", "score": decimal(score), "weight": decimal(weight)} for score, weight in industries
        ],
    }
    text = json.dumps({"subject": "s", "facts": facts}, default=lambda value: f"@{value}@")
    result = read(HUNAN, text.replace('"@', "").replace('@"', "").encode(), date(2026, 1, 1))
    expected = reference.hunan(facts)
    if isinstance(result, NotAssessed):
        assert result.reason == expected
    else:
        assert result.grade
        assert result.points is not None
        assert (decimal(result.points), result.grade.code) == expected


@settings(max_examples=400, deadline=None)
@given(situations())
def test_lines_add_up_to_the_points_exactly(case: tuple[Model, list[Record], dict[str, object], date]) -> None:
    model, records, facts, on = case
    result = evaluate(model, records=records, facts=facts, on=on)
    if isinstance(result, Score) and result.points is not None:
        assert sum(line.points for line in result.lines) == result.points


@settings(max_examples=300, deadline=None)
@given(situations(), st.randoms())
def test_the_order_of_records_does_not_matter(
    case: tuple[Model, list[Record], dict[str, object], date], random: Any
) -> None:
    model, records, facts, on = case
    mixed = random.sample(records, len(records))
    first, second = (evaluate(model, records=each, facts=facts, on=on) for each in (records, mixed))
    assert outcome(first) == outcome(second)
    assert first.valid_until == second.valid_until


@settings(max_examples=300, deadline=None)
@given(situations(), st.data())
def test_a_result_holds_on_every_day_before_valid_until(
    case: tuple[Model, list[Record], dict[str, object], date], data: st.DataObject
) -> None:
    model, records, facts, on = case
    result = evaluate(model, records=records, facts=facts, on=on)
    assert result.valid_until is None or result.valid_until > on
    last = result.valid_until - timedelta(days=1) if result.valid_until else date.max
    near_ends = [on, last, shifted(on, 1), shifted(last, -1), *EDGES]
    drawn = data.draw(st.lists(st.dates(on, last), max_size=8))
    for day in {day for day in near_ends if on <= day <= last} | set(drawn):
        assert outcome(evaluate(model, records=records, facts=facts, on=day)) == outcome(result), day


@settings(max_examples=60, deadline=None)
@given(situations())
def test_valid_until_walks_through_every_change(case: tuple[Model, list[Record], dict[str, object], date]) -> None:
    model, records, facts, on = case
    result = evaluate(model, records=records, facts=facts, on=on)
    for _ in range(800):
        on = shifted(on, 1)
        today = evaluate(model, records=records, facts=facts, on=on)
        if result.valid_until is not None and on >= result.valid_until:
            result = today
        assert outcome(today) == outcome(result)


def standing(result: Score | NotAssessed, model: Model) -> tuple[int, int]:
    """Greater is better; not assessed is below all, which no change of records can bring about."""
    if isinstance(result, NotAssessed):
        return -100, -100
    assert result.grade
    return -model.rank(result.grade.code), result.points or 0


@settings(max_examples=400, deadline=None)
@given(situations(), st.data())
def test_removing_an_adverse_record_never_lowers_a_result(
    case: tuple[Model, list[Record], dict[str, object], date], data: st.DataObject
) -> None:
    model, records, facts, on = case
    adverse = [i for i, record in enumerate(records) if model.all_items[record.item].nature == "adverse"]
    if not adverse:
        return
    gone = data.draw(st.sampled_from(adverse))
    before = evaluate(model, records=records, facts=facts, on=on)
    after = evaluate(model, records=records[:gone] + records[gone + 1 :], facts=facts, on=on)
    assert standing(after, model) >= standing(before, model)
    assert standing(after, model)[1] >= standing(before, model)[1]


@settings(max_examples=400, deadline=None)
@given(situations(), st.data())
def test_adding_an_honour_never_lowers_a_result(
    case: tuple[Model, list[Record], dict[str, object], date], data: st.DataObject
) -> None:
    model, records, facts, on = case
    honours = [item for item, about in model.all_items.items() if about.nature == "honour"]
    if not honours:
        return
    added = Record(data.draw(st.sampled_from(honours)), shifted(on, -data.draw(OFFSETS)), points=data.draw(CENTS))
    before = evaluate(model, records=records, facts=facts, on=on)
    after = evaluate(model, records=[*records, added], facts=facts, on=on)
    assert standing(after, model) >= standing(before, model)
    assert standing(after, model)[1] >= standing(before, model)[1]


@settings(max_examples=300, deadline=None)
@given(situations())
def test_a_missing_number_never_beats_a_known_one(
    case: tuple[Model, list[Record], dict[str, object], date],
) -> None:
    model, records, facts, on = case
    if not isinstance(model.method, PointsMethod):
        return
    known = evaluate(model, records=records, facts=facts, on=on)
    missing = evaluate(model, records=records, facts={}, on=on)
    assert standing(known, model) >= standing(missing, model)


def test_nobody_known_about_stands_in_the_middle_of_the_stand_in_models() -> None:
    for name in ("xiangxinfen", "huixinma-person", "huixinma-enterprise"):
        model = MODELS.get(name)
        grade = no_record_grade(model, date(2026, 1, 1))
        assert grade
        assert (model.rank(grade.code), len(model.grades)) == (2, 5)


def test_the_models_of_fixed_meaning_say_what_they_say_of_nobody_known() -> None:
    grades = [no_record_grade(model, date(2026, 1, 1)) for model in (HEBEI, CHANGXING, HUNAN)]
    assert [grade and grade.code for grade in grades] == ["A", "优秀", None]


def test_a_composition_closes_its_sum_with_a_rounding_line() -> None:
    result = evaluate(HUNAN, records=(), facts={"public": 1, "industries": ((1, 100),)}, on=date(2026, 1, 1))
    assert isinstance(result, Score)
    assert [(line.rule, line.points) for line in result.lines] == [("public", 1), ("industry", 1), ("rounding", -1)]
    assert result.points == 1


def test_a_dimension_gives_back_what_exceeds_it() -> None:
    model = MODELS.get("xiangxinfen")
    served = [Record("volunteer-service", date(2025, 6, day)) for day in range(1, 8)]
    result = evaluate(model, records=served, facts={"volunteer_hours": 30_000}, on=date(2026, 1, 1))
    assert isinstance(result, Score)
    assert [(line.rule, line.points) for line in result.lines] == [
        ("base", 60_000),
        ("volunteer-hours", 4_000),
        ("volunteer-service", 3_000),
        ("volunteering", -1_000),
    ]


def test_every_rolling_window_and_step_ends_when_counting_backwards_says_so() -> None:
    assert Span(years=1).end(date(2024, 2, 29)) == date(2025, 3, 1)
    assert Span(years=4).end(date(2020, 2, 29)) == date(2024, 2, 29)
    assert Span(years=1).end(date(2023, 2, 28)) == date(2024, 2, 28)
    assert Span(months=1).end(date(2023, 1, 31)) == date(2023, 3, 1)
    assert Span(months=12).end(date(2023, 12, 31)) == date(2024, 12, 31)
    assert Span(days=1).end(date.max) is None
    assert Span(years=1).end(date(9999, 1, 1)) is None


def test_decay_steps_change_on_their_day_and_not_before() -> None:
    model = MODELS.get("xiangxinfen")
    record = Record("administrative-penalty", date(2023, 5, 31))

    def points(on: date) -> int | None:
        result = evaluate(model, records=[record], facts={}, on=on)
        assert isinstance(result, Score)
        return result.points

    assert [points(date(2024, 5, day)) for day in (30, 31)] == [57_000, 58_500]
    assert [points(date(2025, 5, day)) for day in (30, 31)] == [58_500, 59_500]
    assert [points(date(2026, 5, day)) for day in (30, 31)] == [59_500, 60_000]


def test_records_and_facts_of_other_models_are_passed_over() -> None:
    result = evaluate(HEBEI, records=[Record("volunteer-service", date(2025, 1, 1))], facts={"x": 1}, on=date.max)
    assert (result.valid_until, isinstance(result, Score)) == (None, True)


def test_stored_facts_are_read_from_text_and_from_numbers_alike() -> None:
    stored = {"public": "87.50", "industries": [{"industry": "家政", "score": 90.1, "weight": "1.00"}], "other": 1}
    assert HUNAN.read_facts(stored) == {"public": 8750, "industries": ((9010, 100),)}
    assert HUNAN.read_facts({"public": None}) == {}


def test_half_up_rounds_halves_up() -> None:
    assert [half_up(n, 2) for n in (0, 1, 2, 3, 5)] == [0, 1, 1, 2, 3]
    assert half_up(9_498_499, 1000) == 9498


@given(st.integers(1 - 10**18, 10**18 - 1))
def test_number_text_is_the_exact_number(points: int) -> None:
    assert Decimal(number_text(points)) == decimal(points)
    assert "e" not in number_text(points).lower()
    if points >= 0:
        assert hundredths(Decimal(number_text(points))) == points


def test_no_rule_of_a_shipped_model_can_be_written_against_its_nature() -> None:
    for model in MODELS.all:
        rules = model.method.rules if isinstance(model.method, PointsMethod) else ()
        for rule in rules:
            if isinstance(rule, RecordRule):
                wanted = "honour" if rule.op == "add" else "adverse"
                assert {model.all_items[item].nature for item in rule.items} == {wanted}
