"""A partner's addresses for webhooks. One thing to know: a secret is shown once, when it is made, and stored sealed;
while it is being changed the former one signs too, so that no event goes unrecognised."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.errors import BadInput, ExpectedError
from core.identifiers import new_id
from core.integrity import keys_of
from core.sealing import seal
from partners.webhooks.delivery import IS_OPEN
from partners.webhooks.events import FAMILIES
from partners.webhooks.signing import new_secret
from partners.webhooks.tables import webhook_deliveries, webhook_endpoints

MOST_ENDPOINTS, MOST_TYPES = 20, 50
OVERLAP = timedelta(hours=24)
"""How long the former secret signs too."""
_TYPE = re.compile(r"[a-z]+(?:\.(?:[a-z][a-z_-]*|\*))?")

endpoints = webhook_endpoints.c


class WebhookUnknown(ExpectedError):
    """The partner has no such endpoint or event."""

    code = "WEBHOOK_UNKNOWN"


class WebhookExists(ExpectedError):
    """The partner has this address already, or as many as it may."""

    code = "WEBHOOK_EXISTS"


def checked_events(events: Sequence[str]) -> list[str]:
    """The types an endpoint wants, without repetition; none means all.

    Raises:
        BadInput: one that no event can have.
    """
    if len(events) > MOST_TYPES:
        raise BadInput(f"events 最多 {MOST_TYPES} 项。请改用 order.* 这样的写法。")
    for one in events:
        if len(one) > 60 or _TYPE.fullmatch(one) is None or one.partition(".")[0] not in FAMILIES:
            raise BadInput(f"events 中有不存在的事件类型。请以 {'、'.join(FAMILIES)} 之一开头,例如 order.*。")
    return list(dict.fromkeys(events))


async def register_endpoint(
    connection: AsyncConnection, *, partner_id: int, url: str, events: Sequence[str], actor: str, now: datetime
) -> tuple[UUID, bytes]:
    """Send a partner's events to an address that has been looked at; its id and its secret.

    Raises:
        BadInput: a type that no event can have.
        WebhookExists: the address is there already, or there are as many as may be.
    """
    await _check_new(connection, partner_id=partner_id, url=url)
    endpoint_id, secret = new_id(), new_secret()
    row = {"id": endpoint_id, "partner_id": partner_id, "url": url, "events": checked_events(events)}
    row |= {"secret_sealed": seal(keys_of(connection), "seal", secret), "status": "ACTIVE", "created_by": actor}
    await connection.execute(insert(webhook_endpoints).values(**row, created_at=now))
    await _record(connection, "registerWebhook", endpoint_id, partner_id, actor=actor, now=now)
    return endpoint_id, secret


async def change_endpoint(
    connection: AsyncConnection,
    *,
    partner_id: int,
    endpoint_id: UUID,
    url: str | None,
    events: Sequence[str] | None,
    actor: str,
    now: datetime,
) -> None:
    """Send to another address that has been looked at, or other types; what is None stays. Secret and backlog stay.

    Raises:
        WebhookUnknown, BadInput, WebhookExists: see there.
    """
    row = await find_endpoint(connection, partner_id=partner_id, endpoint_id=endpoint_id)
    changed: dict[str, Any] = {}
    if url is not None and url != row.url:
        await _check_new(connection, partner_id=partner_id, url=url, one_more=0)
        changed["url"] = url
    if events is not None:
        changed["events"] = checked_events(events)
    if changed:
        await connection.execute(update(webhook_endpoints).where(endpoints.id == endpoint_id).values(changed))
        await _record(connection, "changeWebhook", endpoint_id, partner_id, actor=actor, now=now)


async def rotate_secret(
    connection: AsyncConnection, *, partner_id: int, endpoint_id: UUID, actor: str, now: datetime
) -> tuple[bytes, datetime]:
    """A new secret, and until when the one before it signs too; one before that signs no more.

    Raises:
        WebhookUnknown: the partner has no such endpoint.
    """
    await find_endpoint(connection, partner_id=partner_id, endpoint_id=endpoint_id)
    secret, until = new_secret(), now + OVERLAP
    changed = {"secret_sealed": seal(keys_of(connection), "seal", secret), "former_until": until}
    changed["former_secret_sealed"] = endpoints.secret_sealed
    await connection.execute(update(webhook_endpoints).where(endpoints.id == endpoint_id).values(changed))
    await _record(connection, "rotateWebhookSecret", endpoint_id, partner_id, actor=actor, now=now)
    return secret, until


async def pause_endpoint(
    connection: AsyncConnection, *, partner_id: int, endpoint_id: UUID, reason: str, actor: str, now: datetime
) -> None:
    """Let events pile up; one that is paused already stays as it is.

    Raises:
        WebhookUnknown: the partner has no such endpoint.
    """
    row = await find_endpoint(connection, partner_id=partner_id, endpoint_id=endpoint_id)
    if row.status == "ACTIVE":
        paused = {"status": "PAUSED", "paused_at": now, "pause_reason": reason}
        await connection.execute(update(webhook_endpoints).where(endpoints.id == endpoint_id).values(paused))
        await _record(connection, "pauseWebhook", endpoint_id, partner_id, actor=actor, now=now)


async def resume_endpoint(
    connection: AsyncConnection, *, partner_id: int, endpoint_id: UUID, actor: str, now: datetime
) -> None:
    """Go on sending, in order, all that is open; what had failed starts over.

    Raises:
        WebhookUnknown: the partner has no such endpoint.
    """
    await find_endpoint(connection, partner_id=partner_id, endpoint_id=endpoint_id)
    active = {"status": "ACTIVE", "paused_at": None, "pause_reason": ""}
    await connection.execute(update(webhook_endpoints).where(endpoints.id == endpoint_id).values(active))
    of_it = and_(webhook_deliveries.c.endpoint_id == endpoint_id, IS_OPEN)
    await connection.execute(update(webhook_deliveries).where(of_it).values(start_over(now)))
    await _record(connection, "resumeWebhook", endpoint_id, partner_id, actor=actor, now=now)


async def remove_endpoint(
    connection: AsyncConnection, *, partner_id: int, endpoint_id: UUID, actor: str, now: datetime
) -> None:
    """Send nothing there any more; its log stays.

    Raises:
        WebhookUnknown: the partner has no such endpoint.
    """
    await find_endpoint(connection, partner_id=partner_id, endpoint_id=endpoint_id)
    removed = {"status": "REMOVED", "former_secret_sealed": None, "former_until": None}
    await connection.execute(update(webhook_endpoints).where(endpoints.id == endpoint_id).values(removed))
    await _record(connection, "removeWebhook", endpoint_id, partner_id, actor=actor, now=now)


async def find_endpoint(connection: AsyncConnection, *, partner_id: int, endpoint_id: UUID) -> Any:
    """The row of an endpoint that has not been removed, locked where the transaction writes.

    Raises:
        WebhookUnknown: the partner has none of this id.
    """
    its_own = and_(endpoints.id == endpoint_id, endpoints.partner_id == partner_id, endpoints.status != "REMOVED")
    row = (await connection.execute(select(webhook_endpoints).where(its_own).with_for_update())).one_or_none()
    if row is None:
        raise WebhookUnknown("没有这个接收地址,或已被移除。请用 webhookEndpoints 查看现有的地址。")
    return row


async def list_endpoints(
    connection: AsyncConnection, *, partner_id: int, endpoint_id: UUID | None = None
) -> Sequence[Any]:
    """A partner's endpoints, oldest first, each with how many deliveries are `waiting` and have `failed`."""
    failed = webhook_deliveries.c.failed_at.is_not(None)
    counted = (
        select(
            webhook_deliveries.c.endpoint_id,
            func.sum(case((failed, 0), else_=1)).label("waiting"),
            func.sum(case((failed, 1), else_=0)).label("failed"),
        )
        .where(IS_OPEN)
        .group_by(webhook_deliveries.c.endpoint_id)
        .subquery()
    )
    its_own: list[ColumnElement[bool]] = [endpoints.partner_id == partner_id, endpoints.status != "REMOVED"]
    its_own += [] if endpoint_id is None else [endpoints.id == endpoint_id]
    shown = [column for column in endpoints if not column.name.endswith("_sealed")]
    counts = [func.coalesce(counted.c[name], 0).label(name) for name in ("waiting", "failed")]
    wanted = select(*shown, *counts).join(counted, counted.c.endpoint_id == endpoints.id, isouter=True)
    return (await connection.execute(wanted.where(*its_own).order_by(endpoints.id))).all()


def start_over(now: datetime) -> dict[str, Any]:
    """What an open delivery is set to when a person wants it tried again from the beginning."""
    return {"attempts": 0, "failed_at": None, "next_attempt_at": now}


async def _check_new(connection: AsyncConnection, *, partner_id: int, url: str, one_more: int = 1) -> None:
    its_own = and_(endpoints.partner_id == partner_id, endpoints.status != "REMOVED")
    there = (await connection.scalars(select(endpoints.url).where(its_own))).all()
    if url in there:
        raise WebhookExists("这个网址已经登记过。请直接修改它,或换一个网址。")
    if len(there) + one_more > MOST_ENDPOINTS:
        raise WebhookExists(f"接收地址最多 {MOST_ENDPOINTS} 个。请先移除不用的。")


async def _record(
    connection: AsyncConnection, action: str, endpoint_id: UUID, partner_id: int, *, actor: str, now: datetime
) -> None:
    # Without the URL: its path or query may be a credential.
    content = {"partner": partner_id, "endpoint": str(endpoint_id)}
    await audit.record(connection, at=now, actor=actor, action=action, content=content)
