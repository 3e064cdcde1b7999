"""A subject's own records, for that subject. One thing to know: it is free, any number of times
(《黑龙江省社会信用条例》第二十四条第二款、第三十五条第一款), and nothing is left out: ended and suspended records,
their history and who was given them are all here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Row, Table, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import ExpectedError
from core.integrity import keys_of
from core.keys import Keys
from core.sealing import unseal
from scoring.cases.tables import record_receivers
from scoring.catalogue import Catalogue, CatalogueItem
from scoring.records import Act, RecordVersion, check_record, content_of, has_ended, hide_record, read_record
from scoring.tables import credit_records, record_versions, subjects

AT_ONCE = 500
"""Records in one question."""
ONE_DAY = timedelta(days=1)


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
