"""What waits and what stands, for those who look after offers: the queue, one offer's versions and steps. One thing to
know: it is about offers alone and says nothing of any person; a representative sees its own partner's."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

import orjson
import strawberry
from sqlalchemy import Row

from api.context import Context, Info
from api.errors import Refusal
from api.ids import key_of, public_id
from api.offer_input import stated_of
from api.offers import BenefitKind, Offer, OfferDetail, kind_of, offer_of
from api.pagination import After, First, PageInfo, cursor_of, key_after, page_info, page_size
from api.permissions import REPRESENTATIVE, STAFF, access
from api.scalars import show_enum
from core.errors import BadInput, Forbidden
from core.identifiers import mask_text
from partners.accounts import Role
from partners.catalogue import Catalogue
from partners.offers.diff import changes, terms
from partners.offers.queue import Entry, author_of, count_entries, list_entries, read_entry, since_key
from partners.offers.queue import State as OfferState
from partners.offers.review import keys_of

DESK = (*STAFF, *REPRESENTATIVE)

show_enum(
    OfferState,
    "Where an offer stands.",
    name="OfferState",
    DRAFT="Being written.",
    SUBMITTED="Waits for approval by somebody else.",
    CHANGES_REQUESTED="Sent back to whoever wrote it.",
    SCHEDULED="Approved; opens on its day.",
    OPEN="Given today.",
    HELD="Approved, but not given: the guard objects, or its partner is not live.",
    PAUSED="Not given until it is resumed.",
    CLOSED="Ended.",
    WITHDRAWN="Taken back before it was approved.",
)


@strawberry.type(description="One field of an offer, before and after.", directives=access(DESK))
class OfferChange:
    """In words."""

    field: str = strawberry.field(description="What it is, in Chinese.")
    before: str = strawberry.field(description="As it was.")
    after: str = strawberry.field(description="As it is.")


Since = Annotated[int | None, strawberry.argument(description="Number of a version; the one before, if left out.")]


@strawberry.type(description="A version of an offer.", directives=access(DESK))
class OfferVersion:
    """Kept whole."""

    entry: strawberry.Private[Entry]
    catalogue: strawberry.Private[Catalogue]
    content: strawberry.Private[dict[str, Any]]
    version: int = strawberry.field(description="Its number; receipts carry it.")
    status: str = strawberry.field(description="draft, submitted, changes-requested, approved or withdrawn.")
    in_force: bool = strawberry.field(description="Whether it is the one that is given.")
    author: str = strawberry.field(description="The account that began it.")
    created_at: datetime = strawberry.field(description="When.")
    decided_by: str | None = strawberry.field(description="The account that let it pass.")
    decided_at: datetime | None = strawberry.field(description="When.")
    from_version: int | None = strawberry.field(description="The one it takes up again, after a rollback.")

    @strawberry.field(description="All that it states, in words.")
    def terms(self) -> list[OfferDetail]:
        """Also what is told to nobody outside, such as the threshold."""
        rulebook = self.catalogue.rulebook
        found = terms(self.content, kinds=rulebook.kinds, districts=rulebook.places.district_names)
        return [OfferDetail(label=label, value=value) for label, value in found]

    @strawberry.field(description="What changed, in words.")
    def changes(self, since: Since = None) -> list[OfferChange]:
        """Nothing for the first version."""
        versions = self.entry.file.versions
        earlier = [one for one in versions if one.version < self.version and (since is None or one.version == since)]
        if since is not None and not earlier:
            raise BadInput(f"没有早于第 {self.version} 版的第 {since} 版。请用更早的版本号。")
        if not earlier:
            return []
        rulebook = self.catalogue.rulebook
        found = changes(
            earlier[-1].content, self.content, kinds=rulebook.kinds, districts=rulebook.places.district_names
        )
        return [OfferChange(field=one.field, before=one.before, after=one.after) for one in found]

    @strawberry.field(description="All of it as `OfferInput` has it, as JSON: to be changed and sent back.")
    def stated(self) -> str:
        """What `editOffer` and `reviseOffer` take."""
        return orjson.dumps(stated_of(self.content)).decode()


@strawberry.type(description="A step in the life of an offer.", directives=access(DESK))
class OfferStep:
    """Never changed, never taken away."""

    step: int = strawberry.field(description="Counts from 1.")
    version: int = strawberry.field(description="The version it is about.")
    status: str = strawberry.field(description="What was done: the status reached, or review-signed …")
    actor: str = strawberry.field(description="The account.")
    at: datetime = strawberry.field(description="When.")
    reason: str = strawberry.field(description="Why.")


@strawberry.type(description="What a machine cannot judge, or refuses.", directives=access(DESK))
class GuardOpinion:
    """Of the guard, as things stand."""

    refusal: Refusal = strawberry.field(description="The rule, what is wrong, and the source.")
    needs_review: bool = strawberry.field(description="True: a reviewer may sign it. False: it is forbidden.")
    key: str | None = strawberry.field(description="What a reviewer signs.")


@strawberry.type(description="What a reviewer has answered for.", directives=access(DESK))
class SignedReview:
    """Holds while the terms stay as they were."""

    rule: str = strawberry.field(description="Id of the rule.")
    message: str = strawberry.field(description="What the guard had said.")
    signed_by: str = strawberry.field(description="The account.")
    signed_at: datetime = strawberry.field(description="When.")
    reason: str = strawberry.field(description="Why it is lawful.")


@strawberry.type(description="An offer as work: where it stands and what is due.", directives=access(DESK))
class OfferWork:
    """For operators, reviewers, and its own partner's representatives."""

    entry: strawberry.Private[Entry]
    catalogue: strawberry.Private[Catalogue]
    id: strawberry.ID = strawberry.field(description="The offer's id.")
    offer: Offer = strawberry.field(description="As it would be with the version that waits, else as it is.")
    state: OfferState = strawberry.field(description="Where the offer stands.")
    revision: OfferState | None = strawberry.field(description="Where a revision of it stands, if one waits.")
    version: int = strawberry.field(description="The version in force, or the first while none is.")
    written_by: str = strawberry.field(description="The account that last wrote or submitted.")
    since: datetime | None = strawberry.field(description="When the last step was taken.")
    due_on: date | None = strawberry.field(description="Last day for judging what was submitted.")
    opens_on: date = strawberry.field(description="First day.")
    closes_on: date | None = strawberry.field(description="First day on which it is closed.")

    @strawberry.field(description="What the guard has against it as things stand.")
    def opinions(self) -> list[GuardOpinion]:
        """Empty: nothing."""
        return [
            GuardOpinion(
                refusal=Refusal(rule=one.rule, message=mask_text(one.message), source=str(one.source)),
                needs_review=bool(key),
                key=key or None,
            )
            for one, key in keys_of(self.entry.offer)
        ]

    @strawberry.field(description="What reviewers have answered for.")
    def signed_reviews(self) -> list[SignedReview]:
        """Also of earlier terms."""
        return [
            SignedReview(
                rule=one["rule"],
                message=one["message"],
                signed_by=one["by"],
                signed_at=datetime.fromisoformat(one["at"]),
                reason=one["reason"],
            )
            for one in self.entry.file.row.signed_reviews
        ]

    @strawberry.field(description="All its versions, oldest first.")
    def versions(self) -> list[OfferVersion]:
        """Each whole."""
        return [self._version(row) for row in self.entry.file.versions]

    def _version(self, row: Row[Any]) -> OfferVersion:
        return OfferVersion(
            entry=self.entry,
            catalogue=self.catalogue,
            content=row.content,
            version=row.version,
            status=row.status,
            in_force=self.entry.file.was_approved and row.version == self.entry.file.row.version,
            author=row.author,
            created_at=row.created_at,
            decided_by=row.decided_by,
            decided_at=row.decided_at,
            from_version=row.from_version,
        )

    @strawberry.field(description="All steps, oldest first.")
    def steps(self) -> list[OfferStep]:
        """Who did what, when and why."""
        return [
            OfferStep(
                step=row.step, version=row.version, status=row.status, actor=row.actor, at=row.at, reason=row.reason
            )
            for row in self.entry.file.steps
        ]


