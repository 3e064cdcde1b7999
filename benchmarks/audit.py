"""What the audit trail costs a verification. One thing to know: both ways take turns in one process, request by
request, so whatever slows the machine slows both alike."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from time import perf_counter
from typing import Any
from unittest.mock import patch

import httpx

from api.app import create_app
from benchmarks.city import City, build, durable_postgres
from benchmarks.processes import OURS
from core import audit
from core.statements import PreparedInserts
from partners import decisions
from partners.tables import access_events, answers, verifications

PAIRS, WARM_UP, TARGET = 600, 40, 0.8


@contextmanager
def _without_audit() -> Iterator[None]:
    """Decide and write everything but the audit row."""
    with patch.object(decisions, "_DECISION", _Fewer()), patch.object(audit, "new_entry", _unwritten):
        yield


_FEWER = PreparedInserts(verifications, access_events, answers)


class _Fewer:
    async def run(self, connection: Any, *rows: Mapping[str, Any]) -> None:
        decided, seen, _, answered = rows
        await _FEWER.run(connection, decided, seen, answered)


async def _unwritten(_: Any, **given: Any) -> dict[str, Any]:
    return {"leaf": "0" * 64}


async def _measure(city: City) -> float:
    """Median time without the trail ÷ with it."""
    app = create_app(city.settings)
    took: dict[str, list[float]] = {"with": [], "without": []}
    async with app.router.lifespan_context(app):
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://bench")
        async with client:
            for number, (token, scan) in enumerate(city.scans(2 * (PAIRS + WARM_UP))):
                way = "with" if number % 2 else "without"
                asked = OURS.dialect.verify(token, scan)
                began = perf_counter()
                if way == "with":
                    response = await client.post("/graphql", content=asked.body, headers=asked.headers)
                else:
                    with _without_audit():
                        response = await client.post("/graphql", content=asked.body, headers=asked.headers)
                if number >= 2 * WARM_UP:
                    took[way].append(perf_counter() - began)
                if b'"outcome"' not in response.content:
                    raise RuntimeError(response.text)
    return median(took["without"]) / median(took["with"])


def bench_audit(say: Callable[[str], None], *, rounds: int) -> bool:
    """Print the speed of a verification with the trail against without; whether the target is met."""
    folder, postgres = Path(mkdtemp(prefix="xinyi-audit-bench-", dir="/tmp")), durable_postgres()
    try:
        city = asyncio.run(build(folder, postgres))
        found = sorted(asyncio.run(_measure(city)) for _ in range(rounds))
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
    ratio = median(found)
    say("Verification with the audit trail, against the same without it (durable PostgreSQL, requests in turn)")
    say(f"  {ratio:.2f} of the speed ({found[0]:.2f} to {found[-1]:.2f} over {rounds} rounds of {PAIRS} pairs)")
    say(f"asked: ≥ {TARGET}: {'met' if ratio >= TARGET else 'NOT met'}")
    return ratio >= TARGET
