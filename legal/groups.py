"""Offers of one partner of which a person gets only one. Pure.

One thing to know: the winner is the same in whatever order the offers are looked at, and whoever earns more never
loses by it: an offer that may win over another includes all the other adds, or is open to everybody the other is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, product

from legal.effects import Effect
from legal.terms import Ladder, OfferTerms
from legal.theorem import Outcomes, Standing, Violation


def precedence(terms: OfferTerms) -> tuple[int, int, str]:
    """What an exclusive group is ordered by, the winner first: highest priority, then lowest id."""
    return (-terms.priority, int(terms.offer) if terms.offer.isdecimal() else 0, terms.offer)


def winner(qualified: Iterable[OfferTerms]) -> OfferTerms | None:
    """Of the offers of one group that somebody qualifies for, the one that counts; None of none."""
    return min(qualified, key=precedence, default=None)


def winners(qualified: Iterable[OfferTerms]) -> frozenset[str]:
    """Of all offers somebody qualifies for, the ids of those that count: each without a group, one of each group."""
    groups: dict[tuple[str, str], list[OfferTerms]] = defaultdict(list)
    for terms in qualified:
        groups[(terms.partner, terms.group) if terms.group else ("", f"offer {terms.offer}")].append(terms)
    return frozenset(min(group, key=precedence).offer for group in groups.values())


def groups_of(offers: Iterable[OfferTerms]) -> dict[tuple[str, str], tuple[OfferTerms, ...]]:
    """The exclusive groups among `offers`, by (partner, group); a group of one is none."""
    found: dict[tuple[str, str], list[OfferTerms]] = defaultdict(list)
    for terms in offers:
        if terms.group:
            found[terms.partner, terms.group].append(terms)
    return {key: tuple(sorted(members, key=precedence)) for key, members in sorted(found.items()) if len(members) > 1}


def loses_by_winning(above: OfferTerms, below: OfferTerms, ladder: Ladder) -> frozenset[Effect]:
    """What somebody who qualifies for `below` may lose on qualifying for `above` too, which wins over it.

    Nothing where `above` adds all that `below` adds, or where `below` never counts because everybody who qualifies
    for it qualifies for `above`. `ladder` is that of the model of `above`.
    """
    same_people = above.model == below.model and ladder.reaches(below.threshold, above.threshold)
    return frozenset() if same_people else frozenset(below.effects) - frozenset(above.effects)


def group_violations(
    members: Sequence[OfferTerms], ladders: Mapping[str, Ladder], outcomes: Mapping[str, Outcomes]
) -> Iterator[Violation]:
    """Where a better grade in one model brings fewer additions from the group as a whole.

    Walks every combination of grades, not assessed included, in the models that the group goes by, of enrolled
    adults; whoever else gets anything at all is a violation of the offer itself.
    """
    models = sorted({terms.model for terms in members})
    steps: list[tuple[str | None, ...]] = [(*ladders[model].grades, None) for model in models]
    for place, grades in enumerate(steps):
        others = [rest if index != place else ("",) for index, rest in enumerate(steps)]
        for fixed in product(*others):
            for better, worse in pairwise(grades):
                more, less = (
                    _added(members, dict(zip(models, fixed, strict=True)) | {models[place]: grade}, outcomes)
                    for grade in (better, worse)
                )
                if lost := sorted(map(str, less - more)):
                    where = Standing(better).name if len(models) == 1 else f"{models[place]} {Standing(better).name}"
                    claim = f"同组优惠择一,等级高于 {worse or '无结果'},却少得 {'、'.join(lost)}"
                    yield Violation(where, claim)


def _added(
    members: Sequence[OfferTerms], grades: Mapping[str, str | None], outcomes: Mapping[str, Outcomes]
) -> frozenset[Effect]:
    """What the group gives to somebody with these grades."""

    def given(terms: OfferTerms) -> frozenset[Effect]:
        grade = grades[terms.model]
        return outcomes[terms.offer].get(Standing(grade, assessed=grade is not None), frozenset())

    won = winner(terms for terms in members if given(terms))
    return given(won) if won else frozenset()
