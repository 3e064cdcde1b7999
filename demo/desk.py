"""A partner of the demo city, and how it writes an offer. One thing to know: a partner has one threshold for each kind
of subject, so that several offers tell nothing that one does not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from demo.people import COUNTIES
from legal.terms import Baseline, Citation
from partners.offers.content import OfferDraft

MODELS = {
    ("hunan-shaoyang", "person"): "xiangxinfen",
    ("hunan-shaoyang", "enterprise"): "hunan-comprehensive",
    ("guangdong-huizhou", "person"): "huixinma-person",
    ("guangdong-huizhou", "enterprise"): "huixinma-enterprise",
}

MEASURES = {
    "hunan-shaoyang": {
        "medical": "shaoyang-medical-convenience",
        "tourism": "shaoyang-tourism",
        "household": "shaoyang-household",
        "elder-care": "shaoyang-elder-care",
        "park": "shaoyang-park",
        "errand": "green-channel",
        "approval": "green-channel",
    },
    "guangdong-huizhou": {
        "loan": "huizhou-loan",
        "medical": "huizhou-care",
        "tourism": "huizhou-office-and-leisure",
        "errand": "huizhou-office-and-leisure",
        "service": "huizhou-office-and-leisure",
        "travel": "huizhou-code",
        "parking": "huizhou-code",
        "lodging": "huizhou-code",
        "rental": "huizhou-code",
        "elder-care": "huizhou-care",
        "park": "huizhou-park",
        "approval": "green-channel",
    },
}
"""The measure of the place's published list that an offer of a kind is usually of; else `market-benefits`."""

ALL_OVER = frozenset({"bank", "hall", "transport", "property", "household"})
"""Sectors that serve the whole of their city; a partner of any other gives what it offers in one district."""

OPENED = timedelta(days=180)
BASELINE_AGE = timedelta(days=3 * 365)


@dataclass(frozen=True, slots=True)
class Member:
    """A partner. `n` counts from 1 within its sector and is the N of `demo-token bank --n N`."""

    id: int
    sector: str
    n: int
    place: str
    name: str
    uscc: str

    @property
    def account(self) -> str:
        """The account through which it acts."""
        return f"{self.sector}-{self.n}"


@dataclass(frozen=True, slots=True)
class Desk:
    """A partner writing its offers on a day."""

    member: Member
    on: date

    @property
    def districts(self) -> tuple[str, ...]:
        """Where the partner is; none where it serves its whole city."""
        counties = COUNTIES[self.member.place]
        # Every second partner of a sector is in the same city.
        return () if self.member.sector in ALL_OVER else (counties[(self.member.n - 1) // 2 % len(counties)],)

    def threshold(self, subject: str) -> str:
        """One grade for all offers of a partner to one kind of subject; a few partners ask for more than most."""
        if MODELS[self.member.place, subject] == "hunan-comprehensive":
            return "B+" if self.member.n % 3 == 0 else "B"
        return "A+" if subject == "person" and self.member.sector == "scenic" and self.member.n % 5 == 0 else "A"

    def offer(self, kind: str, subject: str, *, baseline: Baseline, **terms: Any) -> OfferDraft:
        """A draft with the partner's model and threshold; of the place's usual measure for its kind, and opened half a
        year ago, unless it says otherwise."""
        return OfferDraft(
            partner_id=self.member.id,
            kind=kind,
            model=MODELS[self.member.place, subject],
            threshold=self.threshold(subject),
            baseline=baseline,
            measure=terms.pop("measure", None) or MEASURES[self.member.place].get(kind, "market-benefits"),
            **{"opens_on": self.on - OPENED, "districts": self.districts, **terms},
        )

    def baseline(self, document: str, **terms: Any) -> Baseline:
        """A standard service in force for three years, as the partner's published `document` states it."""
        since = self.on - BASELINE_AGE
        source = Citation(f"{self.member.name}{document}", f"{since.year}年版")
        return Baseline(source=source, in_force_from=since, **terms)
