"""Telling whoever listens that something was written. One thing to know: news leaves after the commit it speaks of and
says only where to look, so whoever hears it reads the database, with the rights he has at that moment; news may be lost
(a cache that is down, a process that ends), so nothing that must not be lost rests on it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple


class News(NamedTuple):
    """One piece of news: a topic such as `subject:17`, and a short text that says where to look."""

    topic: str
    text: str


MOST_WAITING = 100
"""Pieces of news that a slow listener may let lie; with more it has missed some, and is told so by the end."""


class Fanout:
    """Brings news to the listeners of this one process."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[asyncio.Queue[str | None]]] = defaultdict(set)

    def has_listeners(self, topic: str) -> bool:
        """Whether anybody of this process listens to a topic."""
        return topic in self._listeners

    def spread(self, news: Iterable[News]) -> None:
        """Hand news to whoever listens; nobody is waited for."""
        for topic, text in news:
            for queue in tuple(self._listeners.get(topic, ())):
                if queue.qsize() < MOST_WAITING:
                    queue.put_nowait(text)
                else:
                    self._leave(topic, queue)
                    queue.put_nowait(None)

    @asynccontextmanager
    async def listen(self, *topics: str) -> AsyncIterator[AsyncIterator[str]]:
        """The texts said on these topics as long as the block runs; they end where the listener was too slow."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        for topic in topics:
            self._listeners[topic].add(queue)
        try:
            yield _texts(queue)
        finally:
            for topic in topics:
                self._leave(topic, queue)

    def _leave(self, topic: str, queue: asyncio.Queue[str | None]) -> None:
        held = self._listeners.get(topic)
        if held is not None:
            held.discard(queue)
            if not held:
                del self._listeners[topic]

    def __len__(self) -> int:
        """How many topics are listened to."""
        return len(self._listeners)


async def _texts(queue: asyncio.Queue[str | None]) -> AsyncIterator[str]:
    while (text := await queue.get()) is not None:
        yield text


def joined(news: Sequence[News]) -> list[News]:
    """The same news, each piece once, in the order first said."""
    return list(dict.fromkeys(news))
