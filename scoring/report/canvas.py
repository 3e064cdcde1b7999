"""A quiet A4 page: headings, pairs, tables and paragraphs that flow. One thing to know: it knows nothing of credit.

The fonts are embedded, reduced to the characters used, so that the file looks the same everywhere and for decades.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import zip_longest

import segno
from fpdf import FPDF
from pylopdf_fonts_zh_cn import sans_path, serif_path

logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells of every table of a font
LEFT, RIGHT, TOP, BOTTOM = 20.0, 190.0, 20.0, 274.0
"""Millimetres; an A4 page is 210 × 297."""
INK, GREY, RULE = 32, 110, 205
BODY, SMALL = 9.5, 8.0
"""Points."""
_LEADING = 1.55
_POINT = 25.4 / 72
_LABEL = 24.0
_NOT_FIRST = frozenset(
    ",.;:!?)]}%…·-/\u2014\u201d\u2019\u3001\u3002\u300b\u300d\u300f\u3011\u3015\uff01\uff05\uff09\uff0c\uff1a\uff1b\uff1f"
)
_NOT_LAST = frozenset("([{\u201c\u2018\u300a\u300c\u300e\u3010\u3014\uff08")


@dataclass(frozen=True, slots=True)
class Row:
    """A column of a table: its heading, and its share of the width."""

    heading: str
    share: float
    right: bool = False


class _Paper(FPDF):
    foot = ""

    def footer(self) -> None:
        """The report's name and the page's number, on every page."""
        self.set_y(-15)
        self.set_font("sans", size=SMALL)
        self.set_text_color(GREY)
        self.set_x(LEFT)
        self.cell(RIGHT - LEFT, 5, self.foot)
        self.set_x(LEFT)
        self.cell(RIGHT - LEFT, 5, f"第 {self.page_no()} 页 / 共 {{nb}} 页", align="R")


class Canvas:
    """Draws from the top of the first page to the bottom of the last; a line never falls off."""

    def __init__(self, *, title: str, foot: str, made_at: datetime) -> None:
        paper = self._paper = _Paper(format="A4")
        paper.foot = _clean(foot)
        paper.set_title(title)
        paper.set_lang("zh-CN")
        paper.set_creation_date(made_at)
        paper.set_producer("xinyi")
        paper.set_auto_page_break(False)
        paper.set_margin(0)
        paper.c_margin = 0
        paper.add_font("sans", fname=sans_path())
        paper.add_font("serif", fname=serif_path())
        self._width_of = cache(self._measured)
        paper.add_page()
        self._y = TOP

    def opening(self, title: str, lines: Sequence[str], code: str, caption: str) -> None:
        """The head of the first page, with `code` as a QR code at its right."""
        side = 27.0
        self._qr(code, RIGHT - side, TOP - 2, side)
        self._set("sans", SMALL, GREY)
        self._paper.set_xy(RIGHT - side, TOP - 2 + side)
        self._paper.cell(side, 5, caption, align="C")
        self._y = TOP + 2
        self._put("serif", 24, INK, [title], LEFT)
        self._y += 3
        for line in lines:
            self._put("sans", BODY, GREY, self._wrapped("sans", BODY, line, RIGHT - LEFT - side - 6), LEFT)
        self._y = max(self._y, TOP + side + 6)

    def section(self, heading: str) -> None:
        """A heading that is not left alone at the foot of a page, and an entry in the outline."""
        self._room(30)
        self._y += 7
        self._paper.set_y(self._y)
        self._paper.start_section(heading)
        self._put("serif", 14, INK, [heading], LEFT)
        self._y += 1
        self._line()
        self._y += 3

    def block(self, heading: str, right: str, note: str) -> None:
        """The heading of one entry: what it is at the left, how it stands at the right. It stays with what follows."""
        self._room(36)
        top = self._y = self._y + 2
        lines = self._wrapped("sans", 11, heading, 105)
        self._put("sans", 11, INK, lines, LEFT)
        below, self._y = self._y, top
        self._put("sans", 11, INK, self._wrapped("sans", 11, right, 60), RIGHT, right=True)
        self._y = max(self._y, below)
        if note:
            self._put("sans", SMALL, GREY, self._wrapped("sans", SMALL, note, RIGHT - LEFT), LEFT)
        self._y += 1

    def pairs(self, pairs: Sequence[tuple[str, str]], *, number: int | None = None) -> None:
        """Names and values, one pair to a line; a number before the first."""
        indent = 0.0 if number is None else 8.0
        self._room(10)
        if number is not None:
            self._at("sans", BODY, GREY, (LEFT, self._y), f"{number}.")
        for name, value in pairs:
            names = self._wrapped("sans", BODY, name, _LABEL - 2)
            values = self._wrapped("sans", BODY, value, RIGHT - LEFT - _LABEL - indent)
            for label, line in zip_longest(names, values, fillvalue=""):
                self._room(_height(BODY))
                self._at("sans", BODY, GREY, (LEFT + indent, self._y), label)
                self._put("sans", BODY, INK, [line], LEFT + indent + _LABEL)
        self._y += 2

    def table(self, columns: Sequence[Row], rows: Iterable[Sequence[str]]) -> None:
        """Rows under their headings, which come again on every page."""
        self._room(20)
        self._headings(columns)
        for row in rows:
            cells = [
                self._wrapped("sans", BODY, value, column.share * (RIGHT - LEFT) - 4)
                for column, value in zip(columns, row, strict=True)
            ]
            # A cell longer than a page is cut into rows of its own.
            while any(cells):
                fitting = int((BOTTOM - self._y - 2) / _height(BODY))
                if fitting < min(max(map(len, cells)), 40):
                    self._turn()
                    self._headings(columns)
                    continue
                self._cells(columns, [cell[:40] for cell in cells])
                cells = [cell[40:] for cell in cells]
        self._y += 2

    def note(self, text: str) -> None:
        """A small remark."""
        self._put("sans", BODY, GREY, self._wrapped("sans", BODY, text, RIGHT - LEFT), LEFT)
        self._y += 1

    def paragraph(self, text: str, source: str) -> None:
        """Running text, and where it comes from."""
        self._room(2 * _height(BODY))
        self._put("sans", BODY, INK, self._wrapped("sans", BODY, text, RIGHT - LEFT), LEFT)
        if source:
            self._put("sans", SMALL, GREY, self._wrapped("sans", SMALL, source, RIGHT - LEFT - 5), LEFT + 5)
        self._y += 1.5

    def closing(self, text: str) -> None:
        """The last words, under a line."""
        self._room(24)
        self._y += 6
        self._line()
        self._y += 3
        self._put("sans", SMALL, GREY, self._wrapped("sans", SMALL, text, RIGHT - LEFT), LEFT)

    def finish(self, attached: Mapping[str, bytes]) -> bytes:
        """The whole file, with what is attached to it by name."""
        for name, content in attached.items():
            self._paper.embed_file(bytes=content, basename=name, compress=True)
        return bytes(self._paper.output())

    def _headings(self, columns: Sequence[Row]) -> None:
        x = LEFT
        for column in columns:
            width = column.share * (RIGHT - LEFT)
            edge = x + width - 4 if column.right else x
            self._at("sans", SMALL, GREY, (edge, self._y), column.heading, right=column.right)
            x += width
        self._y += _height(SMALL) + 0.5
        self._line()
        self._y += 1

    def _cells(self, columns: Sequence[Row], cells: Sequence[Sequence[str]]) -> None:
        x, top = LEFT, self._y
        for column, lines in zip(columns, cells, strict=True):
            width = column.share * (RIGHT - LEFT)
            edge = x + width - 4 if column.right else x
            for place, line in enumerate(lines):
                self._at("sans", BODY, INK, (edge, top + place * _height(BODY)), line, right=column.right)
            x += width
        self._y = top + max(map(len, cells)) * _height(BODY) + 1

    def _put(self, font: str, size: float, ink: int, lines: Sequence[str], x: float, *, right: bool = False) -> None:
        for line in lines:
            self._room(_height(size))
            self._at(font, size, ink, (x, self._y), line, right=right)
            self._y += _height(size)

    def _at(
        self, font: str, size: float, ink: int, place: tuple[float, float], text: str, *, right: bool = False
    ) -> None:
        x, y = place
        if not text:
            return
        text = _clean(text)
        left = x - self._length(font, size, text) if right else x
        self._set(font, size, ink)
        self._paper.text(left, y + size * _POINT * (_LEADING + 0.75) / 2, text)

    def _set(self, font: str, size: float, ink: int) -> None:
        self._paper.set_font(font, size=size)
        self._paper.set_text_color(ink)

    def _room(self, height: float) -> None:
        """Turn the page unless so many millimetres are left on it."""
        if self._y + height > BOTTOM:
            self._turn()

    def _turn(self) -> None:
        self._paper.add_page()
        self._y = TOP

    def _line(self) -> None:
        self._paper.set_draw_color(RULE)
        self._paper.set_line_width(0.2)
        self._paper.line(LEFT, self._y, RIGHT, self._y)

    def _qr(self, code: str, x: float, y: float, side: float) -> None:
        rows = list(segno.make(code, error="m", micro=False).matrix)
        unit = side / len(rows)
        self._paper.set_fill_color(0)
        for down, row in enumerate(rows):
            across = 0
            while across < len(row):
                run = next((end for end in range(across, len(row)) if not row[end]), len(row)) - across
                if run:
                    self._paper.rect(x + across * unit, y + down * unit, run * unit, unit * 1.02, style="F")
                across += run or 1

    def _measured(self, font: str, sign: str) -> float:
        self._paper.set_font(font, size=100)
        return self._paper.get_string_width(sign) / 100

    def _length(self, font: str, size: float, text: str) -> float:
        return size * sum(self._width_of(font, sign) for sign in text)

    def _wrapped(self, font: str, size: float, text: str, width: float) -> list[str]:
        """`text` in lines of at most `width` millimetres. Chinese breaks anywhere but before a full stop and after an
        opening bracket; a word stays whole where it fits on a line."""
        lines = []
        for paragraph in _clean(text, keep="\n").split("\n"):
            line, length = "", 0.0
            for atom in _atoms(paragraph):
                extent = self._length(font, size, atom)
                if length + extent <= width:
                    line, length = line + atom, length + extent
                    continue
                if line:
                    lines.append(line.rstrip())
                line, length = "", 0.0
                for sign in atom.lstrip():
                    extent = self._length(font, size, sign)
                    if line and length + extent > width:
                        lines.append(line)
                        line, length = "", 0.0
                    line, length = line + sign, length + extent
            lines.append(line.rstrip())
        return lines


def _height(size: float) -> float:
    return size * _POINT * _LEADING


def _atoms(text: str) -> list[str]:
    """`text` in parts that stay together: Latin words, and a Chinese character with the marks that cling to it."""
    atoms: list[str] = []
    for sign in text:
        clings = atoms and (
            sign in _NOT_FIRST
            or atoms[-1][-1] in _NOT_LAST
            or (not _is_wide(sign) and sign != " " and not _is_wide(atoms[-1][-1]) and atoms[-1][-1] != " ")
        )
        if clings:
            atoms[-1] += sign
        else:
            atoms.append(sign)
    return atoms


@cache
def _is_wide(sign: str) -> bool:
    return unicodedata.east_asian_width(sign) in "WF"


def _clean(text: str, keep: str = "") -> str:
    """`text` without what cannot be printed: controls, halves of pairs, marks that turn the direction of reading."""
    return "".join(
        sign if sign in keep or unicodedata.category(sign) not in {"Cc", "Cf", "Cs", "Co", "Cn"} else " "
        for sign in text
    )
