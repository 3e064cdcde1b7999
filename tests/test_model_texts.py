"""What drafting begins from: the files of versions, versions one by one, and names instead of codes."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from factories import City, open_city
from model_drafts import SHIPPED, draft, submit

from core.places import ROOT
from scoring.divisions import INDUSTRIES, district_name

TABLE = (ROOT / "hunan-shaoyang/models/xiangxinfen-2025-03.tests.yaml").read_text(encoding="utf-8")
TEXT = (
    "query ($model: String!, $version: String!) { scoreModelText(model: $model, version: $version) { content cases } }"
)
ONE = """query ($model: String, $version: String) { modelVersions(model: $model, version: $version) {
  edges { node { model version told { version grades { code } } } } } }"""


@pytest.fixture
async def small(sqlite_template: Path, tmp_path: Path, keys_file: Path) -> AsyncIterator[City]:
    shutil.copy(sqlite_template, tmp_path / "small.db")
    async with open_city(database_url=f"sqlite+aiosqlite:///{tmp_path}/small.db", keys_file=keys_file) as opened:
        yield opened


async def test_the_files_of_a_founding_version_come_as_they_lie_in_its_folder(small: City) -> None:
    found = await small.ask(TEXT, {"model": "xiangxinfen", "version": "2025-03"}, by="auditor")
    assert found["data"]["scoreModelText"] == {"content": SHIPPED, "cases": TABLE}


async def test_the_files_of_a_drafted_version_come_as_drafted(small: City) -> None:
    content, cases = draft()
    assert (await submit(small))["state"] == "DRAFT"
    found = await small.ask(TEXT, {"model": "xiangxinfen", "version": "2026-12"}, by="reviewer")
    assert found["data"]["scoreModelText"] == {"content": content, "cases": cases}
    for model, version in (("xiangxinfen", "1999-01"), ("nothing", "2025-03"), ("../xiangxinfen", "2025-03")):
        found = await small.ask(TEXT, {"model": model, "version": version}, by="operator")
        assert found["data"]["scoreModelText"] is None


async def test_one_version_is_found_by_its_name_with_its_rules_in_words(small: City) -> None:
    assert (await submit(small))["state"] == "DRAFT"
    for given, number in (
        ({"model": "xiangxinfen"}, 1),
        ({"model": "xiangxinfen", "version": "2026-12"}, 1),
        ({"model": "xiangxinfen", "version": "2026-11"}, 0),
        ({"model": "integrity-points"}, 0),
    ):
        found = (await small.ask(ONE, given, by="operator"))["data"]["modelVersions"]["edges"]
        assert len(found) == number
        for edge in found:
            assert edge["node"]["told"]["version"] == "2026-12"
            assert edge["node"]["told"]["grades"][0] == {"code": "A+"}


def test_districts_are_called_as_they_are_at_present_and_unknown_ones_have_no_name() -> None:
    named = {code: district_name(code) for code in ("430502", "430581", "441303", "430599", "99", "")}
    assert named == {"430502": "双清区", "430581": "武冈市", "441303": "惠阳区", "430599": None, "99": None, "": None}
    assert (len(INDUSTRIES), INDUSTRIES["C"]) == (20, "制造业")
