"""Public look-up: what the law opens, for anybody. One thing to know: enterprises alone are found, by exact name or
USCC; a record shows no personal data, and shows only while it is published."""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Annotated

import strawberry

from api.context import Context, Info
from api.ids import key_of
from api.pagination import After, First, PageInfo, cursor_of, key_after, page_info, page_size
from api.permissions import ANYONE, AUDITOR, access
from api.records import day_and_id_after
from core.clock import day_of
from core.errors import BadInput
from core.identifiers import check_uscc
from partners.access import note_reading
from scoring.publication import (
    COMMITMENT,
    RED_LIST,
    SERIOUS_LIST,
    Page,
    archived_records,
    find_enterprises,
    public_list,
    public_records,
)
from scoring.publication import PublicRecord as Opened
from scoring.values import parse_day

MOST_LOOKUPS = 5
"""Look-ups in one document: whoever wants many asks many times, and meets the limit on requests."""
LONGEST_NAME, LONGEST_PURPOSE = 200, 120

Place = Annotated[str | None, strawberry.argument(description="Code of a place, with those below it; all if left out.")]


@strawberry.enum(description="A list of credit subjects.")
class ListKind(Enum):
    """The two lists."""

    RED = strawberry.enum_value("red", description="Subjects recognised as trustworthy (守信激励对象名单).")
    SERIOUS = strawberry.enum_value("serious", description="Seriously dishonest subjects (严重失信主体名单).")


_ITEMS = {ListKind.RED: RED_LIST, ListKind.SERIOUS: SERIOUS_LIST}


@strawberry.type(description="A field of a public record.", directives=access(ANYONE))
class PublicField:
    """Never a personal one."""

    id: str = strawberry.field(description="Code of the field in the catalogue.")
    label: str = strawberry.field(description="Its name.")
    value: str = strawberry.field(description="What it says, identity numbers masked.")


@strawberry.type(description="A published record of an enterprise.", directives=access(ANYONE))
class PublicRecord:
    """Without personal data."""

    name: str = strawberry.field(description="The enterprise.")
    uscc: str = strawberry.field(description="Its unified social credit code.")
    place: str = strawberry.field(description="Code of the place it belongs to.")
    item: str = strawberry.field(description="Code of what it is, in the catalogue.")
    label: str = strawberry.field(description="What it is, in words.")
    nature: str = strawberry.field(description="honour, adverse or neutral.")
    document_number: str | None = strawberry.field(description="Number of the document behind it.")
    authority: str | None = strawberry.field(description="The body that decided.")
    decided_on: date = strawberry.field(description="The day of the decision.")
    published_until: date | None = strawberry.field(description="Last day of publication; null where law sets no end.")
    fields: list[PublicField] = strawberry.field(description="Its fields, without the personal ones.")


@strawberry.type(description="A public record in a page (Relay).", directives=access(ANYONE))
class PublicRecordEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: PublicRecord = strawberry.field(description="The record.")


