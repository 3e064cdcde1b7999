"""Query rights of bodies, and what is queried under them. One thing to know: whoever is queried reads of it on its own
access log, in the transaction of the query; and a body gets records, never a score."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any

import strawberry

from api.context import Context, Info
from api.errors import Problem
from api.ids import public_id, uuid_of
from api.mutations import mutation
from api.pagination import After, First, PageInfo, cursor_of, id_after, page_info, page_size
from api.permissions import PROVIDER, REVIEWER, access
from api.running.limits import Throttled
from api.verification import checked_text
from core import audit
from core.clock import day_of
from core.errors import BadInput, ExpectedError, Unavailable
from core.identifiers import check_resident_id, check_uscc
from partners.access import note_reading
from partners.accounts import Role, body_of
from scoring.catalogue import CatalogueItem
from scoring.queries.records import Queried, find_queried, read_queried
from scoring.queries.rights import (
    LONGEST_MONTHS,
    Asking,
    decide_right,
    open_right,
    request_right,
    rights_page,
    state_of,
)
from scoring.queries.rights import RightState as State
from scoring.subjects import SubjectDataFault, SubjectKind

LONGEST_BASIS, LONGEST_MATTER, LONGEST_PURPOSE = 200, 80, 80
PER_SECOND, BURST = 1.0, 60
"""Queries of one account, besides the limit on all requests."""
PROVIDER_AND_REVIEWER = (*PROVIDER, *REVIEWER)
ACTION = "queryRecords"


class UnderReview(ExpectedError):
    """What is stored of the subject is being checked."""

    code = "UNDER_REVIEW"


@strawberry.enum(description="Where a query right stands.")
class QueryRightState(Enum):
    """One of four."""

    WAITING = strawberry.enum_value("WAITING", description="A reviewer decides about it.")
    OPEN = strawberry.enum_value("OPEN", description="It may be used.")
    REFUSED = strawberry.enum_value("REFUSED", description="It was not given.")
    ENDED = strawberry.enum_value("ENDED", description="Its time is over, or it was ended.")


@strawberry.type(description="A matter for which a right opens by itself.", directives=access(PROVIDER_AND_REVIEWER))
class QueryMatter:
    """From the place's published list."""

    id: str = strawberry.field(description="Give it to `requestQueryRight` as `matter`.")
    name: str = strawberry.field(description="What the body does.")
    covers: list[str] = strawberry.field(description="The openness of the items it reaches: public, on-query, shared.")
    months: int = strawberry.field(description="How long a right for it lasts.")
    source: str = strawberry.field(description="Title and clause it rests on.")


@strawberry.type(description="A body's right to query an item for a matter.", directives=access(PROVIDER_AND_REVIEWER))
class QueryRight:
    """Ends by itself."""

    id: strawberry.ID = strawberry.field(description="Opaque id.")
    body: str = strawberry.field(description="The body.")
    uscc: str | None = strawberry.field(description="Its unified social credit code.")
    place: str = strawberry.field(description="Code of the place whose subjects it reaches, those below it included.")
    item: str = strawberry.field(description="Code of the item in the catalogue.")
    matter: str = strawberry.field(description="What it is for, and the basis that was given.")
    state: QueryRightState = strawberry.field(description="Where it stands today.")
    asked_at: datetime = strawberry.field(description="When it was asked for.")
    opened_by_itself: bool = strawberry.field(description="Whether the catalogue opened it, and no person.")
    ends_on: date | None = strawberry.field(description="First day on which it no longer holds.")
    reason: str = strawberry.field(description="Why it was opened or refused.")


@strawberry.type(description="A query right in a page (Relay).", directives=access(PROVIDER_AND_REVIEWER))
class QueryRightEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: QueryRight = strawberry.field(description="The right.")


