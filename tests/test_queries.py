"""Query rights of bodies: what opens by itself, what waits, and what a query leaves behind. One thing to know: whoever
is queried finds it on the access log, and a body never learns more than the one item."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from factories import City, resident_id
from published import FIRM, PENALTY, PROMISED, deliver
from sqlalchemy import update

from core.audit import audit_entries
from partners.tables import access_events, accounts
from scoring.cases.tables import record_receivers
from scoring.queries.tables import query_rights
from scoring.tables import credit_records, subjects

FIRMS_USCC, GOOD = "91430502MA7YK0003R", resident_id(date(1990, 3, 1), 1)
RIGHT = "id state endsOn openedByItself reason matter item body"
ASK = f"""mutation ($input: RequestQueryRightInput!) {{ requestQueryRight(input: $input) {{
  ... on QueryRight {{ {RIGHT} }} ... on Problem {{ code message }} }} }}"""
OPEN = f"""mutation ($input: OpenQueryRightInput!) {{ openQueryRight(input: $input) {{
  ... on QueryRight {{ {RIGHT} }} ... on Problem {{ code message }} }} }}"""
REFUSE = f"""mutation ($input: RefuseQueryRightInput!) {{ refuseQueryRight(input: $input) {{
  ... on QueryRight {{ {RIGHT} }} ... on Problem {{ code message }} }} }}"""
QUERY = """mutation ($input: QueryRecordsInput!) { queryRecords(input: $input) { ... on QueriedRecords { queriedAt
  records { label nature documentNumber authority decidedOn countsUntil fields { id label value } } }
  ... on Problem { code message } } }"""
LIST = """query ($waiting: Boolean) { queryRights(waiting: $waiting) { edges { node { id state } } } }"""


@pytest.fixture
async def town(city: City) -> City:
    """A city whose provider acts for a body."""
    body = {"body": "测试行政审批局", "body_uscc": "91430502MA7YK0011L"}
    await city.write(update(accounts).where(accounts.c.id == "provider").values(body))
    await deliver(city, FIRM, "promised", "credit-commitment", PROMISED)
    return city


async def ask(city: City, item: str = "credit-commitment", **given: Any) -> dict[str, Any]:
    asked = {"item": item, "matter": "permit-or-certificate", "basis": "行政许可法第三十四条"} | given
    return await city.do(ASK, by="provider", **asked)


async def query(city: City, right: dict[str, Any], **given: Any) -> dict[str, Any]:
    asked = {"rightId": right["id"], "purpose": "核查许可条件"} | (given or {"uscc": FIRMS_USCC})
    return await city.do(QUERY, by="provider", **asked)


async def test_a_right_opens_by_itself_for_a_published_matter_and_ends_by_itself(town: City) -> None:
    right = await ask(town)
    assert (right["state"], right["endsOn"], right["openedByItself"]) == ("OPEN", "2027-11-20", True)
    assert "第四十四条" in right["reason"]
    assert await ask(town) == right, "asking again changes nothing"
    assert len((await query(town, right))["records"]) == 1
    town.wait(days=365)
    assert (await query(town, right))["code"] == "RIGHT_NOT_OPEN"
    again = await ask(town)
    assert (again["state"], again["id"] == right["id"]) == ("OPEN", False)


async def test_another_matter_waits_for_a_reviewer(town: City) -> None:
    right = await ask(town, matter="编制行业年报")
    assert (right["state"], right["endsOn"], right["openedByItself"]) == ("WAITING", None, False)
    assert (await query(town, right))["code"] == "RIGHT_NOT_OPEN"
    waiting = (await town.ask(LIST, {"waiting": True}, by="reviewer"))["data"]["queryRights"]["edges"]
    assert [edge["node"]["id"] for edge in waiting] == [right["id"]]
    opened = await town.do(OPEN, by="reviewer", rightId=right["id"], months=1, reason="确有依据")
    assert (opened["state"], opened["endsOn"], opened["openedByItself"]) == ("OPEN", "2026-12-20", False)
    assert (await town.do(OPEN, by="reviewer", rightId=right["id"], reason="x"))["code"] == "RIGHT_NOT_OPEN"
    assert len((await query(town, right))["records"]) == 1
    ended = await town.do(REFUSE, by="reviewer", rightId=right["id"], reason="事项已办结")
    assert (ended["state"], ended["reason"]) == ("ENDED", "事项已办结")
    assert (await query(town, right))["code"] == "RIGHT_NOT_OPEN"


async def test_a_refused_right_is_never_used(town: City) -> None:
    right = await ask(town, matter="编制行业年报")
    assert (await town.do(REFUSE, by="reviewer", rightId=right["id"], reason="没有依据"))["state"] == "REFUSED"
    assert (await query(town, right))["code"] == "RIGHT_NOT_OPEN"
    assert (await town.do(OPEN, by="reviewer", rightId=right["id"], reason="x"))["code"] == "RIGHT_NOT_OPEN"


async def test_an_account_without_a_body_gets_no_right(city: City) -> None:
    assert (await ask(city))["code"] == "NO_BODY"
    assert await city.rows(query_rights) == []


async def test_a_query_is_on_the_subjects_log_and_in_the_register_and_makes_a_receiver(town: City) -> None:
    right = await ask(town)
    (record,) = (await query(town, right))["records"]
    assert (record["documentNumber"], record["authority"], record["nature"]) == ("诺-001", "测试行政审批局", "neutral")
    assert "legal-representative" not in {field["id"] for field in record["fields"]}
    log = "{ me { accessLog { edges { node { reader action purpose } } } } }"
    (edge,) = (await town.ask(log, by="firm"))["data"]["me"]["accessLog"]["edges"]
    assert edge["node"]["action"] == "queryRecords"
    assert edge["node"]["purpose"].endswith("核查许可条件")
    assert "测试行政审批局" in edge["node"]["reader"]
    register = "{ queryRegister { edges { node { action } } } }"
    found = (await town.ask(register, by="reviewer"))["data"]["queryRegister"]["edges"]
    assert [one["node"]["action"] for one in found] == ["queryRecords"]
    receivers = await town.rows(record_receivers)
    assert [(row.subject_id, row.record_id, row.receiver) for row in receivers] == [
        (FIRM, "promised", "测试行政审批局")
    ]
    await query(town, right)
    assert len(await town.rows(record_receivers)) == 1
    assert [row.action for row in await town.rows(audit_entries)].count("queryRecords") == 2


async def test_only_the_item_and_only_what_holds_is_told(town: City) -> None:
    await deliver(town, FIRM, "fined", "administrative-penalty", PENALTY, removed_on=date(2029, 10, 1))
    await deliver(town, FIRM, "old", "administrative-penalty", PENALTY | {"document-number": "旧"},
                  occurred_on=date(2020, 1, 1), removed_on=date(2023, 1, 1))  # fmt: skip
    right = await ask(town, "administrative-penalty", matter="supervision")
    (record,) = (await query(town, right))["records"]
    assert record["documentNumber"] == PENALTY["document-number"]
    assert "欧阳测" not in [field["value"] for field in record["fields"]]
    assert "43050219790130003X" not in str(record)
    await town.write(update(credit_records).where(credit_records.c.id == "fined").values(suspended_at=town.now))
    assert (await query(town, right))["records"] == []


async def test_a_person_unknown_a_minor_and_one_without_records_are_answered_alike(town: City) -> None:
    right = await ask(town, "rescue-honour")
    assert len((await query(town, right, number=GOOD))["records"]) == 1
    minor, nobody = resident_id(date(2010, 5, 5), 4), resident_id(date(1970, 1, 1), 7)
    plain = resident_id(date(1985, 7, 9), 2)
    answers = [await query(town, right, number=number) for number in (minor, nobody, plain)]
    assert answers[0] == answers[1] == answers[2] == {"queriedAt": "2026-11-20T04:00:00+00:00", "records": []}
    assert {row.subject_id for row in await town.rows(access_events)} == {1, 2, 4}, "the minor reads that it was asked"


async def test_a_person_who_has_died_is_told_of_no_more(town: City) -> None:
    right = await ask(town, "rescue-honour")
    await town.write(
        update(subjects).where(subjects.c.id == 1).values(ended_on=date(2026, 1, 1), end_reason="deceased")
    )
    assert (await query(town, right, number=GOOD))["records"] == []


async def test_a_right_reaches_its_own_place_alone(town: City) -> None:
    right = await ask(town, place="guangdong-huizhou")
    assert right["state"] == "OPEN"
    assert (await query(town, right))["records"] == []
    assert await town.rows(access_events) == []


async def test_data_changed_by_hand_is_under_review(town: City) -> None:
    right = await ask(town)
    await town.write(update(credit_records).where(credit_records.c.id == "promised").values(points=7), by_hand=True)
    assert (await query(town, right))["code"] == "UNDER_REVIEW"
    assert await town.rows(access_events) == []


async def test_another_accounts_right_answers_like_none(town: City) -> None:
    right = await ask(town)
    await town.write(update(query_rights).values(account="somebody"))
    assert (await query(town, right))["code"] == "RIGHT_UNKNOWN"
    assert (await town.ask(LIST, by="provider"))["data"]["queryRights"]["edges"] == []


async def test_queries_are_limited(town: City) -> None:
    right = await ask(town)
    codes = [(await query(town, right)).get("code") for _ in range(70)]
    assert codes[0] is None
    assert "THROTTLED" in codes


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("wrong", [{"item": "nothing"}, {"basis": ""}, {"place": "nowhere"}, {"basis": GOOD}])
async def test_a_request_that_makes_no_sense_is_refused(town: City, wrong: dict[str, str]) -> None:
    asked = {"item": "credit-commitment", "matter": "honours", "basis": "依据"} | wrong
    body = await town.ask(ASK, {"input": asked}, by="provider")
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
