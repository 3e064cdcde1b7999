"""信易住: a stay without deposit or with something added. Rooms go at the published price to whoever asks first."""

from __future__ import annotations

from legal.effects import Effect
from partners.kinds import BenefitKind, KindTerms, term


class Terms(KindTerms):
    """What is lighter or added in a stay."""

    discount_percent: int = term(
        "房价减免", "Taken off the published price, in per cent.", 0, unit="%", at_least=0, at_most=100
    )
    deposit_off_fen: int | None = term(
        "减免押金",
        "Deposit not asked for, in 分; None: all of it, where the effect is stated.",
        None,
        at_least=1,
        at_most=10**10,
    )
    late_checkout_hours: int = term(
        "延迟退房", "Hours after the published time.", 0, unit="小时", at_least=0, at_most=24
    )
    without_inspection: bool = term("免查房", "Leave without the room being looked at.", False)


KIND = BenefitKind(
    code="lodging",
    name="信易住",
    standard="按公示房价和押金入住或租住,先订先得。",
    effects=frozenset(
        {
            Effect.FEE_REDUCTION,
            Effect.DEPOSIT_WAIVER,
            Effect.DEFERRED_PAYMENT,
            Effect.LONGER_TERM,
            Effect.EXTRA,
            Effect.VOUCHER,
            Effect.GIFT,
        }
    ),
    protected_service=False,
    source="《珠晖区创建全省社会信用体系建设示范区实施方案》15",
    terms=Terms,
    limits=(
        "只在公示的标准价之下给优惠,不得对未达标的人加价、加押金或加条件(L11)。",
        "公租房、保障性住房的准入、轮候、租金属于基本公共服务,不得因信用而异(L5)。",
        "标准服务不需要信用码、登录或分数(L2)。",
    ),
)
