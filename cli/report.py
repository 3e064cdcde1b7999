"""`xinyi report make|verify`: a credit report written to a file, and checked without a server. One thing to know: the
keys of a check come from the deployment or `--jwks`, never from the file itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from cli.deployment import deployment, open_database
from cli.output import WrongUse
from core.clock import utc_now
from core.errors import ExpectedError

if TYPE_CHECKING:
    from core.settings import Settings
    from partners.credit_report import CreditReport

LARGEST_FILE = 100_000_000
DATA = click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="演示数据文件夹。")
JWKS = click.option("--jwks", type=click.Path(path_type=Path, dir_okay=False), help="公钥集文件(jwks.json)。")


class Unreadable(ExpectedError):
    """A file cannot be read or written."""

    code = "UNREADABLE"


class NoReport(ExpectedError):
    """There is nobody to report on, or the data is being checked."""

    code = "NO_REPORT"


@click.group()
def report() -> None:
    """信用报告:生成和核对。"""


@report.command()
@click.option("--as", "account", required=True, help="代表哪个账号(市民或企业经办人)。")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="写到哪里,.pdf 或 .json。")
@DATA
def make(account: str, out: Path, data: Path | None) -> None:
    """把关于本人的全部信息写成一份签名的报告。报告不留存,只留校验值。"""
    from partners.credit_report import Format, report_file

    written = {".pdf": Format.PDF, ".json": Format.JSON}.get(out.suffix.lower())
    if written is None:
        raise WrongUse("USAGE", "--out 的文件名应以 .pdf 或 .json 结尾")
    settings = deployment(data)
    made = asyncio.run(_make(settings, account))
    file = report_file(made, written=written, check_url=f"{settings.issuer}/reports")
    try:
        out.touch(mode=0o600)
        out.write_bytes(file)
    except OSError as error:
        raise Unreadable(f"写不了 {out}({error.strerror})。请换一个可写的路径。") from None
    click.echo(f"报告 {made.id},校验值 {made.sha256}。", err=True)


@report.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@DATA
@JWKS
def verify(file: Path, data: Path | None, jwks: Path | None) -> None:
    """不依赖服务器核对一份报告(PDF 或 JSON),并输出其编号、时间、主体和校验值。"""
    from core.keys import load_keys, load_public_keys
    from partners.credit_report import check_report

    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise Unreadable(f"读不到 {file}({error.strerror})。请检查路径。") from None
    if len(content) > LARGEST_FILE:
        raise Unreadable(f"{file} 太大,不是信用报告。")
    keys = load_public_keys(jwks) if jwks is not None else load_keys(deployment(data).keys_file)
    found, digest = check_report(keys, content)
    told = {name: found.get(name) for name in ("id", "made_at", "subject")} | {"sha256": digest}
    click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())


async def _make(settings: Settings, account: str) -> CreditReport:
    from sqlalchemy import select

    from core.keys import load_keys
    from partners.access import COMMAND_LINE, note_reading
    from partners.accounts import Role
    from partners.credit_report import note_report, read_report, sign_report
    from partners.rulebook import load_rulebook, with_published
    from partners.tables import accounts
    from scoring.subjects import SubjectDataFault

    now = utc_now()
    async with open_database(settings) as database, database.transaction() as connection:
        mine = select(accounts.c.role, accounts.c.subject_id).where(accounts.c.id == account)
        row = (await connection.execute(mine)).one_or_none()
        if row is None or row.role not in (Role.CITIZEN, Role.AGENT) or row.subject_id is None:
            raise NoReport(f"没有代表信用主体的账号 {account[:40]}。请使用市民或企业经办人的账号。")
        rulebook = await with_published(connection, load_rulebook(settings.jurisdictions, settings.places))
        await note_reading(
            connection,
            subject_id=row.subject_id,
            reader=account,
            role=COMMAND_LINE,
            action="report make",
            purpose="生成信用报告",
            now=now,
        )
        try:
            subject_id, held = await read_report(
                connection, account=account, role=Role(row.role), rulebook=rulebook, now=now
            )
        except SubjectDataFault:
            raise NoReport("数据正在核对,暂时不能生成报告。请过些时候再试。") from None
        made = sign_report(load_keys(settings.keys_file), issuer=settings.issuer, held=held, now=now)
        await note_report(connection, made, subject_id=subject_id, actor=account)
    return made
