"""Opening a case: objection, statement and defence, appeal, complaint, repair. One thing to know: opening is one
transaction, and the record that is disputed is marked and out of use from that moment on, not from a decision on.

《黑龙江省社会信用条例》第三十五条、第三十九条至第四十一条.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Row, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from core.errors import BadInput, ExpectedError
from core.integrity import keys_of
from core.sealing import unseal
from scoring.cases.repair import RepairOptions, options_for
from scoring.cases.tables import cases
from scoring.cases.workflow import Kind, Outcome, Rules, hold_case, open_case, term_from
from scoring.records import Act, RecordEnded, has_ended, read_record, suspend_record
from scoring.subjects import SUBJECT_STATE, check_subject, lock_subject
from scoring.tables import record_versions, subjects

SERIOUS_LIST = "serious-list"
"""The item of those listed as seriously dishonest."""
REPAIR_GROUND, LISTING_GROUND, COMPLAINT_GROUND = "repair", "listing", "complaint"


class Ground(StrEnum):
    """Why something is said to be wrong (《黑龙江省社会信用条例》第三十八条、第三十九条第一款)."""

    WRONG = "wrong"
    INCOMPLETE = "incomplete"
    PAST_TERM = "past-term"
    PRIVACY = "privacy"
    BASIS_WITHDRAWN = "basis-withdrawn"


class NamesCase(ExpectedError):
    """A refusal that points to another case."""

    def __init__(self, message: str, case_id: UUID) -> None:
        super().__init__(message)
        self.case_id = case_id


class AlreadyOpen(NamesCase):
    """One about the same is open."""

    code: ClassVar[str] = "ALREADY_OPEN"


class AlreadyDecided(NamesCase):
    """The same was decided, and nothing has changed since: an appeal is the way on."""

    code: ClassVar[str] = "ALREADY_DECIDED"


class NotListed(ExpectedError):
    """The record is no listing as seriously dishonest."""

    code = "NOT_LISTED"


class NotAppealable(ExpectedError):
    """There is no decision that could be appealed."""

    code = "NOT_APPEALABLE"


class NotRepairable(ExpectedError):
    """The record cannot be repaired, or not in this way."""

    code = "NOT_REPAIRABLE"


class TooEarly(ExpectedError):
    """The shortest term of publication has not run out."""

    code = "TOO_EARLY"


def suspends(kind: str, ground: str) -> bool:
    """Whether a case keeps its record from being used while it is open: whatever disputes it does."""
    return kind in (Kind.OBJECTION, Kind.STATEMENT) or (kind == Kind.APPEAL and ground != REPAIR_GROUND)


DISPUTES = or_(
    cases.c.kind.in_([Kind.OBJECTION.value, Kind.STATEMENT.value]),
    and_(cases.c.kind == Kind.APPEAL.value, cases.c.ground != REPAIR_GROUND),
)
"""`suspends` for the database."""


async def open_objection(
    connection: AsyncConnection,
    *,
    subject_id: int,
    record_id: str | None,
    model: str | None,
    field: str | None,
    ground: Ground,
    statement: str,
    rules: Rules,
    act: Act,
) -> Row[Any]:
    """Object to a record, or to a result where there is no record. Returns the row of `cases`.

    Raises:
        AlreadyOpen, AlreadyDecided: by the same subject about the same, on the same ground.
        UnknownRecord: no such record of this subject.
        BadInput: neither or both of record and model are named, or there is no such field or model.
    """
    if (record_id is None) == (model is None):
        raise BadInput("请写明 recordId 或 model 其中之一:对哪条信用信息,或者对哪个模型的评价结果有异议。")
    place = await hold_subject(connection, subject_id)
    if model is not None:
        if field is not None:
            raise BadInput("对评价结果提出异议时不写 field。请删去后重试。")
        on = day_of(act.now)
        if model not in {one.id for one in rules.models.in_force(place, on)}:
            raise BadInput("没有这个模型,或它不适用于本地。请使用 me.scores 中的模型 id。")
        await _refuse_repeated(connection, Kind.OBJECTION, subject_id, ground, model=model)
        return await open_case(
            connection, subject_id=subject_id, kind=Kind.OBJECTION, place=place, statement=statement, ground=ground,
            actor=act.actor, rules=rules, now=act.now, model=model,
        )  # fmt: skip
    record = await read_record(connection, subject_id, record_id or "")
    if field is not None:
        item = rules.catalogues[place].items.get(record.catalogued_as or record.item)
        if item is None or field not in {one.id for one in item.fields}:
            raise BadInput("这条信用信息没有这一个数据项。请从该条信息的数据项中选择,或不写 field。")
    await _refuse_repeated(connection, Kind.OBJECTION, subject_id, ground, record_id=record.id)
    return await _dispute(
        connection,
        Kind.OBJECTION,
        record,
        place=place,
        ground=ground,
        statement=statement,
        rules=rules,
        act=act,
        field=field,
    )


async def open_statement(
    connection: AsyncConnection, *, subject_id: int, record_id: str, statement: str, rules: Rules, act: Act
) -> Row[Any]:
    """State one's case and defend oneself against being listed as seriously dishonest. Returns the row of `cases`.

    Raises:
        NotListed: the record is no such listing.
        AlreadyOpen, AlreadyDecided: there is one already.
        UnknownRecord: no such record of this subject.
    """
    place = await hold_subject(connection, subject_id)
    record = await read_record(connection, subject_id, record_id)
    if SERIOUS_LIST not in (record.item, record.catalogued_as):
        raise NotListed("这条信息不是列入严重失信主体名单的信息。对其他信息请提出异议。")
    await _refuse_repeated(connection, Kind.STATEMENT, subject_id, LISTING_GROUND, record_id=record_id)
    return await _dispute(
        connection,
        Kind.STATEMENT,
        record,
        place=place,
        ground=LISTING_GROUND,
        statement=statement,
        rules=rules,
        act=act,
    )


async def open_complaint(
    connection: AsyncConnection, *, subject_id: int, statement: str, rules: Rules, act: Act
) -> Row[Any]:
    """Complain about anything. Returns the row of `cases`.

    Raises:
        AlreadyOpen: one in the same words is open.
    """
    place = await hold_subject(connection, subject_id)
    mine = (cases.c.subject_id == subject_id, cases.c.kind == Kind.COMPLAINT.value, cases.c.decided_at.is_(None))
    for row in await connection.execute(select(cases.c.id, cases.c.statement_sealed).where(*mine)):
        if unseal(keys_of(connection), "seal", row.statement_sealed) == statement.encode():
            raise AlreadyOpen("内容相同的投诉已经受理,正在办理中。补充情况请上传材料。", row.id)
    return await open_case(
        connection, subject_id=subject_id, kind=Kind.COMPLAINT, place=place, statement=statement,
        ground=COMPLAINT_GROUND, actor=act.actor, rules=rules, now=act.now,
    )  # fmt: skip


async def appeal_case(
    connection: AsyncConnection, *, subject_id: int, case_id: UUID, statement: str, rules: Rules, act: Act
) -> Row[Any]:
    """Ask for another person to decide anew, once. Returns the new row of `cases`.

    Raises:
        UnknownCase: not the subject's.
        NotAppealable: not decided, decided as asked for, itself an appeal, or appealed before.
        AlreadyOpen: an appeal about the same record and ground is open.
    """
    first = await hold_case(connection, case_id, subject_id=subject_id)
    if first.kind == Kind.APPEAL:
        raise NotAppealable("复核决定不能再次申请复核。如仍不服,可以依法申请行政复议或者提起行政诉讼。")
    if first.outcome not in (Outcome.REJECTED, Outcome.PARTLY, Outcome.REFUSED):
        raise NotAppealable("这件事项没有可以申请复核的决定:尚未办结、已撤回,或已按您的请求办理。请查看它的状态。")
    before = select(cases.c.id).where(cases.c.subject_id == subject_id, cases.c.about_case == first.id)
    if (await connection.execute(before)).first() is not None:
        raise NotAppealable("这件事项已经申请过复核。请在事项列表中查看复核的进展。")
    if first.record_id is not None:
        await _refuse_open(connection, Kind.APPEAL, subject_id, first.ground, record_id=first.record_id)
        if suspends(Kind.APPEAL, first.ground):
            record = await read_record(connection, subject_id, first.record_id)
            return await _dispute(
                connection,
                Kind.APPEAL,
                record,
                place=first.place,
                ground=first.ground,
                statement=statement,
                rules=rules,
                act=act,
                field=first.field,
                about_case=first.id,
                routed_to=None,  # another organ than the one that decided first
                routed_to_uscc=None,
            )
    return await open_case(
        connection, subject_id=subject_id, kind=Kind.APPEAL, place=first.place, statement=statement,
        ground=first.ground, actor=act.actor, rules=rules, now=act.now, record_id=first.record_id, model=first.model,
        way=first.way, about_case=first.id,
    )  # fmt: skip


async def apply_for_repair(
    connection: AsyncConnection, *, subject_id: int, record_id: str, way: str, statement: str, rules: Rules, act: Act
) -> Row[Any]:
    """Ask for a record to be repaired. It counts until that is granted. Returns the row of `cases`.

    Raises:
        NotRepairable: not this record, or not in this way.
        TooEarly: the shortest term of publication has not run out; the message names the day.
        RecordEnded: it neither counts nor shows any more.
        AlreadyOpen: an application is open.
        UnknownRecord: no such record of this subject.
    """
    place = await hold_subject(connection, subject_id)
    record = await read_record(connection, subject_id, record_id)
    on = day_of(act.now)
    if has_ended(record, on=on):
        raise RecordEnded("这条信用信息已经不再使用和公示,不需要修复。请刷新列表。")
    options = _options(record, place, rules, act)
    if options.why_not is not None:
        raise NotRepairable(options.why_not)
    if way not in {one.id for one in options.ways}:
        known = "、".join(f"{one.id}({one.label})" for one in options.ways)
        raise NotRepairable(f"这条信息不能用这种方式修复。可用的方式:{known}。")
    if on < options.earliest_on:
        raise TooEarly(f"最短公示期还没有满,{options.earliest_on} 起可以申请修复。在此之前可以先准备材料。")
    await _refuse_open(connection, Kind.REPAIR, subject_id, REPAIR_GROUND, record_id=record_id)
    return await open_case(
        connection, subject_id=subject_id, kind=Kind.REPAIR, place=place, statement=statement, ground=REPAIR_GROUND,
        actor=act.actor, rules=rules, now=act.now, record_id=record_id, way=way, routed_to=record.provider,
        routed_to_uscc=record.provider_uscc,
    )  # fmt: skip


async def repair_options(
    connection: AsyncConnection, *, subject_id: int, record_id: str, rules: Rules, act: Act
) -> RepairOptions:
    """What may be done about a record, told beforehand.

    Raises:
        UnknownRecord: no such record of this subject.
    """
    place = await _place_of(connection, subject_id)
    return _options(await read_record(connection, subject_id, record_id), place, rules, act)


async def hold_subject(connection: AsyncConnection, subject_id: int) -> str:
    """Lock the subject; its place.

    Raises:
        SubjectDataFault: it is not as it was written.
    """
    await lock_subject(connection, subject_id)
    return await _place_of(connection, subject_id)


async def _place_of(connection: AsyncConnection, subject_id: int) -> str:
    row = (await connection.execute(select(*SUBJECT_STATE).where(subjects.c.id == subject_id))).one()
    check_subject(connection, row)
    return str(row.place)


def _options(record: Any, place: str, rules: Rules, act: Act) -> RepairOptions:
    catalogue = rules.catalogues[place]
    return options_for(record, rules=rules.repairs.get(place), catalogue=catalogue, on=day_of(act.now))


async def _dispute(
    connection: AsyncConnection,
    kind: Kind,
    record: Row[Any],
    *,
    place: str,
    ground: str,
    statement: str,
    rules: Rules,
    act: Act,
    **about: Any,
) -> Row[Any]:
    """Open a case that keeps its record from being used. The mark is made at once; its term is noted all the same."""
    values = {
        "record_id": record.id,
        "routed_to": record.provider,
        "routed_to_uscc": record.provider_uscc,
        "marked_at": act.now,
        "mark_due_on": term_from(rules, place, "objection-mark", at=act.now),
    } | about
    case = await open_case(
        connection, subject_id=record.subject_id, kind=kind, place=place, statement=statement, ground=ground,
        actor=act.actor, rules=rules, now=act.now, **values,
    )  # fmt: skip
    await suspend_record(connection, record.subject_id, record.id, act=act)
    return case


async def _refuse_open(
    connection: AsyncConnection, kind: Kind, subject_id: int, ground: str, **about: str | None
) -> None:
    same = [getattr(cases.c, name) == value for name, value in about.items()]
    mine = (cases.c.subject_id == subject_id, cases.c.kind == kind.value, cases.c.ground == ground)
    wanted = select(cases.c.id).where(*mine, *same, cases.c.decided_at.is_(None))
    found: UUID | None = await connection.scalar(wanted)
    if found is not None:
        raise AlreadyOpen("同一信息、同一理由的申请已经在办理,不需要重复提出。补充情况请上传材料。", found)


async def _refuse_repeated(
    connection: AsyncConnection, kind: Kind, subject_id: int, ground: str, **about: str | None
) -> None:
    """One at a time; and none that was rejected, until the record is another. Else a record that is right could be kept
    out of use for ever."""
    await _refuse_open(connection, kind, subject_id, ground, **about)
    same = [getattr(cases.c, name) == value for name, value in about.items()]
    mine = (cases.c.subject_id == subject_id, cases.c.kind == kind.value, cases.c.ground == ground)
    rejected = (cases.c.outcome == Outcome.REJECTED.value, *mine, *same)
    last = select(cases).where(*rejected).order_by(cases.c.decided_at.desc()).limit(1)
    row = (await connection.execute(last)).one_or_none()
    if row is None or row.record_id is None:
        return
    changed = select(record_versions.c.version).where(
        record_versions.c.subject_id == subject_id,
        record_versions.c.record_id == row.record_id,
        record_versions.c.at > row.decided_at,
        record_versions.c.change.in_(["corrected", "received"]),
    )
    if (await connection.execute(changed.limit(1))).first() is None:
        raise AlreadyDecided(
            "同一信息、同一理由的异议已经作出决定,此后信息没有变化。如不服,请对该决定申请复核。", row.id
        )
