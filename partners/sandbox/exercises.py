"""What the sandbox does to a partner's program: the events of a conformance run, and a key that changes. One thing to
know: each genuine event carries a word nobody can guess, so that saying which were taken proves it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import orjson
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.errors import ExpectedError, StartupError
from core.identifiers import new_id
from core.keys import Keys, drop_key, rotate_keys
from partners.sandbox.deliveries import forged_keys
from partners.sandbox.tables import sandbox_key_changes
from partners.tables import partners
from partners.webhooks.addresses import find_target
from partners.webhooks.signing import new_secret, signed_headers

TIMEOUT_SECONDS = 5
LATE_BY = timedelta(hours=1)
KEY_AGE_SECONDS = 3600
"""A receipt key of the sandbox that is younger is not changed again by a run."""
KEYS_KEPT, MOST_KEYS = 12, 200
"""Receipt keys that stay listed in any case, and the most that do; between the two, those in use within the day."""
CHANGES_APART, CHANGES_WITHIN, MOST_CHANGES = timedelta(minutes=1), timedelta(days=1), 20
"""How often one partner may have the key changed for all."""
KEPT_SECONDS = 86_400
"""As long as a run is open: its receipts can be checked to the end, however often the key is changed."""


class KeyChangedLately(ExpectedError):
    """The partner had the key changed a moment ago, or very often today."""

    code = "KEY_CHANGED_LATELY"


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
    forger = replace(sender, keys=forged_keys(sender.keys))
    for name, by, event, key in (
        ("genuine", sender, first, secret),
        ("forged", forger, forged, new_secret()),
        ("again", sender, first, secret),
        ("late", sender, late, secret),
    ):
        answers[name] = await _post(by, url, event, key, now)
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


async def note_key_change(connection: AsyncConnection, *, partner_id: int, actor: str, now: datetime) -> None:
    """Write down that a partner has the receipt key changed, unless it does so too often.

    Raises:
        KeyChangedLately: it did within the minute, or twenty times within the day.
    """
    # Locked, so that two who ask at once do not both find that it was long ago.
    await connection.execute(select(partners.c.id).where(partners.c.id == partner_id).with_for_update())
    its_own = (sandbox_key_changes.c.partner_id == partner_id, sandbox_key_changes.c.at > now - CHANGES_WITHIN)
    lately = (await connection.scalars(select(sandbox_key_changes.c.at).where(*its_own))).all()
    if lately and max(lately) > now - CHANGES_APART:
        raise KeyChangedLately("贵单位一分钟内刚换过沙箱的回执密钥。请稍后再换。")
    if len(lately) >= MOST_CHANGES:
        raise KeyChangedLately(f"贵单位一天内已换过 {MOST_CHANGES} 次沙箱的回执密钥,其他机构也在用它。请明天再换。")
    await connection.execute(insert(sandbox_key_changes).values(partner_id=partner_id, at=now))
    content = {"partner": partner_id}
    await audit.record(connection, at=now, actor=actor, action="changeSandboxKey", content=content)


async def change_receipt_key(keys: Keys, *, older_than: float = KEY_AGE_SECONDS) -> str:
    """Let the sandbox sign receipts with a new key, unless it did so that many seconds ago or less; the id of the key
    in use now. Old keys stay listed for a day at least."""
    path, now = keys.path, time.time()
    newest = max(key.active_from for key in keys.of("receipt"))
    if path is not None and newest <= now - older_than:
        with suppress(StartupError):  # another process was quicker
            await asyncio.to_thread(_change, keys, path, now)
        keys.refresh()
    return keys.active("receipt").kid


def _change(keys: Keys, path: Path, now: float) -> None:
    rotate_keys(path, ["receipt"], active_from=now)
    newest_first = sorted(keys.of("receipt"), key=lambda key: key.active_from, reverse=True)
    for place, key in enumerate(newest_first, start=2):  # the one just made comes first
        is_old = keys.out_of_use_since(key) < now - KEPT_SECONDS
        if place > MOST_KEYS or (place > KEYS_KEPT and is_old):
            drop_key(path, key.kid)
