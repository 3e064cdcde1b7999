"""The published catalogue as the guard's proof sees it. One thing to know: it is tried with the very function that
decides at the counter, not with a model of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from legal.effects import Effect
from legal.proof import Catalogue as ProofCatalogue
from legal.terms import OfferTerms
from legal.theorem import Decide
from legal.theorem import Standing as LegalStanding
from partners.catalogue import Catalogue, Offer, kind_limits
from partners.eligibility import Standing, why_not
from partners.rulebook import Rulebook

AUDIENCE = "xinyi-proof"
"""Whom a signed proof is for: whoever checks the catalogue."""


def proof_catalogue(catalogue: Catalogue, rulebook: Rulebook) -> ProofCatalogue:
    """What a proof is about: every offer that is published and not closed by the guard."""
    published = _published(catalogue)
    return ProofCatalogue(
        offers=[replace(offer.terms, published=True) for offer in published.values()],
        ladders={offer.model.id: rulebook.ladder(offer.model, on=catalogue.on) for offer in published.values()},
        kinds={code: kind_limits(kind) for code, kind in rulebook.kinds.items()},
        protected=rulebook.protected,
        measures=rulebook.measures,
        signed={key: offer.signed for key, offer in published.items() if offer.signed},
        baselines={key: offer.history for key, offer in published.items()},
    )


def _published(catalogue: Catalogue) -> Mapping[str, Offer]:
    return {
        str(offer.id): offer
        for offer in catalogue.offers.values()
        if offer.is_published(catalogue.on) and not offer.refusals
    }


def decider(catalogue: Catalogue) -> Decide:
    """`eligibility.why_not` in the proof's words: what an offer adds for somebody in a standing."""
    published = _published(catalogue)

    def decide(terms: OfferTerms, standing: LegalStanding, /) -> Iterable[Effect]:
        offer = published[terms.offer]
        asked = Standing(
            kind=offer.subject_kind,
            lineage=(offer.partner.place,),
            enrolled=standing.enrolled,
            minor=standing.minor,
            grade=standing.grade if standing.assessed else None,
        )
        return () if why_not(offer, asked) else terms.effects

    return decide
