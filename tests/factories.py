"""A small city for tests. One thing to know: what is in it stands in one table each, and every token, code and id comes
from the running application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from sqlalchemy import func, insert, select, text, update
from starlette.applications import Starlette

from api.app import create_app
from api.context import State
from api.identity.bearer import issue_token
from api.ids import public_id
from core.database import Database, metadata
from core.identifiers import check_digit_of, new_id
from core.integrity import reseal, sealed
from core.keys import Keys, new_key_file
from core.migrations import migrate
from core.places import ROOT
from core.settings import Settings
from partners.accounts import Role
from partners.rulebook import Rulebook, load_rulebook
from partners.tables import accounts, baselines, grants, offers, partners, quotas
from scoring.subjects import SubjectKind, subject_row
from scoring.tables import credit_records, enrollments, facts, subjects

NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
"""Friday, 12:00 Asia/Shanghai."""

VERIFY = """mutation ($input: VerifyCreditCodeInput!) { verifyCreditCode(input: $input) { __typename
  ... on Verification { id outcome benefit receipt expiresAt } ... on Problem { code message } } }"""
REDEEM = """mutation ($input: RedeemBenefitInput!) { redeemBenefit(input: $input) { __typename
  ... on Redemption { id redeemedAt } ... on Problem { code message } } }"""
REVERSE = """mutation ($input: ReverseRedemptionInput!) { reverseRedemption(input: $input) { __typename
  ... on ReversedRedemption { id reversedAt } ... on Problem { code message } } }"""
ISSUE = """mutation ($input: IssueCreditCodeInput!) { issueCreditCode(input: $input) { __typename
  ... on CreditCode { id token expiresAt } ... on Problem { code message } } }"""
LOG = """{ me { accessLog { edges { node { at partner { name } offer { id } outcome problem whyNot { code message }
  receipt site } } } } }"""


def resident_id(birth: date, number: int, *, county: str = "430502") -> str:
    """A valid identity number that was computed, not issued."""
    front = f"{county}{birth:%Y%m%d}{number:03d}"
    return front + check_digit_of(front)


PEOPLE: dict[str, dict[str, Any]] = {
    "good": {"birth": date(1990, 3, 1), "records": [("rescue-honour", 100)]},
    "plain": {"birth": date(1985, 7, 9), "records": []},
    "poor": {"birth": date(1979, 1, 30), "records": [("court-enforcement", 60), ("rescue-honour", 90)]},
    "minor": {"birth": date(2010, 5, 5), "records": [("rescue-honour", 100)]},
    "stranger": {"birth": date(1992, 2, 2), "records": [("rescue-honour", 100)], "enrolled": False},
    "faulty": {"birth": date(1993, 4, 4), "records": [("rescue-honour", 100)], "facts": {"volunteer_hours": "many"}},
    "elsewhere": {"birth": date(1988, 8, 8), "records": [], "place": "guangdong-huizhou"},
}
"""Citizens by name: birth day, records as (item, days ago), facts."""

ENTERPRISES: dict[str, dict[str, Any]] = {
    "firm": {
        "uscc": "91430502MA7YK0003R",
        "facts": {"public": "96.00", "industries": [{"industry": "retail", "score": "97.5", "weight": "1"}]},
    },
}

OFFERS: dict[str, dict[str, Any]] = {
    "museum": {"partner": "scenic", "effects": ["gift"]},
    "tower": {"partner": "scenic", "effects": ["voucher"], "quota": 10},
    "garden": {"partner": "scenic", "effects": ["extra"], "limit": 1},
    "ended": {"partner": "scenic", "effects": ["gift"], "closes_on": date(2026, 11, 20)},
    "later": {"partner": "scenic", "effects": ["gift"], "opens_on": date(2026, 11, 21)},
    "waiting": {"partner": "scenic", "effects": ["gift"], "status": "submitted"},
    "clinic": {"partner": "hospital", "effects": ["deferred-payment"], "kind": "medical"},
    "loan": {"partner": "bank", "effects": ["fee-reduction"], "kind": "loan", "model": "hunan-comprehensive"},
}
"""Offers by name; ids count from 1 in this order."""
PARTNERS = {"scenic": "91430502MA7YK0011L", "hospital": "91430502MA7YK0029E", "bank": "91430502MA7YK00379"}


@cache
def rulebook() -> Rulebook:
    """The rules as they ship, read once for all tests."""
    return load_rulebook(ROOT, ())


async def build_city(database: Database, keys: Keys) -> None:
    """Migrate an empty database and fill it."""
    await migrate(database)
    async with database.transaction() as connection:
        for number, (name, person) in enumerate(PEOPLE.items(), 1):
            place = person.get("place", "hunan-shaoyang")
            row = subject_row(
                keys,
                kind=SubjectKind.PERSON,
                place=place,
                name=f"测{name}",
                number=resident_id(person["birth"], number),
            )
            await connection.execute(insert(subjects).values(id=number, **row))
            await _fill(connection, number, name, Role.CITIZEN, person)
        for number, (name, firm) in enumerate(ENTERPRISES.items(), len(PEOPLE) + 1):
            row = subject_row(
                keys, kind=SubjectKind.ENTERPRISE, place="hunan-shaoyang", name="测试企业", number=firm["uscc"]
            )
            await connection.execute(insert(subjects).values(id=number, **row))
            await _fill(connection, number, name, Role.AGENT, firm)
        if connection.dialect.name == "postgresql":  # SQLite counts on by itself
            await connection.execute(text("SELECT setval('subjects_id_seq', 100000)"))
        for number, (name, uscc) in enumerate(PARTNERS.items(), 1):
            values = {"place": "hunan-shaoyang", "sector": name, "name": f"测试{name}", "uscc": uscc}
            await connection.execute(insert(partners).values(id=number, registered_at=NOON, **values))
            await connection.execute(insert(accounts).values(id=name, role=Role.PARTNER.value, partner_id=number))
        for number, offer in enumerate(OFFERS.values(), 1):
            await _add_offer(connection, number, offer)
        if connection.dialect.name == "postgresql":
            await connection.execute(text(f"SELECT setval('partners_id_seq', {len(PARTNERS)})"))
            await connection.execute(text(f"SELECT setval('offers_id_seq', {len(OFFERS)})"))
        await connection.execute(insert(grants), granted_rows())
        for role in (Role.OPERATOR, Role.REVIEWER, Role.AUDITOR, Role.PROVIDER, Role.CLERK, Role.AGENCY):
            await connection.execute(insert(accounts).values(id=role.value, role=role.value))
        await connection.execute(insert(accounts).values(id="operator-2", role=Role.OPERATOR.value))
        desk = {"id": "representative", "role": Role.REPRESENTATIVE.value, "partner_id": 1}
        await connection.execute(insert(accounts).values(desk))
        await connection.execute(
            insert(accounts).values(id="ended", role=Role.PARTNER.value, partner_id=1, ended_at=NOON)
        )


async def _fill(connection: Any, number: int, name: str, role: Role, given: dict[str, Any]) -> None:
    await connection.execute(insert(accounts).values(id=name, role=role.value, subject_id=number))
    if given.get("enrolled", True):
        values = {"subject_id": number, "enrolled_at": NOON - timedelta(days=30), "notice_version": "2026-11-22"}
        await connection.execute(insert(enrollments).values(values))
    for place, (item, days) in enumerate(given.get("records", [])):
        occurred_on = (NOON - timedelta(days=days)).date()
        values = {"subject_id": number, "id": f"r{place}", "item": item, "occurred_on": occurred_on, "source": "测试"}
        await connection.execute(insert(credit_records).values(sealed(connection, credit_records, values)))
    for fact, value in given.get("facts", {}).items():
        values = {"subject_id": number, "name": fact, "value": value, "observed_on": NOON.date()}
        await connection.execute(insert(facts).values(sealed(connection, facts, values)))


def granted_rows() -> list[dict[str, Any]]:
    """What the partners may ask: whatever they have an offer for."""
    held = {
        (list(PARTNERS).index(offer["partner"]) + 1, offer.get("kind", "tourism"), offer.get("model", "xiangxinfen"))
        for offer in OFFERS.values()
    }
    return [
        {
            "id": new_id(),
            "partner_id": partner_id,
            "service": service,
            "purpose": "benefit-check",
            "model": model,
            "threshold": "A",
            "granted_by": "operator",
            "granted_at": NOON,
        }
        for partner_id, service, model in sorted(held)
    ]


async def _add_offer(connection: Any, number: int, offer: dict[str, Any]) -> None:
    await connection.execute(
        insert(offers).values(
            id=number,
            partner_id=list(PARTNERS).index(offer["partner"]) + 1,
            version=1,
            status=offer.get("status", "approved"),
            kind=offer.get("kind", "tourism"),
            model=offer.get("model", "xiangxinfen"),
            threshold="A",
            title="测试优惠",
            standard_service="按公示价格购票入园,先到先入",
            benefit="赠送导览手册一份",
            effects=offer["effects"],
            payer="partner",
            budget="",
            standard_lanes_unchanged=True,
            also_open_to=[],
            limit_per_person=offer.get("limit"),
            opens_on=offer.get("opens_on", date(2026, 1, 1)),
            closes_on=offer.get("closes_on"),
        )
    )
    await connection.execute(
        insert(baselines).values(
            offer_id=number,
            in_force_from=date(2024, 1, 1),
            price_fen=5000,
            deposit_fen=0,
            days=None,
            documents=[],
            queue="first-come",
            code_required=False,
            source_title="景区服务公示",
            source_clause="",
        )
    )
    if "quota" in offer:
        await connection.execute(insert(quotas).values(offer_id=number, cap=offer["quota"], taken=0))


def offer_id(name: str) -> str:
    """The public id of an offer of the small city."""
    return public_id("Offer", list(OFFERS).index(name) + 1)


class City:
    """The application over a small city, with a clock to move, and people who ask."""

    def __init__(self, app: Starlette, settings: Settings) -> None:
        self.app, self.settings = app, settings
        self.state: State = app.state.xinyi
        self.keys = self.state.keys
        self.now = NOON
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")
        self._requests = 0

    def token(self, account: str, *, role: Role | None = None) -> str:
        """A bearer token for an account of the small city."""
        return issue_token(
            self.keys,
            issuer=self.settings.issuer,
            account=account,
            role=role or role_of(account),
            now=self.now,
            lifetime=timedelta(hours=1),
        )

    async def ask(
        self, query: str, variables: dict[str, Any] | None = None, *, by: str | None = None
    ) -> dict[str, Any]:
        """The whole body of the answer, but for what it cost."""
        headers = {"authorization": f"Bearer {self.token(by)}"} if by else {}
        response = await self.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        body.pop("extensions", None)
        return body

    async def do(self, query: str, *, by: str, **given: Any) -> dict[str, Any]:
        """A mutation's one result; `given` is its input."""
        body = await self.ask(query, {"input": given}, by=by)
        assert "errors" not in body, body
        (result,) = body["data"].values()
        return dict(result)

    def wait(self, **time: float) -> None:
        """Move the clock on."""
        self.now += timedelta(**time)

    def next_request(self) -> str:
        """A request id not used before."""
        self._requests += 1
        return f"request-{self._requests}"

    async def code(self, person: str, **given: Any) -> str:
        """A fresh code of that person."""
        issued = await self.do(ISSUE, by=person, **given)
        return str(issued["token"])

    async def verify(self, code: str, offer: str = "museum", *, by: str = "scenic", **given: Any) -> dict[str, Any]:
        """A partner scans a code."""
        asked = {"requestId": self.next_request(), "code": code, "offerId": offer_id(offer)} | given
        return await self.do(VERIFY, by=by, **asked)

    async def redeem(self, verification: str, *, by: str = "scenic", **given: Any) -> dict[str, Any]:
        """A partner redeems."""
        return await self.do(
            REDEEM, by=by, **{"requestId": self.next_request(), "verificationId": verification} | given
        )

    async def reverse(self, redemption: str, *, by: str = "scenic", **given: Any) -> dict[str, Any]:
        """A partner takes a redemption back."""
        asked = {"requestId": self.next_request(), "redemptionId": redemption, "reason": "顾客退票"} | given
        return await self.do(REVERSE, by=by, **asked)

    async def log(self, person: str) -> list[dict[str, Any]]:
        """Who looked at that person, newest first."""
        body = await self.ask(LOG, by=person)
        return [edge["node"] for edge in body["data"]["me"]["accessLog"]["edges"]]

    async def rows(self, table: Any) -> list[Any]:
        """All rows of a table."""
        async with self.state.database.reading() as connection:
            return list((await connection.execute(table.select())).all())

    async def tally(self) -> dict[str, int]:
        """How many rows each table has."""
        async with self.state.database.reading() as connection:
            return {
                name: int(await connection.scalar(select(func.count()).select_from(table)) or 0)
                for name, table in metadata.tables.items()
            }

    async def write(self, *statements: Any, by_hand: bool = False) -> None:
        """Change rows as another process of ours would; `by_hand`, as an intruder would, who has no key."""
        async with self.state.database.transaction() as connection:
            for statement in statements:
                await connection.execute(statement)
                table = getattr(statement, "table", None)
                if table is not None and "sealed" in table.info and not by_hand:
                    await reseal(connection, table)

    async def move_in(self, number: int) -> dict[str, int]:
        """Let that many more people like «good» join; their subject ids by account."""
        joined = {f"citizen-{n}": 1000 + n for n in range(1, number + 1)}
        async with self.state.database.transaction() as connection:
            for account, key in joined.items():
                row = subject_row(
                    self.keys,
                    kind=SubjectKind.PERSON,
                    place="hunan-shaoyang",
                    name="测众",
                    number=resident_id(date(1991, 1, 1), key - 900),
                )
                await connection.execute(insert(subjects).values(id=key, **row))
                await _fill(connection, key, account, Role.CITIZEN, PEOPLE["good"])
        return joined

    async def end_account(self, account: str) -> None:
        """Take an account's right away."""
        async with self.state.database.transaction() as connection:
            await connection.execute(update(accounts).where(accounts.c.id == account).values(ended_at=self.now))


def role_of(account: str) -> Role:
    """The role of an account of the small city."""
    if account in PEOPLE:
        return Role.CITIZEN
    if account in ENTERPRISES:
        return Role.AGENT
    if account in PARTNERS or account == "ended":
        return Role.PARTNER
    return Role(account.split("-", maxsplit=1)[0])


@asynccontextmanager
async def open_city(
    *, database_url: str, keys_file: Path, redis_url: str | None = None, **given: Any
) -> AsyncIterator[City]:
    """Start the application over a city that stands already."""
    settings = Settings(
        database_url=database_url, keys_file=keys_file, redis_url=redis_url, **({"environment": "demo"} | given)
    )
    held: list[City] = []
    # Reading all rules takes half a second: once for all cities is enough.
    with patch(
        "api.app.load_rulebook",
        lambda root, served: load_rulebook(root, served) if served or root != ROOT else rulebook(),
    ):
        app = create_app(settings, clock=lambda: held[0].now)
    held.append(City(app, settings))
    async with app.router.lifespan_context(app):
        yield held[0]
        await held[0].client.aclose()


def key_file(folder: Path) -> Path:
    """A fresh key file."""
    path = folder / "keys.json"
    new_key_file(path, demo=True)
    return path
