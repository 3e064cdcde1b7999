"""Everything that is held about one subject, for that subject. One thing to know: it is free, any number of times
(《黑龙江省社会信用条例》第二十四条第二款、第三十五条第一款), and nothing is left out: ended and suspended records,
their history and who was given them are all here.

Who looked and who may act for the subject is known one floor up: `partners.credit_report` adds it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Row, Table, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import SHANGHAI, day_of
from core.errors import ExpectedError
from core.identifiers import mask_number
from core.integrity import is_intact, keys_of
from core.keys import Keys
from core.sealing import unseal
from scoring.cases.tables import cases, record_receivers
from scoring.catalogue import Catalogue, CatalogueItem
from scoring.indicators import FactIndicator
from scoring.records import Act, RecordVersion, check_record, content_of, has_ended, hide_record, read_record
from scoring.subjects import SubjectDataFault
from scoring.tables import (
    consents,
    credit_records,
    departures,
    enrollments,
    facts,
    pushed_results,
    record_versions,
    subject_changes,
    subjects,
)
from scoring.values import number_text

AT_ONCE = 500
"""Records in one question."""
ONE_DAY = timedelta(days=1)
NameOf = Callable[[Collection[str]], Awaitable[Mapping[str, str]]]
"""Says in words who the holders of accounts are."""


class RecordState(StrEnum):
    """Where a record stands."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


class NotAnHonour(ExpectedError):
    """Only honours are hidden at their subject's wish."""

    code = "NOT_AN_HONOUR"


class Receiver(NamedTuple):
    """Who was given a record, and when."""

    name: str
    at: datetime


async def place_of(connection: AsyncConnection, subject_id: int) -> str:
    """The place whose rules hold for the subject."""
    place: str = (await connection.execute(select(subjects.c.place).where(subjects.c.id == subject_id))).scalar_one()
    return place


class CataloguedRecord:
    """A record of one subject with what the catalogue of its place says of it."""

    def __init__(self, row: Row[Any], catalogue: Catalogue, keys: Keys) -> None:
        self.row, self._keys = row, keys
        self.kind: CatalogueItem | None = catalogue.items.get(row.item)
        """What it is; None for an item that is no longer catalogued."""
        self.form: CatalogueItem | None = catalogue.items.get(row.catalogued_as or row.item)
        """What it was delivered as."""

    @property
    def label(self) -> str:
        """Its item in words."""
        return self.kind.label if self.kind else str(self.row.item)

    @property
    def is_public(self) -> bool:
        """Whether the catalogue opens it to everybody."""
        return self.form is not None and self.form.openness == "public"

    @property
    def last_day(self) -> date | None:
        """The last day on which it counts and shows; None where there is no end."""
        return None if self.row.removed_on is None else self.row.removed_on - ONE_DAY

    def state(self, *, on: date) -> RecordState:
        """Where it stands on that day."""
        if has_ended(self.row, on=on):
            return RecordState.ENDED
        return RecordState.ACTIVE if self.row.suspended_at is None else RecordState.SUSPENDED

    def content(self, given: Mapping[str, Any] | None = None) -> list[tuple[str, str, str]]:
        """Every field with something in it: id, label, value, in the catalogue's order; `given` for another version."""
        found = content_of(self._keys, self.row) if given is None else given
        labels = {field.id: field.label for field in self.form.fields} if self.form else {}
        known = [(name, label, str(found[name])) for name, label in labels.items() if found.get(name) is not None]
        others = [(name, name, str(value)) for name, value in found.items() if name not in labels and value is not None]
        return known + others


def is_in_state(state: RecordState, *, on: date) -> ColumnElement[bool]:
    """Rows of `credit_records` that stand so on that day."""
    lives = or_(credit_records.c.removed_on.is_(None), credit_records.c.removed_on > on)
    match state:
        case RecordState.ENDED:
            return credit_records.c.removed_on <= on
        case RecordState.SUSPENDED:
            return and_(lives, credit_records.c.suspended_at.is_not(None))
        case RecordState.ACTIVE:
            return and_(lives, credit_records.c.suspended_at.is_(None))


