"""Operators' work: bringing a partner in, submitting an offer, approving somebody else's."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import strawberry

from api.context import Info
from api.errors import Problem
from api.ids import key_of
from api.mutations import mutation
from api.offers import Offer, Partner, offer_of, partner_of
from api.permissions import OPERATOR, STAFF
from api.scalars import Fen
from api.verification import checked_text
from core.errors import BadInput
from legal.terms import Baseline, Citation
from partners.offers import OfferDraft, approve_offer, submit_offer
from partners.registry import register_partner

LONGEST_NAME, LONGEST_TEXT, MOST_ENTRIES = 100, 500, 50


@strawberry.input(description="An organisation that joins the incentive alliance.")
class RegisterPartnerInput:
    """For `registerPartner`."""

    place: str = strawberry.field(description="Folder name of its place, for example hunan-shaoyang.")
    sector: str = strawberry.field(description="What it is: bank, hospital, scenic …")
    name: str = strawberry.field(description="Its full name.")
    uscc: str = strawberry.field(description="Its unified social credit code (GB 32100).")


@strawberry.input(description="The standard service: the same for everybody, with or without a code.")
class BaselineInput:
    """Structured, dated and sourced, so that it can be compared with a later one."""

    price_fen: Fen | None = strawberry.field(default=None, description="Price in 分; null where it is free.")
    deposit_fen: Fen | None = strawberry.field(default=None, description="Deposit in 分; null where there is none.")
    days: int | None = strawberry.field(default=None, description="Working days it takes; null where at once.")
    documents: list[str] = strawberry.field(default_factory=list, description="Papers to bring.")
    queue: str = strawberry.field(default="first-come", description="none, first-come, appointment …")
    code_required: bool = strawberry.field(default=False, description="Whether a code is asked for first: may not be.")
    source_title: str = strawberry.field(description="Title of the list or public terms that set it.")
    source_clause: str = strawberry.field(default="", description="Clause, where there is one.")
    in_force_from: date = strawberry.field(description="Since when it has been so.")


@strawberry.input(description="An offer on top of a standard service.")
class SubmitOfferInput:
    """For `submitOffer`."""

    partner_id: strawberry.ID = strawberry.field(description="Whose offer.")
    kind: str = strawberry.field(description="Code of the kind: loan, tourism, medical …")
    model: str = strawberry.field(description="The one score model it goes by.")
    threshold: str = strawberry.field(description="Code of the lowest grade that gets the benefit.")
    title: str = strawberry.field(description="Title, in neutral words.")
    standard_service: str = strawberry.field(description="What everybody gets.")
    benefit: str = strawberry.field(description="What is added.")
    effects: list[str] = strawberry.field(description="What sort of addition: fee-reduction, deposit-waiver …")
    baseline: BaselineInput = strawberry.field(description="The standard service in figures.")
    opens_on: date = strawberry.field(description="First day.")
    closes_on: date | None = strawberry.field(default=None, description="First day on which it is closed.")
    payer: str = strawberry.field(default="partner", description="Who bears the cost.")
    budget: str = strawberry.field(default="", description="Name of the budget or sponsor, where there is one.")
    standard_lanes_unchanged: bool = strawberry.field(
        default=False, description="Declared: lanes, places and quotas open to everybody stay as they were."
    )
    also_open_to: list[str] = strawberry.field(default_factory=list, description="Places besides the partner's own.")
    quota: int | None = strawberry.field(default=None, description="How many in all.")
    limit_per_person: int | None = strawberry.field(default=None, description="How many for one subject.")


@strawberry.input(description="Which offer to approve.")
class ApproveOfferInput:
    """For `approveOffer`."""

    offer_id: strawberry.ID = strawberry.field(description="An offer that somebody else submitted.")


RegisterPartnerResult = Annotated[
    Partner | Problem, strawberry.union("RegisterPartnerResult", description="The partner, or why not.")
]
SubmitOfferResult = Annotated[
    Offer | Problem, strawberry.union("SubmitOfferResult", description="The offer submitted, or why not.")
]
ApproveOfferResult = Annotated[
    Offer | Problem, strawberry.union("ApproveOfferResult", description="The offer approved, or why not.")
]


def _optional_text(name: str, value: str, longest: int = LONGEST_NAME) -> str:
    return checked_text(name, value, longest) if value else ""


def _list(name: str, values: list[str], most: int) -> tuple[str, ...]:
    if len(values) > most:
        raise BadInput(f"{name} 最多 {most} 项。请删减。")
    return tuple(dict.fromkeys(checked_text(name, value, LONGEST_NAME) for value in values))


def _draft(given: SubmitOfferInput) -> OfferDraft:
    standard = given.baseline
    return OfferDraft(
        partner_id=key_of(given.partner_id, "Partner"),
        kind=given.kind,
        model=given.model,
        threshold=given.threshold,
        title=checked_text("title", given.title, LONGEST_NAME),
        standard_service=checked_text("standardService", given.standard_service, LONGEST_TEXT),
        benefit=checked_text("benefit", given.benefit, LONGEST_TEXT),
        effects=_list("effects", given.effects, MOST_ENTRIES),
        baseline=Baseline(
            price_fen=standard.price_fen,
            deposit_fen=standard.deposit_fen or 0,
            days=standard.days,
            documents=_list("documents", standard.documents, MOST_ENTRIES),
            queue=checked_text("queue", standard.queue, 20),
            code_required=standard.code_required,
            source=Citation(
                _optional_text("sourceTitle", standard.source_title),
                _optional_text("sourceClause", standard.source_clause),
            ),
            in_force_from=standard.in_force_from,
        ),
        opens_on=given.opens_on,
        closes_on=given.closes_on,
        payer=given.payer,
        budget=_optional_text("budget", given.budget),
        standard_lanes_unchanged=given.standard_lanes_unchanged,
        also_open_to=_list("alsoOpenTo", given.also_open_to, MOST_ENTRIES),
        quota=given.quota,
        limit_per_person=given.limit_per_person,
    )


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
            )
        return partner_of(partner)

    @mutation(description="Submit an offer for approval by somebody else.", to=OPERATOR)
    async def submit_offer(self, info: Info, input: SubmitOfferInput) -> SubmitOfferResult:  # noqa: A002
        """The guard looks first; what it refuses is not kept."""
        context, state = info.context, info.context.state
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            offer = await submit_offer(
                connection,
                actor=principal.account,
                draft=_draft(input),
                catalogue=await state.current_catalogue(connection),
                rulebook=state.rulebook,
                now=context.now,
            )
        return offer_of(offer)

    @mutation(description="Approve an offer that somebody else submitted.", to=STAFF)
    async def approve_offer(self, info: Info, input: ApproveOfferInput) -> ApproveOfferResult:  # noqa: A002
        """The guard looks again, as things stand today."""
        context, state = info.context, info.context.state
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            offer = await approve_offer(
                connection,
                actor=principal.account,
                offer_id=key_of(input.offer_id, "Offer"),
                rulebook=state.rulebook,
                now=context.now,
            )
        return offer_of(offer)
