"""`xinyi serve`, `xinyi migrate`, `xinyi schema`, `xinyi keys`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from core.settings import read_settings


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="监听的地址。")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="监听的端口。")
def serve(host: str, port: int) -> None:
    """按 XINYI_* 设置启动服务。"""
    from api.server import serve as run

    run(read_settings(), host=host, port=port)


@click.command()
def migrate() -> None:
    """将 XINYI_DATABASE_URL 指向的数据库升级到最新结构。"""
    from core.database import Database
    from core.migrations import migrate as upgrade

    async def run() -> None:
        database = Database(read_settings().database_url, patience=None)
        try:
            await upgrade(database)
        finally:
            await database.close()

    asyncio.run(run())
    click.echo("数据库已是最新结构。")


@click.command()
def schema() -> None:
    """输出 GraphQL 模式(SDL)。"""
    from api.schema import sdl

    click.echo(sdl(), nl=False)


@click.group()
def keys() -> None:
    """密钥文件。"""


@keys.command("new")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def new(file: Path) -> None:
    """生成一份新的密钥文件,仅属主可读。"""
    from core.keys import new_key_file

    new_key_file(file, demo=False)
    click.echo(f"已生成 {file}。请妥善备份:丢失后,已密封的数据无法打开。")


@keys.command("complete")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def complete(file: Path) -> None:
    """为旧密钥文件补上新增用途的密钥,原有密钥不变。"""
    from core.keys import complete_key_file

    added = complete_key_file(file)
    click.echo(f"已补上:{'、'.join(added)}。请重新备份 {file}。" if added else f"{file} 已经齐全,没有改动。")
