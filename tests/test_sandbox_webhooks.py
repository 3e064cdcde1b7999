"""Webhooks in the sandbox: they really arrive, whatever the partner's clock says, and go wrong on demand."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from sandboxes import MOVE, RESET, Trial, open_trial, second_partner
from servers import Postgres
from standardwebhooks import Webhook, WebhookVerificationError
from webhook_receivers import ACTS, LOG, REGISTER, REMOVE, RESEND, ROTATE, TEST, Got, Receiver, act, serving

from api.jobs.sandbox_sending import send_in_sandbox
from api.sandbox import SandboxAccess
from api.schema import SCHEMA
from core.signing import SignatureInvalid, verify
from partners.accounts import Role as AccountRole
from partners.sandbox.synthetic import Role

REHEARSE = act("rehearseWebhook", gives="RehearsedWebhook", shows="{ eventId deliveries }")
CHANGE_KEY = act("changeSandboxKey", gives="SandboxKey", shows="{ kid changedAt }")
_NUMBERS = count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
async def trial(
    request: pytest.FixtureRequest, tmp_path: Path, sqlite_template: Path, keys_file: Path
) -> AsyncIterator[Trial]:
    """A partner in a sandbox on SQLite, and on PostgreSQL."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    url = f"sqlite+aiosqlite:///{tmp_path}/sandbox.db"
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.create_database(f"sandbox_hooks_{next(_NUMBERS)}")
    city_url = f"sqlite+aiosqlite:///{tmp_path}/city.db"
    async with open_trial(tmp_path, city_url=city_url, sandbox_url=url, keys_file=keys_file) as opened:
        yield opened


on_sqlite = pytest.mark.parametrize("trial", ["sqlite"], indirect=True)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """The partner's own program."""
    with serving(Receiver()) as running:
        yield running


async def listen(trial: Trial, receiver: Receiver, *events: str) -> dict[str, Any]:
    done = await trial.do(REGISTER, url=receiver.url, events=list(events))
    assert done["__typename"] == "WebhookSecret", done
    return done


async def log(trial: Trial) -> list[dict[str, Any]]:
    body = await trial.ask(LOG, {"first": 50})
    return [edge["node"] for edge in body["data"]["webhookDeliveries"]["edges"]]


def is_signed(trial: Trial, got: Got, secret: str) -> tuple[bool, bool]:
    """Whether it verifies with the endpoint's secret, and with the sandbox's public key."""
    found = []
    for check in (
        lambda: Webhook(secret).verify(got.body, {**got.headers}),
        lambda: verify(trial.state.keys, "webhook", got.headers["xinyi-signature"]),
    ):
        try:
            check()
            found.append(True)
        except (WebhookVerificationError, SignatureInvalid):
            found.append(False)
    return found[0], found[1]


def type_of(got: Got) -> str:
    return str(orjson.loads(got.body)["type"])


async def test_what_happens_in_the_sandbox_arrives_whatever_the_partners_clock_says(
    trial: Trial, receiver: Receiver
) -> None:
    await trial.do(MOVE, seconds=40 * 86400)
    done = await listen(trial, receiver)
    await trial.reverse(await trial.serve())
    held = await trial.verify(await trial.code(), role=Role.PAY_LATER)
    create = act("createOrder", gives="Order", shows="{ id }")
    order = await trial.do(create, requestId="o1", verificationId=held["id"], title="门诊", amountFen=100)
    await trial.do(act("confirmSandboxOrder", gives="Order", shows="{ id }"), orderId=order["id"])
    await trial.do(TEST, endpointId=done["endpoint"]["id"])
    await send_in_sandbox(trial.state)
    arrived = {type_of(one): one for one in receiver.got}
    assert {"redemption.reversed", "order.confirmed", "test"} <= set(arrived)
    for got in receiver.got:
        assert datetime.fromisoformat(orjson.loads(got.body)["timestamp"]) == trial.city.now + timedelta(days=40)
        assert int(got.headers["webhook-timestamp"]) == int(trial.city.now.timestamp())
        assert verify(trial.state.keys, "webhook", got.headers["xinyi-signature"])["jti"] == got.id
    assert {one["state"] for one in await log(trial)} == {"DELIVERED"}


