"""Partners report back what came of a benefit: for genuine receipts of their own, about nobody's character. One thing
to know: a report that is refused leaves nothing but its recorded answer."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from factories import City, key_file, resident_id

from api.ids import public_id
from core.audit import audit_entries
from core.keys import load_keys
from core.signing import sign, verify
from partners.tables import outcome_reports
from scoring.tables import scores

REPORT = """mutation ($input: ReportOutcomeInput!) { reportOutcome(input: $input) { __typename
  ... on OutcomeReport { verificationId number reportedAt } ... on Problem { code message } } }"""


async def report(city: City, by: str = "scenic", **given: Any) -> dict[str, Any]:
    return await city.do(REPORT, by=by, **{"requestId": city.next_request(), "outcome": "USED"} | given)


async def test_a_report_is_taken_for_a_receipt_or_a_verification_of_ones_own(city: City) -> None:
    answer = await city.verify(await city.code("good"))
    before = await city.rows(scores)
    first = await report(city, receipt=answer["receipt"], satisfaction=5, note="讲解设备完好")
    assert (first["verificationId"], first["number"]) == (answer["id"], 1)
    second = await report(city, verificationId=answer["id"], outcome="SERVICE_PROBLEM")
    assert second["number"] == 2
    rows = sorted(await city.rows(outcome_reports), key=lambda row: row.number)
    assert [row.report for row in rows] == [
        {"outcome": "USED", "satisfaction": 5, "note": "讲解设备完好"},
        {"outcome": "SERVICE_PROBLEM", "satisfaction": None, "note": None},
    ]
    assert await city.rows(scores) == before, "it changes nobody's score"
    assert [row.action for row in await city.rows(audit_entries)].count("reportOutcome") == 2


async def test_the_same_request_is_answered_alike_and_writes_nothing(city: City) -> None:
    answer = await city.verify(await city.code("good"))
    asked = {"requestId": "r", "receipt": answer["receipt"]}
    first = await report(city, **asked)
    tally = await city.tally()
    assert await report(city, **asked) == first
    assert (await report(city, **asked, outcome="NOT_USED"))["code"] == "REQUEST_CONFLICT"
    assert await city.tally() == tally


async def test_unknown_foreign_and_forged_receipts_are_refused_alike(city: City, tmp_path: Path) -> None:
    mine = await city.verify(await city.code("good"))
    theirs = await city.verify(await city.code("good"), "clinic", by="hospital")
    claims = verify(city.keys, "receipt", mine["receipt"])
    strangers = load_keys(key_file(tmp_path))
    tried = [
        {"receipt": theirs["receipt"]},
        {"verificationId": theirs["id"]},
        {"verificationId": public_id("Verification", uuid4())},
        {"receipt": sign(strangers, "receipt", claims)},
        {"receipt": sign(city.keys, "receipt", claims | {"jti": str(uuid4())})},
        {"receipt": sign(city.keys, "receipt", claims | {"jti": "nothing"})},
        {"receipt": sign(city.keys, "consent", claims)},
        {"receipt": mine["receipt"][:-9] + mine["receipt"][-9:].swapcase()},
        {"receipt": "x"},
    ]
    answers = [await report(city, **one) for one in tried]
    assert [answer["__typename"] for answer in answers] == ["Problem"] * len(tried)
    assert {answer["code"] for answer in answers} == {"RECEIPT_UNKNOWN"}
    assert len({answer["message"] for answer in answers}) == 1
    assert await city.rows(outcome_reports) == []


async def test_there_is_nothing_to_report_of_the_standard_service(city: City) -> None:
    answer = await city.verify(await city.code("poor"))
    assert (await report(city, receipt=answer["receipt"]))["code"] == "NOTHING_TO_REPORT"


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"receipt": "x", "verificationId": public_id("Verification", uuid4())}, {"receipt": "x" * 9000},
        {"receipt": "x", "satisfaction": 6}, {"receipt": "x", "satisfaction": 0}, {"receipt": "x", "note": ""},
        {"receipt": "x", "note": f"号码 {resident_id(date(1990, 3, 1), 1)}"},
        {"receipt": "x", "outcome": "BAD_CHARACTER"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_what_is_not_of_the_closed_shape_is_a_clients_mistake(city: City, wrong: dict[str, Any]) -> None:
    asked = {"requestId": "r", "outcome": "USED"} | wrong
    body = await city.ask(REPORT, {"input": asked}, by="scenic")
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_reports_at_once_are_numbered_one_by_one(city: City) -> None:
    answer = await city.verify(await city.code("good"))
    done = await asyncio.gather(*(report(city, receipt=answer["receipt"]) for _ in range(4)))
    assert sorted(one["number"] for one in done) == [1, 2, 3, 4]