@strawberry.type(description="An offer in a page (Relay).", directives=access(DESK))
class OfferWorkEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: OfferWork = strawberry.field(description="The offer.")


@strawberry.type(description="Offers, those longest without a step first (Relay).", directives=access(DESK))
class OfferWorkConnection:
    """Relay's connection."""

    edges: list[OfferWorkEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.type(description="How many offers of a kind are in a state.", directives=access(STAFF))
class OfferCount:
    """One bar of a chart."""

    kind: BenefitKind = strawberry.field(description="The kind.")
    state: OfferState = strawberry.field(description="The state.")
    offers: int = strawberry.field(description="How many; an offer whose revision waits counts for both states.")


def work_of(entry: Entry, known: Catalogue) -> OfferWork:
    """An entry in the API."""
    row = entry.file.row
    return OfferWork(
        entry=entry,
        catalogue=known,
        id=strawberry.ID(public_id("Offer", row.id)),
        offer=offer_of(entry.offer),
        state=entry.state,
        revision=entry.waiting,
        version=row.version,
        written_by=author_of(entry),
        since=entry.since,
        due_on=entry.due_on,
        opens_on=row.opens_on,
        closes_on=row.closes_on,
    )


async def _own_partner(context: Context, connection: Any) -> int | None:
    """The partner whose offers alone the caller may see; None: any."""
    principal = await context.principal(connection)
    if principal.role is not Role.REPRESENTATIVE:
        return None
    if principal.partner_id is None:
        raise Forbidden
    return principal.partner_id


States = Annotated[
    list[OfferState] | None,
    strawberry.argument(description="In these states, themselves or by a revision; what was submitted, if left out."),
]
OfferKey = Annotated[strawberry.ID, strawberry.argument(description="The offer.")]


@strawberry.type
class OfferWorkQueries:
    """The queue and one offer."""

    @strawberry.field(
        description="Offers by state, those longest without a step first; a representative sees its own partner's.",
        directives=access(DESK),
    )
    async def offer_queue(
        self, info: Info, states: States = None, first: First = None, after: After = None
    ) -> OfferWorkConnection:
        """Pages by the instant of the last step and the offer."""
        context, size = info.context, page_size(first)
        async with context.state.database.reading() as connection:
            partner_id = await _own_partner(context, connection)
            known = await context.state.current_catalogue(connection)
            entries = await list_entries(
                connection,
                catalogue=known,
                states=[OfferState.SUBMITTED] if states is None else states,
                partner_id=partner_id,
                after=_after(after),
                size=size + 1,
            )
        edges = []
        for entry in entries[:size]:
            at, offer_id = since_key(entry)
            edges.append(OfferWorkEdge(cursor=cursor_of(f"{at.isoformat()}/{offer_id}"), node=work_of(entry, known)))
        found = page_info([edge.cursor for edge in edges], more=len(entries) > size, after=after)
        return OfferWorkConnection(edges=edges, page_info=found)

    @strawberry.field(
        description="How many offers there are, by kind and state; none where there are none.", directives=access(STAFF)
    )
    async def offer_counts(self, info: Info) -> list[OfferCount]:
        """Of all partners."""
        context = info.context
        async with context.state.database.reading() as connection:
            await context.principal(connection)
            known = await context.state.current_catalogue(connection)
            found = await count_entries(connection, known)
        kinds = known.rulebook.kinds
        return [OfferCount(kind=kind_of(kinds[kind]), state=state, offers=number) for kind, state, number in found]

    @strawberry.field(
        description="One offer as work; null where there is none, or it is another partner's.", directives=access(DESK)
    )
    async def offer_work(self, info: Info, id: OfferKey) -> OfferWork | None:  # noqa: A002
        """With versions and steps."""
        context = info.context
        async with context.state.database.reading() as connection:
            partner_id = await _own_partner(context, connection)
            known = await context.state.current_catalogue(connection)
            entry = await read_entry(connection, key_of(id, "Offer"), catalogue=known, partner_id=partner_id)
        return work_of(entry, known) if entry is not None else None


def _after(cursor: str | None) -> tuple[datetime, int] | None:
    key = key_after(cursor)
    if key is None:
        return None
    at, _, offer_id = key.partition("/")
    try:
        instant = datetime.fromisoformat(at)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None or not (offer_id.isascii() and offer_id.isdecimal()):
        raise BadInput("after 不是有效的游标。请原样使用上一页的 endCursor。")
    if len(offer_id) >= 19:
        raise BadInput("after 不是有效的游标。请原样使用上一页的 endCursor。")
    return instant, int(offer_id)
