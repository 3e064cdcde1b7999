"""What a partner may ask: a service, for a purpose, by one predicate. One thing to know: an offer whose predicate is
granted no more is refused at the next scan, and what the partner learns is two answers and nothing else.

«查询个人信用信息应当……用于约定的用途»(《黑龙江省社会信用条例》第二十四条).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.calendar import add_working_days
from core.errors import ExpectedError
from core.identifiers import new_id
from partners.catalogue import BENEFIT_CHECK, bump_catalogue
from partners.tables import grants

ANSWERS = "只答两种:享受优惠,或标准服务"
"""All that a partner is told, in the words in which a citizen reads it."""

DAYS_TO_ANSWER = 5
"""Working days for a request; an interpretation: no document names a term."""


class NoGrant(ExpectedError):
    """There is no such grant, or it was revoked before."""

    code = "NO_GRANT"


class Predicate(NamedTuple):
    """What may be asked: for a kind of benefit, whether somebody has this grade of the model or better."""

    partner_id: int
    service: str
    model: str
    threshold: str


async def _standing(connection: AsyncConnection, asked: Predicate) -> Row[Any] | None:
    """The row of a predicate that waits or holds."""
    same = [grants.c[name] == value for name, value in asked._asdict().items()]
    live = select(grants).where(*same, grants.c.purpose == BENEFIT_CHECK, grants.c.revoked_at.is_(None))
    return (await connection.execute(live.with_for_update())).one_or_none()


async def request_grant(connection: AsyncConnection, asked: Predicate, *, actor: str, now: datetime) -> UUID:
    """Ask for a grant on a partner's behalf, in a transaction; the grant's id. One that waits or
    holds stays as it is."""
    standing = await _standing(connection, asked)
    if standing is not None:
        return standing.id  # type: ignore[no-any-return]
    row = {"id": new_id(), **asked._asdict(), "purpose": BENEFIT_CHECK, "requested_by": actor, "requested_at": now}
    await connection.execute(insert(grants).values(row))
    content = {"grant": str(row["id"]), **asked._asdict()}
    await audit.record(connection, at=now, actor=actor, action="requestGrant", content=content)
    return row["id"]  # type: ignore[no-any-return]


async def give_grant(connection: AsyncConnection, asked: Predicate, *, actor: str, now: datetime) -> UUID:
    """Let a partner ask, whether it asked for that or not; the grant's id. In a transaction. One that is held already
    stays as it is."""
    standing = await _standing(connection, asked)
    if standing is not None and standing.granted_at is not None:
        return standing.id  # type: ignore[no-any-return]
    given = {"granted_by": actor, "granted_at": now}
    key: UUID = new_id() if standing is None else standing.id
    if standing is None:
        row = {"id": key, **asked._asdict(), "purpose": BENEFIT_CHECK, **given}
        await connection.execute(insert(grants).values(row))
    else:
        await connection.execute(update(grants).where(grants.c.id == key).values(given))
    content = {"grant": str(key), **asked._asdict()}
    await audit.record(connection, at=now, actor=actor, action="grantAccess", content=content)
    await bump_catalogue(connection)
    return key


async def revoke_grant(
    connection: AsyncConnection, *, grant_id: UUID, reason: str, actor: str, now: datetime
) -> Row[Any]:
    """End a grant at once, or refuse one that waits, in a transaction; its row. What was reserved before still redeems.

    Raises:
        NoGrant: there is none, or it was revoked before.
    """
    live = and_(grants.c.id == grant_id, grants.c.revoked_at.is_(None))
    ended = update(grants).where(live).values(revoked_by=actor, revoked_at=now, reason=reason).returning(*grants.c)
    row = (await connection.execute(ended)).one_or_none()
    if row is None:
        raise NoGrant("没有这项有效的授权,可能已被收回。请刷新授权列表后再试。")
    content = {"grant": str(grant_id), "partner": row.partner_id, "reason": reason}
    await audit.record(connection, at=now, actor=actor, action="revokeGrant", content=content)
    await bump_catalogue(connection)
    return row


async def grants_of(connection: AsyncConnection, partner_id: int) -> Sequence[Row[Any]]:
    """All that a partner may ask or once might, oldest first."""
    mine = select(grants).where(grants.c.partner_id == partner_id)
    return (await connection.execute(mine.order_by(grants.c.id))).all()


async def waiting_grants(connection: AsyncConnection, *, after: UUID | None, size: int) -> Sequence[Row[Any]]:
    """What partners have asked for and nobody has answered, oldest first."""
    waiting = select(grants).where(grants.c.granted_at.is_(None), grants.c.revoked_at.is_(None))
    if after is not None:
        waiting = waiting.where(grants.c.id > after)
    return (await connection.execute(waiting.order_by(grants.c.id).limit(size))).all()


def due_on(row: Row[Any]) -> date | None:
    """The last day for an answer to a request; None where nothing waits."""
    if row.granted_at is not None or row.revoked_at is not None:
        return None
    return add_working_days(row.requested_at, DAYS_TO_ANSWER).on
