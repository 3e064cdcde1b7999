"""Many at once. One thing to know: whatever the order in which they arrive, a code decides once, a unit of quota is
used once, and whoever loses a race gets a plain answer and never an error of ours."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from factories import OFFERS, REDEEM, REVERSE, VERIFY, City, offer_id, open_city
from sqlalchemy import delete

from core.audit import audit_entries
from partners.codes import issue_code
from partners.tables import access_events, answers, quotas, redemptions, verifications
from scoring.tables import enrollments

CROWD = 200
TOWER = list(OFFERS).index("tower") + 1

deployments = pytest.mark.parametrize(
    ("city_url", "cities"),
    [("sqlite", 1), ("postgresql", 1), ("postgresql", 2)],
    ids=["sqlite", "postgresql", "two-instances-one-postgresql"],
    indirect=True,
)


@pytest.fixture
async def cities(request: pytest.FixtureRequest, city_url: str, keys_file: Path) -> AsyncIterator[list[City]]:
    """As many instances of the application as the parameter says, over one database."""
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(open_city(database_url=city_url, keys_file=keys_file, rate_burst=10_000))
            for _ in range(request.param)
        ]
        yield opened


async def at_once(asked: Iterable[Awaitable[dict[str, Any]]]) -> list[dict[str, Any]]:
    return list(await asyncio.gather(*asked))


async def answered(city: City, query: str, *, by: str = "scenic", **given: Any) -> dict[str, Any]:
    """The answer of a client that keeps to the rules: on UNAVAILABLE (too many wait for a connection on a slow
    machine) it sends the same request again."""
    for _ in range(20):
        answer = await city.do(query, by=by, **given)
        if answer.get("code") != "UNAVAILABLE":
            break
    return answer


def codes_of(found: list[dict[str, Any]]) -> Counter[str]:
    return Counter(answer.get("code", answer["__typename"]) for answer in found)


def verify_input(code: str, request: str, offer: str = "museum") -> dict[str, str]:
    return {"requestId": request, "code": code, "offerId": offer_id(offer)}


@deployments
async def test_two_hundred_scans_of_one_code_at_once_decide_once(cities: list[City]) -> None:
    code = await cities[0].code("good")
    found = await at_once(
        answered(cities[n % len(cities)], VERIFY, **verify_input(code, f"r{n}")) for n in range(CROWD)
    )
    assert codes_of(found) == {"Verification": 1, "CODE_REPLAYED": CROWD - 1}
    tally = await cities[0].tally()
    assert tally["verifications"] == 1
    assert tally["access_events"] == tally["audit_entries"] == tally["answers"] == CROWD


@deployments
async def test_one_request_sent_two_hundred_times_at_once_is_answered_alike_and_written_once(
    cities: list[City],
) -> None:
    asked = verify_input(await cities[0].code("good"), "the same")
    found = await at_once(answered(cities[n % len(cities)], VERIFY, **asked) for n in range(CROWD))
    assert all(answer == found[0] for answer in found)
    assert found[0]["outcome"] == "BENEFIT_APPLIES"
    for table in (verifications, access_events, audit_entries, answers):
        assert len(await cities[0].rows(table)) == 1, table.name


@deployments
async def test_a_quota_of_ten_under_two_hundred_people_at_once_gives_ten_redemptions(cities: list[City]) -> None:
    people = await cities[0].move_in(CROWD)

    async def visit(number: int, subject: int) -> dict[str, Any]:
        city = cities[number % len(cities)]
        _, code = issue_code(city.keys, subject_id=subject, offer_id=None, now=city.now)
        answer = await answered(city, VERIFY, **verify_input(code, f"v{number}", "tower"))
        if answer["__typename"] == "Problem":
            return answer
        return await answered(city, REDEEM, requestId=f"d{number}", verificationId=answer["id"])

    found = await at_once(visit(number, subject) for number, subject in enumerate(people.values()))
    assert codes_of(found) == {"Redemption": 10, "QUOTA_EXHAUSTED": CROWD - 10}
    assert len(await cities[0].rows(redemptions)) == 10
    assert [(row.offer_id, row.taken) for row in await cities[0].rows(quotas)] == [(TOWER, 10)]


@deployments
async def test_two_codes_of_one_person_at_two_gates_at_once_use_a_limit_of_one_once(cities: list[City]) -> None:
    codes = [await cities[0].code("good") for _ in range(20)]
    found = await at_once(
        answered(cities[n % len(cities)], VERIFY, **verify_input(code, f"r{n}", "garden"))
        for n, code in enumerate(codes)
    )
    assert Counter(answer["outcome"] for answer in found) == {"BENEFIT_APPLIES": 1, "STANDARD_SERVICE": 19}


@deployments
async def test_redeeming_and_reversing_at_once_happen_once(cities: list[City]) -> None:
    home = cities[0]
    answer = await home.verify(await home.code("good"), "tower")
    found = await at_once(
        answered(cities[n % len(cities)], REDEEM, requestId=f"d{n}", verificationId=answer["id"]) for n in range(20)
    )
    assert codes_of(found) == {"Redemption": 1, "ALREADY_REDEEMED": 19}
    (redemption,) = {one["id"] for one in found if one["__typename"] == "Redemption"}
    found = await at_once(
        answered(cities[n % len(cities)], REVERSE, requestId=f"v{n}", redemptionId=redemption, reason="顾客退票")
        for n in range(20)
    )
    assert codes_of(found) == {"ReversedRedemption": 1, "ALREADY_REVERSED": 19}
    assert [row.taken for row in await home.rows(quotas)] == [0]


@deployments
async def test_enrolling_twenty_times_at_once_leaves_one_enrolment_and_one_instant(cities: list[City]) -> None:
    home = cities[0]
    await home.write(delete(enrollments).where(enrollments.c.subject_id == 1))
    enroll = """mutation ($input: EnrollInput!) { enroll(input: $input) { __typename
      ... on Enrollment { enrolledAt } ... on Problem { code } } }"""
    found = await at_once(
        answered(cities[n % len(cities)], enroll, by="good", noticeVersion="2026-11-22") for n in range(20)
    )
    assert {one["enrolledAt"] for one in found} == {home.now.isoformat()}
    assert [row.notice_version for row in await home.rows(enrollments) if row.subject_id == 1] == ["2026-11-22"]
    assert len(await home.rows(audit_entries)) == 1


@deployments
async def test_a_busy_counter_meets_no_dead_end(cities: list[City]) -> None:
    """Every step of every kind at once, about few people and one scarce offer: locks are always taken in one order."""
    home = cities[0]
    people = await home.move_in(3)

    async def visit(number: int) -> set[str]:
        city, seen = cities[number % len(cities)], set()
        subject = list(people.values())[number % 3]
        for offer in ("tower", "garden"):
            _, code = issue_code(city.keys, subject_id=subject, offer_id=None, now=city.now)
            answer = await answered(city, VERIFY, **verify_input(code, f"v{number}{offer}", offer))
            seen.add(answer.get("code", ""))
            if answer.get("outcome") != "BENEFIT_APPLIES":
                continue
            redeemed = await answered(city, REDEEM, requestId=f"d{number}{offer}", verificationId=answer["id"])
            assert redeemed["__typename"] == "Redemption"
            gone = await answered(
                city,
                REVERSE,
                requestId=f"r{number}{offer}",
                redemptionId=redeemed["id"],
                reason="顾客退票",
            )
            assert gone["__typename"] == "ReversedRedemption"
        return seen

    problems = set().union(*await asyncio.gather(*(visit(number) for number in range(60))))
    assert problems <= {"", "QUOTA_EXHAUSTED"}
    assert [row.taken for row in await home.rows(quotas)] == [0]
