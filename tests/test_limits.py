"""How often one caller may ask."""

from __future__ import annotations

import asyncio

import pytest

from api.identity import Claims
from api.limits import Limits, Throttled
from core.cache import LocalCache
from core.redis_cache import RedisCache
from partners.accounts import Role

CALLER = Claims("scenic-1", Role.PARTNER, 0)


async def crowd(limits: Limits, requests: int) -> int:
    """How many of so many requests at once are let through."""
    answers = await asyncio.gather(*(limits.check(CALLER, "") for _ in range(requests)), return_exceptions=True)
    assert all(answer is None or isinstance(answer, Throttled) for answer in answers)
    return sum(answer is None for answer in answers)


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


async def test_what_is_over_the_burst_is_refused_and_earned_again() -> None:
    clock = [0.0]
    limits = Limits(LocalCache(clock=lambda: clock[0]), per_second=10, burst=50)
    assert await crowd(limits, 60) == 50
    clock[0] += 1
    assert await crowd(limits, 60) == 10
