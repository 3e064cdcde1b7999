"""A stolen key: one act ends it, voids what it verified, gives back what that held, and tells those concerned."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from factories import REDEEM, City, offer_id
from joining import (
    REGISTER_KEY,
    STOLEN,
    KeyPair,
    ask_with,
    do_with,
    token_of,
)
from sqlalchemy import event, insert

from api.ids import public_id, uuid_of
from core.identifiers import new_id
from partners.onboarding.tables import partner_keys
from partners.tables import notices, quotas, security_events, verifications

VERIFY = """mutation ($input: VerifyCreditCodeInput!) { verifyCreditCode(input: $input) { __typename
  ... on Verification { id outcome } ... on Problem { code message } } }"""
DOUBTFUL = """query ($keyId: ID!, $first: Int, $after: String) { doubtfulRedemptions(
  keyId: $keyId, first: $first, after: $after) { edges { node { id offerId redeemedAt } } pageInfo { endCursor } } }"""
SCENIC = public_id("Partner", 1)


async def registered(city: City, use: str = "LIVE", *, token: str | None = None) -> tuple[KeyPair, str, str]:
    """A key of the scenic spot: the pair, its id, a token."""
    key = KeyPair()
    given = {"use": use, "publicKey": key.text}
    done = await (
        do_with(city, token, REGISTER_KEY, **given) if token else city.do(REGISTER_KEY, by="representative", **given)
    )
    assert done["__typename"] == "PartnerKey", done
    return key, done["id"], await token_of(city, key, SCENIC)


async def verified(city: City, token: str, person: str, offer: str = "museum") -> dict[str, Any]:
    """A scan through that key."""
    asked = {"requestId": city.next_request(), "code": await city.code(person), "offerId": offer_id(offer)}
    return await do_with(city, token, VERIFY, **asked)


async def taken(city: City) -> int:
    """Units of the tower's quota that are gone."""
    return sum(row.taken for row in await city.rows(quotas))


async def test_one_act_ends_the_key_voids_gives_back_and_tells(city: City) -> None:
    _, key, token = await registered(city)
    before = await verified(city, token, "good")
    city.wait(minutes=1)
    since = city.now
    used = await verified(city, token, "good", "tower")
    redeemed = await do_with(city, token, REDEEM, requestId="r", verificationId=used["id"])
    held = await verified(city, token, "good", "tower")
    await verified(city, token, "poor")
    own = await city.verify(await city.code("good"))
    assert await taken(city) == 2
    city.wait(seconds=30)
    done = await city.do(STOLEN, by="representative", keyId=key, since=since.isoformat(), reason="电脑失窃")
    assert done == {
        "__typename": "StolenKeyReport",
        "keysRevoked": 1,
        "verificationsVoided": 3,
        "redeemed": 1,
        "subjectsTold": 2,
        "key": {"live": False},
    }
    assert await taken(city) == 1, "what was redeemed stays"
    body = await ask_with(city, token, "{ partner { id } }")
    assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    for verification, expected in ((held, "Problem"), (before, "Redemption"), (own, "Redemption")):
        assert (await city.redeem(verification["id"]))["__typename"] == expected
    told = await city.rows(notices)
    assert sorted(row.subject_id for row in told) == [1, 3]
    assert {row.kind for row in told} == {"stolen-key"}
    assert "测试scenic" in told[0].text
    [alarm] = [row for row in await city.rows(security_events) if row.kind == "STOLEN_KEY"]
    assert (alarm.partner_id, alarm.detail["voided"], alarm.detail["redeemed"]) == (1, 3, 1)
    page = (await city.ask(DOUBTFUL, {"keyId": key}, by="representative"))["data"]["doubtfulRedemptions"]
    assert [edge["node"]["id"] for edge in page["edges"]] == [redeemed["id"]]


