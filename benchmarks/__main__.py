"""`make bench`: prints every figure as a ratio, measured side by side. One thing to know: nothing is timed before all
servers have given the same answers to the same people."""

from __future__ import annotations

import argparse
import platform
import shutil
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from importlib.metadata import version
from itertools import chain, cycle
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic

import uvloop

from benchmarks.audit import bench_audit
from benchmarks.catalogue import bench_offers
from benchmarks.city import DURABLE, City, Postgres, build, durable_postgres
from benchmarks.compare import Counter, Different, check_leaves, check_same, decisions, profiles, rows_written
from benchmarks.costs import cost_of
from benchmarks.intake import bench_intake
from benchmarks.load import Measured, WrongAnswer, ask, measure
from benchmarks.population import bench_population
from benchmarks.processes import ENTRANTS, OURS, Running, cores, on_cores, start
from benchmarks.profiling import profile
from benchmarks.reasons import bench_reasons
from benchmarks.redeem import bench_redeem
from benchmarks.report import cost_table, speed_table, targets_met
from benchmarks.wire import Ask, Dialect
from core.clock import utc_now
from core.database import Database

CONNECTIONS = 32
WARM_UP = 0.3
FASTEST = 4000
"""No server answers more verifications a second than this: so many codes are made ready."""
REQUESTS = ("verify", "me")
SHOWN_VERSIONS = (
    "uvicorn",
    "uvloop",
    "httptools",
    "starlette",
    "fastapi",
    "sqlalchemy",
    "asyncpg",
    "strawberry-graphql",
)


def say(text: str = "") -> None:
    """Print a line now."""
    print(text, flush=True)


