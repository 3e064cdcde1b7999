"""Drafts that are refused, and what anybody may read of models."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from factories import NOON, City, open_city
from model_drafts import do, draft, publish, reach_shadow, submit

from scoring.tables import model_versions


@pytest.fixture
async def small(sqlite_template: Path, tmp_path: Path, keys_file: Path) -> AsyncIterator[City]:
    shutil.copy(sqlite_template, tmp_path / "small.db")
    async with open_city(database_url=f"sqlite+aiosqlite:///{tmp_path}/small.db", keys_file=keys_file) as opened:
        yield opened


@pytest.mark.parametrize(
    ("replace", "said"),
    [
        (("  ceiling: 1000", "  ceiling: ["), "模型:34: 不是有效的 YAML"),
        (("      dimension: volunteering\n      source: *stand-in\n", "      dimension: volunteering\n"), "source"),
        (("op: deduct", "op: reward"), "reward"),
        (("id: honour-award\n", "id: contract-kept\n"), "规则 contract-kept 重复"),
        (("at_least: 700", "at_least: 600"), "重叠或顺序颠倒"),
        (("base: {points: 600", "base: {points: 601"), "用例「nothing」的结果是 601 分"),
        (("method:\n  type: points", "method:\n  type: standing"), "模型:"),
    ],
)
async def test_a_broken_draft_is_refused_with_its_line_and_not_kept(
    small: City, replace: tuple[str, str], said: str
) -> None:
    answer = await submit(small, replace=replace)
    assert answer["code"] == "BAD_MODEL"
    assert said in answer["message"]
    assert await small.rows(model_versions) == []


async def test_a_model_that_is_built_on_itself_or_on_nothing_is_refused(small: City) -> None:
    for pinned, said in (("composed", "成环"), ("nothing", "没有模型 nothing")):
        content = f"""\
id: composed
version: "2026-12"
name: 合成
subject: person
in_force_from: 2026-01-01
source: &s {{status: illustrative, reason: 测试}}
method:
  type: composition
  parts:
    - {{id: one, label: 甲, model: {{id: {pinned}, version: "2026-12"}}, percent: 100, missing: NONE, source: *s}}
grades: [{{code: A, name: A, at_least: 60}}, {{code: B, name: B}}]
grades_source: *s
"""
        asked = {"content": content, "cases": "[]", "place": "hunan-shaoyang"}
        answer = await do(small, "draftScoreModel", by="operator", **asked)
        assert answer["code"] == "BAD_MODEL"
        assert said in answer["message"]


async def test_anyone_reads_every_rule_of_the_models_in_force_and_of_those_that_were(small: City) -> None:
    query = '{ scoreModel(id: "xiangxinfen"%s) { version status rules { id sentence source { clause } } } }'
    version = await reach_shadow(small)
    await publish(small, day=NOON.date(), **version)
    now = (await small.ask(query % ""))["data"]["scoreModel"]
    assert now["version"] == "2026-12"
    sentences = {rule["id"]: rule["sentence"] for rule in now["rules"]}
    assert sentences["honour-award"] == (
        "「表彰奖励」满 1 条加 40 分,满 3 条加 45 分(取达到的最高一档),只看最近 5 年的记录。"
    )
    assert sentences["commitment-breach"] == (
        "每有一条「未履行信用承诺」记录,减 45 分,满 12 个月后只减 20 分,合计最多减 135 分,只看最近 2 年的记录。"
    )
    then = (await small.ask(query % ', version: "2025-03"', by="scenic"))["data"]["scoreModel"]
    assert (then["version"], then["status"]) == ("2025-03", "illustrative")
    assert (await small.ask(query % ', version: "1999-01"'))["data"]["scoreModel"] is None


async def test_versions_come_in_pages_and_by_state(small: City) -> None:
    for version in ("2026-12", "2027-01", "2027-02"):
        await submit(small, version=version)
    await do(small, "retireScoreModel", by="operator", model="xiangxinfen", version="2027-01")
    query = """query ($state: ModelState, $first: Int, $after: String) {
      modelVersions(state: $state, first: $first, after: $after) {
        edges { node { version } } pageInfo { hasNextPage endCursor } } }"""

    async def page(**given: Any) -> tuple[list[str], dict[str, Any]]:
        found = (await small.ask(query, given, by="auditor"))["data"]["modelVersions"]
        return [edge["node"]["version"] for edge in found["edges"]], found["pageInfo"]

    first, info = await page(first=2)
    rest, end = await page(first=2, after=info["endCursor"])
    assert (first, rest, end["hasNextPage"]) == (["2026-12", "2027-01"], ["2027-02"], False)
    assert (await page(state="RETIRED"))[0] == ["2027-01"]


@pytest.mark.parametrize("text", ["[" * 200_000, "[" * 100_000 + "]" * 100_000, "- " * 100_000, "{a: " * 50_000])
async def test_a_text_that_nests_without_end_is_refused_with_its_line(small: City, text: str) -> None:
    content, cases = draft()
    for given in ({"content": text, "cases": cases}, {"content": content, "cases": text}):
        answer = await do(small, "draftScoreModel", by="operator", **given)
        assert answer["code"] == "BAD_MODEL"
        assert answer["message"]
