"""Webhooks, for a partner's representative: where they go, what became of them, sending again. One thing to know: what
is shown here names no person; those at the partner's counters may read the log, and nothing more."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated, Any, cast
from uuid import UUID

import orjson
import strawberry
from sqlalchemy.ext.asyncio import AsyncConnection

from api.context import Context, Info
from api.ids import public_id
from api.pagination import After, First, PageInfo, cursor_of, key_after, page_info, page_size
from api.permissions import PARTNER, REPRESENTATIVE, access
from core.errors import BadInput, Forbidden
from partners.webhooks.endpoints import list_endpoints
from partners.webhooks.log import Key, State, attempts_of, key_of, list_deliveries, state_of

READERS = (*REPRESENTATIVE, *PARTNER)


@strawberry.enum(description="Whether anything is sent to an endpoint.")
class WebhookStatus(Enum):
    """Removed ones are not shown."""

    ACTIVE = strawberry.enum_value("ACTIVE", description="Events are sent.")
    PAUSED = strawberry.enum_value("PAUSED", description="Events pile up until it is resumed.")


@strawberry.enum(description="What has become of a delivery.")
class WebhookState(Enum):
    """`partners.webhooks.log.State`, described."""

    WAITING = strawberry.enum_value("WAITING", description="To be sent, or to be tried again.")
    DELIVERED = strawberry.enum_value("DELIVERED", description="The receiver answered 2xx.")
    FAILED = strawberry.enum_value("FAILED", description="Given up for now; later events of its lane wait for it.")
    SKIPPED = strawberry.enum_value("SKIPPED", description="Let be, by skipWebhook.")


@strawberry.type(description="An address that a partner's events go to.", directives=access(REPRESENTATIVE))
class WebhookEndpoint:
    """Without its secret, which is shown once."""

    id: strawberry.ID = strawberry.field(description="Opaque id.")
    url: str = strawberry.field(description="Where events are posted.")
    events: list[str] = strawberry.field(description="Types wanted, such as order.*; empty: all.")
    status: WebhookStatus = strawberry.field(description="Whether anything is sent.")
    paused_at: datetime | None = strawberry.field(description="Since when it has been paused.")
    pause_reason: str | None = strawberry.field(description="Why it is paused, and what to do.")
    waiting: int = strawberry.field(description="Deliveries that are still to come.")
    failed: int = strawberry.field(description="Deliveries given up for now.")
    former_secret_until: datetime | None = strawberry.field(
        description="Until when the secret before the last rotation signs too."
    )
    created_at: datetime = strawberry.field(description="When it was registered.")


@strawberry.type(description="One attempt at a delivery.", directives=access(READERS))
class WebhookAttempt:
    """A line of the log."""

    at: datetime = strawberry.field(description="When.")
    status: int | None = strawberry.field(description="HTTP status; null where no answer came.")
    error: str | None = strawberry.field(description="What went wrong; null where it was taken.")
    milliseconds: int = strawberry.field(description="How long it took.")


@strawberry.type(description="An event on its way to an endpoint.", directives=access(READERS))
class WebhookDelivery:
    """A row of the log."""

    event_id: strawberry.ID = strawberry.field(description="The event's webhook-id: the same at every attempt.")
    endpoint_id: strawberry.ID = strawberry.field(description="The endpoint.")
    number: int = strawberry.field(description="1; higher ones were asked for again.")
    type: str = strawberry.field(description="What happened, such as order.confirmed.")
    happened_at: datetime = strawberry.field(description="When it happened.")
    data: str = strawberry.field(description="The `data` that is sent, as JSON.", directives=access(REPRESENTATIVE))
    state: WebhookState = strawberry.field(description="What has become of it.")
    next_attempt_at: datetime | None = strawberry.field(description="When it is tried next at the earliest.")
    delivered_at: datetime | None = strawberry.field(description="When it was taken.")
    failed_at: datetime | None = strawberry.field(description="When it was given up for now.")
    attempts: list[WebhookAttempt] = strawberry.field(description="All attempts, in order.")


@strawberry.type(description="A delivery in a page (Relay).", directives=access(READERS))
class WebhookDeliveryEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: WebhookDelivery = strawberry.field(description="The delivery.")


@strawberry.type(description="A page of the log, newest event first (Relay).", directives=access(READERS))
class WebhookDeliveryConnection:
    """Relay's connection."""

    edges: list[WebhookDeliveryEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


StateGiven = Annotated[WebhookState | None, strawberry.argument(description="In this state alone.")]


def endpoint_of(row: Any, *, now: datetime) -> WebhookEndpoint:
    """As it is shown."""
    overlaps = row.former_until is not None and now < row.former_until
    return WebhookEndpoint(
        id=strawberry.ID(public_id("WebhookEndpoint", row.id)),
        url=row.url,
        events=list(row.events),
        status=WebhookStatus(row.status),
        paused_at=row.paused_at,
        pause_reason=row.pause_reason or None,
        waiting=row.waiting,
        failed=row.failed,
        former_secret_until=row.former_until if overlaps else None,
        created_at=row.created_at,
    )


def _delivery_of(row: Any, attempts: list[Any]) -> WebhookDelivery:
    state = state_of(row)
    return WebhookDelivery(
        event_id=strawberry.ID(str(row.event_id)),
        endpoint_id=strawberry.ID(public_id("WebhookEndpoint", row.endpoint_id)),
        number=row.number,
        type=row.type,
        happened_at=row.at,
        data=orjson.dumps(row.payload, option=orjson.OPT_SORT_KEYS).decode(),
        state=WebhookState(state),
        next_attempt_at=row.next_attempt_at if state == "WAITING" else None,
        delivered_at=row.delivered_at,
        failed_at=row.failed_at,
        attempts=[
            WebhookAttempt(at=one.at, status=one.status, error=one.error or None, milliseconds=one.milliseconds)
            for one in attempts
        ],
    )


async def asking_partner(context: Context, connection: AsyncConnection) -> tuple[str, int]:
    """Account and partner of whoever asks."""
    principal = await context.principal(connection)
    if principal.partner_id is None:
        raise Forbidden
    return principal.account, principal.partner_id


def _cursor_key(after: str | None) -> Key | None:
    key = key_after(after)
    if key is None:
        return None
    try:
        event_id, number, endpoint_id = key.split(":")
        if not (number.isascii() and number.isdecimal() and len(number) < 10):
            raise ValueError(number)
        return UUID(event_id), int(number), UUID(endpoint_id)
    except ValueError:
        raise BadInput("after 不是有效的游标。请原样使用上一页的 endCursor。") from None


@strawberry.type
class WebhookQueries:
    """Where events go, and what became of them."""

    @strawberry.field(description="The partner's endpoints, oldest first.", directives=access(REPRESENTATIVE))
    async def webhook_endpoints(self, info: Info) -> list[WebhookEndpoint]:
        """Those removed are gone."""
        context = info.context
        async with context.state.database.reading() as connection:
            _, partner_id = await asking_partner(context, connection)
            rows = await list_endpoints(connection, partner_id=partner_id)
        return [endpoint_of(row, now=context.now) for row in rows]

    @strawberry.field(
        description="The partner's own log of deliveries, newest event first.", directives=access(READERS)
    )
    async def webhook_deliveries(
        self, info: Info, first: First = None, after: After = None, state: StateGiven = None
    ) -> WebhookDeliveryConnection:
        """With every attempt."""
        context, size, key = info.context, page_size(first), _cursor_key(after)
        async with context.state.database.reading() as connection:
            _, partner_id = await asking_partner(context, connection)
            rows = await list_deliveries(
                connection,
                partner_id=partner_id,
                first=size + 1,
                after=key,
                state=cast("State", state.value) if state else None,
            )
            attempts = await attempts_of(connection, rows[:size])
        edges = [
            WebhookDeliveryEdge(
                cursor=cursor_of(f"{row.event_id}:{row.number}:{row.endpoint_id}"),
                node=_delivery_of(row, attempts[key_of(row)]),
            )
            for row in rows[:size]
        ]
        info_ = page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
        return WebhookDeliveryConnection(edges=edges, page_info=info_)
