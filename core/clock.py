"""What day it is. One thing to know: days begin at 00:00 Asia/Shanghai, instants are stored in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


def utc_now() -> datetime:
    """The present instant, with its zone."""
    return datetime.now(UTC)


def day_of(instant: datetime) -> date:
    """The calendar day of `instant` in Asia/Shanghai."""
    return instant.astimezone(SHANGHAI).date()


def today() -> date:
    """The present day in Asia/Shanghai."""
    return day_of(utc_now())


def start_of(day: date) -> datetime:
    """00:00 Asia/Shanghai of `day`."""
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)


def years_before(day: date, years: int) -> date:
    """The same day `years` earlier; 29 February becomes 28 February where the year has none."""
    if day.year <= years:
        return date.min
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)


def turns_adult_on(birth: date) -> date:
    """The 18th birthday (中华人民共和国民法典 第十七条); for 29 February, 1 March of a common year."""
    try:
        return birth.replace(year=birth.year + 18)
    except ValueError:
        return date(birth.year + 18, 3, 1)
