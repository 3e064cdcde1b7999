"""What a model's file must satisfy beyond its shape. One thing to know: each fault says where it stands.

A fault is (path of keys from the top of the file, what is wrong, what to do).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

from scoring.model import (
    RESERVED,
    Band,
    ClassificationMethod,
    CompositionMethod,
    CountRule,
    FactRule,
    ModelFile,
    PointsMethod,
    RecordRule,
    VetoRule,
)
from scoring.values import number_text

Path: TypeAlias = tuple[int | str, ...]
Fault: TypeAlias = tuple[Path, str, str]


def faults(model: ModelFile) -> Iterator[Fault]:
    """Everything wrong with the model, in the order of the file."""
    if model.in_force_until is not None and model.in_force_until <= model.in_force_from:
        yield ("in_force_until",), "in_force_until 不晚于 in_force_from", "请改正生效日期,截止日当天不再生效"
    yield from _fact_ranges(model)
    match model.method:
        case PointsMethod() as method:
            yield from _unique_names(_points_names(method))
            yield from _points_rules(model, method)
            yield from _points_grades(model, *_reach(method))
        case CompositionMethod() as method:
            yield from _unique_names((part.id, ("method", "parts", i, "id")) for i, part in enumerate(method.parts))
            yield from _parts(model, method)
            yield from _points_grades(model, 0, _composition_top(model, method))
        case ClassificationMethod():
            yield from _unique_names(
                (condition.id, ("grades", i, "when", j, "id"))
                for i, grade in enumerate(model.grades)
                for j, condition in enumerate(grade.when)
            )
            yield from _classification_grades(model)
    yield from _unique(((grade.code, ("grades", i, "code")) for i, grade in enumerate(model.grades)), "等级代码")


def _unique(names: Iterable[tuple[str, Path]], what: str) -> Iterator[Fault]:
    seen: set[str] = set()
    for name, path in names:
        if name in seen:
            yield path, f"{what} {name} 重复", "请为它另取一个名字"
        seen.add(name)


def _unique_names(names: Iterable[tuple[str, Path]]) -> Iterator[Fault]:
    found = list(names)
    yield from _unique(found, "规则")
    for name, path in found:
        if name in RESERVED:
            yield path, f"规则不能叫 {name}", "这个名字由引擎自己使用,请另取一个"


def _points_names(method: PointsMethod) -> Iterator[tuple[str, Path]]:
    for i, rule in enumerate(method.rules):
        yield rule.id, ("method", "rules", i, "id")
    for i, dimension in enumerate(method.dimensions):
        yield dimension.id, ("method", "dimensions", i, "id")


def _fact_ranges(model: ModelFile) -> Iterator[Fault]:
    for name, fact in model.facts.items():
        if fact.at_most <= fact.at_least:
            yield ("facts", name, "at_most"), "at_most 不大于 at_least", "请写出事实的合理范围"


def _points_rules(model: ModelFile, method: PointsMethod) -> Iterator[Fault]:
    for i, rule in enumerate(method.rules):
        path: Path = ("method", "rules", i)
        if isinstance(rule, FactRule):
            fact = model.facts.get(rule.fact)
            if fact is None or fact.type != "number":
                yield (*path, "fact"), f"没有数字型事实 {rule.fact}", "请在 facts 中声明它,或改正名称"
        else:
            yield from _rule_items(model, rule, (*path, "items"))
        if isinstance(rule, CountRule | FactRule):
            yield from _bands(rule.bands, (*path, "bands"))
        if isinstance(rule, RecordRule):
            yield from _steps(rule, path)
    yield from _dimensions(method)
    if method.ceiling is not None and not method.floor <= method.base.points <= method.ceiling:
        yield ("method", "ceiling"), "基础分不在 floor 与 ceiling 之间", "请改正三者之一"


def _rule_items(model: ModelFile, rule: RecordRule | CountRule | VetoRule, path: Path) -> Iterator[Fault]:
    wanted = "honour" if rule.op.startswith("add") else "adverse"
    for item in rule.items:
        if item not in model.items:
            yield path, f"项目 {item} 未声明", "请在 items 中声明它,或改正名称"
        elif model.items[item].nature != wanted:
            problem = f"{rule.op} 不能用于 {model.items[item].nature} 项目 {item}"
            yield path, problem, "守信信息只能加分,失信信息只能减分,请改用相应的 op"


def _dimensions(method: PointsMethod) -> Iterator[Fault]:
    directions: dict[str, set[bool]] = {dimension.id: set() for dimension in method.dimensions}
    for i, rule in enumerate(method.rules):
        path: Path = ("method", "rules", i, "dimension")
        if rule.dimension is None:
            continue
        if isinstance(rule, VetoRule):
            yield path, "veto 不属于任何维度", "请删去 dimension"
        elif rule.dimension not in directions:
            yield path, f"维度 {rule.dimension} 未声明", "请在 dimensions 中声明它"
        else:
            directions[rule.dimension].add(rule.op.startswith("add"))
    for i, dimension in enumerate(method.dimensions):
        if len(directions[dimension.id]) != 1:
            problem = f"维度 {dimension.id} 没有规则,或既加分又减分"
            yield ("method", "dimensions", i), problem, "一个维度只能含同一方向的规则,请拆分或删去"


def _bands(bands: Sequence[Band], path: Path) -> Iterator[Fault]:
    for i, (below, above) in enumerate(pairwise(bands), start=1):
        if above.at_least <= below.at_least or above.points <= below.points:
            yield (*path, i), "分段没有逐段上升", "请按 at_least 从小到大排列,且 points 逐段增大"


def _steps(rule: RecordRule, path: Path) -> Iterator[Fault]:
    if rule.decay and rule.each == "own":
        yield (*path, "decay"), "自带分值的记录不能逐步衰减", "请写固定的 each,或删去 decay"
        return
    spans = [step.after for step in rule.decay]
    if len({(span.days is None) for span in spans}) > 1:
        yield (*path, "decay"), "decay 混用了天与月、年", "请统一单位,以便比较先后"
        return
    ages = [span.days or (span.months or 0) + 12 * (span.years or 0) for span in spans]
    points = [rule.each, *(step.each for step in rule.decay)]
    for i, step in enumerate(rule.decay):
        before = points[i]
        if (i and ages[i] <= ages[i - 1]) or (isinstance(before, int) and step.each >= before):
            yield (*path, "decay", i), "衰减没有随时间逐步减小", "请按时间先后排列,且 each 逐步减小"


def _parts(model: ModelFile, method: CompositionMethod) -> Iterator[Fault]:
    for i, part in enumerate(method.parts):
        if part.fact not in model.facts:
            yield ("method", "parts", i, "fact"), f"事实 {part.fact} 未声明", "请在 facts 中声明它,或改正名称"
    if sum(part.percent for part in method.parts) != 100:
        yield ("method", "parts"), "各部分的 percent 之和不是 100", "请改正各部分的占比"


def _composition_top(model: ModelFile, method: CompositionMethod) -> int:
    tops = (model.facts[part.fact].at_most * part.percent for part in method.parts if part.fact in model.facts)
    return sum(tops) // 100


def _reach(method: PointsMethod) -> tuple[int, int | None]:
    """The lowest and highest result that the caps allow; None where nothing limits it."""
    lowest, highest = method.base.points, method.base.points
    unbounded_above = unbounded_below = False
    for rule in method.rules:
        match rule:
            case VetoRule():
                unbounded_below = True
                continue
            case RecordRule():
                most = rule.at_most
            case _:
                most = rule.bands[-1].points
        if rule.op.startswith("add"):
            unbounded_above = unbounded_above or most is None
            highest += most or 0
        else:
            unbounded_below = unbounded_below or most is None
            lowest -= most or 0
    lowest = method.floor if unbounded_below else max(lowest, method.floor)
    if unbounded_above:
        return lowest, method.ceiling
    return lowest, highest if method.ceiling is None else min(highest, method.ceiling)


def _points_grades(model: ModelFile, lowest: int, highest: int | None) -> Iterator[Fault]:
    last = len(model.grades) - 1
    above: int | None = None
    for i, grade in enumerate(model.grades):
        path: Path = ("grades", i)
        if grade.when:
            yield (*path, "when"), f"等级 {grade.code} 写了 when", "按分数定级的模型请写 at_least"
        if (grade.at_least is None) != (i == last):
            yield path, f"等级 {grade.code} 使等级之间出现缺口", "除最后一级外都要写 at_least,最后一级不写"
        elif grade.at_least is not None:
            if above is not None and grade.at_least >= above:
                yield (*path, "at_least"), f"等级 {grade.code} 与上一级重叠或顺序颠倒", "请从高到低排列,门槛各不相同"
            elif highest is not None and grade.at_least > highest:
                yield (
                    (*path, "at_least"),
                    f"等级 {grade.code} 无人能达到,最高只有 {number_text(highest)} 分",
                    ("请降低门槛或改正规则的上限"),
                )
            above = grade.at_least
    if above is not None and above <= lowest:
        yield (
            ("grades", last),
            f"等级 {model.grades[last].code} 无人会落入,最低也有 {number_text(lowest)} 分",
            ("请提高上一级的门槛,或删去这一级"),
        )


def _classification_grades(model: ModelFile) -> Iterator[Fault]:
    groups = {item.group for item in model.items.values()}
    for name, item in model.items.items():
        if item.nature != "adverse":
            yield ("items", name), f"分类模型不能使用 honour 项目 {name}", "分类的条件只计失信信息,请删去该项目"
    for i, grade in enumerate(model.grades):
        path: Path = ("grades", i)
        if grade.at_least is not None:
            yield (*path, "at_least"), f"等级 {grade.code} 写了 at_least", "分类模型没有分数,请写 when"
        if bool(grade.when) != (i > 0):
            yield path, f"等级 {grade.code} 的条件不全", "除最好的一级外都要写 when,最好的一级不写"
        for j, condition in enumerate(grade.when):
            if condition.group not in groups:
                yield (
                    (*path, "when", j, "group"),
                    f"没有项目属于 {condition.group} 组",
                    "请在 items 中写明 group,或改正名称",
                )
        worse = [condition for other in model.grades[i + 1 :] for condition in other.when]
        if grade.when and all(
            any(
                (other.group, other.window) == (condition.group, condition.window)
                and other.at_least <= condition.at_least
                and (condition.serious_consequence or not other.serious_consequence)
                for other in worse
            )
            for condition in grade.when
        ):
            yield path, f"等级 {grade.code} 无人会落入,更低的等级总是先成立", "请改正条件的次数"
