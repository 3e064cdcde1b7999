"""What people can subscribe to. One thing to know: news only says where to look; each piece is read from the database
anew, with the rights that the listener has at that moment, and whoever has none any more hears nothing more.

Where news may have been missed (a slow listener, another process out of reach) what is new is looked for instead, so a
stream goes on without a hole. Of `partnerEvent` alone nothing is kept to be looked for: what has to arrive goes by
webhook.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

import strawberry
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access import AccessEvent, access_event
from api.cases import CreditCase, case_of
from api.context import Context, Info
from api.offers import Offer, offer_of
from api.orders import BOTH, Order, shown_order, steps_of
from api.permissions import PARTNER, REPRESENTATIVE, SUBJECT, access
from api.subjects import CreditSubject, signed_in_subject
from core.errors import Forbidden, Unauthenticated
from core.news import BENEFITS, CATALOGUE, CHANGED, GAP, of_partner, of_subject
from partners.accounts import Principal, Role
from partners.offers.life import PENDING, Status
from partners.orders.tables import order_steps, orders
from partners.orders.workflow import Side, order_of
from partners.tables import access_events, offer_steps, offers
from partners.webhooks.endpoints import checked_events
from partners.webhooks.events import wants
from scoring.cases.tables import case_steps
from scoring.cases.workflow import UnknownCase, read_case

PARTNERS = (*PARTNER, *REPRESENTATIVE)
SECONDS_BETWEEN = 1.0
"""Between two events of `benefitsChanged` at least; what happens meanwhile is one event."""
COMMITTED_WITHIN = timedelta(minutes=1)
"""How long before its commit something may bear the time at which it was written."""
MOST_MISSED, REMEMBERED = 100, 1_000
"""How much is looked for where news may be missing; and how many events a stream knows it has given."""
UNSEEN = frozenset({*PENDING, Status.WITHDRAWN})
"""Offers that those at a partner's counters do not work with."""


@strawberry.type(description="Something happened that a partner's webhooks are told of.", directives=access(PARTNERS))
class PartnerEvent:
    """Without the rest of what webhooks carry."""

    type: str = strawberry.field(description="What happened, such as order.confirmed.")
    at: datetime = strawberry.field(description="When.")
    about: strawberry.ID | None = strawberry.field(
        description="The order, offer, loan application, redemption or settlement file; null for anything else."
    )


T = TypeVar("T")
Missed = Callable[[AsyncConnection, Principal, datetime], Awaitable[Sequence[str]]]
"""The texts of what was written since an instant, oldest first."""


@strawberry.type(description="What one can be told of as it happens.")
class Subscription:
    """Everybody hears of himself alone."""

    @strawberry.subscription(
        description="A partner showed us a code of mine, and was answered, refusals too: the line of `accessLog`.",
        directives=access(SUBJECT),
    )
    async def code_scanned(self, info: Info) -> AsyncGenerator[AccessEvent, None]:
        """As soon as the answer is written."""

        async def read(connection: AsyncConnection, listener: Principal, key: str) -> AccessEvent | None:
            return await access_event(connection, info.context, listener.subject_id or 0, UUID(key))

        async with aclosing(_read_anew(info.context, "scan", read, _missed_scans)) as events:
            async for event in events:
                yield event

    @strawberry.subscription(
        description="A case of mine was opened, or took a step: the case as it stands now.", directives=access(SUBJECT)
    )
    async def case_moved(self, info: Info) -> AsyncGenerator[CreditCase, None]:
        """Whoever moved it."""
        context = info.context

        async def read(connection: AsyncConnection, listener: Principal, key: str) -> CreditCase | None:
            try:
                row = await read_case(connection, UUID(key), subject_id=listener.subject_id)
            except UnknownCase:
                return None
            return await case_of(connection, row, context.state, now=context.now)

        async with aclosing(_read_anew(context, "case", read, _missed_cases)) as events:
            async for event in events:
                yield event

    @strawberry.subscription(
        description=(
            "My benefits may have changed: a result, a record, a consent, a use or an order of mine, or what is on "
            "offer. Select `benefits`, or ask `me` again. At most one event a second. What the calendar alone brings "
            "(an offer that opens at midnight) is not told."
        ),
        directives=access(SUBJECT),
    )
    async def benefits_changed(self, info: Info) -> AsyncGenerator[CreditSubject, None]:
        """The subject as it stands now."""
        heard = _heard(info.context, BENEFITS, CHANGED, also=CATALOGUE, seconds_between=SECONDS_BETWEEN)
        async with aclosing(heard) as pieces:
            async for _ in pieces:
                yield await signed_in_subject(info.context)

    @strawberry.subscription(
        description="A pay-later order was made, or took a step: one of mine, or of my partner's.",
        directives=access(BOTH),
    )
    async def order_moved(self, info: Info) -> AsyncGenerator[Order, None]:
        """The order as it stands now; for its holder with its steps."""
        context = info.context

        async def read(connection: AsyncConnection, listener: Principal, key: str) -> Order | None:
            mine = select(orders).where(orders.c.id == UUID(key), _owned(listener))
            row = (await connection.execute(mine)).one_or_none()
            if row is None:
                return None
            side = Side.PARTNER if listener.subject_id is None else Side.HOLDER
            steps = await steps_of(connection, [row]) if side is Side.HOLDER else {}
            known = await context.state.current_catalogue(connection)
            return shown_order(order_of(row, now=context.now), side, known, steps.get(row.id, []))

        async with aclosing(_read_anew(context, "order", read, _missed_orders)) as events:
            async for event in events:
                yield event

    @strawberry.subscription(
        description="An offer of my partner's took a step: submitted, approved, paused, closed by the guard …",
        directives=access(PARTNERS),
    )
    async def offer_moved(self, info: Info) -> AsyncGenerator[Offer, None]:
        """The offer as it stands now; at the counter none that was never approved."""
        context = info.context

        async def read(connection: AsyncConnection, listener: Principal, key: str) -> Offer | None:
            offer = (await context.state.current_catalogue(connection)).offers.get(int(key))
            if offer is None or offer.partner.id != listener.partner_id:
                return None
            return None if listener.role is Role.PARTNER and offer.status in UNSEEN else offer_of(offer)

        async with aclosing(_read_anew(context, "offer", read, _missed_offers)) as events:
            async for event in events:
                yield event

    @strawberry.subscription(
        description="Whatever webhooks are told of (orders, offers, loans, settlement, keys), with or without any.",
        directives=access(PARTNERS),
    )
    async def partner_event(
        self,
        info: Info,
        types: Annotated[
            list[str] | None, strawberry.argument(description="Types wanted, such as order.*; none: all.")
        ] = None,
    ) -> AsyncGenerator[PartnerEvent, None]:
        """Not kept: what has to arrive goes by webhook."""
        wanted = checked_events(types or ())
        async with aclosing(_heard(info.context, "event")) as pieces:
            async for _, text in pieces:
                if text == GAP:
                    continue
                _, kind, about, at = text.split(":", 3)
                if wants(wanted, kind):
                    yield PartnerEvent(
                        type=kind, at=datetime.fromisoformat(at), about=strawberry.ID(about) if about else None
                    )


