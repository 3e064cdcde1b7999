"""My records: everything held about me, how it came and changed. One thing to know: ended and suspended ones too."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from factories import NOON, City
from published import PENALTY, deliver
from sqlalchemy import update

from core.audit import audit_entries
from partners.standing import score_participant
from scoring.records import Act, correct_record, end_record, resume_record, suspend_record
from scoring.tables import credit_records, enrollments

MINE = """query ($first: Int, $after: String, $state: RecordFilter! = ALL) { me { records(
  first: $first, after: $after, state: $state) { pageInfo { hasNextPage endCursor } edges { node {
    id item label nature severity documentNumber authority decidedOn state publishedUntil countsUntil removal
    suspendedAt hiddenAt source provider receivedAt fields { id label value } receivers { name at }
    history { version at change by reason fields { id value } } } } } } }"""
HIDE = """mutation ($input: HideHonourInput!) { hideHonour(input: $input) { __typename
  ... on CreditRecord { id hiddenAt history { change by } } ... on Problem { code } } }"""
SHOW = HIDE.replace("HideHonourInput", "ShowHonourInput").replace("hideHonour", "showHonour")


async def mine(city: City, person: str, **given: Any) -> list[dict[str, Any]]:
    body = await city.ask(MINE, given, by=person)
    assert "errors" not in body, body
    return [edge["node"] for edge in body["data"]["me"]["records"]["edges"]]


def act(city: City, reason: str) -> Act:
    async def rescore(connection: Any, subject_id: int) -> None:
        await score_participant(connection, subject_id=subject_id, rulebook=city.state.rulebook, now=city.now)

    return Act("reviewer", reason, city.now, rescore)


async def test_a_subject_reads_all_of_a_record_where_it_came_from_and_who_was_given_it(city: City) -> None:
    await deliver(
        city, 2, "p1", "administrative-penalty", PENALTY | {"subject-name": "测plain"}, receivers=["测试接收单位"],
        removed_on=date(2029, 10, 2), severity="general",
    )  # fmt: skip
    (record,) = await mine(city, "plain")
    fields = {field["label"]: field["value"] for field in record.pop("fields")}
    assert fields["行政处罚决定文书号"] == "邵市监罚〔2026〕7号"
    assert fields["法定代表人"] == "欧阳测", "the subject's own data is shown whole"
    (version,) = record.pop("history")
    assert (version["version"], version["change"], version["by"]) == (1, "received", "信用信息提供单位")
    assert {"id": "fine", "value": "0.5"} in version["fields"]
    assert record == {
        "id": "p1",
        "item": "administrative-penalty",
        "label": "行政处罚",
        "nature": "adverse",
        "severity": "general",
        "documentNumber": "邵市监罚〔2026〕7号",
        "authority": "测试市场监管局",
        "decidedOn": "2026-10-01",
        "state": "ACTIVE",
        "publishedUntil": "2029-10-01",
        "countsUntil": "2029-10-01",
        "removal": None,
        "suspendedAt": None,
        "hiddenAt": None,
        "source": "测试",
        "provider": "测试提供单位",
        "receivedAt": NOON.isoformat(),
        "receivers": [{"name": "测试接收单位", "at": NOON.isoformat()}],
    }


async def test_every_change_stands_in_the_history_with_the_body_and_the_reason(city: City) -> None:
    await deliver(city, 2, "p1", "administrative-penalty", PENALTY)
    for reason, change in (("异议受理", suspend_record), ("异议办结", resume_record)):
        city.wait(hours=1)
        async with city.state.database.transaction() as connection:
            await change(connection, 2, "p1", act=act(city, reason))
    city.wait(hours=1)
    async with city.state.database.transaction() as connection:
        await correct_record(connection, 2, "p1", values={}, content={"fine": "0.1"}, act=act(city, "罚款金额有误"))
    (record,) = await mine(city, "plain")
    told = [(one["change"], one["by"], one["reason"]) for one in record["history"]]
    assert told == [
        ("received", "信用信息提供单位", ""),
        ("suspended", "审核人员", "异议受理"),
        ("resumed", "审核人员", "异议办结"),
        ("corrected", "审核人员", "罚款金额有误"),
    ]
    fines = [field["value"] for one in record["history"] for field in one["fields"] if field["id"] == "fine"]
    assert fines == ["0.5", "0.5", "0.5", "0.1"]


async def test_states_tell_what_counts_what_is_suspended_and_what_has_ended(city: City) -> None:
    await deliver(city, 2, "counts", "administrative-penalty", PENALTY, removed_on=date(2026, 11, 21))
    await deliver(city, 2, "waits", "administrative-penalty", PENALTY, suspended_at=NOON)
    await deliver(city, 2, "old", "administrative-penalty", PENALTY, removed_on=date(2026, 11, 20))
    seen = {
        state: [one["id"] for one in await mine(city, "plain", state=state)]
        for state in ("ACTIVE", "SUSPENDED", "ENDED", "ALL")
    }
    assert seen == {"ACTIVE": ["counts"], "SUSPENDED": ["waits"], "ENDED": ["old"], "ALL": ["waits", "old", "counts"]}
    city.now = NOON.replace(hour=16)  # midnight in Shanghai, and no job has run
    assert [one["id"] for one in await mine(city, "plain", state="ENDED")] == ["old", "counts"]
    async with city.state.database.transaction() as connection:
        await resume_record(connection, 2, "waits", act=act(city, "办结"))
        await end_record(connection, 2, "waits", change="repaired", act=act(city, "已经改正"))
    (repaired,) = [one for one in await mine(city, "plain", state="ENDED") if one["id"] == "waits"]
    assert (repaired["removal"], repaired["countsUntil"]) == ("repaired", "2026-11-20")


async def test_pages_go_through_all_records_once_the_newest_first(city: City) -> None:
    for number in range(7):
        day = date(2026, 10, 1) - timedelta(days=number // 2)
        await deliver(city, 2, f"p{number}", "administrative-penalty", PENALTY, occurred_on=day)
    seen: list[str] = []
    after = None
    while True:
        body = await city.ask(MINE, {"first": 2, "after": after}, by="plain")
        page = body["data"]["me"]["records"]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == ["p1", "p0", "p3", "p2", "p5", "p4", "p6"]
    refused = await city.ask(MINE, {"after": "eA=="}, by="plain")
    assert refused["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_reading_ones_own_is_free_any_number_of_times_and_writes_nothing(city: City) -> None:
    before = await city.tally()
    for _ in range(30):
        assert len(await mine(city, "good")) == 1
    assert await city.tally() == before


async def test_nobody_reads_what_is_anothers(city: City) -> None:
    await deliver(city, 2, "p1", "administrative-penalty", PENALTY)
    assert [one["id"] for one in await mine(city, "good")] == ["r0"]
    hidden = await city.do(HIDE, by="good", recordId="p1")
    assert hidden == {"__typename": "Problem", "code": "UNKNOWN_RECORD"}
    body = await city.ask("{ me { records { edges { node { id } } } } }", by="scenic")
    assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_who_has_not_joined_and_who_has_left_still_read_their_records(city: City) -> None:
    assert [one["id"] for one in await mine(city, "stranger")] == ["r0"]
    await city.write(update(enrollments).where(enrollments.c.subject_id == 1).values(left_at=NOON))
    assert [one["id"] for one in await mine(city, "good")] == ["r0"]


async def test_an_honour_is_hidden_and_shown_at_its_subjects_wish_and_counts_on(city: City) -> None:
    points = "{ me { scores { points } } }"
    before = (await city.ask(points, by="good"))["data"]
    hidden = await city.do(HIDE, by="good", recordId="r0")
    assert hidden["hiddenAt"] == NOON.isoformat()
    assert hidden["history"][-1] == {"change": "hidden", "by": "本人"}
    tally = await city.tally()
    city.wait(minutes=1)
    assert (await city.do(HIDE, by="good", recordId="r0"))["hiddenAt"] == NOON.isoformat()
    assert await city.tally() == tally, "hiding it again changes nothing"
    assert (await city.ask(points, by="good"))["data"] == before
    shown = await city.do(SHOW, by="good", recordId="r0")
    assert (shown["hiddenAt"], shown["history"][-1]["change"]) == (None, "shown")
    entries = [row for row in await city.rows(audit_entries) if row.action == "changeRecord"]
    assert [(row.actor, row.subject_id) for row in entries] == [("good", 1)] * 2


async def test_only_honours_can_be_hidden(city: City) -> None:
    before = await city.tally()
    for record_id, code in (("r0", "NOT_AN_HONOUR"), ("nothing", "UNKNOWN_RECORD"), ("x" * 5000, "UNKNOWN_RECORD")):
        assert await city.do(HIDE, by="poor", recordId=record_id) == {"__typename": "Problem", "code": code}
    assert await city.tally() == before


async def test_a_record_changed_by_hand_is_not_shown_and_is_alarmed(
    city: City, caplog: pytest.LogCaptureFixture
) -> None:
    await city.write(update(credit_records).where(credit_records.c.subject_id == 1).values(source="别处"), by_hand=True)
    body = await city.ask(MINE, by="good")
    assert body["errors"][0]["extensions"]["code"] == "UNDER_REVIEW"
    assert "a row is not as it was written" in caplog.text
    assert (await city.do(HIDE, by="good", recordId="r0"))["code"] == "UNDER_REVIEW"
