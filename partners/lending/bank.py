"""What a bank does with an application: offer, decline with its own reason, report the loan. One thing to know: each is
done once for a request id, and a report that corrects an earlier one is a row of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from core.errors import BadInput
from core.keys import Keys
from partners.answers import Problem, Request, answer_once, body_hashes
from partners.lending.applying import end_consent, locked, note
from partners.lending.tables import loan_applications, loan_reports
from partners.lending.workflow import (
    DeclineCode,
    LoanAction,
    LoanState,
    NotAsOffered,
    Repayment,
    Side,
    check_begins,
    check_decline,
)
from partners.notices import tell_holder
from partners.rulebook import Rulebook
from scoring.consent.receipts import Issuing
from scoring.subjects import lock_subject

OFFER, DECLINE, REPORT = "offerLoan", "declineLoan", "reportLoan"


@dataclass(frozen=True, slots=True)
class Bid:
    """What a bank offers: `rate_bp` a year in hundredths of a percent."""

    amount_fen: int
    rate_bp: int
    months: int
    secured: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a loan, as its bank says."""

    amount_fen: int
    rate_bp: int
    disbursed_on: date
    secured: bool
    repayment: Repayment


class Decided(NamedTuple):
    """What an act of the bank led to."""

    id: UUID
    state: LoanState
    at: datetime


@dataclass(frozen=True, slots=True)
class Desk:
    """The bank that acts, and what acting takes."""

    account: str
    partner_id: int
    rulebook: Rulebook
    keys: Keys
    issuing: Issuing
    now: datetime


async def offer_loan(
    connection: AsyncConnection, desk: Desk, *, request_id: str, application_id: UUID, bid: Bid
) -> Decided | Problem:
    """Offer a loan, of at most what was asked for.

    Raises:
        RequestConflict, Conflict: as for all requests.
    """

    async def act() -> LoanState:
        row = await _mine(connection, desk, application_id)
        check_begins(row, Side.BANK, LoanAction.OFFER, on=day_of(desk.now))
        if bid.amount_fen > row.amount_fen:
            raise NotAsOffered("报价金额不得高于申请金额。请改小金额;申请人需要更多的,请其另行申请。")
        values = {"offered_fen": bid.amount_fen, "rate_bp": bid.rate_bp, "offered_months": bid.months}
        await _set(connection, row, LoanState.OFFERED, **values, secured=bid.secured, decided_at=desk.now)
        await note(connection, row, LoanState.OFFERED, actor=desk.account, act=OFFER, now=desk.now)
        await tell_holder(
            connection, row, "loan-offered", "一笔贷款申请有了银行的答复,请在“我的贷款申请”中查看并决定。", desk.now
        )
        return LoanState.OFFERED

    return await _once(connection, desk, OFFER, request_id, application_id, asdict(bid), act)


async def decline_loan(
    connection: AsyncConnection,
    desk: Desk,
    *,
    request_id: str,
    application_id: UUID,
    code: DeclineCode,
    words: str,
) -> Decided | Problem:
    """Decline, for a reason of the bank's own.

    Raises:
        RequestConflict, Conflict: as for all requests.
    """

    async def act() -> LoanState:
        row = await _mine(connection, desk, application_id)
        check_begins(row, Side.BANK, LoanAction.DECLINE, on=day_of(desk.now))
        check_decline(words, names=_model_names(desk.rulebook, day_of(desk.now)))
        await _set(connection, row, LoanState.DECLINED, decline_reason=f"{code.value}: {words}", decided_at=desk.now)
        await note(connection, row, LoanState.DECLINED, actor=desk.account, act=DECLINE, now=desk.now)
        await _end(connection, row, desk)
        await tell_holder(
            connection, row, "loan-declined", "一笔贷款申请有了银行的答复和理由,请在“我的贷款申请”中查看。", desk.now
        )
        return LoanState.DECLINED

    body = {"code": code.value, "words": words}
    return await _once(connection, desk, DECLINE, request_id, application_id, body, act)


