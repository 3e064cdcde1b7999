"""Does the standard service say something bad about whoever gets it (L12)? Pure: the counts are made elsewhere.

One thing to know: a person may always say «I simply do not take part»; that is true to the ear only while at least
half of those who get the standard service have no adverse record.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Crowd:
    """Of a simulated population: those who would get the standard service of one offer."""

    standard: int
    """How many people."""
    without_adverse: int
    """How many of them have no adverse record."""

    def __post_init__(self) -> None:
        if not 0 <= self.without_adverse <= self.standard:
            raise ValueError(f"{self.without_adverse} of {self.standard} people is no crowd")


def says_nothing_bad(crowd: Crowd) -> bool:
    """Whether at least half of them have no adverse record. Of nobody at all nothing is said."""
    return 2 * crowd.without_adverse >= crowd.standard
