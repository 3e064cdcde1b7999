"""Says whether an offer is lawful, rule by rule. One thing to know: `RULES` at the end is the whole guard, in order.

Pure: the day, the lists and the other offers are passed in. Each rule is one function that yields its refusals;
what several rules need to know of an offer is worked out once, in `legal.case`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

from core.clock import years_before
from legal.case import Case, Refusal
from legal.conditions import refused_conditions
from legal.effects import (
    ADDED_CAPACITY,
    PRESENT,
    PRICE,
    PROTECTED_BY_HUMAN,
    PROTECTED_FREELY,
    RELATIVE,
    Effect,
)
from legal.protected import ProtectedList, named_in
from legal.terms import PAYERS, Baseline, Citation, KindLimits, Ladder, OfferTerms, worsening
from legal.words import Verdict, normal

__all__ = ["RULES", "SOURCES", "KindLimits", "Refusal", "Rule", "check_offer"]

HEILONGJIANG = "黑龙江省社会信用条例"


class Rule(NamedTuple):
    """One rule of the guard."""

    id: str
    name: str
    source: Citation
    check: Callable[[Case], Iterator[Refusal]]


def baseline_stands(case: Case) -> Iterator[Refusal]:
    """L1: the standard service is dated, sourced, sane, and has not grown worse around the offer."""
    baseline = case.terms.baseline
    if not baseline.source.title.strip():
        yield _no("L1", "标准服务没有写明出处,无从核对。请写明公布的清单或公示条款的名称和日期。")
    if baseline.in_force_from > case.on:
        yield _no("L1", f"标准服务 {baseline.in_force_from} 才施行,现在还不能据以给优惠。请登记现行的标准服务。")
    if min(baseline.price_fen or 0, baseline.deposit_fen, baseline.days or 0) < 0:
        yield _no("L1", "标准服务的价格、押金或天数是负数。请改为实际数值(价格以分计)。")
    # A year before the offer opened, and for as long as it is open: a later opening is judged by a later window.
    window_from = years_before(case.terms.opens_on, 1)
    history = sorted({*case.baselines, baseline}, key=lambda b: b.in_force_from)
    before = [b for b in history if b.in_force_from <= window_from][-1:]
    compared = before + [b for b in history if window_from < b.in_force_from <= case.on]
    for index, new in enumerate(compared):
        for old in compared[:index]:
            if difference := worsening(old, new):
                yield _no(
                    "L1",
                    f"标准服务在 {new.in_force_from} 变差({difference}),距优惠不满 12 个月,"
                    "等于让未达标的人补贴优惠。请恢复标准服务,或满 12 个月后重新登记优惠。",
                )
                return


def no_code_needed(case: Case) -> Iterator[Refusal]:
    """L2: the standard service asks for no code, sign-in or score."""
    if case.terms.baseline.code_required:
        yield _no("L2", "标准服务登记为需要信用码或登录。标准服务须人人可得,请取消这一要求。")
    yield from _written(case, "L2")


def benefit_is_earned(case: Case) -> Iterator[Refusal]:
    """L3: one model, a grade of it, and for natural persons one strictly above that of an empty record."""
    terms, ladder = case.terms, case.ladder
    if (terms.model, terms.subject) != (ladder.model, ladder.subject):
        yield _no("L3", f"优惠指名的评分模型 {terms.model} 与所给的 {ladder.model} 对象不符。请只指名一个适用的模型。")
        return
    if terms.threshold not in ladder.grades:
        yield _no("L3", f"模型 {ladder.model} 没有等级 {terms.threshold}。请从 {'、'.join(ladder.grades)} 中选一个。")
        return
    if terms.subject == "enterprise":
        return
    if ladder.no_record is None:
        yield _no(
            "L3", f"模型 {ladder.model} 对没有任何记录的人不给等级,无法判断优惠是否挣得。请由人审定或换模型。", "review"
        )
    elif ladder.reaches(ladder.no_record, terms.threshold):
        yield _no(
            "L3",
            f"门槛 {terms.threshold} 不高于无任何记录者的等级 {ladder.no_record}:"
            "没有记录的人与有良好记录的人得到的一样,拿不到就等于有不良记录。请把门槛提高到其上。",
        )


def rival_goods(case: Case) -> Iterator[Refusal]:
    """L4: nobody else's place is taken; elsewhere than in protected services capacity may be added."""
    if case.is_protected and (taken := case.effects & (ADDED_CAPACITY | {Effect.TIE_BREAK})):
        yield _no(
            "L4", f"基本公共服务或法定权利的次序、名额、床位不得因信用而异({_list(taken)})。请改为不占名额的优惠。"
        )
    elif case.effects & ADDED_CAPACITY and not case.terms.standard_lanes_unchanged:
        yield _no(
            "L4", "另设通道或增加名额,却没有声明标准通道和名额不变,别人可能因此等得更久。请作出声明,或改为其他优惠。"
        )
    if Effect.TIE_BREAK in case.effects and not case.terms.notice.strip():
        yield _no(
            "L4",
            "“同等条件下优先”只限公布的清单所列资金分配和评优。请写明该清单的名称,否则删去。",
            source=Citation(HEILONGJIANG, "第二十六条第一款第(三)项、第(四)项"),
        )
    yield from _written(case, "L4")


