"""The audit trail for auditors. One thing to know: reading it is itself written to it, and it shows who did what and
when, never about whom nor what came of it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry
from sqlalchemy import select

from api.access import FromDay, UntilDay, between
from api.context import Info
from api.pagination import After, First, PageInfo, cursor_of, id_after, page_info, page_size
from api.permissions import Audience, access
from api.verification import checked_text
from core import audit
from core.audit import NO_SUBJECT, audit_entries
from partners.access import register_pseudonym

AUDITOR = (Audience.AUDITOR,)
LONGEST = 64
By = Annotated[str | None, strawberry.argument(description="The account that acted.")]
Did = Annotated[str | None, strawberry.argument(description="What was done, for example verifyCreditCode.")]


@strawberry.type(description="A row of the audit trail.", directives=access(AUDITOR))
class AuditEntry:
    """Where it stands in its chain, and what pins it."""

    id: str = strawberry.field(description="The row's id, as `xinyi audit verify` names it.")
    at: datetime = strawberry.field(description="When.")
    actor: str = strawberry.field(description="The account that acted.")
    action: str = strawberry.field(description="What was done.")
    subject: str | None = strawberry.field(description="The register's pseudonym of whom it is about, if of anybody.")
    chain: str = strawberry.field(description="The chain it belongs to.")
    step: int = strawberry.field(description="Its place in the chain, from 1.")
    leaf: str = strawberry.field(description="SHA-256 of the row with its nonce; what receipts carry.")
    link: str = strawberry.field(description="SHA-256 of the link before it and the leaf.")


@strawberry.type(description="An audit row in a page (Relay).", directives=access(AUDITOR))
class AuditEntryEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: AuditEntry = strawberry.field(description="The row.")


@strawberry.type(description="A page of the audit trail, newest first (Relay).", directives=access(AUDITOR))
class AuditEntryConnection:
    """Relay's connection."""

    edges: list[AuditEntryEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.type
class AuditQueries:
    """The trail."""

    @strawberry.field(
        description="The audit trail, newest first; that it was read is on it from then on.",
        directives=access(AUDITOR),
    )
    async def audit_entries(  # noqa: PLR0917  # the arguments of a field
        self,
        info: Info,
        first: First = None,
        after: After = None,
        action: Did = None,
        actor: By = None,
        since: FromDay = None,
        until: UntilDay = None,
    ) -> AuditEntryConnection:
        """A page, and one more row of the trail."""
        context, state = info.context, info.context.state
        size, last = page_size(first), id_after(after)
        statement = between(select(audit_entries), audit_entries.c.at, since, until)
        if last is not None:
            statement = statement.where(audit_entries.c.id < last)
        if action is not None:
            statement = statement.where(audit_entries.c.action == checked_text("action", action, LONGEST))
        if actor is not None:
            statement = statement.where(audit_entries.c.actor == checked_text("actor", actor, LONGEST))
        statement = statement.order_by(audit_entries.c.id.desc()).limit(size + 1)
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            rows = (await connection.execute(statement)).all()
            asked = {"action": action, "actor": actor, "from": since, "until": until, "after": after}
            content = asked | {"rows": len(rows[:size])}
            await audit.record(
                connection, at=context.now, actor=principal.account, action="auditEntries", content=content
            )
        edges = [
            AuditEntryEdge(
                cursor=cursor_of(row.id),
                node=AuditEntry(
                    id=str(row.id),
                    at=row.at,
                    actor=row.actor,
                    action=row.action,
                    subject=None if row.subject_id == NO_SUBJECT else register_pseudonym(state.keys, row.subject_id),
                    chain=str(row.chain),
                    step=row.step,
                    leaf=row.leaf,
                    link=row.link,
                ),
            )
            for row in rows[:size]
        ]
        return AuditEntryConnection(
            edges=edges, page_info=page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
        )
