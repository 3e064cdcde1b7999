"""How a case moves. One thing to know: what may follow what stands in one table, every act is one append-only step, and
whoever acts holds the subject's lock, so that nothing about one subject happens twice or at the same time.

    OPEN → (HELP, PAUSED → OPEN) → DECIDED or WITHDRAWN
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.calendar import Deadline, Pause, add_working_days, deadline_with_pauses
from core.database import announce
from core.errors import ExpectedError
from core.identifiers import new_id
from core.integrity import keys_of
from core.news import of_subject
from core.sealing import seal, unseal
from scoring.cases.repair import RepairRules
from scoring.cases.tables import case_steps, cases
from scoring.catalogue import Catalogue
from scoring.deadlines import Deadline as Term
from scoring.deadlines import Entitlements
from scoring.models import Models
from scoring.subjects import lock_subject


class Kind(StrEnum):
    """What a case is."""

    OBJECTION = "objection"
    STATEMENT = "statement"
    APPEAL = "appeal"
    COMPLAINT = "complaint"
    REPAIR = "repair"


class State(StrEnum):
    """Where a case stands."""

    OPEN = "open"
    HELP = "help"
    PAUSED = "paused"
    DECIDED = "decided"
    WITHDRAWN = "withdrawn"


class Outcome(StrEnum):
    """How a case was decided. Repairs are granted or refused, all others upheld, partly upheld or rejected."""

    UPHELD = "upheld"
    PARTLY = "partly"
    REJECTED = "rejected"
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


ActName = Literal["open", "evidence", "ask-help", "answer-help", "pause", "resume", "escalate", "decide", "withdraw"]
_Moves = Mapping[State, Mapping[ActName, State]]

_PLAIN: _Moves = {
    State.OPEN: {
        "evidence": State.OPEN,
        "escalate": State.OPEN,
        "decide": State.DECIDED,
        "withdraw": State.WITHDRAWN,
    },
    State.DECIDED: {},
    State.WITHDRAWN: {},
}
_EXAMINED: _Moves = {
    **_PLAIN,
    State.OPEN: {**_PLAIN[State.OPEN], "pause": State.PAUSED},
    State.PAUSED: {
        "evidence": State.PAUSED,
        "escalate": State.PAUSED,
        "resume": State.OPEN,
        "withdraw": State.WITHDRAWN,
    },
}
_HELPED: _Moves = {
    **_EXAMINED,
    State.OPEN: {**_EXAMINED[State.OPEN], "ask-help": State.HELP},
    State.HELP: {
        "evidence": State.HELP,
        "escalate": State.HELP,
        "answer-help": State.OPEN,
        "decide": State.DECIDED,
        "withdraw": State.WITHDRAWN,
    },
}
MOVES: Mapping[Kind, _Moves] = {
    Kind.OBJECTION: _HELPED,
    Kind.STATEMENT: _PLAIN,
    Kind.APPEAL: _EXAMINED,
    Kind.COMPLAINT: _PLAIN,
    Kind.REPAIR: _PLAIN,
}
"""Which acts are allowed where, and where they lead. Only an objection knows help of others and examinations by experts
(《黑龙江省社会信用条例》第三十九条第二款); an appeal looks at its matter anew, so it may be examined too."""
NAMES = {
    State.OPEN: "办理中",
    State.HELP: "等待其他单位协助",
    State.PAUSED: "鉴定评审中",
    State.DECIDED: "已办结",
    State.WITHDRAWN: "已撤回",
}
SYSTEM = "system"
"""Actor of what nobody does: a term that runs out."""


class UnknownCase(ExpectedError):
    """No such case, or none of those that whoever asks has to do with."""

    code = "UNKNOWN_CASE"

    def __init__(self) -> None:
        super().__init__("没有这件事项,或它不由您办理。请从事项列表中选择。")


class WrongState(ExpectedError):
    """The case does not stand where this act begins."""

    code = "WRONG_STATE"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the places lay down, as far as cases need it; each by place."""

    entitlements: Entitlements
    catalogues: Mapping[str, Catalogue]
    repairs: Mapping[str, RepairRules]
    models: Models


