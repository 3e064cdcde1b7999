"""Acts on offers that are given: pause, resume, close, roll back, another standard service. One thing to know: each
takes effect at the next request, on every process."""

from __future__ import annotations

from typing import Annotated

import strawberry

from api.context import Info
from api.errors import Problem
from api.ids import key_of
from api.mutations import mutation
from api.offer_input import BaselineInput, baseline_in
from api.offer_work import OfferWork
from api.permissions import STAFF
from api.publishing import PREPARERS, OfferActInput, as_it_stands, desk_of, offer_result, reason_in
from partners.offers.standing import close_offer, pause_offer, record_baseline, resume_offer, roll_back_offer


@strawberry.input(description="An offer to give no more for now.")
class PauseOfferInput(OfferActInput):
    """For `pauseOffer`."""


@strawberry.input(description="A paused offer to give again.")
class ResumeOfferInput(OfferActInput):
    """For `resumeOffer`."""


@strawberry.input(description="An offer to end for good.")
class CloseOfferInput(OfferActInput):
    """For `closeOffer`."""


@strawberry.input(description="An earlier version to put back in force.")
class RollBackOfferInput(OfferActInput):
    """For `rollBackOffer`."""

    version: int = strawberry.field(description="The number of an approved version.")


@strawberry.input(description="A standard service as it stands from a day on.")
class RecordBaselineInput:
    """For `recordBaseline`."""

    offer_id: strawberry.ID = strawberry.field(description="The offer beside which it stands.")
    baseline: BaselineInput = strawberry.field(description="The standard service in figures.")


PauseOfferResult = Annotated[OfferWork | Problem, offer_result("PauseOfferResult")]
ResumeOfferResult = Annotated[OfferWork | Problem, offer_result("ResumeOfferResult")]
CloseOfferResult = Annotated[OfferWork | Problem, offer_result("CloseOfferResult")]
RollBackOfferResult = Annotated[OfferWork | Problem, offer_result("RollBackOfferResult")]
RecordBaselineResult = Annotated[OfferWork | Problem, offer_result("RecordBaselineResult")]


@strawberry.type
class StandingOfferMutations:
    """By operators, and by a partner's representative for its own offers."""

    @mutation(description="Give an offer no more until it is resumed.", to=PREPARERS)
    async def pause_offer(self, info: Info, input: PauseOfferInput) -> PauseOfferResult:  # noqa: A002
        """At once; who was verified before redeems."""
        async with desk_of(info.context) as desk:
            offer_id = await pause_offer(desk, key_of(input.offer_id, "Offer"), reason=reason_in(input.reason))
        return await as_it_stands(info.context, offer_id)

    @mutation(description="Give a paused offer again.", to=PREPARERS)
    async def resume_offer(self, info: Info, input: ResumeOfferInput) -> ResumeOfferResult:  # noqa: A002
        """The guard looks first."""
        async with desk_of(info.context) as desk:
            offer_id = await resume_offer(desk, key_of(input.offer_id, "Offer"), reason=reason_in(input.reason))
        return await as_it_stands(info.context, offer_id)

    @mutation(description="End an offer for good.", to=PREPARERS)
    async def close_offer(self, info: Info, input: CloseOfferInput) -> CloseOfferResult:  # noqa: A002
        """Who was verified before redeems."""
        async with desk_of(info.context) as desk:
            offer_id = await close_offer(desk, key_of(input.offer_id, "Offer"), reason=reason_in(input.reason))
        return await as_it_stands(info.context, offer_id)

    @mutation(description="Put an earlier approved version back in force, as a new version.", to=STAFF)
    async def roll_back_offer(self, info: Info, input: RollBackOfferInput) -> RollBackOfferResult:  # noqa: A002
        """One act; the guard looks first."""
        async with desk_of(info.context) as desk:
            offer_id = await roll_back_offer(
                desk, key_of(input.offer_id, "Offer"), to_version=input.version, reason=reason_in(input.reason)
            )
        return await as_it_stands(info.context, offer_id)

    @mutation(description="Register the standard service as it stands from a day on.", to=PREPARERS)
    async def record_baseline(self, info: Info, input: RecordBaselineInput) -> RecordBaselineResult:  # noqa: A002
        """A worse one within twelve months closes the offer on its day."""
        async with desk_of(info.context) as desk:
            offer_id = await record_baseline(desk, key_of(input.offer_id, "Offer"), baseline_in(input.baseline))
        return await as_it_stands(info.context, offer_id)
