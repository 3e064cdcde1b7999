"""Tables of pay-later orders. One thing to know: an order has one state; its steps say how it came there and are never
changed, and no other partner ever reads them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from core.database import Instant, metadata
from scoring.tables import Key

orders = Table(
    "orders",
    metadata,
    Column("subject_id", Key, ForeignKey("subjects.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("partner_id", BigInteger, ForeignKey("partners.id"), nullable=False),
    Column("offer_id", BigInteger, ForeignKey("offers.id"), nullable=False),
    Column("verification_id", Uuid, nullable=False),
    Column("state", String(12), nullable=False),
    Column("title", Text, nullable=False, comment="what is ordered, in neutral words"),
    Column("amount_fen", BigInteger, nullable=False, comment="the most it may cost; only ever lowered"),
    Column("final_fen", BigInteger, comment="what it did cost"),
    Column("paid_fen", BigInteger),
    Column("pay_days", Integer, nullable=False, comment="days after completion within which it is to be paid"),
    Column("due_on", Date, comment="last day for paying"),
    Column("expires_at", Instant, nullable=False, comment="until when its holder may confirm it"),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    UniqueConstraint("subject_id", "verification_id"),
    ForeignKeyConstraint(["subject_id", "verification_id"], ["verifications.subject_id", "verifications.id"]),
    Index("ix_orders_id", "id"),
    Index("ix_orders_partner", "partner_id", "state"),
)

order_steps = Table(
    "order_steps",
    metadata,
    Column("subject_id", Key, primary_key=True),
    Column("order_id", Uuid, primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("state", String(12), nullable=False, comment="after the step"),
    Column("actor", String(40), nullable=False),
    Column("at", Instant, nullable=False),
    Column("amount_fen", BigInteger),
    Column("reason", Text, nullable=False),
    ForeignKeyConstraint(["subject_id", "order_id"], ["orders.subject_id", "orders.id"]),
)
