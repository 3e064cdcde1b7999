"""信易行: fares a little lower or paid later. Nobody rides sooner and nobody is left standing."""

from __future__ import annotations

from typing import Literal

from legal.effects import Effect
from partners.kinds import BenefitKind, KindTerms, term

TRANSPORT = {
    "bus": "公交",
    "metro": "地铁",
    "taxi": "出租车、网约车",
    "shared-bicycle": "共享单车",
    "coach": "长途客车",
    "ferry": "轮渡",
    "other": "其他",
}


class Terms(KindTerms):
    """Which transport, and what is lighter about it."""

    transport: Literal["bus", "metro", "taxi", "shared-bicycle", "coach", "ferry", "other"] = term(
        "交通方式", "Which transport.", "other", words=TRANSPORT
    )
    discount_percent: int = term(
        "票价减免", "Taken off the published fare, in per cent.", 0, unit="%", at_least=0, at_most=100
    )
    rides_per_month: int | None = term(
        "每月次数", "Rides a month at these terms; None: any.", None, unit="次", at_least=1, at_most=1000
    )
    pay_within_days: int = term(
        "最迟付款", "Days after the ride by which it is paid.", 7, unit="日内", at_least=1, at_most=90
    )


KIND = BenefitKind(
    code="travel",
    name="信易行",
    standard="按公示票价乘车,先到先乘。",
    effects=frozenset(
        {
            Effect.FEE_REDUCTION,
            Effect.FEE_WAIVER,
            Effect.DEPOSIT_WAIVER,
            Effect.DEFERRED_PAYMENT,
            Effect.EXTRA,
            Effect.VOUCHER,
            Effect.GIFT,
        }
    ),
    protected_service=False,
    source="《关于进一步加快推进社会信用体系建设的实施方案》11、《珠晖区创建全省社会信用体系建设示范区实施方案》15、《2022年河南省交通运输信用体系建设工作要点》9",
    terms=Terms,
    limits=(
        "只在公示的标准价之下给优惠,不得对未达标的人加价、加押金或加条件(L11)。",
        "公共交通不得因信用拒载、排后或另行安检(L4、L11)。",
        "标准服务不需要信用码、登录或分数(L2)。",
    ),
)
