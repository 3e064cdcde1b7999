"""Making the settlement files of a day. One thing to know: a line is written for a redemption at most once and for its
reversal at most once, and the total of all lines is that of all redemptions not reversed.

The cut-off of a day is 00:00 of the next (Asia/Shanghai). What was redeemed before it and not reversed before it is a
line; what was reversed before the cut-off and is a line of an earlier file is a correction, a line of its own with the
amount below zero; what was redeemed and reversed before any file spoke of it adds up to nothing and is no line. What is
committed after the day's files were made (a clock behind, a long transaction) is found by the next file: lines are
chosen by what is not yet settled, never by the day alone. Days are settled in their order, all of a partner's files in
one transaction, so a process that dies is simply followed by another.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, func, insert, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of, start_of
from core.database import Database
from core.errors import ExpectedError
from core.identifiers import new_id
from core.keys import Keys
from partners.settlement.files import Head, Line, PublicId, write_file
from partners.settlement.tables import settlement_days, settlement_files, settlement_lines
from partners.tables import OF_VERIFICATION, offer_versions, offers, partners, redemptions, verifications
from partners.webhooks.events import emit

READY = "settlement.ready"
ACTOR = "settlement"
WAIT = timedelta(minutes=10)
"""After the cut-off, so that hardly anything comes late; what does is in the next file."""
LOOKS_BACK = timedelta(days=92)
"""How late something may still come: no transaction and no clock is late by more."""
_ONE_DAY = timedelta(days=1)


class DayNotOver(ExpectedError):
    """The day has not ended, so its file cannot be made."""

    code = "DAY_NOT_OVER"


@dataclass(frozen=True, slots=True)
class Making:
    """What making files takes besides the database."""

    keys: Keys
    issuer: str
    public_id: PublicId


class Made(NamedTuple):
    """A file that was made."""

    id: UUID
    partner_id: int
    funder: str
    day: date
    lines: int
    total_fen: int


async def settle_due(database: Database, making: Making, *, now: datetime) -> list[Made]:
    """Make the files of every day that is over and has none, in order; several processes may do so at once."""
    return await settle_until(database, making, day=day_of(now - WAIT) - _ONE_DAY, now=now)


async def settle_until(database: Database, making: Making, *, day: date, now: datetime) -> list[Made]:
    """Make the files of `day` and of every day before it that has none. A day that was settled is left as it is.

    Raises:
        DayNotOver: the day has not ended.
    """
    if day >= day_of(now):
        raise DayNotOver(f"{day.isoformat()} 还没有结束,当日的结算文件次日才能生成。请写昨天或更早的日期。")
    async with database.reading() as connection:
        next_day = await _first_unsettled(connection)
    made: list[Made] = []
    while next_day is not None and next_day <= day:
        made += await _settle_day(database, making, day=next_day, now=now)
        next_day += _ONE_DAY
    return made


async def _first_unsettled(connection: AsyncConnection) -> date | None:
    """The day after the last that was settled; before the first one, the day of the first redemption."""
    last: date | None = await connection.scalar(select(func.max(settlement_days.c.day)))
    if last is not None:
        return last + _ONE_DAY
    first: datetime | None = await connection.scalar(select(func.min(redemptions.c.at)))
    return None if first is None else day_of(first)


async def _settle_day(database: Database, making: Making, *, day: date, now: datetime) -> list[Made]:
    cut = start_of(day + _ONE_DAY)
    concerned = select(partners.c.id).where(
        or_(*(found(partners.c.id, cut).correlate(partners).exists() for found in (_uses, _corrections)))
    )
    async with database.reading() as connection:
        ids = (await connection.scalars(concerned.order_by(partners.c.id))).all()
    made = []
    for partner_id in ids:
        async with database.transaction() as connection:
            made += await _settle_partner(connection, making, partner_id=partner_id, day=day, now=now)
    async with database.transaction() as connection:
        # Whoever was quicker has settled the same day.
        upsert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        await connection.execute(upsert(settlement_days).values(day=day, made_at=now).on_conflict_do_nothing())
    return made


async def _settle_partner(
    connection: AsyncConnection, making: Making, *, partner_id: int, day: date, now: datetime
) -> list[Made]:
    """The files of one partner, in a transaction: none where another process has just made them."""
    locked = select(partners.c.name).where(partners.c.id == partner_id).with_for_update()
    name: str = (await connection.execute(locked)).scalar_one()
    closed = {
        row.funder
        for row in await connection.execute(
            select(settlement_files.c.funder)
            .where(settlement_files.c.partner_id == partner_id, settlement_files.c.day >= day)
            .distinct()
        )
    }
    by_funder: dict[str, list[Line]] = defaultdict(list)
    cut = start_of(day + _ONE_DAY)
    for row in (await connection.execute(_with_terms(_uses(partner_id, cut)))).all():
        by_funder[funder_of(row, partner_name=name)].append(_use(row))
    for row in (await connection.execute(_with_funder(_corrections(partner_id, cut)))).all():
        by_funder[row.settled_to].append(_correction(row))
    return [
        await _write(connection, making, partner_id, name, funder, day, sorted(lines, key=_order), now)
        for funder, lines in sorted(by_funder.items())
        if funder not in closed
    ]


async def _write(  # noqa: PLR0917  # one argument for each part of a file's head
    connection: AsyncConnection,
    making: Making,
    partner_id: int,
    name: str,
    funder: str,
    day: date,
    lines: list[Line],
    now: datetime,
) -> Made:
    file_id, partner = new_id(), making.public_id("Partner", partner_id)
    head = Head(file_id, making.issuer, partner, name, funder, day, now)
    written = write_file(making.keys, head, lines, public_id=making.public_id)
    row: dict[str, Any] = {"id": file_id, "partner_id": partner_id, "funder": funder, "day": day, "made_at": now}
    await connection.execute(insert(settlement_files).values(**row, lines=len(lines), **written._asdict()))
    numbered = [
        {
            "file_id": file_id,
            "line": number,
            "kind": line.kind,
            "redemption_id": line.redemption_id,
            "receipt_jti": line.receipt,
            "amount_fen": line.amount_fen,
            "at": line.at,
        }
        for number, line in enumerate(lines, 1)
    ]
    await connection.execute(insert(settlement_lines), numbered)
    told = {
        "file": making.public_id("SettlementFile", file_id),
        "day": day.isoformat(),
        "funder": funder,
        "lines": len(lines),
        "totalFen": written.total_fen,
        "sha256": {"csv": written.sha256_csv, "json": written.sha256_json},
    }
    await emit(connection, partner_id=partner_id, type=READY, lane=f"settlement:{partner_id}", payload=told, now=now)
    content = {"file": str(file_id), "partner": partner_id, "day": day.isoformat(), "sha256": written.sha256_json}
    await audit.record(connection, at=now, actor=ACTOR, action="makeSettlement", content=content)
    return Made(file_id, partner_id, funder, day, len(lines), written.total_fen)


def funder_of(row: Any, *, partner_name: str) -> str:
    """Who bears a benefit: the partner, or the budget or sponsor by its name. `row` has `payer` and `budget` of the
    offer as it is, and in `content` the version that was verified, where it is kept."""
    terms = row.content or {}
    payer, budget = terms.get("payer", row.payer), terms.get("budget", row.budget)
    return partner_name if payer == "partner" else budget.strip() or payer


_OF_REDEMPTION = settlement_lines.c.redemption_id == redemptions.c.id


def _has(kind: str) -> ColumnElement[bool]:
    mine = select(settlement_lines.c.line).where(_OF_REDEMPTION, settlement_lines.c.kind == kind)
    return mine.correlate(redemptions).exists()


def _uses(partner_id: Any, cut: datetime) -> Select[Any]:
    """Redeemed and not reversed before the cut-off, and in no file yet."""
    at, reversed_at = redemptions.c.at, redemptions.c.reversed_at
    return (
        select(redemptions, verifications.c.offer_id, verifications.c.offer_version)
        .join(verifications, OF_VERIFICATION)
        .where(redemptions.c.partner_id == partner_id, at < cut, at >= cut - LOOKS_BACK)
        .where(reversed_at.is_(None) | (reversed_at >= cut), ~_has("use"))
    )


def _corrections(partner_id: Any, cut: datetime) -> Select[Any]:
    """Reversed before the cut-off, in a file, and not corrected yet."""
    reversed_at = redemptions.c.reversed_at
    return (
        select(redemptions, verifications.c.offer_id, verifications.c.offer_version)
        .join(verifications, OF_VERIFICATION)
        .where(redemptions.c.partner_id == partner_id, reversed_at < cut, reversed_at >= cut - LOOKS_BACK)
        .where(_has("use"), ~_has("correction"))
    )


def _with_terms(uses: Select[Any]) -> Select[Any]:
    """With who pays, as it stood in the version of the offer that was verified."""
    version = and_(
        offer_versions.c.offer_id == verifications.c.offer_id,
        offer_versions.c.version == verifications.c.offer_version,
    )
    return (
        uses.join(offers, offers.c.id == verifications.c.offer_id)
        .outerjoin(offer_versions, version)
        .add_columns(offers.c.payer, offers.c.budget, offer_versions.c.content)
    )


def _with_funder(corrections: Select[Any]) -> Select[Any]:
    """With the funder of the line that is taken back, and its amount."""
    return (
        corrections.join(settlement_lines, and_(_OF_REDEMPTION, settlement_lines.c.kind == "use"))
        .join(settlement_files, settlement_files.c.id == settlement_lines.c.file_id)
        .add_columns(settlement_files.c.funder.label("settled_to"), settlement_lines.c.amount_fen.label("settled_fen"))
    )


def _use(row: Row[Any]) -> Line:
    return Line(
        "use", row.id, str(row.verification_id), row.offer_id, row.offer_version, row.site, row.amount_fen or 0, row.at
    )


def _correction(row: Row[Any]) -> Line:
    receipt, amount = str(row.verification_id), -row.settled_fen
    return Line("correction", row.id, receipt, row.offer_id, row.offer_version, row.site, amount, row.reversed_at)


def _order(line: Line) -> tuple[datetime, UUID, str]:
    return line.at, line.redemption_id, line.kind
