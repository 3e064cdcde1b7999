"""Tables of 信易贷. One thing to know: what a bank is told are the answers kept here, bands and yes or no; the figures
behind them stay where they are."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    Uuid,
)

from core.database import Instant, Json, metadata
from scoring.tables import Key

loan_applications = Table(
    "loan_applications",
    metadata,
    Column("subject_id", Key, ForeignKey("subjects.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("partner_id", BigInteger, ForeignKey("partners.id"), nullable=False, comment="the bank"),
    Column("offer_id", BigInteger, ForeignKey("offers.id"), nullable=False),
    Column("consent_id", Uuid, nullable=False, comment="for this bank and this application"),
    Column("product", String(30), nullable=False),
    Column("state", String(12), nullable=False),
    Column("amount_fen", BigInteger, nullable=False, comment="asked for"),
    Column("months", Integer, nullable=False, comment="asked for"),
    Column("use", Text, nullable=False),
    Column("indicators", Json, nullable=False, comment="names that the applicant consented to"),
    Column("applied_at", Instant, nullable=False),
    Column("expires_on", Date, nullable=False, comment="first day on which the bank is told nothing more"),
    Column("offered_fen", BigInteger),
    Column("rate_bp", Integer, comment="yearly rate in hundredths of a percent"),
    Column("offered_months", Integer),
    Column("secured", Boolean, comment="whether collateral or a guarantor is asked for"),
    Column("decline_reason", Text, comment="the bank's own; never the credit result alone"),
    Column("decided_at", Instant),
    Index("ix_loan_applications_id", "id"),
    Index("ix_loan_applications_partner", "partner_id", "state"),
)

loan_steps = Table(
    "loan_steps",
    metadata,
    Column("subject_id", Key, primary_key=True),
    Column("application_id", Uuid, primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("state", String(12), nullable=False, comment="after the step"),
    Column("actor", String(40), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    ForeignKeyConstraint(["subject_id", "application_id"], ["loan_applications.subject_id", "loan_applications.id"]),
)

loan_reports = Table(
    "loan_reports",
    metadata,
    Column("subject_id", Key, primary_key=True),
    Column("application_id", Uuid, primary_key=True),
    Column(
        "number", Integer, primary_key=True, autoincrement=False, comment="a later one takes the place of the earlier"
    ),
    Column("partner_id", BigInteger, ForeignKey("partners.id"), nullable=False),
    Column("disbursed_fen", BigInteger, nullable=False),
    Column("rate_bp", Integer, nullable=False),
    Column("secured", Boolean, nullable=False),
    Column("disbursed_on", Date, nullable=False),
    Column("repayment", String(12), nullable=False, comment="running, repaid, overdue …; for figures alone"),
    Column("at", Instant, nullable=False),
    Column("actor", String(40), nullable=False),
    ForeignKeyConstraint(["subject_id", "application_id"], ["loan_applications.subject_id", "loan_applications.id"]),
    Index("ix_loan_reports_partner", "partner_id", "disbursed_on"),
)
