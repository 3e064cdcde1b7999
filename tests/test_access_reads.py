"""Whoever reads a person's data stands on that person's log, and on the register of those who review queries. One thing
to know: every field that others than the subject can reach is sorted here, and a new one fails until it is."""

from __future__ import annotations

from typing import Any

import pytest
from factories import City, offer_id
from sqlalchemy import insert
from test_authorisation import fresh_uscc
from test_consents import REQUEST, days

from api.ids import public_id
from api.permissions import ANYONE, SUBJECT
from api.schema import ACCESS, SCHEMA
from core.audit import audit_entries
from partners.tables import access_events
from scoring.subjects import SubjectKind, subject_row
from scoring.tables import subjects

LOG = """{ me { accessLog { edges { node { at partner { name } reader action purpose offer { id } outcome } } } } }"""
REGISTER = """query ($reader: String, $from: Date, $until: Date, $after: String) { queryRegister(
  first: 2, reader: $reader, from: $from, until: $until, after: $after) {
  edges { node { at reader action purpose subject partner { name } offer { id } } } pageInfo { endCursor } } }"""
INSPECT = (
    """query ($subjectId: ID!) { inspectionSuggestion(subjectId: $subjectId, field: "advertising") { percent } }"""
)
CORRECT = """mutation ($input: CorrectResultInput!) { correctResult(input: $input) { __typename
  ... on Problem { code message } } }"""

LEAVES_AN_EVENT = {"verifyCreditCode", "requestConsent", "inspectionSuggestion", "correctResult"}
"""Fields by which others than the subject read or do something about one; each is tried below."""
ABOUT_NOBODY_IN_PARTICULAR = {
    # one's own sign-ins
    "mySessions", "myLinkedIdentities", "endSession", "endAllSessions", "endLinkedIdentity",
    # partners on their way, their papers and keys; what a stolen one verified, by the redemptions' ids; alarms
    "membership", "partnerQueue", "partnerDocument", "doubtfulRedemptions", "alarms", "addPartnerDocument",
    "submitApplication", "movePartner", "registerPartnerKey", "revokePartnerKey", "reportStolenKey", "handleAlarm",
    # the sandbox, where everybody is synthetic
    "conformanceRun", "sandboxCode", "moveSandboxClock", "resetSandboxClock", "confirmSandboxOrder",
    "rehearseWebhook", "changeSandboxKey",
    "startConformanceRun", "sendConformanceWebhooks", "reportConformance", "finishConformanceRun",
    # a partner's own webhooks, which name nobody
    "webhookEndpoints", "webhookDeliveries", "registerWebhook", "changeWebhook", "rotateWebhookSecret",
    "pauseWebhook", "resumeWebhook", "removeWebhook", "resendWebhook",
    "skipWebhook", "replayWebhooks", "sendTestWebhook",
    # public or reference data, figures about many
    "node", "partner", "statistics", "modelVersions", "scoreModelText",
    # a partner's own orders and what it does about an application, of which each look is on the log
    "orders", "createOrder", "startOrder", "completeOrder", "recordPayment", "cancelOrder", "offerLoan", "declineLoan",
    "reportLoan", "loanFigures", "orderMoved",
    # one's own redemptions, by the verification's id, which was on the log
    "redeemBenefit", "releaseVerification", "reverseRedemption", "requestedConsents",
    # the answers it was given, each of which was on the log
    "verifications",
    # what a wallet is asked, before anybody is; its answer is on the log (tests/test_wallet.py)
    "presentationRequest", "createPresentationRequest",
    "gates", "registerGate", "endGate", "fetchOfflineBundle",
    "labels", "registerLabels", "endLabel", "grantAccess", "revokeGrant", "requestGrant",
    "grantQueue",
    "trustedDocuments", "registerDocuments", "retireDocuments", "setFreeDocuments",
    # partners, offers, models
    "offerMoved", "partnerEvent",
    "offerCounts", "partnerCounts",
    "offerQueue", "offerWork", "draftOffer", "editOffer", "submitDraft", "reviseOffer", "withdrawOffer",
    "requestOfferChanges", "signOfferReview", "pauseOffer", "resumeOffer", "closeOffer", "rollBackOffer",
    "recordBaseline",
    "registerPartner", "submitOffer", "approveOffer", "draftScoreModel", "simulateScoreModel", "reviewScoreModel",
    "shadowScoreModel", "publishScoreModel", "rollBackScoreModel", "retireScoreModel", "signDisparity",
    # brings data in, tells nothing of anybody
    "pushResults",
    # pseudonyms alone; reading them is on the audit trail
    "queryRegister", "auditEntries",
    # how deliveries went, in numbers
    "intakeBatches", "intakeRates",
    # a partner's own uses, by receipts that were on the log; figures of ten people or more
    "settlementFiles", "usage", "reportOutcome",
    # who may query what, before anybody is
    "queryMatters", "queryRights", "requestQueryRight", "openQueryRight", "refuseQueryRight",
}  # fmt: skip

