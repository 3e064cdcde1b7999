"""信易服: services of every other sort. What is standard is whatever the provider has published."""

from __future__ import annotations

from datetime import date

from legal.effects import Effect
from partners.kinds import BenefitKind, KindTerms, term


class Terms(KindTerms):
    """What is given, where no other kind fits."""

    service: str = term("服务内容", "What the service is.", "", longest=100)
    discount_percent: int = term(
        "价格减免", "Taken off the published price, in per cent.", 0, unit="%", at_least=0, at_most=100
    )
    times_per_year: int | None = term("每年次数", "Times a year; None: any.", None, unit="次", at_least=1, at_most=1000)
    valid_until: date | None = term("有效期至", "Last day on which it may be used.", None)


KIND = BenefitKind(
    code="service",
    name="信易服",
    standard="按公示的价目和时限提供服务。",
    effects=frozenset(
        {
            Effect.FEE_REDUCTION,
            Effect.FEE_WAIVER,
            Effect.DEPOSIT_WAIVER,
            Effect.DEFERRED_PAYMENT,
            Effect.LONGER_TERM,
            Effect.SEPARATE_LANE,
            Effect.EXTRA_CAPACITY,
            Effect.EXTRA,
            Effect.VOUCHER,
            Effect.GIFT,
            Effect.ADVICE,
            Effect.PUBLICITY,
            Effect.TIE_BREAK,
        }
    ),
    protected_service=False,
    source="《惠州市开展广东省信用建设服务实体经济发展试点2022年工作要点》(五)、《北京市海淀区创建社会信用体系建设示范城区工作方案》(十八)",
    terms=Terms,
    limits=(
        "只在公示的标准价之下给优惠,不得对未达标的人加价、加押金或加条件(L11)。",
        "另设的通道或名额须是新增的,标准通道和名额保持不变(L4)。",
        "宣传推介须经本人同意,不得公布信用分或排名(L11、L13)。",
        "同等条件优先只限公布的清单所列的资金分配、项目支持和评优,单独列出(L4)。",
    ),
)
