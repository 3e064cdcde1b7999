"""`xinyi results push|sign|withdraw` and `xinyi outbox`. One thing to know: nothing here prints an identity number."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import orjson

from cli.deployment import deployment, open_database
from cli.guard import Unreadable, read_signed
from cli.output import WrongUse, complain, table
from core.clock import day_of, utc_now

if TYPE_CHECKING:
    from core.database import Database
    from core.settings import Settings
    from scoring.issuers import Issuer

T = TypeVar("T")
ACTOR = "cli"
ISSUERS, PROVINCE_KEYS, PROVINCE_JWKS = "issuers.json", "province-keys.json", "province-jwks.json"
PROVINCE = "https://province.example"
SHOWN = 50
DATA = click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="演示数据文件夹。")


@click.group()
def results() -> None:
    """推送的评价结果:接收、撤回;演示用的签发。"""


@results.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@DATA
@click.option("--jwks", type=click.Path(path_type=Path, dir_okay=False), help="改用此公钥集核对签名(jwks.json)。")
def push(file: Path, data: Path | None, jwks: Path | None) -> int:
    """核对并应用一份签名的结果文件;同一批次再来一次不作任何改动。"""
    from core.keys import load_keys, load_public_keys
    from scoring.issuers import MAX_LENGTH, open_push
    from scoring.results import receive_results

    settings, now = deployment(data), utc_now()
    token = read_signed(file, MAX_LENGTH)
    trusted = load_public_keys(jwks) if jwks else None
    given = open_push(token, _issuers(settings), audience=settings.issuer, now=now, keys=trusted)
    keys = load_keys(settings.keys_file)

    async def run(database: Database) -> Any:
        from tqdm import tqdm

        models = _models(settings)
        with tqdm(total=len(given.rows), desc="应用结果", unit="行", delay=1, disable=None, leave=False) as progress:
            async with database.transaction() as connection:
                return await receive_results(
                    connection, given, models=models, keys=keys, actor=ACTOR, now=now, tell=progress.update
                )

    receipt = _with_database(settings, run)
    left = [asdict(one) for one in receipt.leftovers]
    told = {"rows": receipt.rows, "applied": receipt.applied, "repeated": receipt.repeated, "not_applied": left}
    click.echo(orjson.dumps(told).decode())
    if receipt.repeated:
        click.echo("这一批此前已经收到,没有作任何改动。", err=True)
    if left:
        shown = "、".join(str(one["row"]) for one in left[:10])
        sentence = f"有 {len(left)} 行没有应用(第 {shown} 行{'等' if len(left) > 10 else ''}):本平台没有相应的参加者"
        return complain("ROWS_NOT_APPLIED", f"{sentence}。其余各行已应用", exit_code=0 if receipt.applied else 1)
    return 0


@results.command()
@click.argument("issuer")
@click.argument("batch")
@DATA
def withdraw(issuer: str, batch: str, data: Path | None) -> None:
    """撤回推送方 ISSUER 的批次 BATCH;有关主体随即恢复为本地计算的结果。"""
    from scoring.results import withdraw_batch

    settings = deployment(data)

    async def run(database: Database) -> int:
        async with database.transaction() as connection:
            return await withdraw_batch(
                connection, issuer=issuer, batch=batch, models=_models(settings), actor=ACTOR, now=utc_now()
            )

    click.echo(f"已撤回 {_with_database(settings, run)} 条结果。")


@results.command()
@click.argument("rows", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--model", default="xiangxinfen", show_default=True, help="结果属于哪个模型。")
@click.option("--citizen", default=3, show_default=True, type=click.IntRange(1), help="没有 ROWS 时:第几位演示市民。")
@click.option("--grade", default="A", show_default=True, help="没有 ROWS 时:给这位市民的等级。")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="写到此文件,默认输出到屏幕。")
@DATA
def sign(*, rows: Path | None, model: str, citizen: int, grade: str, out: Path | None, data: Path | None) -> None:
    """演示:以省级平台的身份签发一份结果文件。ROWS 为 JSON 行,每行 subject、points、grade、resultOn、validUntil。"""
    from uuid import uuid4

    from core.keys import load_keys
    from core.signing import sign as sign_claims

    settings, now = deployment(data), utc_now()
    if settings.environment != "demo":
        raise WrongUse("DEMO_ONLY", "签发只用于演示。正式的结果文件由推送方以自己的密钥签发")
    _make_province(settings)
    day = day_of(now)
    if rows is not None:
        given = _json_lines(rows)
    else:
        until = day + timedelta(days=365)
        number = _with_database(settings, lambda database: _number_of(database, settings, citizen))
        given = [{"subject": number, "points": None, "grade": grade, "resultOn": str(day), "validUntil": str(until)}]
    claims = {
        "iss": PROVINCE,
        "iat": int(now.timestamp()),
        "jti": str(uuid4()),
        "aud": settings.issuer,
        "model": model,
        "results": given,
    }
    token = sign_claims(load_keys(settings.keys_file.with_name(PROVINCE_KEYS)), "results", claims)
    if out is None:
        click.echo(token)
        return
    try:
        out.write_text(token + "\n")
    except OSError as error:
        raise Unreadable(f"写不了 {out}({error.strerror})。请换一个可写的路径。") from None


@click.group(invoke_without_command=True)
@DATA
@click.pass_context
def outbox(context: click.Context, data: Path | None) -> None:
    """发件箱:列出最近的和失败的条目(不含身份信息)。"""
    if context.invoked_subcommand is not None:
        return
    from scoring.outbox import list_outbox, state_of

    async def run(database: Database) -> list[Any]:
        async with database.reading() as connection:
            return await list_outbox(connection, newest=SHOWN)

    head = ("编号", "内容", "状态", "写入", "次数", "下次", "最近一次的问题")
    found = _with_database(deployment(data), run)
    click.echo(
        table(
            head,
            (
                (
                    str(row.id),
                    row.topic,
                    state_of(row),
                    f"{row.created_at:%Y-%m-%d %H:%M}",
                    str(row.attempts),
                    f"{row.next_attempt_at:%Y-%m-%d %H:%M}" if state_of(row) == "WAITING" else "",
                    row.last_error or "",
                )
                for row in found
            ),
        )
    )


@outbox.command()
@DATA
@click.option("--failed", is_flag=True, help="已放弃的也重新开始尝试。")
def send(data: Path | None, failed: bool) -> int:
    """发送一遍到期的条目。"""
    from api.jobs.sending import send_once
    from core.keys import load_keys
    from scoring.outbox import try_failed_again

    settings, now = deployment(data), utc_now()
    keys = load_keys(settings.keys_file)

    async def run(database: Database) -> Any:
        if failed:
            async with database.transaction() as connection:
                await try_failed_again(connection, now=now)
        return await send_once(database, keys, settings, now=now)

    done = _with_database(settings, run)
    click.echo(orjson.dumps(done._asdict()).decode())
    undelivered = done.postponed + done.failed
    if undelivered:
        return complain(
            "UNDELIVERED", f"有 {undelivered} 条没有送达,仍在发件箱中。运行 xinyi outbox 查看原因", exit_code=1
        )
    return 0


def _issuers(settings: Settings) -> Mapping[str, Issuer]:
    from core.errors import StartupError
    from scoring.issuers import load_issuers

    beside = settings.keys_file.with_name(ISSUERS)
    if settings.issuers is None and settings.environment == "demo" and beside.exists():
        return load_issuers(beside)
    if settings.issuers is None:
        raise StartupError("没有推送方名单。请设置 XINYI_ISSUERS(演示中可先运行 xinyi results sign)。")
    return load_issuers(settings.issuers)


def _make_province(settings: Settings) -> None:
    """The demo's province: its keys, its public set, and its line in the list of issuers, made once."""
    from core.keys import load_keys, new_key_file

    folder = settings.keys_file.parent
    if (folder / ISSUERS).exists():
        return
    if not (folder / PROVINCE_KEYS).exists():
        new_key_file(folder / PROVINCE_KEYS, demo=True)
    (folder / PROVINCE_JWKS).write_bytes(orjson.dumps(load_keys(folder / PROVINCE_KEYS).jwks()))
    from core.places import load_places
    from scoring.models import load_models

    places = load_places(settings.jurisdictions)
    models = sorted({model.id for model in load_models(places).all})
    entry = {"name": "省级信用平台(演示)", "jwks": PROVINCE_JWKS, "models": models, "places": sorted(places)}
    (folder / ISSUERS).write_bytes(orjson.dumps({PROVINCE: entry}, option=orjson.OPT_INDENT_2))


