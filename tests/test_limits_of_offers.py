"""Limits per day, month, year, site, person and budget. One thing to know: what everybody shares is refused by name
before the person is looked at; what one person has used up is told to that person alone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from counted_offers import benefit, change, check_books, limit, outcome, scan
from factories import City, offer_id
from hypothesis import given
from hypothesis import strategies as st

from partners.limits import Period, begins_on, buckets_of, ends_on, limits_of
from partners.tables import quotas


async def refused(city: City, offer: str = "museum", **given: Any) -> str:
    answer = await scan(city, offer, **given)
    assert answer["code"] == "QUOTA_EXHAUSTED", answer
    return str(answer["message"])


async def test_a_daily_limit_is_full_today_and_open_again_at_midnight_in_shanghai(city: City) -> None:
    await change(city, "museum", limits=[limit("offer", "day", 2)])
    assert [await outcome(city) for _ in range(2)] == ["BENEFIT_APPLIES"] * 2
    assert await refused(city) == "这项优惠今天的名额已满,请按标准服务办理。明天或名额退回后可再试。"
    city.now = datetime(2026, 11, 20, 15, 59, 0, tzinfo=UTC)
    for answer in [await scan(city) for _ in range(2)]:
        await city.redeem(answer["id"])
    assert "今天" in await refused(city)
    city.now = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
    assert await outcome(city) == "BENEFIT_APPLIES"
    assert {row.bucket: row.taken for row in await city.rows(quotas) if row.bucket != "ever"} == {
        "day:2026-11-20": 2,
        "day:2026-11-21": 1,
    }
    await check_books(city)


@pytest.mark.parametrize(
    ("period", "bucket", "next_one"),
    [
        ("month", "month:2026-11", datetime(2026, 11, 30, 16, 0, tzinfo=UTC)),
        ("year", "year:2026", datetime(2026, 12, 31, 16, 0, tzinfo=UTC)),
        ("ever", "all", None),
    ],
)
async def test_a_limit_of_a_month_a_year_or_ever_counts_redemptions_until_it_begins_anew(
    city: City, period: str, bucket: str, next_one: datetime | None
) -> None:
    await change(city, "museum", limits=[limit("offer", period, 1)])
    await city.redeem((await scan(city))["id"])
    city.wait(days=1)
    await refused(city)
    assert (await city.rows(quotas))[-1].bucket == bucket or bucket in [row.bucket for row in await city.rows(quotas)]
    if next_one is not None:
        city.now = next_one
        assert await outcome(city) == "BENEFIT_APPLIES"
    await check_books(city)


async def test_a_site_limit_counts_each_gate_by_itself_and_asks_for_the_gate(city: City) -> None:
    await change(city, "museum", limits=[limit("site", "day", 1)])
    assert await outcome(city, site="东门") == "BENEFIT_APPLIES"
    assert "此服务点今天" in await refused(city, site="东门")
    assert await outcome(city, site="西门") == "BENEFIT_APPLIES"
    before = await city.tally()
    asked = {"requestId": "no site", "code": await city.code("good"), "offerId": offer_id("museum")}
    query = "mutation ($input: VerifyCreditCodeInput!) { verifyCreditCode(input: $input) { __typename } }"
    body = await city.ask(query, {"input": asked}, by="scenic")
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert "site" in body["errors"][0]["message"]
    assert await city.tally() == before


async def test_all_limits_are_taken_together_or_none_is(city: City) -> None:
    shared = [limit("offer", "day", 5), limit("site", "day", 1), limit("offer", "month", 5)]
    await change(city, "tower", limits=shared)
    assert await outcome(city, "tower", site="东门") == "BENEFIT_APPLIES"
    for _ in range(3):
        await refused(city, "tower", site="东门")
    await check_books(city)
    assert {row.bucket: row.taken for row in await city.rows(quotas)} == {
        "ever": 1, "day:2026-11-20": 1, "month:2026-11": 1, "site:东门:day:2026-11-20": 1,
    }  # fmt: skip


async def test_a_shared_limit_says_the_same_to_everybody_and_keeps_nothing_of_the_standard_service(city: City) -> None:
    await change(city, "museum", limits=[limit("offer", "day", 1)], budget_fen=1000, most_fen=600)
    for person in ("plain", "poor", "minor", "faulty", "elsewhere", "firm"):
        assert await outcome(city, person=person) == "STANDARD_SERVICE"
    await check_books(city)
    assert await outcome(city) == "BENEFIT_APPLIES"
    told = {person: await scan(city, person=person) for person in ("good", "plain", "poor", "minor", "faulty", "firm")}
    assert {answer["code"] for answer in told.values()} == {"QUOTA_EXHAUSTED"}
    assert len({answer["message"] for answer in told.values()}) == 1


async def test_another_cap_in_a_new_version_holds_from_the_next_scan_on(city: City) -> None:
    await change(city, "museum", limits=[limit("offer", "day", 3)])
    kept = [(await scan(city))["id"] for _ in range(3)]
    await change(city, "museum", limits=[limit("offer", "day", 1)])
    await refused(city)
    redeemed = [(await city.redeem(one))["id"] for one in kept]
    await city.reverse(redeemed[0])
    await city.reverse(redeemed[1])
    await refused(city)
    await city.reverse(redeemed[2])
    assert await outcome(city) == "BENEFIT_APPLIES"
    await change(city, "museum", limits=[limit("offer", "day", 2)])
    assert await outcome(city) == "BENEFIT_APPLIES"
    await refused(city)
    await check_books(city)


async def test_a_budget_reserves_the_most_takes_the_amount_and_gives_the_rest_back(city: City) -> None:
    await change(city, "museum", budget_fen=1000, most_fen=600)
    first = await scan(city)
    assert await refused(city) == "这项优惠的预算已用完,请按标准服务办理。有金额退回后可再试。"
    await city.redeem(first["id"], amountFen=400)
    (row,) = [row for row in await city.rows(quotas) if row.bucket == "budget"]
    assert (row.taken, row.cap) == (400, 1000)
    second = await scan(city)
    assert second["outcome"] == "BENEFIT_APPLIES"
    assert "amountFen" in (await city.redeem(second["id"]))["message"]
    too_much = await city.redeem(second["id"], amountFen=601)
    assert (too_much["code"], "600" in too_much["message"]) == ("NOT_REDEEMABLE", True)
    await check_books(city)
    done = await city.redeem(second["id"], amountFen=600)
    await refused(city)
    await city.reverse(done["id"])
    assert await outcome(city) == "BENEFIT_APPLIES"
    await check_books(city)


async def test_a_budget_that_was_reserved_and_ran_out_is_free_without_any_job(city: City) -> None:
    await change(city, "museum", budget_fen=600, most_fen=600)
    first = await scan(city)
    await refused(city)
    city.wait(minutes=10)
    assert await outcome(city) == "BENEFIT_APPLIES"
    city.wait(milliseconds=-1)
    assert (await city.redeem(first["id"], amountFen=600))["code"] == "NOT_REDEEMABLE"
    await check_books(city)


async def test_a_limit_per_person_and_day_is_told_to_the_person_alone_and_ends_with_the_day(city: City) -> None:
    await change(city, "museum", limits=[limit("person", "day", 1)])
    first = await scan(city)
    before, second = first, await scan(city)
    assert second["outcome"] == "STANDARD_SERVICE"
    assert set(second) == set(before)
    assert [why["code"] for why in (await city.log("good"))[0]["whyNot"]] == ["LIMIT_REACHED"]
    await city.redeem(first["id"])
    found = await benefit(city, "museum")
    assert [why["message"] for why in found["whyNot"]] == [
        "这项优惠您今天已用 1 次(上限 1 次),明天可再用;此前按标准服务办理。"
    ]
    assert found["nextStep"] == "明天再来使用。"
    assert (await benefit(city, "museum", "plain"))["whyNot"][0]["code"] == "GRADE_NOT_REACHED"
    city.now = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
    assert await outcome(city) == "BENEFIT_APPLIES"


async def test_limits_per_person_of_several_periods_hold_each_by_itself(city: City) -> None:
    await change(city, "museum", limits=[limit("person", "day", 1), limit("person", "month", 2)])
    for day in (20, 21):
        city.now = datetime(2026, 11, day, 4, 0, tzinfo=UTC)
        await city.redeem((await scan(city))["id"])
        assert await outcome(city) == "STANDARD_SERVICE"
    city.now = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
    assert await outcome(city) == "STANDARD_SERVICE"
    found = await benefit(city, "museum")
    assert found["whyNot"][0]["message"] == "这项优惠您本月已用 2 次(上限 2 次),12 月 1 日可再用;此前按标准服务办理。"
    city.now = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)
    assert await outcome(city) == "BENEFIT_APPLIES"


async def test_the_list_says_until_when_an_offer_is_full_and_that_a_budget_is_used_up(city: City) -> None:
    await change(city, "museum", limits=[limit("offer", "day", 1)])
    await change(city, "tower", budget_fen=500, most_fen=500)
    await scan(city)
    await scan(city, "tower")
    museum, tower = await benefit(city, "museum"), await benefit(city, "tower")
    assert museum["whyNot"] == [
        {
            "code": "QUOTA_EXHAUSTED",
            "message": "这项优惠这段时间的名额已满,按标准服务办理。明天重新开放,有名额退回时也可再试。",
        }
    ]
    assert museum["nextStep"] == "明天再试;有名额退回时会提前开放。"
    assert "预算已用完" in tower["whyNot"][0]["message"]
    city.wait(minutes=10)
    assert (await benefit(city, "museum"))["available"]
    assert (await benefit(city, "tower"))["available"]


async def test_whoever_has_not_reached_the_grade_reads_how_far_it_is_and_what_to_do(city: City) -> None:
    found = await benefit(city, "museum", "poor")
    assert found["nextStep"].startswith("距离「")
    assert "异议" in found["nextStep"]
    assert (await benefit(city, "museum", "stranger"))["nextStep"].startswith("阅读告知书并加入")


DAYS = st.dates(date(2020, 1, 1), date(2040, 12, 31))


@given(DAYS, st.sampled_from([Period.DAY, Period.MONTH, Period.YEAR]))
def test_every_day_lies_in_exactly_one_period_which_ends_where_the_next_begins(on: date, period: Period) -> None:
    first, after = begins_on(period, on), ends_on(period, on)
    assert first is not None
    assert after is not None
    assert first <= on < after
    assert begins_on(period, after) == after


class Counted:
    """An offer with limits."""

    has_quota = True
    limit_per_person = None
    budget_fen: int | None = 100
    most_fen: int | None = 7

    def __init__(self, *limits: dict[str, object]) -> None:
        self.limits = limits_of(limits)


@given(st.permutations([("offer", "day", 3), ("offer", "day", 2), ("site", "month", 4), ("offer", "ever", 9)]))
def test_buckets_do_not_depend_on_the_order_of_limits_and_the_lowest_of_a_sort_holds(
    order: list[tuple[str, str, int]],
) -> None:
    found = buckets_of(Counted(*(limit(*one) for one in order)), on=date(2026, 11, 22), site="东门")
    assert [(bucket.name, bucket.units, bucket.cap) for bucket in found] == [
        ("all", 1, 9), ("budget", 7, 100), ("day:2026-11-22", 1, 2), ("ever", 1, None),
        ("site:东门:month:2026-11", 1, 4),
    ]  # fmt: skip