def protected_services(case: Case) -> Iterator[Refusal]:
    """L5: no credit condition on access, order, price, quality or speed of a protected service or right."""
    if entry := case.undeclared:
        yield _no(
            "L5",
            f"优惠提到“{entry.name}”,却没有标明涉及基本公共服务或法定权利。请如实标明;确实无关的,由人审定。",
            "review",
            source=entry.citation,
        )
    if not case.is_protected:
        return
    yield from _written(case, "L5")
    named_budget = case.terms.payer != "partner" and bool(case.terms.budget.strip())
    for effect in sorted(case.effects):
        if effect in PROTECTED_FREELY or effect in ADDED_CAPACITY | RELATIVE | {Effect.FEWER_INSPECTIONS}:
            continue  # the former are allowed, the latter are refused by L4, L8 and L7
        if effect in PRICE and named_budget:
            yield _no(
                "L5", f"基本公共服务减免费用,由“{case.terms.budget}”承担:须由人核对公开收费标准和预算后决定。", "review"
            )
        elif effect in PRICE:
            yield _no("L5", "基本公共服务的价格不得因信用而异。请改为后付、免押、容缺或由指名的预算承担并报人审定。")
        elif effect in PRESENT and not named_budget:
            yield _no(
                "L5", "在基本公共服务旁赠送礼品或券,须由服务提供者以外的人出资。请写明出资方,或由人审定。", "review"
            )
        elif effect in PROTECTED_BY_HUMAN:
            yield _no("L5", f"“{effect}”用于基本公共服务是否影响他人,机器不能判断。请由人审定。", "review")


def papers_later(case: Case) -> Iterator[Refusal]:
    """L6: where the law gives processing with papers to follow to everybody, it is never graded."""
    law = next((e for e in case.protected.papers_later_for_all if e.in_force(case.on)), None)
    if law and Effect.PAPERS_LATER in case.effects:
        yield _no(
            "L6",
            "当地法规已把容缺受理给了所有申请人(法规另行列明的除外),不能再按等级给。请从优惠中删去。",
            source=law.citation,
        )


def inspections(case: Case) -> Iterator[Refusal]:
    """L7: a class may only lower the frequency of inspections, and no partner reads it."""
    if Effect.FEWER_INSPECTIONS in case.effects:
        if field := case.names(case.protected.danger_fields):
            yield _no("L7", f"“{field.name}”不得因信用减少检查。请删去。", source=field.citation)
        elif case.terms.subject == "person":
            yield _no("L7", "减少检查只适用于企业的分级监管,不是给个人的优惠。请删去。")
        else:
            yield _no("L7", "减少检查由监管部门自行掌握,不作为合作机构的优惠发布。请删去,或交监管部门审定。", "review")
    yield from _written(case, "L7")


