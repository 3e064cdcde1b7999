"""Credit records: how one that is on file is suspended, put right, ended or hidden. One thing to know: whatever happens
to a record happens in one transaction with its entry in `record_versions`, the audit row, the subject's new scores and
the notices to whoever was given it.

A record neither counts nor shows from `removed_on` on (《黑龙江省社会信用条例》第三十七条), whether its term has run
out, it was repaired or it was withdrawn; nothing has to run for that. It is kept, and is then in the archive.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime
from typing import Any, Literal, NamedTuple

import orjson
from sqlalchemy import Row, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of
from core.database import announce
from core.errors import ExpectedError
from core.integrity import is_intact, keys_of, reseal
from core.keys import Keys
from core.news import BENEFITS, of_subject
from core.sealing import seal, unseal
from scoring.cases.tables import record_receivers
from scoring.outbox import enqueue
from scoring.subjects import SubjectDataFault, lock_subject
from scoring.tables import credit_records, record_versions

Change = Literal[
    "received",
    "corrected",
    "suspended",
    "resumed",
    "repaired",
    "withdrawn",
    "hidden",
    "shown",
    "moved",
    "expired",
    "erased",
]
Rescore = Callable[[AsyncConnection, int], Awaitable[None]]
"""Makes a subject's scores again, in the transaction; does nothing for one that is not scored."""


class UnknownRecord(ExpectedError):
    """No such record of this subject."""

    code = "UNKNOWN_RECORD"


class RecordEnded(ExpectedError):
    """The record neither counts nor shows any more."""

    code = "RECORD_ENDED"


class Act(NamedTuple):
    """Who does something to a record, why and when."""

    actor: str
    reason: str
    """The subject reads it."""
    now: datetime
    rescore: Rescore


class RecordVersion(NamedTuple):
    """A record as it was from an instant on."""

    version: int
    at: datetime
    actor: str
    change: Change
    reason: str
    state: Mapping[str, Any]
    """What a reader of the record saw; `content` holds the catalogued fields."""


async def read_record(connection: AsyncConnection, subject_id: int, record_id: str) -> Row[Any]:
    """A row of `credit_records` as it was written.

    Raises:
        UnknownRecord: there is none.
        SubjectDataFault: somebody has changed it by hand.
    """
    mine = select(credit_records).where(credit_records.c.subject_id == subject_id, credit_records.c.id == record_id)
    row = (await connection.execute(mine)).one_or_none()
    if row is None:
        raise UnknownRecord("没有这条信用信息。请从本人的信用信息列表中选择。")
    check_record(connection, row)
    return row


def check_record(connection: AsyncConnection, row: Row[Any]) -> None:
    """Refuse a row of `credit_records` that is not as it was written.

    Raises:
        SubjectDataFault: somebody has changed it by hand.
    """
    if not is_intact(connection, credit_records, row._asdict(), row.mac):
        raise SubjectDataFault("credit_records: changed by hand")


def content_of(keys: Keys, row: Any) -> dict[str, str]:
    """The catalogued fields of a record, by field id; empty for one that came without."""
    opened = unseal(keys, "seal", row.content_sealed) if row.content_sealed else None
    found: dict[str, str] = orjson.loads(opened) if opened else {}
    return found


def has_ended(row: Any, *, on: date) -> bool:
    """Whether the record neither counts nor shows on that day."""
    return row.removed_on is not None and row.removed_on <= on


async def suspend_record(connection: AsyncConnection, subject_id: int, record_id: str, *, act: Act) -> None:
    """Use it no more while something about it is open; it stays on file. Doing so again changes nothing."""
    row = await _held(connection, subject_id, record_id)
    if row.suspended_at is None:
        await _change(connection, row, change="suspended", values={"suspended_at": act.now}, act=act)


async def resume_record(connection: AsyncConnection, subject_id: int, record_id: str, *, act: Act) -> None:
    """Use it again. One that was not suspended stays as it is."""
    row = await _held(connection, subject_id, record_id)
    if row.suspended_at is not None:
        await _change(connection, row, change="resumed", values={"suspended_at": None}, act=act)


async def end_record(
    connection: AsyncConnection, subject_id: int, record_id: str, *, change: Literal["repaired", "withdrawn"], act: Act
) -> None:
    """End its effect and its publication at once: repaired, or without a basis any more.

    Raises:
        RecordEnded: it has ended already.
    """
    row = await _held(connection, subject_id, record_id)
    on = day_of(act.now)
    if has_ended(row, on=on):
        raise RecordEnded("这条信用信息已经不再使用和公示,不需要再办理。请刷新列表。")
    values = {"removed_on": on, "removal": change, "suspended_at": None}
    await _change(connection, row, change=change, values=values, act=act)


async def correct_record(
    connection: AsyncConnection,
    subject_id: int,
    record_id: str,
    *,
    values: Mapping[str, Any],
    content: Mapping[str, str | None] | None,
    act: Act,
) -> None:
    """Put columns of the record (`values`) and catalogued fields (`content`) right; it is used again from now on.

    A field set to None is taken out.
    """
    row = await _held(connection, subject_id, record_id)
    new: dict[str, Any] = {**values, "suspended_at": None}
    if content is not None:
        keys = keys_of(connection)
        fields = {**content_of(keys, row), **content}
        new["content_sealed"] = seal(keys, "seal", orjson.dumps({k: v for k, v in fields.items() if v is not None}))
    await _change(connection, row, change="corrected", values=new, act=act)


