"""The audit trail: a row for every act, in the transaction of the act. One thing to know: each database connection has
a chain of its own, so writers never wait for each other, and `core.checkpoints` signs where all chains stand.

A row's `leaf` is the SHA-256 of the row with a random nonce kept in it, so a leaf in a receipt gives nothing away and
pins the row. Its `link` is the SHA-256 of the link before it in its chain and its leaf; steps of a chain count from 1
without a gap. A chain ends with its connection, or with a transaction that failed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import BigInteger, Column, Index, String, Table, Text, Uuid, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import Instant, Trail, carried, metadata
from core.identifiers import new_id
from core.statements import PreparedInserts

NO_SUBJECT = 0
"""Subject key of acts that concern no credit subject."""

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("subject_id", BigInteger, primary_key=True, comment="0 where the act concerns no subject"),
    Column("id", Uuid, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", String(64), nullable=False, comment="account id"),
    Column("action", String(40), nullable=False),
    Column("content", Text, nullable=False, comment="canonical JSON of what was done"),
    Column("nonce", String(64), nullable=False),
    Column("leaf", String(64), nullable=False),
    Column("chain", Uuid, nullable=False),
    Column("step", BigInteger, nullable=False, comment="place in its chain, from 1"),
    Column("link", String(64), nullable=False, comment="SHA-256 of the link before it and the leaf"),
    Index("ix_audit_entries_chain", "chain", "step"),
    Index("ix_audit_entries_id", "id"),
)

audit_chains = Table(
    "audit_chains",
    metadata,
    Column("chain", Uuid, primary_key=True),
    Column("opened_at", Instant, nullable=False),
    Column("signed_step", BigInteger, nullable=False, server_default=text("0"), comment="a hint where to look"),
)


_OPEN = PreparedInserts(audit_chains)


def leaf_of(row: Mapping[str, Any]) -> str:
    """SHA-256, in hex, over the canonical JSON of an audit row with its nonce."""
    fields = {
        "subject": row["subject_id"],
        "id": str(row["id"]),
        "at": row["at"].isoformat(),
        "actor": row["actor"],
        "action": row["action"],
        "content": row["content"],
        "nonce": row["nonce"],
    }
    return sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()


def link_of(previous: str, leaf: str) -> str:
    """The link of a row, from the one before it in its chain."""
    return sha256(f"{previous}{leaf}".encode()).hexdigest()


def entry_of(
    *, at: datetime, actor: str, action: str, content: Mapping[str, Any], subject_id: int = NO_SUBJECT
) -> dict[str, Any]:
    """A row with its leaf, not yet part of a chain; `at` in UTC, as it comes back from the database."""
    row: dict[str, Any] = {
        "subject_id": subject_id,
        "id": new_id(),
        "at": at,
        "actor": actor,
        "action": action,
        "content": orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode(),
        "nonce": secrets.token_hex(32),
    }
    return row | {"leaf": leaf_of(row)}


def chained(entry: Mapping[str, Any], trail: Trail) -> dict[str, Any]:
    """The entry as the next row of a chain."""
    trail.step, trail.link = trail.step + 1, link_of(trail.link, entry["leaf"])
    return {**entry, "chain": trail.chain, "step": trail.step, "link": trail.link}


async def new_entry(
    connection: AsyncConnection,
    *,
    at: datetime,
    actor: str,
    action: str,
    content: Mapping[str, Any],
    subject_id: int = NO_SUBJECT,
) -> dict[str, Any]:
    """The next row of this connection's chain, to be written to `audit_entries` before anything else is asked for."""
    held = carried(connection)
    trail = held.trail = held.trail or Trail()
    trail.is_pending = True
    if not trail.is_open:
        # By itself: a chain without rows does no harm.
        await _OPEN.run(connection, {"chain": trail.chain, "opened_at": at, "signed_step": 0})
        trail.is_open = True
    return chained(entry_of(at=at, actor=actor, action=action, content=content, subject_id=subject_id), trail)


async def record(
    connection: AsyncConnection,
    *,
    at: datetime,
    actor: str,
    action: str,
    content: Mapping[str, Any],
    subject_id: int = NO_SUBJECT,
) -> None:
    """Write one audit row, in the caller's transaction."""
    row = await new_entry(connection, at=at, actor=actor, action=action, content=content, subject_id=subject_id)
    await connection.execute(insert(audit_entries).values(row))
