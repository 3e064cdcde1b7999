"""Benefits that have newly become available, told to those who wish it. One thing to know: nothing has to be called
when a score, a consent or an offer changes; a look finds by itself whose last look is older than what it went by.

Good news alone: what goes away is noted and never told. A benefit that comes back within a week was not away. Whoever
has not switched it on is not looked at; minors never are. 《关于进一步加快推进社会信用体系建设的实施方案》大委办发
〔2019〕8号 二(四)9 asks that incentives be triggered and applied without being asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, Table, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of, start_of
from core.database import Database
from core.errors import ExpectedError
from partners.accounts import Role
from partners.catalogue import Catalogue, Offer
from partners.notices import tell
from partners.rulebook import Rulebook
from partners.standing import read_standing, reasons_for
from partners.tables import accounts, benefit_news, benefit_watches
from scoring.subjects import lock_subject
from scoring.tables import consent_steps, enrollments, scores

NEW_BENEFIT = "new-benefit"
FLICKER = timedelta(days=7)
"""What was away for less was not away."""
SLACK = timedelta(minutes=2)
"""A change is timed when its transaction begins and seen when it ends; what ended within this before a look is looked
at once more."""
BATCH = 100
MOST_AT_ONCE = 5_000
"""Subjects of one pass; the next pass goes on from there."""
log = logging.getLogger("xinyi.triggers")


class News(NamedTuple):
    """What is to be written after a look."""

    come: Sequence[int]
    """Offers that became available and are told."""
    back: Sequence[int]
    """Those that had been away for a while too short to matter."""
    gone: Sequence[int]


@dataclass(frozen=True, slots=True)
class Seen:
    """An offer as it stood at the last look."""

    gone_at: datetime | None


def news_of(before: Mapping[int, Seen], available: Collection[int], *, now: datetime) -> News:
    """What has changed since the last look. Pure."""
    come, back = [], []
    for offer_id in sorted(available):
        seen = before.get(offer_id)
        if seen is None or (seen.gone_at is not None and now - seen.gone_at >= FLICKER):
            come.append(offer_id)
        elif seen.gone_at is not None:
            back.append(offer_id)
    gone = [offer_id for offer_id, seen in sorted(before.items()) if seen.gone_at is None and offer_id not in available]
    return News(come, back, gone)


async def switch_notices(
    database: Database, *, account: str, role: Role, on: bool, catalogue: Catalogue, rulebook: Rulebook, now: datetime
) -> datetime | None:
    """Switch notices of new benefits on or off for the subject an account acts for; since when they are on.

    Switching on tells nothing of what is available already: news begins here. Switching on again changes nothing.
    """
    async with database.reading() as connection:
        standing = await read_standing(connection, account=account, role=role, rulebook=rulebook, now=now)
        switched = await _switched_on_at(connection, standing.id)
    if (switched is not None) == on:
        return switched
    available = await _available(database, standing, catalogue, now=now) if on and not standing.minor else ()
    async with database.transaction() as connection:
        await lock_subject(connection, standing.id)
        since = now if on else None
        looked = {"looked_at": now - SLACK, "looked_version": catalogue.version} if on else {}
        await _put(connection, benefit_watches, {"subject_id": standing.id, "switched_on_at": since} | looked)
        if on:
            before = await _seen(connection, standing.id)
            found = news_of(before, {offer.id for offer in available}, now=now)
            await _note(connection, standing.id, found, told_at=None, now=now)
        await audit.record(
            connection,
            at=now,
            actor=account,
            action="setBenefitNotices",
            content={"on": on},
            subject_id=standing.id,
        )
    return since


async def notices_since(connection: AsyncConnection, subject_id: int) -> datetime | None:
    """Since when the subject has wanted notices of new benefits; None: it does not."""
    return await _switched_on_at(connection, subject_id)


async def look_for_news(database: Database, *, catalogue: Catalogue, rulebook: Rulebook, now: datetime) -> int:
    """Look at everybody whose last look is older than what it went by; how many notices were written.

    Bounded and resumable: each subject is looked at in transactions of its own, and says itself that it was.
    """
    told, last, seen = 0, 0, 0
    while seen < MOST_AT_ONCE:
        async with database.reading() as connection:
            due = (await connection.execute(_due(catalogue.version, after=last, now=now))).all()
        for row in due:
            try:
                told += await _look(database, row, catalogue=catalogue, rulebook=rulebook, now=now)
            except ExpectedError:  # an account that has just ended; one subject's trouble is not the others'
                log.warning("no look", extra={"subject": row.subject_id})
            last, seen = row.subject_id, seen + 1
        if len(due) < BATCH:
            break
    return told


async def _look(database: Database, row: Any, *, catalogue: Catalogue, rulebook: Rulebook, now: datetime) -> int:
    async with database.reading() as connection:
        standing = await read_standing(connection, account=row.account, role=Role(row.role), rulebook=rulebook, now=now)
    available = {} if standing.minor else {
        offer.id: offer for offer in await _available(database, standing, catalogue, now=now)
    }  # fmt: skip
    async with database.transaction() as connection:
        await lock_subject(connection, standing.id)
        mine = benefit_watches.c.subject_id == standing.id
        if await _switched_on_at(connection, standing.id) is None:  # meanwhile switched off, or its subject has left
            return 0
        found = news_of(await _seen(connection, standing.id), available, now=now)
        await _note(connection, standing.id, found, told_at=now, now=now)
        for offer_id in found.come:
            offer = available[offer_id]
            await tell(
                connection,
                subject_id=standing.id,
                kind=NEW_BENEFIT,
                text=_text(offer),
                now=now,
                partner_id=offer.partner.id,
                offer_id=offer_id,
            )
        await connection.execute(
            update(benefit_watches).where(mine).values(looked_at=now - SLACK, looked_version=catalogue.version)
        )
    return len(found.come)


def _text(offer: Offer) -> str:
    return f"{offer.partner.name}的优惠“{offer.terms.title}”您现在可以使用。需要时出示信用码即可,不用申请。"


async def _available(database: Database, standing: Any, catalogue: Catalogue, *, now: datetime) -> list[Offer]:
    offers = catalogue.open_for(subject_kind=standing.kind)
    reasons = await reasons_for(database, standing, offers=offers, catalogue=catalogue, now=now)
    return [offer for offer, why in zip(offers, reasons, strict=True) if not why]


def _due(version: int, *, after: int, now: datetime) -> Select[Any]:
    """Those who wish to be told and whose standing, or whose offers, may have changed since their last look."""
    watch, looked = benefit_watches.c, benefit_watches.c.looked_at
    changed = (
        _since(scores, scores.c.evaluated_at),
        _since(consent_steps, consent_steps.c.at),
        _since(enrollments, enrollments.c.enrolled_at),
        # Time alone: terms end and offers open with the day.
        looked < start_of(day_of(now)) - SLACK,
        looked.is_(None),
        watch.looked_version != version,
    )
    # Any account will do that acts for the subject: one alone, so that nobody is looked at twice.
    acting = accounts.alias()
    one = select(func.min(acting.c.id)).where(
        acting.c.subject_id == watch.subject_id, or_(acting.c.ended_at.is_(None), acting.c.ended_at > now)
    )
    return (
        select(watch.subject_id, accounts.c.id.label("account"), accounts.c.role)
        .select_from(benefit_watches)
        .join(accounts, accounts.c.id == one.correlate(benefit_watches).scalar_subquery())
        .where(watch.switched_on_at.is_not(None), watch.subject_id > after, or_(*changed))
        .order_by(watch.subject_id)
        .limit(BATCH)
    )


def _since(table: Table, at: Any) -> ColumnElement[bool]:
    """Whether something of the subject's is newer than its last look."""
    newer = select(at).where(table.c.subject_id == benefit_watches.c.subject_id, at > benefit_watches.c.looked_at)
    return newer.correlate(benefit_watches).exists()


