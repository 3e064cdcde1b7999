"""信易贷: better terms on a loan. No refusal rests on a credit result: the bank decides and says its own reasons."""

from __future__ import annotations

from typing import Literal

from legal.effects import Effect
from partners.kinds import BenefitKind, KindTerms, term

PRODUCTS = {
    "税易贷": "税易贷(银税互动,依纳税情况)",
    "税融通": "税融通(银税互动,依纳税情况)",
    "税融贷": "税融贷(银税互动,依纳税情况)",
    "税E融": "税E融(银税互动,线上申请)",
    "银税互动": "银税互动(依纳税情况)",
    "税银通": "税银通(银税互动,面向小微企业)",
    "政采贷": "政采贷(依政府采购合同)",
    "公积金信易贷": "公积金信易贷(依公积金缴存)",
    "农户小额贷款": "农户小额贷款(面向农户和农村经济组织)",
    "其他": "其他",
}
"""The products the documents name, and what each rests on as far as its name says."""

FOR_WHOM = {
    "small-enterprise": "小微企业",
    "self-employed": "个体工商户",
    "supplier": "政府采购供应商",
    "farmer": "农户",
    "rural-organisation": "农村经济组织",
    "person": "个人",
}
COLLATERAL = {
    "as-published": "按公示",
    "none": "无需担保",
    "guarantee": "保证",
    "pledge": "质押",
    "mortgage": "抵押",
}


class Terms(KindTerms):
    """Which product, for whom, and what the better standing brings."""

    product: Literal[
        "税易贷", "税融通", "税融贷", "税E融", "银税互动", "税银通", "政采贷", "公积金信易贷", "农户小额贷款", "其他"
    ] = term("产品", "The product by the name the documents give it.", "其他", words=PRODUCTS)
    for_whom: tuple[
        Literal["small-enterprise", "self-employed", "supplier", "farmer", "rural-organisation", "person"], ...
    ] = term("适用对象", "Whom the product is for; empty: everybody the bank lends to.", (), words=FOR_WHOM, longest=6)
    collateral: Literal["as-published", "none", "guarantee", "pledge", "mortgage"] = term(
        "担保方式", "What secures the loan with the benefit.", "as-published", words=COLLATERAL
    )
    largest_amount_fen: int | None = term(
        "最高金额", "Largest amount, in 分; None: as published.", None, at_least=1, at_most=10**14
    )
    longest_months: int | None = term(
        "最长期限", "Longest term, in months.", None, unit="个月", at_least=1, at_most=480
    )
    rate_off_basis_points: int = term(
        "利率优惠", "Taken off the published yearly rate, in basis points.", 0, unit="个基点", at_least=0, at_most=2000
    )
    decision_days: int | None = term(
        "审批时限", "Longest time to a decision, in working days.", None, unit="个工作日", at_least=1, at_most=365
    )


KIND = BenefitKind(
    code="loan",
    name="信易贷",
    standard="按银行公示的利率、担保方式和审批时限申请贷款。",
    effects=frozenset(
        {
            Effect.FEE_REDUCTION,
            Effect.FEE_WAIVER,
            Effect.LONGER_TERM,
            Effect.PAPERS_LATER,
            Effect.EXTRA,
            Effect.ADVICE,
        }
    ),
    protected_service=False,
    source="《珠晖区创建全省社会信用体系建设示范区实施方案》16、《北京市海淀区创建社会信用体系建设示范城区工作方案》(九)、《惠州市开展广东省信用建设服务实体经济发展试点2022年工作要点》(七)至(九)",
    terms=Terms,
    limits=(
        "不得只凭信用评价结果拒绝贷款,由银行依自身风险政策决定并说明理由(L10)。",
        "利率只能在公示利率之下优惠,不得对未达标的人上浮(L11)。",
        "需要的数据经企业授权后以“是否、区间”回答,银行看不到评分(L11)。",
    ),
)
