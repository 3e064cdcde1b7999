"""An offer with all that is needed to judge it, and the answer of a rule. One thing to know: what several rules ask of
an offer (is it protected, what do its texts say) is worked out here once, so that each rule stays a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from hashlib import sha256
from re import Pattern

from legal.conditions import is_plain
from legal.deniability import Crowd
from legal.effects import Effect
from legal.measures import Measure, MeasureList
from legal.protected import Entry, ProtectedList, named_in
from legal.terms import Baseline, Citation, KindLimits, Ladder, OfferTerms, canonical, plain
from legal.words import Field, Reading, Verdict, normal


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an offer may not be published as it stands. `review`: a human has to judge; until then it waits."""

    rule: str
    message: str
    source: Citation
    verdict: Verdict = "unlawful"


def review_key(terms: OfferTerms, refusal: Refusal) -> str:
    """What somebody signs who answers for a `review`: SHA-256, in hex, of the terms as they stand and of the refusal.

    The terms' being published or not is left out, so that signing holds through approval; any other change of the
    terms, the standard service included, gives another key, and the review is open again.
    """
    told = canonical([plain(replace(terms, published=False)), refusal.rule, refusal.message])
    return sha256(told).hexdigest()


@dataclass(frozen=True)
class Case:
    """An offer with all that is needed to judge it."""

    terms: OfferTerms
    ladder: Ladder
    others: Sequence[OfferTerms]
    baselines: Sequence[Baseline]
    protected: ProtectedList
    kind: KindLimits
    on: date
    measures: MeasureList | None = None
    """The place's published list; None: not judged here."""
    crowd: Crowd | None = None
    """Those who would get the standard service; None: not judged here."""

    @cached_property
    def measure(self) -> Measure | None:
        """The measure of the place's list that the offer is given under; None: none covers it, or not judged here."""
        if self.measures is None:
            return None
        terms = self.terms
        covering = self.measures.covering(
            kind=terms.kind, effects=self.effects, subject=terms.subject, payer=terms.payer, on=self.on
        )
        return next((one for one in covering if terms.measure in ("", one.id)), None)

    @cached_property
    def texts(self) -> dict[Field, str]:
        """The free texts, to be read for harm written only there."""
        return {
            "title": self.terms.title,
            "standard_service": self.terms.standard_service,
            "benefit": self.terms.benefit,
            "conditions": "\n".join(filter(is_plain, self.terms.conditions)),
        }

    @cached_property
    def effects(self) -> frozenset[Effect]:
        return frozenset(self.terms.effects)

    @cached_property
    def undeclared(self) -> Entry | None:
        """A protected service or right that the offer names without declaring it."""
        if self.terms.basic_public_service or self.terms.statutory_right or self.kind.protected_service:
            return None
        text = normal(f"{self.terms.title}。{self.terms.standard_service}")
        return named_in(self.protected.services + self.protected.rights, text, on=self.on)

    @property
    def is_protected(self) -> bool:
        """Whether it concerns a basic public service or a statutory right, declared or not."""
        declared = self.terms.basic_public_service or self.terms.statutory_right
        return declared or self.kind.protected_service or self.undeclared is not None

    @cached_property
    def readings(self) -> tuple[Reading, ...]:
        """The phrases found in the texts that count in this offer."""
        found = self.protected.words.read(self.texts)
        return tuple(
            r
            for r in found
            if (self.is_protected or not r.phrase.only_of_protected) and not self.effects & set(r.phrase.not_of)
        )

    def rule_of(self, reading: Reading) -> str:
        """The rule a phrase breaks in this offer."""
        if self.terms.kind == "loan" and reading.phrase.loan_rule:
            return reading.phrase.loan_rule
        if self.is_protected and reading.phrase.protected_rule:
            return reading.phrase.protected_rule
        return reading.phrase.rule

    def names(self, entries: tuple[Entry, ...]) -> Entry | None:
        """The entry of `entries` that any text of the offer names."""
        return named_in(entries, normal("。".join(self.texts.values())), on=self.on)

    def says_any(self, wanted: Pattern[str]) -> bool:
        """Whether any text of the offer holds such words."""
        return any(wanted.search(normal(text)) for text in (*self.texts.values(), self.terms.notice))
