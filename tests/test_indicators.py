"""What a model may look at: every refusal of the catalogue, with its line, and that nothing shipped is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import DataFileError
from core.places import ROOT, load_places
from scoring.indicators import Indicators, load_indicators
from scoring.models import load_models

CATALOGUE = """\
items:
  award:
    {label: 奖励, nature: honour, provider: 机关, collection: published, source: &s {status: illustrative, reason: 测}}
  breach: {label: 违约, nature: adverse, provider: 某机关, collection: published, source: *s}
  illness: {label: 住院, nature: adverse, provider: 某机关, collection: published, source: *s}
  stay: {label: 病史记录, nature: adverse, provider: 某机关, collection: published, source: *s}
facts:
  hours: {label: 时长, provider: 某机关, collection: consent, source: *s}
  balance: {label: 余额, provider: 某机关, collection: written-consent, source: *s}
"""
MODEL = """\
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
  rules:
    - {id: awards, label: 奖励, op: add, items: [award], each: 5, at_most: 20, source: *s}
    - {id: hours, label: 时长, op: add-by-fact, fact: hours, bands: [{at_least: 1, points: 1}], source: *s}
    - {id: breaches, label: 违约, op: deduct, items: [breach], each: 10, at_most: 50, source: *s}
grades:
  - {code: A, name: A, at_least: 110}
  - {code: B, name: B}
grades_source: *s
"""


def load(root: Path, model: str, catalogue: str | None = CATALOGUE) -> None:
    """One place below the shipped `cn`, so that its forbidden kinds hold."""
    for name in ("place.yaml", "indicators.yaml"):
        (root / "cn").mkdir(parents=True, exist_ok=True)
        (root / "cn" / name).write_bytes((ROOT / "cn" / name).read_bytes())
    (root / "here" / "models").mkdir(parents=True)
    (root / "here" / "place.yaml").write_text("name: 此地\nparent: cn\n", encoding="utf-8")
    if catalogue is not None:
        (root / "here" / "indicators.yaml").write_text(catalogue, encoding="utf-8")
    (root / "here" / "models" / "sample-2024-01.yaml").write_text(model, encoding="utf-8")
    load_models(load_places(root))


def test_the_sample_and_everything_shipped_may_be_used(tmp_path: Path) -> None:
    load(tmp_path, MODEL)
    places = load_places()
    indicators = load_indicators(places)
    for model in load_models(places).all:
        assert list(indicators[model.place].faults(model)) == []


@pytest.mark.parametrize(
    ("edits", "line", "said"),
    [
        (
            {"award: {label": "medal: {label", "[award]": "[medal]"},
            8,
            "项目 medal 不在指标目录中.*第十八条.*indicators.yaml",
        ),
        ({"hours: {label": "days: {label", "fact: hours": "fact: days"}, 11, "事实 days 不在指标目录中"),
        ({"nature: adverse": "nature: honour", "op: deduct": "op: add"}, 9, "目录中的性质是 adverse,这里写成 honour"),
        ({"hours: {label": "balance: {label", "fact: hours": "fact: balance"}, 11, "书面同意.*第二十条第二款.*删去"),
        ({"{label: 违约, nature": "{label: 违约(简易程序), nature"}, 9, "简易程序.*第十八条第三款"),
        ({"{label: 违约, nature": "{label: 宗 教 活动, nature"}, 9, "宗教.*第二十条第三款"),
        ({"{label: 违约, nature": "{label: 血\u200b型, nature"}, 9, "血型"),
        ({"{label: 违约, nature": "{label: Blood type, nature"}, 9, "blood"),
        ({"{label: 违约, nature": "{label: FINGERPRINTS, nature"}, 9, "fingerprint"),
        ({"{label: 时长, at": "{label: 不动产面积, at"}, 11, "不动产"),
        ({"{label: 时长, at": "{label: Annual income, at"}, 11, "income"),
        ({"breach: {label": "illness: {label", "[breach]": "[illness]"}, 9, "illness.*疾病"),
        ({"breach: {label: 违约": "stay: {label: 缺席", "[breach]": "[stay]"}, 9, "项目 stay 含有「病史」"),
    ],
)
def test_what_may_not_be_used_is_refused_with_its_line(
    tmp_path: Path, edits: dict[str, str], line: int, said: str
) -> None:
    model = MODEL
    for before, after in edits.items():
        assert before in model
        model = model.replace(before, after, 1)
    with pytest.raises(DataFileError, match=said) as caught:
        load(tmp_path, model)
    assert (caught.value.file, caught.value.line) == ("here/models/sample-2024-01.yaml", line)


def test_an_enterprise_may_be_judged_by_what_is_only_forbidden_about_persons(tmp_path: Path) -> None:
    model = MODEL.replace("subject: person", "subject: enterprise").replace("label: 违约, n", "label: 商业保险欠费, n")
    load(tmp_path, model)


def test_a_place_without_a_catalogue_of_its_own_has_its_parents_alone(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="项目 award 不在指标目录中"):
        load(tmp_path, MODEL, None)


@pytest.mark.parametrize(
    ("edit", "line", "said"),
    [
        (("label: 违约", "label: 当场处罚"), 4, "当场处罚.*第十八条第三款"),
        (("breach:", "simple-procedure-penalty:"), 4, "simple procedure"),
        (("breach:", "court-enforcement:"), 4, "court-enforcement 已列在上级"),
        (("nature: adverse", "nature: mixed"), 4, "nature"),
        (("collection: consent", "collection: guessed"), 8, "collection"),
    ],
)
def test_a_broken_catalogue_is_refused_with_its_line(
    tmp_path: Path, edit: tuple[str, str], line: int, said: str
) -> None:
    assert edit[0] in CATALOGUE
    with pytest.raises(DataFileError, match=said) as caught:
        load(tmp_path, MODEL, CATALOGUE.replace(*edit, 1))
    assert (caught.value.file, caught.value.line) == ("here/indicators.yaml", line)


def test_a_word_is_found_whole_and_not_inside_another(tmp_path: Path) -> None:
    indicators = load_indicators(load_places())["cn"]
    assert isinstance(indicators, Indicators)
    biometrics = next(kind for kind in indicators.forbidden if kind.id == "biometrics")
    assert biometrics.named_in("general-record", "Interface 面貌") is None
    assert biometrics.named_in("gene-test", "检测") == "gene"
    assert biometrics.named_in("test", "人 脸比对") == "人脸"
    assert biometrics.named_in("test", "FACES") == "face"
