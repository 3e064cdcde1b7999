"""Rows that nobody may change by hand. One thing to know: such a row carries a keyed hash (`mac`) of its columns, made
by whoever writes it and looked at by whoever reads it; without the key it cannot be made.

A table says which columns are covered in `info["sealed"]`. Everything that writes one of these tables uses `sealed`
(new rows) or `reseal` (changed ones); everything that decides on a row asks `is_intact` first.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Column, ColumnElement, Table, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import carried, metadata
from core.errors import StartupError
from core.keys import Keys
from core.sealing import keyed_hash, keyed_hashes

PAGE = 2000


class RowChanged(Exception):
    """A sealed row is not as it was written. The caller raises an alarm and does not use the row."""


@lru_cache
def _covered(table: Table) -> tuple[tuple[str, Any], ...]:
    """The columns covered, each with what it holds where nothing is given."""
    return tuple((name, _default(table.c[name])) for name in table.info["sealed"])


def _default(column: Column[Any]) -> Any:
    given: Any = column.server_default
    return None if given is None else orjson.loads(str(given.arg.text).strip("()").replace("'", '"'))


def keys_of(connection: AsyncConnection) -> Keys:
    """The keys that this connection was opened with.

    Raises:
        StartupError: it was opened without.
    """
    keys = carried(connection).keys
    if keys is None:
        raise StartupError("读写受保护的数据需要密钥。请设置 XINYI_KEYS_FILE 后重试。")
    return keys


def sealed(connection: AsyncConnection, table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its `mac`; columns left out count as null."""
    return sealed_with(keys_of(connection), table, row)


def sealed_with(keys: Keys, table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """`sealed`, where there is no connection yet."""
    return {**row, "mac": keyed_hash(keys, "integrity", _message(table, row))}


def is_intact(connection: AsyncConnection, table: Table, row: Mapping[str, Any], mac: bytes | None) -> bool:
    """Whether the row is as it was written; `row` holds at least the columns covered."""
    if mac is None:
        return False
    made = keyed_hashes(keys_of(connection), "integrity", _message(table, row))
    return any(hmac.compare_digest(mac, one) for one in made)


async def reseal(connection: AsyncConnection, table: Table, *where: ColumnElement[bool]) -> None:
    """Make the `mac` of rows anew, in the transaction that has just changed them on purpose."""
    for found in (await connection.execute(select(table).where(*where))).all():
        row = found._asdict()
        its_key = [column == row[column.name] for column in table.primary_key]
        await connection.execute(update(table).where(*its_key).values(mac=sealed(connection, table, row)["mac"]))


async def changed_rows(
    connection: AsyncConnection, *, tell: Callable[[int], object] = lambda _: None
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Every row that is not as it was written: its table, and its key. `tell` hears how many rows were looked at."""
    for table in metadata.sorted_tables:
        if "sealed" not in table.info:
            continue
        key = list(table.primary_key)
        page = select(table).order_by(*key).limit(PAGE)
        found = (await connection.execute(page)).all()
        while found:
            for row in found:
                if not is_intact(connection, table, row._asdict(), row.mac):
                    yield str(table.name), {str(column.name): getattr(row, column.name) for column in key}
            tell(len(found))
            last = tuple_(*(literal(getattr(found[-1], column.name), column.type) for column in key))
            found = (await connection.execute(page.where(tuple_(*key) > last))).all()


def _message(table: Table, row: Mapping[str, Any]) -> bytes:
    values = [str(table.name), *(row.get(name, default) for name, default in _covered(table))]
    return orjson.dumps([_utc(value) for value in values], default=_plain, option=orjson.OPT_SORT_KEYS)


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, UUID):  # drivers have classes of their own for it
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be sealed")
