"""Rows that nobody may change by hand: found wherever they are, on both stores, and used for nothing."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from factories import City
from sqlalchemy import create_engine, delete, insert, text, update

from cli.main import run
from core.database import metadata
from core.integrity import changed_rows
from partners.standing import score_participant
from scoring.tables import credit_records, facts, scores, subjects

COVERED = {"subjects", "credit_records", "facts", "scores", "pushed_results", "consents"}


async def found(city: City) -> list[tuple[str, Any]]:
    async with city.state.database.reading() as connection:
        return [(table, next(iter(key.values()))) async for table, key in changed_rows(connection)]


def test_what_decides_about_people_is_covered() -> None:
    assert {name for name, table in metadata.tables.items() if "sealed" in table.info} == COVERED
    for name in COVERED:
        table = metadata.tables[name]
        assert set(table.info["sealed"]) <= {column.name for column in table.c}


OF_POOR = credit_records.c.subject_id == 3
CHANGES: list[tuple[Any, tuple[str, int]]] = [
    (update(subjects).where(subjects.c.id == 4).values(birth_on=date(1990, 1, 1)), ("subjects", 4)),
    (update(subjects).where(subjects.c.id == 2).values(place="hebei"), ("subjects", 2)),
    (update(credit_records).where(OF_POOR).values(removed_on=date(2026, 1, 1)), ("credit_records", 3)),
    (update(credit_records).where(credit_records.c.subject_id == 1).values(mac=None), ("credit_records", 1)),
    (update(facts).where(facts.c.subject_id == 8, facts.c.name == "public").values(value="99"), ("facts", 8)),
    (insert(facts).values(subject_id=2, name="volunteer_hours", value="9", observed_on=date(2026, 1, 1)), ("facts", 2)),
    (update(scores).where(scores.c.subject_id == 1).values(grade="A+"), ("scores", 1)),
    (update(scores).where(scores.c.subject_id == 1).values(subject_id=2), ("scores", 2)),
]  # fmt: skip


@pytest.mark.parametrize(("change", "row"), CHANGES)
async def test_a_row_changed_or_put_in_by_hand_is_found(city: City, change: Any, row: tuple[str, int]) -> None:
    async with city.state.database.transaction() as connection:
        await score_participant(connection, subject_id=1, rulebook=city.state.rulebook, now=city.now)
    assert await found(city) == []
    await city.write(change, by_hand=True)
    assert set(await found(city)) == {row}


async def test_a_seal_copied_from_another_row_does_not_fit(city: City) -> None:
    rows = {row.id: row for row in await city.rows(subjects)}
    adult, minor = rows[1], rows[4]
    copied = update(subjects).where(subjects.c.id == minor.id).values(birth_on=adult.birth_on, mac=adult.mac)
    await city.write(copied, by_hand=True)
    assert await found(city) == [("subjects", minor.id)]


async def test_rows_of_our_own_are_never_found_whatever_was_done(city: City) -> None:
    for person in ("good", "plain", "poor"):
        await city.verify(await city.code(person))
    await city.write(delete(facts).where(facts.c.subject_id == 8))
    assert await found(city) == []


def test_the_command_lists_them(
    sqlite_template: Path,
    keys_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copy(sqlite_template, tmp_path / "city.db")
    monkeypatch.setenv("XINYI_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/city.db")
    monkeypatch.setenv("XINYI_KEYS_FILE", str(keys_file))
    monkeypatch.setenv("XINYI_ENVIRONMENT", "demo")
    assert run(["audit", "rows"]) == 0
    assert "全部完好" in capsys.readouterr().out
    engine = create_engine(f"sqlite:///{tmp_path}/city.db")
    with engine.begin() as connection:
        connection.execute(text("UPDATE credit_records SET item = 'honour-award' WHERE subject_id = 3"))
    engine.dispose()
    assert run(["audit", "rows"]) == 1
    told = capsys.readouterr()
    assert [line.split()[0] for line in told.out.splitlines()] == ["credit_records"] * 2
    assert told.err.startswith("ROWS_CHANGED: 2 ")
