"""Credit subjects: who is evaluated. One thing to know: a subject takes part only after informed enrolment.

Identity numbers and names are sealed here and found by keyed hash; nothing else reads them.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, case, func, insert, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import turns_adult_on
from core.identifiers import birth_date, check_resident_id, check_uscc, mask_name, sex_of
from core.integrity import is_intact, sealed_with
from core.keys import Keys
from core.sealing import keyed_hashes, seal
from scoring.tables import enrollments, subjects

LOOKED_UP_AT_ONCE = 500
"""Hashes in one question."""


class SubjectKind(StrEnum):
    """What a credit subject is. An individual business (个体工商户) counts as an enterprise."""

    PERSON = "person"
    ENTERPRISE = "enterprise"


class SubjectDataFault(Exception):
    """What is stored about this one subject cannot be used. The caller raises an alarm, never a refusal."""


SUBJECT_STATE = (
    subjects.c.identity_hash,
    subjects.c.kind,
    subjects.c.place,
    subjects.c.birth_on,
    subjects.c.ended_on,
    subjects.c.end_reason,
    subjects.c.merged_into,
    subjects.c.mac.label("subject_mac"),
)
"""What deciding looks at in a subject."""


def check_subject(connection: AsyncConnection, row: Any) -> None:
    """Refuse a subject (a row with `SUBJECT_STATE`) that is not as it was written.

    Raises:
        SubjectDataFault: somebody has changed it by hand.
    """
    if not is_intact(connection, subjects, row._asdict(), row.subject_mac):
        raise SubjectDataFault("subjects: changed by hand")


def has_ended(row: Any, *, on: date) -> bool:
    """Whether a subject (a row with `SUBJECT_STATE`) has died, was struck off or merged by that day."""
    return row.ended_on is not None and row.ended_on <= on


def is_going_on(on: date) -> ColumnElement[bool]:
    """For the database: the subject has not ended by that day (`has_ended`)."""
    return or_(subjects.c.ended_on.is_(None), subjects.c.ended_on > on)


def subject_row(
    keys: Keys,
    *,
    kind: SubjectKind,
    place: str,
    name: str,
    number: str,
    industry: str | None = None,
    park: str | None = None,
) -> dict[str, Any]:
    """A row for `subjects`, its identity number checked and sealed.

    The district is the one inside the number: where a person was first, or an enterprise is, registered. `industry`
    (section of GB/T 4754) and `park` are an enterprise's.

    Raises:
        BadInput: the number is no citizen identity number (GB 11643) or USCC (GB 32100).
    """
    is_person = kind is SubjectKind.PERSON
    canonical = check_resident_id(number) if is_person else check_uscc(number)
    row: dict[str, Any] = {
        "kind": kind.value,
        "place": place,
        "display_name": mask_name(name) if is_person else name,
        "name_sealed": seal(keys, "seal", name.encode()),
        "identity_hash": identity_hashes(keys, kind=kind, number=canonical)[0],
        "identity_sealed": seal(keys, "seal", canonical.encode()),
        "birth_on": birth_date(canonical) if is_person else None,
        "sex": sex_of(canonical) if is_person else None,
        "district": canonical[:6] if is_person else canonical[2:8],
        "industry": industry,
        "park": park,
    }
    return sealed_with(keys, subjects, row)


GOES_ON = case((subjects.c.end_reason == "merged", subjects.c.merged_into), else_=subjects.c.id)
"""The subject itself, or the one that it was merged into."""


def identity_hashes(keys: Keys, *, kind: SubjectKind, number: str) -> tuple[bytes, ...]:
    """By which a subject of this number, in canonical form, may be found: the hash under the active key, then those
    under the keys before it, for rows that have not been moved yet."""
    return keyed_hashes(keys, "lookup", f"{kind.value}:{number}".encode())


async def find_by_number(connection: AsyncConnection, keys: Keys, *, kind: SubjectKind, number: str) -> int | None:
    """The id of the subject keyed by this number, in canonical form."""
    return (await find_by_numbers(connection, keys, kind=kind, numbers=[number])).get(number)


async def find_by_numbers(
    connection: AsyncConnection, keys: Keys, *, kind: SubjectKind, numbers: Collection[str]
) -> dict[str, int]:
    """The ids of those subjects that there are, by number in canonical form; of one that was merged, the id of that
    which goes on in its place. An enterprise that was taken over stays itself."""
    number_of = {held: number for number in numbers for held in identity_hashes(keys, kind=kind, number=number)}
    found: dict[str, int] = {}
    hashes = list(number_of)
    for start in range(0, len(hashes), LOOKED_UP_AT_ONCE):
        some = subjects.c.identity_hash.in_(hashes[start : start + LOOKED_UP_AT_ONCE])
        wanted = select(subjects.c.identity_hash, GOES_ON.label("goes_on")).where(some)
        found |= {number_of[row.identity_hash]: row.goes_on for row in await connection.execute(wanted)}
    return found


async def reserve_numbers(
    connection: AsyncConnection, keys: Keys, *, kind: SubjectKind, numbers: Collection[str]
) -> None:
    """Make others who would add a subject with one of these numbers wait until this transaction ends.

    With one lookup key the unique hash lets in one of them alone. While there are two, one may come under the old key
    and one under the new: whoever adds subjects asks for this first, and then looks whether they are there.
    """
    if len(keys.of("lookup")) == 1 or connection.dialect.name != "postgresql":  # SQLite has one writer at a time
        return
    agreed = (min(identity_hashes(keys, kind=kind, number=number)) for number in numbers)
    held = sorted({int.from_bytes(one[:8], "big", signed=True) for one in agreed})  # all take them in one order
    each = func.unnest(literal(held, ARRAY(BigInteger))).column_valued("held")
    await connection.execute(select(func.pg_advisory_xact_lock(each)))


def is_minor(birth_on: date | None, *, on: date) -> bool:
    """Whether a person born on that day is under 18; an enterprise (no birthday) never is."""
    return birth_on is not None and on < turns_adult_on(birth_on)


async def lock_subject(connection: AsyncConnection, subject_id: int) -> None:
    """Make others that change or count what belongs to this subject wait until the transaction ends."""
    await connection.execute(select(subjects.c.id).where(subjects.c.id == subject_id).with_for_update())


async def enroll_subject(
    connection: AsyncConnection, *, subject_id: int, notice_version: str, actor: str, now: datetime
) -> datetime:
    """Enrol after informed consent and keep the version of the notice that was shown. Enrolling again changes nothing.

    Returns the instant of enrolment. A minor may enrol and is never scored.
    """
    await lock_subject(connection, subject_id)  # two clicks at once leave one enrolment
    current = select(enrollments.c.enrolled_at).where(
        enrollments.c.subject_id == subject_id, enrollments.c.left_at.is_(None)
    )
    enrolled_at: datetime | None = await connection.scalar(current)
    if enrolled_at is not None:
        return enrolled_at
    await connection.execute(
        insert(enrollments).values(subject_id=subject_id, enrolled_at=now, notice_version=notice_version)
    )
    content = {"notice": notice_version}
    await audit.record(connection, at=now, actor=actor, action="enroll", content=content, subject_id=subject_id)
    return now
