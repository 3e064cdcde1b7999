"""What one request costs PostgreSQL. One thing to know: it is counted from the server's own log and write-ahead log,
not assumed, while nothing else is going on."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median

from benchmarks.city import Postgres
from benchmarks.load import ask
from benchmarks.processes import Running
from benchmarks.report import Cost
from benchmarks.wire import Ask

# Parsing and binding a prepared statement are logged too; running it is what counts.
STATEMENT = re.compile(rb"duration: [0-9.]+ ms  (?:statement|execute [^:]*):\s*([A-Za-z]+)")
RELOAD_SECONDS = 0.3
LOG_SECONDS = 0.05


async def cost_of(running: Running, postgres: Postgres, asked: Sequence[Ask]) -> Cost:
    """The cost of one of `asked`, all of one kind: what most of them cost when they are asked one by one. A server has
    work of its own now and then, which falls upon one or the other of them."""
    log = postgres.folder / "server.log"
    found, sizes, bodies, all_flushed = [], [], [], True
    with _logging(postgres):
        for one in asked:
            wal_before, _ = _wal(postgres)
            begin = log.stat().st_size
            bodies += await ask(running.port, one)
            time.sleep(LOG_SECONDS)  # noqa: ASYNC251  # let the log be written; nothing else runs
            with log.open("rb") as file:
                file.seek(begin)
                words = [word.decode().upper() for word in STATEMENT.findall(file.read())]
            wal_after, is_flushed = _wal(postgres)
            found.append(tuple(words))
            sizes.append(wal_after - wal_before)
            all_flushed = all_flushed and is_flushed
    ((statements, _),) = Counter(found).most_common(1)
    return Cost(
        statements=list(statements),
        trips=len(statements),
        wal_bytes=median(sizes),
        is_flushed=all_flushed,
        sent=len(asked[0].raw()),
        received=sum(len(body) for body in bodies) // len(bodies),
    )


@contextmanager
def _logging(postgres: Postgres) -> Iterator[None]:
    """Every statement goes to the server's log meanwhile."""
    postgres.sql("ALTER SYSTEM SET log_min_duration_statement = 0")
    postgres.sql("SELECT pg_reload_conf()")
    time.sleep(RELOAD_SECONDS)
    try:
        yield
    finally:
        postgres.sql("ALTER SYSTEM RESET log_min_duration_statement")
        postgres.sql("SELECT pg_reload_conf()")
        time.sleep(RELOAD_SECONDS)


def _wal(postgres: Postgres) -> tuple[int, bool]:
    """How far the write-ahead log has got, in bytes, and whether all of it is on disk."""
    written = "pg_current_wal_insert_lsn()"
    answer = postgres.sql(f"SELECT {written} - '0/0', pg_current_wal_flush_lsn() >= {written}")
    position, is_flushed = answer.split("|")
    return int(position), is_flushed == "t"
