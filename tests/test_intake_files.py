"""Files as departments send them: encodings, spreadsheets, broken quotes; and the file that goes back."""

from __future__ import annotations

import csv
import io
import json
import re
import tracemalloc
import zipfile
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from intake_files import (
    CATALOGUES,
    PENALTY,
    PENALTY_ROW,
    columns_of,
    csv_bytes,
    enterprise_code,
    person_code,
    read_all,
)

from scoring.intake.cells import Flaw
from scoring.intake.columns import FileUnreadable, MissingColumn
from scoring.intake.files import RawRow, open_file
from scoring.intake.quarantine import Quarantine
from scoring.intake.rows import Accepted, Rejected

CODE, NUMBER = "行政相对人代码_1(统一社会信用代码)", "行政处罚决定文书号"
ROWS = [{**PENALTY_ROW, NUMBER: f"某市监罚〔2024〕{i}号", CODE: enterprise_code(i)} for i in range(1, 4)]


def outcome(path: Path) -> list[tuple[int, str]]:
    """Number and document of each accepted row, number and code of each refused one."""
    found = []
    for row, checked in read_all(path):
        said = checked.document_number if isinstance(checked, Accepted) else checked.code  # type: ignore[union-attr]
        found.append((row.number, said))
    return found


GOOD = [(i, f"某市监罚〔2024〕{i}号") for i in range(1, 4)]


