"""What a partner's representative does about webhooks: addresses, secrets, the log, sending again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from factories import City
from sqlalchemy import insert
from webhook_receivers import (
    CHANGE,
    LOG,
    PAUSE,
    REGISTER,
    REMOVE,
    REPLAY,
    RESEND,
    RESUME,
    ROTATE,
    SKIP,
    TEST,
    Receiver,
    deliveries,
    endpoints,
    fresh_url,
    register,
    serving,
    tell,
)

from api.ids import public_id
from api.jobs.webhook_sending import send_webhooks
from core.audit import audit_entries
from core.identifiers import new_id
from core.keys import load_keys, rotate_keys
from core.resealing import rehash, rows_under
from core.sealing import unseal
from partners.accounts import Role
from partners.tables import accounts
from partners.webhooks.delivery import Pass
from partners.webhooks.endpoints import MOST_ENDPOINTS
from partners.webhooks.events import wants
from partners.webhooks.signing import secret_text
from partners.webhooks.tables import webhook_endpoints


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server on a free port."""
    with serving(Receiver()) as made:
        yield made


async def do(city: City, document: str, **given: Any) -> dict[str, Any]:
    return await city.do(document, by="representative", **given)


async def refused(city: City, document: str, **given: Any) -> str:
    """The code of the refusal; nothing has changed."""
    before = await city.tally()
    body = await city.ask(document, {"input": given}, by="representative")
    assert await city.tally() == before
    if "errors" in body:
        return str(body["errors"][0]["extensions"]["code"])
    (result,) = body["data"].values()
    assert result["__typename"] == "Problem", result
    return str(result["code"])


def span(city: City, **until: float) -> dict[str, str]:
    """From the small city's noon."""
    return {"since": "2026-11-20T12:00:00+08:00", "until": (city.now + timedelta(**until)).isoformat()}


async def test_the_secret_is_shown_once_and_stored_sealed(city: City) -> None:
    made = await register(city, fresh_url(), "order.*")
    assert made["secret"].startswith("whsec_")
    assert (await endpoints(city)) == [made["endpoint"]]
    (row,) = await city.rows(webhook_endpoints)
    assert secret_text(unseal(city.keys, "seal", row.secret_sealed) or b"") == made["secret"]
    assert made["secret"] not in str([one.content for one in await city.rows(audit_entries)])


async def test_changing_keys_moves_secrets_as_well(city: City, tmp_path: Any) -> None:
    made = await register(city, fresh_url())
    await do(city, ROTATE, endpointId=made["endpoint"]["id"])
    path = tmp_path / "keys.json"
    path.write_bytes(city.settings.keys_file.read_bytes())
    path.chmod(0o600)
    rotate_keys(path, ["seal"], active_from=0.0)
    keys = load_keys(path)
    old = city.keys.active("seal")
    assert (await rehash(city.state.database, keys)).unreadable == 0
    assert await rows_under(city.state.database, keys, old) == 0
    (row,) = await city.rows(webhook_endpoints)
    assert secret_text(unseal(keys, "seal", row.former_secret_sealed) or b"") == made["secret"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"url": "http://169.254.169.254/latest/meta-data"}, "ADDRESS_REFUSED"),
        ({"url": "http://user:secret@127.0.0.1/"}, "ADDRESS_REFUSED"),
        ({"url": "nonsense"}, "ADDRESS_REFUSED"),
        ({"url": ""}, "BAD_USER_INPUT"),
        ({"url": "http://127.0.0.1/", "events": ["weather.changed"]}, "BAD_USER_INPUT"),
        ({"url": "http://127.0.0.1/", "events": ["order..x"]}, "BAD_USER_INPUT"),
        ({"url": "http://127.0.0.1/", "events": ["order.*"] * 51}, "BAD_USER_INPUT"),
    ],
)
async def test_what_cannot_be_an_endpoint_is_refused(city: City, given: dict[str, Any], code: str) -> None:
    assert await refused(city, REGISTER, **given) == code


async def test_outside_a_demonstration_this_machine_is_refused(city: City) -> None:
    object.__setattr__(city.settings, "environment", "production")
    for url in ("http://127.0.0.1:9/", "https://127.0.0.1/", "https://localhost/", "https://[::1]/"):
        assert await refused(city, REGISTER, url=url) == "ADDRESS_REFUSED"


async def test_an_address_is_registered_once_and_there_is_a_most(city: City) -> None:
    url = fresh_url()
    made = await register(city, url)
    assert await refused(city, REGISTER, url=url) == "WEBHOOK_EXISTS"
    for _ in range(MOST_ENDPOINTS - 1):
        await register(city, fresh_url())
    assert await refused(city, REGISTER, url=fresh_url()) == "WEBHOOK_EXISTS"
    assert (await do(city, CHANGE, endpointId=made["endpoint"]["id"], url=fresh_url()))["url"] != url
    await do(city, REMOVE, endpointId=made["endpoint"]["id"])
    await register(city, url)


