"""Working days and terms: against the State Council's tables, and by law for all the other days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import calendar
from core.calendar import (
    Deadline,
    OutsideCalendar,
    Pause,
    add_months,
    add_working_days,
    deadline_with_pauses,
    is_in_time,
    is_working_day,
    nth_working_day,
    term_ends_at,
    working_days_between,
)
from core.clock import SHANGHAI, start_of

# As the State Council's General Office announced them: rest days (first and last), and the rest days that are worked.
PUBLISHED: dict[int, tuple[list[tuple[str, str]], list[str]]] = {
    2024: (
        [
            ("01-01", "01-01"),
            ("02-10", "02-17"),
            ("04-04", "04-06"),
            ("05-01", "05-05"),
            ("06-08", "06-10"),
            ("09-15", "09-17"),
            ("10-01", "10-07"),
        ],
        ["02-04", "02-18", "04-07", "04-28", "05-11", "09-14", "09-29", "10-12"],
    ),
    2025: (
        [
            ("01-01", "01-01"),
            ("01-28", "02-04"),
            ("04-04", "04-06"),
            ("05-01", "05-05"),
            ("05-31", "06-02"),
            ("10-01", "10-08"),
        ],
        ["01-26", "02-08", "04-27", "09-28", "10-11"],
    ),
    2026: (
        [
            ("01-01", "01-03"),
            ("02-15", "02-23"),
            ("04-04", "04-06"),
            ("05-01", "05-05"),
            ("06-19", "06-21"),
            ("09-25", "09-27"),
            ("10-01", "10-07"),
        ],
        ["01-04", "02-14", "02-28", "05-09", "09-20", "10-10"],
    ),
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def on(text: str) -> date:
    return date.fromisoformat(text)


@pytest.mark.parametrize("year", PUBLISHED)
def test_every_day_of_a_published_year_is_as_announced(year: int) -> None:
    rest, worked = PUBLISHED[year]
    for offset in range((date(year + 1, 1, 1) - date(year, 1, 1)).days):
        day = date(year, 1, 1) + timedelta(days=offset)
        short = day.isoformat()[5:]
        works = short in worked or (day.weekday() < 5 and not any(first <= short <= last for first, last in rest))
        assert is_working_day(day) == (works, False), day


@pytest.mark.parametrize(
    ("received", "days", "expected"),
    [
        ("2024-01-02T09:00", 1, "2024-01-03"),
        ("2023-12-29T17:00", 1, "2024-01-02"),  # New Year
        ("2024-02-08T09:00", 3, "2024-02-19"),  # Spring Festival; 9 February was no holiday, Sunday the 18th is worked
        ("2025-01-24T09:00", 3, "2025-02-05"),  # Sunday the 26th and Monday are worked, then eight days of rest
        ("2025-09-26T09:00", 5, "2025-10-10"),  # Sunday the 28th is worked; 1 to 8 October are eight days of rest
        ("2025-12-31T09:00", 1, "2026-01-04"),  # New Year 2026, and the Sunday after it is worked
        ("2025-12-31T23:59:59", 3, "2026-01-06"),
        ("2026-01-01T00:00", 1, "2026-01-04"),
        ("2026-02-13T10:00", 3, "2026-02-25"),  # Saturday the 14th is worked, nine days of rest
        ("2026-02-14T10:00", 1, "2026-02-24"),  # received on a worked Saturday
        ("2026-05-08T10:00", 1, "2026-05-09"),
    ],
)
def test_a_deadline_is_counted_by_the_published_table(received: str, days: int, expected: str) -> None:
    found = add_working_days(at(received), days)
    assert found == Deadline(on(expected), start_of(on(expected) + timedelta(days=1)), provisional=False)


def test_the_day_of_receipt_is_the_day_in_shanghai() -> None:
    # 17:30 in London on Sunday is 01:30 on Monday here, so Tuesday is the first day.
    assert add_working_days(datetime(2026, 3, 1, 17, 30, tzinfo=UTC), 1).on == on("2026-03-03")
    assert add_working_days(datetime(2026, 3, 1, 15, 59, tzinfo=UTC), 1).on == on("2026-03-02")


def test_a_deadline_ends_with_its_day() -> None:
    ends_at = add_working_days(at("2026-03-02T09:00"), 1).ends_at
    assert ends_at.isoformat() == "2026-03-04T00:00:00+08:00"


def test_beyond_the_table_weekdays_count_except_the_holidays_of_fixed_date() -> None:
    year = calendar.LAST_YEAR + 1
    fixed = {date(year, month, day) for month, day in [(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)]}
    for offset in range(365):
        day = date(year, 1, 1) + timedelta(days=offset)
        assert is_working_day(day) == (day.weekday() < 5 and day not in fixed, True)


def test_a_deadline_beyond_the_table_is_provisional_and_one_within_is_not() -> None:
    last = datetime(calendar.LAST_YEAR, 12, 24, 9, tzinfo=SHANGHAI)
    assert not add_working_days(last, 1).provisional
    assert add_working_days(last, 10).provisional


def test_a_deadline_moves_when_the_table_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    received = datetime(calendar.LAST_YEAR + 1, 3, 1, 9, tzinfo=SHANGHAI)
    before = add_working_days(received, 1)
    monkeypatch.setattr(calendar, "LAST_YEAR", calendar.LAST_YEAR + 1)
    monkeypatch.setattr(calendar, "holidays", {**calendar.holidays, before.on: "a new holiday"})
    is_working_day.cache_clear()
    after = add_working_days(received, 1)
    monkeypatch.undo()
    is_working_day.cache_clear()
    assert before.provisional
    assert not after.provisional
    assert after.on > before.on


@pytest.mark.parametrize(
    ("pauses", "expected"),
    [
        ([], "2026-03-09"),
        ([("2026-03-04T10:00", "2026-03-06T15:00")], "2026-03-11"),  # Wednesday and Thursday stand still
        ([("2026-03-04T10:00", "2026-03-04T15:00")], "2026-03-09"),  # an afternoon costs no day
        ([("2026-03-04T23:00", "2026-03-05T01:00")], "2026-03-10"),
        ([("2026-03-06T10:00", "2026-03-08T10:00")], "2026-03-10"),  # of Friday and Saturday only Friday was working
        ([("2026-03-04T10:00", "2026-03-06T15:00"), ("2026-03-05T10:00", "2026-03-07T15:00")], "2026-03-12"),
        ([("2026-03-10T10:00", "2026-03-20T15:00")], "2026-03-09"),  # after the deadline
        ([("2026-03-10T10:00", None)], "2026-03-09"),
        ([("2026-03-06T10:00", None)], None),
        ([("2026-03-04T10:00", "2026-03-06T15:00"), ("2026-03-10T10:00", None)], None),
        ([("2026-03-06T10:00", "2026-03-04T15:00")], "2026-03-09"),  # ended before it began
    ],
)
def test_the_clock_stands_still_in_a_pause(pauses: list[tuple[str, str | None]], expected: str | None) -> None:
    spans = [Pause(at(began), at(ended) if ended else None) for began, ended in pauses]
    found = deadline_with_pauses(at("2026-03-02T09:00"), 5, spans)
    assert (found and found.on) == (on(expected) if expected else None)


def test_publication_is_in_time_up_to_the_seventh_working_day() -> None:
    decided = on("2026-02-13")
    assert nth_working_day(decided, 7) == (on("2026-03-02"), False)
    assert is_in_time(decided, on("2026-03-02"), 7)
    assert not is_in_time(decided, on("2026-03-03"), 7)
    assert is_in_time(decided, decided, 7)


def test_a_rest_day_after_the_last_working_day_is_too_late() -> None:
    assert working_days_between(on("2026-03-04"), on("2026-03-14")) == (7, False)
    assert not is_in_time(on("2026-03-04"), on("2026-03-14"), 7)


@pytest.mark.parametrize(
    ("day", "months", "last"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2026-02-28", 1, "2026-03-28"),
        ("2026-11-30", 1, "2026-12-30"),
        ("2026-12-31", 2, "2027-02-28"),
        ("2023-12-15", 36, "2026-12-15"),
    ],
)
def test_a_term_ends_with_the_day_of_the_same_number_or_the_months_last(day: str, months: int, last: str) -> None:
    assert add_months(on(day), months) == on(last)
    assert term_ends_at(on(day), months) == start_of(on(last) + timedelta(days=1))


def test_the_end_of_a_term_is_an_instant_of_shanghai() -> None:
    assert term_ends_at(on("2026-01-31"), 1).isoformat() == "2026-03-01T00:00:00+08:00"


def test_what_cannot_be_counted_is_refused() -> None:
    refused = [
        lambda: add_working_days(at("2026-03-02T09:00"), 0),
        lambda: add_working_days(at("2026-03-02T09:00"), 10_001),
        lambda: add_working_days(at("2003-06-02T09:00"), 1),
        lambda: add_working_days(at("9999-12-30T09:00"), 5),
        lambda: add_working_days(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), 1),
        lambda: add_working_days(datetime(9999, 12, 31, 23, tzinfo=UTC), 1),
        lambda: working_days_between(on("2004-01-01"), on("9999-01-01")),
        lambda: working_days_between(on("2003-01-01"), on("2004-01-01")),
        lambda: add_months(on("2026-01-31"), 0),
        lambda: add_months(on("9999-12-01"), 1),
        lambda: term_ends_at(on("9999-11-30"), 12_001),
        lambda: term_ends_at(on("9999-11-30"), 2),
        lambda: term_ends_at(on("2026-01-31"), -1),
    ]
    for ask in refused:
        with pytest.raises(OutsideCalendar) as caught:
            ask()
        assert caught.value.code == "OUTSIDE_CALENDAR"


INSTANTS = st.builds(
    lambda day, seconds: start_of(day) + timedelta(seconds=seconds),
    st.dates(date(2004, 1, 2), date(2090, 1, 1)),
    st.integers(0, 86_399),
)
DAYS = st.integers(1, 60)


@given(INSTANTS, DAYS)
def test_a_deadline_is_a_working_day(received: datetime, days: int) -> None:
    assert is_working_day(add_working_days(received, days).on)[0]


@given(INSTANTS, DAYS)
def test_one_day_more_is_later(received: datetime, days: int) -> None:
    assert add_working_days(received, days).on < add_working_days(received, days + 1).on


@given(INSTANTS, INSTANTS, DAYS)
def test_what_arrives_later_is_never_due_earlier(one: datetime, other: datetime, days: int) -> None:
    first, second = sorted((one, other))
    assert add_working_days(first, days).on <= add_working_days(second, days).on


@given(INSTANTS, DAYS)
def test_up_to_the_deadline_lie_as_many_working_days_as_were_given(received: datetime, days: int) -> None:
    found = add_working_days(received, days)
    assert working_days_between(received.date(), found.on) == (days, found.provisional)


@given(INSTANTS, DAYS, INSTANTS, st.timedeltas(timedelta(0), timedelta(days=30)))
def test_a_pause_never_brings_a_deadline_forward(
    received: datetime, days: int, began: datetime, length: timedelta
) -> None:
    paused = deadline_with_pauses(received, days, [Pause(began, began + length)])
    assert paused is not None
    assert paused.on >= add_working_days(received, days).on


@given(st.dates(date(1990, 1, 1), date(2990, 1, 1)), st.integers(1, 1200), st.integers(1, 1200))
def test_a_longer_term_ends_later(day: date, shorter: int, more: int) -> None:
    assert day < add_months(day, shorter) < add_months(day, shorter + more)
