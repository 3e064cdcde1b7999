"""Asking beyond one's grant, and asking many offers about one person. One thing to know: a refusal depends on what the
partner did, never on how the person stands, and an alarm names no person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from counted_offers import outcome, scan
from factories import NOON, City, offer_id
from sqlalchemy import insert, select, update

from api.ids import public_id
from partners.catalogue import bump_catalogue
from partners.probing import Rate, look_for_unusual_rates
from partners.tables import baselines, grants, offers, security_events, verifications

GRANT = """mutation ($input: GrantAccessInput!) { grantAccess(input: $input) { __typename
  ... on Grant { id service purpose what predicate revokedAt } ... on Problem { code message } } }"""
REVOKE = """mutation ($input: RevokeGrantInput!) { revokeGrant(input: $input) { __typename
  ... on Grant { id revokedAt remark } ... on Problem { code message } } }"""
GRANTS = "{ partner { grants { id service what revokedAt remark } } }"


async def alarms(city: City, kind: str) -> list[Any]:
    return [row for row in await city.rows(security_events) if row.kind == kind]


async def more_offers(city: City, number: int) -> list[str]:
    """So many more offers like the museum's; their public ids."""
    async with city.state.database.transaction() as connection:
        row = dict((await connection.execute(select(offers).where(offers.c.id == 1))).one()._mapping)
        terms = dict((await connection.execute(select(baselines).where(baselines.c.offer_id == 1))).one()._mapping)
        for key in range(500, 500 + number):
            await connection.execute(insert(offers).values(row | {"id": key}))
            await connection.execute(insert(baselines).values(terms | {"offer_id": key}))
        await bump_catalogue(connection)
    return [public_id("Offer", key) for key in range(500, 500 + number)]


async def revoke_all(city: City) -> None:
    async with city.state.database.transaction() as connection:
        await connection.execute(update(grants).values(revoked_at=city.now, revoked_by="operator"))
        await bump_catalogue(connection)


async def test_a_sixth_offer_about_one_person_is_refused_and_alarmed_once_an_hour(city: City) -> None:
    listed = await more_offers(city, 8)
    for offer in listed[:5]:
        assert (await scan(city, offerId=offer))["outcome"] == "BENEFIT_APPLIES"
    code = await city.code("good")
    refused = await city.verify(code, offerId=listed[5])
    assert refused["code"] == "TOO_MANY_OFFERS"
    assert (await scan(city, offerId=listed[6]))["code"] == "TOO_MANY_OFFERS"
    assert (await scan(city, offerId=listed[0]))["outcome"] == "BENEFIT_APPLIES", "it was among the five"
    assert [event["problem"] for event in await city.log("good")][1:3] == ["TOO_MANY_OFFERS"] * 2
    (alarm,) = await alarms(city, "PROBING")
    assert alarm.partner_id == 1
    assert "subject" not in str(alarm.detail)
    city.wait(minutes=10, seconds=1)
    assert (await scan(city, offerId=listed[6]))["outcome"] == "BENEFIT_APPLIES"


async def test_the_refusal_is_the_same_about_everybody_and_counts_each_person_by_itself(city: City) -> None:
    listed = await more_offers(city, 6)
    told = {}
    for person in ("good", "plain", "poor", "minor", "faulty", "elsewhere"):
        for offer in listed[:5]:
            assert (await scan(city, person=person, offerId=offer))["__typename"] == "Verification"
        told[person] = await scan(city, person=person, offerId=listed[5])
    assert {answer["code"] for answer in told.values()} == {"TOO_MANY_OFFERS"}
    assert len({answer["message"] for answer in told.values()}) == 1
    assert len(await alarms(city, "PROBING")) == 6


async def test_another_partner_is_not_held_to_account_for_it(city: City) -> None:
    for offer in (await more_offers(city, 5))[:5]:
        await scan(city, offerId=offer)
    assert await outcome(city, "clinic", by="hospital") == "BENEFIT_APPLIES"
    assert await alarms(city, "PROBING") == []


async def test_an_offer_beyond_the_grant_is_refused_and_stands_on_the_log(city: City) -> None:
    await revoke_all(city)
    code = await city.code("good")
    refused = await city.verify(code)
    assert refused["code"] == "OUT_OF_GRANT"
    assert [event["problem"] for event in await city.log("good")] == ["OUT_OF_GRANT"]
    assert await outcome(city, "clinic") == "OFFER_NOT_YOURS", "which comes first"
    assert await outcome(city, "ended") == "OUT_OF_GRANT", "and this before what is closed"
    async with city.state.database.transaction() as connection:
        await connection.execute(update(grants).values(revoked_at=None))
        await bump_catalogue(connection)
    assert (await city.verify(code))["outcome"] == "BENEFIT_APPLIES", "the code is still good"


