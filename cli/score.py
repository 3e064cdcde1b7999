"""`xinyi score` and `xinyi models`. One thing to know: every line in gets one line out, in the same order.

Reads and writes line by line, so that memory does not grow with the file.
"""

from __future__ import annotations

import os
import sys
from codecs import BOM_UTF8
from contextlib import nullcontext
from datetime import date
from typing import IO

import click
import orjson
from tqdm import tqdm

from cli.output import WrongUse, complain, day_given, table
from core.clock import today
from core.places import Places, load_places
from core.settings import jurisdictions_folder
from scoring.engine import Score, evaluate
from scoring.lines import BadLine, read_line
from scoring.model import Model
from scoring.models import Models, UnknownModel, load_models
from scoring.values import number_text


@click.command()
@click.argument("model")
@click.argument("file", required=False, type=click.Path())
@click.option("--on", metavar="YYYY-MM-DD", help="按哪一天计算,默认为上海时间的今天。")
@click.option("--explain", is_flag=True, help="逐项列出得分明细。")
def score(model: str, file: str | None, on: str | None, explain: bool) -> int:
    """按模型 MODEL 为 FILE(默认标准输入)中的每一行计分:JSON 行进,JSON 行出。"""
    day = _day(on)
    chosen = _model(load_models(load_places(jurisdictions_folder())), model, day)
    try:
        source = nullcontext(sys.stdin.buffer) if file in {None, "-"} else open(str(file), "rb")  # noqa: SIM115
    except OSError as error:
        return complain("UNREADABLE_FILE", f"读不到 {file}({error.strerror})。请检查路径与权限", exit_code=1)
    with source as lines:
        bad = _answer_all(chosen, lines, sys.stdout.buffer, on=day, explain=explain)
    if bad:
        return complain("BAD_LINES", f"有 {bad} 行无法计算,原因见各行的 error。其余各行已正常作答", exit_code=1)
    return 0


def _model(known: Models, name: str, day: date) -> Model:
    try:
        return known.get(name, day)
    except UnknownModel as error:
        raise WrongUse(error.code, error.message) from None


def _day(on: str | None) -> date:
    return today() if on is None else day_given(on, "--on")


def _answer_all(model: Model, lines: IO[bytes], out: IO[bytes], *, on: date, explain: bool) -> int:
    """Answer every line that is not blank; how many were bad."""
    bad = 0
    with tqdm(
        total=_size(lines), desc=model.id, unit="B", unit_scale=True, delay=1, disable=None, leave=False
    ) as progress:
        for number, line in enumerate(lines):
            progress.update(len(line))
            if number == 0:
                line = line.removeprefix(BOM_UTF8)  # noqa: PLW2901  # some editors begin a file with it
            if not line.strip():
                continue
            try:
                answer = _answer(model, line, on=on, explain=explain)
            except BadLine as error:
                bad += 1
                answer = {"subject": error.subject, "error": {"code": error.code, "message": error.message}}
            out.write(orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE))
    out.flush()
    return bad


def _answer(model: Model, line: bytes, *, on: date, explain: bool) -> dict[str, object]:
    asked = read_line(model, line)
    result = evaluate(model, records=asked.records, facts=asked.facts, on=on)
    if not isinstance(result, Score):
        return {"subject": asked.subject, "assessed": False, "reason": result.reason}
    answer: dict[str, object] = {
        "subject": asked.subject,
        "model": model.id,
        "version": model.version,
        "assessed": True,
        "points": None if result.points is None else _number(result.points),
        "grade": None if result.grade is None else result.grade.code,
    }
    if explain:
        answer["lines"] = [
            {
                "rule": line.rule,
                "points": _number(line.points),
                "label": line.label,
                "basis": line.basis,
                "records": sorted(int(place) for place in line.records),
            }
            for line in result.lines
        ]
    return answer


def _number(points: int) -> orjson.Fragment:
    """Hundredths as a JSON number, exactly: no float in between."""
    return orjson.Fragment(number_text(points))


def _size(lines: IO[bytes]) -> int | None:
    """How many bytes there are to read, where that can be known."""
    try:
        return os.fstat(lines.fileno()).st_size or None
    except OSError:
        return None


@click.command()
@click.argument("model", required=False)
def models(model: str | None) -> None:
    """列出现行有效的评分模型:版本、所属地方、性质;写明 MODEL 则列出它的全部规则和依据。"""
    places, day = load_places(jurisdictions_folder()), today()
    if model is not None:
        _show(_model(load_models(places), model, day))
        return
    in_force = [model for model in load_models(places).all if model.is_in_force(day)]
    head = ("模型", "版本", "地方", "性质", "生效", "名称")
    click.echo(table(head, (_row(model, places) for model in in_force)))


def _row(model: Model, places: Places) -> tuple[str, ...]:
    until = f" 至 {model.in_force_until}(不含)" if model.in_force_until else " 起"
    place = f"{places[model.place].name}({model.place})"
    return model.id, model.version, place, model.status, f"{model.in_force_from}{until}", model.name


def _show(model: Model) -> None:
    from scoring.plain import plain_grade, plain_rules

    click.echo(f"{model.name}({model.id} {model.version},{model.status}):{model.basis}")
    for rule in plain_rules(model):
        source = rule.source
        cited = f"{source.title or ''}{' ' + source.clause if source.clause else ''}"
        reason = f":{source.reason}" if source.reason else ""
        click.echo(f"- {rule.id} {rule.label}:{rule.sentence}\n  依据 {cited}({source.status}{reason})")
    click.echo(table(("等级", "名称", "条件"), ((one.code, one.name, plain_grade(model, one)) for one in model.grades)))
