"""The table of cases beside a model, run. One thing to know: a model is used only if its table passes and names every
grade at least once; the table is what a reader checks the rules against."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import orjson

from core.datafile import RuleFile
from scoring.engine import NotAssessed, Score, evaluate
from scoring.lines import BadLine, read_line
from scoring.model import Model
from scoring.values import number_text

_KEYS = {"name", "day", "records", "facts", "expect"}


def run_cases(model: Model, file: RuleFile) -> int:
    """Hold the model to its table; the number of cases.

    Raises:
        DataFileError: the table is no list of cases, a case does not come out, or a grade is never reached.
    """
    if not isinstance(file.content, list) or not file.content:
        raise file.error((), "用例表不是列表,或一条用例也没有", "请按 docs/models.md 的样子列出用例")
    for place, case in enumerate(file.content):
        fault = _fault(model, case)
        if fault is not None:
            raise file.error((place,), *fault)
    reached = {case["expect"].get("grade") for case in file.content}
    missing = [grade.code for grade in model.grades if grade.code not in reached]
    if missing:
        raise file.error((), f"没有用例达到等级 {'、'.join(missing)}", "请为每个等级至少写一条用例,门槛两侧各一条")
    return len(file.content)


def _fault(model: Model, case: Any) -> tuple[str, str] | None:
    """What is wrong and what to do, or None."""
    if not isinstance(case, dict) or not isinstance(case.get("expect"), dict) or not isinstance(case.get("day"), date):
        return "用例缺少 day 或 expect", "请写成 {name, day, records, facts, expect}"
    name = case.get("name", "")
    if strange := sorted(str(key) for key in case.keys() - _KEYS):
        return f"用例「{name}」中有不认识的键 {'、'.join(strange)}", "请删去或改正"
    try:
        asked = read_line(model, _line(case))
    except BadLine as error:
        return f"用例「{name}」的输入不可用:{error.message.rstrip('。')}", "请改正这条用例"
    except (TypeError, ValueError, AttributeError):
        return f"用例「{name}」的写法不可用", "请对照 docs/models.md 改正"
    result = evaluate(model, records=asked.records, facts=asked.facts, on=case["day"])
    if _agrees(result, case["expect"]):
        return None
    return f"用例「{name}」的结果是 {_told(result)},与 expect 不符", "请改正规则或用例,两者必须一致"


def _line(case: dict[str, Any]) -> bytes:
    records = [record for entry in case.get("records") or [] for record in [entry] * entry.get("times", 1)]
    line = {"subject": "case", "records": records, "facts": case.get("facts")}
    return orjson.dumps(line, default=lambda value: orjson.Fragment(format(Decimal(value), "f")))


def _agrees(result: Score | NotAssessed, expected: dict[str, Any]) -> bool:
    if isinstance(result, NotAssessed):
        return expected == {"assessed": False, "reason": result.reason}
    points = expected.get("points")
    wanted = None if points is None else Decimal(str(points)) * 100
    return wanted == result.points and result.grade is not None and expected.get("grade") == result.grade.code


def _told(result: Score | NotAssessed) -> str:
    if isinstance(result, NotAssessed):
        return f"不评价({result.reason})"
    points = "无分数" if result.points is None else f"{number_text(result.points)} 分"
    return f"{points}、等级 {result.grade.code if result.grade else '无'}"
