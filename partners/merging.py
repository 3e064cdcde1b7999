"""What a dropped entry used, owes, asked for and was told goes on with the entry that is kept. One thing to know: rows
change their subject and nothing else, so ids, receipts and what partners hold of them stay good.

So a person's limits count both entries' uses, an overdue order closes pay-later as before and once, and one inbox, one
list of orders and one access log tell everything.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, ColumnElement, Table, delete, exists, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from partners.leaving import withdraw_loans
from partners.lending.tables import loan_applications, loan_reports, loan_steps
from partners.lending.workflow import LoanState
from partners.notices import tell
from partners.offline.issuing import forget_choices
from partners.offline.tables import offline_passes, offline_uses
from partners.orders.tables import order_steps, orders
from partners.tables import (
    access_events,
    benefit_news,
    benefit_watches,
    notices,
    outcome_reports,
    redemptions,
    verifications,
)
from partners.wallet.tables import wallet_credentials
from scoring.registry.subjects import Act

_OF_VERIFICATIONS = (redemptions, orders, outcome_reports)


async def carry_over(connection: AsyncConnection, *, keep: int, drop: int, act: Act) -> None:
    """Let everything of the dropped entry on this floor go on with the other, in the transaction of the merge, which
    holds both subjects' locks."""
    await _end_applications(connection, keep=keep, drop=drop, act=act)
    await _move_uses(connection, keep=keep, drop=drop)
    await _move_loans(connection, keep=keep, drop=drop)
    await forget_choices(connection, drop, now=act.now)
    for table in (notices, access_events, wallet_credentials, offline_passes, offline_uses):
        await _rename(connection, table, keep=keep, drop=drop)
    await _move_watch(connection, keep=keep, drop=drop)


async def _end_applications(connection: AsyncConnection, *, keep: int, drop: int, act: Act) -> None:
    """The consent behind an application ended with the entry, so a bank that has not answered cannot: it is withdrawn.
    What a bank has offered stands."""
    undecided = {LoanState.APPLIED}
    for row in await withdraw_loans(connection, drop, undecided, actor=act.actor, act="mergeSubjects", now=act.now):
        text = "您的两份档案已合并,合并前待银行审查的一笔贷款申请随原授权一并终止。如仍需要,请重新申请。"
        its = {"partner_id": row["partner_id"], "offer_id": row["offer_id"]}
        await tell(connection, subject_id=keep, kind="loan-ended", text=text, now=act.now, **its)


async def _move_uses(connection: AsyncConnection, *, keep: int, drop: int) -> None:
    # Whoever is redeeming is waited for, and finds its verification under the other subject if it comes after.
    mine = verifications.c.subject_id == drop
    await connection.execute(select(verifications.c.id).where(mine).with_for_update())
    await connection.execute(select(orders.c.id).where(orders.c.subject_id == drop).with_for_update())
    is_used = or_(
        *(
            exists().where(
                table.c.subject_id == verifications.c.subject_id, table.c.verification_id == verifications.c.id
            )
            for table in _OF_VERIFICATIONS
        )
    )
    await _rename(connection, verifications, ~is_used, keep=keep, drop=drop)
    await _copy(connection, verifications, keep=keep, drop=drop)
    await _copy(connection, orders, keep=keep, drop=drop)
    await _rename(connection, order_steps, keep=keep, drop=drop)
    await connection.execute(delete(orders).where(orders.c.subject_id == drop))
    for table in (redemptions, outcome_reports):
        await _rename(connection, table, keep=keep, drop=drop)
    await connection.execute(delete(verifications).where(mine))


async def _move_loans(connection: AsyncConnection, *, keep: int, drop: int) -> None:
    mine = loan_applications.c.subject_id == drop
    await connection.execute(select(loan_applications.c.id).where(mine).with_for_update())
    await _copy(connection, loan_applications, keep=keep, drop=drop)
    for table in (loan_steps, loan_reports):
        await _rename(connection, table, keep=keep, drop=drop)
    await connection.execute(delete(loan_applications).where(mine))


async def _move_watch(connection: AsyncConnection, *, keep: int, drop: int) -> None:
    """The kept entry's own choice holds; where it never made one, the other's. What either was told is no news."""
    chosen = select(benefit_watches.c.subject_id).where(benefit_watches.c.subject_id == keep)
    if (await connection.execute(chosen)).first() is None:
        await _rename(connection, benefit_watches, keep=keep, drop=drop)
    told = select(benefit_news.c.offer_id).where(benefit_news.c.subject_id == keep)
    await _rename(connection, benefit_news, benefit_news.c.offer_id.not_in(told), keep=keep, drop=drop)
    for table in (benefit_news, benefit_watches):
        await connection.execute(delete(table).where(table.c.subject_id == drop))


async def _rename(connection: AsyncConnection, table: Table, *where: ColumnElement[bool], keep: int, drop: int) -> None:
    await connection.execute(update(table).where(table.c.subject_id == drop, *where).values(subject_id=keep))


async def _copy(connection: AsyncConnection, table: Table, *, keep: int, drop: int) -> None:
    """The rows under the other subject as well, for what points at them to be turned to."""
    values = [literal(keep, BigInteger) if column.name == "subject_id" else column for column in table.c]
    rows = select(*values).where(table.c.subject_id == drop)
    await connection.execute(insert(table).from_select([column.name for column in table.c], rows))
