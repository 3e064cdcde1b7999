"""Service at a window or a terminal. One thing to know: the clerk acts under the citizen's eyes, for a quarter of an
hour, through an account of the session's own; the citizen reads on the access log who it was, where and what for.

(《黑龙江省社会信用条例》第二十四条: the same can be had at windows and self-service terminals.)
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import uuid4

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.database import Database
from core.errors import BadInput, ExpectedError
from core.identifiers import new_id
from core.keys import Keys
from partners.accounts import Principal, Role
from partners.mandates import ACTING
from partners.tables import access_events, accounts, security_events
from scoring.registry.ends import AlreadyEnded
from scoring.registry.identities import Number, Scheme, check_number, find_by
from scoring.registry.subjects import UnknownSubject, read_subject
from scoring.subjects import SubjectKind

SESSION = timedelta(minutes=15)
MOST_MISSES, MISSES_WITHIN = 20, timedelta(hours=1)
MISS = "ASSISTED_NOT_FOUND"


class SessionOpen(ExpectedError):
    """The clerk has a session with somebody already."""

    code = "ASSISTED_SESSION_OPEN"

    def __init__(self) -> None:
        super().__init__("您还有一个未结束的代办会话。请先结束它,再为下一位办理。")


class TooManyMisses(ExpectedError):
    """The clerk has asked for too many numbers that are nobody's."""

    code = "TOO_MANY_MISSES"

    def __init__(self) -> None:
        super().__init__("一小时内查无此人的次数过多,暂停开启代办会话。请核对证件,稍后再试。")


class Session(NamedTuple):
    """What a clerk may act through until `ends_at`."""

    account: str
    ends_at: datetime


class Presented(NamedTuple):
    """What somebody at the window has shown and wants."""

    scheme: Scheme
    number: str
    site: str
    purpose: str


async def open_session(
    database: Database, keys: Keys, *, principal: Principal, shown: Presented, now: datetime
) -> Session:
    """Let the clerk act for the person whose document lies on the desk.

    Numbers that are malformed or nobody's are counted, also where nothing else is written.

    Raises:
        BadInput, UnknownSubject: the number is none, or nobody's here.
        SessionOpen, TooManyMisses, AlreadyEnded.
        Conflict: run it again.
    """
    async with database.transaction() as connection:
        # One clerk, one at a time: whoever comes second waits here, and then sees the first.
        await connection.execute(select(accounts.c.id).where(accounts.c.id == principal.account).with_for_update())
        misses = await connection.scalar(select(func.count()).where(*_misses(principal.account, now)))
        if (misses or 0) >= MOST_MISSES:
            raise TooManyMisses
        if (await connection.execute(select(accounts.c.id).where(*_open(principal.account, now)))).first() is not None:
            raise SessionOpen
        try:
            return await _open_session(connection, keys, principal, shown, now)
        except (BadInput, UnknownSubject) as miss:
            event = {"id": new_id(), "at": now, "kind": MISS, "detail": {"clerk": principal.account}}
            await connection.execute(insert(security_events).values(event))
            refused: ExpectedError = miss
    raise refused


async def end_sessions(connection: AsyncConnection, *, principal: Principal, now: datetime) -> int:
    """End what the clerk has open; how many there were. What was opened there is of no use from the next request on."""
    mine = _open(principal.account, now)
    found = (await connection.execute(select(accounts.c.id, accounts.c.subject_id).where(*mine))).all()
    for row in found:
        await connection.execute(update(accounts).where(accounts.c.id == row.id).values(ended_at=now))
        content = {"session": row.id}
        await audit.record(
            connection,
            at=now,
            actor=principal.account,
            action="endAssistedSession",
            content=content,
            subject_id=row.subject_id,
        )
    return len(found)


async def _open_session(
    connection: AsyncConnection, keys: Keys, principal: Principal, shown: Presented, now: datetime
) -> Session:
    number: Number = check_number(shown.scheme, shown.number)
    if number.kind is not SubjectKind.PERSON:
        raise BadInput("窗口代办只面向自然人。单位请由经办人账号办理。")
    subject_id = await find_by(connection, keys, number)
    if subject_id is None:
        raise UnknownSubject
    if (await read_subject(connection, subject_id)).ended_on is not None:
        raise AlreadyEnded
    session = Session(f"{ACTING[1]}{uuid4().hex}", now + SESSION)
    acts = {"subject_id": subject_id, "held_by": principal.account, "basis": "assisted", "ended_at": session.ends_at}
    await connection.execute(insert(accounts).values(id=session.account, role=Role.CITIZEN.value, **acts))
    event = {
        "subject_id": subject_id,
        "id": new_id(),
        "at": now,
        "why_not": [],
        "reader": principal.account,
        "reader_role": principal.role.value,
        "action": "openAssistedSession",
        "purpose": shown.purpose,
        "site": shown.site,
    }
    await connection.execute(insert(access_events).values(event))
    content = {"session": session.account, "site": shown.site, "purpose": shown.purpose}
    await audit.record(
        connection,
        at=now,
        actor=principal.account,
        action="openAssistedSession",
        content=content,
        subject_id=subject_id,
    )
    return session


def _open(clerk: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return accounts.c.held_by == clerk, accounts.c.basis == "assisted", accounts.c.ended_at > now


def _misses(clerk: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        security_events.c.kind == MISS,
        security_events.c.at > now - MISSES_WITHIN,
        security_events.c.detail["clerk"].as_string() == clerk,
    )
