"""English for whoever asks for it: what rule files name, what the code explains, and what the demo city answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.messages import English
from core.errors import DataFileError
from core.places import ROOT, english_words, load_places
from partners.kinds import benefit_kinds
from scoring.models import load_models
from scoring.plain import plain_grade, plain_rules

HAN = re.compile(r"[\u3400-\u9fff]")
PLACES = load_places()
ENGLISH = English(english_words(PLACES))
SHOWN = {
    "place": {"name", "districts"},
    "models": {"name", "label", "reason"},
    "catalogue": {"label", "category", "method", "frequency"},
    "indicators": {"label", "provider"},
    "deadlines": {"text", "counts_from"},
    "rights": {"text"},
    "measures": {"name"},
    "lending": {"label", "field", "unit"},
    "purposes": {"name", "what", "method", "use", "rights", "harm"},
    "query-matters": {"name"},
    "repair": {"label", "after", "evidence"},
    "park-index": {"name"},
    "inspection": {"label"},
    "enrollment-notice": {"text"},
}
"""Keys of rule files whose texts are shown to people."""


def shown(value: Any, keys: set[str], key: str = "") -> Iterator[str]:
    """The lines of Chinese under these keys."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from shown(inner, keys, key if str(name).isdigit() else str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from shown(inner, keys, key)
    elif isinstance(value, str) and key in keys:
        yield from (line for line in value.splitlines() if HAN.search(line))


def rule_files() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.glob("*/*.yaml")):
        yield path.stem, path
    for path in sorted(ROOT.glob("*/models/*.yaml")):
        if not path.name.endswith(".tests.yaml"):
            yield "models", path


@pytest.mark.parametrize("place", PLACES)
def test_what_the_files_of_a_place_show_has_its_english(place: str) -> None:
    lineage = PLACES[place].lineage
    known = {
        said
        for code in lineage
        if (ROOT / code / "english.yaml").exists()
        for said in yaml.safe_load((ROOT / code / "english.yaml").read_text(encoding="utf-8"))
    }
    missing = {
        f"{text}: # {path.relative_to(ROOT)}"
        for kind, path in rule_files()
        if path.relative_to(ROOT).parts[0] == place and kind in SHOWN
        for text in shown(yaml.safe_load(path.read_text(encoding="utf-8")), SHOWN[kind])
        if text not in known
    }
    assert not missing, f"add to jurisdictions/{place}/english.yaml:\n" + "\n".join(sorted(missing))


def test_english_of_rule_files_is_english_but_for_quoted_law() -> None:
    words = english_words(PLACES)
    assert [told for told in words.values() if HAN.search(re.sub("《[^》]*》[^,;。]*", "", told))] == []


def test_every_rule_of_every_model_is_explained_in_english() -> None:
    for model in load_models(PLACES).all:
        texts = [plain_grade(model, grade) for grade in model.grades]
        for rule in plain_rules(model):
            texts += [rule.label, rule.sentence, rule.window, *(text for pair in rule.numbers for text in pair)]
        assert [text for text in texts if HAN.search(ENGLISH.tell(text))] == [], model.id


def test_a_rule_reads_like_english() -> None:
    rules = {rule.id: rule for rule in plain_rules(load_models(PLACES).get("xiangxinfen"))}
    assert ENGLISH.tell(rules["administrative-penalty"].sentence) == (
        "For each record of “administrative penalty”: minus 30 points, after 12 months only minus 15 points, "
        "after 24 months only minus 5 points, minus 150 points at most, all together, "
        "only records of the last 3 year(s) count."
    )
    assert ENGLISH.tell(rules["volunteer-hours"].sentence) == (
        "hours of voluntary work from 20 up: plus 8 points, from 100 up: plus 20 points, from 300 up: plus 40 points "
        "(the highest step reached counts)."
    )


def test_every_kind_of_benefit_is_named_in_english() -> None:
    for kind in benefit_kinds().values():
        texts = [kind.name, kind.standard, *kind.limits]
        for field in kind.terms.model_fields.values():
            extra: Any = field.json_schema_extra
            texts += [extra["label"], extra["unit"], *extra["words"].values()]
        assert [text for text in texts if HAN.search(ENGLISH.tell(text))] == [], kind.code


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("「志愿服务时长」让您多了 40 分。", "“hours of voluntary work” brought you 40 points."),
        (  # a label that has commas
            "有 2 条「近三年的纳税信用 A 级,按次数」记录,让贵单位多了 12 分。",
            "2 record(s) of “class A taxpayer in the last three years, by number”, brought your organisation 12 points.",  # noqa: E501
        ),
        (
            "「近五年的表彰奖励」由 12 分变为 18 分,多了 6 分。",
            "“commendations in the last five years” went from 12 to 18 points, 6 points more.",
        ),
        ("全国\n不认识的一行,\n河北省", "nationwide\n不认识的一行,\nHebei"),
        ("会员日,所有顾客打九折。", "会员日,所有顾客打九折。"),  # what people wrote keeps its punctuation
        ("会员日、平日", "会员日、平日"),
    ],
)
def test_words_of_rule_files_are_told_wherever_they_stand(said: str, told: str) -> None:
    assert ENGLISH.tell(said) == told


@pytest.mark.parametrize(
    ("english", "line", "problem"),
    [
        ("全国: nationwide\n是: yes\n", 2, "英文不是文字"),
        ("# a list\n- 全国\n", 2, "不是中文与英文的对应"),
        ("全国: nationwide\n全国: everywhere\n", 2, "重复"),
        ("地方: place\n全国: everywhere\n", 2, "已有另一种英文"),
    ],
)
def test_a_broken_file_of_english_is_refused_with_its_line(
    tmp_path: Path, english: str, line: int, problem: str
) -> None:
    for place, words in (("cn", "全国: nationwide\n"), ("here", english)):
        (tmp_path / place).mkdir()
        (tmp_path / place / "english.yaml").write_text(words, encoding="utf-8")
    (tmp_path / "cn" / "place.yaml").write_text("name: 全国\n", encoding="utf-8")
    (tmp_path / "here" / "place.yaml").write_text("name: 某地\nparent: cn\n", encoding="utf-8")
    with pytest.raises(DataFileError, match=problem) as refused:
        english_words(load_places(tmp_path))
    assert (refused.value.file, refused.value.line) == ("here/english.yaml", line)


def test_a_place_without_english_is_told_in_chinese(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "place.yaml").write_text("name: 某地\n", encoding="utf-8")
    assert english_words(load_places(tmp_path)) == {}
