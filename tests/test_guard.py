"""The guard against the table of unlawful offers, each beside its lawful look-alike."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from guard_offers import refusals

from legal.effects import ADDED_CAPACITY, PRESENT, PRICE, PROTECTED_BY_HUMAN, PROTECTED_FREELY, RELATIVE, Effect
from legal.guard import RULES

TABLE: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "unlawful_offers.yaml").read_text("utf-8"))
CASES = [pytest.param(case, id=case["harm"]) for case in TABLE]


def changes(case: dict[str, Any], which: str) -> dict[str, Any]:
    return case.get("both", {}) | case[which]


@pytest.mark.parametrize("case", CASES)
def test_the_unlawful_offer_is_refused_by_its_rule(case: dict[str, Any]) -> None:
    found = refusals(**changes(case, "unlawful"))
    assert case["rule"] in [r.rule for r in found if r.verdict == "unlawful"], found


@pytest.mark.parametrize("case", CASES)
def test_its_lawful_look_alike_passes(case: dict[str, Any]) -> None:
    assert refusals(**changes(case, "lawful")) == ()


def test_the_table_holds_at_least_36_harms_each_told_once() -> None:
    assert len({case["harm"] for case in TABLE}) == len(TABLE) >= 36


def test_the_table_holds_a_harm_for_every_rule() -> None:
    assert {case["rule"] for case in TABLE} == {rule.id for rule in RULES}


@pytest.mark.parametrize("case", CASES)
def test_a_refusal_says_what_why_and_what_to_do_and_names_its_source(case: dict[str, Any]) -> None:
    for refusal in refusals(**changes(case, "unlawful")):
        assert refusal.message.endswith("。")
        assert refusal.message.count("。") >= 2 or ":" in refusal.message
        assert any(word in refusal.message for word in ("请", "须"))
        assert refusal.source.title


def test_the_rules_stand_in_order() -> None:
    assert [rule.id for rule in RULES] == [f"L{n}" for n in range(14)]


def test_no_effect_takes_anything_away() -> None:
    assert {e.value for e in Effect} == {
        "fee-reduction", "fee-waiver", "deposit-waiver", "deferred-payment", "papers-later", "separate-lane",
        "extra-capacity", "extra", "voucher", "gift", "longer-term", "publicity", "tie-break", "bonus-points",
        "fewer-inspections", "advice",
    }  # fmt: skip


@pytest.mark.parametrize("harm", ["deny", "less", "slower", "price-tier", "priority", "reserved-share", "exclusive"])
def test_a_harm_cannot_be_written_as_an_effect(harm: str) -> None:
    with pytest.raises(ValueError, match=harm):
        Effect(harm)


def test_every_effect_is_judged_on_a_protected_service() -> None:
    judged = [
        ADDED_CAPACITY,
        PRESENT,
        PRICE,
        PROTECTED_BY_HUMAN,
        PROTECTED_FREELY,
        RELATIVE,
        {Effect.FEWER_INSPECTIONS},
    ]
    assert sorted(effect for group in judged for effect in group) == sorted(Effect)


@pytest.mark.parametrize("effect", sorted(PROTECTED_FREELY))
def test_what_leaves_a_protected_service_as_it_is_passes_there(effect: Effect) -> None:
    assert refusals(basic_public_service=True, effects=[effect], benefit="按约定给予便利。") == ()


@pytest.mark.parametrize("effect", sorted(set(Effect) - PROTECTED_FREELY))
def test_nothing_else_passes_on_a_protected_service_without_a_human(effect: Effect) -> None:
    assert refusals(basic_public_service=True, effects=[effect], benefit="按约定给予便利。")


def test_a_fee_cut_on_a_protected_service_from_a_named_budget_goes_to_a_human() -> None:
    found = refusals(
        basic_public_service=True, effects=["fee-waiver"], payer="public-budget", budget="区守信激励专项资金"
    )
    assert [(r.rule, r.verdict) for r in found] == [("L5", "review")]


def test_a_gift_beside_a_protected_service_at_someone_elses_cost_passes() -> None:
    gift = {"basic_public_service": True, "effects": ["gift"], "benefit": "赠保温杯一个。"}
    assert refusals(**gift, payer="third-party", budget="商会公益基金") == ()
    assert [(r.rule, r.verdict) for r in refusals(**gift)] == [("L5", "review")]


def test_a_protected_service_that_was_not_declared_goes_to_a_human() -> None:
    undeclared = {"standard_service": "公共图书馆凭有效证件借阅。", "effects": ["extra"], "benefit": "多借两册。"}
    assert [(r.rule, r.verdict) for r in refusals(**undeclared)] == [("L5", "review")]
    assert refusals(**undeclared, basic_public_service=True) == ()


def test_an_undeclared_protected_service_is_guarded_as_if_declared() -> None:
    found = refusals(standard_service="公租房按申请时间轮候。", effects=["fee-reduction"])
    assert ("L5", "unlawful") in [(r.rule, r.verdict) for r in found]


def test_a_condition_that_no_list_knows_goes_to_a_human() -> None:
    assert [(r.rule, r.verdict) for r in refusals(conditions=["会下围棋"])] == [("L11", "review")]


def test_words_about_those_outside_that_say_nothing_of_the_standard_service_go_to_a_human() -> None:
    found = refusals(standard_service="未达标的游客另行安排。")
    assert [(r.rule, r.verdict) for r in found] == [("L11", "review")]
    assert refusals(standard_service="未达标的游客按公示票价照常购票入园。") == ()


def test_a_price_that_rose_and_fell_back_within_the_year_is_still_a_rise() -> None:
    history = [
        {"price_fen": 8000, "in_force_from": date(2024, 1, 1)},
        {"price_fen": 10000, "in_force_from": date(2026, 1, 1)},
        {"price_fen": 8000, "in_force_from": date(2026, 3, 1)},
    ]
    assert [r.rule for r in refusals(history=history, baseline={"price_fen": 8000})] == ["L1"]


def test_an_enterprise_is_not_measured_by_a_ladder_of_offers_either() -> None:
    assert [r.rule for r in refusals(subject="enterprise", others=[{"subject": "enterprise", "threshold": "A+"}])] == [
        "L12"
    ]
