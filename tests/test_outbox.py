"""What waits to be sent: at least once, never lost, and never by two at a time. A real HTTP server receives it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from factories import NOON, City, open_city
from sqlalchemy import update
from test_results import CORRECT, NUMBERS

from api.jobs.sending import send_once
from cli.main import run
from core.errors import StartupError
from core.signing import verify
from partners.tables import security_events
from scoring.outbox import MOST_ATTEMPTS, Pass, delay_after, enqueue, list_outbox, send_due, state_of, try_failed_again
from scoring.tables import outbox


class Upstream:
    """The platform above: keeps what it gets and answers what it is told to."""

    def __init__(self) -> None:
        self.status, self.got = 200, list[str]()
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                upstream.got.append(self.rfile.read(int(self.headers["content-length"])).decode())
                assert self.headers["content-type"] == "application/jose"
                self.send_response(upstream.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/results"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A server on a free port."""
    made = Upstream()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@asynccontextmanager
async def corrected(url: str, keys_file: Path, upstream_url: str | None) -> AsyncIterator[City]:
    """A city in which one result has been corrected and nothing sends by itself."""
    async with open_city(database_url=url, keys_file=keys_file) as city:
        object.__setattr__(city.settings, "upstream_url", upstream_url)
        subject = (await city.ask("{ me { id } }", by="poor"))["data"]["me"]["id"]
        asked = {"subjectId": subject, "model": "xiangxinfen", "points": "650.5", "reason": "复核更正"}
        assert (await city.do(CORRECT, by="reviewer", **asked))["__typename"] == "CorrectedResult"
        yield city


async def send(city: City) -> Pass:
    return await send_once(city.state.database, city.keys, city.settings, now=city.now)


async def test_a_correction_arrives_signed_once_and_is_then_done(
    city_url: str, keys_file: Path, upstream: Upstream
) -> None:
    async with corrected(city_url, keys_file, upstream.url) as city:
        assert await send(city) == Pass(1, 0, 0)
        assert await send(city) == Pass(0, 0, 0)
        (token,) = upstream.got
        claims = verify(city.keys, "results", token)
        (waiting,) = await city.rows(outbox)
        assert claims == {
            "iss": city.settings.issuer,
            "iat": int(NOON.timestamp()),
            "jti": str(waiting.id),
            "aud": upstream.url,
            "model": "xiangxinfen",
            "results": [
                {
                    "subject": NUMBERS["poor"],
                    "points": 650.5,
                    "grade": "A",
                    "resultOn": "2026-11-20",
                    "validUntil": None,
                    "reason": "复核更正",
                }
            ],
        }
        assert state_of(waiting) == "DELIVERED"


async def test_what_is_refused_is_tried_again_ever_more_rarely_and_given_up_with_an_alarm(
    city_url: str, keys_file: Path, upstream: Upstream
) -> None:
    upstream.status = 503
    async with corrected(city_url, keys_file, upstream.url) as city:
        for attempt in range(1, MOST_ATTEMPTS):
            assert await send(city) == Pass(0, 1, 0)
            assert await send(city) == Pass(0, 0, 0), "not due yet"
            (waiting,) = await city.rows(outbox)
            assert (waiting.attempts, waiting.last_error) == (attempt, "HTTP 503")
            assert waiting.next_attempt_at == city.now + delay_after(attempt)
            city.now = waiting.next_attempt_at
        assert city.now - NOON < timedelta(hours=72)
        assert await send(city) == Pass(0, 0, 1)
        (waiting,) = await city.rows(outbox)
        assert state_of(waiting) == "FAILED"
        assert len({verify(city.keys, "results", token)["jti"] for token in upstream.got}) == 1
        (alarm,) = [one for one in await city.rows(security_events) if one.kind == "OUTBOX_FAILED"]
        assert alarm.detail == {
            "parcel": str(waiting.id),
            "topic": "corrected-result",
            "attempts": MOST_ATTEMPTS,
            "error": "HTTP 503",
        }
        city.wait(days=30)
        assert await send(city) == Pass(0, 0, 0)
        upstream.status = 204
        async with city.state.database.transaction() as connection:
            assert await try_failed_again(connection, now=city.now) == 1
        assert await send(city) == Pass(1, 0, 0)