def progress(text: str) -> None:
    """Say on standard error what is going on, where somebody is watching."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


async def compare_all(city: City, running: Mapping[str, Running]) -> int:
    """Ask all servers the same and stop at the first difference; how many answers were compared.

    Raises:
        Different: two servers disagree.
    """
    tokens = [*city.readers[:40], *city.others]
    counters = [
        Counter(gate.token, gate.offer.id, city.gates[number - 1].offer.id, gate.visitors[:10])
        for number, gate in enumerate(city.gates)
    ]
    told = {}
    for name, server in running.items():
        database = Database(city.urls[server.entrant.store])
        before = await rows_written(database)

        async def asking(one: Ask, port: int = server.port) -> bytes:
            (body,) = await ask(port, one)
            return body

        dialect = server.entrant.dialect
        read = await profiles(asking, dialect, tokens)
        decided = await decisions(asking, dialect, counters, keys=city.keys, now=utc_now())
        after = await rows_written(database)
        await check_leaves(database)
        await database.close()
        told[name] = read, decided, {table: after[table] - before[table] for table in after}
    ours = told[OURS.name]
    for name, theirs in told.items():
        for mine, other in zip(ours, theirs, strict=True):
            check_same(name, mine, other)
    outcomes = {answer.get("outcome") for answer in ours[1]}
    if not {"BENEFIT_APPLIES", "STANDARD_SERVICE"} <= outcomes:
        raise RuntimeError(f"the city does not show both outcomes: {outcomes}")
    return len(told) * (len(ours[0]) + len(ours[1]))


def requests_for(request: str, dialect: Dialect, city: City, count: int) -> Iterator[bytes]:
    """Requests of a kind as bytes: for `verify`, `count` of them with fresh codes; for `me`, without end."""
    if request == "me":
        return cycle([dialect.me(token).raw() for token in city.readers])
    return iter([dialect.verify(token, scan).raw() for token, scan in city.scans(count)])


def is_answer(request: str) -> Callable[[bytes], bool]:
    """Whether a body is an answer, seen quickly; that answers are right was compared before."""
    if request == "me":
        return lambda body: b'"pageInfo":{' in body
    return lambda body: b'"BENEFIT_APPLIES"' in body or b'"STANDARD_SERVICE"' in body


async def run_once(server: Running, request: str, city: City, *, seconds: float, warm_up: float = WARM_UP) -> Measured:
    """Put a server under load for a while."""
    count = int(FASTEST * (seconds + warm_up))
    try:
        return await measure(
            server.port,
            requests_for(request, server.entrant.dialect, city, count),
            is_answer(request),
            connections=CONNECTIONS,
            seconds=seconds,
            warm_up=warm_up,
            processor_time=server.processor_time,
        )
    except WrongAnswer as wrong:
        raise WrongAnswer(f"{server.entrant.name}: {wrong}\n{server.complaints()}") from None


async def measure_all(
    running: Mapping[str, Running], city: City, requests: tuple[str, ...], *, seconds: float, rounds: int
) -> dict[str, dict[str, list[Measured]]]:
    """By request and server, one measurement for each round; the servers take turns within a round."""
    found: dict[str, dict[str, list[Measured]]] = {request: defaultdict(list) for request in requests}
    for number in range(rounds):
        for request in requests:
            for name, server in running.items():
                progress(f"round {number + 1} of {rounds}: {request}, {name}")
                found[request][name].append(await run_once(server, request, city, seconds=seconds))
    progress("")
    return found


async def count_costs(running: Mapping[str, Running], city: City, postgres: Postgres, requests: tuple[str, ...]) -> str:
    """What one request costs each server on PostgreSQL."""
    costs = {}
    for request in requests:
        for name, server in running.items():
            if server.entrant.store == "postgresql":
                dialect = server.entrant.dialect
                asked = (
                    [dialect.me(token) for token in city.readers[:20]]
                    if request == "me"
                    else [dialect.verify(token, scan) for token, scan in city.scans(20)]
                )
                costs[name, request] = await cost_of(server, postgres, asked)
    return cost_table(costs)


def describe(city: City, postgres: Postgres, server_cores: list[int], load_cores: list[int]) -> str:
    """The machine, the versions and the settings that decide about durability."""
    shown = {name: postgres.sql(f"SHOW {name}") for name in ("server_version", *DURABLE)}
    settings = ", ".join(f"{name} {value}" for name, value in shown.items() if name != "server_version")
    versions = ", ".join(f"{name} {version(name)}" for name in SHOWN_VERSIONS)
    placed = f"server on core {server_cores}, load and PostgreSQL on {load_cores}" if load_cores else "cores not chosen"
    visitors = sum(len(gate.visitors) for gate in city.gates)
    return "\n".join(
        [
            f"Python {platform.python_version()}, {platform.system()} {platform.machine()}; {placed}",
            f"PostgreSQL {shown['server_version'].split()[0]}: {settings}",
            "SQLite: journal_mode WAL, synchronous FULL",
            versions,
            f"{CONNECTIONS} connections; {len(city.gates)} partners, {visitors} people at their gates, "
            f"{len(city.readers)} people reading their profile",
        ]
    )


APART: Mapping[str, Callable[..., bool]] = {
    "audit": bench_audit,
    "intake": bench_intake,
    "offers": bench_offers,
    "population": bench_population,
    "reasons": bench_reasons,
    "redeem": bench_redeem,
}
"""What is measured without a running server."""


async def bench(options: argparse.Namespace) -> int:
    """Seed, compare, measure, print; the exit code."""
    requests = (options.only,) if options.only else REQUESTS
    available = cores()
    server_cores, load_cores = (available[:1], available[1:]) if len(available) > 1 else ([], [])
    began = monotonic()
    with ExitStack() as stack:
        folder = Path(mkdtemp(prefix="xinyi-bench-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.enter_context(on_cores(load_cores))
        postgres = durable_postgres()
        stack.callback(postgres.stop)
        say("seeding the demo city on PostgreSQL and SQLite …")
        city = await build(folder, postgres)
        say(describe(city, postgres, server_cores, load_cores))
        if options.profile:
            say(await profile(options.profile, city, folder, run=run_once, on=server_cores))
            return 0
        running: dict[str, Running] = {}
        for entrant in ENTRANTS:
            log = folder / f"{len(running)}.log"
            server = start(entrant, city.environment(entrant), log, on=server_cores)
            stack.callback(server.stop)
            running[entrant.name] = server
        say(f"answers compared: {await compare_all(city, running)}, all the same")
        for request, name in chain.from_iterable(((r, n) for n in running) for r in requests):
            progress(f"warming up: {request}, {name}")
            await run_once(running[name], request, city, seconds=0.5)
        say(f"\n{await count_costs(running, city, postgres, requests)}")
        found = await measure_all(running, city, requests, seconds=options.seconds, rounds=options.rounds)
    met = True
    for request in requests:
        say(f"\n{speed_table(request, found[request])}")
    say("\nTargets")
    for request in requests:
        lines, reached = targets_met(request, found[request])
        met = met and reached
        say(lines)
    say(f"\n{options.rounds} rounds of {options.seconds:g} s each, medians; {monotonic() - began:.0f} s in all")
    return 0 if met or not options.strict else 1


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.5, help="length of one measurement (2.5)")
    parser.add_argument("--rounds", type=int, default=4, help="how often each server has its turn (4)")
    parser.add_argument("--only", choices=(*REQUESTS, *APART), help="measure one kind of request, or one other thing")
    parser.add_argument("--profile", choices=REQUESTS, help="profile ours instead, and print where the time goes")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where a target is missed")
    options = parser.parse_args()
    # A polite kill ends like Ctrl-C: servers stopped, folder removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = 0 if options.only in APART else uvloop.run(bench(options))
        for name, apart in APART.items():
            if options.only in {None, name} and not options.profile:
                say()
                met = apart(say, rounds=2 * options.rounds + 1 if name == "population" else 3)
                code = code or (0 if met or not options.strict else 1)
        sys.exit(code)
    except KeyboardInterrupt:
        sys.exit(130)
    except (Different, WrongAnswer) as wrong:
        sys.exit(f"benchmarks: {wrong}")


if __name__ == "__main__":
    main()
