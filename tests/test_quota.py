"""How often an offer may be used, in all and by one person. One thing to know: a unit is taken before the person is
looked at, so that «nothing left» never tells anything about anybody."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from factories import NOON, OFFERS, PEOPLE, City, offer_id
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from api.ids import public_id
from core.audit import audit_entries
from partners.codes import issue_code
from partners.tables import access_events, answers, quotas, redemptions, verifications

CAP = 10
TOWER, GARDEN = (list(OFFERS).index(name) + 1 for name in ("tower", "garden"))


async def taken(city: City) -> int:
    return int((await city.rows(quotas))[0].taken)


async def fill(city: City, number: int = CAP) -> list[dict[str, Any]]:
    """Reserve that many units."""
    answered = [await city.verify(await city.code("good"), "tower") for _ in range(number)]
    assert {answer["outcome"] for answer in answered} == {"BENEFIT_APPLIES"}
    return answered


async def test_a_unit_is_reserved_at_verification_and_kept_by_the_redemption(city: City) -> None:
    answer = await city.verify(await city.code("good"), "tower")
    assert answer["expiresAt"] == (NOON + timedelta(minutes=10)).isoformat()
    assert await taken(city) == 1
    await city.redeem(answer["id"])
    assert await taken(city) == 1
    city.wait(hours=1)
    await fill(city, CAP - 1)
    assert (await city.verify(await city.code("good"), "tower"))["code"] == "QUOTA_EXHAUSTED"


async def test_the_standard_service_gives_its_unit_back_at_once(city: City) -> None:
    for person in ("plain", "poor", "minor", "faulty", "elsewhere", "firm"):
        assert (await city.verify(await city.code(person), "tower"))["outcome"] == "STANDARD_SERVICE"
        assert await taken(city) == 0
    assert [row.reserved for row in await city.rows(verifications)] == [False] * 6


async def test_a_reservation_that_ran_out_is_free_without_any_job_and_not_a_moment_before(city: City) -> None:
    await fill(city)
    city.wait(minutes=9, seconds=59)
    assert (await city.verify(await city.code("good"), "tower"))["code"] == "QUOTA_EXHAUSTED"
    city.wait(seconds=1)
    await fill(city)
    assert (await city.verify(await city.code("good"), "tower"))["code"] == "QUOTA_EXHAUSTED"
    assert await taken(city) == CAP


async def test_a_reversal_gives_one_unit_back_and_a_second_one_none(city: City) -> None:
    redeemed = [await city.redeem(answer["id"]) for answer in await fill(city)]
    await city.reverse(redeemed[0]["id"])
    assert (await city.reverse(redeemed[0]["id"]))["code"] == "ALREADY_REVERSED"
    assert await taken(city) == CAP - 1
    await fill(city, 1)
    assert (await city.verify(await city.code("good"), "tower"))["code"] == "QUOTA_EXHAUSTED"


async def test_nothing_left_is_said_of_everybody_alike_and_leaves_the_code_good(city: City) -> None:
    redeemed = [await city.redeem(answer["id"]) for answer in await fill(city)]
    people = [name for name in (*PEOPLE, "firm") if name != "stranger"]
    codes = {name: await city.code(name) for name in people}
    found = [await city.verify(code, "tower") for code in codes.values()]
    assert found[0]["code"] == "QUOTA_EXHAUSTED"
    assert all(answer == found[0] for answer in found)
    assert [event["problem"] for event in await city.log("poor")] == ["QUOTA_EXHAUSTED"]
    await city.reverse(redeemed[0]["id"])
    assert (await city.verify(codes["poor"], "tower"))["outcome"] == "STANDARD_SERVICE"
    assert (await city.verify(codes["good"], "tower"))["outcome"] == "BENEFIT_APPLIES"


async def test_a_reservation_that_ran_out_redeems_no_more_and_frees_its_unit_once(city: City) -> None:
    (answer,) = await fill(city, 1)
    city.wait(minutes=10)
    assert (await city.redeem(answer["id"]))["code"] == "NOT_REDEEMABLE"
    await fill(city)
    assert await taken(city) == CAP
    assert len([row for row in await city.rows(verifications) if row.reserved]) == CAP


async def test_a_unit_given_to_somebody_else_is_not_redeemed_by_a_slower_clock(city: City) -> None:
    """Two instances' clocks differ a little, or a redemption waited for its connection while the sweep went by."""
    early = await fill(city)
    city.wait(minutes=10)
    late = await fill(city)
    city.wait(milliseconds=-1)
    for answer in (*early, *late):
        await city.redeem(answer["id"])
    assert len(await city.rows(redemptions)) <= CAP


async def test_a_limit_of_one_holds_where_the_redeeming_clock_is_behind(city: City) -> None:
    early = await city.verify(await city.code("good"), "garden")
    city.wait(minutes=10)
    late = await city.verify(await city.code("good"), "garden")
    assert late["outcome"] == "BENEFIT_APPLIES"
    city.wait(milliseconds=-1)
    await city.redeem(early["id"])
    await city.redeem(late["id"])
    assert len(await city.rows(redemptions)) <= 1


async def test_one_person_uses_a_limited_offer_once_until_it_is_taken_back(city: City) -> None:
    first = await city.verify(await city.code("good"), "garden")
    assert first["outcome"] == "BENEFIT_APPLIES"
    assert (await city.verify(await city.code("good"), "garden"))["outcome"] == "STANDARD_SERVICE"
    assert (await city.log("good"))[0]["whyNot"][0]["code"] == "LIMIT_REACHED"
    redeemed = await city.redeem(first["id"])
    city.wait(days=400)
    assert (await city.verify(await city.code("good"), "garden"))["outcome"] == "STANDARD_SERVICE"
    await city.reverse(redeemed["id"])
    again = await city.verify(await city.code("good"), "garden")
    assert again["outcome"] == "BENEFIT_APPLIES"
    city.wait(minutes=10)
    assert (await city.verify(await city.code("good"), "garden"))["outcome"] == "BENEFIT_APPLIES"


