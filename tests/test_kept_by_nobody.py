"""What a cache between us and a caller may keep. One thing to know: an answer that does not say so itself is kept by
nobody, so a new address cannot forget to."""

from __future__ import annotations

import pytest
from factories import City

ME = "{ me { displayName } }"


@pytest.mark.parametrize("by", ["good", "scenic", "auditor", None])
@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
async def test_no_answer_of_the_interface_is_kept_whoever_asks_and_however(
    city: City, by: str | None, accept: str
) -> None:
    headers = {"accept": accept} | ({"authorization": f"Bearer {city.token(by)}"} if by else {})
    for answer in (
        await city.client.get("/graphql", params={"query": ME}, headers=headers),
        await city.client.post("/graphql", json={"query": ME}, headers=headers),
        await city.client.post("/graphql", content=b"{", headers=headers | {"content-type": "application/json"}),
    ):
        assert answer.headers.get_list("cache-control") == ["no-store"]


@pytest.mark.parametrize(
    "path", ["/nothing", "/healthz", "/metrics", "/intake/x/quarantine", "/settlement/x", "/usage/x", "/open-data"]
)
async def test_nor_is_a_refusal_or_what_is_true_for_a_moment(city: City, path: str) -> None:
    answer = await city.client.get(path, headers={"authorization": f"Bearer {city.token('good')}"})
    assert answer.headers.get_list("cache-control") == ["no-store"]


async def test_what_is_public_says_so_itself(city: City) -> None:
    keys = await city.client.get("/.well-known/jwks.json")
    assert keys.headers.get_list("cache-control") == ["public, max-age=60"]