async def records_page(
    connection: AsyncConnection,
    subject_id: int,
    *,
    catalogue: Catalogue,
    state: RecordState | None = None,
    on: date,
    after: tuple[date, str] | None = None,
    most: int | None = None,
) -> list[CataloguedRecord]:
    """The subject's records in that state on that day (any, if None), the newest decision first.

    `after` is the day and id of the record before the first.

    Raises:
        SubjectDataFault: somebody has changed one by hand.
    """
    its_day, its_id = credit_records.c.occurred_on, credit_records.c.id
    wanted = select(credit_records).where(credit_records.c.subject_id == subject_id)
    if state is not None:
        wanted = wanted.where(is_in_state(state, on=on))
    if after is not None:
        wanted = wanted.where(or_(its_day < after[0], and_(its_day == after[0], its_id < after[1])))
    rows = (await connection.execute(wanted.order_by(its_day.desc(), its_id.desc()).limit(most))).all()
    for row in rows:
        check_record(connection, row)
    keys = keys_of(connection)
    return [CataloguedRecord(row, catalogue, keys) for row in rows]


async def histories(
    connection: AsyncConnection, subject_id: int, record_ids: Sequence[str]
) -> dict[str, list[RecordVersion]]:
    """How each of these records came and changed, oldest first."""
    keys = keys_of(connection)
    found: dict[str, list[RecordVersion]] = defaultdict(list)
    for row in await _of_records(connection, record_versions, subject_id, record_ids):
        state = orjson.loads(unseal(keys, "seal", row.state_sealed) or b"{}")
        found[row.record_id].append(RecordVersion(row.version, row.at, row.actor, row.change, row.reason, state))
    return {key: sorted(versions) for key, versions in found.items()}


async def receivers_of(
    connection: AsyncConnection, subject_id: int, record_ids: Sequence[str]
) -> dict[str, list[Receiver]]:
    """Who was given each of these records."""
    found: dict[str, list[Receiver]] = defaultdict(list)
    for row in await _of_records(connection, record_receivers, subject_id, record_ids):
        found[row.record_id].append(Receiver(row.receiver, row.at))
    return found


async def _of_records(
    connection: AsyncConnection, table: Table, subject_id: int, record_ids: Sequence[str]
) -> list[Row[Any]]:
    rows: list[Row[Any]] = []
    for start in range(0, len(record_ids), AT_ONCE):
        some = table.c.record_id.in_(record_ids[start : start + AT_ONCE])
        rows += (await connection.execute(select(table).where(table.c.subject_id == subject_id, some))).all()
    return rows


async def hide_honour(
    connection: AsyncConnection, subject_id: int, record_id: str, *, hidden: bool, catalogue: Catalogue, act: Act
) -> CataloguedRecord:
    """Show an honour to nobody but its subject, or to everybody again (《黑龙江省社会信用条例》第三十七条第一款).

    Raises:
        NotAnHonour: it is something else.
        UnknownRecord: there is no such record.
        SubjectDataFault: somebody has changed it by hand.
    """
    keys = keys_of(connection)
    found = CataloguedRecord(await read_record(connection, subject_id, record_id), catalogue, keys)
    if found.kind is None or found.kind.nature != "honour":
        raise NotAnHonour("只有守信信息可以由本人决定不公示。这一条不是守信信息;对它有异议的,请提出异议。")
    await hide_record(connection, subject_id, record_id, hidden=hidden, act=act)
    return CataloguedRecord(await read_record(connection, subject_id, record_id), catalogue, keys)


