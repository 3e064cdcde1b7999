"""Which of the offers of an exclusive group somebody gets. Pure: no clock, no database, no network.

One thing to know: the winner does not depend on the order in which offers are looked at, and only offers that come
before the one asked about need looking at: highest priority first, then lowest id (`legal.groups`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from legal.groups import precedence
from partners.catalogue import Catalogue, Offer

T = TypeVar("T", bound=Offer)


def chosen(qualified: Iterable[T]) -> T | None:
    """Of the offers of one group that somebody qualifies for, the one that counts; None of none."""
    return min(qualified, key=lambda offer: precedence(offer.terms), default=None)


def rivals_of(offer: Offer, catalogue: Catalogue) -> tuple[Offer, ...]:
    """The open offers of its partner and group that come before it, the first of all first; empty for most offers."""
    if not offer.exclusive_group:
        return ()
    return tuple(
        sorted(
            (
                other
                for other in catalogue.open_of(offer.partner.id)
                if other.exclusive_group == offer.exclusive_group
                and other.is_granted
                and precedence(other.terms) < precedence(offer.terms)
            ),
            key=lambda other: precedence(other.terms),
        )
    )
