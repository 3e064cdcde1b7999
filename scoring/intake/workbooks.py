"""XLSX as rows: the first visible sheet. One thing to know: a workbook is a zip file from outside, so what it would
unpack to is looked at before it is unpacked, and a sheet is streamed, never loaded.
"""

from __future__ import annotations

import posixpath
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime
from typing import BinaryIO, cast
from xml.etree import ElementTree
from xml.parsers.expat import ExpatError
from zipfile import BadZipFile, ZipFile

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel

from scoring.intake.columns import FileUnreadable
from scoring.intake.sheets import SharedTexts
from scoring.intake.sheets import rows_of as rows_of_sheet
from scoring.intake.text_files import Line

LARGEST_PART, LARGEST_INDEX = 4 << 30, 16 << 20
"""Unpacked bytes of a sheet or the table of texts, and of the parts that say what is where."""
_BROKEN = (BadZipFile, zlib.error, ExpatError, ElementTree.ParseError, KeyError, ValueError, IndexError, AttributeError,
           OverflowError, EOFError, NotImplementedError, RuntimeError)  # fmt: skip


@contextmanager
def rows_of(file: BinaryIO) -> Iterator[Iterator[Line]]:
    """The rows of the first visible sheet; a formula is a lone `=`.

    Raises:
        FileUnreadable: it is no workbook, is broken, or would unpack to too much.
    """
    try:
        archive = ZipFile(file)
    except _BROKEN:
        raise _unreadable() from None
    with archive:
        try:
            _check_parts(archive)
            sheet, shared = _parts(archive)
            day_of = _days(archive)
            texts = SharedTexts(cast(BinaryIO, archive.open(shared)) if shared in archive.namelist() else None)
        except _BROKEN:
            raise _unreadable() from None
        with closing(texts), archive.open(sheet) as source:
            yield _lines(cast(BinaryIO, source), texts, day_of)


def _lines(source: BinaryIO, texts: SharedTexts, day_of: Callable[[int, float], date | None]) -> Iterator[Line]:
    try:
        for cells in rows_of_sheet(source, texts, day_of):
            yield Line(cells)
    except _BROKEN:
        raise _unreadable() from None


def _check_parts(archive: ZipFile) -> None:
    for part in archive.infolist():
        if part.file_size > LARGEST_PART:
            raise FileUnreadable("工作簿解压后过大。请拆分为几个文件,或改用 CSV 报送。")
    if archive.testzip() is not None:
        raise BadZipFile


def _index(archive: ZipFile, name: str) -> ElementTree.Element:
    if archive.getinfo(name).file_size > LARGEST_INDEX:
        raise ValueError("an index too large")
    return ElementTree.fromstring(archive.read(name))  # noqa: S314  # small, and the parser bounds what entities expand to


def _parts(archive: ZipFile) -> tuple[str, str]:
    """The names of the first visible sheet and of the table of texts."""
    book = _target(archive, "_rels/.rels", "/officeDocument") or "xl/workbook.xml"
    folder, name = posixpath.split(book)
    relations = posixpath.join(folder, "_rels", f"{name}.rels")
    sheets = {one.get("Id"): one for one in _index(archive, relations) if one.get("Type", "").endswith("/worksheet")}
    for element in _index(archive, book).iterfind(".//{*}sheet"):
        place = next((value for key, value in element.items() if key.endswith("}id")), None)
        if element.get("state", "visible") == "visible" and place in sheets:
            shared = _target(archive, relations, "/sharedStrings")
            return _resolved(folder, sheets[place].get("Target", "")), shared or ""
    raise FileUnreadable("工作簿中没有可见的工作表。请取消隐藏要报送的工作表后重新报送。")


def _target(archive: ZipFile, relations: str, kind: str) -> str | None:
    folder = posixpath.dirname(posixpath.dirname(relations))
    for one in _index(archive, relations):
        if one.get("Type", "").endswith(kind):
            return _resolved(folder, one.get("Target", ""))
    return None


def _resolved(folder: str, target: str) -> str:
    return target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))


def _days(archive: ZipFile) -> Callable[[int, float], date | None]:
    """What day a number is, if the style of its cell makes it one."""
    book = _target(archive, "_rels/.rels", "/officeDocument") or "xl/workbook.xml"
    folder, name = posixpath.split(book)
    styles = _target(archive, posixpath.join(folder, "_rels", f"{name}.rels"), "/styles")
    from_1904 = any(one.get("date1904") in ("1", "true") for one in _index(archive, book).iterfind("{*}workbookPr"))
    epoch = CALENDAR_MAC_1904 if from_1904 else CALENDAR_WINDOWS_1900
    dates = _date_styles(_index(archive, styles)) if styles else frozenset()

    def day_of(style: int, number: float) -> date | None:
        if style not in dates:
            return None
        try:
            found = from_excel(number, epoch)
        except (ValueError, OverflowError):
            return None
        return found.date() if isinstance(found, datetime) else None

    return day_of


def _date_styles(styles: ElementTree.Element) -> frozenset[int]:
    formats = dict(BUILTIN_FORMATS)
    for one in styles.iterfind("{*}numFmts/{*}numFmt"):
        formats[int(one.get("numFmtId", 0))] = one.get("formatCode", "")
    used = [int(one.get("numFmtId", 0)) for one in styles.iterfind("{*}cellXfs/{*}xf")]
    return frozenset(
        style
        for style, number in enumerate(used)
        # Formats 27 … 36 and 50 … 58 are the dates of Chinese spreadsheets, and stand in no file.
        if 27 <= number <= 36
        or 50 <= number <= 58
        or ((code := formats.get(number)) and is_date_format(code) and not is_timedelta_format(code))
    )


def _unreadable() -> FileUnreadable:
    return FileUnreadable("工作簿已损坏,或不是 XLSX。请用电子表格软件打开后另存为 XLSX,再重新报送。")