def tenders(case: Case) -> Iterator[Refusal]:
    """L8: bonus points only where law and the tender notice name them."""
    if Effect.BONUS_POINTS in case.effects:
        if case.is_protected or case.terms.subject == "person":
            yield _no("L8", "加分只限招标投标、政府采购和公共资源交易中的企业。请删去。")
        if not case.terms.notice.strip():
            yield _no("L8", "加分须由法规和招标公告写明。请写明该公告的名称,否则删去。")


def pay_later(case: Case) -> Iterator[Refusal]:
    """L9: payment later is no benefit where it is owed to everybody anyway."""
    if Effect.DEFERRED_PAYMENT not in case.effects:
        return
    text = "。".join((case.terms.title, case.terms.benefit))
    for sentence in normal(text).replace(",", "。").split("。"):
        entry = named_in(case.protected.pay_later_owed, sentence, on=case.on)
        if entry and not any(word in sentence for word in ("不含", "除外", "不适用", "一律", "所有人", "另行")):
            yield _no(
                "L9",
                f"“{entry.name}”本就应当先办理、后付费,不能以等级为条件。请从优惠中排除,并对所有人照办。",
                source=entry.citation,
            )
            return


def loans(case: Case) -> Iterator[Refusal]:
    """L10: no refusal on the credit result alone."""
    yield from _written(case, "L10")


def not_a_disguise(case: Case) -> Iterator[Refusal]:
    """L11: those outside pay, wait and give nothing for it, and nothing but the grade is the price."""
    if case.terms.payer not in PAYERS:
        yield _no(
            "L11",
            f"优惠的费用由“{case.terms.payer}”承担,可能落到未达标的人身上。请改由合作机构、指名预算或第三方承担。",
        )
    for refused in refused_conditions(case.terms, case.protected.words):
        yield _no("L11", refused.message, refused.verdict)
    yield from _written(case, "L11")
    yield from _left_open(case)


def one_threshold(case: Case) -> Iterator[Refusal]:
    """L12, as far as one catalogue shows: nobody is measured by a ladder of offers."""
    terms = case.terms
    for other in case.others:
        same = (other.partner, other.kind, other.model) == (terms.partner, terms.kind, terms.model)
        if same and other.published and other.threshold != terms.threshold and _meet(other, terms):
            yield _no(
                "L12",
                f"同一机构同类优惠已有门槛 {other.threshold}(“{other.title}”),再设 {terms.threshold},"
                "就能用几项优惠逐级试出对方的等级。请使用同一门槛,或先结束前一优惠。",
            )
            return


def neutral_words(case: Case) -> Iterator[Refusal]:
    """L13: no word, colour or display that shames."""
    yield from _written(case, "L13")


def published_measures(case: Case) -> Iterator[Refusal]:
    """L0: something is added, and the kind's published list has it."""
    if case.kind.code != case.terms.kind:
        yield _no("L0", f"优惠属于 {case.terms.kind},却按 {case.kind.code} 的清单审查。请按所属种类重新提交。")
    if beyond := case.effects - case.kind.effects:
        yield _no(
            "L0", f"{case.terms.kind} 的激励措施清单没有 {_list(beyond)}。请改用清单内的措施,或先增补并公布清单。"
        )
    if not case.effects:
        yield _no("L0", "没有写明在标准服务之上增加什么。请至少选一项清单内的措施。")
    if case.terms.closes_on is not None and case.terms.closes_on <= case.terms.opens_on:
        yield _no("L0", "优惠在开始之前就已结束。请改正起止日期。")


