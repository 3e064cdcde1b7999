"""XLSX as rows: the first visible sheet. One thing to know: a workbook is a zip file from outside, so what it would
unpack to is looked at before it is unpacked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import BinaryIO
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from scoring.intake.cells import Cell
from scoring.intake.columns import FileUnreadable
from scoring.intake.text_files import Line

LARGEST_PART, LARGEST_STRINGS = 2 << 30, 256 << 20
"""Unpacked bytes of one part; the table of strings is held in memory."""
_BROKEN = (BadZipFile, InvalidFileException, ParseError, KeyError, ValueError, TypeError, IndexError, AttributeError,
           OSError, EOFError, NotImplementedError, RuntimeError)  # fmt: skip
"""What the library throws at workbooks that are none."""


@contextmanager
def rows_of(file: BinaryIO) -> Iterator[Iterator[Line]]:
    """The rows of the first visible sheet, formulas as they are written.

    Raises:
        FileUnreadable: it is no workbook, is broken, or would unpack to too much.
    """
    _check_archive(file)
    try:
        workbook = load_workbook(file, read_only=True, keep_links=False)
    except _BROKEN:
        raise _unreadable() from None
    with closing(workbook):
        sheet = next((one for one in workbook.worksheets if one.sheet_state == "visible"), None)
        if sheet is None:
            raise FileUnreadable("工作簿中没有可见的工作表。请取消隐藏要报送的工作表后重新报送。")
        sheet.reset_dimensions()  # what a sheet says of its own size need not be so
        yield _rows(sheet.iter_rows(values_only=True))


def _check_archive(file: BinaryIO) -> None:
    try:
        with ZipFile(file) as archive:
            for part in archive.infolist():
                most = LARGEST_STRINGS if part.filename.lower().endswith("sharedstrings.xml") else LARGEST_PART
                if part.file_size > most:
                    raise FileUnreadable("工作簿解压后过大。请拆分为几个文件,或改用 CSV 报送。")
            if archive.testzip() is not None:
                raise BadZipFile
    except _BROKEN:
        raise _unreadable() from None


def _unreadable() -> FileUnreadable:
    return FileUnreadable("工作簿已损坏,或不是 XLSX。请用电子表格软件打开后另存为 XLSX,再重新报送。")


def _rows(rows: Iterator[tuple[object, ...]]) -> Iterator[Line]:
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except _BROKEN:
            raise _unreadable() from None
        yield Line([value if value.__class__ is str else _cell(value) for value in row])


def _cell(value: object) -> Cell:
    match value:
        case None:
            return ""
        case bool():
            return "是" if value else "否"
        case int() | float():
            return _number(value)
        case datetime():
            return value.date()
        case date() | str():
            return value
    # A time of day, or an array formula, which is refused like the other formulas.
    return str(value) if isinstance(value, time | timedelta) else f"={value}"


def _number(value: float) -> str:
    # Fifteen digits are what a spreadsheet keeps and shows; the rest is noise of the binary form.
    shown = format(value, ".15g")
    return shown if "e+" in shown or "n" in shown else f"{Decimal(shown):f}"
