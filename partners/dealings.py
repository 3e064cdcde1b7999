"""What a subject has had to do with partners, as plain values for its credit report. One thing to know: it is all that
is held, the answers a bank was given about it and what partners said came of its benefits included."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Select, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.audit import audit_entries
from core.clock import day_of
from partners.lending import workflow as lending
from partners.lending.answering import ACTION, answers_of
from partners.lending.tables import loan_applications, loan_reports, loan_steps
from partners.orders import workflow as ordering
from partners.orders.steps import CLOCK
from partners.orders.tables import order_steps, orders
from partners.outcomes import OutcomeCode
from partners.tables import notices, offers, outcome_reports, partners, verifications
from scoring.lending import LendingRules
from scoring.report.everything import NameOf, local
from scoring.tables import subjects

OUTCOMES = {
    OutcomeCode.USED: "已使用",
    OutcomeCode.PARTLY_USED: "部分使用",
    OutcomeCode.NOT_USED: "未使用",
    OutcomeCode.SERVICE_PROBLEM: "服务出现问题",
    OutcomeCode.GIVEN_BACK: "使用后退回",
}
REPAYMENTS = {
    lending.Repayment.RUNNING: "正常",
    lending.Repayment.REPAID: "已还清",
    lending.Repayment.OVERDUE: "逾期",
}


async def dealings_of(
    connection: AsyncConnection,
    subject_id: int,
    *,
    rules: Mapping[str, LendingRules],
    name_of: NameOf,
    now: datetime,
) -> dict[str, Any]:
    """Its orders, loan applications, notices, and what partners reported, each newest first."""
    return {
        "orders": await _orders(connection, subject_id, name_of, now),
        "loans": await _loans(connection, subject_id, rules, name_of, now),
        "outcomes": await _outcomes(connection, subject_id),
        "notices": await _notices(connection, subject_id),
    }


def _named(table: Table) -> Select[Any]:
    """The rows of a table with the names of their partner and offer."""
    return (
        select(table, partners.c.name.label("institution"), offers.c.title.label("offer"))
        .outerjoin(partners, partners.c.id == table.c.partner_id)
        .outerjoin(offers, offers.c.id == table.c.offer_id)
    )


async def _orders(connection: AsyncConnection, subject_id: int, name_of: NameOf, now: datetime) -> list[dict[str, Any]]:
    mine = _named(orders).where(orders.c.subject_id == subject_id).order_by(orders.c.id.desc())
    rows = (await connection.execute(mine)).all()
    steps = await _steps(connection, subject_id, order_steps, order_steps.c.order_id, ordering.WORDS, name_of)
    return [
        {
            "id": str(row.id),
            "institution": row.institution,
            "offer": row.offer,
            "title": row.title,
            "state": ordering.WORDS[ordering.state_of(row, now=now)],
            "amount_fen": row.amount_fen,
            "final_fen": row.final_fen,
            "paid_fen": row.paid_fen,
            "due_on": row.due_on.isoformat() if row.due_on else None,
            "created_at": local(row.created_at),
            "steps": steps[row.id],
        }
        for row in rows
    ]


async def _loans(
    connection: AsyncConnection, subject_id: int, rules: Mapping[str, LendingRules], name_of: NameOf, now: datetime
) -> list[dict[str, Any]]:
    mine = _named(loan_applications).where(loan_applications.c.subject_id == subject_id)
    rows = (await connection.execute(mine.order_by(loan_applications.c.id.desc()))).all()
    if not rows:
        return []
    answers = await answers_of(connection, rows, rules=rules, now=now)
    told = await _told(connection, subject_id)
    steps = await _steps(connection, subject_id, loan_steps, loan_steps.c.application_id, lending.WORDS, name_of)
    reports = await _loan_reports(connection, subject_id)
    labels = {one.code: one.label for found in answers.values() for one in found}
    return [
        {
            "id": str(row.id),
            "institution": row.institution,
            "offer": row.offer,
            "product": row.product,
            "state": lending.WORDS[lending.state_of(row, on=day_of(now))],
            "amount_fen": row.amount_fen,
            "months": row.months,
            "use": row.use,
            "applied_at": local(row.applied_at),
            "offered_fen": row.offered_fen,
            "rate_bp": row.rate_bp,
            "offered_months": row.offered_months,
            "secured": row.secured,
            "decided_at": local(row.decided_at),
            "decline_reason": row.decline_reason,
            "consented": [labels.get(code, code) for code in row.indicators],
            "answers": [{"label": one.label, "answer": one.answer} for one in answers[row.id]],
            "told": [
                {"at": at, "indicators": [labels.get(code, code) for code in codes]} for at, codes in told[row.id]
            ],
            "reports": reports[row.id],
            "steps": steps[row.id],
        }
        for row in rows
    ]


async def _told(connection: AsyncConnection, subject_id: int) -> dict[UUID, list[tuple[str | None, list[str]]]]:
    """When a bank was told what about each application, as the audit trail has it, under former entries too."""
    merged = select(subjects.c.id).where(subjects.c.merged_into == subject_id, subjects.c.end_reason == "merged")
    former = (await connection.execute(merged)).scalars().all()
    mine = (audit_entries.c.subject_id.in_([subject_id, *former]), audit_entries.c.action == ACTION)
    looks = select(audit_entries.c.at, audit_entries.c.content).where(*mine)
    found: dict[UUID, list[tuple[str | None, list[str]]]] = defaultdict(list)
    for row in await connection.execute(looks.order_by(audit_entries.c.id)):
        content = orjson.loads(row.content)
        found[UUID(content["application"])].append((local(row.at), content["indicators"]))
    return found


async def _loan_reports(connection: AsyncConnection, subject_id: int) -> dict[UUID, list[dict[str, Any]]]:
    mine = select(loan_reports).where(loan_reports.c.subject_id == subject_id).order_by(loan_reports.c.number)
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for row in await connection.execute(mine):
        found[row.application_id].append(
            {
                "at": local(row.at),
                "disbursed_fen": row.disbursed_fen,
                "rate_bp": row.rate_bp,
                "secured": row.secured,
                "disbursed_on": row.disbursed_on.isoformat(),
                "repayment": REPAYMENTS[lending.Repayment(row.repayment)],
            }
        )
    return found


async def _steps(  # noqa: PLR0917  # a table and how it is read
    connection: AsyncConnection, subject_id: int, table: Table, of: Any, words: Mapping[Any, str], name_of: NameOf
) -> dict[UUID, list[dict[str, Any]]]:
    mine = select(table, of.label("of")).where(table.c.subject_id == subject_id).order_by(table.c.step)
    rows: Sequence[Any] = (await connection.execute(mine)).all()
    names = {CLOCK: "到时自动"} | dict(await name_of({row.actor for row in rows}))
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        said = {"at": local(row.at), "change": words[row.state], "by": names.get(row.actor, row.actor)}
        found[row.of].append(said | {"reason": row.reason or None})
    return found


async def _outcomes(connection: AsyncConnection, subject_id: int) -> list[dict[str, Any]]:
    mine = (
        select(outcome_reports, partners.c.name.label("institution"), offers.c.title.label("offer"))
        .join(
            verifications,
            (verifications.c.subject_id == outcome_reports.c.subject_id)
            & (verifications.c.id == outcome_reports.c.verification_id),
        )
        .outerjoin(partners, partners.c.id == outcome_reports.c.partner_id)
        .outerjoin(offers, offers.c.id == verifications.c.offer_id)
        .where(outcome_reports.c.subject_id == subject_id)
        .order_by(outcome_reports.c.at.desc(), outcome_reports.c.verification_id, outcome_reports.c.number.desc())
    )
    return [
        {
            "at": local(row.at),
            "institution": row.institution,
            "offer": row.offer,
            "verification": str(row.verification_id),
            "number": row.number,
            "outcome": OUTCOMES[OutcomeCode(row.report["outcome"])],
            "satisfaction": row.report["satisfaction"],
            "note": row.report["note"],
        }
        for row in (await connection.execute(mine)).all()
    ]


async def _notices(connection: AsyncConnection, subject_id: int) -> list[dict[str, Any]]:
    mine = _named(notices).where(notices.c.subject_id == subject_id).order_by(notices.c.id.desc())
    return [
        {
            "at": local(row.at),
            "text": row.text,
            "institution": row.institution,
            "offer": row.offer,
            "read_at": local(row.read_at),
        }
        for row in (await connection.execute(mine)).all()
    ]
