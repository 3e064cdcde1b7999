"""`xinyi guard check`: offers as partners describe them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from guard_offers import ON, protected_list
from hypothesis import given
from hypothesis import strategies as st

from cli.guard import check
from legal.described import BadDescription, Judgement, judge, read_description
from legal.effects import Effect
from legal.guard import RULES
from legal.harms import ADDITIONS, HARMS
from legal.terms import PAYERS
from partners.kinds import benefit_kinds

HERE = Path(__file__).parent
TABLE: list[dict[str, Any]] = yaml.safe_load((HERE / "described_offers.yaml").read_text("utf-8"))
CASES = [pytest.param(case, id=case["harm"]) for case in TABLE]
MIXED: list[dict[str, Any]] = list(map(json.loads, (HERE / "described_mixed.jsonl").read_text("utf-8").splitlines()))

PLAIN = {
    "id": "1",
    "subject": "person",
    "kind": "tourism",
    "title": "门票九折",
    "standard_service": "按公示票价购票,先到先入。",
    "benefit": "票价九折。",
    "effects": ["fee-reduction"],
    "payer": "partner",
    "conditions": ["grade>=A"],
    "basic_public_service": False,
    "statutory_right": False,
    "published": True,
}


def judged(*, place: str = "cn", **changes: Any) -> Judgement:
    """What is said of the plain offer with `changes`."""
    offer = read_description(PLAIN | changes)
    kind = benefit_kinds().get(offer.kind)
    known = kind.protected_service if kind else None
    return judge(offer, protected=protected_list(place), kind_protected=known, on=ON)


def changes(case: dict[str, Any], which: str) -> dict[str, Any]:
    found: dict[str, Any] = case.get("both", {}) | case[which]
    return found


# ── each harm beside its look-alike


@pytest.mark.parametrize("case", CASES)
def test_the_harmful_description_is_not_lawful_and_its_rule_is_named(case: dict[str, Any]) -> None:
    found = judged(**changes(case, "unlawful"))
    assert found.verdict == case.get("verdict", "unlawful"), found
    assert set(case["rules"]) & set(found.rules), found


@pytest.mark.parametrize("case", CASES)
def test_its_lawful_look_alike_is_lawful(case: dict[str, Any]) -> None:
    found = judged(**changes(case, "lawful"))
    assert (found.verdict, found.rules) == ("lawful", ()), found


def test_the_table_holds_at_least_60_harms_each_told_once() -> None:
    assert len({case["harm"] for case in TABLE}) == len(TABLE) >= 60


# ── the whole, counted


def counted(cases: Iterable[dict[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter((case["is"], judged(**{k: v for k, v in case.items() if k != "is"}).verdict) for case in cases)


def test_no_harmful_description_is_lawful_and_no_lawful_one_unlawful() -> None:
    found = counted(MIXED)
    assert found["unlawful", "lawful"] == found["lawful", "unlawful"] == 0, found


def test_two_thirds_of_clear_descriptions_are_decided_without_a_human() -> None:
    found = counted(MIXED)
    assert 3 * (found["unlawful", "unlawful"] + found["lawful", "lawful"]) >= 2 * len(MIXED) >= 200, found


# ── words


@pytest.mark.parametrize("word", sorted(HARMS))
@pytest.mark.parametrize("protected", [True, False])
def test_a_word_that_takes_something_away_is_unlawful_by_a_rule_that_exists(word: str, protected: bool) -> None:
    found = judged(effects=["fee-reduction", word], basic_public_service=protected)
    assert found.verdict == "unlawful"
    assert set(found.rules) <= {rule.id for rule in RULES}


def test_no_word_both_takes_and_adds() -> None:
    assert not HARMS.keys() & ADDITIONS.keys()
    assert set(ADDITIONS.values()) == set(Effect)


def test_a_harmful_word_breaks_another_rule_where_the_service_is_protected() -> None:
    assert judged(effects=["deny"]).rules == ("L11",)
    assert judged(effects=["deny"], basic_public_service=True).rules == ("L5",)
    assert judged(effects=["deny"], statutory_right=True).rules == ("L5",)
    assert judged(effects=["deny"], kind="loan").rules == ("L10",)
    assert judged(effects=["Price Tier"]).rules == ("L11",)
    assert judged(effects=["queue_jump"], kind="medical").rules == ("L4", "L5")


@pytest.mark.parametrize("effects", [["whatever"], [], ["fee-reduction", ""]])
def test_effects_that_are_not_understood_go_to_a_human(effects: list[str]) -> None:
    assert judged(effects=effects).verdict == "review"


@pytest.mark.parametrize(
    ("unclear", "rule"),
    [
        ({"kind": "spaceflight"}, "L0"),
        ({"kind": ""}, "L0"),
        ({"standard_service": ""}, "L1"),
        ({"payer": "某某"}, "L11"),
        ({"payer": "业主"}, "L11"),
        ({"published": False}, "L0"),
        ({"surcharge_fen": 100}, "L0"),
        ({"conditions": ["会下围棋"]}, "L11"),
        ({"title": "公租房配租", "standard_service": "按轮候配租。", "effects": ["gift"], "benefit": "赠礼。"}, "L5"),
    ],
    ids=str,
)
def test_what_a_machine_cannot_judge_goes_to_a_human(unclear: dict[str, Any], rule: str) -> None:
    found = judged(**unclear)
    assert (found.verdict, rule in found.rules) == ("review", True), found


@pytest.mark.parametrize(
    "payer", [*sorted(PAYERS), "景区", "区财政专项资金", "商会", "本院", "办事大厅", "爱心企业捐赠", "汽修铺", ""]
)
def test_whoever_may_bear_the_cost_is_known_by_common_words(payer: str) -> None:
    assert judged(payer=payer).verdict == "lawful"


@pytest.mark.parametrize("payer", ["other-customers", "非会员", "未达标游客", "everyone else", "全体业主",
                                   "房客", "病人自付", "票价上浮部分"])  # fmt: skip
def test_those_who_get_nothing_never_pay(payer: str) -> None:
    assert (judged(payer=payer).verdict, judged(payer=payer).rules) == ("unlawful", ("L11",))


def test_papers_later_are_no_benefit_where_the_law_gives_them_to_everybody() -> None:
    later: dict[str, Any]
    later = {"kind": "approval", "subject": "enterprise", "title": "容缺受理", "effects": ["papers-later"],
             "standard_service": "材料齐全后受理。", "benefit": "次要材料十日内补齐。"}  # fmt: skip
    assert judged(**later).verdict == "lawful"
    assert judged(**later, place="heilongjiang").rules == ("L6",)
    loan = later | {"kind": "loan", "title": "贷款材料后补"}
    assert judged(**loan, place="heilongjiang").verdict == "lawful", "a bank's papers are not what that law speaks of"


def test_a_kind_that_only_may_be_protected_is_left_to_a_human_where_the_partner_says_it_is_not() -> None:
    care = {"kind": "elder-care", "title": "老人助洁", "standard_service": "按标价上门助洁。", "benefit": "助洁九折。"}
    assert judged(**care, basic_public_service=False).verdict == "review"
    assert judged(**care, basic_public_service=True).verdict == "unlawful"


# ── shapes


@pytest.mark.parametrize(
    "wrong",
    [{"subject": "robot"}, {"subject": None}, {"title": 5}, {"effects": "gift"}, {"effects": [1]}, {"conditions": {}},
     {"published": "yes"}, {"benefit": "好" * 4_001}],
    ids=lambda wrong: next(iter(wrong)),
)  # fmt: skip
def test_a_value_of_another_type_is_refused_and_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadDescription, match=next(iter(wrong))):
        judged(**wrong)


TEXT = st.text(max_size=30)


@given(
    st.dictionaries(st.sampled_from(["title", "standard_service", "benefit", "payer", "kind"]), TEXT), st.lists(TEXT)
)
def test_whatever_is_written_is_judged(texts: dict[str, str], words: list[str]) -> None:
    assert judged(**texts, effects=words, conditions=words).verdict in {"lawful", "unlawful", "review"}


@given(st.lists(st.sampled_from(sorted(HARMS)), min_size=1), TEXT)
def test_no_text_makes_a_harmful_word_lawful(words: list[str], text: str) -> None:
    assert judged(effects=words, benefit=text).verdict == "unlawful"


# ── the command


def run(*lines: str | bytes) -> Result:
    content = b"".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    return CliRunner().invoke(check, ["--on", "2026-11-22"], input=content, standalone_mode=False)


def test_every_line_gets_one_line_in_the_same_order() -> None:
    lines = [json.dumps(PLAIN | {"id": n}) + "\n" for n in ("a", 2, None)]
    answers = [json.loads(line) for line in run(*lines).stdout.splitlines()]
    assert [answer["id"] for answer in answers] == ["a", 2, None]
    assert {tuple(answer) for answer in answers} == {("id", "verdict", "rules", "message")}
    assert run(*lines).return_value == 0


def test_a_bad_line_is_answered_with_an_error_and_the_others_are_judged() -> None:
    found = run("{\n", "[]\n", "\n", '{"id": "x", "subject": 1}\n', b"\xff\n", json.dumps(PLAIN))
    answers = [json.loads(line) for line in found.stdout.splitlines()]
    assert [answer.get("error", {}).get("code") for answer in answers] == [
        "BAD_JSON",
        "BAD_LINE",
        "BAD_LINE",
        "BAD_JSON",
        None,
    ]
    assert (answers[2]["id"], answers[4]["verdict"], found.return_value) == ("x", "lawful", 1)


def test_a_place_named_in_the_texts_is_judged_by_its_own_lists() -> None:
    later = {"kind": "approval", "subject": "enterprise", "title": "黑龙江容缺受理", "effects": ["papers-later"]}
    later |= {"standard_service": "材料齐全后受理。", "benefit": "次要材料十日内补齐。"}
    assert json.loads(run(json.dumps(PLAIN | later)).stdout)["rules"] == ["L6"]


def test_an_unlawful_line_names_rule_source_and_what_to_do() -> None:
    answer = json.loads(run(json.dumps(PLAIN | {"effects": ["surcharge"]})).stdout)
    assert (answer["verdict"], answer["rules"]) == ("unlawful", ["L11"])
    assert "请删去" in answer["message"]
    assert "依据:《" in answer["message"]