async def _heard(
    context: Context, *words: str, also: str | None = None, seconds_between: float = 0.0
) -> AsyncGenerator[tuple[Principal, str], None]:
    """Each text on the listener's own topic (and `also`) that begins with one of `words`, or may be missing (`GAP`);
    and who listens, as the database has it by then. With time between, what waits by then is all one.

    Raises:
        Unauthenticated, Forbidden: whoever began to listen may no more, or acts for another now.
    """
    listener = await _listener(context)
    topics = [_topic(listener), *([also] if also else ())]
    async with context.state.cache.listen(*topics) as texts:
        async for text in texts:
            if text != GAP and text.partition(":")[0] not in words:
                continue
            if seconds_between:
                texts.drop()  # before anything is read: it will be in there
            if await _listener(context) != listener:
                raise Unauthenticated("此账号所代表的主体或机构已变更,推送已结束。请重新订阅。")
            yield listener, text
            await asyncio.sleep(seconds_between)


async def _listener(context: Context) -> Principal:
    context.begin_anew()
    async with context.state.database.reading() as connection:
        return await context.principal(connection)


def _topic(listener: Principal) -> str:
    if listener.subject_id is not None:
        return of_subject(listener.subject_id)
    if listener.partner_id is not None:
        return of_partner(listener.partner_id)
    raise Forbidden


async def _read_anew(
    context: Context,
    word: str,
    read: Callable[[AsyncConnection, Principal, str], Awaitable[T | None]],
    missed: Missed,
) -> AsyncGenerator[T, None]:
    """What the texts `word:key:…` are about, each once; where some may be missing, what `missed` finds instead."""
    given: deque[str] = deque(maxlen=REMEMBERED)
    began = since = context.now
    async with aclosing(_heard(context, word)) as pieces:
        async for listener, text in pieces:
            found = []
            async with context.state.database.reading() as connection:
                texts = [text]
                if text == GAP:
                    texts = [*await missed(connection, listener, max(began, since - COMMITTED_WITHIN))]
                for one in texts:
                    if one not in given:
                        given.append(one)
                        found.append(await read(connection, listener, one.split(":")[1]))
            since = context.now
            for event in found:
                if event is not None:
                    yield event


async def _missed_scans(connection: AsyncConnection, listener: Principal, since: datetime) -> Sequence[str]:
    events = access_events.c
    mine = (events.subject_id == listener.subject_id, events.at >= since, events.partner_id.is_not(None))
    # Of what partners ask otherwise, such as about a loan, no news is told.
    wanted = select(events.id).where(*mine, events.action.is_(None)).order_by(events.id).limit(MOST_MISSED)
    return [f"scan:{key}" for key in await connection.scalars(wanted)]


async def _missed_cases(connection: AsyncConnection, listener: Principal, since: datetime) -> Sequence[str]:
    steps = case_steps.c
    mine = select(steps.case_id, steps.step).where(steps.subject_id == listener.subject_id, steps.at >= since)
    return await _texts(connection, "case", mine.order_by(steps.at))


async def _missed_orders(connection: AsyncConnection, listener: Principal, since: datetime) -> Sequence[str]:
    steps = order_steps.c
    of_order = (orders.c.subject_id == steps.subject_id) & (orders.c.id == steps.order_id)
    mine = select(steps.order_id, steps.step).join(orders, of_order).where(_owned(listener), steps.at >= since)
    return await _texts(connection, "order", mine.order_by(steps.at))


async def _missed_offers(connection: AsyncConnection, listener: Principal, since: datetime) -> Sequence[str]:
    steps = offer_steps.c
    mine = select(steps.offer_id, steps.step).join(offers, offers.c.id == steps.offer_id)
    mine = mine.where(offers.c.partner_id == listener.partner_id, steps.at >= since)
    return await _texts(connection, "offer", mine.order_by(steps.at))


def _owned(listener: Principal) -> ColumnElement[bool]:
    if listener.subject_id is not None:
        return orders.c.subject_id == listener.subject_id
    return orders.c.partner_id == listener.partner_id


async def _texts(connection: AsyncConnection, word: str, steps: Select[Any, int]) -> list[str]:
    return [f"{word}:{key}:{step}" for key, step in await connection.execute(steps.limit(MOST_MISSED))]
