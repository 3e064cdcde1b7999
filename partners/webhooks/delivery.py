"""Delivering webhooks. One thing to know: an event goes out when no earlier one of its lane (one subject, one offer) is
still open at that endpoint; lanes do not wait for each other, nor endpoints.

Every process sends. A delivery is claimed by counting the attempt and setting the time of the next one; nothing is held
while it is sent, and one whose sender was killed is simply due again: at least once, under the same id.

After `DELAYS` a delivery is given up for now: it has failed, its lane stands still, an alarm is raised, and the
endpoint is paused unless other events still reach it. Nothing is dropped: events pile up until somebody resumes the
endpoint, asks for the failed one again, or skips it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, exists, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import Conflict, Database
from core.integrity import keys_of
from core.sealing import unseal
from partners.alarms import raise_alarm
from partners.webhooks.tables import webhook_attempts, webhook_deliveries, webhook_endpoints, webhook_events

DELAYS = (
    timedelta(seconds=30),
    *(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 20, 40)),
    *(timedelta(hours=hours) for hours in (1, 2, 3, 4, 4, 4)),
)
"""How long after each attempt the next one comes; together less than a day. The first is longer than an attempt can
last, so that nobody takes up what is still being sent."""
MOST_ATTEMPTS = len(DELAYS) + 1
WINDOW = sum(DELAYS, timedelta())
BATCH = 16
"""Sent at a time to one endpoint, each of another lane."""
ENDPOINTS_AT_ONCE = 16
PASS_SECONDS = 10
"""After so long an endpoint lets others have their turn."""
LONGEST_ERROR = 200
GONE = 410
CONFLICTS = 5

deliveries, endpoints = webhook_deliveries.c, webhook_endpoints.c

IS_OPEN = and_(deliveries.delivered_at.is_(None), deliveries.skipped_at.is_(None))
"""Neither delivered nor skipped."""


Key = tuple[UUID, UUID, int]
_OF = tuple_(deliveries.endpoint_id, deliveries.event_id, deliveries.number)


class Parcel(NamedTuple):
    """A delivery that is being sent."""

    endpoint_id: UUID
    event_id: UUID
    number: int
    partner_id: int
    url: str
    secrets: tuple[bytes, ...]
    """To sign with, the newest first; none where they cannot be opened."""
    type: str
    payload: Mapping[str, Any]
    at: datetime
    """When it happened."""
    attempts: int
    """This attempt included."""

    @property
    def key(self) -> Key:
        """Its row's."""
        return self.endpoint_id, self.event_id, self.number


