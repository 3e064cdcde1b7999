"""GraphQL over server-sent events: one POST, one stream; and JSON for whoever would rather have that."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from factories import City
from streaming import TICKS, Served, serving

from api.identity.bearer import issue_token
from api.transport import sse
from partners.accounts import Role

EVENTS = "text/event-stream"
URQL = (
    "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"
)
Event = tuple[str, Any]
COMPLETE: Event = ("complete", None)


@pytest.fixture
def city_url(sqlite_template: Path, tmp_path: Path) -> str:
    """SQLite alone: nothing here depends on the store."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    return f"sqlite+aiosqlite:///{tmp_path}/city.db"


@pytest.fixture
async def served(city: City) -> AsyncIterator[Served]:
    """The city on a port."""
    async with serving(city) as running:
        yield running


class Stream:
    """The events of a response."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()
        self.comments = 0

    async def next(self) -> Event | None:
        """The next event, None at the end; what it says of its cost is left out."""
        name = ""
        async with asyncio.timeout(5):
            async for line in self._lines:
                self.comments += line == ":"
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                if line.startswith("data:"):
                    data = orjson.loads(line.removeprefix("data:") or "null")
                    if isinstance(data, dict):
                        data.pop("extensions", None)
                    return name, data
        return None

    async def all(self) -> list[Event]:
        """All that come until the end."""
        found = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found


@asynccontextmanager
async def asking(served: Served, query: str, *, accept: str = EVENTS, by: str | None = None) -> AsyncIterator[Stream]:
    """A POST that is answered with a stream."""
    headers = {"accept": accept} | ({"authorization": f"Bearer {served.city.token(by)}"} if by else {})
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        client.stream("POST", served.url, json={"query": query}, headers=headers) as response,
    ):
        assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        yield Stream(response)


async def post(served: Served, query: str, accept: str, method: str = "POST") -> httpx.Response:
    """A request that is answered with JSON."""
    given: dict[str, Any] = {"json": {"query": query}} if method == "POST" else {"params": {"query": query}}
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.request(method, served.url, headers={"accept": accept}, **given)


def code_of(event: Event | None) -> str:
    assert event is not None
    assert (event[0], set(event[1])) == ("next", {"errors"})
    return str(event[1]["errors"][0]["extensions"]["code"])


def tick(text: str) -> Event:
    return "next", {"data": {"ticks": {"text": text}}}


async def test_events_come_until_the_source_ends(served: Served) -> None:
    async with asking(served, TICKS) as stream:
        await served.heard()
        served.say("one")
        assert await stream.next() == tick("one")
        served.say("two", "end")
        assert await stream.all() == [tick("two"), COMPLETE]
        assert stream.response.headers["cache-control"] == "no-store"
        assert len(stream.response.headers["x-request-id"]) == 32
    assert (served.listeners(), len(served.streams)) == (0, 0)


async def test_a_query_is_one_event_where_events_are_preferred(served: Served) -> None:
    for accept in (EVENTS, f"{EVENTS}, */*;q=0.1", f"application/json;q=0.9, {EVENTS}"):
        async with asking(served, "{ hello }", accept=accept) as stream:
            assert await stream.all() == [("next", {"data": {"hello": "hello"}}), COMPLETE]


@pytest.mark.parametrize("accept", [URQL, f"*/*, {EVENTS}", f"application/json, {EVENTS};q=0.1"])
async def test_whoever_names_events_beside_json_gets_them_for_subscriptions_alone(served: Served, accept: str) -> None:
    response = await post(served, "{ hello }", accept)
    assert response.json()["data"] == {"hello": "hello"}
    assert "json" in response.headers["content-type"]
    async with asking(served, "subscription { count(upto: 2) }", accept=accept) as stream:
        assert await stream.all() == [("next", {"data": {"count": 1}}), ("next", {"data": {"count": 2}}), COMPLETE]


async def test_a_subscription_is_not_answered_with_json(served: Served) -> None:
    for accept in ("*/*", "application/graphql-response+json", f"application/json, {EVENTS};q=0"):
        response = await post(served, TICKS, accept)
        assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert "data" not in response.json()
    assert served.listeners() == 0


async def test_nothing_is_streamed_over_get(served: Served) -> None:
    assert (await post(served, TICKS, EVENTS, "GET")).status_code == 406
    assert (await post(served, TICKS, f"application/graphql-response+json, {EVENTS}", "GET")).status_code == 400
    assert (await post(served, "{ hello }", URQL, "GET")).json()["data"] == {"hello": "hello"}


@pytest.mark.parametrize("query", ["{", "{ nope }", "subscription { ticks { text } count(upto: 1) }"])
async def test_what_cannot_run_is_an_event_and_the_end(served: Served, query: str) -> None:
    async with asking(served, query) as stream:
        event, *rest = await stream.all()
    assert (code_of(event), rest) == ("BAD_USER_INPUT", [COMPLETE])


async def test_what_is_malformed_before_graphql_is_refused_by_its_status(served: Served) -> None:
    async with httpx.AsyncClient(trust_env=False, headers={"accept": EVENTS}) as client:
        statuses = [
            (await client.post(served.url, content=b"{", headers={"content-type": "application/json"})).status_code,
            (await client.post(served.url, json={"query": 1})).status_code,
            (await client.post(served.url, content=b"{}", headers={"content-type": "text/plain"})).status_code,
            (await client.post(served.url, json={"query": TICKS}, headers={"authorization": "Bearer x"})).status_code,
            (await client.put(served.url, json={"query": TICKS})).status_code,
        ]
    assert statuses == [400, 400, 415, 401, 405]


async def test_a_right_that_has_ended_ends_the_stream_before_the_next_event(served: Served) -> None:
    async with asking(served, "subscription { mine { text listener } }", by="good") as stream:
        await served.heard()
        served.say("one")
        assert await stream.next() == ("next", {"data": {"mine": {"text": "one", "listener": "good"}}})
        await served.city.end_account("good")
        served.say("two")
        event, *rest = await stream.all()
    assert (code_of(event), rest) == ("UNAUTHENTICATED", [COMPLETE])


async def test_a_token_ends_the_stream_when_it_ends_also_where_nothing_happens(served: Served) -> None:
    token = issue_token(
        served.city.keys,
        issuer=served.city.settings.issuer,
        account="good",
        role=Role.CITIZEN,
        now=served.city.now,
        lifetime=timedelta(seconds=1),
    )
    served.city.token = lambda _: token  # type: ignore[method-assign,assignment]
    async with asking(served, TICKS, by="good") as stream:
        event, *rest = await stream.all()
    assert (code_of(event), rest) == ("UNAUTHENTICATED", [COMPLETE])


async def test_a_failure_of_the_source_is_masked(served: Served) -> None:
    async with asking(served, TICKS) as stream:
        await served.heard()
        served.say("fail")
        event, *rest = await stream.all()
    assert (code_of(event), rest) == ("INTERNAL_SERVER_ERROR", [COMPLETE])
    assert "secret" not in str(event)


async def test_a_silent_stream_shows_that_it_lives(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "KEEP_ALIVE_SECONDS", 0.02)
    async with asking(served, TICKS) as stream:
        await served.heard()
        await asyncio.sleep(0.2)
        served.say("end")
        assert await stream.all() == [COMPLETE]
        assert stream.comments > 1


async def test_a_stopping_server_breaks_the_stream_off_so_that_clients_come_back(city: City) -> None:
    async with serving(city) as served:
        client = httpx.AsyncClient(trust_env=False)
        request = client.build_request("POST", served.url, json={"query": TICKS}, headers={"accept": EVENTS})
        response = await client.send(request, stream=True)
        await served.heard()
    assert await Stream(response).all() == []
    await client.aclose()
    assert (served.listeners(), len(served.streams)) == (0, 0)
