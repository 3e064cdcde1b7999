"""Preparing offers and letting them pass: drafts, submissions, revisions, approval by somebody else. One thing to know:
all is judged beside the catalogue of this very transaction, and nobody else changes it meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import strawberry

from api.context import Context, Info
from api.errors import Problem
from api.ids import key_of
from api.mutations import mutation
from api.offer_input import (
    LONGEST_NAME,
    LONGEST_TEXT,
    DraftOfferInput,
    OfferInput,
    SubmitOfferInput,
    draft_in,
)
from api.offer_work import OfferWork, work_of
from api.offers import Offer, Partner, offer_of, partner_of
from api.permissions import OPERATOR, REPRESENTATIVE, REVIEWER, STAFF
from api.verification import checked_text
from core.errors import Forbidden
from partners.accounts import Role
from partners.catalogue import lock_catalogue
from partners.offers.drafts import (
    draft_offer,
    edit_offer,
    revise_offer,
    submit_draft,
    submit_offer,
    withdraw_offer,
)
from partners.offers.life import Desk
from partners.offers.queue import read_entry
from partners.offers.review import approve_offer, request_changes, sign_review
from partners.registry import register_partner

PREPARERS = (*OPERATOR, *REPRESENTATIVE)
"""Operators for any partner; a representative for its own alone."""


@asynccontextmanager
async def desk_of(context: Context) -> AsyncIterator[Desk]:
    """A transaction in which the caller acts on offers: any partner's, or a representative's own."""
    state = context.state
    async with state.database.transaction() as connection:
        principal = await context.principal(connection)
        if principal.role is Role.REPRESENTATIVE and principal.partner_id is None:
            raise Forbidden
        await lock_catalogue(connection)
        yield Desk(
            connection,
            actor=principal.account,
            catalogue=await state.current_catalogue(connection),
            now=context.now,
            partner_id=principal.partner_id if principal.role is Role.REPRESENTATIVE else None,
        )


async def as_it_stands(context: Context, offer_id: int) -> OfferWork:
    """The offer's work after an act, as everybody sees it now."""
    async with context.state.database.reading() as connection:
        known = await context.state.current_catalogue(connection)
        entry = await read_entry(connection, offer_id, catalogue=known, partner_id=None)
    if entry is None:
        raise LookupError(f"offer {offer_id} was written and is not there")
    return work_of(entry, known)


@strawberry.input(description="An organisation that joins the incentive alliance.")
class RegisterPartnerInput:
    """For `registerPartner`."""

    place: str = strawberry.field(description="Folder name of its place, for example hunan-shaoyang.")
    sector: str = strawberry.field(description="What it is: bank, hospital, scenic …")
    name: str = strawberry.field(description="Its full name.")
    uscc: str = strawberry.field(description="Its unified social credit code (GB 32100).")


@strawberry.input(description="Which offer to approve.")
class ApproveOfferInput:
    """For `approveOffer`."""

    offer_id: strawberry.ID = strawberry.field(description="An offer that somebody else submitted.")


@strawberry.input(description="A version that waits, as it shall be from now on.")
class EditOfferInput:
    """For `editOffer`."""

    offer_id: strawberry.ID = strawberry.field(description="The offer.")
    offer: OfferInput = strawberry.field(description="All of it, changed or not.")


@strawberry.input(description="A draft to submit.")
class SubmitDraftInput:
    """For `submitDraft`."""

    offer_id: strawberry.ID = strawberry.field(description="An offer with a draft, or sent back for changes.")


@strawberry.input(description="Another version of an offer that is given.")
class ReviseOfferInput:
    """For `reviseOffer`."""

    offer_id: strawberry.ID = strawberry.field(description="The offer.")
    offer: OfferInput = strawberry.field(description="All of it, changed or not.")
    reason: str = strawberry.field(description="What for.")


@strawberry.input(description="An offer, and why this is done.")
class OfferActInput:
    """For acts that need a reason."""

    offer_id: strawberry.ID = strawberry.field(description="The offer.")
    reason: str = strawberry.field(description="Why.")


@strawberry.input(description="A version to take back.")
class WithdrawOfferInput(OfferActInput):
    """For `withdrawOffer`."""


@strawberry.input(description="A submitted version to send back.")
class RequestOfferChangesInput(OfferActInput):
    """For `requestOfferChanges`."""


@strawberry.input(description="What a reviewer answers for, by name.")
class SignOfferReviewInput:
    """For `signOfferReview`."""

    offer_id: strawberry.ID = strawberry.field(description="The offer.")
    key: str = strawberry.field(description="The key of the opinion, as the offer's work shows it.")
    reason: str = strawberry.field(description="Why it is lawful.")


RegisterPartnerResult = Annotated[
    Partner | Problem, strawberry.union("RegisterPartnerResult", description="The partner, or why not.")
]
SubmitOfferResult = Annotated[
    Offer | Problem, strawberry.union("SubmitOfferResult", description="The offer submitted, or why not.")
]
ApproveOfferResult = Annotated[
    Offer | Problem, strawberry.union("ApproveOfferResult", description="The offer approved, or why not.")
]


def offer_result(name: str) -> Any:
    """The union of that name of a mutation that answers with the offer's work."""
    return strawberry.union(name, description="The offer as it stands now, or why not.")


