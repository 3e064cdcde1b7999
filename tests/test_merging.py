"""Two entries that are one subject. One thing to know: it takes two people, and nothing on file is ever lost."""

from __future__ import annotations

import asyncio
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from factories import NOON, PEOPLE, City, resident_id
from intake_files import PENALTY_ROW, csv_bytes
from sqlalchemy import insert, update
from test_cases_crashes import killed_at, post
from test_registry import CODE, FIRM, ME, PERSON, USCC, do, me, mutation, sid

from core.clock import day_of
from core.identifiers import new_id
from core.integrity import is_intact
from scoring.intake.load import load_file
from scoring.subjects import SubjectKind, subject_row
from scoring.tables import (
    consents,
    credit_records,
    enrollments,
    facts,
    pushed_results,
    record_versions,
    scores,
    subject_changes,
    subject_identifiers,
    subjects,
)


async def merged(city: City, keep: int, drop: int) -> dict[str, Any]:
    pair = {"keepId": sid(keep), "dropId": sid(drop), "reason": "公安机关更正证明"}
    assert (await do(city, "proposeMerge", **pair))["__typename"] == "RegisteredSubject"
    return await do(city, "mergeSubjects", by="reviewer", **pair)


async def test_merging_takes_two_people_and_carries_over_all_that_was_on_file(city: City) -> None:
    await city.write(
        insert(facts).values(subject_id=1, name="volunteer_hours", value=30, observed_on=date(2026, 9, 1)),
        insert(facts).values(subject_id=2, name="volunteer_hours", value=5, observed_on=date(2026, 1, 1)),
    )
    code, before = await city.code("good"), await me(city, "plain")
    pair = {"keepId": sid(2), "dropId": sid(1), "reason": "公安机关更正证明"}
    assert (await do(city, "mergeSubjects", by="reviewer", **pair))["code"] == "MERGE_NOT_PROPOSED"
    await do(city, "proposeMerge", by="reviewer", **pair)
    assert (await do(city, "mergeSubjects", by="reviewer", **pair))["code"] == "FOUR_EYES"
    assert await me(city, "plain") == before
    await do(city, "proposeMerge", **pair)
    waiting = (await city.ask("{ mergeProposals { keepId dropId proposedBy } }", by="reviewer"))["data"]
    assert [one["proposedBy"] for one in waiting["mergeProposals"]] == ["reviewer", "operator"]
    kept = await do(city, "mergeSubjects", by="reviewer", **pair)
    assert (kept["id"], [one["change"] for one in kept["changes"]]) == (sid(2), ["took-over"])
    assert await do(city, "mergeSubjects", by="reviewer", **pair) | {"changes": 0} == kept | {"changes": 0}
    assert (await city.verify(code))["outcome"] == "STANDARD_SERVICE"
    now = await me(city, "plain")
    assert now == await me(city, "good"), "both accounts act for the one that is kept"
    assert float(now["scores"][0]["points"]) > float(before["scores"][0]["points"])
    node = "query ($id: ID!) { node(id: $id) { id } }"
    assert (await city.ask(node, {"id": sid(1)}, by="good"))["data"] == {"node": {"id": sid(2)}}
    assert (await city.ask(node, {"id": sid(1)}, by="poor"))["data"] == {"node": None}
    number = resident_id(PEOPLE["good"]["birth"], 1)
    assert (await do(city, "findSubject", scheme="RESIDENT_ID", number=number, purpose="核对"))["id"] == sid(2)
    records = {(row.subject_id, row.id): row for row in await city.rows(credit_records)}
    assert (records[1, "r0"].removal, records[1, "r0"].removed_on) == ("merged", NOON.date())
    assert records[2, "r0"].removed_on is None
    async with city.state.database.reading() as connection:
        assert all(is_intact(connection, credit_records, row._asdict(), row.mac) for row in records.values())
    assert {(row.subject_id, row.change) for row in await city.rows(record_versions)} == {(1, "moved"), (2, "moved")}
    assert {row.subject_id: row.value for row in await city.rows(facts) if row.name == "volunteer_hours" and
            row.subject_id < 3} == {1: 30, 2: 30}  # fmt: skip
    assert [row.change for row in await city.rows(subject_changes) if row.subject_id == 1] == [
        "merge-proposed", "merge-proposed", "merged",
    ]  # fmt: skip


