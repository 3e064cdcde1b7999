"""Deciding a case, and what comes before: help of another body, examination by experts, withdrawing. One thing to know:
a decision and all it does to the record, the scores and those who were given the record is one transaction.

《黑龙江省社会信用条例》第三十五条、第三十八条至第四十条;《邵市发改财信〔2025〕30号》三(四)9、10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from core.errors import BadInput, ExpectedError, FourEyes
from core.integrity import keys_of
from core.sealing import seal
from scoring.cases.opening import DISPUTES, REPAIR_GROUND, suspends
from scoring.cases.tables import cases, record_receivers
from scoring.cases.workflow import (
    Kind,
    Outcome,
    Rules,
    UnknownCase,
    check_move,
    due_of,
    hold_case,
    is_overdue,
    read_steps,
    reckon_again,
    take_step,
    term_from,
)
from scoring.catalogue import CatalogueItem
from scoring.issuers import LONGEST_REFERENCE
from scoring.records import (
    Act,
    UnknownRecord,
    correct_record,
    end_record,
    has_ended,
    read_record,
    resume_record,
    suspend_record,
)
from scoring.results import correct_result
from scoring.tables import scores
from scoring.values import BadValue, read_number


class CorrectionMissing(ExpectedError):
    """Upheld, but it is not said what is right."""

    code = "CORRECTION_MISSING"


class BadCorrection(ExpectedError):
    """What is said to be right cannot be."""

    code = "BAD_CORRECTION"


@dataclass(frozen=True, slots=True)
class Officer:
    """Who handles cases. A body's own account handles what is routed to that body, and nothing else."""

    account: str
    handles_all: bool = False
    body: str | None = None
    body_uscc: str | None = None

    def handles(self, case: Any) -> bool:
        """Whether the case is this officer's to decide."""
        return self.handles_all or self._is(case.routed_to, case.routed_to_uscc)

    def helps(self, case: Any) -> bool:
        """Whether this officer's body was asked for help and has not answered."""
        return case.state == "help" and (self.handles_all or self._is(case.helper, case.helper_uscc))

    def _is(self, body: str | None, uscc: str | None) -> bool:
        if uscc is not None:
            return uscc == self.body_uscc
        return body is not None and body == self.body


@dataclass(frozen=True, slots=True)
class Correction:
    """What is right: of a record its catalogued fields, item or severity, or that it goes; of a result the result."""

    fields: Mapping[str, str | None] = field(default_factory=dict)
    """By field id of the catalogue; None takes a field out."""
    item: str | None = None
    severity: str | None = None
    remove: bool = False
    points: int | None = None
    """Hundredths."""
    grade: str | None = None
    valid_until: date | None = None

    @property
    def is_of_record(self) -> bool:
        """Whether it says anything about a record."""
        return bool(self.fields or self.item or self.severity or self.remove)


async def ask_for_help(
    connection: AsyncConnection, *, case_id: UUID, body: str, uscc: str | None, officer: Officer, rules: Rules, act: Act
) -> Row[Any]:
    """Ask another body to check. The term becomes the longer one, from receipt; the body has a term of its own.

    Raises:
        UnknownCase, WrongState
    """
    case = await _held_for(connection, case_id, officer)
    due_on = term_from(rules, case.place, "objection-help-answer", at=act.now)
    asked = {"body": body, "uscc": uscc, "dueOn": due_on and due_on.isoformat()}
    values = {"needs_help": True, "helper": body, "helper_uscc": uscc, "help_due_on": due_on}
    case = await take_step(
        connection, case, "ask-help", actor=act.actor, reason=act.reason, now=act.now, evidence=asked, **values
    )
    return await reckon_again(connection, case, rules)


async def answer_help(connection: AsyncConnection, *, case_id: UUID, officer: Officer, act: Act) -> Row[Any]:
    """Say what the helping body found (`act.reason`).

    Raises:
        UnknownCase, WrongState
    """
    case = await hold_case(connection, case_id)
    if not (officer.helps(case) or officer.handles(case)):
        raise UnknownCase
    found = {"body": case.helper, "late": case.help_due_on is not None and day_of(act.now) > case.help_due_on}
    return await take_step(
        connection, case, "answer-help", actor=act.actor, reason=act.reason, now=act.now, evidence=found
    )


async def pause_for_examination(
    connection: AsyncConnection, *, case_id: UUID, officer: Officer, rules: Rules, act: Act
) -> Row[Any]:
    """Stop the clock for an inspection, test or review by experts.

    Raises:
        UnknownCase, WrongState
    """
    case = await _held_for(connection, case_id, officer)
    case = await take_step(
        connection, case, "pause", actor=act.actor, reason=act.reason, now=act.now, paused_at=act.now
    )
    return await reckon_again(connection, case, rules)


async def resume_clock(
    connection: AsyncConnection, *, case_id: UUID, officer: Officer, rules: Rules, act: Act
) -> Row[Any]:
    """Let the clock run again; the days it stood still do not count.

    Raises:
        UnknownCase, WrongState
    """
    case = await _held_for(connection, case_id, officer)
    check_move(case, "resume")
    pauses = [*case.pauses, [case.paused_at.isoformat(), act.now.isoformat()]]
    case = await take_step(
        connection, case, "resume", actor=act.actor, reason=act.reason, now=act.now, paused_at=None, pauses=pauses
    )
    return await reckon_again(connection, case, rules)


