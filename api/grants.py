"""What partners may ask, in words. One thing to know: whoever is asked to consent reads here for what, and that the
partner gets one of two answers; which grade is asked for is told to operators alone."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import strawberry
from sqlalchemy import Row

from api.context import Context, Info
from api.errors import Problem
from api.ids import key_of, public_id, uuid_of
from api.mutations import mutation
from api.permissions import ANYONE, OPERATOR, PARTNER, REPRESENTATIVE, access
from api.verification import LONGEST_REASON, checked_text
from core.clock import day_of
from core.errors import BadInput
from partners.accounts import Role
from partners.catalogue import BENEFIT_CHECK, Offer
from partners.grants import ANSWERS, give_grant, grants_of, revoke_grant
from partners.kinds import benefit_kinds

HOLDERS = (*PARTNER, *REPRESENTATIVE, *OPERATOR)


@strawberry.type(description="What is asked about whoever shows a code for an offer.", directives=access(ANYONE))
class OfferGrant:
    """Shown before anybody consents."""

    purpose: str = strawberry.field(description="For what, by the published text of the purpose.")
    what: str = strawberry.field(description="What the partner gets to know, in plain Chinese.")


@strawberry.type(description="A right of a partner to ask.", directives=access(HOLDERS))
class Grant:
    """Partner × service × purpose × predicate."""

    id: strawberry.ID = strawberry.field(description="Opaque id.")
    service: str = strawberry.field(description="Code of the benefit kind.")
    purpose: str = strawberry.field(description="Id of the published purpose.")
    what: str = strawberry.field(description="What the partner gets to know, in plain Chinese.")
    granted_at: datetime = strawberry.field(description="Since when.")
    revoked_at: datetime | None = strawberry.field(description="From when on no more; null while it holds.")
    remark: str = strawberry.field(description="Why it was revoked; empty while it holds.")
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


@strawberry.input(description="Which grant to end, and why.")
class RevokeGrantInput:
    """For `revokeGrant`."""

    grant_id: strawberry.ID = strawberry.field(description="The grant.")
    reason: str = strawberry.field(description="Why, in 1 to 200 characters; the partner reads it.")


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


def _grant(row: Row[Any]) -> Grant:
    return Grant(
        id=strawberry.ID(public_id("Grant", row.id)),
        service=row.service,
        purpose=row.purpose,
        what=_in_words(row.service),
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


@strawberry.type
class GrantMutations:
    """Operators' acts; both hold from the next scan on."""

    @mutation(description="Let a partner ask.", to=OPERATOR)
    async def grant_access(self, info: Info, input: GrantAccessInput) -> GrantAccessResult:  # noqa: A002
        """What is granted already stays as it is."""
        context, state = info.context, info.context.state
        partner_id = key_of(input.partner_id, "Partner")
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            catalogue = await state.current_catalogue(connection)
            partner = catalogue.partners.get(partner_id)
            model = next(
                (one for one in state.rulebook.models.in_force(partner.place, catalogue.on) if one.id == input.model)
                if partner
                else iter(()),
                None,
            )
            if partner is None or input.service not in benefit_kinds():
                raise BadInput("没有这个合作机构或优惠类型。请从列表中重新选择。")
            if model is None or input.threshold not in {grade.code for grade in model.grades}:
                raise BadInput("当地没有这个评价模型,或模型没有这个等级。请核对 model 与 threshold。")
            key = await give_grant(
                connection,
                partner_id=partner_id,
                service=input.service,
                model=model.id,
                threshold=input.threshold,
                actor=principal.account,
                now=context.now,
            )
            (row,) = [row for row in await grants_of(connection, partner_id) if row.id == key]
        return _grant(row)

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
