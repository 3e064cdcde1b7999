"""Results of another region, and inspection by class: both only ever help."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from factories import City, rulebook
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, update
from stdnum.cn import uscc as uscc_number

from api.ids import public_id
from core.audit import audit_entries
from core.errors import DataFileError
from core.places import ROOT
from partners.rulebook import load_rulebook
from scoring.engine import no_record_grade
from scoring.inspection import inspection_percent
from scoring.recognition import ForeignGrade, recognised_grade
from scoring.subjects import SubjectKind, subject_row
from scoring.tables import credit_records, enrollments, subjects

DAY = date(2026, 6, 1)
BOOK = rulebook()
XIANGXINFEN, HUIZHOU = BOOK.models.get("xiangxinfen"), BOOK.models.get("huixinma-enterprise")


def recognised(grade: str, on: date = DAY, model: str = "huixinma-person", **days: date) -> str | None:
    result = ForeignGrade(model, grade, days.get("from_on", date(2026, 5, 1)), days.get("until_on"))
    tables = XIANGXINFEN.recognitions
    found = recognised_grade(XIANGXINFEN, recognitions=tables, results=[result], on=on)
    return found and found.grade


def test_a_listed_grade_is_recognised_and_no_other() -> None:
    assert [recognised(grade) for grade in ("A+", "A", "B", "C+", "C", "Z")] == ["A+", "A", None, None, None, None]
    assert recognised("A+", model="integrity-points") == "A+"
    assert recognised("A", model="changxing-honours") is None


def test_a_recognised_result_holds_on_its_days_and_within_the_tables() -> None:
    assert recognised("A", date(2026, 4, 30)) is None
    assert recognised("A", date(2026, 5, 1)) == "A"
    assert recognised("A", date(2026, 7, 31), until_on=date(2026, 8, 1)) == "A"
    assert recognised("A", date(2026, 8, 1), until_on=date(2026, 8, 1)) is None
    assert recognised("A", date(2025, 12, 31), from_on=date(2020, 1, 1)) is None
    assert recognised("A", date(2026, 1, 1), from_on=date(2020, 1, 1)) == "A"


def test_of_several_results_the_best_counts() -> None:
    tables = HUIZHOU.recognitions
    results = [
        ForeignGrade("changsha-enterprise", "A", date(2026, 1, 1)),
        ForeignGrade("hunan-comprehensive", "B+", date(2026, 1, 1)),
    ]
    found = recognised_grade(HUIZHOU, recognitions=tables, results=results, on=DAY)
    assert found is not None
    assert (found.grade, found.recognition.id) == ("A", "shaoyang-enterprise")
    assert found.recognition.source.clause == "二(四)14"


FOREIGN = st.lists(
    st.builds(
        ForeignGrade,
        st.sampled_from(["huixinma-person", "integrity-points"]),
        st.sampled_from(["A+", "A", "B", "C+", "C"]),
        st.dates(date(2025, 1, 1), date(2027, 1, 1)),
    )
)


@given(FOREIGN)
def test_what_is_recognised_is_never_below_the_grade_of_somebody_with_no_record(results: list[ForeignGrade]) -> None:
    found = recognised_grade(XIANGXINFEN, recognitions=XIANGXINFEN.recognitions, results=results, on=DAY)
    if found is not None:
        unrecorded = no_record_grade(XIANGXINFEN, DAY)
        assert unrecorded is not None
        assert XIANGXINFEN.at_least(found.grade, unrecorded.code)


def broken(root: Path, path: str, *edits: tuple[str, str]) -> DataFileError:
    """What the loader says of a shipped file after these edits."""
    shutil.copytree(ROOT, root, dirs_exist_ok=True)
    text = (root / path).read_text(encoding="utf-8")
    for before, after in edits:
        assert before in text
        text = text.replace(before, after, 1)
    (root / path).write_text(text, encoding="utf-8")
    with pytest.raises(DataFileError) as caught:
        load_rulebook(root, ())
    assert caught.value.file == path
    return caught.value


@pytest.mark.parametrize(
    ("edit", "line", "said"),
    [
        (("model: xiangxinfen", "model: nothing"), 4, "没有名为 nothing"),
        (("of: huixinma-person", "of: nothing"), 5, "没有名为 nothing"),
        (("of: huixinma-person", "of: huixinma-enterprise"), 5, "另一类主体"),
        (("of: huixinma-person", "of: xiangxinfen"), 5, "本来就适用于本地"),
        (("model: xiangxinfen", "model: huixinma-person"), 4, "不是本地的模型"),
        (("{A+: A+, A: A}", "{A+: A+, A: S}"), 7, "没有等级 S"),
        (("{A+: A+, A: A}", "{A+: A+, S: A}"), 7, "没有等级 S"),
        (("{A+: A+, A: A}", "{A+: A, A: A+}"), 7, "反而低于"),
        (("{A+: A+, A: A}", "{A: A}"), 7, "更好的等级没有列出"),
        (("{A+: A+, A: A}", "{A+: A+, A: C+}"), 7, "低于没有任何记录者的等级"),
        (("id: heilongjiang-person", "id: huizhou-person"), 13, "重复"),
        (("in_force_from: 2026-01-01", "in_force_from: 2026-01-01\n    in_force_until: 2026-01-01"), 7, "不晚于"),
    ],
)
def test_a_table_that_could_harm_is_refused_with_its_line(
    tmp_path: Path, edit: tuple[str, str], line: int, said: str
) -> None:
    error = broken(tmp_path, "hunan-shaoyang/recognition.yaml", edit)
    assert error.line == line
    assert said in error.message


RULES = BOOK.inspections["hebei"]


@pytest.mark.parametrize("field", [one.id for one in RULES.danger])
def test_where_lives_are_at_stake_every_class_is_inspected_as_usual(field: str) -> None:
    for grade in ("A", "B", "C", "D", None):
        assert inspection_percent(RULES, grade=grade, field=field, on=DAY).percent == 100


def test_a_class_only_ever_lowers_inspection() -> None:
    found = [inspection_percent(RULES, grade=grade, field="advertising", on=DAY).percent for grade in "ABCD"]
    assert found == [50, 100, 100, 100]
    assert inspection_percent(RULES, grade=None, field="advertising", on=DAY).percent == 100
    assert inspection_percent(RULES, grade="A", field="anything-else", on=DAY).percent == 100
    assert inspection_percent(RULES, grade="A", field="advertising", on=date(2022, 6, 30)).percent == 100
    assert "六(二)" in inspection_percent(RULES, grade="A", field="advertising", on=DAY).reason


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (("C: {percent: 100", "C: {percent: 150"), "100"),
        (("C: {percent: 100", "C: {percent: 40"), "比例高于更低的 C"),
        (("  D: {percent: 100, source: *document}\n", ""), "没有恰好列出"),
        (("model: hebei-enterprise", "model: xiangxinfen"), "不是适用于本地的企业模型"),
        (("model: hebei-enterprise", "model: nothing"), "没有名为 nothing"),
        (("id: advertising", "id: food-and-drugs"), "重复"),
    ],
)
def test_inspection_rules_that_could_harm_are_refused(tmp_path: Path, edit: tuple[str, str], said: str) -> None:
    assert said in broken(tmp_path, "hebei/inspection.yaml", edit).message


QUERY = "query ($id: ID!, $field: String!) { inspectionSuggestion(subjectId: $id, field: $field) { percent reason } }"


async def suggested(city: City, subject_id: int, field: str, by: str = "reviewer") -> Any:
    body = await city.ask(QUERY, {"id": public_id("CreditSubject", subject_id), "field": field}, by=by)
    return body["data"]["inspectionSuggestion"] if "errors" not in body else body["errors"][0]["extensions"]["code"]


async def move_in(city: City, *, enrolled: bool = True) -> None:
    """An enterprise of Hebei, number 4000, with nothing on record."""
    front = "91130102MA9000004"
    number = front + uscc_number.calc_check_digit(front)
    row = subject_row(city.keys, kind=SubjectKind.ENTERPRISE, place="hebei", name="测试企业", number=number)
    await city.write(insert(subjects).values(id=4000, **row))
    if enrolled:
        joined = {"subject_id": 4000, "enrolled_at": city.now, "notice_version": "2026-11-22"}
        await city.write(insert(enrollments).values(joined))


async def test_the_suggestion_follows_the_grade_and_that_it_was_asked_is_kept(city: City) -> None:
    await move_in(city)
    assert (await suggested(city, 4000, "advertising"))["percent"] == 50
    assert (await suggested(city, 4000, "food-and-drugs", by="operator"))["percent"] == 100
    penalty = {"subject_id": 4000, "id": "r1", "item": "administrative-penalty", "occurred_on": date(2026, 10, 1)}
    await city.write(insert(credit_records).values(**penalty, source="测试"))
    assert (await suggested(city, 4000, "advertising"))["percent"] == 100
    kept = [row for row in await city.rows(audit_entries) if row.action == "inspectionSuggestion"]
    assert sorted((row.actor, row.subject_id) for row in kept) == [
        ("operator", 4000),
        ("reviewer", 4000),
        ("reviewer", 4000),
    ]


async def test_who_is_not_enrolled_is_inspected_as_usual(city: City) -> None:
    await move_in(city, enrolled=False)
    assert (await suggested(city, 4000, "advertising"))["percent"] == 100


async def test_there_is_no_suggestion_about_persons_unknown_subjects_or_places_without_rules(city: City) -> None:
    assert [await suggested(city, number, "advertising") for number in (1, 8, 99_999)] == [None, None, None]
    await move_in(city)
    await city.write(update(subjects).where(subjects.c.id == 4000).values(place="hunan-shaoyang"))
    assert await suggested(city, 4000, "advertising") is None
    assert [row for row in await city.rows(audit_entries) if row.action == "inspectionSuggestion"] == []


@pytest.mark.parametrize("actor", ["bank", "scenic", "good", "firm", "auditor", "provider"])
async def test_no_partner_and_no_subject_reads_a_suggestion(city: City, actor: str) -> None:
    assert await suggested(city, 8, "advertising", by=actor) == "FORBIDDEN"
