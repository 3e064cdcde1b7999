"""Sends what waits in the outbox: to the platform above, and to receivers by name. One thing to know: what is sent is
signed here, at the moment of sending, and its `jti` is the same at every attempt, so that it is taken once."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from typing import Any

import httpx
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from api.context import State
from api.jobs.background import repeating
from core.calendar import add_working_days
from core.database import Database
from core.errors import StartupError
from core.identifiers import new_id
from core.keys import Keys
from core.settings import Settings
from core.signing import sign
from partners.tables import security_events
from scoring.outbox import Parcel, Pass, Undelivered, send_due
from scoring.results import UPSTREAM

log = logging.getLogger("xinyi.outbox")
SECONDS_BETWEEN = 30
TIMEOUT_SECONDS = 10
RECEIVER_DAYS = 3


async def send_once(database: Database, keys: Keys, settings: Settings, *, now: datetime) -> Pass:
    """Send whatever is due.

    Raises:
        StartupError: no address is set, or one without encryption outside the demo.
    """
    addresses = dict(settings.receivers)
    if settings.upstream_url is not None:
        addresses[UPSTREAM] = settings.upstream_url
    if not addresses:
        raise StartupError("没有设置上级平台地址。请设置 XINYI_UPSTREAM_URL 后重试;待发内容仍在发件箱中。")
    if settings.environment != "demo":
        for name, address in addresses.items():
            if not address.startswith("https://"):
                setting = "XINYI_UPSTREAM_URL" if name == UPSTREAM else f"XINYI_RECEIVERS 中 {name} 的地址"
                raise StartupError(f"{setting} 须以 https:// 开头:发送的内容含身份信息。请改正后重新启动。")
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:

        async def deliver(parcel: Parcel) -> None:
            url = addresses.get(parcel.destination)
            if url is None:
                raise Undelivered("没有登记这个接收方")
            claims = {"iss": settings.issuer, "iat": int(now.timestamp()), "jti": str(parcel.id), "aud": url}
            try:
                response = await client.post(
                    url,
                    content=sign(keys, "results", claims | _content(parcel)),
                    headers={"content-type": "application/jose"},
                )
            except httpx.HTTPError as error:
                raise Undelivered(type(error).__name__) from error
            if not response.is_success:
                raise Undelivered(f"HTTP {response.status_code}")

        return await send_due(database, keys, deliver=deliver, alarm=_raise_alarm, now=now)


def _content(parcel: Parcel) -> dict[str, Any]:
    """What a parcel says. Whoever was given a record has three working days to put it right
    (《黑龙江省社会信用条例》第三十九条第三款)."""
    payload = dict(parcel.payload)
    if parcel.destination == UPSTREAM:
        return {"model": payload.pop("model"), "results": [payload]}
    if parcel.topic == "record-changed":
        payload["correctBy"] = add_working_days(parcel.created_at, RECEIVER_DAYS).on.isoformat()
    return {"topic": parcel.topic, "notice": payload}


def sending(state: State) -> AbstractAsyncContextManager[None]:
    """Send in the background as long as the application runs, where an address is set."""
    if state.settings.upstream_url is None and not state.settings.receivers:
        return nullcontext()

    async def send() -> None:
        done = await send_once(state.database, state.keys, state.settings, now=state.clock())
        if any(done):
            log.info("outbox", extra=done._asdict())

    return repeating(send, seconds=SECONDS_BETWEEN, log=log, at_once=True)


async def _raise_alarm(connection: AsyncConnection, parcel: Parcel, error: str, now: datetime) -> None:
    log.error("outbox gave up", extra={"parcel": str(parcel.id), "topic": parcel.topic, "error": error})
    detail = {"parcel": str(parcel.id), "topic": parcel.topic, "attempts": parcel.attempts, "error": error}
    alarm = {"id": new_id(), "at": now, "kind": "OUTBOX_FAILED", "partner_id": None, "detail": detail}
    await connection.execute(insert(security_events).values(alarm))
