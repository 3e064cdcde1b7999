"""信易贷. One thing to know: a bank reads bands and yes or no of what its applicant named, for as long as the applicant
lets it, and says a reason of its own when it declines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from factories import NOON, City, offer_id
from loan_steps import (
    ANSWER,
    BID,
    DECLINE,
    FIRM,
    KNOWN,
    NOTHING,
    OFFER,
    REPORT,
    WITHDRAW,
    WITHOUT_ANSWERS,
    accepted,
    add_farmers_offer,
    apply,
    bank,
    know,
    mine,
    theirs,
    told,
)
from sqlalchemy import update

from api.ids import public_id
from core.audit import audit_entries
from partners.lending.tables import loan_applications, loan_reports, loan_steps
from partners.tables import access_events, security_events
from scoring.tables import consents, credit_records, facts, scores

REVOKE = """mutation ($input: RevokeConsentInput!) { revokeConsent(input: $input) { __typename
  ... on Consent { id state receipt } ... on Problem { code message } } }"""
MY_CONSENTS = """{ me { consents { edges { node { id state purpose { id } partner { name } offer { id } scope endsOn
  receipt } } } } }"""
LOG = "{ me { accessLog { edges { node { action purpose partner { name } offer { id } } } } } }"
NAMED = {
    "social-insurance-paid": "是",
    "insured-staff": "10 以上、不足 50 人",
    "tax-paid-on-time": "否",
    "tax-amount": "100000 以上、不足 1000000 元",
    "provident-fund-paid": NOTHING,
}


async def test_a_bank_is_told_bands_and_yes_or_no_of_what_was_named_and_nothing_else(city: City) -> None:
    await know(city, FIRM, KNOWN)
    made = await apply(city)
    assert (made["state"], made["allowedActions"]) == ("APPLIED", ["WITHDRAW"])
    (seen,) = await theirs(city)
    assert (seen["id"], seen["applicant"], seen["allowedActions"]) == (made["id"], "测试企业", ["OFFER", "DECLINE"])
    answers = told(seen)
    assert {code: answers[code] for code in NAMED} == NAMED
    rest = {answer for code, answer in answers.items() if code not in NAMED}
    assert rest == {NOTHING}, "power is known and was not named; water is not known: both alike"
    assert told(made) == answers, "the applicant sees what the bank is told"
    for figure in ("42", "250000", "36"):
        assert figure not in str(seen["answers"])


async def test_applying_is_a_consent_of_its_own_for_this_bank_and_these_indicators(city: City) -> None:
    made = await apply(city, indicators=["insured-staff"])
    (held,) = [e["node"] for e in (await city.ask(MY_CONSENTS, by="firm"))["data"]["me"]["consents"]["edges"]]
    assert held["receipt"].count(".") == 2
    assert {k: v for k, v in held.items() if k != "receipt"} == {
        "id": made["consentId"],
        "state": "ACTIVE",
        "purpose": {"id": "loan-answers"},
        "partner": {"name": "测试bank"},
        "offer": {"id": offer_id("loan")},
        "scope": ["insured-staff"],
        "endsOn": "2026-12-20",
    }


async def test_taking_the_consent_back_closes_the_view_at_the_next_look_and_not_the_application(city: City) -> None:
    await know(city, FIRM, KNOWN)
    made = await apply(city)
    assert set(told((await theirs(city))[0]).values()) > {NOTHING}
    assert (await city.do(REVOKE, by="firm", consentId=made["consentId"]))["state"] == "REVOKED"
    (seen,) = await theirs(city)
    assert seen["state"] == "APPLIED"
    assert set(told(seen).values()) == {NOTHING}
    assert (await bank(city, OFFER, made["id"], **BID))["state"] == "OFFERED"


@pytest.mark.parametrize("how", ["declined", "withdrawn", "accepted", "expired"])
async def test_the_bank_is_told_nothing_more_once_it_is_decided(city: City, how: str) -> None:
    await know(city, FIRM, KNOWN)
    made = await apply(city)
    if how == "declined":
        await bank(city, DECLINE, made["id"], code="COLLATERAL", words="抵押物评估价值不足")
    elif how == "withdrawn":
        assert (await city.do(WITHDRAW, by="firm", applicationId=made["id"]))["state"] == "WITHDRAWN"
    elif how == "accepted":
        await bank(city, OFFER, made["id"], **BID)
        assert set(told((await theirs(city))[0]).values()) > {NOTHING}
        await city.do(ANSWER, by="firm", applicationId=made["id"], accept=True)
    else:
        city.wait(days=30)
    (seen,) = await theirs(city)
    assert seen["state"] == how.upper()
    assert set(told(seen).values()) == {NOTHING}


async def test_every_look_of_the_bank_is_on_the_applicants_log_and_the_audit_trail(city: City) -> None:
    await know(city, FIRM, KNOWN)
    await apply(city)
    assert await city.rows(access_events) == []
    await city.ask(WITHOUT_ANSWERS, by="bank")
    assert await city.rows(access_events) == [], "a list without answers tells nothing"
    await theirs(city)
    await theirs(city)
    body = await city.ask(LOG, by="firm")
    assert [edge["node"] for edge in body["data"]["me"]["accessLog"]["edges"]] == [
        {
            "action": "loanApplications",
            "purpose": "loan-answers",
            "partner": {"name": "测试bank"},
            "offer": {"id": offer_id("loan")},
        }
    ] * 2
    audited = [row for row in await city.rows(audit_entries) if row.action == "loanApplications"]
    assert [(row.actor, row.subject_id) for row in audited] == [("bank", FIRM)] * 2
    await mine(city)
    assert len(await city.rows(access_events)) == 2, "one's own look is nobody's query"


async def test_another_bank_reads_and_does_nothing(city: City) -> None:
    made = await apply(city)
    assert await theirs(city, "scenic") == []
    for mutation, given in ((OFFER, BID), (DECLINE, {"code": "OTHER", "words": "资料不全"}), (REPORT, report())):
        assert (await bank(city, mutation, made["id"], by="scenic", **given))["code"] == "UNKNOWN_APPLICATION"
    assert [row.state for row in await city.rows(loan_applications)] == ["APPLIED"]


async def test_a_fact_changed_by_hand_is_told_to_nobody_and_raises_an_alarm(city: City) -> None:
    await know(city, FIRM, KNOWN)
    await apply(city)
    await city.write(
        update(facts).where(facts.c.subject_id == FIRM, facts.c.name == "insured_staff").values(value=9999),
        by_hand=True,
    )
    assert set(told((await theirs(city))[0]).values()) == {NOTHING}
    assert [row.kind for row in await city.rows(security_events)] == ["SUBJECT_DATA_FAULT"]
    await city.write(update(consents).values(scope=["power-paid"]), by_hand=True)
    assert set(told((await theirs(city))[0]).values()) == {NOTHING}


async def test_each_indicator_is_named_and_only_those_there_are(city: City) -> None:
    for indicators in ([], ["nothing"], ["insured-staff", "insured-staff"]):
        body = await city.ask(
            "mutation ($input: ApplyForLoanInput!) { applyForLoan(input: $input) { __typename } }",
            {"input": {"offerId": offer_id("loan"), "product": "银税互动", "amountFen": 1, "months": 1, "use": "周转",
                       "indicators": indicators}},
            by="firm",
        )  # fmt: skip
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert (await apply(city, purposeVersion="2020-01"))["code"] == "NOTICE_OUTDATED"
    assert await city.rows(consents) == []
    assert (await apply(city, purposeVersion="2026-11"))["state"] == "APPLIED"


async def test_one_application_at_a_time_for_one_product(city: City) -> None:
    made = await apply(city)
    again = await apply(city)
    assert again["code"] == "ALREADY_APPLIED"
    assert made["id"] in again["message"]
    await city.do(WITHDRAW, by="firm", applicationId=made["id"])
    assert (await apply(city))["state"] == "APPLIED"


async def test_a_loan_is_offered_accepted_disbursed_and_repaid(city: City) -> None:
    application = await accepted(city)
    city.wait(days=1)
    first = await bank(city, REPORT, application, **report())
    assert first["state"] == "DISBURSED"
    corrected = await bank(city, REPORT, application, **report(amountFen=30_000_000))
    assert corrected["state"] == "DISBURSED"
    assert (await bank(city, REPORT, application, **report(repayment="REPAID")))["state"] == "REPAID"
    assert [(row.number, row.disbursed_fen) for row in await city.rows(loan_reports)] == [
        (1, 40_000_000),
        (2, 30_000_000),
        (3, 40_000_000),
    ]
    states = [row.state for row in await city.rows(loan_steps)]
    assert states == ["APPLIED", "OFFERED", "ACCEPTED", "DISBURSED", "DISBURSED", "REPAID"]
    assert (await mine(city))[0]["bid"] == BID


def report(**given: Any) -> dict[str, Any]:
    said = {"amountFen": 40_000_000, "rateBp": 385, "disbursedOn": "2026-11-20", "secured": False}
    return said | {"repayment": "RUNNING"} | given


async def test_only_a_loan_that_was_accepted_is_reported_and_as_it_was_accepted(city: City) -> None:
    unknown = public_id("LoanApplication", "00000000-0000-4000-8000-000000000000")  # type: ignore[arg-type]
    assert (await bank(city, REPORT, unknown, **report()))["code"] == "UNKNOWN_APPLICATION"
    made = await apply(city)
    assert (await bank(city, REPORT, made["id"], **report()))["code"] == "WRONG_STATE"
    assert (await bank(city, OFFER, made["id"], **BID | {"amountFen": 50_000_001}))["code"] == "NOT_AS_OFFERED"
    await bank(city, OFFER, made["id"], **BID)
    await city.do(ANSWER, by="firm", applicationId=made["id"], accept=True)
    for worse in ({"amountFen": 40_000_001}, {"rateBp": 386}, {"secured": True}):
        assert (await bank(city, REPORT, made["id"], **report(**worse)))["code"] == "NOT_AS_OFFERED"
    assert await city.rows(loan_reports) == []


async def test_an_overdue_loan_is_a_figure_and_no_record(city: City) -> None:
    application = await accepted(city)
    before = [await city.rows(table) for table in (credit_records, scores)]
    assert (await bank(city, REPORT, application, **report(repayment="OVERDUE")))["state"] == "DISBURSED"
    assert [await city.rows(table) for table in (credit_records, scores)] == before


CREDIT_RESULTS = [
    "信用分不足", "信用等级不足", "信 用 评 分 偏低", "企业信用评价结果不达标", "湘信分未到 A 级", "综合评价等级低",
    "评级为 C", "credit score too low", "Grade below B", "信用状况不好", "诚信度不够", "信用不足且抵押物不足",
    "ＣＲＥＤＩＴＳＣＯＲＥ 低",
    "失信企业", "惠信码未亮",
]  # fmt: skip
OWN_REASONS = [
    "抵押物评估价值不足", "近两年经营现金流不能覆盖还款", "申请材料缺少购销合同",
    "借款用途不在本产品范围内", "本行对该行业已达授信上限",
]  # fmt: skip


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_a_credit_result_is_no_reason_and_the_refusal_names_the_rule(city: City) -> None:
    made = await apply(city)
    for words in CREDIT_RESULTS:
        refused = await bank(city, DECLINE, made["id"], code="OTHER", words=words)
        assert refused.get("code") == "CREDIT_RESULT_ALONE", words
        assert "L10" in refused["message"]
        assert "《黑龙江省社会信用条例》" in refused["message"]
    assert [row.state for row in await city.rows(loan_applications)] == ["APPLIED"]
    for words in OWN_REASONS:
        made = (await mine(city))[0]
        done = await bank(city, DECLINE, made["id"], code="REPAYMENT_CAPACITY", words=words)
        assert done["state"] == "DECLINED", words
        assert (await mine(city))[0]["declined"] == {"code": "REPAYMENT_CAPACITY", "words": words}
        await apply(city)


async def test_a_banks_act_is_done_once_for_each_request(city: City) -> None:
    made = await apply(city)
    asked = {"requestId": "o", **BID}
    first = await bank(city, OFFER, made["id"], **asked)
    city.wait(minutes=1)
    assert await bank(city, OFFER, made["id"], **asked) == first
    assert (await bank(city, OFFER, made["id"], **asked | {"rateBp": 1}))["code"] == "REQUEST_CONFLICT"
    assert (await bank(city, OFFER, made["id"], **BID))["code"] == "WRONG_STATE"
    assert len(await city.rows(loan_steps)) == 2


async def test_an_application_is_over_after_thirty_days_without_any_job(city: City) -> None:
    made = await apply(city)
    city.now = NOON + timedelta(days=30) - timedelta(hours=12, seconds=1)
    assert (await mine(city))[0]["state"] == "APPLIED"
    city.wait(seconds=1)
    (shown,) = await mine(city)
    assert (shown["state"], shown["allowedActions"]) == ("EXPIRED", [])
    assert (await bank(city, OFFER, made["id"], **BID))["code"] == "WRONG_STATE"
    assert [one["id"] for one in await theirs(city, states=["EXPIRED"])] == [made["id"]]
    assert await theirs(city, states=["APPLIED"]) == []
    assert (await apply(city))["state"] == "APPLIED"


async def test_declining_what_a_bank_offers_is_as_short_as_accepting_it(city: City) -> None:
    made = await apply(city)
    assert (await city.do(ANSWER, by="firm", applicationId=made["id"], accept=True))["code"] == "WRONG_STATE"
    await bank(city, OFFER, made["id"], **BID)
    gone = await city.do(ANSWER, by="firm", applicationId=made["id"], accept=False)
    assert (gone["state"], gone["declined"]) == ("DECLINED", None)
    assert await city.do(ANSWER, by="firm", applicationId=made["id"], accept=False) == gone


async def test_a_farmer_applies_for_a_small_loan_and_consents_in_writing_to_what_is_sensitive(city: City) -> None:
    offer = await add_farmers_offer(city)
    await know(city, 1, {"tax_paid_yuan": 5000, "power_paid_months": 12})
    given = {"offerId": offer, "product": "农户小额贷款", "indicators": ["power-paid"]}
    assert (await apply(city, "good", **given | {"product": "银税互动"}))["code"] == "LOAN_NOT_POSSIBLE"
    assert (await apply(city, "minor", **given))["code"] == "LOAN_NOT_POSSIBLE"
    assert (await apply(city, "firm", **given))["code"] == "LOAN_NOT_POSSIBLE"
    sensitive = given | {"indicators": ["power-paid", "tax-amount"]}
    refused = await apply(city, "good", **sensitive)
    assert refused["code"] == "WRITTEN_CONSENT_NEEDED"
    assert await city.rows(loan_applications) == []
    words = refused["message"].partition(":")[2]
    made = await apply(city, "good", **sensitive, statement=words)
    assert (made["state"], made["applicant"]) == ("APPLIED", "测*")
    assert [row.purpose for row in await city.rows(consents)] == ["loan-answers-written"]
    answers = told((await theirs(city))[0])
    assert (answers["power-paid"], answers["tax-amount"]) == ("是", "不足 10000 元")
    assert "insured-staff" not in answers
