"""Open a department's file as rows. One thing to know: what kind of file it is, its first bytes say, never its name.

CSV (UTF-8 with or without BOM, GB18030; comma, semicolon or tab), XLSX, JSON lines. Rows are streamed. The header is
the first row that holds the key columns; every row after it that is not wholly empty counts, from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from scoring.catalogue import CatalogueItem
from scoring.intake import json_lines, text_files
from scoring.intake.cells import Cell, Flaw
from scoring.intake.columns import Columns, FileUnreadable, MissingColumn, missing, read_header

TITLE_ROWS = 50
"""How many rows may stand above the header."""


class RawRow(NamedTuple):
    """One row as it stands in the file, a cell for each name of the header."""

    number: int
    """From 1: the first row after the header."""
    cells: Sequence[Cell]
    flaw: Flaw | None = None
    """What is wrong with the row as a whole; its cells are then as many as were found."""


@dataclass(frozen=True, eq=False)
class OpenFile:
    """A file that can be read."""

    columns: Columns
    rows: Iterator[RawRow]
    """To be run through once."""
    size: int
    """Bytes."""
    position: Callable[[], int]
    """About how many of them have been read, for a progress bar."""


@contextmanager
def open_file(path: Path, item: CatalogueItem) -> Iterator[OpenFile]:
    """The file at `path` as a delivery of `item`.

    Raises:
        FileUnreadable: it is no such file, or is broken; found before the first row is given out.
        MissingColumn: no row of it is a header with all key columns.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(4096)
            file.seek(0)
            if start.startswith(b"PK\x03\x04"):
                from scoring.intake import workbooks  # takes a quarter of a second to import: not at every start

                with workbooks.rows_of(file) as rows:
                    yield OpenFile(*_under_header(item, [rows], ragged=True), size, file.tell)
                return
            _refuse_known_others(start)
            text = text_files.check_text(file)
            if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{":
                names = json_lines.names_of(text)
                if (columns := read_header(item, names)) is None:
                    raise _no_header(item, [names])
                yield OpenFile(columns, _numbered(json_lines.rows_of(text, names), columns, False), size, file.tell)
                return
            found = _under_header(item, [text_files.rows_of(text, sign) for sign in text_files.DELIMITERS])
            yield OpenFile(*found, size, file.tell)
    except OSError as error:
        raise FileUnreadable(f"读不到文件 {path.name}({error.strerror})。请检查路径和权限。") from None


def _under_header(
    item: CatalogueItem, readings: Sequence[Iterator[text_files.Line]], *, ragged: bool = False
) -> tuple[Columns, Iterator[RawRow]]:
    """The header and what follows it, in the first of the readings that has one."""
    seen: list[list[str]] = []
    for lines in readings:
        for line in islice((one for one in lines if _is_filled(one)), TITLE_ROWS + 1):
            names = [cell if isinstance(cell, str) else str(cell) for cell in line.cells]
            columns = read_header(item, names)
            if columns is not None:
                return columns, _numbered(lines, columns, ragged)
            seen.append(names)
    raise _no_header(item, seen)


def _numbered(lines: Iterator[text_files.Line], columns: Columns, ragged: bool) -> Iterator[RawRow]:
    width, number = len(columns.header), 0
    for line in lines:
        cells, flaw = line
        if flaw is None and len(cells) != width:
            if not _is_filled(line):
                continue
            if ragged and len(cells) < width:  # a spreadsheet leaves empty cells at the end out
                cells = [*cells, *[""] * (width - len(cells))]
            elif any(cell if isinstance(cell, str) else True for cell in cells[width:]) or len(cells) < width:
                flaw = Flaw("CELL_COUNT", f"有 {len(cells)} 格,而表头有 {width} 列。请检查多余或缺少的分隔符和引号")
            else:
                cells = cells[:width]
        elif flaw is None and not (cells[0] or _is_filled(line)):
            continue
        number += 1
        yield RawRow(number, cells, flaw)


def _is_filled(line: text_files.Line) -> bool:
    return line.flaw is not None or any(cell.strip() if isinstance(cell, str) else True for cell in line.cells)


def _no_header(item: CatalogueItem, seen: Sequence[Sequence[str]]) -> MissingColumn:
    if not seen:
        return MissingColumn("文件中没有任何内容。请确认选对了文件。")
    best = min(seen, key=lambda names: len(missing(item, names)))
    lacking = "、".join(f"「{label}」" for label in missing(item, best))
    there = "、".join(name.strip()[:30] for name in best if name.strip())[:300]
    return MissingColumn(
        f"缺少关键列 {lacking}。最接近表头的一行有:{there}。请按「{item.label}」的标准列名补齐后重新报送。"
    )


def _refuse_known_others(start: bytes) -> None:
    for signs, what in (
        (b"\xd0\xcf\x11\xe0", "旧版电子表格或加密的文件。请另存为不加密的 XLSX"),
        (b"%PDF", "PDF。请导出为 CSV 或 XLSX"),
        (b"\xff\xfe", "UTF-16 编码的文本。请另存为 UTF-8 编码的 CSV"),
        (b"\xfe\xff", "UTF-16 编码的文本。请另存为 UTF-8 编码的 CSV"),
    ):
        if start.startswith(signs):
            raise FileUnreadable(f"这是{what}后重新报送。")
