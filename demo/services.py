"""What the partners of the later sectors offer. One thing to know: the first offer of each is for citizens, without
quota or limit; the later ones show limits by day and month, a budget, an exclusive group, paying later, and what is
listed apart from the theorem (a tie-break and bonus points, for enterprises).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from demo.desk import Desk
from legal.effects import Effect
from partners.limits import Limit, Period, Scope
from partners.offers.content import OfferDraft

BUDGET_FEN, MOST_FEN = 5_000_000, 2_000
"""Of the shops' vouchers: in all, and of one."""
GROUP = "member-day"


def _parking(desk: Desk) -> Iterator[OfferDraft]:
    hour = desk.baseline("停车收费公示", price_fen=500, queue="first-come")
    yield desk.offer(
        "parking",
        "person",
        baseline=hour,
        title="停车费八折",
        standard_service="按公示价每小时 5 元停车,先到先停。",
        benefit="停车费按公示价打八折。",
        effects=(Effect.FEE_REDUCTION,),
        details={"discount_percent": 20},
    )
    yield desk.offer(
        "parking",
        "person",
        baseline=hour,
        title="先离场后付费",
        standard_service="按公示价每小时 5 元停车,离场时缴费。",
        benefit="离场时不必停车缴费,停车费可在七日内支付。",
        effects=(Effect.DEFERRED_PAYMENT,),
        details={"pay_within_days": 7},
        limits=(Limit(Scope.PERSON, Period.DAY, 2),),
    )


def _hotel(desk: Desk) -> Iterator[OfferDraft]:
    room = desk.baseline("房价和押金公示", price_fen=26_800, deposit_fen=30_000, documents=("身份证",))
    yield desk.offer(
        "lodging",
        "person",
        baseline=room,
        title="入住免押金",
        standard_service="按公示房价入住,所有客人按公示标准交纳 300 元押金,退房时退还。",
        benefit="入住时免交押金。",
        effects=(Effect.DEPOSIT_WAIVER,),
        details={"deposit_off_fen": 30_000},
    )
    yield desk.offer(
        "lodging",
        "person",
        baseline=room,
        title="延迟两小时退房",
        standard_service="按公示房价入住,所有客人中午十二时前退房。",
        benefit="退房时间可延后两小时,不另收费。",
        effects=(Effect.EXTRA,),
        details={"late_checkout_hours": 2},
        limits=(Limit(Scope.PERSON, Period.MONTH, 2), Limit(Scope.OFFER, Period.DAY, 30)),
    )


def _property(desk: Desk) -> Iterator[OfferDraft]:
    yield desk.offer(
        "rental",
        "person",
        baseline=desk.baseline("会议室租用公示", price_fen=10_000, deposit_fen=50_000),
        title="会议室租用免押金",
        standard_service="会议室每次 100 元,所有租用人按公示标准交纳 500 元押金,用后退还。",
        benefit="租用会议室免交押金。",
        effects=(Effect.DEPOSIT_WAIVER,),
        details={"item": "office", "deposit_off_fen": 50_000},
    )
    yield desk.offer(
        "service",
        "person",
        baseline=desk.baseline("有偿服务价目", price_fen=8_000, queue="appointment"),
        title="入户维修九折",
        standard_service="入户维修按公示价目收费,依预约先后上门。",
        benefit="入户维修的人工费按公示价目打九折。",
        effects=(Effect.FEE_REDUCTION,),
        details={"service": "入户维修", "discount_percent": 10, "times_per_year": 6},
        limits=(Limit(Scope.PERSON, Period.YEAR, 6),),
    )


def _transport(desk: Desk) -> Iterator[OfferDraft]:
    yield desk.offer(
        "travel",
        "person",
        baseline=desk.baseline("客运票价公示", price_fen=4_000, queue="first-come"),
        title="长途客车票九折",
        standard_service="按公示票价 40 元购票,先到先乘。",
        benefit="长途客车票按公示票价打九折。",
        effects=(Effect.FEE_REDUCTION,),
        details={"transport": "coach", "discount_percent": 10},
    )
    yield desk.offer(
        "travel",
        "person",
        baseline=desk.baseline("共享单车租用公示", price_fen=150, deposit_fen=19_900),
        title="共享单车免押金",
        standard_service="共享单车每次 1.5 元,所有用户按公示标准交纳 199 元押金,退还时不扣费。",
        benefit="骑行共享单车免交押金。",
        effects=(Effect.DEPOSIT_WAIVER,),
        details={"transport": "shared-bicycle"},
        limits=(Limit(Scope.PERSON, Period.DAY, 10),),
    )


