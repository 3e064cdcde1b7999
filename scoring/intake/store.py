"""Write judged rows down as credit records. One thing to know: a piece of a file is one transaction with everything
that goes with it (subjects, records, histories, counts, the audit row, new scores), so a file that was interrupted is
simply loaded again: what came before is a duplicate then.

A record is one (document number, authority, subject) of an item. Its id is a hash of these, so two loaders that meet
break the primary key, and the second finds the first. What was delivered is compared by a hash that leaves the
subject's number out, so that nobody can guess the number from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of
from core.database import announce
from core.identifiers import mask_text
from core.integrity import keys_of, reseal, sealed
from core.keys import Keys
from core.news import BENEFITS, of_subject
from core.sealing import seal
from scoring.catalogue import CatalogueItem
from scoring.consent.consents import active_consents, use_consent
from scoring.intake.rows import Accepted
from scoring.model import Model
from scoring.records import document_of, state_of, tell_receivers
from scoring.scores import lock_subjects, refresh_many
from scoring.subjects import (
    SUBJECT_STATE,
    SubjectKind,
    find_by_numbers,
    has_ended,
    is_minor,
    reserve_numbers,
    subject_row,
)
from scoring.tables import credit_records, enrollments, record_versions, scores, subjects

COLLECTING = "collect"
"""The purpose of a consent to collecting catalogued items."""
LONGEST_NAME = 300
ModelsOf = Callable[[str, str], Sequence[Model]]
"""The models of a subject by its place and kind."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file being loaded, and by whom."""

    batch_id: UUID
    item: CatalogueItem
    place: str
    actor: str
    now: datetime
    models_of: ModelsOf


@dataclass(slots=True)
class Stored:
    """What became of the rows of a piece, by their place in it."""

    accepted: list[int] = field(default_factory=list)
    corrections: list[int] = field(default_factory=list)
    duplicates: list[int] = field(default_factory=list)
    without_consent: list[int] = field(default_factory=list)


class _Known(NamedTuple):
    """What is on file of a record: its newest version, its row, and all that was ever delivered of it."""

    version: int
    removal: str | None
    seen: set[str]


def record_id(item: str, row: Accepted) -> str:
    """The id of the record that a row is about, the same for every delivery of it."""
    key = orjson.dumps([item, row.document_key, row.authority_key])
    return sha256(key).hexdigest()[:40]


def content_hash(row: Accepted, item: CatalogueItem) -> str:
    """SHA-256 of what a row says of its record. The subject's number is not part of it."""
    said = {**row.fields, **row.personal}
    said.pop(item.by_role["subject_code"].id, None)
    said[item.by_role["document_number"].id] = row.document_key
    rest = [row.item, row.severity, row.removed_on, row.points, row.serious_consequence]
    return sha256(orjson.dumps([sorted((k, v) for k, v in said.items() if v is not None), *rest])).hexdigest()


