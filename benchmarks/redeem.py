"""What redeeming costs with 1,000 redemptions in the table, and with a million. One thing to know: the small and the
large city take turns, redemption by redemption, so whatever slows the machine slows both alike."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert

from benchmarks.city import City, Postgres, build, durable_postgres
from core.clock import utc_now
from core.database import Database
from partners.answers import Problem
from partners.redemption import redeem_benefit
from partners.tables import verifications

SMALL, LARGE = 1_000, 1_000_000
PAIRS, WARM_UP, WITHIN = 300, 50, 1.2

_POSTGRES = """
SET session_replication_role = replica;
INSERT INTO verifications (subject_id, id, code_id, partner_id, offer_id, offer_version, outcome, at, expires_at,
                           reserved, lapsed, account)
SELECT s.id, gen_random_uuid(), decode(md5(g::text), 'hex'), {partner}, {offer}, 1, 'BENEFIT_APPLIES',
       now() - g * interval '1 second', now() - g * interval '1 second', false, false, 'benchmark'
FROM generate_series(1, {number}) g
JOIN (SELECT id, row_number() OVER (ORDER BY id) AS n, count(*) OVER () AS c FROM subjects) s ON s.n = g % s.c + 1;
INSERT INTO redemptions (subject_id, id, verification_id, partner_id, took_quota, at)
SELECT subject_id, gen_random_uuid(), id, partner_id, false, at FROM verifications;
"""
_SQLITE = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -400000;
WITH RECURSIVE numbers(g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM numbers WHERE g < {number}),
     s AS (SELECT id, row_number() OVER (ORDER BY id) AS n, count(*) OVER () AS c FROM subjects)
INSERT INTO verifications (subject_id, id, code_id, partner_id, offer_id, offer_version, outcome, at, expires_at,
                           reserved, lapsed, account)
SELECT s.id, lower(hex(randomblob(16))), randomblob(16), {partner}, {offer}, 1, 'BENEFIT_APPLIES',
       strftime('%Y-%m-%d %H:%M:%f000', 'now', -g || ' seconds'),
       strftime('%Y-%m-%d %H:%M:%f000', 'now', -g || ' seconds'), 0, 0, 'benchmark'
FROM numbers JOIN s ON s.n = g % s.c + 1;
INSERT INTO redemptions (subject_id, id, verification_id, partner_id, took_quota, at)
SELECT subject_id, lower(hex(randomblob(16))), id, partner_id, 0, at FROM verifications;
ANALYZE;
"""


def _fill(city: City, folder: Path, postgres: Postgres) -> dict[str, dict[int, str]]:
    """By store, the addresses of a city with few redemptions and of one with many."""
    offer = city.gates[0].offer
    found: dict[str, dict[int, str]] = {"postgresql": {}, "sqlite": {}}
    for number in (SMALL, LARGE):
        given = {"partner": offer.partner.id, "offer": offer.id, "number": number}
        name = f"redeemed_{number}"
        found["postgresql"][number] = postgres.create_database(name, template="benchmark")
        postgres.sql(_POSTGRES.format(**given), database=name)
        postgres.sql("VACUUM ANALYZE", database=name)
        path = folder / f"{name}.db"
        shutil.copy(folder / "benchmark.db", path)
        connection = sqlite3.connect(path)
        connection.executescript(_SQLITE.format(**given))
        connection.close()
        found["sqlite"][number] = f"sqlite+aiosqlite:///{path}"
    return found


async def _reserve(database: Database, city: City, number: int, now: datetime) -> list[UUID]:
    """Verifications that can be redeemed now."""
    gate, kept = city.gates[0], []
    rows: list[dict[str, Any]] = []
    for place in range(number):
        row: dict[str, Any] = {"subject_id": gate.visitors[place % len(gate.visitors)], "id": uuid4()}
        row |= {"code_id": uuid4().bytes, "partner_id": gate.offer.partner.id, "offer_id": gate.offer.id}
        row |= {"offer_version": 1, "outcome": "BENEFIT_APPLIES", "at": now, "expires_at": now + timedelta(hours=1)}
        rows.append(row | {"reserved": False, "lapsed": False, "account": "benchmark"})
        kept.append(row["id"])
    async with database.transaction() as connection:
        await connection.execute(insert(verifications), rows)
    return kept


async def _measure(city: City, urls: dict[int, str]) -> float:
    """Median time of a redemption among many ÷ among few."""
    took: dict[int, list[float]] = {number: [] for number in urls}
    databases = {number: Database(url, keys=city.keys) for number, url in urls.items()}
    now, partner_id = utc_now(), city.gates[0].offer.partner.id
    kept: dict[int, Sequence[UUID]] = {
        number: await _reserve(database, city, PAIRS + WARM_UP, now) for number, database in databases.items()
    }
    for place in range(PAIRS + WARM_UP):
        for number, database in databases.items():
            began = perf_counter()
            async with database.transaction() as connection:
                answer = await redeem_benefit(
                    connection,
                    account="benchmark",
                    partner_id=partner_id,
                    request_id=str(kept[number][place]),
                    verification_id=kept[number][place],
                    amount_fen=None,
                    keys=city.keys,
                    now=now,
                )
            if isinstance(answer, Problem):
                raise RuntimeError(answer.message)
            if place >= WARM_UP:
                took[number].append(perf_counter() - began)
    for database in databases.values():
        await database.close()
    return median(took[LARGE]) / median(took[SMALL])


def bench_redeem(say: Callable[[str], None], *, rounds: int) -> bool:
    """Print what redeeming costs among many against among few, on both stores; whether the target is met."""
    folder, postgres = Path(mkdtemp(prefix="xinyi-redeem-bench-", dir="/tmp")), durable_postgres()
    try:
        city = asyncio.run(build(folder, postgres))
        urls = _fill(city, folder, postgres)
        found = {
            store: sorted(asyncio.run(_measure(city, of_store)) for _ in range(rounds))
            for store, of_store in urls.items()
        }
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
    say(f"Redeeming with {LARGE:,} redemptions in the table, against with {SMALL:,} (durable, in turn)")
    for store, ratios in found.items():
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f} over {rounds} rounds of {PAIRS} pairs"
        say(f"  {store}: {median(ratios):.2f} of the time ({spread})")
    met = all(median(ratios) <= WITHIN for ratios in found.values())
    say(f"asked: ≤ {WITHIN}: {'met' if met else 'NOT met'}")
    return met
