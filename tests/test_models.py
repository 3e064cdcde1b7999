"""The shipped models' tables, their checksums, and the loader's refusals."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import DataFileError
from core.places import ROOT, load_places
from scoring.deadlines import load_deadlines
from scoring.engine import NotAssessed, evaluate
from scoring.lines import read_line
from scoring.models import Models, UnknownModel, load_models

MODELS = load_models(load_places())
TABLES = sorted(ROOT.glob("*/models/*.tests.yaml"))
CASES = [
    pytest.param(path, case, id=f"{path.name.removesuffix('.tests.yaml')}: {case['name']}")
    for path in TABLES
    for case in yaml.safe_load(path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("path", "case"), CASES)
def test_a_model_gives_what_its_table_says(path: Path, case: dict[str, Any]) -> None:
    assert set(case) <= {"name", "day", "records", "facts", "expect"}, "a key that the table runner does not know"
    model = next(model for model in MODELS.all if f"{model.id}-{model.version}.tests.yaml" == path.name)
    records = [record for entry in case.get("records", []) for record in [entry] * entry.get("times", 1)]
    line = {"subject": "s", "records": records, "facts": case.get("facts")}
    asked = read_line(model, json.dumps(line, default=str).encode())
    result = evaluate(model, records=asked.records, facts=asked.facts, on=case["day"])
    if isinstance(result, NotAssessed):
        assert case["expect"] == {"assessed": False, "reason": result.reason}
        return
    points = None if result.points is None else Decimal(result.points).scaleb(-2)
    expected = case["expect"]["points"]
    assert points == (None if expected is None else Decimal(str(expected)))
    assert result.grade is not None
    assert result.grade.code == case["expect"]["grade"]


def test_every_model_has_a_table_that_reaches_every_grade() -> None:
    for model in MODELS.all:
        path = ROOT / model.place / "models" / f"{model.id}-{model.version}.tests.yaml"
        expected = {case["expect"].get("grade") for case in yaml.safe_load(path.read_text(encoding="utf-8"))}
        assert {grade.code for grade in model.grades} <= expected, model.id


def test_a_model_version_in_force_is_never_edited() -> None:
    listed = dict(
        reversed(line.split("  ", 1))
        for line in (ROOT / "checksums.txt").read_text(encoding="utf-8").splitlines()
        if line
    )
    for name, checksum in listed.items():
        assert sha256((ROOT / name).read_bytes()).hexdigest() == checksum, (
            f"{name} changed: leave it as it was and write a new version with a new date beside it"
        )
    models = {f"{model.place}/models/{model.id}-{model.version}.yaml" for model in MODELS.all}
    assert models <= set(listed), "add the new version's line to jurisdictions/checksums.txt (sha256sum)"


def test_a_model_is_as_official_as_its_least_official_rule() -> None:
    assert {model.id: model.status for model in MODELS.all} == {
        "changsha-enterprise": "illustrative",
        "changxing-accountant": "interpretation",
        "changxing-honours": "interpretation",
        "hebei-enterprise": "interpretation",
        "huixinma-enterprise": "illustrative",
        "huixinma-entrepreneur": "illustrative",
        "huixinma-person": "illustrative",
        "hunan-comprehensive": "illustrative",
        "integrity-points": "illustrative",
        "park-enterprise": "illustrative",
        "public-evaluation": "illustrative",
        "xiangxinfen": "illustrative",
    }


def test_no_grade_has_a_name_that_shames() -> None:
    for model in MODELS.all:
        for grade in model.grades:
            assert not any(word in grade.name for word in ("失信", "黑名单", "红", "黄", "黑"))


def test_a_place_has_its_own_models_and_those_of_its_parents() -> None:
    assert [model.id for model in MODELS.in_force("hunan-shaoyang", date(2026, 1, 1))] == [
        "hunan-comprehensive",
        "park-enterprise",
        "public-evaluation",
        "xiangxinfen",
    ]
    assert MODELS.in_force("hunan-shaoyang", date(2025, 3, 11)) == []
    assert MODELS.in_force("cn", date(2026, 1, 1)) == []


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(UnknownModel, match="没有名为 nothing 的评分模型"):
        MODELS.get("nothing")


def test_grades_compare_by_their_place_and_not_by_their_letters() -> None:
    model = MODELS.get("hunan-comprehensive")
    assert [model.rank(code) for code in ("A", "A-", "B+", "D")] == [0, 1, 2, 8]
    assert model.at_least("A-", "B+")
    assert model.at_least("B+", "B+")
    assert not model.at_least("B", "B+")


def test_shaoyang_decides_objections_within_five_working_days_and_heilongjiang_within_three() -> None:
    rules = load_deadlines(load_places())
    assert rules.deadlines("hunan-shaoyang")["objection-decision"].working_days == 5
    assert {code: deadline.working_days for code, deadline in rules.deadlines("heilongjiang").items()} == {
        "listing-review": 3,
        "correction": 3,
        "basis-withdrawn-report": 2,
        "basis-withdrawn-removal": 1,
        "objection-mark": 1,
        "objection-decision": 3,
        "objection-decision-with-help": 7,
        "objection-help-answer": 2,
        "objection-receivers-correct": 3,
        "complaint-answer": 20,
        "appeal-decision": 7,
        "repair-decision": 10,
    }
    assert "hide-honours" in rules.rights("heilongjiang")


POINTS = """\
id: sample
version: "2024-01"
name: 样例
subject: person
in_force_from: 2024-01-01
source: &s {status: illustrative, reason: 测试}
items:
  award: {label: 奖励, nature: honour}
  breach: {label: 违约, nature: adverse}
