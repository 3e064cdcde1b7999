"""Sends webhooks to partners. One thing to know: the address is looked at anew at each attempt, and the connection goes
to the very address that was looked at; no redirect is followed, and what the receiver says is not kept."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, suppress
from datetime import UTC, datetime
from functools import cache

import httpx
import orjson

from api.context import State
from api.jobs.background import repeating
from core.keys import Keys
from partners.webhooks.addresses import AddressRefused, Resolver, Target, find_target, resolve
from partners.webhooks.delivery import Deliver, Parcel, Pass, Undelivered, send_due
from partners.webhooks.signing import signed_headers

log = logging.getLogger("xinyi.webhooks")
SECONDS_BETWEEN = 5
TIMEOUT_SECONDS = 10
MOST_READ = 1024
"""Bytes of an answer that are read, so that its connection can be used again; they are thrown away."""


def private_allowed(state: State) -> bool:
    """Whether plain HTTP and addresses of one's own machine and network may be sent to: in a demonstration alone."""
    return state.settings.environment == "demo"


async def send_webhooks(state: State, *, resolver: Resolver = resolve) -> Pass:
    """Send whatever is due."""
    async with AsyncExitStack() as opened:
        deliver = posting(
            opened, state.keys, issuer=state.settings.issuer, private_allowed=private_allowed(state), resolver=resolver
        )
        return await send_due(state.database, deliver=deliver, clock=state.clock)


def sending_webhooks(state: State) -> AbstractAsyncContextManager[None]:
    """Send in the background as long as the application runs."""

    async def send() -> None:
        done = await send_webhooks(state)
        if any(done):
            log.info("webhooks", extra=done._asdict())

    return repeating(send, seconds=SECONDS_BETWEEN, log=log)


def body_of(parcel: Parcel) -> bytes:
    """What is sent: the same bytes at every attempt."""
    at = parcel.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    content = {"type": parcel.type, "timestamp": at, "data": parcel.payload}
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def posting(
    opened: AsyncExitStack,
    keys: Keys,
    *,
    issuer: str,
    private_allowed: bool,
    resolver: Resolver = resolve,
    trust: ssl.SSLContext | None = None,
) -> Deliver:
    """How a parcel is sent; connections stay open until `opened` ends. `trust`: instead of the usual certificates."""
    clients: dict[tuple[bytes, bytes, str], httpx.AsyncClient] = {}

    async def client_for(target: Target) -> httpx.AsyncClient:
        # Not shared between names, though they may have one address: each has its own certificate.
        key = target.url.raw_scheme, target.url.netloc, str(target.address)
        if key not in clients:
            # No proxy of the environment: it would look the name up for itself.
            made = httpx.AsyncClient(verify=trust or _usual_trust(), trust_env=False, timeout=TIMEOUT_SECONDS)
            clients[key] = made
            await opened.enter_async_context(made)
        return clients[key]

    async def deliver(parcel: Parcel, at: datetime) -> int:
        body, status = body_of(parcel), None
        headers = signed_headers(
            keys, event_id=parcel.event_id, body=body, at=at, signed_with=parcel.secrets, issuer=issuer, url=parcel.url
        )
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                target = await find_target(parcel.url, private_allowed=private_allowed, resolver=resolver)
                client = await client_for(target)
                async with aclosing(await client.send(_pinned(target, headers, body), stream=True)) as response:
                    status = response.status_code
                    with suppress(httpx.HTTPError):
                        await _read_some(response)
        except AddressRefused as refused:
            raise Undelivered(refused.message) from refused
        except (TimeoutError, httpx.TimeoutException) as late:
            if status is None:
                raise Undelivered(f"{TIMEOUT_SECONDS} 秒内没有答复") from late
        except (httpx.HTTPError, ssl.SSLError) as error:
            raise Undelivered(f"无法连接或答复有误({type(error).__name__})") from error
        assert status is not None  # noqa: S101  # said above
        if not 200 <= status < 300:
            hint = ",不跟随跳转" if 300 <= status < 400 else ""
            raise Undelivered(f"HTTP {status}{hint}", status)
        return status

    return deliver


@cache
def _usual_trust() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _pinned(target: Target, headers: Mapping[str, str], body: bytes) -> httpx.Request:
    """The request to the address itself, in the name of the host: its certificate is checked for that name."""
    host = target.url.raw_host.decode()
    told = {"host": target.url.netloc.decode(), "content-type": "application/json", "user-agent": "xinyi-webhooks"}
    extensions = {} if host == str(target.address) else {"sni_hostname": host}
    url = target.url.copy_with(host=str(target.address))
    return httpx.Request("POST", url, headers={**headers, **told}, content=body, extensions=extensions)


async def _read_some(response: httpx.Response) -> None:
    read = 0
    async for chunk in response.aiter_raw():
        read += len(chunk)
        if read > MOST_READ:
            return
