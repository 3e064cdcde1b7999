"""信易办: a matter done at a window or on line with less trouble. Time limits and order hold for everybody."""

from __future__ import annotations

from legal.effects import Effect
from partners.kinds import BenefitKind, KindTerms, term


class Terms(KindTerms):
    """Which matter, and what is made easier."""

    matter: str = term("办理事项", "The matter by its published name.", "", longest=100)
    added_windows: int = term(
        "新增窗口", "Windows added; the standard ones stay.", 0, unit="个", at_least=0, at_most=100
    )
    papers_within_days: int | None = term(
        "补交期限", "Days within which papers left out are brought.", None, unit="日", at_least=1, at_most=180
    )
    at_home: bool = term("上门办理", "Somebody comes to the door.", False)


KIND = BenefitKind(
    code="errand",
    name="信易办",
    standard="按公布的办事指南受理,依取号次序办理。",
    effects=frozenset(
        {
            Effect.SEPARATE_LANE,
            Effect.EXTRA_CAPACITY,
            Effect.PAPERS_LATER,
            Effect.DEFERRED_PAYMENT,
            Effect.EXTRA,
            Effect.ADVICE,
        }
    ),
    protected_service=False,
    source="《惠州市开展广东省信用建设服务实体经济发展试点2022年工作要点》(五)",
    terms=Terms,
    limits=(
        "婚姻、户籍、社保、诉讼等法定权利的办理不得因信用而有条件或先后(L5)。",
        "法律已把容缺受理给了所有申请人的地方,不得再按等级给(L6)。",
        "另设的通道或名额须是新增的,标准通道和名额保持不变(L4)。",
    ),
)
