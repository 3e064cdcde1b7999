"""What somebody tried at the doors who had read the code, and what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from factories import City
from sign_ins import sign_in
from streaming import Talk, serving

from api.identity.sessions import tokens_of
from core.errors import Unavailable
from core.news import Texts
from partners.sessions.opening import end_session

ENOUGH_TO_LOCK = 50
SQLITE = pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
MINE = "subscription { mine { text } }"


async def post(city: City, path: str, **content: Any) -> Any:
    return await city.client.post(f"/sign-in/{path}", json=content)


async def test_garbage_from_an_address_locks_out_nobody_there_who_is_signed_in(city: City) -> None:
    tokens = tokens_of(city.state, await sign_in(city, "good"), now=city.now)
    for _ in range(ENOUGH_TO_LOCK):
        refused = await post(city, "refresh", refresh_token="guess")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "LOCKED")
    before = await city.tally()
    assert (await post(city, "refresh", refresh_token="guess")).json()["error"]["code"] == "LOCKED"
    assert await city.tally() == before, "and what is locked writes nothing any more"
    renewed = await post(city, "refresh", refresh_token=tokens["refresh_token"])
    assert renewed.status_code == 200, renewed.text


@SQLITE
async def test_a_stream_whose_session_nobody_could_watch_tells_nothing_once_it_has_ended(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = await sign_in(city, "good")
    tokens = tokens_of(city.state, opened, now=city.now)
    listen = city.state.cache.listen

    @asynccontextmanager
    async def lost(*topics: str) -> AsyncIterator[Texts]:
        if topics[0].startswith("session:"):
            raise Unavailable
        async with listen(*topics) as texts:
            yield texts

    monkeypatch.setattr(city.state.cache, "listen", lost)
    async with serving(city) as served, served.socket() as socket:
        talk = Talk(socket)
        await talk.send(type="connection_init", payload={"authorization": f"Bearer {tokens['access_token']}"})
        assert await talk.receive() == {"type": "connection_ack"}
        await talk.subscribe(MINE)
        await served.heard()
        async with city.state.database.transaction() as connection:
            await end_session(connection, account="good", session_id=opened.id, now=city.now)
        served.say("a secret")
        answer = await talk.receive()
        assert (answer["type"], answer["payload"][0]["extensions"]["code"]) == ("error", "UNAUTHENTICATED")


@SQLITE
async def test_bad_tokens_are_counted_like_any_other_question(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = tokens_of(city.state, opened := await sign_in(city, "good"), now=city.now)
    async with city.state.database.transaction() as connection:
        await end_session(connection, account="good", session_id=opened.id, now=city.now)

    async def ask(token: str) -> str:
        headers = {"authorization": f"Bearer {token}"}
        response = await city.client.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
        return str(response.json()["errors"][0]["extensions"]["code"])

    told = [await ask(token) for _ in range(600) for token in ("x.y.z", tokens["access_token"])]
    assert told[0] == told[1] == "UNAUTHENTICATED"
    assert told[-1] == "THROTTLED"
