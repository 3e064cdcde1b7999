"""Who may read what, found out by asking. One thing to know: `authorisation.yaml` is the table, and the running schema
says which rows it has to have."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
import yaml
from back_office import INPUTS as OFFICE
from back_office import file_back_office, office_input, tell_everybody
from case_steps import file_one_of_each
from factories import NOON, PARTNERS, City, offer_id, open_city, resident_id
from graphql import GraphQLInterfaceType, GraphQLNonNull, GraphQLObjectType, get_named_type, is_composite_type
from joining import ACTS as JOINING
from joining import PAPER, STOLEN_KEY, file_memberships, joining_input
from offer_steps import ACTS, offer_input, work_on_offers
from offline_steps import ACTS as OFFLINE
from offline_steps import offline_input
from owed_and_lent import INPUTS as OWED_AND_LENT
from owed_and_lent import file_orders_and_loans, order_or_loan_input
from published import deliver_one_of_each
from registered import file_registry, registry_input
from sign_ins import SIGN_INS, sign_in_input
from sqlalchemy import insert, select, update
from stdnum.cn import uscc
from subscribing import subscribed
from wallets import Wallet, new_key
from webhook_receivers import ACTS as WEBHOOK_ACTS
from webhook_receivers import file_webhooks, webhook_input

from api.ids import public_id
from api.schema import SCHEMA
from core.identifiers import new_id
from core.news import BENEFITS, News, of_partner, of_subject
from partners.clients.documents import id_of
from partners.orders.tables import orders
from partners.tables import access_events, baselines, catalogue_state, offers, partners
from scoring.cases.tables import cases
from scoring.intake.rates import COUNTED
from scoring.intake.tables import intake_batches, intake_counts
from scoring.subjects import SubjectKind, subject_row
from scoring.tables import (
    grade_statistics,
    model_steps,
    model_versions,
    park_indices,
    statistics_takes,
    subjects,
)

TABLE = yaml.safe_load(Path(__file__).with_name("authorisation.yaml").read_text())
GROUPS: dict[str, list[str]] = TABLE["groups"]
EVERYBODY = GROUPS["anyone"]
COORDINATES = [(name, field) for name, row in TABLE["types"].items() for field in row["fields"]]
HEARD = [(name, field) for name, field in COORDINATES if TABLE["types"][name]["through"].startswith("subscription")]
READ = [one for one in COORDINATES if one not in HEARD]
SUBJECTS = {"good": 1, "plain": 2, "firm": 8}
NO_CASE = public_id("CreditCase", UUID(int=0))
ARGUMENTS = {
    ("Query", "partnerDocument"): f'(id: "{public_id("PartnerDocument", PAPER)}")',
    ("Query", "doubtfulRedemptions"): f'(keyId: "{public_id("PartnerKey", STOLEN_KEY)}")',
    ("Query", "offerWork"): '(id: "T2ZmZXI6MQ==")',
    ("Query", "nodes"): '(ids: ["T2ZmZXI6MQ=="])',
    ("Query", "statistics"): '(place: "hunan-shaoyang", model: "hunan-comprehensive", by: REGION)',
    ("Query", "scoreModelText"): '(model: "xiangxinfen", version: "2025-03")',
    ("Query", "findDuplicates"): '(place: "hunan-shaoyang")',
    ("Query", "proposedPair"): '(keepId: "Q3JlZGl0U3ViamVjdDox", dropId: "Q3JlZGl0U3ViamVjdDoy")',
    ("Query", "creditCase"): f'(id: "{NO_CASE}")',
    ("Query", "repairOptions"): '(recordId: "r0")',
    ("Query", "parkIndices"): '(place: "hunan-shaoyang")',
    ("Query", "loanApplication"): f'(id: "{public_id("LoanApplication", new_id())}")',
    ("Query", "loanIndicators"): '(place: "hunan-shaoyang", kind: ENTERPRISE)',
    ("Query", "loanFigures"): '(place: "hunan-shaoyang", from: "2026-10-01", until: "2027-01-01", by: CITY)',
    ("Query", "consentPurposes"): '(place: "hunan-shaoyang")',
    ("Query", "caseTerms"): '(place: "hunan-shaoyang")',
    ("Query", "measures"): '(place: "hunan-shaoyang")',
    ("Query", "usage"): '(month: "2026-10-01")',
    ("Query", "inspectionSuggestion"): f'(subjectId: "{public_id("CreditSubject", 4000)}", field: "advertising")',
    ("Query", "publicRecords"): '(uscc: "91430502MA7YK0003R")',
    ("Query", "publicList"): "(list: RED)",
    ("Query", "checkReport"): '(id: "0", sha256: "0")',
    ("Query", "archivedRecords"): f'(subjectId: "{public_id("CreditSubject", 8)}", purpose: "监督检查")',
    ("Score", "whatIf"): "(input: {})",
    ("Score", "difference"): '(from: "2026-11-20", to: "2026-11-20")',
}
"""Of fields that take other than the usual ones."""
A_CONSENT = {
    "purpose": "benefit-check", "purposeVersion": "2026-11", "frequency": "PER_USE", "endsOn": "2026-12-31",
    "partnerId": public_id("Partner", 2),
}  # fmt: skip
GIVE_CONSENT = "mutation ($input: GiveConsentInput!) { giveConsent(input: $input) { ... on Consent { id } } }"
REQUEST_CONSENT = """mutation ($input: RequestConsentInput!) { requestConsent(input: $input) {
  ... on RequestedConsent { id } } }"""
REQUEST_GRANT = "mutation ($input: RequestGrantInput!) { requestGrant(input: $input) { ... on Grant { id } } }"
REGISTER_DOCUMENTS = """mutation ($input: RegisterDocumentsInput!) { registerDocuments(input: $input) {
  ... on DocumentsChanged { changed } } }"""
DOCUMENT = "query Mine { me { id } }"
_NUMBERS = count(1)


@pytest.fixture(scope="module")
async def shared(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path, keys_file: Path
) -> AsyncIterator[City]:
    """One city for the whole table: who may ask does not depend on what was asked before."""
    path = tmp_path_factory.mktemp("shared") / "city.db"
    shutil.copy(sqlite_template, path)
    async with open_city(
        database_url=f"sqlite+aiosqlite:///{path}",
        keys_file=keys_file,
        rate_burst=100_000,
        rate_per_second=100_000,
        files=str(path.with_name("files")),
    ) as opened:
        await fill(opened)
        yield opened


async def fill(city: City) -> None:
    """Something of everything, so that every field has what to answer with."""
    await add_what_nobody_sees(city)
    await add_figures(city)
    await file_one_of_each(city)
    await deliver_one_of_each(city)
    await file_orders_and_loans(city)  # before the firm is struck off
    await file_registry(city)
    await file_back_office(city)
    await file_memberships(city)
    await file_webhooks(city)
    await work_on_offers(city)
    for person in SUBJECTS:
        await city.verify(await city.code(person))
        await city.do(GIVE_CONSENT, by=person, **A_CONSENT)
    await Wallet(city, "good").fetch()
    await city.do(REQUEST_GRANT, by="representative", **await given(city, "requestGrant", "representative"))
    await city.do(REGISTER_DOCUMENTS, by="operator", **await given(city, "registerDocuments", "operator"))
    for partner in GROUPS["partners"]:
        await city.do(REQUEST_CONSENT, by=partner, **await given(city, "requestConsent", partner))


async def add_what_nobody_sees(city: City) -> None:
    """An offer that the guard refuses (its standard service asks for a code), and a partner without offers."""
    async with city.state.database.transaction() as connection:
        row = dict((await connection.execute(select(offers).where(offers.c.id == 1))).one()._mapping)
        terms = dict((await connection.execute(select(baselines).where(baselines.c.offer_id == 1))).one()._mapping)
        for number, status in ((900, "approved"), (901, "submitted")):
            await connection.execute(insert(offers).values(row | {"id": number, "status": status}))
            await connection.execute(insert(baselines).values(terms | {"offer_id": number, "code_required": True}))
        values = {"id": 900, "place": "hunan-shaoyang", "sector": "park", "name": "测试公园", "registered_at": NOON}
        await connection.execute(insert(partners).values(uscc=fresh_uscc(), **values))
        drafted = {"model": "sample", "version": "2026-01", "state": "DRAFT", "checksum": "0" * 64}
        version = {"place": "hunan-shaoyang", "content": "", "cases": "", "drafted_by": "operator", "drafted_at": NOON}
        await connection.execute(insert(model_versions).values(**drafted, **version))
        step = {"step": 1, "act": "draft", "actor": "operator", "at": NOON, "reason": "", "evidence": {}}
        await connection.execute(insert(model_steps).values(**drafted, **step))
        await connection.execute(update(catalogue_state).values(version=catalogue_state.c.version + 1))


async def add_figures(city: City) -> None:
    """Statistics of two months that warn, a park's index, and an enterprise of Hebei to inspect."""
    key = {"place": "hunan-shaoyang", "model": "hunan-comprehensive"}
    cells = {date(2026, 8, 1): {"A": 90, "D": 10}, date(2026, 11, 1): {"A": 90, "D": 30}}
    row = subject_row(city.keys, kind=SubjectKind.ENTERPRISE, place="hebei", name="测试企业", number=fresh_uscc())
    statements: list[Any] = [insert(subjects).values(id=4000, **row)]
    for month, counts in cells.items():
        statements.append(insert(statistics_takes).values(month=month, taken_at=NOON, **key))
        for grade, number in counts.items():
            cell = {"dimension": "region", "value": "430502", "grade": grade, "count": number}
            statements.append(insert(grade_statistics).values(month=month, **key, **cell))
    index = {"month": date(2026, 11, 1), "place": "hunan-shaoyang", "park": "shaoyang-etdz"}
    statements.append(insert(park_indices).values(**index, points=1000, enterprises=10))
    batch = {"id": new_id(), "item": "administrative-penalty", "place": "hunan-shaoyang", "actor": "provider"}
    batch |= {"file_sha256": "0" * 64, "at": NOON, "unknown_columns": 0, "reasons": {}}
    figures = dict.fromkeys(("accepted", "corrections", "duplicates", "not_collected"), 0) | {"rows": 1}
    statements.append(insert(intake_batches).values(**batch, **figures, quarantined=1))
    counted = {"batch_id": batch["id"], "body": "", "month": date(2026, 11, 1)}
    statements.append(insert(intake_counts).values(**counted, **dict.fromkeys(COUNTED, 1)))
    await city.write(*statements)


