"""The published list of measures, as anybody reads it."""

from __future__ import annotations

from factories import City

LIST = """query ($place: String!, $kind: String) { measures(place: $place, kind: $kind) {
  id name kinds adds payers relative inForceFrom source sourceStatus } }"""


async def test_anybody_reads_the_measures_of_a_place_with_their_sources(city: City) -> None:
    found = (await city.ask(LIST, {"place": "hunan-shaoyang"}))["data"]["measures"]
    assert found
    assert all(one["source"] and one["adds"] and one["kinds"] for one in found)
    assert {one["sourceStatus"] for one in found} <= {"OFFICIAL", "INTERPRETATION", "ILLUSTRATIVE"}
    parking = (await city.ask(LIST, {"place": "hunan-shaoyang", "kind": "parking"}))["data"]["measures"]
    assert parking
    assert all("parking" in one["kinds"] for one in parking)


async def test_a_place_that_is_not_there_has_no_list(city: City) -> None:
    body = await city.ask(LIST, {"place": "nowhere"})
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_kind_says_what_is_standard_what_it_adds_and_what_is_watched(city: City) -> None:
    kinds = (await city.ask("{ benefitKinds { code standard adds protectedService limits source } }"))["data"]
    (medical,) = [kind for kind in kinds["benefitKinds"] if kind["code"] == "medical"]
    assert (medical["protectedService"], "deferred-payment" in medical["adds"]) == (True, True)
    assert all(kind["standard"] and kind["limits"] and kind["source"] for kind in kinds["benefitKinds"])
