"""What a citizen reads beside a benefit: why it is not available, in figures, and the nearest thing to do about it.

One thing to know: pure, for the subject alone, and every sentence is about what can be done, never about the person.
"""

from __future__ import annotations

from datetime import date

from partners.catalogue import Offer
from partners.eligibility import MESSAGES, WhyNot
from partners.limits import BUDGET, EVER, Limit, Period, ends_on
from partners.standing import Judged
from scoring.headlines import headlines
from scoring.scores import SubjectScore, as_result
from scoring.values import number_text

_SO_FAR = {Period.DAY: "今天", Period.MONTH: "本月", Period.YEAR: "今年"}


def in_words(reason: WhyNot, judged: Judged, *, on: date) -> str:
    """Why a benefit is not available, with the figures where there are any."""
    again = _day(ends_on(_last(judged.reached, on).period, on), on) if judged.reached else None
    if reason is WhyNot.LIMIT_REACHED and again:
        limit = _last(judged.reached, on)
        used = f"{_SO_FAR[limit.period]}已用 {judged.uses.in_period[limit.period]} 次(上限 {limit.most} 次)"
        return f"这项优惠您{used},{again}可再用;此前按标准服务办理。"
    if reason is WhyNot.QUOTA_EXHAUSTED and judged.empty is not None:
        if judged.empty.name == BUDGET:
            return "这项优惠的预算已用完,按标准服务办理。有金额退回时可再试。"
        again = _day(judged.empty.until, on)
        if judged.empty.name != EVER and again:
            return f"这项优惠这段时间的名额已满,按标准服务办理。{again}重新开放,有名额退回时也可再试。"
    if reason is WhyNot.OTHER_BENEFIT_APPLIES and judged.instead is not None:
        title = judged.instead.terms.title
        return f"您符合同组的另一项优惠「{title}」,两项不能同时享受。请使用那一项,此项按标准服务办理。"
    return MESSAGES[reason]


def next_step(judged: Judged, offer: Offer, score: SubjectScore | None, *, on: date) -> str | None:  # noqa: PLR0911  # one sentence each
    """The nearest thing to do, or None where the benefit is available; `score` is that of the offer's model."""
    if not judged.reasons:
        return None
    reason = judged.reasons[0]
    match reason:
        case WhyNot.NOT_ENROLLED:
            return "阅读告知书并加入信用激励计划,加入后马上可以看到能享受哪些优惠。"
        case WhyNot.MINOR:
            return "年满十八周岁后可以加入;在那之前照常按标准服务办理,无需做任何事。"
        case WhyNot.NO_CONSENT:
            return f"如需使用,请在授权列表中恢复对「{offer.partner.name}」的核验授权。"
        case WhyNot.GRADE_NOT_REACHED:
            return _towards_grade(offer, score)
        case WhyNot.NOT_ASSESSED:
            return "无需做任何事:有了评价所需的信息后会自动评价。可在得分明细中查看还缺什么。"
        case WhyNot.LIMIT_REACHED:
            again = _day(ends_on(_last(judged.reached, on).period, on), on) if judged.reached else None
            return f"{again}再来使用。" if again else "看看列表中的其他优惠。"
        case WhyNot.OTHER_BENEFIT_APPLIES if judged.instead is not None:
            return f"使用「{judged.instead.terms.title}」,它现在就可用。"
        case WhyNot.QUOTA_EXHAUSTED:
            again = _day(judged.empty.until, on) if judged.empty else None
            return f"{again}再试;有名额退回时会提前开放。" if again else "过些时候再看;有名额或金额退回时会重新开放。"
        case WhyNot.UNDER_REVIEW:
            return "等待核对完成,无需做任何事;如认为有误,可在个人信息中提出异议。"
        case _:
            return "看看列表中的其他优惠。"


def _last(reached: tuple[Limit, ...], on: date) -> Limit:
    """The limit that holds longest."""
    return max(reached, key=lambda limit: ends_on(limit.period, on) or date.max)


def _day(again: date | None, on: date) -> str | None:
    if again is None:
        return None
    days = (again - on).days
    return "明天" if days == 1 else f"{again.month} 月 {again.day} 日" if again.year == on.year else f"{again}"


def _towards_grade(offer: Offer, score: SubjectScore | None) -> str:
    """How far it is, and what weighs most, from the score as stored."""
    model = offer.model
    wanted = next((grade for grade in model.grades if grade.code == offer.terms.threshold), None)
    if score is None or wanted is None:
        return "在得分明细中查看哪些信息影响了评价;有误可提出异议,符合条件可申请信用修复。"
    parts = []
    if wanted.at_least is not None and score.points is not None and wanted.at_least > score.points:
        parts.append(f"距离「{wanted.name}」还差 {number_text(wanted.at_least - score.points)} 分。")
    lowering = next((line for line in headlines(as_result(score, model)) if "少了" in line), None)
    if lowering is not None:
        parts.append(f"影响最大的是:{lowering}有误可提出异议,符合条件可申请信用修复。")
    else:
        parts.append("参加志愿服务、履行承诺等会带来加分,可在得分明细和试算中查看。")
    if score.valid_until is not None:
        parts.append(f"{score.valid_until} 起会按时间重新计算,无需申请。")
    return "".join(parts)
