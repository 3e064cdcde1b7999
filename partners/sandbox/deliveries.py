"""Webhooks in the sandbox: test events that come late, twice or forged, and what the sender has to know. One thing to
know: an event bears the time of its partner's clock, but is delivered by the real time.

A forged event is a delivery with the number `FORGED`: it is sent once, under signatures that are not ours, and never
holds up another. Sent again, it comes as what it says, for the later numbers are genuine.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.errors import BadInput
from core.keys import Key, Keys
from partners.webhooks.delivery import IS_OPEN, Parcel
from partners.webhooks.endpoints import OVERLAP, WebhookUnknown
from partners.webhooks.events import TEST, delivery, write_event
from partners.webhooks.signing import new_secret
from partners.webhooks.tables import webhook_deliveries, webhook_endpoints

FORGED = 0
MOST_SECONDS = 30
"""The longest that a test event can be held back."""

deliveries, endpoints = webhook_deliveries.c, webhook_endpoints.c


class WebhookFault(StrEnum):
    """How a test event comes."""

    NONE = "NONE"
    LATE = "LATE"
    TWICE = "TWICE"
    FORGED = "FORGED"


async def rehearse(
    connection: AsyncConnection,
    *,
    partner_id: int,
    actor: str,
    fault: WebhookFault,
    seconds: int,
    happened_at: datetime,
    now: datetime,
) -> tuple[UUID, int]:
    """Have a test event sent to all of a partner's endpoints that are not paused; its id, and how many deliveries.

    `happened_at` is by the partner's clock, `now` the real time. All but forged ones keep their order: one that is
    rehearsed after a late one comes after it.

    Raises:
        BadInput: held back by less than one second, or more than 30.
        WebhookUnknown: the partner has no endpoint that is not paused.
    """
    if not 1 <= seconds <= MOST_SECONDS:
        raise BadInput(f"seconds 须在 1 到 {MOST_SECONDS} 之间。请改正后重试。")
    open_to = select(endpoints.id).where(endpoints.partner_id == partner_id, endpoints.status == "ACTIVE")
    to = (await connection.scalars(open_to)).all()
    if not to:
        raise WebhookUnknown("沙箱里没有可发送的接收地址。请先在沙箱中 registerWebhook,已暂停的请 resumeWebhook。")
    lane = "rehearsed:forged" if fault is WebhookFault.FORGED else "rehearsed"
    payload = {"message": "这是一条测试事件。", "word": secrets.token_hex(6)}
    told = {"partner_id": partner_id, "type": TEST, "lane": lane, "payload": payload}
    event_id = await write_event(connection, **told, endpoints=to, now=happened_at)  # type: ignore[arg-type]
    of_it = deliveries.event_id == event_id
    match fault:
        case WebhookFault.LATE:
            # As if a first attempt had been lost: the next one comes by the schedule, later events of the lane wait.
            held = {"attempts": 1, "next_attempt_at": now + timedelta(seconds=seconds)}
            await connection.execute(update(webhook_deliveries).where(of_it).values(held))
        case WebhookFault.TWICE:
            sealed = await connection.scalar(select(deliveries.lane).where(of_it).limit(1)) or b""
            again = [delivery(one, event_id, lane=sealed, now=now, number=2) for one in to]
            await connection.execute(insert(webhook_deliveries), again)
        case WebhookFault.FORGED:
            await connection.execute(update(webhook_deliveries).where(of_it).values(number=FORGED))
    content = {"partner": partner_id, "event": str(event_id), "fault": fault.value}
    await audit.record(connection, at=now, actor=actor, action="rehearseWebhook", content=content)
    return event_id, len(to) * (2 if fault is WebhookFault.TWICE else 1)


async def is_ahead(connection: AsyncConnection, *, now: datetime) -> bool:
    """Whether anything about webhooks stands at a time that has not come, for `bring_forward` to mend."""
    for what, ahead in _ahead(now).items():
        if await connection.scalar(select(1).select_from(what).where(ahead).limit(1)):
            return True
    return False


async def bring_forward(connection: AsyncConnection, *, now: datetime) -> None:
    """Make due what partners with a moved clock have had written: by it they would wait for days."""
    moved: dict[Any, dict[str, Any]] = {
        webhook_deliveries: {"next_attempt_at": now},
        webhook_endpoints: {"former_until": now + OVERLAP},
    }
    for what, ahead in _ahead(now).items():
        await connection.execute(update(what).where(ahead).values(moved[what]))


def _ahead(now: datetime) -> dict[Any, Any]:
    # What was tried before has its next attempt by the real time.
    is_new = and_(IS_OPEN, deliveries.failed_at.is_(None), deliveries.attempts == 0)
    return {
        webhook_deliveries: and_(is_new, deliveries.next_attempt_at > now),
        webhook_endpoints: endpoints.former_until > now + OVERLAP,
    }


async def let_forged_be(connection: AsyncConnection, *, now: datetime) -> None:
    """Forged events that were tried are not tried again."""
    tried = and_(IS_OPEN, deliveries.number == FORGED, deliveries.attempts > 0)
    await connection.execute(update(webhook_deliveries).where(tried).values(skipped_at=now))


def forged(parcel: Parcel) -> Parcel:
    """The parcel under a secret that its receiver does not know."""
    return parcel._replace(secrets=(new_secret(),))


def forged_keys(keys: Keys) -> Keys:
    """Keys that pretend to be ours: statements by them name the key in use, and do not verify with it."""
    name = keys.active("webhook").kid
    return Keys([Key(name, "webhook", active=True, secret=secrets.token_bytes(32))], demo=keys.demo)
