"""Statements for hot paths: written in SQLAlchemy Core, compiled once, run straight on the driver.

One thing to know: nothing differs from an ordinary `connection.execute` but the time it takes. On PostgreSQL the rows
come from asyncpg itself; on SQLite the compiled text runs through the same connection.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    BindParameter,
    Boolean,
    ColumnElement,
    Dialect,
    Insert,
    Table,
    Text,
    TypeDecorator,
    bindparam,
    insert,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import Select
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Update
from sqlalchemy.types import TypeEngine

from core.database import driver_of

Processor = Callable[[Any], Any]


class _Listed(TypeDecorator[Any]):
    """Values in one parameter: an array on PostgreSQL, JSON on SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, of: TypeEngine[Any]) -> None:
        super().__init__()
        self._of = of

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else ARRAY(self._of))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return orjson.dumps(list(value)).decode() if dialect.name == "sqlite" else list(value)


class _OneOf(ColumnElement[bool]):
    inherit_cache = False
    type = Boolean()

    def __init__(self, column: ColumnElement[Any], values: BindParameter[Any]) -> None:
        self.column, self.values = column, values


@compiles(_OneOf)
def _any_of(element: _OneOf, compiler: SQLCompiler, **_: Any) -> str:
    column, values = compiler.process(element.column), compiler.process(element.values)
    if compiler.dialect.name == "sqlite":
        return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608  # compiled, not text of anybody
    return f"{column} = ANY ({values})"


def one_of(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Whether a column is among the values of one parameter, however many they are: a statement with `IN` would have
    another text for each number of them."""
    return _OneOf(column, bindparam(name, type_=_Listed(column.type)))


class _Compiled:
    """A statement in one dialect: its text, the order of its parameters, and what turns values into the driver's."""

    def __init__(self, statement: Select[Any] | Insert | Update, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        if not isinstance(compiled, SQLCompiler):
            raise TypeError("a schema statement has nothing to prepare")
        self.text = str(compiled)
        names = compiled.positiontup or list(compiled.binds)
        self.parameters: list[tuple[str, Any, Processor | None]] = [
            (name, compiled.binds[name].value, _bind_processor(compiled.binds[name].type, dialect)) for name in names
        ]
        columns = compiled._result_columns
        make: Any = namedtuple
        self.make_row = make("row", [column.keyname for column in columns], rename=True)._make
        self.results = [
            (position, processor)
            for position, column in enumerate(columns)
            if (processor := _result_processor(column.type, dialect)) is not None
        ]

    def arguments(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(
            processor(values.get(name, fixed)) if processor else values.get(name, fixed)
            for name, fixed, processor in self.parameters
        )

    def rows(self, found: Sequence[Sequence[Any]]) -> list[Any]:
        made = []
        for raw in found:
            values = list(raw)
            for position, processor in self.results:
                values[position] = processor(values[position])
            made.append(self.make_row(values))
        return made


def _bind_processor(kind: Any, dialect: Dialect) -> Processor | None:
    found: Processor | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return found


def _result_processor(kind: Any, dialect: Dialect) -> Processor | None:
    found: Processor | None = kind.dialect_impl(dialect).result_processor(dialect, None)
    return found


class Prepared:
    """A `Select` with named `bindparam`s, compiled once per dialect."""

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    async def all(self, connection: AsyncConnection, **values: Any) -> list[Any]:
        """All rows, as named tuples."""
        compiled = _for_dialect(self._compiled, self._statement, connection.dialect)
        arguments = compiled.arguments(values)
        if connection.dialect.name == "sqlite":
            found = (await connection.exec_driver_sql(compiled.text, arguments)).all()
        else:
            found = await driver_of(connection).fetch(compiled.text, *arguments)
        return compiled.rows(found)

    async def first(self, connection: AsyncConnection, **values: Any) -> Any | None:
        """The first row, or None."""
        rows = await self.all(connection, **values)
        return rows[0] if rows else None


def _for_dialect(known: dict[str, _Compiled], statement: Any, dialect: Dialect) -> _Compiled:
    if dialect.name not in known:
        known[dialect.name] = _Compiled(statement, dialect)
    return known[dialect.name]


class PreparedInserts:
    """One row into each of several tables: one round trip on PostgreSQL (data-modifying CTEs), one each on SQLite."""

    def __init__(self, *tables: Table) -> None:
        self._tables = tables
        self._single = [
            insert(table).values(
                {column.name: bindparam(f"{table.name}_{column.name}", type_=column.type) for column in table.c}
            )
            for table in tables
        ]
        *rest, last = self._single
        self._together = (
            last
            if not rest
            else last.add_cte(
                *(statement.cte(f"into_{table.name}") for statement, table in zip(rest, tables, strict=False))
            )
        )
        self._columns = {
            f"{table.name}_{column.name}": (place, column.name)
            for place, table in enumerate(tables)
            for column in table.c
        }
        self._compiled: dict[str, _Compiled] = {}
        self._each: list[dict[str, _Compiled]] = [{} for _ in tables]

    async def run(self, connection: AsyncConnection, *rows: Mapping[str, Any]) -> None:
        """Insert `rows`, one for each table in the order given; every column has to be named.

        A row that breaks a constraint ends the transaction with `Conflict`.
        """
        if connection.dialect.name == "sqlite":
            for place, statement in enumerate(self._single):
                compiled = _for_dialect(self._each[place], statement, connection.dialect)
                await connection.exec_driver_sql(compiled.text, self._arguments(compiled, rows))
            return
        compiled = _for_dialect(self._compiled, self._together, connection.dialect)
        await driver_of(connection).execute(compiled.text, *self._arguments(compiled, rows))

    def _arguments(self, compiled: _Compiled, rows: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
        found = []
        for name, _, processor in compiled.parameters:
            place, column = self._columns[name]
            value = rows[place][column]
            found.append(processor(value) if processor else value)
        return tuple(found)
