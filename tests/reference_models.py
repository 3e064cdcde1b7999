"""The three models of fixed meaning, written a second time as plainly as can be. One thing to know: this file
shares no code with the engine and reads no model file, so that agreement of the two means something.

Records and facts are JSON values as in an input line, decimals as `Decimal`.
"""

from __future__ import annotations

import calendar
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

GENERAL = [
    "court-enforcement",
    "administrative-penalty",
    "administrative-enforcement",
    "abnormal-operation",
    "tax-arrears",
    "abnormal-taxpayer",
    "utility-arrears",
    "commitment-breach",
    "contract-breach",
]
SERIOUS = [
    "licence-suspended",
    "qualification-lowered",
    "licence-revoked",
    "business-restricted",
    "suspension-ordered",
    "closure-ordered",
    "industry-ban",
]


def year_ago(on: date) -> tuple[int, int, int]:
    """The day minus one year, as year, month, day: the year may be 0, which `date` cannot hold."""
    day = 28 if (on.month, on.day) == (2, 29) and not calendar.isleap(on.year - 1) else on.day
    return on.year - 1, on.month, day


def counts(record: dict[str, Any], on: date) -> bool:
    """Whether the record exists on the day, windows apart."""
    if date.fromisoformat(record["occurred_on"]) > on:
        return False
    removed = record.get("removed_on")
    return not (removed is not None and date.fromisoformat(removed) <= on)


def hebei(records: list[dict[str, Any]], on: date) -> str:
    """The grade of `hebei-enterprise`."""
    alive = [record for record in records if counts(record, on)]

    def young(record: dict[str, Any]) -> bool:
        day = date.fromisoformat(record["occurred_on"])
        return (day.year, day.month, day.day) > year_ago(on)

    general = [record for record in alive if record["item"] in GENERAL and young(record)]
    serious = [record for record in alive if record["item"] in SERIOUS and young(record)]
    listed = [record for record in alive if record["item"] == "serious-list"]
    if any(record["item"] == "business-licence-revoked" for record in alive):
        return "D"
    if serious or listed or len(general) > 5 or any(record.get("serious_consequence") for record in general):
        return "C"
    return "B" if general else "A"


def changxing(records: list[dict[str, Any]], on: date) -> tuple[Decimal, str]:
    """Points and grade of `changxing-accountant`."""
    this_year = [
        record for record in records if counts(record, on) and date.fromisoformat(record["occurred_on"]).year == on.year
    ]
    added = sum((record["points"] for record in this_year if record["item"] == "incentive"), Decimal(0))
    taken = sum((record["points"] for record in this_year if record["item"] == "constraint"), Decimal(0))
    points = 1000 + min(added, Decimal(340)) - min(taken, Decimal(1000))
    if any(record["item"] == "veto" for record in this_year):
        points = Decimal(0)
    if points >= 850:
        return points, "优秀"
    if points >= 800:
        return points, "良好"
    if points >= 750:
        return points, "中等"
    return points, "较差" if points >= 700 else "差"


def hunan(facts: dict[str, Any]) -> tuple[Decimal, str] | str:
    """Points and grade of `hunan-comprehensive`, or the reason why there are none."""
    if facts.get("public") is None:
        return "NO_PUBLIC_EVALUATION"
    if not facts.get("industries"):
        return "NO_INDUSTRY_EVALUATION"
    weight = sum(Fraction(industry["weight"]) for industry in facts["industries"])
    industry = sum(Fraction(i["score"]) * Fraction(i["weight"]) for i in facts["industries"]) / weight
    exact = (Fraction(facts["public"]) + industry) / 2
    points = Decimal(floor(exact * 100 + Fraction(1, 2))) / 100
    for least, grade in ((95, "A"), (90, "A-"), (85, "B+"), (80, "B"), (75, "B-"), (70, "C+"), (65, "C"), (60, "C-")):
        if points >= least:
            return points, grade
    return points, "D"