facts:
  hours: {label: 时长, at_most: 1000}
method:
  type: points
  base: {points: 100, source: *s}
  dimensions:
    - {id: good, label: 合计, at_most: 10, source: *s}
  rules:
    - id: awards
      label: 奖励
      op: add
      items: [award]
      each: 5
      at_most: 20
      dimension: good
      source: *s
    - id: hours
      label: 时长
      op: add-by-fact
      fact: hours
      bands: [{at_least: 1, points: 1}, {at_least: 2, points: 2}]
      source: *s
    - id: breaches
      label: 违约
      op: deduct
      items: [breach]
      each: 10
      decay: [{after: {days: 30}, each: 5}]
      window: {years: 1}
      source: *s
grades:
  - {code: A, name: A, at_least: 110}
  - {code: B, name: B, at_least: 90}
  - {code: C, name: C}
grades_source: *s
"""
CLASSES = """\
id: sample
version: "2024-01"
name: 样例
subject: enterprise
in_force_from: 2024-01-01
source: &s {status: illustrative, reason: 测试}
items:
  breach: {label: 违约, nature: adverse, group: general}
method: {type: classification}
grades:
  - {code: A, name: A}
  - code: B
    name: B
    when: [{id: some, label: 有, group: general, at_least: 1, source: *s}]
  - code: C
    name: C
    when: [{id: many, label: 多, group: general, at_least: 3, source: *s}]
grades_source: *s
"""
PARTS = """\
id: sample
version: "2024-01"
name: 样例
subject: enterprise
in_force_from: 2024-01-01
source: &s {status: illustrative, reason: 测试}
facts:
  one: {label: 甲, at_most: 100}
method:
  type: composition
  parts:
    - {id: one, label: 甲, fact: one, percent: 100, missing: NONE, source: *s}
grades:
  - {code: A, name: A, at_least: 60}
  - {code: B, name: B}
grades_source: *s
"""
INDICATORS = """\
items:
  award:
    {label: 奖励, nature: honour, provider: 某机关, collection: published,
     source: &s {status: illustrative, reason: 测试}}
  breach: {label: 违约, nature: adverse, provider: 某机关, collection: published, source: *s}
