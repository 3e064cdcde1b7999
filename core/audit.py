"""The audit trail: a row for every act, in the transaction of the act. One thing to know: a row's `leaf` is the
SHA-256 of the row with a random nonce kept in it, so a leaf in a receipt gives nothing away and pins the row."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import BigInteger, Column, Insert, String, Table, Text, Uuid, insert

from core.database import Instant, metadata
from core.identifiers import new_id

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
)


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


def new_entry(
    *, at: datetime, actor: str, action: str, content: Mapping[str, Any], subject_id: int = NO_SUBJECT
) -> dict[str, Any]:
    """A row for `audit_entries`, its leaf included; `at` in UTC, as it comes back from the database."""
    row: dict[str, Any] = {
        "subject_id": subject_id,
        "id": new_id(),
        "at": at,
        "actor": actor,
        "action": action,
        "content": orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode(),
        "nonce": secrets.token_hex(32),
    }
    row["leaf"] = leaf_of(row)
    return row


def record(
    *, at: datetime, actor: str, action: str, content: Mapping[str, Any], subject_id: int = NO_SUBJECT
) -> Insert:
    """The statement that writes one audit row."""
    return insert(audit_entries).values(
        new_entry(at=at, actor=actor, action=action, content=content, subject_id=subject_id)
    )
