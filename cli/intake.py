"""`xinyi intake`: a department's file, loaded row by row. One thing to know: a second load of the same file changes
nothing, so whatever was interrupted is simply loaded again."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson
from tqdm import tqdm

from cli.deployment import deployment, open_database
from cli.output import WrongUse, day_given, table
from core.clock import day_of, utc_now

if TYPE_CHECKING:
    from partners.rulebook import Rulebook
    from scoring.intake.load import Summary
    from scoring.intake.rates import BodyRates

DATA = click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="演示数据文件夹。")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--item", required=True, help="目录中的项目,例如 administrative-penalty、administrative-permit。")
@click.option("--quarantine", type=click.Path(path_type=Path, dir_okay=False), help="退回文件写到哪里(CSV)。")
@click.option("--place", help="新主体归入哪个地方,默认为本部署的第一个地方。")
@click.option("--as", "actor", default="command-line", show_default=True, help="由谁报送,写入审计记录。")
@DATA
def intake(*, file: Path, item: str, quarantine: Path | None, place: str | None, actor: str, data: Path | None) -> None:
    """导入部门报送的文件:CSV(UTF-8 或 GB18030)、XLSX 或 JSON 行。最后一行输出 JSON 计数。

    不合格的行逐行写明原因,写入 --quarantine 指定的退回文件;重复导入同一文件不会改变任何内容。
    """
    from functools import partial

    from partners.rulebook import load_rulebook, with_published
    from scoring.intake.load import catalogued, load_file

    settings = deployment(data)

    async def run(bar: tqdm[Any]) -> Summary:
        rulebook = load_rulebook(settings.jurisdictions, settings.places)
        where = _place(rulebook, place, settings.environment == "demo")
        now = utc_now()

        def tell(position: int, size: int) -> None:
            bar.total = size
            bar.update(position - bar.n)

        async with open_database(settings, patience=None) as database:
            async with database.reading() as connection:
                rulebook = await with_published(connection, rulebook)
            return await load_file(
                database,
                file,
                item=catalogued(rulebook.catalogues[where], item),
                place=where,
                actor=actor,
                models_of=partial(rulebook.models_for, on=day_of(now)),
                quarantine=quarantine,
                now=now,
                tell=tell,
            )

    progress: tqdm[Any] = tqdm(desc=file.name[:30], unit="B", unit_scale=True, delay=1, disable=None, leave=False)
    with progress as bar:
        summary = asyncio.run(run(bar))
    if summary.unknown_columns:
        names = "、".join(name.strip()[:20] for name in summary.unknown_columns[:10])
        click.echo(f"目录之外的 {len(summary.unknown_columns)} 列没有保存:{names}", err=True)
    for code, count in sorted(summary.reasons.items()):
        click.echo(f"退回 {count} 行:{code}", err=True)
    click.echo(orjson.dumps(summary.counts()).decode())


@click.command("intake-rates")
@click.option("--from", "since", metavar="YYYY-MM-DD", help="决定日期从哪个月起,默认为一年前。")
@click.option("--until", metavar="YYYY-MM-DD", help="到哪个月之前,默认包括本月。")
@DATA
def intake_rates(since: str | None, until: str | None, data: Path | None) -> None:
    """各单位报送的完整率、合规率和七个工作日内报送率。"""
    from partners.rulebook import load_rulebook
    from scoring.intake.rates import read_rates

    settings, today = deployment(data), day_of(utc_now())
    begins = today.replace(year=today.year - 1, day=1) if since is None else day_given(since, "--from").replace(day=1)
    ends = date.max if until is None else day_given(until, "--until").replace(day=1)

    async def run() -> list[BodyRates]:
        places = load_rulebook(settings.jurisdictions, settings.places).served
        async with open_database(settings) as database, database.reading() as connection:
            return await read_rates(connection, places=places, since=begins, until=ends)

    rows = [
        (one.body or "(未写明)", str(one.rows), str(one.accepted), *map(_percent, _shares(one)))
        for one in asyncio.run(run())
    ]
    click.echo(table(("单位", "报送行数", "入库", "完整率", "合规率", "七日报送率"), rows))


def _shares(rates: BodyRates) -> tuple[float | None, ...]:
    return rates.completeness, rates.validity, rates.seven_day_rate


def _percent(share: float | None) -> str:
    return "—" if share is None else f"{share:.1%}"


def _place(rulebook: Rulebook, asked: str | None, is_demo: bool) -> str:
    """Where subjects belong that nothing was known of before."""
    if asked is None and is_demo:
        from demo.people import CITIES

        return CITIES[0]
    place = rulebook.served[0] if asked is None else asked
    if place not in rulebook.places:
        raise WrongUse("UNKNOWN_PLACE", f"没有 {place[:40]} 这个地方。请用 jurisdictions 下的文件夹名")
    return place
