"""Where our server spends its time under load. One thing to know: figures are shares of its processor time, from
samples taken while 32 connections keep it busy."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import orjson

from benchmarks.city import City
from benchmarks.load import Measured
from benchmarks.processes import OURS, ROOT, start
from benchmarks.report import table

SECONDS = 10.0
SHOWN = 40
FRAME = f"{ROOT}/api/transport/server.py:serve"
"""What is on the stack as often as this says nothing: the event loop and what started it."""
Run = Callable[..., Awaitable[Measured]]


async def profile(request: str, city: City, folder: Path, *, run: Run, on: Sequence[int]) -> str:
    """The functions and lines that take most; `run` puts the server under load."""
    output = folder / "samples.json"
    watched = replace(OURS, command=(sys.executable, "-m", "benchmarks.sampling", str(output), "serve"))
    server = start(watched, city.environment(OURS), folder / "profile.log", on=on)
    try:
        await run(server, request, city, seconds=1.0)
        server.process.send_signal(signal.SIGUSR1)
        measured = await run(server, request, city, seconds=SECONDS, warm_up=0)
    finally:
        server.stop()
    found = orjson.loads(output.read_bytes())
    samples, alone, within = found["samples"], Counter(found["alone"]), Counter(found["within"])
    functions: Counter[str] = Counter()
    for line, count in alone.items():
        functions[line.rpartition(":")[0]] += count
    inside = [(place, count) for place, count in within.most_common() if count < within[FRAME]]
    cost = (measured.server_seconds or 0) / len(measured.latencies) * 1e6
    return "\n".join(
        [
            f"{request}: {measured.per_second:,.0f} requests/s, {cost:.0f} µs each, {samples} samples",
            _shares("with what they call", inside[: 2 * SHOWN], samples, cost),
            _shares("by themselves", functions.most_common(SHOWN), samples, cost),
            _shares("single lines", alone.most_common(SHOWN), samples, cost),
        ]
    )


def _shares(title: str, places: Iterable[tuple[str, int]], samples: int, cost: float) -> str:
    rows = [["share", "µs/request", ""]]
    rows += [[f"{count / samples:.1%}", f"{count / samples * cost:.0f}", _short(place)] for place, count in places]
    return f"\n{title}\n{table(rows)}"


def _short(place: str) -> str:
    return place.replace(f"{ROOT}/", "").rpartition("site-packages/")[2]
