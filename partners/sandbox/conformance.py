"""Conformance runs: a partner shows that its program handles every answer. One thing to know: while a run is open the
sandbox writes down what it sees of that partner, and judging is done on that alone (`judging`).

A run is open for a day and its result is good for 90.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import utc_now
from core.errors import BadInput, ExpectedError
from core.identifiers import new_id
from core.integrity import keys_of
from core.keys import b64encode
from core.signing import sign
from partners.onboarding.tables import partner_keys
from partners.sandbox.faults import forget_codes
from partners.sandbox.judging import Facts, Seen
from partners.sandbox.steps import REPORTED, is_passed, missing
from partners.sandbox.tables import conformance_runs

OPEN_FOR = timedelta(hours=24)
GOOD_FOR = timedelta(days=90)
MOST_SEEN = 2_000
"""Requests that are written down in one run."""
_LETTERS = "ABCDEF"


class NoSuchRun(ExpectedError):
    """No run of this partner under that id that is still open."""

    code = "NO_SUCH_RUN"


@dataclass(frozen=True, slots=True)
class Run:
    """A run as its partner sees it."""

    id: UUID
    partner_id: int
    state: str
    started_at: datetime
    finished_at: datetime | None
    missing: Mapping[str, str]
    """By step; empty where it is passed."""
    materials: Mapping[str, tuple[str, ...]]
    webhook_secret: str


async def start_run(
    connection: AsyncConnection,
    *,
    partner_id: int,
    account: str,
    receipt: Mapping[str, Any],
    webhook: tuple[str, str] | None,
    now: datetime,
) -> Run:
    """Open a run; one that was open is closed as it stands. `receipt` is what the sandbox's receipts say besides their
    ids; `webhook` the address and secret of the partner's endpoint, where it has one."""
    for row in await connection.execute(_open_runs(partner_id)):
        await _close(connection, row, now=now)
    await forget_codes(connection, partner_id=partner_id)
    run_id = new_id()
    own = select(partner_keys.c.id).where(partner_keys.c.partner_id == partner_id, partner_keys.c.account == account)
    expected, materials = {}, {}
    for step in ("RECEIPTS", "KEY_CHANGE"):
        materials[step], expected[step] = _receipts(connection, receipt)
    content = {
        "by_key": await connection.scalar(own) is not None,
        "expected": expected,
        "materials": materials,
        "reported": {},
        "webhook": {},
        "webhook_url": webhook[0] if webhook else None,
        "webhook_secret": webhook[1] if webhook else "",
        "seen": [],
    }
    values = {"id": run_id, "partner_id": partner_id, "state": "RUNNING", "started_at": now, "steps": content}
    await connection.execute(insert(conformance_runs).values(values))
    await audit.record(connection, at=now, actor=account, action="startConformanceRun", content={"run": str(run_id)})
    return await find_run(connection, run_id=run_id, partner_id=partner_id)


async def find_run(connection: AsyncConnection, *, run_id: UUID, partner_id: int) -> Run:
    """A run of this partner.

    Raises:
        NoSuchRun: there is none.
    """
    mine = select(conformance_runs).where(conformance_runs.c.id == run_id, conformance_runs.c.partner_id == partner_id)
    row = (await connection.execute(mine)).one_or_none()
    if row is None:
        raise NoSuchRun("贵单位没有这次联调验收。请核对编号,或用 startConformanceRun 重新开始。")
    return _run(row)


async def note(connection: AsyncConnection, *, partner_id: int, seen: Seen, now: datetime) -> None:
    """Write down a request of a partner, where a run of its is open."""
    for row in await connection.execute(_open_runs(partner_id)):
        if row.started_at > now - OPEN_FOR and len(row.steps["seen"]) < MOST_SEEN:
            await _change(connection, row, seen=[*row.steps["seen"], asdict(seen)])


async def report(
    connection: AsyncConnection, *, run_id: UUID, partner_id: int, step: str, verdict: str, now: datetime
) -> Run:
    """Take down what the partner found out.

    Raises:
        BadInput: nothing is reported on this step.
        NoSuchRun: no such run is open.
    """
    if step not in REPORTED:
        raise BadInput(f"步骤 {step} 不用报告。需要报告的:{'、'.join(sorted(REPORTED))}。")
    row = await open_run(connection, run_id=run_id, partner_id=partner_id, now=now)
    await _change(connection, row, reported=row.steps["reported"] | {step: verdict})
    return await find_run(connection, run_id=run_id, partner_id=partner_id)


