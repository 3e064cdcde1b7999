"""Bringing a partner into the alliance on its behalf. One thing to know: in the demo it is live at once, and its step
says so; elsewhere it is a draft of the operator's, which other people look at like any application."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from partners.accounts import Role
from partners.catalogue import Partner, bump_catalogue
from partners.onboarding.applications import Applicant, PartnerExists, add_partner, check_applicant
from partners.onboarding.workflow import Act, Status, write_step
from partners.rulebook import Rulebook
from partners.tables import accounts, partners


async def register_partner(
    connection: AsyncConnection,
    *,
    actor: str,
    place: str,
    sector: str,
    name: str,
    uscc: str,
    rulebook: Rulebook,
    now: datetime,
    is_demo: bool = True,
) -> Partner:
    """Write an organisation down: `is_demo`, live at once with one account to act through; else as a draft.

    Raises:
        BadInput: no such place, or not a USCC (GB 32100).
        PartnerExists: it has joined or applied before.
        Conflict: another request was quicker; run it again.
    """
    given = Applicant(place, sector, name, uscc)
    number = check_applicant(given, rulebook)
    if await connection.scalar(select(partners.c.id).where(partners.c.uscc == number)) is not None:
        raise PartnerExists("该统一社会信用代码的机构已经加入或正在申请。请在合作机构列表中查找。")
    status = Status.LIVE if is_demo else Status.DRAFT
    partner_id = await add_partner(connection, given=given, uscc=number, status=status, now=now)
    if is_demo:
        acting = {"id": str(uuid4()), "role": Role.PARTNER.value, "partner_id": partner_id}
        await connection.execute(insert(accounts).values(acting))
    evidence = {"demo": "演示环境:登记即开通"} if is_demo else {"onBehalf": "由运营人员代为填写"}
    act = Act(actor, Role.OPERATOR, now)
    await write_step(connection, partner_id, status, number=1, act=act, evidence=evidence)
    content = {"partner": partner_id, "place": place, "sector": sector, "name": name}
    await audit.record(connection, at=now, actor=actor, action="registerPartner", content=content)
    await bump_catalogue(connection)
    return Partner(partner_id, place, sector, name, status.value)
