"""The catalogue of credit information: what is in it, and every refusal of its loader, with the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import DataFileError
from core.places import ROOT, load_places
from scoring.catalogue import Catalogue, column_key, load_catalogues
from scoring.indicators import load_indicators
from scoring.models import load_models

PLACES = load_places()
INDICATORS = load_indicators(PLACES)
CATALOGUES = load_catalogues(PLACES, INDICATORS)
PENALTY_COLUMNS = (
    *("行政相对人名称", "行政相对人类别", "行政相对人代码_1(统一社会信用代码)", "法定代表人", "行政处罚决定文书号"),
    *("违法行为类型", "违法事实", "处罚依据", "处罚类别", "处罚内容", "罚款金额(万元)"),
    *("没收违法所得、没收非法财物的金额(万元)", "暂扣或吊销证照名称及编号", "处罚决定日期", "处罚有效期", "公示截止期"),
    *("处罚机关", "处罚机关统一社会信用代码", "数据来源单位", "数据来源单位统一社会信用代码", "备注"),
)
PERMIT_COLUMNS = (
    *("行政相对人名称", "行政相对人类别", "行政相对人代码_1(统一社会信用代码)", "法定代表人", "行政许可决定文书名称"),
    *("行政许可决定文书号", "许可类别", "许可证书名称", "许可编号", "许可内容", "许可决定日期", "有效期自", "有效期至"),
    *("许可机关", "许可机关统一社会信用代码", "当前状态", "数据来源单位", "数据来源单位统一社会信用代码", "备注"),
)
INDICATOR_FILE = """\
items:
  breach:
    {label: 违约, nature: adverse, provider: 机关, collection: published, source: &s {status: illustrative, reason: 测}}
  award: {label: 奖励, nature: honour, provider: 机关, collection: published, source: *s}
  stay: {label: 病史记录, nature: adverse, provider: 机关, collection: published, source: *s}
  estate: {label: 不动产登记, nature: honour, provider: 机关, collection: written-consent, source: *s}
  house: {label: 房产登记, nature: honour, provider: 机关, collection: published, source: *s}
"""
CATALOGUE_FILE = """\
forms:
  usual:
    subjects: [person, enterprise]
    category: 类别
    openness: on-query
    openness_source: &s {status: illustrative, reason: 测试}
    method: 报送
    frequency: 每月
    publication: {least_months: 3, months: 36, source: *s}
    fields:
      - {id: name, label: 名称, type: subject-name, required: true, key: true}
      - {id: code, label: 代码, type: subject-code, required: true, key: true}
      - {id: number, label: 文书号, type: document-number, required: true, key: true}
      - {id: body, label: 机关, type: authority, required: true, key: true}
      - {id: day, label: 日期, type: date, role: decided_on, required: true, key: true}
      - {id: note, label: 备注, type: note}
items:
  breach: {form: usual}
