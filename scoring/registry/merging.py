"""Two entries that are one subject: finding them, and making them one. One thing to know: it takes two people, nothing
is deleted, and the entry that is dropped leads to the one that is kept for ever after.

What the dropped one had is carried over: records with their history (the same record twice becomes one), facts where
newer, results pushed from above. Consents end, because nobody consented under the other name; whether the subject takes
part is what the kept entry says.
"""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Row, Table, and_, exists, func, insert, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from core.errors import BadInput, ExpectedError, FourEyes
from core.integrity import is_intact, reseal, sealed
from core.keys import Keys
from core.sealing import seal
from scoring.cases.tables import cases, record_receivers
from scoring.records import check_record, content_of, state_of
from scoring.registry.ends import AlreadyEnded, end_merged
from scoring.registry.identities import MERGED, Scheme, find_by, related
from scoring.registry.subjects import (
    Act,
    SubjectUnderReview,
    changes_of,
    key_number_of,
    name_of,
    note_change,
    read_subject,
)
from scoring.scores import lock_subjects
from scoring.subjects import SubjectDataFault, SubjectKind
from scoring.tables import (
    credit_records,
    facts,
    pushed_results,
    record_versions,
    subject_changes,
    subject_identifiers,
    subjects,
)

MOST_DUPLICATES = 100
BATCH = 500
_USUAL_SEALED = 4 + 12 + 18 + 16
"""Bytes of a sealed number of 18 signs: what is of another length is keyed by an old code or another document."""

Ground = Literal["old-number", "same-name-and-birth-day", "same-name"]


class MergeNotProposed(ExpectedError):
    """Nobody else has proposed this merge."""

    code = "MERGE_NOT_PROPOSED"


class MergeBlocked(ExpectedError):
    """Something is under way that has to be finished first."""

    code = "MERGE_BLOCKED"


class Duplicate(NamedTuple):
    """Two entries that may be one subject; a person decides."""

    ground: Ground
    subject_ids: tuple[int, int]


class Proposal(NamedTuple):
    """A merge that waits for a second person."""

    keep: int
    drop: int
    actor: str
    at: datetime
    reason: str


async def find_duplicates(connection: AsyncConnection, keys: Keys, *, place: str) -> list[Duplicate]:
    """Entries of a place that may be one subject, at most `MOST_DUPLICATES`: one is keyed by an old number that follows
    from the other's; or the names and, of persons, the birth days are the same."""
    found = [one async for one in _by_old_number(connection, keys, place)]
    known = {one.subject_ids for one in found}
    found += [one for one in await _by_name(connection, keys, place) if one.subject_ids not in known]
    return found[:MOST_DUPLICATES]


async def propose_merge(connection: AsyncConnection, keys: Keys, *, keep: int, drop: int, act: Act) -> None:
    """Say that two entries are one subject; another person confirms it with `merge_subjects`.

    Raises:
        BadInput: they are of two kinds, or one and the same. AlreadyEnded.
    """
    await lock_subjects(connection, [keep, drop])
    await _check_pair(connection, keep, drop)
    await note_change(connection, keys, drop, "merge-proposed", before={"keep": keep}, act=act)


async def open_proposals(connection: AsyncConnection, keys: Keys) -> list[Proposal]:
    """Merges that were proposed and not made, oldest first."""
    proposed = select(subject_changes.c.subject_id).where(subject_changes.c.change == "merge-proposed")
    waiting = select(subjects.c.id).where(subjects.c.id.in_(proposed), subjects.c.ended_on.is_(None))
    ids = (await connection.execute(waiting.order_by(subjects.c.id))).scalars().all()
    found = [one for drop in ids for one in await _proposals(connection, keys, drop)]
    return sorted(found, key=lambda one: one.at)


async def merge_subjects(connection: AsyncConnection, keys: Keys, *, keep: int, drop: int, act: Act) -> bool:
    """Make two entries one, as somebody else proposed. False where it had been done before; nothing changes then.

    The scores of the one kept are the caller's to make again.

    Raises:
        MergeNotProposed, FourEyes: nobody, or nobody but `act.actor`, has proposed it.
        MergeBlocked: a case about the one to be dropped is open.
        BadInput, AlreadyEnded: as with `propose_merge`.
    """
    await lock_subjects(connection, [keep, drop])
    dropped = await read_subject(connection, drop, follow=False)
    if dropped.end_reason == MERGED and dropped.merged_into == keep:
        return False
    await _check_pair(connection, keep, drop)
    proposals = [one for one in await _proposals(connection, keys, drop) if one.keep == keep]
    if not proposals:
        raise MergeNotProposed("还没有人提出过这项合并。请先由一人提出,再由另一人复核后合并。")
    if all(one.actor == act.actor for one in proposals):
        raise FourEyes("合并须由提出人以外的另一人复核。请换一位复核人员办理。")
    is_open = exists().where(cases.c.subject_id == drop, cases.c.decided_at.is_(None))
    if await connection.scalar(select(is_open)):
        raise MergeBlocked("将被并入的一方还有未办结的异议、申诉或修复。请先办结,再合并。")
    await _move_records(connection, keys, keep=keep, drop=drop, act=act)
    await _move_facts(connection, keep=keep, drop=drop)
    await _move_results(connection, keep=keep, drop=drop, now=act.now)
    mine = subject_identifiers.c.subject_id == drop
    await connection.execute(update(subject_identifiers).where(mine).values(subject_id=keep))
    await end_merged(connection, keys, dropped, keep=keep, act=act)
    await note_change(connection, keys, keep, "took-over", before={"dropped": drop}, act=act)
    return True