async def test_one_record_under_two_numbers_becomes_one_and_what_was_repaired_stays_repaired(city: City) -> None:
    values = {"item": "court-enforcement", "occurred_on": date(2026, 6, 1), "source": "测试", "authority": "测试法院"}
    await city.write(
        insert(credit_records).values(subject_id=2, id="a", document_number="(2026)测1号", **values),
        insert(credit_records).values(
            subject_id=1, id="b", document_number="〔2026〕测 1 号", removed_on=date(2026, 10, 1), removal="repaired",
            **values,
        ),
    )  # fmt: skip
    assert (await merged(city, 2, 1))["id"] == sid(2)
    mine = {row.id: row for row in await city.rows(credit_records) if row.subject_id == 2}
    assert sorted(mine) == ["a", "r0"]
    assert (mine["a"].removed_on, mine["a"].removal) == (date(2026, 10, 1), "repaired")


async def test_consents_end_with_the_entry_that_is_dropped_and_enrolment_is_that_of_the_kept(city: City) -> None:
    row = {"purpose": "collect", "purpose_version": "1", "recipient": "测试", "scope": [], "frequency": "per-use"}
    row |= {"requested_at": NOON, "requested_by": "good", "ends_on": date(2027, 1, 1), "erase_by": date(2027, 2, 1)}
    await city.write(insert(consents).values(subject_id=1, id=new_id(), state="ACTIVE", **row))
    await merged(city, 5, 1)  # the stranger never enrolled
    assert [one.state for one in await city.rows(consents)] == ["REVOKED"]
    assert [one.left_at for one in await city.rows(enrollments) if one.subject_id == 1] == [city.now]
    assert (await me(city, "good"))["enrolled"] is False
    assert not [one for one in await city.rows(scores) if one.subject_id == 5]


async def test_a_merge_waits_for_an_open_case_and_two_merges_at_once_leave_no_circle(city: City) -> None:
    for keep, drop in ((1, 2), (2, 1)):
        await do(city, "proposeMerge", keepId=sid(keep), dropId=sid(drop), reason="证明")
    found = await asyncio.gather(
        *(
            do(city, "mergeSubjects", by="reviewer", keepId=sid(keep), dropId=sid(drop), reason="证明")
            for keep, drop in ((1, 2), (2, 1)) * 3
        )
    )
    rows = {row.id: row for row in await city.rows(subjects)}
    dropped = [key for key in (1, 2) if rows[key].end_reason == "merged"]
    assert len(dropped) == 1
    (kept,) = {1, 2} - set(dropped)
    assert rows[dropped[0]].merged_into == kept
    assert {one.get("code", "done") for one in found} == {"ALREADY_ENDED", "done"}


async def test_what_led_to_a_dropped_entry_leads_on_when_that_is_dropped_too(city: City) -> None:
    await merged(city, 2, 1)
    await merged(city, 3, 2)
    assert {row.id: row.merged_into for row in await city.rows(subjects) if row.id < 4} == {1: 3, 2: 3, 3: None}
    for account in ("good", "plain"):
        assert (await me(city, account))["id"] == sid(3)
    async with city.state.database.reading() as connection:
        for row in await city.rows(subjects):
            assert is_intact(connection, subjects, row._asdict(), row.mac), row.id


async def test_an_entry_changed_by_hand_is_not_merged_into_a_good_one(city: City) -> None:
    await city.write(update(credit_records).where(credit_records.c.subject_id == 1).values(item="x"), by_hand=True)
    before = list(await city.rows(subjects))
    assert (await merged(city, 2, 1))["code"] == "UNDER_REVIEW"
    assert await city.rows(subjects) == before


