"""The figures as tables. One thing to know: a ratio is the median of the ratios of single rounds, since two servers
measured within seconds of each other meet the same machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from unicodedata import east_asian_width

from benchmarks.load import Measured
from benchmarks.processes import BY_HAND, ORDINARY, OURS

TARGETS = {
    "verify": {BY_HAND.name: 0.45, ORDINARY.name: 1.0},
    "me": {BY_HAND.name: 0.20, ORDINARY.name: 1.0},
}
"""What ours on PostgreSQL has to reach, by request and rival."""
TITLES = {
    "verify": "verifyCreditCode: one decision, four rows, one signature, one durable commit",
    "me": "me { scores benefits(first: 20) }: a subject's profile",
}
BUSY = 0.8
"""A server busier than this part of the time is its own bottleneck."""
Rounds = Mapping[str, Sequence[Measured]]
"""By server, one measurement for each round."""


@dataclass(frozen=True)
class Cost:
    """What one request costs on its server's store and on the wire."""

    statements: Sequence[str]
    """The first word of each statement of the last request."""
    trips: float
    wal_bytes: float
    is_flushed: bool
    """Whether all that was written was on disk when it was answered."""
    sent: int
    received: int


def ratio(rounds: Rounds, name: str, other: str) -> float:
    """Requests a second of `name` over those of `other`."""
    pairs = zip(rounds[name], rounds[other], strict=True)
    return median(mine.per_second / theirs.per_second for mine, theirs in pairs)


def speed_table(request: str, rounds: Rounds) -> str:
    """Requests a second, latencies and ratios of every server."""
    heading = [
        "requests/s",
        "p50 ms",
        "p99 ms",
        "ratio to (a)",
        "ratio to (b)",
        "server µs",
        "to (a)",
        "to (b)",
        "busy",
    ]
    rows = [["", *heading, "load µs"]]
    rivals = [_microseconds(rounds[rival]) for rival in (BY_HAND.name, ORDINARY.name)]
    for name, measured in rounds.items():
        rows.append(
            [
                name,
                f"{median(one.per_second for one in measured):,.0f}",
                f"{median(one.percentile(0.50) for one in measured):.1f}",
                f"{median(one.percentile(0.99) for one in measured):.1f}",
                f"{ratio(rounds, name, BY_HAND.name):.2f}",
                f"{ratio(rounds, name, ORDINARY.name):.2f}",
                f"{_microseconds(measured):,.0f}",
                *(f"{rival / _microseconds(measured):.2f}" for rival in rivals),
                f"{median(map(_busy, measured)):.0%}",
                f"{median(one.load_seconds / len(one.latencies) for one in measured) * 1e6:.0f}",
            ]
        )
    return "\n".join(filter(None, [TITLES[request], table(rows), starved(rounds)]))


def starved(rounds: Rounds) -> str:
    """A warning where the server's core was not the bottleneck; nothing where it was."""
    idle = [name for name, measured in rounds.items() if 0 < median(map(_busy, measured)) < BUSY]
    if not idle:
        return ""
    return (
        f"  {', '.join(idle)}: busy less than {BUSY:.0%} of the time, so PostgreSQL, the load or other programs "
        "on this machine set the pace;\n  the ratios by the server's processor time say more there."
    )


def _busy(measured: Measured) -> float:
    return (measured.server_seconds or 0) / measured.seconds


def _microseconds(measured: Sequence[Measured]) -> float:
    """Processor time of the server for one request; nearly nothing where the system does not tell."""
    return median((one.server_seconds or 1e-9) / len(one.latencies) for one in measured) * 1e6


def targets_met(request: str, rounds: Rounds) -> tuple[str, bool]:
    """A line for each target of a request, and whether all are met.

    Requests a second decide where both servers kept their core busy. Where one waited for something else they would
    flatter the slower one, so the processor time that a request took decides instead.
    """
    lines, met = [], True
    for rival, wanted in TARGETS[request].items():
        by_speed = ratio(rounds, OURS.name, rival)
        by_time = _microseconds(rounds[rival]) / _microseconds(rounds[OURS.name])
        is_starved = any(0 < median(map(_busy, rounds[name])) < BUSY for name in (OURS.name, rival))
        found, other = (by_time, by_speed) if is_starved else (by_speed, by_time)
        names = ("processor time", "requests/s") if is_starved else ("requests/s", "processor time")
        met = met and found >= wanted
        verdict = "met" if found >= wanted else "MISSED"
        lines.append(
            f"  ours ≥ {wanted:.2f} × {rival} on {request}: {found:.2f} by {names[0]}  {verdict}  "
            f"({other:.2f} by {names[1]})"
        )
    return "\n".join(lines), met


def cost_table(costs: Mapping[tuple[str, str], Cost]) -> str:
    """What one request of each kind costs each server."""
    rows = [["", "request", "SQL trips", "WAL bytes", "on disk", "bytes in", "bytes out", "SQL"]]
    for (name, request), cost in costs.items():
        statements = ", ".join(
            word if count == 1 else f"{count} {word}"
            for word, count in {word: cost.statements.count(word) for word in cost.statements}.items()
        )
        rows.append(
            [
                name,
                request,
                f"{cost.trips:.1f}",
                f"{cost.wal_bytes:,.0f}",
                "yes" if cost.is_flushed else "NO",
                f"{cost.sent:,}",
                f"{cost.received:,}",
                statements,
            ]
        )
    return f"One request alone (PostgreSQL)\n{table(rows)}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns, the first one a heading; numbers to the right."""
    widths = [max(_width(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for cell, width, head in zip(row, widths, rows[0], strict=True):
            pad = " " * (width - _width(cell))
            cells.append(cell + pad if head in ("", "request", "SQL") else pad + cell)
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join(f"  {line}" for line in lines)


def _width(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)
