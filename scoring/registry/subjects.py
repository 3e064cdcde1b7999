"""Who is on file: registering subjects, their names, their numbers and their end. One thing to know: nothing is ever
overwritten without a trace; what it was before is sealed in `subject_changes`, in the same transaction.

How an entry ends is in `scoring.registry.ends`, how two become one in `scoring.registry.merging`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any, Literal, NamedTuple

import orjson
from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of
from core.errors import BadInput, ExpectedError
from core.identifiers import mask_name, new_id
from core.integrity import is_intact, reseal, sealed_with
from core.keys import Keys
from core.sealing import seal, unseal
from scoring.registry.identities import MERGED, Number, Scheme, contradicts, find_by, note_number, number_of, related
from scoring.subjects import SubjectKind, identity_hashes, lock_subject, reserve_numbers, subject_row
from scoring.tables import subject_changes, subjects

Change = Literal[
    "renamed", "corrected", "deceased", "struck-off", "reinstated", "merge-proposed", "merged", "took-over"
]
LONGEST_NAME = 100


class UnknownSubject(ExpectedError):
    """Nobody here has this number or id."""

    code = "UNKNOWN_SUBJECT"

    def __init__(self) -> None:
        super().__init__("没有找到这个信用主体。请核对证件种类和号码;确实没有登记的,可以先办理登记。")


class SubjectUnderReview(ExpectedError):
    """What is stored about this subject was changed by hand; nothing is built on it."""

    code = "UNDER_REVIEW"

    def __init__(self) -> None:
        super().__init__("该主体的数据正在核对(存储的内容与登记时不符),暂时不能办理。请联系系统管理人员。")


class NumberTaken(ExpectedError):
    """The number leads to another subject."""

    code = "NUMBER_TAKEN"


class NumberContradicts(ExpectedError):
    """The number cannot belong to this subject."""

    code = "NUMBER_CONTRADICTS"


class Act(NamedTuple):
    """Who changes something about a subject, on which document, and when."""

    actor: str
    reason: str
    """The document behind it."""
    now: datetime


class Registration(NamedTuple):
    """What an operator says of a subject to be registered."""

    place: str
    name: str
    number: Number
    born_on: date | None = None
    """Needed where the number does not say it: minors are never scored."""
    industry: str | None = None
    park: str | None = None


class SubjectChange(NamedTuple):
    """Something that happened to a subject's entry."""

    at: datetime
    actor: str
    change: Change
    reason: str
    before: Mapping[str, Any]


async def read_subject(connection: AsyncConnection, subject_id: int, *, follow: bool = True) -> Row[Any]:
    """A row of `subjects` as it was written; `follow`: of one that was merged, the one that goes on.

    Raises:
        UnknownSubject, SubjectUnderReview.
    """
    row = (await connection.execute(select(subjects).where(subjects.c.id == subject_id))).one_or_none()
    if row is None:
        raise UnknownSubject
    if not is_intact(connection, subjects, row._asdict(), row.mac):
        raise SubjectUnderReview
    if follow and row.end_reason == MERGED:
        return await read_subject(connection, row.merged_into, follow=False)
    return row


def name_of(keys: Keys, name_sealed: bytes) -> str:
    """The full name in `subjects.name_sealed`. For comparing, and for the subject's own eyes."""
    return (unseal(keys, "seal", name_sealed) or b"").decode()


def key_number_of(keys: Keys, row: Any) -> Number:
    """The number that a row of `subjects` is keyed by.

    Raises:
        SubjectUnderReview: it cannot be opened.
    """
    opened = unseal(keys, "seal", row.identity_sealed)
    if opened is None:
        raise SubjectUnderReview
    return number_of(row.kind, opened.decode())