@strawberry.type(description="A page of query rights, newest first (Relay).", directives=access(PROVIDER_AND_REVIEWER))
class QueryRightConnection:
    """Relay's connection."""

    edges: list[QueryRightEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.type(description="A field of a queried record.", directives=access(PROVIDER))
class QueriedField:
    """Never a personal one."""

    id: str = strawberry.field(description="Code of the field in the catalogue.")
    label: str = strawberry.field(description="Its name.")
    value: str = strawberry.field(description="What it says, identity numbers masked.")


@strawberry.type(description="A record, for the body that queried it.", directives=access(PROVIDER))
class QueriedRecord:
    """Corrections of it reach the body as long as it is held."""

    label: str = strawberry.field(description="What it is.")
    nature: str = strawberry.field(description="honour, adverse or neutral.")
    document_number: str | None = strawberry.field(description="Number of the document behind it.")
    authority: str | None = strawberry.field(description="The body that decided.")
    decided_on: date = strawberry.field(description="The day of the decision.")
    counts_until: date | None = strawberry.field(description="Last day on which it counts; null where there is no end.")
    fields: list[QueriedField] = strawberry.field(description="Its fields, without those about persons.")


@strawberry.type(description="What a query found.", directives=access(PROVIDER))
class QueriedRecords:
    """Result of `queryRecords`. Somebody unknown and somebody without records are answered alike."""

    queried_at: datetime = strawberry.field(description="When.")
    records: list[QueriedRecord] = strawberry.field(description="The item's records, the newest decision first.")


@strawberry.input(description="Ask for the right to query one item for one matter.")
class RequestQueryRightInput:
    """For `requestQueryRight`."""

    item: str = strawberry.field(description="Code of an item in the catalogue.")
    matter: str = strawberry.field(description="Id of one of `queryMatters`, or another matter in words.")
    basis: str = strawberry.field(description="The legal basis: title and clause.")
    place: str | None = strawberry.field(default=None, description="Code of a place; the first served if left out.")


@strawberry.input(description="Open a right that waits.")
class OpenQueryRightInput:
    """For `openQueryRight`."""

    right_id: strawberry.ID = strawberry.field(description="The right.")
    months: int = strawberry.field(default=LONGEST_MONTHS, description=f"For how long, 1 to {LONGEST_MONTHS}.")
    reason: str = strawberry.field(description="Why; the body reads it.")


@strawberry.input(description="Refuse a right that waits, or end one that is open.")
class RefuseQueryRightInput:
    """For `refuseQueryRight`."""

    right_id: strawberry.ID = strawberry.field(description="The right.")
    reason: str = strawberry.field(description="Why; the body reads it.")


@strawberry.input(description="Query one subject under a right. Give its USCC, or a person's number.")
class QueryRecordsInput:
    """For `queryRecords`."""

    right_id: strawberry.ID = strawberry.field(description="The right.")
    uscc: str | None = strawberry.field(default=None, description="An enterprise's unified social credit code.")
    number: str | None = strawberry.field(default=None, description="A person's citizen identity number.")
    purpose: str = strawberry.field(description="The case at hand; whoever is queried reads it.")


RequestQueryRightResult = Annotated[
    QueryRight | Problem, strawberry.union("RequestQueryRightResult", description="The right, or why not.")
]
OpenQueryRightResult = Annotated[
    QueryRight | Problem, strawberry.union("OpenQueryRightResult", description="The right, or why not.")
]
RefuseQueryRightResult = Annotated[
    QueryRight | Problem, strawberry.union("RefuseQueryRightResult", description="The right, or why not.")
]
QueryRecordsResult = Annotated[
    QueriedRecords | Problem, strawberry.union("QueryRecordsResult", description="The records, or why not.")
]


@strawberry.type
class QueryRightQueries:
    """For bodies and reviewers."""

    @strawberry.field(
        description="The matters for which a query right opens by itself.", directives=access(PROVIDER_AND_REVIEWER)
    )
    async def query_matters(
        self,
        info: Info,
        place: Annotated[str | None, strawberry.argument(description="Code of a place.")] = None,
    ) -> list[QueryMatter]:
        """Of the first place served, if left out."""
        rulebook = info.context.state.rulebook
        known = rulebook.matters[_place(info.context, place)]
        return [
            QueryMatter(id=one.id, name=one.name, covers=list(one.covers), months=one.months, source=_cited(one.source))
            for one in known.values()
        ]

    @strawberry.field(
        description="Query rights, newest first: a body's own; for reviewers, everybody's.",
        directives=access(PROVIDER_AND_REVIEWER),
    )
    async def query_rights(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        waiting: Annotated[bool, strawberry.argument(description="Only those that wait for a reviewer.")] = False,
    ) -> QueryRightConnection:
        """With those refused and ended."""
        context, size, last = info.context, page_size(first), id_after(after)
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
            own = principal.account if principal.role is Role.PROVIDER else None
            rows = await rights_page(connection, account=own, waiting=waiting, after=last, most=size + 1)
        edges = [QueryRightEdge(cursor=cursor_of(row.id), node=_right(row, context)) for row in rows[:size]]
        info_ = page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
        return QueryRightConnection(edges=edges, page_info=info_)


@strawberry.type
class QueryRightMutations:
    """Asking for rights, deciding about them, and querying."""

    @mutation(description="Ask for a query right. It opens at once where the published matters allow it.", to=PROVIDER)
    async def request_query_right(self, info: Info, input: RequestQueryRightInput) -> RequestQueryRightResult:  # noqa: A002
        """Asking again for one that is open or waiting changes nothing."""
        context = info.context
        place = _place(context, input.place)
        item = _item(context, place, input.item)
        matter = checked_text("matter", input.matter, LONGEST_MATTER)
        basis = checked_text("basis", input.basis, LONGEST_BASIS)
        matters = context.state.rulebook.matters[place]
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            body, uscc = await body_of(connection, principal.account)
            row = await request_right(
                connection,
                Asking(principal.account, body, uscc),
                place=place,
                item=item,
                matter=matter,
                matters=matters,
                basis=basis,
                now=context.now,
            )
        return _right(row, context)

    @mutation(description="Open a query right that waits.", to=REVIEWER)
    async def open_query_right(self, info: Info, input: OpenQueryRightInput) -> OpenQueryRightResult:  # noqa: A002
        """For at most a year."""
        if not 1 <= input.months <= LONGEST_MONTHS:
            raise BadInput(f"months 须为 1 到 {LONGEST_MONTHS} 的整数。请改正后重试。")
        return await _decide(info.context, input.right_id, input.reason, opens=True, months=input.months)

    @mutation(description="Refuse a query right that waits, or end one that is open.", to=REVIEWER)
    async def refuse_query_right(self, info: Info, input: RefuseQueryRightInput) -> RefuseQueryRightResult:  # noqa: A002
        """The body reads why."""
        return await _decide(info.context, input.right_id, input.reason, opens=False)

    @mutation(description="Read one subject's records under a right. It is on that subject's access log.", to=PROVIDER)
    async def query_records(self, info: Info, input: QueryRecordsInput) -> QueryRecordsResult:  # noqa: A002
        """No scores, no grades."""
        context, state = info.context, info.context.state
        right_id = uuid_of(input.right_id, "QueryRight")
        purpose = checked_text("purpose", input.purpose, LONGEST_PURPOSE)
        if (input.uscc is None) == (input.number is None):
            raise BadInput("请给出 uscc 或 number 其中一项。")
        if input.uscc is not None:
            kind, number = SubjectKind.ENTERPRISE, check_uscc(input.uscc)
        else:
            kind, number = SubjectKind.PERSON, check_resident_id(input.number or "")
        await _throttle(context)
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            right = await open_right(connection, right_id, account=principal.account, now=context.now)
            try:
                found = await _query(context, connection, right, kind, number, purpose)
            except SubjectDataFault:
                raise UnderReview("该主体的数据正在核对,暂时不能查询,与其信用状况无关。请过些时候再试。") from None
        return QueriedRecords(queried_at=context.now, records=[_record(one) for one in found])


async def _query(  # noqa: PLR0917  # the parts of one query
    context: Context, connection: Any, right: Any, kind: SubjectKind, number: str, purpose: str
) -> list[Queried]:
    rulebook = context.state.rulebook
    subject = await find_queried(
        connection, context.state.keys, kind=kind, number=number, lineage_of=rulebook.lineage, place=right.place
    )
    content = {"right": str(right.id), "item": right.item, "purpose": purpose}
    subject_id = audit.NO_SUBJECT if subject is None else subject.id
    await audit.record(
        connection, at=context.now, actor=right.account, action=ACTION, content=content, subject_id=subject_id
    )
    if subject is None:
        return []
    await note_reading(
        connection,
        subject_id=subject.id,
        reader=right.account,
        role=Role.PROVIDER.value,
        action=ACTION,
        purpose=f"{right.matter}:{purpose}",
        now=context.now,
    )
    catalogue = rulebook.catalogues[subject.place]
    return await read_queried(
        connection, subject, item=right.item, catalogue=catalogue, receiver=right.body, now=context.now
    )


async def _decide(context: Context, right: str, reason: str, *, opens: bool, months: int = 0) -> QueryRight:
    right_id = uuid_of(right, "QueryRight")
    said = checked_text("reason", reason, LONGEST_BASIS)
    async with context.state.database.transaction() as connection:
        actor = (await context.principal(connection)).account
        row = await decide_right(
            connection, right_id, opens=opens, months=months, reason=said, actor=actor, now=context.now
        )
    return _right(row, context)


async def _throttle(context: Context) -> None:
    bucket = f"query:{context.signed_in().account}"
    try:
        left = await context.state.cache.take(bucket, wanted=1, per_second=PER_SECOND, burst=BURST)
    except Unavailable:
        return  # the limit on all requests still holds
    if left == 0:
        raise Throttled("查询过于频繁。请稍候再试;批量核查请联系平台运营人员。")


def _place(context: Context, place: str | None) -> str:
    served = context.state.rulebook.served
    if place is not None and place not in served:
        raise BadInput("没有这个地方。请在 place 中写明本平台服务的地方,例如 hunan-shaoyang。")
    return place or served[0]


def _item(context: Context, place: str, code: str) -> CatalogueItem:
    item = context.state.rulebook.catalogues[place].items.get(code)
    if item is None:
        raise BadInput("目录中没有这个项目。请核对 item,写目录中的项目代码。")
    return item


def _right(row: Any, context: Context) -> QueryRight:
    state: State = state_of(row, on=day_of(context.now))
    return QueryRight(
        id=strawberry.ID(public_id("QueryRight", row.id)),
        body=row.body,
        uscc=row.body_uscc,
        place=row.place,
        item=row.item,
        matter=row.matter,
        state=QueryRightState(state.value),
        asked_at=row.asked_at,
        opened_by_itself=row.opened_at is not None and row.opened_by is None,
        ends_on=row.ends_on,
        reason=row.reason,
    )


def _record(one: Queried) -> QueriedRecord:
    fields = [QueriedField(id=name, label=label, value=value) for name, label, value in one.fields]
    return QueriedRecord(
        label=one.label,
        nature=one.nature,
        document_number=one.document_number,
        authority=one.authority,
        decided_on=one.decided_on,
        counts_until=one.last_day,
        fields=fields,
    )


def _cited(source: Any) -> str:
    return f"{source.title or ''} {source.clause or ''}".strip()
