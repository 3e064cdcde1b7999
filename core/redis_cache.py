"""The cache in Redis (6.2 or later), shared between processes."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from core.errors import Unavailable

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
