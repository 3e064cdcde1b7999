"""The credit index of a park (园区综合信用指数). One thing to know: it is a mean over ten enterprises or more, in whole
points, and nothing about a single one.

`<place>/park-index.yaml` gives each grade of one model a weight in percent; the index is the base times the mean weight
of the park's enterprises that have a grade. 《关于贯彻落实〈湖南省社会信用分级分类管理办法(试行)〉的实施方案》四(二).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from core.datafile import Document, RuleFile
from core.places import Places, Source
from scoring.checks import Fault
from scoring.disclosure import SMALLEST
from scoring.model import Code, Model
from scoring.models import Models, UnknownModel
from scoring.values import half_up

Percent = Annotated[int, Field(strict=True, ge=1, le=1000)]


class Park(Document):
    """A park whose index is published."""

    code: Code
    name: str


class ParkIndexRules(Document):
    """One place's `park-index.yaml`."""

    model: Code
    in_force_from: date
    base: Annotated[int, Field(strict=True, ge=1, le=100_000)]
    weights: dict[str, Percent]
    source: Source
    parks: Annotated[tuple[Park, ...], Field(min_length=1)]


def park_index(rules: ParkIndexRules, grades: Mapping[str, int]) -> int | None:
    """The index in whole points, from how many of the park's enterprises have each grade; None under ten of them."""
    # Whole points: in a finer figure, one enterprise's move from month to month could be read off a small park.
    counted = {grade: count for grade, count in grades.items() if grade in rules.weights}
    number = sum(counted.values())
    if number < SMALLEST:
        return None
    return half_up(rules.base * sum(rules.weights[grade] * count for grade, count in counted.items()), 100 * number)


def load_park_indices(places: Places, models: Models) -> dict[str, ParkIndexRules]:
    """The rules of the places that publish an index, by the place's code.

    Raises:
        DataFileError: a file is broken, or a better grade weighs less than a worse one, with its line.
    """
    found = {}
    for place in places.values():
        path = place.folder / "park-index.yaml"
        if path.exists():
            file = RuleFile(path, root=places.root)
            found[place.code] = file.parse(ParkIndexRules)
            for where, problem, remedy in _faults(found[place.code], place.lineage, models):
                raise file.error(where, problem, remedy)
    return found


def _faults(rules: ParkIndexRules, lineage: tuple[str, ...], models: Models) -> Iterator[Fault]:
    try:
        model = models.get(rules.model, rules.in_force_from)
    except UnknownModel as error:
        yield ("model",), error.message, "请改正模型的名称"
        return
    if model.place not in lineage or model.subject != "enterprise":
        yield ("model",), f"{model.id} 不是适用于本地的企业模型", "请写本地或上级地方的企业模型"
    yield from _weight_faults(rules, model)
    codes = [park.code for park in rules.parks]
    for index, code in enumerate(codes):
        if code in codes[:index]:
            yield ("parks", index, "code"), f"园区 {code} 重复", "请合并两条,或另取代码"


def _weight_faults(rules: ParkIndexRules, model: Model) -> Iterator[Fault]:
    codes = [grade.code for grade in model.grades]
    if set(rules.weights) != set(codes):
        yield ("weights",), "weights 没有恰好列出模型的每个等级", f"请列出 {'、'.join(codes)}"
        return
    for better, worse in pairwise(codes):
        if rules.weights[better] < rules.weights[worse]:
            yield ("weights", better), f"{better} 的权重低于更低的 {worse}", "等级越好,权重不得越低"
