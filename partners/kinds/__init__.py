"""The kinds of 信易X benefits, one file each. One thing to know: a file put here is a kind, found by scanning."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from legal.effects import Effect


@dataclass(frozen=True)
class BenefitKind:
    """A kind of benefit: what it is called, what it may add, and what the guard has to watch."""

    code: str
    name: str
    standard: str
    """What everybody gets, in one plain sentence."""
    effects: frozenset[Effect]
    """What an offer of this kind may add; nothing else can be submitted."""
    protected_service: bool
    """Whether it touches a basic public service (the nine fields of the national list)."""
    source: str
    """Title and clause of the document that names the kind."""


@cache
def benefit_kinds() -> Mapping[str, BenefitKind]:
    """All kinds by code."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        kind: BenefitKind = importlib.import_module(f"{__name__}.{module.name}").KIND
        found[kind.code] = kind
    return MappingProxyType(found)
