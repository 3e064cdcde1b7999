"""Loans of the demo city's first bank, as it reported them over two years. One thing to know: each quarter has enough
borrowers with and without security for its figures to be told, and these are of enterprises above 40 alone.

The consents behind them ended with the decisions and have been erased since, as have the papers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from core.clock import start_of
from demo.moments import Rows, row_id
from demo.people import PERSONS
from partners.lending.figures import next_quarter, quarter_of, quarters_between
from partners.lending.tables import loan_applications, loan_reports, loan_steps
from partners.lending.workflow import OPEN_FOR, LoanState, Repayment

QUARTERS_BACK = 8
UNSECURED, SECURED = 14, 12
"""Borrowers of a quarter."""
INDICATORS = ["social-insurance-paid", "tax-paid-on-time", "power-paid"]
USES = ("购买原材料", "更新设备", "支付货款", "扩建车间")


def add_loans(
    rows: Rows, random: Random, *, borrowers: Sequence[int], bank: str, offer: dict[str, Any], now: datetime, on: date
) -> None:
    """Loans to `borrowers` (ids of enterprises) by the bank whose account is `bank`, under its `offer` (a row)."""
    first = quarter_of(on)
    for _ in range(QUARTERS_BACK):
        first = quarter_of(first - timedelta(days=1))
    for quarter in quarters_between(first, next_quarter(quarter_of(on))):
        days = (min(next_quarter(quarter), on) - quarter).days
        if days < 1:
            continue
        chosen = random.sample(list(borrowers), UNSECURED + SECURED)
        for number, subject_id in enumerate(chosen):
            disbursed_on = quarter + timedelta(days=random.randrange(days))
            secured = number >= UNSECURED
            _add_loan(rows, random, subject_id, bank, offer, disbursed_on=disbursed_on, secured=secured, on=on, now=now)


def _add_loan(
    rows: Rows,
    random: Random,
    subject_id: int,
    bank: str,
    offer: dict[str, Any],
    *,
    disbursed_on: date,
    secured: bool,
    on: date,
    now: datetime,
) -> None:
    applied_at = start_of(disbursed_on - timedelta(days=12)) + timedelta(hours=9, minutes=random.randrange(400))
    offered_at, accepted_at = applied_at + timedelta(days=5), applied_at + timedelta(days=7)
    reported_at = min(start_of(disbursed_on) + timedelta(hours=17), now)
    months = random.choice((12, 24, 36))
    is_repaid = on - disbursed_on > timedelta(days=30 * months)
    state = LoanState.REPAID if is_repaid else LoanState.DISBURSED
    amount_fen, rate_bp = 10_000_000 * random.randrange(1, 30), 345 - 30 + 5 * random.randrange(10)
    key = {"subject_id": subject_id, "application_id": row_id(random, applied_at)}
    rows[loan_applications].append(
        {
            "subject_id": subject_id,
            "id": key["application_id"],
            "partner_id": offer["partner_id"],
            "offer_id": offer["id"],
            "consent_id": row_id(random, applied_at),
            "product": offer["details"]["product"],
            "state": state.value,
            "amount_fen": amount_fen,
            "months": months,
            "use": f"{random.choice(USES)}(演示)",
            "indicators": INDICATORS,
            "applied_at": applied_at,
            "expires_on": disbursed_on - timedelta(days=12) + OPEN_FOR,
            "offered_fen": amount_fen,
            "rate_bp": rate_bp,
            "offered_months": months,
            "secured": secured,
            "decided_at": offered_at,
        }
    )
    enterprise = f"enterprise-{subject_id - PERSONS}"
    steps = (
        (LoanState.APPLIED, enterprise, applied_at),
        (LoanState.OFFERED, bank, offered_at),
        (LoanState.ACCEPTED, enterprise, accepted_at),
        (state, bank, reported_at),
    )
    rows[loan_steps] += [
        {**key, "step": step, "state": after.value, "actor": actor, "at": at, "reason": ""}
        for step, (after, actor, at) in enumerate(steps, 1)
    ]
    rows[loan_reports].append(
        {
            **key,
            "number": 1,
            "partner_id": offer["partner_id"],
            "disbursed_fen": amount_fen,
            "rate_bp": rate_bp,
            "secured": secured,
            "disbursed_on": disbursed_on,
            "repayment": (Repayment.REPAID if is_repaid else Repayment.RUNNING).value,
            "at": reported_at,
            "actor": bank,
        }
    )
