"""The table of moves and the terms behind it, as wholes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
from factories import rulebook
from hypothesis import given
from hypothesis import strategies as st

from core.calendar import is_working_day
from core.clock import day_of
from scoring.cases.workflow import MOVES, Kind, Rules, State, due_of, is_overdue, term_from

BOOK = rulebook()
RULES = Rules(BOOK.entitlements, BOOK.catalogues, BOOK.repairs, BOOK.models)


@pytest.mark.parametrize("kind", Kind)
def test_every_case_ends_decided_or_withdrawn_and_then_stays(kind: Kind) -> None:
    moves = MOVES[kind]
    assert moves[State.DECIDED] == moves[State.WITHDRAWN] == {}
    for state in moves.keys() - {State.DECIDED, State.WITHDRAWN}:
        assert moves[state]["withdraw"] is State.WITHDRAWN, "a subject may always take its case back"
        reached, waiting = set[State](), [state]
        while waiting:
            found = set(moves[waiting.pop()].values()) - reached
            reached |= found
            waiting += found
        assert State.DECIDED in reached
        assert reached <= moves.keys()


@pytest.mark.parametrize("place", sorted(BOOK.places))
@pytest.mark.parametrize("kind", Kind)
def test_every_place_has_a_term_for_every_kind_of_case(place: str, kind: Kind) -> None:
    at = datetime(2026, 11, 20, 4, tzinfo=UTC)
    case = SimpleNamespace(kind=kind.value, place=place, needs_help=False, pauses=[], paused_at=None, opened_at=at)
    assert due_of(case, RULES) is not None
    for term in ("objection-mark", "objection-help-answer", "objection-receivers-correct"):
        assert term_from(RULES, place, term, at=at) is not None
    assert BOOK.repairs[place].ways


instants = st.datetimes(datetime(2005, 1, 1), datetime(2026, 11, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(instants, st.sampled_from(sorted(BOOK.places)), st.sampled_from(list(Kind)))
def test_a_term_ends_at_the_end_of_a_working_day_after_receipt_and_help_never_shortens_it(
    at: datetime, place: str, kind: Kind
) -> None:
    alone, helped = (
        due_of(
            SimpleNamespace(kind=kind.value, place=place, needs_help=helps, pauses=[], paused_at=None, opened_at=at),
            RULES,
        )
        for helps in (False, True)
    )
    assert alone is not None
    assert helped is not None
    assert day_of(at) < alone.on <= helped.on
    assert is_working_day(alone.on)[0]
    assert not is_overdue(alone, now=at)
    assert is_overdue(alone, now=alone.ends_at)
    assert alone.on > date(2005, 1, 1)
