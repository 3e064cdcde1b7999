"""Accounts: who may sign in, and for whom they act. One thing to know: a token names an account and nothing more; the
database says at each request what it may do, so ending that right works at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import Unauthenticated
from partners.tables import accounts


class Role(StrEnum):
    """What an account is for. One account has one role."""

    CITIZEN = "citizen"
    AGENT = "agent"
    PARTNER = "partner"
    OPERATOR = "operator"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"
    PROVIDER = "provider"
    CLERK = "clerk"
    APPLICANT = "applicant"
    """Has applied for a partnership and proved nothing yet: hands in papers and submits."""
    REPRESENTATIVE = "representative"
    """Deals with the operator for a partner: its application, keys, offers and accounts; scans no codes."""
    AGENCY = "agency"
    """A credit service agency: gets in bulk what is open."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking, as the database has it at this moment."""

    account: str
    role: Role
    subject_id: int | None = None
    partner_id: int | None = None


ACCOUNT_COLUMNS = (accounts.c.role, accounts.c.subject_id, accounts.c.partner_id, accounts.c.ended_at)


def principal_of(account: str, role: Role, row: Any | None, *, now: datetime) -> Principal:
    """The principal for an account's row.

    Raises:
        Unauthenticated: there is no such account any more, or its role is another.
    """
    if row is None or row.role != role.value or (row.ended_at is not None and row.ended_at <= now):
        raise Unauthenticated("此账号已停用或身份已变更。请重新登录。")
    return Principal(account, role, row.subject_id, row.partner_id)


async def body_of(connection: AsyncConnection, account: str) -> tuple[str | None, str | None]:
    """Name and USCC of the body that a provider's account acts for; None where it acts for none."""
    wanted = select(accounts.c.body, accounts.c.body_uscc).where(accounts.c.id == account)
    row = (await connection.execute(wanted)).one()
    return row.body, row.body_uscc


async def find_principal(connection: AsyncConnection, *, account: str, role: Role, now: datetime) -> Principal:
    """Whom the account acts for.

    Raises:
        Unauthenticated: it may do nothing any more.
    """
    found = await connection.execute(select(*ACCOUNT_COLUMNS).where(accounts.c.id == account))
    return principal_of(account, role, found.one_or_none(), now=now)
