"""One row judged: what becomes a record, what is not collected, what is sent back and why."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intake_files import CATALOGUES, ON, PENALTY, PENALTY_ROW, PERMIT, columns_of, enterprise_code, judged, person_code

from scoring.intake.files import RawRow
from scoring.intake.rows import Accepted, Checked, NotCollected, Rejected, check_row

CODE, NUMBER, NAME, KIND = (
    *("行政相对人代码_1(统一社会信用代码)", "行政处罚决定文书号"),
    *("行政相对人名称", "行政相对人类别"),
)
PERSON = {KIND: "自然人", NAME: "王五", CODE: person_code(), "法定代表人": "/"}


def accepted(row: Checked) -> Accepted:
    assert isinstance(row, Accepted), row
    return row


def code_of(row: Checked) -> str:
    assert isinstance(row, Rejected), row
    return row.code


def test_a_penalty_in_all_national_columns_becomes_a_record() -> None:
    row = accepted(judged())
    assert row._replace(fields={}, personal={}) == Accepted(
        item="administrative-penalty",
        catalogued_as="administrative-penalty",
        severity="general",
        subject_kind="enterprise",
        subject_name="示例制造有限公司",
        subject_code=enterprise_code(),
        document_number="某市监罚〔2024〕8号",
        document_key="某市监罚(2024)8号",
        authority="某市市场监督管理局",
        authority_code=enterprise_code(77),
        decided_on=date(2024, 1, 31),
        removed_on=date(2025, 2, 1),
        provider="某市市场监督管理局",
        provider_code=enterprise_code(77),
        reported_on=None,
        points=None,
        serious_consequence=False,
        fields={},
        personal={},
    )
    assert row.personal == {"legal-representative": "张三"}
    assert row.fields == {
        "subject-name": "示例制造有限公司",
        "subject-kind": "enterprise",
        "document-number": "某市监罚(2024)8号",
        "offence-type": "违反计量管理规定",
        "offence": "使用未经检定的计量器具",
        "basis": "《中华人民共和国计量法》第二十五条",
        "penalty-category": "罚款",
        "penalty-content": "罚款人民币五千元",
        "fine": "0.5",
        "forfeit": None,
        "licence": None,
        "decided-on": "2024-01-31",
        "ends-on": "长期",
        "published-until": "2025-01-31",
        "authority": "某市市场监督管理局",
        "authority-code": enterprise_code(77),
        "provider": "某市市场监督管理局",
        "provider-code": enterprise_code(77),
        "note": None,
    }


def test_a_permit_in_all_national_columns_becomes_a_record_that_ends_with_it() -> None:
    row = accepted(judged(PERMIT))
    assert (row.item, row.decided_on, row.removed_on) == ("administrative-permit", date(2024, 2, 1), date(2029, 2, 1))
    assert accepted(judged(PERMIT, 有效期至="2099-12-31")).removed_on is None
    assert row.fields["certificate-number"] == "JY24305000012345"


def test_a_person_is_known_by_number_and_its_name_is_personal() -> None:
    row = accepted(judged(**PERSON))
    assert (row.subject_kind, row.subject_name, row.subject_code) == ("person", "王五", person_code())
    assert row.personal == {"subject-name": "王五", "legal-representative": None}
    assert person_code() not in str(row.fields) + str(row.personal)


def test_another_way_of_writing_is_the_same_record_with_the_same_content() -> None:
    other = judged(
        **{
            NAME: " 示例制造有限公司 ",
            CODE: enterprise_code().lower(),
            NUMBER: "某市监罚【２０２４】 8 号",
            "处罚决定日期": "2024年1月31日",
            "公示截止期": date(2025, 1, 31),
            "处罚有效期": "长期",
            "罚款金额(万元)": "０．５０",
            "备注": "——",
            "违法事实": "使用未经检定的计量器具\u200b",
        }
    )
    one, other = accepted(judged()), accepted(other)
    assert one.key == other.key
    assert (one.fields, one.personal) == (other.fields, other.personal)


def test_a_body_is_known_by_its_code_and_by_its_name_where_it_has_none() -> None:
    with_code = accepted(judged(处罚机关="某市市监局"))
    assert with_code.key == accepted(judged()).key
    without = accepted(judged(处罚机关统一社会信用代码="/", 处罚机关="某市 市场监督管理局"))
    assert without.authority_key == "某市市场监督管理局"


def test_when_it_was_reported_is_told_but_is_no_content() -> None:
    row = accepted(judged(上报日期="2024-02-05"))
    assert row.reported_on == date(2024, 2, 5)
    assert row.fields == accepted(judged()).fields


@pytest.mark.parametrize(
    ("decided", "until", "removed"),
    [
        ("2024-01-31", "2024-05-01", date(2024, 5, 2)),
        ("2024-01-31", "2099-12-31", date(2027, 2, 1)),
        ("2024-01-31", "长期", date(2027, 2, 1)),
        ("2024-01-31", "", date(2027, 2, 1)),
        ("2024-01-31", "2027-01-31", date(2027, 2, 1)),
        ("2024-01-31", "2027-02-01", date(2027, 2, 1)),
        ("2024-02-29", "", date(2027, 3, 1)),
        ("2024-01-31", "2024-01-31", date(2024, 2, 1)),
    ],
)
def test_publication_ends_when_the_row_says_at_the_latest_after_the_longest_term(
    decided: str, until: str, removed: date
) -> None:
    assert accepted(judged(处罚决定日期=decided, 公示截止期=until)).removed_on == removed


@pytest.mark.parametrize("kind", ["法人及非法人组织", "个体工商户", "/"])
def test_the_code_tells_the_kind_where_nothing_else_does(kind: str) -> None:
    assert accepted(judged(**{KIND: kind})).subject_kind == "enterprise"
    assert accepted(judged(without=(KIND,))).subject_kind == "enterprise"
    assert accepted(judged(without=(KIND,), **{NAME: "王五", CODE: person_code()})).subject_kind == "person"


@pytest.mark.parametrize(
    ("changes", "item"),
    [
        ({"处罚类别": "罚款;吊销营业执照"}, "business-licence-revoked"),
        ({"处罚内容": "依法吊销当事人的营业执照"}, "business-licence-revoked"),
        ({"处罚类别": "吊销许可证件"}, "licence-revoked"),
        ({"处罚内容": "吊销食品经营许可证"}, "licence-revoked"),
        ({"处罚类别": "暂扣许可证件"}, "licence-suspended"),
        ({"处罚类别": "降低资质等级"}, "qualification-lowered"),
        ({"处罚类别": "限制开展生产经营活动"}, "business-restricted"),
        ({"处罚类别": "责令停产停业"}, "suspension-ordered"),
        ({"处罚类别": "责令关闭"}, "closure-ordered"),
        ({"处罚类别": "限制从业"}, "industry-ban"),
        ({"处罚类别": "吊销许可证件", "处罚内容": "责令停产停业"}, "licence-revoked"),
        ({"处罚类别": "警告", "处罚内容": "情节轻微,不予吊销营业执照"}, "administrative-penalty"),
        ({"处罚内容": "罚款;当事人持有营业执照"}, "administrative-penalty"),
    ],
)
def test_a_grave_kind_of_penalty_becomes_the_item_of_that_kind(changes: dict[str, str], item: str) -> None:
    row = accepted(judged(**changes))
    assert (row.item, row.catalogued_as) == (item, "administrative-penalty")
    assert row.severity == ("general" if item == "administrative-penalty" else "serious")


def test_fields_of_danger_make_a_penalty_serious_and_no_other_item() -> None:
    row = accepted(judged(违法行为类型="违反安全生产管理规定"))
    assert (row.item, row.severity) == ("administrative-penalty", "serious")


@pytest.mark.parametrize(
    ("column", "text"),
    [
        *(
            ("备注", "简易程序"),
            ("处罚依据", "《中华人民共和国行政处罚法》第五十一条,当场处罚"),
            ("处罚程序", "简 易程序"),
        ),
        *(
            ("行政处罚决定文书名称", "当场处罚决定书"),
            ("备注", "由普通程序转为简易程序"),
            ("备注", "当场作出行政处罚决定"),
        ),
    ],
)
def test_a_penalty_by_simple_procedure_is_not_collected_whatever_else_is_wrong(column: str, text: str) -> None:
    assert isinstance(judged(**{column: text}), NotCollected)
    assert isinstance(judged(**{column: text, CODE: "", "处罚决定日期": "某日"}), NotCollected)


@pytest.mark.parametrize(
    "text", ["不适用简易程序", "由简易程序转为普通程序", "普通程序", "非当场处罚", "简易房内当场查获"]
)
def test_a_penalty_that_was_not_by_simple_procedure_is_collected(text: str) -> None:
    accepted(judged(备注=text))


def test_a_permit_may_be_simple() -> None:
    accepted(judged(PERMIT, 备注="简易程序"))


REJECTED: list[tuple[dict[str, object], str]] = [
    ({CODE: "— —"}, "MISSING"),
    ({NAME: "无"}, "MISSING"),
    ({NUMBER: "/"}, "MISSING"),
    ({"处罚机关": ""}, "MISSING"),
    ({"处罚决定日期": "null"}, "MISSING"),
    ({"处罚决定日期": "2022-09-31"}, "IMPOSSIBLE_DATE"),
    ({"处罚决定日期": "44805"}, "SERIAL_DATE"),
    ({"处罚决定日期": "2026-06-02"}, "FUTURE_DATE"),
    ({"处罚决定日期": "2099-12-31"}, "BAD_DATE"),
    ({"公示截止期": "2024-01-30"}, "DATE_ORDER"),
    ({"处罚有效期": "2023-12-31"}, "DATE_ORDER"),
    ({"上报日期": "2024-01-30"}, "DATE_ORDER"),
    ({"上报日期": "2026-06-02"}, "FUTURE_DATE"),
    ({"处罚机关": "2024-01-31"}, "DATE_AS_NAME"),
    ({"处罚机关": date(2024, 1, 31)}, "DATE_AS_NAME"),
    ({"数据来源单位": "20240131"}, "DATE_AS_NAME"),
    ({"处罚机关统一社会信用代码": enterprise_code(77)[:-1] + "*"}, "BAD_CODE"),
    ({"罚款金额(万元)": "五千元"}, "BAD_AMOUNT"),
    ({KIND: "其它"}, "BAD_KIND"),
    ({NAME: f"王五{person_code()}"}, "NUMBER_IN_NAME"),
    ({"法定代表人": "=HYPERLINK(1)"}, "FORMULA"),
    ({CODE: "143050000000001"}, "OLD_CODE"),
    ({CODE: enterprise_code().replace("0", "O")}, "BAD_CODE"),
    ({CODE: person_code()}, "PERSON_CODE"),
    ({KIND: "自然人"}, "KIND_MISMATCH"),
    ({KIND: "/", CODE: "12345"}, "BAD_CODE"),
    ({**PERSON, CODE: person_code()[:-1]}, "BAD_CODE"),
    ({"违法事实": "a\x00b"}, "BAD_CHARACTER"),
    ({name: name for name in PENALTY_ROW}, "REPEATED_HEADER"),
    (dict.fromkeys(PENALTY_ROW, "——"), "SEPARATOR_LINE"),
    (dict.fromkeys(PENALTY_ROW, "------"), "SEPARATOR_LINE"),
]


@pytest.mark.parametrize(("changes", "code"), REJECTED)
def test_a_row_that_cannot_be_a_record_is_sent_back_with_its_reason(changes: dict[str, object], code: str) -> None:
    row = judged(**changes)
    assert code_of(row) == code
    assert isinstance(row, Rejected)
    assert "请" in row.reason
    assert person_code()[:-3] not in row.reason


def test_a_citizens_number_that_also_passes_as_a_uscc_is_not_published_as_one() -> None:
    from core.identifiers import is_uscc

    both = next(code for number in range(1000) if is_uscc(code := person_code(number)))
    assert code_of(judged(**{CODE: both})) == "PERSON_CODE"
    assert accepted(judged(**{**PERSON, CODE: both})).subject_code == both


def test_an_item_about_enterprises_takes_no_person() -> None:
    item = CATALOGUES["cn"].items["abnormal-operation"]
    row = {"行政相对人名称": "王五", "代码": "", "主体代码": person_code(), "文书号": "1号", "认定机关": "某局"}
    checked = check_row(columns_of(item, (*row, "认定日期")), RawRow(1, [*row.values(), "2024-01-01"]), on=ON)
    assert code_of(checked) == "SUBJECT_NOT_CATALOGUED"


def test_points_come_in_hundredths() -> None:
    item = CATALOGUES["zhejiang-changxing"].items["incentive"]
    row = {"姓名": "王五", "公民身份号码": person_code(), "文书号": "1号", "分值": "12.5", "认定单位": "某县财政局"}
    checked = check_row(columns_of(item, (*row, "认定日期")), RawRow(1, [*row.values(), "2024-01-01"]), on=ON)
    assert (accepted(checked).points, accepted(checked).fields["points"]) == (1250, "12.5")


def test_identity_numbers_in_the_facts_of_a_case_are_masked() -> None:
    row = accepted(judged(违法事实=f"经查,王五({person_code()})系该公司员工"))
    assert person_code() not in str(row)


def test_a_serious_consequence_is_said_in_a_column_of_its_own() -> None:
    assert accepted(judged(是否造成严重后果="是")).serious_consequence is True


NAMES = tuple(PENALTY_ROW)
COLUMNS = columns_of(PENALTY, NAMES)
nasty = st.text(max_size=40) | st.dates() | st.sampled_from([*PENALTY_ROW.values(), "2099-12-31", "1", "=1", "\ud800"])


@given(st.lists(nasty, min_size=len(NAMES), max_size=len(NAMES)))
def test_a_row_of_anything_is_judged_and_never_crashes(cells: list[str | date]) -> None:
    assert isinstance(check_row(COLUMNS, RawRow(1, cells), on=ON), Accepted | NotCollected | Rejected)


@given(st.integers(0, len(NAMES) - 1), nasty)
def test_a_good_row_with_one_odd_cell_is_judged_and_never_crashes(place: int, cell: str | date) -> None:
    cells = [*PENALTY_ROW.values()]
    cells[place] = cell  # type: ignore[call-overload]
    row = check_row(COLUMNS, RawRow(1, cells), on=ON)
    if isinstance(row, Accepted):
        assert row.decided_on <= ON
        assert row.removed_on is not None
        assert row.removed_on > row.decided_on
