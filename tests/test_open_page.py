"""What the public page asks besides what everybody asks: offers by words, and the editions of a model."""

from __future__ import annotations

from factories import City

OFFERS = """query ($search: String, $kind: String) { offers(search: $search, kind: $kind, first: 100) {
  edges { node { title partner { name } } } } }"""


async def _found(city: City, **variables: str) -> set[tuple[str, str]]:
    edges = (await city.ask(OFFERS, variables))["data"]["offers"]["edges"]
    return {(edge["node"]["title"], edge["node"]["partner"]["name"]) for edge in edges}


async def test_offers_are_found_by_words_of_title_and_partner(city: City) -> None:
    everything = await _found(city)
    title, partner = min(everything)
    assert (title, partner) in await _found(city, search=f" {title[:2]}  {partner} ")
    assert await _found(city, search=partner) == {one for one in everything if one[1] == partner}
    assert await _found(city, search=f"{title} 没有这个词") == set()
    assert await _found(city, search="  ") == everything


async def test_a_search_of_more_than_a_hundred_letters_is_refused(city: City) -> None:
    body = await city.ask(OFFERS, {"search": "景" * 101})
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_model_names_its_editions(city: City) -> None:
    query = "{ scoreModels { id version editions { version inForceFrom inForceUntil } } }"
    models = (await city.ask(query))["data"]["scoreModels"]
    assert models
    for model in models:
        assert model["version"] in [one["version"] for one in model["editions"]]
        begins = [one["inForceFrom"] for one in model["editions"]]
        assert begins == sorted(begins, reverse=True)