async def test_a_limit_counts_only_its_own_offer_and_only_its_own_person(city: City) -> None:
    people = await city.move_in(1)
    for offer in ("garden", "museum", "tower"):
        assert (await city.verify(await city.code("good"), offer))["outcome"] == "BENEFIT_APPLIES"
    assert (await city.verify(await city.code(next(iter(people))), "garden"))["outcome"] == "BENEFIT_APPLIES"


async def test_the_subject_sees_what_is_left_as_a_partner_would_meet_it(city: City) -> None:
    ask = "{ me { benefits { edges { node { offer { id } available whyNot { code } } } } } }"

    async def why(person: str) -> list[str]:
        body = await city.ask(ask, by=person)
        (tower,) = (
            edge["node"]
            for edge in body["data"]["me"]["benefits"]["edges"]
            if edge["node"]["offer"]["id"] == offer_id("tower")
        )
        assert tower["available"] == (not tower["whyNot"])
        return [reason["code"] for reason in tower["whyNot"]]

    assert await why("good") == []
    await fill(city)
    assert await why("good") == ["QUOTA_EXHAUSTED"]
    assert await why("plain") == ["GRADE_NOT_REACHED", "QUOTA_EXHAUSTED"]
    city.wait(minutes=10)
    assert await why("good") == []


STEPS = st.one_of(
    st.tuples(st.just("verify"), st.sampled_from(["good", "plain", "firm"]), st.sampled_from(["tower", "garden"])),
    st.tuples(st.just("redeem"), st.integers(0, 9), st.none()),
    st.tuples(st.just("reverse"), st.integers(0, 9), st.none()),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 299.0, 300.0, 600.0, 601.0]), st.none()),
)


async def balance(city: City, *, cap: int) -> None:
    """The books agree: every unit taken is held by one live reservation, one lapsed one, or one redemption."""
    state, used = await city.rows(verifications), await city.rows(redemptions)
    (quota,) = await city.rows(quotas)
    offer_of = {row.id: row.offer_id for row in state}
    reserved = [row for row in state if row.reserved]
    redeemed = [row for row in used if row.reversed_at is None and offer_of[row.verification_id] == TOWER]
    assert 0 <= quota.taken <= cap
    assert quota.taken == len(reserved) + len(redeemed)
    assert all(row.offer_id == TOWER and row.outcome == "BENEFIT_APPLIES" for row in reserved)
    standing = {row.verification_id: row.reversed_at is None for row in used}
    in_garden = [row for row in state if row.offer_id == GARDEN and row.outcome == "BENEFIT_APPLIES"]
    assert sum(standing.get(row.id, row.expires_at > city.now) for row in in_garden) <= 1


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=25), st.integers(1, 3))
async def test_whatever_happens_every_unit_taken_is_held_by_exactly_one(
    city: City, steps: list[tuple[str, Any, Any]], cap: int
) -> None:
    city.now += timedelta(days=1)
    await city.write(*(delete(table) for table in (redemptions, verifications, access_events, answers, audit_entries)))
    await city.write(update(quotas).values(cap=cap, taken=0))
    reserved: list[tuple[str, str, Any]] = []
    used: list[str] = []
    for step, what, offer in steps:
        if step == "wait":
            city.wait(seconds=what)
        elif step == "redeem" and reserved:
            verification, outcome, expires_at = reserved[what % len(reserved)]
            answer = await city.redeem(verification)
            if answer["__typename"] == "Redemption":
                assert outcome == "BENEFIT_APPLIES"
                assert city.now < expires_at
                used.append(answer["id"])
        elif step == "reverse" and used:
            await city.reverse(used[what % len(used)])
        elif step == "verify":
            live = [r for r in await city.rows(verifications) if r.reserved and r.expires_at > city.now]
            kept = [r for r in await city.rows(redemptions) if r.took_quota and r.reversed_at is None]
            free = cap - len(live) - len(kept)
            subject = list(PEOPLE).index(what) + 1 if what in PEOPLE else len(PEOPLE) + 1
            _, code = issue_code(city.keys, subject_id=subject, offer_id=None, now=city.now)
            answer = await city.verify(code, offer)
            assert (answer.get("code") == "QUOTA_EXHAUSTED") == (offer == "tower" and free == 0)
            if answer["__typename"] == "Verification":
                reserved.append((answer["id"], answer["outcome"], city.now + timedelta(minutes=10)))
        await balance(city, cap=cap)


async def test_another_partner_can_neither_redeem_nor_reverse_and_nothing_moves(city: City) -> None:
    answer = await city.verify(await city.code("good"), "tower")
    assert (await city.redeem(answer["id"], by="hospital"))["code"] == "NOT_REDEEMABLE"
    redeemed = await city.redeem(answer["id"])
    assert (await city.reverse(redeemed["id"], by="hospital"))["code"] == "NOT_REDEEMABLE"
    unknown = public_id("Redemption", (await city.rows(verifications))[0].id)
    assert (await city.reverse(unknown))["code"] == "NOT_REDEEMABLE"
    assert await taken(city) == 1
    assert [row.reversed_at for row in await city.rows(redemptions)] == [None]
