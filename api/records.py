"""My records: what is held about the subject signed in, where it came from, how it changed and who was given it. One
thing to know: nothing is left out, neither what has ended nor what is suspended. For the subject alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from typing import Annotated

import strawberry

from api.context import Context, Info
from api.errors import Problem
from api.mutations import mutation
from api.pagination import After, First, PageInfo, cursor_of, key_after, page_info, page_size
from api.permissions import SUBJECT, access
from api.scores import UnderReview
from core.clock import day_of
from core.errors import BadInput
from partners.credit_report import holders_of
from partners.standing import SubjectStanding, score_participant
from scoring.catalogue import Catalogue
from scoring.mine import CataloguedRecord, Receiver, hide_honour, histories, place_of, receivers_of, records_page
from scoring.mine import RecordState as State
from scoring.records import Act, RecordVersion
from scoring.subjects import SubjectDataFault
from scoring.values import parse_day

LONGEST_ID = 40
log = logging.getLogger("xinyi.records")


@strawberry.enum(description="Where a record stands.")
class RecordState(Enum):
    """One of three."""

    ACTIVE = strawberry.enum_value("active", description="It counts, and shows where it is public.")
    SUSPENDED = strawberry.enum_value("suspended", description="Neither counted nor shown while a case is open.")
    ENDED = strawberry.enum_value("ended", description="It neither counts nor shows any more, and is archived.")


@strawberry.enum(description="Which records to read.")
class RecordFilter(Enum):
    """The states of a record, and any."""

    ACTIVE = strawberry.enum_value("active", description="Those that count.")
    SUSPENDED = strawberry.enum_value("suspended", description="Those suspended while something about them is open.")
    ENDED = strawberry.enum_value("ended", description="Those past their term, repaired or withdrawn.")
    ALL = strawberry.enum_value("all", description="Every one.")


_SHOWN = {State.ACTIVE: RecordState.ACTIVE, State.SUSPENDED: RecordState.SUSPENDED, State.ENDED: RecordState.ENDED}
_STATES = {
    RecordFilter.ACTIVE: State.ACTIVE,
    RecordFilter.SUSPENDED: State.SUSPENDED,
    RecordFilter.ENDED: State.ENDED,
    RecordFilter.ALL: None,
}


@strawberry.type(description="A field of a record, as the catalogue names it.", directives=access(SUBJECT))
class RecordField:
    """A field with something in it."""

    id: str = strawberry.field(description="Code of the field in the catalogue.")
    label: str = strawberry.field(description="Its name.")
    value: str = strawberry.field(description="What it says.")


@strawberry.type(description="Somebody who was given a record.", directives=access(SUBJECT))
class RecordReceiver:
    """Told of every later change."""

    name: str = strawberry.field(description="Who.")
    at: datetime = strawberry.field(description="When.")


@strawberry.type(description="A record as it was from an instant on.", directives=access(SUBJECT))
class RecordChange:
    """How a record came, or changed."""

    version: int = strawberry.field(description="Counts from 1.")
    at: datetime = strawberry.field(description="Since when.")
    change: str = strawberry.field(
        description="received, corrected, suspended, resumed, repaired, withdrawn, hidden, shown, moved or expired."
    )
    by: str = strawberry.field(description="By which body, or in which role.")
    reason: str = strawberry.field(description="Why; empty where the record came.")
    fields: list[RecordField] = strawberry.field(description="What its fields said from then on.")


class Around:
    """What belongs to the records of a page, read once for all of them when first asked for."""

    def __init__(self, context: Context, subject_id: int, record_ids: Sequence[str]) -> None:
        self._context, self._subject_id, self._ids = context, subject_id, record_ids
        self._changes: asyncio.Future[tuple[Mapping[str, list[RecordVersion]], Mapping[str, str]]] | None = None
        self._receivers: asyncio.Future[Mapping[str, list[Receiver]]] | None = None

    async def changes(self, record_id: str) -> tuple[list[RecordVersion], Mapping[str, str]]:
        """How the record came and changed, and who did so in words."""
        self._changes = self._changes or asyncio.ensure_future(self._read_changes())
        found, names = await self._changes
        return found.get(record_id, []), names

    async def receivers(self, record_id: str) -> list[Receiver]:
        """Who was given the record."""
        self._receivers = self._receivers or asyncio.ensure_future(self._read_receivers())
        return (await self._receivers).get(record_id, [])

    async def _read_changes(self) -> tuple[Mapping[str, list[RecordVersion]], Mapping[str, str]]:
        async with self._context.state.database.reading() as connection:
            found = await histories(connection, self._subject_id, self._ids)
            actors = {version.actor for changes in found.values() for version in changes}
            return found, await holders_of(connection, actors)

    async def _read_receivers(self) -> Mapping[str, list[Receiver]]:
        async with self._context.state.database.reading() as connection:
            return await receivers_of(connection, self._subject_id, self._ids)


@strawberry.type(description="A piece of credit information about the subject.", directives=access(SUBJECT))
class CreditRecord:
    """As its subject sees it."""

    held: strawberry.Private[CataloguedRecord]
    around: strawberry.Private[Around]
    id: strawberry.ID = strawberry.field(description="The id that score lines and objections name it by.")
    item: str = strawberry.field(description="Code of what it is, in the catalogue.")
    label: str = strawberry.field(description="What it is, in words.")
    nature: str | None = strawberry.field(description="honour, adverse or neutral; null where no longer catalogued.")
    severity: str | None = strawberry.field(description="general or serious, for terms.")
    document_number: str | None = strawberry.field(description="Number of the document behind it.")
    authority: str | None = strawberry.field(description="The body that decided.")
    decided_on: date = strawberry.field(description="The day of the decision.")
    state: RecordState = strawberry.field(description="Where it stands today.")
    published_until: date | None = strawberry.field(
        description="Last day on which law lets it be published; null where it is not open, or has no end."
    )
    counts_until: date | None = strawberry.field(description="Last day on which it counts; null where there is no end.")
    removal: str | None = strawberry.field(description="Why it ended before its term: repaired, withdrawn, merged …")
    suspended_at: datetime | None = strawberry.field(description="Since when it is not used, while that lasts.")
    hidden_at: datetime | None = strawberry.field(description="Since when it is hidden at the subject's own wish.")
    source: str = strawberry.field(description="The body and the legal document behind it.")
    provider: str | None = strawberry.field(description="The body that delivered it, and that objections go to.")
    received_at: datetime | None = strawberry.field(description="When it came.")

    @strawberry.field(description="Every catalogued field with something in it.")
    def fields(self) -> list[RecordField]:
        """Personal ones too: they are the subject's own."""
        return [RecordField(id=name, label=label, value=value) for name, label, value in self.held.content()]

    @strawberry.field(description="Who was given it.")
    async def receivers(self) -> list[RecordReceiver]:
        """With the day."""
        found = await self.around.receivers(str(self.id))
        return [RecordReceiver(name=one.name, at=one.at) for one in found]

    @strawberry.field(description="How it came and changed, oldest first.")
    async def history(self) -> list[RecordChange]:
        """By which body, why, and what it said from then on."""
        versions, names = await self.around.changes(str(self.id))
        return [
            RecordChange(
                version=version.version,
                at=version.at,
                change=version.change,
                by=names.get(version.actor, version.actor),
                reason=version.reason,
                fields=[
                    RecordField(id=name, label=label, value=value)
                    for name, label, value in self.held.content(version.state.get("content", {}))
                ],
            )
            for version in versions
        ]