def fresh_uscc() -> str:
    """A valid USCC that was computed, not issued."""
    front = f"91430502MA8{next(_NUMBERS):06d}"
    return front + str(uscc.calc_check_digit(front))


async def given(city: City, what: str, actor: str) -> dict[str, Any]:  # noqa: PLR0911  # one input each
    """A good input for a mutation, made for this actor, or for one who may where this one may not."""
    partner = actor if actor in PARTNERS else "scenic"
    offer = {"scenic": "museum", "hospital": "clinic"}[partner]
    request = {"requestId": city.next_request()}
    match what:
        case "enroll":
            return {"noticeVersion": city.state.rulebook.notice.version}
        case "requestConsent":
            asked = {"code": await city.code("good"), "purpose": "benefit-check", "frequency": "PER_USE"}
            return asked | {"endsOn": "2026-12-31"}
        case "giveConsent":
            return A_CONSENT
        case "answerConsent":
            asked = await given(city, "requestConsent", "scenic")
            asked["code"] = await city.code(actor if actor in SUBJECTS else "good")
            done = await city.do(REQUEST_CONSENT, by="scenic", **asked)
            return {"consentId": done["id"], "accept": True}
        case "pauseConsent" | "resumeConsent" | "revokeConsent":
            done = await city.do(GIVE_CONSENT, by=actor if actor in SUBJECTS else "good", **A_CONSENT)
            return {"consentId": done["id"]}
        case "issueCreditCode":
            return {"offerId": offer_id("museum")}
        case "issueCredentials":
            return {"offerId": offer_id("museum"), "keys": [new_key().export_public()]}
        case "createPresentationRequest":
            return request | {"offerId": offer_id(offer)}
        case "verifyCreditCode":
            return request | {"code": await city.code("good"), "offerId": offer_id(offer)}
        case "redeemBenefit":
            answer = await city.verify(await city.code("good"), offer, by=partner)
            return request | {"verificationId": answer["id"]}
        case "reverseRedemption":
            answer = await city.verify(await city.code("good"), offer, by=partner)
            return request | {
                "redemptionId": (await city.redeem(answer["id"], by=partner))["id"],
                "reason": "顾客退票",
            }
        case "releaseVerification":
            return request | {"verificationId": (await city.verify(await city.code("good"), offer, by=partner))["id"]}
        case "registerLabels":
            return {"kind": "CLERK", "labels": ["3号"]}
        case "endLabel":
            registered = "mutation ($input: RegisterLabelsInput!) { registerLabels(input: $input) { __typename } }"
            await city.do(registered, by=partner, kind="CLERK", labels=["3号"])
            return {"kind": "CLERK", "label": "3号"}
        case "grantAccess":
            asked = {"partnerId": public_id("Partner", 1), "service": "tourism", "model": "xiangxinfen"}
            return asked | {"threshold": "A"}
        case "requestGrant":
            return {"service": "parking", "model": "xiangxinfen", "threshold": "A"}
        case "revokeGrant":
            return {"grantId": public_id("Grant", UUID(int=0)), "reason": "超出用途"}
        case "registerPartner":
            return {"place": "hunan-shaoyang", "sector": "park", "name": "测试公园", "uscc": fresh_uscc()}
        case "submitOffer":
            return {
                "partnerId": public_id("Partner", 1),
                "kind": "tourism",
                "model": "xiangxinfen",
                "threshold": "A",
                "title": "测试优惠",
                "standardService": "按公示票价购票,先到先入",
                "benefit": "赠送导览手册一份",
                "effects": ["gift"],
                "opensOn": "2026-11-20",
                "baseline": {"sourceTitle": "景区服务公示", "inForceFrom": "2024-01-01"},
            }
        case "approveOffer":
            submitted = "mutation ($input: SubmitOfferInput!) { submitOffer(input: $input) { ... on Offer { id } } }"
            offer_ = await city.do(submitted, by="operator-2", **await given(city, "submitOffer", "operator-2"))
            return {"offerId": offer_["id"]}
        case "registerDocuments":
            return {"app": "mini-program", "manifest": orjson.dumps({id_of(DOCUMENT): DOCUMENT}).decode()}
        case "retireDocuments":
            return {"documentIds": ["sha256:" + "0" * 64]}
        case "setFreeDocuments":
            return {"partnerId": public_id("Partner", 2), "allowed": False, "reason": "改用登记的文档"}
        case "pushResults":
            nobody = {"subject": resident_id(date(1970, 1, 1), 7), "grade": "A", "resultOn": "2026-11-01"}
            return request | {"model": "xiangxinfen", "results": [nobody]}
        case "correctResult":
            corrected = {"subjectId": public_id("CreditSubject", 3), "model": "xiangxinfen", "grade": "C+"}
            return request | corrected | {"reason": "复核后更正"}
        case "draftScoreModel":
            return {"content": "id: sample", "cases": "[]"}
        case "rollBackScoreModel":
            return {"model": "nothing", "reason": "测试"}
        case "simulateScoreModel" | "reviewScoreModel" | "shadowScoreModel" | "publishScoreModel":
            return {"model": "nothing", "version": "2026-01"}
        case "retireScoreModel" | "signDisparity":
            return {"model": "nothing", "version": "2026-01"}
        case "hideHonour" | "showHonour":
            return {"recordId": "r0"}
        case "exportMine":
            return {"format": "JSON"}
        case "leaveScheme":
            return {"confirm": False}
        case "leaving":
            city.wait(seconds=1)
            joining = {"noticeVersion": city.state.rulebook.notice.version}
            for person in SUBJECTS:
                await city.do("mutation ($input: EnrollInput!) { enroll(input: $input) { __typename } }",
                              by=person, **joining)  # fmt: skip
                for key in (1, 2):
                    await city.do(GIVE_CONSENT, by=person, **A_CONSENT | {"partnerId": public_id("Partner", key)})
            return {"confirm": True}
        case "toldSomething":  # leaving has emptied every inbox
            await tell_everybody(city)
            return {}
        case "reportedOutcome":
            report = "mutation ($input: ReportOutcomeInput!) { reportOutcome(input: $input) { __typename } }"
            await city.do(report, by="scenic", **await given(city, "reportOutcome", "scenic"))
            return {}
        case "openObjection":
            return {"recordId": "nothing", "ground": "WRONG", "statement": "不是我"}
        case "openStatement":
            return {"recordId": "nothing", "statement": "不是我"}
        case "openComplaint":
            return {"statement": "没有答复"}
        case "applyForRepair":
            return {"recordId": "nothing", "way": "put-right", "statement": "已改正"}
        case "appealCase":
            return {"caseId": NO_CASE, "statement": "不服"}
        case "addEvidence":
            return {"caseId": NO_CASE, "title": "a.pdf", "content": "MQ=="}
        case "withdrawCase":
            return {"caseId": NO_CASE}
        case "askForHelp":
            return {"caseId": NO_CASE, "body": "测试税务局", "reason": "请协助核查"}
        case "answerHelp" | "pauseForExamination" | "resumeClock":
            return {"caseId": NO_CASE, "reason": "已核实"}
        case "decideCase":
            return {"caseId": NO_CASE, "outcome": "REJECTED", "reason": "已核实"}
        case "sandboxCode" | "resetSandboxClock" | "startConformanceRun" | "rehearseWebhook" | "changeSandboxKey":
            return {}
        case "confirmSandboxOrder":
            return {"orderId": public_id("Order", UUID(int=0))}
        case "moveSandboxClock":
            return {"seconds": 1}
        case "sendConformanceWebhooks" | "finishConformanceRun":
            return {"runId": public_id("ConformanceRun", UUID(int=0))}
        case "reportConformance":
            return {"runId": public_id("ConformanceRun", UUID(int=0)), "step": "RECEIPTS", "verdict": "ABC"}
        case "unlawfulOffer":
            return {"offerId": public_id("Offer", 901)}
    if what in SIGN_INS:
        return await sign_in_input(city, what, actor)
    if what in JOINING:
        return await joining_input(city, what)
    if what in WEBHOOK_ACTS:
        return await webhook_input(city, what)
    if what in OFFLINE:
        return await offline_input(city, what, actor)
    if what in ACTS:
        return await offer_input(city, what, actor)
    if what in OWED_AND_LENT:
        return await order_or_loan_input(city, what, actor)
    if what in OFFICE:
        return await office_input(city, what, actor)
    return await registry_input(city, what, actor)


