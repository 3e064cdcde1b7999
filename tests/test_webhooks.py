"""Webhooks arrive: at least once, in order where order matters, signed, and nothing is ever dropped. Real HTTP servers
receive them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import jwt
import pytest
from factories import NOON, City, open_city
from standardwebhooks import Webhook, WebhookVerificationError
from webhook_receivers import (
    RESUME,
    ROTATE,
    SKIP,
    Got,
    Receiver,
    deliveries,
    endpoints,
    register,
    serving,
    tell,
)

from api.jobs.webhook_sending import posting, send_webhooks
from core.database import Database
from partners.tables import security_events
from partners.webhooks.delivery import DELAYS, MOST_ATTEMPTS, WINDOW, Parcel, Pass, send_due
from partners.webhooks.events import emit
from partners.webhooks.log import count_open
from partners.webhooks.tables import webhook_attempts, webhook_deliveries, webhook_events


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server on a free port."""
    with serving(Receiver()) as made:
        yield made


async def send(city: City) -> Pass:
    return await send_webhooks(city.state)


async def open_of(city: City) -> tuple[int, int]:
    async with city.state.database.reading() as connection:
        return tuple(await count_open(connection))


def test_there_are_at_least_twelve_retries_within_a_day_ever_further_apart() -> None:
    assert len(DELAYS) >= 12
    assert timedelta(hours=24) > WINDOW
    assert list(DELAYS) == sorted(DELAYS)
    assert DELAYS[0] > timedelta(seconds=20), "else one that is still being sent would be taken up by another"


async def test_without_an_endpoint_nothing_is_written(city: City) -> None:
    before = await city.tally()
    await tell(city, 1)
    assert await city.tally() == before
    assert await send(city) == Pass(0, 0, 0)


async def test_an_event_arrives_by_the_conventions_and_both_signatures_hold(city: City, receiver: Receiver) -> None:
    city.now = datetime.now(UTC)
    registered = await register(city, receiver.url)
    await tell(city, 7)
    assert await send(city) == Pass(1, 0, 0)
    assert await send(city) == Pass(0, 0, 0)
    (got,) = receiver.got
    assert (got.headers["content-type"], got.headers["host"]) == ("application/json", f"127.0.0.1:{receiver.port}")
    at = city.now.isoformat().replace("+00:00", "Z")
    data = {"lane": "offer:1", "number": 7}
    checked = Webhook(registered["secret"]).verify(got.body, got.headers)
    assert checked == {"type": "offer.changed", "timestamp": at, "data": data}
    with pytest.raises(WebhookVerificationError):
        Webhook(registered["secret"]).verify(got.body + b" ", got.headers)

    keys = jwt.PyJWKSet.from_dict((await city.client.get("/.well-known/jwks.json")).json())
    head = jwt.get_unverified_header(got.headers["xinyi-signature"])
    assert head["typ"] == "xinyi-webhook+jwt"
    claims = jwt.decode(
        got.headers["xinyi-signature"], keys[head["kid"]], algorithms=["EdDSA"],
        audience=receiver.url, issuer=city.settings.issuer,
    )  # fmt: skip
    assert claims == {
        "iss": city.settings.issuer,
        "iat": int(city.now.timestamp()),
        "aud": receiver.url,
        "jti": got.id,
        "request_body_sha256": sha256(got.body).hexdigest(),
    }
    (logged,) = await deliveries(city)
    assert (logged["eventId"], logged["state"], logged["type"]) == (got.id, "DELIVERED", "offer.changed")
    assert [(one["status"], one["error"]) for one in logged["attempts"]] == [(204, None)]


async def test_while_a_secret_is_changed_both_sign_and_after_a_day_only_the_new_one(
    city: City, receiver: Receiver
) -> None:
    city.now = datetime.now(UTC)
    first = await register(city, receiver.url)
    given = {"endpointId": first["endpoint"]["id"]}
    second = await city.do(ROTATE, by="representative", **given)
    assert second["endpoint"]["formerSecretUntil"] is not None
    await tell(city, 1)
    await send(city)
    for secret in (first["secret"], second["secret"]):
        assert Webhook(secret).verify(receiver.got[0].body, receiver.got[0].headers)["data"]["number"] == 1
    third = await city.do(ROTATE, by="representative", **given)
    await tell(city, 2)
    await send(city)
    with pytest.raises(WebhookVerificationError):
        Webhook(first["secret"]).verify(receiver.got[1].body, receiver.got[1].headers)
    city.wait(hours=24)
    await tell(city, 3)
    await send(city)
    (signature,) = receiver.got[2].headers["webhook-signature"].split(" ")
    body = receiver.got[2].body.decode()
    assert signature == Webhook(third["secret"]).sign(receiver.got[2].id, city.now, body)
    assert (await endpoints(city))[0]["formerSecretUntil"] is None