@strawberry.type(description="A record in a page (Relay).", directives=access(SUBJECT))
class CreditRecordEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: CreditRecord = strawberry.field(description="The record.")


@strawberry.type(description="A page of records, the newest decision first (Relay).", directives=access(SUBJECT))
class CreditRecordConnection:
    """Relay's connection."""

    edges: list[CreditRecordEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


def catalogue_of(context: Context, standing: SubjectStanding) -> Catalogue:
    """The catalogue of the subject's place.

    Raises:
        UnderReview: the subject's data cannot be used just now.
    """
    if not standing.lineage:
        raise under_review()
    return context.state.rulebook.catalogues[standing.lineage[0]]


def under_review(fault: SubjectDataFault | None = None) -> UnderReview:
    """What the subject is told while its data cannot be read; those who look after it are told by the log."""
    if fault is not None:
        log.error("a row is not as it was written", exc_info=fault)
    return UnderReview("您的数据正在核对,暂时不能查看这一部分。请过些时候再试,或提出异议。")


@strawberry.type
class RecordFields:
    """The part of `CreditSubject` that is its records."""

    held: strawberry.Private[SubjectStanding]

    @strawberry.field(
        description="What is held about me, the newest decision first. Free, and as often as one likes; also for one "
        "that does not take part."
    )
    async def records(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        state: Annotated[RecordFilter, strawberry.argument(description="Which ones.")] = RecordFilter.ALL,
    ) -> CreditRecordConnection:
        """By the day of the decision, then by id."""
        context, size = info.context, page_size(first)
        catalogue = catalogue_of(context, self.held)
        wanted = _STATES[state]
        try:
            async with context.state.database.reading() as connection:
                found = await records_page(
                    connection,
                    self.held.id,
                    catalogue=catalogue,
                    state=wanted,
                    on=day_of(context.now),
                    after=day_and_id_after(after),
                    most=size + 1,
                )
        except SubjectDataFault as fault:
            raise under_review(fault) from None
        page = found[:size]
        around = Around(context, self.held.id, [record.row.id for record in page])
        edges = [
            CreditRecordEdge(
                cursor=cursor_of(f"{record.row.occurred_on}/{record.row.id}"),
                node=record_of(record, around, on=day_of(context.now)),
            )
            for record in page
        ]
        info_ = page_info([edge.cursor for edge in edges], more=len(found) > size, after=after)
        return CreditRecordConnection(edges=edges, page_info=info_)


def day_and_id_after(cursor: str | None) -> tuple[date, str] | None:
    """The day and id inside a cursor.

    Raises:
        BadInput: it is no cursor of ours.
    """
    key = key_after(cursor)
    if key is None:
        return None
    day, _, record_id = key.partition("/")
    found = parse_day(day)
    if found is None or not record_id:
        raise BadInput("after 不是有效的游标。请原样使用上一页的 endCursor。")
    return found, record_id


def record_of(record: CataloguedRecord, around: Around, *, on: date) -> CreditRecord:
    """A record as its subject sees it."""
    row = record.row
    return CreditRecord(
        held=record,
        around=around,
        id=strawberry.ID(row.id),
        item=row.item,
        label=record.label,
        nature=record.kind.nature if record.kind else None,
        severity=row.severity,
        document_number=row.document_number,
        authority=row.authority,
        decided_on=row.occurred_on,
        state=_SHOWN[record.state(on=on)],
        published_until=record.last_day if record.is_public else None,
        counts_until=record.last_day,
        removal=row.removal,
        suspended_at=row.suspended_at,
        hidden_at=row.hidden_at,
        source=row.source,
        provider=row.provider,
        received_at=row.received_at,
    )


@strawberry.input(description="An honour to hide.")
class HideHonourInput:
    """For `hideHonour`."""

    record_id: strawberry.ID = strawberry.field(description="Id of the record.")


@strawberry.input(description="An honour to show again.")
class ShowHonourInput:
    """For `showHonour`."""

    record_id: strawberry.ID = strawberry.field(description="Id of the record.")


HideHonourResult = Annotated[CreditRecord | Problem, strawberry.union("HideHonourResult", description="The record.")]
ShowHonourResult = Annotated[CreditRecord | Problem, strawberry.union("ShowHonourResult", description="The record.")]


@strawberry.type
class RecordMutations:
    """What a subject decides about its own honours."""

    @mutation(description="Show an honour to nobody but me. It counts on. Doing so again changes nothing.", to=SUBJECT)
    async def hide_honour(self, info: Info, input: HideHonourInput) -> HideHonourResult:  # noqa: A002
        """《黑龙江省社会信用条例》第三十七条第一款."""
        return await _set_hidden(info.context, str(input.record_id), hidden=True)

    @mutation(description="Let an honour be public again. Doing so again changes nothing.", to=SUBJECT)
    async def show_honour(self, info: Info, input: ShowHonourInput) -> ShowHonourResult:  # noqa: A002
        """The other way round."""
        return await _set_hidden(info.context, str(input.record_id), hidden=False)


async def _set_hidden(context: Context, record_id: str, *, hidden: bool) -> CreditRecord:
    rulebook, now = context.state.rulebook, context.now
    try:
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            subject_id = principal.subject_id or 0
            catalogue = rulebook.catalogues[await place_of(connection, subject_id)]
            act = Act(
                actor=principal.account,
                reason="本人要求不公示" if hidden else "本人同意公示",
                now=now,
                rescore=lambda one, key: score_participant(one, subject_id=key, rulebook=rulebook, now=now),
            )
            found = await hide_honour(
                connection, subject_id, record_id[:LONGEST_ID], hidden=hidden, catalogue=catalogue, act=act
            )
    except SubjectDataFault as fault:
        raise under_review(fault) from None
    return record_of(found, Around(context, subject_id, [record_id]), on=day_of(now))
