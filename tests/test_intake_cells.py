"""Single cells, as departments write them: normal form or a flaw with its code; and masking."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc

from core.identifiers import check_digit_of, check_resident_id, is_uscc, mask_number, mask_text
from scoring.intake.cells import (
    NO_END,
    Flaw,
    check_enterprise_code,
    check_person_code,
    document_key,
    read_amount,
    read_body,
    read_category,
    read_code,
    read_day,
    read_document_number,
    read_end,
    read_flag,
    read_free_text,
    read_kind,
    read_name,
    read_points,
    read_text,
)

READERS = (
    *(read_text, read_free_text, read_category, read_day, read_end, read_amount, read_points, read_flag),
    *(read_kind, read_name, read_body, read_document_number, read_code),
)
GOOD = "91110000600037341L"
DAY = date(2022, 9, 1)


def person(stem: str) -> str:
    return stem + check_digit_of(stem)


SOMEONE = person("11010119900307888")


def code_of(answer: object) -> object:
    return answer.code if isinstance(answer, Flaw) else answer


@pytest.mark.parametrize(
    "cell",
    [
        *("", " ", "\u3000", "\t\r\n", "\u200b", "—", "——", "— —", "－－", "-", "--", "/", "／", "\\", "*", "…", "。"),
        *("无", " 无 ", "空", "暂无", "（无）", "null", "NULL", "None", "N/A", "n/a", "ＮＡ", "NaN", "#N/A"),
    ],
)
def test_there_are_many_ways_of_saying_nothing(cell: str) -> None:
    assert [read(cell) for read in READERS] == [None] * len(READERS)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("  罚款　３万元 ", "罚款 3万元"),
        ("ＡＢＣ（１）：￥", "ABC(1):¥"),
        ("一行\r\n二行\t三行", "一行 二行 三行"),
        ("张\u200b三\ufeff", "张三"),
        ("无锡", "无锡"),
        ("/见附件", "/见附件"),
    ],
)
def test_text_is_made_narrow_and_of_one_line(cell: str, text: str) -> None:
    assert read_text(cell) == text


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        *(("字\x00符", "BAD_CHARACTER"), ("\ud800", "BAD_CHARACTER"), ("某某\ufffd局", "BAD_CHARACTER")),
        *(("=1+1", "FORMULA"), ("＝cmd|' /C calc'!A0", "FORMULA"), ("#REF!", "FORMULA"), ("字" * 20_001, "TOO_LONG")),
    ],
)
def test_what_cannot_be_kept_is_a_flaw_everywhere(cell: str, code: str) -> None:
    assert {code_of(read(cell)) for read in READERS} <= {code, "TOO_LONG"}
    assert code_of(read_text(cell)) == code


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "2022-09-01",
            "2022/9/1",
            "2022.9.1",
            "2022-9-01",
            "20220901",
            "2022年9月1日",
            "2022年09月01",
            "2022 年 9 月 1 日",
        ),
        *("２０２２－０９－０１", " 2022-09-01 ", "2022-09-01 00:00:00", "2022/9/1 0:00", "2022-09-01T08:30:15.123"),
        *("2022-09-01 23:59:59+08:00", "2022年9月1日 10时20分", "20220901 10:00", DAY),
    ],
)
def test_the_usual_ways_of_writing_a_day(cell: str | date) -> None:
    assert read_day(cell) == DAY
    assert read_end(cell) == DAY


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        *(("2022-09-31", "IMPOSSIBLE_DATE"), ("2023-02-29", "IMPOSSIBLE_DATE"), ("20221301", "IMPOSSIBLE_DATE")),
        *(("2022-00-10", "IMPOSSIBLE_DATE"), ("0000-01-01", "IMPOSSIBLE_DATE"), ("44805", "SERIAL_DATE")),
        *(("44805.5", "SERIAL_DATE"), ("99999", "SERIAL_DATE"), ("2022-09", "BAD_DATE"), ("2022", "BAD_DATE")),
        *(("22-09-01", "BAD_DATE"), ("2022-9/1", "BAD_DATE"), ("09/01/2022", "BAD_DATE"), ("某局", "BAD_DATE")),
        *(("2022-09-01 至今", "BAD_DATE"), ("2022-09-01 25:00", "BAD_DATE"), ("２０２２-09-01Z", "BAD_DATE")),
        *(("٢٠٢٢-٠٩-٠١", "BAD_DATE"), ("1" * 500, "BAD_DATE"), (True, "BAD_DATE")),
    ],
)
def test_what_is_no_day_is_told_apart(cell: str, code: str) -> None:
    cell = str(cell)
    assert code_of(read_day(cell)) == code
    assert code_of(read_end(cell)) == code


@pytest.mark.parametrize(
    "cell", ["2099-12-31", "2099-01-01", "20991231", "9999-12-31", "长期", "永久", "长期有效", date(2100, 1, 1)]
)
def test_2099_and_the_like_mean_no_end_and_are_no_day_of_a_decision(cell: str | date) -> None:
    assert read_end(cell) == NO_END
    assert code_of(read_day(cell)) == "BAD_DATE"


def test_a_serial_number_is_not_guessed_but_hinted_at() -> None:
    flaw = read_day("44805")
    assert isinstance(flaw, Flaw)
    assert "2022-09-01" in flaw.problem
    assert flaw.suggestion is None


@pytest.mark.parametrize(
    ("cell", "amount"),
    [
        *(("3", "3"), ("3.50", "3.5"), ("0", "0"), ("0.000001", "0.000001"), ("1,234.5", "1234.5"), ("007", "7")),
        *(
            ("１，２３４．５", "1234.5"),
            (" 12 ", "12"),
            ("999999999999.999999", "999999999999.999999"),
            ("0.10", "0.1"),
        ),
        *(("3万元", Flaw), ("3万", Flaw), ("叁万", Flaw), ("¥3", Flaw), ("-1", Flaw), ("+1", Flaw), ("1,23", Flaw)),
        *(("1e3", Flaw), ("0.0000001", Flaw), ("1234567890123", Flaw), ("3.", Flaw), (".5", Flaw), ("1 000", Flaw)),
        *(("٣", Flaw), ("3;4", Flaw), (DAY, Flaw)),
    ],
)
def test_amounts_are_plain_numbers_in_ten_thousand_yuan(cell: str | date, amount: object) -> None:
    answer = read_amount(cell)
    assert code_of(answer) == ("BAD_AMOUNT" if amount is Flaw else amount)


@given(st.decimals(min_value=0, max_value=10**12 - 1, places=6))
def test_an_amount_is_kept_to_the_last_digit(amount: object) -> None:
    read = read_amount(f"{amount:,}")
    assert isinstance(read, str)
    assert type(amount)(read) == amount
    assert read_amount(read) == read


@pytest.mark.parametrize(
    ("cell", "points"), [("10", 1000), ("2.5", 250), ("0.25", 25), ("0.255", "BAD_POINTS"), ("-3", "BAD_POINTS")]
)
def test_points_are_exact_hundredths(cell: str, points: object) -> None:
    assert code_of(read_points(cell)) == points


def test_flags_and_kinds_are_words_of_a_list() -> None:
    assert [read_flag(cell) for cell in ("是", "否", "Y", "０", "true")] == [True, False, True, False, True]
    assert code_of(read_flag("也许")) == "BAD_FLAG"
    assert [read_kind(cell) for cell in ("自然人", "法人及非法人组织", "个体工商户", "企业法人")] == [
        *("person", "enterprise", "enterprise", "enterprise")
    ]
    assert code_of(read_kind("外星人")) == "BAD_KIND"


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        *(("2022-09-01", "DATE_AS_NAME"), ("2022年9月1日", "DATE_AS_NAME"), (DAY, "DATE_AS_NAME")),
        *(("20220901", "DATE_AS_NAME"), ("12345", "NUMBER_AS_NAME"), ("(3.5)", "NUMBER_AS_NAME")),
        *((SOMEONE, "NUMBER_IN_NAME"), (f"张三{SOMEONE}", "NUMBER_IN_NAME"), ("张三110101900307888", "NUMBER_IN_NAME")),
        *((GOOD, "CODE_AS_NAME"), ("某" * 201, "TOO_LONG"), ("2022年度示范企业", "2022年度示范企业")),
        ("A股份（集团）有限公司", "A股份(集团)有限公司"),
    ],
)
def test_a_name_is_no_date_number_or_code(cell: str | date, code: str) -> None:
    assert code_of(read_name(cell)) == code
    assert code_of(read_body(cell)) == code


def test_document_numbers_compare_without_spaces_width_and_brackets() -> None:
    spellings = (
        "京市监罚〔2024〕8号",
        "京市监罚[2024]8号",
        "京市监罚【２０２４】 8 号",
        "京市监罚（2024）8号",
        "京 市监罚(2024)8号",
    )
    keys = {document_key(number) for cell in spellings if isinstance(number := read_document_number(cell), str)}
    assert keys == {"京市监罚(2024)8号"}
    assert document_key("a-1") == document_key("A-1") != document_key("A1")
    assert code_of(read_document_number(SOMEONE)) == "NUMBER_IN_DOCUMENT"
    assert code_of(read_document_number(DAY)) == "DATE_AS_NUMBER"


@pytest.mark.parametrize(
    ("cell", "code", "suggestion"),
    [
        (GOOD, GOOD, None),
        (GOOD.lower(), GOOD, None),
        ("９１１１００００６００037341L", GOOD, None),
        ("9111OOOO600037341L", "BAD_CODE", GOOD),
        ("9111oooo600037341l", "BAD_CODE", GOOD),
        ("91110000 600037341L", "BAD_CODE", GOOD),
        ("9111-0000-6000-37341L", "BAD_CODE", GOOD),
        ("91101000600037341L", "WRONG_CHECK_DIGIT", GOOD),
        ("91110000600037314L", "WRONG_CHECK_DIGIT", None),  # two swaps would mend it
        ("91110000600037341M", "WRONG_CHECK_DIGIT", None),
        ("911100006000373", "OLD_CODE", None),
        ("600037341", "BAD_CODE", None),
        ("某公司", "BAD_CODE", None),
        ("9.1110000600037E+17", "ROUNDED_CODE", None),
        (SOMEONE, "PERSON_CODE", None),
    ],
)
def test_of_a_code_only_the_case_is_mended_the_rest_is_suggested(cell: str, code: str, suggestion: str | None) -> None:
    answer = read_code(cell)
    answer = check_enterprise_code(answer) if isinstance(answer, str) else answer
    assert code_of(answer) == code
    assert (answer.suggestion if isinstance(answer, Flaw) else None) == suggestion


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        *((SOMEONE, SOMEONE), ("110101900307888", "OLD_CODE"), (SOMEONE[:-1], "BAD_CODE")),
        *(
            (SOMEONE[:-1] + "XO"[SOMEONE[-1] == "X"], "BAD_CODE"),
            ("11010119901307888X", "BAD_CODE"),
            (GOOD, "BAD_CODE"),
        ),
    ],
)
def test_a_persons_number_is_checked_and_never_repeated(cell: str, code: str) -> None:
    answer = check_person_code(cell)
    assert code_of(answer) == code
    if isinstance(answer, Flaw):
        assert cell not in answer.problem
        assert answer.suggestion is None


USCC_SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@given(st.from_regex(r"[0-9]{8}[0-9A-Z]{10}", fullmatch=True) | st.text(max_size=20))
def test_the_quick_check_of_a_uscc_says_what_the_library_says(code: str) -> None:
    if uscc.compact(code) == code:
        assert is_uscc(code) == (uscc.is_valid(code) and code.isascii())


@given(st.text("0123456789", min_size=8, max_size=8), st.text(USCC_SIGNS, min_size=9, max_size=9))
def test_a_good_uscc_is_good_to_both(head: str, tail: str) -> None:
    assert is_uscc(head + tail + uscc.calc_check_digit(head + tail))


@given(st.text() | st.dates() | st.from_regex(r"[0-9年月日/.\-: ]{0,20}"))
def test_no_reader_ever_raises(cell: str | date) -> None:
    for read in READERS:
        read(cell)
    check_enterprise_code(str(cell))
    check_person_code(str(cell))


@given(st.text())
def test_reading_what_was_read_changes_nothing(cell: str) -> None:
    for read in (read_text, read_free_text, read_name):
        once = read(cell)
        if isinstance(once, str):
            assert read(once) == once


resident_ids = st.builds(
    lambda area, born, order: person(f"{area:06}{born:%Y%m%d}{order:03}"),
    st.integers(110000, 659999),
    st.dates(date(1900, 1, 1), date(2026, 1, 1)),
    st.integers(0, 999),
)
old_ids = st.builds(
    lambda area, born, order: f"{area:06}{born:%y%m%d}{order:03}",
    st.integers(110000, 659999),
    st.dates(date(1930, 1, 1), date(1999, 12, 31)),
    st.integers(0, 999),
)
spelling = st.sampled_from(
    [
        lambda number: number,
        str.lower,
        lambda number: " ".join((number[:6], number[6:14], number[14:])),
        lambda number: "-".join((number[:6], number[6:10], number[10:14], number[14:])),
        " ".join,
        lambda number: number.translate({ord(sign): ord(sign) + 0xFEE0 for sign in "0123456789X"}),
    ]
)


@given(st.text(max_size=30), resident_ids | old_ids, spelling, st.text(max_size=30))
def test_masking_leaves_no_identity_number_however_it_is_spelt(before, number, spell, after) -> None:  # type: ignore[no-untyped-def]
    if len(number) == 15:  # without a check digit it is one only where it stands by itself
        before, after = before + "号", "号" + after
    masked = mask_text(before + spell(number) + after)
    tight = re.sub(r"[\s\-]", "", masked.translate({0xFF10 + i: 0x30 + i for i in range(10)})).upper()
    assert number not in tight


@given(resident_ids, st.integers(0, 17))
def test_a_number_with_a_slip_of_the_pen_is_masked_too(number: str, place: int) -> None:
    slip = number[:place] + ("O" if number[place] == "0" else "1") + number[place + 1 :]
    year_kept = place not in range(6, 14)
    if year_kept and slip[0] in "123456789":
        assert "*" in mask_text(f"身份证{slip}号")


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "罚款金额1234567890.123456元",
        "电话 010-88886666",
        "2022-09-01至2023-09-01",
        "JY11101080012345",
        "账号 6222021234",
    ],
)
def test_other_numbers_stay_readable(text: str) -> None:
    assert mask_text(text) == text


def test_a_mask_keeps_the_length_and_the_ends() -> None:
    check_resident_id(SOMEONE)
    assert mask_number(SOMEONE) == f"110{'*' * 13}{SOMEONE[-2:]}"
    assert mask_number("1234567") == "*******"
    assert mask_text(f"甲{SOMEONE}乙") == f"甲{mask_number(SOMEONE)}乙"
