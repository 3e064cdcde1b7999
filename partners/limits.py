"""How often an offer may be used, by whom and where. One thing to know: a limit on the offer, a site or a budget counts
in buckets of `quotas` and is taken before the person is looked at; one on a person counts that person's own uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


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


def limits_of(stored: Sequence[Mapping[str, Any]]) -> tuple[Limit, ...]:
    """The limits as the column `offers.limits` has them."""
    return tuple(Limit(Scope(one["scope"]), Period(one["period"]), int(one["most"])) for one in stored)
