"""`xinyi documents register|list|retire`: which documents programs may send in production. One thing to know: it acts
for the operator named by `--as`, and what it registers is checked against the schema first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click
import orjson

from cli.deployment import deployment, open_database
from cli.output import table
from core.clock import utc_now
from core.errors import Forbidden

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

DATA = click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="演示数据文件夹。")
AS = click.option("--as", "account", required=True, help="以哪个运营账号办理。")


@click.group()
def documents() -> None:
    """登记、列出、停用生产环境执行的 GraphQL 文档。"""


@documents.command()
@click.argument("file", type=click.File("rb"))
@click.option("--app", required=True, help="文档属于哪个程序,1 到 40 个字符。")
@AS
@DATA
def register(*, file: BinaryIO, app: str, account: str, data: Path | None) -> None:
    """登记清单中的文档:relay-compiler、GraphQL Code Generator(sha256)或 Apollo 生成的 JSON。"""
    from api.running.trusted import check_documents, read_manifest
    from api.schema import SCHEMA
    from api.verification import checked_text
    from partners.clients.documents import register_documents

    texts = read_manifest(file.read())
    check_documents(SCHEMA._schema, texts)
    named = checked_text("app", app, 40)

    async def work(connection: AsyncConnection, now: datetime) -> int:
        return await register_documents(connection, texts, app=named, actor=account, now=now)

    changed = asyncio.run(_as_operator(work, account, data))
    click.echo(orjson.dumps({"documents": len(texts), "registered": changed}))


@documents.command("list")
@click.option("--app", help="只列这个程序的。")
@DATA
def list_documents(*, app: str | None, data: Path | None) -> None:
    """列出登记过的文档。"""
    from partners.clients.documents import documents_by_id

    async def read() -> list[tuple[str, str, str]]:
        async with open_database(deployment(data)) as database, database.reading() as connection:
            rows = await connection.execute(documents_by_id(app=app))
            return [(f"sha256:{row.sha256}", row.app, "已停用" if row.retired_at else "可执行") for row in rows]

    click.echo(table(("文档", "程序", "状态"), asyncio.run(read())))


@documents.command()
@click.argument("ids", nargs=-1, required=True)
@AS
@DATA
def retire(*, ids: tuple[str, ...], account: str, data: Path | None) -> None:
    """停用文档,半分钟内生效。"""
    from api.running.trusted import checked_id
    from partners.clients.documents import retire_documents

    wanted = [checked_id(one) for one in ids]

    async def work(connection: AsyncConnection, now: datetime) -> int:
        return await retire_documents(connection, wanted, actor=account, now=now)

    click.echo(orjson.dumps({"retired": asyncio.run(_as_operator(work, account, data))}))


async def _as_operator(
    work: Callable[[AsyncConnection, datetime], Awaitable[int]], account: str, data: Path | None
) -> int:
    from core.errors import Unauthenticated
    from partners.accounts import Role, find_principal

    settings, now = deployment(data), utc_now()
    async with open_database(settings) as database, database.transaction() as connection:
        try:
            await find_principal(connection, account=account, role=Role.OPERATOR, now=now)
        except Unauthenticated:
            raise Forbidden(f"{account[:40]} 不是可用的运营账号。请核对 --as。") from None
        return await work(connection, now)