async def _switched_on_at(connection: AsyncConnection, subject_id: int) -> datetime | None:
    mine = select(benefit_watches.c.switched_on_at).where(benefit_watches.c.subject_id == subject_id)
    since: datetime | None = await connection.scalar(mine)
    return since


async def _seen(connection: AsyncConnection, subject_id: int) -> dict[int, Seen]:
    mine = select(benefit_news.c.offer_id, benefit_news.c.gone_at).where(benefit_news.c.subject_id == subject_id)
    return {row.offer_id: Seen(row.gone_at) for row in await connection.execute(mine)}


async def _note(
    connection: AsyncConnection, subject_id: int, news: News, *, told_at: datetime | None, now: datetime
) -> None:
    for offer_id in news.come:
        row = {"subject_id": subject_id, "offer_id": offer_id, "available_since": now, "gone_at": None}
        await _put(connection, benefit_news, row | {"told_at": told_at})
    for offers, gone_at in ((news.back, None), (news.gone, now)):
        if offers:
            these = (benefit_news.c.subject_id == subject_id, benefit_news.c.offer_id.in_(offers))
            await connection.execute(update(benefit_news).where(*these).values(gone_at=gone_at))


async def _put(connection: AsyncConnection, table: Any, row: Mapping[str, Any]) -> None:
    made: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    keys = [column.name for column in table.primary_key]
    changed = {name: value for name, value in row.items() if name not in keys}
    await connection.execute(made(table).values(**row).on_conflict_do_update(index_elements=keys, set_=changed))
