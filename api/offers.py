"""Partners and their offers in the API: public reference data, straight from memory."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Annotated

import strawberry

from api.catalogued import District, districts_of
from api.context import Context, Info
from api.grants import HOLDERS, Grant, OfferGrant, offer_grant, partner_grants
from api.ids import public_id
from api.kind_terms import KindTerm, terms_of
from api.node import Node
from api.pagination import After, First, PageInfo, cursor_of, number_after, page_info, page_size
from api.permissions import ANYONE, PARTNER, REPRESENTATIVE, STAFF, access
from core.errors import BadInput, Forbidden
from legal.effects import Effect
from partners import catalogue
from partners.kinds import BenefitKind as Kind
from partners.kinds import benefit_kinds
from partners.offers.diff import told_details

KindCode = Annotated[str | None, strawberry.argument(description="Code of a kind, for these alone.")]
"""The `kind` of a list of offers."""
Search = Annotated[
    str | None,
    strawberry.argument(description="Words that title, partner, benefit or standard service hold, all of them."),
]
LONGEST_SEARCH = 100


@strawberry.type(description="A kind of 信易X benefit.", directives=access(ANYONE))
class BenefitKind:
    """For example 信易游."""

    code: str = strawberry.field(description="Stable code: loan, tourism, medical …")
    name: str = strawberry.field(description="Its Chinese name.")
    standard: str = strawberry.field(description="What everybody gets, with or without a code.")
    adds: list[str] = strawberry.field(description="What an offer of this kind may add: fee-reduction, gift …")
    protected_service: bool = strawberry.field(description="Whether it touches a basic public service.")
    limits: list[str] = strawberry.field(description="What the guard watches in this kind, in plain Chinese.")
    source: str = strawberry.field(description="Title and clause of the document that names it.")
    terms: list[KindTerm] = strawberry.field(description="What an offer of this kind states, for a form.")


@strawberry.type(description="A body that gives benefits.", directives=access(ANYONE))
class Partner(Node):
    """A member of the incentive alliance."""

    held: strawberry.Private[catalogue.Partner]
    id: strawberry.ID = strawberry.field(description="Opaque id.")
    name: str = strawberry.field(description="Its name.")

    @strawberry.field(description="Its open offers, in a stable order.")
    async def offers(self, info: Info, first: First = None, after: After = None) -> OfferConnection:
        """Open offers only, by id."""
        return offer_page((await current(info.context)).open_of(self.held.id), first, after)

    @strawberry.field(
        description="What it may ask, or once might; null for another partner's.", directives=access(HOLDERS)
    )
    async def grants(self, info: Info) -> list[Grant] | None:
        """Oldest first."""
        return await partner_grants(info.context, self.held.id)


@strawberry.type(description="One of the terms of an offer, to be read.", directives=access(ANYONE))
class OfferDetail:
    """What the kind of benefit asks to be stated."""

    label: str = strawberry.field(description="What it is.")
    value: str = strawberry.field(description="How much, how long, which.")


@strawberry.type(description="Something a partner adds to its standard service.", directives=access(ANYONE))
class Offer(Node):
    """An offer; what it asks for is told to nobody but its subject."""

    held: strawberry.Private[catalogue.Offer]
    id: strawberry.ID = strawberry.field(description="Opaque id.")
    kind: BenefitKind = strawberry.field(description="The kind of benefit.")
    title: str = strawberry.field(description="Its title.")
    standard_service: str = strawberry.field(description="What everybody gets, with or without a code.")
    benefit: str = strawberry.field(description="What is added.")
    partner: Partner = strawberry.field(description="Who gives it.")
    status: str = strawberry.field(
        description="draft, submitted, changes-requested, approved, paused, closed or withdrawn.",
        directives=access(STAFF, REPRESENTATIVE),
    )

    @strawberry.field(description="Whether its use may be an order that is paid later: see `createOrder`.")
    def pays_later(self) -> bool:
        """As its benefit says in words."""
        return Effect.DEFERRED_PAYMENT in self.held.terms.effects

    @strawberry.field(description="What its partner is told of whoever shows a code; null while it may not ask.")
    def grant(self, info: Info) -> OfferGrant | None:
        """To be read before consenting."""
        return offer_grant(info.context, self.held)

    @strawberry.field(description="Where in its partner's place it is given; none: all over it.")
    def districts(self) -> list[District]:
        """As its partner states it."""
        return districts_of(self.held.districts)

    @strawberry.field(
        description="Of a loan: the product it is for, as `applyForLoan` takes it; null where it leaves that open."
    )
    def loan_product(self) -> str | None:
        """The code of the term, which is the same in every language."""
        return self.held.details.get("product") if self.held.kind.code == "loan" else None

    @strawberry.field(description="The terms of its kind, line by line; none where none were stated.")
    def details(self) -> list[OfferDetail]:
        """As a citizen reads them."""
        found = told_details(self.held.kind, self.held.details)
        return [OfferDetail(label=label, value=value) for label, value in found]


@strawberry.type(description="An offer in a page (Relay).", directives=access(ANYONE))
class OfferEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: Offer = strawberry.field(description="The offer.")


@strawberry.type(description="A page of offers (Relay).", directives=access(ANYONE))
class OfferConnection:
    """Relay's connection."""

    edges: list[OfferEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@lru_cache(maxsize=64)
def kind_of(kind: Kind) -> BenefitKind:
    """A kind in the API; one object for all its offers."""
    return BenefitKind(
        code=kind.code,
        name=kind.name,
        standard=kind.standard,
        adds=sorted(kind.effects),
        protected_service=kind.protected_service,
        limits=list(kind.limits),
        source=kind.source,
        terms=terms_of(kind),
    )


@lru_cache(maxsize=100_000)
def partner_of(partner: catalogue.Partner) -> Partner:
    """A partner in the API; one object for all its offers."""
    return Partner(held=partner, id=strawberry.ID(public_id("Partner", partner.id)), name=partner.name)


@lru_cache(maxsize=100_000)
def offer_of(offer: catalogue.Offer) -> Offer:
    """An offer in the API; made once for each version of the catalogue."""
    return Offer(
        held=offer,
        id=strawberry.ID(public_id("Offer", offer.id)),
        kind=kind_of(offer.kind),
        title=offer.terms.title,
        standard_service=offer.terms.standard_service,
        benefit=offer.terms.benefit,
        partner=partner_of(offer.partner),
        status=offer.status,
    )


def offer_page(offers: tuple[catalogue.Offer, ...], first: int | None, after: str | None) -> OfferConnection:
    """The page of `offers` (by id) that `first` and `after` name.

    Raises:
        BadInput: a size out of range, or a foreign cursor.
    """
    page, more = catalogue.page_after(offers, number_after(after), page_size(first))
    edges = [OfferEdge(cursor=cursor_of(offer.id), node=offer_of(offer)) for offer in page]
    return OfferConnection(edges=edges, page_info=page_info([edge.cursor for edge in edges], more=more, after=after))


async def current(context: Context) -> catalogue.Catalogue:
    """The catalogue as the database has it now."""
    async with context.state.database.reading() as connection:
        return await context.state.current_catalogue(connection)


async def find_partners(context: Context, keys: Collection[int]) -> dict[int, Partner]:
    """Of these, the partners with open offers, and the caller itself."""
    async with context.state.database.reading() as connection:
        known = await context.state.current_catalogue(connection)
        found = {key: known.partners[key] for key in keys if key in known.partners}
        own = None
        if context.claims and not all(known.open_of(key) for key in found):
            own = (await context.principal(connection)).partner_id
    return {key: partner_of(partner) for key, partner in found.items() if key == own or known.open_of(key)}


async def find_offers(context: Context, keys: Collection[int]) -> dict[int, Offer]:
    """Of these, the open offers."""
    known = await current(context)
    offers = {key: known.offers[key] for key in keys if key in known.offers}
    return {key: offer_of(offer) for key, offer in offers.items() if offer.is_open(known.on)}


def searched(search: str | None) -> list[str]:
    """The words of a search. Capital and small letters are the same.

    Raises:
        BadInput: it is too long.
    """
    if search is not None and len(search) > LONGEST_SEARCH:
        raise BadInput(f"search 最多 {LONGEST_SEARCH} 字。请只写几个词后重试。")
    return (search or "").lower().split()


@strawberry.type
class OfferQueries:
    """Public offers, and the partner signed in."""

    @strawberry.field(
        description="Open offers, of one kind where given, and holding some words.", directives=access(ANYONE)
    )
    async def offers(
        self, info: Info, first: First = None, after: After = None, kind: KindCode = None, search: Search = None
    ) -> OfferConnection:
        """By id."""
        words = searched(search)
        offers = (await current(info.context)).open_for(kind=kind)
        found = tuple(one for one in offers if all(word in one.words for word in words)) if words else offers
        return offer_page(found, first, after)

    @strawberry.field(description="The kinds of benefits.", directives=access(ANYONE))
    def benefit_kinds(self) -> list[BenefitKind]:
        """All kinds of this deployment."""
        return [kind_of(kind) for kind in benefit_kinds().values()]

    @strawberry.field(description="The partner signed in.", directives=access(PARTNER))
    async def partner(self, info: Info) -> Partner:
        """Read from the database which partner the account acts for."""
        context = info.context
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
            known = await context.state.current_catalogue(connection)
        if principal.partner_id is None:
            raise Forbidden
        return partner_of(known.partners[principal.partner_id])