async def test_a_thousand_all_arrive_in_order_per_subject_at_a_receiver_that_fails_half_the_time(
    city: City, receiver: Receiver
) -> None:
    subjects, each, luck = 50, 20, random.Random(20261122)
    refused = Counter[str]()

    def half(event: str) -> int:
        if luck.random() < 0.5 and refused[event] < 6:
            refused[event] += 1
            return luck.choice([500, 503, 429, 302])
        return 200

    receiver.answer = half
    await register(city, receiver.url)
    for number in range(each):
        async with city.state.database.transaction() as connection:
            for subject in range(subjects):
                payload = {"order": f"o-{subject}", "number": number}
                await emit(
                    connection, partner_id=1, type="order.changed", lane=f"subject:{subject}", payload=payload,
                    now=city.now,
                )  # fmt: skip
    other = Database(city.settings.database_url, keys=city.keys)  # another process would have its own
    try:
        for _ in range(200):
            await pass_of_two(city, other)
            waiting, failed = await open_of(city)
            assert failed == 0
            if not waiting:
                break
            city.wait(minutes=20)
    finally:
        await other.close()
    assert await open_of(city) == (0, 0)
    taken = dict[str, Got]()
    for one in receiver.taken():
        taken.setdefault(one.id, one)  # where an answer came too late, the same event comes again
    assert len(taken) == subjects * each
    assert len(receiver.got) > 1.7 * subjects * each
    order = defaultdict[str, list[int]](list)
    for one in taken.values():
        order[one.data["order"]].append(one.data["number"])
    assert {*order} == {f"o-{subject}" for subject in range(subjects)}
    assert all(numbers == list(range(each)) for numbers in order.values())


async def pass_of_two(city: City, other: Database) -> None:
    """A pass of two processes at once."""
    async with AsyncExitStack() as opened:
        post = posting(opened, city.keys, issuer=city.settings.issuer, private_allowed=True)
        databases = (city.state.database, other)
        await asyncio.gather(*(send_due(one, deliver=post, clock=lambda: city.now) for one in databases))


async def test_two_senders_at_once_send_each_event_once(city: City, receiver: Receiver) -> None:
    await register(city, receiver.url)
    for lane in range(60):
        await tell(city, 1, 2, lane=f"offer:{lane}")
    passes = await asyncio.gather(*(send(city) for _ in range(3)))
    assert sum(one.delivered for one in passes) == 120
    assert len({one.id for one in receiver.got}) == len(receiver.got) == 120


async def test_one_whose_sender_was_killed_is_sent_again_and_the_next_of_its_lane_waits(
    city: City, receiver: Receiver
) -> None:
    await register(city, receiver.url)
    await tell(city, 1, 2)

    async def killed(*_: Any) -> int:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await send_due(city.state.database, deliver=killed, clock=lambda: city.now)
    assert await send(city) == Pass(0, 0, 0)
    city.now += DELAYS[0]
    assert await send(city) == Pass(2, 0, 0)
    assert [one.data["number"] for one in receiver.got] == [1, 2]


async def test_an_event_that_fails_holds_up_its_own_lane_alone(city: City, receiver: Receiver) -> None:
    await register(city, receiver.url)
    await tell(city, 1, 2, lane="offer:1")
    await tell(city, 1, 2, lane="offer:2")
    first = min(await city.rows(webhook_events), key=lambda row: row.id)
    receiver.answer = lambda event: 500 if event == str(first.id) else 200
    assert await send(city) == Pass(2, 1, 0)
    assert [one.data for one in receiver.taken()] == [{"lane": "offer:2", "number": n} for n in (1, 2)]
    receiver.answer = lambda _: 200
    city.now += DELAYS[0]
    assert await send(city) == Pass(2, 0, 0)
    assert [one.data for one in receiver.taken()][2:] == [{"lane": "offer:1", "number": n} for n in (1, 2)]


async def test_after_the_last_retry_the_endpoint_is_paused_with_an_alarm_and_goes_on_when_resumed(
    city: City, receiver: Receiver
) -> None:
    registered = await register(city, receiver.url)
    receiver.answer = lambda _: 503
    await tell(city, 1, 2)
    for delay in DELAYS:
        assert await send(city) == Pass(0, 1, 0)
        assert await send(city) == Pass(0, 0, 0), "not due yet"
        city.now += delay
    assert city.now - NOON < timedelta(hours=24)
    assert await send(city) == Pass(0, 0, 1)
    (endpoint,) = await endpoints(city)
    assert (endpoint["status"], endpoint["waiting"], endpoint["failed"]) == ("PAUSED", 1, 1)
    assert endpoint["pauseReason"].startswith(f"24 小时内尝试 {MOST_ATTEMPTS} 次都没有送达;最后一次:HTTP 503。")
    second, first = await deliveries(city)
    assert (first["state"], len(first["attempts"]), second["state"]) == ("FAILED", MOST_ATTEMPTS, "WAITING")
    (alarm,) = [one for one in await city.rows(security_events) if one.kind == "WEBHOOK_FAILED"]
    assert alarm.partner_id == 1
    assert (alarm.detail["event"], alarm.detail["error"]) == (first["eventId"], "HTTP 503")
    metrics = (await city.client.get("/metrics")).text
    assert 'xinyi_webhooks{state="waiting"} 1.0' in metrics
    assert 'xinyi_webhooks{state="failed"} 1.0' in metrics

    receiver.answer = lambda _: 200
    await tell(city, 3)
    city.wait(days=30)
    assert await send(city) == Pass(0, 0, 0)
    done = await city.do(RESUME, by="representative", endpointId=registered["endpoint"]["id"])
    assert (done["status"], done["pauseReason"], done["waiting"], done["failed"]) == ("ACTIVE", None, 3, 0)
    assert await send(city) == Pass(3, 0, 0)
    assert [one.data["number"] for one in receiver.taken()] == [1, 2, 3]
    assert len([one for one in await deliveries(city) if one["attempts"][-1]["status"] == 200]) == 3


