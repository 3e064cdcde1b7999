"""The credit report as a PDF, read back with another program than the one that drew it."""

from __future__ import annotations

import io
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter

from cli.main import run
from core.clock import utc_now
from core.keys import Keys, load_keys
from core.signing import sign
from partners.credit_report import AUDIENCE
from scoring.report.canvas import RIGHT, Canvas, _atoms
from scoring.report.page import ATTACHMENT, ReportUnreadable, read_signed, report_pdf

RECORD = {
    "item": "administrative-penalty",
    "label": "行政处罚",
    "document_number": "邵环罚字〔2024〕1号",
    "authority": "邵阳市生态环境局(示例)",
    "decided_on": "2024-05-06",
    "published_until": "2027-05-06",
    "state": "公示中",
    "history": [{"at": "2024-05-08T01:12:00Z", "what": "由来源单位报送"}, "更正罚款金额"],
}
REPORT: dict[str, Any] = {
    "id": "CR-1",
    "made_at": "2026-11-22T10:30:00+08:00",
    "subject": {"kind": "PERSON", "display_name": "张*", "number_masked": "4305**********1234"},
    "scores": [
        {
            "model": "湘信分",
            "version": "2025-03",
            "points": "642.5",
            "grade": "B+",
            "lines": [
                {"label": "志愿服务时长", "points": "20", "basis": "《条例》第二十六条", "records": ["3"]},
                {"label": "未履行的决定", "points": "-7.5", "basis": "《条例》第二十七条", "records": []},
            ],
        },
        {"model": "企业分级", "version": "2022-04", "points": None, "grade": None},
    ],
    "records": [RECORD],
    "consents": [{"purpose": "景区门票优惠", "given_at": "2026-01-05T08:00:00+08:00", "odd": True}],
    "access": [{"at": "2026-11-01T09:00:00+08:00", "by": "崀山景区(示例)", "what": "核验优惠", "outcome": "适用优惠"}],
    "cases": [],
    "rights": [{"text": "可以免费查询。", "source": "《黑龙江省社会信用条例》第二十四条"}, "可以提出异议。"],
}
URL = "https://xinyi.example/report/CR-1"


def drawn(report: dict[str, Any], signed: str = "a.b.c") -> bytes:
    return report_pdf(report, check_url=URL, signed=signed)


def pages_of(pdf: bytes) -> list[str]:
    # The reader gives the high byte of each two-byte code as a character of its own.
    return [page.extract_text().replace("\0", "") for page in PdfReader(io.BytesIO(pdf)).pages]


def text(pdf: bytes) -> str:
    return "\n".join(pages_of(pdf))


def test_all_that_the_report_says_is_on_the_page() -> None:
    shown = text(drawn(REPORT))
    for expected in (
        "信用报告",
        "CR-1",
        "2026-11-22 10:30",
        "基本信息",
        "张*",
        "自然人",
        "4305**********1234",
        "评价结果及其构成",
        "湘信分",
        "642.5 分 · B+",
        "志愿服务时长",
        "+20",
        "-7.5",
        "《条例》第二十六条",
        "未评价",
        "信用信息记录",
        "行政处罚",
        "邵环罚字〔2024〕1号",
        "邵阳市生态环境局(示例)",
        "2024-05-06",
        "2027-05-06",
        "2024-05-08 09:12",
        "由来源单位报送",
        "更正罚款金额",
        "授权",
        "景区门票优惠",
        "odd",
        "谁查询过我",
        "崀山景区(示例)",
        "适用优惠",
        "异议与修复",
        "没有记录。",
        "权利告知",
        "《黑龙江省社会信用条例》第二十四条",
        "可以提出异议。",
        "第 1 页 / 共",
    ):
        assert expected in shown, expected


def test_a_missing_section_is_left_out() -> None:
    shown = text(drawn({"id": "CR-2"}))
    assert "信用报告" in shown
    assert "信用信息记录" not in shown


def test_the_same_report_gives_the_same_bytes() -> None:
    assert drawn(REPORT) == drawn(REPORT)


def test_the_fonts_are_inside_and_reduced_to_what_is_used() -> None:
    pdf = drawn(REPORT)
    assert len(pdf) < 200_000
    fonts = [font.get_object() for font in PdfReader(io.BytesIO(pdf)).pages[0]["/Resources"]["/Font"].values()]
    inner = [font["/DescendantFonts"][0].get_object()["/FontDescriptor"].get_object() for font in fonts]
    assert len(inner) == 2
    assert all({"/FontFile2", "/FontFile3"} & one.keys() for one in inner)


def test_the_signed_text_comes_back_out() -> None:
    signed = "e" * 300_000 + ".b.c"
    assert read_signed(drawn(REPORT, signed)) == signed


def test_a_file_without_our_attachment_is_refused() -> None:
    blank, twice = PdfWriter(), PdfWriter()
    blank.add_blank_page(100, 100)
    twice.add_blank_page(100, 100)
    twice.add_attachment(ATTACHMENT, b"a.b.c")
    twice.add_attachment(ATTACHMENT, b"d.e.f")
    files = [b"", b"%PDF-1.7", b"no pdf", drawn(REPORT)[:5000]]
    for writer in (blank, twice):
        out = io.BytesIO()
        writer.write(out)
        files.append(out.getvalue())
    for file in files:
        with pytest.raises(ReportUnreadable):
            read_signed(file)


