"""The city that is asked about, and who asks. One thing to know: PostgreSQL is started with what production needs for a
receipt, every commit on disk before it is answered; nothing is switched off for speed."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

from sqlalchemy import select

from api.identity.bearer import issue_token
from api.ids import public_id
from benchmarks.processes import ROOT, Entrant
from core.clock import utc_now
from core.database import Database
from core.keys import Keys, load_keys, new_key_file
from core.migrations import migrate
from core.places import ROOT as JURISDICTIONS
from core.settings import Settings
from demo.city import seed_city
from partners.accounts import Role
from partners.catalogue import Offer, load_catalogue
from partners.codes import issue_code
from partners.rulebook import Rulebook, load_rulebook
from partners.tables import accounts
from scoring.tables import enrollments, subjects

# The tests know how to run a PostgreSQL of their own from the installed wheel; they are no package to import from.
sys.path.insert(0, str(ROOT / "tests"))
from servers import Postgres, start_postgres

DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "128MB"}
SCENIC_SPOTS = 4
READERS = 200
ADULT = date(2000, 1, 1)


@dataclass(frozen=True)
class Gate:
    """Where codes are scanned: a partner's first offer, and enrolled adults of its place who come by."""

    token: str
    offer: Offer
    visitors: tuple[int, ...]


@dataclass(frozen=True)
class City:
    """Two copies of one city, and tokens of its people."""

    settings: Settings
    keys: Keys
    rulebook: Rulebook
    urls: dict[str, str]
    gates: tuple[Gate, ...]
    readers: tuple[str, ...]
    """Tokens of enrolled adults."""
    others: tuple[str, ...]
    """Tokens of a minor, of somebody not enrolled, and of an enterprise."""

    def environment(self, entrant: Entrant) -> dict[str, str]:
        """`XINYI_*` for a server."""
        return {
            "XINYI_ENVIRONMENT": "demo",
            "XINYI_DATABASE_URL": self.urls[entrant.store],
            "XINYI_KEYS_FILE": str(self.settings.keys_file),
            # Nobody is turned away while being measured; counting goes on.
            "XINYI_RATE_PER_SECOND": "1000000",
            "XINYI_RATE_BURST": "1000000",
        }

    def scans(self, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """`count` scans of fresh codes, good for a minute from now: the partner's token, and the request's input."""
        now, visitors = utc_now(), [cycle(gate.visitors) for gate in self.gates]
        for number in range(count):
            gate = self.gates[number % len(self.gates)]
            subject_id = next(visitors[number % len(self.gates)])
            yield gate.token, self.scan(gate, issue_code(self.keys, subject_id=subject_id, offer_id=None, now=now)[1])

    def scan(self, gate: Gate, code: str) -> dict[str, Any]:
        """The input of one verification."""
        offer = public_id("Offer", gate.offer.id)
        return {"requestId": secrets.token_hex(12), "code": code, "offerId": offer, "site": "东门", "clerk": "3号"}


async def build(folder: Path, postgres: Postgres) -> City:
    """Seed the demo city on both stores and find out who asks."""
    new_key_file(folder / "keys.json", demo=True)
    keys, rulebook, now = load_keys(folder / "keys.json"), load_rulebook(JURISDICTIONS, ()), utc_now()
    urls = {
        "postgresql": postgres.create_database("benchmark"),
        "sqlite": f"sqlite+aiosqlite:///{folder}/benchmark.db",
    }
    for url in urls.values():
        database = Database(url, keys=keys)
        await migrate(database)
        await seed_city(database, keys=keys, rulebook=rulebook, now=now)
        await database.close()
    postgres.sql("VACUUM ANALYZE", database="benchmark")
    settings = Settings(environment="demo", database_url=urls["postgresql"], keys_file=folder / "keys.json")
    database = Database(urls["postgresql"], keys=keys)
    try:
        return await _people(database, settings, keys, rulebook, urls)
    finally:
        await database.close()


async def _people(database: Database, settings: Settings, keys: Keys, rulebook: Rulebook, urls: dict[str, str]) -> City:
    now = utc_now()

    def token(account: str, role: Role) -> str:
        lifetime = timedelta(hours=1)
        return issue_token(keys, issuer=settings.issuer, account=account, role=role, now=now, lifetime=lifetime)

    async with database.reading() as connection:
        catalogue = await load_catalogue(connection, rulebook, on=now.date())
        people = (
            await connection.execute(
                select(
                    accounts.c.id,
                    accounts.c.role,
                    accounts.c.subject_id,
                    subjects.c.place,
                    subjects.c.birth_on,
                    enrollments.c.enrolled_at,
                )
                .join(subjects, subjects.c.id == accounts.c.subject_id)
                .outerjoin(enrollments, enrollments.c.subject_id == subjects.c.id)
                .order_by(subjects.c.id)
            )
        ).all()
        partner_accounts = {
            row.partner_id: row.id
            for row in await connection.execute(
                select(accounts.c.id, accounts.c.partner_id).where(accounts.c.role == Role.PARTNER.value)
            )
        }
    taking_part = [
        row for row in people if row.role == Role.CITIZEN and row.enrolled_at is not None and row.birth_on < ADULT
    ]
    first_offers = [
        catalogue.open_of(partner.id)[0] for partner in catalogue.partners.values() if partner.sector == "scenic"
    ]
    gates = tuple(
        Gate(
            token(partner_accounts[offer.partner.id], Role.PARTNER),
            offer,
            tuple(row.subject_id for row in taking_part if row.place == offer.partner.place),
        )
        for offer in first_offers[:SCENIC_SPOTS]
    )
    others = [
        next(row for row in people if row.birth_on is not None and row.birth_on > now.date() - timedelta(days=6000)),
        next(row for row in people if row.enrolled_at is None),
        next(row for row in people if row.birth_on is None),
    ]
    return City(
        settings=settings,
        keys=keys,
        rulebook=rulebook,
        urls=urls,
        gates=gates,
        readers=tuple(token(row.id, Role(row.role)) for row in taking_part[:READERS]),
        others=tuple(token(row.id, Role(row.role)) for row in others),
    )


def durable_postgres() -> Postgres:
    """A PostgreSQL whose commits are on disk."""
    return start_postgres(**DURABLE)
