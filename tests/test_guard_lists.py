"""The lists the guard goes by, and how it reads free texts as they come."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from guard_offers import protected_list, refusals
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataFileError
from core.places import ROOT, load_places
from legal.guard import RULES
from legal.protected import load_protected, named_in
from legal.words import normal

TEXTS: dict[str, list[dict[str, Any]]] = yaml.safe_load((Path(__file__).parent / "guard_texts.yaml").read_text("utf-8"))
CN = protected_list("cn")


@pytest.mark.parametrize("texts", TEXTS["harmful"], ids=str)
def test_harm_written_only_in_the_texts_never_passes(texts: dict[str, Any]) -> None:
    assert refusals(**texts)


@pytest.mark.parametrize("texts", TEXTS["lawful"], ids=str)
def test_lawful_texts_pass(texts: dict[str, Any]) -> None:
    assert refusals(**texts) == ()


def test_two_thirds_of_the_harmful_texts_are_decided_without_a_human() -> None:
    decided = [t for t in TEXTS["harmful"] if any(r.verdict == "unlawful" for r in refusals(**t))]
    assert 3 * len(decided) >= 2 * len(TEXTS["harmful"])


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    refusals(title=text, standard_service=text, benefit=text, conditions=[text])


@pytest.mark.parametrize("written", ["插 队", "插\u200b队", "插·队", "插　队", "插_队"])
def test_fillers_hide_nothing(written: str) -> None:
    assert normal(written) == "插队"


def test_the_nine_fields_of_the_national_standard_are_all_there() -> None:
    assert " ".join(entry.name for entry in CN.services) == (
        "幼有所育 学有所教 劳有所得 病有所医 老有所养 住有所居 弱有所扶 优军服务保障 文体服务保障"
    )


def test_an_entry_counts_from_its_day_on() -> None:
    assert named_in(CN.services, "公租房", on=date(2023, 7, 29)) is None
    assert named_in(CN.services, "公租房", on=date(2023, 7, 30)) is CN.services[5]


def test_a_place_adds_to_the_national_list_and_strikes_nothing() -> None:
    province = protected_list("heilongjiang")
    assert (province.services, province.rights) == (CN.services, CN.rights)
    assert [e.citation.clause for e in province.papers_later_for_all] == ["第四十五条"]
    assert CN.papers_later_for_all == ()
    assert province.checksum != CN.checksum


def test_every_phrase_breaks_a_rule_that_exists_and_says_what_to_do() -> None:
    rules = {rule.id for rule in RULES}
    for phrase in CN.words.phrases:
        assert {phrase.rule, phrase.protected_rule or phrase.rule, phrase.loan_rule or phrase.rule} <= rules
        assert phrase.says
        assert not phrase.why.endswith("。")
        assert not phrase.remedy.endswith("。")


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        ("protected.yaml", "id: childcare", "idd: childcare", "cn/protected.yaml:5:"),
        ("protected.yaml", "clause: 一、幼有所育", "clauses: 一、幼有所育", "cn/protected.yaml:"),
        ("words.yaml", "  - id: queue-jump", "  - id: code-first", "cn/words.yaml:"),
        ("words.yaml", "says: [优先]", "says: ['(优先']", "cn/words.yaml:"),
    ],
)
def test_a_broken_list_names_its_file_and_line(tmp_path: Path, file: str, old: str, new: str, line: str) -> None:
    root = tmp_path / "jurisdictions"
    shutil.copytree(ROOT / "cn", root / "cn")
    path = root / "cn" / file
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(DataFileError, match=line) as raised:
        load_protected(load_places(root), "cn")
    assert raised.value.line > 1


def test_a_place_without_any_list_of_protected_services_cannot_start(tmp_path: Path) -> None:
    (tmp_path / "nowhere").mkdir()
    (tmp_path / "nowhere" / "place.yaml").write_text("name: 无清单之地\n", "utf-8")
    with pytest.raises(DataFileError, match="services"):
        load_protected(load_places(tmp_path), "nowhere")
