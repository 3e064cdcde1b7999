"""Leaving the scheme: at once, whole, and once. One thing to know: what law keeps stays, and the answer says why."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from factories import ISSUE, NOON, City
from order_steps import propose
from published import PENALTY, deliver
from sqlalchemy import event, insert, update

from core.audit import audit_entries
from core.errors import Unavailable
from core.integrity import sealed
from partners.codes import issue_code
from partners.lending.tables import loan_applications
from partners.offline.tables import offline_choices
from partners.tables import accounts, benefit_news, benefit_watches, notices
from scoring.leaving import ERASED, KEPT
from scoring.tables import (
    consent_steps,
    consents,
    credit_records,
    departures,
    enrollments,
    facts,
    outbox,
    score_inputs,
    scores,
)

LEAVE = """mutation ($input: LeaveSchemeInput!) { leaveScheme(input: $input) { __typename
  ... on Departure { leftAt erased { what count } kept { what reason } tombstone }
  ... on Problem { code message } } }"""
ENROLL = """mutation ($input: EnrollInput!) { enroll(input: $input) { __typename } }"""
ME = "{ me { enrolled scores { points history { edges { node { points } } } } records { edges { node { id } } } } }"


async def leave(city: City, person: str = "good") -> dict[str, Any]:
    return await city.do(LEAVE, by=person, confirm=True)


async def settle(city: City) -> None:
    """Give «good» stored scores, and everything that leaving erases or takes back."""
    await deliver(city, 1, "hours", "volunteer-service", {"document-number": "志-1", "authority": "测试志愿者协会"},
                  receivers=["测试接收单位"])  # fmt: skip
    await deliver(city, 1, "p1", "administrative-penalty", PENALTY, occurred_on=date(2020, 1, 1))
    terms = {
        "purpose": "collect",
        "purpose_version": "2026-11",
        "recipient": "测试协会",
        "scope": ["volunteer-service"],
    }
    dates = {"requested_at": NOON, "ends_on": date(2027, 1, 1), "erase_by": date(2027, 2, 1)}
    async with city.state.database.transaction() as connection:
        for name in ("volunteer_hours", "power_paid_months"):
            fact = {"subject_id": 1, "name": name, "value": 30, "observed_on": NOON.date()}
            await connection.execute(insert(facts).values(sealed(connection, facts, fact)))
        for key, state in ((1, "ACTIVE"), (2, "PAUSED"), (3, "REQUESTED"), (4, "REFUSED")):
            row = {"subject_id": 1, "id": UUID(int=key), "state": state, "requested_by": "good", "frequency": "once"}
            await connection.execute(insert(consents).values(sealed(connection, consents, row | terms | dates)))
    await city.ask('mutation { enroll(input: {noticeVersion: "2026-11-22"}) { __typename } }', by="good")
    await city.verify(await city.code("good"))
    asked = {"partner_id": 3, "offer_id": 8, "consent_id": UUID(int=1), "product": "农户小额贷款", "amount_fen": 1}
    asked |= {"months": 12, "use": "种子", "indicators": [], "applied_at": NOON, "expires_on": date(2026, 12, 20)}
    await city.write(
        insert(loan_applications).values(subject_id=1, id=UUID(int=5), state="APPLIED", **asked),
        insert(benefit_watches).values(subject_id=1, switched_on_at=NOON),
        insert(benefit_news).values(subject_id=1, offer_id=1, available_since=NOON),
        insert(offline_choices).values(subject_id=1, offer_id=1, on_since=NOON),
        insert(notices).values(subject_id=1, id=UUID(int=6), at=NOON, kind="new-benefit", text="有新的优惠"),
    )
    await propose(city)


async def of_good(city: City, table: Any) -> list[Any]:
    return [row for row in await city.rows(table) if row.subject_id == 1]


async def test_leaving_erases_what_no_law_keeps_and_names_what_stays(city: City) -> None:
    await settle(city)
    log = len(await city.log("good"))
    assert await of_good(city, scores)
    city.wait(minutes=1)
    left = await leave(city)
    assert left["leftAt"] == city.now.isoformat()
    assert {one["what"]: one["count"] for one in left["erased"]} == {
        "评价结果": 1,
        "评价结果的历史和所据数据": 1,
        "经同意采集的信用信息": 1,
        "这些信息的变更经过": 1,
        "这些信息提供给谁的登记": 1,
        "经同意采集的事实数据": 2,
        "消息": 2,
        "可用优惠的查看结果": 1,
        "新优惠提醒的设置": 1,
        "离线使用的设置": 1,
        "撤回的授权": 2,
        "撤回的贷款申请": 1,
        "作废的待确认订单": 1,
    }
    assert [(one["what"], one["reason"]) for one in left["kept"]] == list(KEPT)
    for table in (scores, score_inputs, facts, notices, benefit_news, benefit_watches):
        assert await of_good(city, table) == []
    assert sorted(row.id for row in await of_good(city, credit_records)) == ["p1", "r0"]
    assert {row.id.int: row.state for row in await of_good(city, consents)} == {
        1: "REVOKED", 2: "REVOKED", 3: "REFUSED", 4: "REFUSED",
    }  # fmt: skip
    assert sorted(row.act for row in await of_good(city, consent_steps)) == ["refuse", "revoke", "revoke"]
    (row,) = await city.rows(departures)
    assert (row.subject_id, row.at, row.tombstone) == (1, city.now, left["tombstone"])
    assert row.erased == {"scores": 1, "score_inputs": 1, "credit_records": 1, "record_versions": 1,
                          "record_receivers": 1, "facts": 2, "notices": 2, "benefit_news": 1,
                          "benefit_watches": 1, "offline_choices": 1, "consents": 2, "loan_applications": 1,
                          "orders": 1}  # fmt: skip
    assert len(await city.log("good")) == log, "who looked stays on the log"
    (entry,) = [one for one in await city.rows(audit_entries) if one.action == "leaveScheme"]
    assert (entry.actor, entry.subject_id) == ("good", 1)
    (parcel,) = await city.rows(outbox)
    assert (parcel.topic, parcel.destination) == ("record-changed", "测试接收单位"), "whoever was given it is told"


async def test_everybody_elses_rows_stay_as_they_were(city: City) -> None:
    for person in ("plain", "poor", "good"):
        await city.verify(await city.code(person))
    others = [row for row in await city.rows(scores) if row.subject_id != 1]
    await leave(city)
    assert await city.rows(scores) == others


async def test_codes_give_the_standard_service_at_once_and_none_is_issued(city: City) -> None:
    code = await city.code("good")
    await leave(city)
    assert (await city.verify(code))["outcome"] == "STANDARD_SERVICE"
    assert (await city.do(ISSUE, by="good"))["code"] == "NOT_ENROLLED"
    assert await of_good(city, scores) == []
    assert await of_good(city, score_inputs) == []


async def test_a_left_subject_still_reads_its_own_data(city: City) -> None:
    await settle(city)
    await leave(city)
    me = (await city.ask(ME, by="good"))["data"]["me"]
    assert (me["enrolled"], me["scores"]) == (False, [])
    assert [edge["node"]["id"] for edge in me["records"]["edges"]] == ["r0", "p1"]
    assert len(await city.log("good")) == 2
    export = "mutation { exportMine(input: {format: JSON}) { __typename } }"
    assert (await city.ask(export, by="good"))["data"]["exportMine"]["__typename"] == "ExportedReport"


async def test_what_was_reserved_still_redeems(city: City) -> None:
    answer = await city.verify(await city.code("good"), "tower")
    await leave(city)
    assert (await city.redeem(answer["id"]))["__typename"] == "Redemption"


async def test_leaving_again_changes_nothing_and_tells_what_was_done(city: City) -> None:
    first = await leave(city)
    before = await city.tally()
    city.wait(days=1)
    assert await leave(city) == first
    assert await city.tally() == before


async def test_who_never_joined_and_who_does_not_confirm_leave_nothing(city: City) -> None:
    before = await city.tally()
    assert (await leave(city, "stranger"))["code"] == "NOT_ENROLLED"
    assert (await city.do(LEAVE, by="good", confirm=False))["code"] == "NOT_CONFIRMED"
    await city.write(update(accounts).where(accounts.c.id == "good").values(basis="mandate"))
    assert (await leave(city))["code"] == "NOT_BY_MANDATE"
    assert await city.tally() == before


async def test_joining_again_starts_anew(city: City) -> None:
    await settle(city)
    city.wait(minutes=1)
    await leave(city)
    city.wait(days=30)
    await city.do(ENROLL, by="good", noticeVersion="2026-11-22")
    (score,) = (await city.ask(ME, by="good"))["data"]["me"]["scores"]
    assert len(score["history"]["edges"]) == 1, "nothing of the time before"
    assert [row.at for row in await of_good(city, score_inputs)] == [city.now]
    assert (await city.verify(await city.code("good")))["outcome"] == "BENEFIT_APPLIES"
    city.wait(days=1)
    assert (await leave(city))["leftAt"] == city.now.isoformat()
    assert len(await of_good(city, departures)) == 2


async def test_a_tombstone_differs_though_the_same_was_erased(city: City) -> None:
    tombstones = set()
    for _ in range(2):
        tombstones.add((await leave(city))["tombstone"])
        city.wait(days=1)
        await city.do(ENROLL, by="good", noticeVersion="2026-11-22")
        city.wait(days=1)
    assert len(tombstones) == 2


async def test_rows_changed_by_hand_do_not_keep_anybody_in(city: City) -> None:
    await settle(city)
    await city.write(update(scores).values(points=1), update(facts).values(value=1), by_hand=True)
    await city.write(update(consents).values(ends_on=date(2027, 3, 1)), by_hand=True)
    assert (await leave(city))["__typename"] == "Departure"
    assert await of_good(city, scores) == []
    assert [row.state for row in await of_good(city, consents) if row.id.int in (1, 2)] == ["REVOKED"] * 2


async def test_two_who_leave_at_once_leave_once(city: City) -> None:
    answers = await asyncio.gather(*(leave(city) for _ in range(5)))
    assert {answer["__typename"] for answer in answers} == {"Departure"}
    assert len({answer["tombstone"] for answer in answers}) == 1
    assert len(await city.rows(departures)) == 1


@pytest.mark.parametrize("round_", range(3))
async def test_a_scan_at_the_same_moment_is_before_or_after_and_leaves_no_score_behind(city: City, round_: int) -> None:
    codes = [issue_code(city.keys, subject_id=1, offer_id=None, now=city.now)[1] for _ in range(6)]
    scans = [city.verify(code) for code in codes]
    answers = await asyncio.gather(*scans[: round_ * 2], leave(city), *scans[round_ * 2 :])
    outcomes = {answer["outcome"] for answer in answers if "outcome" in answer}
    assert outcomes <= {"BENEFIT_APPLIES", "STANDARD_SERVICE"}
    assert (await city.verify(issue_code(city.keys, subject_id=1, offer_id=None, now=city.now)[1]))["outcome"] == (
        "STANDARD_SERVICE"
    )
    assert await of_good(city, scores) == []
    assert await of_good(city, score_inputs) == []


@contextmanager
def failing_at(city: City, number: int) -> Iterator[list[str]]:
    """The database gives up at the statement of that number; what was run so far."""
    engine = city.state.database.writer.sync_engine
    seen: list[str] = []

    def before(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)
        if len(seen) == number:
            raise Unavailable

    event.listen(engine, "before_cursor_execute", before)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", before)


async def test_a_failure_at_any_statement_leaves_everything_or_nothing(city: City) -> None:
    await settle(city)
    before = await city.tally()
    number = 0
    while True:
        number += 1
        with failing_at(city, number) as seen:
            answer = await leave(city)
        if len(seen) < number:
            break
        assert answer["code"] == "UNAVAILABLE"
        assert await city.tally() == before
        assert [row.left_at for row in await of_good(city, enrollments)] == [None]
    assert number > 20
    assert answer["__typename"] == "Departure"
    assert len(await city.rows(departures)) == 1
    assert set(ERASED) == set((await city.rows(departures))[0].erased)
