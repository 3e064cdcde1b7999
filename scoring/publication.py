"""What the law opens to everybody (《黑龙江省社会信用条例》第二十三条、第三十七条). One thing to know: nothing has to
run for a record to be public no more; each look-up asks the records as they stand today.

Only enterprises are looked up, by their exact name or USCC; a natural person is never found here. Of a record only
those fields are shown that the catalogue does not mark as personal, with identity numbers in free text masked. What
the catalogue opens `on-query` alone is not public: its subject reads it, and shows it to whom it wishes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from hashlib import sha256
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Row, Select, and_, false, func, literal_column, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.identifiers import mask_name, mask_text
from core.integrity import is_intact, keys_of
from core.keys import Keys
from core.sealing import unseal
from scoring.catalogue import Catalogue, CatalogueItem
from scoring.mine import ONE_DAY, RecordState, is_in_state
from scoring.records import content_of
from scoring.subjects import SubjectKind, find_by_number
from scoring.tables import credit_records, subjects

RED_LIST, SERIOUS_LIST, COMMITMENT = "red-list", "serious-list", "credit-commitment"
"""Items that are listed across all enterprises of a place."""
AT_ONCE = 5_000
"""Records of one question, where many are looked through."""
log = logging.getLogger("xinyi.publication")


class PublicField(NamedTuple):
    """A catalogued field with something in it."""

    id: str
    label: str
    value: str


class PublicRecord(NamedTuple):
    """A record of an enterprise, without personal data."""

    subject_id: int
    id: str
    name: str
    uscc: str
    place: str
    item: str
    label: str
    nature: str
    document_number: str | None
    authority: str | None
    decided_on: date
    last_day: date | None
    """The last day of publication; None where law sets no end."""
    removal: str | None
    """Why it ended before its term, if it did."""
    fields: tuple[PublicField, ...]

    def value(self, field: str) -> str | None:
        """What a field says."""
        return next((one.value for one in self.fields if one.id == field), None)


class Page(NamedTuple):
    """Some records, and whether there are more after them."""

    records: list[PublicRecord]
    more: bool


def opened_items(catalogue: Catalogue) -> frozenset[str]:
    """The items that everybody may see."""
    return frozenset(code for code, item in catalogue.items.items() if item.openness == "public")


async def find_enterprises(
    connection: AsyncConnection, keys: Keys, *, uscc: str | None = None, name: str | None = None
) -> list[int]:
    """The enterprises of exactly this USCC (in canonical form) or name; two places may have one of the same name."""
    if uscc is not None:
        found = await find_by_number(connection, keys, kind=SubjectKind.ENTERPRISE, number=uscc)
        return [] if found is None else [found]
    # Written out, so that the index on enterprises' names serves.
    is_enterprise = subjects.c.kind == literal_column("'enterprise'")
    named = select(subjects.c.id).where(is_enterprise, subjects.c.display_name == name)
    return list((await connection.execute(named.order_by(subjects.c.id).limit(100))).scalars())


async def public_records(
    connection: AsyncConnection,
    *,
    subject_ids: Sequence[int],
    catalogues: Mapping[str, Catalogue],
    item: str | None = None,
    on: date,
    after: tuple[date, int, str] | None = None,
    most: int,
) -> Page:
    """What is public of these enterprises on that day, the newest decision first."""
    day, key = credit_records.c.occurred_on, (credit_records.c.subject_id, credit_records.c.id)
    wanted = _of_enterprises(catalogues, item).where(credit_records.c.subject_id.in_(subject_ids), *_is_shown(on))
    if after is not None:
        wanted = wanted.where(or_(day < after[0], and_(day == after[0], tuple_(*key) > tuple_(after[1], after[2]))))
    return await _read(connection, wanted.order_by(day.desc(), *key), catalogues, most)


async def public_list(
    connection: AsyncConnection,
    *,
    item: str,
    places: Sequence[str],
    catalogues: Mapping[str, Catalogue],
    on: date,
    after: tuple[int, str] | None = None,
    most: int,
) -> Page:
    """Everything public of one item about the enterprises of these places, in a stable order."""
    key = (credit_records.c.subject_id, credit_records.c.id)
    wanted = _of_enterprises({place: catalogues[place] for place in places}, item).where(
        credit_records.c.item == item, *_is_shown(on)
    )
    if after is not None:
        wanted = wanted.where(tuple_(*key) > tuple_(*after))
    return await _read(connection, wanted.order_by(*key), catalogues, most)


async def list_fingerprint(
    connection: AsyncConnection, *, item: str, places: Sequence[str], catalogues: Mapping[str, Catalogue], on: date
) -> str:
    """A hash over everything `public_list` would give: another as soon as one record, or an enterprise, is another."""
    wanted = _of_enterprises({place: catalogues[place] for place in places}, item).where(
        credit_records.c.item == item, *_is_shown(on)
    )
    key = (credit_records.c.subject_id, credit_records.c.id)
    told = wanted.with_only_columns(*key, credit_records.c.mac, subjects.c.display_name).order_by(*key).limit(AT_ONCE)
    found, rows = sha256(), (await connection.execute(told)).all()
    while rows:
        for row in rows:
            found.update(orjson.dumps([row[0], row[1], (row[2] or b"").hex(), row[3]]))
        rows = (await connection.execute(told.where(tuple_(*key) > tuple_(rows[-1][0], rows[-1][1])))).all()
    return found.hexdigest()


async def archived_records(
    connection: AsyncConnection,
    *,
    subject_id: int,
    catalogues: Mapping[str, Catalogue],
    actor: str,
    on: date,
    now: datetime,
    after: tuple[date, str] | None = None,
    most: int,
) -> Page:
    """An enterprise's records past their term, the newest decision first; that they were read is audited."""
    day, its_id = credit_records.c.occurred_on, credit_records.c.id
    wanted = _of_enterprises(catalogues, None, opened_only=False).where(
        credit_records.c.subject_id == subject_id, is_in_state(RecordState.ENDED, on=on)
    )
    if after is not None:
        wanted = wanted.where(or_(day < after[0], and_(day == after[0], its_id > after[1])))
    found = await _read(connection, wanted.order_by(day.desc(), its_id), catalogues, most)
    content = {"records": [record.id for record in found.records]}
    await audit.record(connection, at=now, actor=actor, action="readArchive", content=content, subject_id=subject_id)
    return found