async def withdraw_case(connection: AsyncConnection, *, subject_id: int, case_id: UUID, act: Act) -> Row[Any]:
    """Take a case back; the record is used again.

    Raises:
        UnknownCase, WrongState
    """
    case = await hold_case(connection, case_id, subject_id=subject_id)
    case = await take_step(
        connection, case, "withdraw", actor=act.actor, reason=act.reason, now=act.now, decided_at=act.now,
        outcome=Outcome.WITHDRAWN.value, paused_at=None,
    )  # fmt: skip
    await _release(connection, case, act)
    return case


async def decide_case(
    connection: AsyncConnection,
    *,
    case_id: UUID,
    officer: Officer,
    outcome: Outcome,
    correction: Correction,
    rules: Rules,
    act: Act,
) -> Row[Any]:
    """Decide, for the reason in `act`, and do at once what that means. Late is late, and works all the same.

    Raises:
        UnknownCase, WrongState
        FourEyes: an appeal against one's own decision.
        CorrectionMissing, BadCorrection: upheld, without what is right or with what cannot be.
    """
    case = await _held_for(connection, case_id, officer)
    check_move(case, "decide")
    is_repair = case.kind == Kind.REPAIR
    known = {Outcome.GRANTED, Outcome.REFUSED} if is_repair else {Outcome.UPHELD, Outcome.PARTLY, Outcome.REJECTED}
    if outcome not in known:
        raise BadInput("修复申请的决定是 GRANTED 或 REFUSED,其他事项是 UPHELD、PARTLY 或 REJECTED。请改正后重试。")
    if case.kind == Kind.APPEAL:
        await _check_other_person(connection, case, act.actor)
    due = due_of(case, rules)
    said: dict[str, Any] = {"late": is_overdue(due, now=act.now), "dueOn": due and due.on.isoformat()}
    if outcome in (Outcome.REJECTED, Outcome.REFUSED):
        changed = {}
    elif is_repair or (case.kind == Kind.APPEAL and case.ground == REPAIR_GROUND):
        changed = await _repair(connection, case, rules, act)
    elif case.record_id is not None:
        changed = await _put_right(connection, case, correction, rules, act)
    elif case.model is not None:
        changed = await _correct_result(connection, case, correction, rules, act)
    else:
        changed = {}
    answer = seal(keys_of(connection), "seal", act.reason.encode())
    case = await take_step(
        connection, case, "decide", actor=act.actor, reason=act.reason, now=act.now, evidence=said | changed,
        decided_at=act.now, outcome=outcome.value, answer_sealed=answer,
    )  # fmt: skip
    await _release(connection, case, act)
    return case


async def _held_for(connection: AsyncConnection, case_id: UUID, officer: Officer) -> Row[Any]:
    case = await hold_case(connection, case_id)
    if not officer.handles(case):
        raise UnknownCase
    return case


async def _check_other_person(connection: AsyncConnection, case: Row[Any], actor: str) -> None:
    first = await hold_case(connection, case.about_case, subject_id=case.subject_id)
    if any(step.act == "decide" and step.actor == actor for step in await read_steps(connection, first)):
        raise FourEyes("原决定由您作出,复核须由另一人办理。请转交其他复核人员。")


async def _record_of(connection: AsyncConnection, case: Row[Any]) -> Row[Any] | None:
    """The record that the case is about; None where leaving the scheme has erased it meanwhile."""
    try:
        return await read_record(connection, case.subject_id, case.record_id)
    except UnknownRecord:
        return None


async def _put_right(
    connection: AsyncConnection, case: Row[Any], correction: Correction, rules: Rules, act: Act
) -> dict[str, Any]:
    record = await _record_of(connection, case)
    if record is None:
        return {"erased": True}
    if not correction.is_of_record:
        raise CorrectionMissing("采纳时须写明怎样更正。请填写正确的数据项,或者撤下这条信息(remove)。")
    if correction.remove:
        if correction.fields or correction.item or correction.severity:
            raise BadCorrection("撤下信息时不需要再更正其内容。请只选其一。")
        if not has_ended(record, on=day_of(act.now)):
            await end_record(connection, case.subject_id, record.id, change="withdrawn", act=act)
        return await _told(connection, case, rules, act.now) | {"removed": True}
    values, content = _record_values(record, rules.catalogues[case.place].items, correction)
    await correct_record(connection, case.subject_id, record.id, values=values, content=content, act=act)
    return await _told(connection, case, rules, act.now) | {"corrected": sorted({*correction.fields, *values})}


_COLUMNS = {
    "document_number": "document_number",
    "authority": "authority",
    "authority_code": "authority_uscc",
    "decided_on": "occurred_on",
    "provider": "provider",
    "provider_code": "provider_uscc",
    "serious_consequence": "serious_consequence",
    "points": "points",
}
"""Fields of the catalogue that a record also has a column for, by what they mean."""
_NEEDED = {"document_number", "authority", "decided_on"}


