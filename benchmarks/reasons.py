"""Whether the time of an answer tells a partner why it was the standard service. One thing to know: people with every
reason are asked about in turn at one offer, as whoever tried to tell them apart would do it.

Asked: the medians lie within 5 % of each other, and no two reasons' times differ by more than 0.05 (Kolmogorov and
Smirnov's distance: the largest difference between the shares of scans that were answered by any instant).
"""

from __future__ import annotations

import asyncio
import shutil
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from random import Random
from statistics import median
from tempfile import mkdtemp
from typing import Any

import orjson
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.identity.bearer import issue_token
from api.ids import public_id
from benchmarks.city import City, Gate, build, durable_postgres
from benchmarks.load import ask, drive
from benchmarks.processes import OURS, cores, on_cores, start
from benchmarks.report import table
from benchmarks.wire import Ask, GraphQL
from core.clock import day_of, utc_now
from core.database import Database
from core.integrity import reseal
from partners.accounts import Role
from partners.catalogue import bump_catalogue
from partners.codes import issue_code
from partners.tables import access_events, accounts, offers
from scoring.subjects import SubjectKind
from scoring.tables import enrollments, scores, subjects

SAMPLES, PEOPLE, IN_A_ROW, ASKERS = 5_000, 20, 50, 4
MEDIANS_WITHIN, DISTANCE = 0.05, 0.05
GIVE = """mutation ($input: GiveConsentInput!) { giveConsent(input: $input) { ... on Consent { id }
  ... on Problem { code message } } }"""
PAUSE = "mutation ($input: PauseConsentInput!) { pauseConsent(input: $input) { ... on Problem { code message } } }"

Groups = dict[str, list[int]]
"""Subjects by the reason why they get the standard service."""


def distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Kolmogorov and Smirnov's distance of two sorted samples, 0 (alike) to 1."""
    return max(
        abs(bisect_right(one, value) / len(one) - bisect_right(other, value) / len(other)) for value in (*one, *other)
    )


