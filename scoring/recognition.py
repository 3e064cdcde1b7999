"""Another region's result, recognised. One thing to know: recognition can only help, so of the subject's own grade and
the recognised one the better counts.

`<place>/recognition.yaml` says which grade of another place's model stands for which grade of a local one; a grade
that it does not list is not recognised. 《关于进一步加快推进社会信用体系建设的实施方案》大委办发〔2019〕8号 二(四)14.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import pairwise
from typing import Annotated, NamedTuple

from pydantic import Field

from core.datafile import Document, RuleFile
from core.places import Places
from scoring.checks import Fault
from scoring.engine import no_record_grade
from scoring.model import Model, Recognition
from scoring.models import Models, UnknownModel


class _RecognitionFile(Document):
    recognitions: Annotated[tuple[Recognition, ...], Field(min_length=1)]


class ForeignGrade(NamedTuple):
    """A result made elsewhere. It holds from `from_on` until `until_on`, that day excluded."""

    model: str
    grade: str
    from_on: date
    until_on: date | None = None


class Recognised(NamedTuple):
    """A grade of the local model, and what it rests on."""

    grade: str
    result: ForeignGrade
    recognition: Recognition


def recognised_grade(
    model: Model, *, recognitions: Iterable[Recognition], results: Iterable[ForeignGrade], on: date
) -> Recognised | None:
    """The best grade of `model` that a foreign result in force stands for on that day; None where there is none."""
    grades = {grade.code for grade in model.grades}
    tables = [table for table in recognitions if table.model == model.id and table.is_in_force(on)]
    found = [
        Recognised(table.grades[result.grade], result, table)
        for result in results
        if result.from_on <= on and (result.until_on is None or on < result.until_on)
        for table in tables
        if table.of == result.model and table.grades.get(result.grade) in grades
    ]
    return min(found, key=lambda one: model.rank(one.grade), default=None)


def load_recognitions(places: Places, models: Models) -> tuple[Recognition, ...]:
    """The tables of all places.

    Raises:
        DataFileError: a file is broken, or a table in it could make somebody worse off, with its line.
    """
    found: list[Recognition] = []
    for place in places.values():
        path = place.folder / "recognition.yaml"
        if not path.exists():
            continue
        file = RuleFile(path, root=places.root)
        tables = file.parse(_RecognitionFile).recognitions
        for index, table in enumerate(tables):
            if any(table.id == other.id for other in tables[:index]):
                raise file.error(("recognitions", index, "id"), f"{table.id} 重复", "请合并两条,或另取 id")
            for where, problem, remedy in _faults(table, place.lineage, models):
                raise file.error(("recognitions", index, *where), problem, remedy)
        found += tables
    return tuple(found)


def _faults(table: Recognition, lineage: tuple[str, ...], models: Models) -> Iterator[Fault]:
    if table.in_force_until is not None and table.in_force_until <= table.in_force_from:
        yield ("in_force_until",), "in_force_until 不晚于 in_force_from", "请改正日期,截止日当天不再生效"
    found = {}
    for key in ("model", "of"):
        try:
            found[key] = models.get(getattr(table, key), table.in_force_from)
        except UnknownModel as error:
            yield (key,), error.message, "请改正模型的名称"
            return
    local, foreign = found["model"], found["of"]
    if local.place != lineage[0]:
        yield ("model",), f"模型 {local.id} 不是本地的模型", "请把互认表写在模型所属的地方"
    if foreign.place in lineage:
        yield ("of",), f"模型 {foreign.id} 本来就适用于本地", "请写外地的模型"
    if local.subject != foreign.subject:
        yield ("of",), f"模型 {foreign.id} 面向另一类主体", "个人与企业的评价不能互认"
    yield from _unknown_grades(table.grades, local, foreign)


def _unknown_grades(grades: Mapping[str, str], local: Model, foreign: Model) -> Iterator[Fault]:
    theirs, ours = ({grade.code for grade in model.grades} for model in (foreign, local))
    unknown = False
    for there, here in grades.items():
        for code, known, model in ((there, theirs, foreign), (here, ours, local)):
            if code not in known:
                unknown = True
                yield ("grades", there), f"模型 {model.id} 没有等级 {code}", "请改正等级代码"
    if not unknown:
        yield from _harmful_grades(grades, local, foreign)


def _harmful_grades(grades: Mapping[str, str], local: Model, foreign: Model) -> Iterator[Fault]:
    for better, worse in pairwise(sorted(grades, key=foreign.rank)):
        if local.rank(grades[better]) > local.rank(grades[worse]):
            problem = f"外地较好的 {better} 对应的等级反而低于 {worse} 的"
            yield ("grades", better), problem, "请使较好的等级对应不低于其他等级的结果"
    best_to_worst = [foreign.grades[rank].code for rank in range(len(foreign.grades))]
    unlisted = False
    for code in best_to_worst:
        if code not in grades:
            unlisted = True
        elif unlisted:
            yield ("grades", code), f"比 {code} 更好的等级没有列出", "请一并列出更好的等级,使它们也得到承认"
    if local.subject == "person":
        unrecorded = no_record_grade(local, local.in_force_from)
        for there, here in grades.items():
            if unrecorded is None or not local.at_least(here, unrecorded.code):
                problem = f"{there} 对应的 {here} 低于没有任何记录者的等级"
                yield ("grades", there), problem, "互认只能有帮助,请删去这一级或提高对应的等级"
