"""Taking part, growing older, and losing a right. One thing to know: nothing here waits for a job to have run; the
answer is right at the moment of asking."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
from factories import ISSUE, NOON, REDEEM, REVERSE, VERIFY, City, offer_id
from sqlalchemy import delete, insert, select, update

import scoring.scores
from api.ids import public_id, uuid_of
from core.audit import audit_entries
from core.integrity import sealed
from partners.codes import issue_code
from partners.tables import accounts
from scoring.inputs import Inputs
from scoring.scores import refresh_scores
from scoring.tables import credit_records, enrollments, facts, scores, subjects

ENROLL = """mutation ($input: EnrollInput!) { enroll(input: $input) { __typename
  ... on Enrollment { enrolledAt } ... on Problem { code message } } }"""
SCORES = "{ me { enrolled scores { model { id } points grade { code } evaluatedAt lines { points } } } }"


async def leave(city: City, *people: int) -> None:
    await city.write(delete(enrollments).where(enrollments.c.subject_id.in_(people)))


async def enrolled(city: City, person: str) -> bool:
    return bool((await city.ask("{ me { enrolled } }", by=person))["data"]["me"]["enrolled"])


async def test_enrolling_twice_keeps_the_first_instant_and_one_row(city: City) -> None:
    assert not await enrolled(city, "stranger")
    first = await city.do(ENROLL, by="stranger", noticeVersion="2026-11-22")
    assert first == {"__typename": "Enrollment", "enrolledAt": NOON.isoformat()}
    before = await city.tally()
    city.wait(days=3)
    assert await city.do(ENROLL, by="stranger", noticeVersion="2026-11-22") == first
    assert await city.tally() == before
    assert await enrolled(city, "stranger")
    (entry,) = await city.rows(audit_entries)
    assert (entry.subject_id, entry.actor, entry.action, entry.content) == (
        5,
        "stranger",
        "enroll",
        '{"notice":"2026-11-22"}',
    )


async def test_a_notice_that_is_not_in_force_enrols_nobody(city: City) -> None:
    before = await city.tally()
    for version in ("2025-01", "", "2026-11 ", "９" * 10_000):
        answer = await city.do(ENROLL, by="stranger", noticeVersion=version)
        assert answer["code"] == "NOTICE_OUTDATED"
    assert (await city.do(ENROLL, by="good", noticeVersion="2025-01"))["code"] == "NOTICE_OUTDATED"
    assert await city.tally() == before
    assert not await enrolled(city, "stranger")


async def test_a_minor_may_enrol_and_is_not_scored(city: City) -> None:
    await leave(city, 4)
    assert (await city.do(ENROLL, by="minor", noticeVersion="2026-11-22"))["__typename"] == "Enrollment"
    me = (await city.ask(SCORES, by="minor"))["data"]["me"]
    assert (me["enrolled"], me["scores"]) == (True, [])
    assert (await city.verify(await city.code("minor")))["outcome"] == "STANDARD_SERVICE"


async def test_a_minor_is_scored_from_the_eighteenth_birthday_on_without_doing_anything(city: City) -> None:
    async def outcome() -> str:
        _, code = issue_code(city.keys, subject_id=4, offer_id=None, now=city.now)
        return str((await city.verify(code))["outcome"])

    await city.write(update(subjects).where(subjects.c.id == 4).values(birth_on=date(2008, 11, 21)))
    city.wait(hours=11, minutes=59, seconds=59)
    assert await outcome() == "STANDARD_SERVICE"
    city.wait(seconds=1)
    assert await outcome() == "BENEFIT_APPLIES"
    assert len((await city.ask(SCORES, by="minor"))["data"]["me"]["scores"]) == 1


async def test_an_agent_enrols_the_enterprise_and_acts_for_it(city: City) -> None:
    firm = 8
    await leave(city, firm)
    assert (await city.do(ISSUE, by="firm"))["code"] == "NOT_ENROLLED"
    assert (await city.do(ENROLL, by="firm", noticeVersion="2026-11-22"))["__typename"] == "Enrollment"
    assert [row.subject_id for row in await city.rows(enrollments) if row.enrolled_at == city.now] == [firm]
    answer = await city.verify(await city.code("firm"), "loan", by="bank")
    assert answer["outcome"] == "BENEFIT_APPLIES"
    me = (await city.ask("{ me { kind displayName } }", by="firm"))["data"]["me"]
    assert me == {"kind": "ENTERPRISE", "displayName": "测试企业"}


async def test_who_is_not_enrolled_gets_no_code_and_who_has_left_neither(city: City) -> None:
    assert (await city.do(ISSUE, by="stranger"))["code"] == "NOT_ENROLLED"
    await city.write(update(enrollments).where(enrollments.c.subject_id == 1).values(left_at=city.now))
    assert (await city.do(ISSUE, by="good"))["code"] == "NOT_ENROLLED"
    city.wait(minutes=1)
    assert (await city.do(ENROLL, by="good", noticeVersion="2026-11-22"))["enrolledAt"] == city.now.isoformat()
    assert (await city.verify(await city.code("good")))["outcome"] == "BENEFIT_APPLIES"


async def test_a_code_for_an_offer_that_is_not_open_is_not_issued(city: City) -> None:
    for name in ("ended", "later", "waiting"):
        assert (await city.do(ISSUE, by="good", offerId=offer_id(name)))["code"] == "OFFER_CLOSED"


async def grade(city: City, person: str) -> str:
    (score,) = (await city.ask(SCORES, by=person))["data"]["me"]["scores"]
    return str(score["grade"]["code"])


async def store_score(city: City, person: int) -> None:
    model = city.state.rulebook.models.get("xiangxinfen")
    async with city.state.database.transaction() as connection:
        await refresh_scores(connection, subject_id=person, models=[model], now=city.now)


async def change_record(city: City, person: int, **values: Any) -> None:
    given = {"id": "r9", "source": "测试", "serious_consequence": False, "subject_id": person}
    await city.write(insert(credit_records).values(given | values))


async def test_a_stored_score_is_made_afresh_when_time_alone_has_changed_it(city: City) -> None:
    # 60 points off an unpaid judgment in its fifth year make a B; after five years none are off.
    await change_record(city, 1, item="court-enforcement", occurred_on=date(2021, 11, 25))
    await store_score(city, 1)
    (row,) = await city.rows(scores)
    assert await grade(city, "good") == "B"
    assert (await city.verify(await city.code("good")))["outcome"] == "STANDARD_SERVICE"
    assert row.valid_until is not None
    assert NOON.date() < row.valid_until <= date(2026, 11, 26)
    city.wait(days=7)
    assert await grade(city, "good") == "A"
    # Reading writes nothing: the stored row is the old one still, and no job has run.
    assert [kept.evaluated_at for kept in await city.rows(scores)] == [NOON]
    assert (await city.verify(await city.code("good")))["outcome"] == "BENEFIT_APPLIES"
    assert [kept.evaluated_at for kept in await city.rows(scores)] == [city.now]


async def test_a_stored_score_stops_counting_on_the_day_a_record_is_removed(city: City) -> None:
    removed_on = NOON.date() + timedelta(days=2)
    await change_record(city, 1, item="court-enforcement", occurred_on=date(2026, 10, 1), removed_on=removed_on)
    await store_score(city, 1)
    assert await grade(city, "good") == "C+"
    city.now = NOON.replace(hour=15, minute=59, second=59) + timedelta(days=1)
    assert await grade(city, "good") == "C+"
    city.wait(seconds=1)  # midnight in Shanghai
    assert await grade(city, "good") == "A"
    assert (await city.verify(await city.code("good")))["outcome"] == "BENEFIT_APPLIES"


@pytest.mark.parametrize("city_url", ["postgresql"], indirect=True)
async def test_a_record_that_arrives_while_a_scan_makes_the_score_is_not_forgotten(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = scoring.scores.read_inputs
    held: list[asyncio.Task[None]] = []

    async def record_arrives() -> None:
        async with city.state.database.transaction() as connection:
            given = {"id": "r9", "source": "测试", "serious_consequence": False, "subject_id": 1}
            values = given | {"item": "court-enforcement", "occurred_on": date(2026, 10, 1)}
            await connection.execute(insert(credit_records).values(sealed(connection, credit_records, values)))
            model = city.state.rulebook.models.get("xiangxinfen")
            await refresh_scores(connection, subject_id=1, models=[model], now=city.now)

    async def slowly(*args: Any, **given: Any) -> dict[int, Inputs]:
        known = await read(*args, **given)
        monkeypatch.setattr(scoring.scores, "read_inputs", read)
        held.append(asyncio.create_task(record_arrives()))
        # The change is done before the scan goes on, or waits for it: both are right.
        await asyncio.wait(held, timeout=0.5)
        return known

    code = await city.code("good")
    monkeypatch.setattr(scoring.scores, "read_inputs", slowly)
    await city.verify(code)
    await asyncio.gather(*held)
    assert (await city.verify(await city.code("good")))["outcome"] == "STANDARD_SERVICE"
    assert await grade(city, "good") == "C+"


async def test_a_score_of_another_version_of_the_model_is_not_used(city: City) -> None:
    await store_score(city, 3)
    await city.write(update(scores).values(grade="A+", model_checksum="0" * 64))
    assert await grade(city, "poor") == "C+"
    assert (await city.verify(await city.code("poor")))["outcome"] == "STANDARD_SERVICE"
    (made_afresh,) = await city.rows(scores)
    assert made_afresh.model_checksum == city.state.rulebook.models.get("xiangxinfen").checksum
    await city.write(update(scores).values(grade="A+"))
    assert await grade(city, "poor") == "A+"


async def test_a_stored_grade_that_the_model_does_not_know_is_a_fault_and_no_problem(city: City) -> None:
    await store_score(city, 1)
    await city.write(update(scores).values(grade="Z"))
    assert (await city.verify(await city.code("good")))["outcome"] == "STANDARD_SERVICE"
    assert (await city.tally())["security_events"] == 1


FAULTS: list[Any] = [
    update(subjects).values(place="atlantis"),
    insert(credit_records).values(
        id="x", item="no-such-item", occurred_on=date(2026, 1, 1), source="", subject_id=1, serious_consequence=False
    ),
    insert(credit_records).values(
        id="x", item="court-enforcement", occurred_on=date.min, source="", subject_id=1, serious_consequence=False
    ),
    insert(credit_records).values(
        id="x", item="court-enforcement", occurred_on=date.max, source="", subject_id=1, serious_consequence=False
    ),
    insert(credit_records).values(
        id="x", item="rescue-honour", occurred_on=date(2026, 1, 1), source="", points=-(2**62), subject_id=1,
        serious_consequence=False,
    ),
    *(
        insert(facts).values(subject_id=1, name="volunteer_hours", value=value, observed_on=NOON.date())
        for value in (-1, 1e300, "NaN", "1e999999999", [], {}, [[[]]], True, "", {"score": 1}, None)
    ),
]  # fmt: skip


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "number",
    [
        *range(len(FAULTS)),
    ],
)
async def test_no_fault_in_one_persons_data_becomes_a_third_answer(city: City, number: int) -> None:
    await city.write(FAULTS[number])
    _, code = issue_code(city.keys, subject_id=1, offer_id=None, now=city.now)
    body = await city.ask(
        VERIFY, {"input": {"requestId": "one", "code": code, "offerId": offer_id("museum")}}, by="scenic"
    )
    assert "errors" not in body, body
    assert body["data"]["verifyCreditCode"]["__typename"] == "Verification"
    if body["data"]["verifyCreditCode"]["outcome"] == "STANDARD_SERVICE":
        assert (await city.tally())["security_events"] == 1
    mine = await city.ask("{ me { scores { points } benefits { edges { node { available } } } } }", by="good")
    assert "errors" not in mine, mine


async def test_an_account_that_has_ended_may_do_nothing_at_once_though_its_token_lives(city: City) -> None:
    code = await city.code("good")
    asked = {"code": code, "offerId": offer_id("museum")}
    first = await city.verify(await city.code("good"))  # the token is remembered now
    token = {"authorization": f"Bearer {city.token('scenic')}"}

    async def told(query: str, **given: Any) -> str | None:
        body = {"query": query, "variables": {"input": given} if given else None}
        response = await city.client.post("/graphql", json=body, headers=token)
        return next((error["extensions"]["code"] for error in response.json().get("errors", [])), None)

    assert await told("{ partner { id } }") is None
    await city.end_account("scenic")
    before = await city.tally()
    assert await told("{ partner { id } }") == "UNAUTHENTICATED"
    assert await told(VERIFY, requestId="new", **asked) == "UNAUTHENTICATED"
    assert await told(VERIFY, requestId="request-1", **asked) == "UNAUTHENTICATED"
    assert await told(REDEEM, requestId="new", verificationId=first["id"]) == "UNAUTHENTICATED"
    redemption = public_id("Redemption", uuid_of(first["id"], "Verification"))
    assert await told(REVERSE, requestId="new", redemptionId=redemption, reason="顾客退票") == "UNAUTHENTICATED"
    assert await city.tally() == before
    await city.write(update(accounts).where(accounts.c.id == "scenic").values(ended_at=None))
    assert (await city.verify(code))["outcome"] == "BENEFIT_APPLIES"


async def test_a_subjects_account_that_has_ended_sees_and_shows_nothing(city: City) -> None:
    await city.code("good")
    await city.end_account("good")
    for query in ("{ me { id } }", "mutation { issueCreditCode(input: {}) { __typename } }",
                  'mutation { enroll(input: {noticeVersion: "2026-11-22"}) { __typename } }'):  # fmt: skip
        body = await city.ask(query, by="good")
        assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_an_account_moved_to_another_partner_or_role_acts_as_what_it_is_now(city: City) -> None:
    answer = await city.verify(await city.code("good"))
    await city.write(update(accounts).where(accounts.c.id == "scenic").values(partner_id=2))
    assert (await city.redeem(answer["id"]))["code"] == "NOT_REDEEMABLE"
    assert (await city.verify(await city.code("good"), "clinic"))["outcome"] == "BENEFIT_APPLIES"
    await city.write(update(accounts).where(accounts.c.id == "scenic").values(role="operator", partner_id=None))
    body = await city.ask("{ partner { id } }", by="scenic")
    assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_the_place_decides_which_models_apply(city: City) -> None:
    me = (await city.ask(SCORES, by="elsewhere"))["data"]["me"]
    assert "xiangxinfen" not in {score["model"]["id"] for score in me["scores"]}
    async with city.state.database.reading() as connection:
        assert await connection.scalar(select(subjects.c.place).where(subjects.c.id == 7)) == "guangdong-huizhou"
