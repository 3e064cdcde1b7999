"""Taking what an offer has to give, and giving it back. One thing to know: units are reserved before the person is
looked at, and a reservation that ran out counts as free at the next taking, without any job.

What a verification or a redemption holds stands in its own row, as `[[bucket, units], …]`: that much, and of these
buckets, is what is ever given back. Rows are locked in one order: verifications, then buckets by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import ExpectedError
from core.statements import Prepared, one_of
from partners.limits import EVER, Bucket
from partners.tables import OF_VERIFICATION, quotas, redemptions, verifications

__all__ = ["EVER", "Hold", "QuotaExhausted", "exhausted", "give_back", "held_by", "lapse_for", "take"]

Hold = tuple[str, int]
"""Units of a bucket."""


class QuotaExhausted(ExpectedError):
    """Nothing left of an offer, for anybody."""

    code = "QUOTA_EXHAUSTED"


def held_by(row: Any, *, one: bool) -> tuple[Hold, ...]:
    """What a row of `verifications` or `redemptions` holds; `one`: it holds a unit if it says nothing, as rows did
    before there were several buckets."""
    if row.holds is None:
        return ((EVER, 1),) if one else ()
    return tuple((name, int(units)) for name, units in row.holds)


async def take(connection: AsyncConnection, *, offer_id: int, buckets: Sequence[Bucket], now: datetime) -> None:
    """Reserve what one verification takes, of all its buckets or of none.

    Raises:
        QuotaExhausted: of one of them all is redeemed or reserved. The message says of which sort.
    """
    # A sweep locks verifications, which come before buckets: where several are taken it cannot wait for a full one.
    swept = len(buckets) > 1
    if swept:
        await _sweep(connection, offer_id=offer_id, now=now)
    taken: list[Hold] = []
    for bucket in buckets:
        if not await _take(connection, offer_id, bucket):
            if swept or not await _sweep(connection, offer_id=offer_id, now=now):
                found = False
            else:
                found = await _take(connection, offer_id, bucket)
            if not found:
                await give_back(connection, offer_id=offer_id, holds=taken)
                raise QuotaExhausted(bucket.used_up)
        taken.append((bucket.name, bucket.units))


async def _take(connection: AsyncConnection, offer_id: int, bucket: Bucket) -> bool:
    cap: Any = quotas.c.cap if bucket.cap is None else bucket.cap
    taking = (
        update(quotas)
        .where(_is(offer_id, bucket.name), quotas.c.taken + bucket.units <= cap)
        .values(taken=quotas.c.taken + bucket.units, cap=cap)
    )
    if (await connection.execute(taking)).rowcount == 1:
        return True
    if bucket.cap is None or bucket.units > bucket.cap:
        return False
    insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    row = {"offer_id": offer_id, "bucket": bucket.name, "cap": bucket.cap, "taken": 0}
    made = insert(quotas).values(row).on_conflict_do_nothing()
    # Also where nothing was made: another may have made it since, and taken less than all.
    await connection.execute(made)
    return (await connection.execute(taking)).rowcount == 1


async def _sweep(connection: AsyncConnection, *, offer_id: int, now: datetime) -> bool:
    """End the reservations of an offer that ran out, and give back what they hold; whether there was one."""
    ended = update(verifications).where(_ran_out(offer_id, now)).values(reserved=False, lapsed=True)
    swept = (await connection.execute(ended.returning(verifications.c.holds))).all()
    held = [hold for row in swept for hold in held_by(row, one=True)]
    await give_back(connection, offer_id=offer_id, holds=held)
    return bool(swept)


def _ran_out(offer_id: int, now: datetime) -> ColumnElement[bool]:
    return and_(verifications.c.offer_id == offer_id, verifications.c.reserved, verifications.c.expires_at <= now)


def _is(offer_id: int, bucket: str) -> ColumnElement[bool]:
    return and_(quotas.c.offer_id == offer_id, quotas.c.bucket == bucket)


async def lapse_for(connection: AsyncConnection, *, subject_id: int, offers: Sequence[int], now: datetime) -> None:
    """End one subject's reservations of these offers that ran out, so that none is redeemed by a slower clock after it
    was counted as free. What they hold is given back by whoever next takes of it."""
    ran_out = and_(
        verifications.c.subject_id == subject_id,
        verifications.c.offer_id.in_(offers),
        verifications.c.expires_at <= now,
        verifications.c.lapsed.is_(False),
        ~exists(redemptions.select().where(OF_VERIFICATION)),
    )
    await connection.execute(update(verifications).where(ran_out).values(lapsed=True))


async def give_back(connection: AsyncConnection, *, offer_id: int, holds: Iterable[Hold]) -> None:
    """Return what was reserved or redeemed. Holds of no units are written too: the time it takes tells nothing."""
    units: Counter[str] = Counter()
    for name, number in holds:
        units[name] += number
    for name in sorted(units):
        statement = update(quotas).where(_is(offer_id, name)).values(taken=quotas.c.taken - units[name])
        await connection.execute(statement)


_STORED = Prepared(select(quotas).where(one_of(quotas.c.offer_id, "offers"), one_of(quotas.c.bucket, "names")))


async def exhausted(
    connection: AsyncConnection, buckets: Mapping[int, Sequence[Bucket]], *, now: datetime
) -> dict[int, Bucket]:
    """The offers, by id, of which nothing is left, with the bucket that is empty; reservations that ran out count as
    free. Nothing is written, and nothing is read of offers that are not among `buckets`."""
    names = {bucket.name for wanted in buckets.values() for bucket in wanted}
    if not names:
        return {}
    rows = await _STORED.all(connection, offers=list(buckets), names=sorted(names))
    stored = {(row.offer_id, row.bucket): row for row in rows}
    full: dict[int, list[Bucket]] = {}
    for offer_id, wanted in buckets.items():
        for bucket in wanted:
            row = stored.get((offer_id, bucket.name))
            if bucket.units > _left(bucket, row):
                full.setdefault(offer_id, []).append(bucket)
    if not full:
        return {}
    lapsed: dict[int, Counter[str]] = {}
    ended = and_(verifications.c.offer_id.in_(list(full)), verifications.c.reserved, verifications.c.expires_at <= now)
    # Only of offers that look full are lapsed reservations looked for.
    free = select(verifications.c.offer_id, verifications.c.holds, func.count().label("times")).where(ended)
    for row in await connection.execute(free.group_by(verifications.c.offer_id, verifications.c.holds)):
        of_offer = lapsed.setdefault(row.offer_id, Counter())
        for name, units in held_by(row, one=True):
            of_offer[name] += units * row.times
    found = {}
    for offer_id, wanted in full.items():
        freed = lapsed.get(offer_id, Counter())
        empty = [one for one in wanted if one.units > _left(one, stored.get((offer_id, one.name))) + freed[one.name]]
        if empty:
            # The one that is filled again last says until when.
            found[offer_id] = max(empty, key=lambda one: (one.until is None, one.until or now.date()))
    return found


def _left(bucket: Bucket, row: Any | None) -> int:
    taken = 0 if row is None else row.taken
    cap = bucket.cap if bucket.cap is not None else 0 if row is None else row.cap
    return int(cap) - int(taken)
