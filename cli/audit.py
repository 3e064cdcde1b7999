"""`xinyi audit verify|rows|checkpoint`: whether the audit trail, and the rows that decide, are as they were written.

The one thing to know: a trail rewritten by somebody who has the keys is found out only by what others hold: checkpoints
kept elsewhere, and receipts.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson
from tqdm import tqdm

from cli.deployment import deployment, open_database
from core.clock import utc_now
from core.errors import ExpectedError

if TYPE_CHECKING:
    from core.checkpoints import Verified
    from core.keys import Keys
    from core.settings import Settings

DATA = click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="演示数据文件夹。")
LARGEST_RECEIPT = 8192
MOST_SHOWN = 100
LARGEST_CHECKPOINTS = 500_000_000


class Unreadable(ExpectedError):
    """A file of checkpoints cannot be read."""

    code = "UNREADABLE"


class RowsChanged(ExpectedError):
    """Sealed rows are not as they were written."""

    code = "ROWS_CHANGED"


@click.group()
def audit() -> None:
    """审计记录:核对与检查点;受保护的数据是否被改动。"""


@audit.command()
@DATA
@click.option(
    "--checkpoints",
    type=click.Path(path_type=Path, dir_okay=False),
    help="另行保存的检查点(JSON 行或数组),取自 /.well-known/audit-checkpoints。",
)
@click.option(
    "--receipt",
    "receipts",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help="他人手中的回执:核验回执或授权回执;可写多次。",
)
def verify(data: Path | None, checkpoints: Path | None, receipts: tuple[Path, ...]) -> None:
    """逐行核对审计记录、各链和检查点;指出第一条被改动或缺失的记录。"""
    from cli.guard import read_signed

    kept = [] if checkpoints is None else _kept(checkpoints)
    found = asyncio.run(_verify(deployment(data), kept, [read_signed(file, LARGEST_RECEIPT) for file in receipts]))
    click.echo(
        f"核对 {found.rows} 行审计记录,全部完好;检查点 {found.checkpoints} 个,签到第 {found.signed_rows} 行"
        f"(其后 {found.rows - found.signed_rows} 行尚未签名)。"
    )


@audit.command()
@DATA
def checkpoint(data: Path | None) -> None:
    """立即签一个检查点,输出一行 JSON;没有新记录时不签。"""
    statement = asyncio.run(_checkpoint(deployment(data)))
    if statement is None:
        click.echo("没有新的审计记录,无需检查点。", err=True)
    else:
        click.echo(orjson.dumps(statement).decode())


@audit.command()
@DATA
def rows(data: Path | None) -> None:
    """逐行核对受保护的数据(主体、信用信息、事实、评分、授权等),列出与写入时不一致的行。"""
    checked, found = asyncio.run(_rows(deployment(data)))
    for table, key in found[:MOST_SHOWN]:
        click.echo(f"{table} {orjson.dumps(key, default=_shown).decode()}")
    if found:
        raise RowsChanged(
            f"{len(found)} 行与写入时不一致,不会用于评分和核验。请查明是谁改动的,再从备份恢复,或由提供单位重新报送。"
        )
    click.echo(f"核对 {checked} 行,全部完好。")


async def _rows(settings: Settings) -> tuple[int, list[tuple[str, dict[str, Any]]]]:
    import partners.schema  # noqa: F401  # every table there is
    from core.checkpoints import snapshot
    from core.integrity import changed_rows

    async with open_database(settings) as database, database.reading() as connection, snapshot(connection):
        with tqdm(desc="核对受保护的数据", unit="行", delay=1, disable=None, leave=False) as progress:
            checked = 0

            def tell(count: int) -> None:
                nonlocal checked
                checked += count
                progress.update(count)

            found = [one async for one in changed_rows(connection, tell=tell)]
    return checked, found


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


async def _verify(settings: Settings, kept: list[str], receipts: list[str]) -> Verified:
    from sqlalchemy import func, select

    from core.audit import audit_entries
    from core.checkpoints import check_leaf, snapshot, verify_trail
    from core.keys import load_keys

    keys = load_keys(settings.keys_file)
    leaves = [_leaf(keys, receipt) for receipt in receipts]
    async with open_database(settings) as database, database.reading() as connection, snapshot(connection):
        total = await connection.scalar(select(func.count()).select_from(audit_entries))
        with tqdm(total=total, desc="核对审计记录", unit="行", delay=1, disable=None, leave=False) as progress:
            found = await verify_trail(connection, keys, kept=kept, tell=progress.update)
        for leaf in leaves:
            await check_leaf(connection, leaf)
    return found


async def _checkpoint(settings: Settings) -> dict[str, Any] | None:
    from core.checkpoints import as_published, make_checkpoint, published_checkpoints
    from core.database import Conflict
    from core.keys import load_keys

    keys = load_keys(settings.keys_file)
    async with open_database(settings) as database:
        with suppress(Conflict):  # the server has just made it
            async with database.transaction() as connection:
                number = await make_checkpoint(connection, keys, issuer=settings.issuer, now=utc_now())
                if number is not None:
                    (row,) = await published_checkpoints(connection, after=number - 1, most=1)
                    return as_published(row)
    return None


def _leaf(keys: Keys, receipt: str) -> str:
    """The leaf in a genuine receipt, of a verification or of a consent.

    Raises:
        SignatureInvalid: it is neither.
    """
    from core.signing import SignatureInvalid
    from partners.receipts import check_receipt
    from scoring.consent.receipts import check_consent_receipt

    try:
        claims = check_receipt(keys, receipt)
    except SignatureInvalid as error:
        try:
            claims = check_consent_receipt(keys, receipt)
        except SignatureInvalid:
            raise error from None
    return str(claims["leaf"])


def _kept(file: Path) -> list[str]:
    try:
        if file.stat().st_size > LARGEST_CHECKPOINTS:
            raise Unreadable(f"{file} 太大,不是检查点文件。")
        text = file.read_bytes().strip()
    except OSError as error:
        raise Unreadable(f"读不到 {file}({error.strerror})。请检查路径。") from None
    try:
        rows = orjson.loads(text) if text.startswith(b"[") else [orjson.loads(line) for line in text.splitlines()]
        return [str(row["statement"]) for row in rows]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise Unreadable(f"{file} 不是检查点文件。请原样保存 /.well-known/audit-checkpoints 的内容。") from None