RULES: tuple[Rule, ...] = (
    Rule("L0", "清单之内", Citation(HEILONGJIANG, "第二十六条第一款"), published_measures),
    Rule("L1", "标准服务有据且不变差", Citation("中华人民共和国价格法", "第十三条"), baseline_stands),
    Rule("L2", "标准服务不需要码", Citation(HEILONGJIANG, "第二十六条第二款"), no_code_needed),
    Rule("L3", "优惠是挣得的", Citation(HEILONGJIANG, "第二十六条第二款"), benefit_is_earned),
    Rule("L4", "不占别人的位置", Citation(HEILONGJIANG, "第二十六条第二款"), rival_goods),
    Rule("L5", "基本公共服务与法定权利", Citation(HEILONGJIANG, "第二十六条第二款"), protected_services),
    Rule("L6", "承诺与容缺", Citation(HEILONGJIANG, "第四十五条"), papers_later),
    Rule(
        "L7",
        "检查",
        Citation("河北省人民政府办公厅关于推进企业信用分级分类监管工作的实施意见", "六(二)、六(三)"),
        inspections,
    ),
    Rule("L8", "招标投标", Citation(HEILONGJIANG, "第二十六条第一款第(二)项"), tenders),
    Rule("L9", "后付", Citation("中华人民共和国基本医疗卫生与健康促进法", "第二十七条"), pay_later),
    Rule("L10", "贷款", Citation(HEILONGJIANG, "第二十六条第三款"), loans),
    Rule("L11", "不得变相惩戒", Citation(HEILONGJIANG, "第三十条"), not_a_disguise),
    Rule("L12", "不可试探", Citation("中华人民共和国个人信息保护法", "第六条"), one_threshold),
    Rule("L13", "用语中性", Citation("中华人民共和国消费者权益保护法", "第十四条"), neutral_words),
)
SOURCES = {rule.id: rule.source for rule in RULES}


def check_offer(
    terms: OfferTerms,
    *,
    ladder: Ladder,
    others: Sequence[OfferTerms],
    baselines: Sequence[Baseline],
    protected: ProtectedList,
    kind: KindLimits,
    on: date,
) -> tuple[Refusal, ...]:
    """Every reason why the offer may not be published, in the order of the rules; empty: it may.

    Run it at publishing and again whenever a list, a model or a baseline changes.

    Args:
        others: the partner's other offers; the offer itself may be among them.
        baselines: the history of this standard service, in any order.
        on: the day in Asia/Shanghai.
    """
    case = Case(terms, ladder, others, baselines, protected, kind, on)
    return tuple(refusal for rule in RULES for refusal in rule.check(case))


def _no(rule: str, message: str, verdict: Verdict = "unlawful", *, source: Citation | None = None) -> Refusal:
    return Refusal(rule, message, source or SOURCES[rule], verdict)


def _written(case: Case, rule: str) -> Iterator[Refusal]:
    """What the free texts say against `rule`."""
    for reading in case.readings:
        if case.rule_of(reading) == rule:
            phrase = reading.phrase
            own = Citation(phrase.source.title or "", phrase.source.clause or "") if phrase.source else None
            message = f"文字“{reading.quote}”:{phrase.why}。{phrase.remedy}。"
            yield _no(rule, message, reading.verdict, source=own)


def _left_open(case: Case) -> Iterator[Refusal]:
    """What no phrase settles: the texts treat people differently and do not say that the standard service stays."""
    if any(reading.verdict == "unlawful" for reading in case.readings):
        return
    words = case.protected.words
    for text in case.texts.values():
        if sentence := words.outsiders_left_open(text):
            yield _no(
                "L11",
                f"“{sentence}”单独提到未达标的人,却没有说标准服务照给。请写明标准服务不变,或由人审定。",
                "review",
            )
            return
    if word := words.credit_named(case.terms.standard_service):
        yield _no(
            "L11",
            f"标准服务的文字提到“{word}”。标准服务对所有人相同,与信用无关。请删去,或由人审定。",
            "review",
        )


def _list(effects: frozenset[Effect]) -> str:
    return "、".join(sorted(effects))


def _meet(one: OfferTerms, other: OfferTerms) -> bool:
    """Whether there is a day on which both offers are open."""
    latest_opening = max(one.opens_on, other.opens_on)
    return all(offer.closes_on is None or latest_opening < offer.closes_on for offer in (one, other))