async def test_duplicates_are_found_by_old_numbers_and_by_name_and_birth_day(city: City) -> None:
    born = date(1990, 3, 1)
    twin = await do(city, "registerSubject", **PERSON | {"name": "测good"}, number=resident_id(born, 500))
    await do(city, "registerSubject", **PERSON | {"name": "测坏"}, number=resident_id(born, 501))
    old = {"scheme": "ORGANISATION_CODE", "number": CODE, "name": "另名老厂"}
    first = await do(city, "registerSubject", **FIRM | old)
    row = subject_row(city.keys, kind=SubjectKind.ENTERPRISE, place="hunan-shaoyang", name="测试老厂", number=USCC)
    await city.write(insert(subjects).values(row))  # as it comes with a delivery
    query = '{ findDuplicates(place: "hunan-shaoyang") { ground first { id } second { id displayName } } }'
    found = (await city.ask(query, by="operator"))["data"]["findDuplicates"]
    assert [(one["ground"], one["second"]["id"]) for one in found] == [
        ("old-number", first["id"]),
        ("same-name-and-birth-day", twin["id"]),
    ]
    assert found[1]["first"]["id"] == sid(1)
    assert found[1]["second"]["displayName"] == "测*"
    assert len(await city.rows(subject_identifiers)) == 0
    assert (await city.ask(query.replace("shaoyang", "changsha"), by="operator"))["data"]["findDuplicates"] == []


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_a_merge_that_dies_at_any_statement_leaves_nothing_and_is_then_made_whole(city: City) -> None:
    pair = {"keepId": sid(2), "dropId": sid(1), "reason": "证明"}
    await do(city, "proposeMerge", **pair)
    await city.ask(ME, by="reviewer")
    before, number = await city.tally(), 0
    while True:
        number += 1
        with killed_at(number) as seen:
            body = await post(city, mutation("mergeSubjects"), "reviewer", pair)
        if "errors" not in body:
            break
        assert await city.tally() == before, number
        assert [row.end_reason for row in await city.rows(subjects)] == [None] * 8, number
    assert seen[0] == number - 1 > 20
    assert body["data"]["mergeSubjects"]["id"] == sid(2)
    assert len([row for row in await city.rows(credit_records) if row.subject_id == 2]) == 1


async def test_what_comes_in_under_the_number_of_a_dropped_entry_goes_to_the_kept_one(
    city: City, tmp_path: Path
) -> None:
    await merged(city, keep=2, drop=1)
    number = resident_id(PEOPLE["good"]["birth"], 1)
    push = """mutation ($input: PushResultsInput!) { pushResults(input: $input) { __typename
      ... on PushedResults { applied } ... on Problem { code message } } }"""
    row = {"subject": number, "grade": "A+", "resultOn": "2026-11-01"}
    assert (await city.do(push, by="provider", requestId="one", model="xiangxinfen", results=[row]))["applied"] == 1
    penalty = {**PENALTY_ROW, "行政相对人类别": "自然人", "行政相对人名称": "测good", "法定代表人": "/"}
    penalty |= {"处罚决定日期": "2026-11-01", "公示截止期": "2027-11-01"}
    penalty["行政相对人代码_1(统一社会信用代码)"] = number
    rulebook = city.state.rulebook
    (tmp_path / "a.csv").write_bytes(csv_bytes(penalty))  # a few hundred bytes
    await load_file(
        city.state.database,
        tmp_path / "a.csv",
        item=rulebook.catalogues["hunan-shaoyang"].items["administrative-penalty"],
        place="hunan-shaoyang",
        actor="provider",
        models_of=partial(rulebook.models_for, on=day_of(city.now)),
        quarantine=None,
        now=city.now,
    )
    assert [row.subject_id for row in await city.rows(pushed_results)] == [2]
    assert [row.subject_id for row in await city.rows(credit_records) if row.content_sealed] == [2]
