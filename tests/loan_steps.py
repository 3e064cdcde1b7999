"""Steps of loan applications and what they are asked with. One thing to know: offer 8 of the small city is the bank's
for enterprises; `add_farmers_offer` adds one for persons."""

from __future__ import annotations

from datetime import date
from typing import Any

from factories import NOON, City, offer_id
from sqlalchemy import insert, select, update

from api.ids import public_id
from core.identifiers import new_id
from core.integrity import sealed
from demo.people import make_uscc
from partners.lending.tables import loan_applications, loan_reports
from partners.tables import baselines, catalogue_state, grants, offers
from scoring.subjects import SubjectKind, subject_row
from scoring.tables import facts, subjects

LOAN, FARMERS = 8, 80
FIRM = 8
FIELDS = """id state allowedActions applicant bank { name } offer { id } product amountFen months use expiresOn
  bid { amountFen rateBp months secured } declined { code words }"""
ANSWERS = "answers { indicator field label answer }"


def _mutation(name: str, shown: str) -> str:
    kind = name[0].upper() + name[1:]
    return f"""mutation ($input: {kind}Input!) {{ {name}(input: $input) {{ __typename
      {shown} ... on Problem {{ code message }} }} }}"""


APPLY, ANSWER, WITHDRAW = (
    _mutation(name, f"... on LoanApplication {{ {FIELDS} consentId {ANSWERS} }}")
    for name in ("applyForLoan", "answerLoanOffer", "withdrawLoan")
)
OFFER, DECLINE, REPORT = (
    _mutation(name, "... on DecidedLoan { id state at }") for name in ("offerLoan", "declineLoan", "reportLoan")
)
MINE = f"{{ me {{ loanApplications {{ edges {{ node {{ {FIELDS} consentId {ANSWERS} }} }} }} }} }}"
THEIRS = f"""query ($states: [LoanState!], $first: Int, $after: String) {{
  loanApplications(first: $first, after: $after, states: $states) {{
  edges {{ node {{ {FIELDS} {ANSWERS} }} }} pageInfo {{ endCursor }} }} }}"""
WITHOUT_ANSWERS = "{ loanApplications { edges { node { id state } } } }"
KNOWN = {
    "social_insurance_months": 36,
    "insured_staff": 42,
    "tax_on_time_months": 12,
    "tax_paid_yuan": "250000.50",
    "power_paid_months": 24,
    "patents": 0,
}
"""What is on record about the firm: neither provident fund, water, gas nor freight."""
NOTHING = "未授权或无数据"


async def know(city: City, subject_id: int, known: dict[str, Any]) -> None:
    """Put facts about a subject on record."""
    async with city.state.database.transaction() as connection:
        for name, value in known.items():
            row = {"subject_id": subject_id, "name": name, "value": value, "observed_on": city.now.date()}
            await connection.execute(insert(facts).values(sealed(connection, facts, row)))


async def apply(city: City, by: str = "firm", **given: Any) -> dict[str, Any]:
    """An application by the firm's agent; what it is answered."""
    asked = {
        "offerId": offer_id("loan"),
        "product": "银税互动",
        "amountFen": 50_000_000,
        "months": 12,
        "use": "采购原料",
        "indicators": [
            "social-insurance-paid",
            "insured-staff",
            "tax-paid-on-time",
            "tax-amount",
            "provident-fund-paid",
        ],
    }
    return await city.do(APPLY, by=by, **asked | given)


async def bank(city: City, mutation: str, application: str, **given: Any) -> dict[str, Any]:
    """One of the bank's acts."""
    by = given.pop("by", "bank")
    return await city.do(mutation, by=by, **{"requestId": city.next_request(), "applicationId": application} | given)


BID = {"amountFen": 40_000_000, "rateBp": 385, "months": 12, "secured": False}


async def accepted(city: City, by: str = "firm", **given: Any) -> str:
    """An application whose applicant has accepted what the bank offered; its id."""
    application = str((await apply(city, by, **given))["id"])
    done = await bank(city, OFFER, application, **BID)
    assert done["__typename"] == "DecidedLoan", done
    await city.do(ANSWER, by=by, applicationId=application, accept=True)
    return application


async def theirs(city: City, by: str = "bank", **given: Any) -> list[dict[str, Any]]:
    """That bank's applications, with their answers."""
    body = await city.ask(THEIRS, given, by=by)
    return [edge["node"] for edge in body["data"]["loanApplications"]["edges"]]


async def mine(city: City, by: str = "firm") -> list[dict[str, Any]]:
    """That applicant's own."""
    return [edge["node"] for edge in (await city.ask(MINE, by=by))["data"]["me"]["loanApplications"]["edges"]]


def told(application: dict[str, Any]) -> dict[str, str]:
    """The answers by indicator."""
    return {one["indicator"]: one["answer"] for one in application["answers"]}


async def add_farmers_offer(city: City) -> str:
    """A small loan for farmers; its public id."""
    async with city.state.database.transaction() as connection:
        row = dict((await connection.execute(select(offers).where(offers.c.id == LOAN))).one()._mapping)
        terms = dict((await connection.execute(select(baselines).where(baselines.c.offer_id == LOAN))).one()._mapping)
        made = {"id": FARMERS, "model": "xiangxinfen", "details": {"product": "农户小额贷款"}}
        await connection.execute(insert(offers).values(row | made))
        await connection.execute(insert(baselines).values(terms | {"offer_id": FARMERS}))
        held = dict((await connection.execute(select(grants).where(grants.c.partner_id == 3))).first()._mapping)  # type: ignore[union-attr]
        held |= {"id": new_id(), "model": "xiangxinfen"}
        await connection.execute(insert(grants).values(held))
        await connection.execute(update(catalogue_state).values(version=catalogue_state.c.version + 1))
    return public_id("Offer", FARMERS)


async def add_loans(city: City, number: int, *, day: date, unsecured: int, first: int) -> None:
    """That many enterprises with a loan each, reported by the bank."""
    statements: list[Any] = []
    for n in range(first, first + number):
        row = subject_row(
            city.keys,
            kind=SubjectKind.ENTERPRISE,
            place="hunan-shaoyang",
            name="测试企业",
            number=make_uscc("91", "430502", 80_000 + n),
        )
        key = {"subject_id": 5000 + n, "id": new_id()}
        asked = {"partner_id": 3, "offer_id": 8, "consent_id": new_id(), "product": "税易贷", "amount_fen": 1_000_000}
        asked |= {"months": 12, "use": "周转", "indicators": [], "applied_at": NOON, "expires_on": day}
        said = {"partner_id": 3, "disbursed_fen": 1_000_000, "rate_bp": 400, "secured": n - first >= unsecured}
        said |= {"disbursed_on": day, "repayment": "RUNNING", "at": NOON, "actor": "bank"}
        statements += [
            insert(subjects).values(id=5000 + n, **row),
            insert(loan_applications).values(**key, **asked, state="DISBURSED"),
            insert(loan_reports).values(subject_id=key["subject_id"], application_id=key["id"], number=1, **said),
        ]
    await city.write(*statements)
