"""`xinyi settlement make|verify`: the files of a day, and checking one without a server. One thing to know: the keys of
a check come from the deployment or `--jwks`, never from the file itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from cli.deployment import deployment, open_database
from cli.output import day_given
from core.clock import day_of, utc_now
from core.errors import ExpectedError

if TYPE_CHECKING:
    from datetime import date

    from core.settings import Settings
    from partners.settlement.making import Made

LARGEST_FILE, LARGEST_STATEMENT = 1_000_000_000, 8192
DATA = click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="演示数据文件夹。")
JWKS = click.option("--jwks", type=click.Path(path_type=Path, dir_okay=False), help="公钥集文件(jwks.json)。")


class Unreadable(ExpectedError):
    """A file cannot be read."""

    code = "UNREADABLE"


@click.group()
def settlement() -> None:
    """结算文件:生成和核对。"""


@settlement.command()
@click.option("--day", "day", help="结算到哪一天(YYYY-MM-DD),默认昨天;之前漏掉的日子一并补上。")
@DATA
def make(day: str | None, data: Path | None) -> None:
    """生成某日(及此前尚未结算各日)的结算文件,每份输出一行 JSON;已生成的不再改动。"""
    from datetime import timedelta

    now = utc_now()
    until = day_of(now) - timedelta(days=1) if day is None else day_given(day, "--day")
    made = asyncio.run(_make(deployment(data), until))
    for one in made:
        told = {"file": str(one.id), "partner": one.partner_id, "funder": one.funder, "day": one.day.isoformat()}
        click.echo(orjson.dumps(told | {"lines": one.lines, "totalFen": one.total_fen}).decode())
    click.echo(f"截至 {until.isoformat()} 已结清;本次生成 {len(made)} 份文件。", err=True)


@settlement.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--statement",
    type=click.Path(path_type=Path, dir_okay=False),
    help="签名声明(.jws),默认为同名的 .jws 文件。",
)
@DATA
@JWKS
def verify(file: Path, statement: Path | None, data: Path | None, jwks: Path | None) -> None:
    """不依赖服务器核对一份结算文件(CSV 或 JSON):签名、校验值、各行合计。"""
    from core.keys import load_keys, load_public_keys
    from partners.settlement.files import check_file

    content = _read(file, LARGEST_FILE)
    signed = _read(statement or file.with_suffix(".jws"), LARGEST_STATEMENT).decode(errors="replace").strip()
    keys = load_public_keys(jwks) if jwks is not None else load_keys(deployment(data).keys_file)
    claims = check_file(keys, content, signed)
    told = {name: claims[name] for name in ("jti", "partner", "funder", "day", "lines", "totalFen")}
    click.echo(orjson.dumps(told).decode())


def _read(file: Path, largest: int) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(largest + 1)
    except OSError as error:
        raise Unreadable(f"读不到 {file}({error.strerror})。请检查路径;声明可用 --statement 指明。") from None
    if len(content) > largest:
        raise Unreadable(f"{file} 太大,不是结算文件或其声明。")
    return content


async def _make(settings: Settings, day: date) -> list[Made]:
    from api.ids import public_id
    from core.keys import load_keys
    from partners.settlement.making import Making, settle_until

    making = Making(keys=load_keys(settings.keys_file), issuer=settings.issuer, public_id=public_id)
    async with open_database(settings, patience=None) as database:
        return await settle_until(database, making, day=day, now=utc_now())
