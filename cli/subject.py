"""`xinyi subject scores|history|what-if`: what a subject reads of itself, from the command line. One thing to know: it
acts for the citizen or the agent named by `--as`, and each reading is written to the audit log under the subject.

What officers do there is in `cli.registry`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.deployment import deployment, open_database
from cli.output import WrongUse, day_given, table
from cli.registry import COMMANDS as OFFICERS
from core.clock import day_of, utc_now
from core.errors import ExpectedError
from scoring.values import number_text

if TYPE_CHECKING:
    from scoring.engine import NotAssessed, Score
    from scoring.inputs import Inputs, Snapshot
    from scoring.model import Model
    from scoring.models import Models

DATA = click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="演示数据文件夹。")
AS = click.option("--as", "account", required=True, help="代表哪个账号(市民或企业经办人)。")
MODEL = click.argument("model_id", metavar="MODEL")


class NoSuchSubject(ExpectedError):
    """The account acts for nobody who is scored."""

    code = "FORBIDDEN"


@dataclass(frozen=True)
class _Known:
    """All that answering takes."""

    models: tuple[Model, ...]
    every: Models
    inputs: Inputs
    snapshots: list[Snapshot]
    today: date

    def model(self, model_id: str) -> Model:
        found = next((model for model in self.models if model.id == model_id), None)
        if found is None:
            raise WrongUse("UNKNOWN_MODEL", f"没有适用于该主体的模型 {model_id[:60]}。可用的有:{self.names}")
        return found

    @property
    def names(self) -> str:
        return "、".join(model.id for model in self.models)


@click.group()
def subject() -> None:
    """主体自己的评分:明细、历史、假如;以及运营人员的主体登记。"""


@subject.command()
@AS
@DATA
def scores(account: str, data: Path | None) -> None:
    """各模型的得分、等级、逐项明细和主要原因。"""
    from scoring.inputs import result_on

    known = _read(account, data, action="readScores")
    for model in known.models:
        result = result_on(model, known.inputs, on=known.today)
        click.echo(f"{model.name}({model.id} {model.version}):{_told(result.score)}")
        if result.better is not None:
            click.echo(f"  享受优惠时按 {result.better.grade.name}:{result.better.why}")
        _explain(result.score, known.inputs)


@subject.command()
@MODEL
@AS
@click.option("--from", "since", metavar="YYYY-MM-DD", help="从哪一天起,默认从最早的记载。")
@DATA
def history(model_id: str, account: str, since: str | None, data: Path | None) -> None:
    """每段日子的结果,以及与前一段相比变了什么;最近的在前。"""
    from scoring.history import Timeline, changes_between

    begins = date.min if since is None else day_given(since, "--from")
    known = _read(account, data, action="readScoreHistory")
    timeline = Timeline(known.snapshots, known.every, known.model(model_id).id)
    tomorrow = known.today + timedelta(days=1)
    entries = timeline.newest_first(since=begins, until=tomorrow, most=100)
    rows = []
    for entry, earlier in zip_longest(entries, entries[1:]):
        changes = changes_between(earlier.result, entry.result) if earlier is not None else []
        until = "至今" if entry.until_on == tomorrow else f"至 {entry.until_on}(不含)"
        rows.append((f"{entry.from_on} {until}", _told(entry.result.score), "".join(changes)))
    click.echo(table(("日期", "结果", "变化"), rows))


@subject.command("what-if")
@MODEL
@AS
@click.option("--day", metavar="YYYY-MM-DD", help="到哪一天,默认为今天。")
@click.option("--without", multiple=True, metavar="RECORD", help="假如这条记录到期或已修复;可写多次。")
@click.option("--add", multiple=True, metavar="ITEM@YYYY-MM-DD", help="假如多一条记录;可写多次。")
@DATA
def what_if(
    *, model_id: str, account: str, day: str | None, without: tuple[str, ...], add: tuple[str, ...], data: Path | None
) -> None:
    """假如:某条记录到期、修复或新增,到某一天会是多少分。什么都不会写入。"""
    from scoring.engine import Record
    from scoring.whatif import Change, check_change
    from scoring.whatif import what_if as suppose

    added = []
    for one in add:
        item, _, occurred_on = one.partition("@")
        added.append(Record(item, day_given(occurred_on, "--add")))
    known = _read(account, data, action="readWhatIf")
    model = known.model(model_id)
    change = Change(known.today if day is None else day_given(day, "--day"), frozenset(without), tuple(added))
    check_change(model, known.inputs, change, today=known.today, others=known.models)
    result = suppose(known.every.get(model.id, change.day), known.inputs, change)
    click.echo(f"{model.name}({change.day}):{_told(result.score)}")
    _explain(result.score, known.inputs)


def _told(result: Score | NotAssessed) -> str:
    from scoring.engine import NotAssessed

    if isinstance(result, NotAssessed):
        return f"暂不评价({result.reason})"
    points = [] if result.points is None else [f"{number_text(result.points)} 分"]
    return ",".join([*points, *([result.grade.name] if result.grade else [])])


def _explain(result: Score | NotAssessed, inputs: Inputs) -> None:
    from scoring.engine import NotAssessed
    from scoring.headlines import headlines

    for told in headlines(result, records=inputs.records):
        click.echo(f"  {told}")
    if not isinstance(result, NotAssessed):
        head = ("规则", "分值", "说明", "记录", "依据")
        rows = [
            (line.rule, number_text(line.points), line.label, "、".join(line.records), line.basis)
            for line in result.lines
        ]
        click.echo(table(head, rows))


def _read(account: str, data: Path | None, *, action: str) -> _Known:
    from core import audit
    from partners.access import COMMAND_LINE, note_reading
    from partners.accounts import Role, find_principal
    from partners.rulebook import load_rulebook, with_published
    from partners.standing import read_standing
    from scoring.inputs import read_snapshots
    from scoring.scores import known_of

    async def run() -> _Known:
        settings, now = deployment(data), utc_now()
        async with open_database(settings) as database, database.transaction() as connection:
            role = await _role(connection, account)
            principal = await find_principal(connection, account=account, role=role, now=now)
            if role not in (Role.CITIZEN, Role.AGENT) or principal.subject_id is None:
                raise NoSuchSubject(f"账号 {account[:40]} 不代表任何主体。请使用市民或企业经办人的账号。")
            rulebook = await with_published(connection, load_rulebook(settings.jurisdictions, settings.places))
            standing = await read_standing(connection, account=account, role=role, rulebook=rulebook, now=now)
            if not standing.scores:
                raise NoSuchSubject("没有评分:尚未加入、未成年,或数据正在核对。")
            known = await known_of(connection, standing.id)
            snapshots = await read_snapshots(connection, standing.id)
            entry: dict[str, Any] = {"by": "command line"}
            await audit.record(connection, at=now, actor=account, action=action, content=entry, subject_id=standing.id)
            await note_reading(
                connection,
                subject_id=standing.id,
                reader=account,
                role=COMMAND_LINE,
                action=action,
                purpose="代本人查询评分",
                now=now,
            )
        return _Known(standing.models, rulebook.models, known, snapshots, day_of(now))

    return asyncio.run(run())


async def _role(connection: Any, account: str) -> Any:
    from sqlalchemy import select

    from partners.accounts import Role
    from partners.tables import accounts

    found = await connection.scalar(select(accounts.c.role).where(accounts.c.id == account))
    if found is None:
        raise NoSuchSubject(f"没有账号 {account[:40]}。请核对后重试。")
    return Role(found)


for _command in OFFICERS:
    subject.add_command(_command)
