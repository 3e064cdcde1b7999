"""Says whether an offer is lawful, rule by rule. One thing to know: `RULES` at the end is the whole guard, in order.

Pure: the day, the lists and the other offers are passed in. Each rule is one function that yields its refusals;
what several rules need to know of an offer is worked out once, in `legal.case`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

from core.clock import years_before
from legal.case import Case, Refusal, review_key
from legal.conditions import refused_conditions
from legal.deniability import Crowd, says_nothing_bad
from legal.effects import (
    ADDED_CAPACITY,
    PRESENT,
    PRICE,
    PROTECTED_BY_HUMAN,
    PROTECTED_FREELY,
    RELATIVE,
    Effect,
)
from legal.listed import meet, published_measures
from legal.measures import MeasureList
from legal.protected import ProtectedList, named_in
from legal.sources import HEILONGJIANG, SOURCES, listed, refuse
from legal.terms import PAYERS, Baseline, Citation, KindLimits, Ladder, OfferTerms, worsening
from legal.words import Verdict, normal

__all__ = ["RULES", "SOURCES", "Crowd", "KindLimits", "Refusal", "Rule", "check_offer", "review_key"]


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
        yield refuse("L1", "标准服务没有写明出处,无从核对。请写明公布的清单或公示条款的名称和日期。")
    if baseline.in_force_from > case.on:
        yield refuse("L1", f"标准服务 {baseline.in_force_from} 才施行,现在还不能据以给优惠。请登记现行的标准服务。")
    if min(baseline.price_fen or 0, baseline.deposit_fen, baseline.days or 0) < 0:
        yield refuse("L1", "标准服务的价格、押金或天数是负数。请改为实际数值(价格以分计)。")
    # A year before the offer opened, and for as long as it is open: a later opening is judged by a later window.
    window_from = years_before(case.terms.opens_on, 1)
    history = sorted({*case.baselines, baseline}, key=lambda b: b.in_force_from)
    before = [b for b in history if b.in_force_from <= window_from][-1:]
    compared = before + [b for b in history if window_from < b.in_force_from <= case.on]
    for index, new in enumerate(compared):
        for old in compared[:index]:
            if difference := worsening(old, new):
                yield refuse(
                    "L1",
                    f"标准服务在 {new.in_force_from} 变差({difference}),距优惠不满 12 个月,"
                    "等于让未达标的人补贴优惠。请恢复标准服务,或满 12 个月后重新登记优惠。",
                )
                return
    # The same public terms under another offer: a fresh registration is no way round the year.
    for other in case.others:
        old = other.baseline
        same_terms = (other.partner, other.kind, old.source.title) == (
            case.terms.partner,
            case.terms.kind,
            baseline.source.title,
        )
        is_newer = old.in_force_from < baseline.in_force_from and window_from < baseline.in_force_from
        if same_terms and is_newer and (difference := worsening(old, baseline)):
            yield refuse(
                "L1",
                f"同一公示《{old.source.title}》在另一项优惠(“{other.title}”)中的标准服务更好({difference})。"
                "请写明是否同一服务:是,则须满 12 个月;不是,由人审定。",
                "review",
            )
            return


def no_code_needed(case: Case) -> Iterator[Refusal]:
    """L2: the standard service asks for no code, sign-in or score."""
    if case.terms.baseline.code_required:
        yield refuse("L2", "标准服务登记为需要信用码或登录。标准服务须人人可得,请取消这一要求。")
    yield from _written(case, "L2")


def benefit_is_earned(case: Case) -> Iterator[Refusal]:
    """L3: one model, a grade of it, and for natural persons one strictly above that of an empty record."""
    terms, ladder = case.terms, case.ladder
    if (terms.model, terms.subject) != (ladder.model, ladder.subject):
        yield refuse(
            "L3", f"优惠指名的评分模型 {terms.model} 与所给的 {ladder.model} 对象不符。请只指名一个适用的模型。"
        )
        return
    if terms.threshold not in ladder.grades:
        yield refuse(
            "L3", f"模型 {ladder.model} 没有等级 {terms.threshold}。请从 {'、'.join(ladder.grades)} 中选一个。"
        )
        return
    if terms.subject == "enterprise":
        return
    if ladder.no_record is None:
        yield refuse(
            "L3", f"模型 {ladder.model} 对没有任何记录的人不给等级,无法判断优惠是否挣得。请由人审定或换模型。", "review"
        )
    elif ladder.reaches(ladder.no_record, terms.threshold):
        yield refuse(
            "L3",
            f"门槛 {terms.threshold} 不高于无任何记录者的等级 {ladder.no_record}:"
            "没有记录的人与有良好记录的人得到的一样,拿不到就等于有不良记录。请把门槛提高到其上。",
        )


def rival_goods(case: Case) -> Iterator[Refusal]:
    """L4: nobody else's place is taken; elsewhere than in protected services capacity may be added."""
    if case.is_protected and (taken := case.effects & (ADDED_CAPACITY | {Effect.TIE_BREAK})):
        yield refuse(
            "L4", f"基本公共服务或法定权利的次序、名额、床位不得因信用而异({listed(taken)})。请改为不占名额的优惠。"
        )
    elif case.effects & ADDED_CAPACITY and not case.terms.standard_lanes_unchanged:
        yield refuse(
            "L4", "另设通道或增加名额,却没有声明标准通道和名额不变,别人可能因此等得更久。请作出声明,或改为其他优惠。"
        )
    if Effect.TIE_BREAK in case.effects:
        named = Citation(HEILONGJIANG, "第二十六条第一款第(三)项、第(四)项")
        if not case.terms.notice.strip():
            message = "“同等条件下优先”只限公布的清单所列资金分配和评优。请写明该清单的名称,否则删去。"
            yield refuse("L4", message, source=named)
        elif not case.is_protected and not case.says_any(case.protected.words.tie_break_matters):
            message = "看不出“同等条件下优先”用于资金分配、项目支持或评优,机器不能判断。请写明事项,或由人审定。"
            yield refuse("L4", message, "review", source=named)
        elif not case.is_protected and not case.says_any(case.protected.words.ties):
            message = "看不出信用只在条件相同时才计入,机器不能判断。请写明“同等条件下”,或由人审定。"
            yield refuse("L4", message, "review", source=named)
    yield from _written(case, "L4")


