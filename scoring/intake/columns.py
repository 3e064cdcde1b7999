"""Which column of a file is which field. One thing to know: a column that is not catalogued is never stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from core.errors import ExpectedError
from scoring.catalogue import CatalogueItem, Field, Role, column_key


class FileUnreadable(ExpectedError):
    """The file as a whole cannot be read: nothing of it was taken in."""

    code = "FILE_UNREADABLE"


class MissingColumn(ExpectedError):
    """No line of the file is a header with all key columns. Says which are there and which are missing."""

    code = "MISSING_COLUMN"


@dataclass(frozen=True, eq=False)
class Columns:
    """The header of one file, understood as a delivery of `item`."""

    item: CatalogueItem
    header: tuple[str, ...]
    """As it stands in the file."""
    fields: Mapping[int, Field]
    """The catalogue's field at each place that has one."""

    @cached_property
    def unknown(self) -> tuple[str, ...]:
        """Columns that are not catalogued, each counted once."""
        return tuple(dict.fromkeys(name for i, name in enumerate(self.header) if i not in self.fields and name.strip()))

    @cached_property
    def by_role(self) -> Mapping[Role, int]:
        """The place of the field that plays a role."""
        return {field.means: i for i, field in self.fields.items() if field.means is not None}

    @cached_property
    def simple_procedure(self) -> tuple[int, ...]:
        """The places that may say that a penalty was given by simple procedure."""
        return tuple(i for i, field in self.fields.items() if field.id in self.item.simple_procedure)


def read_header(item: CatalogueItem, cells: Sequence[str]) -> Columns | None:
    """The columns of a header, or None where a key column is missing from it.

    Raises:
        FileUnreadable: two columns are the same field, so that nobody can say which one holds.
    """
    known = _known(item)
    fields = {i: field for i, name in enumerate(cells) if (field := known.get(column_key(name))) is not None}
    places: dict[str, int] = {}
    doubled = [(places.setdefault(field.id, i), i) for i, field in fields.items()]
    if any(field.id not in places for field in item.key_fields):
        return None
    for first, second in doubled:
        if first != second:
            raise FileUnreadable(
                f"列「{cells[first]}」与「{cells[second]}」是同一数据项,无法判断以哪一列为准。请只保留一列后重新报送。"
            )
    return Columns(item, tuple(cells), fields)


def missing(item: CatalogueItem, cells: Sequence[str]) -> tuple[str, ...]:
    """The labels of the key columns that a line of names lacks."""
    known = _known(item)
    there = {field.id for name in cells if (field := known.get(column_key(name))) is not None}
    return tuple(field.label for field in item.key_fields if field.id not in there)


def _known(item: CatalogueItem) -> dict[str, Field]:
    return {column_key(name): field for field in item.fields for name in (field.label, *field.columns)}