def written(folder: Path, content: bytes, name: str = "file") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def workbook(folder: Path, *rows: list[object], before: int = 0, hidden: bool = False) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    if hidden:
        sheet.append(["别处"])
        sheet.sheet_state = "hidden"
        sheet = book.create_sheet("数据")
    for i in range(before):
        sheet.append([f"某市行政处罚信息公示表{i}"])
    for row in rows:
        sheet.append(row)
    book.save(folder / "file.xlsx")
    return folder / "file.xlsx"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_every_usual_csv_reads_the_same(encoding: str, delimiter: str, tmp_path: Path) -> None:
    rows = [{name: cell.replace("〔", "(").replace("〕", ")") for name, cell in row.items()} for row in ROWS]
    path = written(tmp_path, csv_bytes(*rows, encoding=encoding, delimiter=delimiter))
    assert outcome(path) == [(i, f"某市监罚(2024){i}号") for i in range(1, 4)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_empty_lines_make_no_difference(end: str, tmp_path: Path) -> None:
    lines = csv_bytes(*ROWS).decode().splitlines()
    empty = ["", " " * 5, "," * (len(PENALTY_ROW) - 1), ",,", ""]
    text = end.join([*empty, lines[0], *empty, lines[1], *empty, lines[2], lines[3], *empty, ""])
    assert outcome(written(tmp_path, text.encode())) == GOOD


def test_titles_may_stand_above_the_header_and_columns_in_any_order(tmp_path: Path) -> None:
    rows = [dict(reversed(row.items())) for row in ROWS]
    renamed = [{name.replace("(", " （").replace(")", "）"): cell for name, cell in row.items()} for row in rows]
    content = "某市行政处罚信息公示表\n\n填报单位:某局,,\n".encode() + csv_bytes(*renamed)
    assert outcome(written(tmp_path, content)) == GOOD


def test_unknown_columns_are_named_once_and_never_read(tmp_path: Path) -> None:
    rows = [{**row, "备用": "甲", "罚款金额(元)": "5000", "": "乙"} for row in ROWS]
    with open_file(written(tmp_path, csv_bytes(*rows)), PENALTY) as opened:
        assert opened.columns.unknown == ("备用", "罚款金额(元)")
    assert all("甲" not in str(checked) for _, checked in read_all(tmp_path / "file"))


def test_repeated_headers_and_separators_count_as_rows(tmp_path: Path) -> None:
    header, *lines = csv_bytes(*ROWS).decode().splitlines()
    separator = ",".join(["----"] * len(PENALTY_ROW))
    path = written(tmp_path, "\n".join([header, lines[0], separator, header, lines[1], "合计,2"]).encode())
    assert outcome(path) == [
        GOOD[0],
        (2, "SEPARATOR_LINE"),
        (3, "REPEATED_HEADER"),
        (4, "某市监罚〔2024〕2号"),
        (5, "CELL_COUNT"),
    ]


def test_rows_with_more_or_fewer_cells_are_sent_back_but_empty_cells_at_the_end_are_not(tmp_path: Path) -> None:
    header, *lines = csv_bytes(*ROWS).decode().splitlines()
    path = written(tmp_path, "\n".join([header, lines[0] + ",,", lines[1] + ",多", lines[2][:-2]]).encode())
    assert outcome(path) == [GOOD[0], (2, "CELL_COUNT"), (3, "CELL_COUNT")]


@pytest.mark.parametrize("column", ["违法事实", "备注"])
def test_a_quote_that_does_not_close_costs_one_row_and_no_other(column: str, tmp_path: Path) -> None:
    header, *lines = csv_bytes(*ROWS).decode().splitlines()
    broken = lines[1].replace(PENALTY_ROW[column], '"' + PENALTY_ROW[column])
    for rest in ([lines[2]], [lines[2].replace("使用未经", '"使用"未经')], [lines[2].replace("张三", '"张三"')]):
        path = written(tmp_path, "\n".join([header, lines[0], broken, *rest, lines[2]]).encode())
        found = outcome(path)
        assert [number for number, _ in found] == [1, 2, 3, 4]
        assert (found[0], found[1], found[3][1]) == (GOOD[0], (2, "BROKEN_QUOTES"), GOOD[2][1])


def test_a_cell_may_have_several_lines_and_quotes(tmp_path: Path) -> None:
    row = {**ROWS[0], "违法事实": '第一,使用"甲"\n第二,使用乙\r\n'}
    ((_, checked), second) = read_all(written(tmp_path, csv_bytes(row, ROWS[1])))
    assert isinstance(checked, Accepted)
    assert checked.fields["offence"] == '第一,使用"甲" 第二,使用乙'
    assert isinstance(second[1], Accepted)


def test_an_overlong_cell_costs_one_row(tmp_path: Path) -> None:
    path = written(tmp_path, csv_bytes(ROWS[0], {**ROWS[1], "备注": "长" * 200_000}, ROWS[2]))
    assert [code for _, code in outcome(path)] == [GOOD[0][1], "BROKEN_QUOTES", GOOD[2][1]]


def test_json_lines_read_the_same_whatever_names_a_line_leaves_out(tmp_path: Path) -> None:
    objects: list[dict[str, object]] = [dict(row) for row in ROWS]
    objects[0] |= {"罚款金额(万元)": 0.5, "备注": None}
    del objects[1]["备注"]
    objects[2] |= {"别的": True}
    text = "\ufeff" + "\n\n".join(json.dumps(one, ensure_ascii=False) for one in objects) + "\n"
    path = written(tmp_path, text.encode())
    assert outcome(path) == GOOD
    with open_file(path, PENALTY) as opened:
        assert opened.columns.unknown == ("别的",)


@pytest.mark.parametrize(
    "line",
    [
        *(
            "{",
            "[]",
            "1",
            '"字"',
            "null",
            "NaN",
            '{"备注": NaN}',
            '{"备注": [1]}',
            '{"备注": {}}',
            '{"备注": 1, "备注": 2}',
        ),
        *("[" * 100_000, '{"备注":' * 100_000, '{"\\ud800": 1', "乱写"),
    ],
)
def test_a_hostile_line_of_json_costs_one_row(line: str, tmp_path: Path) -> None:
    lines = [json.dumps(row, ensure_ascii=False) for row in ROWS]
    path = written(tmp_path, "\n".join([lines[0], line, lines[2]]).encode())
    assert [code for _, code in outcome(path)] == [GOOD[0][1], "BAD_JSON", GOOD[2][1]]


def test_json_numbers_are_read_digit_by_digit(tmp_path: Path) -> None:
    body = json.dumps(ROWS[0], ensure_ascii=False)
    for number, amount in (
        ("123456789012.123456", "123456789012.123456"),
        ("1" * 5000, "BAD_AMOUNT"),
        ("1e3", "BAD_AMOUNT"),
    ):
        path = written(tmp_path, body.replace('"0.5"', number).encode())
        ((_, checked),) = read_all(path)
        assert (checked.fields["fine"] if isinstance(checked, Accepted) else checked.code) == amount  # type: ignore[union-attr]


@pytest.mark.parametrize("hidden", [False, True])
def test_a_workbook_reads_the_first_visible_sheet_below_its_titles(hidden: bool, tmp_path: Path) -> None:
    rows = [[*row.values()] for row in ROWS]
    path = workbook(tmp_path, [*PENALTY_ROW], rows[0], [], rows[1], rows[2][:-1], before=3, hidden=hidden)
    assert outcome(path) == GOOD


def test_cells_of_a_workbook_are_days_numbers_and_text(tmp_path: Path) -> None:
    row: dict[str, object] = {**ROWS[0]}
    row |= {"处罚决定日期": date(2024, 1, 31), "罚款金额(万元)": 0.1 + 0.2, "备注": 20240131}
    ((_, checked),) = read_all(workbook(tmp_path, [*row], [*row.values()]))
    assert isinstance(checked, Accepted)
    assert (checked.decided_on, checked.fields["fine"]) == (date(2024, 1, 31), "0.3")
    assert checked.fields["note"] == "20240131"


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("处罚决定日期", 45322, "SERIAL_DATE"),
        ("备注", "=1+1", "FORMULA"),
        ("处罚机关", date(2024, 1, 31), "DATE_AS_NAME"),
        (CODE, 430500190003070011, "ROUNDED_CODE"),
        ("罚款金额(万元)", True, "BAD_AMOUNT"),
    ],
)
def test_what_a_workbook_cannot_say_is_sent_back(column: str, cell: object, code: str, tmp_path: Path) -> None:
    row: dict[str, object] = {**ROWS[0], column: cell}
    assert outcome(workbook(tmp_path, [*row], [*row.values()])) == [(1, code)]


