"""信易批: approvals made easier while nobody waits longer. A green channel is added capacity, or it is nothing."""

from __future__ import annotations

from legal.effects import Effect
from partners.kinds import BenefitKind, KindTerms, term


class Terms(KindTerms):
    """Which matter, and what is added around it."""

    matter: str = term("审批事项", "The matter by its published name.", "", longest=100)
    added_windows: int = term(
        "新增窗口", "Windows added; the standard ones stay.", 0, unit="个", at_least=0, at_most=100
    )
    papers_within_days: int | None = term(
        "补交期限", "Days within which papers left out are brought.", None, unit="日", at_least=1, at_most=180
    )
    papers: tuple[str, ...] = term("可后补材料", "Papers that may follow later.", (), longest=20)
    points: int | None = term(
        "评审加分", "Points added in a tender, as its notice says.", None, unit="分", at_least=1, at_most=100
    )
    notice: str = term("公告", "The published list or tender notice that names the measure.", "", longest=100)
    inspections_fewer_percent: int | None = term(
        "检查频次降低", "By how much inspections are fewer, in per cent.", None, unit="%", at_least=1, at_most=100
    )


KIND = BenefitKind(
    code="approval",
    name="信易批",
    standard="按法定条件、材料和时限受理审批,所有申请人依次办理。",
    effects=frozenset(
        {
            Effect.SEPARATE_LANE,
            Effect.EXTRA_CAPACITY,
            Effect.PAPERS_LATER,
            Effect.ADVICE,
            Effect.PUBLICITY,
            Effect.TIE_BREAK,
            Effect.BONUS_POINTS,
            Effect.FEWER_INSPECTIONS,
        }
    ),
    protected_service=False,
    source="《北京市海淀区创建社会信用体系建设示范城区工作方案》(十九)、《珠晖区创建全省社会信用体系建设示范区实施方案》15、16、《黑龙江省社会信用条例》第二十六条、第四十五条",
    terms=Terms,
    limits=(
        "绿色通道只能是新增的窗口或人手,并声明标准窗口不减(L4)。",
        "法律已把容缺受理给了所有申请人的地方,不得再按等级给(L6)。",
        "减少检查只由监管部门自行掌握,且不用于食品药品、特种设备、危险化学品等直接危险的领域(L7)。",
        "评审加分、同等条件优先须由法规、公布的清单或招标公告写明,单独列出(L4、L8)。",
    ),
)
