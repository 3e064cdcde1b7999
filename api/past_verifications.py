"""The list of a desk's day. One thing to know: nobody is in it; a row is an answer that the partner had, and what came
of it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import strawberry
from sqlalchemy import Row

from api.context import Info
from api.ids import public_id
from api.offers import Offer, offer_of
from api.pagination import After, First, PageInfo, cursor_of, key_after, page_info, page_size
from api.permissions import PARTNER, access
from api.scalars import Fen, Outcome
from core.clock import day_of
from core.errors import BadInput, Forbidden
from partners.past_verifications import is_redeemable, verifications_on


@strawberry.type(description="What became of a verified benefit that was used.", directives=access(PARTNER))
class PastRedemption:
    """As its partner reads it again."""

    id: strawberry.ID = strawberry.field(description="Give it to `reverseRedemption`.")
    redeemed_at: datetime = strawberry.field(description="When it was used.")
    amount_fen: Fen | None = strawberry.field(description="Amount in 分, where there was one.")
    reversed_at: datetime | None = strawberry.field(description="When it was taken back, if it was.")


@strawberry.type(description="An answer that your partner had, without whom it was about.", directives=access(PARTNER))
class PastVerification:
    """A line of the day's list."""

    id: strawberry.ID = strawberry.field(description="Of the verification.")
    at: datetime = strawberry.field(description="When it was answered.")
    outcome: Outcome = strawberry.field(description="Benefit or standard service.")
    offer: Offer | None = strawberry.field(description="Which offer it was about.")
    site: str | None = strawberry.field(description="At which gate or counter, if that was said.")
    expires_at: datetime = strawberry.field(description="Until when the benefit is, or was, reserved.")
    redeemable: bool = strawberry.field(description="Whether `redeemBenefit` would still take it.")
    redemption: PastRedemption | None = strawberry.field(description="Its use; null while there is none.")
    order_id: strawberry.ID | None = strawberry.field(
        description="The pay-later order made of it: it is cancelled there, and not reversed here."
    )


@strawberry.type(description="An answer in a page (Relay).", directives=access(PARTNER))
class PastVerificationEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: PastVerification = strawberry.field(description="The answer.")


@strawberry.type(description="A page of a day's answers, newest first (Relay).", directives=access(PARTNER))
class PastVerificationConnection:
    """Relay's connection."""

    edges: list[PastVerificationEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


OnDay = Annotated[date | None, strawberry.argument(description="A day in Asia/Shanghai; left out, today.")]
"""The `on` of the list."""


def _last(after: str | None) -> tuple[datetime, UUID] | None:
    key = key_after(after)
    if key is None:
        return None
    at, _, number = key.partition(" ")
    try:
        instant = datetime.fromisoformat(at)
        if instant.tzinfo is not None:
            return instant, UUID(number)
    except ValueError:
        pass
    raise BadInput("after 不是有效的游标。请原样使用上一页的 endCursor。")


@strawberry.type
class PastVerificationQueries:
    """A partner's own."""

    @strawberry.field(
        description="The answers your partner had on a day, newest first; nothing in it is about a person.",
        directives=access(PARTNER),
    )
    async def verifications(
        self, info: Info, first: First = None, after: After = None, on: OnDay = None
    ) -> PastVerificationConnection:
        """Nobody else's."""
        context = info.context
        size, last = page_size(first), _last(after)
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
            if principal.partner_id is None:
                raise Forbidden
            known = await context.state.current_catalogue(connection)
            day = on or day_of(context.now)
            rows = await verifications_on(
                connection, partner_id=principal.partner_id, day=day, last=last, most=size + 1
            )
        edges = []
        for row in rows[:size]:
            offer = known.offers.get(row.offer_id)
            node = PastVerification(
                id=strawberry.ID(public_id("Verification", row.id)),
                at=row.at,
                outcome=Outcome(row.outcome),
                offer=offer_of(offer) if offer else None,
                site=row.site,
                expires_at=row.expires_at,
                redeemable=is_redeemable(row, now=context.now),
                redemption=_redemption(row),
                order_id=None if row.order_id is None else strawberry.ID(public_id("Order", row.order_id)),
            )
            edges.append(PastVerificationEdge(cursor=cursor_of(f"{row.at.isoformat()} {row.id}"), node=node))
        shown = page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
        return PastVerificationConnection(edges=edges, page_info=shown)


def _redemption(row: Row[object]) -> PastRedemption | None:
    if row.redemption_id is None:
        return None
    return PastRedemption(
        id=strawberry.ID(public_id("Redemption", row.redemption_id)),
        redeemed_at=row.redeemed_at,
        amount_fen=None if row.amount_fen is None else Fen(row.amount_fen),
        reversed_at=row.reversed_at,
    )