async def store_rows(connection: AsyncConnection, rows: Sequence[Accepted], delivery: Delivery) -> Stored:
    """Write a piece of a file, in a transaction; what became of each row.

    Raises:
        Conflict: another loader was quicker; run it again.
    """
    keys, stored = keys_of(connection), Stored()
    ids = await _subjects(connection, keys, rows, delivery)
    allowed = await _allowed(connection, rows, ids, delivery)
    stored.without_consent = [place for place in range(len(rows)) if place not in allowed]
    await _register(connection, keys, [rows[place] for place in sorted(allowed)], ids, delivery)
    await lock_subjects(connection, sorted({ids[_number(rows[place])] for place in allowed}))
    named = {place: (ids[_number(rows[place])], record_id(delivery.item.code, rows[place])) for place in allowed}
    known = await _known(connection, set(named.values()))
    new: dict[tuple[int, str], dict[str, Any]] = {}
    changed: dict[tuple[int, str], dict[str, Any]] = {}
    versions: list[dict[str, Any]] = []
    digest = sha256()
    for place in sorted(allowed):
        row, key = rows[place], named[place]
        held, delivered = known.get(key), content_hash(row, delivery.item)
        if held is not None and delivered in held.seen:
            stored.duplicates.append(place)
            continue
        version = 1 if held is None else held.version + 1
        values = _record(keys, row, key, version, delivery)
        if held is None:
            new[key] = values
            stored.accepted.append(place)
        else:
            if held.removal is not None:  # what was repaired or withdrawn does not come back with a new wording
                del values["removed_on"]
            (new[key].update if key in new else changed.setdefault(key, {}).update)(values)
            stored.corrections.append(place)
        seen = {delivered} if held is None else held.seen | {delivered}
        known[key] = _Known(version, held.removal if held else None, seen)
        versions.append(_version(keys, values, row, delivered, delivery, is_new=held is None))
        if delivery.item.collection != "published" and row.subject_kind == "person":
            await use_consent(
                connection,
                subject_id=key[0],
                purpose=COLLECTING,
                item=delivery.item.code,
                actor=delivery.actor,
                now=delivery.now,
            )
        digest.update(orjson.dumps([*key, delivered]))
    await _write(connection, new, changed, versions)
    if changed:
        told = {key: document_of(row) for key, row in changed.items()}
        await tell_receivers(connection, told, change="corrected", now=delivery.now)
    if versions:
        content = {
            "batch": str(delivery.batch_id),
            "item": delivery.item.code,
            "accepted": len(stored.accepted),
            "corrections": len(stored.corrections),
            "sha256": digest.hexdigest(),
        }
        await audit.record(connection, at=delivery.now, actor=delivery.actor, action="intake", content=content)
        await _rescore(connection, {subject_id for subject_id, _ in (*new, *changed)}, delivery)
    return stored


Number = tuple[str, str]
"""Kind of subject, and its number."""


def _number(row: Accepted) -> Number:
    return row.subject_kind, row.subject_code


async def _subjects(
    connection: AsyncConnection, keys: Keys, rows: Sequence[Accepted], delivery: Delivery
) -> dict[Number, int]:
    """The subjects there are already, by their number."""
    found: dict[Number, int] = {}
    for kind in SubjectKind:
        numbers = {row.subject_code for row in rows if row.subject_kind == kind.value}
        if numbers:
            await reserve_numbers(connection, keys, kind=kind, numbers=numbers)
            ids = await find_by_numbers(connection, keys, kind=kind, numbers=numbers)
            found |= {(kind.value, number): key for number, key in ids.items()}
    return found


async def _allowed(
    connection: AsyncConnection, rows: Sequence[Accepted], ids: Mapping[Number, int], delivery: Delivery
) -> set[int]:
    """The rows that may be collected: about enterprises, published by law, or with the person's consent
    (《黑龙江省社会信用条例》第二十条)."""
    if delivery.item.collection == "published":
        return set(range(len(rows)))
    persons = {ids[_number(row)] for row in rows if row.subject_kind == "person" and _number(row) in ids}
    consents = await active_consents(connection, sorted(persons), COLLECTING, day_of(delivery.now))
    return {
        place
        for place, row in enumerate(rows)
        if row.subject_kind == "enterprise" or delivery.item.code in consents.get(ids.get(_number(row), 0), ())
    }


async def _register(
    connection: AsyncConnection, keys: Keys, rows: Sequence[Accepted], ids: dict[Number, int], delivery: Delivery
) -> None:
    """Add those subjects that nothing was known of before; `ids` gets their ids."""
    wanted = {_number(row): row for row in rows if _number(row) not in ids}
    if not wanted:
        return
    made = {
        number: subject_row(
            keys,
            kind=SubjectKind(row.subject_kind),
            place=delivery.place,
            name=row.subject_name[:LONGEST_NAME],
            number=row.subject_code,
        )
        for number, row in wanted.items()
    }
    returned = insert(subjects).returning(subjects.c.id, subjects.c.identity_hash)
    given = {row.identity_hash: row.id for row in await connection.execute(returned, list(made.values()))}
    ids |= {number: given[row["identity_hash"]] for number, row in made.items()}


