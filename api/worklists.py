"""What waits for officers: worklists, a case opened, the ledger of repairs. One thing to know: a worklist names nobody;
whoever opens a case is written into its subject's log in the same transaction."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, cast
from uuid import UUID

import strawberry
from sqlalchemy import Row

from api.cases import (
    OFFICERS,
    CreditCase,
    case_id_of,
    case_key,
    look_for_overdue,
    officer_of,
    officers_case,
    rules_of,
    writing,
)
from api.context import Info
from api.pagination import After, First, PageInfo, cursor_of, id_after, key_after, page_info, page_size
from api.permissions import STAFF, access
from core.clock import day_of
from core.errors import BadInput
from partners.access import note_reading
from scoring.cases.workflow import Kind, Outcome, UnknownCase, due_of, read_case
from scoring.cases.workflow import State as CaseState
from scoring.cases.worklist import NO_TERM, Due, count_due, list_cases, repair_ledger


@strawberry.enum(description="Which open cases.")
class CaseDue(Enum):
    """By the last day for deciding."""

    TODAY = strawberry.enum_value("TODAY", description="Those whose last day is today.")
    OVERDUE = strawberry.enum_value("OVERDUE", description="Those whose last day has passed.")
    ALL = strawberry.enum_value("ALL", description="All of them.")


@strawberry.type(description="An open case as a worklist shows it; it names nobody.", directives=access(OFFICERS))
class CaseSummary:
    """Open it with `creditCase`."""

    id: strawberry.ID = strawberry.field(description="Opaque id.")
    kind: Kind = strawberry.field(description="What it is.")
    state: CaseState = strawberry.field(description="Where it stands.")
    place: str = strawberry.field(description="Folder name of the place whose terms apply.")
    ground: str = strawberry.field(description="Of an objection its ground; else repair, listing or complaint.")
    opened_at: datetime = strawberry.field(description="When it was received.")
    routed_to: str | None = strawberry.field(description="The body that decides; null: this platform.")
    helper: str | None = strawberry.field(description="The body that was asked for help.")
    help_due_on: date | None = strawberry.field(description="The last day for that body's answer.")
    due_on: date | None = strawberry.field(description="The last day for deciding; null while the clock stands still.")
    overdue: bool = strawberry.field(description="Whether that day has passed.")
    escalated_at: datetime | None = strawberry.field(description="When that it is overdue was reported upward.")


@strawberry.type(description="A case in a page (Relay).", directives=access(OFFICERS))
class CaseSummaryEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: CaseSummary = strawberry.field(description="The case.")


@strawberry.type(description="Open cases by deadline (Relay), with what is pressing.", directives=access(OFFICERS))
class CaseWorklistConnection:
    """A provider's own account sees what is routed to its body."""

    edges: list[CaseSummaryEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")
    due_today: int = strawberry.field(description="Open cases, of any kind, whose last day is today.")
    overdue: int = strawberry.field(description="Open cases, of any kind, whose last day has passed.")


@strawberry.type(description="A result as it stood.", directives=access(STAFF))
class LedgerScore:
    """Of one model."""

    model: str = strawberry.field(description="The model's id.")
    points: Decimal | None = strawberry.field(description="Points, where it had some.")
    grade: str | None = strawberry.field(description="Code of the grade.")


@strawberry.type(description="A repair that was decided.", directives=access(STAFF))
class RepairLedgerEntry:
    """One line of the ledger."""

    case_id: strawberry.ID = strawberry.field(description="The case.")
    place: str = strawberry.field(description="Folder name of the place.")
    record_id: str | None = strawberry.field(description="The record.")
    way: str | None = strawberry.field(description="The way of repair.")
    outcome: Outcome = strawberry.field(description="How it was decided.")
    decided_at: datetime = strawberry.field(description="When.")
    decided_by: str = strawberry.field(description="The account that decided.")
    before: list[LedgerScore] = strawberry.field(description="The results before it.")
    after: list[LedgerScore] = strawberry.field(description="The results after it.")


@strawberry.type(description="A line in a page (Relay).", directives=access(STAFF))
class RepairLedgerEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: RepairLedgerEntry = strawberry.field(description="The line.")


@strawberry.type(description="A page of the ledger of repairs, newest first (Relay).", directives=access(STAFF))
class RepairLedgerConnection:
    """Relay's connection."""

    edges: list[RepairLedgerEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


DueGiven = Annotated[CaseDue, strawberry.argument(description="Which; all if left out.")]
KindGiven = Annotated[Kind | None, strawberry.argument(description="Of this kind alone.")]
PlaceGiven = Annotated[str | None, strawberry.argument(description="Of this place alone: its folder name.")]
CaseKey = Annotated[strawberry.ID, strawberry.argument(description="The case, as a worklist gave it.")]


@strawberry.type
class WorklistQueries:
    """Officers' queries."""

    @strawberry.field(
        description="Open cases by deadline; a provider's account sees what is routed to its body.",
        directives=access(OFFICERS),
    )
    async def case_worklist(  # noqa: PLR0917  # GraphQL names its arguments
        self,
        info: Info,
        first: First = None,
        after: After = None,
        due: DueGiven = CaseDue.ALL,
        kind: KindGiven = None,
        place: PlaceGiven = None,
    ) -> CaseWorklistConnection:
        """What has run out is noted before it is shown."""
        context, size = info.context, page_size(first)
        await look_for_overdue(context.state, now=context.now)
        async with context.state.database.reading() as connection:
            officer = await officer_of(connection, await context.principal(connection))
            rows = await list_cases(
                connection, officer=officer, due=cast("Due", due.value), kind=kind, place=place, after=_after(after),
                size=size + 1, now=context.now,
            )  # fmt: skip
            counts = await count_due(connection, officer=officer, place=place, now=context.now)
        rules, on = rules_of(context.state), day_of(context.now)
        edges = []
        for row in rows[:size]:
            term = due_of(row, rules)
            node = CaseSummary(
                id=case_id_of(row.id), kind=Kind(row.kind), state=CaseState(row.state), place=row.place,
                ground=row.ground, opened_at=row.opened_at, routed_to=row.routed_to, helper=row.helper,
                help_due_on=row.help_due_on, due_on=term.on if term else None,
                overdue=term is not None and term.on < on, escalated_at=row.escalated_at,
            )  # fmt: skip
            edges.append(CaseSummaryEdge(cursor=cursor_of(f"{row.due_on or NO_TERM}/{row.id}"), node=node))
        found = page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
        return CaseWorklistConnection(edges=edges, page_info=found, due_today=counts.due_today, overdue=counts.overdue)

    @strawberry.field(
        description="A case, opened; its subject finds this in its log. Null where it is not the officer's.",
        directives=access(OFFICERS),
    )
    async def credit_case(self, info: Info, id: CaseKey) -> CreditCase | None:  # noqa: A002
        """No row in the log, no case."""
        context = info.context
        async with writing(context) as (connection, principal):
            officer = await officer_of(connection, principal)
            try:
                row = await read_case(connection, case_key(id))
            except UnknownCase:
                return None
            if not (officer.handles(row) or officer.helps(row)):
                return None
            return await officers_case(
                connection, context, principal, row, action="readCase", purpose="办理本人提出的事项"
            )

    @strawberry.field(description="Repairs that were decided, newest first.", directives=access(STAFF))
    async def repair_ledger(
        self, info: Info, first: First = None, after: After = None, place: PlaceGiven = None
    ) -> RepairLedgerConnection:
        """With the results before and after, and therefore on the access log of everybody shown."""
        context, size = info.context, page_size(first)
        async with writing(context) as (connection, principal):
            rows = await repair_ledger(connection, place=place, before=id_after(after), size=size + 1)
            for subject_id in sorted({row.subject_id for row in rows[:size]}):
                await note_reading(
                    connection,
                    subject_id=subject_id,
                    reader=principal.account,
                    role=principal.role.value,
                    action="repairLedger",
                    purpose="查阅信用修复台账",
                    now=context.now,
                )
        edges = [RepairLedgerEdge(cursor=cursor_of(row.id), node=_entry(row)) for row in rows[:size]]
        found = page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
        return RepairLedgerConnection(edges=edges, page_info=found)


def _entry(row: Row[Any]) -> RepairLedgerEntry:
    return RepairLedgerEntry(
        case_id=case_id_of(row.id),
        place=row.place,
        record_id=row.record_id,
        way=row.way,
        outcome=Outcome(row.outcome),
        decided_at=row.decided_at,
        decided_by=row.actor,
        before=_scores(row.evidence.get("before", ())),
        after=_scores(row.evidence.get("after", ())),
    )


def _scores(found: Any) -> list[LedgerScore]:
    return [
        LedgerScore(
            model=one["model"],
            points=None if one["points"] is None else Decimal(one["points"]).scaleb(-2),
            grade=one["grade"],
        )
        for one in found
    ]


def _after(cursor: str | None) -> tuple[date, UUID] | None:
    key = key_after(cursor)
    if key is None:
        return None
    day, _, case = key.partition("/")
    try:
        on = date.fromisoformat(day)
    except ValueError:
        raise BadInput("after 不是有效的游标。请原样使用上一页的 endCursor。") from None
    found = _uuid(case)
    return None if found is None else (on, found)


def _uuid(text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        raise BadInput("after 不是有效的游标。请原样使用上一页的 endCursor。") from None
