"""What the desks need besides: which field of an input is meant, and who the two entries of a waiting merge are."""

from __future__ import annotations

from typing import Any

import pytest
from factories import City
from offer_steps import offer_draft
from test_registry import do, sid

PAIR = """query ($keep: ID!, $drop: ID!) {
  proposedPair(keepId: $keep, dropId: $drop) { ground first { id displayName } second { id } }
}"""
LOG = "{ me { accessLog(first: 50) { edges { node { action purpose } } } } }"
DRAFT = "mutation ($input: DraftOfferInput!) { draftOffer(input: $input) { __typename } }"


async def looked_at(city: City, person: str) -> list[str]:
    body = await city.ask(LOG, by=person)
    return [
        node["purpose"]
        for edge in body["data"]["me"]["accessLog"]["edges"]
        if (node := edge["node"])["action"] == "proposedPair"
    ]


async def test_whoever_confirms_a_merge_sees_both_entries_and_both_read_of_it(city: City) -> None:
    wanted = {"keep": sid(2), "drop": sid(1)}
    assert (await city.ask(PAIR, wanted, by="reviewer"))["data"]["proposedPair"] is None
    assert await looked_at(city, "good") == []
    await do(city, "proposeMerge", keepId=sid(2), dropId=sid(1), reason="公安机关更正证明")
    found = (await city.ask(PAIR, wanted, by="reviewer"))["data"]["proposedPair"]
    assert (found["ground"], found["first"]["id"], found["second"]["id"]) == ("proposed", sid(2), sid(1))
    assert "*" in found["first"]["displayName"]
    assert await looked_at(city, "good") == ["复核合并登记"]
    # The other way round nobody has proposed it.
    turned = (await city.ask(PAIR, {"keep": sid(1), "drop": sid(2)}, by="reviewer"))["data"]
    assert turned["proposedPair"] is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"limits": [{"scope": "OFFER", "period": "DAY", "most": 0}]}, "limits"),
        ({"limits": [{"scope": "PERSON", "period": "EVER", "most": 1}], "limitPerPerson": 2}, "limits"),
        ({"quota": 0}, "quota"),
        ({"alsoOpenTo": ["atlantis"]}, "alsoOpenTo"),
        ({"exclusiveGroup": "组" * 41}, "exclusiveGroup"),
        ({"priority": 2_000_000_000}, "priority"),
        ({"budgetFen": 100}, "mostFen"),
        ({"mostFen": 100}, "budgetFen"),
        ({"threshold": "Z"}, "threshold"),
        ({"effects": []}, "effects"),
        ({"title": "一\n二"}, "title"),
        ({"closesOn": "2020-01-01"}, "closesOn"),
    ],
)
async def test_what_is_wrong_with_an_offer_is_said_of_its_field(city: City, given: dict[str, Any], field: str) -> None:
    body = await city.ask(DRAFT, {"input": offer_draft() | given}, by="operator")
    assert body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": field}
