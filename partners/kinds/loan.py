"""信易贷: better terms on a loan. No refusal rests on a credit result: the bank decides and says its own reasons."""

from __future__ import annotations

from legal.effects import Effect
from partners.kinds import BenefitKind

KIND = BenefitKind(
    code="loan",
    name="信易贷",
    standard="按银行公示的利率、担保方式和审批时限申请贷款。",
    effects=frozenset(
        {Effect.FEE_REDUCTION, Effect.FEE_WAIVER, Effect.LONGER_TERM, Effect.PAPERS_LATER, Effect.EXTRA, Effect.ADVICE}
    ),
    protected_service=False,
    source="《惠州市开展广东省信用建设服务实体经济发展试点2022年工作要点》(七)至(九)",
)