class _Scene:
    """A city under a running server, and who in it gets the standard service for which reason."""

    def __init__(self, city: City, database: Database, port: int) -> None:
        self.city, self.database, self.port = city, database, port
        self.gate: Gate = city.gates[0]
        self._wire = GraphQL()

    def scan(self, subject_id: int) -> Ask:
        """A scan of a fresh code of that subject."""
        code = issue_code(self.city.keys, subject_id=subject_id, offer_id=None, now=utc_now())[1]
        return self._wire.verify(self.gate.token, self.city.scan(self.gate, code))

    async def answers(self, people: Sequence[int]) -> list[dict[str, Any]]:
        """What a scan of each is answered."""
        return [self._wire.read_verify(body) for body in await ask(self.port, *map(self.scan, people))]

    async def reasons(self, people: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """Why each got the standard service when scanned just now; nothing where the benefit applied."""
        await self.answers(people)
        async with self.database.reading() as connection:
            rows = await connection.execute(
                select(access_events.c.subject_id, access_events.c.why_not)
                .where(access_events.c.subject_id.in_(people), access_events.c.outcome.is_not(None))
                .order_by(access_events.c.id)
            )
            return {row.subject_id: tuple(row.why_not) for row in rows}

    async def act(self, subject_id: int, document: str, **given: Any) -> dict[str, Any]:
        """What a subject does for itself."""
        async with self.database.reading() as connection:
            account = await connection.scalar(select(accounts.c.id).where(accounts.c.subject_id == subject_id))
        return await self.ask_as(str(account), Role.CITIZEN, document, **given)

    async def ask_as(self, account: str, role: Role, document: str, **given: Any) -> dict[str, Any]:
        """A mutation's result."""
        token = issue_token(
            self.city.keys,
            issuer=self.city.settings.issuer,
            account=account,
            role=role,
            now=utc_now(),
            lifetime=timedelta(hours=1),
        )
        return await self.ask_with(token, document, **given)

    async def ask_with(self, token: str, document: str, **given: Any) -> dict[str, Any]:
        """A mutation's result.

        Raises:
            RuntimeError: it was a Problem.
        """
        body = orjson.dumps({"query": document, "variables": {"input": given}})
        (answer,) = await ask(self.port, Ask("POST", "/graphql", token, body))
        (result,) = orjson.loads(answer)["data"].values()
        if "code" in result:
            raise RuntimeError(str(result))
        return dict(result)

    async def change(self, table: Any, people: Sequence[int], *, by_hand: bool = False, **values: Any) -> None:
        """Change rows of these subjects as we would; `by_hand`, as an intruder would, who has no key."""
        key = table.c.subject_id if "subject_id" in table.c else table.c.id
        async with self.database.transaction() as connection:
            await connection.execute(update(table).where(key.in_(people)).values(**values))
            if "sealed" in table.info and not by_hand:
                await reseal(connection, table, key.in_(people))

    async def people_for_each_reason(self, *, limited: bool) -> Groups:
        """Put enough people into every state that gives the standard service at the gate's offer."""
        known = await self.reasons(self.gate.visitors)
        good = [person for person, reasons in known.items() if not reasons]
        low = [person for person, reasons in known.items() if reasons == ("GRADE_NOT_REACHED",)]
        if len(good) < 8 * PEOPLE or len(low) < PEOPLE:
            raise RuntimeError(f"too few people: {len(good)} and {len(low)}")
        chosen = iter(good)
        groups: Groups = {"GRADE_NOT_REACHED": low[:PEOPLE]}

        def take(name: str) -> list[int]:
            groups[name] = [next(chosen) for _ in range(PEOPLE)]
            return groups[name]

        now = utc_now()
        await self.change(enrollments, take("NOT_ENROLLED"), left_at=now - timedelta(days=1))
        await self.change(subjects, take("MINOR"), birth_on=day_of(now) - timedelta(days=16 * 365))
        await self.change(scores, take("NOT_ASSESSED"), grade=None, better_grade=None, points=None, reason="NO_DATA")
        await self.change(subjects, take("ENDED"), ended_on=day_of(now) - timedelta(days=9), end_reason="deceased")
        await self.change(scores, take("UNDER_REVIEW"), by_hand=True, points=1)
        for person in take("NO_CONSENT"):
            ends_on = str(day_of(now) + timedelta(days=30))
            given = {"purpose": "benefit-check", "purposeVersion": "2026-11", "frequency": "PER_USE", "endsOn": ends_on}
            partner = public_id("Partner", self.gate.offer.partner.id)
            consent = await self.act(person, GIVE, **given, partnerId=partner)
            await self.act(person, PAUSE, consentId=consent["id"])
        groups |= await self._strangers()
        if limited:
            await self._limit(take("LIMIT_REACHED"))
        return groups

    async def _strangers(self) -> Groups:
        """People of another place, and enterprises."""
        place = self.gate.offer.partner.place

        async def found(connection: AsyncConnection, *where: Any) -> list[int]:
            wanted = select(subjects.c.id).join(enrollments, enrollments.c.subject_id == subjects.c.id)
            wanted = wanted.where(enrollments.c.left_at.is_(None), *where).order_by(subjects.c.id).limit(PEOPLE)
            return list((await connection.execute(wanted)).scalars())

        async with self.database.reading() as connection:
            adult = subjects.c.birth_on < day_of(utc_now()) - timedelta(days=20 * 365)
            return {
                "OTHER_PLACE": await found(connection, subjects.c.place != place, adult),
                "OTHER_SUBJECT_KIND": await found(
                    connection, subjects.c.place == place, subjects.c.kind == SubjectKind.ENTERPRISE.value
                ),
            }

    async def _limit(self, people: Sequence[int]) -> None:
        """Give the offer a limit of one for each person; these have one reserved."""
        async with self.database.transaction() as connection:
            await connection.execute(update(offers).where(offers.c.id == self.gate.offer.id).values(limit_per_person=1))
            await bump_catalogue(connection)
        await self.answers(people)


async def _times(scene: _Scene, groups: Groups, seed: int) -> dict[str, list[float]]:
    """Sorted seconds of the answers, by reason. The reasons take turns in an order drawn anew each time; a few askers
    at once, each of whom waits for his answer."""
    chance = Random(seed)  # an order, no secret
    took: dict[str, list[float]] = {name: [] for name in groups}

    async def ask_in_turn() -> None:
        order = [name for _ in range(IN_A_ROW) for name in chance.sample(list(groups), len(groups))]
        names = iter(order)

        def answered(sent_at: float, now: float, body: bytes) -> bool:
            if b'"STANDARD_SERVICE"' not in body:
                raise RuntimeError(body.decode())
            took[next(names)].append(now - sent_at)
            return True

        scans = (scene.scan(chance.choice(groups[name])).raw() for name in order)
        await drive(scene.port, scans, answered, connections=1)

    for _ in range(SAMPLES // IN_A_ROW // ASKERS):
        await asyncio.gather(*(ask_in_turn() for _ in range(ASKERS)))
    return {name: sorted(values) for name, values in took.items()}


async def _compare(folder: Path, say: Callable[[str], None], stack: ExitStack) -> bool:
    postgres = durable_postgres()
    stack.callback(postgres.stop)
    city = await build(folder, postgres)
    met = True
    for limited in (False, True):
        name = "limited" if limited else "plain"
        url = postgres.create_database(name, template="benchmark")
        settings = city.environment(OURS) | {"XINYI_DATABASE_URL": url}
        server = start(OURS, settings, folder / f"{name}.log", on=cores()[:1])
        stack.callback(server.stop)
        database = Database(url, keys=city.keys)
        scene = _Scene(city, database, server.port)
        groups = await scene.people_for_each_reason(limited=limited)
        for reason, people in groups.items():
            found = {reasons[0] for reasons in (await scene.reasons(people)).values() if reasons}
            if len(found) != 1 or len(people) < PEOPLE:
                raise RuntimeError(f"{reason}: {len(people)} people, {found}")
        postgres.sql("VACUUM ANALYZE", database=name)
        took = await _times(scene, groups, seed=7)
        await database.close()
        server.stop()
        met = _told(say, took, limited=limited) and met
    return met


def _told(say: Callable[[str], None], took: dict[str, list[float]], *, limited: bool) -> bool:
    middle = {name: median(values) for name, values in took.items()}
    usual = median(middle.values())
    apart = {(one, other): distance(took[one], took[other]) for one, other in combinations(took, 2)}
    furthest = {name: max(value for pair, value in apart.items() if name in pair) for name in took}
    rows = [
        [name, f"{len(values):,}", f"{middle[name] / usual:.3f}", f"{furthest[name]:.3f}"]
        for name, values in took.items()
    ]
    say(f"Standard service at an offer {'with a limit for each person' if limited else 'without limits'}, in turn")
    say(table([["reason", "scans", "median ÷ all", "furthest from another"], *rows]))
    spread = max(middle.values()) / min(middle.values()) - 1
    (one, other), worst = max(apart.items(), key=lambda item: item[1])
    met = spread <= MEDIANS_WITHIN and worst <= DISTANCE
    say(f"medians within {spread:.1%} (asked {MEDIANS_WITHIN:.0%}); largest distance {worst:.3f} ({one}, {other};")
    say(f"asked {DISTANCE}): {'met' if met else 'NOT met'}")
    return met


def bench_reasons(say: Callable[[str], None], *, rounds: int) -> bool:
    """Print whether the reasons for the standard service can be told apart by the clock; whether the target is met."""
    del rounds  # the number of scans is what counts here
    folder, available = Path(mkdtemp(prefix="xinyi-reasons-bench-", dir="/tmp")), cores()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.enter_context(on_cores(available[1:]))
        return asyncio.run(_compare(folder, say, stack))