def selection(kind: str, field: str) -> str:
    """The field as a minimal selection: required arguments given, `__typename` below an object."""
    found = SCHEMA._schema.type_map[kind]
    assert isinstance(found, (GraphQLObjectType, GraphQLInterfaceType))
    needed = {name for name, argument in found.fields[field].args.items() if isinstance(argument.type, GraphQLNonNull)}
    arguments = {"input": "(input: $input)", "id": '(id: "T2ZmZXI6MQ==")'}
    text = field + ARGUMENTS.get((kind, field), "".join(arguments[name] for name in needed if name in arguments))
    return text + (" { __typename }" if is_composite_type(get_named_type(found.fields[field].type)) else "")


def test_every_field_of_the_schema_stands_in_the_table() -> None:
    served = {
        (name, field)
        for name, kind in SCHEMA._schema.type_map.items()
        if isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)) and not name.startswith("__")
        for field in kind.fields
    }
    assert served == set(COORDINATES)


@pytest.mark.parametrize(("kind", "field"), READ, ids=lambda part: part)
async def test_a_field_is_read_by_those_named_and_by_nobody_else(shared: City, kind: str, field: str) -> None:
    row = TABLE["types"][kind]
    allowed = GROUPS[row["fields"][field]]
    what = row.get("given") or (field if kind == "Mutation" else None)
    through = row.get("elsewhere", {}).get(field, row["through"])
    query = through.replace("FIELD", selection(kind, field))
    query = query.replace("INPUT!", f"{field[0].upper()}{field[1:]}Input!")
    seen = []
    for actor in EVERYBODY:
        variables = {"input": await given(shared, what, actor)} if what else None
        body = await shared.ask(query, variables, by=None if actor == "anonymous" else actor)
        if actor in allowed:
            assert "errors" not in body, (actor, body)
            seen.append(f"'{field}'" in str(body["data"]))
        else:
            assert "data" not in body, (actor, body)
            assert [error["extensions"] for error in body["errors"]] == [
                {"code": "UNAUTHENTICATED" if actor == "anonymous" else "FORBIDDEN"}
            ]
    # What the sandbox alone gives is shown to be given in its own tests.
    assert any(seen) or row.get("sandbox"), "nobody ever got a value, so nothing was shown"


