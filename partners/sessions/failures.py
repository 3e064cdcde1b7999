"""Failed sign-ins, counted. One thing to know: what is counted is named by a keyed hash, so the table says of nobody
that he failed, and a lock says until when it holds.

An account or an identity that failed ten times within 15 minutes is locked for 15 minutes, an address after fifty:
behind one address may be a whole office. Success forgets the failures of the account and the identity, never of the
address: else a thief would sign in to his own account in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.errors import ExpectedError
from core.keys import Keys
from core.sealing import keyed_hash, keyed_hashes
from partners.sessions.tables import sign_in_counts

WITHIN = LOCKED_FOR = timedelta(minutes=15)
MOST: Mapping[str, int] = {"account": 10, "identity": 10, "address": 50}

counts = sign_in_counts.c


class Counted(NamedTuple):
    """Whose failures are counted together."""

    sort: Literal["account", "identity", "address"]
    name: str
    """An account's id, a provider and its name of somebody, or an address; stored as a keyed hash alone."""


class SignInLocked(ExpectedError):
    """Too many failures; `until` says when trying again makes sense."""

    code = "LOCKED"

    def __init__(self, until: datetime) -> None:
        super().__init__(
            "登录连续失败次数过多,已暂时锁定,到 lockedUntil 为止。请届时再试;如非本人所为,请联系运营人员。"
        )
        self.until = until


async def check_not_locked(connection: AsyncConnection, keys: Keys, *these: Counted, now: datetime) -> None:
    """Refuse whoever is locked.

    Raises:
        SignInLocked: one of these is.
    """
    hashes = [one for counted in these for one in keyed_hashes(keys, "lookup", _message(counted))]
    locked = select(counts.locked_until).where(counts.counted.in_(hashes), counts.locked_until > now)
    until = (await connection.scalars(locked)).all()
    if until:
        raise SignInLocked(max(until))


async def note_failure(
    connection: AsyncConnection, keys: Keys, *these: Counted, provider: str, why: str, now: datetime
) -> datetime | None:
    """Count a failure of each of these, and write it down; until when they are locked, if one is now.

    Raises:
        Conflict: another failure came at once; run it again.
    """
    await connection.execute(
        delete(sign_in_counts).where(
            counts.first_at <= now - WITHIN, or_(counts.locked_until.is_(None), counts.locked_until <= now)
        )
    )
    # All take them in one order, so that nobody waits for whoever waits for him.
    locks = [await _count(connection, keys, one, now=now) for one in sorted(these)]
    until = max((one for one in locks if one is not None), default=None)
    content = {"why": why, "provider": provider, "from": _pseudonyms(keys, these), "lockedUntil": until}
    await audit.record(connection, at=now, actor=f"sign-in:{provider}", action="signInFailed", content=content)
    return until


async def forget_failures(connection: AsyncConnection, keys: Keys, *these: Counted) -> None:
    """Begin to count anew, after a success."""
    hashes = [one for counted in these for one in keyed_hashes(keys, "lookup", _message(counted))]
    await connection.execute(delete(sign_in_counts).where(counts.counted.in_(hashes)))


async def _count(connection: AsyncConnection, keys: Keys, one: Counted, *, now: datetime) -> datetime | None:
    held = keyed_hash(keys, "lookup", _message(one))
    found = select(sign_in_counts).where(counts.counted == held).with_for_update()
    row = (await connection.execute(found)).one_or_none()
    if row is None:
        await connection.execute(insert(sign_in_counts).values(counted=held, failures=1, first_at=now))
        return None
    if row.locked_until is not None and row.locked_until > now:
        return row.locked_until  # type: ignore[no-any-return]
    begins_anew = row.first_at <= now - WITHIN
    failures = 1 if begins_anew else row.failures + 1
    until = now + LOCKED_FOR if failures >= MOST[one.sort] else None
    values = {"failures": failures, "first_at": now if begins_anew else row.first_at, "locked_until": until}
    await connection.execute(update(sign_in_counts).where(counts.counted == held).values(values))
    return until


def _message(one: Counted) -> bytes:
    return f"sign-in:{one.sort}:{one.name}".encode()


def _pseudonyms(keys: Keys, these: Sequence[Counted]) -> dict[str, str]:
    """By which we alone can see that two failures came from one place."""
    return {one.sort: keyed_hash(keys, "pseudonym", _message(one)).hex()[:16] for one in these}
