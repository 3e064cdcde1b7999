"""The cache in Redis (6.2 or later), shared between processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from core.errors import Unavailable
from core.news import Fanout, News, joined

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


_NEWS = "xinyi:news:"
SECONDS_BETWEEN_TRIES = 1


class RedisCache:
    """The port on Redis (6.2 or later).

    One subscription of a process hears all news, and hands it to whoever listens here; what a process says comes back
    to it the same way, so everybody hears it once.
    """

    def __init__(self, url: str) -> None:
        # One try with a short limit: a slow cache must not make a verification slow.
        self._redis = Redis.from_url(url, socket_timeout=0.25, socket_connect_timeout=0.25, retry=Retry(NoBackoff(), 0))
        self._take = self._redis.register_script(_TAKE)
        # Waits for news as long as it takes, so it has no such limit.
        self._patient = Redis.from_url(url, socket_connect_timeout=0.25, retry=Retry(NoBackoff(), 0))
        self._fanout = Fanout()
        self._outgoing: list[News] = []
        self._telling: asyncio.Task[None] | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._heard = asyncio.Event()

    async def take(self, bucket: str, *, wanted: int, per_second: float, burst: int) -> int:
        """See `Cache.take`."""
        try:
            return int(await self._take(keys=[f"xinyi:bucket:{bucket}"], args=[wanted, per_second, burst]))
        except (RedisError, OSError) as error:
            raise Unavailable from error

    def publish(self, news: Sequence[News]) -> None:
        """See `Cache.publish`. What is said in one turn of the event loop leaves in one trip."""
        self._outgoing += news
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        while self._outgoing:
            news, self._outgoing = joined(self._outgoing), []
            try:
                trip = self._redis.pipeline(transaction=False)
                for topic, text in news:
                    trip.publish(_NEWS + topic, text)
                await trip.execute()
            except (RedisError, OSError):
                self._fanout.spread(news)  # those of this process at least

    @asynccontextmanager
    async def listen(self, *topics: str) -> AsyncIterator[AsyncIterator[str]]:
        """See `Cache.listen`."""
        if self._hearing is None:
            self._hearing = asyncio.get_running_loop().create_task(self._hear())
        async with self._fanout.listen(*topics) as texts:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._heard.wait(), SECONDS_BETWEEN_TRIES)
            yield texts

    async def _hear(self) -> None:
        while True:
            try:
                async with self._patient.pubsub() as channel:
                    await channel.psubscribe(_NEWS + "*")
                    async for message in channel.listen():
                        if message["type"] == "psubscribe":
                            self._heard.set()
                            continue
                        topic = message["channel"].decode().removeprefix(_NEWS)
                        self._fanout.spread([News(topic, message["data"].decode())])
            except (RedisError, OSError):
                self._heard.clear()
                await asyncio.sleep(SECONDS_BETWEEN_TRIES)

    async def ping(self) -> None:
        """See `Cache.ping`."""
        try:
            await self._redis.ping()
        except (RedisError, OSError) as error:
            raise Unavailable from error

    async def close(self) -> None:
        """See `Cache.close`."""
        for task in (self._hearing, self._telling):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        await self._patient.aclose()
        await self._redis.aclose()
