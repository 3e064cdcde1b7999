"""What leaving the scheme means for orders, loans and notices. One thing to know: it is one transaction with
`scoring.leaving`, no partner is told that somebody left, and what is owed stays owed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from partners.lending.applying import note
from partners.lending.tables import loan_applications
from partners.lending.workflow import BEGINS, LoanAction, LoanState, Side
from partners.lending.workflow import stands_in as loans_in
from partners.offline.issuing import end_passes
from partners.offline.tables import offline_choices
from partners.orders.steps import NOT_CONFIRMED, give_use_back, take_step
from partners.orders.tables import orders
from partners.orders.workflow import OrderState
from partners.rulebook import Rulebook
from partners.tables import benefit_news, benefit_watches, notices
from scoring.consent.receipts import Issuing
from scoring.leaving import Departure, Gone, leave_scheme, taken, values_of
from scoring.mine import place_of


async def leave(
    connection: AsyncConnection, *, subject_id: int, rulebook: Rulebook, issuing: Issuing, actor: str, now: datetime
) -> Departure:
    """Leave, in a transaction. Leaving again changes nothing and tells what was done.

    Raises:
        NeverEnrolled: the subject never took part.
    """
    place = await place_of(connection, subject_id)
    return await leave_scheme(
        connection,
        subject_id=subject_id,
        catalogue=rulebook.catalogues[place],
        known_facts=rulebook.indicators[place].facts,
        lending=rulebook.lending[place],
        purposes=rulebook.purposes[place].versions,
        issuing=issuing,
        further=partial(_let_go, connection, subject_id, actor=actor, now=now),
        actor=actor,
        now=now,
    )


async def _let_go(connection: AsyncConnection, subject_id: int, *, actor: str, now: datetime) -> Gone:
    """End what only waits for somebody's word, and erase the inbox with what filled it; the caller holds the lock."""
    withdrawn = await withdraw_loans(
        connection, subject_id, BEGINS[Side.APPLICANT, LoanAction.WITHDRAW], actor=actor, act="withdrawLoan", now=now
    )
    gone = {"loan_applications": withdrawn, "orders": await _drop_unconfirmed(connection, subject_id, actor, now)}
    await end_passes(connection, subject_id, now=now)
    for table in (notices, benefit_news, benefit_watches, offline_choices):
        gone[str(table.name)] = await taken(connection, table, table.c.subject_id == subject_id)
    return gone


async def withdraw_loans(
    connection: AsyncConnection,
    subject_id: int,
    states: Collection[LoanState],
    *,
    actor: str,
    act: str,
    now: datetime,
) -> list[dict[str, Any]]:
    """Withdraw the subject's applications that stand in one of these states, and tell their banks; the rows as they
    were. Their consents are the caller's to end."""
    mine = (loan_applications.c.subject_id == subject_id, loans_in(states, on=day_of(now)))
    found = await connection.execute(
        select(loan_applications).where(*mine).order_by(loan_applications.c.id).with_for_update()
    )
    rows = found.all()
    for row in rows:
        its_key = (loan_applications.c.subject_id == subject_id, loan_applications.c.id == row.id)
        await connection.execute(update(loan_applications).where(*its_key).values(state=LoanState.WITHDRAWN.value))
        await note(connection, row, LoanState.WITHDRAWN, actor=actor, act=act, now=now)
    return [values_of(row) for row in rows]


async def _drop_unconfirmed(
    connection: AsyncConnection, subject_id: int, actor: str, now: datetime
) -> list[dict[str, Any]]:
    """Orders that nobody has confirmed expire, as they would within minutes: to the partner it looks the same."""
    mine = (orders.c.subject_id == subject_id, orders.c.state == OrderState.CREATED.value)
    rows = (await connection.execute(select(orders).where(*mine).order_by(orders.c.id).with_for_update())).all()
    for row in rows:
        await take_step(
            connection, row, becomes=OrderState.EXPIRED, actor=actor, act="expireOrder", now=now, ended_at=now
        )
        await give_use_back(connection, row, actor=actor, reason=NOT_CONFIRMED, now=now)
    return [values_of(row) for row in rows]
