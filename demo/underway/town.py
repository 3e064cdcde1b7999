"""The demo city as those see it who act in it, and the telling of what they do. One thing to know: a story is a
generator that yields the moment of its next act; whoever is next in time goes on, so all acts come in their order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import NamedTuple, TypeAlias

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.calendar import is_working_day
from core.clock import day_of, start_of
from core.database import Database
from core.files import Files
from core.keys import Keys
from demo.alliance import make_members
from demo.desk import Member
from demo.people import FOREMOST, PERSONS
from partners.catalogue import Catalogue, load_catalogue
from partners.rulebook import Rulebook
from partners.standing import score_participant
from scoring.cases.workflow import Rules
from scoring.records import Act
from scoring.tables import credit_records, enrollments, subjects

SHAOYANG, HUIZHOU = "hunan-shaoyang", "guangdong-huizhou"
SETTLED = timedelta(days=120)
"""So long ago is a record that may be repaired: its shortest term of publication has run out."""
LASTS = timedelta(days=90)
KEY_LIFE = timedelta(days=398)
"""How long a partner's key lasts at most."""
PAPER = (Path(__file__).parent / "paper.png").read_bytes()
"""What everybody hands in where a paper is asked for."""


class Held(NamedTuple):
    """A record on somebody's file."""

    subject_id: int
    id: str


Story: TypeAlias = AsyncIterator[datetime]
Telling: TypeAlias = "Callable[[Town], Story]"


@dataclass(frozen=True)
class Town:
    """A city in which somebody may act, and the moment up to which it is told."""

    database: Database
    files: Files
    keys: Keys
    rulebook: Rulebook
    now: datetime
    _read: list[Catalogue] = field(default_factory=list)

    @cached_property
    def on(self) -> date:
        """Today."""
        return day_of(self.now)

    @cached_property
    def members(self) -> dict[str, Member]:
        """The partners by account: `hotel-1`."""
        return {member.account: member for member in make_members()}

    @property
    def rules(self) -> Rules:
        """What cases go by."""
        book = self.rulebook
        return Rules(book.entitlements, book.catalogues, book.repairs, book.models)

    async def catalogue(self, connection: AsyncConnection) -> Catalogue:
        """What is published, as it was when it was first asked for: nothing here is let pass that would change it."""
        if not self._read:
            self._read.append(await load_catalogue(connection, self.rulebook, on=self.on))
        return self._read[0]

    def before(self, days: int, hour: int = 10, minute: int = 0) -> datetime:
        """That time of day, so many working days before today."""
        day = self.on
        while days:
            day -= timedelta(days=1)
            days -= is_working_day(day)[0]
        return (start_of(day) + timedelta(hours=hour, minutes=minute)).astimezone(UTC)

    def act(self, actor: str, at: datetime, reason: str = "") -> Act:
        """Who does something to a record or a case, when and why."""

        async def rescore(connection: AsyncConnection, subject_id: int) -> None:
            await score_participant(connection, subject_id=subject_id, rulebook=self.rulebook, now=at)

        return Act(actor, reason, at, rescore)

    async def record_of(self, place: str, kind: str, item: str, *, nth: int = 0) -> Held:
        """A record of that item of somebody who takes part and is not among the foremost."""
        takes_part = enrollments.c.subject_id == credit_records.c.subject_id
        wanted = (
            select(credit_records.c.subject_id, credit_records.c.id)
            .join(subjects, subjects.c.id == credit_records.c.subject_id)
            .join(enrollments, takes_part)
            .where(
                subjects.c.place == place,
                subjects.c.kind == kind,
                credit_records.c.item == item,
                credit_records.c.occurred_on < self.on - SETTLED,
                or_(credit_records.c.removed_on.is_(None), credit_records.c.removed_on > self.on + LASTS),
                (subjects.c.id - 1) % PERSONS >= FOREMOST,
            )
            .order_by(credit_records.c.id)
        )
        async with self.database.reading() as connection:
            return Held(*(await connection.execute(wanted.offset(nth).limit(1))).one())

    async def listed(self, item: str) -> Held:
        """The newest record of that item, of whomever."""
        wanted = select(credit_records.c.subject_id, credit_records.c.id).where(credit_records.c.item == item)
        async with self.database.reading() as connection:
            newest = wanted.order_by(credit_records.c.received_at.desc()).limit(1)
            return Held(*(await connection.execute(newest)).one())


def account_of(subject_id: int) -> str:
    """Through which a citizen or an enterprise of the city acts."""
    return f"citizen-{subject_id}" if subject_id <= PERSONS else f"enterprise-{subject_id - PERSONS}"


async def tell(stories: Iterable[Story]) -> None:
    """Let every story go on when it is its turn, until all have ended."""
    waiting = [(await anext(story), number, story) for number, story in enumerate(stories)]
    heapify(waiting)
    while waiting:
        _, number, story = heappop(waiting)
        if (then := await anext(story, None)) is not None:
            heappush(waiting, (then, number, story))
