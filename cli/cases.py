"""`xinyi cases`: what waits for officers, by deadline. One thing to know: it names nobody, so it leaves no trace in
anybody's log; a case is opened through the API."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.deployment import deployment, open_database
from cli.output import table
from core.clock import utc_now

if TYPE_CHECKING:
    from core.settings import Settings
    from scoring.cases.worklist import Due

MOST = 200


@click.command()
@click.option("--due", type=click.Choice(["today", "overdue", "all"]), default="all", help="今天到期、已超期,或全部。")
@click.option("--place", help="只看这个地方(jurisdictions 下的文件夹名)。")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="演示数据文件夹。")
def cases(due: str, place: str | None, data: Path | None) -> None:
    """列出在办的异议、申辩、复核、投诉和修复申请,按办理期限排列;不含任何人的信息。"""
    asyncio.run(_list(deployment(data), due, place))


async def _list(settings: Settings, due: str, place: str | None) -> None:
    from api.ids import public_id
    from partners.alarms import alarm_overdue
    from partners.rulebook import load_rulebook
    from scoring.cases.decisions import Officer
    from scoring.cases.workflow import Rules
    from scoring.cases.worklist import count_due, list_cases, note_overdue

    book, now = load_rulebook(settings.jurisdictions, settings.places), utc_now()
    rules, officer = Rules(book.entitlements, book.catalogues, book.repairs, book.models), Officer("cli", True)
    wanted: Due = "TODAY" if due == "today" else "OVERDUE" if due == "overdue" else "ALL"
    async with open_database(settings) as database:
        await note_overdue(database, rules=rules, alarm=alarm_overdue, now=now)
        async with database.reading() as connection:
            found = await list_cases(
                connection, officer=officer, due=wanted, kind=None, place=place, after=None, size=MOST, now=now
            )
            counts = await count_due(connection, officer=officer, place=place, now=now)
    head = ("编号", "事项", "地方", "办理单位", "状态", "最后一天", "上报督办")
    rows = (
        (
            public_id("CreditCase", row.id),
            row.kind,
            row.place,
            row.routed_to or "本平台",
            row.state,
            f"{row.due_on or ''}{'(暂定)' if row.due_is_provisional else ''}",
            f"{row.escalated_at:%Y-%m-%d}" if row.escalated_at else "",
        )
        for row in found
    )
    click.echo(table(head, rows))
    click.echo(f"今天到期 {counts.due_today} 件,已超期 {counts.overdue} 件。")
    if len(found) == MOST:
        click.echo(f"只列出最先到期的 {MOST} 件。", err=True)
