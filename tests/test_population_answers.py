"""Everybody at once gets what each gets alone: over models nobody wrote, over every model that ships, and over days at
which the calendar is uneven."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from populations import expected, random_people, read_results, write_population
from random_models import ON, any_models
from sample_models import FILES, sample_models

from core.places import load_places
from scoring.model import Model, Span
from scoring.models import load_models
from scoring.population.run import score_population
from scoring.population.sql import cutoff

SHIPPED = load_models(load_places())
DAYS = [ON, date(2024, 2, 29), date(2025, 2, 28), date(2025, 3, 1), date(2026, 12, 31), date(1, 6, 1), date.max]


def check_same(model: Model, on: date, *, seed: int, number: int = 150, **given: Any) -> None:
    """The two engines agree about people drawn from that seed."""
    people = random_people(model, on, seed=seed, number=number)
    with TemporaryDirectory() as folder:
        files = write_population(Path(folder), people)
        score_population(model, on=on, **files.given, **given)
        assert read_results(files.given["out"]) == expected(model, people, on)


@settings(max_examples=60, deadline=None)
@given(any_models, st.sampled_from(DAYS), st.integers(0, 1 << 32))
def test_a_random_model_gives_a_population_what_it_gives_each_of_them(model: Model, on: date, seed: int) -> None:
    check_same(model, on, seed=seed)


@pytest.mark.parametrize("model", SHIPPED.all, ids=lambda model: f"{model.id}-{model.version}")
def test_a_shipped_model_gives_a_population_what_it_gives_each_of_them(model: Model) -> None:
    for on, seed in zip(DAYS, count(), strict=False):
        check_same(model, on, seed=seed, number=300)


@pytest.mark.parametrize("name", FILES)
def test_every_operator_gives_a_population_what_it_gives_each_of_them(name: str) -> None:
    for on, seed in zip(DAYS, count(), strict=False):
        check_same(sample_models().get(name), on, seed=seed, number=300)


spans = st.builds(
    lambda unit, number: Span(**{unit: number}),
    st.sampled_from(["days", "months", "years"]),
    st.integers(1, 40) | st.integers(1, 4_000_000),
)


@settings(max_examples=2000, deadline=None)
@given(spans, st.dates(), st.data())
def test_a_record_is_inside_a_window_exactly_if_it_is_younger_than_the_cutoff(
    span: Span, on: date, data: st.DataObject
) -> None:
    day = cutoff(span, on)
    near = st.integers(-40, 40).map(lambda days: (day or on).toordinal() + days)
    valid = near.filter(lambda ordinal: 1 <= ordinal <= date.max.toordinal()).map(date.fromordinal)
    occurred_on = data.draw(valid | st.dates())
    end = span.end(occurred_on)
    assert (end is None or on < end) == (day is None or occurred_on > day)


def test_a_calendar_year_begins_after_the_last_day_of_the_one_before() -> None:
    assert cutoff("calendar-year", date(2026, 3, 1)) == date(2025, 12, 31)
    assert cutoff("calendar-year", date(1, 3, 1)) is None
    assert cutoff(Span(years=1), date(2024, 2, 29)) == date(2023, 2, 28)
    assert cutoff(Span(days=1), date.min) is None
    assert cutoff(Span(days=1), date.min + timedelta(days=1)) == date.min