facts:
  hours: {label: 时长, provider: 某机关, collection: published, source: *s}
  one: {label: 甲, provider: 某机关, collection: published, source: *s}
"""


def load(root: Path, **files: str) -> Models:
    """The models of one place `here`, whose files are given by stem."""
    folder = root / "here" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    (root / "here" / "place.yaml").write_text("name: 此地\n", encoding="utf-8")
    (root / "here" / "indicators.yaml").write_text(INDICATORS, encoding="utf-8")
    for stem, text in files.items():
        (folder / f"{stem.replace('_', '-')}.yaml").write_text(text, encoding="utf-8")
    return load_models(load_places(root))


def test_the_samples_below_are_sound(tmp_path: Path) -> None:
    for text in (POINTS, CLASSES, PARTS):
        assert [model.id for model in load(tmp_path, sample_2024_01=text).all] == ["sample"]


@pytest.mark.parametrize(
    ("text", "edit", "line", "said"),
    [
        (POINTS, ("name: 样例", "name: 样例\ncolour: red"), 4, "colour"),
        (POINTS, ("name: 样例\n", ""), 1, "name"),
        (POINTS, ("op: add\n", "op: multiply\n"), 18, "multiply"),
        (POINTS, ("      dimension: good\n      source: *s\n", "      dimension: good\n"), 18, "source"),
        (POINTS, ("{status: illustrative, reason: 测试}", "{status: official, title: 某文件}"), 6, "clause"),
        (POINTS, ("{status: illustrative, reason: 测试}", "{status: illustrative}"), 6, "reason"),
        (POINTS, ("id: hours\n", "id: awards\n"), 26, "规则 awards 重复"),
        (POINTS, ("id: hours\n", "id: base\n"), 26, "引擎"),
        (POINTS, ("items: [award]", "items: [breach]"), 21, "add 不能用于 adverse"),
        (POINTS, ("items: [breach]", "items: [award]"), 35, "deduct 不能用于 honour"),
        (POINTS, ("items: [award]", "items: [medal]"), 21, "medal 未声明"),
        (POINTS, ("fact: hours", "fact: days"), 29, "没有数字型事实 days"),
        (POINTS, ("{at_least: 2, points: 2}", "{at_least: 1, points: 2}"), 30, "逐段上升"),
        (POINTS, ("{at_least: 2, points: 2}", "{at_least: 2, points: 1}"), 30, "逐段上升"),
        (POINTS, ("each: 5}]", "each: 15}]"), 37, "逐步减小"),
        (POINTS, ("dimension: good", "dimension: bad"), 24, "bad 未声明"),
        (POINTS, ("      dimension: good\n", ""), 16, "维度 good 没有规则"),
        (POINTS, ("window: {years: 1}", "window: {years: 1, days: 1}"), 38, "恰好写一个"),
        (POINTS, ("window: {years: 1}", "window: {years: true}"), 38, "integer"),
        (POINTS, ("each: 5\n", "each: -5\n"), 22, "负数"),
        (POINTS, ("each: 5\n", "each: 5.001\n"), 22, "两位小数"),
        (POINTS, ("at_least: 90}", "at_least: 110}"), 42, "重叠或顺序颠倒"),
        (POINTS, ("at_least: 90}", "at_least: 111}"), 42, "重叠或顺序颠倒"),
        (POINTS, ("{code: B, name: B, at_least: 90}", "{code: B, name: B}"), 42, "缺口"),
        (POINTS, ("{code: C, name: C}", "{code: C, name: C, at_least: 10}"), 43, "缺口"),
        (POINTS, ("{code: C, name: C}", "{code: A, name: C}"), 43, "等级代码 A 重复"),
        (POINTS, ("at_least: 110}", "at_least: 122.01}"), 41, "无人能达到,最高只有 122 分"),
        (POINTS, ("at_least: 90}", "at_least: 0}"), 43, "无人会落入"),
        (POINTS, ("in_force_from: 2024-01-01", "in_force_from: 2024-01-01\nin_force_until: 2024-01-01"), 6, "不晚于"),
        (POINTS, ("id: sample", "id: other"), 1, "文件名"),
        (POINTS, ("at_most: 1000", "at_most: 0"), 11, "范围"),
        (POINTS, ("  base:", "  base: {}\n  base:"), 15, "重复"),
        (POINTS, ("  base: {", "  base: ["), 14, "YAML"),
        (CLASSES, ("at_least: 3", "at_least: 1"), 12, "等级 B 无人会落入"),
        (CLASSES, ("group: general, at_least: 3", "group: other, at_least: 3"), 17, "没有项目属于 other 组"),
        (CLASSES, ("nature: adverse", "nature: honour"), 8, "honour"),
        (CLASSES, ("{code: A, name: A}", "{code: A, name: A, at_least: 1}"), 11, "没有分数"),
        (CLASSES, ("id: many", "id: some"), 17, "规则 some 重复"),
        (PARTS, ("percent: 100", "percent: 90"), 11, "不是 100"),
        (PARTS, ("fact: one", "fact: two"), 12, "two 未声明"),
        (PARTS, ("at_least: 60", "at_least: 100.01"), 14, "最高只有 100 分"),
    ],
)
def test_a_broken_model_file_is_refused_with_its_line(
    tmp_path: Path, text: str, edit: tuple[str, str], line: int, said: str
) -> None:
    assert edit[0] in text
    broken = text.replace(*edit, 1)
    with pytest.raises(DataFileError, match=said) as caught:
        load(tmp_path, sample_2024_01=broken)
    assert (caught.value.file, caught.value.line) == ("here/models/sample-2024-01.yaml", line)


def test_two_versions_may_not_be_in_force_at_once(tmp_path: Path) -> None:
    later = POINTS.replace('"2024-01"', '"2025-01"').replace("from: 2024", "from: 2025")
    with pytest.raises(DataFileError, match="与 2024-01 版同时生效"):
        load(tmp_path, sample_2024_01=POINTS, sample_2025_01=later)


def test_the_version_in_force_on_the_day_is_taken_and_the_nearest_where_none_is(tmp_path: Path) -> None:
    earlier = POINTS.replace("from: 2024-01-01", "from: 2024-01-01\nin_force_until: 2025-01-01")
    later = POINTS.replace('"2024-01"', '"2025-01"').replace("from: 2024", "from: 2025")
    models = load(tmp_path, sample_2024_01=earlier, sample_2025_01=later)
    days = [date.min, date(2024, 12, 31), date(2025, 1, 1), date.max]
    assert [models.get("sample", day).version for day in days] == ["2024-01", "2024-01", "2025-01", "2025-01"]
    assert models.get("sample").version == "2025-01"
    assert [model.version for model in models.in_force("here", date(2024, 12, 31))] == ["2024-01"]


def test_a_model_belongs_to_one_place(tmp_path: Path) -> None:
    (tmp_path / "there" / "models").mkdir(parents=True)
    (tmp_path / "there" / "place.yaml").write_text("name: 彼地\n", encoding="utf-8")
    (tmp_path / "there" / "models" / "sample-2024-01.yaml").write_text(POINTS, encoding="utf-8")
    with pytest.raises(DataFileError, match="模型 sample 已属于"):
        load(tmp_path, sample_2024_01=POINTS)


def test_a_deadline_named_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "place.yaml").write_text("name: 此地\n", encoding="utf-8")
    entry = "  - {id: a, text: 甲, working_days: 1, counts_from: 乙, source: {status: illustrative, reason: 丙}}\n"
    (tmp_path / "here" / "deadlines.yaml").write_text(f"deadlines:\n{entry}{entry}", encoding="utf-8")
    with pytest.raises(DataFileError, match="a 重复") as caught:
        load_deadlines(load_places(tmp_path))
    assert caught.value.line == 3
