"""Applying for a partnership, by somebody unknown. One thing to know: an applicant proves nothing, so its account hands
in papers and submits, and what it says of itself stands in its steps until somebody has qualified it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import BadInput, ExpectedError
from core.identifiers import check_uscc
from partners.accounts import Role
from partners.onboarding.keys import KeyInUse, KeyUse, PublicKey, add_key, end_accounts, live_keys
from partners.onboarding.tables import partner_keys
from partners.onboarding.workflow import Act, Status, hold_partner, steps_of, write_step
from partners.rulebook import Rulebook
from partners.tables import accounts, partners

ABANDONED = timedelta(days=30)
"""After how long a draft that nobody went on with makes room for another one (interpretation)."""


class PartnerExists(ExpectedError):
    """An organisation with this USCC has joined or applied already."""

    code = "PARTNER_EXISTS"


@dataclass(frozen=True, slots=True)
class Applicant:
    """What an organisation says of itself."""

    place: str
    sector: str
    name: str
    uscc: str
    contact: str = ""


def check_applicant(given: Applicant, rulebook: Rulebook) -> str:
    """The applicant's USCC in canonical form.

    Raises:
        BadInput: no such place, or not a USCC (GB 32100).
    """
    if given.place not in rulebook.served:
        raise BadInput(f"本部署不服务 {given.place}。可选:{'、'.join(rulebook.served)}。")
    return check_uscc(given.uscc)


async def apply_for_partnership(
    connection: AsyncConnection,
    *,
    given: Applicant,
    key: PublicKey,
    rulebook: Rulebook,
    longest: timedelta,
    now: datetime,
) -> Row[Any]:
    """Let an organisation apply, with a desk key to sign in by; the row of the key.

    A draft of 30 days, or a partner that has left, makes room: the same row is used again, its former keys end, and
    its name stays as it was until the applicant has been qualified.

    Raises:
        BadInput: no such place, or not a USCC.
        PartnerExists, KeyInUse
        Conflict: another request was quicker; run it again.
    """
    number, account = check_applicant(given, rulebook), str(uuid4())
    act = Act(account, Role.APPLICANT, now)
    if await connection.scalar(select(partner_keys.c.id).where(partner_keys.c.kid == key.kid)) is not None:
        raise KeyInUse("这把公钥登记过。请为本次申请另行生成一把密钥。")
    partner_id = await connection.scalar(select(partners.c.id).where(partners.c.uscc == number))
    number_of_step = 1
    if partner_id is None:
        partner_id = await add_partner(connection, given=given, uscc=number, status=Status.DRAFT, now=now)
    else:
        steps = await _make_room(connection, await hold_partner(connection, partner_id), act=act)
        number_of_step = len(steps) + 1
    said = {"place": given.place, "sector": given.sector, "name": given.name, "contact": given.contact}
    await write_step(
        connection, partner_id, Status.DRAFT, number=number_of_step, act=act, evidence={"application": said}
    )
    ends = now + longest
    return await add_key(
        connection, partner_id, use=KeyUse.DESK, key=key, expires_at=ends, role=Role.APPLICANT, act=act, account=account
    )


async def add_partner(
    connection: AsyncConnection, *, given: Applicant, uscc: str, status: Status, now: datetime
) -> int:
    """Write a partner's row; its id."""
    values = {"place": given.place, "sector": given.sector, "name": given.name, "uscc": uscc, "status": status.value}
    statement = insert(partners).values(**values, registered_at=now).returning(partners.c.id)
    return int((await connection.execute(statement)).scalar_one())


async def _make_room(connection: AsyncConnection, row: Row[Any], *, act: Act) -> list[Row[Any]]:
    """Clear the way for applying anew on a row that is held; its steps so far."""
    steps = await steps_of(connection, row.id)
    lies_idle = row.status == Status.DRAFT and bool(steps) and steps[-1].at <= act.now - ABANDONED
    if not lies_idle and not (row.status == Status.OFFBOARDED and not await _still_acts(connection, row.id, act.now)):
        raise PartnerExists("该统一社会信用代码的机构已经加入或正在申请。请联系运营人员核对,或使用原有密钥登录。")
    await end_accounts(connection, row.id, roles=Role, at=act.now)
    for key in (await connection.execute(live_keys(row.id, now=act.now))).all():
        ended = {"revoked_at": act.now, "revoked_by": act.actor, "reason": "重新申请"}
        await connection.execute(update(partner_keys).where(partner_keys.c.id == key.id).values(ended))
    return steps


async def _still_acts(connection: AsyncConnection, partner_id: int, now: datetime) -> bool:
    """Whether somebody still winds up a former partner's business."""
    later = or_(accounts.c.ended_at.is_(None), accounts.c.ended_at > now)
    return await connection.scalar(select(accounts.c.id).where(accounts.c.partner_id == partner_id, later)) is not None


def application_of(steps: list[Row[Any]]) -> Row[Any] | None:
    """The step in which the organisation last applied; None for one that was registered or founded with the city."""
    return next((step for step in reversed(steps) if "application" in step.evidence), None)
