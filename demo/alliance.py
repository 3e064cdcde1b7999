"""The demo city's partners and what they offer. One thing to know: a partner's first offer is open to all of its city
that reach the threshold, without quota or personal limit; the later ones have quotas, limits and days of their own.

Names are invented and say so; prices and terms are examples.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from demo.desk import Desk, Member
from demo.people import CITY_NAMES, COUNTIES, WORDS, city_of, make_uscc
from demo.services import LATER_OFFERS
from legal.effects import Effect
from partners.offers.content import OfferDraft, baseline_values, offer_values

SECTOR_SIZES = {"bank": 14, "hospital": 13, "scenic": 13}
SECTOR_NAMES = {"bank": "银行", "hospital": "医院", "scenic": "景区"}
LATER_SECTORS = {
    "parking": "停车场",
    "hotel": "酒店",
    "property": "物业公司",
    "transport": "客运公司",
    "hall": "政务服务中心",
    "household": "家政公司",
    "elder-care": "养老服务中心",
    "shop": "商场",
    "park": "产业园区",
}
"""Sectors that joined after the first three: one partner of each in each city."""
REGISTERED_AS = {"hospital": "12", "hall": "11", "elder-care": "12"}
"""First two signs of a USCC: government, public institutions; the others are enterprises."""

PRODUCTS = ("银税互动", "税易贷", "税融通", "税银通", "政采贷")
"""What the banks' first offers are about, in turn."""

LENDING = timedelta(days=800)
"""How long the banks' first offers have been open."""


def make_members() -> list[Member]:
    """The partners: the first three sectors in turn, then the later ones; odd ones of each in the first city, even ones
    in the second."""
    in_turn = [
        (sector, n)
        for n in range(1, max(SECTOR_SIZES.values()) + 1)
        for sector, size in SECTOR_SIZES.items()
        if n <= size
    ]
    in_turn += [(sector, n) for sector in LATER_SECTORS for n in (1, 2)]
    return [
        Member(
            id=number,
            sector=sector,
            n=n,
            place=city_of(n),
            name=f"{CITY_NAMES[city_of(n)]}{WORDS[n - 1]}{(SECTOR_NAMES | LATER_SECTORS)[sector]}(演示)",
            uscc=make_uscc(REGISTERED_AS.get(sector, "91"), COUNTIES[city_of(n)][0], 90_000 + number),
        )
        for number, (sector, n) in enumerate(in_turn, 1)
    ]


def make_offers(member: Member, on: date) -> list[OfferDraft]:
    """The offers of one partner, the first one first."""
    return list({**_OFFERS, **LATER_OFFERS}[member.sector](Desk(member, on)))


