"""`xinyi calendar`. One thing to know: every line in gets one line out, in the same order, as with `xinyi score`."""

from __future__ import annotations

import re
import sys
from codecs import BOM_UTF8
from contextlib import nullcontext
from datetime import datetime
from typing import IO, Any

import click
import orjson

from cli.output import complain
from core.calendar import add_months, add_working_days, term_ends_at
from core.errors import ExpectedError
from scoring.values import BadValue, read_day

_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII
)


@click.command()
@click.argument("file", required=False, type=click.Path())
def calendar(file: str | None) -> int:
    """推算期限:FILE(默认标准输入)每行一个 JSON 对象,逐行作答。

    \b
    {"start": "2026-02-13T10:00:00+08:00", "working_days": 3}  → {"deadline_on", "provisional"}
    {"from_day": "2026-01-31", "months": 1}                    → {"last_day", "ends_at"}
    """
    try:
        source = nullcontext(sys.stdin.buffer) if file in {None, "-"} else open(str(file), "rb")  # noqa: SIM115
    except OSError as error:
        return complain("UNREADABLE_FILE", f"读不到 {file}({error.strerror})。请检查路径与权限", exit_code=1)
    with source as lines:
        bad = _answer_all(lines, sys.stdout.buffer)
    if bad:
        return complain("BAD_LINES", f"有 {bad} 行无法推算,原因见各行的 error。其余各行已正常作答", exit_code=1)
    return 0


def _answer_all(lines: IO[bytes], out: IO[bytes]) -> int:
    bad = 0
    for number, line in enumerate(lines):
        asked = line.removeprefix(BOM_UTF8) if number == 0 else line
        if not asked.strip():
            continue
        try:
            answer = _answer(asked)
        except (BadValue, ExpectedError) as error:
            bad += 1
            answer = {"error": {"code": error.code, "message": error.message}}
        out.write(orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE))
    out.flush()
    return bad


def _answer(line: bytes) -> dict[str, object]:
    try:
        asked = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise BadValue("BAD_JSON", "这一行不是有效的 UTF-8 JSON。每行应是一个完整的 JSON 对象") from None
    if not isinstance(asked, dict) or ("start" in asked) is ("from_day" in asked):
        raise BadValue("BAD_LINE", "每行应写 start 与 working_days,或 from_day 与 months,两者取一。请改正后重试")
    if "start" in asked:
        deadline = add_working_days(_instant(asked["start"]), _whole(asked, "working_days"))
        return {"deadline_on": deadline.on, "provisional": deadline.provisional}
    day, months = read_day(asked["from_day"], "from_day "), _whole(asked, "months")
    return {"last_day": add_months(day, months), "ends_at": term_ends_at(day, months)}


def _instant(value: object) -> datetime:
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    raise BadValue("BAD_INSTANT", "start 不是有效的时刻。请写成 2026-01-31T09:00:00+08:00,须带时区且确有这一天")


def _whole(asked: dict[str, Any], name: str) -> int:
    value = asked.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadValue("BAD_NUMBER", f"{name} 应为不带引号的整数。请改正后重试")
    return value
