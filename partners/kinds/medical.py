"""信易医: treat first, pay later. Care itself, its order and its quality are the same for everybody."""

from __future__ import annotations

from legal.effects import Effect
from partners.kinds import BenefitKind

KIND = BenefitKind(
    code="medical",
    name="信易医",
    standard="按医疗机构公示的流程和价格就诊,急诊一律先救治。",
    effects=frozenset({Effect.DEFERRED_PAYMENT, Effect.DEPOSIT_WAIVER, Effect.PAPERS_LATER, Effect.ADVICE}),
    protected_service=True,
    source="《关于贯彻落实〈湖南省社会信用分级分类管理办法(试行)〉的实施方案》四(三)医疗行业信用建设",
)