class Step(NamedTuple):
    """One act in a case."""

    step: int
    act: ActName
    state: State
    actor: str
    at: datetime
    reason: str
    evidence: Mapping[str, Any]
    """Names of files, and what was true then."""


_TERM = {
    Kind.OBJECTION: "objection-decision",
    Kind.STATEMENT: "listing-review",
    Kind.APPEAL: "appeal-decision",
    Kind.COMPLAINT: "complaint-answer",
    Kind.REPAIR: "repair-decision",
}


def due_of(case: Any, rules: Rules) -> Deadline | None:
    """The end of the term for deciding; None while an examination holds it up, and where the place has no term.

    `case` has the columns of `cases`. Reckoned anew at each look, for a holiday table may have come out since.
    """
    deadline = _term_of(case, rules)
    if deadline is None:
        return None
    pauses = [Pause(datetime.fromisoformat(began), datetime.fromisoformat(ended)) for began, ended in case.pauses]
    if case.paused_at is not None:
        pauses.append(Pause(case.paused_at, None))
    return deadline_with_pauses(case.opened_at, deadline.working_days, pauses)


def _term_of(case: Any, rules: Rules) -> Term | None:
    term = "objection-decision-with-help" if case.needs_help and case.kind == Kind.OBJECTION else _TERM[case.kind]
    return rules.entitlements.deadlines(case.place).get(term)


def terms_of(place: str, rules: Rules, *, now: datetime) -> list[tuple[Kind, Term, Deadline]]:
    """For each kind of case that has a term in a place: the term, and its end for one that is opened now."""
    found = []
    for kind in _TERM:
        case = _Opened(kind, place, False, [], None, now)
        term, due = _term_of(case, rules), due_of(case, rules)
        if term is not None and due is not None:
            found.append((kind, term, due))
    return found


def is_overdue(due: Deadline | None, *, now: datetime) -> bool:
    """Whether a term has run out."""
    return due is not None and due.ends_at <= now


def term_from(rules: Rules, place: str, term: str, *, at: datetime) -> date | None:
    """The last day of a place's term that runs from `at`; None where it has none."""
    deadline = rules.entitlements.deadlines(place).get(term)
    return None if deadline is None else add_working_days(at, deadline.working_days).on


class _Opened(NamedTuple):
    kind: str
    place: str
    needs_help: bool
    pauses: list[list[str]]
    paused_at: datetime | None
    opened_at: datetime


async def open_case(
    connection: AsyncConnection,
    *,
    subject_id: int,
    kind: Kind,
    place: str,
    statement: str,
    actor: str,
    rules: Rules,
    now: datetime,
    ground: str,
    **about: Any,
) -> Row[Any]:
    """Write a case and its first step; `about` holds further columns. The caller holds the subject's lock."""
    due = due_of(_Opened(kind, place, False, [], None, now), rules)
    case_id = new_id()
    values: dict[str, Any] = {
        "subject_id": subject_id,
        "id": case_id,
        "kind": kind.value,
        "place": place,
        "ground": ground,
        "statement_sealed": seal(keys_of(connection), "seal", statement.encode()),
        "state": State.OPEN.value,
        "opened_at": now,
        "opened_by": actor,
        "due_on": due.on if due else None,
        "due_is_provisional": due.provisional if due else False,
        "pauses": [],
    } | about
    await connection.execute(insert(cases).values(values))
    case = await read_case(connection, case_id)
    await _write_step(connection, case, "open", State.OPEN, actor=actor, reason="", now=now, evidence={})
    return case


async def read_case(connection: AsyncConnection, case_id: UUID, *, subject_id: int | None = None) -> Row[Any]:
    """A row of `cases`; with `subject_id` only if it is that subject's.

    Raises:
        UnknownCase: there is none.
    """
    wanted = select(cases).where(cases.c.id == case_id)
    if subject_id is not None:
        wanted = wanted.where(cases.c.subject_id == subject_id)
    row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        raise UnknownCase
    return row


