"""The three engines that can score a population. One thing to know: each gets the same statement in its own dialect and
leaves the rows of one shard in one Parquet file.

`subjects`, `records` and `facts` are views over the files (a temporary table each on PostgreSQL).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

from core.errors import ExpectedError
from scoring.population.inputs import TEXT, Source, Sources, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

EngineName: TypeAlias = Literal["duckdb", "spark", "postgres"]
MEMORY = "400MB"
"""What DuckDB may hold before it writes to disk; the process stays below 600 MB with it."""

DAYS = ("occurred_on", "removed_on", "corrected_on")
CALENDAR = "DATE '0001-01-01' AND DATE '9999-12-31'"


class Shard(NamedTuple):
    """Those subjects whose hash leaves `number` when divided by `of`."""

    number: int
    of: int

    @property
    def condition(self) -> str:
        """As a condition of DuckDB."""
        return "true" if self.of == 1 else f"hash(subject) % {self.of} = {self.number}"


class Engine(Protocol):
    """What scores one shard after another."""

    subjects_at_once: int
    """How many subjects a shard may have."""

    def score(self, statement: str, shard: Shard, target: Path) -> None:
        """Write `subject`, `points`, `grade` of the shard's subjects to `target`."""


class EngineMissing(ExpectedError):
    """The engine is not installed, or not reachable."""

    code = "ENGINE_MISSING"


class OutOfResources(ExpectedError):
    """The machine has not enough memory, or the engine failed in another way that is not the files' fault."""

    code = "OUT_OF_RESOURCES"

    def __init__(self, what: str = "内存或临时空间不足") -> None:
        super().__init__(f"{what}。原有结果未动,请在排除原因后重新运行,已完成的部分不会重算")


class ResultTooLarge(ExpectedError):
    """A result, or a step towards it, is beyond what the columns of the output can hold."""

    code = "RESULT_TOO_LARGE"

    def __init__(self) -> None:
        super().__init__("有主体的计算结果超出 18 位数字。请检查分值与权重是否填错,或为模型设定上限")


def open_duckdb(scratch: Path) -> DuckDBPyConnection:
    """A database in memory that spills to `scratch`."""
    import duckdb

    connection = duckdb.connect(
        config={
            "threads": str(os.cpu_count() or 1),
            "memory_limit": MEMORY,
            "temp_directory": str(scratch),
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
    )
    connection.execute("SET enable_progress_bar = false")
    return connection


class DuckDB:
    """The embedded default."""

    subjects_at_once = 4_000_000

    def __init__(self, connection: DuckDBPyConnection, sources: Sources, marks: dict[str, str]) -> None:
        self.connection, self.sources = connection, sources
        noted = ", ".join(f"{name}: {quoted(mark)}" for name, mark in marks.items())
        # There are few grades, and no two subjects alike: a dictionary for the one only.
        self._options = f"(FORMAT parquet, DICTIONARY_SIZE_LIMIT 100, KV_METADATA {{{noted}}})"

    def named_sources(self) -> Iterator[tuple[str, Source]]:
        """The files that there are, by the name that the statement gives them."""
        for name, source in zip(self.sources._fields, self.sources, strict=True):
            if source is not None:
                yield name, source

    def show(self, shard: Shard) -> None:
        """Let the views be those of the shard."""
        for name, source in self.named_sources():
            self.connection.execute(
                f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT {source.selected} "  # noqa: S608
                f"FROM read_parquet({quoted(str(source.path))}) WHERE {shard.condition}"
            )

    def export(self, name: str, target: Path) -> None:
        """Write the rows of a view as CSV, but for those that no subject asked for can have: they may be unreadable."""
        condition = "subject IS NOT NULL AND NOT contains(subject, chr(0))"
        if name == "records":
            condition += " AND item IS NOT NULL AND NOT contains(item, chr(0))"
            condition += "".join(f" AND ({day} IS NULL OR {day} BETWEEN {CALENDAR})" for day in DAYS)
        if name == "facts":
            condition += " AND fact IS NOT NULL AND NOT contains(fact, chr(0))"
        texts = ", ".join(column.name for column in getattr(self.sources, name).columns if column.wanted == TEXT)
        self.connection.execute(
            f"COPY (SELECT * FROM {name} WHERE {condition}) TO {quoted(str(target))} "  # noqa: S608
            f"(FORMAT csv, HEADER false, FORCE_QUOTE ({texts}))"
        )

    def score(self, statement: str, shard: Shard, target: Path) -> None:
        """Write the shard's results."""
        self.show(shard)
        self.write(statement, target)

    def write(self, query: str, target: Path) -> None:
        """Write the rows of a query, marked with the run."""
        self.connection.execute(f"COPY ({query}) TO {quoted(str(target))} {self._options}")


@contextmanager
def open_engine(name: EngineName, local: DuckDB, scratch: Path, *, database_url: str | None) -> Iterator[Engine]:
    """The engine of that name; `local` reads and writes files for those that cannot.

    Raises:
        EngineMissing: it is not installed, or not reachable.
    """
    if name == "spark":
        from scoring.population.spark import open_spark

        with open_spark(local, scratch) as spark:
            yield spark
    elif name == "postgres":
        from scoring.population.postgres import open_postgres

        with open_postgres(local, scratch, database_url) as postgres:
            yield postgres
    else:
        yield local
