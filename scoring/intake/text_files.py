"""Text files: their encoding, and CSV as lines of cells. One thing to know: the whole file is decoded once, strictly,
before its first row is given out, so that a broken one is refused and not half read."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple, cast

from scoring.intake.cells import Cell, Flaw
from scoring.intake.columns import FileUnreadable

DELIMITERS = ",;\t"
LONGEST_LINE = 1 << 22
"""Bytes between two line ends; beyond, it is no file of rows and would fill the memory."""
_CHUNK = 1 << 18


class Line(NamedTuple):
    """The cells of one row, and what is wrong with it as a whole."""

    cells: Sequence[Cell]
    flaw: Flaw | None = None


class CheckedText(NamedTuple):
    """A file known to be text in this encoding throughout."""

    file: BinaryIO
    encoding: str

    def lines(self) -> Iterator[str]:
        """From the start; line ends as they are."""
        self.file.seek(0)
        return iter(io.TextIOWrapper(cast(BinaryIO, _Lent(self.file)), encoding=self.encoding, newline=""))


class _Lent(io.BufferedIOBase):
    """The file for one reading: a wrapper that is thrown away must not close it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        return self._file.read(-1 if size is None else size)

    def read1(self, size: int = -1, /) -> bytes:
        return self._file.read(_CHUNK if size < 0 else size)


def check_text(file: BinaryIO) -> CheckedText:
    """The file as text: UTF-8 if every byte of it is, else GB18030.

    Raises:
        FileUnreadable: it is neither, or has no line ends for too long.
    """
    for encoding in ("utf-8-sig", "gb18030"):
        if _decodes(file, encoding):
            return CheckedText(file, encoding)
    raise FileUnreadable("文件既不是 UTF-8 也不是 GB18030 编码的文本。请另存为其中一种编码的 CSV,或 XLSX 后重新报送。")


def _decodes(file: BinaryIO, encoding: str) -> bool:
    file.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    length = 0
    try:
        while chunk := file.read(_CHUNK):
            decoder.decode(chunk)
            ends = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
            length = length + len(chunk) if ends < 0 else len(chunk) - ends
            if length > LONGEST_LINE:
                raise FileUnreadable("文件中有一行长得不像数据。请确认是 CSV、XLSX 或每行一个对象的 JSON 文件。")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def rows_of(text: CheckedText, delimiter: str) -> Iterator[Line]:
    """The file as CSV. A row whose quotes do not close is a flawed row, and those that it swallowed are read again."""
    feed = _Feed(text.lines())
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    width = 0
    while True:
        feed.used.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            cells = None
        used = feed.used
        if cells is None or (len(used) > 1 and _swallowed(used, cells, delimiter, width)):
            for line in used:
                yield _single(line, delimiter)
        else:
            width = width or (len(cells) if len(cells) > 1 else 0)
            yield Line(cells)


class _Feed:
    """Lines for the reader, with a note of which it took for the present row."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._next = lines.__next__
        self.used: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._next()
        self.used.append(line)
        return line


def _swallowed(used: list[str], cells: list[str], delimiter: str, width: int) -> bool:
    """Whether a row of several lines is really several rows: it has not as many cells as the first, or a line of it
    has as many delimiters as a whole row."""
    return len(cells) < width or any(line.count(delimiter) >= max(width - 1, 2) for line in used[1:-1] or used[1:])


def _single(line: str, delimiter: str) -> Line:
    try:
        return Line(next(csv.reader([line], delimiter=delimiter, strict=True), []))
    except csv.Error:
        flaw = Flaw("BROKEN_QUOTES", "引号没有成对,或一格超过 13 万字。请检查这一行的引号")
        return Line(line.rstrip("\r\n").split(delimiter), flaw)
