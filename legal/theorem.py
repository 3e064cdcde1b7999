"""The theorem, stated so that a machine can check it. One thing to know: whatever decides hands over additions only,
and what somebody gets is the registered standard service plus those; this file says when that keeps the promise.

    For every subject S and offer O, outcome(S, O) is the standard service B(O), or B(O) plus additions.
    A natural person with no record at all gets exactly B(O): nobody is ever worse off than without a record.
    A better grade never brings fewer additions.

Relative additions (`effects.RELATIVE`) are listed apart: what one gains by them another may lose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Protocol

from legal.effects import RELATIVE, Effect
from legal.terms import Ladder, OfferTerms


@dataclass(frozen=True, slots=True)
class Standing:
    """How a subject stands towards a model: everything about it that an outcome may depend on."""

    grade: str | None
    """Code of its grade; None where the model gives none."""
    assessed: bool = True
    enrolled: bool = True
    minor: bool = False
    no_record: bool = False
    """There is no record about it at all, good or bad."""

    @property
    def name(self) -> str:
        """The standing in words that stay the same in every proof."""
        if self.no_record:
            grade = "no-record"
        elif self.assessed:
            grade = f"grade {self.grade}"
        else:
            grade = "not-assessed"
        marks = [mark for mark, holds in (("not-enrolled", not self.enrolled), ("minor", self.minor)) if holds]
        return ", ".join([grade, *marks])


class Decide(Protocol):
    """Decides for an offer: the additions somebody in this standing gets; None or nothing is the standard service."""

    def __call__(self, terms: OfferTerms, standing: Standing, /) -> Iterable[Effect] | None: ...


Outcomes = Mapping[Standing, frozenset[Effect]]
"""For one offer, the additions in each standing. The standard service itself goes without saying."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A standing in which the promise is broken, and how."""

    standing: str
    claim: str


def standings(ladder: Ladder) -> tuple[Standing, ...]:
    """Every standing there is towards a model: each grade, none, no record; enrolled or not; adult or minor."""
    minors = (False, True) if ladder.subject == "person" else (False,)
    known = [
        *(Standing(grade) for grade in ladder.grades),
        Standing(None, assessed=False),
        Standing(ladder.no_record, assessed=ladder.no_record is not None, no_record=True),
    ]
    return tuple(
        Standing(s.grade, s.assessed, enrolled, minor, s.no_record)
        for enrolled, minor, s in product((True, False), minors, known)
    )


def outcomes_of(terms: OfferTerms, ladder: Ladder, decide: Decide) -> dict[Standing, frozenset[Effect]]:
    """What `decide` gives in each standing."""
    return {standing: frozenset(decide(terms, standing) or ()) for standing in standings(ladder)}


def violations(terms: OfferTerms, ladder: Ladder, outcomes: Outcomes) -> Iterator[Violation]:
    """Every way in which these outcomes break the theorem; none: it holds for this offer."""
    for standing in standings(ladder):
        if standing not in outcomes:
            yield Violation(standing.name, "没有结果:每种情形都须有结果")
            continue
        added = outcomes[standing]
        if strange := sorted(str(one) for one in added if not isinstance(one, Effect)):
            yield Violation(standing.name, f"得到的不是增益:{'、'.join(strange)}")
        elif beyond := sorted(added - set(terms.effects)):
            yield Violation(standing.name, f"得到优惠未登记的增益:{'、'.join(beyond)}")
        if added and (reason := _owed_nothing(terms, ladder, standing)):
            yield Violation(standing.name, f"{reason},只应得标准服务,却得到 {'、'.join(sorted(map(str, added)))}")
    yield from _not_monotone(ladder, outcomes)


def is_apart(terms: OfferTerms) -> bool:
    """Whether the offer adds something relative, about which the theorem promises nothing."""
    return not RELATIVE.isdisjoint(terms.effects)


def _owed_nothing(terms: OfferTerms, ladder: Ladder, standing: Standing) -> str | None:
    """Why somebody in this standing gets exactly the standard service; None where a benefit is possible."""
    if standing.no_record and ladder.subject == "person":
        return "没有任何记录"
    if not standing.enrolled:
        return "没有加入"
    if standing.minor:
        return "未成年"
    if not standing.assessed:
        return "没有评价结果"
    if not ladder.reaches(standing.grade, terms.threshold):
        return "没有达到登记的门槛"
    return None


def _not_monotone(ladder: Ladder, outcomes: Outcomes) -> Iterator[Violation]:
    """Neighbouring grades where the better one gets less; with transitivity this covers every pair."""
    for better, worse in zip(ladder.grades, ladder.grades[1:], strict=False):
        more, less = outcomes.get(Standing(better), frozenset()), outcomes.get(Standing(worse), frozenset())
        if lost := sorted(map(str, less - more)):
            yield Violation(Standing(better).name, f"等级高于 {worse},却少得 {'、'.join(lost)}")
