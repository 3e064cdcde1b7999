"""What a city's back office has on file: a settlement, a month's figures, notices and a query right. One thing to know:
it is here for the table of who may read what; what the numbers mean is tested where they are made."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from factories import City, offer_id
from published import FIRM, PROMISED, deliver
from settled import add_use
from sqlalchemy import insert

from api.ids import public_id
from api.settlement import making_of
from partners.notices import tell
from partners.settlement.making import settle_due
from partners.tables import usage_blocks
from scoring.queries.tables import query_rights

RIGHT, WAITING = UUID(int=1), UUID(int=2)
FIGURES = {
    "people": 20, "verifications": 40, "redemptions": 30, "reversed": 10, "amountFen": 120_000,
    "outcomes": {"USED": 20},
}  # fmt: skip
INPUTS = frozenset({
    "setBenefitNotices", "markNoticesRead", "reportOutcome", "requestQueryRight", "openQueryRight",
    "refuseQueryRight", "queryRecords",
})  # fmt: skip
"""Mutations of the back office."""


def right(key: UUID, state: str, **given: Any) -> dict[str, Any]:
    """A row of `query_rights` of the account `provider`."""
    return {
        "id": key,
        "body": "测试行政审批局",
        "body_uscc": "91430502MA7YK0011L",
        "account": "provider",
        "place": "hunan-shaoyang",
        "item": "credit-commitment",
        "matter": "行政许可",
        "state": state,
        "ends_on": date(2027, 11, 20) if state == "OPEN" else None,
        "reason": "",
    } | given


async def file_back_office(city: City) -> None:
    """One of each."""
    await deliver(city, FIRM, "queried", "credit-commitment", PROMISED | {"document-number": "诺-002"})
    async with city.state.database.transaction() as connection:
        for partner_id, offer in ((1, 1), (2, 7)):
            at = city.now - timedelta(days=1)
            await add_use(connection, at=at, partner_id=partner_id, offer_id=offer)
            row = {"month": date(2026, 10, 1), "number": partner_id, "partner_id": partner_id, "kind": "tourism"}
            await connection.execute(insert(usage_blocks).values(**row, figures=FIGURES, taken_at=city.now))
        for key, state in ((RIGHT, "OPEN"), (WAITING, "WAITING")):
            await connection.execute(insert(query_rights).values(**right(key, state), asked_at=city.now))
    await settle_due(city.state.database, making_of(city.state), now=city.now)
    await tell_everybody(city)


async def tell_everybody(city: City) -> None:
    """A notice in each inbox."""
    async with city.state.database.transaction() as connection:
        for subject_id in (1, 2, FIRM):
            text = "新增可用优惠"
            await tell(
                connection, subject_id=subject_id, kind="new-benefit", text=text, now=city.now, partner_id=1, offer_id=1
            )


async def office_input(city: City, what: str, actor: str) -> dict[str, Any]:
    """A good input for one of `INPUTS`."""
    match what:
        case "setBenefitNotices":
            return {"on": True}
        case "markNoticesRead":
            return {"ids": [public_id("Notice", UUID(int=0))]}
        case "reportOutcome":
            partner, offer = ("hospital", "clinic") if actor == "hospital" else ("scenic", "museum")
            answer = await city.verify(await city.code("good"), by=partner, offerId=offer_id(offer))
            return {"requestId": city.next_request(), "receipt": answer["receipt"], "outcome": "USED"}
        case "requestQueryRight":
            return {"item": "credit-commitment", "matter": "permit-or-certificate", "basis": "行政许可法"}
        case "openQueryRight" | "refuseQueryRight":
            return {"rightId": public_id("QueryRight", WAITING), "reason": "依法查询"}
        case "queryRecords":
            asked = {"rightId": public_id("QueryRight", RIGHT), "purpose": "核查许可条件"}
            return asked | {"uscc": "91430502MA7YK0003R"}
    raise AssertionError(what)
