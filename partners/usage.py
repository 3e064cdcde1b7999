"""How benefits were used, month by month, by partner and kind. One thing to know: a month is taken once, when it is
over, and only what may be published is ever stored: blocks of ten people or more that have nobody's use in common.

What is published of a month is always some of the same blocks, whoever asks and whatever is left out, so the difference
of any two answers is made of whole blocks, and tells of ten people or of nobody. Figures are rounded down to tens (and
amounts to 100 元), so that two figures of one block do not tell of fewer either. People who got the standard service
are not counted at all. 《关于进一步加快推进社会信用体系建设的实施方案》大委办发〔2019〕8号 二(四)9 asks for the report.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.calendar import add_months
from core.clock import day_of, start_of
from core.database import Database
from partners.eligibility import Outcome
from partners.outcomes import OutcomeCode
from partners.tables import OF_VERIFICATION, offers, outcome_reports, redemptions, usage_blocks, verifications
from scoring.disclosure import SMALLEST
from scoring.statistics import months_before

ACTOR = "usage"
FEN_STEP = 10_000
TAKEN_ON = 2
"""Day of the next month on which a month is taken, so that hardly anything comes late."""

Cell = tuple[int, str]
"""Partner and kind."""


@dataclass(slots=True)
class Use:
    """What happened in a cell, by the people it happened to."""

    verified: Counter[int] = field(default_factory=Counter)
    redeemed: Counter[int] = field(default_factory=Counter)
    reversed: Counter[int] = field(default_factory=Counter)
    outcomes: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    fen: int = 0
    """Of what was redeemed."""

    @property
    def people(self) -> set[int]:
        """Everybody to whom anything happened."""
        return {
            *self.verified,
            *self.redeemed,
            *self.reversed,
            *(one for told in self.outcomes.values() for one in told),
        }

    def __add__(self, other: Use) -> Use:
        outcomes = {code: self.outcomes[code] + other.outcomes[code] for code in {*self.outcomes, *other.outcomes}}
        joined = Use(
            self.verified + other.verified,
            self.redeemed + other.redeemed,
            self.reversed + other.reversed,
            fen=self.fen + other.fen,
        )
        joined.outcomes.update(outcomes)
        return joined


class Block(NamedTuple):
    """Published figures of one partner's one kind; None gathers several that are too small to be told apart."""

    partner_id: int | None
    kind: str | None
    figures: Mapping[str, Any]


def publishable_blocks(cells: Mapping[Cell, Use]) -> list[Block]:
    """Blocks of ten people or more out of the cells of a month; what does not come to ten people is in none. Pure.

    A partner's small cells are put together with each other and, where those are too few, with its smallest other one;
    a partner too small for a block of its own goes with those of other partners.
    """
    by_partner: dict[int, dict[str, Use]] = defaultdict(dict)
    for (partner_id, kind), use in cells.items():
        by_partner[partner_id][kind] = use
    blocks, rest = [], Use()
    for partner_id, kinds in sorted(by_partner.items()):
        large = {kind: use for kind, use in kinds.items() if len(use.people) >= SMALLEST}
        small = _joined(use for kind, use in kinds.items() if kind not in large)
        if small.people and len(small.people) < SMALLEST and large:
            least = min(large, key=lambda kind: (len(large[kind].people), kind))
            small += large.pop(least)
        blocks += [Block(partner_id, kind, _figures(use)) for kind, use in sorted(large.items())]
        if len(small.people) >= SMALLEST:
            blocks.append(Block(partner_id, None, _figures(small)))
        else:
            rest += small
    if len(rest.people) >= SMALLEST:
        blocks.append(Block(None, None, _figures(rest)))
    return blocks


def _joined(uses: Iterable[Use]) -> Use:
    whole = Use()
    for use in uses:
        whole += use
    return whole


def _figures(use: Use) -> dict[str, Any]:
    return {
        "people": _rounded(len(use.people)),
        "verifications": _told(use.verified),
        "redemptions": _told(use.redeemed),
        "reversed": _told(use.reversed),
        "amountFen": use.fen - use.fen % FEN_STEP if len(use.redeemed) >= SMALLEST else 0,
        "outcomes": {code.value: told for code in OutcomeCode if (told := _told(use.outcomes[code.value]))},
    }


def _told(counted: Counter[int]) -> int:
    """How often, rounded down; nothing where it happened to fewer than ten people."""
    return _rounded(counted.total()) if len(counted) >= SMALLEST else 0