async def hide_record(connection: AsyncConnection, subject_id: int, record_id: str, *, hidden: bool, act: Act) -> None:
    """Hide an honour from everybody but its subject, or show it again, as the subject wishes.

    It counts on: hiding is about being seen (《黑龙江省社会信用条例》第三十七条).
    """
    row = await _held(connection, subject_id, record_id)
    if (row.hidden_at is not None) != hidden:
        values = {"hidden_at": act.now if hidden else None}
        await _change(connection, row, change="hidden" if hidden else "shown", values=values, act=act)


async def record_history(connection: AsyncConnection, subject_id: int, record_id: str) -> list[RecordVersion]:
    """How the record came and changed, oldest first."""
    mine = (record_versions.c.subject_id == subject_id, record_versions.c.record_id == record_id)
    found = await connection.execute(select(record_versions).where(*mine).order_by(record_versions.c.version))
    keys = keys_of(connection)
    return [
        RecordVersion(
            row.version,
            row.at,
            row.actor,
            row.change,
            row.reason,
            orjson.loads(unseal(keys, "seal", row.state_sealed) or b"{}"),
        )
        for row in found
    ]


_STATE = (
    "item",
    "occurred_on",
    "removed_on",
    "document_number",
    "authority",
    "authority_uscc",
    "provider",
    "provider_uscc",
    "severity",
    "suspended_at",
    "hidden_at",
    "removal",
)


def state_of(row: Mapping[str, Any], content: Mapping[str, str]) -> bytes:
    """What `record_versions` keeps of a record, before it is sealed."""
    return orjson.dumps({name: row.get(name) for name in _STATE} | {"content": dict(content)})


async def _held(connection: AsyncConnection, subject_id: int, record_id: str) -> Row[Any]:
    await lock_subject(connection, subject_id)
    return await read_record(connection, subject_id, record_id)


async def _change(
    connection: AsyncConnection, row: Row[Any], *, change: Change, values: Mapping[str, Any], act: Act
) -> None:
    """Everything that goes with a change of a record. The caller holds the subject's lock."""
    keys = keys_of(connection)
    its_key = (credit_records.c.subject_id == row.subject_id, credit_records.c.id == row.id)
    new = row._asdict() | dict(values) | {"version": row.version + 1}
    await connection.execute(update(credit_records).where(*its_key).values({**values, "version": row.version + 1}))
    await reseal(connection, credit_records, *its_key)
    if row.version == 1 and not await _has_history(connection, row):
        # It came before histories were kept: what it was is kept now.
        await _note(connection, keys, row._asdict(), version=1, change="received", act=act, reason="")
    await _note(connection, keys, new, version=new["version"], change=change, act=act, reason=act.reason)
    content = {"record": row.id, "change": change, "reason": act.reason}
    await audit.record(
        connection, at=act.now, actor=act.actor, action="changeRecord", content=content, subject_id=row.subject_id
    )
    await tell_receivers(connection, {(row.subject_id, row.id): document_of(new)}, change=change, now=act.now)
    announce(connection, of_subject(row.subject_id), BENEFITS)
    await act.rescore(connection, row.subject_id)


def document_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """By which a receiver knows a record: its document, for `tell_receivers`."""
    return {"documentNumber": row["document_number"], "authority": row["authority"]}


async def tell_receivers(
    connection: AsyncConnection,
    told: Mapping[tuple[int, str], Mapping[str, Any]],
    *,
    change: Change,
    now: datetime,
) -> None:
    """Let whoever was given one of these records (subject, record) know of its change, in the transaction of the
    change (《黑龙江省社会信用条例》第三十九条第三款). `told` says what else each notice holds."""
    its_key = tuple_(record_receivers.c.subject_id, record_receivers.c.record_id)
    for given in (await connection.execute(select(record_receivers).where(its_key.in_(list(told))))).all():
        more = told[given.subject_id, given.record_id]
        payload = {"record": given.record_id, "change": change, **more, "at": now.isoformat()}
        keys = keys_of(connection)
        await enqueue(connection, keys, topic="record-changed", destination=given.receiver, payload=payload, now=now)


async def _has_history(connection: AsyncConnection, row: Row[Any]) -> bool:
    mine = (record_versions.c.subject_id == row.subject_id, record_versions.c.record_id == row.id)
    return (await connection.execute(select(record_versions.c.version).where(*mine).limit(1))).first() is not None


async def _note(
    connection: AsyncConnection,
    keys: Keys,
    row: Mapping[str, Any],
    *,
    version: int,
    change: Change,
    act: Act,
    reason: str,
) -> None:
    opened = unseal(keys, "seal", row["content_sealed"]) if row["content_sealed"] else None
    state = state_of(row, orjson.loads(opened) if opened else {})
    values = {"version": version, "at": act.now, "actor": act.actor, "change": change, "reason": reason}
    values |= {"subject_id": row["subject_id"], "record_id": row["id"], "state_sealed": seal(keys, "seal", state)}
    await connection.execute(insert(record_versions).values(values))
