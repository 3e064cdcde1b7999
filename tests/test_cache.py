"""The cache port, in this process and on a real Redis. One thing to know: both pass the same tests, the one by a clock
that is moved, the other by real time in large rates."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis as RedisClient
from servers import Redis, start_redis

from core.cache import Cache, LocalCache, open_cache
from core.errors import Unavailable
from core.redis_cache import RedisCache

Wait = Callable[[float], Awaitable[None]]


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["local", "redis"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Cache, Wait]]:
    """A cache, and how to let time pass for it."""
    if request.param == "local":
        clock = Clock()

        async def move(seconds: float) -> None:
            clock.now += seconds

        yield LocalCache(clock=clock), move
        return
    opened = RedisCache(request.getfixturevalue("redis_url"))
    yield opened, asyncio.sleep
    await opened.close()


def bucket() -> str:
    return uuid4().hex


async def test_a_bucket_gives_what_it_holds_and_no_more(cache: tuple[Cache, Wait]) -> None:
    port, _ = cache
    name = bucket()
    given = [await port.take(name, wanted=4, per_second=0.001, burst=10) for _ in range(4)]
    assert given == [4, 4, 2, 0]


async def test_a_bucket_fills_with_time_and_never_above_its_burst(cache: tuple[Cache, Wait]) -> None:
    port, wait = cache
    name = bucket()
    assert await port.take(name, wanted=100, per_second=100, burst=5) == 5
    await wait(0.025)
    assert await port.take(name, wanted=1, per_second=100, burst=5) == 1
    await wait(0.2)
    assert await port.take(name, wanted=100, per_second=100, burst=5) == 5


async def test_buckets_are_apart(cache: tuple[Cache, Wait]) -> None:
    port, _ = cache
    one, other = bucket(), bucket()
    assert await port.take(one, wanted=3, per_second=0.001, burst=3) == 3
    assert await port.take(other, wanted=3, per_second=0.001, burst=3) == 3
    assert await port.take(one, wanted=1, per_second=0.001, burst=3) == 0


async def test_parts_of_a_token_add_up(cache: tuple[Cache, Wait]) -> None:
    port, wait = cache
    name = bucket()
    await port.take(name, wanted=1, per_second=20, burst=1)
    given = 0
    for _ in range(6):
        await wait(0.02)
        given += await port.take(name, wanted=1, per_second=20, burst=1)
    assert given >= 2


async def test_twenty_takers_at_once_get_the_burst_together(cache: tuple[Cache, Wait]) -> None:
    port, _ = cache
    name = bucket()
    given = await asyncio.gather(*(port.take(name, wanted=1, per_second=0.001, burst=7) for _ in range(20)))
    assert sum(given) == 7


async def test_the_cache_answers_that_it_is_there(cache: tuple[Cache, Wait]) -> None:
    await cache[0].ping()


async def test_two_processes_on_one_redis_share_a_bucket(redis_url: str) -> None:
    one, other, name = RedisCache(redis_url), RedisCache(redis_url), bucket()
    assert await one.take(name, wanted=2, per_second=0.001, burst=3) == 2
    assert await other.take(name, wanted=2, per_second=0.001, burst=3) == 1
    await one.close()
    await other.close()


async def test_a_bucket_on_redis_forgets_itself_once_it_is_full_again(redis_url: str) -> None:
    opened, name = RedisCache(redis_url), bucket()
    await opened.take(name, wanted=1, per_second=10, burst=50)
    async with RedisClient.from_url(redis_url) as client:
        assert 1 <= await client.ttl(f"xinyi:bucket:{name}") <= 6
    await opened.close()


async def test_a_clock_set_back_neither_gives_nor_takes() -> None:
    clock = Clock()
    port = LocalCache(clock=clock)
    await port.take("a", wanted=5, per_second=1, burst=10)
    clock.now -= 3600
    assert await port.take("a", wanted=10, per_second=1, burst=10) == 5


async def test_the_local_cache_forgets_whoever_was_longest_away_and_keeps_to_its_size() -> None:
    port = LocalCache(clock=Clock(), capacity=2)
    for name in ("a", "b", "a", "c"):
        await port.take(name, wanted=1, per_second=0.001, burst=2)
    assert await port.take("a", wanted=2, per_second=0.001, burst=2) == 0
    assert await port.take("b", wanted=2, per_second=0.001, burst=2) == 2


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 5)), max_size=40))
async def test_over_any_time_no_more_is_given_than_the_burst_and_the_rate(steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    port, began, total = LocalCache(clock=clock), clock.now, 0
    for seconds, wanted in steps:
        clock.now += seconds
        given_now = await port.take("a", wanted=wanted, per_second=2, burst=7)
        assert 0 <= given_now <= wanted
        total += given_now
        assert total <= 7 + 2 * (clock.now - began) + 1e-6


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    """A Redis server for one test to break."""
    server = start_redis()
    yield server
    if server.supervisor.poll() is None:
        server.stop()


async def test_a_redis_that_is_gone_is_unavailable_and_nothing_else(own_redis: Redis) -> None:
    opened = RedisCache(own_redis.url)
    await opened.ping()
    own_redis.stop()
    with pytest.raises(Unavailable):
        await opened.take("a", wanted=1, per_second=1, burst=1)
    with pytest.raises(Unavailable):
        await opened.ping()
    await opened.close()


async def test_a_redis_that_hangs_is_given_up_soon(own_redis: Redis) -> None:
    opened = RedisCache(own_redis.url)
    async with RedisClient.from_url(own_redis.url) as client:
        process = int((await client.info("server"))["process_id"])
    os.kill(process, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await opened.take("a", wanted=1, per_second=1, burst=1)
        assert time.monotonic() - began < 2
    finally:
        os.kill(process, signal.SIGCONT)
    assert await opened.take("a", wanted=1, per_second=1, burst=1) in (0, 1)
    await opened.close()


async def test_a_redis_that_answers_nonsense_is_unavailable(own_redis: Redis) -> None:
    opened = RedisCache(own_redis.url)
    async with RedisClient.from_url(own_redis.url) as client:
        await client.set("xinyi:bucket:a", "not a hash")
    with pytest.raises(Unavailable):
        await opened.take("a", wanted=1, per_second=1, burst=1)
    await opened.close()


async def test_without_an_address_the_cache_is_in_this_process() -> None:
    assert isinstance(open_cache(None), LocalCache)
    opened = open_cache("redis://127.0.0.1:1")
    assert isinstance(opened, RedisCache)
    await opened.close()
