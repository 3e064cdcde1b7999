"""What a consent can be given for. One thing to know: a text that was shown is never changed; another text is another
version with its own day, and a consent keeps the version it was given to.

`<place>/purposes.yaml` lists purposes; a place inherits its parents' and may add its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from core.datafile import Document, RuleFile
from core.places import Places, Source

Frequency = Literal["once", "per-use"]
"""Used up by its first use, or good for each until it ends."""


class Purpose(Document):
    """One version of one purpose, as its subject reads it before deciding (《黑龙江省社会信用条例》第二十条第一款)."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)]
    version: Annotated[str, Field(pattern=r"^\d{4}-\d{2}(\.\d+)?$", max_length=10)]
    in_force_from: date
    name: str
    recipient: Literal["partner", "office"]
    """A partner of the alliance, or the office that keeps the credit information."""
    what: str
    """Which data."""
    method: str
    use: str
    rights: str
    """The subject's rights and duties."""
    harm: str | None = None
    """What giving the data may bring upon its subject."""
    written: bool = False
    """Only good in writing (第二十条第二款): the subject sends `statement` back word for word."""
    statement: str | None = None
    scoped: bool = False
    """It is about named items of the catalogue, never about all of them."""
    frequencies: Annotated[tuple[Frequency, ...], Field(min_length=1)]
    erase_days: Annotated[int, Field(strict=True, ge=0, le=365)]
    """Within how many days of its end that which was received is erased."""
    source: Source

    def model_post_init(self, _: object) -> None:
        if self.written and not (self.harm and self.statement):
            raise ValueError("written 的用途必须写明 harm(可能的不利后果)与 statement(书面声明)")


class _PurposeFile(Document):
    purposes: Annotated[tuple[Purpose, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Purposes:
    """The purposes of one place, inherited ones included."""

    versions: Mapping[tuple[str, str], Purpose]
    """By id and version."""

    def in_force(self, on: date) -> dict[str, Purpose]:
        """For each purpose the newest version whose day has come, by id."""
        begun = [one for one in self.versions.values() if one.in_force_from <= on]
        return {one.id: one for one in sorted(begun, key=lambda one: one.in_force_from)}


def load_purposes(places: Places) -> dict[str, Purposes]:
    """The purposes of every place, by its code.

    Raises:
        DataFileError: a file is broken, or two versions of a purpose have one name or one day.
    """
    own = {place.code: _read(place.folder, places) for place in places.values()}
    return {
        code: Purposes({key: one for above in reversed(place.lineage) for key, one in own[above].items()})
        for code, place in places.items()
    }


def _read(folder: Path, places: Places) -> dict[tuple[str, str], Purpose]:
    path = folder / "purposes.yaml"
    if not path.exists():
        return {}
    file = RuleFile(path, root=places.root)
    found: dict[tuple[str, str], Purpose] = {}
    days = set()
    for place, purpose in enumerate(file.parse(_PurposeFile).purposes):
        if (purpose.id, purpose.version) in found or (purpose.id, purpose.in_force_from) in days:
            problem = f"用途 {purpose.id} 的版本 {purpose.version} 重复,或与另一版本同日生效"
            raise file.error(("purposes", place), problem, "一个版本只写一次,新文本另取版本号和生效日期")
        found[purpose.id, purpose.version] = purpose
        days.add((purpose.id, purpose.in_force_from))
    return found
