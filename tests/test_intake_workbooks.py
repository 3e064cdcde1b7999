"""The reader of workbooks against the library that writes them, and against workbooks that nobody honest writes."""

from __future__ import annotations

import io
import re
import zipfile
from contextlib import closing
from datetime import date, datetime, time

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from scoring.intake import sheets
from scoring.intake.columns import FileUnreadable
from scoring.intake.sheets import SharedTexts
from scoring.intake.workbooks import rows_of

DAY = date(2024, 2, 29)


def saved(book: openpyxl.Workbook) -> io.BytesIO:
    out = io.BytesIO()
    book.save(out)
    return out


def read(file: io.BytesIO) -> list[list[object]]:
    with rows_of(file) as rows:
        return [list(line.cells) for line in rows]


def changed(file: io.BytesIO, part: str, old: str, new: str) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name).decode()
            assert name != part or old in content
            target.writestr(name, content.replace(old, new) if name == part else content)
    return out


def of_rows(*rows: list[object], write_only: bool = False) -> io.BytesIO:
    book = openpyxl.Workbook(write_only=write_only)
    sheet = book.create_sheet() if write_only else book.active
    for row in rows:
        sheet.append(row)
    return saved(book)


SHEET, TEXTS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"
INLINE = re.compile(r' t="inlineStr"><is>(<t.*?</t>|<t ?/>)</is>', re.DOTALL)


def with_shared_texts(file: io.BytesIO) -> io.BytesIO:
    """The workbook as spreadsheet programs write it: each text once, in a table of its own."""
    texts: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return f' t="s"><v>{texts.setdefault(found[1], len(texts))}</v>'

    with zipfile.ZipFile(file) as source:
        sheet = source.read(SHEET).decode()
    file = changed(file, SHEET, sheet, INLINE.sub(number, sheet))
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    relation = f'<Relationship Id="texts" Type="{kind}" Target="/{TEXTS}"/></Relationships>'
    file = changed(file, "xl/_rels/workbook.xml.rels", "</Relationships>", relation)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as target:
        items = "".join(f"<si>{text}</si>" for text in texts)
        main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        target.writestr(TEXTS, f'<sst xmlns="{main}">{items}</sst>')
    return file


plain = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1).filter(
    lambda text: not text.startswith("=") and "_x" not in text and text == text.strip()
)


@given(
    st.lists(st.lists(plain | st.integers(0, 10**14) | st.dates(date(1950, 1, 1)), min_size=1), min_size=1),
    st.booleans(),
)
def test_what_was_written_is_read(rows: list[list[object]], write_only: bool) -> None:
    expected = [[cell if isinstance(cell, str | date) else str(cell) for cell in row] for row in rows]
    file = of_rows(*rows, write_only=write_only)
    assert read(file) == expected
    if not write_only:
        assert read(with_shared_texts(file)) == expected


def test_cells_that_were_left_out_are_empty() -> None:
    book = openpyxl.Workbook()
    book.active["C2"] = "丙"
    book.active["AB4"] = "远"
    assert read(saved(book)) == [["", "", "丙"], [*[""] * 27, "远"]]


def test_days_of_either_epoch_and_of_chinese_formats_are_days() -> None:
    book = openpyxl.Workbook()
    evening = datetime.combine(DAY, time(18, 30))
    book.active.append([DAY, evening, 45351, 45351, 45351])
    for place, form in (("C1", "yyyy年m月d日"), ("D1", 'yyyy"年"m"月"'), ("E1", "0.00")):
        book.active[place].number_format = form
    assert read(saved(book)) == [[DAY, DAY, DAY, DAY, "45351"]]
    chinese = changed(saved(book), "xl/styles.xml", 'numFmtId="2"', 'numFmtId="31"')
    assert read(chinese) == [[DAY] * 5]
    book.epoch = CALENDAR_MAC_1904
    book.active["C1"] = DAY
    assert read(saved(book))[0][:3] == [DAY] * 3


def test_a_number_that_no_calendar_has_stays_a_number() -> None:
    book = openpyxl.Workbook()
    book.active.append([DAY, DAY])
    file = saved(book)
    assert read(changed(file, SHEET, "<v>45351</v>", "<v>99999999999</v>")) == [["99999999999"] * 2]
    assert read(changed(file, SHEET, "<v>45351</v>", "<v>某日</v>")) == [["某日"] * 2]


def test_line_breaks_styles_within_a_text_and_pronunciations_are_read_as_shown() -> None:
    file = of_rows(["某_x000D_局"], ["甲"])
    assert read(file)[0] == ["某\r局"]
    rich = "<si><r><t>甲</t></r><r><t>乙</t></r><rPh><t>jia</t></rPh></si>"
    shared = with_shared_texts(file)
    assert read(shared) == [["某\r局"], ["甲"]]
    assert read(changed(shared, TEXTS, "<si><t>甲</t></si>", rich))[1] == ["甲乙"]


def test_many_shared_texts_are_read_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "_IN_MEMORY", 100)
    rows = [[f"文字{i}", f"另一个{i}"] for i in range(500)]
    assert read(with_shared_texts(of_rows(*rows))) == rows


def test_a_text_that_is_not_there_is_no_text() -> None:
    with closing(SharedTexts(None)) as texts:
        for number in (-1, 0, 1):
            with pytest.raises(ValueError, match="no such text"):
                texts.get(number)


def test_a_broken_table_of_texts_is_refused_and_leaves_no_file_open() -> None:
    with pytest.raises(FileUnreadable):
        read(changed(with_shared_texts(of_rows(["甲"])), TEXTS, "</sst>", ""))


BILLION = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
BROKEN = {
    "a text that is not there": ("<v>0</v>", "<v>7</v>"),
    "a column that is not there": ('r="A1"', 'r="ZZZZ1"'),
    "a cell of no style": ('t="s"', 't="s" s="x"'),
    "no end": ("</sheetData>", ""),
    "a document type": ("<worksheet", BILLION + "<worksheet"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_sheet_that_is_broken_says_so(name: str) -> None:
    old, new = BROKEN[name]
    with pytest.raises(FileUnreadable, match="工作簿已损坏"):
        read(changed(with_shared_texts(of_rows(["甲"])), SHEET, old, new))


def test_a_value_without_end_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(FileUnreadable):
        read(changed(of_rows(["甲"], write_only=True), SHEET, "甲", "甲" * (2 << 20)))


def test_a_workbook_without_a_visible_sheet_is_refused() -> None:
    hidden = changed(of_rows(["甲"]), "xl/workbook.xml", 'state="visible"', 'state="veryHidden"')
    with pytest.raises(FileUnreadable, match="没有可见的工作表"):
        read(hidden)