async def news_of_everything(city: City) -> list[News]:
    """What is told where something of each sort is written."""
    told = [News(of_subject(SUBJECTS["good"]), BENEFITS), News(of_partner(1), f"event:order.created::{city.now}")]
    told += [News(of_subject(row.subject_id), f"scan:{row.id}") for row in await city.rows(access_events)]
    told += [News(of_subject(row.subject_id), f"case:{row.id}:1") for row in await city.rows(cases)]
    for row in await city.rows(orders):
        told += [News(topic, f"order:{row.id}:1") for topic in (of_subject(row.subject_id), of_partner(row.partner_id))]
    return told + [News(of_partner(row.partner_id), f"offer:{row.id}:1") for row in await city.rows(offers)][:50]


@pytest.mark.parametrize(("kind", "field"), HEARD, ids=lambda part: part)
async def test_a_field_is_heard_by_those_named_and_by_nobody_else(shared: City, kind: str, field: str) -> None:
    row = TABLE["types"][kind]
    allowed = GROUPS[row["fields"][field]]
    query, seen = row["through"].replace("FIELD", selection(kind, field)), []
    told = await news_of_everything(shared)
    for actor in EVERYBODY:
        by = None if actor == "anonymous" else actor
        async with subscribed(shared, query, by=by) as heard:
            if actor not in allowed:
                body = await heard.body()
                assert body is not None
                assert "data" not in body, (actor, body)
                assert [error["extensions"] for error in body["errors"]] == [
                    {"code": "UNAUTHENTICATED" if actor == "anonymous" else "FORBIDDEN"}
                ]
                assert await heard.body() is None
                continue
            shared.state.cache.publish(told)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    body = await heard.body()
                    assert body is not None
                    assert "errors" not in body, (actor, body)
                    seen.append(f"'{field}'" in str(body["data"]))
    assert any(seen), "nobody ever heard a thing, so nothing was shown"


