"""The matters for which a body may query, by place. One thing to know: the nearest place that names a matter wins, and
what no place names is decided by a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from core.datafile import Document, RuleFile
from core.places import Places, Source
from scoring.catalogue import CatalogueItem

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)]


class Matter(Document):
    """Something a body does for which law has it query credit information."""

    id: Id
    name: str
    covers: Annotated[tuple[Literal["public", "on-query", "shared"], ...], Field(min_length=1)]
    """The openness of items that it reaches."""
    subjects: Annotated[tuple[Literal["person", "enterprise"], ...], Field(min_length=1)]
    months: Annotated[int, Field(strict=True, ge=1, le=12)]
    """How long a right for it lasts."""
    source: Source

    def allows(self, item: CatalogueItem) -> bool:
        """Whether a right to this item opens by itself for the matter."""
        return item.openness in self.covers and not set(self.subjects).isdisjoint(item.subjects)


class _MatterFile(Document):
    matters: Annotated[tuple[Matter, ...], Field(min_length=1)]


def load_matters(places: Places) -> Mapping[str, Mapping[str, Matter]]:
    """Read `query-matters.yaml` of every place that has one: matters by id, by place, inherited ones included.

    Raises:
        DataFileError: a file is broken or names an id twice, with its line.
    """
    own: dict[str, dict[str, Matter]] = {}
    for place in places.values():
        path = place.folder / "query-matters.yaml"
        if not path.exists():
            continue
        file = RuleFile(path, root=places.root)
        own[place.code] = {}
        for index, matter in enumerate(file.parse(_MatterFile).matters):
            if matter.id in own[place.code]:
                raise file.error(("matters", index, "id"), f"{matter.id} 重复", "请合并两条,或另取 id")
            own[place.code][matter.id] = matter
    return {
        code: {key: matter for one in reversed(place.lineage) for key, matter in own.get(one, {}).items()}
        for code, place in places.items()
    }
