"""Acting for another: mandates, and service at a window. One thing to know: both end in a bearer token for an account
of their own, with which everything else is done unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any

import strawberry
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from api.context import Context, Info
from api.errors import Problem
from api.identity.bearer import issue_token
from api.ids import key_of, public_id, uuid_of
from api.mutations import mutation
from api.permissions import CLERK, REVIEWER, STAFF, SUBJECT, access
from api.scalars import NumberScheme
from api.typed import one_line
from api.verification import checked_text
from core.clock import day_of
from core.errors import BadInput
from partners.accounts import Role
from partners.assisted import Presented, end_sessions, open_session
from partners.mandates import MandateKind as Kind
from partners.mandates import (
    grant_mandate,
    has_ended,
    mandates_held,
    mandates_of,
    open_mandate,
    revoke_mandate,
)
from scoring.registry.identities import Scheme
from scoring.tables import subjects

LONGEST_EVIDENCE, LONGEST_ACCOUNT, LONGEST_SITE, LONGEST_PURPOSE = 200, 40, 40, 60


@strawberry.enum(description="As what somebody acts for another.")
class MandateKind(Enum):
    """`partners.mandates.MandateKind`, described."""

    AGENT = strawberry.enum_value(Kind.AGENT.value, description="For an organisation.")
    FAMILY = strawberry.enum_value(Kind.FAMILY.value, description="A family member, for a person of age.")
    GUARDIAN = strawberry.enum_value(Kind.GUARDIAN.value, description="For a minor, or a person who cannot act.")


@strawberry.type(description="A right to act for another, with an end.", directives=access(SUBJECT, STAFF))
class Mandate:
    """Seen by the one who is represented, by its holder, and by whoever granted it."""

    id: strawberry.ID = strawberry.field(description="Give it to openMandate or revokeMandate.")
    represented: str = strawberry.field(description="For whom: a person's masked name, an enterprise's name.")
    kind: MandateKind = strawberry.field(description="As what the holder acts.")
    holder: str = strawberry.field(description="Account of the holder.")
    evidence: str = strawberry.field(description="The document behind it.")
    granted_by: str = strawberry.field(description="Account of whoever granted it.")
    granted_at: datetime = strawberry.field(description="When.")
    ends_on: date = strawberry.field(description="First day on which it no longer holds.")
    revoked_at: datetime | None = strawberry.field(description="When it was ended before that day, if it was.")
    in_force: bool = strawberry.field(description="Whether it holds now.")


@strawberry.type(description="Signed in for another, for a short time.", directives=access(SUBJECT))
class OpenedMandate:
    """Result of `openMandate`."""

    token: str = strawberry.field(description="Bearer token with which to act for the one who is represented.")
    expires_at: datetime = strawberry.field(description="Until when at most; ending the mandate works at once.")


@strawberry.type(description="A session with somebody at the window.", directives=access(CLERK))
class AssistedSession:
    """Result of `openAssistedSession`."""

    token: str = strawberry.field(description="Bearer token with which to act under the citizen's eyes.")
    expires_at: datetime = strawberry.field(description="At most a quarter of an hour on.")


@strawberry.type(description="No session is open any more.", directives=access(CLERK))
class EndedSession:
    """Result of `endAssistedSession`."""

    ended: int = strawberry.field(description="How many were open: none, or one.")


@strawberry.input(description="Whom to let act, as what, on which document, until when.")
class GrantMandateInput:
    """For `grantMandate`."""

    kind: MandateKind = strawberry.field(description="As what.")
    holder: str = strawberry.field(description="The holder's own account.")
    evidence: str = strawberry.field(description="The document behind it.")
    ends_on: date = strawberry.field(description="First day on which it no longer holds; at most a year on.")
    subject_id: strawberry.ID | None = strawberry.field(
        default=None, description="Who is represented; left out by subjects, who grant for themselves."
    )


@strawberry.input(description="Which mandate to act under.")
class OpenMandateInput:
    """For `openMandate`."""

    mandate_id: strawberry.ID = strawberry.field(description="The mandate.")


@strawberry.input(description="Which mandate to end.")
class RevokeMandateInput:
    """For `revokeMandate`."""

    mandate_id: strawberry.ID = strawberry.field(description="The mandate.")


@strawberry.input(description="Who stands at the window, where, and what for.")
class OpenAssistedSessionInput:
    """For `openAssistedSession`."""

    scheme: NumberScheme = strawberry.field(description="Kind of the document shown.")
    number: str = strawberry.field(description="Its number.")
    document_seen: bool = strawberry.field(description="That you have the document before you and it is this person's.")
    site: str = strawberry.field(description="The window or terminal.")
    purpose: str = strawberry.field(description="What the citizen wants done.")


@strawberry.input(description="Nothing to say.")
class EndAssistedSessionInput:
    """For `endAssistedSession`."""

    confirm: bool = strawberry.field(default=True, description="Always true.")


GrantMandateResult = Annotated[Mandate | Problem, strawberry.union("GrantMandateResult", description="It, or why not.")]
RevokeMandateResult = Annotated[
    Mandate | Problem, strawberry.union("RevokeMandateResult", description="It, ended, or why not.")
]
OpenMandateResult = Annotated[
    OpenedMandate | Problem, strawberry.union("OpenMandateResult", description="Signed in, or why not.")
]
OpenAssistedSessionResult = Annotated[
    AssistedSession | Problem, strawberry.union("OpenAssistedSessionResult", description="Open, or why not.")
]
EndAssistedSessionResult = Annotated[
    EndedSession | Problem, strawberry.union("EndAssistedSessionResult", description="Ended, or why not.")
]


async def shown_mandates(connection: AsyncConnection, rows: Sequence[Any], *, now: datetime) -> list[Mandate]:
    """Rows of `mandates` as they are shown."""
    wanted = select(subjects.c.id, subjects.c.display_name).where(subjects.c.id.in_({row.subject_id for row in rows}))
    names = {row.id: row.display_name for row in await connection.execute(wanted)} if rows else {}
    return [
        Mandate(
            id=strawberry.ID(public_id("Mandate", row.id)),
            represented=names[row.subject_id],
            kind=MandateKind(row.kind),
            holder=row.holder,
            evidence=row.evidence,
            granted_by=row.granted_by,
            granted_at=row.granted_at,
            ends_on=row.ends_on,
            revoked_at=row.revoked_at,
            in_force=not has_ended(row, on=day_of(now)),
        )
        for row in rows
    ]


async def mandates_for(context: Context, subject_id: int) -> list[Mandate]:
    """Who may act for this subject, or could; newest first."""
    async with context.state.database.reading() as connection:
        return await shown_mandates(connection, await mandates_of(connection, subject_id), now=context.now)


def _token(context: Context, account: str, role: Role, until: datetime) -> str:
    state = context.state
    lifetime = until - context.now
    # It ends with the sign-in that it was opened from.
    return issue_token(
        state.keys,
        issuer=state.settings.issuer,
        account=account,
        role=role,
        now=context.now,
        lifetime=lifetime,
        session=context.signed_in().session,
    )


@strawberry.type
class MandateQueries:
    """Mandates of others that one holds."""

    @strawberry.field(description="For whom I may act, or could; newest first.", directives=access(SUBJECT))
    async def mandates_held(self, info: Info) -> list[Mandate]:
        """By the account that is signed in."""
        context = info.context
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
            rows = await mandates_held(connection, principal.account)
            return await shown_mandates(connection, rows, now=context.now)


@strawberry.type
class MandateMutations:
    """Granting, using and ending mandates; sessions at a window."""

    @mutation(description="Let somebody act for the subject, until a day.", to=(*SUBJECT, *STAFF))
    async def grant_mandate(self, info: Info, input: GrantMandateInput) -> GrantMandateResult:  # noqa: A002
        """By the subject itself; for a company also an operator, for a person who cannot, a reviewer."""
        context = info.context
        evidence = checked_text("evidence", one_line(input.evidence), LONGEST_EVIDENCE)
        holder = checked_text("holder", one_line(input.holder), LONGEST_ACCOUNT)
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            subject_id = principal.subject_id if input.subject_id is None else key_of(input.subject_id, "CreditSubject")
            if subject_id is None:
                raise BadInput("请写明 subjectId:为哪一个主体登记代办。")
            row = await grant_mandate(
                connection,
                principal=principal,
                subject_id=subject_id,
                kind=Kind[input.kind.name],
                holder=holder,
                evidence=evidence,
                ends_on=input.ends_on,
                now=context.now,
            )
            (shown,) = await shown_mandates(connection, [row], now=context.now)
        return shown

    @mutation(description="End a mandate at once. Doing so again changes nothing.", to=(*SUBJECT, *REVIEWER))
    async def revoke_mandate(self, info: Info, input: RevokeMandateInput) -> RevokeMandateResult:  # noqa: A002
        """By the one who is represented, the holder, or a reviewer."""
        context = info.context
        mandate_id = uuid_of(input.mandate_id, "Mandate")
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            row = await revoke_mandate(connection, principal=principal, mandate_id=mandate_id, now=context.now)
            (shown,) = await shown_mandates(connection, [row], now=context.now)
        return shown

    @mutation(description="Sign in for the one who is represented.", to=SUBJECT)
    async def open_mandate(self, info: Info, input: OpenMandateInput) -> OpenMandateResult:  # noqa: A002
        """Written on that one's access log."""
        context = info.context
        mandate_id = uuid_of(input.mandate_id, "Mandate")
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            account, role, until = await open_mandate(
                connection, principal=principal, mandate_id=mandate_id, now=context.now
            )
        return OpenedMandate(token=_token(context, account, role, until), expires_at=until)

    @mutation(description="Act for somebody at the window, under that person's eyes.", to=CLERK)
    async def open_assisted_session(self, info: Info, input: OpenAssistedSessionInput) -> OpenAssistedSessionResult:  # noqa: A002
        """One at a time; written on the person's access log."""
        context = info.context
        if not input.document_seen:
            raise BadInput("请先当面核对本人与证件,再开启代办会话(documentSeen 须为 true)。")
        shown = Presented(
            Scheme[input.scheme.name],
            input.number,
            checked_text("site", input.site, LONGEST_SITE),
            checked_text("purpose", input.purpose, LONGEST_PURPOSE),
        )
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
        session = await open_session(
            context.state.database, context.state.keys, principal=principal, shown=shown, now=context.now
        )
        token = _token(context, session.account, Role.CITIZEN, session.ends_at)
        return AssistedSession(token=token, expires_at=session.ends_at)

    @mutation(description="End the session at once. Doing so again changes nothing.", to=CLERK)
    async def end_assisted_session(self, info: Info, input: EndAssistedSessionInput) -> EndAssistedSessionResult:  # noqa: A002
        """Whatever the clerk has open."""
        context = info.context
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            return EndedSession(ended=await end_sessions(connection, principal=principal, now=context.now))