async def report_loan(
    connection: AsyncConnection, desk: Desk, *, request_id: str, application_id: UUID, report: Report
) -> Decided | Problem:
    """Report a loan that was accepted, or correct what was reported. It is for figures alone: no record comes of it.

    Raises:
        RequestConflict, Conflict: as for all requests.
    """

    async def act() -> LoanState:
        row = await _mine(connection, desk, application_id)
        check_begins(row, Side.BANK, LoanAction.REPORT, on=day_of(desk.now))
        _check_report(row, report, on=day_of(desk.now))
        mine = (loan_reports.c.subject_id == row.subject_id, loan_reports.c.application_id == row.id)
        last = await connection.scalar(select(func.max(loan_reports.c.number)).where(*mine)) or 0
        values = {"subject_id": row.subject_id, "application_id": row.id, "number": last + 1}
        said: dict[str, Any] = {
            "disbursed_fen": report.amount_fen,
            "rate_bp": report.rate_bp,
            "secured": report.secured,
        }
        said |= {"disbursed_on": report.disbursed_on, "repayment": report.repayment.value}
        by = {"partner_id": desk.partner_id, "at": desk.now, "actor": desk.account}
        await connection.execute(insert(loan_reports).values(values | said | by))
        becomes = LoanState.REPAID if report.repayment is Repayment.REPAID else LoanState.DISBURSED
        await _set(connection, row, becomes)
        await note(connection, row, becomes, actor=desk.account, act=REPORT, now=desk.now)
        return becomes

    body = asdict(report) | {"disbursed_on": report.disbursed_on.isoformat()}
    return await _once(connection, desk, REPORT, request_id, application_id, body, act)


def _check_report(row: Any, report: Report, *, on: date) -> None:
    if report.amount_fen > row.offered_fen or report.rate_bp > row.rate_bp or (report.secured and not row.secured):
        raise NotAsOffered(
            "放款金额、利率或担保要求高于申请人接受的条件。请核对后按实际填报;如已重新约定,请重新走申请。"
        )
    if not day_of(row.decided_at) <= report.disbursed_on <= on:
        raise BadInput("disbursedOn 须在报价之后、今天以前(含)。请核对放款日期。")


def _model_names(rulebook: Rulebook, on: date) -> set[str]:
    return {model.name for place in rulebook.places for model in rulebook.models.in_force(place, on)}


async def _mine(connection: AsyncConnection, desk: Desk, application_id: UUID) -> Row[Any]:
    """The bank's application, locked after its subject, as everybody else does."""
    ours = (loan_applications.c.id == application_id, loan_applications.c.partner_id == desk.partner_id)
    subject_id = await connection.scalar(select(loan_applications.c.subject_id).where(*ours))
    if subject_id is not None:
        await lock_subject(connection, subject_id)
    return await locked(connection, *ours)


async def _set(connection: AsyncConnection, row: Any, state: LoanState, **values: Any) -> None:
    mine = (loan_applications.c.subject_id == row.subject_id, loan_applications.c.id == row.id)
    await connection.execute(update(loan_applications).where(*mine).values(state=state.value, **values))


async def _end(connection: AsyncConnection, row: Any, desk: Desk) -> None:
    await end_consent(connection, row, rulebook=desk.rulebook, actor=desk.account, issuing=desk.issuing, now=desk.now)


async def _once(  # noqa: PLR0917  # what a request is made of
    connection: AsyncConnection, desk: Desk, mutation: str, request_id: str, application_id: UUID,
    body: Mapping[str, Any], act: Any,
) -> Decided | Problem:  # fmt: skip
    hashes = body_hashes(desk.keys, {"application": str(application_id), **body})
    request = Request(desk.partner_id, mutation, request_id, hashes)

    async def stored() -> dict[str, Any]:
        return {"state": (await act()).value, "at": desk.now.isoformat()}

    answer = await answer_once(connection, request, stored, now=desk.now)
    if isinstance(answer, Problem):
        return answer
    return Decided(application_id, LoanState(answer["state"]), datetime.fromisoformat(answer["at"]))
