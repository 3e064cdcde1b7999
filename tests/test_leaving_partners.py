"""What leaving does to orders, loans and the inbox. One thing to know: what only waits for somebody's word ends, what
is owed stays owed, and no partner is told that anybody has left."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from factories import City
from loan_steps import BID, OFFER, REPORT, add_farmers_offer, apply, bank, know
from loan_steps import mine as my_loans
from loan_steps import theirs as banks_loans
from order_steps import CANCEL, CONFIRM, PAY, act, completed, give_quota, propose, taken
from order_steps import mine as my_orders
from order_steps import theirs as partners_orders
from sqlalchemy import insert

from core.audit import audit_entries
from partners.lending.tables import loan_applications
from partners.orders.tables import order_steps, orders
from partners.tables import benefit_news, benefit_watches, notices, outcome_reports, redemptions
from partners.triggers import look_for_news
from partners.webhooks.tables import webhook_endpoints, webhook_events
from scoring.leaving import KEPT
from scoring.tables import consents, facts

LEAVE = """mutation ($input: LeaveSchemeInput!) { leaveScheme(input: $input) { __typename
  ... on Departure { erased { what count } kept { what reason } } ... on Problem { code message } } }"""
ENROLL = """mutation ($input: EnrollInput!) { enroll(input: $input) { __typename } }"""
WATCH = """mutation ($input: SetBenefitNoticesInput!) { setBenefitNotices(input: $input) { __typename } }"""
REPORT_OUTCOME = """mutation ($input: ReportOutcomeInput!) { reportOutcome(input: $input) { __typename } }"""


async def leave(city: City, person: str = "good") -> dict[str, int]:
    left = await city.do(LEAVE, by=person, confirm=True)
    assert left["__typename"] == "Departure", left
    return {one["what"]: one["count"] for one in left["erased"]}


async def listen(city: City, partner: int) -> None:
    """Let a partner have an endpoint, so that events about it are written."""
    row = {"id": uuid4(), "partner_id": partner, "url": "https://bank.example/hook", "events": [], "status": "ACTIVE"}
    row |= {"secret_sealed": b"x", "created_by": "operator", "created_at": city.now}
    await city.write(insert(webhook_endpoints).values(**row))


async def events(city: City) -> list[tuple[str, Any]]:
    return [(row.type, row.payload) for row in await city.rows(webhook_events)]


async def test_running_loan_applications_are_withdrawn_their_consents_end_and_the_bank_is_told_no_more(
    city: City,
) -> None:
    offer = await add_farmers_offer(city)
    await listen(city, 3)
    await know(city, 1, {"power_paid_months": 24})
    asked = {"offerId": offer, "product": "农户小额贷款", "amountFen": 100, "indicators": ["power-paid"]}
    application = await apply(city, "good", **asked)
    assert [one["answer"] for one in application["answers"] if one["indicator"] == "power-paid"] == ["是"]
    erased = await leave(city)
    assert (erased["撤回的贷款申请"], erased["撤回的授权"], erased["经同意采集的事实数据"]) == (1, 1, 1)
    (row,) = await city.rows(loan_applications)
    assert row.state == "WITHDRAWN"
    assert [one.state for one in await city.rows(consents)] == ["REVOKED"]
    assert [row for row in await city.rows(facts) if row.subject_id == 1] == []
    assert [kind for kind, _ in await events(city)] == ["loan.applied", "loan.withdrawn"]
    assert set((await events(city))[-1][1]) == {"application", "state", "at"}, "and nothing about leaving"
    (seen,) = await banks_loans(city)
    assert {one["answer"] for one in seen["answers"]} == {"未授权或无数据"}
    assert (await bank(city, OFFER, application["id"], **BID | {"amountFen": 50}))["code"] == "WRONG_STATE"
    assert [one["state"] for one in await my_loans(city, "good")] == ["WITHDRAWN"]


async def test_a_loan_that_was_paid_out_stays_and_its_bank_goes_on_reporting(city: City) -> None:
    offer = await add_farmers_offer(city)
    asked = {"offerId": offer, "product": "农户小额贷款", "amountFen": 50_000_000, "indicators": ["power-paid"]}
    application = (await apply(city, "good", **asked))["id"]
    await bank(city, OFFER, application, **BID)
    await city.do(
        "mutation ($input: AnswerLoanOfferInput!) { answerLoanOffer(input: $input) { __typename } }",
        by="good", applicationId=application, accept=True,
    )  # fmt: skip
    said = {"amountFen": 100, "rateBp": 300, "disbursedOn": "2026-11-20", "secured": False}
    await bank(city, REPORT, application, **said, repayment="RUNNING")
    assert "撤回的贷款申请" not in await leave(city)
    done = await bank(city, REPORT, application, **said, repayment="REPAID")
    assert (done["state"], [one["state"] for one in await my_loans(city, "good")]) == ("REPAID", ["REPAID"])


async def test_an_order_nobody_confirmed_expires_and_gives_its_use_back_without_a_word_about_leaving(
    city: City,
) -> None:
    await give_quota(city, 5)
    await listen(city, 2)
    order = (await propose(city))["id"]
    assert await taken(city) == 1
    assert (await leave(city))["作废的待确认订单"] == 1
    assert await taken(city) == 0
    (row,) = await city.rows(redemptions)
    assert (row.reversed_at, row.reversal_reason) == (city.now, "订单未在时限内确认")
    assert [one["state"] for one in await partners_orders(city)] == ["EXPIRED"]
    assert [kind for kind, _ in await events(city)] == ["order.created", "order.expired", "redemption.reversed"]
    assert {one.reason for one in await city.rows(order_steps)} == {""}
    assert (await city.do(CONFIRM, by="good", orderId=order))["code"] == "WRONG_STATE"
    (entry,) = [one for one in await city.rows(audit_entries) if one.action == "expireOrder"]
    assert entry.actor == "good", "the trail knows who did it"


async def test_what_is_owed_stays_a_debt_that_is_named_seen_and_paid_after_leaving(city: City) -> None:
    order = await completed(city)
    assert "作废的待确认订单" not in await leave(city)
    assert "已确认的先用后付订单和应付款" in {one.what for one in KEPT}
    assert [one["state"] for one in await my_orders(city)] == ["COMPLETED"]
    city.wait(days=10)
    assert [one["state"] for one in await my_orders(city)] == ["OVERDUE"]
    await city.do(ENROLL, by="good", noticeVersion=city.state.rulebook.notice.version)
    assert (await city.verify(await city.code("good"), "clinic", by="hospital"))["outcome"] == "STANDARD_SERVICE"
    assert (await act(city, PAY, order, amountFen=8_000))["state"] == "PAID"
    city.wait(minutes=1)
    assert (await city.verify(await city.code("good"), "clinic", by="hospital"))["outcome"] == "BENEFIT_APPLIES"


async def test_the_inbox_and_what_filled_it_are_erased_and_nothing_new_is_looked_for(city: City) -> None:
    await city.do(WATCH, by="good", on=True)
    await propose(city)
    for table in (notices, benefit_watches, benefit_news):
        assert [row for row in await city.rows(table) if row.subject_id == 1], table.name
    await leave(city)
    city.wait(days=1)
    state = city.state
    async with state.database.reading() as connection:
        catalogue = await state.current_catalogue(connection)
    assert await look_for_news(state.database, catalogue=catalogue, rulebook=state.rulebook, now=city.now) == 0
    for table in (notices, benefit_watches, benefit_news):
        assert await city.rows(table) == [], table.name


async def test_what_a_partner_said_of_a_benefit_stays_with_its_receipt_and_can_be_read(city: City) -> None:
    answer = await city.verify(await city.code("good"))
    await city.do(
        REPORT_OUTCOME, by="scenic", requestId="one", receipt=answer["receipt"], outcome="USED", satisfaction=5
    )
    await leave(city)
    assert len(await city.rows(outcome_reports)) == 1
    log = "{ me { accessLog { edges { node { reports { number outcome satisfaction note reportedAt } } } } } }"
    (edge,) = (await city.ask(log, by="good"))["data"]["me"]["accessLog"]["edges"]
    assert edge["node"]["reports"] == [
        {"number": 1, "outcome": "USED", "satisfaction": 5, "note": None, "reportedAt": city.now.isoformat()}
    ]


async def test_confirming_at_the_moment_of_leaving_is_before_or_after_and_the_quota_agrees(city: City) -> None:
    await give_quota(city, 9)
    for _ in range(3):
        order = (await propose(city))["id"]
        found = await asyncio.gather(
            city.do(CONFIRM, by="good", orderId=order),
            city.do(LEAVE, by="good", confirm=True),
            act(city, CANCEL, order, reason="停诊"),
        )
        assert found[1]["__typename"] == "Departure"
        assert {one.get("code", "WRONG_STATE") for one in found if one["__typename"] == "Problem"} <= {"WRONG_STATE"}
        assert (await my_orders(city))[0]["state"] in {"EXPIRED", "CANCELLED"}
        assert await taken(city) == 0
        assert (await city.rows(orders))[-1].ended_at == city.now
        city.wait(minutes=1)
        await city.do(ENROLL, by="good", noticeVersion=city.state.rulebook.notice.version)


async def test_everybody_elses_orders_and_inboxes_stay_as_they_were(city: City) -> None:
    await propose(city)
    await city.write(
        insert(notices).values(subject_id=2, id=uuid4(), at=city.now, kind="x", text="y"),
        insert(benefit_watches).values(subject_id=2, switched_on_at=city.now),
    )
    await leave(city, "plain")
    assert [row.state for row in await city.rows(orders)] == ["CREATED"]
    assert {row.subject_id for row in await city.rows(notices)} == {1}