def protected_services(case: Case) -> Iterator[Refusal]:
    """L5: no credit condition on access, order, price, quality or speed of a protected service or right."""
    if entry := case.undeclared:
        yield refuse(
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
            yield refuse(
                "L5", f"基本公共服务减免费用,由“{case.terms.budget}”承担:须由人核对公开收费标准和预算后决定。", "review"
            )
        elif effect in PRICE:
            yield refuse("L5", "基本公共服务的价格不得因信用而异。请改为后付、免押、容缺或由指名的预算承担并报人审定。")
        elif effect in PRESENT and not named_budget:
            yield refuse(
                "L5", "在基本公共服务旁赠送礼品或券,须由服务提供者以外的人出资。请写明出资方,或由人审定。", "review"
            )
        elif effect is Effect.LONGER_TERM and case.says_any(case.protected.words.gives_way):
            continue  # nobody waits longer for it
        elif effect in PROTECTED_BY_HUMAN:
            yield refuse("L5", f"“{effect}”用于基本公共服务是否影响他人,机器不能判断。请由人审定。", "review")


def papers_later(case: Case) -> Iterator[Refusal]:
    """L6: where the law gives processing with papers to follow to everybody, it is never graded."""
    law = next((e for e in case.protected.papers_later_for_all if e.in_force(case.on)), None)
    if law and Effect.PAPERS_LATER in case.effects and case.terms.kind in law.kinds:
        yield refuse(
            "L6",
            "当地法规已把容缺受理给了所有申请人(法规另行列明的除外),不能再按等级给。请从优惠中删去。",
            source=law.citation,
        )


def inspections(case: Case) -> Iterator[Refusal]:
    """L7: a class may only lower the frequency of inspections, and no partner reads it."""
    words = case.protected.words
    of_enterprises = case.terms.subject == "enterprise"
    said = of_enterprises and words.inspected_less.search(normal(f"{case.terms.title}。{case.terms.benefit}"))
    if Effect.FEWER_INSPECTIONS in case.effects or said:
        texts = words.without_exclusions("。".join(case.texts.values()))
        if field := named_in(case.protected.danger_fields, texts, on=case.on):
            yield refuse("L7", f"“{field.name}”不得因信用减少检查。请删去。", source=field.citation)
        elif Effect.FEWER_INSPECTIONS not in case.effects:
            yield refuse("L7", "文字写的是减少检查,增益中却没有。请如实标明,或由人审定。", "review")
        elif case.terms.subject == "person":
            yield refuse("L7", "减少检查只适用于企业的分级监管,不是给个人的优惠。请删去。")
        elif case.terms.kind != "approval" or not case.terms.notice.strip():
            yield refuse("L7", "减少检查由监管部门按公布的办法自行掌握。请由其写明办法的名称,或由人审定。", "review")
    yield from _written(case, "L7")


def tenders(case: Case) -> Iterator[Refusal]:
    """L8: bonus points only where law and the tender notice name them."""
    if Effect.BONUS_POINTS in case.effects:
        if case.is_protected or case.terms.subject == "person":
            yield refuse("L8", "加分只限招标投标、政府采购和公共资源交易中的企业。请删去。")
        if not case.terms.notice.strip():
            yield refuse("L8", "加分须由法规和招标公告写明。请写明该公告的名称,否则删去。")
        elif not case.says_any(case.protected.words.tender_matters):
            verdict: Verdict = "unlawful" if case.terms.subject == "person" else "review"
            yield refuse("L8", "加分只限政府采购、招标投标和公共资源交易,这里看不出。请写明事项,否则删去。", verdict)


def pay_later(case: Case) -> Iterator[Refusal]:
    """L9: payment later is no benefit where it is owed to everybody anyway, and an unpaid bill stays a debt."""
    yield from _written(case, "L9")
    if Effect.DEFERRED_PAYMENT not in case.effects:
        return
    text = "。".join((case.terms.title, case.terms.benefit))
    for sentence in normal(text).replace(",", "。").split("。"):
        entry = named_in(case.protected.pay_later_owed, sentence, on=case.on)
        if entry and not any(word in sentence for word in ("不含", "除外", "不适用", "一律", "所有人", "另行")):
            yield refuse(
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
        yield refuse(
            "L11",
            f"优惠的费用由“{case.terms.payer}”承担,可能落到未达标的人身上。请改由合作机构、指名预算或第三方承担。",
        )
    for refused in refused_conditions(case.terms, case.protected.words):
        yield refuse("L11", refused.message, refused.verdict)
    told = f"{case.terms.title}。{case.terms.benefit}"
    if grade := case.protected.words.other_grade(told, case.terms.threshold):
        yield refuse("L11", f"文字另外提到等级 {grade.upper()}。优惠只有一个门槛,请删去。")
    yield from _publicity(case)
    yield from _written(case, "L11")
    yield from _left_open(case)


def one_threshold(case: Case) -> Iterator[Refusal]:
    """L12: the answer says nothing bad, and nobody is measured by a ladder of offers."""
    terms = case.terms
    if terms.subject == "person" and case.crowd is not None and not says_nothing_bad(case.crowd):
        yield refuse(
            "L12",
            f"按标准服务办理的 {case.crowd.standard} 人(模拟)中,没有失信记录的不到一半:"
            "这样的答复会暗示其不良。请放宽门槛,使多数按标准服务办理的人也没有失信记录。",
        )
    for other in case.others:
        same = (other.partner, other.kind, other.model) == (terms.partner, terms.kind, terms.model)
        if same and other.published and other.threshold != terms.threshold and meet(other, terms):
            yield refuse(
                "L12",
                f"同一机构同类优惠已有门槛 {other.threshold}(“{other.title}”),再设 {terms.threshold},"
                "就能用几项优惠逐级试出对方的等级。请使用同一门槛,或先结束前一优惠。",
            )
            return


def neutral_words(case: Case) -> Iterator[Refusal]:
    """L13: no word, colour or display that shames."""
    yield from _written(case, "L13")


RULES: tuple[Rule, ...] = (
    Rule("L0", "清单之内", SOURCES["L0"], published_measures),
    Rule("L1", "标准服务有据且不变差", SOURCES["L1"], baseline_stands),
    Rule("L2", "标准服务不需要码", SOURCES["L2"], no_code_needed),
    Rule("L3", "优惠是挣得的", SOURCES["L3"], benefit_is_earned),
    Rule("L4", "不占别人的位置", SOURCES["L4"], rival_goods),
    Rule("L5", "基本公共服务与法定权利", SOURCES["L5"], protected_services),
    Rule("L6", "承诺与容缺", SOURCES["L6"], papers_later),
    Rule("L7", "检查", SOURCES["L7"], inspections),
    Rule("L8", "招标投标", SOURCES["L8"], tenders),
    Rule("L9", "后付", SOURCES["L9"], pay_later),
    Rule("L10", "贷款", SOURCES["L10"], loans),
    Rule("L11", "不得变相惩戒", SOURCES["L11"], not_a_disguise),
    Rule("L12", "不可试探", SOURCES["L12"], one_threshold),
    Rule("L13", "用语中性", SOURCES["L13"], neutral_words),
)


def check_offer(
    terms: OfferTerms,
    *,
    ladder: Ladder,
    others: Sequence[OfferTerms],
    baselines: Sequence[Baseline],
    protected: ProtectedList,
    kind: KindLimits,
    on: date,
    measures: MeasureList | None,
    crowd: Crowd | None = None,
    signed: frozenset[str] = frozenset(),
) -> tuple[Refusal, ...]:
    """Every reason why the offer may not be published, in the order of the rules; empty: it may.

    Run it at publishing and again whenever a list, a model or a baseline changes.

    Args:
        others: the partner's other offers; the offer itself may be among them.
        baselines: the history of this standard service, in any order.
        on: the day in Asia/Shanghai.
        measures: the published list of the offer's place; None: not judged here.
        crowd: who would get the standard service on a simulated population (L12); None: not judged here.
        signed: keys (`review_key`) of what a human has judged and answers for. They go with these very terms, and
            what is `unlawful` nobody can sign.
    """
    case = Case(terms, ladder, others, baselines, protected, kind, on, measures, crowd)
    found = [refusal for rule in RULES for refusal in rule.check(case)]
    return tuple(r for r in found if r.verdict == "unlawful" or review_key(terms, r) not in signed)


def _written(case: Case, rule: str) -> Iterator[Refusal]:
    """What the free texts say against `rule`."""
    for reading in case.readings:
        if case.rule_of(reading) == rule:
            phrase = reading.phrase
            own = Citation(phrase.source.title or "", phrase.source.clause or "") if phrase.source else None
            message = f"文字“{reading.quote}”:{phrase.why}。{phrase.remedy}。"
            yield refuse(rule, message, reading.verdict, source=own)


def _left_open(case: Case) -> Iterator[Refusal]:
    """What no phrase settles: the texts treat people differently and do not say that the standard service stays."""
    if any(reading.verdict == "unlawful" for reading in case.readings):
        return
    words, standard = case.protected.words, case.terms.standard_service
    rule = "L5" if case.is_protected else "L11"
    # Law and notice may have a tie or a tender settled by credit; the rule for them (L4, L8) says where.
    relative = case.effects & RELATIVE and case.terms.notice.strip() and not case.is_protected
    named = None if relative else words.credit_named(standard)
    if named and words.says_who_gets_what(named[1]):
        message = f"标准服务的文字“{named[1]}”按“{named[0]}”把人区别对待。标准服务对所有人相同,与信用无关。请改写。"
        yield refuse(rule, message)
        return
    sentence = words.outsiders_left_open(standard)
    if sentence and (words.says_who_gets_what(sentence) or words.other_figures(sentence, "")):
        yield refuse(rule, f"标准服务的文字“{sentence}”把未达标的人区别对待。标准服务对所有人相同。请改写。")
        return
    if figure := words.other_figures(case.terms.benefit, standard):
        message = f"“{figure}”给未达标的人写了标准服务以外的数字。未达标的人按标准服务办理。请删去。"
        yield refuse(rule, message)
        return
    if price := words.dearer(case.terms.benefit, standard):
        message = f"优惠写了 {price} 元,高于标准服务的任何价格,看不出谁付。请写明,或由人审定。"
        yield refuse("L11", message, "review")
    for text in case.texts.values():
        if sentence := words.outsiders_left_open(text):
            yield refuse(
                "L11",
                f"“{sentence}”单独提到未达标的人,却没有说标准服务照给。请写明标准服务不变,或由人审定。",
                "review",
            )
            return
    if named:
        yield refuse(
            "L11",
            f"标准服务的文字提到“{named[0]}”。标准服务对所有人相同,与信用无关。请删去,或由人审定。",
            "review",
        )


def _publicity(case: Case) -> Iterator[Refusal]:
    """A person is praised in public only with that person's own consent."""
    if Effect.PUBLICITY not in case.effects or case.terms.subject != "person":
        return
    words = case.protected.words
    asked = any(
        words.is_consent_to_publicity(normal(c).removeprefix("consent:").strip()) for c in case.terms.conditions
    )
    if not asked and not case.says_any(words.own_consent):
        message = "宣传推介个人,却没有写明经本人同意。请写明经本人自愿同意、可随时撤回,或由人审定。"
        yield refuse("L11", message, "review", source=Citation("中华人民共和国个人信息保护法", "第二十五条"))
