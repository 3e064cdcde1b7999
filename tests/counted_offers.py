"""Offers with limits, for the tests that count. One thing to know: the books of any offer can be drawn up from the rows
that hold something, and must agree with `quotas`."""

from __future__ import annotations

from collections import Counter
from typing import Any

from factories import OFFERS, City, offer_id
from sqlalchemy import update

from partners.catalogue import bump_catalogue
from partners.tables import offers, quotas, redemptions, verifications

RELEASE = """mutation ($input: ReleaseVerificationInput!) { releaseVerification(input: $input) { __typename
  ... on ReleasedVerification { id releasedAt } ... on Problem { code message } } }"""
BENEFITS = """{ me { benefits { edges { node { offer { id } available whyNot { code message } nextStep } } } } }"""


def key_of(offer: str) -> int:
    """The id of an offer of the small city in the database."""
    return list(OFFERS).index(offer) + 1


def limit(scope: str, period: str, most: int) -> dict[str, Any]:
    """A limit as the column has it."""
    return {"scope": scope, "period": period, "most": most}


async def change(city: City, offer: str, **values: Any) -> None:
    """Let an offer have other columns from now on."""
    async with city.state.database.transaction() as connection:
        await connection.execute(update(offers).where(offers.c.id == key_of(offer)).values(**values))
        await bump_catalogue(connection)


async def scan(city: City, offer: str = "museum", person: str = "good", **given: Any) -> dict[str, Any]:
    """That person shows a fresh code there."""
    return await city.verify(await city.code(person), offer, **given)


async def outcome(city: City, offer: str = "museum", person: str = "good", **given: Any) -> str:
    """What the partner learns: an outcome, or a Problem's code."""
    answer = await scan(city, offer, person, **given)
    return str(answer.get("outcome") or answer["code"])


async def release(city: City, verification: str, *, by: str = "scenic", **given: Any) -> dict[str, Any]:
    """A partner gives a verified benefit back."""
    asked = {"requestId": city.next_request(), "verificationId": verification} | given
    return await city.do(RELEASE, by=by, **asked)


async def benefit(city: City, offer: str, person: str = "good") -> dict[str, Any]:
    """How that person reads of the offer in its own list."""
    body = await city.ask(BENEFITS, by=person)
    nodes = [edge["node"] for edge in body["data"]["me"]["benefits"]["edges"]]
    (found,) = [node for node in nodes if node["offer"]["id"] == offer_id(offer)]
    assert found["available"] == (not found["whyNot"])
    assert (found["nextStep"] is None) == found["available"]
    return dict(found)


async def books(city: City) -> tuple[dict[tuple[int, str], int], dict[tuple[int, str], int]]:
    """What is taken of each bucket, and what the rows hold of it; buckets of which nothing is taken are left out."""
    offer_of: dict[Any, int] = {}
    held: Counter[tuple[int, str]] = Counter()
    for row in await city.rows(verifications):
        offer_of[row.id] = row.offer_id
        if row.reserved:
            held.update({(row.offer_id, name): units for name, units in row.holds})
    for row in await city.rows(redemptions):
        if row.reversed_at is None:
            held.update({(offer_of[row.verification_id], name): units for name, units in row.holds or ()})
    taken = {(row.offer_id, row.bucket): row.taken for row in await city.rows(quotas) if row.taken}
    return taken, {key: units for key, units in held.items() if units}


async def check_books(city: City) -> None:
    """Every unit taken is held by exactly one row."""
    taken, held = await books(city)
    assert taken == held
