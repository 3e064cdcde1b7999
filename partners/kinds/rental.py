"""信易租: hiring things or rooms on better terms. The published price and deposit hold for everybody."""

from __future__ import annotations

from typing import Literal

from legal.effects import Effect
from partners.kinds import BenefitKind, KindTerms, term

ITEM = {
    "vehicle": "汽车",
    "bicycle": "自行车",
    "equipment": "设备用品",
    "office": "办公场所",
    "room": "房屋",
    "other": "其他",
}


class Terms(KindTerms):
    """What is hired, and what is lighter about it."""

    item: Literal["vehicle", "bicycle", "equipment", "office", "room", "other"] = term(
        "租用物", "What is hired.", "other", words=ITEM
    )
    deposit_off_fen: int | None = term(
        "减免押金",
        "Deposit not asked for, in 分; None: all of it, where the effect is stated.",
        None,
        at_least=1,
        at_most=10**10,
    )
    discount_percent: int = term(
        "租金减免", "Taken off the published rent, in per cent.", 0, unit="%", at_least=0, at_most=100
    )
    longer_by_days: int = term("租期延长", "Days added to the published term.", 0, unit="日", at_least=0, at_most=3650)


KIND = BenefitKind(
    code="rental",
    name="信易租",
    standard="按公示的租金和押金租用,先到先租。",
    effects=frozenset(
        {
            Effect.FEE_REDUCTION,
            Effect.FEE_WAIVER,
            Effect.DEPOSIT_WAIVER,
            Effect.DEFERRED_PAYMENT,
            Effect.LONGER_TERM,
            Effect.EXTRA,
            Effect.VOUCHER,
            Effect.GIFT,
        }
    ),
    protected_service=False,
    source="《关于进一步加快推进社会信用体系建设的实施方案》11",
    terms=Terms,
    limits=(
        "只在公示的标准价之下给优惠,不得对未达标的人加价、加押金或加条件(L11)。",
        "押金对所有人按公示标准;达标者可以免,未达标者不得更高(L11)。",
        "公租房、保障性住房属于基本公共服务,分配和租金不得因信用而异(L5)。",
    ),
)
