"""Moving what is sealed to new keys. One thing to know: everybody is found before, during and after it."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from factories import ENTERPRISES, NOON, PEOPLE, City, open_city, resident_id
from sqlalchemy import Column, LargeBinary, insert, select, update

import partners.schema  # noqa: F401  # every table there is
from core import resealing
from core.database import metadata
from core.files import open_files
from core.integrity import is_intact
from core.keys import Keys, drop_key, load_keys, rotate_keys
from core.resealing import LONGEST_UPLOAD, SEALED_COLUMNS, count_rows, files_under, rehash, reseal_files, rows_under
from core.sealing import seal, unseal
from core.settings import Settings
from scoring.outbox import enqueue
from scoring.subjects import SubjectKind, find_by_number, find_by_numbers, reserve_numbers, subject_row
from scoring.tables import credit_records, outbox, subjects

NUMBERS = {resident_id(person["birth"], n): n for n, person in enumerate(PEOPLE.values(), 1)}
FIRM = ENTERPRISES["firm"]["uscc"]


@pytest.fixture
async def town(city_url: str, keys_file: Path, tmp_path: Path) -> AsyncIterator[City]:
    """The small city with a key file of its own, to rotate."""
    own = tmp_path / "own-keys.json"
    shutil.copy(keys_file, own)
    async with open_city(database_url=city_url, keys_file=own) as opened:
        async with opened.state.database.transaction() as connection:
            for n in range(3):
                await enqueue(connection, opened.keys, topic="t", destination="d", payload={"n": n}, now=NOON)
        yield opened


def rotate(town: City, *purposes: Any, suite: Any = None) -> None:
    rotate_keys(town.settings.keys_file, purposes, active_from=time.time() - 1, suite=suite)
    assert town.keys.refresh()


async def found(town: City) -> dict[str, int]:
    async with town.state.database.reading() as connection:
        every = await find_by_numbers(connection, town.keys, kind=SubjectKind.PERSON, numbers=NUMBERS)
        firm = await find_by_number(connection, town.keys, kind=SubjectKind.ENTERPRISE, number=FIRM)
    return every | {FIRM: firm or 0}


def test_every_sealed_column_is_on_the_list_and_the_list_has_no_other() -> None:
    def is_sealed(column: Column[Any]) -> bool:
        return isinstance(column.type, LargeBinary) and column.name.endswith("_sealed")

    there = {(table.name, column.name) for table in metadata.tables.values() for column in table.c if is_sealed(column)}
    assert {(one.table, one.column) for one in SEALED_COLUMNS} == there
    hashed = {(one.table, one.hashed_in) for one in SEALED_COLUMNS if one.hashed_in}
    assert hashed == {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.c
        if column.name == "identity_hash"
    }


async def test_everybody_is_found_by_number_and_nobody_else(town: City) -> None:
    wanted = NUMBERS | {FIRM: len(PEOPLE) + 1}
    assert await found(town) == wanted
    async with town.state.database.reading() as connection:
        stranger = resident_id(date(1990, 3, 1), 999)
        assert await find_by_number(connection, town.keys, kind=SubjectKind.PERSON, number=stranger) is None
        assert await find_by_number(connection, town.keys, kind=SubjectKind.PERSON, number=FIRM) is None
        assert await find_by_numbers(connection, town.keys, kind=SubjectKind.PERSON, numbers=[]) == {}


@pytest.mark.parametrize("suite", [None, "sm"])
async def test_everybody_is_found_after_a_rotation_and_after_moving(town: City, suite: str | None) -> None:
    wanted = await found(town)
    old = {purpose: town.keys.active(purpose) for purpose in ("seal", "lookup")}
    rotate(town, "seal", "lookup", suite=suite)
    assert await found(town) == wanted
    database, total = town.state.database, await count_rows(town.state.database)
    assert await rows_under(database, town.keys, old["lookup"]) == len(wanted)
    assert await rows_under(database, town.keys, old["seal"]) == 2 * len(wanted) + 3

    done = await rehash(database, town.keys)
    assert (done.rows, done.unreadable) == (total, 0)
    assert done.moved == 2 * len(wanted) + 3
    assert [await rows_under(database, town.keys, key) for key in old.values()] == [0, 0]
    assert await found(town) == wanted
    assert (await rehash(database, town.keys)).moved == 0

    for key in old.values():
        drop_key(town.settings.keys_file, key.kid)
    assert town.keys.refresh()
    assert await found(town) == wanted
    assert [unseal(town.keys, "seal", row.payload_sealed) for row in await town.rows(outbox)] == [
        f'{{"n":{n}}}'.encode() for n in range(3)
    ]


async def test_a_pass_that_was_stopped_is_taken_up_again(town: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resealing, "BATCH", 2)
    wanted = await found(town)
    rotate(town, "seal", "lookup")

    class Stopped(Exception):
        pass

    seen = []

    def stop(rows: int) -> None:
        seen.append(rows)
        if len(seen) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        await rehash(town.state.database, town.keys, tell=stop)
    assert await found(town) == wanted
    done = await rehash(town.state.database, town.keys)
    assert done.moved == 2 * len(wanted) + 3 - sum(seen)
    assert await found(town) == wanted


async def test_what_others_write_meanwhile_is_not_lost(town: City, monkeypatch: pytest.MonkeyPatch) -> None:
    rotate(town, "seal")
    database, batches = town.state.database, resealing._batches

    async def with_a_change(*given: Any) -> AsyncIterator[Any]:
        async for batch in batches(*given):
            # Somebody changes a row after it was read and before it is moved.
            await town.write(
                update(subjects).where(subjects.c.id == 1).values(name_sealed=seal(town.keys, "seal", b"newer"))
            )
            yield batch

    monkeypatch.setattr(resealing, "_batches", with_a_change)
    assert (await rehash(database, town.keys)).unreadable == 0
    async with database.reading() as connection:
        name = await connection.scalar(select(subjects.c.name_sealed).where(subjects.c.id == 1))
    assert unseal(town.keys, "seal", name or b"") == b"newer"


async def test_what_cannot_be_opened_is_counted_and_left_alone(town: City) -> None:
    await town.write(update(subjects).where(subjects.c.id == 1).values(name_sealed=b"no sealed value of ours"))
    rotate(town, "seal", "lookup")
    assert (await rehash(town.state.database, town.keys)).unreadable == 1
    [row] = [row for row in await town.rows(subjects) if row.id == 1]
    assert row.name_sealed == b"no sealed value of ours"


async def test_two_rows_of_one_number_stay_apart_and_are_told(town: City) -> None:
    rotate(town, "lookup")
    good = next(iter(NUMBERS))
    row = subject_row(town.keys, kind=SubjectKind.PERSON, place="hunan-shaoyang", name="测重", number=good)
    await town.write(insert(subjects).values(id=5000, **row))  # by one that did not look first
    assert (await rehash(town.state.database, town.keys)).unreadable == 1
    assert len(await town.rows(subjects)) == len(PEOPLE) + 2


async def test_two_who_add_one_person_at_the_switch_add_one_row(town: City) -> None:
    [kid] = rotate_keys(town.settings.keys_file, ["lookup"], active_from=time.time() - 1)
    after = load_keys(town.settings.keys_file)
    before = Keys(after.all, demo=True, clock=lambda: 0)  # of a process whose clock is behind
    assert before.active("lookup").kid != after.active("lookup").kid == kid
    kind, number = SubjectKind.PERSON, resident_id(date(1999, 9, 9), 9)

    async def add(keys: Keys, key: int) -> None:
        async with town.state.database.transaction() as connection:
            await reserve_numbers(connection, keys, kind=kind, numbers=[*NUMBERS, number])
            if await find_by_number(connection, keys, kind=kind, number=number) is None:
                row = subject_row(keys, kind=kind, place="hunan-shaoyang", name="测新", number=number)
                await connection.execute(insert(subjects).values(id=key, **row))

    await asyncio.gather(*(add(keys, 6000 + n) for n, keys in enumerate([before, after] * 4)))
    assert len(await town.rows(subjects)) == len(PEOPLE) + 2


async def test_a_row_that_was_changed_by_hand_does_not_get_a_good_mac_with_its_new_seal(town: City) -> None:
    content = {"content_sealed": seal(town.keys, "seal", b"{}")}
    await town.write(update(credit_records).values(content))
    before = await town.rows(credit_records)
    spoilt = before[0]
    mine = (credit_records.c.subject_id == spoilt.subject_id, credit_records.c.id == spoilt.id)
    await town.write(update(credit_records).where(*mine).values(source="改过"), by_hand=True)
    rotate(town, "seal", "integrity")
    assert (await rehash(town.state.database, town.keys)).unreadable == 1
    async with town.state.database.reading() as connection:
        for row in (await connection.execute(select(credit_records))).mappings():
            is_spoilt = (row["subject_id"], row["id"]) == (spoilt.subject_id, spoilt.id)
            assert is_intact(connection, credit_records, row, row["mac"]) is not is_spoilt
            assert (row["content_sealed"] == content["content_sealed"]) is is_spoilt
            assert unseal(town.keys, "seal", row["content_sealed"]) == b"{}"


async def test_stored_files_are_moved_and_keep_a_key_until_they_are(keys_file: Path, tmp_path: Path) -> None:
    own, folder = tmp_path / "own-keys.json", tmp_path / "files"
    shutil.copy(keys_file, own)
    keys, later = load_keys(own), LONGEST_UPLOAD.total_seconds() + 1
    files = open_files(Settings(database_url="", keys_file=own, files=str(folder)), keys)
    stored = [await files.put(f"第 {n} 份".encode(), media_type="application/pdf") for n in range(3)]
    written_at = time.time() - 2 * later
    for file in folder.iterdir():
        os.utime(file, (written_at, written_at))
    old = keys.active("seal")
    assert len(await files_under(files, keys, old)) == 3
    rotate_keys(own, ["seal"], active_from=time.time() - later)
    assert keys.refresh()
    (folder / stored[2].name).write_bytes(b"no file of ours")
    os.utime(folder / stored[2].name, (written_at, written_at))

    assert await reseal_files(files, keys) == (3, 2, 1)
    assert await files_under(files, keys, old) == [stored[2].name]
    assert (await reseal_files(files, keys)).moved == 0
    drop_key(own, old.kid)
    assert keys.refresh()
    assert [await files.get(one.name) for one in stored[:2]] == ["第 0 份".encode(), "第 1 份".encode()]
