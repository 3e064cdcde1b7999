"""How much one caller may ask, and what it is told of that."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from factories import City, open_city

from api.identity import Claims
from api.running.limits import Allowance, Limits, Throttled
from core.cache import LocalCache
from core.redis_cache import RedisCache
from partners.accounts import Role

CALLER = Claims("scenic-1", Role.PARTNER, 0)
LARGE = """query ($n: Int) { offers(first: $n) { edges { node { partner { offers(first: $n) {
  edges { cursor node { id title benefit } } } } } } } }"""


async def crowd(limits: Limits, requests: int) -> int:
    """How many of so many requests at once are let through."""
    answers = await asyncio.gather(*(limits.check(CALLER, "") for _ in range(requests)), return_exceptions=True)
    assert all(isinstance(answer, (Allowance, Throttled)) for answer in answers)
    return sum(isinstance(answer, Allowance) for answer in answers)


def moved(clock: list[float], **given: Any) -> Limits:
    return Limits(LocalCache(clock=lambda: clock[0]), **given)


@pytest.mark.parametrize("requests", [1, 20, 21, 100])
async def test_a_crowd_within_the_burst_is_let_through_whole(redis_url: str, requests: int) -> None:
    cache = RedisCache(redis_url)
    caller = Limits(cache, per_second=1, burst=100)
    await cache._redis.flushdb()
    assert await crowd(caller, requests) == requests
    await cache.close()


async def test_two_processes_share_one_burst(redis_url: str) -> None:
    one, other = RedisCache(redis_url), RedisCache(redis_url)
    await one._redis.flushdb()
    found = await asyncio.gather(
        crowd(Limits(one, per_second=1, burst=100), 80), crowd(Limits(other, per_second=1, burst=100), 80)
    )
    assert 95 <= sum(found) <= 105  # a little is earned meanwhile, a lease may be left over
    await one.close()
    await other.close()


async def test_two_processes_share_what_costly_requests_use_up(redis_url: str) -> None:
    one, other = RedisCache(redis_url), RedisCache(redis_url)
    await one._redis.flushdb()
    spent = await Limits(one, per_second=0.01, burst=100).check(CALLER, "")
    await spent.spend(79)
    asking = await Limits(other, per_second=0.01, burst=100).check(CALLER, "")
    with pytest.raises(Throttled):
        await asking.spend(30)
    await one.close()
    await other.close()


async def test_what_is_over_the_burst_is_refused_and_earned_again() -> None:
    clock = [0.0]
    limits = moved(clock, per_second=10, burst=50)
    assert await crowd(limits, 60) == 50
    clock[0] += 1
    assert await crowd(limits, 60) == 10


async def test_who_comes_back_when_told_is_let_in_and_not_a_second_earlier() -> None:
    clock = [0.0]
    limits = moved(clock, per_second=0.1, burst=50)
    assert await crowd(limits, 50) == 50
    clock[0] += 3
    with pytest.raises(Throttled) as refused:
        await limits.check(CALLER, "")
    assert refused.value.retry_after == 7
    assert "7 秒后" in refused.value.message
    clock[0] += 6
    assert await crowd(limits, 1) == 0
    clock[0] += 1
    assert await crowd(limits, 1) == 1


async def test_a_costly_request_that_is_refused_keeps_what_was_there_for_others() -> None:
    limits = moved([0.0], per_second=1, burst=50)
    asking = await limits.check(CALLER, "")
    await asking.spend(29)
    with pytest.raises(Throttled) as refused:
        await (await limits.check(CALLER, "")).spend(29)
    assert refused.value.retry_after == 10
    assert await crowd(limits, 30) == 19


async def test_no_request_costs_more_than_a_full_bucket_holds() -> None:
    asking = await moved([0.0], per_second=1, burst=5).check(CALLER, "")
    await asking.spend(1000)
    assert asking.spent == 5


@pytest.fixture
async def city(sqlite_template: Path, tmp_path: Path, keys_file: Path) -> Any:
    """A small city with an allowance of 50 points, of which none comes back."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    url = f"sqlite+aiosqlite:///{tmp_path}/city.db"
    async with open_city(database_url=url, keys_file=keys_file, rate_burst=50, rate_per_second=1) as opened:
        opened.state.cache._clock = lambda: 0.0  # type: ignore[attr-defined]
        yield opened


async def ask(city: City, query: str, variables: dict[str, Any] | None = None, accept: str = "*/*") -> Any:
    headers = {"authorization": f"Bearer {city.token('good')}", "accept": accept}
    return await city.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)


def told(response: Any) -> tuple[int, int]:
    """What the request cost, and what is left."""
    cost = response.json()["extensions"]["cost"]
    assert (cost["throttleStatus"]["maximumAvailable"], cost["throttleStatus"]["restoreRate"]) == (50, 1)
    return cost["requestedQueryCost"], cost["throttleStatus"]["currentlyAvailable"]


async def test_every_answer_tells_what_it_cost_and_what_is_left(city: City) -> None:
    assert told(await ask(city, "{ benefitKinds { code } }")) == (1, 49)
    assert told(await ask(city, "{ me { id } }")) == (1, 48)
    assert told(await ask(city, "{ nothing }")) == (1, 47), "a mistake costs what a plain request costs"
    assert told(await ask(city, "{ partner { id } }")) == (1, 46)


@pytest.mark.parametrize(("rows", "points"), [(1, 1), (20, 3), (50, 13)])
async def test_the_cost_goes_by_the_size_of_the_pages_that_variables_give(city: City, rows: int, points: int) -> None:
    for _ in range(2):  # worked out, and remembered
        assert told(await ask(city, LARGE, {"n": rows}))[0] == points


async def test_pages_that_multiply_out_to_too_much_are_refused_whichever_way_they_are_given(city: City) -> None:
    for query, variables in ((LARGE, {"n": 100}), (LARGE.replace("$n)", "100)"), None)):
        (error,) = (await ask(city, query.replace("query ($n: Int)", "" if variables is None else "query ($n: Int)"),
                              variables)).json()["errors"]  # fmt: skip
        assert error["message"] == "查询过大:按分页估算取值有 50402 个,最多 30000 个。请减少字段、嵌套的列表或 first。"


async def test_each_mutation_of_a_request_costs_a_point(city: City) -> None:
    acts = " ".join(f"a{n}: issueCreditCode(input: {{}}) {{ __typename }}" for n in range(7))
    assert told(await ask(city, f"mutation {{ {acts} }}")) == (7, 43)


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
async def test_too_much_is_refused_with_429_and_the_time_to_come_back(city: City, accept: str) -> None:
    for _ in range(2):
        assert (await ask(city, LARGE, {"n": 50})).status_code == 200
    assert told(await ask(city, "{ me { id } }")) == (1, 23)
    spent = [await ask(city, LARGE, {"n": 50}, accept) for _ in range(2)]
    assert spent[0].status_code == 200
    assert spent[1].status_code == 429
    (error,) = spent[1].json()["errors"]
    assert error["extensions"]["code"] == "THROTTLED"
    assert spent[1].headers["retry-after"] == str(error["extensions"]["retryAfterSeconds"])
    assert "data" not in spent[1].json()
