"""The kinds of 信易X and their terms."""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from legal.effects import Effect
from partners.kinds import BenefitKind, benefit_kinds, checked_terms, told

KINDS = benefit_kinds()
ALL = [pytest.param(kind, id=code) for code, kind in KINDS.items()]
PAGE = (Path(__file__).parent.parent / "docs" / "kinds.md").read_text("utf-8")


def refused(kind: str, **stated: Any) -> str:
    with pytest.raises(BadInput) as error:
        checked_terms(KINDS[kind], stated)
    return error.value.message


def test_every_kind_of_the_documents_is_there() -> None:
    assert list(KINDS) == [
        "approval", "elder-care", "errand", "household", "loan", "lodging", "medical", "park", "parking", "rental",
        "service", "tourism", "travel",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ALL)
def test_a_kind_says_what_is_standard_what_may_be_added_its_limits_and_its_source(kind: BenefitKind) -> None:
    assert kind.standard.endswith("。")
    assert kind.effects
    assert len(kind.limits) >= 2
    assert all(re.search(r"L\d+", limit) and limit.endswith("。") for limit in kind.limits)
    assert kind.source.startswith("《")


def test_what_concerns_a_protected_service_says_so() -> None:
    assert {code for code, kind in KINDS.items() if kind.protected_service} == {"medical", "elder-care"}
    for kind in KINDS.values():
        if kind.protected_service:
            assert any("L5" in limit for limit in kind.limits)
            assert not kind.effects & {Effect.SEPARATE_LANE, Effect.EXTRA_CAPACITY, Effect.TIE_BREAK}


def test_kinds_where_one_may_pay_later_are_known() -> None:
    assert KINDS["medical"].pays_later
    assert not KINDS["loan"].pays_later
    assert not KINDS["approval"].pays_later


@pytest.mark.parametrize("kind", ALL)
def test_every_field_of_the_terms_is_typed_described_and_labelled(kind: BenefitKind) -> None:
    for name, field in kind.terms.model_fields.items():
        extra: Any = field.json_schema_extra
        assert field.description
        assert re.search("[\u4e00-\u9fff]", extra["label"]), name
        assert _is_plain(field.annotation), (name, field.annotation)
        if name.endswith("_fen"):
            assert int in (field.annotation, *get_args(field.annotation))


def _is_plain(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return all(_is_plain(one) for one in get_args(annotation) if one is not type(None))
    if origin is tuple:
        return _is_plain(get_args(annotation)[0]) and get_args(annotation)[1] is Ellipsis
    if origin is Literal:
        return all(isinstance(one, str) for one in get_args(annotation))
    return annotation in (int, bool, str, date) or (isinstance(annotation, type) and issubclass(annotation, StrEnum))


@pytest.mark.parametrize("kind", ALL)
def test_an_offer_need_not_state_anything_and_what_is_nothing_is_not_told(kind: BenefitKind) -> None:
    for label, value in told(checked_terms(kind, {})):
        assert label
        assert value not in {"", "0", "否", "None"}


def test_terms_are_told_in_plain_chinese() -> None:
    terms = {"product": "税E融", "for_whom": ["farmer", "rural-organisation"], "largest_amount_fen": 50_000_050,
             "collateral": "none", "rate_off_basis_points": 30, "longest_months": 36}  # fmt: skip
    assert told(checked_terms(KINDS["loan"], terms)) == [
        ("产品", "税E融(银税互动,线上申请)"),
        ("适用对象", "农户、农村经济组织"),
        ("担保方式", "无需担保"),
        ("最高金额", "500,000.50 元"),
        ("最长期限", "36 个月"),
        ("利率优惠", "30 个基点"),
    ]
    assert told(checked_terms(KINDS["service"], {"valid_until": "2027-01-31", "discount_percent": 10})) == [
        ("价格减免", "10%"),
        ("有效期至", "2027-01-31"),
    ]
    assert told(checked_terms(KINDS["errand"], {"at_home": True})) == [("上门办理", "是")]


def test_every_loan_product_of_the_documents_can_be_named() -> None:
    for product in (
        "税易贷",
        "税融通",
        "税融贷",
        "税E融",
        "银税互动",
        "税银通",
        "政采贷",
        "公积金信易贷",
        "农户小额贷款",
    ):
        assert told(checked_terms(KINDS["loan"], {"product": product}))[0][1].startswith(product)


def test_a_fault_in_the_terms_names_the_field_and_what_to_do() -> None:
    assert refused("loan", rate_off_basis_points="30").startswith(
        "信易贷的条款“利率优惠(rate_off_basis_points)”不对:应为整数"
    )
    assert "不得小于 0" in refused("loan", rate_off_basis_points=-1)
    assert "不得大于 100" in refused("tourism", discount_percent=101)
    assert "只能是 outpatient、inpatient、both 之一" in refused("medical", covers="emergency")
    assert "没有 colour 这一项" in refused("loan", colour="red")
    assert "应为整数" in refused("loan", longest_months=True)
    assert "应为整数" in refused("loan", longest_months=1.5)
    assert "应为日期" in refused("service", valid_until="tomorrow")
    assert "应为 true 或 false" in refused("errand", at_home="yes")
    assert "应为文字的列表" in refused("approval", papers="营业执照")
    assert "不得长于 100 个字" in refused("service", service="好" * 101)
    for kind in KINDS:
        assert refused(kind, no_such=1).endswith("。")


def test_a_day_and_a_tuple_may_be_stated_as_such() -> None:
    assert told(checked_terms(KINDS["service"], {"valid_until": date(2027, 1, 31)})) == [("有效期至", "2027-01-31")]
    assert told(checked_terms(KINDS["approval"], {"papers": ("章程", "场地证明")})) == [
        ("可后补材料", "章程、场地证明")
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.sampled_from(sorted(KINDS)), st.data())
def test_whatever_is_stated_is_checked_or_refused(code: str, data: st.DataObject) -> None:
    kind = KINDS[code]
    stated = data.draw(st.dictionaries(st.sampled_from(sorted(kind.terms.model_fields)) | st.text(), JSON, max_size=3))
    try:
        told(checked_terms(kind, stated))
    except BadInput as error:
        refusal = error.message
    else:
        refusal = "。"
    assert refusal.endswith("。")


@pytest.mark.parametrize("kind", ALL)
def test_the_page_lists_the_kind_as_it_is(kind: BenefitKind) -> None:
    effects = " ".join(sorted(kind.effects))
    protected = "yes" if kind.protected_service else "no"
    assert f"| `{kind.code}` | {kind.name} | {kind.standard} | {effects} | {protected} |" in PAGE
    for limit in kind.limits:
        assert f"- {limit}" in PAGE
    assert kind.source in PAGE
    for name in kind.terms.model_fields:
        assert f"`{name}`" in PAGE
