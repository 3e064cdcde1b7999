"""`xinyi cases`, and the look that the server takes by itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from case_steps import COMPLAIN
from factories import City, open_city

from api.jobs import escalation
from cli.main import run
from core.settings import Settings
from partners.tables import security_events
from scoring.cases.tables import case_steps, cases
from scoring.tables import outbox


async def complained(city: City, *, days: int) -> None:
    city.now = datetime.now(UTC) - timedelta(days=days)
    await city.do(COMPLAIN, by="good", statement=f"投诉 {days}")
    city.now = datetime.now(UTC)


async def test_the_command_lists_what_is_overdue_without_a_name_and_notes_it_once(
    city_url: str, keys_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XINYI_DATABASE_URL", city_url)
    monkeypatch.setenv("XINYI_KEYS_FILE", str(keys_file))
    async with open_city(database_url=city_url, keys_file=keys_file) as city:
        await complained(city, days=60)
        await complained(city, days=0)
        for _ in range(2):
            assert await asyncio.to_thread(run, ["cases", "--due", "overdue"]) == 0
            printed = capsys.readouterr().out
            assert "已超期 1 件" in printed
            assert printed.count("complaint") == 1
            assert "good" not in printed
        assert len([row for row in await city.rows(outbox) if row.topic == "case-overdue"]) == 1
        assert len([row for row in await city.rows(security_events) if row.kind == "CASE_OVERDUE"]) == 1
        assert await asyncio.to_thread(run, ["cases", "--due", "later"]) == 2


async def test_the_server_notes_what_is_overdue_though_nobody_looks(city_url: str, keys_file: Path) -> None:
    with patch.object(escalation, "SECONDS_BETWEEN", 0.05):
        async with open_city(database_url=city_url, keys_file=keys_file) as city:
            await complained(city, days=60)
            async with asyncio.timeout(10):
                while not [row for row in await city.rows(case_steps) if row.act == "escalate"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
    async with open_city(database_url=city_url, keys_file=keys_file) as city:
        (row,) = await city.rows(cases)
        assert (row.state, row.decided_at) == ("open", None), "escalated, never deleted"
        assert [step.step for step in await city.rows(case_steps)] == [1, 2]


async def test_two_who_look_at_once_note_it_once(city: City) -> None:
    await complained(city, days=60)
    query = "{ me { cases { edges { node { escalatedAt } } } } }"
    await asyncio.gather(*(city.ask(query, by="good") for _ in range(6)))
    assert [step.act for step in await city.rows(case_steps)] == ["open", "escalate"]
    assert len([row for row in await city.rows(outbox) if row.topic == "case-overdue"]) == 1


def test_receivers_are_read_as_json_or_yaml_and_faults_named(tmp_path: Path) -> None:
    given = {"database_url": "sqlite+aiosqlite:///x", "keys_file": tmp_path / "k"}
    for text in ('{"bank": "https://bank.example/n"}', "bank: https://bank.example/n"):
        assert Settings(**given, receivers=text).receivers == {"bank": "https://bank.example/n"}
    with pytest.raises(ValueError, match="receivers"):
        Settings(**given, receivers="{bank")
