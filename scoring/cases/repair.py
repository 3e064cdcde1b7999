"""Credit repair: what a place offers, and what may be done about one record, told beforehand. Pure: no clock, no
database. One thing to know: a way is a row of `<place>/repair.yaml`, inherited from the parents.

《黑龙江省社会信用条例》第四十条;《邵市发改财信〔2025〕30号》三(四)10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import Field

from core.calendar import add_months
from core.datafile import Document, RuleFile
from core.places import Places, Source
from scoring.catalogue import Catalogue, Severity

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=20)]


class Way(Document):
    """One way to repair, and what has to be handed in for it."""

    id: Id
    label: str
    evidence: Annotated[tuple[str, ...], Field(min_length=1)]
    severities: Annotated[tuple[Severity, ...], Field(min_length=1)]
    source: Source


class Exclusion(Document):
    """An item that law lets nobody repair."""

    item: str
    source: Source


class _File(Document):
    after: str
    after_source: Source
    ways: Annotated[tuple[Way, ...], Field(min_length=1)]
    excluded: tuple[Exclusion, ...] = ()


@dataclass(frozen=True, slots=True)
class RepairRules:
    """The ways of one place, by id, inherited ones included; and what happens once a repair is granted."""

    after: str
    ways: Mapping[str, Way]
    excluded: Mapping[str, Exclusion]


@dataclass(frozen=True, slots=True)
class RepairOptions:
    """What may be done about one record."""

    severity: Severity
    least_months: int
    """The shortest term of publication, in months from the decision."""
    earliest_on: date
    """The first day on which a repair can be applied for."""
    ways: tuple[Way, ...]
    """Empty where the record cannot be repaired."""
    why_not: str | None
    """For the subject, where it cannot."""
    after: str


def load_repairs(places: Places) -> dict[str, RepairRules]:
    """The rules of every place that has some, its own or inherited, by the place's code.

    Raises:
        DataFileError: a file is broken or names a way twice, with its line.
    """
    files = {
        place.code: _read(RuleFile(path, root=places.root))
        for place in places.values()
        if (path := place.folder / "repair.yaml").exists()
    }
    found = {}
    for code, place in places.items():
        lineage = [files[one] for one in reversed(place.lineage) if one in files]
        if lineage:
            ways = {way.id: way for file in lineage for way in file.ways}
            excluded = {one.item: one for file in lineage for one in file.excluded}
            found[code] = RepairRules(lineage[-1].after, ways, excluded)
    return found


def _read(file: RuleFile) -> _File:
    parsed = file.parse(_File)
    seen: set[str] = set()
    for index, way in enumerate(parsed.ways):
        if way.id in seen:
            raise file.error(("ways", index, "id"), f"{way.id} 重复", "请合并两条,或另取 id")
        seen.add(way.id)
    return parsed


def options_for(record: Any, *, rules: RepairRules | None, catalogue: Catalogue, on: date) -> RepairOptions:
    """What may be done about a record (a row of `credit_records`) as things stand on that day.

    The shortest term runs from the decision and ends with its last day; a record that is not in the catalogue has none.
    """
    code = record.catalogued_as or record.item
    item = catalogue.items.get(code)
    severity: Severity = "serious" if record.severity == "serious" or record.serious_consequence else "general"
    least = 0 if item is None else item.publication.shortest(severity)
    earliest = add_months(record.occurred_on, least) + timedelta(days=1) if least else record.occurred_on
    ways = () if rules is None else tuple(way for way in rules.ways.values() if severity in way.severities)
    why_not = None
    if item is not None and item.nature != "adverse":
        why_not = "这条信息不是失信信息,不需要修复。"
    elif record.removed_on is not None and record.removed_on <= on:
        why_not = "这条信息已经不再使用和公示,不需要修复。"
    elif rules is not None and code in rules.excluded:
        source = rules.excluded[code].source
        why_not = f"{source.title or ''}{source.clause or ''}规定这一项不予修复。如认为信息有误,可以提出异议。"
    elif not ways:
        why_not = "本地还没有公布这一类信息的修复方式。请向提供这条信息的单位咨询。"
    return RepairOptions(
        severity, least, earliest, () if why_not else ways, why_not, "" if rules is None else rules.after
    )
