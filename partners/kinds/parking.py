"""信易停: parking cheaper or paid later. The bays open to everybody stay as many as they are."""

from __future__ import annotations

from legal.effects import Effect
from partners.kinds import BenefitKind, KindTerms, term


class Terms(KindTerms):
    """What is lighter about parking."""

    free_minutes: int = term("免费时长", "Minutes free of charge a stay.", 0, unit="分钟", at_least=0, at_most=1440)
    discount_percent: int = term(
        "停车费减免", "Taken off the published price, in per cent.", 0, unit="%", at_least=0, at_most=100
    )
    pay_within_days: int = term(
        "最迟付款", "Days after leaving by which it is paid.", 7, unit="日内", at_least=1, at_most=90
    )
    added_bays: int = term("新增泊位", "Bays added; the standard ones stay.", 0, unit="个", at_least=0, at_most=10_000)


KIND = BenefitKind(
    code="parking",
    name="信易停",
    standard="按公示价停车,先到先停。",
    effects=frozenset(
        {
            Effect.FEE_REDUCTION,
            Effect.FEE_WAIVER,
            Effect.DEFERRED_PAYMENT,
            Effect.EXTRA,
            Effect.VOUCHER,
            Effect.EXTRA_CAPACITY,
            Effect.SEPARATE_LANE,
        }
    ),
    protected_service=False,
    source="《珠晖区创建全省社会信用体系建设示范区实施方案》15",
    terms=Terms,
    limits=(
        "不得从公共泊位中划出专用泊位;新增的泊位除外(L4)。",
        "只在公示的标准价之下给优惠,不得对未达标的人加价、加押金或加条件(L11)。",
        "标准服务不需要信用码、登录或分数(L2)。",
    ),
)