def _hall(desk: Desk) -> Iterator[OfferDraft]:
    yield desk.offer(
        "errand",
        "person",
        baseline=desk.baseline("办事指南", documents=("身份证",), queue="first-come"),
        title="水电气联合报装上门帮办",
        standard_service="按办事指南受理水电气联合报装,依取号次序办理。",
        benefit="可预约工作人员上门帮助填写报装材料,受理次序和时限不变。",
        effects=(Effect.EXTRA,),
        details={"matter": "水电气联合报装", "at_home": True},
    )
    approval = desk.baseline("投资项目审批办事指南", days=20, documents=("申请书",), queue="first-come")
    yield desk.offer(
        "approval",
        "enterprise",
        baseline=approval,
        title="投资项目审批专人辅导",
        standard_service="按法定条件、材料和时限受理审批,所有申请人依次办理。",
        benefit="另有专人讲解材料的填写方法,受理次序和审批时限不变。",
        effects=(Effect.ADVICE,),
        details={"matter": "投资项目备案"},
    )
    yield desk.offer(
        "approval",
        "enterprise",
        baseline=desk.baseline("技术改造补助项目申报指南", documents=("申请书",)),
        title="技术改造补助项目同等条件下优先",
        standard_service="所有企业按申报指南公布的条件申报补助项目,由专家评审。",
        benefit="评审结果相同时,优先列入技术改造补助项目。",
        effects=(Effect.TIE_BREAK,),
        payer="public-budget",
        budget="技术改造补助资金(演示)",
        measure="support-tie-break",
        notice=f"{desk.member.name}技术改造补助项目申报公告",
        details={"matter": "技术改造补助项目", "notice": "技术改造补助项目申报公告"},
    )
    yield desk.offer(
        "approval",
        "enterprise",
        baseline=desk.baseline("政府采购项目招标公告", documents=("投标文件",)),
        title="政府采购评审信用加分",
        standard_service="所有供应商按招标公告的条件和办法投标。",
        benefit="政府采购评标时,按招标公告加 1 分。",
        effects=(Effect.BONUS_POINTS,),
        measure="tender-points",
        notice=f"{desk.member.name}政府采购项目招标公告",
        details={"matter": "政府采购评标", "points": 1, "notice": "政府采购项目招标公告"},
    )


def _household(desk: Desk) -> Iterator[OfferDraft]:
    cleaning = desk.baseline("家政服务价目", price_fen=12_000, queue="appointment")
    yield desk.offer(
        "household",
        "person",
        baseline=cleaning,
        title="日常保洁八五折",
        standard_service="日常保洁每次 120 元,先约先排。",
        benefit="日常保洁按公示价目打八五折。",
        effects=(Effect.FEE_REDUCTION,),
        details={"work": "cleaning", "discount_percent": 15},
    )
    yield desk.offer(
        "household",
        "person",
        baseline=cleaning,
        title="保洁加赠一小时",
        standard_service="日常保洁每次 120 元、两小时,先约先排。",
        benefit="每次保洁加赠一小时,派单次序不变。",
        effects=(Effect.GIFT,),
        details={"work": "cleaning", "free_hours": 1},
        limits=(Limit(Scope.PERSON, Period.MONTH, 1), Limit(Scope.OFFER, Period.MONTH, 60)),
    )


def _elder_care(desk: Desk) -> Iterator[OfferDraft]:
    yield desk.offer(
        "elder-care",
        "person",
        baseline=desk.baseline("居家服务价目", price_fen=6_000, documents=("身份证",), queue="appointment"),
        title="居家助餐助洁后付费",
        standard_service="居家助餐助洁每次 60 元,依申请先后安排,服务后当日付费。",
        benefit="居家助餐助洁的费用可在三十日内支付。",
        effects=(Effect.DEFERRED_PAYMENT,),
        details={"place": "home", "pay_within_days": 30},
    )
    yield desk.offer(
        "elder-care",
        "person",
        baseline=desk.baseline("探访服务公示", documents=("身份证",), queue="appointment"),
        title="每月增加一次探访",
        standard_service="按公示标准上门探访,依申请先后安排。",
        benefit="在公示的探访之外,每月增加一次探访。",
        effects=(Effect.EXTRA,),
        details={"place": "home", "extra_service": "探访", "times_per_month": 1},
        limits=(Limit(Scope.PERSON, Period.MONTH, 1),),
    )