async def test_another_partners_endpoints_and_events_are_as_if_they_were_not(city: City) -> None:
    made = await register(city, fresh_url())
    await tell(city, 1)
    (event,) = await deliveries(city)
    other = {"id": "representative-2", "role": Role.REPRESENTATIVE.value, "partner_id": 2}
    await city.write(insert(accounts).values(other))
    before = await city.tally()
    for document in (CHANGE, ROTATE, PAUSE, RESUME, REMOVE, TEST):
        done = await city.do(document, by="representative-2", endpointId=made["endpoint"]["id"])
        assert done["code"] == "WEBHOOK_UNKNOWN"
    for document in (RESEND, SKIP):
        assert (await city.do(document, by="representative-2", eventId=event["eventId"]))["code"] == "WEBHOOK_UNKNOWN"
    done = await city.do(REPLAY, by="representative-2", **span(city, days=1))
    assert done["deliveries"] == 0
    assert await deliveries(city, by="representative-2") == []
    assert {name for name, rows in (await city.tally()).items() if rows != before[name]} == {"audit_entries"}
    unknown = public_id("WebhookEndpoint", new_id())
    assert await refused(city, PAUSE, endpointId=unknown) == "WEBHOOK_UNKNOWN"
    assert await refused(city, RESEND, eventId=str(new_id())) == "WEBHOOK_UNKNOWN"
    assert await refused(city, RESEND, eventId="nonsense") == "BAD_USER_INPUT"


def test_a_list_of_types_says_what_is_wanted() -> None:
    assert wants([], "order.confirmed")
    assert wants(["order.*"], "order.confirmed")
    assert wants(["loan.offered", "order.confirmed"], "order.confirmed")
    assert not wants(["order.confirmed"], "order.paid")
    assert not wants(["loan.*"], "order.confirmed")


async def test_an_endpoint_gets_what_it_wants_and_no_more(city: City, receiver: Receiver) -> None:
    made = await register(city, receiver.url, "order.*", "key.expiring")
    for number, type_ in enumerate(("order.created", "offer.approved", "key.expiring", "key.revoked")):
        await tell(city, number, type=type_)
    await do(city, CHANGE, endpointId=made["endpoint"]["id"], events=[])
    await tell(city, 4, type="key.revoked")
    await send_webhooks(city.state)
    assert [one.data["number"] for one in receiver.got] == [0, 2, 4]


async def test_what_happens_during_a_pause_is_sent_in_order_after_it(city: City, receiver: Receiver) -> None:
    made = await register(city, receiver.url)
    given = {"endpointId": made["endpoint"]["id"]}
    paused = await do(city, PAUSE, **given, reason="机房维护")
    assert (paused["status"], paused["pauseReason"]) == ("PAUSED", "机房维护")
    await tell(city, 1, 2, 3)
    assert await send_webhooks(city.state) == Pass(0, 0, 0)
    assert await refused(city, TEST, **given) == "WEBHOOK_PAUSED"
    resumed = await do(city, RESUME, **given)
    assert (resumed["status"], resumed["pausedAt"], resumed["waiting"]) == ("ACTIVE", None, 3)
    assert await send_webhooks(city.state) == Pass(3, 0, 0)
    assert [one.data["number"] for one in receiver.got] == [1, 2, 3]


async def test_a_removed_endpoint_gets_nothing_and_its_log_stays(city: City, receiver: Receiver) -> None:
    made = await register(city, receiver.url)
    await tell(city, 1)
    await send_webhooks(city.state)
    await tell(city, 2)
    assert (await do(city, REMOVE, endpointId=made["endpoint"]["id"]))["id"] == made["endpoint"]["id"]
    await tell(city, 3)
    assert await send_webhooks(city.state) == Pass(0, 0, 0)
    assert await endpoints(city) == []
    assert [one["state"] for one in await deliveries(city)] == ["WAITING", "DELIVERED"]


async def test_an_event_is_sent_again_under_its_own_id(city: City, receiver: Receiver) -> None:
    await register(city, receiver.url)
    await tell(city, 1, 2)
    await send_webhooks(city.state)
    done = await do(city, RESEND, eventId=receiver.got[0].id)
    assert (done["deliveries"], done["eventId"]) == (1, receiver.got[0].id)
    assert await send_webhooks(city.state) == Pass(1, 0, 0)
    assert [one.data["number"] for one in receiver.got] == [1, 2, 1]
    assert receiver.got[2].body == receiver.got[0].body
    assert [(one["eventId"], one["number"]) for one in await deliveries(city)] == [
        (receiver.got[1].id, 1),
        (receiver.got[0].id, 2),
        (receiver.got[0].id, 1),
    ]


