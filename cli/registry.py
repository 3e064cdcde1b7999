"""`xinyi subject register|find|map-code|rename|end|merge`: officers' work on who is on file. One thing to know: it acts
for the operator or reviewer named by `--as`; numbers and names come by standard input, so no shell history has them.

Both are given as one JSON line, `{"number": "…", "name": "…"}`; only what a command needs has to be there.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from cli.deployment import deployment, open_database
from cli.output import WrongUse, day_given
from core.clock import utc_now
from core.errors import Forbidden

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from core.keys import Keys
    from partners.rulebook import Rulebook
    from scoring.registry.identities import Number
    from scoring.registry.subjects import Act

DATA = click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="演示数据文件夹。")
AS = click.option("--as", "account", required=True, help="以哪个运营或审核账号办理。")
REASON = click.option("--reason", required=True, help="依据的文件,会留痕。")
SCHEME = click.option("--scheme", default="resident-id", show_default=True, help="号码种类。")
SUBJECT = click.argument("subject_id", metavar="SUBJECT", type=int)
OPERATOR, REVIEWER = "operator", "reviewer"

Work = Callable[["AsyncConnection", "Keys", "Rulebook", "Act"], Awaitable[int]]


@click.command()
@AS
@SCHEME
@click.option("--place", required=True, help="属于哪个地方。")
@click.option("--born-on", metavar="YYYY-MM-DD", help="出生日期,号码中没有时必填。")
@click.option("--account", "own_account", help="同时为其开立的账号编号。")
@click.option("--reason", default="登记", show_default=True, help="依据的文件,会留痕。")
@DATA
def register(
    *,
    account: str,
    scheme: str,
    place: str,
    born_on: str | None,
    own_account: str | None,
    reason: str,
    data: Path | None,
) -> None:
    """登记一个主体,已登记的不变。标准输入:{"number": 号码, "name": 名称}。"""
    from partners import succession
    from scoring.registry.subjects import Registration

    said = _said("number", "name")
    number = _number(scheme, said["number"])
    given = Registration(place, said["name"], number, None if born_on is None else day_given(born_on, "--born-on"))

    async def work(connection: AsyncConnection, keys: Keys, rulebook: Rulebook, act: Act) -> int:
        done = await succession.register(connection, keys, given, account=own_account, rulebook=rulebook, act=act)
        return done[0]

    _run(work, account, (OPERATOR,), action="registerSubject", reason=reason, data=data)


@click.command()
@AS
@SCHEME
@click.option("--purpose", required=True, help="查询目的,本人会看到。")
@DATA
def find(*, account: str, scheme: str, purpose: str, data: Path | None) -> None:
    """按任一号码查找主体。标准输入:{"number": 号码}。"""
    from scoring.registry.identities import find_by
    from scoring.registry.subjects import UnknownSubject

    number = _number(scheme, _said("number")["number"])

    async def work(connection: AsyncConnection, keys: Keys, _: Rulebook, __: Act) -> int:
        found = await find_by(connection, keys, number)
        if found is None:
            raise UnknownSubject
        return found

    _run(work, account, (OPERATOR, REVIEWER), action="findSubject", reason=purpose, data=data)


@click.command("map-code")
@SUBJECT
@AS
@SCHEME
@REASON
@DATA
def map_code(*, subject_id: int, account: str, scheme: str, reason: str, data: Path | None) -> None:
    """把旧代码或另一证件号码对应到主体。标准输入:{"number": 号码}。"""
    from scoring.registry.subjects import add_number

    number = _number(scheme, _said("number")["number"])

    async def work(connection: AsyncConnection, keys: Keys, _: Rulebook, act: Act) -> int:
        await add_number(connection, keys, subject_id, number, act=act)
        return subject_id

    _run(work, account, (OPERATOR,), action="addSubjectNumber", reason=reason, data=data)


@click.command()
@SUBJECT
@AS
@REASON
@DATA
def rename(*, subject_id: int, account: str, reason: str, data: Path | None) -> None:
    """变更名称,旧名称密封留存。标准输入:{"name": 新名称}。"""
    from scoring.registry.subjects import rename_subject

    name = _said("name")["name"]

    async def work(connection: AsyncConnection, keys: Keys, _: Rulebook, act: Act) -> int:
        await rename_subject(connection, keys, subject_id, name, act=act)
        return subject_id

    _run(work, account, (OPERATOR,), action="renameSubject", reason=reason, data=data)


@click.command()
@SUBJECT
@AS
@REASON
@click.option("--deceased", "on_death", metavar="YYYY-MM-DD", help="自然人的死亡日期。")
@click.option("--struck-off", "on_end", metavar="YYYY-MM-DD", help="单位注销、吊销或被合并的日期。")
@click.option("--successor", type=int, help="承继的单位。")
@click.option("--undo", is_flag=True, help="更正误登记的终止(须审核账号)。")
@DATA
def end(
    *,
    subject_id: int,
    account: str,
    reason: str,
    on_death: str | None,
    on_end: str | None,
    successor: int | None,
    undo: bool,
    data: Path | None,
) -> None:
    """登记死亡、注销吊销或合并,或更正误登记。"""
    from partners import succession

    if (on_death is not None) + (on_end is not None) + undo != 1:
        raise WrongUse("USAGE", "--deceased、--struck-off、--undo 三者须写且只写一个。运行 --help 查看用法")
    day = date.min if undo else day_given(on_death or on_end or "", "--deceased" if on_death else "--struck-off")

    async def work(connection: AsyncConnection, keys: Keys, rulebook: Rulebook, act: Act) -> int:
        if undo:
            await succession.reinstate(connection, keys, subject_id, rulebook=rulebook, act=act)
        else:
            await succession.end(
                connection,
                keys,
                subject_id,
                reason="deceased" if on_death else "struck-off",
                on=day,
                successor=successor,
                act=act,
            )
        return subject_id

    _run(work, account, (REVIEWER,) if undo else (OPERATOR, REVIEWER), action="endSubject", reason=reason, data=data)


@click.command()
@click.argument("keep", type=int)
@click.argument("drop", type=int)
@AS
@REASON
@DATA
def merge(*, keep: int, drop: int, account: str, reason: str, data: Path | None) -> None:
    """合并重复登记:DROP 并入 KEEP。运营账号提出,再由另一人以审核账号确认。"""
    from partners import succession
    from scoring.registry.merging import propose_merge

    async def work(connection: AsyncConnection, keys: Keys, rulebook: Rulebook, act: Act) -> int:
        if await _role(connection, account) == OPERATOR:
            await propose_merge(connection, keys, keep=keep, drop=drop, act=act)
        else:
            await succession.merge(connection, keys, keep=keep, drop=drop, rulebook=rulebook, act=act)
        return keep

    _run(work, account, (OPERATOR, REVIEWER), action="mergeSubjects", reason=reason, data=data)


COMMANDS = (register, find, map_code, rename, end, merge)
"""Of the group `xinyi subject`."""


def _said(*names: str) -> dict[str, str]:
    try:
        said = orjson.loads(sys.stdin.readline())
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict) or not all(isinstance(said.get(name), str) for name in names):
        wanted = ", ".join(f'"{name}": "…"' for name in names)
        raise WrongUse("BAD_LINE", f"请从标准输入给出一行 JSON:{{{wanted}}}")
    return {name: said[name] for name in names}


def _number(scheme: str, number: str) -> Number:
    from scoring.registry.identities import Scheme, check_number

    try:
        kind = Scheme(scheme)
    except ValueError:
        raise WrongUse("UNKNOWN_SCHEME", f"没有 {scheme[:40]} 这种号码。可选:{'、'.join(Scheme)}") from None
    return check_number(kind, number)


def _run(work: Work, account: str, roles: tuple[str, ...], *, action: str, reason: str, data: Path | None) -> None:
    """Do it for that account, in one transaction with the access log, and print the subject as one line of JSON."""
    from core.keys import load_keys
    from partners.access import note_reading
    from partners.accounts import Role, find_principal
    from partners.rulebook import load_rulebook, with_published
    from scoring.registry.subjects import Act, key_number_of, read_subject

    async def run() -> dict[str, Any]:
        settings, now = deployment(data), utc_now()
        keys = load_keys(settings.keys_file)
        async with open_database(settings) as database, database.transaction() as connection:
            role = await _role(connection, account)
            if role not in roles:
                raise Forbidden(f"账号 {account[:40]} 没有这项权限。请使用{'或'.join(roles)}账号。")
            await find_principal(connection, account=account, role=Role(role), now=now)
            rulebook = await with_published(connection, load_rulebook(settings.jurisdictions, settings.places))
            row = await read_subject(connection, await work(connection, keys, rulebook, Act(account, reason, now)))
            await note_reading(
                connection, subject_id=row.id, reader=account, role=role, action=action, purpose=reason, now=now
            )
            return {
                "subject": row.id,
                "kind": row.kind,
                "place": row.place,
                "name": row.display_name,
                "scheme": key_number_of(keys, row).scheme.value,
                "ended": row.end_reason,
                "goesOn": row.merged_into,
            }

    click.echo(orjson.dumps(asyncio.run(run())))


async def _role(connection: AsyncConnection, account: str) -> str | None:
    from sqlalchemy import select

    from partners.tables import accounts

    found: str | None = await connection.scalar(select(accounts.c.role).where(accounts.c.id == account))
    return found