async def test_where_others_get_through_only_the_lane_stands_still_until_the_event_is_skipped(
    city: City, receiver: Receiver
) -> None:
    await register(city, receiver.url)
    await tell(city, 1, 2)
    bad = min(await city.rows(webhook_events), key=lambda row: row.id)
    receiver.answer = lambda event: 400 if event == str(bad.id) else 200
    for delay in DELAYS:
        await send(city)
        city.now += delay
    await tell(city, 1, lane="offer:2")
    assert await send(city) == Pass(1, 0, 1)
    (endpoint,) = await endpoints(city)
    assert (endpoint["status"], endpoint["waiting"], endpoint["failed"]) == ("ACTIVE", 1, 1)
    assert len([one for one in await city.rows(security_events) if one.kind == "WEBHOOK_FAILED"]) == 1
    city.wait(days=3)
    assert await send(city) == Pass(0, 0, 0)
    done = await city.do(SKIP, by="representative", eventId=str(bad.id))
    assert (done["deliveries"], done["eventId"]) == (1, str(bad.id))
    assert await send(city) == Pass(1, 0, 0)
    assert [one.data["number"] for one in receiver.taken()] == [1, 2]
    assert [one["state"] for one in await deliveries(city)] == ["DELIVERED", "DELIVERED", "SKIPPED"]


async def test_gone_pauses_at_once_and_drops_nothing(city: City, receiver: Receiver) -> None:
    await register(city, receiver.url)
    receiver.answer = lambda _: 410
    await tell(city, 1)
    await tell(city, 1, lane="offer:2")
    assert await send(city) == Pass(0, 2, 0)
    (endpoint,) = await endpoints(city)
    assert (endpoint["status"], endpoint["waiting"]) == ("PAUSED", 2)
    assert "410 Gone" in endpoint["pauseReason"]
    assert len([one for one in await city.rows(security_events) if one.kind == "WEBHOOK_FAILED"]) == 1


async def test_a_redirect_is_not_followed_and_an_answer_is_not_kept(city: City, receiver: Receiver) -> None:
    await register(city, receiver.url)
    receiver.answer = lambda _: 302
    receiver.also = {"location": f"http://127.0.0.1:{receiver.port}/inside"}
    await tell(city, 1)
    assert await send(city) == Pass(0, 1, 0)
    assert len(receiver.got) == 1
    (attempt,) = await city.rows(webhook_attempts)
    assert (attempt.status, attempt.error) == (302, "HTTP 302,不跟随跳转")


async def test_a_receiver_that_is_not_there_is_no_loss(city: City) -> None:
    await register(city, "http://127.0.0.1:9/hooks")
    await tell(city, 1)
    assert await send(city) == Pass(0, 1, 0)
    (attempt,) = await city.rows(webhook_attempts)
    assert (attempt.status, attempt.error) == (None, "无法连接或答复有误(ConnectError)")


async def test_a_late_mark_does_not_undo_what_another_sender_has_done(city: City, receiver: Receiver) -> None:
    await register(city, receiver.url)
    await tell(city, 1)

    async def slow(parcel: Parcel, _: datetime) -> int:
        # Meanwhile the claim runs out, and somebody else delivers it.
        city.now += DELAYS[0]
        assert await send(city) == Pass(1, 0, 0)
        raise RuntimeError(parcel.type)

    await send_due(city.state.database, deliver=slow, clock=lambda: city.now)
    (row,) = await city.rows(webhook_deliveries)
    assert row.delivered_at is not None
    assert [one.error for one in await city.rows(webhook_attempts)] == ["", "RuntimeError"]
    assert await send(city) == Pass(0, 0, 0)


async def test_the_server_sends_by_itself(
    city_url: str, keys_file: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.jobs.webhook_sending.SECONDS_BETWEEN", 0.05)
    async with open_city(database_url=city_url, keys_file=keys_file) as city:
        await register(city, receiver.url)
        await tell(city, 1)
        async with asyncio.timeout(10):
            while not receiver.got:  # noqa: ASYNC110  # another thread fills it
                await asyncio.sleep(0.05)
