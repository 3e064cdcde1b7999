"""GraphQL over WebSocket: the protocol as its document has it, and nobody hears what he may not."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from factories import City
from streaming import TICKS, Served, Talk, serving
from websockets.exceptions import InvalidStatus

from api.identity.bearer import issue_token
from api.transport import streams, websocket
from partners.accounts import Role


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


def tick(text: str, key: str = "1") -> dict[str, Any]:
    return {"type": "next", "id": key, "payload": {"data": {"ticks": {"text": text}}}}


def code_of(message: dict[str, Any]) -> str:
    assert message["type"] == "error"
    (error,) = message["payload"]
    return str(error["extensions"]["code"])


async def test_events_come_until_the_source_ends(served: Served) -> None:
    async with served.talk() as talk:
        await talk.subscribe(TICKS)
        await served.heard()
        served.say("one")
        assert await talk.receive() == tick("one")
        served.say("two", "end")
        assert [await talk.receive(), await talk.receive()] == [tick("two"), {"type": "complete", "id": "1"}]
        await talk.subscribe(TICKS)
        await served.heard()


async def test_the_client_may_end_an_operation_and_use_its_id_again(served: Served) -> None:
    async with served.talk() as talk:
        await talk.subscribe(TICKS)
        await served.heard()
        await talk.send(type="complete", id="1")
        await talk.subscribe("{ hello }")
        assert await talk.receive() == {"type": "next", "id": "1", "payload": {"data": {"hello": "hello"}}}
        assert await talk.receive() == {"type": "complete", "id": "1"}
        assert served.listeners() == 0
        await talk.send(type="complete", id="never begun")
        await talk.send(type="ping")
        assert await talk.receive() == {"type": "pong"}


async def test_several_operations_share_a_connection(served: Served) -> None:
    async with served.talk() as talk:
        for key in ("a", "b"):
            await talk.subscribe("query Q { never } subscription S($n: Int!) { count(upto: $n) }", key,
                                 operationName="S", variables={"n": 2})  # fmt: skip
        got = [await talk.receive() for _ in range(6)]
    for key in ("a", "b"):
        mine = [message for message in got if message["id"] == key]
        assert [m["type"] for m in mine] == ["next", "next", "complete"]
        assert [m["payload"]["data"]["count"] for m in mine[:2]] == [1, 2]


async def test_pings_are_answered_with_what_they_carry_also_before_the_introduction(served: Served) -> None:
    async with served.socket() as socket:
        talk = Talk(socket)
        await talk.send(type="ping", payload={"a": 1})
        assert await talk.receive() == {"type": "pong", "payload": {"a": 1}}
        await talk.send(type="pong")
        await talk.send(type="connection_init")
        assert await talk.receive() == {"type": "connection_ack"}


@pytest.mark.parametrize(
    "text",
    ["", "null", "1", "[]", "{", "{}", '{"type": 1}', '{"type": "nope"}', '{"type": "next", "id": "1", "payload": {}}',
     '{"type": "subscribe"}', '{"type": "subscribe", "id": "", "payload": {"query": "{ hello }"}}',
     '{"type": "subscribe", "id": 1, "payload": {"query": "{ hello }"}}', '{"type": "subscribe", "id": "1"}',
     '{"type": "subscribe", "id": "1", "payload": {}}', '{"type": "subscribe", "id": "1", "payload": {"query": 1}}',
     '{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "variables": []}}',
     '{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "operationName": 1}}',
     '{"type": "complete"}', '{"type": "complete", "id": 1}', '{"type": "ping", "payload": []}',
     "[" * 5000, b'{"type": "ping"}', b"\xff"],
)  # fmt: skip
async def test_what_is_no_message_of_a_client_closes_the_connection(served: Served, text: str | bytes) -> None:
    async with served.talk() as talk:
        await talk.socket.send(text)
        assert await talk.closed() == (4400, "Invalid message received")


async def test_a_client_that_subscribes_before_it_is_known_is_sent_away(served: Served) -> None:
    async with served.socket() as socket:
        talk = Talk(socket)
        await talk.subscribe("{ hello }")
        assert await talk.closed() == (4401, "Unauthorized")


async def test_a_client_that_does_not_introduce_itself_is_sent_away(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "INIT_SECONDS", 0.05)
    async with served.socket() as socket:
        assert await Talk(socket).closed() == (4408, "Connection initialisation timeout")


async def test_one_introduction_is_enough(served: Served) -> None:
    async with served.talk() as talk:
        await talk.send(type="connection_init")
        assert await talk.closed() == (4429, "Too many initialisation requests")


async def test_an_id_in_use_cannot_be_used_again(served: Served) -> None:
    for key in ("1", "长" * 100):
        async with served.talk() as talk:
            await talk.subscribe(TICKS, key)
            await talk.subscribe(TICKS, key)
            code, reason = await talk.closed()
            assert (code, str(reason)[:10]) == (4409, "Subscriber")


@pytest.mark.parametrize("spoken", [None, ["graphql-ws"], ["soap"]])
async def test_another_protocol_is_not_spoken(served: Served, spoken: list[str] | None) -> None:
    async with served.socket(subprotocols=spoken) as socket:
        assert await Talk(socket).closed() == (4406, "Subprotocol not acceptable")


@pytest.mark.parametrize("query", ["{", "{ nope }", "subscription { ticks { text } count(upto: 1) }",
                                   "subscription ($n: Int!) { count(upto: $n) }", ""])  # fmt: skip
async def test_what_cannot_run_is_an_error_of_the_operation_alone(served: Served, query: str) -> None:
    async with served.talk() as talk:
        await talk.subscribe(query)
        assert code_of(await talk.receive()) == "BAD_USER_INPUT"
        await talk.send(type="ping")
        assert await talk.receive() == {"type": "pong"}


async def test_a_subscription_is_for_those_it_is_for(served: Served) -> None:
    async with served.talk() as nobody, served.talk(by="good") as citizen, served.talk(by="scenic") as partner:
        for talk in (nobody, citizen, partner):
            await talk.subscribe("subscription { theirs { text } }")
        assert code_of(await nobody.receive()) == "UNAUTHENTICATED"
        assert code_of(await citizen.receive()) == "FORBIDDEN"
        assert (await partner.receive())["payload"] == {"data": {"theirs": {"text": "theirs"}}}


async def test_a_token_in_the_handshake_is_as_good(served: Served) -> None:
    headers = {"authorization": f"Bearer {served.city.token('good')}"}
    async with served.talk(additional_headers=headers) as talk:
        await talk.subscribe("subscription { mine { text listener } }")
        await served.heard()
        served.say("for me")
        answer = await talk.receive()
    assert answer["payload"] == {"data": {"mine": {"text": "for me", "listener": "good"}}}


@pytest.mark.parametrize("given", ["Bearer nonsense", "Basic x", "", 1, {}])
async def test_a_token_that_is_none_is_refused_at_the_door(served: Served, given: Any) -> None:
    async with served.socket() as socket:
        talk = Talk(socket)
        await talk.send(type="connection_init", payload={"authorization": given or "x"})
        assert await talk.closed() == (4401, "Unauthorized")


async def test_a_right_that_has_ended_ends_the_connection_before_the_next_event(served: Served) -> None:
    async with served.talk(by="good") as talk:
        await talk.subscribe("subscription { mine { text } }")
        await served.heard()
        await served.city.end_account("good")
        served.say("not for you any more")
        assert code_of(await talk.receive()) == "UNAUTHENTICATED"
        assert await talk.closed() == (4401, "Unauthorized")


async def test_a_token_that_has_ended_ends_the_connection_before_the_next_event(served: Served) -> None:
    async with served.talk(by="good") as talk:
        await talk.subscribe(TICKS)
        await served.heard()
        served.city.wait(hours=1)
        served.say("too late")
        assert code_of(await talk.receive()) == "UNAUTHENTICATED"
        assert await talk.closed() == (4401, "Unauthorized")


async def test_a_token_ends_the_connection_when_it_ends_also_where_nothing_happens(served: Served) -> None:
    token = issue_token(
        served.city.keys,
        issuer=served.city.settings.issuer,
        account="good",
        role=Role.CITIZEN,
        now=served.city.now,
        lifetime=timedelta(seconds=1),
    )
    async with served.socket() as socket:
        talk = Talk(socket)
        await talk.send(type="connection_init", payload={"authorization": f"Bearer {token}"})
        await talk.receive()
        await talk.subscribe(TICKS)
        await served.heard()
        assert await talk.closed() == (4401, "Unauthorized")
    assert (served.listeners(), len(served.streams)) == (0, 0)


async def test_a_failure_of_the_source_is_masked(served: Served) -> None:
    for text, code in (("fail", "INTERNAL_SERVER_ERROR"), ("refuse", "FORBIDDEN")):
        async with served.talk() as talk:
            await talk.subscribe(TICKS)
            await served.heard()
            served.say(text)
            answer = await talk.receive()
            assert code_of(answer) == code
            assert "secret" not in str(answer)


async def test_each_operation_costs_like_a_request(city: City) -> None:
    city.state.settings.__dict__.update(rate_burst=4, rate_per_second=1)
    async with serving(city) as served, served.talk() as talk:
        for _ in range(3):
            await talk.subscribe("{ hello }")
            assert [(await talk.receive())["type"] for _ in range(2)] == ["next", "complete"]
        await talk.subscribe("{ hello }")
        assert code_of(await talk.receive()) == "THROTTLED"
        async with served.socket() as socket:
            other = Talk(socket)
            await other.send(type="connection_init")
            assert await other.closed() == (4429, "Too many requests")


async def test_a_connection_carries_so_many_operations_and_no_more(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "MOST_OPERATIONS", 2)
    async with served.talk() as talk:
        for key in ("a", "b", "c"):
            await talk.subscribe(TICKS, key)
        answer = await talk.receive()
        assert (answer["id"], code_of(answer)) == ("c", "TOO_MANY_STREAMS")


async def test_a_caller_holds_so_many_connections_and_no_more(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST_OPEN", 2)
    headers = {"accept": "text/event-stream", "authorization": f"Bearer {served.city.token('good')}"}
    async with served.talk(by="good"), served.talk(by="good"), served.socket() as socket, served.talk(by="poor"):
        talk = Talk(socket)
        await talk.send(type="connection_init", payload={"authorization": headers["authorization"]})
        assert await talk.closed() == (4429, "Too many connections")
        async with httpx.AsyncClient(trust_env=False) as client:
            refused = await client.post(served.url, json={"query": TICKS}, headers=headers)
        assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (429, "TOO_MANY_STREAMS")
    async with served.talk(by="good"):
        pass


async def test_a_page_of_another_house_is_refused_at_the_handshake(served: Served) -> None:
    for origin in ("https://evil.example", "null", f"http://127.0.0.1:{served.port + 1}", "http://[", ""):
        with pytest.raises(InvalidStatus) as refused:
            async with served.socket(additional_headers={"origin": origin}):
                pass
        assert refused.value.response.status_code == 403
    async with served.talk(additional_headers={"origin": f"http://127.0.0.1:{served.port}"}) as talk:
        await talk.subscribe("{ hello }")
        assert (await talk.receive())["type"] == "next"


async def test_a_message_over_the_limit_closes_the_connection(served: Served) -> None:
    async with served.talk() as talk:
        await talk.subscribe("{ hello }" + " " * 1_000_000)
        code, _ = await talk.closed()
        assert code == 1009


async def test_what_takes_too_long_is_given_up(city: City) -> None:
    async with serving(city, seconds=0.1) as served, served.talk() as talk:
        await talk.subscribe("{ never }")
        assert code_of(await talk.receive()) == "TIMEOUT"


async def test_a_stopping_server_says_that_it_goes_away(city: City) -> None:
    async with serving(city) as served:
        socket = await served.socket()
        talk = Talk(socket)
        await talk.send(type="connection_init")
        await talk.receive()
        await talk.subscribe(TICKS)
        await served.heard()
    assert await talk.closed() == (1001, "Going away")
    await asyncio.sleep(0)
    assert (served.listeners(), len(served.streams)) == (0, 0)
