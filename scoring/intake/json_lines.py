"""JSON lines as rows. One thing to know: the header is every name that any line uses, so the file is read twice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from scoring.intake.cells import Flaw
from scoring.intake.columns import FileUnreadable
from scoring.intake.text_files import CheckedText, Line

MOST_NAMES = 1000
_BAD_JSON = Flaw("BAD_JSON", "不是有效的 JSON。每行应是一个完整的 JSON 对象")
_BAD_OBJECT = Flaw("BAD_JSON", "不是一层的 JSON 对象。每行应形如 {列名: 值},值为文字、数字或 null,列名不重复")


class _Object(dict[str, Any]):
    """A JSON object whose names are all different."""


def _unlike(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name twice")
    return made


def _no_number(_: str) -> float:
    raise ValueError("no number")


# Numbers stay as they are written: exact, and as cheap as text however many digits they have.
_decode = json.JSONDecoder(object_pairs_hook=_unlike, parse_int=str, parse_float=str, parse_constant=_no_number).decode


def names_of(text: CheckedText) -> tuple[str, ...]:
    """Every name that an object of the file uses, in the order of appearance.

    Raises:
        FileUnreadable: there are more than anybody's file has.
    """
    names: dict[str, None] = {}
    for line in text.lines():
        if isinstance(found := _read(line), dict):
            names |= dict.fromkeys(found)
            if len(names) > MOST_NAMES:
                raise FileUnreadable(f"各行用到的列名超过 {MOST_NAMES} 个。请按标准列名整理后重新报送。")
    return tuple(names)


def rows_of(text: CheckedText, names: Sequence[str]) -> Iterator[Line]:
    """The file's lines, a cell for each of `names`."""
    for line in text.lines():
        if not line.strip():
            continue
        found = _read(line)
        if isinstance(found, Flaw):
            yield Line([line.rstrip("\r\n")], found)
        else:
            yield Line([found.get(name, "") for name in names])


def _read(line: str) -> dict[str, str] | Flaw:
    try:
        found = _decode(line)
    except (ValueError, RecursionError):
        return _BAD_JSON
    if not isinstance(found, _Object):
        return _BAD_OBJECT
    for name, value in found.items():
        if value is None:
            found[name] = ""
        elif isinstance(value, bool):
            found[name] = "是" if value else "否"
        elif not isinstance(value, str):
            return _BAD_OBJECT
    return found
