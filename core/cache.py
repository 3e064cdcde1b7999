"""What is short-lived and shared between processes, behind one small port: in Redis, or in this one process.

One thing to know: nothing that must not be lost lives here. When Redis is down, callers go on without it.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from core.news import Fanout, News, Texts, joined


class Draw(NamedTuple):
    """What a bucket gave, and what is left in it."""

    given: int
    left: float


class Cache(Protocol):
    """Leaky-bucket allowances by name, and news between processes."""

    async def take(self, bucket: str, *, wanted: int, per_second: float, burst: int) -> int:
        """How many of `wanted` tokens the bucket has to give now, at most `burst` saved up.

        Raises:
            Unavailable: the cache cannot be reached.
        """
        ...

    async def draw(self, bucket: str, *, wanted: int, per_second: float, burst: int) -> Draw:
        """Like `take`, telling what is left as well."""
        ...

    def publish(self, news: Sequence[News]) -> None:
        """Tell whoever listens, here or in another process, each once and in order; nobody is waited for."""
        ...

    def listen(self, *topics: str) -> AbstractAsyncContextManager[Texts]:
        """What is said on these topics from now on (`news.Fanout.listen`)."""
        ...

    async def ping(self) -> None:
        """Raises `Unavailable` where the cache does not answer."""
        ...

    async def close(self) -> None:
        """Tell what is still to be told, for a moment, and give connections back."""
        ...


class LocalCache:
    """The port inside one process; `clock` gives seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.time, capacity: int = 100_000) -> None:
        self._clock, self._capacity = clock, capacity
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._fanout = Fanout()

    async def take(self, bucket: str, *, wanted: int, per_second: float, burst: int) -> int:
        """See `Cache.take`."""
        return (await self.draw(bucket, wanted=wanted, per_second=per_second, burst=burst)).given

    async def draw(self, bucket: str, *, wanted: int, per_second: float, burst: int) -> Draw:
        """See `Cache.draw`."""
        now = self._clock()
        level, since = self._buckets.pop(bucket, (float(burst), now))
        level = min(float(burst), level + max(0.0, now - since) * per_second)
        given = min(wanted, int(level))
        self._buckets[bucket] = (level - given, now)
        if len(self._buckets) > self._capacity:
            self._buckets.popitem(last=False)
        return Draw(given, level - given)

    def publish(self, news: Sequence[News]) -> None:
        """See `Cache.publish`."""
        self._fanout.spread(joined(news))

    def listen(self, *topics: str) -> AbstractAsyncContextManager[Texts]:
        """See `Cache.listen`."""
        return self._fanout.listen(*topics)

    async def ping(self) -> None:
        """Always there."""

    async def close(self) -> None:
        """Nothing to give back."""


def open_cache(url: str | None) -> Cache:
    """The cache for `XINYI_REDIS_URL`; without one, inside this process."""
    if not url:
        return LocalCache()
    from core.redis_cache import RedisCache  # imported where used: it is slow to import

    return RedisCache(url)
