"""The page of a simulation: whole in itself, readable without a network, about nobody."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from factories import NOON, City, open_city, rulebook
from model_drafts import submit
from test_simulation import AWARD, TOURISM, run, times

from partners.model_changes import run_version
from scoring.life.governance import Act, State, report_page
from scoring.life.report import report_page as page_of

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    people = times(30, items=AWARD, sex="F", district="430502") + times(50, sex="M", district="430503")
    people += times(7, items=("court-enforcement",), sex="F", district="430511")
    return run(tmp_path_factory.mktemp("report"), people, offers=[TOURISM])


@pytest.fixture(scope="module")
def page(summary: dict[str, Any]) -> str:
    return page_of(summary)


def test_the_page_asks_the_network_for_nothing_and_runs_nothing(page: str) -> None:
    assert not re.search(r"https?:|//[a-z]|<script|<link|<img|@import|url\(|\bsrc=|\bhref=|\son\w+=", page)


def test_every_chart_is_also_a_table(page: str) -> None:
    sections = page.split("<section>")[1:]
    assert sum("<figure" in section for section in sections) >= 4
    assert all("<table" in section for section in sections if "<figure" in section)


def test_no_number_under_ten_people_is_in_the_page(page: str) -> None:
    cells = [cell for row in re.findall(r"<td[^>]*>([^<]*)</td>", page) for cell in [row.strip()]]
    counts = [int(cell.replace(",", "")) for cell in cells if re.fullmatch(r"[\d,]+", cell)]
    assert counts
    assert all(count >= 10 and count % 10 == 0 for count in counts)
    assert "430511" not in page
    assert not re.search(r"\bs\d+\b", page.split("<main>")[1]), "no subject of the population is named"


def test_the_same_numbers_give_the_same_page(summary: dict[str, Any], page: str) -> None:
    assert page_of(summary) == page


def test_what_stops_publishing_is_said_first(summary: dict[str, Any], page: str) -> None:
    assert summary["stops"]["disparity"] == ["A 及以上 · 性别", "A 及以上 · 区县"]
    first = page.split("<section>")[1]
    assert "须具名签署理由才能发布:「A 及以上 · 性别」" in first


def test_a_hostile_title_is_text(summary: dict[str, Any]) -> None:
    title = "<script>alert(1)</script>"
    told = page_of(summary | {"offers": [summary["offers"][0] | {"title": title}]})
    assert "<script" not in told
    assert "&lt;script&gt;" in told


@pytest.mark.skipif(BROWSER is None, reason="没有浏览器可用来打开页面")
def test_a_browser_without_a_network_shows_it(page: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    command = [
        str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
        "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom", (tmp_path / "report.html").as_uri(),
    ]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "湘信分 2026-12 版 模拟报告" in shown
    assert shown.count("<svg") == page.count("<svg") >= 4


async def test_the_stored_page_is_the_one_that_was_judged_and_names_no_subject(
    sqlite_template: Path, tmp_path: Path, keys_file: Path
) -> None:
    shutil.copy(sqlite_template, tmp_path / "small.db")
    async with open_city(database_url=f"sqlite+aiosqlite:///{tmp_path}/small.db", keys_file=keys_file) as city:
        await _check_stored(city)


async def _check_stored(city: City) -> None:
    await submit(city)
    act = Act("operator", "xiangxinfen", "2026-12", NOON)
    await run_version(city.state.database, rulebook(), act, to=State.SIMULATED)
    async with city.state.database.reading() as connection:
        page, digest = await report_page(connection, "xiangxinfen", "2026-12")
    (step,) = [row for row in await city.rows(_steps()) if row.act == "simulate"]
    assert step.evidence["report"] == digest
    assert step.evidence["summary"]["people"] is None, "four people take part"
    # Partners and offers begin with 测试, people only with 测.
    assert not re.search(r"测(?!试)|430502\d{11}", page.split("<main>")[1])


def _steps() -> Any:
    from scoring.tables import model_steps

    return model_steps
