"""The alliance: partners that have joined. One thing to know: a partner acts through accounts, never by its own id."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.errors import BadInput, ExpectedError
from core.identifiers import check_uscc
from partners.accounts import Role
from partners.catalogue import Partner, bump_catalogue
from partners.rulebook import Rulebook
from partners.tables import accounts, partners


class PartnerExists(ExpectedError):
    """An organisation with this USCC has joined already."""

    code = "PARTNER_EXISTS"


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
) -> Partner:
    """Let an organisation join, with one account to act through.

    Raises:
        BadInput: no such place, or not a USCC (GB 32100).
        PartnerExists: it has joined before.
        Conflict: another request was quicker; run it again.
    """
    if place not in rulebook.served:
        raise BadInput(f"本部署不服务 {place}。可选:{'、'.join(rulebook.served)}。")
    number = check_uscc(uscc)
    if await connection.scalar(select(partners.c.id).where(partners.c.uscc == number)) is not None:
        raise PartnerExists("该统一社会信用代码的机构已经加入。请在合作机构列表中查找。")
    statement = insert(partners).values(place=place, sector=sector, name=name, uscc=number, registered_at=now)
    partner_id = int((await connection.execute(statement.returning(partners.c.id))).scalar_one())
    await connection.execute(insert(accounts).values(id=str(uuid4()), role=Role.PARTNER.value, partner_id=partner_id))
    content = {"partner": partner_id, "place": place, "sector": sector, "name": name}
    await audit.record(connection, at=now, actor=actor, action="registerPartner", content=content)
    await bump_catalogue(connection)
    return Partner(partner_id, place, sector, name)
