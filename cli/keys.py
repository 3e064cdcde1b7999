"""`xinyi keys`. One thing to know: a rotation only writes the file, with an instant a little ahead; running processes
read it by themselves and change at that instant, all at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from cli.deployment import deployment
from cli.output import WrongUse, complain, table
from core.clock import SHANGHAI, utc_now
from core.errors import ExpectedError
from core.keys import SECRET, SIGNING, SUITES, Key, Keys, Purpose, Suite

if TYPE_CHECKING:
    from core.database import Database
    from core.settings import Settings

T = TypeVar("T")
ACTOR = "cli"
MOVABLE = ("seal", "lookup")
"""Purposes whose old keys can be dropped: all that they made can be moved to the new one."""
IDLE_SECONDS = 3600
"""How long a key must have been out of use before it is dropped: no command that read the file before runs on."""
DATA = click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="演示数据文件夹。")
SUITE = click.Choice(SUITES)
FILE = click.Path(path_type=Path, dir_okay=False)


class KeyInUse(ExpectedError):
    """A key that is still needed cannot be dropped."""

    code = "KEY_IN_USE"


@click.group()
def keys() -> None:
    """密钥文件:生成、补全、轮换、清理。"""


@keys.command()
@click.argument("file", type=FILE)
@click.option("--suite", type=SUITE, default=SUITES[0], show_default=True, help="international:AES、SHA-256;sm:国密。")
def new(file: Path, suite: Suite) -> None:
    """生成一份新的密钥文件,仅属主可读。签名两套均为 Ed25519:所用的密码库尚无 SM2。"""
    from core.keys import new_key_file

    new_key_file(file, demo=False, suite=suite)
    click.echo(f"已生成 {file}。请妥善备份:丢失后,已密封的数据无法打开。")


@keys.command()
@click.argument("file", type=FILE)
def complete(file: Path) -> None:
    """为旧密钥文件补上新增用途的密钥,原有密钥不变。"""
    from core.keys import complete_key_file

    added = complete_key_file(file)
    click.echo(f"已补上:{'、'.join(added)}。请重新备份 {file}。" if added else f"{file} 已经齐全,没有改动。")


@keys.command("list")
@DATA
def list_keys(data: Path | None) -> None:
    """列出密钥的编号、用途、算法与状态,不显示密钥本身。"""
    _, held = _held(data)
    rows = [
        (key.purpose, key.kid, key.alg, _state(held, key))
        for purpose in (*SIGNING, *SECRET)
        for key in held.of(purpose)
    ]
    click.echo(table(("用途", "编号", "算法", "状态"), rows))


@keys.command()
@click.argument("purposes", nargs=-1, type=click.Choice([*SIGNING, *SECRET]), metavar="[PURPOSE]...")
@click.option("--in", "seconds", default=60, show_default=True, type=click.IntRange(2, 86400), help="几秒后启用。")
@click.option("--suite", type=SUITE, help="同时改用这一套算法。")
@DATA
def rotate(purposes: tuple[Purpose, ...], seconds: int, suite: Suite | None, data: Path | None) -> None:
    """轮换密钥(默认全部用途)。服务不必停:各进程读到新密钥后,在同一时刻一起换用;旧密钥仍可打开和核对旧数据。"""
    from core import audit
    from core.keys import rotate_keys

    settings, _ = _held(data)
    wanted = tuple(dict.fromkeys(purposes)) or (*SIGNING, *SECRET)

    async def run(database: Database) -> float:
        async with database.transaction() as connection:
            active_from = time.time() + seconds
            made = rotate_keys(settings.keys_file, wanted, active_from=active_from, suite=suite)
            content = {"keys": made, "active_from": datetime.fromtimestamp(active_from, SHANGHAI).isoformat()}
            await audit.record(connection, at=utc_now(), actor=ACTOR, action="rotateKeys", content=content)
        return active_from

    at = _clock_time(_with_database(settings, None, run))
    click.echo(f"已为 {'、'.join(wanted)} 生成新密钥,{at} 起启用。请重新备份 {settings.keys_file}。")
    if {*wanted} & {*MOVABLE}:
        click.echo("启用之后,请运行 xinyi keys rehash,将已有数据换到新密钥下。", err=True)


@keys.command()
@DATA
def rehash(data: Path | None) -> int:
    """将已密封的数据与查找用的散列换到在用密钥下。服务不必停;中断后再次运行即可继续。"""
    from core import audit
    from core.resealing import Rehashed, count_rows, reseal_files
    from core.resealing import rehash as move

    settings, held = _held(data)
    soon = [key.active_from for key in held.waiting() if key.purpose in MOVABLE]
    if soon:
        click.echo(f"新密钥 {_clock_time(max(soon))} 启用,等待中……", err=True)
        time.sleep(max(0.0, max(soon) - time.time()))

    async def run(database: Database) -> Rehashed:
        from tqdm import tqdm

        total = await count_rows(database)
        with tqdm(total=total, desc="换用密钥", unit="行", delay=1, disable=None, leave=False) as progress:
            done = await move(database, held, tell=progress.update)
        if settings.files:
            from core.files import open_files

            with tqdm(desc="换用密钥", unit="个文件", delay=1, disable=None, leave=False) as progress:
                stored = await reseal_files(open_files(settings, held), held, tell=progress.update)
            done = Rehashed(*(sum(pair) for pair in zip(done, stored, strict=True)))
        async with database.transaction() as connection:
            await audit.record(connection, at=utc_now(), actor=ACTOR, action="rehash", content=done._asdict())
        return done

    done = _with_database(settings, held, run)
    click.echo(f"看了 {done.rows} 项,换了 {done.moved} 项。")
    if done.unreadable:
        sentence = f"有 {done.unreadable} 项没有换:打不开、被人改动过,或与另一行号码相同。请从备份核对"
        return complain("ROWS_NOT_MOVED", sentence, exit_code=1)
    return 0


@keys.command()
@click.argument("kid")
@DATA
def drop(kid: str, data: Path | None) -> None:
    """删去一把停用的 seal 或 lookup 密钥;还有数据在用它时拒绝。"""
    from core import audit
    from core.keys import drop_key
    from core.resealing import files_under, rows_under

    settings, held = _held(data)
    key = next((key for key in held.all if key.kid == kid), None)
    if key is None:
        raise WrongUse("NO_SUCH_KEY", f"没有编号为 {kid[:80]} 的密钥。运行 xinyi keys list 查看")
    check_droppable(held, key, now=time.time())

    async def run(database: Database) -> None:
        needed = await rows_under(database, held, key)
        if needed:
            raise KeyInUse(f"还有 {needed} 行数据在用密钥 {kid},没有删去。请先运行 xinyi keys rehash。")
        if settings.files and key.purpose == "seal":
            from core.files import open_files

            if stored := len(await files_under(open_files(settings, held), held, key)):
                raise KeyInUse(f"还有 {stored} 个文件可能在用密钥 {kid},没有删去。请先运行 xinyi keys rehash。")
        async with database.transaction() as connection:
            await audit.record(connection, at=utc_now(), actor=ACTOR, action="dropKey", content={"key": kid})
            drop_key(settings.keys_file, kid)

    _with_database(settings, held, run)
    click.echo(f"已删去 {kid}。此前的数据库备份仍需要它:请保留与备份同时的密钥文件。")


def check_droppable(held: Keys, key: Key, *, now: float) -> None:
    """Refuse a key that no count of rows can free.

    Raises:
        KeyInUse: its purpose keeps old keys for good, or it is in use or was until a short time ago.
    """
    if key.purpose not in MOVABLE:
        raise KeyInUse(f"{key.purpose} 的旧密钥要留着核对旧凭据,不能删去;可以删的只有 {'、'.join(MOVABLE)}。")
    if now < held.out_of_use_since(key) + IDLE_SECONDS:
        raise KeyInUse(f"密钥 {key.kid} 在用、待启用,或停用不足 {IDLE_SECONDS // 60} 分钟。请在停用更久之后再删。")


def _held(data: Path | None) -> tuple[Settings, Keys]:
    from core.keys import load_keys

    settings = deployment(data)
    return settings, load_keys(settings.keys_file)


def _state(held: Keys, key: Key) -> str:
    if key is held.active(cast(Purpose, key.purpose)):
        return "在用"
    return f"{_clock_time(key.active_from)} 启用" if key in held.waiting() else "停用"


def _clock_time(instant: float) -> str:
    return f"{datetime.fromtimestamp(instant, SHANGHAI):%Y-%m-%d %H:%M:%S}"


def _with_database(settings: Settings, held: Keys | None, act: Callable[[Any], Awaitable[T]]) -> T:
    import partners.schema  # noqa: F401  # every table that has something sealed
    from core.database import Database
    from core.migrations import check_current

    async def run() -> T:
        database = Database(settings.database_url, keys=held, patience=None)
        try:
            await check_current(database)
            return await act(database)
        finally:
            await database.close()

    return asyncio.run(run())