def _record_values(
    record: Any, items: Mapping[str, CatalogueItem], correction: Correction
) -> tuple[dict[str, Any], dict[str, str | None]]:
    """The columns and the catalogued fields that a correction sets."""
    values: dict[str, Any] = {}
    if correction.item is not None:
        if correction.item not in items:
            raise BadCorrection("更正后的项目不在本地目录中。请从目录中选择。")
        values |= {"item": correction.item, "catalogued_as": None}
    if correction.severity is not None:
        values["severity"] = correction.severity
    item = items.get(correction.item or record.catalogued_as or record.item)
    known = {one.id: one for one in item.fields} if item is not None else {}
    for name, value in correction.fields.items():
        if name not in known:
            raise BadCorrection(f"这条信息没有数据项 {name[:40]}。请从目录中该项目的数据项中选择。")
        means = known[name].means
        if means in ("subject_name", "subject_code", "subject_kind"):
            raise BadCorrection("信息记错了主体时,不能改为他人的信息。请撤下(remove),再由提供单位重新报送。")
        if means in _NEEDED and not value:
            raise BadCorrection(f"{known[name].label}不能为空。请填写正确的内容。")
        if means in _COLUMNS:
            values[_COLUMNS[means]] = _column(means, known[name].label, value)
    return values, dict(correction.fields)


def _column(means: str, label: str, value: str | None) -> Any:
    if value is None:
        return False if means == "serious_consequence" else None
    try:
        if means == "decided_on":
            return date.fromisoformat(value)
        if means == "points":
            return read_number(value, label)
        if means == "serious_consequence":
            return {"是": True, "否": False}[value]
    except (ValueError, KeyError, BadValue):
        raise BadCorrection(
            f"{label}的内容不对。请改正:日期写作 2026-01-31,是否写作「是」或「否」,分数写数字。"
        ) from None
    return value


async def _correct_result(
    connection: AsyncConnection, case: Row[Any], correction: Correction, rules: Rules, act: Act
) -> dict[str, Any]:
    if correction.points is None and correction.grade is None:
        raise CorrectionMissing("采纳时须写明正确的评价结果。请填写 points、grade 至少一项。")
    made = await correct_result(
        connection,
        subject_id=case.subject_id,
        model_id=case.model,
        points=correction.points,
        grade=correction.grade,
        valid_until=correction.valid_until,
        reason=act.reason[:LONGEST_REFERENCE],
        request_id=f"case:{case.id}",
        models=rules.models,
        keys=keys_of(connection),
        actor=act.actor,
        now=act.now,
    )
    return {"result": str(made.id)}


async def _repair(connection: AsyncConnection, case: Row[Any], rules: Rules, act: Act) -> dict[str, Any]:
    """End a record's effect and publication together; what was before and after goes into the step."""
    record = await _record_of(connection, case)
    if record is None or has_ended(record, on=day_of(act.now)):
        return {}
    await act.rescore(connection, case.subject_id)  # time alone may have changed them since they were stored
    before = await _standing(connection, case.subject_id)
    await end_record(connection, case.subject_id, record.id, change="repaired", act=act)
    after = await _standing(connection, case.subject_id)
    told = await _told(connection, case, rules, act.now)
    return told | {"before": before, "after": after, "item": record.catalogued_as or record.item}


async def _standing(connection: AsyncConnection, subject_id: int) -> list[dict[str, Any]]:
    wanted = select(scores.c.model, scores.c.points, scores.c.grade).where(scores.c.subject_id == subject_id)
    found = await connection.execute(wanted.order_by(scores.c.model))
    return [{"model": row.model, "points": row.points, "grade": row.grade} for row in found]


async def _told(connection: AsyncConnection, case: Row[Any], rules: Rules, now: datetime) -> dict[str, Any]:
    """Who was given the record and is told of the change, and until when each has to put it right."""
    theirs = (record_receivers.c.subject_id == case.subject_id, record_receivers.c.record_id == case.record_id)
    names = select(record_receivers.c.receiver).where(*theirs).order_by(record_receivers.c.receiver)
    due_on = term_from(rules, case.place, "objection-receivers-correct", at=now)
    return {
        "receivers": [
            {"name": name, "dueOn": due_on and due_on.isoformat()} for name in await connection.scalars(names)
        ]
    }


async def _release(connection: AsyncConnection, case: Row[Any], act: Act) -> None:
    """Use the record again if nothing else about it is open; keep it suspended if something is."""
    if case.record_id is None or not suspends(case.kind, case.ground):
        return
    record = await _record_of(connection, case)
    if record is None:
        return
    others = select(cases.c.id).where(
        cases.c.subject_id == case.subject_id, cases.c.record_id == case.record_id, cases.c.decided_at.is_(None),
        DISPUTES,
    )  # fmt: skip
    if (await connection.execute(others.limit(1))).first() is None:
        await resume_record(connection, case.subject_id, case.record_id, act=act)
        return
    if not has_ended(record, on=day_of(act.now)):
        await suspend_record(connection, case.subject_id, case.record_id, act=act)