DraftOfferResult = Annotated[OfferWork | Problem, offer_result("DraftOfferResult")]
EditOfferResult = Annotated[OfferWork | Problem, offer_result("EditOfferResult")]
SubmitDraftResult = Annotated[OfferWork | Problem, offer_result("SubmitDraftResult")]
ReviseOfferResult = Annotated[OfferWork | Problem, offer_result("ReviseOfferResult")]
WithdrawOfferResult = Annotated[OfferWork | Problem, offer_result("WithdrawOfferResult")]
RequestOfferChangesResult = Annotated[OfferWork | Problem, offer_result("RequestOfferChangesResult")]
SignOfferReviewResult = Annotated[OfferWork | Problem, offer_result("SignOfferReviewResult")]


def reason_in(given: str) -> str:
    """A reason, short and printable."""
    return checked_text("reason", given, LONGEST_TEXT)


@strawberry.type
class PublishingMutations:
    """Two different people, and the guard at each step."""

    @mutation(description="Let an organisation join.", to=OPERATOR)
    async def register_partner(self, info: Info, input: RegisterPartnerInput) -> RegisterPartnerResult:  # noqa: A002
        """With one account to act through."""
        context, state = info.context, info.context.state
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            partner = await register_partner(
                connection,
                actor=principal.account,
                place=input.place,
                sector=checked_text("sector", input.sector, 20),
                name=checked_text("name", input.name, LONGEST_NAME),
                uscc=input.uscc,
                rulebook=state.rulebook,
                now=context.now,
                is_demo=state.settings.environment == "demo",
            )
        return partner_of(partner)

    @mutation(description="Submit an offer for approval by somebody else.", to=PREPARERS)
    async def submit_offer(self, info: Info, input: SubmitOfferInput) -> SubmitOfferResult:  # noqa: A002
        """The guard looks first; what it refuses is not kept."""
        async with desk_of(info.context) as desk:
            offer = await submit_offer(desk, draft_in(input))
        return offer_of(offer)

    @mutation(description="Approve an offer that somebody else submitted.", to=STAFF)
    async def approve_offer(self, info: Info, input: ApproveOfferInput) -> ApproveOfferResult:  # noqa: A002
        """The guard looks again, as things stand today."""
        async with desk_of(info.context) as desk:
            offer = await approve_offer(desk, key_of(input.offer_id, "Offer"))
        return offer_of(offer)

    @mutation(description="Keep a draft; whether it is lawful is told and asked for at submitting.", to=PREPARERS)
    async def draft_offer(self, info: Info, input: DraftOfferInput) -> DraftOfferResult:  # noqa: A002
        """The same draft kept twice is one."""
        async with desk_of(info.context) as desk:
            offer_id = await draft_offer(desk, draft_in(input))
        return await as_it_stands(info.context, offer_id)

    @mutation(description="Change a draft, or what was sent back; its editor becomes an author.", to=PREPARERS)
    async def edit_offer(self, info: Info, input: EditOfferInput) -> EditOfferResult:  # noqa: A002
        """What is in force stays so."""
        async with desk_of(info.context) as desk:
            offer_id = await edit_offer(desk, key_of(input.offer_id, "Offer"), draft_in(input.offer))
        return await as_it_stands(info.context, offer_id)

    @mutation(description="Submit a draft or a revision for approval by somebody else.", to=PREPARERS)
    async def submit_draft(self, info: Info, input: SubmitDraftInput) -> SubmitDraftResult:  # noqa: A002
        """The guard looks first; what it refuses stays a draft."""
        async with desk_of(info.context) as desk:
            offer_id = await submit_draft(desk, key_of(input.offer_id, "Offer"))
        return await as_it_stands(info.context, offer_id)

    @mutation(
        description="Begin another version of an offer; the present one is given until it is approved.", to=PREPARERS
    )
    async def revise_offer(self, info: Info, input: ReviseOfferInput) -> ReviseOfferResult:  # noqa: A002
        """As a draft."""
        async with desk_of(info.context) as desk:
            draft, reason = draft_in(input.offer), reason_in(input.reason)
            offer_id = await revise_offer(desk, key_of(input.offer_id, "Offer"), draft, reason=reason)
        return await as_it_stands(info.context, offer_id)

    @mutation(description="Take back a version that waits, as one of its authors.", to=PREPARERS)
    async def withdraw_offer(self, info: Info, input: WithdrawOfferInput) -> WithdrawOfferResult:  # noqa: A002
        """What is in force stays so."""
        async with desk_of(info.context) as desk:
            offer_id = await withdraw_offer(desk, key_of(input.offer_id, "Offer"), reason=reason_in(input.reason))
        return await as_it_stands(info.context, offer_id)

    @mutation(description="Send a submitted version back for changes.", to=STAFF)
    async def request_offer_changes(self, info: Info, input: RequestOfferChangesInput) -> RequestOfferChangesResult:  # noqa: A002
        """By somebody else than its authors."""
        async with desk_of(info.context) as desk:
            offer_id = await request_changes(desk, key_of(input.offer_id, "Offer"), reason=reason_in(input.reason))
        return await as_it_stands(info.context, offer_id)

    @mutation(description="Answer by name for what a machine cannot judge.", to=REVIEWER)
    async def sign_offer_review(self, info: Info, input: SignOfferReviewInput) -> SignOfferReviewResult:  # noqa: A002
        """Holds while the terms stay as they are."""
        async with desk_of(info.context) as desk:
            key = checked_text("key", input.key, 64)
            offer_id = await sign_review(desk, key_of(input.offer_id, "Offer"), key=key, reason=reason_in(input.reason))
        return await as_it_stands(info.context, offer_id)
