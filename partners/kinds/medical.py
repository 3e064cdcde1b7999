"""信易医: treat first, pay later. Care itself, its order and its quality are the same for everybody."""

from __future__ import annotations

from typing import Literal

from legal.effects import Effect
from partners.kinds import BenefitKind, KindTerms, term

COVERS = {"outpatient": "普通门诊", "inpatient": "住院", "both": "普通门诊和住院"}


class Terms(KindTerms):
    """When and how the bill is paid; nothing about care."""

    pay_within_days: int = term(
        "最迟付款", "Days after the visit by which the bill is paid.", 7, unit="日内", at_least=1, at_most=365
    )
    largest_amount_fen: int | None = term(
        "后付最高金额", "Largest bill that may be paid later, in 分; None: any.", None, at_least=1, at_most=10**10
    )
    deposit_off_fen: int | None = term(
        "减免押金",
        "Deposit not asked for, in 分; None: all of it, where the effect is stated.",
        None,
        at_least=1,
        at_most=10**10,
    )
    covers: Literal["outpatient", "inpatient", "both"] = term(
        "适用范围", "Which care it covers; never emergencies.", "outpatient", words=COVERS
    )


KIND = BenefitKind(
    code="medical",
    name="信易医",
    standard="按医疗机构公示的流程和价格就诊,急诊一律先救治。",
    effects=frozenset(
        {
            Effect.DEFERRED_PAYMENT,
            Effect.DEPOSIT_WAIVER,
            Effect.PAPERS_LATER,
            Effect.ADVICE,
        }
    ),
    protected_service=True,
    source="《关于贯彻落实〈湖南省社会信用分级分类管理办法(试行)〉的实施方案》四(三)医疗行业信用建设、《珠晖区创建全省社会信用体系建设示范区实施方案》15",
    terms=Terms,
    limits=(
        "病有所医是基本公共服务:就诊机会、次序、价格、质量和快慢不得因信用而异(L5)。",
        "号源、床位、检查次序不得优先或预留(L4)。",
        "急诊抢救本就先救治后付费,不得作为优惠(L9)。",
        "未付的费用只是债务,不影响在别处就诊,也不自行成为失信记录(L9)。",
    ),
)
