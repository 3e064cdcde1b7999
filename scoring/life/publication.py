"""Putting a version in force, and taking it out again in one act. One thing to know: what stops publishing is read from
the recorded run, so what was seen is what was judged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from core.errors import BadInput, ExpectedError
from core.places import Places
from scoring.life.governance import (
    NAMES,
    Act,
    NotReviewed,
    NotSimulated,
    State,
    WrongState,
    check_four_eyes,
    check_move,
    drafted_model,
    find_version,
    last_run,
    lock_version,
    lock_versions,
    steps_of,
    version_key,
    write_step,
)
from scoring.life.simulation import OfferThreshold
from scoring.life.versions import in_force, join_versions, published_versions
from scoring.model import Model
from scoring.models import Models
from scoring.tables import model_versions

SHORTEST_REASON = 20
"""Characters that a signature under unequal shares needs."""


class Deniability(ExpectedError):
    """The standard service would say something bad about those who get it (L12)."""

    code = "DENIABILITY"


class DisparityUnsigned(ExpectedError):
    """Groups of people would be served too unequally, and nobody has signed why."""

    code = "DISPARITY_UNSIGNED"


class GradeInUse(ExpectedError):
    """A published offer asks for a grade that would be gone."""

    code = "GRADE_IN_USE"


class BadStart(ExpectedError):
    """The version cannot begin on that day."""

    code = "BAD_START"


async def sign_disparity(connection: AsyncConnection, act: Act) -> Row[Any]:
    """Sign, by name, why the unequal shares of the newest run are right; the reason has at least 20 characters.

    Raises:
        BadInput: the reason is too short.
        FourEyes: the signer drafted the version.
        NotSimulated, WrongState: there is no run, or nothing in it to sign, or it is published already.
    """
    row = await lock_version(connection, act)
    if len(act.reason.strip()) < SHORTEST_REASON:
        raise BadInput(f"理由至少 {SHORTEST_REASON} 个字。请说明差异从何而来、为何合理、如何跟踪。")
    if State(row.state) in (State.PUBLISHED, State.RETIRED):
        raise WrongState(f"这一版{NAMES[State(row.state)]},不再需要签署。请查看版本列表。")
    steps = await steps_of(connection, act.model, act.version)
    check_four_eyes(steps, act, "起草人不能为自己起草的版本签署。请由另一位工作人员签署。")
    run = None if row.state == State.DRAFT else last_run(steps, row.checksum)
    if run is None:
        raise NotSimulated("这一版的现有内容尚未模拟,没有可签署的差异。请先模拟。")
    findings = run.evidence["summary"]["stops"]["disparity"]
    if not findings:
        raise WrongState("最近一次模拟没有需要签署的差异。可以直接进行下一步。")
    await write_step(
        connection,
        act,
        name="sign-disparity",
        state=State(row.state),
        checksum=row.checksum,
        evidence={"simulation": run.step, "findings": findings},
    )
    return await find_version(connection, act.model, act.version)


async def publish_version(
    connection: AsyncConnection,
    act: Act,
    *,
    in_force_from: date,
    offers: Sequence[OfferThreshold],
    founding: Models,
    places: Places,
) -> Row[Any]:
    """Put a version in force from a day on, today at the earliest; it begins by itself at 00:00 Asia/Shanghai.

    `offers` are all published offers that go by this model.

    Raises:
        NotSimulated, NotReviewed, WrongState, FourEyes, Deniability, DisparityUnsigned, GradeInUse, BadStart
    """
    row = await lock_version(connection, act)
    if row.state == State.DRAFT:
        raise NotSimulated("这一版的现有内容尚未模拟。请先模拟、复核、影子运行,再发布。")
    if row.state == State.SIMULATED:
        raise NotReviewed("这一版尚未复核。请先由起草人以外的人复核,再影子运行、发布。")
    check_move(row, State.PUBLISHED, WrongState, "只有影子运行过的版本可以发布")
    steps = await steps_of(connection, act.model, act.version)
    check_four_eyes(steps, act, "起草人不能发布自己起草的版本。请由另一位工作人员发布。")
    known = join_versions(founding, await published_versions(connection), places)
    model = drafted_model(row, models=known, places=places)
    before = in_force(known, act.model, day_of(act.now))
    _check_run(last_run(steps, row.checksum), steps, offers=offers, before=before)
    _check_start(model, in_force_from, known=known, today=day_of(act.now))
    _check_ladder(model, offers)
    await connection.execute(update(model_versions).where(*version_key(act)).values(in_force_from=in_force_from))
    evidence = {"in_force_from": in_force_from.isoformat(), "supersedes": before.version if before else None}
    await write_step(connection, act, name="publish", state=State.PUBLISHED, checksum=row.checksum, evidence=evidence)
    return await find_version(connection, act.model, act.version)


async def roll_back(
    connection: AsyncConnection,
    *,
    actor: str,
    model: str,
    reason: str,
    offers: Sequence[OfferThreshold],
    founding: Models,
    places: Places,
    now: datetime,
) -> Row[Any]:
    """End the newest published version as of today, in one act; the version before holds again at once.

    Raises:
        WrongState: nothing published here can be rolled back, or nothing was in force before it.
        GradeInUse: a published offer asks for a grade that the version before does not have.
    """
    found = [
        row
        for row in await lock_versions(connection, model)
        if row.state == State.PUBLISHED and row.in_force_until is None
    ]
    if not found:
        raise WrongState(f"本部署没有已发布的 {model[:60]} 版本可以撤回。随程序提供的版本请在法域目录中改动。")
    newest = max(found, key=lambda row: row.in_force_from)
    today = day_of(now)
    until = max(today, newest.in_force_from)
    rows = [
        one._replace(in_force_until=until) if (one.model, one.version) == (model, newest.version) else one
        for one in await published_versions(connection)
    ]
    restored = in_force(join_versions(founding, rows, places), model, until)
    if restored is None:
        raise WrongState(f"{newest.version} 版之前没有可以恢复的版本。请先发布一个新版本来接替它。")
    _check_ladder(restored, offers)
    act = Act(actor, model, newest.version, now, reason)
    await connection.execute(update(model_versions).where(*version_key(act)).values(in_force_until=until))
    evidence = {"in_force_until": until.isoformat(), "restored": restored.version}
    await write_step(
        connection, act, name="roll-back", state=State.RETIRED, checksum=newest.checksum, evidence=evidence
    )
    return await find_version(connection, model, newest.version)


def _check_run(
    run: Row[Any] | None, steps: Sequence[Row[Any]], *, offers: Sequence[OfferThreshold], before: Model | None
) -> None:
    again = "请重新影子运行,再发布。"
    if run is None:
        raise NotSimulated("这一版的现有内容尚未模拟。请先模拟、复核、影子运行,再发布。")
    summary = run.evidence["summary"]
    against = summary["before"]["checksum"] if summary["before"] else None
    if against != (before.checksum if before else None):
        raise NotSimulated(f"最近一次运行对照的版本已不是现行版本。{again}")
    seen = {(one["offer"], one["threshold"]) for one in summary["offers"]}
    unseen = [one for one in offers if (one.offer, one.threshold) not in seen]
    if unseen:
        raise NotSimulated(f"最近一次运行之后又有优惠发布({'、'.join(one.title for one in unseen)})。{again}")
    if denied := summary["stops"]["deniability"]:
        raise Deniability(
            f"按标准服务办理的人中,没有失信记录的不到一半:{'、'.join(denied)}。"
            "这样的答复会暗示其不良,不能发布。请放宽门槛或调整规则,再重新模拟。"
        )
    signatures = [step for step in steps if step.act == "sign-disparity" and step.checksum == run.checksum]
    signed = {finding for step in signatures for finding in step.evidence["findings"]}
    unsigned = [finding for finding in summary["stops"]["disparity"] if finding not in signed]
    if unsigned:
        raise DisparityUnsigned(
            f"不同人群的达标比例相差过大(低于 0.8):{'、'.join(unsigned)}。"
            "请调整规则,或由起草人以外的人具名签署理由,再发布。"
        )


def _check_start(model: Model, day: date, *, known: Models, today: date) -> None:
    if day < today:
        raise BadStart(f"生效日 {day} 已经过去。请选择今天({today})或以后的日期。")
    if day < model.in_force_from:
        raise BadStart(f"这一版写明从 {model.in_force_from} 起生效。请选择这一天或以后的日期。")
    if model.in_force_until is not None and day >= model.in_force_until:
        raise BadStart(f"这一版写明到 {model.in_force_until} 为止。请选择更早的日期,或改正草稿。")
    begun = [one for one in known.all if one.id == model.id and one.in_force_from >= day]
    if begun:
        raise BadStart(f"{begun[-1].version} 版从 {begun[-1].in_force_from} 起生效。请选择更晚的日期。")


def _check_ladder(model: Model, offers: Sequence[OfferThreshold]) -> None:
    codes = {grade.code for grade in model.grades}
    gone = [f"{one.title}({one.threshold})" for one in offers if one.threshold not in codes]
    if gone:
        raise GradeInUse(
            f"{model.version} 版没有这些已发布优惠所用的等级:{'、'.join(gone)}。请保留这些等级,或先结束这些优惠。"
        )
