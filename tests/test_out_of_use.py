"""What is out of use is out of use everywhere: suspended records, and subjects that have ended."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

from factories import City
from sqlalchemy import update

from core.clock import day_of
from partners.standing import score_participant
from scoring.life.rehearsal import _export
from scoring.scores import refresh_many
from scoring.tables import credit_records, score_inputs, scores, subjects


async def test_they_are_in_no_simulation(city: City, tmp_path: Path) -> None:
    await city.write(
        update(credit_records).where(credit_records.c.subject_id == 1).values(suspended_at=city.now),
        update(subjects).where(subjects.c.id == 2).values(ended_on=date(2026, 11, 20), end_reason="deceased"),
    )
    model = city.state.rulebook.models.get("xiangxinfen")
    async with city.state.database.reading() as connection:
        on = day_of(city.now)
        await _export(connection, tmp_path, after=model, before=None, places=["hunan-shaoyang"], on=on)

    def ids(name: str) -> set[str]:
        with (tmp_path / f"{name}.csv").open(newline="") as file:
            return {row[0] for row in csv.reader(file)}

    assert "1" in ids("subjects")
    assert "2" not in ids("subjects")
    assert "1" not in ids("records")
    assert "3" in ids("records")


async def test_of_whoever_has_ended_no_score_is_stored_whoever_asks(city: City) -> None:
    await city.write(update(subjects).where(subjects.c.id == 1).values(ended_on=date(2026, 11, 20)))
    models = [city.state.rulebook.models.get("xiangxinfen")]
    async with city.state.database.transaction() as connection:
        await score_participant(connection, subject_id=1, rulebook=city.state.rulebook, now=city.now)
        await refresh_many(connection, {1: models, 2: models}, now=city.now)
    assert [row.subject_id for row in await city.rows(scores)] == [2]
    assert [row.subject_id for row in await city.rows(score_inputs)] == [2]


async def test_a_suspended_record_counts_in_no_score_and_resumed_it_counts_again(city: City) -> None:
    async def points() -> str:
        body = await city.ask("{ me { scores { points } } }", by="poor")
        return str(body["data"]["me"]["scores"][0]["points"])

    adverse = (credit_records.c.subject_id == 3) & (credit_records.c.item == "court-enforcement")
    counted = await points()
    await city.write(update(credit_records).where(adverse).values(suspended_at=city.now))
    assert float(await points()) > float(counted)
    await city.write(update(credit_records).where(adverse).values(suspended_at=None))
    assert await points() == counted