async def _number_of(database: Database, settings: Settings, citizen: int) -> str:
    from sqlalchemy import select

    from core.keys import load_keys
    from core.sealing import unseal
    from partners.tables import accounts
    from scoring.tables import subjects

    mine = select(subjects.c.identity_sealed).join(accounts, accounts.c.subject_id == subjects.c.id)
    async with database.reading() as connection:
        sealed = await connection.scalar(mine.where(accounts.c.id == f"citizen-{citizen}"))
    number = None if sealed is None else unseal(load_keys(settings.keys_file), "seal", sealed)
    if number is None:
        raise WrongUse("NO_SUCH_ACCOUNT", f"没有第 {citizen} 位演示市民")
    return number.decode()


def _models(settings: Settings) -> Any:
    from partners.rulebook import load_rulebook

    return load_rulebook(settings.jurisdictions, settings.places).models


def _with_database(settings: Settings, act: Callable[[Database], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_database(settings, patience=None) as database:
            return await act(database)

    return asyncio.run(run())


def _json_lines(file: Path) -> list[Any]:
    try:
        return [orjson.loads(line) for line in file.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise Unreadable(f"读不到 {file}({error.strerror})。请检查路径。") from None
    except orjson.JSONDecodeError:
        raise Unreadable(f"{file} 不是 JSON 行。每行应是一个完整的 JSON 对象。") from None
