"""Moves what is sealed, and what is found by keyed hash, from older keys to the active ones, while the service runs.
One thing to know: a row is changed only where it is still as it was read, so nothing that others wrote is lost.

It goes through each table by primary key and leaves alone what is under the active keys already: stopped anywhere, it
is simply run again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import obstore
from sqlalchemy import Table, func, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import Conflict, Database, metadata
from core.files import FileDamaged, FileMissing, Files
from core.integrity import is_intact, sealed
from core.keys import Key, Keys
from core.sealing import hash_with, seal, unseal

BATCH = 200
ATTEMPTS = 5
LONGEST_UPLOAD = timedelta(minutes=10)
"""A file that was begun under one key may end so much later."""


class SealedColumn(NamedTuple):
    """A column sealed under `seal`; and, where rows are found by what is in it, the keyed hash beside it."""

    table: str
    column: str
    hashed_in: str | None = None
    hashed_with: str | None = None
    """The column whose value and a colon stand before the number in what is hashed."""


SEALED_COLUMNS = (
    SealedColumn("subjects", "name_sealed"),
    SealedColumn("subjects", "identity_sealed", "identity_hash", "kind"),
    SealedColumn("subject_identifiers", "identity_sealed", "identity_hash", "scheme"),
    SealedColumn("subject_changes", "before_sealed"),
    SealedColumn("credit_records", "content_sealed"),
    SealedColumn("record_versions", "state_sealed"),
    SealedColumn("outbox", "payload_sealed"),
    SealedColumn("cases", "statement_sealed"),
    SealedColumn("cases", "answer_sealed"),
    SealedColumn("case_steps", "reason_sealed"),
    SealedColumn("case_files", "title_sealed"),
    SealedColumn("webhook_endpoints", "secret_sealed"),
    SealedColumn("webhook_endpoints", "former_secret_sealed"),
)
"""All of them, whichever module their table is in."""


class Rehashed(NamedTuple):
    """What a pass did."""

    rows: int
    """Looked at."""
    moved: int
    unreadable: int
    """Left alone: changed by hand, or sealed with a key that is no longer held."""


async def count_rows(database: Database) -> int:
    """How many rows there are to look at."""
    async with database.reading() as connection:
        counts = [
            await connection.scalar(select(func.count()).select_from(metadata.tables[one.table]))
            for one in SEALED_COLUMNS
        ]
    return sum(count or 0 for count in counts)


async def rehash(database: Database, keys: Keys, *, tell: Callable[[int], object] = lambda _: None) -> Rehashed:
    """Move every row to the active `seal` and `lookup` keys, a few at a time. `tell` hears of each so many looked at.

    The database is one opened with these keys. Two rows that turn out to have one number stay as they are and count as
    unreadable.
    """
    rows = moved = unreadable = 0
    for one in SEALED_COLUMNS:
        table = metadata.tables[one.table]
        async for batch in _batches(database, table):
            for attempt in range(ATTEMPTS):
                try:
                    async with database.transaction() as connection:
                        done = [await _move(connection, keys, one, row) for row in batch]
                    break
                except Conflict:  # somebody else held the rows in another order
                    if attempt == ATTEMPTS - 1:
                        raise
            rows, moved = rows + len(batch), moved + done.count(True)
            unreadable += done.count(None)
            tell(len(batch))
    return Rehashed(rows, moved, unreadable)


async def rows_under(database: Database, keys: Keys, key: Key) -> int:
    """How many rows need this `seal` or `lookup` key."""
    counted: Counter[str] = Counter()
    for one in SEALED_COLUMNS:
        table = metadata.tables[one.table]
        if key.purpose == "seal":
            named = func.substr(table.c[one.column], 1, len(key.tag)) == key.tag
            async with database.reading() as connection:
                counted[one.table] += await connection.scalar(select(func.count()).select_from(table).where(named)) or 0
        elif one.hashed_in is not None:
            async for batch in _batches(database, table):
                for row in batch:
                    message = _message(keys, one, row)
                    # A row that cannot be read may be under this key as well as under any other.
                    counted[one.table] += message is None or row[one.hashed_in] == hash_with(key, message)
    return counted.total()


async def files_under(files: Files, keys: Keys, key: Key) -> list[str]:
    """The stored files that may need this `seal` key, by when they were last written."""
    followed = keys.out_of_use_since(key)
    until = datetime.max.replace(tzinfo=UTC) if followed == math.inf else datetime.fromtimestamp(followed, UTC)
    if followed != math.inf:
        until += LONGEST_UPLOAD
    return [one["path"] async for batch in obstore.list(files._store) for one in batch if one["last_modified"] < until]


async def reseal_files(files: Files, keys: Keys, *, tell: Callable[[int], object] = lambda _: None) -> Rehashed:
    """Seal anew the files that may be under a `seal` key followed by another; `rows` are files here."""
    retired = [key for key in keys.of("seal") if keys.out_of_use_since(key) <= keys.active("seal").active_from]
    names = {name for key in retired for name in await files_under(files, keys, key)}
    moved = unreadable = 0
    for name in sorted(names):
        try:
            await files.reseal(name)
            moved += 1
        except FileMissing:  # deleted meanwhile
            continue
        except FileDamaged:
            unreadable += 1
        tell(1)
    return Rehashed(len(names), moved, unreadable)


async def _move(connection: AsyncConnection, keys: Keys, one: SealedColumn, row: Mapping[str, Any]) -> bool | None:
    """Whether the row was moved; None where it cannot be."""
    table, held = metadata.tables[one.table], row[one.column]
    if held is None:
        return False
    plain, changed = unseal(keys, "seal", held), dict[str, Any]()
    if plain is None:
        return None
    if not held.startswith(keys.active("seal").tag):
        changed[one.column] = seal(keys, "seal", plain)
    if one.hashed_in is not None and (message := _message(keys, one, row)) is not None:
        found_by = hash_with(keys.active("lookup"), message)
        if row[one.hashed_in] != found_by:
            taken = select(table.c[one.hashed_in]).where(table.c[one.hashed_in] == found_by)
            if (await connection.execute(taken)).first() is not None:
                return None
            changed[one.hashed_in] = found_by
    if not changed:
        return False
    # The row's own keyed hash is made anew only for a row that nobody has changed by hand.
    if row.get("mac") is not None and not changed.keys().isdisjoint(table.info.get("sealed", ())):
        if not is_intact(connection, table, row, row["mac"]):
            return None
        changed["mac"] = sealed(connection, table, {**row, **changed})["mac"]
    unchanged = [column == row[column.name] for column in table.primary_key]
    unchanged += [table.c[name] == row[name] for name in changed]
    return bool((await connection.execute(update(table).where(*unchanged).values(changed))).rowcount)


def _message(keys: Keys, one: SealedColumn, row: Mapping[str, Any]) -> bytes | None:
    plain = unseal(keys, "seal", row[one.column])
    return None if plain is None else f"{row[one.hashed_with or '']}:".encode() + plain


async def _batches(database: Database, table: Table) -> AsyncIterator[list[dict[str, Any]]]:
    """All rows by primary key, a few at a time; nothing is held in between."""
    key, after = tuple(table.primary_key), None
    while True:
        wanted = select(table).order_by(*key).limit(BATCH)
        if after is not None:
            last = tuple_(*(literal(after[column.name], column.type) for column in key))
            wanted = wanted.where(tuple_(*key) > last)
        async with database.reading() as connection:
            batch = [dict(row) for row in (await connection.execute(wanted)).mappings()]
        if batch:
            yield batch
        if len(batch) < BATCH:
            return
        after = batch[-1]
