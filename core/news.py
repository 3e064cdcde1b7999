"""Telling whoever listens that something was written. One thing to know: news leaves after the commit it speaks of and
says only where to look, so whoever hears it reads the database, with the rights he has at that moment. News may be lost
(a cache that is down, a listener that is slow); then those who listen are told that some may be missing.
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


CATALOGUE = "catalogue"
"""The topic of reference data: partners, offers, models."""
CHANGED = "changed"
"""The text there."""
BENEFITS = "benefits"
"""The text, on a subject's topic, that its benefits may have changed."""
GAP = ""
"""The text that stands for news that may be missing: whoever hears it looks for what is new himself."""
MOST_WAITING = 100
"""Pieces of news that a slow listener may let lie; with more, all of them become one `GAP`."""


def of_subject(subject_id: int) -> str:
    """The topic of one subject."""
    return f"subject:{subject_id}"


def of_partner(partner_id: int) -> str:
    """The topic of one partner."""
    return f"partner:{partner_id}"


class Texts(AsyncIterator[str]):
    """What is said on some topics, in order and without end. Waiting for the next one may be broken off and taken up
    again; nothing is lost by it."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[str] = asyncio.Queue()

    async def __anext__(self) -> str:
        return await self._waiting.get()

    def add(self, text: str) -> None:
        """Lay a text behind the others."""
        if self._waiting.qsize() >= MOST_WAITING:
            text = GAP
        if text == GAP:
            self.drop()  # whoever looks for what is new finds what these speak of too
        self._waiting.put_nowait(text)

    def drop(self) -> None:
        """Forget what waits."""
        while not self._waiting.empty():
            self._waiting.get_nowait()


class Fanout:
    """Brings news to the listeners of this one process."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Texts]] = defaultdict(set)

    def spread(self, news: Iterable[News]) -> None:
        """Hand news to whoever listens; nobody is waited for."""
        for topic, text in news:
            for texts in self._listeners.get(topic, ()):
                texts.add(text)

    def tell_gap(self) -> None:
        """Tell everybody that news may be missing."""
        for texts in set[Texts]().union(*self._listeners.values()):
            texts.add(GAP)

    @asynccontextmanager
    async def listen(self, *topics: str) -> AsyncIterator[Texts]:
        """What is said on these topics as long as the block runs."""
        texts = Texts()
        for topic in topics:
            self._listeners[topic].add(texts)
        try:
            yield texts
        finally:
            for topic in topics:
                held = self._listeners[topic]
                held.discard(texts)
                if not held:
                    del self._listeners[topic]

    def __len__(self) -> int:
        """How many topics are listened to."""
        return len(self._listeners)


def joined(news: Sequence[News]) -> list[News]:
    """The same news, each piece once, in the order first said."""
    return list(dict.fromkeys(news))
