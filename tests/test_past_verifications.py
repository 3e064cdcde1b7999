"""The list of a desk's day: what a partner was answered and what came of it, and nobody's name."""

from __future__ import annotations

from typing import Any

import pytest
from factories import NOON, REDEEM, City, offer_id
from order_steps import propose

LIST = """query ($first: Int, $after: String, $on: Date) { verifications(first: $first, after: $after, on: $on) {
  edges { cursor node { id at outcome site expiresAt redeemable offer { id } orderId
    redemption { id redeemedAt amountFen reversedAt } } }
  pageInfo { hasNextPage endCursor } } }"""


async def day(city: City, by: str = "scenic", **given: Any) -> list[dict[str, Any]]:
    body = await city.ask(LIST, given, by=by)
    return [edge["node"] for edge in body["data"]["verifications"]["edges"]]


async def test_an_answer_is_listed_with_what_came_of_it(city: City) -> None:
    answer = await city.verify(await city.code("good"), site="东门")
    expected = {
        "id": answer["id"],
        "at": NOON.isoformat(),
        "outcome": "BENEFIT_APPLIES",
        "site": "东门",
        "expiresAt": answer["expiresAt"],
        "redeemable": True,
        "offer": {"id": offer_id("museum")},
        "orderId": None,
        "redemption": None,
    }
    assert await day(city) == [expected]
    city.wait(minutes=1)
    used = await city.redeem(answer["id"], amountFen=1200)
    redemption = {"id": used["id"], "redeemedAt": city.now.isoformat(), "amountFen": 1200, "reversedAt": None}
    assert await day(city) == [expected | {"redeemable": False, "redemption": redemption}]
    city.wait(minutes=1)
    await city.reverse(used["id"])
    reversed_ = redemption | {"reversedAt": city.now.isoformat()}
    assert await day(city) == [expected | {"redeemable": False, "redemption": reversed_}]


async def test_standard_service_is_listed_alike_and_redeems_nothing(city: City) -> None:
    await city.verify(await city.code("plain"))
    await city.verify(await city.code("good"))
    shown = {one["outcome"]: one for one in await day(city)}
    assert {key: value.keys() for key, value in shown.items()} == {
        "STANDARD_SERVICE": shown["BENEFIT_APPLIES"].keys(),
        "BENEFIT_APPLIES": shown["STANDARD_SERVICE"].keys(),
    }
    assert (shown["STANDARD_SERVICE"]["redeemable"], shown["BENEFIT_APPLIES"]["redeemable"]) == (False, True)
    (standard,) = [one for one in await day(city) if one["outcome"] == "STANDARD_SERVICE"]
    refused = await city.do(REDEEM, by="scenic", requestId="r", verificationId=standard["id"])
    assert refused["code"] == "NOT_REDEEMABLE"


async def test_what_ran_out_is_not_redeemable_any_more(city: City) -> None:
    await city.verify(await city.code("good"))
    city.wait(minutes=9, seconds=59)
    assert [one["redeemable"] for one in await day(city)] == [True]
    city.wait(seconds=1)
    assert [one["redeemable"] for one in await day(city)] == [False]


async def test_a_pay_later_order_is_named(city: City) -> None:
    made = await propose(city)
    (one,) = await day(city, by="hospital")
    assert (one["orderId"], one["redeemable"]) == (made["id"], False)
    assert one["redemption"]["redeemedAt"] == NOON.isoformat()


async def test_each_partner_reads_its_own_day_alone(city: City) -> None:
    await city.verify(await city.code("good"))
    assert await day(city, by="hospital") == []
    city.wait(hours=13)
    assert await day(city) == [], "a new day has begun in Asia/Shanghai"
    assert len(await day(city, on="2026-11-20")) == 1
    assert await day(city, on="2026-11-19") == []


async def test_pages_follow_each_other_though_two_were_answered_at_one_moment(city: City) -> None:
    made = [(await city.verify(await city.code("good")))["id"] for _ in range(3)]
    city.wait(seconds=1)
    newest = (await city.verify(await city.code("good")))["id"]
    seen: list[str] = []
    after = None
    for size in (1, 2, 1):
        page = (await city.ask(LIST, {"first": size, "after": after}, by="scenic"))["data"]["verifications"]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    assert seen[0] == newest
    assert sorted(seen[1:]) == sorted(made)
    assert not page["pageInfo"]["hasNextPage"]


@pytest.mark.parametrize("cursor", ["x", "MjAyNg==", "MjAyNi0xMS0yMFQwNDowMDowMCAxMjM="])
async def test_a_cursor_of_somebody_elses_making_is_refused(city: City, cursor: str) -> None:
    body = await city.ask(LIST, {"after": cursor}, by="scenic")
    assert body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}
