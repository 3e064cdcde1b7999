"""Tables of the sandbox. One thing to know: they are filled in the sandbox's own database and nowhere else."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Uuid

from core.database import Instant, Json, metadata

sandbox_clocks = Table(
    "sandbox_clocks",
    metadata,
    Column("partner_id", BigInteger, ForeignKey("partners.id"), primary_key=True),
    Column("ahead_seconds", BigInteger, nullable=False, comment="how far the partner has moved its clock"),
)

sandbox_personas = Table(
    "sandbox_personas",
    metadata,
    Column("partner_id", BigInteger, ForeignKey("partners.id"), primary_key=True),
    Column("persona", String(30), primary_key=True),
    Column("subject_id", BigInteger, ForeignKey("subjects.id"), nullable=False),
)

sandbox_faults = Table(
    "sandbox_faults",
    metadata,
    Column("code_id", LargeBinary, primary_key=True),
    Column("partner_id", BigInteger, ForeignKey("partners.id"), nullable=False),
    Column("fault", String(20), nullable=False),
    Column("times_left", Integer, nullable=False, comment="how often it still happens"),
    Column("made_at", Instant, nullable=False, comment="by the partner's clock"),
)

sandbox_key_changes = Table(
    "sandbox_key_changes",
    metadata,
    Column("partner_id", BigInteger, ForeignKey("partners.id"), primary_key=True, comment="who had the key changed"),
    Column("at", Instant, primary_key=True),
)

conformance_runs = Table(
    "conformance_runs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("partner_id", BigInteger, ForeignKey("partners.id"), nullable=False),
    Column("state", String(8), nullable=False, comment="RUNNING, PASSED or FAILED"),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("steps", Json, nullable=False, comment="what is asked, and what was seen"),
    Index("ix_conformance_runs_partner", "partner_id", "started_at"),
)
