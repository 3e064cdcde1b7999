"""What a partner may ask: a service, for a purpose, by one predicate. One thing to know: an offer whose predicate is
granted no more is refused at the next scan, and what the partner learns is two answers and nothing else.

«查询个人信用信息应当……用于约定的用途»(《黑龙江省社会信用条例》第二十四条).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.errors import ExpectedError
from core.identifiers import new_id
from partners.catalogue import BENEFIT_CHECK, bump_catalogue
from partners.tables import grants

ANSWERS = "只答两种:享受优惠,或标准服务"
"""All that a partner is told, in the words in which a citizen reads it."""


class NoGrant(ExpectedError):
    """There is no such grant, or it was revoked before."""

    code = "NO_GRANT"


async def give_grant(
    connection: AsyncConnection, *, partner_id: int, service: str, model: str, threshold: str, actor: str, now: datetime
) -> UUID:
    """Let a partner ask, for a kind of benefit, whether somebody has this grade of the model or better; the grant's id.
    In a transaction. One that is held already stays as it is."""
    same = and_(
        grants.c.partner_id == partner_id,
        grants.c.service == service,
        grants.c.purpose == BENEFIT_CHECK,
        grants.c.model == model,
        grants.c.threshold == threshold,
        grants.c.revoked_at.is_(None),
    )
    held: UUID | None = await connection.scalar(select(grants.c.id).where(same))
    if held is not None:
        return held
    predicate = {"service": service, "purpose": BENEFIT_CHECK, "model": model, "threshold": threshold}
    row = {"id": new_id(), "partner_id": partner_id, **predicate, "granted_by": actor, "granted_at": now}
    await connection.execute(insert(grants).values(row))
    content = {"grant": str(row["id"]), "partner": partner_id, **predicate}
    await audit.record(connection, at=now, actor=actor, action="grantAccess", content=content)
    await bump_catalogue(connection)
    return row["id"]  # type: ignore[return-value]


async def revoke_grant(
    connection: AsyncConnection, *, grant_id: UUID, reason: str, actor: str, now: datetime
) -> Row[Any]:
    """End a grant at once, in a transaction; its row. What was reserved before still redeems.

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
    return (await connection.execute(mine.order_by(grants.c.granted_at, grants.c.id))).all()
