"""The open offers as one subject looks through them, page by page. One thing to know: offers that ask the same of a
subject are judged once, before any that was found is looked at, so a page costs what it shows and not what it skips.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice

from core.database import Database
from core.errors import BadInput
from core.places import Places
from partners.catalogue import Catalogue, Offer
from partners.eligibility import why_not
from partners.standing import Judged, SubjectStanding, judge_offers

GROWTH = 4
"""How many times more offers are looked at in a next go, where too few of those before were wanted."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for. Whatever is None is not asked for."""

    kind: str | None = None
    available: bool | None = None
    """Only what applies now, or only what does not."""
    area: str | None = None
    """A place's code, or a district's: what is given there."""
    words: Sequence[str] = ()
    """In small letters: all of them stand in what the offer says, or in its partner's name."""


def is_given_in(offer: Offer, area: str, places: Places) -> bool:
    """Whether an offer is given in a place or a district that there is. One that names no district is given all over
    its partner's place, and so in whatever lies in that."""
    home = offer.partner.place
    if area in places:
        return home in places[area].lineage
    return area in offer.districts if offer.districts else home in places.of_district[area].lineage


async def find_offers(
    database: Database,
    standing: SubjectStanding,
    *,
    wanted: Wanted,
    catalogue: Catalogue,
    after: int | None,
    first: int,
    now: datetime,
) -> tuple[list[tuple[Offer, Judged]], bool]:
    """At most `first` offers of the subject's kind that are wanted, with an id above `after`, in the order of their
    ids, each as it stands; and whether there are more.

    Raises:
        BadInput: there is no such area.
    """
    candidates = _in_turn(standing, wanted=wanted, catalogue=catalogue, after=after)
    found: list[tuple[Offer, Judged]] = []
    most = first + 1
    while len(found) <= first and (chunk := list(islice(candidates, most))):
        judged = await judge_offers(database, standing, offers=chunk, catalogue=catalogue, now=now)
        found += [
            (offer, one)
            for offer, one in zip(chunk, judged, strict=True)
            if wanted.available is None or wanted.available is not bool(one.reasons)
        ]
        most *= GROWTH
    return found[:first], len(found) > first


def _in_turn(standing: SubjectStanding, *, wanted: Wanted, catalogue: Catalogue, after: int | None) -> Iterator[Offer]:
    """The offers that may be wanted, by id; what a subject can get is left to be judged."""
    places, area = catalogue.rulebook.places, wanted.area
    if area is not None and area not in places and area not in places.of_district:
        raise BadInput("没有这个地方或区县。请在 area 中写明地方或区县的代码,见 servedPlaces。", field="area")
    groups: Sequence[Sequence[Offer]] = [catalogue.open_for(subject_kind=standing.kind, kind=wanted.kind)]
    if wanted.available or area is not None:
        groups = catalogue.alike(subject_kind=standing.kind, kind=wanted.kind, by_area=area is not None)
    if area is not None:
        groups = [group for group in groups if is_given_in(group[0], area, places)]
    if wanted.available:
        # What is used up, or owed, only ever adds to these reasons.
        groups = [
            group for group in groups if group[0].is_granted and not why_not(group[0], standing.towards(group[0]))
        ]
    for offer in merge(*(_following(group, after) for group in groups), key=lambda offer: offer.id):
        if all(word in offer.words for word in wanted.words):
            yield offer


def _following(group: Sequence[Offer], after: int | None) -> Iterator[Offer]:
    start = 0 if after is None else bisect_right(group, after, key=lambda offer: offer.id)
    return islice(group, start, None)
