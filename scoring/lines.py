"""Read one line of `xinyi score`. One thing to know: a line is answered as it stands or refused, never mended.

Keys that the model does not read are ignored; a record of an item it does not know is refused.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

from scoring.engine import Record
from scoring.facts import read_facts
from scoring.model import Model
from scoring.values import BadValue, read_day, read_flag, read_number

MAX_DEPTH = 100
"""Levels of brackets; a proper line has four."""
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)


class ScoreInput(NamedTuple):
    """A subject with its records (`id` is the record's place in the line, from 1) and facts."""

    subject: str
    records: tuple[Record, ...]
    facts: dict[str, object]


class BadLine(Exception):
    """A line that cannot be answered. `subject` is None where the line does not say one.

    Codes: `BAD_JSON` `BAD_LINE` `BAD_SUBJECT` `BAD_RECORDS` `BAD_FACTS` `UNKNOWN_ITEM` `BAD_DATE` `BAD_NUMBER`
    `BAD_BOOLEAN`.
    """

    def __init__(self, code: str, message: str, subject: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.subject = code, message, subject


def read_line(model: Model, line: bytes) -> ScoreInput:
    """One JSON object `{"subject", "records", "facts"}` as input for `model`.

    Raises:
        BadLine: for whatever is wrong with it, hostile input included.
    """
    content = _parse(line)
    if not isinstance(content, dict):
        raise BadLine("BAD_LINE", '这一行不是 JSON 对象。每行应形如 {"subject": "…", "records": []}')
    subject = content.get("subject")
    if not isinstance(subject, str) or "\0" in subject or not _is_text(subject):
        raise BadLine("BAD_SUBJECT", "缺少 subject,或它不是有效的文字。请为每行写明字符串 subject")
    try:
        return ScoreInput(subject, _records(model, content.get("records")), _facts(model, content.get("facts")))
    except BadValue as error:
        raise BadLine(error.code, error.message, subject) from None


def _parse(line: bytes) -> object:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise BadLine("BAD_JSON", "这一行不是 UTF-8 编码。请以 UTF-8 保存文件后重试") from None
    if text.startswith("\ufeff"):
        raise BadLine("BAD_JSON", "这一行以字节序标记(BOM)开头。请以不带 BOM 的 UTF-8 保存文件后重试")
    # Interpreters differ in how deep they can read; ours is the same everywhere.
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_too_deep(text):
        raise BadLine("BAD_JSON", f"这一行嵌套超过 {MAX_DEPTH} 层。请去掉多余的嵌套")
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        raise BadLine("BAD_JSON", "这一行不是有效的 JSON。每行应是一个完整的 JSON 对象") from None


def _is_too_deep(text: str) -> bool:
    depth = 0
    for token in _TOKENS.finditer(text):
        sign = token[0][0]
        if sign in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif sign in "]}":
            depth -= 1
    return False


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:  # an exponent beyond all bounds
        return Decimal("NaN")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are no JSON


_DECODER = json.JSONDecoder(parse_float=_number, parse_int=_number, parse_constant=_no_constant)


def _records(model: Model, raw: Any) -> tuple[Record, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list):
        raise BadValue("BAD_RECORDS", "records 应为列表。没有记录时请写 [] 或不写")
    return tuple([_record(model, entry, place) for place, entry in enumerate(raw, start=1)])


def _record(model: Model, raw: Any, place: int) -> Record:
    if not isinstance(raw, dict):
        raise BadValue("BAD_RECORDS", f"第 {place} 条记录不是 JSON 对象。请改正后重试")
    item = raw.get("item")
    if not isinstance(item, str) or item not in model.all_items:
        shown = item[:40].encode(errors="backslashreplace").decode() if isinstance(item, str) else "(无)"
        raise BadValue(
            "UNKNOWN_ITEM", f"第 {place} 条记录的 item {shown} 不在模型 {model.id} 的项目之中。请核对项目代码"
        )
    occurred_on = read_day(raw.get("occurred_on"), f"第 {place} 条记录的 occurred_on ")
    removed = raw.get("removed_on")
    removed_on = None if removed is None else read_day(removed, f"第 {place} 条记录的 removed_on ")
    serious, points = False, None
    if model.reads_serious_consequence:
        serious = read_flag(raw.get("serious_consequence"), f"第 {place} 条记录的 serious_consequence ")
    if model.own_points_items:
        given = raw.get("points")
        if given is not None or item in model.own_points_items:
            points = read_number(given, f"第 {place} 条记录的 points ")
    minor, corrected_on = False, None
    if model.reads_minor:
        minor = read_flag(raw.get("minor"), f"第 {place} 条记录的 minor ")
        corrected = raw.get("corrected_on")
        corrected_on = None if corrected is None else read_day(corrected, f"第 {place} 条记录的 corrected_on ")
    unavoidable = False
    if model.reads_force_majeure:
        unavoidable = read_flag(raw.get("force_majeure"), f"第 {place} 条记录的 force_majeure ")
    return Record(item, occurred_on, removed_on, serious, points, str(place), minor, corrected_on, unavoidable)


def _facts(model: Model, raw: Any) -> dict[str, object]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise BadValue("BAD_FACTS", "facts 应为 JSON 对象。没有时请写 {} 或不写")
    return read_facts(model.all_facts, raw)


def _is_text(value: str) -> bool:
    """False for half a surrogate pair, which no UTF-8 can carry."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
