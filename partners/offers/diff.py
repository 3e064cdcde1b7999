"""What changed from one version of an offer to another, in words. Pure.

One thing to know: both sides are told as a citizen would read them, so an approver sees what the change means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from core.errors import BadInput
from partners.kinds import BenefitKind, checked_terms, told
from partners.limits import Period, Scope

NOTHING = "(无)"
LABELS = {
    "kind": "种类",
    "model": "评价模型",
    "threshold": "门槛等级",
    "title": "标题",
    "standard_service": "标准服务",
    "benefit": "增加的内容",
    "effects": "增益",
    "opens_on": "开放日",
    "closes_on": "结束日",
    "payer": "费用承担方",
    "budget": "预算或出资方",
    "standard_lanes_unchanged": "标准通道和名额不变",
    "also_open_to": "另开放的地方",
    "districts": "办理区县",
    "quota": "全部名额",
    "limit_per_person": "每人总次数",
    "limits": "次数上限",
    "budget_fen": "预算总额",
    "most_fen": "每次最多支出",
    "exclusive_group": "择一组",
    "priority": "组内次序",
    "measure": "激励措施",
    "notice": "依据的清单或公告",
    "conditions": "条件",
    "basic_public_service": "涉及基本公共服务",
    "statutory_right": "涉及法定权利",
}
STANDARD = {
    "price_fen": "标准服务的价格",
    "deposit_fen": "标准服务的押金",
    "days": "标准服务的时限",
    "documents": "标准服务的材料",
    "queue": "标准服务的排队方式",
    "code_required": "标准服务须出示码",
    "source_title": "标准服务的出处",
    "source_clause": "标准服务出处的条款",
    "in_force_from": "标准服务施行日",
}
_SCOPES = {Scope.PERSON: "每人", Scope.OFFER: "共", Scope.SITE: "每个网点"}
_PERIODS = {Period.EVER: "", Period.DAY: "每日", Period.MONTH: "每月", Period.YEAR: "每年"}


@dataclass(frozen=True, slots=True)
class Change:
    """One field before and after."""

    field: str
    before: str
    after: str


def changes(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    kinds: Mapping[str, BenefitKind],
    districts: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Change, ...]:
    """What differs between two contents (`content_of`), in the order of `LABELS`, then the terms of the kind, then the
    standard service. `districts` are names by code."""
    before, after = (_named(content, districts) for content in (before, after))
    found = [(label, *(_told(name, one.get(name)) for one in (before, after))) for name, label in LABELS.items()]
    old, new = (_details(content, kinds) for content in (before, after))
    found += [(label, old.get(label, NOTHING), new.get(label, NOTHING)) for label in dict.fromkeys((*old, *new))]
    found += [
        (label, *(_told(name, content["baseline"].get(name)) for content in (before, after)))
        for name, label in STANDARD.items()
    ]
    return tuple(Change(*one) for one in found if one[1] != one[2])


def terms(
    content: Mapping[str, Any],
    *,
    kinds: Mapping[str, BenefitKind],
    districts: Mapping[str, str] = MappingProxyType({}),
) -> tuple[tuple[str, str], ...]:
    """All that a content (`content_of`) states, as (label, value), in the order of `changes`."""
    content = _named(content, districts)
    found = [(label, _told(name, content.get(name))) for name, label in LABELS.items()]
    found += _details(content, kinds).items()
    found += [(label, _told(name, content["baseline"].get(name))) for name, label in STANDARD.items()]
    return tuple(one for one in found if one[1] != NOTHING)


def told_details(kind: BenefitKind, details: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The terms of a kind as a citizen reads them; none where none were stated, or where the kind has other terms by
    now, so that one old offer does not take a whole list down."""
    try:
        return told(checked_terms(kind, details)) if details else []
    except BadInput:
        return []


def _named(content: Mapping[str, Any], districts: Mapping[str, str]) -> Mapping[str, Any]:
    return {**content, "districts": [districts.get(code, code) for code in content.get("districts", ())]}


def _details(content: Mapping[str, Any], kinds: Mapping[str, BenefitKind]) -> dict[str, str]:
    return dict(told_details(kinds[content["kind"]], content["details"]))


def _told(name: str, value: Any) -> str:
    if name == "limits":
        return "、".join(_limit(one) for one in value or ()) or NOTHING
    if isinstance(value, bool):
        return "是" if value else "否"
    if value is None or value in ("", []):
        return NOTHING
    if isinstance(value, list):
        return "、".join(map(str, value))
    if name.endswith("_fen"):
        yuan, fen = divmod(value, 100)
        return f"{yuan:,}{f'.{fen:02}' if fen else ''} 元"
    return str(value)


def _limit(limit: Mapping[str, Any]) -> str:
    return f"{_SCOPES[Scope(limit['scope'])]}{_PERIODS[Period(limit['period'])]} {limit['most']} 次"