"""


def load(root: Path, catalogue: str, indicators: str = INDICATOR_FILE) -> Catalogue:
    """One place below the shipped `cn`, so that its forbidden kinds hold."""
    (root / "cn").mkdir(parents=True)
    for name in ("place.yaml", "indicators.yaml", "catalogue.yaml"):
        (root / "cn" / name).write_bytes((ROOT / "cn" / name).read_bytes())
    (root / "here").mkdir()
    (root / "here" / "place.yaml").write_text("name: 此地\nparent: cn\n", encoding="utf-8")
    (root / "here" / "indicators.yaml").write_text(indicators, encoding="utf-8")
    (root / "here" / "catalogue.yaml").write_text(catalogue, encoding="utf-8")
    places = load_places(root)
    return load_catalogues(places, load_indicators(places))["here"]


def test_every_item_that_a_model_may_use_is_catalogued_and_nothing_else() -> None:
    for place in PLACES:
        assert set(CATALOGUES[place].items) == set(INDICATORS[place].items)


def test_an_item_says_in_the_indicators_alone_what_it_is_and_rests_on() -> None:
    for place, catalogue in CATALOGUES.items():
        for code, item in catalogue.items.items():
            listed = INDICATORS[place].items[code]
            assert (item.label, item.nature, item.provider, item.collection, item.source) == (
                listed.label,
                listed.nature,
                listed.provider,
                listed.collection,
                listed.source,
            )


@pytest.mark.parametrize(
    ("code", "columns"), [("administrative-penalty", PENALTY_COLUMNS), ("administrative-permit", PERMIT_COLUMNS)]
)
def test_the_national_columns_of_both_publicities_are_all_known(code: str, columns: tuple[str, ...]) -> None:
    labels = [field.label for field in CATALOGUES["cn"].items[code].fields]
    assert [label for label in labels if label in columns] == list(columns)


def test_terms_differ_by_severity_and_honours_have_none() -> None:
    items = CATALOGUES["cn"].items
    penalty, list_, award = items["administrative-penalty"], items["serious-list"], items["honour-award"]
    assert (penalty.publication.shortest("general"), penalty.publication.longest("general")) == (3, 36)
    assert (penalty.publication.shortest("serious"), penalty.publication.longest("serious")) == (12, 36)
    assert (list_.publication.shortest("serious"), list_.publication.longest("serious")) == (12, 36)
    assert (award.publication.shortest("general"), award.publication.longest("general")) == (0, None)
    assert items["court-enforcement"].publication.longest("serious") == 60


def test_every_adverse_item_has_a_longest_term() -> None:
    for catalogue in CATALOGUES.values():
        for item in catalogue.items.values():
            assert (item.publication.months is None) == (item.nature != "adverse" and item.code != "incentive")


def test_a_place_inherits_items_and_writes_one_anew(tmp_path: Path) -> None:
    here = load(tmp_path, CATALOGUE_FILE + "  tax-arrears: {form: adverse, frequency: 每日}\n")
    assert here.items["breach"].frequency == "每月"
    assert here.items["tax-arrears"].frequency == "每日"
    assert here.items["tax-arrears"].fields == CATALOGUES["cn"].items["tax-arrears"].fields
    assert here.items["administrative-penalty"] == CATALOGUES["cn"].items["administrative-penalty"]


def test_columns_compare_without_width_brackets_spaces_and_stars() -> None:
    spellings = (
        "罚款金额(万元)",
        "罚款金额（万元）",
        " 罚款金额 【万元】",
        "*罚款金额〔万元〕",
        "罚款金额(万元)\ufeff",
    )
    assert {column_key(name) for name in spellings} == {"罚款金额(万元)"}
    assert column_key("罚款金额(元)") != column_key("罚款金额(万元)")


REFUSED = {
    "not an indicator": ("breach: {form: usual}", "breech: {form: usual}", 18, "breech 不在指标目录中"),
    "no such form": ("form: usual", "form: unusual", 18, "没有名为 unusual 的写法"),
    "a forbidden kind as an item": ("breach:", "stay:", 18, "含有「病史」,疾病和病史不得列入目录"),
    "a forbidden kind as a field": ("label: 备注, type: note", "label: 血型, type: text", 18, "含有「血型」"),
    "a forbidden kind by another name of a column": (
        "label: 备注, type: note",
        "label: 备注, columns: [宗教信仰], type: note",
        18,
        "含有「宗教」",
    ),
    "wealth that was not agreed to in writing": ("breach:", "house:", 18, "含有「房产」"),
    "penalties by simple procedure": (
        "label: 备注, type: note",
        "label: 当场处罚金额, type: text",
        18,
        "含有「当场处罚」",
    ),
    "no end for what is adverse": ("months: 36, source", "source", 18, "失信信息没有最长公示期"),
    "a shortest term beyond the longest": ("least_months: 3", "least_months: 37", 18, "最短公示期长于最长公示期"),
    "a field twice": ("id: note", "id: day", 18, "数据项 day 重复"),
    "a column twice": ("label: 备注", "label: 名 称", 18, "列名「名 称」重复"),
    "two fields for one thing": ("type: note}", "type: authority}", 18, "已有另一数据项作 authority"),
    "a role that the type cannot have": ("type: note}", "type: note, role: decided_on}", 18, "不能作 decided_on"),
    "no document number": (
        "id: number, label: 文书号, type: document-number",
        "id: number, label: 文书号, type: text",
        18,
        "缺少作 document_number",
    ),
    "a key that may be missing": (
        "type: subject-code, required: true",
        "type: subject-code",
        18,
        "缺少作 subject_code",
    ),
    "a rule on no field": (
        "{form: usual}",
        "{form: usual, classify: [{field: none-such, contains: [吊销]}]}",
        18,
        "没有数据项 none-such",
    ),
    "a rule to another nature": (
        "{form: usual}",
        "{form: usual, classify: [{field: note, contains: [吊销], item: honour-award}]}",
        18,
        "性质不同",
    ),
    "an unknown key": ("{form: usual}", "{form: usual, colour: red}", 18, "Extra inputs"),
    "an unknown section": ("items:\n", "records: {}\nitems:\n", 17, "不认识的键 records"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_loader_refuses_with_file_line_and_remedy(name: str, tmp_path: Path) -> None:
    old, new, line, problem = REFUSED[name]
    assert old in CATALOGUE_FILE
    with pytest.raises(DataFileError) as raised:
        load(tmp_path, CATALOGUE_FILE.replace(old, new, 1))
    assert (raised.value.file, raised.value.line) == ("here/catalogue.yaml", line)
    assert problem in raised.value.message


def test_what_is_forbidden_about_persons_may_be_catalogued_about_enterprises(tmp_path: Path) -> None:
    text = CATALOGUE_FILE.replace("[person, enterprise]", "[enterprise]").replace("breach:", "house:")
    assert load(tmp_path, text).items["house"].subjects == ("enterprise",)


def test_wealth_may_be_catalogued_with_written_consent_and_still_enters_no_model(tmp_path: Path) -> None:
    assert load(tmp_path, CATALOGUE_FILE.replace("breach:", "estate:")).items["estate"].collection == "written-consent"


def test_no_model_may_use_what_is_neutral(tmp_path: Path) -> None:
    load(tmp_path, CATALOGUE_FILE)
    (tmp_path / "here" / "models").mkdir()
    (tmp_path / "here" / "models" / "sample-2024-01.yaml").write_text(
        """\
id: sample
version: "2024-01"
name: 样例
subject: enterprise
in_force_from: 2024-01-01
source: &s {status: illustrative, reason: 测试}
items:
  administrative-permit: {label: 行政许可, nature: honour}
method:
  type: points
  base: {points: 100, source: *s}
  rules:
    - {id: permits, label: 许可, op: add, items: [administrative-permit], each: 5, at_most: 20, source: *s}
grades:
  - {code: A, name: A, at_least: 110}
  - {code: B, name: B}
grades_source: *s
""",
        encoding="utf-8",
    )
    with pytest.raises(DataFileError, match="administrative-permit 在指标目录中是中性信息") as raised:
        load_models(load_places(tmp_path))
    assert raised.value.line == 8