def test_two_thousand_records_flow_over_the_pages_in_less_than_ten_seconds() -> None:
    records = [RECORD | {"document_number": f"文书{number:04}号"} for number in range(2000)]
    began = time.perf_counter()
    pdf = drawn(REPORT | {"records": records})
    assert time.perf_counter() - began < 10
    pages = pages_of(pdf)
    assert len(pages) > 300
    assert "文书0000号" in pages[0]
    assert f"第 {len(pages)} 页 / 共" in pages[-1]
    assert sum(page.count("文书") for page in pages) == 4000


def test_a_table_longer_than_a_page_repeats_its_headings_and_loses_no_row() -> None:
    events = [{"at": f"事件{number:03}", "by": "甲" * 40, "what": "乙" * 300, "outcome": ""} for number in range(60)]
    pages = pages_of(drawn({"access": events}))
    assert all("查询方" in page for page in pages)
    assert [f"事件{number:03}" in "".join(pages) for number in range(60)] == [True] * 60


def test_a_cell_longer_than_a_page_is_told_whole() -> None:
    event = {"at": "", "by": "", "what": "字" * 3000 + "完", "outcome": ""}
    assert text(drawn({"access": [event]})).count("字") == 3000


TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)
VALUES = st.recursive(st.none() | st.booleans() | st.integers() | TEXTS, lambda inner: st.lists(inner, max_size=3))


@settings(max_examples=8, deadline=None)
@given(TEXTS, VALUES, st.dictionaries(TEXTS, VALUES, max_size=4))
def test_whatever_a_value_holds_the_report_is_drawn(words: str, value: object, entry: dict[str, object]) -> None:
    report = {
        "id": words,
        "made_at": words,
        "subject": {"display_name": words, "kind": value},
        "scores": [{"model": words, "points": value, "grade": words, "lines": [{"label": words, "records": value}]}],
        "records": [{"label": words, "state": words, "authority": value, "history": [entry, words]}],
        "consents": [entry, words],
        "rights": [entry, words],
    }
    assert read_signed(drawn(report)) == "a.b.c"


def test_a_line_never_begins_with_a_full_stop_nor_ends_with_an_opening_mark() -> None:
    assert _atoms("甲《乙》、丙。AB-1 丁") == ["甲", "《乙》、", "丙。", "AB-1", " ", "丁"]


@settings(deadline=None)
@given(st.text("甲乙丙。《》,AB1 -", max_size=200), st.integers(5, 60))
def test_wrapping_keeps_every_sign_and_the_width(words: str, width: int) -> None:
    lines = CANVAS._wrapped("sans", 9.5, words, width)
    assert "".join(lines).replace(" ", "") == words.replace(" ", "")
    assert all(CANVAS._length("sans", 9.5, line) <= width for line in lines)
    assert width < RIGHT


CANVAS = Canvas(title="", foot="", made_at=utc_now())


@pytest.fixture
def keys(keys_file: Path) -> Keys:
    return load_keys(keys_file)


def test_a_report_is_verified_without_a_server(keys: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "jwks.json").write_bytes(orjson.dumps(keys.jwks()))
    report = {"id": "CR-1", "made_at": "2026-11-20T04:00:00Z", "subject": {"kind": "person"}}
    signed = sign(keys, "report", {"aud": AUDIENCE, "report": report})
    (tmp_path / "report.pdf").write_bytes(drawn(REPORT, signed))
    (tmp_path / "report.json").write_bytes(orjson.dumps({"report": report, "signed": signed}))
    for name in ("report.pdf", "report.json"):
        assert run(["report", "verify", str(tmp_path / name), "--jwks", str(tmp_path / "jwks.json")]) == 0
        told = orjson.loads(capsys.readouterr().out)
        assert told == {**report, "sha256": sha256(signed.encode()).hexdigest()}


def test_a_changed_or_foreign_report_is_refused(keys: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "jwks.json").write_bytes(orjson.dumps(keys.jwks()))
    good = sign(keys, "report", {"aud": AUDIENCE, "report": {"id": "CR-1"}})
    receipt = sign(keys, "receipt", {"aud": AUDIENCE, "report": {"id": "CR-1"}})
    files = {
        "SIGNATURE_INVALID": drawn(REPORT, good[:-6] + ("AAAAAA" if good[-6:] != "AAAAAA" else "BBBBBB")),
        "SIGNATURE_INVALID ": orjson.dumps({"report": {"id": "CR-1"}, "signed": receipt}),
        "REPORT_UNREADABLE": b"%PDF-1.7",
        "REPORT_UNREADABLE ": b"{}",
        "REPORT_UNREADABLE  ": "报告".encode(),
        "REPORT_UNREADABLE   ": orjson.dumps({"report": {"id": "CR-2"}, "signed": good}),
    }
    for code, content in files.items():
        (tmp_path / "file").write_bytes(content)
        assert run(["report", "verify", str(tmp_path / "file"), "--jwks", str(tmp_path / "jwks.json")]) == 1
        out, err = capsys.readouterr()
        assert (out, err.split(":")[0]) == ("", code.strip())
    assert run(["report", "verify", str(tmp_path / "none"), "--jwks", str(tmp_path / "jwks.json")]) == 1
