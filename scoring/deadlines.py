"""Terms and rights by place. One thing to know: the nearest place that sets a term wins, its parents fill the rest.

Only the lengths are read here; counting working days is the calendar's work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from pydantic import Field

from core.datafile import Document, RuleFile
from core.places import Places, Source

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")]
Entry = TypeVar("Entry", "Deadline", "Right")


class Deadline(Document):
    """Something that must be done within `working_days` of the event that `counts_from` names."""

    id: Id
    text: str
    working_days: Annotated[int, Field(strict=True, ge=1)]
    counts_from: str
    source: Source


class Right(Document):
    """Something a subject may ask for or is owed."""

    id: Id
    text: str
    source: Source


class _DeadlineFile(Document):
    deadlines: Annotated[tuple[Deadline, ...], Field(min_length=1)]


class _RightFile(Document):
    rights: Annotated[tuple[Right, ...], Field(min_length=1)]


class Entitlements:
    """The deadlines and rights of every place, inherited ones included."""

    def __init__(self, places: Places, deadlines: _ByPlace[Deadline], rights: _ByPlace[Right]) -> None:
        self._deadlines = {code: _inherited(place.lineage, deadlines) for code, place in places.items()}
        self._rights = {code: _inherited(place.lineage, rights) for code, place in places.items()}

    def deadlines(self, place_code: str) -> dict[str, Deadline]:
        """The deadlines that hold in a place, by id."""
        return self._deadlines[place_code]

    def rights(self, place_code: str) -> dict[str, Right]:
        """The rights that hold in a place, by id."""
        return self._rights[place_code]


def load_deadlines(places: Places) -> Entitlements:
    """Read `deadlines.yaml` and `rights.yaml` of every place that has them.

    Raises:
        DataFileError: a file is broken or names an id twice, with its line.
    """
    deadlines = _read(places, "deadlines", lambda file: file.parse(_DeadlineFile).deadlines)
    rights = _read(places, "rights", lambda file: file.parse(_RightFile).rights)
    return Entitlements(places, deadlines, rights)


_ByPlace = dict[str, dict[str, Entry]]


def _read(places: Places, name: str, parse: Callable[[RuleFile], tuple[Entry, ...]]) -> _ByPlace[Entry]:
    found: _ByPlace[Entry] = {}
    for place in places.values():
        path = place.folder / f"{name}.yaml"
        if not path.exists():
            continue
        file = RuleFile(path, root=places.root)
        by_id: dict[str, Entry] = {}
        for index, entry in enumerate(parse(file)):
            if entry.id in by_id:
                raise file.error((name, index, "id"), f"{entry.id} 重复", "请合并两条,或另取 id")
            by_id[entry.id] = entry
        found[place.code] = by_id
    return found


def _inherited(lineage: tuple[str, ...], by_place: _ByPlace[Entry]) -> dict[str, Entry]:
    merged: dict[str, Entry] = {}
    for code in reversed(lineage):
        merged |= by_place.get(code, {})
    return merged
