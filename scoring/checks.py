"""What a model's file must satisfy beyond its shape. One thing to know: each fault says where it stands.

A fault is (path of keys from the top of the file, what is wrong, what to do).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

from scoring.model import (
    RESERVED,
    Band,
    ClassificationMethod,
    CompositionMethod,
    CountRule,
    FactRule,
    Model,
    ModelFile,
    PointsMethod,
    RecordRule,
    StandingMethod,
    VetoRule,
)
from scoring.values import number_text

Path: TypeAlias = tuple[int | str, ...]
Fault: TypeAlias = tuple[Path, str, str]


def faults(model: ModelFile, components: Mapping[str, Model] | None = None) -> Iterator[Fault]:
    """Everything wrong with the model, in the order of the file.

    `components` are the models it is built on, by id of the part, or as `of`; all that it names are there.
    """
    built_on = components or {}
    if model.in_force_until is not None and model.in_force_until <= model.in_force_from:
        yield ("in_force_until",), "in_force_until 不晚于 in_force_from", "请改正生效日期,截止日当天不再生效"
    yield from _fact_ranges(model)
    yield from _components(model, built_on)
    match model.method:
        case PointsMethod() as method:
            yield from _unique_names(_points_names(method))
            yield from _points_rules(model, method)
            yield from _points_grades(model, *reach(method))
        case CompositionMethod() as method:
            yield from _unique_names((part.id, ("method", "parts", i, "id")) for i, part in enumerate(method.parts))
            yield from _parts(model, method)
            yield from _points_grades(model, 0, _composition_top(model, method, built_on))
        case ClassificationMethod():
            yield from _unique_names(
                (condition.id, ("grades", i, "when", j, "id"))
                for i, grade in enumerate(model.grades)
                for j, condition in enumerate(grade.when)
            )
            yield from _classification_grades(model)
        case StandingMethod():
            yield from _standing_grades(model, built_on)
    yield from _unlike_grades(model)
    yield from _unique(((grade.code, ("grades", i, "code")) for i, grade in enumerate(model.grades)), "等级代码")


def _components(model: ModelFile, built_on: Mapping[str, Model]) -> Iterator[Fault]:
    for name, component in built_on.items():
        path: Path = _component_path(model, name)
        if component.subject != model.subject:
            yield path, f"{component.id} 面向另一类主体", "只能引用同类主体(个人或企业)的模型"
        if name != "of" and top(component) is None:
            yield path, f"{component.id} 没有分数,或分数没有上限", "请引用按分数评价且有 ceiling 的模型"
        for fact in component.all_facts.keys() & model.facts.keys():
            if component.all_facts[fact] != model.facts[fact]:
                yield ("facts", fact), f"事实 {fact} 与 {component.id} 中的写法不同", "请删去它,沿用被引用模型的声明"
        for item in component.all_items.keys() & model.items.keys():
            if component.all_items[item].nature != model.items[item].nature:
                yield ("items", item), f"项目 {item} 与 {component.id} 中的性质不同", "请改正 nature"
    if model.lenience is not None and not isinstance(model.method, PointsMethod | ClassificationMethod):
        yield ("lenience",), "引用其他评价的模型不能自带 lenience", "请写在被引用的模型中"


def _component_path(model: ModelFile, name: str) -> Path:
    if isinstance(model.method, CompositionMethod):
        place = next(i for i, part in enumerate(model.method.parts) if part.id == name)
        return "method", "parts", place, "model"
    return "method", "of"


def _unlike_grades(model: ModelFile) -> Iterator[Fault]:
    if isinstance(model.method, StandingMethod):
        return
    for i, grade in enumerate(model.grades):
        if grade.every_year_at_least is not None:
            path: Path = ("grades", i, "every_year_at_least")
            yield path, f"等级 {grade.code} 写了 every_year_at_least", "只有 type: standing 的模型可以这样写"


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
            yield from _fade(rule, path)
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


def _fade(rule: RecordRule, path: Path) -> Iterator[Fault]:
    fade = rule.fade
    if fade is None:
        return
    if rule.decay or rule.each == "own":
        yield (*path, "fade"), "fade 不能与 decay 或自带分值并用", "请写固定的 each,并只留一种衰减"
    elif fade.to >= rule.each:
        yield (*path, "fade", "to"), "衰减后的分值不小于 each", "请把 to 写得比 each 小"
    if fade.to_days <= fade.from_days:
        yield (*path, "fade", "to_days"), "to_days 不大于 from_days", "请改正开始与结束衰减的天数"


def _parts(model: ModelFile, method: CompositionMethod) -> Iterator[Fault]:
    for i, part in enumerate(method.parts):
        if part.fact is not None and part.fact not in model.facts:
            yield ("method", "parts", i, "fact"), f"事实 {part.fact} 未声明", "请在 facts 中声明它,或改正名称"
    if sum(part.percent for part in method.parts) != 100:
        yield ("method", "parts"), "各部分的 percent 之和不是 100", "请改正各部分的占比"


def _composition_top(model: ModelFile, method: CompositionMethod, built_on: Mapping[str, Model]) -> int:
    known = {name: fact.at_most for name, fact in model.facts.items()}
    tops = {part.id: known.get(part.fact, 0) if part.fact else top(built_on[part.id]) or 0 for part in method.parts}
    return sum(tops[part.id] * part.percent for part in method.parts) // 100


def top(model: Model) -> int | None:
    """The highest result of a model; None where it has no points, or no bound."""
    match model.method:
        case PointsMethod() as method:
            return reach(method)[1]
        case CompositionMethod() as method:
            return _composition_top(model, method, model.components)
        case _:
            return None


def reach(method: PointsMethod) -> tuple[int, int | None]:
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


def _standing_grades(model: ModelFile, built_on: Mapping[str, Model]) -> Iterator[Fault]:
    ladder = [grade.code for grade in built_on["of"].grades]
    last, above = len(model.grades) - 1, -1
    for i, grade in enumerate(model.grades):
        path: Path = ("grades", i)
        if grade.at_least is not None or grade.when:
            yield path, f"等级 {grade.code} 写了 at_least 或 when", "逐年评价的模型请写 every_year_at_least"
        if (grade.every_year_at_least is None) != (i == last):
            yield path, f"等级 {grade.code} 使等级之间出现缺口", "除最后一级外都要写 every_year_at_least,最后一级不写"
        elif grade.every_year_at_least is not None:
            at = (*path, "every_year_at_least")
            if grade.every_year_at_least not in ladder:
                yield at, f"被引用的模型没有等级 {grade.every_year_at_least}", f"可写:{'、'.join(ladder)}"
                continue
            rank = ladder.index(grade.every_year_at_least)
            if rank <= above:
                yield at, f"等级 {grade.code} 与上一级重叠或顺序颠倒", "请从高到低排列,要求各不相同"
            elif rank == len(ladder) - 1:
                yield at, f"等级 {grade.code} 人人都能达到,其后的等级无人会落入", "请提高要求,或删去其后的等级"
            above = rank