CHANGES = {
    "received": "归集",
    "corrected": "更正",
    "suspended": "暂停使用",
    "resumed": "恢复使用",
    "repaired": "信用修复",
    "withdrawn": "撤销",
    "hidden": "不再公示",
    "shown": "恢复公示",
    "moved": "并入",
    "expired": "期满",
}
"""What happened to a record, in words."""
STATES = {RecordState.ACTIVE: "使用中", RecordState.SUSPENDED: "暂停使用", RecordState.ENDED: "已终止"}
NATURES = {"honour": "守信信息", "adverse": "失信信息", "neutral": "其他信息"}
_CONSENTS = {
    "REQUESTED": "待答复",
    "ACTIVE": "有效",
    "PAUSED": "已暂停",
    "REVOKED": "已撤回",
    "REFUSED": "已拒绝",
    "EXPIRED": "已到期",
}
_CASES = {
    "objection": "异议",
    "statement": "陈述和申辩",
    "appeal": "复核",
    "complaint": "投诉",
    "repair": "信用修复",
}


async def everything_about(
    connection: AsyncConnection,
    subject_id: int,
    *,
    catalogue: Catalogue,
    known_facts: Mapping[str, FactIndicator],
    name_of: NameOf,
    now: datetime,
) -> dict[str, Any]:
    """All that this floor holds, as plain values that JSON can carry: instants in Asia/Shanghai, numbers masked.

    Raises:
        SubjectDataFault: somebody has changed a row by hand.
    """
    row = (await connection.execute(select(subjects).where(subjects.c.id == subject_id))).one()
    if not is_intact(connection, subjects, row._asdict(), row.mac):
        raise SubjectDataFault("subjects: changed by hand")
    number = unseal(keys_of(connection), "seal", row.identity_sealed)
    return {
        "subject": {
            "kind": row.kind.upper(),
            "display_name": row.display_name,
            "number_masked": mask_number(number.decode()) if number else None,
            "place": row.place,
        },
        "participation": await _participation(connection, subject_id),
        "records": await _records(connection, subject_id, catalogue, name_of, now),
        "facts": await _facts(connection, subject_id, known_facts),
        "pushed": await _pushed(connection, subject_id),
        "consents": await _consents(connection, subject_id, now),
        "cases": await _cases(connection, subject_id, catalogue),
        "changes": await _changes(connection, subject_id),
    }


async def _rows(connection: AsyncConnection, table: Table, subject_id: int, *order: Any) -> list[Row[Any]]:
    mine = select(table).where(table.c.subject_id == subject_id)
    rows = (await connection.execute(mine.order_by(*order))).all()
    if "sealed" in table.info and not all(is_intact(connection, table, row._asdict(), row.mac) for row in rows):
        raise SubjectDataFault(f"{table.name}: changed by hand")
    return list(rows)


async def _participation(connection: AsyncConnection, subject_id: int) -> list[dict[str, Any]]:
    joined = await _rows(connection, enrollments, subject_id, enrollments.c.enrolled_at)
    left = {row.at: row for row in await _rows(connection, departures, subject_id, departures.c.at)}
    return [
        {
            "enrolled_at": local(row.enrolled_at),
            "notice_version": row.notice_version,
            "left_at": local(row.left_at),
            "erased": left[row.left_at].erased if row.left_at in left else None,
            "tombstone": left[row.left_at].tombstone if row.left_at in left else None,
        }
        for row in joined
    ]


