"""What the sandbox does to a partner's program in a conformance run: events to receive, and a key that changes. One
thing to know: each genuine event carries a word nobody can guess, so that saying which were taken proves it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import orjson

from core.errors import StartupError
from core.identifiers import new_id
from core.keys import Keys, drop_key, rotate_keys
from partners.webhooks.addresses import find_target
from partners.webhooks.signing import new_secret, signed_headers

TIMEOUT_SECONDS = 5
LATE_BY = timedelta(hours=1)
KEY_AGE_SECONDS = 3600
"""A receipt key of the sandbox that is younger is not changed again."""
KEYS_KEPT = 12


@dataclass(frozen=True, slots=True)
class Sender:
    """In whose name events are sent."""

    keys: Keys
    issuer: str
    private_allowed: bool
    """Whether addresses on this machine and its network will do."""


@dataclass(frozen=True, slots=True)
class _Event:
    id: UUID
    body: bytes
    word: str


async def send_webhooks(
    sender: Sender, *, url: str, secret: bytes, now: datetime
) -> tuple[Mapping[str, int | None], str]:
    """Send a genuine event, one with a forged signature, the genuine one again, and one that comes late: by each of
    them the HTTP status that came back (None: none did), and the words of the genuine ones in order.

    Raises:
        AddressRefused: the address may not be sent to.
    """
    first, forged, late = _event(now), _event(now), _event(now - LATE_BY)
    answers = {}
    for name, event, key in (
        ("genuine", first, secret),
        ("forged", forged, new_secret()),
        ("again", first, secret),
        ("late", late, secret),
    ):
        answers[name] = await _post(sender, url, event, key, now)
    return answers, f"{first.word},{late.word}"


def _event(at: datetime) -> _Event:
    word = secrets.token_hex(6)
    body = orjson.dumps({"type": "test", "timestamp": at.isoformat(), "data": {"word": word}})
    return _Event(new_id(), body, word)


async def _post(sender: Sender, url: str, event: _Event, secret: bytes, now: datetime) -> int | None:
    # Looked at anew each time: a name may change its mind between two events.
    target = await find_target(url, private_allowed=sender.private_allowed)
    headers = signed_headers(
        sender.keys, event_id=event.id, body=event.body, at=now, signed_with=[secret], issuer=sender.issuer, url=url
    )
    host = target.url.netloc.decode()
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        try:
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                client.stream(
                    "POST",
                    target.url.copy_with(host=str(target.address)),
                    content=event.body,
                    headers=headers | {"content-type": "application/json", "host": host},
                    extensions={"sni_hostname": target.url.host},
                ) as response,
            ):
                return response.status_code  # what else it says is nobody's business
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            return None


async def check_address(url: str, *, private_allowed: bool) -> None:
    """Refuse an address that nothing may be sent to.

    Raises:
        AddressRefused: it is one.
    """
    await find_target(url, private_allowed=private_allowed)


async def change_receipt_key(keys: Keys) -> None:
    """Let the sandbox sign receipts with a new key, unless it did so within the hour. Old keys stay listed."""
    path = keys.path
    if path is None:
        return
    now = time.time()
    newest = max(key.active_from for key in keys.of("receipt"))
    if newest > now - KEY_AGE_SECONDS:
        return

    def change() -> None:
        rotate_keys(path, ["receipt"], active_from=now)
        for key in sorted(keys.of("receipt"), key=lambda key: key.active_from)[:-KEYS_KEPT]:
            drop_key(path, key.kid)

    try:
        await asyncio.to_thread(change)
    except StartupError:
        return  # another process was quicker
    keys.refresh()
