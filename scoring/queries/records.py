"""What a body with a query right is told of one subject. One thing to know: records of the one item as they stand,
never a score; whoever gets one is written down as having it, so that a later correction reaches it.

Neither a minor nor a person who has died is told of, and the answer is then that of somebody without records. What its
subject has hidden, what is suspended or past its term, and fields about persons are left out
(《黑龙江省社会信用条例》第二十三条第四款、第三十七条).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from core.calendar import add_months
from core.clock import day_of
from core.identifiers import mask_text
from core.keys import Keys
from scoring.cases.tables import record_receivers
from scoring.catalogue import Catalogue
from scoring.mine import CataloguedRecord, RecordState, records_page
from scoring.subjects import SUBJECT_STATE, SubjectKind, check_subject, find_by_number, has_ended, is_minor
from scoring.tables import subjects

LONGEST_RECEIVER = 120


class Queried(NamedTuple):
    """A record as a body with a right reads it."""

    label: str
    nature: str
    document_number: str | None
    authority: str | None
    decided_on: date
    last_day: date | None
    """The last day on which it counts; None where there is no end."""
    fields: tuple[tuple[str, str, str], ...]
    """Id, label and value of each field that is not about a person."""


async def find_queried(
    connection: AsyncConnection, keys: Keys, *, kind: SubjectKind, number: str, lineage_of: Any, place: str
) -> Any | None:
    """The subject of that number (canonical) that a right of this place reaches, with `SUBJECT_STATE`: of one that was
    merged, the one that goes on; None where there is none."""
    found = await find_by_number(connection, keys, kind=kind, number=number)
    if found is None:
        return None
    row = (await connection.execute(select(subjects.c.id, *SUBJECT_STATE).where(subjects.c.id == found))).one()
    check_subject(connection, row)
    return row if place in lineage_of(row.place) else None


async def read_queried(
    connection: AsyncConnection, subject: Any, *, item: str, catalogue: Catalogue, receiver: str, now: datetime
) -> list[Queried]:
    """The records of one item that the body is told of, the newest decision first, in a transaction. `catalogue` is
    that of the subject's place.

    Raises:
        SubjectDataFault: somebody has changed one by hand.
    """
    on, entry = day_of(now), catalogue.items.get(item)
    is_person = subject.kind == SubjectKind.PERSON.value
    if entry is None or is_minor(subject.birth_on, on=on) or (is_person and has_ended(subject, on=on)):
        return []
    held = await records_page(connection, subject.id, catalogue=catalogue, state=RecordState.ACTIVE, on=on)
    told = [
        one
        for one in held
        if item in (one.row.item, one.row.catalogued_as)
        and one.row.hidden_at is None
        and (entry.query_months is None or on < add_months(one.row.occurred_on, entry.query_months))
    ]
    for one in told:
        await _note_receiver(connection, subject.id, one.row.id, receiver[:LONGEST_RECEIVER], now)
    return [as_queried(one) for one in told]


def as_queried(one: CataloguedRecord) -> Queried:
    """A record without what is about a person, identity numbers masked."""
    personal = {field.id for field in one.form.fields if field.personal} if one.form else set()
    known = {field.id for field in one.form.fields} if one.form else set()
    row = one.row
    return Queried(
        label=one.label,
        nature=one.kind.nature if one.kind else "neutral",
        document_number=mask_text(row.document_number) if row.document_number else None,
        authority=mask_text(row.authority) if row.authority else None,
        decided_on=row.occurred_on,
        last_day=one.last_day,
        fields=tuple(
            (name, label, mask_text(value))
            for name, label, value in one.content()
            if name in known - personal and not _is_of_subject(one, name)
        ),
    )


def _is_of_subject(one: CataloguedRecord, name: str) -> bool:
    """Whether a field is the number or name of the subject, which the body knows."""
    means = next((field.means for field in one.form.fields if field.id == name), None) if one.form else None
    return means in ("subject_code", "subject_name")


async def _note_receiver(
    connection: AsyncConnection, subject_id: int, record_id: str, receiver: str, now: datetime
) -> None:
    made: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    row = {"subject_id": subject_id, "record_id": record_id, "receiver": receiver, "at": now}
    await connection.execute(made(record_receivers).values(**row).on_conflict_do_nothing())
