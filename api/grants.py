"""What partners may ask, in words. One thing to know: whoever is asked to consent reads here for what, and that the
partner gets one of two answers; which grade is asked for is told to operators alone."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import strawberry
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from api.context import Context, Info
from api.errors import Problem
from api.ids import key_of, public_id, uuid_of
from api.mutations import mutation
from api.pagination import After, First, PageInfo, cursor_of, id_after, page_info, page_size
from api.permissions import ANYONE, OPERATOR, PARTNER, REPRESENTATIVE, access
from api.verification import LONGEST_REASON, checked_text
from core.clock import day_of
from core.errors import BadInput
from partners.accounts import Role
from partners.catalogue import BENEFIT_CHECK, Offer
from partners.grants import (
    ANSWERS,
    Predicate,
    due_on,
    give_grant,
    grants_of,
    request_grant,
    revoke_grant,
    waiting_grants,
)
from partners.kinds import benefit_kinds

HOLDERS = (*PARTNER, *REPRESENTATIVE, *OPERATOR)


@strawberry.type(description="What is asked about whoever shows a code for an offer.", directives=access(ANYONE))
class OfferGrant:
    """Shown before anybody consents."""

    purpose: str = strawberry.field(description="For what, by the published text of the purpose.")
    what: str = strawberry.field(description="What the partner gets to know, in plain Chinese.")


@strawberry.enum(description="Where a right to ask stands.")
class GrantState(Enum):
    """Of a grant."""

    WAITING = strawberry.enum_value("WAITING", description="Asked for, and not answered.")
    HELD = strawberry.enum_value("HELD", description="The partner may ask.")
    REVOKED = strawberry.enum_value("REVOKED", description="The partner may ask no more.")
    REFUSED = strawberry.enum_value("REFUSED", description="Asked for, and not given.")


@strawberry.type(description="A right of a partner to ask.", directives=access(HOLDERS))
class Grant:
    """Partner × service × purpose × predicate."""

    id: strawberry.ID = strawberry.field(description="Opaque id.")
    partner_id: strawberry.ID = strawberry.field(description="Whose it is; `nodes` has its name.")
    service: str = strawberry.field(description="Code of the benefit kind.")
    purpose: str = strawberry.field(description="Id of the published purpose.")
    what: str = strawberry.field(description="What the partner gets to know, in plain Chinese.")
    state: GrantState = strawberry.field(description="Whether it waits, holds, has ended or was refused.")
    requested_at: datetime | None = strawberry.field(description="When the partner asked; null where it did not.")
    due_on: date | None = strawberry.field(description="Last day for an answer, while it waits.")
    granted_at: datetime | None = strawberry.field(description="Since when; null where it never held.")
    revoked_at: datetime | None = strawberry.field(description="From when on no more, or when it was refused.")
    remark: str = strawberry.field(description="Why it was revoked or refused; empty before.")
    predicate: str = strawberry.field(
        description="What is asked, exactly: model and lowest grade.", directives=access(OPERATOR)
    )


@strawberry.input(description="What a partner is to be allowed to ask.")
class GrantAccessInput:
    """For `grantAccess`."""

    partner_id: strawberry.ID = strawberry.field(description="The partner.")
    service: str = strawberry.field(description="Code of the benefit kind.")
    model: str = strawberry.field(description="The score model.")
    threshold: str = strawberry.field(description="The grade of the model, or better.")


@strawberry.input(description="What one's own organisation asks to be allowed to ask.")
class RequestGrantInput:
    """For `requestGrant`."""

    service: str = strawberry.field(description="Code of the benefit kind.")
    model: str = strawberry.field(description="The score model.")
    threshold: str = strawberry.field(description="The grade of the model, or better.")


@strawberry.type(description="A request among others.", directives=access(OPERATOR))
class GrantEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after`.")
    node: Grant = strawberry.field(description="The request.")


@strawberry.type(description="A page of requests.", directives=access(OPERATOR))
class GrantConnection:
    """Relay's connection."""

    edges: list[GrantEdge] = strawberry.field(description="The requests, oldest first.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.input(description="Which grant to end, or which request to refuse, and why.")
class RevokeGrantInput:
    """For `revokeGrant`."""

    grant_id: strawberry.ID = strawberry.field(description="The grant.")
    reason: str = strawberry.field(description="Why, in 1 to 200 characters; the partner reads it.")


RequestGrantResult = Annotated[
    Grant | Problem, strawberry.union("RequestGrantResult", description="The request, or why there is none.")
]
GrantAccessResult = Annotated[
    Grant | Problem, strawberry.union("GrantAccessResult", description="The grant, or why not.")
]
RevokeGrantResult = Annotated[
    Grant | Problem, strawberry.union("RevokeGrantResult", description="The grant as it ended, or why not.")
]


def _in_words(service: str) -> str:
    kind = benefit_kinds().get(service)
    return f"{ANSWERS}(用于{kind.name if kind else service});得不到分数、等级、记录和原因。"


def offer_grant(context: Context, offer: Offer) -> OfferGrant | None:
    """What is asked for an offer; None where its partner may not ask."""
    if not offer.is_granted:
        return None
    purposes = context.state.rulebook.purposes.get(offer.partner.place)
    text = purposes.in_force(day_of(context.now)).get(BENEFIT_CHECK) if purposes else None
    return OfferGrant(purpose=text.name if text else BENEFIT_CHECK, what=_in_words(offer.kind.code))


def _state(row: Row[Any]) -> GrantState:
    if row.revoked_at is None:
        return GrantState.WAITING if row.granted_at is None else GrantState.HELD
    return GrantState.REFUSED if row.granted_at is None else GrantState.REVOKED


def _grant(row: Row[Any]) -> Grant:
    return Grant(
        id=strawberry.ID(public_id("Grant", row.id)),
        partner_id=strawberry.ID(public_id("Partner", row.partner_id)),
        service=row.service,
        purpose=row.purpose,
        what=_in_words(row.service),
        state=_state(row),
        requested_at=row.requested_at,
        due_on=due_on(row),
        granted_at=row.granted_at,
        revoked_at=row.revoked_at,
        remark=row.reason,
        predicate=f"{row.model} >= {row.threshold}",
    )


async def partner_grants(context: Context, partner_id: int) -> list[Grant] | None:
    """A partner's grants, for itself and for operators; None for another partner."""
    async with context.state.database.reading() as connection:
        principal = await context.principal(connection)
        if principal.role is not Role.OPERATOR and principal.partner_id != partner_id:
            return None
        return [_grant(row) for row in await grants_of(connection, partner_id)]


async def _predicate(
    context: Context,
    connection: AsyncConnection,
    partner_id: int | None,
    given: RequestGrantInput | GrantAccessInput,
) -> Predicate:
    """What is asked, if all of it exists.

    Raises:
        BadInput: it does not.
    """
    catalogue = await context.state.current_catalogue(connection)
    partner = catalogue.partners.get(partner_id or -1)
    if partner is None or given.service not in benefit_kinds():
        raise BadInput("没有这个合作机构或优惠类型。请从列表中重新选择。")
    in_force = context.state.rulebook.models.in_force(partner.place, catalogue.on)
    found = next((one for one in in_force if one.id == given.model), None)
    if found is None or given.threshold not in {grade.code for grade in found.grades}:
        raise BadInput("当地没有这个评价模型,或模型没有这个等级。请核对 model 与 threshold。")
    return Predicate(partner.id, given.service, found.id, given.threshold)


async def _row(connection: AsyncConnection, asked: Predicate, key: UUID) -> Row[Any]:
    return next(row for row in await grants_of(connection, asked.partner_id) if row.id == key)


@strawberry.type
class GrantQueries:
    """Operators' queue."""

    @strawberry.field(description="What partners have asked to be allowed to ask.", directives=access(OPERATOR))
    async def grant_queue(self, info: Info, first: First = None, after: After = None) -> GrantConnection:
        """Oldest first; `dueOn` says until when."""
        context, size = info.context, page_size(first)
        async with context.state.database.reading() as connection:
            await context.principal(connection)
            rows = await waiting_grants(connection, after=id_after(after), size=size + 1)
        edges = [GrantEdge(cursor=cursor_of(row.id), node=_grant(row)) for row in rows[:size]]
        found = page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
        return GrantConnection(edges=edges, page_info=found)


@strawberry.type
class GrantMutations:
    """Asking, granting and revoking; what operators do holds from the next scan on."""

    @mutation(description="Let a partner ask.", to=OPERATOR)
    async def grant_access(self, info: Info, input: GrantAccessInput) -> GrantAccessResult:  # noqa: A002
        """What is granted already stays as it is."""
        context = info.context
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            partner_id = key_of(input.partner_id, "Partner")
            asked = await _predicate(context, connection, partner_id, input)
            key = await give_grant(connection, asked, actor=principal.account, now=context.now)
            return _grant(await _row(connection, asked, key))

    @mutation(description="Ask for a grant; operators answer within five working days.", to=REPRESENTATIVE)
    async def request_grant(self, info: Info, input: RequestGrantInput) -> RequestGrantResult:  # noqa: A002
        """What waits or is held already stays as it is."""
        context = info.context
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            asked = await _predicate(context, connection, principal.partner_id, input)
            key = await request_grant(connection, asked, actor=principal.account, now=context.now)
            return _grant(await _row(connection, asked, key))

    @mutation(description="End a grant: from the next scan on the partner may not ask.", to=OPERATOR)
    async def revoke_grant(self, info: Info, input: RevokeGrantInput) -> RevokeGrantResult:  # noqa: A002
        """What was reserved before still redeems."""
        context = info.context
        grant_id = uuid_of(input.grant_id, "Grant")
        reason = checked_text("reason", input.reason, LONGEST_REASON)
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            row = await revoke_grant(
                connection, grant_id=grant_id, reason=reason, actor=principal.account, now=context.now
            )
        return _grant(row)