async def test_a_late_event_keeps_those_after_it_waiting(trial: Trial, receiver: Receiver) -> None:
    await listen(trial, receiver)
    late = await trial.do(REHEARSE, fault="LATE", seconds=20)
    after = await trial.do(REHEARSE)
    await send_in_sandbox(trial.state)
    assert receiver.got == []
    trial.city.now += timedelta(seconds=20)
    await send_in_sandbox(trial.state)
    assert [one.id for one in receiver.got] == [late["eventId"], after["eventId"]]


async def test_an_event_comes_twice_under_one_id(trial: Trial, receiver: Receiver) -> None:
    await listen(trial, receiver)
    twice = await trial.do(REHEARSE, fault="TWICE")
    await send_in_sandbox(trial.state)
    assert twice["deliveries"] == 2
    assert [one.id for one in receiver.got] == [twice["eventId"]] * 2
    assert receiver.got[0].body == receiver.got[1].body


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "签名是伪造的,接收方正确拒收(HTTP 401)"), (204, "签名是伪造的,接收方却收下了(HTTP 204)。应答复 4xx")],
)
async def test_a_forged_event_comes_once_and_the_log_says_how_it_was_met(
    trial: Trial, receiver: Receiver, status: int, words: str
) -> None:
    secret = (await listen(trial, receiver))["secret"]
    receiver.answer = lambda _: status
    event = (await trial.do(REHEARSE, fault="FORGED"))["eventId"]
    await send_in_sandbox(trial.state)
    trial.city.now += timedelta(days=1)
    await send_in_sandbox(trial.state)
    await trial.sign_in()
    (forged,) = receiver.got
    assert is_signed(trial, forged, secret) == (False, False)
    (row,) = await log(trial)
    assert (row["state"], row["number"], row["attempts"][0]["error"]) == ("SKIPPED", 0, words)
    receiver.answer = lambda _: 204
    await trial.do(RESEND, eventId=event)
    await send_in_sandbox(trial.state)
    assert verify(trial.state.keys, "webhook", receiver.got[-1].headers["xinyi-signature"])["jti"] == event


@on_sqlite
async def test_a_forged_event_holds_up_no_other(trial: Trial, receiver: Receiver) -> None:
    await listen(trial, receiver)
    receiver.answer = lambda _: 401
    await trial.do(REHEARSE, fault="FORGED")
    await send_in_sandbox(trial.state)
    receiver.answer = lambda _: 204
    genuine = await trial.do(REHEARSE)
    await send_in_sandbox(trial.state)
    assert receiver.got[-1].id == genuine["eventId"]
    assert (await trial.ask("{ webhookEndpoints { status } }"))["data"]["webhookEndpoints"] == [{"status": "ACTIVE"}]


@on_sqlite
async def test_a_rehearsal_needs_an_endpoint_and_at_most_thirty_seconds(trial: Trial, receiver: Receiver) -> None:
    assert (await trial.do(REHEARSE))["code"] == "WEBHOOK_UNKNOWN"
    await listen(trial, receiver, "order.*")
    for seconds in (0, 31, -1):
        body = await trial.ask(REHEARSE, {"input": {"fault": "LATE", "seconds": seconds}})
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert await log(trial) == []
    # A test reaches every endpoint, whatever types it wants.
    assert (await trial.do(REHEARSE, fault="LATE", seconds=30))["deliveries"] == 1


@on_sqlite
async def test_a_sandbox_key_keeps_its_endpoints_and_others_see_nothing_of_them(
    trial: Trial, receiver: Receiver, tmp_path: Path
) -> None:
    done = await listen(trial, receiver)
    endpoint = done["endpoint"]["id"]
    await trial.do(MOVE, seconds=80 * 86400)
    rotated = await trial.do(ROTATE, endpointId=endpoint)
    await trial.do(RESET)
    await trial.do(REHEARSE)
    trial.city.now += timedelta(hours=25)  # the former secret has had its day, by the real time
    await trial.sign_in()
    await send_in_sandbox(trial.state)
    trial.city.now += timedelta(hours=25)
    await trial.sign_in()
    await trial.do(REHEARSE)
    await send_in_sandbox(trial.state)
    assert [one.headers["webhook-signature"].count("v1,") for one in receiver.got] == [2, 1]
    assert rotated["secret"] != done["secret"]
    other = await second_partner(trial, tmp_path)
    assert await log(other) == []
    assert (await other.do(REMOVE, endpointId=endpoint))["code"] == "WEBHOOK_UNKNOWN"
    assert (await trial.do(REMOVE, endpointId=endpoint))["id"] == endpoint
    assert (await trial.do(REHEARSE))["code"] == "WEBHOOK_UNKNOWN"
    assert len(await log(trial)) == 2


