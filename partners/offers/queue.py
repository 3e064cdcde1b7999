"""Offers as those see them who look after them: what waits, since when, until when. One thing to know: an offer that is
open while a revision of it waits is in both lists, and what the guard closed is found by asking for HELD."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.calendar import add_working_days
from core.database import Instant
from partners.catalogue import Catalogue, Offer
from partners.offers.life import AUTHORED, PENDING, OfferFile, Status, content_in, read_files
from partners.tables import offer_steps, offer_versions, offers

DAYS_FOR_REVIEW = 5
"""Working days for judging what was submitted. Interpretation: no document sets a term; five is what the place's
officers have for a decision on an objection (《关于贯彻落实〈湖南省社会信用分级分类管理办法(试行)〉的实施方案》)."""
_NEVER = datetime(1970, 1, 2, tzinfo=UTC)


class State(StrEnum):
    """Where an offer, or a revision of it, stands on a day."""

    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    CHANGES_REQUESTED = "CHANGES_REQUESTED"
    SCHEDULED = "SCHEDULED"
    OPEN = "OPEN"
    HELD = "HELD"
    PAUSED = "PAUSED"
    CLOSED = "CLOSED"
    WITHDRAWN = "WITHDRAWN"


_OF_STATUS = {
    Status.DRAFT: State.DRAFT,
    Status.SUBMITTED: State.SUBMITTED,
    Status.CHANGES_REQUESTED: State.CHANGES_REQUESTED,
    Status.PAUSED: State.PAUSED,
    Status.CLOSED: State.CLOSED,
    Status.WITHDRAWN: State.WITHDRAWN,
}


@dataclass(frozen=True)
class Entry:
    """An offer's file, and what follows from it today."""

    file: OfferFile
    state: State
    waiting: State | None
    """Where its revision stands, if one waits."""
    since: datetime | None
    """Of the last step."""
    due_on: date | None
    """Last day for judging what was submitted; None: nothing was."""
    offer: Offer
    """As it would be with what waits, else as it is; with what the guard has against it."""


def state_of(status: Status, *, opens_on: date, closes_on: date | None, is_open: bool, on: date) -> State:
    """The state of an offer whose stored status is `status`."""
    if status is not Status.APPROVED:
        return _OF_STATUS[status]
    if closes_on is not None and closes_on <= on:
        return State.CLOSED
    if opens_on > on:
        return State.SCHEDULED
    return State.OPEN if is_open else State.HELD


async def list_entries(
    connection: AsyncConnection,
    *,
    catalogue: Catalogue,
    states: Collection[State],
    partner_id: int | None,
    after: tuple[datetime, int] | None,
    size: int,
) -> list[Entry]:
    """Offers in one of these states, or with a revision in one of them, those longest without a step first."""
    moved = (
        select(func.max(offer_steps.c.at))
        .where(offer_steps.c.offer_id == offers.c.id)
        .correlate(offers)
        .scalar_subquery()
    )
    since = func.coalesce(moved, literal(_NEVER, Instant), type_=Instant)
    wanted = select(offers.c.id).where(_in_states(states, catalogue)).order_by(since, offers.c.id).limit(size)
    if partner_id is not None:
        wanted = wanted.where(offers.c.partner_id == partner_id)
    if after is not None:
        at, offer_id = literal(after[0], Instant), after[1]
        wanted = wanted.where(or_(since > at, and_(since == at, offers.c.id > offer_id)))
    ids = (await connection.scalars(wanted)).all()
    return [entry_of(file, catalogue) for file in await read_files(connection, ids)]


async def count_entries(connection: AsyncConnection, catalogue: Catalogue) -> list[tuple[str, State, int]]:
    """How many offers of each kind are in each state, as `list_entries` finds them: with a revision, in two."""
    found = []
    for state in State:
        counted = select(offers.c.kind, func.count()).where(_in_states([state], catalogue)).group_by(offers.c.kind)
        rows = (await connection.execute(counted.order_by(offers.c.kind))).all()
        found += [(kind, state, number) for kind, number in rows]
    return found


async def read_entry(
    connection: AsyncConnection, offer_id: int, *, catalogue: Catalogue, partner_id: int | None
) -> Entry | None:
    """One offer's; None where there is none, or it is not that partner's."""
    found = await read_files(connection, [offer_id])
    if not found or (partner_id is not None and found[0].row.partner_id != partner_id):
        return None
    return entry_of(found[0], catalogue)


def entry_of(file: OfferFile, catalogue: Catalogue) -> Entry:
    """What follows today from an offer's file."""
    on, row, waits = catalogue.on, file.row, file.pending
    standing = catalogue.offers.get(file.id)
    is_open = standing is not None and standing.is_open(on)
    state = state_of(file.status, opens_on=row.opens_on, closes_on=row.closes_on, is_open=is_open, on=on)
    shown = waits or file.version(row.version)
    if standing is not None and (shown is None or (waits is None and standing.is_published(on))):
        offer = standing
    else:
        # The count of the crowd is of the version in force; a revision is counted when it is submitted and approved.
        known: dict[str, Any] = {"crowd": None} if file.was_approved and waits is not None else {}
        offer = file.judged(content_in(shown), catalogue, **known) if shown is not None else catalogue.offers[file.id]
    is_submitted = (waits.status if waits is not None else file.status) == Status.SUBMITTED
    submitted_at = max((step.at for step in file.steps if step.status == Status.SUBMITTED), default=None)
    return Entry(
        file=file,
        state=state,
        waiting=_OF_STATUS[Status(waits.status)] if waits is not None and file.was_approved else None,
        since=file.steps[-1].at if file.steps else None,
        due_on=add_working_days(submitted_at, DAYS_FOR_REVIEW).on if is_submitted and submitted_at else None,
        offer=offer,
    )


def since_key(entry: Entry) -> tuple[datetime, int]:
    """What a page goes on from after this entry."""
    return entry.since or _NEVER, entry.file.id


def author_of(entry: Entry) -> str:
    """Who last wrote what is shown."""
    wrote = [step.actor for step in entry.file.steps if step.status in AUTHORED]
    return wrote[-1] if wrote else entry.file.versions[-1].author if entry.file.versions else ""


def _in_states(states: Collection[State], catalogue: Catalogue) -> ColumnElement[bool]:
    on = catalogue.on
    stored = [status for status, state in _OF_STATUS.items() if state in states]
    pending = [status for status in PENDING if _OF_STATUS[status] in states]
    revised = select(offer_versions.c.offer_id).where(offer_versions.c.status.in_(pending))
    approved = offers.c.status == Status.APPROVED
    ended = and_(offers.c.closes_on.is_not(None), offers.c.closes_on <= on)
    held = [
        offer.id
        for offer in catalogue.offers.values()
        if offer.is_published(on) and offer.terms.opens_on <= on and not offer.is_open(on)
    ]
    chosen: list[ColumnElement[bool]] = [offers.c.status.in_(stored), offers.c.id.in_(revised)]
    if State.CLOSED in states:
        chosen.append(and_(approved, ended))
    if State.SCHEDULED in states:
        chosen.append(and_(approved, ~ended, offers.c.opens_on > on))
    if State.OPEN in states:
        chosen.append(and_(approved, ~ended, offers.c.opens_on <= on, offers.c.id.not_in(held)))
    if State.HELD in states:
        chosen.append(offers.c.id.in_(held))
    return or_(*chosen)
