"""`xinyi statistics`. One thing to know: what it shows is what was taken, and what was taken may be published."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from cli.deployment import deployment, open_database
from cli.output import WrongUse, table
from core.clock import utc_now
from scoring.values import parse_day

if TYPE_CHECKING:
    from core.database import Database
    from core.settings import Settings
    from partners.rulebook import Rulebook
    from scoring.disclosure import Dimension

T = TypeVar("T")
DATA = click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="演示数据文件夹。")
NAMES = {"region": "地区", "industry": "行业"}


@click.group()
def statistics() -> None:
    """企业评价的统计、预警与园区指数。"""


@statistics.command()
@DATA
def take(data: Path | None) -> None:
    """记下本月的统计(每月一次,重复运行不改动);请先为全部企业重新计分。"""
    from scoring.statistics import take_statistics

    async def run(database: Database, rulebook: Rulebook) -> list[tuple[str, ...]]:
        async with database.transaction() as connection:
            takes = await take_statistics(
                connection,
                actor="statistics",
                places=rulebook.served,
                models=rulebook.models,
                rules=rulebook.statistics,
                now=utc_now(),
            )
        return [(one.place, one.model, str(one.cells), str(one.parks)) for one in takes]

    rows = _with_database(deployment(data), run)
    click.echo(table(("地方", "模型", "公布的格数", "园区指数"), rows) if rows else "本月的统计已经记下,没有改动。")


@statistics.command()
@click.argument("place")
@click.argument("model")
@click.option("--by", type=click.Choice(tuple(NAMES)), default="region", show_default=True, help="按地区或行业。")
@click.option("--month", metavar="YYYY-MM", help="哪一个月,默认为最近记下的一个月。")
@click.option("--compare", metavar="YYYY-MM", help="与哪一个月比较,默认为上一个月。")
@DATA
def show(*, place: str, model: str, by: Dimension, month: str | None, compare: str | None, data: Path | None) -> None:
    """列出 PLACE 的企业在 MODEL 中的等级分布;不足十家的一律不列。"""
    from scoring.statistics import read_statistics

    wanted, compared = _month(month), _month(compare)

    async def run(database: Database, rulebook: Rulebook) -> list[str]:
        if place not in rulebook.places:
            raise WrongUse("UNKNOWN_PLACE", f"没有 {place[:40]} 这个地方。现有:{'、'.join(rulebook.places)}")
        known = rulebook.models.get(model)
        async with database.reading() as connection:
            found = await read_statistics(
                connection,
                place=place,
                model=known,
                by=by,
                rules=rulebook.statistics,
                month=wanted,
                compared_with=compared,
            )
        if found is None:
            return ["没有这个月的统计。每月运行 xinyi statistics take 记下当月数字。"]
        grades = [grade.code for grade in known.grades]
        values = sorted({value for value, _ in found.cells}, key=lambda value: value or "~")
        rows = [
            (value or "未分列", *(_cell(found.cells, found.earlier_cells, value, grade) for grade in grades))
            for value in values
        ]
        told = f"{found.month:%Y-%m},企业家数向下取整到十,「·」为不足十家或未分列"
        warned = [f"预警 {one.value or '全部'}:{one.rule.label},{one.before}% → {one.now}%" for one in found.warnings]
        return [told, table((NAMES[by], *grades), rows), *warned]

    for line in _with_database(deployment(data), run):
        click.echo(line)


@statistics.command("park-index")
@click.argument("place")
@DATA
def park_index(place: str, data: Path | None) -> None:
    """列出 PLACE 已公布的园区综合信用指数。"""
    from scoring.statistics import read_park_indices

    async def run(database: Database, rulebook: Rulebook) -> list[tuple[str, ...]]:
        rules = rulebook.statistics.parks.get(place)
        names = {park.code: park.name for park in rules.parks} if rules else {}
        async with database.reading() as connection:
            found = await read_park_indices(connection, place=place)
        return [
            (f"{one.month:%Y-%m}", one.park, names.get(one.park, ""), str(one.points), f"{one.enterprises}+")
            for one in found
        ]

    rows = _with_database(deployment(data), run)
    click.echo(table(("月份", "园区", "名称", "指数", "企业数"), rows) if rows else "还没有公布的园区指数。")


def _cell(
    cells: Mapping[tuple[str | None, str], int],
    earlier: Mapping[tuple[str | None, str], int],
    value: str | None,
    grade: str,
) -> str:
    count, before = cells.get((value, grade)), earlier.get((value, grade))
    if count is None:
        return "·"
    return f"{count}" if before is None else f"{count}({count - before:+d})"


def _month(text: str | None) -> date | None:
    if text is None:
        return None
    day = parse_day(f"{text}-01")
    if day is None:
        raise WrongUse("BAD_MONTH", f"{text[:40]} 不是月份。请写成 YYYY-MM")
    return day


def _with_database(settings: Settings, run: Callable[[Database, Rulebook], Awaitable[T]]) -> T:
    from partners.rulebook import load_rulebook, with_published

    async def whole() -> T:
        rulebook = load_rulebook(settings.jurisdictions, settings.places)
        async with open_database(settings) as database:
            async with database.reading() as connection:
                rulebook = await with_published(connection, rulebook)
            return await run(database, rulebook)

    return asyncio.run(whole())
