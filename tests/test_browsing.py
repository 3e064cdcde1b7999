"""The lists of benefits, asked for piece by piece. One thing to know: whatever has happened, what applies and what does
not are together the whole list, each in its order, however large the pages are."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from factories import OFFERS, City, offer_id
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from offer_steps import offer_draft, opened
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from test_consents import CHECK as CONSENT
from test_consents import GIVE, REVOKE, SCENIC, days

from api.ids import public_id
from core.errors import DataFileError
from core.places import load_places
from partners import browsing
from partners.browsing import is_given_in
from partners.catalogue import bump_catalogue
from partners.standing import Judged, judge_offers
from partners.tables import answers, baselines, grants, offers, partners, quotas, redemptions, verifications
from scoring.tables import consent_steps, consents, scores

READ = """query ($first: Int, $after: String, $kind: String, $available: Boolean, $area: String, $search: String) {
  me { benefits(first: $first, after: $after, kind: $kind, available: $available, area: $area, search: $search) {
    edges { cursor node { available whyNot { code message } nextStep offer { id title districts { code name } } } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""
ADDED = 100
"""The id from which on offers are added here."""
OF_OFFERS = (offers, baselines, quotas)


async def read(city: City, person: str = "good", **asked: Any) -> list[dict[str, Any]]:
    """All pages of a list, one after the other; none but the last is short, and none says more than there is."""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        body = await city.ask(READ, {"first": 7, **asked, "after": after}, by=person)
        assert "errors" not in body, body
        page = body["data"]["me"]["benefits"]
        edges, told = page["edges"], page["pageInfo"]
        assert told["hasPreviousPage"] == (after is not None)
        assert (told["startCursor"], told["endCursor"]) == (
            (edges[0]["cursor"], edges[-1]["cursor"]) if edges else (None, None)
        )
        found += edges
        if not told["hasNextPage"]:
            assert edges or after is None, "no page is empty but a first one"
            return found
        assert len(edges) == asked.get("first", 7)
        after = told["endCursor"]


async def add(connection: AsyncConnection, number: int, like: Any, **values: Any) -> None:
    """Another open offer like one of the small city."""
    key, quota = ADDED + number, values.pop("left", None)
    (standard,) = (await connection.execute(select(baselines).where(baselines.c.offer_id == like.id))).all()
    await connection.execute(insert(offers).values(like._asdict() | values | {"id": key}))
    await connection.execute(insert(baselines).values(standard._asdict() | {"offer_id": key}))
    if quota is not None:
        await connection.execute(insert(quotas).values(offer_id=key, bucket="ever", cap=10, taken=10 - quota))


async def clear(connection: AsyncConnection) -> None:
    """Take back what a run before has done."""
    for table in (redemptions, verifications, answers, consent_steps, consents):
        await connection.execute(delete(table))
    for table in reversed(OF_OFFERS):
        await connection.execute(delete(table).where(table.c["id" if table is offers else "offer_id"] >= ADDED))
    await connection.execute(update(grants).values(revoked_at=None))
    await connection.execute(update(quotas).values(taken=0))
    await connection.execute(update(partners).values(status="LIVE"))


MORE = st.fixed_dictionaries({
    "effects": st.sampled_from([["gift"], ["voucher"], ["deferred-payment"]]),
    "limit_per_person": st.sampled_from([None, None, 1]),
    "left": st.sampled_from([None, None, 0, 1]),
    "exclusive_group": st.sampled_from(["", "", "summer"]),
    "priority": st.integers(0, 2),
    "districts": st.sampled_from([[], ["430502"], ["430503", "430502"]]),
    "title": st.sampled_from(["甲", "乙 Park"]),
})  # fmt: skip
EVENTS = st.one_of(
    st.tuples(st.just("use"), st.integers(0, 30)),
    st.tuples(st.sampled_from(["withhold", "tamper", "revoke grant", "suspend partner", "suspend model"]), st.just(0)),
)
WHO = st.sampled_from(["good", "good", "good", "poor", "plain", "minor", "stranger", "faulty", "elsewhere"])
NARROWER = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.just("tourism"),
        "area": st.sampled_from(["hunan-shaoyang", "guangdong-huizhou", "430502", "441302"]),
        "search": st.sampled_from(["park", "PARK 乙", "导览", ""]),
    },
)

SIZES = st.integers(1, 9)


async def happen(city: City, happened: str, what: int, number: int) -> None:
    """One thing that changes which benefits apply."""
    if happened == "use" and number:
        await city.verify(await city.code("good"), offerId=public_id("Offer", ADDED + what % number))
    elif happened in {"withhold", "tamper"}:
        made = await city.do(GIVE, by="good", **CONSENT, partnerId=SCENIC, endsOn=days(city, 30))
        if happened == "tamper":
            await city.write(update(consents).values(state="PAUSED"), by_hand=True)
        else:
            await city.do(REVOKE, by="good", consentId=made["id"])
    elif happened == "revoke grant":
        await city.write(update(grants).where(grants.c.partner_id == 1).values(revoked_at=city.now))
    elif happened == "suspend partner":
        await city.write(update(partners).where(partners.c.id == 2).values(status="SUSPENDED"))
    elif happened == "suspend model":
        # As where the model cannot speak about anybody: no stored result has a grade.
        await city.write(update(scores).values(grade=None, better_grade=None))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(MORE, max_size=25), st.lists(EVENTS, max_size=6), WHO, NARROWER, st.tuples(SIZES, SIZES))
async def test_what_applies_and_what_does_not_are_together_the_whole_list_in_its_order(  # noqa: PLR0917  # drawn
    city: City,
    more: list[dict[str, Any]],
    events: list[tuple[str, int]],
    person: str,
    narrower: dict[str, Any],
    sizes: tuple[int, int],
) -> None:
    city.now += timedelta(days=1)
    async with city.state.database.transaction() as connection:
        await clear(connection)
        (like,) = (await connection.execute(select(offers).where(offers.c.id == 1))).all()
        for number, values in enumerate(more):
            await add(connection, number, like, **values)
        await bump_catalogue(connection)
    for happened, what in events:
        await happen(city, happened, what, len(more))
    async with city.state.database.transaction() as connection:
        await bump_catalogue(connection)
    whole = await read(city, person, first=sizes[0], **narrower)
    parts = {answer: await read(city, person, first=sizes[1], available=answer, **narrower) for answer in (True, False)}
    assert parts[True] == [edge for edge in whole if edge["node"]["available"]]
    assert parts[False] == [edge for edge in whole if not edge["node"]["available"]]
    assert all(edge["node"]["available"] is not bool(edge["node"]["whyNot"]) for edge in whole)
    assert all((edge["node"]["nextStep"] is None) == edge["node"]["available"] for edge in whole)
    assert len({edge["cursor"] for edge in whole}) == len(whole)


async def ids(city: City, person: str = "good", **asked: Any) -> list[str]:
    """Names of the offers in a list, or their ids where they have none here."""
    names = {offer_id(name): name for name in OFFERS}
    return [names.get(found := edge["node"]["offer"]["id"], found) for edge in await read(city, person, **asked)]


async def at(city: City, offer: str, **values: Any) -> None:
    """Change an offer of the small city."""
    async with city.state.database.transaction() as connection:
        await connection.execute(update(offers).where(offers.c.id == list(OFFERS).index(offer) + 1).values(**values))
        await bump_catalogue(connection)


async def test_in_a_district_is_what_names_it_and_what_is_given_all_over_its_place(city: City) -> None:
    await at(city, "museum", districts=["430502"])
    await at(city, "tower", districts=["430503", "430582"])
    assert await ids(city) == ["museum", "tower", "garden", "clinic"]
    assert await ids(city, area="hunan-shaoyang") == ["museum", "tower", "garden", "clinic"]
    assert await ids(city, area="430502") == ["museum", "garden", "clinic"]
    assert await ids(city, area="430582") == ["tower", "garden", "clinic"]
    assert await ids(city, area="430511", kind="medical") == ["clinic"]
    assert await ids(city, area="guangdong-huizhou") == []
    assert await ids(city, area="441302") == []
    shown = (await read(city, area="430582"))[0]["node"]["offer"]["districts"]
    assert shown == [{"code": "430503", "name": "大祥区"}, {"code": "430582", "name": "邵东市"}]


def test_what_a_wider_place_gives_is_given_in_its_places_and_their_districts() -> None:
    places = load_places()

    def given_in(place: str, *districts: str) -> list[str]:
        offer: Any = SimpleNamespace(partner=SimpleNamespace(place=place), districts=dict.fromkeys(districts, ""))
        return [area for area in ("cn", "hunan-shaoyang", "430502", "430503") if is_given_in(offer, area, places)]

    assert given_in("cn") == ["cn", "hunan-shaoyang", "430502", "430503"]
    assert given_in("hunan-shaoyang") == ["hunan-shaoyang", "430502", "430503"], "not all over the country"
    assert given_in("hunan-shaoyang", "430503") == ["hunan-shaoyang", "430503"]
    assert given_in("guangdong-huizhou") == []


@pytest.mark.parametrize("area", ["", "430501", "nowhere", "双清区"])
@pytest.mark.parametrize("person", ["good", "stranger"])
async def test_an_area_that_there_is_not_is_said_even_where_there_is_nothing_to_look_through(
    city: City, area: str, person: str
) -> None:
    for available in (None, True, False):
        body = await city.ask(READ, {"area": area, "available": available}, by=person)
        (error,) = body["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert "servedPlaces" in error["message"]


async def test_a_subject_is_told_its_registered_district_and_every_district_of_a_place(city: City) -> None:
    asked = "{ me { place district } servedPlaces { code districts { code name } } }"
    body = (await city.ask(asked, by="good"))["data"]
    assert body["me"] == {"place": "hunan-shaoyang", "district": "430502"}
    (shaoyang,) = [one for one in body["servedPlaces"] if one["code"] == "hunan-shaoyang"]
    assert shaoyang["districts"][0] == {"code": "430502", "name": "双清区"}
    assert len(shaoyang["districts"]) == 12
    elsewhere = (await city.ask(asked, by="elsewhere"))["data"]["me"]
    assert elsewhere == {"place": "guangdong-huizhou", "district": None}, "its number is of another city"


async def test_an_offer_names_districts_of_its_partners_place_alone(city: City) -> None:
    submit = "mutation ($input: SubmitOfferInput!) { submitOffer(input: $input) { __typename } }"
    for districts, said in ((["441302"], "441302"), (["430502", "双清区"], "双清区")):
        body = await city.ask(submit, {"input": offer_draft(districts=districts)}, by="operator")
        (error,) = body["errors"]
        assert f"没有这些区县:{said}。可选:430502 双清区" in error["message"]
    offer = await opened(city, districts=["430502", "430502"])
    assert (await read(city, area="430502"))[-1]["node"]["offer"] == {
        "id": offer,
        "title": "守信游客赠册",
        "districts": [{"code": "430502", "name": "双清区"}],
    }
    assert offer not in await ids(city, area="430503")


async def test_a_consent_changed_by_hand_says_nothing_of_another_partner(city: City) -> None:
    """A scan looks at the consents to its own partner; so does the list."""
    made = await city.do(GIVE, by="good", **CONSENT, partnerId=SCENIC, endsOn=days(city, 30))
    await city.do(REVOKE, by="good", consentId=made["id"])
    await city.write(update(consents).values(state="ACTIVE"), by_hand=True)
    assert await ids(city, available=True) == ["clinic"]
    assert {why["code"] for edge in await read(city, available=False) for why in edge["node"]["whyNot"]} == {
        "UNDER_REVIEW"
    }
    assert (await city.verify(await city.code("good"), "clinic", by="hospital"))["outcome"] == "BENEFIT_APPLIES"


async def test_a_page_looks_at_what_it_shows_and_one_more_however_many_offers_there_are(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []

    async def counted(*args: Any, **asked: Any) -> list[Judged]:
        looked_at.append(len(asked["offers"]))
        return await judge_offers(*args, **asked)

    monkeypatch.setattr(browsing, "judge_offers", counted)

    async def goes(person: str, **asked: Any) -> list[int]:
        looked_at.clear()
        assert "errors" not in await city.ask(READ, {"first": 3, **asked}, by=person)
        return list(looked_at)

    async with city.state.database.transaction() as connection:
        (like,) = (await connection.execute(select(offers).where(offers.c.id == 1))).all()
        for number in range(500):
            await add(connection, number, like, limit_per_person=1 if number % 2 else None)
        await bump_catalogue(connection)
    assert len(await read(city, first=100)) == 504
    assert await goes("good") == await goes("good", available=True) == await goes("plain", available=False) == [4]
    assert await goes("plain", available=True) == [], "what cannot be had is not looked at one by one"
    assert await goes("good", available=False) == [4, 16, 64, 256, 164], "all of it, in a few goes"


def test_two_places_cannot_list_one_district(tmp_path: Path) -> None:
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "place.yaml").write_text(f'name: {place}\ndistricts: {{"430502": 双清区}}\n', "utf-8")
    with pytest.raises(DataFileError, match=r"there/place\.yaml.*here 已列出这个区县"):
        load_places(tmp_path)
    (tmp_path / "there" / "place.yaml").write_text('name: 彼\ndistricts: {"43050": 双清区}\n', "utf-8")
    with pytest.raises(DataFileError, match="there"):
        load_places(tmp_path)
