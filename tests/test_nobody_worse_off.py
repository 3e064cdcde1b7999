"""The promise itself, over models nobody wrote, people nobody is, and offers drawn at random: what somebody gets is the
standard service, or the standard service plus what the offer adds; and no one does worse for a cleaner record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from guard_offers import offer as make_terms
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from legal.effects import Effect
from partners.eligibility import Standing, WhyNot, why_not
from scoring.checks import faults
from scoring.engine import Record, Score, evaluate, no_record_grade
from scoring.model import Model, ModelFile

ON = date(2026, 11, 20)
SOURCE = {"status": "illustrative", "reason": "drawn at random"}
HONOURS, ADVERSE = ["h1", "h2"], ["a1", "a2"]
WINDOWS = [None, "calendar-year", {"years": 2}, {"months": 6}, {"days": 45}]


def sourced(**rule: Any) -> dict[str, Any]:
    return rule | {"source": SOURCE}


@st.composite
def bands(draw: st.DrawFn) -> list[dict[str, int]]:
    starts = sorted(draw(st.sets(st.integers(1, 6), min_size=1, max_size=3)))
    points = sorted(draw(st.sets(st.integers(1, 120), min_size=len(starts), max_size=len(starts))))
    return [{"at_least": start, "points": worth} for start, worth in zip(starts, points, strict=True)]


@st.composite
def rules(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """One rule of any operator."""
    honour = draw(st.booleans())
    items = draw(st.sets(st.sampled_from(HONOURS if honour else ADVERSE), min_size=1).map(sorted))
    window = draw(st.sampled_from(WINDOWS))
    operators = ["add", "add-by-count", "add-by-fact"] if honour else ["deduct", "deduct-by-count", "veto"]
    operator = draw(st.sampled_from(operators))
    rule: dict[str, Any] = {"id": f"r{number}", "label": "条", "op": operator, "items": items, "window": window}
    if operator in ("add", "deduct"):
        rule["each"] = draw(st.integers(1, 90))
        rule["at_most"] = draw(st.none() | st.integers(90, 300))
    elif operator in ("add-by-count", "deduct-by-count"):
        rule["bands"] = draw(bands())
    elif operator == "add-by-fact":
        rule = {"id": f"r{number}", "label": "条", "op": operator, "fact": "hours", "bands": draw(bands())}
    return sourced(**rule)


@st.composite
def models(draw: st.DrawFn) -> Model:
    """A model that the checks of the loader accept."""
    base = draw(st.integers(300, 700))
    # Around the base, so that both what is earned and what is lost moves people between grades.
    above = draw(st.sets(st.integers(1, 60), min_size=1, max_size=3))
    below = draw(st.sets(st.integers(0, 200), max_size=2))
    cuts = sorted({base + step for step in above} | {base - step for step in below}, reverse=True)
    grades: list[dict[str, Any]] = [{"code": f"G{n}", "name": f"G{n}", "at_least": cut} for n, cut in enumerate(cuts)]
    file = {
        "id": "drawn",
        "version": "2026-01",
        "name": "随机模型",
        "subject": "person",
        "in_force_from": date(2020, 1, 1),
        "source": SOURCE,
        "items": {item: {"label": item, "nature": "honour"} for item in HONOURS}
        | {item: {"label": item, "nature": "adverse"} for item in ADVERSE},
        "facts": {"hours": {"label": "时长", "type": "number", "at_most": 1000}},
        "method": {
            "type": "points",
            "base": sourced(points=base),
            "rules": [draw(rules(number)) for number in range(draw(st.integers(1, 5)))],
            "floor": 0,
            "ceiling": draw(st.none() | st.integers(1000, 1500)),
        },
        "grades": [*grades, {"code": "last", "name": "last"}],
        "grades_source": SOURCE,
    }
    parsed = ModelFile.model_validate(file)
    unreachable = [fault for fault in faults(parsed) if fault[0][0] != "grades"]
    assume(not unreachable)
    return Model.model_construct(**dict(parsed), place="here", checksum="0" * 64)


@st.composite
def lives(draw: st.DrawFn) -> list[Record]:
    """Records of one person, good and bad, of any age, some removed."""
    found = []
    for number in range(draw(st.integers(0, 6))):
        occurred_on = ON - timedelta(days=draw(st.integers(-5, 900)))
        removed_on = draw(st.none() | st.integers(-30, 30).map(lambda days: ON + timedelta(days=days)))
        item = draw(st.sampled_from(HONOURS + ADVERSE))
        found.append(Record(item, occurred_on, removed_on, draw(st.booleans()), None, str(number)))
    return found


@dataclass(frozen=True)
class Offer:
    """What eligibility asks of an offer."""

    passing_grades: frozenset[str]
    subject_kind: str = "person"
    places: frozenset[str] = frozenset({"here"})
    limit_per_person: int | None = None


def additions(model: Model, offer: Offer, records: list[Record], facts: dict[str, object]) -> frozenset[Effect]:
    """What that person gets beyond the standard service."""
    result = evaluate(model, records=records, facts=facts, on=ON)
    grade = result.grade.code if isinstance(result, Score) and result.grade else None
    standing = Standing(kind="person", lineage=("here",), enrolled=True, minor=False, grade=grade)
    return frozenset() if why_not(offer, standing) else frozenset(make_terms().effects)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Model, Offer, list[Record], dict[str, object]]:
    """A model, an earned offer (L3), and a person."""
    model = draw(models())
    unrecorded = no_record_grade(model, ON)
    assert unrecorded is not None
    above = model.rank(unrecorded.code)
    assume(above > 0)
    threshold = draw(st.integers(0, above - 1))
    offer = Offer(frozenset(grade.code for grade in model.grades[: threshold + 1]))
    facts = draw(st.just({}) | st.integers(0, 100_000).map(lambda hours: {"hours": hours}))
    return model, offer, draw(lives()), facts


@settings(max_examples=300)
@given(situations())
def test_everybody_gets_the_standard_service_or_that_and_the_registered_additions(case: Any) -> None:
    model, offer, records, facts = case
    found = additions(model, offer, records, facts)
    event(f"benefit: {bool(found)}")
    assert found in (frozenset(), frozenset(make_terms().effects))


@settings(max_examples=300)
@given(situations())
def test_a_person_with_no_record_gets_exactly_the_standard_service(case: Any) -> None:
    model, offer, _, _ = case
    assert additions(model, offer, [], {}) == frozenset()


@settings(max_examples=300)
@given(situations(), st.data())
def test_a_cleaner_record_never_takes_an_addition_away(case: Any, data: st.DataObject) -> None:
    model, offer, records, facts = case
    adverse = [record for record in records if record.item in ADVERSE]
    assume(adverse)
    gone = data.draw(st.sampled_from(adverse))
    cleaner = [record for record in records if record is not gone]
    assert additions(model, offer, records, facts) <= additions(model, offer, cleaner, facts)


@settings(max_examples=300)
@given(situations(), st.sampled_from(HONOURS), st.integers(0, 900))
def test_an_honour_never_takes_an_addition_away(case: Any, item: str, age: int) -> None:
    model, offer, records, facts = case
    more = [*records, Record(item, ON - timedelta(days=age), None, False, None, "new")]
    assert additions(model, offer, records, facts) <= additions(model, offer, more, facts)


@given(situations(), st.sampled_from(["not enrolled", "minor", "not assessed", "elsewhere", "enterprise", "faulty"]))
def test_whoever_is_outside_gets_exactly_the_standard_service(case: Any, outside: str) -> None:
    model, offer, _, _ = case
    standing = Standing(
        kind="enterprise" if outside == "enterprise" else "person",
        lineage=("there",) if outside == "elsewhere" else ("here",),
        enrolled=outside != "not enrolled",
        minor=outside == "minor",
        grade=None if outside == "not assessed" else model.grades[0].code,
        under_review=outside == "faulty",
    )
    reasons = why_not(offer, standing)
    assert reasons
    assert all(isinstance(reason, WhyNot) for reason in reasons)