NOTED_BY_THEIR_PARTS = {
    # cases
    "caseWorklist", "creditCase", "askForHelp", "answerHelp", "pauseForExamination", "resumeClock", "decideCase",
    "repairLedger",
    # publication
    "archivedRecords",
    # answers about an applicant
    "loanApplications", "loanApplication",
    # query rights
    "queryRecords",
    # what gates bring back
    "syncOfflineUses",
    # subjects and those who act for them
    "findSubject", "registerSubject", "addSubjectNumber", "renameSubject", "endSubject", "reinstateSubject",
    "proposeMerge", "mergeSubjects", "mergeProposals", "proposedPair", "findDuplicates", "grantMandate",
    "revokeMandate",
    "openAssistedSession", "endAssistedSession",
}  # fmt: skip
"""About one subject or a few as well; tried with the rest of their parts."""


async def log(city: City, person: str) -> list[dict[str, Any]]:
    body = await city.ask(LOG, by=person)
    return [edge["node"] for edge in body["data"]["me"]["accessLog"]["edges"]]


async def register(city: City, by: str = "reviewer", **given: Any) -> dict[str, Any]:
    return dict((await city.ask(REGISTER, given, by=by))["data"]["queryRegister"])


def reached_by_others() -> set[str]:
    """The root fields that somebody but the subject, and not everybody, may ask."""
    roots = [SCHEMA._schema.query_type, SCHEMA._schema.mutation_type, SCHEMA._schema.subscription_type]
    fields = {(root.name, name): ACCESS.fields[root.name, name] for root in roots if root for name in root.fields}
    others = {name for (_, name), allowed in fields.items() if not allowed & {*ANYONE} and allowed - {*SUBJECT}}
    return others | {"node"}


def test_every_field_that_others_reach_is_sorted_into_those_that_leave_an_event_and_those_about_nobody() -> None:
    sorted_ = LEAVES_AN_EVENT | NOTED_BY_THEIR_PARTS | ABOUT_NOBODY_IN_PARTICULAR
    assert reached_by_others() - sorted_ == set()
    assert sorted_ - reached_by_others() == set(), "sorted, but not there"


async def test_a_scan_says_who_asked_what_and_what_for(city: City) -> None:
    await city.verify(await city.code("good"), site="东门")
    (event,) = await log(city, "good")
    assert (event["reader"], event["action"], event["purpose"]) == ("测试scenic", "verifyCreditCode", "benefit-check")
    assert event["partner"] == {"name": "测试scenic"}


async def test_a_request_for_consent_is_on_the_log(city: City) -> None:
    asked = {"code": await city.code("good"), "purpose": "benefit-check", "frequency": "PER_USE"}
    await city.do(REQUEST, by="scenic", **asked, endsOn=days(city, 9), offerId=offer_id("museum"))
    (event,) = await log(city, "good")
    assert (event["action"], event["purpose"], event["reader"]) == ("requestConsent", "benefit-check", "测试scenic")
    assert (event["offer"], event["outcome"]) == ({"id": offer_id("museum")}, None)