@pytest.mark.parametrize("target", TABLE["nodes"])
async def test_node_is_null_for_whatever_the_caller_cannot_reach(shared: City, target: str) -> None:
    seers = TABLE["nodes"][target]
    kind, key = target.split(":")
    query = "query ($id: ID!) { node(id: $id) { __typename id } }"
    for actor in EVERYBODY:
        by = None if actor == "anonymous" else actor
        headers = {"authorization": f"Bearer {shared.token(by)}"} if by else {}
        answers = [
            await shared.client.post(
                "/graphql", json={"query": query, "variables": {"id": public_id(kind, number)}}, headers=headers
            )
            for number in (int(key), 987_654_321)
        ]
        found, never = answers
        assert never.json()["data"] == {"node": None}
        assert "errors" not in never.json()
        if actor in (EVERYBODY if seers == "anyone" else seers):
            assert found.json()["data"] == {"node": {"__typename": kind, "id": public_id(kind, int(key))}}
        else:
            assert (found.status_code, found.json()["data"]) == (never.status_code, never.json()["data"]), actor
            assert "errors" not in found.json()


@pytest.mark.parametrize("actor", ["anonymous", "plain", "scenic", "operator", "auditor"])
async def test_a_fragment_on_what_one_cannot_reach_finds_null_and_no_error(shared: City, actor: str) -> None:
    query = "query ($id: ID!) { node(id: $id) { ... on CreditSubject { displayName scores { points } } } }"
    by = None if actor == "anonymous" else actor
    bodies = [await shared.ask(query, {"id": public_id("CreditSubject", number)}, by=by) for number in (1, 987_654_321)]
    assert bodies == [{"data": {"node": None}}] * 2