async def register_subject(
    connection: AsyncConnection, keys: Keys, given: Registration, *, served: Collection[str], act: Act
) -> tuple[int, bool]:
    """Put a subject on file; its id, and whether it is new. One that is on file already stays as it is, but that an old
    number it was keyed by gives way to its proper one.

    Raises:
        BadInput: no such place, a name that is none, or a birth date that is missing or contradicts the number.
        Conflict: another request was quicker; run it again.
    """
    number = given.number
    if given.place not in served:
        raise BadInput(f"本部署不服务 {given.place[:40]}。可选:{'、'.join(served)}。")
    name = _checked_name(given.name)
    await reserve_numbers(connection, keys, kind=number.kind, numbers=[number.key])
    found = await find_by(connection, keys, number)
    if found is not None:
        await _give_number(connection, keys, found, number, act)
        return found, False
    row = _row(keys, given._replace(name=name), on=day_of(act.now))
    subject_id = int((await connection.execute(insert(subjects).values(row).returning(subjects.c.id))).scalar_one())
    await _note_related(connection, keys, subject_id, number, act)
    content = {"kind": number.kind.value, "place": given.place, "scheme": number.scheme.value, "reason": act.reason}
    await audit.record(
        connection, at=act.now, actor=act.actor, action="registerSubject", content=content, subject_id=subject_id
    )
    return subject_id, True


async def add_number(connection: AsyncConnection, keys: Keys, subject_id: int, number: Number, *, act: Act) -> None:
    """Map another number of the subject to it: an old code, or another document. A unified code or a citizen number
    becomes what the subject is keyed by, and the old one is kept. Doing so again changes nothing.

    Raises:
        NumberContradicts: a code that contains the other says otherwise, or it is of the other kind of subject.
        NumberTaken: it leads to another subject.
    """
    await reserve_numbers(connection, keys, kind=number.kind, numbers=[number.key])
    row = await _held(connection, subject_id)
    if number.kind.value != row.kind or contradicts(number, key_number_of(keys, row)):
        raise NumberContradicts("这个号码与该主体登记的号码对不上,不能归到同一主体名下。请核对原件。")
    if number.born_on is not None and number.born_on != row.birth_on:
        raise NumberContradicts("这个号码中的出生日期与该主体登记的不同。请核对原件。")
    holder = await find_by(connection, keys, number)
    if holder is not None and holder != row.id:
        raise NumberTaken("这个号码已经登记在另一主体名下。如两者确为同一主体,请提出合并。")
    await _give_number(connection, keys, row.id, number, act)


async def rename_subject(connection: AsyncConnection, keys: Keys, subject_id: int, name: str, *, act: Act) -> None:
    """Change the name; what is shown of it follows, the old one is sealed. The same name again changes nothing."""
    new = _checked_name(name)
    row = await _held(connection, subject_id)
    old = name_of(keys, row.name_sealed)
    if new == old:
        return
    shown = mask_name(new) if row.kind == SubjectKind.PERSON.value else new
    values = {"display_name": shown, "name_sealed": seal(keys, "seal", new.encode())}
    await connection.execute(update(subjects).where(subjects.c.id == row.id).values(values))
    await note_change(connection, keys, row.id, "renamed", before={"name": old}, act=act)


async def changes_of(connection: AsyncConnection, keys: Keys, subject_id: int) -> list[SubjectChange]:
    """What happened to the subject's entry, oldest first."""
    mine = select(subject_changes).where(subject_changes.c.subject_id == subject_id)
    found = await connection.execute(mine.order_by(subject_changes.c.at, subject_changes.c.id))
    return [
        SubjectChange(
            row.at,
            row.actor,
            row.change,
            row.reason,
            orjson.loads(unseal(keys, "seal", row.before_sealed) or b"{}"),
        )
        for row in found
    ]


async def note_change(
    connection: AsyncConnection, keys: Keys, subject_id: int, change: Change, *, before: Mapping[str, Any], act: Act
) -> None:
    """Append to `subject_changes`, and to the audit trail what may be read there."""
    await connection.execute(
        insert(subject_changes).values(
            subject_id=subject_id,
            id=new_id(),
            at=act.now,
            actor=act.actor,
            change=change,
            reason=act.reason,
            before_sealed=seal(keys, "seal", orjson.dumps(before)),
        )
    )
    content = {"change": change, "reason": act.reason}
    await audit.record(
        connection, at=act.now, actor=act.actor, action="changeSubject", content=content, subject_id=subject_id
    )


