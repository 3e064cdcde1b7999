"""What officers and subjects do with cases: each by whom, from where, and what it leads to."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from case_steps import (
    ANSWER_HELP,
    APPEAL,
    APPLY,
    CASES,
    COMPLAIN,
    DECIDE,
    EVIDENCE,
    HELP,
    OBJECT,
    OPEN_CASE,
    PAUSE,
    RESUME,
    STATE,
    WITHDRAW,
    WORKLIST,
    give_record,
    make_provider,
)
from factories import City, open_city
from PIL import Image
from sqlalchemy import insert, update

from partners.tables import accounts, security_events
from scoring.cases.tables import case_files
from scoring.tables import credit_records, outbox, pushed_results, subjects


def at(day: str, hour: int = 10) -> datetime:
    return datetime.fromisoformat(f"{day}T{hour:02d}:00:00+08:00").astimezone(UTC)


async def begin(city: City, **more: Any) -> None:
    await make_provider(city)
    await give_record(city, "good", "penalty", "administrative-penalty", date(2026, 6, 1), **more)


async def objected(city: City, **given: Any) -> dict[str, Any]:
    asked = {"recordId": "penalty", "ground": "WRONG", "statement": "不是我"} | given
    return await city.do(OBJECT, by="good", **asked)


async def is_suspended(city: City, record: str = "penalty") -> bool:
    (row,) = [one for one in await city.rows(credit_records) if one.id == record]
    return row.suspended_at is not None


async def listed(city: City, by: str, due: str = "ALL", **more: Any) -> list[dict[str, Any]]:
    body = await city.ask(WORKLIST, {"due": due} | more, by=by)
    return [edge["node"] for edge in body["data"]["caseWorklist"]["edges"]]


async def test_help_makes_the_term_longer_and_shows_the_case_to_the_helping_body_alone_while_it_helps(
    city: City,
) -> None:
    await begin(city)
    case = await objected(city)
    assert case["dueOn"] == "2026-11-27"
    assert await listed(city, "provider-2") == []
    assert (await city.ask(OPEN_CASE, {"id": case["id"]}, by="provider-2"))["data"]["creditCase"] is None
    asked = {"caseId": case["id"], "body": "测试税务局", "uscc": "11430500MB00000290", "reason": "请核对案卷"}
    assert (await city.do(HELP, by="provider-2", **asked))["code"] == "UNKNOWN_CASE", "not routed to it"
    helped = await city.do(HELP, by="provider", **asked)
    assert (helped["state"], helped["dueOn"]) == ("HELP", "2026-12-01")
    (seen,) = await listed(city, "provider-2")
    assert (seen["helper"], seen["helpDueOn"]) == ("测试税务局", "2026-11-24")
    refused = await city.do(DECIDE, by="provider-2", caseId=case["id"], outcome="REJECTED", reason="驳回")
    assert refused["code"] == "UNKNOWN_CASE", "whoever helps does not decide"
    answered = await city.do(ANSWER_HELP, by="provider-2", caseId=case["id"], reason="案卷号确实不符")
    assert (answered["state"], answered["dueOn"]) == ("OPEN", "2026-12-01")
    assert await listed(city, "provider-2") == []


async def test_an_examination_stops_the_clock_and_its_days_do_not_count(city: City) -> None:
    await begin(city)
    case = await objected(city)
    city.now = at("2026-11-24")
    paused = await city.do(PAUSE, by="reviewer", caseId=case["id"], reason="送笔迹鉴定")
    assert (paused["state"], paused["dueOn"], paused["overdue"]) == ("PAUSED", None, False)
    early = await city.do(DECIDE, by="reviewer", caseId=case["id"], outcome="REJECTED", reason="驳回")
    assert early["code"] == "WRONG_STATE"
    city.now = at("2026-12-10")
    assert (await listed(city, "reviewer", "OVERDUE")) == []
    resumed = await city.do(RESUME, by="reviewer", caseId=case["id"], reason="鉴定已出")
    # 23 November counted; the clock stood from the 24th on; 10, 11, 14 and 15 December.
    assert (resumed["state"], resumed["dueOn"]) == ("OPEN", "2026-12-15")
    assert (await city.do(RESUME, by="reviewer", caseId=case["id"], reason="鉴定已出"))["code"] == "WRONG_STATE"


async def test_a_case_taken_back_puts_the_record_to_use_again(city: City) -> None:
    await begin(city)
    case = await objected(city)
    assert await is_suspended(city)
    assert (await city.do(WITHDRAW, by="plain", caseId=case["id"]))["code"] == "UNKNOWN_CASE"
    assert await is_suspended(city)
    back = await city.do(WITHDRAW, by="good", caseId=case["id"])
    assert (back["state"], back["outcome"]) == ("WITHDRAWN", "WITHDRAWN")
    assert not await is_suspended(city)
    assert (await objected(city))["__typename"] == "CreditCase", "it may be raised again"


async def test_two_objections_keep_a_record_out_of_use_until_the_last_is_decided(city: City) -> None:
    await begin(city)
    first, second = await objected(city), await objected(city, ground="PRIVACY")
    assert (await objected(city))["code"] == "ALREADY_OPEN"
    await city.do(DECIDE, by="reviewer", caseId=first["id"], outcome="REJECTED", reason="核对无误")
    assert await is_suspended(city)
    correction = {"fields": [{"field": "offence", "value": "未按期年报"}]}
    asked = {"caseId": second["id"], "outcome": "PARTLY", "reason": "已去掉", "correction": correction}
    assert (await city.do(DECIDE, by="reviewer", **asked))["outcome"] == "PARTLY"
    assert not await is_suspended(city)


async def test_a_rejected_objection_is_appealed_to_another_person_and_not_just_repeated(city: City) -> None:
    await begin(city)
    await city.write(insert(accounts).values(id="reviewer-2", role="reviewer"))
    case = await objected(city)
    assert (await city.do(APPEAL, by="good", caseId=case["id"], statement="不服"))["code"] == "NOT_APPEALABLE"
    await city.do(DECIDE, by="reviewer", caseId=case["id"], outcome="REJECTED", reason="核对无误")
    assert not await is_suspended(city)
    again = await objected(city)
    assert again["code"] == "ALREADY_DECIDED"
    assert case["id"] in again["message"]
    appeal = await city.do(APPEAL, by="good", caseId=case["id"], statement="案卷号不符")
    assert (appeal["kind"], appeal["aboutCase"], appeal["routedTo"]) == ("APPEAL", case["id"], None)
    assert await is_suspended(city)
    assert await listed(city, "provider") == [], "it goes to this platform, not to the same body"
    decision = {"caseId": appeal["id"], "outcome": "UPHELD", "reason": "主体有误", "correction": {"remove": True}}
    assert (await city.do(DECIDE, by="reviewer", **decision))["code"] == "FOUR_EYES"
    assert (await city.do(DECIDE, by="reviewer-2", **decision))["outcome"] == "UPHELD"
    (row,) = [one for one in await city.rows(credit_records) if one.id == "penalty"]
    assert (row.removed_on, row.removal, row.suspended_at) == (date(2026, 11, 20), "withdrawn", None)
    assert (await city.do(APPEAL, by="good", caseId=appeal["id"], statement="不服"))["code"] == "NOT_APPEALABLE"


@pytest.mark.parametrize(
    ("correction", "code"),
    [
        (None, "CORRECTION_MISSING"),
        ({"fields": [{"field": "nothing", "value": "1"}]}, "BAD_CORRECTION"),
        ({"fields": [{"field": "decided-on", "value": "2026-02-30"}]}, "BAD_CORRECTION"),
        ({"fields": [{"field": "document-number", "value": None}]}, "BAD_CORRECTION"),
        ({"fields": [{"field": "subject-code", "value": "1"}]}, "BAD_CORRECTION"),
        ({"item": "nothing"}, "BAD_CORRECTION"),
        ({"remove": True, "item": "commitment-breach"}, "BAD_CORRECTION"),
    ],
)
async def test_upholding_says_what_is_right_or_nothing_happens(
    city: City, correction: dict[str, Any] | None, code: str
) -> None:
    await begin(city)
    case = await objected(city)
    before = await city.rows(credit_records)
    asked = {"caseId": case["id"], "outcome": "UPHELD", "reason": "属实", "correction": correction}
    assert (await city.do(DECIDE, by="reviewer", **asked))["code"] == code
    assert await city.rows(credit_records) == before


async def test_an_objected_result_is_corrected_and_goes_up_again(city: City) -> None:
    await make_provider(city)
    given = {"model": "xiangxinfen", "ground": "WRONG", "statement": "少算了志愿服务"}
    case = await city.do(OBJECT, by="plain", **given)
    assert (case["model"], case["recordId"], case["routedTo"]) == ("xiangxinfen", None, None)
    assert (await city.do(OBJECT, by="plain", **given))["code"] == "ALREADY_OPEN"
    asked = {"caseId": case["id"], "outcome": "UPHELD", "reason": "补录后重算", "correction": {"points": "660.5"}}
    assert (await city.do(DECIDE, by="reviewer", **asked))["outcome"] == "UPHELD"
    (pushed,) = await city.rows(pushed_results)
    assert (pushed.origin, pushed.points, pushed.grade) == ("corrected", 66050, "A")
    (parcel,) = await city.rows(outbox)
    assert (parcel.topic, parcel.destination) == ("corrected-result", "upstream")


async def test_a_statement_is_about_a_listing_alone_and_upheld_takes_it_off_the_list(city: City) -> None:
    await begin(city)
    wrong = await city.do(STATE, by="good", recordId="penalty", statement="申辩")
    assert wrong["code"] == "NOT_LISTED"
    await give_record(city, "firm", "listing", "serious-list", date(2026, 6, 1))
    case = await city.do(STATE, by="firm", recordId="listing", statement="事实不清")
    assert (case["kind"], case["dueOn"]) == ("STATEMENT", "2026-11-25")
    assert await is_suspended(city, "listing")
    asked = {"caseId": case["id"], "outcome": "UPHELD", "reason": "采纳", "correction": {"remove": True}}
    await city.do(DECIDE, by="provider", **asked)
    (row,) = [one for one in await city.rows(credit_records) if one.id == "listing"]
    assert (row.removed_on, row.removal) == (date(2026, 11, 20), "withdrawn")


async def test_a_complaint_is_answered_within_twenty_working_days(city: City) -> None:
    case = await city.do(COMPLAIN, by="stranger", statement="窗口不受理异议")
    assert (case["kind"], case["dueOn"]) == ("COMPLAINT", "2026-12-18")
    assert (await city.do(COMPLAIN, by="stranger", statement="窗口不受理异议"))["code"] == "ALREADY_OPEN"
    wrong = await city.do(PAUSE, by="reviewer", caseId=case["id"], reason="鉴定")
    assert wrong["code"] == "WRONG_STATE"
    done = await city.do(DECIDE, by="reviewer", caseId=case["id"], outcome="PARTLY", reason="已责成改正")
    assert done["answer"] == "已责成改正"


async def test_what_law_lets_nobody_do_to_anothers_record_or_case(city: City) -> None:
    await begin(city)
    case = await objected(city)
    foreign = await city.do(OBJECT, by="plain", recordId="penalty", ground="WRONG", statement="删掉")
    assert foreign["code"] == "UNKNOWN_RECORD"
    assert (await city.do(APPLY, by="plain", recordId="penalty", way="put-right", statement="1"))["code"] == (
        "UNKNOWN_RECORD"
    )
    assert (await city.do(APPEAL, by="plain", caseId=case["id"], statement="1"))["code"] == "UNKNOWN_CASE"
    assert (await city.ask(CASES, by="plain"))["data"]["me"]["cases"]["edges"] == []
    refused = {"caseId": case["id"], "outcome": "REJECTED", "reason": "无"}
    assert (await city.do(DECIDE, by="provider-2", **refused))["code"] == "UNKNOWN_CASE"
    await city.write(update(accounts).where(accounts.c.id == "provider-2").values(body=None, body_uscc=None))
    assert await listed(city, "provider-2") == [], "an account for no body sees nothing"


async def test_worklists_come_in_pages_by_deadline(city: City) -> None:
    for number in range(3):
        city.now = at(f"2026-11-2{3 - number}")
        await city.do(COMPLAIN, by="plain", statement=f"投诉 {number}")
    body = await city.ask(WORKLIST, {"due": "ALL", "first": 2, "kind": "COMPLAINT"}, by="operator")
    page = body["data"]["caseWorklist"]
    rest = await city.ask(WORKLIST, {"due": "ALL", "after": page["pageInfo"]["endCursor"]}, by="operator")
    assert page["pageInfo"]["hasNextPage"]
    days = [edge["node"]["dueOn"] for one in (page, rest["data"]["caseWorklist"]) for edge in one["edges"]]
    assert days == sorted(days)
    assert len(days) == 3
    assert await listed(city, "operator", kind="REPAIR") == []
    assert await listed(city, "operator", place="heilongjiang") == []


async def test_a_record_changed_by_hand_is_not_worked_on_and_raises_an_alarm(city: City) -> None:
    await begin(city)
    await city.write(
        update(credit_records).where(credit_records.c.id == "penalty").values(item="red-list"), by_hand=True
    )
    assert (await objected(city))["code"] == "DATA_UNDER_REVIEW"
    assert "ROW_CHANGED" in [row.kind for row in await city.rows(security_events)]
    assert (await city.ask(CASES, by="good"))["data"]["me"]["cases"]["edges"] == []


async def test_terms_follow_the_place(city: City) -> None:
    await begin(city)
    await city.write(update(subjects).where(subjects.c.id == 1).values(place="heilongjiang"))
    assert (await objected(city))["dueOn"] == "2026-11-25"


def png() -> bytes:
    made = BytesIO()
    Image.new("RGB", (2, 2)).save(made, "PNG")
    return made.getvalue()


async def test_papers_are_checked_kept_sealed_and_given_back_to_those_who_handle_the_case(
    city_url: str, keys_file: Path, tmp_path: Path
) -> None:
    async with open_city(database_url=city_url, keys_file=keys_file, files=str(tmp_path / "files")) as city:
        await begin(city)
        case = await objected(city)
        paper = {"caseId": case["id"], "title": "证明.png", "content": b64encode(png()).decode()}
        assert (await city.do(EVIDENCE, by="plain", **paper))["code"] == "UNKNOWN_CASE"
        assert list((tmp_path / "files").iterdir()) == [], "nothing is stored for a stranger"
        added = await city.do(EVIDENCE, by="good", **paper)
        (shown,) = added["papers"]
        assert (shown["title"], shown["mediaType"], shown["size"]) == ("证明.png", "image/png", len(png()))
        program = paper | {"content": b64encode(b"MZ" * 100).decode()}
        assert (await city.do(EVIDENCE, by="good", **program))["code"] == "EVIDENCE_TYPE"
        (stored,) = (tmp_path / "files").iterdir()
        assert png() not in stored.read_bytes()
        opened = await city.ask(OPEN_CASE, {"id": case["id"]}, by="provider")
        assert opened["data"]["creditCase"]["papers"] == [{"title": "证明.png", "content": paper["content"]}]
        (row,) = await city.rows(case_files)
        assert "证明".encode() not in row.title_sealed
        step = orjson.loads(opened["data"]["creditCase"]["steps"][-1]["evidence"])
        assert step["sha256"] == row.sha256


async def test_without_a_store_papers_are_refused_with_a_way_out(city: City) -> None:
    await begin(city)
    case = await objected(city)
    refused = await city.do(EVIDENCE, by="good", caseId=case["id"], title="a.png", content="MQ==")
    assert refused["code"] == "FILES_CLOSED"


@pytest.mark.parametrize("outcome", ["UPHELD", "REJECTED"])
async def test_a_case_about_what_leaving_has_erased_is_decided_all_the_same(city: City, outcome: str) -> None:
    await make_provider(city)
    await give_record(city, "good", "hours", "volunteer-service", date(2026, 6, 1))
    case = await city.do(OBJECT, by="good", recordId="hours", ground="WRONG", statement="时长不对")
    leave = "mutation ($input: LeaveSchemeInput!) { leaveScheme(input: $input) { ... on Departure { leftAt } } }"
    assert "leftAt" in await city.do(leave, by="good", confirm=True)
    assert "hours" not in [row.id for row in await city.rows(credit_records)]
    decided = await city.do(DECIDE, by="reviewer", caseId=case["id"], outcome=outcome, reason="已核对")
    assert (decided["state"], decided["outcome"]) == ("DECIDED", outcome)
