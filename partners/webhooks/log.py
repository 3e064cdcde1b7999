"""The log of webhooks, and sending again. One thing to know: what is asked for again has the id it always had, so a
receiver that has taken it sees that; and it keeps its place before later events of its lane."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.errors import BadInput, ExpectedError
from core.identifiers import new_id
from partners.webhooks.delivery import IS_OPEN
from partners.webhooks.endpoints import WebhookUnknown, find_endpoint, start_over
from partners.webhooks.events import TEST, delivery, wants, write_event
from partners.webhooks.tables import webhook_attempts, webhook_deliveries, webhook_endpoints, webhook_events

MOST_REPLAYED = 10_000
CHUNK = 500

State = Literal["WAITING", "DELIVERED", "FAILED", "SKIPPED"]
Key = tuple[UUID, int, UUID]
"""Event, number, endpoint: the order of the log."""

deliveries, events = webhook_deliveries.c, webhook_events.c

STATES: Mapping[State, ColumnElement[bool]] = {
    "WAITING": and_(IS_OPEN, deliveries.failed_at.is_(None)),
    "FAILED": and_(IS_OPEN, deliveries.failed_at.is_not(None)),
    "DELIVERED": deliveries.delivered_at.is_not(None),
    "SKIPPED": deliveries.skipped_at.is_not(None),
}


class WebhookPaused(ExpectedError):
    """Nothing is sent to this endpoint now."""

    code = "WEBHOOK_PAUSED"


class Counts(NamedTuple):
    """Open deliveries of all partners."""

    waiting: int
    failed: int


def state_of(row: Any) -> State:
    """What has become of a delivery."""
    if row.delivered_at is not None:
        return "DELIVERED"
    if row.skipped_at is not None:
        return "SKIPPED"
    return "WAITING" if row.failed_at is None else "FAILED"


def key_of(row: Any) -> Key:
    """Where a delivery stands in the log."""
    return row.event_id, row.number, row.endpoint_id


async def list_deliveries(
    connection: AsyncConnection, *, partner_id: int, first: int, after: Key | None = None, state: State | None = None
) -> list[Any]:
    """A partner's deliveries, newest event first, those to endpoints since removed included."""
    # One short walk along the primary key for each endpoint: no sorting of all there ever was.
    of_partner = select(webhook_endpoints.c.id).where(webhook_endpoints.c.partner_id == partner_id)
    runs = []
    for endpoint_id in (await connection.scalars(of_partner)).all():
        wanted = (
            select(webhook_deliveries, events.type, events.payload, events.at)
            .join(webhook_events, events.id == deliveries.event_id)
            .where(deliveries.endpoint_id == endpoint_id)
            .order_by(deliveries.event_id.desc(), deliveries.number.desc())
            .limit(first)
        )
        if after is not None:
            event_id, number, last = after
            earlier = and_(deliveries.event_id == event_id, deliveries.number < number)
            same = and_(deliveries.event_id == event_id, deliveries.number == number, deliveries.endpoint_id < last)
            wanted = wanted.where(or_(deliveries.event_id < event_id, earlier, same))
        if state is not None:
            wanted = wanted.where(STATES[state])
        runs.append((await connection.execute(wanted)).all())
    return list(islice(merge(*runs, key=key_of, reverse=True), first))


async def attempts_of(connection: AsyncConnection, rows: Iterable[Any]) -> dict[Key, list[Any]]:
    """The attempts at each of these deliveries, in order."""
    log, found = webhook_attempts.c, {key_of(row): list[Any]() for row in rows}
    wanted = select(webhook_attempts).where(tuple_(log.event_id, log.number, log.endpoint_id).in_(list(found)))
    for row in (await connection.execute(wanted.order_by(log.attempt))).all():
        found[key_of(row)].append(row)
    return found


async def count_open(connection: AsyncConnection) -> Counts:
    """How many deliveries wait and how many have failed, to endpoints that have not been removed."""
    failed = case((deliveries.failed_at.is_(None), 0), else_=1)
    of_kept = webhook_endpoints.c.id == deliveries.endpoint_id
    counted = select(func.count(), func.coalesce(func.sum(failed), 0)).select_from(webhook_deliveries)
    counted = counted.join(webhook_endpoints, of_kept).where(IS_OPEN, webhook_endpoints.c.status != "REMOVED")
    total, given_up = (await connection.execute(counted)).one()
    return Counts(total - given_up, given_up)


async def send_test(
    connection: AsyncConnection, *, partner_id: int, endpoint_id: UUID, actor: str, now: datetime
) -> UUID:
    """Have an event of type `test` sent to one endpoint, whatever its list says; the event's id.

    Raises:
        WebhookUnknown: the partner has no such endpoint.
        WebhookPaused: nothing is sent there now.
    """
    found = await find_endpoint(connection, partner_id=partner_id, endpoint_id=endpoint_id)
    if found.status == "PAUSED":
        raise WebhookPaused("此接收地址已暂停,现在不会发送。请先恢复,再发测试事件。")
    payload = {"message": "这是一条测试事件。"}
    # A lane of its own: a test neither waits for others nor keeps them waiting.
    event_id = await write_event(
        connection, partner_id=partner_id, type=TEST, lane=f"test:{new_id()}", payload=payload,
        endpoints=[endpoint_id], now=now,
    )  # fmt: skip
    await _record(connection, "sendTestWebhook", {"partner": partner_id, "event": str(event_id)}, actor, now)
    return event_id


