"""How often an offer may be used, by whom and where. One thing to know: a limit on the offer, a site or a budget counts
in buckets of `quotas` and is taken before the person is looked at; one on a person counts that person's own uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Protocol

from core.clock import start_of

EVER, BUDGET = "ever", "budget"
"""The buckets that are never filled again: uses, and 分."""


OFFERS_REMEMBERED = 10_000
"""Of how many offers it is remembered what they count: an offer in memory never changes."""


class Scope(StrEnum):
    """What a limit counts."""

    PERSON = "person"
    OFFER = "offer"
    SITE = "site"


class Period(StrEnum):
    """In which stretch of time, in Asia/Shanghai, it counts."""

    EVER = "ever"
    DAY = "day"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` uses in each period, by each person, of the offer in all, or at each site."""

    scope: Scope
    period: Period
    most: int


class Limited(Protocol):
    """What counting needs to know of an offer."""

    def __hash__(self) -> int:
        """An offer in memory is itself."""

    @property
    def has_quota(self) -> bool:
        """Whether there is a number of uses that is never filled again."""

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The others."""

    @property
    def limit_per_person(self) -> int | None:
        """How often one subject may use it ever, or None."""

    @property
    def budget_fen(self) -> int | None:
        """What all uses may cost together, or None."""

    @property
    def most_fen(self) -> int | None:
        """The most that one use may cost."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """What one verification takes of one count, before its person is looked at."""

    name: str
    units: int
    cap: int | None
    """None where the row of `quotas` alone says it."""
    used_up: str
    """What a partner is told when nothing is left, and what to do; about nobody."""
    until: date | None
    """First day on which it is filled again; None: it never is."""


def limits_of(stored: Sequence[Mapping[str, Any]]) -> tuple[Limit, ...]:
    """The limits as the column `offers.limits` has them."""
    return tuple(Limit(Scope(one["scope"]), Period(one["period"]), int(one["most"])) for one in stored)


def begins_on(period: Period, on: date) -> date | None:
    """The first day of the period that `on` lies in; None: there is none."""
    match period:
        case Period.EVER:
            return None
        case Period.DAY:
            return on
        case Period.MONTH:
            return on.replace(day=1)
        case Period.YEAR:
            return on.replace(month=1, day=1)


def ends_on(period: Period, on: date) -> date | None:
    """The first day after the period that `on` lies in; None: there is none."""
    match period:
        case Period.EVER:
            return None
        case Period.DAY:
            return on + timedelta(days=1)
        case Period.MONTH:
            return (on.replace(day=1) + timedelta(days=32)).replace(day=1)
        case Period.YEAR:
            return date(on.year + 1, 1, 1)


def began_at(period: Period, on: date) -> datetime:
    """The instant from which uses count in the period that `on` lies in."""
    first = begins_on(period, on)
    return start_of(date(1970, 1, 2) if first is None else first)


@lru_cache(maxsize=OFFERS_REMEMBERED)
def personal_limits(offer: Limited) -> tuple[Limit, ...]:
    """How often each person may use the offer: the lowest limit of each period."""
    found = [limit for limit in offer.limits if limit.scope is Scope.PERSON]
    if offer.limit_per_person is not None:
        found.append(Limit(Scope.PERSON, Period.EVER, offer.limit_per_person))
    return _lowest(found)


def needs_site(offer: Limited) -> bool:
    """Whether a scan has to say at which gate or counter it is made."""
    return any(limit.scope is Scope.SITE for limit in offer.limits)


def is_counted(offer: Limited) -> bool:
    """Whether the offer has any limit at all, which takes more than one statement to keep."""
    return offer.has_quota or offer.limit_per_person is not None or bool(offer.limits) or offer.budget_fen is not None


@lru_cache(maxsize=OFFERS_REMEMBERED)
def buckets_of(offer: Limited, *, on: date, site: str | None) -> tuple[Bucket, ...]:
    """What one verification takes, always in the same order, so that two that take the same never wait in a circle.

    Without a `site`, those of sites are left out.
    """
    found = []
    if offer.has_quota:
        found.append(Bucket(EVER, 1, None, _USED_UP[Scope.OFFER, Period.EVER], None))
    if offer.budget_fen is not None:
        units = offer.budget_fen if offer.most_fen is None else offer.most_fen
        found.append(Bucket(BUDGET, units, offer.budget_fen, _NO_BUDGET, None))
    for limit in _lowest(limit for limit in offer.limits if limit.scope is not Scope.PERSON):
        if limit.scope is Scope.SITE and site is None:
            continue
        name = _name(limit, on=on, site=site)
        found.append(Bucket(name, 1, limit.most, _USED_UP[limit.scope, limit.period], ends_on(limit.period, on)))
    return tuple(sorted(found, key=lambda bucket: bucket.name))


def _lowest(limits: Iterable[Limit]) -> tuple[Limit, ...]:
    lowest: dict[tuple[Scope, Period], Limit] = {}
    for limit in sorted(limits, key=lambda limit: limit.most):
        lowest.setdefault((limit.scope, limit.period), limit)
    return tuple(lowest.values())


def _name(limit: Limit, *, on: date, site: str | None) -> str:
    period = {
        Period.EVER: "all",  # `ever` is the quota, whose row says its own cap
        Period.DAY: f"day:{on.isoformat()}",
        Period.MONTH: f"month:{on:%Y-%m}",
        Period.YEAR: f"year:{on:%Y}",
    }[limit.period]
    return f"site:{site}:{period}" if limit.scope is Scope.SITE else period


_USED_UP = {
    (Scope.OFFER, Period.EVER): "这项优惠的名额已满,请按标准服务办理。名额退回后可再试。",
    (Scope.OFFER, Period.DAY): "这项优惠今天的名额已满,请按标准服务办理。明天或名额退回后可再试。",
    (Scope.OFFER, Period.MONTH): "这项优惠本月的名额已满,请按标准服务办理。下月或名额退回后可再试。",
    (Scope.OFFER, Period.YEAR): "这项优惠今年的名额已满,请按标准服务办理。明年或名额退回后可再试。",
    (Scope.SITE, Period.EVER): "这项优惠在此服务点的名额已满,请按标准服务办理。名额退回后可再试。",
    (Scope.SITE, Period.DAY): "这项优惠在此服务点今天的名额已满,请按标准服务办理。明天或名额退回后可再试。",
    (Scope.SITE, Period.MONTH): "这项优惠在此服务点本月的名额已满,请按标准服务办理。下月或名额退回后可再试。",
    (Scope.SITE, Period.YEAR): "这项优惠在此服务点今年的名额已满,请按标准服务办理。明年或名额退回后可再试。",
}
_NO_BUDGET = "这项优惠的预算已用完,请按标准服务办理。有金额退回后可再试。"
