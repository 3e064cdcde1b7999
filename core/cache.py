"""What is short-lived and shared between processes, behind one small port: in Redis, or in this one process.

One thing to know: nothing that must not be lost lives here. When Redis is down, callers go on without it.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from core.errors import Unavailable


class Cache(Protocol):
    """Leaky-bucket allowances by name."""

    async def take(self, bucket: str, *, wanted: int, per_second: float, burst: int) -> int:
        """How many of `wanted` tokens the bucket has to give now, at most `burst` saved up.

        Raises:
            Unavailable: the cache cannot be reached.
        """
        ...

    async def ping(self) -> None:
        """Raises `Unavailable` where the cache does not answer."""
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...


class LocalCache:
    """The port inside one process; `clock` gives seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.time, capacity: int = 100_000) -> None:
        self._clock, self._capacity = clock, capacity
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def take(self, bucket: str, *, wanted: int, per_second: float, burst: int) -> int:
        """See `Cache.take`."""
        now = self._clock()
        level, since = self._buckets.pop(bucket, (float(burst), now))
        level = min(float(burst), level + max(0.0, now - since) * per_second)
        given = min(wanted, int(level))
        self._buckets[bucket] = (level - given, now)
        if len(self._buckets) > self._capacity:
            self._buckets.popitem(last=False)
        return given

    async def ping(self) -> None:
        """Always there."""

    async def close(self) -> None:
        """Nothing to give back."""


# The same arithmetic as LocalCache.take, in one atomic step on the server, by the server's clock.
_TAKE = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local wanted, rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local held = redis.call('HMGET', KEYS[1], 'level', 'since')
local level, since = tonumber(held[1]) or burst, tonumber(held[2]) or now
level = math.min(burst, level + math.max(0, now - since) * rate)
local given = math.min(wanted, math.floor(level))
redis.call('HSET', KEYS[1], 'level', tostring(level - given), 'since', tostring(now))
redis.call('EXPIRE', KEYS[1], math.ceil(burst / rate) + 1)
return given
"""


class RedisCache:
    """The port on Redis (6.2 or later)."""

    def __init__(self, url: str) -> None:
        # One try with a short limit: a slow cache must not make a verification slow.
        self._redis = Redis.from_url(url, socket_timeout=0.25, socket_connect_timeout=0.25, retry=Retry(NoBackoff(), 0))
        self._take = self._redis.register_script(_TAKE)

    async def take(self, bucket: str, *, wanted: int, per_second: float, burst: int) -> int:
        """See `Cache.take`."""
        try:
            return int(await self._take(keys=[f"xinyi:bucket:{bucket}"], args=[wanted, per_second, burst]))
        except (RedisError, OSError) as error:
            raise Unavailable from error

    async def ping(self) -> None:
        """See `Cache.ping`."""
        try:
            await self._redis.ping()
        except (RedisError, OSError) as error:
            raise Unavailable from error

    async def close(self) -> None:
        """See `Cache.close`."""
        await self._redis.aclose()


def open_cache(url: str | None) -> Cache:
    """The cache for `XINYI_REDIS_URL`; without one, inside this process."""
    return RedisCache(url) if url else LocalCache()
