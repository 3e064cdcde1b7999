"""What waits to be sent to others. One thing to know: a row is written in the transaction of the act it tells of, and
is sent afterwards, at least once; its id is the receiver's means of seeing that it came twice.

Attempts grow rarer, from a minute to six hours, and end within 72 hours. Three working days are allowed
(《黑龙江省社会信用条例》第二十一条), so a person can still see to it: the row has FAILED, an alarm is raised, and
nothing is ever dropped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import Database
from core.identifiers import new_id
from core.keys import Keys
from core.sealing import seal, unseal
from scoring.tables import outbox

FIRST_DELAY, LONGEST_DELAY = timedelta(minutes=1), timedelta(hours=6)
MOST_ATTEMPTS = 19
BATCH = 50
LONGEST_ERROR = 200

State = Literal["WAITING", "DELIVERED", "FAILED"]


class Parcel(NamedTuple):
    """A row that is being sent."""

    id: UUID
    topic: str
    destination: str
    payload: Mapping[str, Any]
    created_at: datetime
    attempts: int
    """This attempt included."""


class Undelivered(Exception):
    """The receiver did not take it; the message is kept and says nothing of the content."""


class Pass(NamedTuple):
    """What one pass did."""

    delivered: int
    postponed: int
    failed: int


Deliver = Callable[[Parcel], Awaitable[None]]
"""Sends one parcel. Raises `Undelivered`."""
Alarm = Callable[[AsyncConnection, Parcel, str, datetime], Awaitable[None]]
"""Told, in the transaction that gives a parcel up, which it was, why, and when."""


def delay_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts."""
    return min(FIRST_DELAY * (1 << (attempts - 1)), LONGEST_DELAY)


async def enqueue(
    connection: AsyncConnection, keys: Keys, *, topic: str, destination: str, payload: Mapping[str, Any], now: datetime
) -> UUID:
    """Write down what is to be sent, sealed, in the transaction of the act; its id."""
    parcel_id = new_id()
    sealed = seal(keys, "seal", orjson.dumps(payload))
    values = {"id": parcel_id, "topic": topic, "destination": destination, "payload_sealed": sealed}
    await connection.execute(insert(outbox).values(**values, created_at=now, attempts=0, next_attempt_at=now))
    return parcel_id


async def send_due(database: Database, keys: Keys, *, deliver: Deliver, alarm: Alarm, now: datetime) -> Pass:
    """Send what is due, each parcel by one sender at a time, until nothing is.

    A parcel is claimed by counting the attempt and setting the time of the next one; nothing is held while sending, and
    one whose sender was killed is simply due again.
    """
    delivered = postponed = failed = 0
    while claimed := await _claim(database, keys, now=now):
        for parcel in claimed:
            error: str | None = None
            try:
                if not parcel.payload:
                    raise Undelivered("内容无法解封")
                await deliver(parcel)
            except Undelivered as undelivered:
                error = str(undelivered)[:LONGEST_ERROR]
            except Exception as bug:  # one parcel's trouble is not the others'
                error = type(bug).__name__
            given_up = error is not None and parcel.attempts >= MOST_ATTEMPTS
            async with database.transaction() as connection:
                done: dict[str, Any] = {"delivered_at": now} if error is None else {"last_error": error}
                done |= {"failed_at": now} if given_up else {}
                await connection.execute(update(outbox).where(outbox.c.id == parcel.id).values(done))
                if given_up:
                    await alarm(connection, parcel, error or "", now)
            delivered, postponed = delivered + (error is None), postponed + (error is not None and not given_up)
            failed += given_up
    return Pass(delivered, postponed, failed)


async def try_failed_again(connection: AsyncConnection, *, now: datetime) -> int:
    """Let those given up start over, in a transaction; how many they are."""
    again = (
        update(outbox).where(outbox.c.failed_at.is_not(None)).values(failed_at=None, attempts=0, next_attempt_at=now)
    )
    return (await connection.execute(again)).rowcount


async def list_outbox(connection: AsyncConnection, *, newest: int) -> list[Any]:
    """The newest rows and all that have failed, newest first; their content stays sealed."""
    shown = [column for column in outbox.c if column is not outbox.c.payload_sealed]
    last = select(outbox.c.id).order_by(outbox.c.created_at.desc()).limit(newest)
    kept = or_(outbox.c.failed_at.is_not(None), outbox.c.id.in_(last))
    return list((await connection.execute(select(*shown).where(kept).order_by(outbox.c.created_at.desc()))).all())


def state_of(row: Any) -> State:
    """What has become of a row."""
    if row.delivered_at is not None:
        return "DELIVERED"
    return "WAITING" if row.failed_at is None else "FAILED"


async def _claim(database: Database, keys: Keys, *, now: datetime) -> list[Parcel]:
    due = and_(outbox.c.delivered_at.is_(None), outbox.c.failed_at.is_(None), outbox.c.next_attempt_at <= now)
    # PostgreSQL skips what another sender is claiming; SQLite has one writer at a time.
    chosen = select(outbox).where(due).order_by(outbox.c.next_attempt_at).limit(BATCH).with_for_update(skip_locked=True)
    parcels = []
    async with database.transaction() as connection:
        for row in (await connection.execute(chosen)).all():
            attempts = min(row.attempts + 1, MOST_ATTEMPTS)
            claim = {"attempts": attempts, "next_attempt_at": now + delay_after(attempts)}
            await connection.execute(update(outbox).where(outbox.c.id == row.id).values(claim))
            content = unseal(keys, "seal", row.payload_sealed)
            payload = orjson.loads(content) if content is not None else {}
            parcels.append(Parcel(row.id, row.topic, row.destination, payload, row.created_at, attempts))
    return parcels
