"""How well bodies deliver: completeness, validity, and what came within seven working days of the decision. One thing
to know: nothing is kept but counts, per delivery, body and month of the decisions.

Source: 《关于进一步加快推进社会信用体系建设的实施方案》大委办发〔2019〕8号 二(三)6.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.calendar import OutsideCalendar, nth_working_day
from scoring.intake.tables import intake_batches, intake_counts

WORKING_DAYS = 7
"""Within which a decision is published."""
COUNTED = ("rows", "accepted", "fields", "filled", "timed", "in_time", "invalid")


@dataclass(frozen=True, slots=True)
class BodyRates:
    """The deliveries of one body. A rate is a fraction of 1, None where there is nothing to divide by."""

    body: str
    rows: int
    accepted: int
    completeness: float | None
    """Of the catalogued fields of accepted rows, those that said something."""
    validity: float | None
    """Of the rows, those that were not sent back."""
    seven_day_rate: float | None
    """Of the new records, those that came within seven working days of their decision."""


@lru_cache(16_384)
def due_on(decided_on: date) -> date | None:
    """The last day on which the publication of a decision is in time; None where the calendar does not reach."""
    try:
        return nth_working_day(decided_on, WORKING_DAYS)[0]
    except OutsideCalendar:
        return None


async def read_rates(
    connection: AsyncConnection,
    *,
    places: Sequence[str],
    since: date,
    until: date,
    body: str | None = None,
    actor: str | None = None,
) -> list[BodyRates]:
    """The rates of the bodies that delivered decisions of the months from `since` to before `until`, by name; of one
    body alone, or of what one account delivered, where given."""
    sums = [func.sum(intake_counts.c[name]).label(name) for name in COUNTED]
    wanted = and_(intake_batches.c.place.in_(places), intake_counts.c.month >= since, intake_counts.c.month < until)
    statement = (
        select(intake_counts.c.body, *sums)
        .join(intake_batches, intake_batches.c.id == intake_counts.c.batch_id)
        .where(wanted)
        .group_by(intake_counts.c.body)
        .order_by(intake_counts.c.body)
    )
    if body is not None:
        statement = statement.where(intake_counts.c.body == body)
    if actor is not None:
        statement = statement.where(intake_batches.c.actor == actor)
    return [_rates(row) for row in await connection.execute(statement)]


def _rates(row: Any) -> BodyRates:
    count = Counter({name: int(getattr(row, name)) for name in COUNTED})
    return BodyRates(
        body=row.body,
        rows=count["rows"],
        accepted=count["accepted"],
        completeness=_share(count["filled"], count["fields"]),
        validity=_share(count["rows"] - count["invalid"], count["rows"]),
        seven_day_rate=_share(count["in_time"], count["timed"]),
    )


def _share(part: int, whole: int) -> float | None:
    return None if whole == 0 else part / whole
