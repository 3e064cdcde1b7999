"""The offers that each partner has in the sandbox. One thing to know: they are the same for everybody, whatever a
partner really offers, since what a partner's program has to handle is the answers and not the terms."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import Any

PLACE = "hunan-shaoyang"
"""Everybody in the sandbox lives here: two answers are all a partner sees, whatever place and model they rest on."""
NOTICE = "sandbox"
CONSENT_PURPOSE, CONSENT_VERSION = "benefit-check", "2026-11"
_FIRST = 9_000_000_000_000
"""Ids of the sandbox's offers begin here, far from those of real ones: neither side takes the other's."""


class Role(StrEnum):
    """What an offer is there to show."""

    MAIN = "MAIN"
    ENTERPRISE = "ENTERPRISE"
    LAST_ONE = "LAST_ONE"
    EXHAUSTED = "EXHAUSTED"
    CLOSED = "CLOSED"
    CLOSES_SOON = "CLOSES_SOON"
    LIMITED = "LIMITED"
    PAY_LATER = "PAY_LATER"


_TOURISM = {
    "kind": "tourism",
    "model": "xiangxinfen",
    "threshold": "A",
    "standard_service": "按公示票价购票,先到先入。",
    "benefit": "附赠导览手册一份。",
    "effects": ["gift"],
}
_TERMS: dict[Role, dict[str, Any]] = {
    Role.MAIN: {"title": "测试优惠:常用"},
    Role.ENTERPRISE: {
        "title": "测试优惠:面向企业",
        "kind": "loan",
        "model": "hunan-comprehensive",
        "threshold": "B",
        "standard_service": "按公示的利率、担保方式和审批时限申请,是否放款依风险政策审查并说明理由。",
        "benefit": "年利率在公示利率之下再减 30 个基点。",
        "effects": ["fee-reduction"],
    },
    Role.LAST_ONE: {"title": "测试优惠:只有一个名额"},
    Role.EXHAUSTED: {"title": "测试优惠:名额已满"},
    Role.CLOSED: {"title": "测试优惠:已结束"},
    Role.CLOSES_SOON: {"title": "测试优惠:三十天后结束"},
    Role.LIMITED: {"title": "测试优惠:每人一次", "limit_per_person": 1},
    Role.PAY_LATER: {
        "title": "测试优惠:诊后付费",
        "kind": "medical",
        "standard_service": "按预约先后和病情安排就诊,按公示价格缴费;急诊抢救对所有人一律先救治。",
        "benefit": "普通门诊费用可在就诊后七日内支付;急诊抢救对所有人一律先救治,不在此项之内。",
        "effects": ["deferred-payment"],
    },
}
QUOTAS = {Role.LAST_ONE: (1, 0), Role.EXHAUSTED: (1, 1)}
"""Cap, and how much is taken."""
LONG_AGO, LONG_AHEAD = timedelta(days=90), timedelta(days=30)


def offer_id(partner_id: int, role: Role) -> int:
    """The id of a partner's offer in the sandbox."""
    return _FIRST + 100 * partner_id + list(Role).index(role) + 1


def role_of(offer: int) -> Role | None:
    """What an offer of the sandbox is there to show."""
    number = offer % 100
    return list(Role)[number - 1] if offer > _FIRST and 1 <= number <= len(Role) else None


def offer_row(partner_id: int, role: Role, *, on: date) -> dict[str, Any]:
    """A row of `offers`, approved."""
    terms = _TOURISM | {"limit_per_person": None, "closes_on": None} | _TERMS[role]
    if role is Role.CLOSED:
        terms["closes_on"] = on - timedelta(days=1)
    if role is Role.CLOSES_SOON:
        terms["closes_on"] = on + LONG_AHEAD
    return {
        "id": offer_id(partner_id, role),
        "partner_id": partner_id,
        "version": 1,
        "status": "approved",
        "payer": "partner",
        "budget": "",
        "standard_lanes_unchanged": True,
        "also_open_to": [],
        "opens_on": on - LONG_AGO,
        **terms,
    }


def baseline_row(offer: int, *, on: date) -> dict[str, Any]:
    """Its standard service, as it has stood for years."""
    return {
        "offer_id": offer,
        "in_force_from": on - timedelta(days=3 * 365),
        "price_fen": 5000,
        "deposit_fen": 0,
        "days": None,
        "documents": [],
        "queue": "first-come",
        "code_required": False,
        "source_title": "沙箱服务公示",
        "source_clause": "测试",
    }
