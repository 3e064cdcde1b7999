"""Offers to judge, built from a plain lawful one. One thing to know: whatever is not overridden is lawful."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any

from core.places import Source, load_places
from legal.deniability import Crowd
from legal.effects import RELATIVE, Effect
from legal.guard import KindLimits, Refusal, check_offer
from legal.measures import Measure, MeasureList, load_measures
from legal.protected import ProtectedList, load_protected
from legal.terms import Baseline, Citation, Ladder, OfferTerms

ON = date(2026, 11, 22)
PERSON = Ladder("city-person", "person", ("A+", "A", "B+", "B", "C"), "B", "0" * 64)
ENTERPRISE = Ladder("city-enterprise", "enterprise", ("A+", "A", "B+", "B", "C"), "A", "1" * 64)
CONTEXT = {"history", "others", "kind_effects", "protected_service", "measures", "crowd", "signed"}
KINDS = ("approval", "elder-care", "errand", "household", "loan", "lodging", "medical", "park", "parking", "rental",
         "service", "tourism", "travel")  # fmt: skip


def everything(kinds: tuple[str, ...] = KINDS, effects: frozenset[Effect] = frozenset(Effect)) -> MeasureList:
    """A published list that names every addition of every kind, so that a test can look at the other rules."""

    def measure(name: str, some: frozenset[Effect], *, relative: bool) -> Measure:
        source = Source(status="illustrative", reason="for tests")
        return Measure(
            id=name,
            name=name,
            kinds=kinds,
            effects=tuple(sorted(some)),
            relative=relative,
            in_force_from=date(2020, 1, 1),
            source=source,
        )

    additions, relative = effects - RELATIVE, effects & RELATIVE
    found = [measure("additions", additions, relative=False)] if additions else []
    found += [measure("relative", relative, relative=True)] if relative else []
    return MeasureList("anywhere", tuple(found), "2" * 64)


@cache
def measures_of(place: str) -> MeasureList:
    return load_measures(load_places(), place)


EVERYTHING = everything()


@cache
def protected_list(place: str) -> ProtectedList:
    return load_protected(load_places(), place)


def ladder_of(terms: OfferTerms) -> Ladder:
    return PERSON if terms.subject == "person" else ENTERPRISE


def baseline(**changes: Any) -> Baseline:
    source = Citation(changes.pop("source_title", "云山景区公示价目"), "2024年版")
    fields: dict[str, Any] = {"in_force_from": date(2024, 1, 1)} | changes
    fields["documents"] = tuple(fields.get("documents", ()))
    return Baseline(source=source, **fields)


def offer(**changes: Any) -> OfferTerms:
    """The plain offer with `changes`, written as in the YAML table."""
    subject = changes.get("subject", "person")
    fields: dict[str, Any] = {
        "offer": "1",
        "partner": "云山景区",
        "place": "hunan-shaoyang",
        "kind": "tourism",
        "model": (PERSON if subject == "person" else ENTERPRISE).model,
        "subject": subject,
        "threshold": "A",
        "title": "守信游客九折",
        "standard_service": "按公示票价购票,先到先入。",
        "benefit": "票价九折。",
        "effects": ("fee-reduction",),
        "opens_on": date(2026, 6, 1),
        "published": True,
    } | {key: value for key, value in changes.items() if key not in CONTEXT}
    fields["baseline"] = baseline(**fields.get("baseline", {}))
    fields["effects"] = tuple(Effect(effect) for effect in fields["effects"])
    fields["conditions"] = tuple(fields.get("conditions", ()))
    return OfferTerms(**fields)


def refusals(**changes: Any) -> tuple[Refusal, ...]:
    """What the guard says of `offer(**changes)`; `history`, `others`, `kind_effects` and `protected_service` set the
    scene around it."""
    terms = offer(**changes)
    others = [
        offer(**{"offer": str(n), "title": "另一项优惠"} | one) for n, one in enumerate(changes.get("others", []), 2)
    ]
    return check_offer(
        terms,
        ladder=ladder_of(terms),
        others=others,
        baselines=[baseline(**one) for one in changes.get("history", [])],
        protected=protected_list(terms.place),
        kind=KindLimits(
            terms.kind,
            frozenset(Effect(e) for e in changes.get("kind_effects", Effect)),
            changes.get("protected_service", False),
        ),
        on=ON,
        measures=changes.get("measures", EVERYTHING),
        crowd=Crowd(*changes["crowd"]) if "crowd" in changes else None,
        signed=frozenset(changes.get("signed", ())),
    )
