"""What lending comes to, per bank, city and quarter. One thing to know: every figure is a sum of the same disjoint
blocks of ten borrowers or more (`scoring.disclosure`), so no two filters laid side by side tell of anybody.

A period is made of whole quarters, of which each is published or not by itself. Amounts are rounded to two figures, and
left out where one loan makes up more than half of a block.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, NamedTuple

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from partners.lending.tables import loan_applications, loan_reports
from partners.lending.workflow import FARMERS
from scoring.disclosure import SMALLEST, publishable
from scoring.tables import subjects

By = Literal["bank", "city"]
Segment = Literal["enterprises", "farmers"]
MOST_QUARTERS = 40


class Loan(NamedTuple):
    """A loan as last reported."""

    city: str
    bank: int
    subject: int
    disbursed_on: date
    segment: Segment
    amount_fen: int
    unsecured: bool


@dataclass(slots=True)
class Block:
    """Ten borrowers or more whose figures are published together; numbers in tens, amounts in two figures."""

    number: int = 0
    amount_fen: int | None = None
    unsecured: int | None = None


class Key(NamedTuple):
    """One published block: its quarter's first day, city, bank (None: several that are not told apart), segment."""

    quarter: date
    city: str
    bank: int | None
    segment: Segment


@dataclass(slots=True)
class Figure:
    """A line of figures. None where it may not be told."""

    period: str
    value: str | None
    """The bank's key or the city; None gathers banks not told apart."""
    segment: Segment
    number: int
    amount_fen: int | None
    growth_percent: int | None
    unsecured_percent: int | None


@dataclass(slots=True)
class _Sum:
    number: int = 0
    amounts: list[int | None] = field(default_factory=list)
    unsecured: list[int | None] = field(default_factory=list)

    def add(self, block: Block) -> None:
        self.number += block.number
        self.amounts.append(block.amount_fen)
        self.unsecured.append(block.unsecured)

    @property
    def amount_fen(self) -> int | None:
        return _total(self.amounts)

    @property
    def unsecured_percent(self) -> int | None:
        unsecured = _total(self.unsecured)
        return None if unsecured is None or not self.number else min(100, 100 * unsecured // self.number)


def quarter_of(day: date) -> date:
    """The first day of its quarter."""
    return date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)


def next_quarter(quarter: date) -> date:
    """The first day of the quarter after."""
    return date(quarter.year + (quarter.month == 10), (quarter.month + 2) % 12 + 1, 1)


def quarters_between(since: date, until: date) -> list[date]:
    """The first days of the quarters from `since` until, and without, `until`."""
    found = []
    while since < until:
        found.append(since)
        since = next_quarter(since)
    return found


async def read_loans(connection: AsyncConnection, *, cities: Sequence[str], since: date, until: date) -> list[Loan]:
    """The loans disbursed to subjects of these cities on these days, `until` left out, each by its newest report."""
    newest = (
        select(
            loan_reports,
            func.max(loan_reports.c.number)
            .over(partition_by=(loan_reports.c.subject_id, loan_reports.c.application_id))
            .label("last"),
        )
    ).subquery()
    wanted = (
        select(newest, subjects.c.place, loan_applications.c.product)
        .join(subjects, subjects.c.id == newest.c.subject_id)
        .join(
            loan_applications,
            and_(
                loan_applications.c.subject_id == newest.c.subject_id,
                loan_applications.c.id == newest.c.application_id,
            ),
        )
        .where(
            newest.c.number == newest.c.last,
            newest.c.disbursed_on >= since,
            newest.c.disbursed_on < until,
            subjects.c.place.in_(cities),
        )
    )
    return [
        Loan(
            city=row.place,
            bank=row.partner_id,
            subject=row.subject_id,
            disbursed_on=row.disbursed_on,
            segment="farmers" if row.product == FARMERS else "enterprises",
            amount_fen=row.disbursed_fen,
            unsecured=not row.secured,
        )
        for row in await connection.execute(wanted)
    ]


