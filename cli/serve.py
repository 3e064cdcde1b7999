"""`xinyi serve`, `xinyi migrate`, `xinyi schema`."""

from __future__ import annotations

import asyncio

import click

from cli.starting import importing
from core.settings import read_settings


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="监听的地址。")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="监听的端口。")
def serve(host: str, port: int) -> None:
    """按 XINYI_* 设置启动服务。"""
    with importing():
        from api.transport.server import serve as run

    run(read_settings(), host=host, port=port)


@click.command()
def migrate() -> None:
    """将 XINYI_DATABASE_URL 指向的数据库升级到最新结构。"""
    from core.database import Database
    from core.keys import load_keys
    from core.migrations import migrate as upgrade

    settings = read_settings()

    async def run() -> None:
        # What was written before rows were sealed is sealed now.
        database = Database(settings.database_url, keys=load_keys(settings.keys_file), patience=None)
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
