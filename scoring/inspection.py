"""How often to inspect, suggested by class. One thing to know: a class can only lower the rate, and not where lives are
at stake.

`<place>/inspection.yaml` gives percents of the standard rate by grade of one model. In a field of direct danger, in a
field that the file does not name, and where there is no result, the suggestion is the standard rate.
《河北省人民政府办公厅关于推进企业信用分级分类监管工作的实施意见》六(二)(三),《黑龙江省社会信用条例》第四十九条.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Annotated, NamedTuple

from pydantic import Field

from core.datafile import Document, RuleFile
from core.places import Places, Source
from scoring.checks import Fault
from scoring.model import Code, Model
from scoring.models import Models, UnknownModel

STANDARD = 100


class _Percent(Document):
    percent: Annotated[int, Field(strict=True, ge=0, le=STANDARD)]
    source: Source


class _Field(Document):
    id: Code
    label: str


class DangerField(_Field):
    """A field in which lives, property or public safety are directly at stake."""

    source: Source


class InspectionRules(Document):
    """One place's `inspection.yaml`."""

    model: Code
    in_force_from: date
    source: Source
    percents: dict[str, _Percent]
    danger: Annotated[tuple[DangerField, ...], Field(min_length=1)]
    fields: tuple[_Field, ...] = ()


class Suggestion(NamedTuple):
    """A percent of the standard rate, at most 100, and why, in plain Chinese with its source."""

    percent: int
    reason: str


def inspection_percent(rules: InspectionRules, *, grade: str | None, field: str, on: date) -> Suggestion:
    """The suggestion for an enterprise of that grade (None: no result) in that field on that day."""
    danger = next((one for one in rules.danger if one.id == field), None)
    if danger is not None:
        reason = f"{danger.label}直接关系人民群众生命财产安全,不因信用降低检查({_cited(danger.source)})"
        return Suggestion(STANDARD, reason)
    if on < rules.in_force_from:
        return Suggestion(STANDARD, f"办法自 {rules.in_force_from} 起施行,按常规比例")
    if all(one.id != field for one in rules.fields):
        return Suggestion(STANDARD, "清单中没有这个领域,按常规比例")
    if grade not in rules.percents:
        return Suggestion(STANDARD, "没有评价结果,按常规比例")
    percent = rules.percents[grade]
    said = f"建议为常规比例的 {percent.percent}%" if percent.percent < STANDARD else "按常规比例"
    return Suggestion(percent.percent, f"{said}({_cited(percent.source)})")


def load_inspections(places: Places, models: Models) -> dict[str, InspectionRules]:
    """The rules that hold in each place that has some, its own or the nearest parent's, by its code.

    Raises:
        DataFileError: a file is broken, or a worse grade is inspected less than a better one, with its line.
    """
    own: dict[str, InspectionRules] = {}
    for place in places.values():
        path = place.folder / "inspection.yaml"
        if path.exists():
            file = RuleFile(path, root=places.root)
            own[place.code] = file.parse(InspectionRules)
            for where, problem, remedy in _faults(own[place.code], place.lineage, models):
                raise file.error(where, problem, remedy)
    nearest = {code: next((one for one in place.lineage if one in own), None) for code, place in places.items()}
    return {code: own[found] for code, found in nearest.items() if found is not None}


def _faults(rules: InspectionRules, lineage: tuple[str, ...], models: Models) -> Iterator[Fault]:
    try:
        model = models.get(rules.model, rules.in_force_from)
    except UnknownModel as error:
        yield ("model",), error.message, "请改正模型的名称"
        return
    if model.place not in lineage or model.subject != "enterprise":
        yield ("model",), f"{model.id} 不是适用于本地的企业模型", "请写本地或上级地方的企业模型"
    yield from _percent_faults(rules, model)
    seen: set[str] = set()
    for kind, listed in (("danger", rules.danger), ("fields", rules.fields)):
        for index, one in enumerate(listed):
            if one.id in seen:
                yield (kind, index, "id"), f"领域 {one.id} 重复", "一个领域只列一次;涉及生命财产安全的列在 danger"
            seen.add(one.id)


def _percent_faults(rules: InspectionRules, model: Model) -> Iterator[Fault]:
    codes = [grade.code for grade in model.grades]
    if set(rules.percents) != set(codes):
        yield ("percents",), "percents 没有恰好列出模型的每个等级", f"请列出 {'、'.join(codes)}"
        return
    for better, worse in pairwise(codes):
        if rules.percents[better].percent > rules.percents[worse].percent:
            yield ("percents", better), f"{better} 的比例高于更低的 {worse}", "等级越好,比例不得越高"


def _cited(source: Source) -> str:
    return f"{source.title or ''}{source.clause or ''}"