def published_blocks(loans: Iterable[Loan]) -> dict[Key, Block]:
    """What may be published of the loans. Borrowers are counted, each once in a block, by the security of the largest
    loan of theirs in it."""
    cells: dict[tuple[date, str, Segment], dict[int, dict[int, list[Loan]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for loan in loans:
        cells[quarter_of(loan.disbursed_on), loan.city, loan.segment][loan.bank][loan.subject].append(loan)
    return {key: block for cell, banks in cells.items() for key, block in _blocks(cell, banks)}


def _blocks(
    cell: tuple[date, str, Segment], banks: Mapping[int, Mapping[int, list[Loan]]]
) -> Iterator[tuple[Key, Block]]:
    quarter, city, segment = cell
    counts: dict[tuple[str | None, str | None, str], int] = defaultdict(int)
    for bank, borrowers in banks.items():
        for loans in borrowers.values():
            largest = max(loans, key=lambda loan: loan.amount_fen)
            counts[str(bank), "unsecured" if largest.unsecured else "secured", segment] += 1
    atoms = publishable(counts)
    told = {int(bank) for bank, _, _ in atoms if bank is not None}
    for bank in sorted(told):
        mine = {security: number for (one, security, _), number in atoms.items() if one == str(bank)}
        amount = _amount(loan for loans in banks[bank].values() for loan in loans)
        unsecured = None if None in mine else mine.get("unsecured", 0)
        yield Key(quarter, city, bank, segment), Block(sum(mine.values()), amount, unsecured)
    rest = {bank: borrowers for bank, borrowers in banks.items() if bank not in told}
    number = len({subject for borrowers in rest.values() for subject in borrowers})
    if number >= SMALLEST:
        amount = _amount(loan for borrowers in rest.values() for loans in borrowers.values() for loan in loans)
        yield Key(quarter, city, None, segment), Block(number - number % SMALLEST, amount, None)


def _amount(loans: Iterable[Loan]) -> int | None:
    amounts = [loan.amount_fen for loan in loans]
    total = sum(amounts)
    if 2 * max(amounts) > total:
        return None
    unit: int = 10 ** max(0, len(str(total)) - 2)
    return total - total % unit


def _total(parts: Sequence[int | None]) -> int | None:
    return sum(part for part in parts if part is not None) if parts and None not in parts else None


def loan_figures(blocks: Mapping[Key, Block], *, since: date, until: date, by: By) -> list[Figure]:
    """The figures of each quarter, and of each whole year, from `since` until `until`, both first days of quarters.

    `blocks` reach back a year further: growth compares the amount with that of the same period a year before.
    """
    quarters = quarters_between(since, until)
    periods = [(f"{one.year}-Q{(one.month + 2) // 3}", [one]) for one in quarters]
    for year in sorted({one.year for one in quarters}):
        of_year = [one for one in quarters if one.year == year]
        if len(of_year) == 4:
            periods.append((str(year), of_year))
    found = []
    for period, some in sorted(periods):
        now, then = (_sums(blocks, some, by), _sums(blocks, [_year_before(one) for one in some], by))
        for (value, segment), line in sorted(now.items(), key=lambda one: (one[0][1], one[0][0] or "~")):
            growth = _growth(then.get((value, segment)), line) if value is not None else None
            found.append(Figure(period, value, segment, line.number, line.amount_fen, growth, line.unsecured_percent))
    return found


def _sums(blocks: Mapping[Key, Block], quarters: Sequence[date], by: By) -> dict[tuple[str | None, Segment], _Sum]:
    sums: dict[tuple[str | None, Segment], _Sum] = defaultdict(_Sum)
    for key, block in blocks.items():
        if key.quarter in quarters:
            value = key.city if by == "city" else None if key.bank is None else str(key.bank)
            sums[value, key.segment].add(block)
    return sums


def _growth(then: _Sum | None, now: _Sum) -> int | None:
    before, after = then.amount_fen if then else None, now.amount_fen
    return None if not before or after is None else 100 * (after - before) // before


def _year_before(quarter: date) -> date:
    return quarter.replace(year=quarter.year - 1)
