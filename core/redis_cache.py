"""The cache in Redis (6.2 or later), shared between processes."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import islice
from typing import Any
from uuid import uuid4

import orjson
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from core.cache import Draw
from core.errors import Unavailable
from core.news import Fanout, News, Texts, joined

log = logging.getLogger("xinyi.cache")
# The same arithmetic as LocalCache.draw, in one atomic step on the server, by the server's clock.
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
return {given, tostring(level - given)}
"""


_CHANNEL = "xinyi:news"
SECONDS_BETWEEN_TRIES = 1
SECONDS_OF_SILENCE = 15
"""After so long without a word Redis is asked whether it is there, and after as long again it is not."""
SECONDS_TO_TELL = 1
"""How long a process that ends tries to tell what is still to be told."""
MOST_UNTOLD, MOST_AT_ONCE = 10_000, 500
"""News kept for a Redis that is down, the newest; and how many leave in one trip."""
MOST_PROCESSES = 1_000
_FAILURES = (RedisError, OSError)


class RedisCache:
    """The port on Redis.

    Those of this process hear at once what it says, with or without Redis. To the others it goes by one channel, each
    piece with a number of its own, told again until Redis has taken it: what comes twice is dropped, and a number that
    was left out, like a connection that was lost, is a gap that listeners are told of.
    """

    def __init__(self, url: str) -> None:
        # One try with a short limit: a slow cache must not make a verification slow.
        self._redis = Redis.from_url(url, socket_timeout=0.25, socket_connect_timeout=0.25, retry=Retry(NoBackoff(), 0))
        self._take = self._redis.register_script(_TAKE)
        # Waits for news as long as it takes, so it has no such limit.
        self._patient = Redis.from_url(url, socket_connect_timeout=0.25, retry=Retry(NoBackoff(), 0))
        self._fanout = Fanout()
        self._name, self._number = uuid4().hex, 0
        self._untold: deque[News] = deque(maxlen=MOST_UNTOLD)
        """What is still to be told; the last of it has the number `_number`."""
        self._telling: asyncio.Task[None] | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._hears = asyncio.Event()
        self._heard: OrderedDict[str, int] = OrderedDict()
        """The number last heard of each other process."""

    async def take(self, bucket: str, *, wanted: int, per_second: float, burst: int) -> int:
        """See `Cache.take`."""
        return (await self.draw(bucket, wanted=wanted, per_second=per_second, burst=burst)).given

    async def draw(self, bucket: str, *, wanted: int, per_second: float, burst: int) -> Draw:
        """See `Cache.draw`."""
        try:
            given, left = await self._take(keys=[f"xinyi:bucket:{bucket}"], args=[wanted, per_second, burst])
            return Draw(int(given), float(left))
        except _FAILURES as error:
            raise Unavailable from error

    def publish(self, news: Sequence[News]) -> None:
        """See `Cache.publish`. What is said in one turn of the event loop leaves in one trip."""
        said = joined(news)
        self._fanout.spread(said)
        self._untold += said
        self._number += len(said)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        is_down = False
        while self._untold:
            some = [tuple(one) for one in islice(self._untold, MOST_AT_ONCE)]
            first = self._number - len(self._untold) + 1
            try:
                await self._redis.publish(_CHANNEL, orjson.dumps([self._name, first, some]))
                is_down = False
            except _FAILURES as error:
                if not is_down:
                    log.warning("news cannot be told to other processes: %s", type(error).__name__)
                is_down = True
                await asyncio.sleep(SECONDS_BETWEEN_TRIES)
                continue
            # Newer ones may have pushed some of these out meanwhile.
            while self._number - len(self._untold) + 1 < first + len(some):
                self._untold.popleft()

    @asynccontextmanager
    async def listen(self, *topics: str) -> AsyncIterator[Texts]:
        """See `Cache.listen`."""
        if self._hearing is None:
            self._hearing = asyncio.get_running_loop().create_task(self._hear())
        async with self._fanout.listen(*topics) as texts:
            with suppress(TimeoutError):
                async with asyncio.timeout(SECONDS_BETWEEN_TRIES):
                    await self._hears.wait()
            yield texts

    async def _hear(self) -> None:
        is_new = True
        while True:
            try:
                async with self._patient.pubsub() as channel:
                    await channel.subscribe(_CHANNEL)
                    async for message in _messages(channel):
                        if message["type"] == "message":
                            self._receive(message["data"])
                        elif message["type"] == "subscribe":
                            self._hears.set()
                            if not is_new:
                                self._fanout.tell_gap()
                            is_new = False
            except _FAILURES as error:
                if self._hears.is_set() or is_new:
                    log.warning("news of other processes cannot be heard: %s", type(error).__name__)
            self._hears.clear()
            is_new = False
            await asyncio.sleep(SECONDS_BETWEEN_TRIES)

    def _receive(self, message: bytes) -> None:
        try:
            said = orjson.loads(message)
        except ValueError:
            said = None
        match said:
            case [str(sender), int(first), [*pieces]] if all(_is_news(piece) for piece in pieces):
                for number, piece in enumerate(pieces, first):
                    self._hand_on(sender, number, News(*piece))
            case _:
                log.warning("news that is none of ours")

    def _hand_on(self, sender: str, number: int, news: News) -> None:
        if sender == self._name:
            return  # told at once, when it was said
        last = self._heard.get(sender, number - 1)
        if number <= last:
            return
        self._heard[sender] = number
        self._heard.move_to_end(sender)
        if len(self._heard) > MOST_PROCESSES:
            self._heard.popitem(last=False)
        if number > last + 1:
            self._fanout.tell_gap()
        self._fanout.spread([news])

    async def ping(self) -> None:
        """See `Cache.ping`."""
        try:
            await self._redis.ping()
        except _FAILURES as error:
            raise Unavailable from error

    async def close(self) -> None:
        """See `Cache.close`."""
        if self._telling is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(SECONDS_TO_TELL):
                    await asyncio.shield(self._telling)
        for task in (self._hearing, self._telling):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        await self._patient.aclose()
        await self._redis.aclose()


def _is_news(piece: object) -> bool:
    match piece:
        case [str(), str()]:
            return True
    return False


async def _messages(channel: Any) -> AsyncIterator[dict[str, Any]]:
    """What comes in on a channel, for as long as the other side is there.

    Raises:
        TimeoutError: it has not answered when asked.
    """
    is_asked = False
    while True:
        message = await channel.get_message(timeout=SECONDS_OF_SILENCE)
        if message is not None:
            is_asked = False
            yield message
        elif is_asked:
            raise TimeoutError
        else:
            is_asked = True
            await channel.ping()