async def test_a_corrected_result_is_on_its_subjects_log(city: City) -> None:
    given = {"subjectId": public_id("CreditSubject", 3), "model": "xiangxinfen", "grade": "C+", "reason": "复核后更正"}
    done = await city.do(CORRECT, by="reviewer", **given)
    assert done["__typename"] == "CorrectedResult", done
    (event,) = await log(city, "poor")
    assert (event["partner"], event["action"], event["purpose"]) == (None, "correctResult", "更正评价结果")
    assert event["reader"] == "平台审核人员(账号 reviewer)"


async def test_an_inspection_suggestion_is_on_its_subjects_log(city: City) -> None:
    row = subject_row(city.keys, kind=SubjectKind.ENTERPRISE, place="hebei", name="测试企业", number=fresh_uscc())
    await city.write(insert(subjects).values(id=4000, **row))
    body = await city.ask(INSPECT, {"subjectId": public_id("CreditSubject", 4000)}, by="operator")
    assert body["data"]["inspectionSuggestion"] is not None
    (event,) = await city.rows(access_events)
    assert (event.subject_id, event.reader, event.reader_role, event.partner_id) == (4000, "operator", "operator", None)
    assert (event.action, event.purpose) == ("inspectionSuggestion", "确定 advertising 领域的抽查频次")


async def test_the_register_shows_who_looked_and_never_at_whom(city: City) -> None:
    for person in ("good", "good", "poor"):
        await city.verify(await city.code(person))
    await city.verify(await city.code("good"), "clinic", by="hospital")
    page = await register(city)
    rest = await register(city, after=page["pageInfo"]["endCursor"])
    nodes = [edge["node"] for edge in page["edges"] + rest["edges"]]
    assert [node["reader"] for node in nodes] == ["测试hospital"] + ["测试scenic"] * 3
    of_good, of_poor = nodes[0]["subject"], nodes[1]["subject"]
    assert [node["subject"] for node in nodes] == [of_good, of_poor, of_good, of_good]
    assert of_good != of_poor
    assert "outcome" not in REGISTER
    assert not {public_id("CreditSubject", n) for n in (1, 3)} & {of_good, of_poor}


async def test_the_register_is_narrowed_to_a_reader_and_to_days(city: City) -> None:
    await city.verify(await city.code("good"))
    await city.verify(await city.code("good"), "clinic", by="hospital")
    given = {"subjectId": public_id("CreditSubject", 3), "model": "xiangxinfen", "grade": "C+", "reason": "复核后更正"}
    await city.do(CORRECT, by="reviewer", **given)
    for reader, actions in ((public_id("Partner", 2), ["verifyCreditCode"]), ("reviewer", ["correctResult"])):
        found = await register(city, reader=reader)
        assert [edge["node"]["action"] for edge in found["edges"]] == actions
    assert len((await register(city, **{"from": "2026-11-20", "until": "2026-11-21"}))["edges"]) == 2
    assert (await register(city, until="2026-11-20"))["edges"] == []
    assert (await register(city, **{"from": "2026-11-21"}))["edges"] == []


async def test_reading_the_register_is_itself_on_the_trail(city: City) -> None:
    await city.verify(await city.code("good"))
    await register(city, by="auditor", reader="reviewer")
    await register(city)
    rows = sorted(await city.rows(audit_entries), key=lambda row: row.id)[1:]
    assert [(row.actor, row.action, row.subject_id) for row in rows] == [
        ("auditor", "queryRegister", 0),
        ("reviewer", "queryRegister", 0),
    ]
    assert '"reader":"reviewer"' in rows[0].content


@pytest.mark.parametrize("wrong", ["", "x" * 201, "a\nb"])
async def test_a_reader_that_is_none_is_refused(city: City, wrong: str) -> None:
    body = await city.ask(REGISTER, {"reader": wrong}, by="reviewer")
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_what_cannot_be_noted_is_not_read(city: City) -> None:
    from test_access_log import refuse_inserts

    await refuse_inserts(city, "access_events")
    body = await city.ask(
        CORRECT,
        {"input": {"subjectId": public_id("CreditSubject", 3), "model": "xiangxinfen", "grade": "C+", "reason": "x"}},
        by="reviewer",
    )
    assert "errors" in body or body["data"]["correctResult"]["__typename"] == "Problem"
    assert await city.rows(audit_entries) == []
