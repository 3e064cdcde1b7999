"""A model's rules as sentences that anybody understands. One thing to know: they are made from the very numbers that
the engine uses, so what is read is what counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import NamedTuple

from core.places import Source
from scoring.model import (
    ClassificationMethod,
    CompositionMethod,
    Condition,
    CountRule,
    FactRule,
    Grade,
    Lenience,
    Model,
    PointsMethod,
    RecordRule,
    Rule,
    Span,
    StandingMethod,
    Window,
)
from scoring.values import number_text


class PlainRule(NamedTuple):
    """One rule as it is shown. `numbers` are its parameters by their Chinese names."""

    id: str
    label: str
    operator: str
    sentence: str
    numbers: tuple[tuple[str, str], ...]
    window: str
    source: Source


def plain_rules(model: Model) -> list[PlainRule]:
    """Every rule of the model, in the order of its file."""
    match model.method:
        case PointsMethod() as method:
            rules = list(_points(model, method))
        case CompositionMethod() as method:
            rules = list(_parts(model, method))
        case StandingMethod() as method:
            rules = list(_standing(model, method))
        case ClassificationMethod():
            rules = [_condition(model, grade, one) for grade in model.grades for one in grade.when]
    return rules + (list(_lenience(model.lenience)) if model.lenience is not None else [])


def plain_grade(model: Model, grade: Grade) -> str:
    """When somebody has this grade."""
    place = model.rank(grade.code)
    if grade.at_least is not None:
        above = model.grades[place - 1].at_least if place else None
        return f"{number_text(grade.at_least)} 分及以上" + (f",不到 {number_text(above)} 分" if above else "")
    if grade.when:
        return f"下列任一情形成立,且没有更低等级的情形:{';'.join(one.label for one in grade.when)}"
    if grade.every_year_at_least is not None:
        return f"每一年都达到 {_base_name(model, grade.every_year_at_least)} 及以上"
    before = model.grades[place - 1]
    if before.at_least is not None:
        return f"不到 {number_text(before.at_least)} 分"
    return "没有下列任何情形" if place == 0 else "其他情形"


def _points(model: Model, method: PointsMethod) -> Iterator[PlainRule]:
    base = method.base
    points = number_text(base.points)
    yield PlainRule("base", base.label, "base", f"每位主体都从 {points} 分开始。", (("分值", points),), "", base.source)
    for rule in method.rules:
        window = "" if isinstance(rule, FactRule) else plain_window(rule.window)
        told = f"{_rule(model, method, rule)}{',' + window if window else ''}。"
        yield PlainRule(rule.id, rule.label, rule.op, told, tuple(_numbers(rule)), window, rule.source)
    for dimension in method.dimensions:
        inside = "、".join(f"「{rule.label}」" for rule in method.rules if rule.dimension == dimension.id)
        most = number_text(dimension.at_most)
        told = f"{inside}合起来最多计 {most} 分。"
        yield PlainRule(dimension.id, dimension.label, "dimension", told, (("合计上限", most),), "", dimension.source)


def _rule(model: Model, method: PointsMethod, rule: Rule) -> str:
    if isinstance(rule, FactRule):
        bands = _bands(rule, model.facts[rule.fact].label)
        return _highest([f"{of}达到 {least} 加 {points} 分" for of, least, points in bands])
    items = "、".join(f"「{model.items[item].label}」" for item in rule.items)
    if isinstance(rule, CountRule):
        return _highest([f"{of}满 {least} 条{_moved(rule, points)}" for of, least, points in _bands(rule, items)])
    if isinstance(rule, RecordRule):
        return f"每有一条{items}记录,{_each(rule)}"
    return f"只要有一条{items}记录,得分就是最低的 {number_text(method.floor)} 分"


def _moved(rule: RecordRule | CountRule, points: str) -> str:
    return f"加 {points} 分" if rule.op.startswith("add") else f"减 {points} 分"


def _bands(rule: CountRule | FactRule, of: str) -> Iterator[tuple[str, str, str]]:
    """What is counted, said once; the threshold; its points."""
    for whose, band in zip(chain((of,), repeat("")), rule.bands, strict=False):
        yield whose, number_text(band.at_least), number_text(band.points)


def _highest(steps: Sequence[str]) -> str:
    told = ",".join(steps)
    return f"{told}(取达到的最高一档)" if len(steps) > 1 else told


def _each(rule: RecordRule) -> str:
    if rule.each == "own":
        told = ["按记录自带的分值加分" if rule.op.startswith("add") else "按记录自带的分值减分"]
    else:
        told = [_moved(rule, number_text(rule.each))]
    told += [f"满{plain_span(step.after)}后只{_moved(rule, number_text(step.each))}" for step in rule.decay]
    if rule.fade is not None and rule.each != "own":
        begins = f"满 {rule.fade.from_days} 天后" if rule.fade.from_days else "从发生起"
        told.append(
            f"{begins}逐日减轻,满 {rule.fade.to_days} 天后只{_moved(rule, number_text(rule.fade.to))}"
            if rule.fade.to
            else f"{begins}逐日减轻,满 {rule.fade.to_days} 天后不再计分"
        )
    if rule.each_period is not None:
        period = "每个自然年" if rule.each_period.period == "calendar-year" else "每个自然月"
        told.append(f"{period}的合计最多 {number_text(rule.each_period.at_most)} 分")
    if rule.at_most is not None:
        told.append(f"合计最多{_moved(rule, number_text(rule.at_most))}")
    return ",".join(told)


def _numbers(rule: Rule) -> Iterator[tuple[str, str]]:
    if isinstance(rule, CountRule | FactRule):
        yield from ((f"达到 {number_text(band.at_least)}", number_text(band.points)) for band in rule.bands)
    if isinstance(rule, RecordRule):
        yield "每条", "记录自带" if rule.each == "own" else number_text(rule.each)
        yield from ((f"满{plain_span(step.after)}后每条", number_text(step.each)) for step in rule.decay)
        if rule.fade is not None:
            yield f"满 {rule.fade.to_days} 天后每条", number_text(rule.fade.to)
        if rule.each_period is not None:
            yield "每期上限", number_text(rule.each_period.at_most)
        if rule.at_most is not None:
            yield "合计上限", number_text(rule.at_most)


def plain_span(span: Span) -> str:
    """A length of time in words."""
    if span.days is not None:
        return f" {span.days} 天"
    return f" {span.months} 个月" if span.months is not None else f" {span.years} 年"


def plain_window(window: Window | None) -> str:
    """Which records count; empty where all do, however old."""
    if window is None:
        return ""
    return "只看当年的记录" if window == "calendar-year" else f"只看最近{plain_span(window)}的记录"


def _condition(model: Model, grade: Grade, one: Condition) -> PlainRule:
    items = "、".join(f"「{model.items[item].label}」" for item in model.groups[one.group])
    serious = "且造成严重后果的" if one.serious_consequence else ""
    window = plain_window(one.window)
    told = f"{items}中{serious}记录达到 {one.at_least} 条的,为{grade.name}{',' + window if window else ''}。"
    return PlainRule(one.id, one.label, "classification", told, (("条数", str(one.at_least)),), window, one.source)


def _parts(model: Model, method: CompositionMethod) -> Iterator[PlainRule]:
    for part in method.parts:
        if part.fact is not None:
            label = model.facts[part.fact].label
            of = f"{label}(按权重平均)" if model.facts[part.fact].type == "weighted-scores" else label
        else:
            component = model.components[part.id]
            of = f"{component.name}的得分({component.version} 版)"
        told = f"{of}占 {part.percent}%;没有这一项时不评价。"
        yield PlainRule(part.id, part.label, "composition", told, (("占比", f"{part.percent}%"),), "", part.source)


def _standing(model: Model, method: StandingMethod) -> Iterator[PlainRule]:
    base = model.components["of"]
    told = f"逐年看此前 {method.years} 个自然年年末的{base.name}({base.version} 版)等级;已移除的记录哪一年都不计。"
    yield PlainRule("standing", "逐年评价", "standing", told, (("年数", str(method.years)),), "", method.source)


def _lenience(lenience: Lenience) -> Iterator[PlainRule]:
    if (rule := lenience.force_majeure) is not None:
        told = "因不可抗力造成的失信记录不计。"
        yield PlainRule("lenience-force-majeure", rule.label, "lenience", told, (), "", rule.source)
    if (minor := lenience.minor) is not None:
        window = plain_window(minor.window)
        told = f"仅有一条轻微、已改正且没有造成严重后果的失信记录时,不计,只作提醒{',' + window if window else ''}。"
        yield PlainRule("lenience-minor", minor.label, "lenience", told, (), window, minor.source)


def _base_name(model: Model, code: str) -> str:
    return next(grade.name for grade in model.components["of"].grades if grade.code == code)
