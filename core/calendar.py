"""Working days and terms. One thing to know: everything here is computed, nothing stored, so that a deadline is right
again as soon as the State Council's next holiday table is installed; until then it says that it is provisional.

Days are days in Asia/Shanghai. The day something arrives on is not counted; a deadline lies at the end of its day.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from chinese_calendar import holidays, workdays

from core.clock import day_of, start_of
from core.errors import ExpectedError

FIRST_YEAR, LAST_YEAR = min(holidays).year, max(holidays).year
"""The years of the published holiday table, both included."""
FIXED_HOLIDAYS = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})
"""Month and day of the holidays that need no table: 《全国年节及纪念日放假办法》(2024年修订)第二条 names them by their
Gregorian date. Spring Festival, Qingming, Dragon Boat and Mid-Autumn move, and wait for the table."""
MOST_DAYS, MOST_MONTHS = 10_000, 12_000
"""The longest terms that are counted; no law knows longer ones."""
_DAY = timedelta(days=1)


class OutsideCalendar(ExpectedError):
    """A day or a term that cannot be counted: before the first holiday table, or absurdly far away."""

    code = "OUTSIDE_CALENDAR"


@dataclass(frozen=True, slots=True)
class Deadline:
    """The last day on which something is in time."""

    on: date
    ends_at: datetime
    """00:00 of the next day in Asia/Shanghai: from this instant on it is late."""
    provisional: bool
    """The holiday table of that year is not out yet: the deadline may still move."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which the clock stands still, such as an expert examination (专家评审、鉴定)."""

    began_at: datetime
    ended_at: datetime | None
    """None while it lasts."""


@lru_cache(16_384)
def is_working_day(day: date) -> tuple[bool, bool]:
    """Whether people work on `day`, and whether that is provisional for want of a published table.

    Raises:
        OutsideCalendar: before the first table.
    """
    if day.year < FIRST_YEAR:
        raise OutsideCalendar(f"{day} 早于节假日表的第一年 {FIRST_YEAR} 年,算不出工作日。请核对日期。")
    is_weekday = day.weekday() < 5
    if day.year > LAST_YEAR:
        return is_weekday and (day.month, day.day) not in FIXED_HOLIDAYS, True
    return day in workdays or (is_weekday and day not in holidays), False


def nth_working_day(after: date, days: int) -> tuple[date, bool]:
    """The `days`-th working day after the day `after`, and whether that is provisional.

    Raises:
        OutsideCalendar: `days` is not 1 … 10,000, or a day lies outside the calendar.
    """
    return _count(after, days, paused=())


def add_working_days(received_at: datetime, days: int) -> Deadline:
    """The end of the `days`-th working day after the day of receipt.

    Raises:
        OutsideCalendar: `days` is not 1 … 10,000, or a day lies outside the calendar.
    """
    return _deadline(*_count(_day_of(received_at), days, paused=()))


def deadline_with_pauses(received_at: datetime, days: int, pauses: Iterable[Pause]) -> Deadline | None:
    """`add_working_days` with the time of `pauses` left out; None while an open pause holds the deadline up.

    A day is left out if the clock stands still at its end. A pause from Monday to Wednesday so costs two days whatever
    the hours, and one that begins and ends on the same day costs none.

    Raises:
        OutsideCalendar: `days` is not 1 … 10,000, or a day lies outside the calendar.
    """
    spans = [(_day_of(one.began_at), one.ended_at and _day_of(one.ended_at)) for one in pauses]
    closed = [(began, ended) for began, ended in spans if ended is not None]
    on, provisional = _count(_day_of(received_at), days, paused=closed)
    open_since = min((began for began, ended in spans if ended is None), default=None)
    return None if open_since is not None and open_since <= on else _deadline(on, provisional)


def working_days_between(after: date, until: date) -> tuple[int, bool]:
    """How many working days there are after the day `after`, up to and including `until`; and whether that is
    provisional.

    Raises:
        OutsideCalendar: a day lies before the first table, or the two are more than 100 years apart.
    """
    if (until - after).days > 36_525:
        raise OutsideCalendar(f"{after} 与 {until} 相隔超过一百年。请核对日期。")
    answers = [is_working_day(after + offset * _DAY) for offset in range(1, (until - after).days + 1)]
    return sum(works for works, _ in answers), any(provisional for _, provisional in answers)


def is_in_time(received_on: date, done_on: date, days: int) -> bool:
    """Whether something that arrived on one day was done within `days` working days: decisions and their publication,
    for instance. A rest day after the last working day is too late.

    Raises:
        OutsideCalendar: `days` is not 1 … 10,000, or a day lies outside the calendar.
    """
    return done_on <= nth_working_day(received_on, days)[0]


def add_months(day: date, months: int) -> date:
    """The last day of a term of `months` that runs from `day`: the day of the same number, or that month's last.

    Raises:
        OutsideCalendar: `months` is not 1 … 12,000, or the term ends after the year 9999.
    """
    if not 1 <= months <= MOST_MONTHS:
        raise OutsideCalendar(f"期限应为 1 至 {MOST_MONTHS} 个月。请核对后重试。")
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    if year > date.max.year:
        raise _too_far()
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def term_ends_at(day: date, months: int) -> datetime:
    """The instant from which a record whose term of `months` runs from `day` neither counts nor shows: 00:00 of the
    day after `add_months`, in Asia/Shanghai.

    Raises:
        OutsideCalendar: `months` is not 1 … 12,000, or the term ends after the year 9999.
    """
    return _end_of(add_months(day, months))


def _count(after: date, days: int, *, paused: Sequence[tuple[date, date]]) -> tuple[date, bool]:
    if not 1 <= days <= MOST_DAYS:
        raise OutsideCalendar(f"期限应为 1 至 {MOST_DAYS} 个工作日。请核对后重试。")
    day, left, provisional = after, days, False
    while left:
        if day >= date.max - _DAY:
            raise _too_far()
        day += _DAY
        works, is_open = is_working_day(day)
        provisional = provisional or is_open
        left -= works and not any(began <= day < ended for began, ended in paused)
    return day, provisional


def _day_of(instant: datetime) -> date:
    try:
        return day_of(instant)
    except OverflowError:
        raise OutsideCalendar("时刻换算到北京时间后不在公元 1 至 9999 年之内。请核对日期。") from None


def _deadline(on: date, provisional: bool) -> Deadline:
    return Deadline(on, _end_of(on), provisional)


def _end_of(day: date) -> datetime:
    if day == date.max:
        raise _too_far()
    return start_of(day + _DAY)


def _too_far() -> OutsideCalendar:
    return OutsideCalendar("期限超出了公元 9999 年。请核对日期与期限。")
