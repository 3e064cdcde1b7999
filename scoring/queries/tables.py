"""Tables of query rights. One thing to know: a right is for one body, one item and one matter, and ends by itself."""

from __future__ import annotations

from sqlalchemy import Column, Date, Index, String, Table, Text, Uuid, text

from core.database import Instant, metadata

query_rights = Table(
    "query_rights",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("body", Text, nullable=False),
    Column("body_uscc", String(18)),
    Column("account", String(40), nullable=False, comment="of the body's officer who asked"),
    Column("place", String(40), nullable=False),
    Column("item", String(60), nullable=False, comment="of the catalogue"),
    Column("matter", Text, nullable=False, comment="what the data is for, with its legal basis"),
    Column("state", String(10), nullable=False, comment="OPEN, WAITING, REFUSED, ENDED"),
    Column("asked_at", Instant, nullable=False),
    Column("opened_by", String(40), comment="null: it opened by itself, as the catalogue allows"),
    Column("opened_at", Instant),
    Column("ends_on", Date, comment="first day on which it no longer holds"),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Index("ix_query_rights_account", "account", "item"),
)
