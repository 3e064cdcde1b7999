"""The life of a loan application. Pure: no clock, no connection. One thing to know: what nobody decided within thirty
days is EXPIRED by the day alone, and the consent behind it has ended with it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_

from core.errors import ExpectedError
from partners.lending.tables import loan_applications

OPEN_FOR = timedelta(days=30)
"""How long a bank has to decide, and how long it is told anything."""
FARMERS = "农户小额贷款"
"""The product that natural persons apply for."""


class LoanState(StrEnum):
    """Where an application stands."""

    APPLIED = "APPLIED"
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    DISBURSED = "DISBURSED"
    REPAID = "REPAID"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


class LoanAction(StrEnum):
    """What can be done with an application."""

    OFFER = "OFFER"
    DECLINE = "DECLINE"
    ACCEPT = "ACCEPT"
    WITHDRAW = "WITHDRAW"
    REPORT = "REPORT"


class Side(StrEnum):
    """Who acts."""

    APPLICANT = "APPLICANT"
    BANK = "BANK"


BEGINS: Mapping[tuple[Side, LoanAction], frozenset[LoanState]] = {
    (Side.BANK, LoanAction.OFFER): frozenset({LoanState.APPLIED}),
    (Side.BANK, LoanAction.DECLINE): frozenset({LoanState.APPLIED}),
    (Side.APPLICANT, LoanAction.ACCEPT): frozenset({LoanState.OFFERED}),
    (Side.APPLICANT, LoanAction.DECLINE): frozenset({LoanState.OFFERED}),
    (Side.APPLICANT, LoanAction.WITHDRAW): frozenset({LoanState.APPLIED, LoanState.OFFERED, LoanState.ACCEPTED}),
    (Side.BANK, LoanAction.REPORT): frozenset({LoanState.ACCEPTED, LoanState.DISBURSED, LoanState.REPAID}),
}
"""Where each act begins."""
DECIDING = frozenset({LoanState.APPLIED, LoanState.OFFERED})
"""While it stands so the bank is told answers, and another application to the same offer is refused."""


class Repayment(StrEnum):
    """How a loan is being repaid, as its bank reports it: for figures alone."""

    RUNNING = "RUNNING"
    REPAID = "REPAID"
    OVERDUE = "OVERDUE"


class DeclineCode(StrEnum):
    """A bank's own reason. There is none for a credit result (L10)."""

    REPAYMENT_CAPACITY = "REPAYMENT_CAPACITY"
    PAPERS_INCOMPLETE = "PAPERS_INCOMPLETE"
    USE_NOT_COVERED = "USE_NOT_COVERED"
    COLLATERAL = "COLLATERAL"
    TOTAL_EXPOSURE = "TOTAL_EXPOSURE"
    OUTSIDE_POLICY = "OUTSIDE_POLICY"
    OTHER = "OTHER"


class LoanRefused(ExpectedError):
    """An application that this offer is not for."""

    code = "LOAN_NOT_POSSIBLE"


class AlreadyApplied(ExpectedError):
    """There is an application to this offer that is being decided."""

    code = "ALREADY_APPLIED"


class UnknownApplication(ExpectedError):
    """No such application of whoever asks."""

    code = "UNKNOWN_APPLICATION"


class WrongLoanState(ExpectedError):
    """The application does not stand where this act begins."""

    code = "WRONG_STATE"


class CreditResultAlone(ExpectedError):
    """A loan was declined for a credit result, which is no reason of the bank's own."""

    code = "CREDIT_RESULT_ALONE"


class NotAsOffered(ExpectedError):
    """A loan that is larger or dearer than what was accepted."""

    code = "NOT_AS_OFFERED"


WORDS = {
    LoanState.APPLIED: "待银行审查",
    LoanState.OFFERED: "待申请人答复",
    LoanState.ACCEPTED: "已接受,待放款",
    LoanState.DECLINED: "未达成",
    LoanState.DISBURSED: "已放款",
    LoanState.REPAID: "已还清",
    LoanState.WITHDRAWN: "已撤回",
    LoanState.EXPIRED: "已逾三十日失效",
}
"""Each state in words."""


def state_of(row: Any, *, on: date) -> LoanState:
    """Where an application (a row of `loan_applications`) stands on a day."""
    stored = LoanState(row.state)
    return LoanState.EXPIRED if stored in DECIDING and row.expires_on <= on else stored


def stands_in(states: Iterable[LoanState], *, on: date) -> ColumnElement[bool]:
    """Rows of `loan_applications` that stand in one of these states on a day, as `state_of` tells it."""
    stored, is_over = loan_applications.c.state, loan_applications.c.expires_on <= on
    deciding = stored.in_([one.value for one in DECIDING])
    conditions: list[ColumnElement[bool]] = []
    for state in states:
        if state is LoanState.EXPIRED:
            conditions.append(and_(deciding, is_over))
        elif state in DECIDING:
            conditions.append(and_(stored == state.value, ~is_over))
        else:
            conditions.append(stored == state.value)
    return or_(false(), *conditions)


def allowed_actions(state: LoanState, side: Side) -> tuple[LoanAction, ...]:
    """What this side may do next."""
    return tuple(action for (who, action), begins in BEGINS.items() if who is side and state in begins)


def check_begins(row: Any, side: Side, action: LoanAction, *, on: date) -> None:
    """Refuse an act that does not begin where the application stands.

    Raises:
        WrongLoanState: it does not.
    """
    stands = state_of(row, on=on)
    if stands not in BEGINS[side, action]:
        raise WrongLoanState(f"这笔申请目前是“{WORDS[stands]}”,不能如此操作。请刷新后按 allowedActions 办理。")


_CREDIT_RESULT = re.compile(
    r"(信用|诚信|信誉|守信)(评)?(分|积分|得分|评分|评级|等级|级别|评价|结果|指数|码|档次|水平|度|状况|情况|表现"
    r"|不足|不够|不佳|不良|不好|较差|偏低|太低|差|低)"
    r"|(评价|评估|评分|评级|平台)(结果|等级|得分|分数|积分)|评分|评级|湘信分|惠信码|公共信用|综合评价|失信"
    r"|[a-d][+-]?级|credit|score|grade|rating",
    re.IGNORECASE,
)


def check_decline(words: str, *, names: Iterable[str] = ()) -> None:
    """Refuse a reason that is a credit result; `names` are the names of models, which are results too.

    Raises:
        CreditResultAlone: it is one.
    """
    plain = "".join(sign for sign in unicodedata.normalize("NFKC", words) if sign.isalnum() or sign in "+-").casefold()
    if _CREDIT_RESULT.search(plain) or any(name.casefold() in plain for name in names):
        raise CreditResultAlone(
            "不得只凭信用评价结果拒绝贷款(L10,《黑龙江省社会信用条例》第二十六条第三款)。"
            "请写明本行自己的审查理由,理由中不写信用分、信用等级。"
        )