def offer_rows(draft: OfferDraft, offer_id: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The rows for `offers` and `baselines` of an approved draft; its quota is a row of its own."""
    return (
        {"id": offer_id, "version": 1, "status": "approved", **offer_values(draft)},
        baseline_values(offer_id, draft.baseline),
    )


def _bank(desk: Desk) -> Iterator[OfferDraft]:
    business = desk.baseline("贷款业务公示", days=10, documents=("营业执照", "近两年财务报表"))
    yield desk.offer(
        "loan",
        "enterprise",
        baseline=business,
        title="企业流动资金贷款利率优惠",
        standard_service="按本行公示的利率、担保方式和审批时限申请,是否放款由本行依风险政策审查并说明理由。",
        benefit="年利率在公示利率之下再减 30 个基点。",
        effects=(Effect.FEE_REDUCTION,),
        details={
            "product": PRODUCTS[desk.member.n % len(PRODUCTS)],
            "largest_amount_fen": 500_000_000,
            "longest_months": 36,
            "rate_off_basis_points": 30,
            "decision_days": 10,
        },
        opens_on=desk.on - LENDING,
    )
    yield desk.offer(
        "loan",
        "enterprise",
        baseline=business,
        title="企业贷款期限延长",
        standard_service="按本行公示的利率、担保方式和审批时限申请,最长期限三年。",
        benefit="最长期限由三年延至五年。",
        effects=(Effect.LONGER_TERM,),
        details={"product": "公积金信易贷", "largest_amount_fen": 300_000_000, "longest_months": 60},
        quota=50 + 10 * desk.member.n,
    )
    yield desk.offer(
        "loan",
        "person",
        baseline=desk.baseline("个人贷款业务公示", days=7, documents=("身份证", "收入说明")),
        title="农户小额贷款材料后补",
        standard_service="按本行公示的利率、材料清单和审批时限申请小额贷款。",
        benefit="收入说明可在签约后十日内补齐。",
        effects=(Effect.PAPERS_LATER,),
        details={
            "product": "农户小额贷款",
            "for_whom": ["farmer"],
            "largest_amount_fen": 10_000_000,
            "longest_months": 24,
        },
        limit_per_person=2,
    )


def _hospital(desk: Desk) -> Iterator[OfferDraft]:
    yield desk.offer(
        "medical",
        "person",
        baseline=desk.baseline("就诊须知", documents=("身份证",), queue="appointment"),
        title="普通门诊诊后付费",
        standard_service="按预约先后和病情安排就诊,按公示价格缴费;急诊抢救对所有人一律先救治。",
        benefit="普通门诊费用可在就诊后七日内支付;急诊抢救对所有人一律先救治,不在此项之内。",
        effects=(Effect.DEFERRED_PAYMENT,),
        details={"covers": "outpatient"},
    )
    yield desk.offer(
        "medical",
        "person",
        baseline=desk.baseline("住院须知", deposit_fen=200_000, documents=("身份证",), queue="appointment"),
        title="住院免交押金",
        standard_service="按病情安排住院,所有患者按公示标准交纳 2000 元押金,出院时结算退还。",
        benefit="住院时免交押金,出院时一并结算。",
        effects=(Effect.DEPOSIT_WAIVER,),
        details={"covers": "inpatient", "deposit_off_fen": 200_000},
        limit_per_person=4,
    )


def _scenic(desk: Desk) -> Iterator[OfferDraft]:
    price = 40 + 5 * desk.member.n
    ticket = desk.baseline("公示票价", price_fen=100 * price, queue="first-come")
    yield desk.offer(
        "tourism",
        "person",
        baseline=ticket,
        title="门票八折",
        standard_service=f"按公示票价 {price} 元购票,先到先入。",
        benefit="门票按公示票价打八折。",
        effects=(Effect.FEE_REDUCTION,),
        details={"discount_percent": 20},
    )
    yield desk.offer(
        "tourism",
        "person",
        baseline=desk.baseline("租借物品公示", price_fen=2000, deposit_fen=20_000),
        title="讲解器免押金",
        standard_service="讲解器租金每次 20 元,所有游客按公示标准交纳 200 元押金,归还时退还。",
        benefit="租用讲解器免交押金。",
        effects=(Effect.DEPOSIT_WAIVER,),
        limit_per_person=12,
    )
    yield desk.offer(
        "tourism",
        "person",
        baseline=ticket,
        title="赠送观光车票",
        standard_service=f"按公示票价 {price} 元购票,观光车票按公示价另购。",
        benefit="当日门票附赠园内观光车票一张。",
        effects=(Effect.GIFT,),
        payer="third-party",
        budget="文旅惠民活动经费(演示)",
        quota=500,
        limit_per_person=1,
    )
    night: dict[str, Any] = {}
    if desk.member.n % 4 == 1:
        night = {"closes_on": desk.on - timedelta(days=30)}
    elif desk.member.n % 4 == 2:
        night = {"opens_on": desk.on + timedelta(days=30)}
    yield desk.offer(
        "tourism",
        "person",
        baseline=ticket,
        title="夜游加开场次",
        standard_service="原有夜游场次按公示票价购票,先到先入。",
        benefit="每晚另行加开一场,可参加一次;原有场次和名额不变。",
        effects=(Effect.EXTRA_CAPACITY,),
        standard_lanes_unchanged=True,
        details={"added_places_per_day": 10},
        quota=10,
        limit_per_person=1,
        **night,
    )


_OFFERS = {"bank": _bank, "hospital": _hospital, "scenic": _scenic}
