"""Orders, loans, uses and the inbox when two entries become one. One thing to know: what was used or is owed under
either counts once under the one that goes on, and a partner's ids stay good."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from factories import City
from loan_steps import ANSWER, BID, OFFER, add_farmers_offer, apply, bank
from loan_steps import mine as my_loans
from loan_steps import theirs as banks_loans
from order_steps import CONFIRM, PAY, START, act, completed, give_quota, propose, taken
from order_steps import mine as my_orders
from sqlalchemy import insert
from test_cases_crashes import killed_at, post
from test_merging import merged
from test_registry import do, mutation, sid

from partners.lending.tables import loan_applications, loan_reports, loan_steps
from partners.orders.tables import order_steps, orders
from partners.tables import (
    access_events,
    benefit_news,
    benefit_watches,
    notices,
    outcome_reports,
    redemptions,
    verifications,
)
from scoring.tables import credit_records

MOVED = (
    verifications, redemptions, orders, order_steps, outcome_reports, loan_applications, loan_steps, loan_reports,
    notices, benefit_watches, benefit_news, access_events,
)  # fmt: skip
REPORT = """mutation ($input: ReportOutcomeInput!) { reportOutcome(input: $input) { __typename
  ... on OutcomeReport { number } } }"""
LOG = "{ me { accessLog { edges { node { action outcome reports { outcome } } } } } }"


async def raise_plain(city: City) -> None:
    """Let «plain» have the grade that the clinic asks for."""
    honour = {"item": "rescue-honour", "occurred_on": date(2026, 8, 1), "source": "测试"}
    await city.write(insert(credit_records).values(subject_id=2, id="r9", **honour))


async def at_clinic(city: City, person: str) -> str:
    answer = await city.verify(await city.code(person), "clinic", by="hospital")
    return str(answer.get("outcome", answer.get("code")))


async def of_subject(city: City, subject_id: int) -> dict[str, int]:
    """How many rows are that subject's, the note of the merge itself left out."""
    found = {}
    for table in MOVED:
        rows = [row for row in await city.rows(table) if row.subject_id == subject_id]
        found[str(table.name)] = sum(getattr(row, "action", None) != "mergeSubjects" for row in rows)
    return {name: number for name, number in found.items() if number}


async def test_an_overdue_order_is_not_escaped_by_a_merge_and_paying_it_once_opens_pay_later_again(city: City) -> None:
    await raise_plain(city)
    order = await completed(city, "good")
    city.wait(days=10)
    assert await at_clinic(city, "plain") == "BENEFIT_APPLIES"
    await merged(city, 2, 1)
    assert [(one["id"], one["state"]) for one in await my_orders(city, "plain")] == [(order, "OVERDUE")]
    assert await my_orders(city, "good") == await my_orders(city, "plain"), "both accounts act for the one kept"
    assert await at_clinic(city, "plain") == "STANDARD_SERVICE"
    assert (await act(city, PAY, order, amountFen=8_000))["state"] == "PAID"
    city.wait(minutes=1)
    assert await at_clinic(city, "plain") == "BENEFIT_APPLIES", "and not blocked twice"
    assert (await of_subject(city, 1)) == {}


async def test_an_order_under_way_is_confirmed_started_and_used_after_the_merge(city: City) -> None:
    await give_quota(city, 3)
    order = (await propose(city, "good"))["id"]
    before = await of_subject(city, 1)
    await merged(city, 2, 1)
    after = await of_subject(city, 2)
    assert {name: after[name] for name in before if name != "access_events"} == {
        "verifications": 1, "redemptions": 1, "orders": 1, "order_steps": 1, "notices": 1,
    }  # fmt: skip
    assert (await city.do(CONFIRM, by="plain", orderId=order))["state"] == "CONFIRMED"
    assert (await act(city, START, order))["state"] == "IN_SERVICE"
    assert await taken(city) == 1
    (node,) = await my_orders(city, "good")
    assert [step["state"] for step in node["steps"]] == ["CREATED", "CONFIRMED", "IN_SERVICE"]


async def test_limits_for_each_person_count_the_uses_of_both_entries(city: City) -> None:
    await raise_plain(city)
    await give_quota(city, 10, limit=2)
    for person in ("good", "plain"):
        answer = await city.verify(await city.code(person), "clinic", by="hospital")
        await city.redeem(answer["id"], by="hospital")
    await merged(city, 2, 1)
    assert await at_clinic(city, "plain") == "STANDARD_SERVICE"
    assert await taken(city) == 2


async def test_what_was_verified_before_redeems_reverses_releases_and_is_reported_on_after(city: City) -> None:
    kept, used, freed = [await city.verify(await city.code("good")) for _ in range(3)]
    redeemed = await city.redeem(used["id"])
    await merged(city, 2, 1)
    assert (await city.redeem(kept["id"]))["__typename"] == "Redemption"
    assert (await city.reverse(redeemed["id"]))["__typename"] == "ReversedRedemption"
    release = "mutation ($input: ReleaseVerificationInput!) { releaseVerification(input: $input) { __typename } }"
    done = await city.do(release, by="scenic", requestId="free", verificationId=freed["id"])
    assert done["__typename"] == "ReleasedVerification"
    said = {"requestId": "said", "receipt": used["receipt"], "outcome": "GIVEN_BACK"}
    assert (await city.do(REPORT, by="scenic", **said))["number"] == 1
    assert await of_subject(city, 1) == {}