def _of_enterprises(catalogues: Mapping[str, Catalogue], item: str | None, *, opened_only: bool = True) -> Select[Any]:
    """Records of enterprises, each judged by the catalogue of the enterprise's place."""
    delivered_as = func.coalesce(credit_records.c.catalogued_as, credit_records.c.item)
    opened = []
    for place, catalogue in catalogues.items():
        codes = opened_items(catalogue) if opened_only else frozenset(catalogue.items)
        opened.append(and_(subjects.c.place == place, delivered_as.in_(codes)))
    wanted = (
        select(
            credit_records,
            subjects.c.display_name,
            subjects.c.place,
            subjects.c.identity_sealed,
        )
        .join(subjects, subjects.c.id == credit_records.c.subject_id)
        .where(subjects.c.kind == "enterprise", or_(false(), *opened))
    )
    if item is not None:
        wanted = wanted.where(or_(credit_records.c.item == item, credit_records.c.catalogued_as == item))
    return wanted


def _is_shown(on: date) -> tuple[ColumnElement[bool], ...]:
    return is_in_state(RecordState.ACTIVE, on=on), credit_records.c.hidden_at.is_(None)


async def _read(
    connection: AsyncConnection, wanted: Select[Any], catalogues: Mapping[str, Catalogue], most: int
) -> Page:
    found, keys = [], keys_of(connection)
    rows = (await connection.execute(wanted.limit(most + 1))).all()
    for row in rows[:most]:
        catalogue = catalogues[row.place]
        form = catalogue.items[row.catalogued_as or row.item]
        uscc = unseal(keys, "seal", row.identity_sealed)
        if uscc is None or not is_intact(connection, credit_records, row._asdict(), row.mac):
            # One record that was changed by hand is not shown, and does not hide the others.
            log.error("record not as it was written", extra={"subject": row.subject_id, "record": row.id})
            continue
        found.append(_public_record(row, catalogue.items.get(row.item, form), form, keys, uscc.decode()))
    return Page(found, len(rows) > most)


def _public_record(row: Row[Any], kind: CatalogueItem, form: CatalogueItem, keys: Keys, uscc: str) -> PublicRecord:
    content = content_of(keys, row)
    people = [content[field.id] for field in form.fields if field.personal and len(content.get(field.id) or "") > 1]
    fields = tuple(
        PublicField(field.id, field.label, _without_people(content[field.id], people))
        for field in form.fields
        if not field.personal and field.means not in ("subject_code", "subject_name") and content.get(field.id)
    )
    return PublicRecord(
        subject_id=row.subject_id,
        id=row.id,
        name=row.display_name,
        uscc=uscc,
        place=row.place,
        item=row.item,
        label=kind.label,
        nature=kind.nature,
        document_number=mask_text(row.document_number) if row.document_number else None,
        authority=mask_text(row.authority) if row.authority else None,
        decided_on=row.occurred_on,
        last_day=None if row.removed_on is None else row.removed_on - ONE_DAY,
        removal=row.removal,
        fields=fields,
    )


def _without_people(text: str, people: Sequence[str]) -> str:
    """The text with every identity number masked, and the names that the record itself says are a person's."""
    for name in people:
        text = text.replace(name, mask_name(name))
    return mask_text(text)