def spoilt(path: Path, old: bytes, new: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(old, new))
    return out.getvalue()


def test_what_is_no_file_of_rows_is_refused_before_the_first_row(tmp_path: Path) -> None:
    good = workbook(tmp_path, [*PENALTY_ROW], [*ROWS[0].values()])
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", b" " * (257 << 20))
    content = good.read_bytes()
    for broken in (
        *(content[:-50], content[:200], b"PK\x03\x04nothing", spoilt(good, b"<row", b"<rov"), bomb.getvalue()),
        *(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"%PDF-1.7", "行政".encode("utf-16"), b"\x81\xff\xfe", b"a" * (5 << 20)),
    ):
        with pytest.raises((FileUnreadable, MissingColumn)), open_file(written(tmp_path, broken), PENALTY) as opened:
            list(opened.rows)
    with pytest.raises(FileUnreadable, match="读不到文件"), open_file(tmp_path / "none", PENALTY):
        pass


def test_a_missing_key_column_is_named_with_what_is_there(tmp_path: Path) -> None:
    rows = [{name: cell for name, cell in row.items() if name != NUMBER} for row in ROWS]
    jsons = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
    for content in (csv_bytes(*rows), csv_bytes(*rows, encoding="gb18030"), jsons):
        with (
            pytest.raises(MissingColumn, match=f"缺少关键列 「{NUMBER}」.*行政相对人名称"),
            open_file(written(tmp_path, content), PENALTY),
        ):
            pass
    with pytest.raises(MissingColumn, match="没有任何内容"), open_file(written(tmp_path, b"\n \n"), PENALTY):
        pass


def test_a_column_twice_cannot_be_read(tmp_path: Path) -> None:
    content = csv_bytes(*ROWS).replace("备注".encode(), "处罚机关".encode(), 1)
    with pytest.raises(FileUnreadable, match="同一数据项"), open_file(written(tmp_path, content), PENALTY):
        pass


def test_a_header_alone_is_a_file_without_rows(tmp_path: Path) -> None:
    assert outcome(written(tmp_path, csv_bytes(*ROWS).splitlines()[0])) == []


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    header, line = csv_bytes(ROWS[0]).splitlines()
    for make in (lambda n: b"\n".join([header, *[line] * n]), lambda n: b"\n".join([json.dumps(ROWS[0]).encode()] * n)):
        path = written(tmp_path, make(20_000))
        tracemalloc.start()
        with open_file(path, PENALTY) as opened:
            count = sum(1 for _ in opened.rows)
            assert opened.position() == opened.size
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 20_000
        assert peak < 4 << 20 < 7 << 20 < path.stat().st_size


