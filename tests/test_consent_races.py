"""Revocation against verification. One thing to know: once a revocation is answered, no check anywhere that begins
later finds the consent, whichever process or connection it runs on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from factories import City, open_city
from test_consents import ANSWER, PAUSE, RESUME, REVOKE, ask, give

from partners.codes import issue_code
from scoring.tables import consent_steps, consents

deployments = pytest.mark.parametrize(
    ("city_url", "cities"),
    [("sqlite", 1), ("postgresql", 1), ("postgresql", 2)],
    ids=["sqlite", "postgresql", "two-instances-one-postgresql"],
    indirect=True,
)


@pytest.fixture
async def cities(request: pytest.FixtureRequest, city_url: str, keys_file: Path) -> AsyncIterator[list[City]]:
    """As many instances of the application as the parameter says, over one database."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(open_city(database_url=city_url, keys_file=keys_file, rate_burst=10_000))
            for _ in range(request.param)
        ]


def code(city: City) -> str:
    return issue_code(city.keys, subject_id=1, offer_id=None, now=city.now)[1]


@deployments
async def test_a_revocation_holds_at_the_very_next_check_while_others_scan(cities: list[City]) -> None:
    mine, other = cities[0], cities[-1]
    await mine.verify(code(mine))  # the score is stored now
    for _ in range(10):
        given = await give(mine)
        revoked = asyncio.Event()
        late: list[str] = []

        async def scan(revoked: asyncio.Event, late: list[str]) -> None:
            for _ in range(12):
                began_after = revoked.is_set()
                answer = await other.verify(code(other))
                if began_after:
                    late.append(answer["outcome"])

        async def revoke(given: dict[str, Any], revoked: asyncio.Event) -> None:
            await asyncio.sleep(0.005)
            await mine.do(REVOKE, by="good", consentId=given["id"])
            revoked.set()

        await asyncio.gather(*(scan(revoked, late) for _ in range(4)), revoke(given, revoked))
        late.append((await other.verify(code(other)))["outcome"])
        assert set(late) == {"STANDARD_SERVICE"}


@deployments
async def test_many_moves_at_once_leave_one_line_of_steps_and_a_consent_that_is_whole(cities: list[City]) -> None:
    one = cities[0]
    asked = await ask(one)
    moves: list[tuple[str, dict[str, Any]]] = [(ANSWER, {"accept": True}), (ANSWER, {"accept": False})]
    await asyncio.gather(
        *(
            cities[n % len(cities)].do(mutation, by="good", consentId=asked["id"], **more)
            for n, (mutation, more) in enumerate(moves * 5)
        )
    )
    (row,) = await one.rows(consents)
    assert row.state in ("ACTIVE", "REFUSED")
    assert [step.step for step in await one.rows(consent_steps)] == [1, 2]
    given = await give(one, by="plain")
    await asyncio.gather(
        *(
            cities[n % len(cities)].do((PAUSE, RESUME, REVOKE)[n % 3], by="plain", consentId=given["id"])
            for n in range(12)
        )
    )
    last = await one.do(REVOKE, by="plain", consentId=given["id"])
    assert last["state"] == "REVOKED"
    assert [step["act"] for step in last["steps"]].count("revoke") == 1
