"""Load one file: read, judge, write down, and send the rest back. One thing to know: a piece of the file is one
transaction with its counts, and whatever was interrupted is loaded again from the start without harm.

Every row is one of accepted, correction, duplicate, not collected, quarantined.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from hashlib import file_digest
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import insert, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of
from core.database import Conflict, Database
from core.errors import ExpectedError
from core.files import Files
from core.identifiers import mask_text, new_id
from core.integrity import keys_of
from scoring.catalogue import Catalogue, CatalogueItem
from scoring.intake.columns import Columns
from scoring.intake.files import RawRow, open_file
from scoring.intake.quarantine import Quarantine
from scoring.intake.rates import COUNTED, due_on
from scoring.intake.rows import Accepted, Checked, NotCollected, Rejected, check_row
from scoring.intake.store import Delivery, ModelsOf, Stored, store_rows
from scoring.intake.tables import intake_batches, intake_counts

PIECE = 500
"""Rows that are written in one transaction."""
ATTEMPTS = 5
LONGEST_BODY = 120
NO_CONSENT = Rejected(
    "NO_CONSENT", "这类信息须经本人同意方可采集,而没有查到本人的有效授权。请先取得授权,或不再报送此行"
)


OTHER_BODY = Rejected("OTHER_BODY", "数据来源单位不是报送账号所属的单位。请由该单位自己报送,或更正数据来源单位")


class NotCatalogued(ExpectedError):
    """The place's catalogue has no such item: nothing of it may be collected."""

    code = "NOT_CATALOGUED"


def catalogued(catalogue: Catalogue, code: str) -> CatalogueItem:
    """The item that a file is a delivery of.

    Raises:
        NotCatalogued: there is none.
    """
    if code not in catalogue.items:
        known = "、".join(sorted(catalogue.items))
        raise NotCatalogued(f"目录中没有 {code[:60]} 这一项,目录之外的信息不得归集。现有:{known}。")
    return catalogue.items[code]


@dataclass(slots=True)
class Summary:
    """What a file came to. The last five add up to `rows`."""

    rows: int = 0
    accepted: int = 0
    corrections: int = 0
    duplicates: int = 0
    not_collected: int = 0
    quarantined: int = 0
    unknown_columns: tuple[str, ...] = ()
    """Columns that the catalogue does not know; nothing of them was stored."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Quarantined rows by code."""

    def counts(self) -> dict[str, int]:
        """The six figures that every load prints."""
        names = ("rows", "accepted", "corrections", "duplicates", "not_collected", "quarantined")
        return {name: getattr(self, name) for name in names}


class Body(NamedTuple):
    """A body that delivers for itself."""

    name: str
    uscc: str | None


class _Judged(NamedTuple):
    raw: RawRow
    checked: Checked


async def load_file(
    database: Database,
    path: Path,
    *,
    item: CatalogueItem,
    place: str,
    actor: str,
    models_of: ModelsOf,
    quarantine: Path | None,
    now: datetime,
    body: Body | None = None,
    piece: int = PIECE,
    batch_id: UUID | None = None,
    tell: Callable[[int, int], None] = lambda *_: None,
) -> Summary:
    """Load a file of one catalogued item; rows to send back are written to `quarantine`. With a `body`, rows that come
    from another are sent back. `tell` hears how many bytes of how many have been read.

    Raises:
        FileUnreadable, MissingColumn: nothing of it was loaded.
        Unavailable: the database gave up; what was written stays, and loading again completes it.
    """
    with open_file(path, item) as opened, Quarantine(quarantine, opened.columns) as rejects:
        summary = Summary(unknown_columns=opened.columns.unknown)
        delivery = Delivery(batch_id or new_id(), item, place, actor, now, models_of)
        await _begin(database, path, delivery, summary)
        judged = (_Judged(raw, _judge(raw, opened.columns, body, on=day_of(now))) for raw in opened.rows)
        pieces = ((rows, opened.position()) for rows in iter(lambda: list(islice(judged, piece)), []))
        # Reading and judging run beside the database's work.
        coming = asyncio.create_task(asyncio.to_thread(next, pieces, None))
        while (read := await coming) is not None:
            rows, position = read
            coming = asyncio.create_task(asyncio.to_thread(next, pieces, None))
            try:
                summary = await _store(database, rows, delivery, summary, rejects)
            except BaseException:
                await asyncio.wait([coming])
                raise
            tell(position, opened.size)
        await _finish(database, delivery, summary)
    return summary


async def keep_quarantine(database: Database, files: Files, batch_id: UUID, path: Path) -> None:
    """Store the file to send back of a delivery, for its provider to fetch.

    Raises:
        Unavailable: the store does not answer.
    """
    stored = await files.put(_pieces(path), media_type="text/csv")
    mine = update(intake_batches).where(intake_batches.c.id == batch_id)
    async with database.transaction() as connection:
        await connection.execute(mine.values(quarantine=stored.name))


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(1024**2):
            yield piece


def _judge(raw: RawRow, columns: Columns, body: Body | None, *, on: date) -> Checked:
    checked = check_row(columns, raw, on=on)
    if body is None or not isinstance(checked, Accepted):
        return checked
    code, name = checked.provider_code, checked.provider or checked.authority
    is_theirs = code == body.uscc if code is not None and body.uscc is not None else name == body.name
    return checked if is_theirs else OTHER_BODY


