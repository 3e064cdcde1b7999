"""Orders under races and under deaths of the process. One thing to know: whichever act is quicker, order, redemption
and quota agree, and what was half done is not there."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from factories import City, open_city
from order_steps import CANCEL, COMPLETE, CONFIRM, CREATE, PAY, START, act, completed, give_quota, propose, taken
from test_cases_crashes import killed_at, post

from core.audit import audit_entries
from partners.orders.looking import look_at_orders
from partners.orders.tables import order_steps, orders
from partners.tables import answers, notices, quotas, redemptions, verifications

deployments = pytest.mark.parametrize(
    ("city_url", "cities"),
    [("sqlite", 1), ("postgresql", 1), ("postgresql", 2)],
    ids=["sqlite", "postgresql", "two-instances-one-postgresql"],
    indirect=True,
)
WATCHED = (orders, order_steps, redemptions, verifications, quotas, answers, notices, audit_entries)


@pytest.fixture
async def cities(request: pytest.FixtureRequest, city_url: str, keys_file: Path) -> AsyncIterator[list[City]]:
    """As many instances of the application as the parameter says, over one database."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(open_city(database_url=city_url, keys_file=keys_file, rate_burst=10_000))
            for _ in range(request.param)
        ]


async def balance(city: City) -> None:
    """What is taken of the quota is held by the orders that hold something."""
    holding = {"CREATED", "CONFIRMED", "IN_SERVICE", "COMPLETED", "PAID", "OVERDUE"}
    live = [row for row in await city.rows(orders) if row.state in holding]
    used = [row for row in await city.rows(redemptions) if row.reversed_at is None]
    assert {row.verification_id for row in live} == {row.verification_id for row in used}
    assert await taken(city) == len(used)


def codes_of(found: list[dict[str, Any]]) -> Counter[str]:
    return Counter(answer.get("code", answer.get("state")) for answer in found)


@deployments
async def test_confirming_and_cancelling_at_once_leave_one_order_in_one_state(cities: list[City]) -> None:
    home = cities[0]
    await give_quota(home, 100)
    for _ in range(5):
        order = (await propose(home))["id"]
        found = await asyncio.gather(
            *(
                cities[n % len(cities)].do(CONFIRM, by="good", orderId=order)
                if n % 2
                else cities[n % len(cities)].do(CANCEL, by="hospital", orderId=order, requestId=f"{order}{n}")
                for n in range(6)
            )
        )
        codes = codes_of(list(found))
        assert codes["CANCELLED"] == 1, "a confirmed order can be cancelled too, and once"
        assert codes["CONFIRMED"] + codes["WRONG_STATE"] == 5
        await balance(home)
    assert {row.state for row in await home.rows(orders)} == {"CANCELLED"}
    assert await taken(home) == 0


@deployments
async def test_two_completions_at_once_complete_once_with_one_amount(cities: list[City]) -> None:
    home = cities[0]
    order = (await propose(home))["id"]
    await home.do(CONFIRM, by="good", orderId=order)
    await act(home, START, order)
    found = await asyncio.gather(
        *(
            cities[n % len(cities)].do(COMPLETE, by="hospital", orderId=order, requestId=f"c{n}", amountFen=1_000 + n)
            for n in range(10)
        )
    )
    assert codes_of(list(found)) == {"COMPLETED": 1, "WRONG_STATE": 9}
    (told,) = [one["finalFen"] for one in found if "finalFen" in one]
    (row,) = await home.rows(orders)
    assert row.final_fen == told
    same = await asyncio.gather(
        *(
            cities[n % len(cities)].do(PAY, by="hospital", orderId=order, requestId="the same", amountFen=told)
            for n in range(10)
        )
    )
    assert all(answer == same[0] for answer in same)
    assert same[0]["state"] == "PAID"
    assert [row.state for row in await home.rows(order_steps)].count("PAID") == 1


@deployments
async def test_many_orders_from_one_verification_at_once_are_one(cities: list[City]) -> None:
    home = cities[0]
    await give_quota(home, 5)
    answer = await home.verify(await home.code("good"), "clinic", by="hospital")
    asked = {"verificationId": answer["id"], "title": "门诊", "amountFen": 100}
    found = await asyncio.gather(
        *(cities[n % len(cities)].do(CREATE, by="hospital", requestId=f"o{n}", **asked) for n in range(10))
    )
    assert codes_of(list(found)) == {"CREATED": 1, "ALREADY_REDEEMED": 9}
    await balance(home)


@deployments
async def test_looks_and_takings_at_once_expire_each_order_once(cities: list[City]) -> None:
    home = cities[0]
    await give_quota(home, 10)
    for _ in range(10):
        await propose(home)
    home.wait(minutes=15)
    for city in cities:
        city.now = home.now
    codes = [await home.code("good") for _ in range(10)]

    async def scan(n: int) -> str:
        answer = await cities[n % len(cities)].verify(codes[n], "clinic", by="hospital", requestId=f"s{n}")
        return str(answer.get("outcome") or answer["code"])

    looks = [look_at_orders(cities[n % len(cities)].state.database, now=home.now) for n in range(4)]
    answered, looked = await asyncio.gather(
        asyncio.gather(*(scan(n) for n in range(10))), asyncio.gather(*looks, return_exceptions=True)
    )
    assert [one for one in looked if isinstance(one, BaseException)] == []
    assert answered == ["BENEFIT_APPLIES"] * 10
    assert {row.state for row in await home.rows(orders)} == {"EXPIRED"}
    assert [row.state for row in await home.rows(order_steps)].count("EXPIRED") == 10
    assert await taken(home) == 10


async def snapshot(city: City) -> dict[str, list[str]]:
    return {table.name: sorted(map(repr, await city.rows(table))) for table in WATCHED}


@pytest.mark.parametrize("what", ["create", "confirm", "cancel", "complete", "pay"])
async def test_an_act_killed_at_any_statement_leaves_nothing_and_is_done_once(city: City, what: str) -> None:
    await give_quota(city, 5)
    verification = await city.verify(await city.code("good"), "clinic", by="hospital")
    asked = {"requestId": "o", "verificationId": verification["id"], "title": "门诊", "amountFen": 100}
    query, by, given = CREATE, "hospital", asked
    if what == "pay":
        order = await completed(city)
        query, given = PAY, {"requestId": "p", "orderId": order, "amountFen": 1}
    elif what != "create":
        order = (await city.do(CREATE, by="hospital", **asked))["id"]
        query, by, given = CONFIRM, "good", {"orderId": order}
        if what == "cancel":
            query, by, given = CANCEL, "hospital", {"orderId": order, "requestId": "c"}
        if what == "complete":
            await city.do(CONFIRM, by="good", orderId=order)
            await act(city, START, order)
            query, by, given = COMPLETE, "hospital", {"orderId": order, "requestId": "c", "amountFen": 50}
    before = await snapshot(city)
    number = 0
    while True:
        number += 1
        died = True
        for after in (False, True):
            with killed_at(number, after=after) as seen:
                body = await post(city, query, by, given)
            if seen[0] < number:
                died = False
                break
            assert body["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
            assert await snapshot(city) == before, (number, after)
        if not died:
            break
    assert number > 5, "there was something to die at"
    (result,) = body["data"].values()
    assert result["__typename"] == "Order", result
    done = await snapshot(city)
    assert done["orders"] != before["orders"]
    if what != "pay":
        holding = 0 if what == "cancel" else 1
        assert await taken(city) == holding
    again = await post(city, query, by, given)
    assert again["data"] == body["data"]
    assert await snapshot(city) == done
