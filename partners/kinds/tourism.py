"""信易游: something added to a visit. The ticket at its published price is there for everybody."""

from __future__ import annotations

from legal.effects import Effect
from partners.kinds import BenefitKind

KIND = BenefitKind(
    code="tourism",
    name="信易游",
    standard="按景区公示票价购票,先到先入。",
    effects=frozenset(
        {
            Effect.FEE_REDUCTION,
            Effect.DEPOSIT_WAIVER,
            Effect.DEFERRED_PAYMENT,
            Effect.EXTRA,
            Effect.VOUCHER,
            Effect.GIFT,
            Effect.EXTRA_CAPACITY,
            Effect.SEPARATE_LANE,
        }
    ),
    protected_service=False,
    source="《关于贯彻落实〈湖南省社会信用分级分类管理办法(试行)〉的实施方案》四(三)旅游行业信用建设",
)