async def test_trying_again_and_again_beyond_the_grant_is_probing(city: City) -> None:
    await revoke_all(city)
    assert [await outcome(city) for _ in range(7)] == ["OUT_OF_GRANT"] * 5 + ["TOO_MANY_OFFERS"] * 2
    assert len(await alarms(city, "PROBING")) == 1
    assert await outcome(city, person="plain") == "OUT_OF_GRANT"
    city.wait(minutes=11)
    assert await outcome(city) == "OUT_OF_GRANT"


async def test_a_grant_is_given_revoked_and_given_again_by_an_operator(city: City) -> None:
    held = (await city.ask(GRANTS, by="scenic"))["data"]["partner"]["grants"]
    assert [(one["service"], one["revokedAt"]) for one in held] == [("tourism", None)]
    assert "只答两种" in held[0]["what"]
    reserved = await scan(city)
    ended = await city.do(REVOKE, by="operator", grantId=held[0]["id"], reason="超出用途")
    assert (ended["revokedAt"], ended["remark"]) == (city.now.isoformat(), "超出用途")
    assert (await city.do(REVOKE, by="operator", grantId=held[0]["id"], reason="超出用途"))["code"] == "NO_GRANT"
    assert await outcome(city) == "OUT_OF_GRANT"
    assert (await city.redeem(reserved["id"]))["__typename"] == "Redemption", "what was reserved still redeems"
    asked = {"partnerId": public_id("Partner", 1), "service": "tourism", "model": "xiangxinfen", "threshold": "A"}
    given = await city.do(GRANT, by="operator", **asked)
    assert (given["predicate"], given["revokedAt"]) == ("xiangxinfen >= A", None)
    assert (await city.do(GRANT, by="operator", **asked))["id"] == given["id"]
    assert await outcome(city) == "BENEFIT_APPLIES"
    assert len((await city.ask(GRANTS, by="scenic"))["data"]["partner"]["grants"]) == 2


async def test_what_is_asked_is_shown_before_consent_and_says_no_grade(city: City) -> None:
    query = "query ($id: ID!) { node(id: $id) { ... on Offer { grant { purpose what } } } }"
    shown = (await city.ask(query, {"id": offer_id("museum")}))["data"]["node"]["grant"]
    assert shown == {
        "purpose": "出示信用码时核验是否享受优惠",
        "what": "只答两种:享受优惠,或标准服务(用于信易游);得不到分数、等级、记录和原因。",
    }
    await revoke_all(city)
    assert (await city.ask(query, {"id": offer_id("museum")}))["data"]["node"] == {"grant": None}


async def test_an_operator_reads_any_partners_grants_and_another_partner_none(city: City) -> None:
    query = "query ($id: ID!) { node(id: $id) { ... on Partner { grants { id } } } }"
    for by, seen in (("operator", True), ("representative", True), ("scenic", True), ("hospital", False)):
        found = (await city.ask(query, {"id": public_id("Partner", 1)}, by=by))["data"]["node"]["grants"]
        assert (found is not None) == seen, by


@pytest.mark.parametrize(
    ("last_hour", "median_hour", "unusual"), [(199, 0, False), (200, 0, True), (200, 20, False), (201, 20, True)]
)
def test_an_hour_is_unusual_from_two_hundred_on_and_above_ten_times_the_median(
    last_hour: int, median_hour: float, unusual: bool
) -> None:
    assert Rate(1, last_hour, median_hour).is_unusual is unusual


async def test_a_partner_that_asks_far_more_than_usual_raises_one_alarm_a_day(city: City) -> None:
    def rows(number: int, at: Any) -> list[dict[str, Any]]:
        fixed = {"subject_id": 1, "partner_id": 1, "offer_id": 1, "offer_version": 1, "outcome": "STANDARD_SERVICE"}
        times = {"at": at, "expires_at": at, "reserved": False, "lapsed": False, "account": "scenic"}
        return [fixed | times | {"id": uuid4(), "code_id": uuid4().bytes} for _ in range(number)]

    usual = [row for day in range(1, 8) for row in rows(15, NOON - timedelta(days=day))]
    await city.write(insert(verifications).values(usual), insert(verifications).values(rows(150, NOON)))

    async def look(kept: dict[Any, float]) -> list[Rate]:
        async with city.state.database.transaction() as connection:
            return await look_for_unusual_rates(connection, usual=kept, now=city.now)

    city.wait(minutes=30)
    assert await look({}) == [], "150 is ten times the usual, but not 200"
    await city.write(insert(verifications).values(rows(60, city.now)))
    kept: dict[Any, float] = {}
    assert await look(kept) == [Rate(1, 210, 15.0)]
    assert list(kept.values()) == [15.0]
    assert await look(kept) == []
    (alarm,) = await alarms(city, "UNUSUAL_RATE")
    assert (alarm.partner_id, alarm.detail) == (1, {"lastHour": 210, "medianHour": 15.0})