@pytest.mark.parametrize(
    "query",
    [
        "{ benefitKinds { code } me { id } }",
        "{ ...A } fragment A on Query { ... { a: me { ...B } } } fragment B on CreditSubject { scores { points } }",
        "query ($no: Boolean = false) { me @include(if: $no) { id } }",
        "{ offers { edges { node { ... on Node { ... on CreditSubject { displayName } } } } } }",
        "{ offers { edges { node { partner { offers { edges { node { status } } } } } } } }",
        "query A { me { id } } query B { benefitKinds { code } }",
    ],
)
async def test_no_way_of_writing_a_document_gets_round_the_table(shared: City, query: str) -> None:
    headers = {"authorization": f"Bearer {shared.token('scenic')}"}
    asked = {"query": query, "operationName": "A"} if query.startswith("query A") else {"query": query}
    response = await shared.client.post("/graphql", json=asked, headers=headers)
    body = response.json()
    assert "data" not in body
    assert body["errors"][0]["extensions"]["code"] in ("FORBIDDEN", "BAD_USER_INPUT")


async def test_a_partner_may_not_even_ask_for_the_refusals_of_a_problem(shared: City) -> None:
    query = """mutation ($input: VerifyCreditCodeInput!) { verifyCreditCode(input: $input) {
      ... on Problem { code refusals { rule } } } }"""
    asked = await given(shared, "verifyCreditCode", "scenic")
    body = await shared.ask(query, {"input": asked}, by="scenic")
    assert body["errors"][0]["extensions"] == {"code": "FORBIDDEN"}
    assert (await shared.verify(asked["code"]))["outcome"] == "BENEFIT_APPLIES", "nothing was run"


