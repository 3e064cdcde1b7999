"""A partner's receiver of webhooks, over real HTTP, and what a partner does about it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, NamedTuple

import orjson
from factories import City

from api.jobs.webhook_sending import send_webhooks
from partners.webhooks.events import emit


class Got(NamedTuple):
    """A request that came in."""

    headers: dict[str, str]
    body: bytes
    status: int
    """What was answered."""

    @property
    def id(self) -> str:
        """Of the event."""
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, Any]:
        """Of the event."""
        return dict(orjson.loads(self.body)["data"])


class Receiver:
    """Keeps what it gets, and answers what `answer` says of it."""

    def __init__(self) -> None:
        self.got = list[Got]()
        self.answer: Callable[[str], int] = lambda _: 204
        self.also: dict[str, str] = {}
        """Headers of the answer."""
        lock, receiver = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with lock:
                    status = receiver.answer(headers["webhook-id"])
                    receiver.got.append(Got(headers, body, status))
                self.send_response(status)
                for name, value in receiver.also.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815  # a redirect that was followed would come so

            def log_message(self, *_: object) -> None: ...

        class Server(ThreadingHTTPServer):
            request_queue_size = 128  # many connect at once

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self.server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/hooks"

    def taken(self) -> list[Got]:
        """What it answered 2xx to."""
        return [one for one in self.got if 200 <= one.status < 300]


@contextmanager
def serving(receiver: Receiver) -> Iterator[Receiver]:
    """While it runs."""
    thread = threading.Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    # The receiver's threads take turns with the sender in this one process: short turns, or each answer waits for one.
    turns = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    thread.start()
    try:
        yield receiver
    finally:
        sys.setswitchinterval(turns)
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join()


ENDPOINT = "{ id url events status pausedAt pauseReason waiting failed formerSecretUntil }"
REGISTER = f"""mutation ($input: RegisterWebhookInput!) {{ registerWebhook(input: $input) {{ __typename
  ... on WebhookSecret {{ secret endpoint {ENDPOINT} }} ... on Problem {{ code message }} }} }}"""
LOG = """query ($first: Int, $after: String, $state: WebhookState) {
  webhookDeliveries(first: $first, after: $after, state: $state) {
    edges { node { eventId endpointId number type data state nextAttemptAt failedAt deliveredAt
      attempts { at status error milliseconds } } }
    pageInfo { hasNextPage endCursor } } }"""


def act(name: str, *, gives: str, shows: str) -> str:
    """The document of a mutation."""
    return f"""mutation ($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {{ __typename
      ... on {gives} {shows} ... on Problem {{ code message }} }} }}"""


CHANGE = act("changeWebhook", gives="WebhookEndpoint", shows=ENDPOINT)
PAUSE = act("pauseWebhook", gives="WebhookEndpoint", shows=ENDPOINT)
RESUME = act("resumeWebhook", gives="WebhookEndpoint", shows=ENDPOINT)
REMOVE = act("removeWebhook", gives="RemovedWebhook", shows="{ id }")
ROTATE = act("rotateWebhookSecret", gives="WebhookSecret", shows=f"{{ secret endpoint {ENDPOINT} }}")
TEST = act("sendTestWebhook", gives="WebhooksAsked", shows="{ deliveries eventId }")
RESEND = act("resendWebhook", gives="WebhooksAsked", shows="{ deliveries eventId }")
SKIP = act("skipWebhook", gives="WebhooksAsked", shows="{ deliveries eventId }")
REPLAY = act("replayWebhooks", gives="WebhooksAsked", shows="{ deliveries eventId }")


async def register(city: City, url: str, *events: str) -> dict[str, Any]:
    """An endpoint of the small city's first partner: its secret and the endpoint."""
    done = await city.do(REGISTER, by="representative", url=url, events=list(events))
    assert done["__typename"] == "WebhookSecret", done
    return done


async def tell(city: City, *numbers: int, lane: str = "offer:1", type: str = "offer.changed") -> None:  # noqa: A002
    """Events of one lane, each in a transaction of its own."""
    for number in numbers:
        async with city.state.database.transaction() as connection:
            payload = {"lane": lane, "number": number}
            await emit(connection, partner_id=1, type=type, lane=lane, payload=payload, now=city.now)


async def endpoints(city: City) -> list[dict[str, Any]]:
    """As the representative sees them."""
    body = await city.ask(f"{{ webhookEndpoints {ENDPOINT} }}", by="representative")
    return list(body["data"]["webhookEndpoints"])


async def deliveries(city: City, *, by: str = "representative", **given: Any) -> list[dict[str, Any]]:
    """The log, newest first."""
    body = await city.ask(LOG, given, by=by)
    assert "errors" not in body, body
    return [edge["node"] for edge in body["data"]["webhookDeliveries"]["edges"]]


ACTS = frozenset(
    {
        "registerWebhook", "changeWebhook", "rotateWebhookSecret", "pauseWebhook", "resumeWebhook", "removeWebhook",
        "resendWebhook", "skipWebhook", "replayWebhooks", "sendTestWebhook",
    }
)  # fmt: skip
_URLS = count(1)


def fresh_url() -> str:
    """An address on this machine that nobody listens at."""
    return f"http://127.0.0.1:9/hooks/{next(_URLS)}"


async def webhook_input(city: City, what: str) -> dict[str, Any]:
    """A good input for an act of the small city's representative."""
    if what == "registerWebhook":
        return {"url": fresh_url(), "events": ["order.*"]}
    if what == "replayWebhooks":
        return {"since": "2026-11-20T00:00:00+08:00", "until": "2026-11-21T00:00:00+08:00"}
    if what in ("resendWebhook", "skipWebhook"):
        await tell(city, 1)
        return {"eventId": (await deliveries(city, first=1))[0]["eventId"]}
    if not await endpoints(city):
        await register(city, fresh_url())
    first, *others = await endpoints(city)
    if what == "removeWebhook":
        return {"endpointId": others[-1]["id"] if others else (await register(city, fresh_url()))["endpoint"]["id"]}
    more = {"changeWebhook": {"url": fresh_url(), "events": []}, "pauseWebhook": {"reason": "维护"}}
    if what == "sendTestWebhook":
        await city.do(RESUME, by="representative", endpointId=first["id"])
    return {"endpointId": first["id"]} | more.get(what, {})


async def file_webhooks(city: City) -> None:
    """An endpoint, and an event that was tried once."""
    await register(city, fresh_url())
    await tell(city, 1)
    await send_webhooks(city.state)
