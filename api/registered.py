"""A subject as officers see it. One thing to know: no score, no record, and no number or person's name but masked."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from enum import Enum

import strawberry
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from api.context import Context, Info
from api.ids import key_of, public_id
from api.mandates import Mandate, mandates_for
from api.permissions import STAFF, SUBJECT, access
from api.scalars import NumberScheme, SubjectKind
from core.identifiers import mask_number
from scoring.registry.identities import MERGED, noted_numbers
from scoring.registry.subjects import changes_of, key_number_of, read_subject
from scoring.tables import subjects


@strawberry.enum(description="Why a subject is no more.")
class EndReason(Enum):
    """Of persons and of enterprises."""

    DECEASED = strawberry.enum_value("deceased", description="A person has died.")
    STRUCK_OFF = strawberry.enum_value("struck-off", description="An enterprise was dissolved, revoked or taken over.")


@strawberry.type(description="A number of a subject, masked.", directives=access(STAFF))
class SubjectNumber:
    """The one it is keyed by comes first."""

    scheme: NumberScheme = strawberry.field(description="Kind of number.")
    masked: str = strawberry.field(description="The number, masked.")
    noted_at: datetime | None = strawberry.field(description="When it was noted; null of the one it is keyed by.")


@strawberry.type(description="Something that happened to a subject's entry.", directives=access(STAFF))
class SubjectChange:
    """What it was before is sealed."""

    change: str = strawberry.field(description="renamed, corrected, deceased, struck-off, reinstated, merged …")
    at: datetime = strawberry.field(description="When.")
    actor: str = strawberry.field(description="Account of whoever did it.")
    reason: str = strawberry.field(description="The document behind it.")


@strawberry.type(description="A subject as officers see it: no score, no record.", directives=access(STAFF))
class RegisteredSubject:
    """Names of persons and all numbers are masked."""

    id: strawberry.ID = strawberry.field(description="Id of the subject; of one that was merged, of the one kept.")
    kind: SubjectKind = strawberry.field(description="Person or enterprise.")
    place: str = strawberry.field(description="Place it belongs to.")
    display_name: str = strawberry.field(description="A person's masked name, an enterprise's name.")
    numbers: list[SubjectNumber] = strawberry.field(description="Its numbers.")
    ended_on: date | None = strawberry.field(description="Since when it is no more.")
    end_reason: str | None = strawberry.field(description="deceased, struck-off.")
    successor_id: strawberry.ID | None = strawberry.field(description="The enterprise that took it over.")
    changes: list[SubjectChange] = strawberry.field(description="What happened to the entry, oldest first.")

    @strawberry.field(description="Who may act for it, or once could; newest first.")
    async def mandates(self, info: Info) -> list[Mandate]:
        """Read where they are asked for."""
        return await mandates_for(info.context, key_of(self.id, "CreditSubject"))


@strawberry.type(description="The end of an enterprise, as its agent reads it.", directives=access(SUBJECT))
class SubjectEnd:
    """Records stay with it; nothing of it is scored any more."""

    ended_on: date = strawberry.field(description="Since when.")
    reason: str = strawberry.field(description="struck-off.")
    successor: str | None = strawberry.field(description="Name of the enterprise that took it over.")


@strawberry.type(description="Two entries that may be one subject.", directives=access(STAFF))
class DuplicateSubjects:
    """A person decides."""

    ground: str = strawberry.field(
        description="old-number, same-name-and-birth-day, or same-name; proposed, of a merge that waits."
    )
    first: RegisteredSubject = strawberry.field(description="One of them.")
    second: RegisteredSubject = strawberry.field(description="The other one.")


@strawberry.type(description="A merge that waits for a second person.", directives=access(STAFF))
class MergeProposal:
    """For reviewers."""

    keep_id: strawberry.ID = strawberry.field(description="The entry that is to be kept.")
    drop_id: strawberry.ID = strawberry.field(description="The entry that is to lead to it.")
    proposed_by: str = strawberry.field(description="Account of whoever proposed it.")
    proposed_at: datetime = strawberry.field(description="When.")
    reason: str = strawberry.field(description="The document behind it.")


async def registered(context: Context, connection: AsyncConnection, subject_id: int) -> RegisteredSubject:
    """The subject of this id as officers see it; of one that was merged, the one kept.

    Raises:
        UnknownSubject, SubjectUnderReview.
    """
    keys = context.state.keys
    row = await read_subject(connection, subject_id)
    key = key_number_of(keys, row)
    noted = await noted_numbers(connection, keys, row.id, now=context.now)
    numbers = [(key, None), *((one.number, one.noted_at) for one in noted)]
    return RegisteredSubject(
        id=strawberry.ID(public_id("CreditSubject", row.id)),
        kind=SubjectKind(row.kind),
        place=row.place,
        display_name=row.display_name,
        numbers=[
            SubjectNumber(scheme=NumberScheme(one.scheme.value), masked=mask_number(one.text), noted_at=at)
            for one, at in numbers
        ],
        ended_on=row.ended_on,
        end_reason=row.end_reason,
        successor_id=strawberry.ID(public_id("CreditSubject", row.merged_into)) if row.merged_into else None,
        changes=[
            SubjectChange(change=one.change, at=one.at, actor=one.actor, reason=one.reason)
            for one in await changes_of(connection, keys, row.id)
        ],
    )


async def end_of(context: Context, subject_id: int) -> SubjectEnd | None:
    """How a subject ended; None where it goes on."""
    heir = subjects.alias("heir")
    wanted = select(subjects.c.ended_on, subjects.c.end_reason, heir.c.display_name).outerjoin(
        heir, heir.c.id == subjects.c.merged_into
    )
    async with context.state.database.reading() as connection:
        row = (await connection.execute(wanted.where(subjects.c.id == subject_id))).one()
    if row.ended_on is None:
        return None
    return SubjectEnd(ended_on=row.ended_on, reason=row.end_reason, successor=row.display_name)


async def leads_to(context: Context, old_ids: Collection[int], subject_id: int) -> set[int]:
    """Which of `old_ids` are entries that were merged into this subject."""
    merged = (subjects.c.id.in_(old_ids), subjects.c.end_reason == MERGED, subjects.c.merged_into == subject_id)
    async with context.state.database.reading() as connection:
        return set((await connection.execute(select(subjects.c.id).where(*merged))).scalars())
