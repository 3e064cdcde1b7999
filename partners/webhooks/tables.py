"""Tables of webhooks. One thing to know: an event is written in the transaction of what it tells of, with a delivery
for each endpoint that wants it; what is in it names no person."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, Uuid, text

from core.database import Instant, Json, metadata

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("partner_id", BigInteger, ForeignKey("partners.id"), nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("events", Json, nullable=False, comment="types wanted; empty: all"),
    Column("secret_sealed", LargeBinary, nullable=False),
    Column("former_secret_sealed", LargeBinary, comment="signs too until former_until"),
    Column("former_until", Instant),
    Column("status", String(8), nullable=False, comment="ACTIVE, PAUSED or REMOVED"),
    Column("paused_at", Instant),
    Column("pause_reason", Text, nullable=False, server_default=text("''")),
    Column("created_by", String(40), nullable=False),
    Column("created_at", Instant, nullable=False),
)

webhook_events = Table(
    "webhook_events",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("partner_id", BigInteger, ForeignKey("partners.id"), nullable=False),
    Column("type", String(60), nullable=False),
    Column("lane", LargeBinary, nullable=False, comment="keyed hash of the subject or offer: events of one keep order"),
    Column("payload", Json, nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_webhook_events_partner", "partner_id", "at"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("endpoint_id", Uuid, ForeignKey("webhook_endpoints.id"), primary_key=True),
    Column("event_id", Uuid, ForeignKey("webhook_events.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="1; higher ones were asked for again"),
    Column("lane", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", Instant, nullable=False),
    Column("delivered_at", Instant),
    Column("failed_at", Instant, comment="given up for now; a person is told, nothing is dropped"),
    Column("skipped_at", Instant, comment="a person let it be; later ones of its lane go on"),
    Index("ix_webhook_deliveries_due", "endpoint_id", "next_attempt_at",
          sqlite_where=text("delivered_at IS NULL AND skipped_at IS NULL AND failed_at IS NULL"),
          postgresql_where=text("delivered_at IS NULL AND skipped_at IS NULL AND failed_at IS NULL")),
    Index("ix_webhook_deliveries_lane", "endpoint_id", "lane", "event_id",
          sqlite_where=text("delivered_at IS NULL AND skipped_at IS NULL"),
          postgresql_where=text("delivered_at IS NULL AND skipped_at IS NULL")),
)  # fmt: skip

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("endpoint_id", Uuid, primary_key=True),
    Column("event_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("status", Integer, comment="HTTP status; null where none came"),
    Column("error", String(200), nullable=False, server_default=text("''")),
    Column("milliseconds", Integer, nullable=False),
)
