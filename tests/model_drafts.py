"""A draft of a model for tests: the shipped 湘信分 with one number changed, and a table that reaches each grade. One
thing to know: `draft` changes the version's name, the points of an award, and whatever else it is told."""

from __future__ import annotations

from datetime import date
from typing import Any

from factories import City

from core.places import ROOT

SHIPPED = (ROOT / "hunan-shaoyang/models/xiangxinfen-2025-03.yaml").read_text(encoding="utf-8")
AWARD = "at_least: 1, points: 25"
CASES = """\
- {name: nothing, day: 2026-06-01, expect: {points: 600, grade: B}}
- name: an award
  day: 2026-06-01
  records: [{item: honour-award, occurred_on: 2026-01-01}]
  expect: {points: POINTS, grade: GRADE}
- name: an award and a rescue
  day: 2026-06-01
  records: [{item: honour-award, occurred_on: 2026-01-01}, {item: rescue-honour, occurred_on: 2026-01-01}]
  expect: {points: BOTH, grade: TOP}
- name: two rescues and hours
  day: 2026-06-01
  facts: {volunteer_hours: 300}
  records: [{item: rescue-honour, occurred_on: 2026-01-01}, {item: honour-award, occurred_on: 2026-01-01, times: 3}]
  expect: {points: 745, grade: A+}
- name: a rescue
  day: 2026-06-01
  records: [{item: rescue-honour, occurred_on: 2026-01-01}]
  expect: {points: 660, grade: A}
- name: two broken promises
  day: 2026-06-01
  records: [{item: commitment-breach, occurred_on: 2026-01-01, times: 2}]
  expect: {points: 510, grade: C+}
- name: a judgment not fulfilled
  day: 2026-06-01
  records: [{item: court-enforcement, occurred_on: 2026-01-01}]
  expect: {points: 470, grade: C}
"""


def draft(version: str = "2026-12", *, award: int = 40, replace: tuple[str, str] | None = None) -> tuple[str, str]:
    """The YAML of a version in which one award brings that many points, and of its table."""
    content = SHIPPED.replace('"2025-03"', f'"{version}"').replace(AWARD, f"at_least: 1, points: {award}")
    if replace is not None:
        assert replace[0] in content
        content = content.replace(*replace, 1)
    return content, cases(award)


def cases(award: int) -> str:
    """The table for that many points."""
    both = 660 + award
    numbers = {
        "POINTS": 600 + award,
        "GRADE": "A" if award >= 40 else "B",
        "BOTH": both,
        "TOP": "A+" if both >= 700 else "A",
    }
    text = CASES
    for name, value in numbers.items():
        text = text.replace(name, str(value))
    return text


FIELDS = """{ __typename ... on ModelVersion { state inForceFrom inForceUntil steps { act actor evidence } }
  ... on Problem { code message } }"""


def mutation(name: str) -> str:
    return f"mutation ($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {FIELDS} }}"


async def do(city: City, name: str, *, by: str, **given: Any) -> dict[str, Any]:
    return await city.do(mutation(name), by=by, **given)


async def submit(city: City, *, by: str = "operator", **changes: Any) -> dict[str, Any]:
    content, cases = draft(**changes)
    return await do(city, "draftScoreModel", by=by, content=content, cases=cases)


async def reach_shadow(city: City, **changes: Any) -> dict[str, Any]:
    """Drafted by «operator», simulated, reviewed, run beside the one in force."""
    version = {"model": "xiangxinfen", "version": changes.get("version", "2026-12")}
    assert (await submit(city, **changes))["state"] == "DRAFT"
    assert (await do(city, "simulateScoreModel", by="operator", **version))["state"] == "SIMULATED"
    assert (await do(city, "reviewScoreModel", by="reviewer", **version))["state"] == "REVIEWED"
    assert (await do(city, "shadowScoreModel", by="operator", **version))["state"] == "SHADOW"
    return version


async def publish(city: City, *, by: str = "reviewer", day: date | None = None, **version: Any) -> dict[str, Any]:
    return await do(city, "publishScoreModel", by=by, **version, **({"inForceFrom": str(day)} if day else {}))
