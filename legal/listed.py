"""L0: what the published list has, and nothing else. One thing to know: the list is the place's own, not the partner's;
and of an exclusive group nobody may lose by earning more."""

from __future__ import annotations

from collections.abc import Iterator

from legal.case import Case, Refusal
from legal.groups import loses_by_winning, precedence
from legal.measures import MeasureList
from legal.sources import SOURCES, listed, refuse
from legal.terms import OfferTerms


def published_measures(case: Case) -> Iterator[Refusal]:
    """L0: something is added, and the place's published list has it; of a group, nobody loses by earning more."""
    if case.kind.code != case.terms.kind:
        yield refuse("L0", f"优惠属于 {case.terms.kind},却按 {case.kind.code} 的清单审查。请按所属种类重新提交。")
    if beyond := case.effects - case.kind.effects:
        yield refuse(
            "L0", f"{case.terms.kind} 的激励措施清单没有 {listed(beyond)}。请改用清单内的措施,或先增补并公布清单。"
        )
    if not case.effects:
        yield refuse("L0", "没有写明在标准服务之上增加什么。请至少选一项清单内的措施。")
    if case.terms.closes_on is not None and case.terms.closes_on <= case.terms.opens_on:
        yield refuse("L0", "优惠在开始之前就已结束。请改正起止日期。")
    if case.measures is not None and case.effects and case.measure is None:
        yield _not_listed(case, case.measures)
    yield from _group_keeps_the_promise(case)


def _not_listed(case: Case, measures: MeasureList) -> Refusal:
    """No measure of the place's list covers the offer: say how far the one it names does, or what there is."""
    terms = case.terms
    named = measures.get(terms.measure, case.on) if terms.measure else None
    if named:
        return refuse(
            "L0",
            f"措施“{named.name}”不包括这项优惠(种类 {terms.kind},{listed(case.effects)},由 {terms.payer} 承担)。"
            "请改用清单中包括它的措施,或先增补并公布清单。",
            source=named.citation,
        )
    if terms.measure:
        return refuse("L0", f"{measures.place} 的激励措施清单现在没有 {terms.measure}。请写明清单内现行的措施。")
    return refuse(
        "L0",
        f"{measures.place} 公布的激励措施清单没有一项包括它(种类 {terms.kind},{listed(case.effects)},"
        f"由 {terms.payer} 承担)。请改用清单内的措施,或先增补并公布清单。",
    )


def _group_keeps_the_promise(case: Case) -> Iterator[Refusal]:
    """Of the offers of a group one wins; whoever comes to qualify for the winner may lose nothing by it."""
    terms = case.terms
    for other in case.others:
        one_group = terms.group and (other.partner, other.group) == (terms.partner, terms.group)
        if not one_group or not other.published or other.offer == terms.offer or not meet(other, terms):
            continue
        above, below = sorted((terms, other), key=precedence)
        # Thresholds of two models cannot be compared, and this ladder is of the offer's own.
        if lost := loses_by_winning(above, below, case.ladder):
            yield refuse(
                "L0",
                f"同组优惠择一:“{above.title}”优先于“{below.title}”,却少 {listed(lost)},门槛又更高,"
                "等级提高的人反而少得。请让优先的一项包括全部增益,或不设更高的门槛,或调换次序。",
                source=SOURCES["L3"],
            )


def meet(one: OfferTerms, other: OfferTerms) -> bool:
    """Whether there is a day on which both offers are open."""
    latest_opening = max(one.opens_on, other.opens_on)
    return all(offer.closes_on is None or latest_opening < offer.closes_on for offer in (one, other))
