"""Writing down what partners are told. One thing to know: an event and its deliveries are written in the transaction of
the act, so there is never one of them without the others; sending comes later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import announce
from core.identifiers import new_id
from core.integrity import keys_of
from core.news import of_partner
from core.sealing import keyed_hash
from partners.webhooks.tables import webhook_deliveries, webhook_endpoints, webhook_events

FAMILIES = ("order", "offer", "loan", "settlement", "key", "partner", "redemption", "test")
"""What the first word of a type may be; `order.*` stands for all that begin so."""
TEST = "test"
ABOUT = ("order", "offer", "application", "redemption", "file")
"""What in a payload is the id of what the event is about."""


async def emit(
    connection: AsyncConnection,
    *,
    partner_id: int,
    type: str,  # noqa: A002  # the word of the Standard Webhooks conventions
    lane: str,
    payload: Mapping[str, Any],
    now: datetime,
) -> None:
    """Tell a partner, at each of its endpoints that wants this type, in the caller's transaction.

    `lane` names what events keep their order by, for example `subject:17` or `offer:4`; a keyed hash of it is kept.
    `payload` holds public ids and words for the partner, and nothing that tells who a person is. Where the partner has
    no endpoint nothing is written; whoever listens is told of the type all the same.
    """
    announce(connection, of_partner(partner_id), f"event:{type}:{_about(payload)}:{now.isoformat()}")
    wanted = select(webhook_endpoints.c.id, webhook_endpoints.c.events).where(
        webhook_endpoints.c.partner_id == partner_id, webhook_endpoints.c.status != "REMOVED"
    )
    endpoints = [row.id for row in await connection.execute(wanted) if wants(row.events, type)]
    if endpoints:
        await write_event(
            connection, partner_id=partner_id, type=type, lane=lane, payload=payload, endpoints=endpoints, now=now
        )


def _about(payload: Mapping[str, Any]) -> str:
    """The public id of what an event is about; empty where it is about nothing that has one."""
    return str(next((payload[name] for name in ABOUT if name in payload), ""))


def wants(events: Sequence[str], type: str) -> bool:  # noqa: A002
    """Whether an endpoint with this list is told of events of the type; an empty list wants all."""
    family = f"{type.partition('.')[0]}.*"
    return not events or type in events or family in events


async def write_event(
    connection: AsyncConnection,
    *,
    partner_id: int,
    type: str,  # noqa: A002
    lane: str,
    payload: Mapping[str, Any],
    endpoints: Sequence[UUID],
    now: datetime,
) -> UUID:
    """Write an event for these endpoints, whatever their lists say; its id."""
    event_id = new_id()
    hashed = keyed_hash(keys_of(connection), "pseudonym", f"{partner_id}:{lane}".encode())[:16]
    event = {"id": event_id, "partner_id": partner_id, "type": type, "lane": hashed, "payload": dict(payload)}
    await connection.execute(insert(webhook_events).values(**event, at=now))
    await connection.execute(
        insert(webhook_deliveries), [delivery(one, event_id, lane=hashed, now=now) for one in endpoints]
    )
    return event_id


def delivery(endpoint_id: UUID, event_id: UUID, *, lane: bytes, now: datetime, number: int = 1) -> dict[str, Any]:
    """The row of a delivery that is due at once."""
    row = {"endpoint_id": endpoint_id, "event_id": event_id, "number": number, "lane": lane}
    return row | {"created_at": now, "attempts": 0, "next_attempt_at": now}