async def resend_event(
    connection: AsyncConnection, *, partner_id: int, event_id: UUID, actor: str, now: datetime
) -> int:
    """Send one event again wherever it went; one that is open starts over. How many deliveries.

    Raises:
        WebhookUnknown: the partner has no such event at an endpoint that is still there.
    """
    went = await _last_deliveries(connection, partner_id, [event_id])
    if not went:
        raise _unknown_event()
    await _again(connection, went, now=now)
    await _record(connection, "resendWebhook", {"partner": partner_id, "event": str(event_id)}, actor, now)
    return len(went)


async def skip_event(connection: AsyncConnection, *, partner_id: int, event_id: UUID, actor: str, now: datetime) -> int:
    """Let an event be wherever it is still open, so that later ones of its lane go on. How many deliveries.

    Raises:
        WebhookUnknown: the partner has no such event, or it is open nowhere.
    """
    its_own = select(events.id).where(events.id == event_id, events.partner_id == partner_id)
    is_it = and_(deliveries.event_id.in_(its_own), IS_OPEN)
    skipped = await connection.execute(update(webhook_deliveries).where(is_it).values(skipped_at=now))
    if not skipped.rowcount:
        raise _unknown_event()
    await _record(connection, "skipWebhook", {"partner": partner_id, "event": str(event_id)}, actor, now)
    return skipped.rowcount


async def replay_events(
    connection: AsyncConnection, *, partner_id: int, since: datetime, until: datetime, actor: str, now: datetime
) -> int:
    """Send all events from `since` until before `until` again, in order, to every endpoint that now wants them; those
    still waiting are left as they are. Tests are not repeated. How many deliveries.

    Raises:
        BadInput: the span is empty, or holds more than `MOST_REPLAYED` events.
    """
    if since >= until:
        raise BadInput("since 须早于 until。请改正后重试。")
    span = [events.partner_id == partner_id, events.at >= since, events.at < until, events.type != TEST]
    wanted = select(events.id, events.type, events.lane).where(*span).order_by(events.id).limit(MOST_REPLAYED + 1)
    told = (await connection.execute(wanted)).all()
    if len(told) > MOST_REPLAYED:
        raise BadInput(f"这段时间的事件超过 {MOST_REPLAYED} 条。请分成几段重放。")
    its_own = (webhook_endpoints.c.partner_id == partner_id, webhook_endpoints.c.status != "REMOVED")
    listed = select(webhook_endpoints.c.id, webhook_endpoints.c.events).where(*its_own)
    open_to = (await connection.execute(listed)).all()
    sent = 0
    for start in range(0, len(told), CHUNK):
        chunk = told[start : start + CHUNK]
        went = await _last_deliveries(connection, partner_id, [one.id for one in chunk])
        there = {(row.endpoint_id, row.event_id) for row in went}
        asked = {(to.id, one.id): one for one in chunk for to in open_to if wants(to.events, one.type)}
        again = [row for row in went if (row.endpoint_id, row.event_id) in asked and state_of(row) != "WAITING"]
        await _again(connection, again, now=now)
        new = [delivery(*key, lane=one.lane, now=now) for key, one in asked.items() if key not in there]
        if new:
            await connection.execute(insert(webhook_deliveries), new)
        sent += len(again) + len(new)
    content = {"partner": partner_id, "since": since.isoformat(), "until": until.isoformat(), "deliveries": sent}
    await _record(connection, "replayWebhooks", content, actor, now)
    return sent


async def _last_deliveries(connection: AsyncConnection, partner_id: int, event_ids: Sequence[UUID]) -> Sequence[Any]:
    """Of each event the last delivery to each endpoint that is still there."""
    # Locked in the order of the key, so that two who ask for the same at once do not wait for each other.
    wanted = (
        select(webhook_deliveries)
        .join(webhook_endpoints, webhook_endpoints.c.id == deliveries.endpoint_id)
        .where(deliveries.event_id.in_(event_ids), webhook_endpoints.c.partner_id == partner_id)
        .where(webhook_endpoints.c.status != "REMOVED")
        .order_by(deliveries.endpoint_id, deliveries.event_id, deliveries.number)
        .with_for_update(of=webhook_deliveries)
    )
    rows = (await connection.execute(wanted)).all()
    return list({(row.endpoint_id, row.event_id): row for row in rows}.values())


async def _again(connection: AsyncConnection, rows: Sequence[Any], *, now: datetime) -> None:
    """Send these again: one that is open starts over, of another there is a further delivery."""
    further = []
    for row in rows:
        if state_of(row) in ("WAITING", "FAILED"):
            is_it = and_(*(deliveries[name] == getattr(row, name) for name in ("endpoint_id", "event_id", "number")))
            await connection.execute(update(webhook_deliveries).where(is_it, IS_OPEN).values(start_over(now)))
        else:
            further.append(delivery(row.endpoint_id, row.event_id, lane=row.lane, now=now, number=row.number + 1))
    if further:
        await connection.execute(insert(webhook_deliveries), further)


def _unknown_event() -> WebhookUnknown:
    return WebhookUnknown("没有这条事件,或它已没有可操作的投递。请用 webhookDeliveries 查看记录。")


async def _record(
    connection: AsyncConnection, action: str, content: Mapping[str, Any], actor: str, now: datetime
) -> None:
    await audit.record(connection, at=now, actor=actor, action=action, content=content)