def _shop(desk: Desk) -> Iterator[OfferDraft]:
    goods = desk.baseline("商品明码标价", price_fen=10_000)
    yield desk.offer(
        "service",
        "person",
        baseline=goods,
        title="日用商品九五折",
        standard_service="所有顾客按标价购买商品。",
        benefit="日用商品按标价打九五折。",
        effects=(Effect.FEE_REDUCTION,),
        details={"service": "日用商品", "discount_percent": 5},
    )
    yield desk.offer(
        "service",
        "person",
        baseline=goods,
        title="购物消费券",
        standard_service="所有顾客按标价购买商品。",
        benefit="每次购物可用一张消费券,最多抵 20 元。",
        effects=(Effect.VOUCHER,),
        payer="public-budget",
        budget="促消费活动资金(演示)",
        budget_fen=BUDGET_FEN,
        most_fen=MOST_FEN,
        details={"service": "购物消费券"},
        limits=(Limit(Scope.PERSON, Period.MONTH, 4),),
    )
    # Of these two a customer gets one: the first wins, and adds all that the second adds.
    yield desk.offer(
        "service",
        "person",
        baseline=goods,
        title="会员日九折并赠购物袋",
        standard_service="会员日所有顾客按标价购买商品。",
        benefit="会员日按标价打九折,另赠购物袋一个。",
        effects=(Effect.FEE_REDUCTION, Effect.GIFT),
        details={"service": "会员日购物", "discount_percent": 10},
        exclusive_group=GROUP,
        priority=1,
        limits=(Limit(Scope.PERSON, Period.MONTH, 1),),
    )
    yield desk.offer(
        "service",
        "person",
        baseline=goods,
        title="会员日赠购物袋",
        standard_service="会员日所有顾客按标价购买商品。",
        benefit="会员日赠购物袋一个。",
        effects=(Effect.GIFT,),
        details={"service": "会员日购物"},
        exclusive_group=GROUP,
    )


def _park(desk: Desk) -> Iterator[OfferDraft]:
    yield desk.offer(
        "rental",
        "person",
        baseline=desk.baseline("创业工位租用公示", price_fen=30_000, deposit_fen=30_000),
        title="创业工位免押金",
        standard_service="创业工位每月 300 元,所有租用人按公示标准交纳一个月押金,退租时退还。",
        benefit="租用创业工位免交押金。",
        effects=(Effect.DEPOSIT_WAIVER,),
        details={"item": "office", "deposit_off_fen": 30_000},
    )
    lease = desk.baseline("园区租金公示", price_fen=250_000, documents=("营业执照",))
    yield desk.offer(
        "park",
        "enterprise",
        baseline=lease,
        title="厂房租金九折",
        standard_service="所有企业按园区公示的租金、租期和条件签约入驻。",
        benefit="前十二个月的厂房租金按公示租金打九折。",
        effects=(Effect.FEE_REDUCTION,),
        details={"rent_off_percent": 10, "rent_off_months": 12},
    )
    yield desk.offer(
        "park",
        "enterprise",
        baseline=lease,
        title="厂房租期可签五年",
        standard_service="所有企业按园区公示的租金和条件签约入驻,租期三年。",
        benefit="租期可签五年,租金不变。",
        effects=(Effect.LONGER_TERM,),
        details={"lease_years": 5},
        quota=30,
    )


LATER_OFFERS: Mapping[str, Callable[[Desk], Iterator[OfferDraft]]] = {
    "parking": _parking,
    "hotel": _hotel,
    "property": _property,
    "transport": _transport,
    "hall": _hall,
    "household": _household,
    "elder-care": _elder_care,
    "shop": _shop,
    "park": _park,
}
"""The offers of a partner of each later sector."""
