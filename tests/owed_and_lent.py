"""Orders and loans for the table of who may read what. One thing to know: there the scenic partner lends too, for the
bank is none of those who ask."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from factories import City, offer_id
from loan_steps import BID, DECLINE, LOAN, OFFER, add_loans, apply, bank
from order_steps import propose
from sqlalchemy import insert, select, update

from api.ids import public_id
from core.identifiers import new_id
from partners.lending.tables import loan_applications
from partners.tables import baselines, catalogue_state, grants, offers

LENDING = 81
NO_APPLICATION = public_id("LoanApplication", UUID(int=0))
NO_ORDER = public_id("Order", UUID(int=0))
REPORT = {"amountFen": 1, "rateBp": 1, "disbursedOn": "2026-11-20", "secured": False, "repayment": "RUNNING"}
INPUTS: dict[str, dict[str, Any]] = {
    "createOrder": {"title": "门诊", "amountFen": 100},
    "confirmOrder": {},
    "startOrder": {},
    "completeOrder": {"amountFen": 100},
    "recordPayment": {"amountFen": 100},
    "cancelOrder": {"reason": "改期"},
    "applyForLoan": {
        "product": "银税互动",
        "amountFen": 100,
        "months": 12,
        "use": "周转",
        "indicators": ["power-paid"],
    },
    "answerLoanOffer": {"accept": True},
    "withdrawLoan": {"reason": "不需要了"},
    "offerLoan": BID,
    "declineLoan": {"code": "COLLATERAL", "words": "抵押物不足"},
    "reportLoan": REPORT,
}


async def file_orders_and_loans(city: City) -> None:
    """An order, an application that was declined, one that was offered something, and ten loans."""
    async with city.state.database.transaction() as connection:
        row = dict((await connection.execute(select(offers).where(offers.c.id == LOAN))).one()._mapping)
        terms = dict((await connection.execute(select(baselines).where(baselines.c.offer_id == LOAN))).one()._mapping)
        await connection.execute(insert(offers).values(row | {"id": LENDING, "partner_id": 1}))
        await connection.execute(insert(baselines).values(terms | {"offer_id": LENDING}))
        held = (await connection.execute(select(grants).where(grants.c.service == "loan"))).first()
        assert held is not None
        await connection.execute(insert(grants).values(dict(held._mapping) | {"id": new_id(), "partner_id": 1}))
        await connection.execute(update(catalogue_state).values(version=catalogue_state.c.version + 1))
    await propose(city)
    declined = await apply(city)
    await bank(city, DECLINE, declined["id"], code="COLLATERAL", words="抵押物不足")
    await bank(city, OFFER, (await apply(city))["id"], **BID | {"amountFen": 100})
    await apply(city, offerId=public_id("Offer", LENDING))
    await add_loans(city, 10, day=date(2026, 11, 1), unsecured=10, first=0)


async def order_or_loan_input(city: City, what: str, actor: str) -> dict[str, Any]:
    """A good input for one of `INPUTS`, made for this actor."""
    given = dict(INPUTS[what])
    if what in ("createOrder", "startOrder", "completeOrder", "recordPayment", "cancelOrder", "offerLoan",
                "declineLoan", "reportLoan"):  # fmt: skip
        given["requestId"] = city.next_request()
    if what == "createOrder":
        answer = await city.verify(await city.code("good"), "clinic", by="hospital")
        given["verificationId"] = answer["id"]
    elif what.endswith("Order") or what == "recordPayment":
        given["orderId"] = (await propose(city))["id"] if actor in ("good", "hospital") else NO_ORDER
    elif what == "applyForLoan":
        given["offerId"] = offer_id("loan")
    elif what in ("offerLoan", "declineLoan", "reportLoan") and actor == "scenic":
        given["applicationId"] = await _at_scenic(city)
    else:
        given["applicationId"] = NO_APPLICATION
    return given


async def _at_scenic(city: City) -> str:
    """The application to the scenic partner, not decided yet. The firm itself is struck off by now."""
    (row,) = [row for row in await city.rows(loan_applications) if row.offer_id == LENDING]
    await city.write(update(loan_applications).where(loan_applications.c.offer_id == LENDING).values(state="APPLIED"))
    return public_id("LoanApplication", row.id)