async def test_the_offer_of_another_partner_answers_like_one_that_never_was(shared: City) -> None:
    code = await shared.code("good")
    clinic = await shared.verify(code, "clinic", by="scenic")
    never = await shared.verify(code, by="scenic", offerId=public_id("Offer", 987_654_321))
    assert clinic == never
    assert clinic["code"] == "OFFER_NOT_YOURS"


async def test_what_another_partner_verified_or_redeemed_answers_like_what_never_was(shared: City) -> None:
    answer = await shared.verify(await shared.code("good"), by="scenic")
    never = public_id("Verification", "00000000-0000-4000-8000-000000000000")  # type: ignore[arg-type]
    assert (await shared.redeem(answer["id"], by="hospital")) == (await shared.redeem(never, by="hospital"))
    assert (await shared.redeem(never, by="hospital"))["code"] == "NOT_REDEEMABLE"
    redeemed = await shared.redeem(answer["id"], by="scenic")
    never = public_id("Redemption", "00000000-0000-4000-8000-000000000000")  # type: ignore[arg-type]
    assert (await shared.reverse(redeemed["id"], by="hospital")) == (await shared.reverse(never, by="hospital"))
    assert (await shared.reverse(redeemed["id"], by="scenic"))["__typename"] == "ReversedRedemption"


async def test_a_code_cannot_be_bound_to_an_offer_that_one_cannot_see(shared: City) -> None:
    query = """mutation ($input: IssueCreditCodeInput!) { issueCreditCode(input: $input) {
      ... on Problem { code message } } }"""
    asked = [offer_id("ended"), offer_id("later"), offer_id("waiting"), *(public_id("Offer", n) for n in (900, 99_999))]
    answers = await asyncio.gather(*(shared.do(query, by="good", offerId=one) for one in asked))
    assert [answer["code"] for answer in answers] == ["OFFER_CLOSED"] * 5
    assert len({answer["message"] for answer in answers}) == 1


async def test_a_waiting_and_an_unknown_offer_are_approved_alike_by_those_who_may_not(shared: City) -> None:
    query = "mutation ($input: ApproveOfferInput!) { approveOffer(input: $input) { __typename } }"
    bodies = [
        await shared.ask(query, {"input": {"offerId": one}}, by="auditor")
        for one in (offer_id("waiting"), public_id("Offer", 99_999))
    ]
    assert bodies[0] == bodies[1]
    assert bodies[0]["errors"][0]["extensions"] == {"code": "FORBIDDEN"}
