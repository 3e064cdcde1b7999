"""PostgreSQL, where a deployment would rather use the one it has. One thing to know: everything is in temporary tables
of one session, so that nothing is left behind, whatever happens.

Rows go in and come back as CSV, read and written by DuckDB. A temporary table hides the application's of the same name.
"""

from __future__ import annotations

from asyncio import Runner
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from sqlalchemy.engine import make_url

from scoring.population.engines import DuckDB, EngineMissing, OutOfResources, ResultTooLarge, Shard
from scoring.population.inputs import DAY, FLAG, NUMBER, TEXT, quoted

COLUMN_TYPES = {TEXT: 'text COLLATE "C"', DAY: "date", FLAG: "boolean", NUMBER: "numeric(18, 2)"}
SESSION = ("SET statement_timeout = 0", "SET idle_session_timeout = 0", "SET work_mem = '256MB'", "SET jit = off")


class Postgres:
    """One session."""

    subjects_at_once = 2_000_000

    def __init__(self, connection: asyncpg.Connection, runner: Runner, local: DuckDB, scratch: Path) -> None:
        self._connection, self._runner, self._local, self._scratch = connection, runner, local, scratch

    def score(self, statement: str, shard: Shard, target: Path) -> None:
        """Write the shard's results."""
        self._local.show(shard)
        results = self._scratch / "results.csv"
        try:
            self._runner.run(self._score(statement, results))
        except asyncpg.NumericValueOutOfRangeError:
            raise ResultTooLarge from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise OutOfResources(f"PostgreSQL 未能算完({str(error)[:200]})") from None
        columns = "{'subject': 'VARCHAR', 'points': 'DECIMAL(18,2)', 'grade': 'VARCHAR'}"
        # A subject's name may hold a line break: one reader alone is sure to see that it is quoted.
        self._local.write(
            f"SELECT * FROM read_csv({quoted(str(results))}, columns = {columns}, auto_detect = false, header = false, "  # noqa: S608
            "delim = ',', quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false, parallel = false)",
            target,
        )
        results.unlink()

    async def _score(self, statement: str, results: Path) -> None:
        for name, source in self._local.named_sources():
            columns = ", ".join(f"{column.name} {COLUMN_TYPES[column.wanted]}" for column in source.columns)
            await self._connection.execute(f"DROP TABLE IF EXISTS pg_temp.{name}; CREATE TEMP TABLE {name} ({columns})")
            path = self._scratch / f"{name}.csv"
            self._local.export(name, path)
            await self._connection.copy_to_table(name, schema_name="pg_temp", source=path, format="csv")
            path.unlink()
            await self._connection.execute(f"ANALYZE pg_temp.{name}")
        await self._connection.copy_from_query(statement, output=results, format="csv")


@contextmanager
def open_postgres(local: DuckDB, scratch: Path, database_url: str | None) -> Iterator[Postgres]:
    """A session on the deployment's database.

    Raises:
        EngineMissing: no PostgreSQL is named, or it does not answer.
    """
    if database_url is None or not database_url.startswith("postgresql"):
        raise EngineMissing("XINYI_DATABASE_URL 没有指向 PostgreSQL。请设置它,或改用 --engine duckdb")
    dsn = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    scratch.mkdir(exist_ok=True)
    with Runner() as runner:
        try:
            connection = runner.run(_connect(dsn))
        except (asyncpg.PostgresError, OSError, TimeoutError) as error:
            raise EngineMissing(
                f"连不上 PostgreSQL({type(error).__name__})。请检查 XINYI_DATABASE_URL 与数据库"
            ) from None
        try:
            yield Postgres(connection, runner, local, scratch)
        finally:
            runner.run(connection.close())


async def _connect(dsn: str) -> asyncpg.Connection:
    connection = await asyncpg.connect(dsn, timeout=10)
    for setting in SESSION:
        await connection.execute(setting)
    return connection