async def hold_case(connection: AsyncConnection, case_id: UUID, *, subject_id: int | None = None) -> Row[Any]:
    """`read_case` under the subject's lock: as it stands until the transaction ends.

    Raises:
        UnknownCase: there is none.
    """
    found = await read_case(connection, case_id, subject_id=subject_id)
    await lock_subject(connection, found.subject_id)
    return await read_case(connection, case_id, subject_id=found.subject_id)


def check_move(case: Row[Any], act: ActName) -> State:
    """Where the act leads.

    Raises:
        WrongState: it is not allowed where the case stands.
    """
    state = State(case.state)
    if (target := MOVES[Kind(case.kind)].get(state, {}).get(act)) is None:
        raise WrongState(f"这件事项现在{NAMES[state]},不能这样办理。请刷新后查看当前状态。")
    return target


async def take_step(
    connection: AsyncConnection,
    case: Row[Any],
    act: ActName,
    *,
    actor: str,
    reason: str,
    now: datetime,
    evidence: Mapping[str, Any] | None = None,
    **values: Any,
) -> Row[Any]:
    """Do an act: the step, the case's new state with `values`, the audit row. The caller holds the subject's lock.

    Raises:
        WrongState: it is not allowed where the case stands.
    """
    target = check_move(case, act)
    await _write_step(connection, case, act, target, actor=actor, reason=reason, now=now, evidence=evidence or {})
    its_key = (cases.c.subject_id == case.subject_id, cases.c.id == case.id)
    await connection.execute(update(cases).where(*its_key).values(state=target.value, **values))
    return await read_case(connection, case.id, subject_id=case.subject_id)


async def reckon_again(connection: AsyncConnection, case: Row[Any], rules: Rules) -> Row[Any]:
    """Store the term anew, after something that changes it. The caller holds the subject's lock."""
    due = due_of(case, rules)
    on, provisional = (due.on, due.provisional) if due else (None, False)
    if (case.due_on, case.due_is_provisional) == (on, provisional):
        return case
    its_key = (cases.c.subject_id == case.subject_id, cases.c.id == case.id)
    await connection.execute(update(cases).where(*its_key).values(due_on=on, due_is_provisional=provisional))
    return await read_case(connection, case.id, subject_id=case.subject_id)


async def read_steps(connection: AsyncConnection, case: Row[Any]) -> list[Step]:
    """All steps of a case, oldest first."""
    mine = (case_steps.c.subject_id == case.subject_id, case_steps.c.case_id == case.id)
    keys = keys_of(connection)
    return [
        Step(
            row.step,
            row.act,
            State(row.state),
            row.actor,
            row.at,
            (unseal(keys, "seal", row.reason_sealed) or b"").decode(),
            row.evidence,
        )
        for row in await connection.execute(select(case_steps).where(*mine).order_by(case_steps.c.step))
    ]


async def _write_step(
    connection: AsyncConnection,
    case: Row[Any],
    act: ActName,
    state: State,
    *,
    actor: str,
    reason: str,
    now: datetime,
    evidence: Mapping[str, Any],
) -> None:
    mine = (case_steps.c.subject_id == case.subject_id, case_steps.c.case_id == case.id)
    number = (await connection.scalar(select(func.max(case_steps.c.step)).where(*mine)) or 0) + 1
    values = {
        "subject_id": case.subject_id,
        "case_id": case.id,
        "step": number,
        "act": act,
        "state": state.value,
        "actor": actor,
        "at": now,
        "reason_sealed": seal(keys_of(connection), "seal", reason.encode()),
        "evidence": dict(evidence),
    }
    await connection.execute(insert(case_steps).values(values))
    content = {"case": str(case.id), "kind": case.kind, "act": act, "state": state.value}
    await audit.record(
        connection, at=now, actor=actor, action="stepInCase", content=content, subject_id=case.subject_id
    )
    announce(connection, of_subject(case.subject_id), f"case:{case.id}:{number}")
