"""Telling that the guard has closed an offer. One thing to know: the offer is closed already, at the first request that
found it unlawful; here its partner and the operators are told, once a day for as long as it stays so."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import start_of
from core.database import announce
from core.news import of_partner
from partners.alarms import raise_alarm
from partners.catalogue import Catalogue, Offer
from partners.offers.life import Desk
from partners.tables import security_events
from partners.webhooks.events import emit

CLOSED_BY_GUARD = "OFFER_CLOSED_BY_GUARD"


def closed_by_guard(catalogue: Catalogue) -> list[Offer]:
    """Published offers that would be open but for the guard."""
    return [
        offer
        for offer in catalogue.offers.values()
        if offer.refusals and offer.is_published(catalogue.on) and offer.terms.opens_on <= catalogue.on
    ]


async def tell_closed(desk: Desk, *, public_id: Callable[[int], str]) -> int:
    """Raise an alarm for each offer that the guard closed, and tell its partner; how many were told of.

    `public_id` gives the id by which a partner knows an offer. The caller holds the catalogue's lock: another process
    looks as well.
    """
    closed = closed_by_guard(desk.catalogue)
    if not closed:
        return 0
    told = await _told_today(desk.connection, desk)
    fresh = [offer for offer in closed if offer.id not in told]
    for offer in fresh:
        rules = sorted({refusal.rule for refusal in offer.refusals})
        detail = {"offer": offer.id, "rules": rules}
        await raise_alarm(
            desk.connection, kind=CLOSED_BY_GUARD, detail=detail, now=desk.now, partner_id=offer.partner.id
        )
        payload = {
            "offer": public_id(offer.id),
            "rules": rules,
            "reasons": [f"[{r.rule}] {r.message}(依据:{r.source})" for r in offer.refusals],
        }
        await emit(
            desk.connection,
            partner_id=offer.partner.id,
            type="offer.closed",
            lane=f"offer:{offer.id}",
            payload=payload,
            now=desk.now,
        )
        announce(desk.connection, of_partner(offer.partner.id), f"offer:{offer.id}:closed-{desk.catalogue.on}")
    return len(fresh)


async def _told_today(connection: AsyncConnection, desk: Desk) -> set[int]:
    mine = select(security_events.c.detail).where(
        security_events.c.kind == CLOSED_BY_GUARD, security_events.c.at >= start_of(desk.catalogue.on)
    )
    return {int(detail["offer"]) for detail in await connection.scalars(mine)}
