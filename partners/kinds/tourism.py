"""信易游: something added to a visit. The ticket at its published price is there for everybody."""

from __future__ import annotations

from legal.effects import Effect
from partners.kinds import BenefitKind, KindTerms, term


class Terms(KindTerms):
    """What is lighter or added on a visit."""

    discount_percent: int = term(
        "门票减免", "Taken off the published ticket price, in per cent.", 0, unit="%", at_least=0, at_most=100
    )
    companions: int = term("可同享人数", "How many companions may share it.", 0, unit="人", at_least=0, at_most=20)
    blackout_days: str = term("不适用日期", "Days on which it is not given, in words.", "", longest=200)
    added_places_per_day: int = term(
        "每日新增名额", "Places added a day, beyond the standard share.", 0, unit="个", at_least=0, at_most=100_000
    )


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
    terms=Terms,
    limits=(
        "只在公示的标准价之下给优惠,不得对未达标的人加价、加押金或加条件(L11)。",
        "另设的通道或名额须是新增的,标准通道和名额保持不变(L4)。",
        "免费开放的场馆和法定优待对所有人照常,不按等级给(L5)。",
    ),
)