def _rounded(number: int) -> int:
    return number - number % SMALLEST


async def take_usage_due(database: Database, *, now: datetime) -> date | None:
    """Take the month before, where it is over and was not taken; the month, if it was taken now."""
    on = day_of(now)
    month = months_before(on.replace(day=1), 1)
    if on.day < TAKEN_ON:
        return None
    async with database.reading() as connection:
        if await connection.scalar(select(usage_blocks.c.month).where(_is(month))) is not None:
            return None
    async with database.transaction() as connection:
        return month if await take_usage(connection, month=month, now=now) is not None else None


async def take_usage(connection: AsyncConnection, *, month: date, now: datetime) -> int | None:
    """Take a month (its first day) that is over, in a transaction: how many blocks; None where it was taken before."""
    made: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    row = {"month": month, "number": 0, "figures": {}, "taken_at": now}
    first = made(usage_blocks).values(**row).on_conflict_do_nothing().returning(usage_blocks.c.month)
    if await connection.scalar(first) is None:
        return None
    blocks = publishable_blocks(await _cells(connection, month))
    if blocks:
        rows = [{"month": month, "number": n, "taken_at": now, **one._asdict()} for n, one in enumerate(blocks, 1)]
        await connection.execute(insert(usage_blocks), rows)
    content = {"month": month.isoformat(), "blocks": len(blocks)}
    await audit.record(connection, at=now, actor=ACTOR, action="takeUsage", content=content)
    return len(blocks)


async def read_usage(
    connection: AsyncConnection, *, month: date, partner_id: int | None = None
) -> Sequence[Block] | None:
    """The blocks of a month, of one partner alone where given; None where the month was not taken."""
    rows = (await connection.execute(select(usage_blocks).where(_month(month)).order_by(usage_blocks.c.number))).all()
    if not rows:
        return None
    found = [Block(row.partner_id, row.kind, row.figures) for row in rows if row.number]
    return [one for one in found if partner_id is None or one.partner_id == partner_id]


def _is(month: date) -> Any:
    return (usage_blocks.c.month == month) & (usage_blocks.c.number == 0)


def _month(month: date) -> Any:
    return usage_blocks.c.month == month


async def _cells(connection: AsyncConnection, month: date) -> dict[Cell, Use]:
    since, until = start_of(month), start_of(add_months(month, 1))
    cells: dict[Cell, Use] = defaultdict(Use)
    of_offer = offers.c.id == verifications.c.offer_id
    asked = (
        select(verifications.c.subject_id, verifications.c.partner_id, offers.c.kind)
        .join(offers, of_offer)
        .where(verifications.c.outcome == Outcome.BENEFIT_APPLIES.value)
        .where(verifications.c.at >= since, verifications.c.at < until)
    )
    async for one in await connection.stream(asked):
        cells[one.partner_id, one.kind].verified[one.subject_id] += 1
    used = (
        select(redemptions.c.subject_id, redemptions.c.partner_id, redemptions.c.amount_fen, offers.c.kind)
        .join(verifications, OF_VERIFICATION)
        .join(offers, of_offer)
    )
    for column, name in ((redemptions.c.at, "redeemed"), (redemptions.c.reversed_at, "reversed")):
        async for row in await connection.stream(used.where(column >= since, column < until)):
            cell = cells[row.partner_id, row.kind]
            getattr(cell, name)[row.subject_id] += 1
            cell.fen += (row.amount_fen or 0) if name == "redeemed" else 0
    for last in await _last_reports(connection, since, until):
        cells[last.partner_id, last.kind].outcomes[last.report["outcome"]][last.subject_id] += 1
    return cells


async def _last_reports(connection: AsyncConnection, since: datetime, until: datetime) -> Iterable[Any]:
    """Of each verification the last report of the month: it corrects those before it."""
    wanted = (
        select(outcome_reports, offers.c.kind)
        .join(
            verifications,
            (verifications.c.subject_id == outcome_reports.c.subject_id)
            & (verifications.c.id == outcome_reports.c.verification_id),
        )
        .join(offers, offers.c.id == verifications.c.offer_id)
        .where(outcome_reports.c.at >= since, outcome_reports.c.at < until)
        .order_by(outcome_reports.c.number)
    )
    return {row.verification_id: row for row in (await connection.execute(wanted)).all()}.values()
