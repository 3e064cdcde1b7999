"""What is waiting for officers, and what they have let run out. One thing to know: that a term has run out is noted by
whoever looks first, not by a job; until a decision the record stays out of use, and nothing is deleted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, false, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from core.database import Database
from core.integrity import keys_of
from scoring.cases.decisions import Officer
from scoring.cases.tables import case_steps, cases
from scoring.cases.workflow import (
    SYSTEM,
    Kind,
    Outcome,
    Rules,
    State,
    due_of,
    hold_case,
    is_overdue,
    reckon_again,
    take_step,
)
from scoring.outbox import enqueue

OVERSEER = "overseer"
"""Destination in the outbox of notes about cases that are overdue."""
NO_TERM = date(9999, 12, 31)
"""Where a case without a term stands in the order."""
Due = Literal["TODAY", "OVERDUE", "ALL"]
Alarm = Callable[[AsyncConnection, Row[Any], datetime], Awaitable[None]]
"""Told, in the transaction that notes it, which case is overdue (a row of `cases`)."""


class Counts(NamedTuple):
    """How many open cases there are to worry about."""

    due_today: int
    overdue: int


async def note_overdue(
    database: Database, *, rules: Rules, alarm: Alarm, now: datetime, subject_id: int | None = None
) -> int:
    """Note which open cases' terms have run out, of one subject or of all, each in a transaction; how many were new.

    A term that was provisional is stored anew where a holiday table has come out since.
    """
    open_ones = cases.c.decided_at.is_(None)
    late = and_(cases.c.escalated_at.is_(None), cases.c.due_on < day_of(now))
    wanted = select(cases).where(open_ones, or_(late, cases.c.due_is_provisional))
    if subject_id is not None:
        wanted = wanted.where(cases.c.subject_id == subject_id)
    async with database.reading() as connection:
        found = [row for row in (await connection.execute(wanted)).all() if _is_news(row, rules, now)]
    noted = 0
    for row in found:
        async with database.transaction() as connection:
            noted += await _note(connection, row.id, rules, alarm, now)
    return noted


def _is_news(case: Row[Any], rules: Rules, now: datetime) -> bool:
    due = due_of(case, rules)
    moved = due is not None and (due.on, due.provisional) != (case.due_on, case.due_is_provisional)
    return moved or (case.escalated_at is None and is_overdue(due, now=now))


async def _note(connection: AsyncConnection, case_id: UUID, rules: Rules, alarm: Alarm, now: datetime) -> bool:
    case = await hold_case(connection, case_id)
    if case.decided_at is not None:
        return False
    case = await reckon_again(connection, case, rules)
    due = due_of(case, rules)
    if due is None or case.escalated_at is not None or not is_overdue(due, now=now):
        return False
    said = {"dueOn": due.on.isoformat()}
    reason = f"办理期限 {due.on} 已过而没有决定,已上报督办;有争议的信息在决定作出之前继续暂停使用。"
    case = await take_step(
        connection, case, "escalate", actor=SYSTEM, reason=reason, now=now, evidence=said, escalated_at=now
    )
    told = {"case": str(case.id), "kind": case.kind, "place": case.place, "routedTo": case.routed_to} | said
    await enqueue(connection, keys_of(connection), topic="case-overdue", destination=OVERSEER, payload=told, now=now)
    await alarm(connection, case, now)
    return True


def of_officer(officer: Officer) -> ColumnElement[bool]:
    """The cases that are an officer's own, or that his body was asked to help with."""
    if officer.handles_all:
        return true()
    return or_(
        _is_body(officer, cases.c.routed_to, cases.c.routed_to_uscc),
        and_(cases.c.state == State.HELP.value, _is_body(officer, cases.c.helper, cases.c.helper_uscc)),
    )


def _is_body(officer: Officer, body: Any, uscc: Any) -> ColumnElement[bool]:
    by_code = uscc == officer.body_uscc if officer.body_uscc is not None else false()
    by_name = and_(uscc.is_(None), body == officer.body) if officer.body is not None else false()
    return or_(by_code, by_name)


async def list_cases(
    connection: AsyncConnection,
    *,
    officer: Officer,
    due: Due,
    kind: Kind | None,
    place: str | None,
    after: tuple[date, UUID] | None,
    size: int,
    now: datetime,
) -> list[Row[Any]]:
    """Open cases (rows of `cases`) by deadline, `size` at most; those without a term come last."""
    term = func.coalesce(cases.c.due_on, NO_TERM)
    wanted = select(cases).where(*_open(officer, due, kind, place, day_of(now)))
    if after is not None:
        wanted = wanted.where(or_(term > after[0], and_(term == after[0], cases.c.id > after[1])))
    return list((await connection.execute(wanted.order_by(term, cases.c.id).limit(size))).all())


async def count_due(connection: AsyncConnection, *, officer: Officer, place: str | None, now: datetime) -> Counts:
    """How many open cases are due today, and how many are overdue."""

    async def count(due: Due) -> int:
        wanted = select(func.count()).select_from(cases).where(*_open(officer, due, None, place, day_of(now)))
        return int(await connection.scalar(wanted) or 0)

    return Counts(await count("TODAY"), await count("OVERDUE"))


def _open(officer: Officer, due: Due, kind: Kind | None, place: str | None, on: date) -> list[ColumnElement[bool]]:
    wanted = [cases.c.decided_at.is_(None), of_officer(officer)]
    if due != "ALL":
        wanted.append(cases.c.due_on == on if due == "TODAY" else cases.c.due_on < on)
    if kind is not None:
        wanted.append(cases.c.kind == kind.value)
    if place is not None:
        wanted.append(cases.c.place == place)
    return wanted


async def repair_ledger(
    connection: AsyncConnection, *, place: str | None, before: UUID | None, size: int
) -> list[Row[Any]]:
    """Repairs that were decided, newest first: rows of `cases` with the deciding step's `evidence`."""
    decided = and_(
        case_steps.c.subject_id == cases.c.subject_id,
        case_steps.c.case_id == cases.c.id,
        case_steps.c.act == "decide",
    )
    wanted = select(cases, case_steps.c.evidence, case_steps.c.actor).join(case_steps, decided)
    wanted = wanted.where(
        or_(cases.c.kind == Kind.REPAIR.value, and_(cases.c.kind == Kind.APPEAL.value, cases.c.way.is_not(None))),
        cases.c.outcome != Outcome.WITHDRAWN.value,
    )
    if place is not None:
        wanted = wanted.where(cases.c.place == place)
    if before is not None:
        wanted = wanted.where(cases.c.id < before)
    return list((await connection.execute(wanted.order_by(cases.c.id.desc()).limit(size))).all())
