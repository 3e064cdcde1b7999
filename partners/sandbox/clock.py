"""A partner's own clock in the sandbox. One thing to know: it only goes forward, until it is set back to
the present."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import BadInput
from partners.sandbox.personas import scores_forgotten
from partners.sandbox.tables import sandbox_clocks

FARTHEST = timedelta(days=400)


async def ahead_of(connection: AsyncConnection, partner_id: int) -> timedelta:
    """How far a partner has moved its clock."""
    mine = select(sandbox_clocks.c.ahead_seconds).where(sandbox_clocks.c.partner_id == partner_id)
    return timedelta(seconds=await connection.scalar(mine) or 0)


async def move_clock(connection: AsyncConnection, *, partner_id: int, seconds: int) -> timedelta:
    """Move it on; how far it is ahead now.

    Raises:
        BadInput: backwards, or more than 400 days in all.
    """
    row = select(sandbox_clocks.c.ahead_seconds).where(sandbox_clocks.c.partner_id == partner_id).with_for_update()
    before = await connection.scalar(row)
    ahead = (before or 0) + seconds
    if seconds <= 0 or ahead > FARTHEST.total_seconds():
        raise BadInput(
            f"沙箱时钟只能往前拨,累计不超过 {FARTHEST.days} 天(现已拨 {before or 0} 秒)。"
            "要回到现在请用 resetSandboxClock。"
        )
    if before is None:
        await connection.execute(insert(sandbox_clocks).values(partner_id=partner_id, ahead_seconds=ahead))
    else:
        mine = sandbox_clocks.c.partner_id == partner_id
        await connection.execute(update(sandbox_clocks).where(mine).values(ahead_seconds=ahead))
    return timedelta(seconds=ahead)


async def reset_clock(connection: AsyncConnection, *, partner_id: int) -> None:
    """Back to the present. Scores made on days that have not come are made again."""
    await connection.execute(delete(sandbox_clocks).where(sandbox_clocks.c.partner_id == partner_id))
    await scores_forgotten(connection, partner_id=partner_id)
