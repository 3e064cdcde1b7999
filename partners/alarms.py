"""Alarms for those who look after the alliance. One thing to know: an alarm names partners, offers and keys, never a
person by name or number, and is written with what raised it or not at all.

What was done about it is written beside it, step by step: OPEN → SEEN → CLOSED, or closed at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.errors import ExpectedError
from core.identifiers import new_id
from partners.tables import alarm_steps, security_events


class AlarmState(StrEnum):
    """What has been done about an alarm."""

    OPEN = "OPEN"
    SEEN = "SEEN"
    CLOSED = "CLOSED"


class UnknownAlarm(ExpectedError):
    """No alarm under that id."""

    code = "UNKNOWN_ALARM"


class AlarmHandled(ExpectedError):
    """Somebody has got as far with it already."""

    code = "ALARM_HANDLED"


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm with what was done about it."""

    event: Row[Any]
    """Of `security_events`."""
    steps: tuple[Row[Any], ...]

    @property
    def state(self) -> AlarmState:
        """As the last step left it."""
        return AlarmState(self.steps[-1].state) if self.steps else AlarmState.OPEN


async def raise_alarm(
    connection: AsyncConnection, *, kind: str, detail: Mapping[str, Any], now: datetime, partner_id: int | None = None
) -> UUID:
    """Write an alarm, in the caller's transaction; its id. `kind` is a stable code such as `STOLEN_KEY`."""
    row = {"id": new_id(), "at": now, "kind": kind, "partner_id": partner_id, "detail": dict(detail)}
    await connection.execute(insert(security_events).values(row))
    return row["id"]  # type: ignore[return-value]


async def alarm_overdue(connection: AsyncConnection, case: Row[Any], now: datetime) -> None:
    """Raise the alarm about a case (a row of `cases`) that is overdue; it names no subject."""
    detail = {"case": str(case.id), "kind": case.kind, "place": case.place, "routedTo": case.routed_to}
    await raise_alarm(connection, kind="CASE_OVERDUE", detail=detail, now=now)


async def list_alarms(
    connection: AsyncConnection, *, state: AlarmState | None, kinds: Collection[str], before: UUID | None, size: int
) -> list[Alarm]:
    """Alarms in that state and of these kinds, all where none is named, newest first: at most `size` before that id."""
    last = (
        select(alarm_steps.c.state)
        .where(alarm_steps.c.alarm_id == security_events.c.id)
        .order_by(alarm_steps.c.step.desc())
        .limit(1)
        .scalar_subquery()
    )
    found = select(security_events).order_by(security_events.c.id.desc()).limit(size)
    if state is not None:
        found = found.where(last.is_(None) if state is AlarmState.OPEN else last == state.value)
    if kinds:
        found = found.where(security_events.c.kind.in_(kinds))
    if before is not None:
        found = found.where(security_events.c.id < before)
    events = (await connection.execute(found)).all()
    done = select(alarm_steps).where(alarm_steps.c.alarm_id.in_([event.id for event in events]))
    steps: dict[UUID, list[Row[Any]]] = {}
    for step in await connection.execute(done.order_by(alarm_steps.c.step)):
        steps.setdefault(step.alarm_id, []).append(step)
    return [Alarm(event, tuple(steps.get(event.id, ()))) for event in events]


async def handle_alarm(
    connection: AsyncConnection, alarm_id: UUID, *, state: AlarmState, actor: str, reason: str, now: datetime
) -> Alarm:
    """Write down that an alarm was seen or closed.

    Raises:
        UnknownAlarm, AlarmHandled
        Conflict: somebody else was quicker; run it again.
    """
    wanted = select(security_events).where(security_events.c.id == alarm_id)
    event = (await connection.execute(wanted)).one_or_none()
    if event is None:
        raise UnknownAlarm("没有这条告警。请从告警列表中重新选择。")
    done = select(alarm_steps).where(alarm_steps.c.alarm_id == alarm_id).order_by(alarm_steps.c.step)
    alarm = Alarm(event, tuple((await connection.execute(done)).all()))
    order = list(AlarmState)
    if order.index(state) <= order.index(alarm.state):
        raise AlarmHandled(f"这条告警已是 {alarm.state}。请刷新列表,查看是谁处理的。")
    step = {"alarm_id": alarm_id, "step": len(alarm.steps) + 1, "state": state.value, "actor": actor, "at": now}
    written = insert(alarm_steps).values(**step, reason=reason).returning(alarm_steps)
    row = (await connection.execute(written)).one()
    content = {"alarm": str(alarm_id), "kind": event.kind, "state": state.value, "reason": reason}
    await audit.record(connection, at=now, actor=actor, action="handleAlarm", content=content)
    return Alarm(event, (*alarm.steps, row))