async def test_one_that_waits_for_its_next_try_is_sent_at_once_when_asked_for(city: City, receiver: Receiver) -> None:
    await register(city, receiver.url)
    receiver.answer = lambda _: 500
    await tell(city, 1)
    await send_webhooks(city.state)
    receiver.answer = lambda _: 200
    assert await send_webhooks(city.state) == Pass(0, 0, 0)
    await do(city, RESEND, eventId=receiver.got[0].id)
    assert await send_webhooks(city.state) == Pass(1, 0, 0)
    (logged,) = await deliveries(city)
    assert [one["status"] for one in logged["attempts"]] == [500, 200]
    assert await refused(city, SKIP, eventId=receiver.got[0].id) == "WEBHOOK_UNKNOWN"


async def test_a_span_is_replayed_in_order_to_whoever_wants_it_now(city: City, receiver: Receiver) -> None:
    await register(city, receiver.url)
    await tell(city, 1, 2)
    city.wait(hours=1)
    await tell(city, 3)
    await send_webhooks(city.state)
    with serving(Receiver()) as newcomer:
        await register(city, newcomer.url)
        await do(city, TEST, endpointId=(await endpoints(city))[0]["id"])
        done = await do(city, REPLAY, **span(city, minutes=-30))
        assert done["deliveries"] == 4
        assert (await do(city, REPLAY, **span(city, minutes=-30)))["deliveries"] == 0, "they are waiting already"
        assert await send_webhooks(city.state) == Pass(5, 0, 0)
        assert [one.data["number"] for one in newcomer.got] == [1, 2]
        again = [one.data["number"] for one in receiver.got[3:] if "number" in one.data]
        assert again == [1, 2]
    assert await refused(city, REPLAY, since="2026-11-20T12:00:00", until="2026-11-21T12:00:00") == "BAD_USER_INPUT"
    assert await refused(city, REPLAY, **span(city, hours=-9)) == "BAD_USER_INPUT"


async def test_a_test_event_goes_to_its_endpoint_alone_whatever_waits(city: City, receiver: Receiver) -> None:
    made = await register(city, receiver.url, "order.*")
    with serving(Receiver()) as other:
        await register(city, other.url)
        done = await do(city, TEST, endpointId=made["endpoint"]["id"])
        assert await send_webhooks(city.state) == Pass(1, 0, 0)
        assert other.got == []
    assert [one.id for one in receiver.got] == [done["eventId"]]
    assert receiver.got[0].data == {"message": "这是一条测试事件。"}


async def test_the_log_is_read_page_by_page_and_by_state(city: City, receiver: Receiver) -> None:
    await register(city, receiver.url, "order.*")
    await register(city, fresh_url())
    for lane in range(4):
        await tell(city, lane, lane=f"offer:{lane}", type="order.created")
    await send_webhooks(city.state)
    whole = await deliveries(city)
    assert len(whole) == 8
    paged: list[Any] = []
    after = None
    while True:
        body = await city.ask(LOG, {"first": 3, "after": after}, by="representative")
        page = body["data"]["webhookDeliveries"]
        paged += [edge["node"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert paged == whole
    assert len(await deliveries(city, state="DELIVERED")) == len(await deliveries(city, state="WAITING")) == 4
    assert await deliveries(city, state="FAILED") == await deliveries(city, state="SKIPPED") == []
    for wrong in ("nonsense", "MTox", "OjE6"):
        body = await city.ask(LOG, {"after": wrong}, by="representative")
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_those_at_the_counter_read_the_log_but_not_what_was_said(city: City) -> None:
    await register(city, fresh_url())
    await tell(city, 1)
    log = LOG.replace(" data ", " ")
    for account, rows in (("scenic", 1), ("hospital", 0)):
        body = await city.ask(log, by=account)
        assert len(body["data"]["webhookDeliveries"]["edges"]) == rows
    assert (await city.ask(LOG, by="scenic"))["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_what_was_done_is_on_the_audit_trail_without_addresses(city: City) -> None:
    made = await register(city, "http://127.0.0.1:9/hooks?token=secret")
    await do(city, PAUSE, endpointId=made["endpoint"]["id"])
    rows = sorted(await city.rows(audit_entries), key=lambda row: row.id)
    assert [(row.actor, row.action) for row in rows] == [
        ("representative", "registerWebhook"),
        ("representative", "pauseWebhook"),
    ]
    assert all("secret" not in row.content for row in rows)
