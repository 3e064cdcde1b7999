"""Credit subjects: who is evaluated. One thing to know: a subject takes part only after informed enrolment.

Identity numbers and names are sealed here and found by keyed hash; nothing else reads them.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import turns_adult_on
from core.identifiers import birth_date, check_resident_id, check_uscc, mask_name, sex_of
from core.keys import Keys
from core.sealing import keyed_hash, seal
from scoring.tables import enrollments, subjects


class SubjectKind(StrEnum):
    """What a credit subject is. An individual business (个体工商户) counts as an enterprise."""

    PERSON = "person"
    ENTERPRISE = "enterprise"


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
    return {
        "kind": kind.value,
        "place": place,
        "display_name": mask_name(name) if is_person else name,
        "name_sealed": seal(keys, "seal", name.encode()),
        "identity_hash": keyed_hash(keys, "lookup", f"{kind.value}:{canonical}".encode()),
        "identity_sealed": seal(keys, "seal", canonical.encode()),
        "birth_on": birth_date(canonical) if is_person else None,
        "sex": sex_of(canonical) if is_person else None,
        "district": canonical[:6] if is_person else canonical[2:8],
        "industry": industry,
        "park": park,
    }


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
    await connection.execute(audit.record(at=now, actor=actor, action="enroll", content=content, subject_id=subject_id))
    return now
