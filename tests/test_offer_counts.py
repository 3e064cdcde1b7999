"""What a desk sees at one look: how many offers and partners stand where, and what a version states as a whole."""

from __future__ import annotations

from typing import Any

from factories import City
from offer_steps import REASON, act, drafted, offer_draft, opened
from test_offer_life import city

from api.ids import public_id

__all__ = ["city"]
COUNTS = "{ offerCounts { kind { code } state offers } partnerCounts { status partners } }"
TERMS = "query ($id: ID!) { offerWork(id: $id) { versions { version terms { label value } } } }"


async def counts(city: City) -> dict[tuple[str, str], int]:
    found = (await city.ask(COUNTS, by="operator"))["data"]["offerCounts"]
    return {(one["kind"]["code"], one["state"]): one["offers"] for one in found}


async def test_an_offer_counts_for_its_kind_and_state_and_twice_while_a_revision_waits(city: City) -> None:
    before = await counts(city)
    await drafted(city, title="草稿")
    offer = await opened(city)
    one = {("tourism", "DRAFT"): 1, ("tourism", "OPEN"): 1}
    assert await counts(city) == before | {key: before.get(key, 0) + more for key, more in one.items()}
    await act(city, "reviseOffer", offerId=offer, offer=offer_draft(title="修订"), **REASON)
    assert (await counts(city))["tourism", "DRAFT"] == before.get(("tourism", "DRAFT"), 0) + 2
    assert (await counts(city))["tourism", "OPEN"] == before.get(("tourism", "OPEN"), 0) + 1


async def test_the_counts_are_those_of_the_queue(city: City) -> None:
    await drafted(city, title="草稿")
    states = {state for _, state in await counts(city)}
    for state in states:
        query = "query ($states: [OfferState!]) { offerQueue(states: $states, first: 100) { edges { cursor } } }"
        listed = (await city.ask(query, {"states": [state]}, by="operator"))["data"]["offerQueue"]["edges"]
        assert len(listed) == sum(n for (_, found), n in (await counts(city)).items() if found == state), state


async def test_partners_count_where_they_stand(city: City) -> None:
    async def found() -> list[dict[str, Any]]:
        return list((await city.ask(COUNTS, by="operator"))["data"]["partnerCounts"])

    [live] = await found()
    assert live["status"] == "LIVE"
    move = """mutation ($input: MovePartnerInput!) { movePartner(input: $input) {
      ... on Membership { status } ... on Problem { code } } }"""
    moved = await city.do(move, by="operator", partnerId=public_id("Partner", 1), to="SUSPENDED", reason="整改")
    assert moved == {"status": "SUSPENDED"}
    assert await found() == [
        {"status": "LIVE", "partners": live["partners"] - 1},
        {"status": "SUSPENDED", "partners": 1},
    ]


async def test_a_first_version_is_told_whole_and_a_later_one_as_it_would_be(city: City) -> None:
    offer = await opened(city)
    await act(city, "reviseOffer", offerId=offer, offer=offer_draft(title="另一个标题"), **REASON)
    first, second = (await city.ask(TERMS, {"id": offer}, by="reviewer"))["data"]["offerWork"]["versions"]
    told, later = ({one["label"]: one["value"] for one in version["terms"]} for version in (first, second))
    assert told["标题"] == offer_draft()["title"]
    assert told["门槛等级"] == offer_draft()["threshold"]
    assert "(无)" not in told.values()
    assert {label for label in {*told, *later} if told.get(label) != later.get(label)} == {"标题"}


async def test_partners_are_found_by_a_part_of_their_name_or_the_beginning_of_their_uscc(city: City) -> None:
    async def found(search: str) -> list[dict[str, Any]]:
        query = "query ($search: String!) { partnerQueue(search: $search) { edges { node { name uscc } } } }"
        body = await city.ask(query, {"search": search}, by="auditor")
        return [edge["node"] for edge in body["data"]["partnerQueue"]["edges"]]

    everybody = await found("")
    one = everybody[0]
    assert one in await found(one["name"][1:4])
    assert await found(one["uscc"].lower()) == [one]
    assert await found(one["uscc"][1:]) == [], "a USCC is written from its beginning"
    assert await found("%") == [], "what is sought is no pattern"
