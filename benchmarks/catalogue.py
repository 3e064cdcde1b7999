"""Ten thousand open offers. One thing to know: the same page is asked for over two catalogues, in turns, and what is
compared is the processor time that the server takes for one answer.

How long the catalogue takes to be read, guard and all, is told beside it: wholly, as at a start, and after one offer
was changed, as when somebody approves one.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from time import process_time
from typing import Any

import orjson
from sqlalchemy import insert, update

from benchmarks.city import City, Postgres, build, durable_postgres
from benchmarks.load import measure
from benchmarks.processes import OURS, OURS_ON_SQLITE, Running, cores, on_cores, start
from benchmarks.report import table
from benchmarks.wire import Ask
from core.clock import utc_now
from core.database import Database
from demo.alliance import make_members, make_offers, offer_rows
from partners.catalogue import bump_catalogue, load_catalogue
from partners.tables import baselines, offers, quotas

OPEN, PAGE, TARGET, SECONDS = 10_000, 20, 3.0, 1.5
ASKED = """query ($first: Int, $available: Boolean, $area: String, $search: String) { me {
  benefits(first: $first, available: $available, area: $area, search: $search) {
    edges { node { available offer { id title } } } } } }"""
LISTS: dict[str, dict[str, Any]] = {
    "all": {},
    "available": {"available": True},
    "not available": {"available": False},
    "available in a district": {"available": True, "area": "430502"},
    "available, searched": {"available": True, "search": "门票"},
}
"""What is asked for of the catalogue, and what it is called here."""


async def fill(database: Database, wanted: int) -> None:
    """Add open offers of all partners in turn, until there are that many."""
    on = utc_now().date()
    # For persons, who are asked; a partner's first offers go by one threshold and stand beside each other.
    patterns = [make_offers(member, on)[0] for member in make_members() if member.sector != "bank"]
    rows: dict[Any, list[dict[str, Any]]] = {offers: [], baselines: [], quotas: []}
    for number, draft in zip(range(wanted), cycle(patterns), strict=False):
        offer, baseline = offer_rows(draft, 100_000 + number)
        offer |= {"title": f"{draft.title}({number})", "limit_per_person": 3 if number % 2 else None}
        rows[offers].append(offer)
        rows[baselines].append(baseline)
        if number % 4 == 0:
            rows[quotas].append({"offer_id": offer["id"], "bucket": "ever", "cap": 1000, "taken": 0})
    async with database.transaction() as connection:
        for into, values in rows.items():
            for begin in range(0, len(values), 500):
                await connection.execute(insert(into), values[begin : begin + 500])
        await bump_catalogue(connection)


async def loading(database: Database, city: City) -> tuple[int, float, float]:
    """How many offers are open; processor seconds to read all, and to read again after one was changed."""
    on = utc_now().date()
    async with database.reading() as connection:
        began = process_time()
        known = await load_catalogue(connection, city.rulebook, on=on)
        wholly = process_time() - began
    count = len(known.open_offers)
    last = max(known.offers)
    async with database.transaction() as connection:
        await connection.execute(update(offers).where(offers.c.id == last).values(title="门票八折(改)"))
        await bump_catalogue(connection)
    async with database.reading() as connection:
        began = process_time()
        await load_catalogue(connection, known.rulebook, on=on, known=known)
        again = process_time() - began
    return count, wholly, again


async def per_answer(server: Running, city: City, narrower: dict[str, Any]) -> float:
    """Processor seconds of the server for one page."""
    document = orjson.dumps({"query": ASKED, "variables": {"first": PAGE, **narrower}})
    requests = cycle([Ask("POST", "/graphql", token, document).raw() for token in city.readers])
    found = await measure(
        server.port,
        requests,
        lambda body: b'"edges":' in body,
        connections=4,
        seconds=SECONDS,
        warm_up=0.3,
        processor_time=server.processor_time,
    )
    if found.server_seconds is None:
        raise RuntimeError("this system does not tell processor time")
    return found.server_seconds / len(found.latencies)


async def _compare(
    folder: Path, postgres: Postgres, say: Callable[[str], None], stack: ExitStack, *, rounds: int
) -> bool:
    city = await build(folder, postgres)
    many = {
        "postgresql": postgres.create_database("many", template="benchmark"),
        "sqlite": f"sqlite+aiosqlite:///{folder}/many.db",
    }
    shutil.copy(folder / "benchmark.db", folder / "many.db")
    rows, read, met = [], [], True
    for entrant in (OURS, OURS_ON_SQLITE):
        store = entrant.store
        database = Database(many[store], keys=city.keys)
        await fill(database, OPEN)
        count, wholly, again = await loading(database, city)
        await database.close()
        if store == "postgresql":
            postgres.sql("VACUUM ANALYZE", database="many")
        servers: dict[str, Running] = {}
        for name, url in (("few", city.urls[store]), ("many", many[store])):
            settings = city.environment(entrant) | {"XINYI_DATABASE_URL": url}
            servers[name] = start(entrant, settings, folder / f"{store}-{name}.log", on=cores()[:1], patience=120)
            stack.callback(servers[name].stop)
        read.append([store, f"{count}", f"{wholly:.2f} s", f"{again:.2f} s"])
        for asked, narrower in LISTS.items():
            took: dict[str, list[float]] = {"few": [], "many": []}
            for _ in range(rounds):
                for name, server in servers.items():
                    took[name].append(await per_answer(server, city, narrower))
            few, lots = median(took["few"]), median(took["many"])
            met = met and lots <= TARGET * few and count >= OPEN
            rows.append([store, asked, f"{few * 1000:.2f} ms", f"{lots * 1000:.2f} ms", f"{lots / few:.2f}"])
    say("reading the catalogue, processor time")
    say(table([["store", "open", "reading all", "after one change"], *read]))
    say(f"benefits(first: {PAGE}) of one person, processor time in the server")
    say(table([["store", "asked for", "demo city", "ten thousand", "ratio"], *rows]))
    say(f"asked: ≤ {TARGET:g} × the time with the demo city's offers: {'met' if met else 'NOT met'}")
    return met


def bench_offers(say: Callable[[str], None], *, rounds: int) -> bool:
    """Print what ten thousand offers cost; whether the target is met."""
    folder, available = Path(mkdtemp(prefix="xinyi-offers-bench-", dir="/tmp")), cores()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.enter_context(on_cores(available[1:]))
        postgres = durable_postgres()
        stack.callback(postgres.stop)
        return asyncio.run(_compare(folder, postgres, say, stack, rounds=rounds))
