"""A place's published list of incentive measures, 《黑龙江省社会信用条例》第二十六条. One thing to know: an offer is
lawful only under a measure of the list, its place's own or one inherited; nothing beyond the list is given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

from pydantic import model_validator

from core.datafile import Document, RuleFile
from core.places import Places, Source
from legal.effects import RELATIVE, Effect
from legal.terms import PAYERS, Citation, SubjectKind

FILE = "measures.yaml"


class Measure(Document):
    """One measure: which kinds of benefit it allows, what they may add, and at whose cost."""

    id: str
    name: str
    kinds: tuple[str, ...]
    effects: tuple[Effect, ...]
    subjects: tuple[SubjectKind, ...] = ("person", "enterprise")
    payers: tuple[str, ...] = ("partner", "public-budget", "third-party")
    """Who may bear the cost; those who do not get the benefit never do (L11)."""
    relative: bool = False
    """A tie-break or bonus points: listed apart, and the theorem says nothing about it (L4, L8)."""
    in_force_from: date
    in_force_until: date | None = None
    """Exclusive."""
    source: Source

    @model_validator(mode="after")
    def _stands(self) -> Measure:
        if not (self.kinds and self.effects):
            raise ValueError("须写明 kinds 与 effects")
        if strangers := set(self.payers) - PAYERS:
            raise ValueError(f"没有这样的费用承担方:{'、'.join(sorted(strangers))}")
        if self.relative is not (set(self.effects) <= RELATIVE) or (not self.relative and RELATIVE & set(self.effects)):
            raise ValueError("同等条件优先和加分须单列为 relative: true 的措施,其他增益不得列入其中")
        return self

    def in_force(self, on: date) -> bool:
        """Whether it holds on this day."""
        return self.in_force_from <= on and (self.in_force_until is None or on < self.in_force_until)

    def covers(self, *, kind: str, effects: Iterable[Effect], subject: str, payer: str) -> bool:
        """Whether an offer of this kind, with these additions, to such a subject and at such a cost, is of it."""
        named = kind in self.kinds and subject in self.subjects and payer in self.payers
        return named and set(effects) <= set(self.effects)

    @property
    def citation(self) -> Citation:
        """The clause it rests on; where no document names it, its own name in the list."""
        return Citation(self.source.title or f"激励措施清单:{self.name}", self.source.clause or "")


class _File(Document):
    revised_on: date
    measures: tuple[Measure, ...]


@dataclass(frozen=True)
class MeasureList:
    """The measures of one place, its own first, those of the places above it after them."""

    place: str
    measures: tuple[Measure, ...]
    checksum: str
    """SHA-256 over the checksums of every file read, nearest place first."""

    def get(self, measure: str, on: date) -> Measure | None:
        """The measure under this id in force on this day."""
        return next((one for one in self.measures if one.id == measure and one.in_force(on)), None)

    def covering(
        self, *, kind: str, effects: Iterable[Effect], subject: str, payer: str, on: date
    ) -> tuple[Measure, ...]:
        """The measures in force that cover such an offer, the nearest place's first."""
        wanted = frozenset(effects)
        return tuple(
            one
            for one in self.measures
            if one.in_force(on) and one.covers(kind=kind, effects=wanted, subject=subject, payer=payer)
        )


def load_measures(places: Places, place: str) -> MeasureList:
    """The list of `place`; empty where neither it nor a place above it has published one.

    Raises:
        KeyError: there is no such place.
        DataFileError: a list is broken; names the file and the line. Also when an id is used twice: a place may end
            a measure of its own, and takes nothing back that a place above it gave.
    """
    found: list[Measure] = []
    checksums = []
    for code in places[place].lineage:
        path = places[code].folder / FILE
        if not path.is_file():
            continue
        file = RuleFile(path, root=places.root)
        for index, measure in enumerate(file.parse(_File).measures):
            if any(measure.id == other.id for other in found):
                raise file.error(("measures", index, "id"), f"措施 {measure.id} 重复", "请改名,或只保留一处")
            found.append(measure)
        checksums.append(file.checksum)
    return MeasureList(place, tuple(found), sha256("\n".join(checksums).encode()).hexdigest())
