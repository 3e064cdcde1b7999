"""Asks a server over kept-alive connections and notes how long each answer took. One thing to know: a connection sends
its next request when its last one is answered, so the server is never asked faster than it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter, process_time

from benchmarks.wire import Ask

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "
LATEST = 60.0
"""Seconds after which a server that has not answered is given up."""


@dataclass
class Measured:
    """What one server did in one stretch of time."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """Seconds from sending to the last byte of the answer, sorted."""
    server_seconds: float | None = None
    """Processor time the server used meanwhile, where the system tells."""
    load_seconds: float = 0.0
    """Processor time that asking and checking took."""

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, part: float) -> float:
        """The latency that `part` of the answers (0 to 1) did not exceed, in milliseconds."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * part))] * 1000


class WrongAnswer(Exception):
    """A server answered something that is no answer."""


Answered = Callable[[float, float, bytes], bool]
"""Called with the instants of sending and of the answer, and the body; whether to go on."""


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], answered: Answered) -> None:
        self._requests, self._answered = requests, answered
        self._received, self._needed, self._body_at = b"", 0, 0
        self._sent_at = 0.0
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._send()

    def _send(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._finish()
            return
        self._received, self._needed = b"", 0
        self._sent_at = perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        if not self._needed:
            end = self._received.find(HEAD_END)
            if end < 0:
                return
            at = self._received.find(LENGTH, 0, end)
            if at < 0 or not self._received.startswith(b"HTTP/1.1 200"):
                self._fail(WrongAnswer(self._received[:500].decode(errors="replace")))
                return
            length = self._received[at + len(LENGTH) : self._received.index(b"\r", at)]
            self._body_at = end + len(HEAD_END)
            self._needed = self._body_at + int(length)
        if len(self._received) >= self._needed:
            now = perf_counter()
            try:
                goes_on = self._answered(self._sent_at, now, self._received[self._body_at :])
            except WrongAnswer as wrong:
                self._fail(wrong)
                return
            if goes_on:
                self._send()
            else:
                self._finish()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error or WrongAnswer("the server closed the connection"))

    def _finish(self) -> None:
        if not self.finished.done():
            self.finished.set_result(None)
        self._transport.close()

    def _fail(self, error: Exception) -> None:
        if not self.finished.done():
            self.finished.set_exception(error)
        self._transport.close()


async def drive(port: int, requests: Iterator[bytes], answered: Answered, *, connections: int) -> None:
    """Send requests over so many connections until there are no more, or `answered` has had enough."""
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: _Connection(requests, answered), "127.0.0.1", port)
        for _ in range(connections)
    ]
    async with asyncio.timeout(LATEST):
        await asyncio.gather(*(protocol.finished for _, protocol in opened))


async def ask(port: int, *asked: Ask) -> list[bytes]:
    """The bodies of the answers to these requests, asked one after the other.

    Raises:
        WrongAnswer: one was not answered with 200.
    """
    bodies: list[bytes] = []

    def answered(_sent_at: float, _now: float, body: bytes) -> bool:
        bodies.append(body)
        return True

    await drive(port, iter([one.raw() for one in asked]), answered, connections=1)
    return bodies


async def measure(
    port: int,
    requests: Iterator[bytes],
    check: Callable[[bytes], bool],
    *,
    connections: int,
    seconds: float,
    warm_up: float,
    processor_time: Callable[[], float | None],
) -> Measured:
    """Keep a server busy for `warm_up` seconds, then for `seconds` that count.

    Raises:
        WrongAnswer: `check` did not know an answer's body.
    """
    begin = perf_counter() + warm_up
    end = begin + seconds
    measured = Measured()
    last, used_before, load_before = begin, None, 0.0

    def answered(sent_at: float, now: float, body: bytes) -> bool:
        nonlocal last, used_before, load_before
        if not check(body):
            raise WrongAnswer(body[:500].decode(errors="replace"))
        if now >= begin:
            if used_before is None:
                used_before, load_before = processor_time(), process_time()
            if now <= end:
                measured.latencies.append(now - sent_at)
                last = now
        return now < end

    await drive(port, requests, answered, connections=connections)
    used_after, measured.load_seconds = processor_time(), process_time() - load_before
    if used_before is not None and used_after is not None:
        measured.server_seconds = used_after - used_before
    # All prepared requests may have been answered before the time was over.
    measured.seconds = min(seconds, last - begin)
    measured.latencies.sort()
    return measured
