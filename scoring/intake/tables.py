"""Tables of deliveries. One thing to know: what a delivery did is counted row by row, per body, and in the transaction
of the rows counted."""

from __future__ import annotations

from sqlalchemy import Column, Date, ForeignKey, Integer, String, Table, Uuid

from core.database import Instant, Json, metadata

intake_batches = Table(
    "intake_batches",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("item", String(60), nullable=False),
    Column("place", String(40), nullable=False),
    Column("file_sha256", String(64), nullable=False),
    Column("actor", String(40), nullable=False),
    Column("at", Instant, nullable=False),
    Column("finished_at", Instant, comment="null while it is being read, and for good where that was interrupted"),
    Column("rows", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("corrections", Integer, nullable=False),
    Column("duplicates", Integer, nullable=False),
    Column("not_collected", Integer, nullable=False),
    Column("quarantined", Integer, nullable=False),
    Column("unknown_columns", Integer, nullable=False),
    Column("reasons", Json, nullable=False, comment="quarantined rows by code"),
    Column("quarantine", String(64), comment="name of the stored file to send back"),
)

intake_counts = Table(
    "intake_counts",
    metadata,
    Column("batch_id", Uuid, ForeignKey("intake_batches.id"), primary_key=True),
    Column("body", String(120), primary_key=True, comment="the body that provided the rows; empty where not told"),
    Column("month", Date, primary_key=True, comment="first day of the month of the decisions"),
    Column("rows", Integer, nullable=False),
    Column("accepted", Integer, nullable=False, comment="new or corrected"),
    Column("fields", Integer, nullable=False, comment="catalogued fields of the accepted rows"),
    Column("filled", Integer, nullable=False, comment="of them, those that said something"),
    Column("timed", Integer, nullable=False, comment="new rows"),
    Column("in_time", Integer, nullable=False, comment="of them, those within seven working days of the decision"),
    Column("invalid", Integer, nullable=False, comment="quarantined"),
    comment="completeness, validity and seven-day rate per body",
)
