"""Made-up models that use every operator of the language, for the laws that hold of any model. One thing to know: they
are read through the loader, from a folder of their own, as a city's files are."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from core.places import load_places
from scoring.models import Models, load_models

HEAD = """\
id: {id}
version: "2024-01"
name: 样例
subject: person
in_force_from: 2024-01-01
source: &s {{status: illustrative, reason: 测试}}
"""
ITEMS = """\
items:
  award: {label: 奖励, nature: honour, group: good}
  visit: {label: 走访, nature: honour, group: good}
  breach: {label: 违约, nature: adverse, group: general}
  fault: {label: 差错, nature: adverse, group: general}
"""
ALL_OPERATORS = (
    HEAD.format(id="all-operators")
    + ITEMS
    + """\
facts:
  hours: {label: 时长, at_most: 1000}
lenience:
  force_majeure: {label: 因突发事件未能履行, source: *s}
  minor: {label: 轻微偶发且已改正, window: {years: 2}, source: *s}
method:
  type: points
  base: {points: 500, source: *s}
  floor: 300
  ceiling: 700
  dimensions:
    - {id: good, label: 守信合计, at_most: 90, source: *s}
  rules:
    - {id: awards, label: 奖励逐日变轻, op: add, items: [award], each: 33.33, at_most: 100, dimension: good,
       fade: {from_days: 30, to_days: 400, to: 1.5}, source: *s}
    - {id: visits, label: 走访每月计两次, op: add, items: [visit], each: 4, dimension: good, window: {years: 2},
       each_period: {period: calendar-month, at_most: 8}, at_most: 60, source: *s}
    - {id: hours, label: 时长, op: add-by-fact, fact: hours, bands: [{at_least: 20, points: 8}], source: *s}
    - {id: many-awards, label: 多次奖励, op: add-by-count, items: [award, visit],
       bands: [{at_least: 2, points: 5}, {at_least: 4, points: 9.5}], source: *s}
    - {id: breaches, label: 违约, op: deduct, items: [breach], each: 40, at_most: 150, window: {years: 3},
       decay: [{after: {months: 6}, each: 20}, {after: {months: 18}, each: 7.25}], source: *s}
    - {id: faults, label: 差错逐日变轻, op: deduct, items: [fault], each: 10.01,
       fade: {to_days: 7}, each_period: {period: calendar-year, at_most: 25}, source: *s}
    - {id: many, label: 多次, op: deduct-by-count, items: [breach, fault], window: calendar-year,
       bands: [{at_least: 3, points: 12}], source: *s}
grades:
  - {code: G1, name: 一级, at_least: 560}
  - {code: G2, name: 二级, at_least: 500}
  - {code: G3, name: 三级, at_least: 440}
  - {code: G4, name: 四级}
grades_source: *s
"""
)
LENIENT_CLASSES = (
    HEAD.format(id="lenient-classes")
    + ITEMS.replace("  award: {label: 奖励, nature: honour, group: good}\n", "").replace(
        "  visit: {label: 走访, nature: honour, group: good}\n", ""
    )
    + """\
lenience:
  minor: {label: 轻微偶发且已改正, window: calendar-year, source: *s}
method: {type: classification}
grades:
  - {code: A, name: 甲}
  - code: B
    name: 乙
    when: [{id: some, label: 有, group: general, at_least: 1, window: {months: 18}, source: *s}]
  - code: C
    name: 丙
    when:
      - {id: many, label: 多, group: general, at_least: 3, window: {years: 1}, source: *s}
      - {id: serious, label: 后果严重, group: general, at_least: 1, serious_consequence: true, source: *s}
grades_source: *s
"""
)
COMPOSED = (
    HEAD.format(id="composed")
    + """\
facts:
  public: {label: 公共, at_most: 100}
method:
  type: composition
  parts:
    - {id: own, label: 本地评价, model: {id: all-operators, version: "2024-01"}, percent: 30, missing: NONE, source: *s}
    - {id: public, label: 公共评价, fact: public, percent: 70, missing: NO_PUBLIC, source: *s}
grades:
  - {code: A, name: 甲, at_least: 200}
  - {code: B, name: 乙}
grades_source: *s
"""
)
THREE_YEARS = (
    HEAD.format(id="three-years")
    + """\
method: {type: standing, of: {id: all-operators, version: "2024-01"}, years: 3, source: *s}
grades:
  - {code: S1, name: 连续一级, every_year_at_least: G1}
  - {code: S2, name: 连续二级, every_year_at_least: G2}
  - {code: S3, name: 其他}
grades_source: *s
"""
)
TWO_YEARS_OF_CLASSES = (
    HEAD.format(id="two-years")
    + """\
method: {type: standing, of: {id: lenient-classes, version: "2024-01"}, years: 2, source: *s}
grades:
  - {code: S1, name: 连续甲, every_year_at_least: A}
  - {code: S2, name: 其他}
grades_source: *s
"""
)
FILES = {
    "all-operators": ALL_OPERATORS,
    "lenient-classes": LENIENT_CLASSES,
    "composed": COMPOSED,
    "three-years": THREE_YEARS,
    "two-years": TWO_YEARS_OF_CLASSES,
}
INDICATORS = """\
items:
  award: {label: 奖励, nature: honour, provider: 表彰机关, collection: consent,
    source: &s {status: illustrative, reason: 测试}}
  visit: {label: 走访, nature: honour, provider: 走访部门, collection: consent, source: *s}
  breach: {label: 违约, nature: adverse, provider: 监管部门, collection: published, source: *s}
  fault: {label: 差错, nature: adverse, provider: 监管部门, collection: published, source: *s}
facts:
  hours: {label: 时长, provider: 登记部门, collection: consent, source: *s}
  public: {label: 公共, provider: 评价部门, collection: consent, source: *s}
"""


def load_here(root: Path, files: dict[str, str]) -> Models:
    """The models of one place `here` below `root`, whose files are given by id; all of version 2024-01."""
    folder = root / "here" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    (root / "here" / "place.yaml").write_text("name: 此地\n", encoding="utf-8")
    (root / "here" / "indicators.yaml").write_text(INDICATORS, encoding="utf-8")
    for name, text in files.items():
        (folder / f"{name}-2024-01.yaml").write_text(text, encoding="utf-8")
    return load_models(load_places(root))


@cache
def sample_models() -> Models:
    """All of `FILES`."""
    with TemporaryDirectory() as folder:
        return load_here(Path(folder), FILES)
