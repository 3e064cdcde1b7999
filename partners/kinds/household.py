"""Household services: cheaper, paid after, or with something added. Orders are taken first come, first served."""

from __future__ import annotations

from typing import Literal

from legal.effects import Effect
from partners.kinds import BenefitKind, KindTerms, term

WORK = {
    "cleaning": "保洁",
    "maternity": "月嫂",
    "childcare": "育儿",
    "cooking": "做饭",
    "repair": "维修",
    "care": "照护",
    "other": "其他",
}


class Terms(KindTerms):
    """What is lighter or added when somebody comes to the house."""

    work: Literal["cleaning", "maternity", "childcare", "cooking", "repair", "care", "other"] = term(
        "服务类别", "Which work.", "other", words=WORK
    )
    discount_percent: int = term(
        "价格减免", "Taken off the published price, in per cent.", 0, unit="%", at_least=0, at_most=100
    )
    free_hours: int = term("赠送时长", "Hours given on top.", 0, unit="小时", at_least=0, at_most=100)
    pay_within_days: int = term(
        "最迟付款", "Days after the work by which it is paid.", 7, unit="日内", at_least=1, at_most=90
    )


KIND = BenefitKind(
    code="household",
    name="家政服务",
    standard="按公示价目预约家政服务,先约先排。",
    effects=frozenset(
        {
            Effect.FEE_REDUCTION,
            Effect.DEPOSIT_WAIVER,
            Effect.DEFERRED_PAYMENT,
            Effect.EXTRA,
            Effect.VOUCHER,
            Effect.GIFT,
            Effect.ADVICE,
        }
    ),
    protected_service=False,
    source="《关于贯彻落实〈湖南省社会信用分级分类管理办法(试行)〉的实施方案》四(二)家政行业信用建设",
    terms=Terms,
    limits=(
        "只在公示的标准价之下给优惠,不得对未达标的人加价、加押金或加条件(L11)。",
        "派单次序和服务质量对所有人相同(L4、L11)。",
        "不得以家人的信用为条件(L11)。",
    ),
)
