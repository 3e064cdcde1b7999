"""What is done when a key may have been stolen. One thing to know: it is one act and one transaction, and it takes as
little memory for a hundred thousand verifications as for one: rows are counted and changed where they lie."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import SHANGHAI
from core.errors import BadInput
from core.identifiers import new_id
from partners.alarms import raise_alarm
from partners.onboarding.keys import KeyUse, revoke_key
from partners.onboarding.tables import partner_keys
from partners.onboarding.workflow import Act
from partners.quotas import give_back, held_by
from partners.tables import OF_VERIFICATION, notices, partners, redemptions, verifications

TOLD_AT_ONCE = 2_000
NOTICE = "stolen-key"


@dataclass(frozen=True, slots=True)
class Damage:
    """What a stolen key had done, and what was undone."""

    voided: int
    """Verifications that are void now."""
    redeemed: int
    """Those of them that had been redeemed; they stay, and somebody has to look at them."""
    told: int
    """Subjects who found a notice in their inbox."""
    revoked: int
    """Keys that ended: the stolen one, unless it had ended before, and those registered with it."""


async def report_stolen_key(connection: AsyncConnection, key: Row[Any], *, since: datetime, act: Act) -> Damage:
    """End a key that is held (`keys.find_key`), and all that was done with it since that instant.

    Keys that it registered since are taken for the thief's. Reporting again voids what had been on its way.

    Raises:
        BadInput: `since` has no zone, or lies ahead.
    """
    if since.tzinfo is None or since > act.now:
        raise BadInput("since 须带时区,且不晚于现在:写最早可能被盗用的时刻。请改正后重试。")
    keys = await _with_its_own(connection, key, since=since)
    live = [one for one in keys if one.revoked_at is None and one.expires_at > act.now]
    for one in live:
        await revoke_key(connection, one, act=act)
    accounts = [one.account for one in keys]
    voided = await _void(connection, accounts, since=since, now=act.now)
    doubtful = _redeemed_with(accounts).where(verifications.c.voided_at == act.now)
    redeemed = await connection.scalar(select(func.count()).select_from(doubtful.subquery()))
    told = await _tell(connection, key, accounts, since=since, now=act.now)
    damage = Damage(voided, int(redeemed or 0), told, len(live))
    detail = {"kid": key.kid, "use": key.use, "since": since.isoformat(), "reason": act.reason}
    counts = {"voided": damage.voided, "redeemed": damage.redeemed, "told": damage.told, "keys": damage.revoked}
    await raise_alarm(connection, kind="STOLEN_KEY", detail=detail | counts, now=act.now, partner_id=key.partner_id)
    content = {"partner": key.partner_id, **detail, **counts}
    await audit.record(connection, at=act.now, actor=act.actor, action="reportStolenKey", content=content)
    return damage


async def _with_its_own(connection: AsyncConnection, key: Row[Any], *, since: datetime) -> list[Row[Any]]:
    """The key, and what was registered with it, and with that, since the instant."""
    found, new = [key], [key]
    while desks := [one.account for one in new if one.use == KeyUse.DESK]:
        registered = (partner_keys.c.registered_by.in_(desks), partner_keys.c.registered_at >= since)
        known = partner_keys.c.id.not_in([one.id for one in found])
        new = list((await connection.execute(select(partner_keys).where(*registered, known))).all())
        found += new
    return found


async def _void(connection: AsyncConnection, accounts: Collection[str], *, since: datetime, now: datetime) -> int:
    """Make void what these accounts verified, and give back what it holds; how many."""
    mine = (verifications.c.account.in_(accounts), verifications.c.at >= since)
    # Once they are marked nobody else changes them: whoever redeems or sweeps waits for this transaction.
    marked = await connection.execute(
        update(verifications).where(*mine, verifications.c.voided_at.is_(None)).values(voided_at=now)
    )
    holding = (*mine, verifications.c.voided_at == now, verifications.c.reserved)
    columns = (verifications.c.offer_id, verifications.c.holds)
    grouped = select(*columns, func.count().label("times")).where(*holding).group_by(*columns)
    returned: dict[int, list[tuple[str, int]]] = {}
    for row in await connection.execute(grouped):
        held = [(bucket, units * row.times) for bucket, units in held_by(row, one=True)]
        returned.setdefault(row.offer_id, []).extend(held)
    await connection.execute(update(verifications).where(*holding).values(reserved=False))
    for offer_id in sorted(returned):
        await give_back(connection, offer_id=offer_id, holds=returned[offer_id])
    return marked.rowcount


async def _tell(
    connection: AsyncConnection, key: Row[Any], accounts: Collection[str], *, since: datetime, now: datetime
) -> int:
    """Tell everybody whose code was read, once each; how many."""
    name = await connection.scalar(select(partners.c.name).where(partners.c.id == key.partner_id))
    text = (
        f"{name} 的一把系统密钥可能在 {since.astimezone(SHANGHAI):%Y-%m-%d %H:%M} 之后被他人盗用,"
        "期间出示给该机构的信用码核验已作废,密钥已停用。您的分数和等级没有泄露,也不受影响;"
        "如需继续享受优惠,请重新出示信用码。各次核验见您的查询记录,有疑问可提出投诉。"
    )
    concerned = (verifications.c.account.in_(accounts), verifications.c.at >= since, verifications.c.voided_at == now)
    last, told = 0, 0
    while True:
        page = select(verifications.c.subject_id).distinct().where(*concerned, verifications.c.subject_id > last)
        page = page.order_by(verifications.c.subject_id).limit(TOLD_AT_ONCE)
        subjects = (await connection.scalars(page)).all()
        if not subjects:
            return told
        row = {"at": now, "kind": NOTICE, "text": text, "partner_id": key.partner_id, "offer_id": None}
        await connection.execute(
            insert(notices), [{"subject_id": subject, "id": new_id(), **row} for subject in subjects]
        )
        last, told = subjects[-1], told + len(subjects)


def _redeemed_with(accounts: Collection[str]) -> Any:
    """Redemptions of what these accounts verified and that is void now."""
    joined = redemptions.join(verifications, OF_VERIFICATION)
    mine = (verifications.c.account.in_(accounts), verifications.c.voided_at.is_not(None))
    columns = (redemptions.c.id, redemptions.c.at, redemptions.c.amount_fen, redemptions.c.reversed_at)
    return select(*columns, verifications.c.offer_id, verifications.c.voided_at).select_from(joined).where(*mine)


async def doubtful_redemptions(
    connection: AsyncConnection, key: Row[Any], *, after: UUID | None, size: int
) -> list[Row[Any]]:
    """Redemptions of what is void since a key was reported stolen, oldest id first."""
    accounts = [one.account for one in await _with_its_own(connection, key, since=key.registered_at)]
    found = _redeemed_with(accounts).order_by(redemptions.c.id).limit(size)
    if after is not None:
        found = found.where(redemptions.c.id > after)
    return list((await connection.execute(found)).all())