@on_sqlite
async def test_a_sandbox_key_does_all_about_webhooks_and_nothing_else_of_a_representatives(trial: Trial) -> None:
    rules, live = SandboxAccess(SCHEMA._schema), trial.city
    opened = {
        name
        for name, allowed in rules.fields.items()
        if any(one.value == AccountRole.PARTNER for one in allowed) and name[0] == "Mutation"
    }
    assert {("Mutation", name) for name in ACTS} <= opened
    assert not opened & {("Mutation", name) for name in ("registerPartnerKey", "submitDraft", "reviseOffer")}
    refused = await trial.ask("{ membership { status } }")
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    on_live = await live.ask(REGISTER, {"input": {"url": "http://127.0.0.1:9/"}}, by="scenic")
    assert on_live["errors"][0]["extensions"]["code"] == "FORBIDDEN"


@on_sqlite
async def test_in_production_nothing_goes_to_the_sandboxs_own_network(trial: Trial, receiver: Receiver) -> None:
    await listen(trial, receiver)
    await trial.do(REHEARSE)
    trial.state.settings = trial.state.settings.model_copy(update={"environment": "production"})
    await send_in_sandbox(trial.state)
    assert receiver.got == []
    assert (await trial.do(REGISTER, url="http://127.0.0.1:9/", events=[]))["code"] == "ADDRESS_REFUSED"


@on_sqlite
async def test_the_receipt_key_changes_for_all_once_a_minute_for_each(trial: Trial, tmp_path: Path) -> None:
    before = trial.state.keys.active("receipt").kid
    changed = await trial.do(CHANGE_KEY)
    again = await trial.do(CHANGE_KEY)
    other = await second_partner(trial, tmp_path)
    theirs = await other.do(CHANGE_KEY)
    served = (await trial.city.client.get("/sandbox/.well-known/jwks.json")).json()
    kids = {key["kid"] for key in served["keys"]}
    assert again["code"] == "KEY_CHANGED_LATELY"
    assert len({before, changed["kid"], theirs["kid"]}) == 3
    assert {before, changed["kid"], theirs["kid"]} <= kids
    receipt = (await trial.verify(await trial.code()))["receipt"]
    assert verify(trial.state.keys, "receipt", receipt)["outcome"] == "BENEFIT_APPLIES"
    assert trial.state.keys.active("receipt").kid == theirs["kid"]
    trial.city.now += timedelta(seconds=61)
    assert (await trial.do(CHANGE_KEY))["__typename"] == "SandboxKey"


@on_sqlite
async def test_a_partner_changes_the_key_twenty_times_a_day_and_all_stay_listed(trial: Trial) -> None:
    kids = {trial.state.keys.active("receipt").kid}
    for _ in range(20):
        trial.city.now += timedelta(minutes=2)
        await trial.sign_in()
        kids.add((await trial.do(CHANGE_KEY))["kid"])
    trial.city.now += timedelta(minutes=2)
    assert (await trial.do(CHANGE_KEY))["code"] == "KEY_CHANGED_LATELY"
    assert len(kids) == 21
    assert kids <= {key["kid"] for key in trial.state.keys.jwks()["keys"]}


@on_sqlite
async def test_on_the_live_side_nothing_is_rehearsed_and_no_key_changes(trial: Trial) -> None:
    before, kid = await trial.city.tally(), trial.city.state.keys.active("receipt").kid
    for document in (REHEARSE, CHANGE_KEY):
        assert (await trial.city.do(document, by="scenic"))["code"] == "SANDBOX_ONLY"
    assert await trial.city.tally() == before
    assert trial.city.state.keys.active("receipt").kid == kid
