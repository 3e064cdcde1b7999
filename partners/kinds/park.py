"""Park tenancy: lower rent and a longer lease. The published rent and lease are there for every tenant."""

from __future__ import annotations

from legal.effects import Effect
from partners.kinds import BenefitKind, KindTerms, term


class Terms(KindTerms):
    """What is lighter about a tenancy."""

    rent_off_percent: int = term(
        "租金减免", "Taken off the published rent, in per cent.", 0, unit="%", at_least=0, at_most=100
    )
    rent_off_months: int | None = term(
        "减免月数", "For how many months; None: the whole lease.", None, unit="个月", at_least=1, at_most=240
    )
    lease_years: int | None = term("租期可签", "Longest lease, in years.", None, unit="年", at_least=1, at_most=50)
    deposit_off_fen: int | None = term(
        "减免押金",
        "Deposit not asked for, in 分; None: all of it, where the effect is stated.",
        None,
        at_least=1,
        at_most=10**12,
    )


KIND = BenefitKind(
    code="park",
    name="园区租赁",
    standard="按园区公示的租金、租期和条件签约入驻。",
    effects=frozenset(
        {
            Effect.FEE_REDUCTION,
            Effect.FEE_WAIVER,
            Effect.DEPOSIT_WAIVER,
            Effect.DEFERRED_PAYMENT,
            Effect.LONGER_TERM,
            Effect.EXTRA,
            Effect.ADVICE,
        }
    ),
    protected_service=False,
    source="《惠州市开展广东省信用建设服务实体经济发展试点2022年工作要点》(十四)、《关于贯彻落实〈湖南省社会信用分级分类管理办法(试行)〉的实施方案》四(二)园区综合信用评价",
    terms=Terms,
    limits=(
        "只在公示租金之下优惠,不得对其他租户加租或缩短租期(L11)。",
        "公示的租金在优惠前后十二个月内不得上调(L1)。",
        "入驻条件不得以信用等级为门槛(L11)。",
    ),
)