async def test_the_log_the_reports_and_the_inbox_of_both_are_read_as_one(city: City) -> None:
    answer = await city.verify(await city.code("good"))
    await city.do(REPORT, by="scenic", requestId="one", receipt=answer["receipt"], outcome="USED")
    await city.verify(await city.code("plain"))
    await city.write(insert(notices).values(subject_id=1, id=uuid4(), at=city.now, kind="x", text="旧消息"))
    await merged(city, 2, 1)
    edges = (await city.ask(LOG, by="plain"))["data"]["me"]["accessLog"]["edges"]
    scans = [edge["node"] for edge in edges if edge["node"]["action"] == "verifyCreditCode"]
    assert sorted(len(one["reports"]) for one in scans) == [0, 1]
    assert [one["outcome"] for scan in scans for one in scan["reports"]] == ["USED"]
    inbox = "{ me { notices { edges { node { text } } } } }"
    (edge,) = (await city.ask(inbox, by="plain"))["data"]["me"]["notices"]["edges"]
    assert edge["node"]["text"] == "旧消息"


async def test_an_application_the_bank_has_not_answered_is_withdrawn_and_what_it_offered_can_be_accepted(
    city: City,
) -> None:
    offer = await add_farmers_offer(city)
    asked = {"offerId": offer, "product": "农户小额贷款", "amountFen": 100, "indicators": ["power-paid"]}
    offered = (await apply(city, "good", **asked))["id"]
    await bank(city, OFFER, offered, **BID | {"amountFen": 90})
    waiting = {"subject_id": 1, "id": uuid4(), "partner_id": 3, "offer_id": 80, "consent_id": uuid4()}
    waiting |= {"product": "农户小额贷款", "state": "APPLIED", "amount_fen": 5, "months": 1, "use": "种子"}
    waiting |= {"indicators": ["power-paid"], "applied_at": city.now}
    waiting |= {"expires_on": city.now.date() + timedelta(days=30)}
    await city.write(insert(loan_applications).values(**waiting))
    await merged(city, 2, 1)
    assert {one["state"] for one in await my_loans(city, "plain")} == {"OFFERED", "WITHDRAWN"}
    told = {one["answer"] for row in await banks_loans(city) for one in row["answers"]}
    assert told == {"未授权或无数据"}, "the consent ended with the entry"
    (notice,) = [row for row in await city.rows(notices) if row.kind == "loan-ended"]
    assert (notice.subject_id, "重新申请" in notice.text) == (2, True)
    answered = await city.do(ANSWER, by="plain", applicationId=offered, accept=True)
    assert answered["state"] == "ACCEPTED", answered
    said = {"amountFen": 90, "rateBp": 300, "disbursedOn": "2026-11-20", "secured": False, "repayment": "RUNNING"}
    report = """mutation ($input: ReportLoanInput!) { reportLoan(input: $input) { ... on DecidedLoan { state } } }"""
    assert (await bank(city, report, offered, **said))["state"] == "DISBURSED"
    assert await of_subject(city, 1) == {}


@pytest.mark.parametrize("kept_choice", ["none", "off", "on"])
async def test_the_kept_entrys_wish_to_be_told_holds_and_old_news_is_not_told_again(
    city: City, kept_choice: str
) -> None:
    statements: list[Any] = [
        insert(benefit_watches).values(subject_id=1, switched_on_at=city.now),
        insert(benefit_news).values(subject_id=1, offer_id=1, available_since=city.now),
        insert(benefit_news).values(subject_id=1, offer_id=2, available_since=city.now),
        insert(benefit_news).values(subject_id=2, offer_id=2, available_since=city.now - timedelta(days=1)),
    ]
    if kept_choice != "none":
        since = city.now if kept_choice == "on" else None
        statements.append(insert(benefit_watches).values(subject_id=2, switched_on_at=since))
    await city.write(*statements)
    await merged(city, 2, 1)
    (watch,) = await city.rows(benefit_watches)
    assert (watch.subject_id, watch.switched_on_at is None) == (2, kept_choice == "off")
    assert sorted((row.subject_id, row.offer_id) for row in await city.rows(benefit_news)) == [(2, 1), (2, 2)]


async def test_a_redemption_at_the_same_moment_is_made_once_and_belongs_to_the_kept_entry(city: City) -> None:
    await give_quota(city, 9)
    answers = [await city.verify(await city.code("good"), "clinic", by="hospital") for _ in range(4)]
    pair = {"keepId": sid(2), "dropId": sid(1), "reason": "证明"}
    await do(city, "proposeMerge", **pair)
    found = await asyncio.gather(
        *(city.redeem(one["id"], by="hospital") for one in answers[:2]),
        do(city, "mergeSubjects", by="reviewer", **pair),
        *(city.redeem(one["id"], by="hospital") for one in answers[2:]),
    )
    assert [one["__typename"] for one in found if one["__typename"] != "RegisteredSubject"] == ["Redemption"] * 4
    assert {row.subject_id for row in await city.rows(redemptions)} == {2}
    assert await taken(city) == 4


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_a_merge_that_dies_at_any_statement_moves_nothing(city: City) -> None:
    await completed(city)
    await propose(city)
    answer = await city.verify(await city.code("good"))
    await city.do(REPORT, by="scenic", requestId="one", receipt=answer["receipt"], outcome="USED")
    pair = {"keepId": sid(2), "dropId": sid(1), "reason": "证明"}
    await do(city, "proposeMerge", **pair)
    before, number = {table.name: await city.rows(table) for table in MOVED}, 0
    while True:
        number += 1
        with killed_at(number):
            body = await post(city, mutation("mergeSubjects"), "reviewer", pair)
        if "errors" not in body:
            break
        assert {table.name: await city.rows(table) for table in MOVED} == before, number
    assert await of_subject(city, 1) == {}
    assert {name for name, rows in before.items() if rows} <= set(await of_subject(city, 2)) | {"loan_applications"}