async def _records(
    connection: AsyncConnection, subject_id: int, catalogue: Catalogue, name_of: NameOf, now: datetime
) -> list[dict[str, Any]]:
    found = await records_page(connection, subject_id, catalogue=catalogue, on=day_of(now))
    ids = [record.row.id for record in found]
    versions = await histories(connection, subject_id, ids)
    given_to = await receivers_of(connection, subject_id, ids)
    names = await name_of({version.actor for changes in versions.values() for version in changes})
    return [
        {
            "id": record.row.id,
            "item": record.row.item,
            "label": record.label,
            "nature": NATURES[record.kind.nature] if record.kind else None,
            "document_number": record.row.document_number,
            "authority": record.row.authority,
            "decided_on": record.row.occurred_on.isoformat(),
            "published_until": record.last_day.isoformat() if record.last_day and record.is_public else None,
            "counts_until": record.last_day.isoformat() if record.last_day else None,
            "state": STATES[record.state(on=day_of(now))],
            "suspended_at": local(record.row.suspended_at),
            "hidden_at": local(record.row.hidden_at),
            "provider": record.row.provider,
            "source": record.row.source,
            "received_at": local(record.row.received_at),
            "fields": {label: value for _, label, value in record.content()},
            "receivers": [{"to": one.name, "at": local(one.at)} for one in given_to.get(record.row.id, ())],
            "history": [
                {
                    "at": local(version.at),
                    "change": CHANGES[version.change],
                    "by": names.get(version.actor, version.actor),
                    "reason": version.reason or None,
                }
                for version in versions.get(record.row.id, ())
            ],
        }
        for record in found
    ]


async def _facts(
    connection: AsyncConnection, subject_id: int, known: Mapping[str, FactIndicator]
) -> list[dict[str, Any]]:
    return [
        {
            "name": row.name,
            "label": known[row.name].label if row.name in known else row.name,
            "value": row.value,
            "observed_on": row.observed_on.isoformat(),
        }
        for row in await _rows(connection, facts, subject_id, facts.c.name)
    ]


async def _pushed(connection: AsyncConnection, subject_id: int) -> list[dict[str, Any]]:
    return [
        {
            "model": row.model,
            "points": None if row.points is None else number_text(row.points),
            "grade": row.grade,
            "result_on": row.result_on.isoformat(),
            "issuer": row.issuer_name,
            "reference": row.reference,
            "received_at": local(row.received_at),
            "withdrawn_at": local(row.withdrawn_at),
        }
        for row in await _rows(connection, pushed_results, subject_id, pushed_results.c.received_at)
    ]


async def _consents(connection: AsyncConnection, subject_id: int, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "id": str(row.id),
            "purpose": row.purpose,
            "partner": row.recipient,
            "item": list(row.scope),
            "state": _CONSENTS.get(_consent_state(row, on=day_of(now)), row.state),
            "given_at": local(row.requested_at),
            "ends_on": row.ends_on.isoformat(),
        }
        for row in await _rows(connection, consents, subject_id, consents.c.requested_at, consents.c.id)
    ]


def _consent_state(row: Row[Any], *, on: date) -> str:
    return "EXPIRED" if row.ends_on <= on and row.state in ("REQUESTED", "ACTIVE", "PAUSED") else str(row.state)


async def _cases(connection: AsyncConnection, subject_id: int, catalogue: Catalogue) -> list[dict[str, Any]]:
    keys = keys_of(connection)
    return [
        {
            "id": str(row.id),
            "kind": _CASES.get(row.kind, row.kind),
            "record": row.record_id,
            "ground": row.ground,
            "text": _opened(keys, row.statement_sealed),
            "opened_at": local(row.opened_at),
            "due_on": row.due_on.isoformat() if row.due_on else None,
            "state": row.state,
            "decided_at": local(row.decided_at),
            "outcome": row.outcome,
            "reason": _opened(keys, row.answer_sealed),
        }
        for row in await _rows(connection, cases, subject_id, cases.c.opened_at, cases.c.id)
    ]


async def _changes(connection: AsyncConnection, subject_id: int) -> list[dict[str, Any]]:
    return [
        {"at": local(row.at), "change": row.change, "reason": row.reason}
        for row in await _rows(connection, subject_changes, subject_id, subject_changes.c.at)
    ]


def _opened(keys: Keys, held: bytes | None) -> str | None:
    found = unseal(keys, "seal", held) if held else None
    return found.decode() if found else None


def local(instant: datetime | None) -> str | None:
    """An instant as people here write it, to the second."""
    return None if instant is None else instant.astimezone(SHANGHAI).isoformat(timespec="seconds")
