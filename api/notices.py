"""A subject's inbox, and whether it wishes to be told of new benefits. One thing to know: it is off until the subject
switches it on, and only good news is told."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Annotated, Any

import strawberry

from api.context import Context, Info, State
from api.errors import Problem
from api.ids import public_id, uuid_of
from api.jobs.background import repeating
from api.mutations import mutation
from api.offers import Offer, Partner, offer_of, partner_of
from api.pagination import After, First, PageInfo, cursor_of, id_after, page_info, page_size
from api.permissions import SUBJECT, access
from core.errors import BadInput, Forbidden
from partners.catalogue import Catalogue
from partners.notices import mark_read, notices_page, unread_notices
from partners.standing import SubjectStanding
from partners.triggers import look_for_news, notices_since, switch_notices

MOST_IDS = 100
SECONDS_BETWEEN = 60
log = logging.getLogger("xinyi.triggers")


@strawberry.type(description="Something told to the subject.", directives=access(SUBJECT))
class Notice:
    """In its own inbox alone."""

    id: strawberry.ID = strawberry.field(description="Opaque id.")
    at: datetime = strawberry.field(description="When it was written.")
    kind: str = strawberry.field(description="Stable code, for example new-benefit.")
    text: str = strawberry.field(description="What is told.")
    offer: Offer | None = strawberry.field(description="The offer it is about, if it is about one.")
    partner: Partner | None = strawberry.field(description="The partner it is about, if it is about one.")
    read_at: datetime | None = strawberry.field(description="When it was marked as read.")


@strawberry.type(description="A notice in a page (Relay).", directives=access(SUBJECT))
class NoticeEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: Notice = strawberry.field(description="The notice.")


@strawberry.type(description="A page of notices, newest first (Relay).", directives=access(SUBJECT))
class NoticeConnection:
    """Relay's connection."""

    unread: int = strawberry.field(description="How many of all notices are not read.")
    edges: list[NoticeEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.type(description="Whether the subject is told of newly available benefits.", directives=access(SUBJECT))
class BenefitNotices:
    """Off until switched on."""

    on: bool = strawberry.field(description="Whether it is.")
    since: datetime | None = strawberry.field(description="Since when; null while it is off.")


@strawberry.type
class NoticeFields:
    """The part of `CreditSubject` that is its inbox."""

    held: strawberry.Private[SubjectStanding]

    @strawberry.field(description="What I was told, newest first.")
    async def notices(self, info: Info, first: First = None, after: After = None) -> NoticeConnection:
        """Read and unread."""
        size, last, context = page_size(first), id_after(after), info.context
        async with context.state.database.reading() as connection:
            rows = await notices_page(connection, self.held.id, after=last, most=size + 1)
            unread = await unread_notices(connection, self.held.id)
            known = await context.state.current_catalogue(connection)
        edges = [NoticeEdge(cursor=cursor_of(row.id), node=_notice(row, known)) for row in rows[:size]]
        info_ = page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
        return NoticeConnection(unread=unread, edges=edges, page_info=info_)

    @strawberry.field(description="Whether I am told of benefits that become available to me.")
    async def benefit_notices(self, info: Info) -> BenefitNotices:
        """Off until switched on."""
        async with info.context.state.database.reading() as connection:
            since = await notices_since(connection, self.held.id)
        return BenefitNotices(on=since is not None, since=since)


def _notice(row: Any, known: Catalogue) -> Notice:
    offer, partner = known.offers.get(row.offer_id), known.partners.get(row.partner_id)
    return Notice(
        id=strawberry.ID(public_id("Notice", row.id)),
        at=row.at,
        kind=row.kind,
        text=row.text,
        offer=offer_of(offer) if offer else None,
        partner=partner_of(partner) if partner else None,
        read_at=row.read_at,
    )


@strawberry.input(description="Switch notices of new benefits on or off.")
class SetBenefitNoticesInput:
    """For `setBenefitNotices`."""

    on: bool = strawberry.field(description="Whether to be told.")


@strawberry.input(description="Which notices have been read.")
class MarkNoticesReadInput:
    """For `markNoticesRead`."""

    ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description=f"Ids of at most {MOST_IDS} notices; all there are now if left out."
    )


@strawberry.type(description="Notices were marked as read.", directives=access(SUBJECT))
class NoticesRead:
    """Result of `markNoticesRead`."""

    marked: int = strawberry.field(description="How many were not read before.")


SetBenefitNoticesResult = Annotated[
    BenefitNotices | Problem, strawberry.union("SetBenefitNoticesResult", description="How it is now, or why not.")
]
MarkNoticesReadResult = Annotated[
    NoticesRead | Problem, strawberry.union("MarkNoticesReadResult", description="How many, or why not.")
]


@strawberry.type
class NoticeMutations:
    """What a subject does with its inbox."""

    @mutation(description="Switch notices of newly available benefits on or off. Off until switched on.", to=SUBJECT)
    async def set_benefit_notices(self, info: Info, input: SetBenefitNoticesInput) -> SetBenefitNoticesResult:  # noqa: A002
        """What is available already is no news."""
        context = info.context
        claims, state = context.signed_in(), context.state
        known = await _catalogue(context)
        since = await switch_notices(
            state.database,
            account=claims.account,
            role=claims.role,
            on=input.on,
            catalogue=known,
            rulebook=state.rulebook,
            now=context.now,
        )
        return BenefitNotices(on=since is not None, since=since)

    @mutation(description="Mark notices as read. Doing so again changes nothing.", to=SUBJECT)
    async def mark_notices_read(self, info: Info, input: MarkNoticesReadInput) -> MarkNoticesReadResult:  # noqa: A002
        """Those of others are passed over like those that never were."""
        context, ids = info.context, None
        if input.ids is not None:
            if len(input.ids) > MOST_IDS:
                raise BadInput(f"一次最多标记 {MOST_IDS} 条。请分几次提交,或不写 ids 以标记全部。")
            ids = [uuid_of(one, "Notice") for one in input.ids]
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            if principal.subject_id is None:
                raise Forbidden
            marked = await mark_read(connection, principal.subject_id, ids=ids, now=context.now)
        return NoticesRead(marked=marked)


async def _catalogue(context: Context) -> Catalogue:
    async with context.state.database.reading() as connection:
        return await context.state.current_catalogue(connection)


def triggering(state: State) -> AbstractAsyncContextManager[None]:
    """Look for newly available benefits as long as the application runs."""
    return repeating(lambda: look_once(state), seconds=SECONDS_BETWEEN, log=log)


async def look_once(state: State) -> int:
    """Look once at whoever is due; how many notices were written."""
    async with state.database.reading() as connection:
        known = await state.current_catalogue(connection)
    return await look_for_news(state.database, catalogue=known, rulebook=state.rulebook, now=state.clock())