async def _check_pair(connection: AsyncConnection, keep: int, drop: int) -> None:
    rows = [await read_subject(connection, one, follow=False) for one in (keep, drop)]
    if keep == drop or rows[0].kind != rows[1].kind:
        raise BadInput("只有同一类的两个不同主体才能合并。请核对编号。")
    if any(row.ended_on is not None for row in rows):
        raise AlreadyEnded


async def _proposals(connection: AsyncConnection, keys: Keys, drop: int) -> list[Proposal]:
    return [
        Proposal(int(one.before["keep"]), drop, one.actor, one.at, one.reason)
        for one in await changes_of(connection, keys, drop)
        if one.change == "merge-proposed"
    ]


async def _move_records(connection: AsyncConnection, keys: Keys, *, keep: int, drop: int, act: Act) -> None:
    both = select(credit_records).where(credit_records.c.subject_id.in_((keep, drop))).order_by(credit_records.c.id)
    rows = (await connection.execute(both)).all()
    for row in rows:
        try:
            check_record(connection, row)
        except SubjectDataFault as fault:
            raise SubjectUnderReview from fault
    kept = [row for row in rows if row.subject_id == keep]
    for row in (row for row in rows if row.subject_id == drop):
        twin = next((one for one in kept if _is_same(one, row)), None)
        if twin is None:
            await _copy_record(connection, keys, row, keep=keep, taken={one.id for one in kept}, act=act)
        elif row.removed_on is not None and (twin.removed_on is None or row.removed_on < twin.removed_on):
            # Repaired or withdrawn once, it does not go on under the other number.
            await _end(connection, keys, twin, removed_on=row.removed_on, removal=row.removal, act=act)
        on = day_of(act.now)
        await _end(connection, keys, row, removed_on=min(on, row.removed_on or on), removal="merged", act=act)


def _is_same(one: Row[Any], other: Row[Any]) -> bool:
    """One document of one authority about one thing, whatever the entry it was noted under."""
    if one.document_number is None or other.document_number is None:
        return False
    return _plain(one) == _plain(other)


def _plain(row: Row[Any]) -> tuple[str, ...]:
    number = unicodedata.normalize("NFKC", row.document_number).translate(str.maketrans("〔〕【】[]", "()()()"))
    authority = row.authority_uscc or row.authority or ""
    return (row.catalogued_as or row.item, "".join(number.split()), authority)


async def _copy_record(
    connection: AsyncConnection, keys: Keys, row: Row[Any], *, keep: int, taken: set[str], act: Act
) -> None:
    record_id = row.id if row.id not in taken else f"{row.id[:19]}-{row.subject_id}"
    version = row.version + 1
    new = row._asdict() | {"subject_id": keep, "id": record_id, "version": version}
    await connection.execute(insert(credit_records).values(sealed(connection, credit_records, new)))
    for table in (record_versions, record_receivers):
        mine = (table.c.subject_id == row.subject_id, table.c.record_id == row.id)
        for found in (await connection.execute(select(table).where(*mine))).all():
            moved = found._asdict() | {"subject_id": keep, "record_id": record_id}
            await connection.execute(insert(table).values(moved))
    await _note_moved(connection, keys, new, row, act)


async def _end(
    connection: AsyncConnection, keys: Keys, row: Row[Any], *, removed_on: date, removal: str | None, act: Act
) -> None:
    its_key = (credit_records.c.subject_id == row.subject_id, credit_records.c.id == row.id)
    values = {"removed_on": removed_on, "removal": removal, "suspended_at": None, "version": row.version + 1}
    await connection.execute(update(credit_records).where(*its_key).values(values))
    await reseal(connection, credit_records, *its_key)
    await _note_moved(connection, keys, row._asdict() | values, row, act)


