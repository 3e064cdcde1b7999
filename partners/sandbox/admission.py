"""Letting a partner into the sandbox: its mirror row, synthetic offers and people, and the keys it signs in with. One
thing to know: things go from the live side to the sandbox only, and only public ones: a name and public keys.

The sandbox holds nothing that leads back; the live side calls `admit`, and may call it again and again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of
from core.database import Database
from core.errors import StartupError
from partners.accounts import Role as AccountRole
from partners.catalogue import BENEFIT_CHECK, bump_catalogue
from partners.onboarding.tables import partner_keys
from partners.sandbox.personas import add_personas, make_uscc
from partners.sandbox.synthetic import PLACE, QUOTAS, Role, baseline_row, offer_row
from partners.sandbox.tables import sandbox_personas
from partners.tables import accounts, baselines, grants, offers, partners, quotas
from scoring.tables import subjects

USE = "sandbox"
"""`use` of the keys that are good here."""
KEY_COLUMNS = tuple(column.name for column in partner_keys.columns)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A partner and its sandbox keys, as the live side has them now."""

    id: int
    sector: str
    name: str
    keys: tuple[Mapping[str, Any], ...]
    """Rows of `partner_keys`."""


async def admit(database: Database, partner: Admitted, *, now: datetime) -> None:
    """Let a partner in, or bring its keys up to date where it is in already. `database` is the sandbox's.

    Raises:
        Conflict: another process was quicker.
    """
    async with database.transaction() as connection:
        if await connection.scalar(select(partners.c.id).where(partners.c.id == partner.id)) is None:
            await _move_in(connection, partner, now=now)
        await _bring_keys(connection, partner)


async def wanting_in(connection: AsyncConnection) -> list[Admitted]:
    """Whoever has sandbox keys, on a connection to the live database."""
    rows = (await connection.execute(select(partner_keys).where(partner_keys.c.use == USE))).all()
    if not rows:
        return []
    by_partner: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_partner.setdefault(row.partner_id, []).append(row._asdict())
    named = select(partners.c.id, partners.c.sector, partners.c.name).where(partners.c.id.in_(by_partner))
    return [
        Admitted(row.id, row.sector, row.name, tuple(by_partner[row.id])) for row in await connection.execute(named)
    ]


async def check_is_sandbox(connection: AsyncConnection) -> None:
    """Refuse a database in which somebody lives who is not synthetic.

    Raises:
        StartupError: it is no sandbox.
    """
    stranger = select(subjects.c.id).where(subjects.c.id.not_in(select(sandbox_personas.c.subject_id))).limit(1)
    if await connection.scalar(stranger) is not None:
        raise StartupError(
            "XINYI_SANDBOX_DATABASE_URL 指向的数据库里有不属于沙箱的主体,不能作沙箱用。请改为一个专用的空数据库。"
        )


async def _move_in(connection: AsyncConnection, partner: Admitted, *, now: datetime) -> None:
    on = day_of(now)
    named = {"place": PLACE, "sector": partner.sector, "name": f"{partner.name}(沙箱)"}
    uscc = make_uscc("A", partner.id)
    await connection.execute(insert(partners).values(id=partner.id, **named, uscc=uscc, registered_at=now))
    held = set()
    for role in Role:
        row = offer_row(partner.id, role, on=on)
        held.add((row["kind"], row["model"], row["threshold"]))
        await connection.execute(insert(offers).values(row))
        await connection.execute(insert(baselines).values(baseline_row(row["id"], on=on)))
        if role in QUOTAS:
            cap, taken = QUOTAS[role]
            await connection.execute(insert(quotas).values(offer_id=row["id"], cap=cap, taken=taken))
    for service, model, threshold in sorted(held):
        granted = {"service": service, "purpose": BENEFIT_CHECK, "model": model, "threshold": threshold}
        key = uuid5(NAMESPACE_URL, f"xinyi-sandbox:{partner.id}:{service}:{model}:{threshold}")
        by = {"granted_by": "sandbox", "granted_at": now}
        await connection.execute(insert(grants).values(id=key, partner_id=partner.id, **granted, **by))
    await add_personas(connection, partner_id=partner.id, now=now)
    content = {"partner": partner.id, "offers": len(Role)}
    await audit.record(connection, at=now, actor="sandbox", action="admitToSandbox", content=content)
    await bump_catalogue(connection)


async def _bring_keys(connection: AsyncConnection, partner: Admitted) -> None:
    """Make keys and their accounts what the live side says: a revoked one is at an end here too."""
    mine = select(partner_keys).where(partner_keys.c.partner_id == partner.id)
    here = {row.id: row._asdict() for row in await connection.execute(mine)}
    told = {key["id"]: {name: key[name] for name in KEY_COLUMNS} for key in partner.keys}
    for key_id in here.keys() - told.keys():
        account = accounts.c.id == here[key_id]["account"]
        await connection.execute(delete(partner_keys).where(partner_keys.c.id == key_id))
        await connection.execute(update(accounts).where(account).values(ended_at=here[key_id]["registered_at"]))
    for key_id, row in told.items():
        if here.get(key_id) == row:
            continue
        ended_at = min(at for at in (row["expires_at"], row["revoked_at"]) if at is not None)
        if key_id in here:
            await connection.execute(update(partner_keys).where(partner_keys.c.id == key_id).values(row))
            await connection.execute(update(accounts).where(accounts.c.id == row["account"]).values(ended_at=ended_at))
        else:
            account = {"id": row["account"], "role": AccountRole.PARTNER.value, "partner_id": partner.id}
            await connection.execute(insert(accounts).values(account | {"ended_at": ended_at}))
            await connection.execute(insert(partner_keys).values(row))
