"""What was delivered and how well, for those who deliver and those who oversee. Uploading itself is `api.uploads`."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated

import strawberry
from sqlalchemy import select

from api.context import Info
from api.pagination import After, First, PageInfo, cursor_of, id_after, page_info, page_size
from api.permissions import AUDITOR, PROVIDER, STAFF, access
from core.clock import day_of
from partners.accounts import Role, body_of
from scoring.intake.rates import read_rates
from scoring.intake.tables import intake_batches

OVERSEERS = (*PROVIDER, *STAFF, *AUDITOR)
YEAR = timedelta(days=365)


@strawberry.type(description="A file that was delivered.", directives=access(OVERSEERS))
class IntakeBatch:
    """Counts alone; the last five add up to the rows."""

    id: strawberry.ID = strawberry.field(description="Id of the delivery.")
    item: str = strawberry.field(description="Item of the catalogue.")
    place: str = strawberry.field(description="Place whose catalogue it came under.")
    at: datetime = strawberry.field(description="When it came.")
    finished: bool = strawberry.field(description="Whether it was read to its end; if not, deliver it again.")
    rows: int = strawberry.field(description="Rows.")
    accepted: int = strawberry.field(description="New records.")
    corrections: int = strawberry.field(description="Records that were put right.")
    duplicates: int = strawberry.field(description="Rows that came before.")
    not_collected: int = strawberry.field(description="Rows that law keeps out of the catalogue.")
    quarantined: int = strawberry.field(description="Rows that were sent back.")
    quarantine_file: str | None = strawberry.field(description="Where its provider can fetch the rows sent back.")


@strawberry.type(description="A delivery in a page (Relay).", directives=access(OVERSEERS))
class IntakeBatchEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: IntakeBatch = strawberry.field(description="The delivery.")


@strawberry.type(description="A page of deliveries, newest first (Relay).", directives=access(OVERSEERS))
class IntakeBatchConnection:
    """Relay's connection."""

    edges: list[IntakeBatchEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.type(description="How well a body delivers.", directives=access(OVERSEERS))
class IntakeRates:
    """Each rate is a fraction of 1, null where there is nothing to divide by."""

    body: str = strawberry.field(description="The body, as its files name it; empty where they do not.")
    rows: int = strawberry.field(description="Rows it delivered.")
    accepted: int = strawberry.field(description="Rows that became or changed a record.")
    completeness: float | None = strawberry.field(description="Catalogued fields that said something.")
    validity: float | None = strawberry.field(description="Rows that were not sent back.")
    seven_day_rate: float | None = strawberry.field(
        description="New records that came within seven working days of their decision."
    )


Since = Annotated[
    date | None, strawberry.argument(description="From the month of this day on; a year ago if left out.", name="from")
]
Until = Annotated[date | None, strawberry.argument(description="Before the month of this day; no end if left out.")]


@strawberry.type
class IntakeQueries:
    """Deliveries: a provider sees its own."""

    @strawberry.field(description="Files that were delivered, newest first.", directives=access(OVERSEERS))
    async def intake_batches(self, info: Info, first: First = None, after: After = None) -> IntakeBatchConnection:
        """A provider's own, everybody's for those who oversee."""
        context, size, last = info.context, page_size(first), id_after(after)
        statement = select(intake_batches).order_by(intake_batches.c.id.desc()).limit(size + 1)
        if last is not None:
            statement = statement.where(intake_batches.c.id < last)
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
            if principal.role is Role.PROVIDER:
                statement = statement.where(intake_batches.c.actor == principal.account)
            rows = (await connection.execute(statement)).all()
        edges = [
            IntakeBatchEdge(
                cursor=cursor_of(row.id),
                node=IntakeBatch(
                    id=strawberry.ID(str(row.id)),
                    item=row.item,
                    place=row.place,
                    at=row.at,
                    finished=row.finished_at is not None,
                    rows=row.rows,
                    accepted=row.accepted,
                    corrections=row.corrections,
                    duplicates=row.duplicates,
                    not_collected=row.not_collected,
                    quarantined=row.quarantined,
                    quarantine_file=f"/intake/{row.id}/quarantine" if row.quarantine else None,
                ),
            )
            for row in rows[:size]
        ]
        page = page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
        return IntakeBatchConnection(edges=edges, page_info=page)

    @strawberry.field(
        description="Completeness, validity and seven-day rate of each body; a provider sees its own body's, or what "
        "it delivered itself where it acts for none.",
        directives=access(OVERSEERS),
    )
    async def intake_rates(self, info: Info, since: Since = None, until: Until = None) -> list[IntakeRates]:
        """Of decisions of whole months."""
        context = info.context
        begins = (since or day_of(context.now) - YEAR).replace(day=1)
        ends = date.max if until is None else until.replace(day=1)
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
            body = actor = None
            if principal.role is Role.PROVIDER:
                body, _ = await body_of(connection, principal.account)
                # An account of no body collects from several, and sees how those files of its own were.
                actor = principal.account if body is None else None
            places = context.state.rulebook.served
            found = await read_rates(connection, places=places, since=begins, until=ends, body=body, actor=actor)
        return [
            IntakeRates(
                body=one.body,
                rows=one.rows,
                accepted=one.accepted,
                completeness=one.completeness,
                validity=one.validity,
                seven_day_rate=one.seven_day_rate,
            )
            for one in found
        ]
