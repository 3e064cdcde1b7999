"""Alarms for those who look after the alliance. One thing to know: an alarm names partners, offers and keys, never a
person by name or number, and is written with what raised it or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from core.identifiers import new_id
from partners.tables import security_events


async def raise_alarm(
    connection: AsyncConnection, *, kind: str, detail: Mapping[str, Any], now: datetime, partner_id: int | None = None
) -> UUID:
    """Write an alarm, in the caller's transaction; its id. `kind` is a stable code such as `STOLEN_KEY`."""
    row = {"id": new_id(), "at": now, "kind": kind, "partner_id": partner_id, "detail": dict(detail)}
    await connection.execute(insert(security_events).values(row))
    return row["id"]  # type: ignore[return-value]
