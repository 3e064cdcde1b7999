"""Writing down what partners are told. One thing to know: an event and its deliveries are written in the transaction of
the act, so there is never one of them without the others; sending comes later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.identifiers import new_id
from core.integrity import keys_of
from core.sealing import keyed_hash
from partners.webhooks.tables import webhook_deliveries, webhook_endpoints, webhook_events


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
    no endpoint nothing is written.
    """
    wanted = select(webhook_endpoints.c.id, webhook_endpoints.c.events).where(
        webhook_endpoints.c.partner_id == partner_id, webhook_endpoints.c.status != "REMOVED"
    )
    endpoints = [row.id for row in await connection.execute(wanted) if not row.events or type in row.events]
    if not endpoints:
        return
    event_id = new_id()
    hashed = keyed_hash(keys_of(connection), "pseudonym", f"{partner_id}:{lane}".encode())[:16]
    await connection.execute(
        insert(webhook_events).values(
            id=event_id, partner_id=partner_id, type=type, lane=hashed, payload=dict(payload), at=now
        )
    )
    for endpoint_id in endpoints:
        row = {"endpoint_id": endpoint_id, "event_id": event_id, "number": 1, "lane": hashed, "created_at": now}
        await connection.execute(insert(webhook_deliveries).values(**row, attempts=0, next_attempt_at=now))