class Undelivered(Exception):
    """The receiver did not take it; the message says why, in words for the partner's log."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Attempt(NamedTuple):
    """How an attempt went."""

    parcel: Parcel
    at: datetime
    status: int | None
    error: str
    """Empty where it was taken."""
    milliseconds: int


class Pass(NamedTuple):
    """What one pass did."""

    delivered: int
    postponed: int
    failed: int


Deliver = Callable[[Parcel, datetime], Awaitable[int]]
"""Sends one parcel, at this moment; the HTTP status. Raises `Undelivered`."""
Clock = Callable[[], datetime]


async def send_due(database: Database, *, deliver: Deliver, clock: Clock) -> Pass:
    """Send what is due, each delivery by one sender at a time, to many endpoints at once."""
    async with database.reading() as connection:
        waiting = await _endpoints_with_work(connection, now=clock())
    slots, until = asyncio.Semaphore(ENDPOINTS_AT_ONCE), time.monotonic() + PASS_SECONDS

    async def serve(endpoint_id: UUID) -> Pass:
        done = Pass(0, 0, 0)
        async with slots:
            while claimed := await _claim(database, endpoint_id, now=clock()):
                tried = await asyncio.gather(*(_attempt(parcel, deliver, clock) for parcel in claimed))
                done = Pass(*map(sum, zip(done, await _note(database, tried, now=clock()), strict=True)))
                if time.monotonic() > until:
                    break
        return done

    # One endpoint's trouble is not the others': all come to their end before it is told.
    passes = await asyncio.gather(*map(serve, waiting), return_exceptions=True)
    for one in passes:
        if isinstance(one, BaseException):
            raise one
    return Pass(*(sum(one[place] for one in passes if isinstance(one, Pass)) for place in range(3)))


async def _attempt(parcel: Parcel, deliver: Deliver, clock: Clock) -> Attempt:
    at, began = clock(), time.perf_counter()
    status, error = None, ""
    try:
        if not parcel.secrets:
            raise Undelivered("签名用的密钥无法解封,请轮换密钥")
        status = await deliver(parcel, at)
    except Undelivered as undelivered:
        status, error = undelivered.status, str(undelivered)[:LONGEST_ERROR]
    except Exception as bug:  # one delivery's trouble is not the others'
        error = type(bug).__name__
    return Attempt(parcel, at, status, error, round((time.perf_counter() - began) * 1000))


def _due(now: datetime) -> ColumnElement[bool]:
    """Due, and the first that is open in its lane at its endpoint."""
    earlier = webhook_deliveries.alias()
    comes_before = or_(
        earlier.c.event_id < deliveries.event_id,
        and_(earlier.c.event_id == deliveries.event_id, earlier.c.number < deliveries.number),
    )
    same_lane = and_(earlier.c.endpoint_id == deliveries.endpoint_id, earlier.c.lane == deliveries.lane)
    is_open = and_(earlier.c.delivered_at.is_(None), earlier.c.skipped_at.is_(None))
    is_first = ~exists().where(same_lane, is_open, comes_before)
    return and_(IS_OPEN, deliveries.failed_at.is_(None), deliveries.next_attempt_at <= now, is_first)


async def _endpoints_with_work(connection: AsyncConnection, *, now: datetime) -> Sequence[UUID]:
    has_work = exists().where(deliveries.endpoint_id == endpoints.id, _due(now))
    found = await connection.scalars(select(endpoints.id).where(endpoints.status == "ACTIVE", has_work))
    return found.all()


async def _claim(database: Database, endpoint_id: UUID, *, now: datetime) -> list[Parcel]:
    told = (webhook_events.c.partner_id, webhook_events.c.type, webhook_events.c.payload, webhook_events.c.at)
    to = (endpoints.url, endpoints.secret_sealed, endpoints.former_secret_sealed, endpoints.former_until)
    chosen = (
        select(webhook_deliveries, *told, *to)
        .join(webhook_endpoints, endpoints.id == deliveries.endpoint_id)
        .join(webhook_events, webhook_events.c.id == deliveries.event_id)
        .where(deliveries.endpoint_id == endpoint_id, endpoints.status == "ACTIVE", _due(now))
        .order_by(deliveries.next_attempt_at, deliveries.event_id)
        .limit(BATCH)
        # PostgreSQL skips what another sender is claiming; SQLite has one writer at a time.
        .with_for_update(skip_locked=True, of=webhook_deliveries)
    )
    parcels = []
    async with database.transaction() as connection:
        keys = keys_of(connection)
        for row in (await connection.execute(chosen)).all():
            held = [row.secret_sealed]
            if row.former_until is not None and now < row.former_until:
                held.append(row.former_secret_sealed)
            opened = (unseal(keys, "seal", one) for one in held)
            secrets = tuple(one for one in opened if one is not None)
            attempts = min(row.attempts + 1, MOST_ATTEMPTS)
            parcel = Parcel(
                row.endpoint_id, row.event_id, row.number, row.partner_id, row.url, secrets, row.type, row.payload,
                row.at, attempts,
            )  # fmt: skip
            parcels.append(parcel)
        if parcels:
            await connection.execute(_CLAIM, [_claimed(one, now=now) for one in parcels])
    return parcels


_CLAIM = (
    update(webhook_deliveries)
    .where(
        deliveries.endpoint_id == bindparam("to"),
        deliveries.event_id == bindparam("of"),
        deliveries.number == bindparam("nth"),
    )
    .values(attempts=bindparam("tried"), next_attempt_at=bindparam("again"))
)


def _claimed(parcel: Parcel, *, now: datetime) -> dict[str, Any]:
    endpoint_id, event_id, number = parcel.key
    again = now + DELAYS[min(parcel.attempts, len(DELAYS)) - 1]
    return {"to": endpoint_id, "of": event_id, "nth": number, "tried": parcel.attempts, "again": again}


async def _note(database: Database, tried: Sequence[Attempt], *, now: datetime) -> Pass:
    for left in reversed(range(CONFLICTS)):
        try:
            async with database.transaction() as connection:
                failed = await _note_all(connection, tried, now=now)
            break
        except Conflict:  # another sender, who took this one for dead, noted the same delivery
            if not left:
                raise
    delivered = sum(not one.error for one in tried)
    return Pass(delivered, len(tried) - delivered - failed, failed)


async def _note_all(connection: AsyncConnection, tried: Sequence[Attempt], *, now: datetime) -> int:
    """Write down how it went; how many deliveries were given up."""
    log = webhook_attempts.c
    each = [log.endpoint_id, log.event_id, log.number]
    of_these = tuple_(*each).in_([one.parcel.key for one in tried])
    counted = await connection.execute(select(*each, func.max(log.attempt)).where(of_these).group_by(*each))
    before = {(row[0], row[1], row[2]): row[3] for row in counted}
    rows = []
    for one in tried:
        endpoint_id, event_id, number = one.parcel.key
        row = {"endpoint_id": endpoint_id, "event_id": event_id, "number": number, "at": one.at, "status": one.status}
        row |= {"attempt": before.get(one.parcel.key, 0) + 1, "error": one.error, "milliseconds": one.milliseconds}
        rows.append(row)
    await connection.execute(insert(webhook_attempts), rows)
    # Those taken come first: whether others get through says what is to be done about those that failed.
    if taken := [one.parcel.key for one in tried if not one.error]:
        delivered = {"delivered_at": now, "failed_at": None}
        await connection.execute(update(webhook_deliveries).where(_OF.in_(taken), IS_OPEN).values(delivered))
    return sum([await _note_failure(connection, one, now=now) for one in tried if one.error])


async def _note_failure(connection: AsyncConnection, tried: Attempt, *, now: datetime) -> bool:
    """Do what a failure asks for; whether the delivery was given up."""
    parcel = tried.parcel
    if tried.status == GONE:
        await _pause(connection, tried, "接收方答复 410 Gone,表示此地址不再使用", now=now)
        return False
    if parcel.attempts < MOST_ATTEMPTS:
        return False
    # Where another sender has claimed it since, the matter is that one's.
    mine = and_(_OF.in_([parcel.key]), IS_OPEN, deliveries.attempts == parcel.attempts, deliveries.failed_at.is_(None))
    if not (await connection.execute(update(webhook_deliveries).where(mine).values(failed_at=now))).rowcount:
        return False
    reached = exists().where(deliveries.endpoint_id == parcel.endpoint_id, deliveries.delivered_at > now - WINDOW)
    if await connection.scalar(select(reached)):
        await _alarm(connection, tried, now=now)
    else:
        await _pause(connection, tried, f"24 小时内尝试 {MOST_ATTEMPTS} 次都没有送达", now=now)
    return True


async def _pause(connection: AsyncConnection, tried: Attempt, reason: str, *, now: datetime) -> None:
    """Let an endpoint rest, with a notice in the partner's log, and an alarm if it did not rest already."""
    notice = f"{reason};最后一次:{tried.error}。事件都已保留。请排除故障后恢复此地址,积压的会按顺序补发。"
    is_active = and_(endpoints.id == tried.parcel.endpoint_id, endpoints.status == "ACTIVE")
    paused = {"status": "PAUSED", "paused_at": now, "pause_reason": notice}
    if (await connection.execute(update(webhook_endpoints).where(is_active).values(paused))).rowcount:
        await _alarm(connection, tried, now=now)


async def _alarm(connection: AsyncConnection, tried: Attempt, *, now: datetime) -> None:
    parcel = tried.parcel
    detail = {"endpoint": str(parcel.endpoint_id), "event": str(parcel.event_id), "type": parcel.type}
    detail |= {"attempts": parcel.attempts, "error": tried.error}  # type: ignore[dict-item]
    await raise_alarm(connection, kind="WEBHOOK_FAILED", detail=detail, now=now, partner_id=parcel.partner_id)