async def _held(connection: AsyncConnection, subject_id: int) -> Row[Any]:
    """The subject, or the one that it was merged into, locked."""
    await lock_subject(connection, subject_id)
    row = await read_subject(connection, subject_id)
    if row.id == subject_id:
        return row
    await lock_subject(connection, row.id)
    return await read_subject(connection, row.id)


async def _give_number(connection: AsyncConnection, keys: Keys, subject_id: int, number: Number, act: Act) -> None:
    """Note a number of the subject, or key it by the number where that is better. Nobody else has it."""
    row = await read_subject(connection, subject_id)
    held = key_number_of(keys, row)
    if held == number:
        return
    if number.scheme in (Scheme.USCC, Scheme.RESIDENT_ID) and held.scheme not in (Scheme.USCC, Scheme.RESIDENT_ID):
        await note_number(connection, keys, subject_id=row.id, number=held, actor=act.actor, now=act.now)
        values = {
            "identity_hash": identity_hashes(keys, kind=number.kind, number=number.key)[0],
            "identity_sealed": seal(keys, "seal", number.key.encode()),
        }
        await connection.execute(update(subjects).where(subjects.c.id == row.id).values(values))
        await reseal(connection, subjects, subjects.c.id == row.id)
        await _note_related(connection, keys, row.id, number, act)
        await note_change(connection, keys, row.id, "corrected", before={"number": held.key}, act=act)
    elif await note_number(connection, keys, subject_id=row.id, number=number, actor=act.actor, now=act.now):
        await note_change(connection, keys, row.id, "corrected", before={}, act=act)


async def _note_related(connection: AsyncConnection, keys: Keys, subject_id: int, number: Number, act: Act) -> None:
    """Of a code that contains another one, note that too: nothing leads from an organisation code to its USCC."""
    for other in related(number):
        if other.kind is SubjectKind.ENTERPRISE and await find_by(connection, keys, other) is None:
            await note_number(connection, keys, subject_id=subject_id, number=other, actor=act.actor, now=act.now)


def _row(keys: Keys, given: Registration, *, on: date) -> dict[str, Any]:
    number = given.number
    born_on = number.born_on or given.born_on
    if number.kind is SubjectKind.PERSON and (born_on is None or born_on > on):
        raise BadInput("这种证件号码不含完整的出生日期,请填写出生日期(不能晚于今天)。")
    if given.born_on is not None and given.born_on != born_on:
        raise BadInput("填写的出生日期与号码中的不同。请核对证件。")
    if number.scheme is Scheme.PERMANENT_RESIDENCE and f"{born_on:%y%m%d}" != number.text[7:13]:
        raise BadInput("填写的出生日期与号码中的不同。请核对证件。")
    if number.scheme in (Scheme.RESIDENT_ID, Scheme.USCC):
        return subject_row(
            keys,
            kind=number.kind,
            place=given.place,
            name=given.name,
            number=number.text,
            industry=given.industry,
            park=given.park,
        )
    is_person = number.kind is SubjectKind.PERSON
    row: dict[str, Any] = {
        "kind": number.kind.value,
        "place": given.place,
        "display_name": mask_name(given.name) if is_person else given.name,
        "name_sealed": seal(keys, "seal", given.name.encode()),
        "identity_hash": identity_hashes(keys, kind=number.kind, number=number.key)[0],
        "identity_sealed": seal(keys, "seal", number.key.encode()),
        "birth_on": born_on if is_person else None,
        "industry": given.industry,
        "park": given.park,
    }
    return sealed_with(keys, subjects, row)


def _checked_name(name: str) -> str:
    found = name.strip()
    if not 1 <= len(found) <= LONGEST_NAME or not found.isprintable():
        raise BadInput(f"名称须为 1 到 {LONGEST_NAME} 个可见字符。请按证照填写。")
    return found
