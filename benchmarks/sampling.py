"""A server that is watched: `python -m benchmarks.sampling OUTPUT serve …` runs the command line and, from SIGUSR1 on,
notes at every tick of its processor time where it is. One thing to know: nothing is slowed down unevenly, as
a tracing profiler would; what C code takes is counted where Python called it."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

import orjson

EVERY = 0.001

alone: Counter[str] = Counter()
"""Samples by the line that was running."""
within: Counter[str] = Counter()
"""Samples by function that was running or waiting for what it had called."""
samples = 0


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_code.co_qualname if hasattr(frame.f_code, 'co_qualname') else ''}"


def _note(_signal: int, frame: FrameType | None) -> None:
    global samples  # noqa: PLW0603  # a signal handler has nowhere else to write
    samples += 1
    if frame is not None:
        alone[f"{_place(frame)}:{frame.f_lineno}"] += 1
    seen = set()
    while frame is not None:
        seen.add(_place(frame))
        frame = frame.f_back
    within.update(seen)


def main() -> None:
    """Run the command line; write what was noted when it ends."""
    from cli.main import main as run

    output = Path(sys.argv.pop(1))
    signal.signal(signal.SIGPROF, _note)
    signal.signal(signal.SIGUSR1, lambda *_: signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY))
    try:
        run()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        output.write_bytes(orjson.dumps({"samples": samples, "alone": alone, "within": within}))


if __name__ == "__main__":
    main()
