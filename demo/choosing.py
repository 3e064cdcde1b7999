"""Choosing an account of the demo city by role and number. One thing to know: numbers count from 1 and mean the same in
every demo: the N-th citizen, or the account of the N-th partner of a sector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from demo.roles import SECTORS
from partners.accounts import Role
from partners.onboarding.tables import partner_keys
from partners.tables import accounts, partners


async def accounts_of(connection: AsyncConnection, role: str) -> Sequence[Row[Any]]:
    """The accounts (rows of `accounts`) that the numbers of a role stand for: one for each partner of a sector."""
    is_no_key = accounts.c.id.not_in(select(partner_keys.c.account))
    if role in SECTORS:
        first = (
            select(func.min(accounts.c.id))
            .join(partners, partners.c.id == accounts.c.partner_id)
            .where(partners.c.sector == role, accounts.c.role == Role.PARTNER.value, is_no_key)
            .group_by(accounts.c.partner_id)
        )
        wanted = select(accounts).where(accounts.c.id.in_(first)).order_by(accounts.c.partner_id)
    else:
        kind = Role.AGENT if role == "enterprise" else Role(role)
        # Those of whoever signed in through a provider come after those that were here from the start.
        own = (accounts.c.role == kind.value, is_no_key, accounts.c.basis.is_(None))
        wanted = select(accounts).where(*own).order_by(accounts.c.subject_id, accounts.c.partner_id, accounts.c.id)
    return (await connection.execute(wanted)).all()