async def _store(
    database: Database, piece: Sequence[_Judged], delivery: Delivery, before: Summary, rejects: Quarantine
) -> Summary:
    """One piece in one transaction, and then its rejects; the summary with it."""
    good = [judged for judged in piece if isinstance(judged.checked, Accepted)]
    rows = [judged.checked for judged in good if isinstance(judged.checked, Accepted)]
    for attempt in range(ATTEMPTS):
        try:
            async with database.transaction() as connection:
                keys_of(connection).refresh()  # a long file may outlast a rotation
                stored = await store_rows(connection, rows, delivery)
                bad = [(judged.raw, judged.checked) for judged in piece if isinstance(judged.checked, Rejected)]
                bad += [(good[place].raw, NO_CONSENT) for place in stored.without_consent]
                summary = _counted(before, piece, stored, bad)
                await _count(connection, delivery, rows=rows, stored=stored, bad=bad, columns=rejects.columns)
                await _note(connection, delivery, summary)
            break
        except Conflict:
            if attempt == ATTEMPTS - 1:
                raise
    for raw, rejected in sorted(bad, key=lambda one: one[0].number):
        rejects.add(raw, rejected)
    return summary


def _counted(
    before: Summary, piece: Sequence[_Judged], stored: Stored, bad: Sequence[tuple[RawRow, Rejected]]
) -> Summary:
    return replace(
        before,
        rows=before.rows + len(piece),
        accepted=before.accepted + len(stored.accepted),
        corrections=before.corrections + len(stored.corrections),
        duplicates=before.duplicates + len(stored.duplicates),
        not_collected=before.not_collected + sum(isinstance(one.checked, NotCollected) for one in piece),
        quarantined=before.quarantined + len(bad),
        reasons=before.reasons + Counter(rejected.code for _, rejected in bad),
    )


async def _begin(database: Database, path: Path, delivery: Delivery, summary: Summary) -> None:
    with path.open("rb") as file:
        digest = await asyncio.to_thread(lambda: file_digest(file, "sha256").hexdigest())
    values = {
        "id": delivery.batch_id,
        "item": delivery.item.code,
        "place": delivery.place,
        "file_sha256": digest,
        "actor": delivery.actor,
        "at": delivery.now,
        "unknown_columns": len(summary.unknown_columns),
        "reasons": {},
        **summary.counts(),
    }
    async with database.transaction() as connection:
        await connection.execute(insert(intake_batches).values(values))


async def _note(connection: AsyncConnection, delivery: Delivery, summary: Summary, **more: Any) -> None:
    mine = update(intake_batches).where(intake_batches.c.id == delivery.batch_id)
    await connection.execute(mine.values(**summary.counts(), reasons=dict(summary.reasons), **more))


async def _finish(database: Database, delivery: Delivery, summary: Summary) -> None:
    async with database.transaction() as connection:
        await _note(connection, delivery, summary, finished_at=delivery.now)
        content = {"batch": str(delivery.batch_id), "item": delivery.item.code, **summary.counts()}
        await audit.record(connection, at=delivery.now, actor=delivery.actor, action="intakeFinished", content=content)


async def _count(
    connection: AsyncConnection,
    delivery: Delivery,
    *,
    rows: Sequence[Accepted],
    stored: Stored,
    bad: Sequence[tuple[RawRow, Rejected]],
    columns: Columns,
) -> None:
    """Add a piece to the counts of its bodies."""
    found: defaultdict[tuple[str, date], Counter[str]] = defaultdict(Counter)
    refused, today = set(stored.without_consent), day_of(delivery.now)
    for place, row in enumerate(rows):
        if place not in refused:
            found[_body(row.provider or row.authority), row.decided_on.replace(day=1)]["rows"] += 1
    for raw, _ in bad:
        found[_body(_said(raw, columns)), today.replace(day=1)].update(rows=1, invalid=1)
    for place in (*stored.accepted, *stored.corrections):
        row = rows[place]
        values = (*row.fields.values(), *row.personal.values())
        count = found[_body(row.provider or row.authority), row.decided_on.replace(day=1)]
        count.update(accepted=1, fields=len(values), filled=sum(value is not None for value in values))
    for place in stored.accepted:
        row, last = rows[place], due_on(rows[place].decided_on)
        came_on = row.reported_on or today
        count = found[_body(row.provider or row.authority), row.decided_on.replace(day=1)]
        count.update(timed=1, in_time=int(last is not None and came_on <= last))
    if found:
        made: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        statement = made(intake_counts)
        added = {name: intake_counts.c[name] + statement.excluded[name] for name in COUNTED}
        await connection.execute(
            statement.on_conflict_do_update(index_elements=["batch_id", "body", "month"], set_=added),
            [
                {"batch_id": delivery.batch_id, "body": body, "month": month, **{name: count[name] for name in COUNTED}}
                for (body, month), count in sorted(found.items())
            ],
        )


def _said(raw: RawRow, columns: Columns) -> str:
    """The body that a row names which was sent back."""
    for role in ("provider", "authority"):
        place = columns.by_role.get(role)
        cell = raw.cells[place] if place is not None and place < len(raw.cells) else ""
        if isinstance(cell, str) and cell.strip():
            return cell.strip()
    return ""


def _body(name: str) -> str:
    return mask_text(name)[:LONGEST_BODY]
