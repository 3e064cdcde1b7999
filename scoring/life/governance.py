"""How a version of a model comes into force and out of it again. One thing to know: two different people, a simulation
of exactly this content, and one table of allowed moves; every act is one append-only step.

    DRAFT → SIMULATED → REVIEWED → SHADOW → PUBLISHED → RETIRED
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Protocol

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of
from core.datafile import RuleFile
from core.errors import BadInput, DataFileError, ExpectedError, FourEyes
from core.places import Places
from scoring.life.cases import run_cases
from scoring.life.simulation import Rehearsal
from scoring.model import Model, ModelFile
from scoring.models import Models, UnknownModel, read_models
from scoring.tables import model_reports, model_steps, model_versions


class State(StrEnum):
    """Where a version stands."""

    DRAFT = "DRAFT"
    SIMULATED = "SIMULATED"
    REVIEWED = "REVIEWED"
    SHADOW = "SHADOW"
    PUBLISHED = "PUBLISHED"
    RETIRED = "RETIRED"


_D, _S, _R, _W, _P, _E = State
MOVES: Mapping[State, frozenset[State]] = {
    _D: frozenset({_D, _S, _E}),
    _S: frozenset({_D, _S, _R, _E}),
    _R: frozenset({_D, _S, _W, _E}),
    _W: frozenset({_D, _S, _W, _P, _E}),
    _P: frozenset({_E}),
    _E: frozenset(),
}
"""Allowed moves. New content always goes back to DRAFT, and what was simulated and reviewed before is void."""
NAMES = {_D: "草稿", _S: "已模拟", _R: "已复核", _W: "影子运行", _P: "已发布", _E: "已退役"}


class BadModel(ExpectedError):
    """The draft or its table is broken: file, line, what is wrong, what to do."""

    code = "BAD_MODEL"


class ModelExists(ExpectedError):
    """That version is taken."""

    code = "MODEL_EXISTS"


class UnknownVersion(ExpectedError):
    """No such version was drafted here."""

    code = "UNKNOWN_MODEL"


class WrongState(ExpectedError):
    """The version does not stand where this act begins."""

    code = "WRONG_STATE"


class NotSimulated(ExpectedError):
    """This content has not been simulated against what is in force."""

    code = "NOT_SIMULATED"


class NotReviewed(ExpectedError):
    """Nobody has reviewed the simulation."""

    code = "NOT_REVIEWED"


@dataclass(frozen=True, slots=True)
class Act:
    """Who acts on which version, when and why."""

    actor: str
    model: str
    version: str
    now: datetime
    reason: str = ""


async def draft_version(
    connection: AsyncConnection,
    *,
    actor: str,
    content: str,
    cases: str,
    place: str | None,
    models: Models,
    places: Places,
    now: datetime,
    reason: str = "",
) -> Row[Any]:
    """Draft a version, or put other content in the place of one that is not published yet.

    `place` may be left out for a model that exists. Returns the row of `model_versions`.

    Raises:
        BadModel: the YAML is broken, breaks a check, or its table of cases does not pass.
        ModelExists: that version is published, retired, or a file of this deployment.
        BadInput: no such place.
    """
    try:
        file = RuleFile.of_text(content, name="模型")
        parsed = file.parse(ModelFile)
    except DataFileError as error:
        raise BadModel(error.message) from None
    home = _place_of(parsed.id, place, models, places)
    _check_not_shipped(parsed, models)
    found = await lock_versions(connection, parsed.id)
    row = next((one for one in found if one.version == parsed.version), None)
    if row is not None:
        check_move(row, State.DRAFT, ModelExists, "请另取版本号,再提交草稿")
    try:
        (model,) = read_models([(file, home)], places=places, known=models.all)
        count = run_cases(model, RuleFile.of_text(cases, name="用例表"))
    except DataFileError as error:
        raise BadModel(error.message) from None
    values = {
        "place": home,
        "checksum": model.checksum,
        "content": content,
        "cases": cases,
        "state": State.DRAFT.value,
        "drafted_by": actor,
        "drafted_at": now,
    }
    act = Act(actor, model.id, model.version, now, reason)
    if row is None:
        await connection.execute(insert(model_versions).values(model=model.id, version=model.version, **values))
    else:
        await connection.execute(update(model_versions).where(*version_key(act)).values(values))
    evidence = {"cases": count, "cases_sha256": sha256(cases.encode()).hexdigest()}
    await write_step(connection, act, name="draft", state=State.DRAFT, checksum=model.checksum, evidence=evidence)
    return await find_version(connection, act.model, act.version)


async def find_version(connection: AsyncConnection, model: str, version: str) -> Row[Any]:
    """The row of `model_versions`.

    Raises:
        UnknownVersion: there is none.
    """
    act_key = (model_versions.c.model == model, model_versions.c.version == version)
    row = (await connection.execute(select(model_versions).where(*act_key))).one_or_none()
    if row is None:
        raise _unknown(model, version)
    return row


async def steps_of(connection: AsyncConnection, model: str, version: str) -> Sequence[Row[Any]]:
    """What was done with a version, oldest first."""
    mine = (model_steps.c.model == model, model_steps.c.version == version)
    return (await connection.execute(select(model_steps).where(*mine).order_by(model_steps.c.step))).all()


class Drafted(Protocol):
    """A version as it was drafted: a row of `model_versions`, or what has the same names."""

    model: str
    version: str
    place: str
    content: str


def drafted_model(row: Row[Any] | Drafted, *, models: Models, places: Places) -> Model:
    """The model that a drafted version is.

    Raises:
        BadModel: it no longer passes the checks, or what it is built on is gone.
    """
    file = RuleFile.of_text(row.content, name=f"{row.model}-{row.version}")
    try:
        (model,) = read_models([(file, row.place)], places=places, known=models.all)
    except DataFileError as error:
        raise BadModel(error.message) from None
    return model


def check_run(row: Row[Any], to: State) -> None:
    """Whether a version stands where a simulation or a shadow run may be made.

    Raises:
        NotSimulated, NotReviewed, WrongState: it does not.
    """
    if to is State.SHADOW and row.state == State.DRAFT:
        raise NotSimulated("这一版的现有内容尚未模拟。请先模拟、复核,再影子运行。")
    if to is State.SHADOW and row.state == State.SIMULATED:
        raise NotReviewed("这一版尚未复核。请先由起草人以外的人复核,再影子运行。")
    check_move(row, to, WrongState, "请在版本列表中核对它的状态")


async def record_run(connection: AsyncConnection, act: Act, *, to: State, rehearsal: Rehearsal) -> Row[Any]:
    """Keep a simulation (`to` SIMULATED) or a shadow run beside the version in force (SHADOW), with its report.

    Raises:
        NotSimulated: the content changed while it ran.
        NotReviewed, WrongState: see `check_run`.
    """
    row = await lock_version(connection, act)
    check_run(row, to)
    if row.checksum != rehearsal.checksum:
        raise NotSimulated("运行期间这一版的内容已被替换,结果作废。请重新运行。")
    digest = sha256(rehearsal.page.encode()).hexdigest()
    step = await write_step(
        connection,
        act,
        name="simulate" if to is State.SIMULATED else "shadow",
        state=to,
        checksum=row.checksum,
        evidence={"summary": rehearsal.summary, "report": digest},
    )
    page = zlib.compress(rehearsal.page.encode(), 9)
    await connection.execute(
        insert(model_reports).values(model=act.model, version=act.version, step=step, sha256=digest, page=page)
    )
    return await find_version(connection, act.model, act.version)


async def report_page(connection: AsyncConnection, model: str, version: str) -> tuple[str, str]:
    """The newest simulation report as HTML, and its SHA-256.

    Raises:
        NotSimulated: there is none.
    """
    table = model_reports.c
    statement = (
        select(table.page, table.sha256)
        .where(table.model == model, table.version == version)
        .order_by(table.step.desc())
        .limit(1)
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotSimulated("这一版还没有模拟报告。请先运行 xinyi model simulate。")
    return zlib.decompress(row.page).decode(), row.sha256


async def review_version(connection: AsyncConnection, act: Act) -> Row[Any]:
    """Approve what the simulation shows; by somebody who did not draft it.

    Raises:
        NotSimulated, WrongState, FourEyes
    """
    row = await lock_version(connection, act)
    if row.state == State.DRAFT:
        raise NotSimulated("这一版的现有内容尚未模拟。请先模拟,再复核。")
    check_move(row, State.REVIEWED, WrongState, "只有已模拟的版本可以复核")
    steps = await steps_of(connection, act.model, act.version)
    check_four_eyes(steps, act, "起草人不能复核自己起草的版本。请由另一位工作人员复核。")
    run = last_run(steps, row.checksum)
    if run is None:
        raise NotSimulated("这一版的现有内容尚未模拟。请先模拟,再复核。")
    evidence = {"simulation": run.step, "report": run.evidence["report"]}
    await write_step(connection, act, name="review", state=State.REVIEWED, checksum=row.checksum, evidence=evidence)
    return await find_version(connection, act.model, act.version)


async def retire_version(connection: AsyncConnection, act: Act, *, models: Models) -> Row[Any]:
    """Withdraw a version that is not published, or close the book on one that another has followed.

    `models` as they hold from day to day.

    Raises:
        WrongState: it is retired already, or is in force or still to begin: roll it back instead.
    """
    row = await lock_version(connection, act)
    check_move(row, State.RETIRED, WrongState, "无需再次退役")
    today = day_of(act.now)
    holds = any(
        (one.id, one.version) == (act.model, act.version) and (one.in_force_until is None or one.in_force_until > today)
        for one in models.all
    )
    if row.state == State.PUBLISHED and holds:
        raise WrongState("这一版正在生效或已定期生效,不能退役。要停用请撤回(rollback),或发布新版本接替。")
    await write_step(connection, act, name="retire", state=State.RETIRED, checksum=row.checksum, evidence={})
    return await find_version(connection, act.model, act.version)


def _place_of(model_id: str, place: str | None, models: Models, places: Places) -> str:
    try:
        home = models.get(model_id).place
    except UnknownModel:
        if place not in places:
            raise BadInput(f"新模型要写明属于哪个地方。可选:{'、'.join(places)}。") from None
        return str(place)
    if place not in (None, home):
        raise BadInput(f"模型 {model_id} 属于 {home}。请不写地方,或写 {home}。")
    return home


def _check_not_shipped(parsed: ModelFile, models: Models) -> None:
    try:
        models.version(parsed.id, parsed.version)
    except UnknownModel:
        return
    raise ModelExists(f"{parsed.id} 的 {parsed.version} 版已经存在,发布过的版本不能改。请另取版本号,再提交草稿。")


def _unknown(model: str, version: str) -> UnknownVersion:
    shown = f"{model} {version}"[:80].encode(errors="backslashreplace").decode()
    return UnknownVersion(f"没有名为 {shown} 的版本。请在版本列表中核对模型与版本号。")


def version_key(act: Act) -> tuple[Any, Any]:
    """The row of `model_versions` that an act is about, as conditions."""
    return model_versions.c.model == act.model, model_versions.c.version == act.version


async def lock_versions(connection: AsyncConnection, model: str) -> Sequence[Row[Any]]:
    """All versions of a model: whoever acts on any of them at the same time waits."""
    statement = select(model_versions).where(model_versions.c.model == model)
    return (await connection.execute(statement.order_by(model_versions.c.version).with_for_update())).all()


async def lock_version(connection: AsyncConnection, act: Act) -> Row[Any]:
    """The version that an act is about.

    Raises:
        UnknownVersion: there is none.
    """
    for row in await lock_versions(connection, act.model):
        if row.version == act.version:
            return row
    raise _unknown(act.model, act.version)


def check_move(row: Row[Any], to: State, error: type[ExpectedError], remedy: str) -> None:
    """Refuse with `error` what the table of moves does not allow."""
    state = State(row.state)
    if to not in MOVES[state]:
        raise error(f"{row.model} 的 {row.version} 版{NAMES[state]},不能再改为{NAMES[to]}。{remedy}。")


def check_four_eyes(steps: Sequence[Row[Any]], act: Act, message: str) -> None:
    """Refuse whoever drafted the version.

    Raises:
        FourEyes: the actor did.
    """
    # Whoever ever drafted this version counts, not only the last: a changed comma makes nobody a stranger to it.
    if act.actor in {step.actor for step in steps if step.act == "draft"}:
        raise FourEyes(message)


def last_run(steps: Sequence[Row[Any]], checksum: str) -> Row[Any] | None:
    """The newest simulation or shadow run since the content was last drafted."""
    drafted = max(step.step for step in steps if step.act == "draft")
    runs = [
        step
        for step in steps
        if step.act in ("simulate", "shadow") and step.step > drafted and step.checksum == checksum
    ]
    return runs[-1] if runs else None


async def write_step(
    connection: AsyncConnection, act: Act, *, name: str, state: State, checksum: str, evidence: Mapping[str, Any]
) -> int:
    """Write the step, the state it leads to, and the audit row; the number of the step."""
    before = await steps_of(connection, act.model, act.version)
    number = before[-1].step + 1 if before else 1
    await connection.execute(
        insert(model_steps).values(
            model=act.model,
            version=act.version,
            step=number,
            act=name,
            state=state.value,
            actor=act.actor,
            at=act.now,
            reason=act.reason,
            checksum=checksum,
            evidence=evidence,
        )
    )
    await connection.execute(update(model_versions).where(*version_key(act)).values(state=state.value))
    content = {"model": act.model, "version": act.version, "step": number, "checksum": checksum, "reason": act.reason}
    await audit.record(connection, at=act.now, actor=act.actor, action=f"model-{name}", content=content)
    return number