async def _known(connection: AsyncConnection, wanted: set[tuple[int, str]]) -> dict[tuple[int, str], _Known]:
    records, versions = credit_records.c, record_versions.c
    on_file = tuple_(records.subject_id, records.id).in_(wanted)
    found = {
        (row.subject_id, row.id): _Known(row.version, row.removal, set())
        for row in await connection.execute(
            select(records.subject_id, records.id, records.version, records.removal).where(on_file)
        )
    }
    delivered = tuple_(versions.subject_id, versions.record_id).in_(list(found))
    for row in await connection.execute(
        select(versions.subject_id, versions.record_id, versions.content_hash).where(delivered)
    ):
        if row.content_hash is not None:
            found[row.subject_id, row.record_id].seen.add(row.content_hash)
    return found


def _record(keys: Keys, row: Accepted, key: tuple[int, str], version: int, delivery: Delivery) -> dict[str, Any]:
    said = {name: value for name, value in {**row.fields, **row.personal}.items() if value is not None}
    number = delivery.item.by_role["subject_code"].id
    said.pop(number, None)
    return {
        "subject_id": key[0],
        "id": key[1],
        "item": row.item,
        "occurred_on": row.decided_on,
        "removed_on": row.removed_on,
        "serious_consequence": row.serious_consequence,
        "points": row.points,
        "source": mask_text(f"{row.authority} {row.document_number}"),
        "catalogued_as": row.catalogued_as,
        "severity": row.severity,
        "document_number": row.document_number,
        "authority": row.authority,
        "authority_uscc": row.authority_code,
        "provider": row.provider or row.authority,
        "provider_uscc": row.provider_code or row.authority_code,
        "content_sealed": seal(keys, "seal", orjson.dumps(said)),
        "received_at": delivery.now,
        "version": version,
    }


def _version(
    keys: Keys, values: Mapping[str, Any], row: Accepted, delivered: str, delivery: Delivery, *, is_new: bool
) -> dict[str, Any]:
    said = {name: value for name, value in {**row.fields, **row.personal}.items() if value is not None}
    return {
        "subject_id": values["subject_id"],
        "record_id": values["id"],
        "version": values["version"],
        "at": delivery.now,
        "actor": delivery.actor,
        "change": "received" if is_new else "corrected",
        "reason": f"{values['provider']}报送",
        "content_hash": delivered,
        "state_sealed": seal(keys, "seal", state_of(values, said)),
        "batch_id": delivery.batch_id,
    }


async def _write(
    connection: AsyncConnection,
    new: Mapping[tuple[int, str], dict[str, Any]],
    changed: Mapping[tuple[int, str], dict[str, Any]],
    versions: list[dict[str, Any]],
) -> None:
    if new:
        await connection.execute(
            insert(credit_records), [sealed(connection, credit_records, row) for row in new.values()]
        )
    for (subject_id, record), values in changed.items():
        its_key = (credit_records.c.subject_id == subject_id, credit_records.c.id == record)
        before = (await connection.execute(select(credit_records).where(*its_key))).one()
        whole = sealed(connection, credit_records, before._asdict() | values)
        await connection.execute(update(credit_records).where(*its_key).values(**values, mac=whole["mac"]))
    if versions:
        await connection.execute(insert(record_versions), versions)
    for subject_id in {row["subject_id"] for row in versions}:
        announce(connection, of_subject(subject_id), BENEFITS)


async def _rescore(connection: AsyncConnection, subject_ids: set[int], delivery: Delivery) -> None:
    """New scores for those who take part. One whose data cannot be evaluated is left with a score that is due, so that
    whoever looks next meets the fault."""
    on = day_of(delivery.now)
    taking_part = (
        select(subjects.c.id, *SUBJECT_STATE)
        .join(enrollments, enrollments.c.subject_id == subjects.c.id)
        .where(subjects.c.id.in_(subject_ids), enrollments.c.left_at.is_(None))
    )
    models: dict[int, Sequence[Model]] = defaultdict(tuple)
    for row in await connection.execute(taking_part):
        if not is_minor(row.birth_on, on=on) and not has_ended(row, on=on):
            models[row.id] = delivery.models_of(row.place, row.kind)
    if models:
        _, faults = await refresh_many(connection, models, now=delivery.now)
        theirs = scores.c.subject_id.in_(faults)
        if faults:
            await connection.execute(update(scores).where(theirs).values(valid_until=on))
            await reseal(connection, scores, theirs)