async def test_a_receiver_that_is_not_there_is_no_loss(city_url: str, keys_file: Path) -> None:
    async with corrected(city_url, keys_file, "http://127.0.0.1:9/results") as city:
        assert await send(city) == Pass(0, 1, 0)
        (waiting,) = await city.rows(outbox)
        assert (state_of(waiting), waiting.last_error) == ("WAITING", "ConnectError")


async def test_without_an_address_or_without_encryption_nothing_is_sent_and_nothing_lost(
    city_url: str, keys_file: Path, upstream: Upstream
) -> None:
    async with corrected(city_url, keys_file, None) as city:
        with pytest.raises(StartupError, match="XINYI_UPSTREAM_URL"):
            await send(city)
        object.__setattr__(city.settings, "upstream_url", upstream.url)
        object.__setattr__(city.settings, "environment", "production")
        with pytest.raises(StartupError, match="https://"):
            await send(city)
        (waiting,) = await city.rows(outbox)
        assert (state_of(waiting), waiting.attempts) == ("WAITING", 0)
    assert upstream.got == []


async def test_two_senders_at_once_send_each_parcel_once(city: City) -> None:
    async with city.state.database.transaction() as connection:
        for number in range(120):
            await enqueue(connection, city.keys, topic="t", destination="d", payload={"number": number}, now=city.now)
    sent: list[int] = []

    async def deliver(parcel: Any) -> None:
        await asyncio.sleep(0.001)
        sent.append(parcel.payload["number"])

    async def alarm(*_: Any) -> None: ...

    passes = await asyncio.gather(
        *(send_due(city.state.database, city.keys, deliver=deliver, alarm=alarm, now=city.now) for _ in range(3))
    )
    assert sum(done.delivered for done in passes) == 120
    assert sorted(sent) == list(range(120))


async def test_one_whose_sender_was_killed_is_due_again(city: City) -> None:
    async with city.state.database.transaction() as connection:
        await enqueue(connection, city.keys, topic="t", destination="d", payload={"a": 1}, now=city.now)

    async def killed(_: Any) -> None:
        raise asyncio.CancelledError

    async def fine(_: Any) -> None: ...

    async def alarm(*_: Any) -> None: ...

    with pytest.raises(asyncio.CancelledError):
        await send_due(city.state.database, city.keys, deliver=killed, alarm=alarm, now=city.now)
    assert await send_due(city.state.database, city.keys, deliver=fine, alarm=alarm, now=city.now) == Pass(0, 0, 0)
    city.wait(minutes=1)
    assert await send_due(city.state.database, city.keys, deliver=fine, alarm=alarm, now=city.now) == Pass(1, 0, 0)


async def test_what_cannot_be_opened_any_more_is_kept_and_said(city: City) -> None:
    async with city.state.database.transaction() as connection:
        await enqueue(connection, city.keys, topic="t", destination="d", payload={"a": 1}, now=city.now)
    await city.write(update(outbox).values(payload_sealed=b"changed"))

    async def fine(_: Any) -> None: ...

    async def alarm(*_: Any) -> None: ...

    done = await send_due(city.state.database, city.keys, deliver=fine, alarm=alarm, now=city.now)
    assert done == Pass(0, 1, 0)
    async with city.state.database.reading() as connection:
        (listed,) = await list_outbox(connection, newest=10)
    assert (state_of(listed), listed.last_error) == ("WAITING", "内容无法解封")
    assert "payload_sealed" not in listed._fields


async def test_the_server_sends_by_itself_where_an_address_is_set(
    city_url: str, keys_file: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.jobs.sending.SECONDS_BETWEEN", 0.01)
    async with open_city(database_url=city_url, keys_file=keys_file, upstream_url=upstream.url) as city:
        subject = (await city.ask("{ me { id } }", by="poor"))["data"]["me"]["id"]
        asked = {"subjectId": subject, "model": "xiangxinfen", "grade": "B", "reason": "复核更正"}
        await city.do(CORRECT, by="reviewer", **asked)
        async with asyncio.timeout(10):
            while not upstream.got:  # noqa: ASYNC110  # another thread fills it
                await asyncio.sleep(0.01)


def test_the_command_lists_and_says_that_no_address_is_set(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(tmp_path)]
    assert run(["outbox", *data]) == 0
    assert capfd.readouterr().out.startswith("编号")
    assert run(["outbox", "send", *data]) == 1
    assert capfd.readouterr().err.startswith("STARTUP: 没有设置上级平台地址")
