"""`xinyi model …`: the life of a model's versions from the command line. One thing to know: every act is somebody's, so
each takes `--as ACCOUNT`, and the same rules hold as over the interface."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.deployment import deployment, open_database
from cli.output import day_given, table
from core.errors import ExpectedError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from core.database import Database
    from partners.rulebook import Rulebook
    from scoring.life.governance import Act

ATTEMPTS = 5
DATA = click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="演示数据文件夹。")
AS = click.option("--as", "account", required=True, help="以哪个工作人员账号办理。")
REASON = click.option("--reason", default="", help="理由,记入步骤。")
MODEL = click.argument("model_id", metavar="ID")
VERSION = click.argument("version")


class NoSuchAccount(ExpectedError):
    """The account does not exist, has ended, or may not do this."""

    code = "FORBIDDEN"


class Unreadable(ExpectedError):
    """A file cannot be read or written."""

    code = "UNREADABLE"


@click.group()
def model() -> None:
    """评分模型的版本:起草、模拟、复核、影子运行、发布、撤回、退役。"""


@model.command("list")
@DATA
def list_versions(data: Path | None) -> None:
    """列出在本部署起草的全部版本。"""

    async def run(database: Database, _: Rulebook) -> list[Any]:
        from sqlalchemy import select

        from scoring.tables import model_versions

        async with database.reading() as connection:
            statement = select(model_versions).order_by(model_versions.c.model, model_versions.c.version)
            return list((await connection.execute(statement)).all())

    head = ("模型", "版本", "地方", "状态", "生效", "撤回", "起草")
    click.echo(table(head, (_row(row) for row in _with(data, run))))


@model.command()
@MODEL
@VERSION
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="把最近一次模拟报告写到此文件。")
@click.option("--content", is_flag=True, help="输出模型原文。")
@DATA
def show(model_id: str, version: str, report: Path | None, content: bool, data: Path | None) -> None:
    """列出一个版本的全部步骤;可另存模拟报告或输出原文。"""

    async def run(database: Database, _: Rulebook) -> tuple[Any, Any, str]:
        from scoring.life.governance import find_version, report_page, steps_of

        async with database.reading() as connection:
            row = await find_version(connection, model_id, version)
            steps = await steps_of(connection, model_id, version)
            page = (await report_page(connection, model_id, version))[0] if report is not None else ""
        return row, steps, page

    row, steps, page = _with(data, run)
    if content:
        click.echo(row.content, nl=False)
        return
    click.echo(table(("模型", "版本", "地方", "状态", "生效", "撤回", "起草"), [_row(row)]))
    click.echo(f"内容 SHA-256 {row.checksum}\n")
    head = ("步骤", "行为", "状态", "账号", "时间", "理由")
    click.echo(
        table(
            head, [(str(s.step), s.act, s.state, s.actor, s.at.isoformat(timespec="seconds"), s.reason) for s in steps]
        )
    )
    if report is not None:
        _write(report, page)


@model.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--table", "cases", required=True, type=click.Path(path_type=Path, dir_okay=False), help="用例表文件。")
@click.option("--place", help="新模型属于哪个地方。")
@AS
@REASON
@DATA
def draft(*, file: Path, cases: Path, place: str | None, account: str, reason: str, data: Path | None) -> None:
    """提交 FILE 为草稿;静态检查和用例表都通过才会保存。"""
    content, table_text = _read(file), _read(cases)

    async def act(connection: AsyncConnection, rulebook: Rulebook) -> Any:
        from core.clock import utc_now
        from partners.rulebook import with_published
        from scoring.life.governance import draft_version

        book = await with_published(connection, rulebook)
        return await draft_version(
            connection,
            actor=account,
            content=content,
            cases=table_text,
            place=place,
            models=book.models,
            places=book.places,
            reason=reason,
            now=utc_now(),
        )

    _done(_in_transaction(data, account, act, roles=("operator",)))


@model.command()
@MODEL
@VERSION
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="把报告写到此文件。")
@AS
@REASON
@DATA
def simulate(*, model_id: str, version: str, report: Path | None, account: str, reason: str, data: Path | None) -> None:
    """用本部署已加入的主体模拟,对照现行版本;不影响任何人。"""
    _run(model_id, version, "SIMULATED", report=report, account=account, reason=reason, data=data)


@model.command()
@MODEL
@VERSION
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="把报告写到此文件。")
@AS
@REASON
@DATA
def shadow(*, model_id: str, version: str, report: Path | None, account: str, reason: str, data: Path | None) -> None:
    """影子运行:与现行版本并排计算,只留数字;不影响任何人。"""
    _run(model_id, version, "SHADOW", report=report, account=account, reason=reason, data=data)


@model.command()
@MODEL
@VERSION
@AS
@REASON
@DATA
def review(model_id: str, version: str, account: str, reason: str, data: Path | None) -> None:
    """复核模拟结果;不能是起草人。"""

    async def act(connection: AsyncConnection, _: Rulebook) -> Any:
        from scoring.life.governance import review_version

        return await review_version(connection, _act(account, model_id, version, reason))

    _done(_in_transaction(data, account, act))


@model.command("sign-disparity")
@MODEL
@VERSION
@AS
@click.option("--reason", required=True, help="为何合理,至少 20 个字。")
@DATA
def sign(model_id: str, version: str, account: str, reason: str, data: Path | None) -> None:
    """为不同人群的差异具名签署理由;不能是起草人。"""

    async def act(connection: AsyncConnection, _: Rulebook) -> Any:
        from scoring.life.publication import sign_disparity

        return await sign_disparity(connection, _act(account, model_id, version, reason))

    _done(_in_transaction(data, account, act))


@model.command()
@MODEL
@VERSION
@click.option("--from", "day", metavar="YYYY-MM-DD", help="从哪一天起生效,默认为明天;到日自动生效。")
@AS
@REASON
@DATA
def publish(*, model_id: str, version: str, day: str | None, account: str, reason: str, data: Path | None) -> None:
    """发布影子运行过的版本;不能是起草人。"""
    begins = _day(day)

    async def act(connection: AsyncConnection, rulebook: Rulebook) -> Any:
        from partners.model_changes import publish_model

        return await publish_model(connection, rulebook, _act(account, model_id, version, reason), in_force_from=begins)

    _done(_in_transaction(data, account, act))


@model.command()
@MODEL
@AS
@click.option("--reason", required=True, help="为何撤回。")
@DATA
def rollback(model_id: str, account: str, reason: str, data: Path | None) -> None:
    """撤回最近发布的版本,前一版本即刻恢复生效。"""

    async def act(connection: AsyncConnection, rulebook: Rulebook) -> Any:
        from core.clock import utc_now
        from partners.model_changes import roll_back_model

        return await roll_back_model(connection, rulebook, actor=account, model=model_id, reason=reason, now=utc_now())

    _done(_in_transaction(data, account, act))


@model.command()
@MODEL
@VERSION
@AS
@REASON
@DATA
def retire(model_id: str, version: str, account: str, reason: str, data: Path | None) -> None:
    """撤销未发布的版本,或让已被接替的版本退役。"""

    async def act(connection: AsyncConnection, rulebook: Rulebook) -> Any:
        from partners.rulebook import with_published
        from scoring.life.governance import retire_version

        book = await with_published(connection, rulebook)
        return await retire_version(connection, _act(account, model_id, version, reason), models=book.models)

    _done(_in_transaction(data, account, act))


def _run(
    model_id: str, version: str, to: str, *, report: Path | None, account: str, reason: str, data: Path | None
) -> None:
    async def run(database: Database, rulebook: Rulebook) -> tuple[Any, str]:
        from partners.model_changes import run_version
        from scoring.life.governance import State, report_page

        async with database.reading() as connection:
            await _check_account(connection, account)
        row = await run_version(database, rulebook, _act(account, model_id, version, reason), to=State(to))
        async with database.reading() as connection:
            return row, (await report_page(connection, model_id, version))[0]

    row, page = _with(data, run)
    _done(row)
    if report is not None:
        _write(report, page)


def _act(account: str, model_id: str, version: str, reason: str) -> Act:
    from core.clock import utc_now
    from scoring.life.governance import Act

    return Act(account, model_id, version, utc_now(), reason)


def _in_transaction(
    data: Path | None,
    account: str,
    act: Callable[[AsyncConnection, Rulebook], Awaitable[Any]],
    *,
    roles: tuple[str, ...] = ("operator", "reviewer"),
) -> Any:
    async def run(database: Database, rulebook: Rulebook) -> Any:
        from core.database import Conflict
        from core.errors import Unavailable

        for _ in range(ATTEMPTS):
            try:
                async with database.transaction() as connection:
                    await _check_account(connection, account, roles)
                    return await act(connection, rulebook)
            except Conflict as conflict:
                lost = conflict  # another was quicker; seen again from the start, its row is there to be found
        raise Unavailable from lost

    return _with(data, run)


async def _check_account(
    connection: AsyncConnection, account: str, roles: tuple[str, ...] = ("operator", "reviewer")
) -> None:
    from sqlalchemy import select

    from partners.tables import accounts

    statement = select(accounts.c.role).where(accounts.c.id == account, accounts.c.ended_at.is_(None))
    role = await connection.scalar(statement)
    if role not in roles:
        raise NoSuchAccount(f"账号 {account[:40]} 不存在、已停用或无权办理。请使用 {'、'.join(roles)} 账号")


def _with(data: Path | None, run: Callable[[Database, Rulebook], Awaitable[Any]]) -> Any:
    """Open the deployment for one piece of work."""
    settings = deployment(data)

    async def work() -> Any:
        from partners.rulebook import load_rulebook

        rulebook = load_rulebook(settings.jurisdictions, settings.places)
        async with open_database(settings) as database:
            return await run(database, rulebook)

    return asyncio.run(work())


def _done(row: Any) -> None:
    click.echo(table(("模型", "版本", "地方", "状态", "生效", "撤回", "起草"), [_row(row)]))


def _row(row: Any) -> tuple[str, ...]:
    days = (str(day) if day else "—" for day in (row.in_force_from, row.in_force_until))
    return row.model, row.version, row.place, row.state, *days, row.drafted_by


def _day(text: str | None) -> date | None:
    return None if text is None else day_given(text, "--from")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise Unreadable(f"读不到 {file}({error.strerror})。请检查路径。") from None
    except UnicodeDecodeError:
        raise Unreadable(f"{file} 不是 UTF-8 文本。请以 UTF-8 保存后重试。") from None


def _write(file: Path, page: str) -> None:
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise Unreadable(f"写不了 {file}({error.strerror})。请换一个可写的路径。") from None
    click.echo(f"报告已写到 {file}。", err=True)