# The file that goes back


def sent_back(folder: Path, header: tuple[str, ...], *rows: tuple[RawRow, Rejected]) -> list[list[str]]:
    out = folder / "back.csv"
    with Quarantine(out, columns_of(PENALTY, header)) as quarantine:
        for row, rejected in rows:
            quarantine.add(row, rejected)
    assert out.read_bytes().startswith(b"\xef\xbb\xbf")
    assert out.stat().st_mode & 0o077 == 0
    with out.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


HEADER = (*PENALTY_ROW, "血型", "宗教信仰", "备用", "行号")
REFUSED = Rejected("BAD_CODE", "代码不对。请核对", enterprise_code())


def test_the_file_to_send_back_has_the_columns_the_place_and_the_reason(tmp_path: Path) -> None:
    cells = [*PENALTY_ROW.values(), "A型", "某教", "=1+1", "9"]
    header, row = sent_back(tmp_path, HEADER, (RawRow(7, cells), REFUSED))
    assert header == [*PENALTY_ROW, "备用", "行号", "错误代码", "原因"]
    assert row[-4:] == ["'=1+1", "7", "BAD_CODE", f"代码不对。请核对(可能应为 {enterprise_code()})"]
    assert row[2] == enterprise_code()
    assert "A型" not in str(row)


def test_a_row_out_of_step_gives_no_forbidden_data_away(tmp_path: Path) -> None:
    flawed = RawRow(1, ["A型", *PENALTY_ROW.values()], Flaw("CELL_COUNT", "多了一格"))
    _, row = sent_back(tmp_path, HEADER, (flawed, REFUSED))
    assert set(row[:-3]) == {""}
    _, row = sent_back(tmp_path, tuple(PENALTY_ROW), (flawed, REFUSED))
    assert row[0] == "A型"


def _fail_halfway(out: Path) -> None:
    with Quarantine(out, columns_of(PENALTY, HEADER)) as quarantine:
        quarantine.add(RawRow(1, [""] * len(HEADER)), REFUSED)
        raise RuntimeError


def test_the_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "back.csv"
    with pytest.raises(RuntimeError):
        _fail_halfway(out)
    assert list(tmp_path.iterdir()) == []
    with Quarantine(None, columns_of(PENALTY, HEADER)) as quarantine:
        quarantine.add(RawRow(1, [""] * len(HEADER)), REFUSED)
    assert list(tmp_path.iterdir()) == []


slips = st.sampled_from(
    [
        person_code(),
        person_code().lower(),
        " ".join(person_code()),
        person_code()[:-1],
        person_code().replace("0", "O"),
        "110101900307888",
        "1.10101199003079E+17",
    ]
)
cell = st.text(max_size=30) | st.builds(lambda a, b, c: a + b + c, st.text(max_size=5), slips, st.text(max_size=5))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(cell, min_size=len(HEADER), max_size=len(HEADER)), slips)
def test_no_identity_number_and_no_formula_ever_goes_back(tmp_path: Path, cells: list[str], code: str) -> None:
    cells[2] = code
    _, row = sent_back(tmp_path, HEADER, (RawRow(1, cells), REFUSED))
    for one in row[:-1]:
        assert re.search(r"(?<!\d)\d{15}(?:\d{2}[\dXx])?(?!\d)", one) is None or person_code() not in one
        assert one[:1] not in tuple("=+-@\t\r\n＝＋－＠")
        assert person_code() not in one.replace(" ", "").replace("O", "0").upper()
    assert "*" in row[2]


def test_every_catalogued_item_can_be_read_from_its_own_columns(tmp_path: Path) -> None:
    for catalogue in CATALOGUES.values():
        for item in catalogue.items.values():
            header = ",".join(field.label for field in item.fields)
            with open_file(written(tmp_path, header.encode("gb18030")), item) as opened:
                assert opened.columns.unknown == ()
                assert list(opened.rows) == []
