"""`xinyi population`: a model over everybody at once. One thing to know: the output appears whole or not at all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import click

from cli.output import WrongUse, complain
from cli.simulate import simulate

if TYPE_CHECKING:
    from scoring.population.engines import EngineName

FILE = click.Path(path_type=Path)


@click.group()
def population() -> None:
    """对全部主体计分,或模拟模型的改动。"""


population.add_command(simulate)


@population.command()
@click.argument("model")
@click.option("--records", required=True, type=FILE, help="信用记录,Parquet 文件;列见 docs/population.md。")
@click.option("--subjects", required=True, type=FILE, help="要计分的主体,Parquet 文件。")
@click.option("--out", required=True, type=FILE, help="结果写到哪个 Parquet 文件;已有的会被整个换掉。")
@click.option("--facts", type=FILE, help="事实,Parquet 文件;不给就是没有任何事实。")
@click.option("--on", metavar="YYYY-MM-DD", help="按哪一天计算,默认为上海时间的今天。")
@click.option(
    "--engine",
    type=click.Choice(["duckdb", "spark", "postgres"]),
    default="duckdb",
    help="由谁来算,默认 duckdb。spark 需另行安装;postgres 用 XINYI_DATABASE_URL 的数据库。",
)
def score(
    *, model: str, records: Path, subjects: Path, out: Path, facts: Path | None, on: str | None, engine: EngineName
) -> int:
    """按模型 MODEL 为 SUBJECTS 中的每个主体计分,一次写出全部结果。"""
    from cli.score import _day
    from core.places import load_places
    from core.settings import database_url, jurisdictions_folder
    from scoring.models import UnknownModel, load_models
    from scoring.population.run import score_population
    from scoring.values import BadValue

    day = _day(on)
    try:
        chosen = load_models(load_places(jurisdictions_folder())).get(model, day)
    except UnknownModel as error:
        raise WrongUse(error.code, error.message) from None
    try:
        with _progress(chosen.id) as on_shard:
            run = score_population(
                chosen,
                records=records,
                subjects=subjects,
                facts=facts,
                out=out,
                on=day,
                engine=engine,
                database_url=database_url(),
                on_shard=on_shard,
            )
    except BadValue as error:
        return complain(error.code, error.message, exit_code=1)
    click.echo(f"{run.rows} 个主体,用时 {run.seconds:.1f} 秒,运行编号 {run.run_id}")
    return 0


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that moves with each shard; on a terminal only, and from the second second on."""
    if not sys.stderr.isatty():
        yield lambda done, of: None
        return
    from tqdm import tqdm

    finished = Event()
    with tqdm(total=1, desc=title, unit="份", leave=False, delay=1) as bar:

        def beat() -> None:
            # The first shard may take long: the clock shows that something is going on.
            while not finished.wait(1):
                bar.refresh()

        def on_shard(done: int, of: int) -> None:
            bar.total, bar.n = of, done

        thread = Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield on_shard
        finally:
            finished.set()
            thread.join()
