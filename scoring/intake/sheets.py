"""The XML of a sheet, streamed. One thing to know: nothing of it stays in memory but the row being read, and the texts
that a workbook shares between cells lie in a temporary file once they are many.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from functools import lru_cache
from tempfile import SpooledTemporaryFile
from typing import BinaryIO
from xml.parsers.expat import ParserCreate

from scoring.intake.cells import Cell

LONGEST_VALUE, MOST_COLUMNS = 1 << 20, 16_384
_CHUNK, _IN_MEMORY = 1 << 16, 32 << 20


class SharedTexts:
    """The workbook's table of texts, by number."""

    def __init__(self, source: BinaryIO | None) -> None:
        self._file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        self._ends = array("Q", [0])
        self.get = lru_cache(1 << 14)(self._read)
        try:
            for text in _texts(source) if source is not None else ():
                self._ends.append(self._ends[-1] + self._file.write(text.encode(errors="surrogatepass")))
        except BaseException:
            self.close()
            raise

    def _read(self, number: int) -> str:
        if not 0 <= number < len(self._ends) - 1:
            raise ValueError("no such text")
        start, end = self._ends[number], self._ends[number + 1]
        self._file.seek(start)
        return self._file.read(end - start).decode(errors="surrogatepass")

    def close(self) -> None:
        """Let the temporary file go."""
        self._file.close()


def _texts(source: BinaryIO) -> Iterator[str]:
    found: list[str] = []
    part = _Parts(source)

    def end(name: str) -> None:
        if name == "si":
            found.append(part.text())

    for _ in part.read(lambda name, _: None, end):
        yield from found
        found.clear()


def rows_of(source: BinaryIO, texts: SharedTexts, day_of: Callable[[int, float], date | None]) -> Iterator[list[Cell]]:
    """The rows that the sheet writes down; `day_of` (style, number) is the day of a number in a date format, or None.

    Raises:
        ValueError, ExpatError: it is no sheet.
    """
    rows: list[list[Cell]] = []
    part = _Parts(source)
    cells: list[Cell] = []
    kind, style, is_formula, column = "n", 0, False, 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal cells, kind, style, is_formula, column
        if name == "c":
            kind, style, is_formula = attributes.get("t", "n"), int(attributes.get("s", 0)), False
            column = _column(attributes["r"].rstrip("0123456789")) if "r" in attributes else len(cells)
            part.text()
        elif name == "f":
            is_formula = True
        elif name == "row":
            cells = []

    def end(name: str) -> None:
        if name == "c":
            if column > len(cells):
                cells.extend([""] * (column - len(cells)))
            cells.append("=" if is_formula else _value(kind, part.text(), style))
        elif name == "row":
            rows.append(cells)

    def _value(kind: str, text: str, style: int) -> Cell:
        if kind == "s":
            return texts.get(int(text)) if text else ""
        if kind == "n" and text:
            try:
                number = float(text)
            except ValueError:
                return text
            return day_of(style, number) or _number(number)
        return ("是" if text == "1" else "否") if kind == "b" else text

    for _ in part.read(start, end):
        yield from rows
        rows.clear()


class _Parts:
    """A stream of elements, named without their namespaces, and the text within those that hold values."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._pieces: list[str] = []

    def text(self) -> str:
        """What was written since it was last asked for."""
        text = "".join(self._pieces)
        self._pieces.clear()
        return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text

    def read(self, start: Callable[[str, dict[str, str]], None], end: Callable[[str], None]) -> Iterator[None]:
        """Go through it piece by piece."""
        parser = ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        names: dict[str, str] = {}
        hidden = 0

        def opened(name: str, attributes: dict[str, str]) -> None:
            nonlocal hidden
            local = names.get(name) or names.setdefault(name, name.rpartition(" ")[2])
            if local in ("v", "t") and not hidden:
                parser.CharacterDataHandler = self._keep
            elif local == "rPh":  # how a text is pronounced is not part of it
                hidden += 1
            else:
                start(local, attributes)

        def closed(name: str) -> None:
            nonlocal hidden
            local = names[name]
            if local in ("v", "t"):
                parser.CharacterDataHandler = None
            elif local == "rPh":
                hidden -= 1
            else:
                end(local)

        parser.StartElementHandler, parser.EndElementHandler = opened, closed
        parser.StartDoctypeDeclHandler = _refuse
        while chunk := self._source.read(_CHUNK):
            parser.Parse(chunk)
            yield
        parser.Parse(b"", True)
        yield

    def _keep(self, piece: str) -> None:
        self._pieces.append(piece)
        if len(self._pieces) > 1 and sum(map(len, self._pieces)) > LONGEST_VALUE:
            raise ValueError("a value too long")


_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def _refuse(*_: object) -> None:
    raise ValueError("no document types: they can make a small file huge")


@lru_cache(MOST_COLUMNS)
def _column(letters: str) -> int:
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - ord("A") + 1
    if not 0 < place <= MOST_COLUMNS:
        raise ValueError("no such column")
    return place - 1


def _number(number: float) -> str:
    # Fifteen digits are what a spreadsheet keeps and shows; the rest is noise of the binary form.
    shown = format(number, ".15g")
    return shown if "e+" in shown or "n" in shown else f"{Decimal(shown):f}"
