"""Where I am signed in, and what I sign in with. One thing to know: ending a session works at the very next request of
whoever uses it, in every process; and everybody sees and ends nothing but what is of the account signed in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from api.context import Info
from api.errors import Problem
from api.ids import public_id, uuid_of
from api.mutations import mutation
from api.permissions import Audience, access
from partners.sessions.linking import end_link, links_of
from partners.sessions.opening import end_session, end_sessions, sessions_of

SIGNED_IN = tuple(audience for audience in Audience if audience is not Audience.ANYONE)


@strawberry.type(description="A sign-in that holds.", directives=access(SIGNED_IN))
class Session:
    """Of the account that is signed in."""

    id: strawberry.ID = strawberry.field(description="Opaque id.")
    provider: str = strawberry.field(description="Through whom it was signed in, by its name in the settings.")
    device: str = strawberry.field(description="Family of browser and system, for example 微信 · iPhone.")
    created_at: datetime = strawberry.field(description="When it was signed in.")
    used_at: datetime = strawberry.field(description="When tokens were last given out, at most 15 minutes behind.")
    expires_at: datetime = strawberry.field(description="When it ends by itself.")
    is_current: bool = strawberry.field(description="Whether this request belongs to it.")


@strawberry.type(description="An outside identity that signs in to this account.", directives=access(SIGNED_IN))
class LinkedIdentity:
    """Which one exactly, nobody can say, we neither: only a keyed hash is kept."""

    id: strawberry.ID = strawberry.field(description="Opaque id.")
    provider: str = strawberry.field(description="Whose, by its name in the settings.")
    linked_at: datetime = strawberry.field(description="When it was bound.")
    used_at: datetime = strawberry.field(description="When it last signed in.")


@strawberry.input(description="Which session to end.")
class EndSessionInput:
    """For `endSession`."""

    session_id: strawberry.ID = strawberry.field(description="The session; it may be the current one.")


@strawberry.input(description="Which sessions to end.")
class EndAllSessionsInput:
    """For `endAllSessions`."""

    keep_current: bool = strawberry.field(default=False, description="Whether the one of this request goes on.")


@strawberry.input(description="Which outside identity shall sign in no more.")
class EndLinkedIdentityInput:
    """For `endLinkedIdentity`."""

    linked_identity_id: strawberry.ID = strawberry.field(description="The linked identity.")


@strawberry.type(description="Sessions were ended.", directives=access(SIGNED_IN))
class EndedSessions:
    """Result of `endSession`, `endAllSessions` and `endLinkedIdentity`: what still holds."""

    sessions: list[Session] = strawberry.field(description="Those that go on.")


EndSessionResult = Annotated[
    EndedSessions | Problem, strawberry.union("EndSessionResult", description="What goes on, or why not.")
]
EndAllSessionsResult = Annotated[
    EndedSessions | Problem, strawberry.union("EndAllSessionsResult", description="What goes on, or why not.")
]
EndLinkedIdentityResult = Annotated[
    EndedSessions | Problem, strawberry.union("EndLinkedIdentityResult", description="What goes on, or why not.")
]


async def _mine(info: Info) -> list[Session]:
    context = info.context
    async with context.state.database.reading() as connection:
        principal = await context.principal(connection)
        rows = await sessions_of(connection, principal.account, now=context.now)
    return [
        Session(
            id=strawberry.ID(public_id("Session", row.id)),
            provider=row.provider,
            device=row.device,
            created_at=row.created_at,
            used_at=row.used_at,
            expires_at=row.expires_at,
            is_current=row.id == context.signed_in().session,
        )
        for row in rows
    ]


@strawberry.type
class SessionQueries:
    """What holds now."""

    @strawberry.field(
        description="Where this account is signed in, the session last used first. Tokens of keys have no session.",
        directives=access(SIGNED_IN),
    )
    async def my_sessions(self, info: Info) -> list[Session]:
        """Those that have not ended."""
        return await _mine(info)

    @strawberry.field(
        description="Outside identities bound to this account, such as a WeChat, newest first.",
        directives=access(SIGNED_IN),
    )
    async def my_linked_identities(self, info: Info) -> list[LinkedIdentity]:
        """Those that have not ended."""
        context = info.context
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
            rows = await links_of(connection, principal.account)
        return [
            LinkedIdentity(
                id=strawberry.ID(public_id("LinkedIdentity", row.id)),
                provider=row.provider,
                linked_at=row.linked_at,
                used_at=row.used_at,
            )
            for row in rows
        ]


@strawberry.type
class SessionMutations:
    """Ending what holds."""

    @mutation(description="End one of my sessions at once. Doing so again changes nothing.", to=SIGNED_IN)
    async def end_session(self, info: Info, input: EndSessionInput) -> EndSessionResult:  # noqa: A002
        """The current one too: signing out."""
        context, session_id = info.context, uuid_of(input.session_id, "Session")
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            await end_session(connection, account=principal.account, session_id=session_id, now=context.now)
        return EndedSessions(sessions=await _mine(info))

    @mutation(description="End all of my sessions at once, or all others.", to=SIGNED_IN)
    async def end_all_sessions(self, info: Info, input: EndAllSessionsInput) -> EndAllSessionsResult:  # noqa: A002
        """For whoever has lost a phone."""
        context = info.context
        kept = context.signed_in().session if input.keep_current else None
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            await end_sessions(connection, account=principal.account, but=kept, now=context.now)
        return EndedSessions(sessions=await _mine(info))

    @mutation(
        description="Unbind an outside identity, and end the sessions that came through its provider. "
        "Doing so again changes nothing.",
        to=SIGNED_IN,
    )
    async def end_linked_identity(self, info: Info, input: EndLinkedIdentityInput) -> EndLinkedIdentityResult:  # noqa: A002
        """Whoever holds it next binds it anew."""
        context, link_id = info.context, uuid_of(input.linked_identity_id, "LinkedIdentity")
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            await end_link(connection, account=principal.account, link_id=link_id, now=context.now)
        return EndedSessions(sessions=await _mine(info))