@strawberry.type(description="A page of public records (Relay).", directives=access(ANYONE))
class PublicRecordConnection:
    """Relay's connection."""

    edges: list[PublicRecordEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.type(description="An enterprise on a list, and the written decision that put it there.",
                 directives=access(ANYONE))  # fmt: skip
class ListEntry:
    """With reason, basis, term, way out and remedies (《黑龙江省社会信用条例》第二十八条第二款)."""

    name: str = strawberry.field(description="The enterprise.")
    uscc: str = strawberry.field(description="Its unified social credit code.")
    place: str = strawberry.field(description="Code of the place it belongs to.")
    document_number: str | None = strawberry.field(description="Number of the written decision.")
    authority: str | None = strawberry.field(description="The body that decided.")
    decided_on: date = strawberry.field(description="The day of the decision.")
    reason: str | None = strawberry.field(description="Why it was listed.")
    basis: str | None = strawberry.field(description="The rule that it was listed under.")
    listed_until: date | None = strawberry.field(description="Last day on the list; null where there is no term.")
    way_out: str | None = strawberry.field(description="What leads off the list before its term.")
    remedies: str | None = strawberry.field(description="How the decision can be disputed.")


@strawberry.type(description="A list's entry in a page (Relay).", directives=access(ANYONE))
class ListEntryEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: ListEntry = strawberry.field(description="The entry.")


@strawberry.type(description="A page of a list, in a stable order (Relay).", directives=access(ANYONE))
class ListEntryConnection:
    """Relay's connection."""

    edges: list[ListEntryEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.type(description="A record past its term: archived, not public.", directives=access(AUDITOR))
class ArchivedRecord:
    """As it was published, and why that ended."""

    record: PublicRecord = strawberry.field(description="The record.")
    removal: str | None = strawberry.field(description="Why it ended before its term: repaired, withdrawn, merged …")


@strawberry.type(description="An archived record in a page (Relay).", directives=access(AUDITOR))
class ArchivedRecordEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: ArchivedRecord = strawberry.field(description="The record.")


@strawberry.type(description="A page of archived records (Relay).", directives=access(AUDITOR))
class ArchivedRecordConnection:
    """Relay's connection."""

    edges: list[ArchivedRecordEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.type
class PublicationQueries:
    """For everybody, and the archive for auditors."""

    @strawberry.field(
        description="What is published of an enterprise, the newest decision first. Give its USCC or its exact name.",
        directives=access(ANYONE),
    )
    async def public_records(  # noqa: PLR0917  # one argument each
        self,
        info: Info,
        uscc: Annotated[str | None, strawberry.argument(description="Unified social credit code.")] = None,
        name: Annotated[str | None, strawberry.argument(description="The whole name, exactly.")] = None,
        item: Annotated[str | None, strawberry.argument(description="Only this item of the catalogue.")] = None,
        first: First = None,
        after: After = None,
    ) -> PublicRecordConnection:
        """Persons are never found, and an unknown enterprise has no records."""
        context, size = _looking_up(info.context), page_size(first)
        if (uscc is None) == (name is None):
            raise BadInput("请给出 uscc 或 name 其中一项。")
        canonical = None if uscc is None else check_uscc(uscc)
        if name is not None and not 2 <= len(name.strip()) <= LONGEST_NAME:
            raise BadInput(f"name 应为企业全称,2 至 {LONGEST_NAME} 个字。请改正后重试。")
        database = context.state.database
        async with database.reading() as connection:
            found = await public_records(
                connection,
                subject_ids=await find_enterprises(
                    connection, context.state.keys, uscc=canonical, name=name.strip() if name else None
                ),
                catalogues=context.state.rulebook.catalogues,
                item=item,
                on=day_of(context.now),
                after=_day_key_after(after),
                most=size,
            )
        edges = [
            PublicRecordEdge(cursor=cursor_of(f"{one.decided_on}/{one.subject_id}/{one.id}"), node=record_of(one))
            for one in found.records
        ]
        return PublicRecordConnection(edges=edges, page_info=_info([edge.cursor for edge in edges], found, after))

    @strawberry.field(
        description="The enterprises on a list, each with the written decision. Persons are not listed here.",
        directives=access(ANYONE),
    )
    async def public_list(
        self,
        info: Info,
        list: Annotated[ListKind, strawberry.argument(description="Which list.")],  # noqa: A002
        place: Place = None,
        first: First = None,
        after: After = None,
    ) -> ListEntryConnection:
        """In a stable order; off the list on the day of repair, withdrawal or the end of the term."""
        found = await _listed(info.context, _ITEMS[list], place, first, after)
        edges = [
            ListEntryEdge(
                cursor=_list_cursor(one),
                node=ListEntry(
                    name=one.name,
                    uscc=one.uscc,
                    place=one.place,
                    document_number=one.document_number,
                    authority=one.authority,
                    decided_on=one.decided_on,
                    reason=one.value("reason") or one.value("content"),
                    basis=one.value("basis"),
                    listed_until=one.last_day,
                    way_out=one.value("way-out"),
                    remedies=one.value("remedies"),
                ),
            )
            for one in found.records
        ]
        return ListEntryConnection(edges=edges, page_info=_info([edge.cursor for edge in edges], found, after))

    @strawberry.field(
        description="What enterprises have promised the administration, and whether it was kept (信用承诺公示).",
        directives=access(ANYONE),
    )
    async def public_commitments(
        self, info: Info, place: Place = None, first: First = None, after: After = None
    ) -> PublicRecordConnection:
        """Whether it was kept stands in the field `fulfilment`; a correction changes it."""
        found = await _listed(info.context, COMMITMENT, place, first, after)
        edges = [PublicRecordEdge(cursor=_list_cursor(one), node=record_of(one)) for one in found.records]
        return PublicRecordConnection(edges=edges, page_info=_info([edge.cursor for edge in edges], found, after))

    @strawberry.field(
        description="An enterprise's records past their term. That they were read is on its access log and audited.",
        directives=access(AUDITOR),
    )
    async def archived_records(
        self,
        info: Info,
        subject_id: Annotated[strawberry.ID, strawberry.argument(description="The enterprise.")],
        purpose: Annotated[str, strawberry.argument(description="What they are read for.")],
        first: First = None,
        after: After = None,
    ) -> ArchivedRecordConnection:
        """《黑龙江省社会信用条例》第三十七条第二款."""
        context, size, key = info.context, page_size(first), key_of(subject_id, "CreditSubject")
        if not 2 <= len(purpose.strip()) <= LONGEST_PURPOSE:
            raise BadInput(f"purpose 应写明用途,2 至 {LONGEST_PURPOSE} 个字。请改正后重试。")
        position = day_and_id_after(after)
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            found = await archived_records(
                connection,
                subject_id=key,
                catalogues=context.state.rulebook.catalogues,
                actor=principal.account,
                on=day_of(context.now),
                now=context.now,
                after=position,
                most=size,
            )
            if found.records:
                await note_reading(
                    connection,
                    subject_id=key,
                    reader=principal.account,
                    role=principal.role,
                    action="readArchive",
                    purpose=purpose.strip(),
                    now=context.now,
                )
        edges = [
            ArchivedRecordEdge(
                cursor=cursor_of(f"{one.decided_on}/{one.id}"),
                node=ArchivedRecord(record=record_of(one), removal=one.removal),
            )
            for one in found.records
        ]
        return ArchivedRecordConnection(edges=edges, page_info=_info([edge.cursor for edge in edges], found, after))


def record_of(record: Opened) -> PublicRecord:
    """A record as everybody sees it."""
    return PublicRecord(
        name=record.name,
        uscc=record.uscc,
        place=record.place,
        item=record.item,
        label=record.label,
        nature=record.nature,
        document_number=record.document_number,
        authority=record.authority,
        decided_on=record.decided_on,
        published_until=record.last_day,
        fields=[PublicField(id=one.id, label=one.label, value=one.value) for one in record.fields],
    )


def _looking_up(context: Context) -> Context:
    """Count one look-up.

    Raises:
        BadInput: too many in one document.
    """
    context.lookups += 1
    if context.lookups > MOST_LOOKUPS:
        raise BadInput(f"一次请求最多查询 {MOST_LOOKUPS} 次公示信息。请分几次查询。")
    return context


async def _listed(context: Context, item: str, place: str | None, first: int | None, after: str | None) -> Page:
    rulebook, size = _looking_up(context).state.rulebook, page_size(first)
    if place is not None and place not in rulebook.places:
        raise BadInput(f"没有 {place[:40]} 这个地方。请核对 place。")
    places = [code for code, one in rulebook.places.items() if place is None or place in one.lineage]
    async with context.state.database.reading() as connection:
        return await public_list(
            connection,
            item=item,
            places=places,
            catalogues=rulebook.catalogues,
            on=day_of(context.now),
            after=_list_key_after(after),
            most=size,
        )


def _info(cursors: list[str], found: Page, after: str | None) -> PageInfo:
    return page_info(cursors, more=found.more, after=after)


def _list_cursor(record: Opened) -> str:
    return cursor_of(f"{record.subject_id}/{record.id}")


def _list_key_after(cursor: str | None) -> tuple[int, str] | None:
    key = key_after(cursor)
    if key is None:
        return None
    number, _, record_id = key.partition("/")
    if not (number.isascii() and number.isdecimal() and len(number) < 19 and record_id):
        raise BadInput("after 不是有效的游标。请原样使用上一页的 endCursor。")
    return int(number), record_id


def _day_key_after(cursor: str | None) -> tuple[date, int, str] | None:
    key = key_after(cursor)
    if key is None:
        return None
    day, _, rest = key.partition("/")
    found, place = parse_day(day), _list_key_after(cursor_of(rest))
    if found is None or place is None:
        raise BadInput("after 不是有效的游标。请原样使用上一页的 endCursor。")
    return found, *place