async def _note_moved(connection: AsyncConnection, keys: Keys, new: Mapping[str, Any], row: Any, act: Act) -> None:
    await connection.execute(
        insert(record_versions).values(
            subject_id=new["subject_id"],
            record_id=new["id"],
            version=new["version"],
            at=act.now,
            actor=act.actor,
            change="moved",
            reason=act.reason,
            state_sealed=seal(keys, "seal", state_of(new, content_of(keys, row))),
        )
    )


async def _move_facts(connection: AsyncConnection, *, keep: int, drop: int) -> None:
    """What was observed last holds."""
    held = {row.name: row for row in await _intact(connection, facts, keep)}
    for row in await _intact(connection, facts, drop):
        other = held.get(row.name)
        if other is None:
            new = sealed(connection, facts, row._asdict() | {"subject_id": keep})
            await connection.execute(insert(facts).values(new))
        elif row.observed_on > other.observed_on:
            its_key = (facts.c.subject_id == keep, facts.c.name == row.name)
            values = {"value": row.value, "observed_on": row.observed_on}
            await connection.execute(update(facts).where(*its_key).values(values))
            await reseal(connection, facts, *its_key)


async def _move_results(connection: AsyncConnection, *, keep: int, drop: int, now: datetime) -> None:
    mine = and_(pushed_results.c.subject_id == drop, pushed_results.c.withdrawn_at.is_(None))
    for row in await _intact(connection, pushed_results, drop):
        if row.withdrawn_at is None:
            new = sealed(connection, pushed_results, row._asdict() | {"subject_id": keep})
            await connection.execute(insert(pushed_results).values(new))
    await connection.execute(update(pushed_results).where(mine).values(withdrawn_at=now))
    await reseal(connection, pushed_results, pushed_results.c.subject_id == drop)


async def _intact(connection: AsyncConnection, table: Table, subject_id: int) -> list[Row[Any]]:
    rows = list((await connection.execute(select(table).where(table.c.subject_id == subject_id))).all())
    if not all(is_intact(connection, table, row._asdict(), row.mac) for row in rows):
        raise SubjectUnderReview
    return rows


async def _by_old_number(connection: AsyncConnection, keys: Keys, place: str) -> AsyncIterator[Duplicate]:
    here = and_(subjects.c.place == place, subjects.c.ended_on.is_(None))
    unusual = select(subjects).where(here, func.length(subjects.c.identity_sealed) != _USUAL_SEALED)
    codes: dict[str, int] = {}
    for row in (await connection.execute(unusual)).all():
        for other in (key_number_of(keys, row), *related(key_number_of(keys, row))):
            holder = await find_by(connection, keys, other)
            if holder is not None and holder != row.id:
                yield Duplicate("old-number", (holder, row.id))
            if other.scheme is Scheme.ORGANISATION_CODE:
                codes[other.text] = row.id
    after = 0
    while codes:
        mine = (here, subjects.c.kind == SubjectKind.ENTERPRISE.value, subjects.c.id > after)
        batch = (await connection.execute(select(subjects).where(*mine).order_by(subjects.c.id).limit(BATCH))).all()
        for row in batch:
            number = key_number_of(keys, row)
            old = codes.get(number.text[8:17]) if number.scheme is Scheme.USCC else None
            if old is not None:
                yield Duplicate("old-number", (row.id, old))
        if len(batch) < BATCH:
            return
        after = batch[-1].id


async def _by_name(connection: AsyncConnection, keys: Keys, place: str) -> list[Duplicate]:
    one, other = subjects.alias("one"), subjects.alias("other")
    shown_alike = and_(
        one.c.place == place,
        other.c.place == place,
        one.c.id < other.c.id,
        one.c.kind == other.c.kind,
        one.c.display_name == other.c.display_name,
        one.c.ended_on.is_(None),
        other.c.ended_on.is_(None),
    )
    grounds: tuple[tuple[Ground, SubjectKind, ColumnElement[bool]], ...] = (
        ("same-name-and-birth-day", SubjectKind.PERSON, one.c.birth_on == other.c.birth_on),
        ("same-name", SubjectKind.ENTERPRISE, true()),
    )
    found: list[Duplicate] = []
    for ground, kind, alike in grounds:
        names = (one.c.name_sealed, other.c.name_sealed.label("other_name"))
        pairs = select(one.c.id, other.c.id.label("other_id"), *names).where(shown_alike, alike)
        pairs = pairs.where(one.c.kind == kind.value).order_by(one.c.id, other.c.id).limit(10 * MOST_DUPLICATES)
        found += [
            Duplicate(ground, (pair.id, pair.other_id))
            for pair in await connection.execute(pairs)
            if name_of(keys, pair.name_sealed) == name_of(keys, pair.other_name)
        ]
    return found
