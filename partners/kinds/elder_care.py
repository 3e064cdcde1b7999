"""Elder care: something beyond the standard, or paid later. Admission, order, price and care are equal for all."""

from __future__ import annotations

from typing import Literal

from legal.effects import Effect
from partners.kinds import BenefitKind, KindTerms, term

PLACE = {"home": "居家", "community": "社区", "institution": "机构"}


class Terms(KindTerms):
    """What is added for an elder person, and who pays for it."""

    place: Literal["home", "community", "institution"] = term("服务场所", "Where it is given.", "home", words=PLACE)
    extra_service: str = term("增加的服务", "What is given beyond the standard.", "", longest=100)
    times_per_month: int | None = term("每月次数", "Times a month.", None, unit="次", at_least=1, at_most=100)
    pay_within_days: int | None = term(
        "最迟付款", "Days after the service by which it is paid.", None, unit="日内", at_least=1, at_most=365
    )
    by_family: bool = term("可由家人代办", "A family member may ask for it with a mandate.", True)


KIND = BenefitKind(
    code="elder-care",
    name="养老服务",
    standard="按能力评估结果、公示价格和标准提供养老服务,依申请先后安排。",
    effects=frozenset(
        {
            Effect.DEFERRED_PAYMENT,
            Effect.DEPOSIT_WAIVER,
            Effect.PAPERS_LATER,
            Effect.EXTRA,
            Effect.ADVICE,
            Effect.VOUCHER,
            Effect.GIFT,
            Effect.FEE_REDUCTION,
        }
    ),
    protected_service=True,
    source="《关于贯彻落实〈湖南省社会信用分级分类管理办法(试行)〉的实施方案》四(二)养老行业信用建设",
    terms=Terms,
    limits=(
        "老有所养是基本公共服务:入住、次序、价格、护理标准不得因信用而异(L5)。",
        "床位和轮候次序不得优先或预留(L4)。",
        "减免费用须由指名的预算承担,并由人审定(L5)。",
        "只看本人的等级,不看子女或家人(L11)。",
    ),
)
