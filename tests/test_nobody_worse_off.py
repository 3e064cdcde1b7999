"""The promise itself, over models nobody wrote, people nobody is, and offers drawn at random: what somebody gets is the
standard service, or the standard service plus what the offer adds; and no one does worse for a cleaner record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from guard_offers import offer as make_terms
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from random_models import ADVERSE, HONOURS, ON, lives, models

from legal.effects import Effect
from partners.eligibility import Standing, WhyNot, why_not
from scoring.engine import Record, Score, evaluate, no_record_grade
from scoring.model import Model


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
