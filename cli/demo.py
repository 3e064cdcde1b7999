"""`xinyi demo` and `xinyi demo-token`. One thing to know: both open the same folder, and build the city if absent."""

from __future__ import annotations

import shlex
import socket
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.output import WrongUse
from cli.starting import importing
from core.errors import ExpectedError
from demo.roles import LATER_SECTORS, ROLES, SECTORS

if TYPE_CHECKING:
    from core.settings import Settings

__all__ = ["SECTORS", "demo", "demo_token"]
HOST = "127.0.0.1"
LIFETIME = timedelta(hours=12)
DATA = click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="演示数据文件夹,默认为当前目录下的 var。"
)


class PortTaken(ExpectedError):
    """Somebody else listens there."""

    code = "PORT_TAKEN"


@click.command()
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="监听的端口。")
@DATA
def demo(port: int, data: Path | None) -> None:
    """打开演示城市并启动服务;首次运行会先建立数据。"""
    _check_port(port)
    with importing():
        from api.transport.pages import are_built
        from api.transport.server import serve
        from demo.folder import open_folder

    folder = open_folder(data, tell=_tell)
    shown = f" --data {shlex.quote(str(data))}" if data is not None else ""
    roles = "、".join(ROLES[: -len(LATER_SECTORS)])
    at = f"http://{HOST}:{port}"
    opened = f"市民 {at}/  伙伴 {at}/desk  运营 {at}/operator  公开 {at}/open"
    click.echo(
        f"信易+ 演示城市\n"
        f"  页面    {opened if are_built() else '还没有构建;联网后运行 make web'}\n"
        f"  接口    {at}/graphql(用浏览器打开即可试写查询)\n"
        f"  令牌    {_program()} demo-token citizen --n 1{shown}\n"
        f"          可换成:{roles}、{LATER_SECTORS[0]} 等;请求时加上 Authorization: Bearer 令牌\n"
        f"  机构    {_program()} demo-token representative --n 1{shown}(机构经办台)\n"
        f"  沙箱    {at}/sandbox/graphql(用经办台的令牌登记密钥后换取令牌,见 docs/sandbox.md)\n"
        f"  数据    {folder.path}\n"
        f"按 Ctrl-C 停止,数据会保留。"
    )
    sys.stdout.flush()
    serve(folder.settings, host=HOST, port=port)


@click.command("demo-token")
@click.argument("role")
@click.option("--n", default=1, show_default=True, type=int, help="第几位,从 1 起。")
@DATA
def demo_token(role: str, n: int, data: Path | None) -> None:
    """输出第 N 位演示账号的令牌(12 小时有效)。

    ROLE:citizen、enterprise、bank、hospital、scenic、operator、reviewer、auditor、provider、clerk、
    representative(机构经办人)、agency(信用服务机构),以及其他行业的合作机构:parking、hotel、property、transport、
    hall、household、elder-care、shop、park。
    """
    import asyncio

    if role not in ROLES:
        raise WrongUse("UNKNOWN_ROLE", f"没有 {role[:40]} 这种角色。可选:{'、'.join(ROLES)}")
    from api.identity.bearer import issue_token
    from core.clock import utc_now
    from core.keys import load_keys
    from demo.folder import open_folder
    from partners.accounts import Role

    settings = open_folder(data, tell=_tell).settings
    accounts = asyncio.run(_accounts(settings, role))
    if not 1 <= n <= len(accounts):
        raise WrongUse("NO_SUCH_ACCOUNT", f"没有第 {n} 个 {role}。--n 可用 1 至 {len(accounts)}")
    account, account_role = accounts[n - 1]
    token = issue_token(
        load_keys(settings.keys_file),
        issuer=settings.issuer,
        account=account,
        role=Role(account_role),
        now=utc_now(),
        lifetime=LIFETIME,
    )
    click.echo(token)


async def _accounts(settings: Settings, role: str) -> list[tuple[str, str]]:
    """The accounts a role's numbers stand for, with their role."""
    from cli.deployment import open_database
    from demo.choosing import accounts_of

    async with open_database(settings) as database, database.reading() as connection:
        return [(row.id, row.role) for row in await accounts_of(connection, role)]


def _check_port(port: int) -> None:
    """Find out before seconds of work, rather than after."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PortTaken(
                f"无法监听 {HOST}:{port}({error.strerror})。请用 --port 换一个端口,或先停止占用它的程序"
            ) from None


def _program() -> str:
    """The command as it was typed, to be typed again."""
    typed = sys.argv[0]
    return shlex.quote(typed) if Path(typed).name == "xinyi" else "xinyi"


def _tell(sentence: str) -> None:
    click.echo(sentence, err=True)