async def test_reporting_again_voids_what_was_still_on_its_way_and_nothing_twice(city: City) -> None:
    _, key, token = await registered(city)
    since = city.now
    await verified(city, token, "good", "tower")
    await city.do(STOLEN, by="representative", keyId=key, since=since.isoformat(), reason="失窃")
    late = {row.account for row in await city.rows(verifications)}.pop()
    [row] = await city.rows(verifications)
    straggler = row._asdict() | {"id": new_id(), "code_id": b"late", "voided_at": None, "account": late}
    await city.write(insert(verifications).values(straggler))
    city.wait(seconds=1)
    again = await city.do(STOLEN, by="operator", keyId=key, since=since.isoformat(), reason="复查")
    assert (again["keysRevoked"], again["verificationsVoided"], await taken(city)) == (0, 1, 0)


async def test_keys_registered_with_a_stolen_desk_key_end_with_it(city: City) -> None:
    key = KeyPair()
    given = {"use": "DESK", "publicKey": key.text, "partnerId": SCENIC}
    done = await city.do(REGISTER_KEY, by="operator", **given)
    stolen = await token_of(city, key, SCENIC)
    _, _, before = await registered(city, token=stolen)
    city.wait(minutes=1)
    since = city.now
    _, _, planted = await registered(city, token=stolen)
    await verified(city, planted, "good", "tower")
    report = await city.do(STOLEN, by="representative", keyId=done["id"], since=since.isoformat(), reason="失窃")
    assert (report["keysRevoked"], report["verificationsVoided"], await taken(city)) == (2, 1, 0)
    assert "errors" in await ask_with(city, planted, "{ partner { id } }")
    assert "errors" not in await ask_with(city, before, "{ partner { id } }")


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_a_theft_that_lies_ahead_or_of_another_partners_key_is_refused(city: City) -> None:
    _, key, _ = await registered(city)
    ahead = {"keyId": key, "since": (city.now + timedelta(seconds=1)).isoformat(), "reason": "x"}
    body = await city.ask(STOLEN, {"input": ahead}, by="representative")
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    never = {"keyId": public_id("PartnerKey", new_id()), "since": city.now.isoformat(), "reason": "x"}
    assert (await city.do(STOLEN, by="representative", **never))["code"] == "UNKNOWN_KEY"


class Broken(Exception):
    """The process died here."""


async def test_a_crash_at_any_statement_leaves_all_or_nothing(city: City) -> None:
    _, key, token = await registered(city)
    since = city.now
    for person in ("good", "plain"):
        await verified(city, token, person, "tower")
    before, engine = await city.tally(), city.state.database.writer.sync_engine
    state = (await taken(city), [row.voided_at for row in await city.rows(verifications)])
    given = {"keyId": key, "since": since.isoformat(), "reason": "失窃"}
    number = 0
    while True:
        number += 1
        left = [number]

        def count(*_: Any, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Broken

        event.listen(engine, "before_cursor_execute", count)
        try:
            with suppress(Broken):
                body = await city.ask(STOLEN, {"input": given}, by="representative")
        finally:
            event.remove(engine, "before_cursor_execute", count)
        if left[0] > 0:
            break
        assert "errors" in body
        assert await city.tally() == before, number
        assert (await taken(city), [row.voided_at for row in await city.rows(verifications)]) == state
    assert number > 10
    assert body["data"]["reportStolenKey"]["verificationsVoided"] == 2
    assert await taken(city) == 0


@pytest.mark.parametrize("city_url", ["postgresql"], indirect=True)
async def test_thousands_are_voided_and_told_once_each(city: City) -> None:
    _, key, token = await registered(city)
    since = city.now
    await verified(city, token, "good", "tower")
    joined = await city.move_in(300)
    [row] = await city.rows(verifications)
    [held] = [one for one in await city.rows(partner_keys) if one.id == uuid_of(key, "PartnerKey")]
    rows = [
        row._asdict() | {"subject_id": subject, "id": new_id(), "code_id": f"{subject}-{n}".encode(), "reserved": False}
        for subject in joined.values()
        for n in range(20)
    ]
    async with city.state.database.transaction() as connection:
        await connection.execute(insert(verifications), rows)
    assert held.account == row.account
    done = await city.do(STOLEN, by="representative", keyId=key, since=since.isoformat(), reason="失窃")
    assert (done["verificationsVoided"], done["subjectsTold"], await taken(city)) == (6001, 301, 0)
    assert len(await city.rows(notices)) == 301