async def note_webhooks(
    connection: AsyncConnection,
    *,
    run_id: UUID,
    partner_id: int,
    answers: Mapping[str, int | None],
    expected: str,
    now: datetime,
) -> Run:
    """Write down how the partner's endpoint answered; a new sending makes what was reported of the last one void."""
    row = await open_run(connection, run_id=run_id, partner_id=partner_id, now=now)
    reported = {step: verdict for step, verdict in row.steps["reported"].items() if step != "WEBHOOKS"}
    told = row.steps["expected"] | {"WEBHOOKS": expected}
    await _change(connection, row, webhook=dict(answers), expected=told, reported=reported)
    return await find_run(connection, run_id=run_id, partner_id=partner_id)


async def finish_run(connection: AsyncConnection, *, run_id: UUID, partner_id: int, account: str, now: datetime) -> Run:
    """Close a run with its result.

    Raises:
        NoSuchRun: no such run is open.
    """
    row = await open_run(connection, run_id=run_id, partner_id=partner_id, now=now)
    state = await _close(connection, row, now=now)
    content = {"run": str(run_id), "state": state}
    await audit.record(connection, at=now, actor=account, action="finishConformanceRun", content=content)
    return await find_run(connection, run_id=run_id, partner_id=partner_id)


async def passed_run(connection: AsyncConnection, *, partner_id: int, now: datetime | None = None) -> Run | None:
    """The newest run that was passed within 90 days, on a connection to the sandbox's database."""
    since = (now or utc_now()) - GOOD_FOR
    mine = (conformance_runs.c.partner_id == partner_id, conformance_runs.c.state == "PASSED")
    newest = (
        select(conformance_runs)
        .where(*mine, conformance_runs.c.finished_at >= since)
        .order_by(conformance_runs.c.finished_at.desc())
        .limit(1)
    )
    row = (await connection.execute(newest)).one_or_none()
    return None if row is None else _run(row)


async def open_run(connection: AsyncConnection, *, run_id: UUID, partner_id: int, now: datetime) -> Row[Any]:
    """The row of a run that is still open.

    Raises:
        NoSuchRun: there is none.
    """
    for row in await connection.execute(_open_runs(partner_id).where(conformance_runs.c.id == run_id)):
        if row.started_at > now - OPEN_FOR:
            return row
    raise NoSuchRun("这次联调验收已结束、已超过 24 小时或不存在。请用 startConformanceRun 重新开始。")


def _open_runs(partner_id: int) -> Any:
    mine = (conformance_runs.c.partner_id == partner_id, conformance_runs.c.state == "RUNNING")
    return select(conformance_runs).where(*mine).with_for_update()


async def _change(connection: AsyncConnection, row: Row[Any], **steps: Any) -> None:
    content = {**row.steps, **steps}
    await connection.execute(update(conformance_runs).where(conformance_runs.c.id == row.id).values(steps=content))


async def _close(connection: AsyncConnection, row: Row[Any], *, now: datetime) -> str:
    in_time = row.started_at > now - OPEN_FOR
    state = "PASSED" if in_time and is_passed(missing(_facts(row))) else "FAILED"
    values = {"state": state, "finished_at": now}
    await connection.execute(update(conformance_runs).where(conformance_runs.c.id == row.id).values(values))
    return state


def _facts(row: Row[Any]) -> Facts:
    steps = row.steps
    seen = tuple(Seen(**one) for one in steps["seen"])
    return Facts(seen, steps["by_key"], steps["expected"], steps["reported"], steps["webhook"])


def _run(row: Row[Any]) -> Run:
    return Run(
        id=row.id,
        partner_id=row.partner_id,
        state=row.state,
        started_at=row.started_at,
        finished_at=row.finished_at,
        missing=missing(_facts(row)),
        materials={step: tuple(held) for step, held in row.steps["materials"].items()},
        webhook_secret=row.steps["webhook_secret"],
    )


def _receipts(connection: AsyncConnection, receipt: Mapping[str, Any]) -> tuple[list[str], str]:
    """Six receipts and the letters of the genuine ones; the others were changed after signing."""
    keys = keys_of(connection)
    genuine = sorted(secrets.SystemRandom().sample(_LETTERS, 3))
    made = []
    for letter in _LETTERS:
        claims = dict(receipt) | {"jti": str(new_id()), "subject": b64encode(secrets.token_bytes(16))}
        head, body, signature = sign(keys, "receipt", claims).split(".")
        if letter not in genuine:
            # The same words under the signature of others: only checking it tells.
            signature = sign(keys, "receipt", claims | {"jti": str(new_id())}).split(".")[2]
        made.append(f"{head}.{body}.{signature}")
    return made, "".join(genuine)
