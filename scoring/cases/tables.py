"""Tables of cases. One thing to know: a case's row says where it stands, its steps say how it came there and are never
changed."""

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
    LargeBinary,
    String,
    Table,
    Text,
    Uuid,
    text,
)

from core.database import Instant, Json, metadata
from scoring.tables import Key

cases = Table(
    "cases",
    metadata,
    Column("subject_id", Key, ForeignKey("subjects.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("kind", String(12), nullable=False, comment="objection, statement, appeal, complaint, repair"),
    Column("place", String(40), nullable=False, comment="whose terms apply"),
    Column("record_id", String(40), comment="the record it is about"),
    Column("model", String(60), comment="the result it is about, where it is about none of the records"),
    Column("field", String(60), comment="the field of the record that is said to be wrong"),
    Column("ground", String(40), nullable=False),
    Column("way", String(20), comment="repairs: put-right, commitment, training, report, public-service"),
    Column("statement_sealed", LargeBinary, nullable=False, comment="what the subject says"),
    Column("state", String(16), nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("opened_by", String(40), nullable=False),
    Column("routed_to", Text, comment="the body that decides, in words"),
    Column("routed_to_uscc", String(18)),
    Column("needs_help", Boolean, nullable=False, server_default=text("false"), comment="another body has to help"),
    Column("helper", Text, comment="the body that was asked for help"),
    Column("helper_uscc", String(18)),
    Column("help_due_on", Date, comment="last day for the helping body's answer"),
    Column("marked_at", Instant),
    Column("mark_due_on", Date),
    Column("due_on", Date, comment="last day for the decision, as reckoned when the case last changed"),
    Column("due_is_provisional", Boolean, nullable=False, server_default=text("false")),
    Column("paused_at", Instant, comment="an expert examination has stopped the clock"),
    Column("pauses", Json, nullable=False, comment="past intervals that do not count: [[from, to], …]"),
    Column("escalated_at", Instant),
    Column("decided_at", Instant),
    Column("outcome", String(16), comment="upheld, partly, rejected, withdrawn; granted, refused"),
    Column("answer_sealed", LargeBinary, comment="the decision and its reason"),
    Column("about_case", Uuid, comment="appeals: the case that was decided"),
    Index("ix_cases_id", "id"),
    Index("ix_cases_due", "due_on", sqlite_where=text("decided_at IS NULL"),
          postgresql_where=text("decided_at IS NULL")),
    Index("uq_cases_open", "subject_id", "record_id", "kind", "ground", unique=True,
          sqlite_where=text("decided_at IS NULL AND record_id IS NOT NULL"),
          postgresql_where=text("decided_at IS NULL AND record_id IS NOT NULL")),
)  # fmt: skip

case_steps = Table(
    "case_steps",
    metadata,
    Column("subject_id", Key, primary_key=True),
    Column("case_id", Uuid, primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("act", String(20), nullable=False),
    Column("state", String(16), nullable=False, comment="after the act"),
    Column("actor", String(40), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason_sealed", LargeBinary, nullable=False),
    Column("evidence", Json, nullable=False, comment="names of files, and what was true then"),
    ForeignKeyConstraint(["subject_id", "case_id"], ["cases.subject_id", "cases.id"]),
)

case_files = Table(
    "case_files",
    metadata,
    Column("subject_id", Key, primary_key=True),
    Column("case_id", Uuid, primary_key=True),
    Column("name", String(64), primary_key=True, comment="under which it is stored"),
    Column("title_sealed", LargeBinary, nullable=False, comment="the file's own name"),
    Column("type", String(40), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("actor", String(40), nullable=False),
    ForeignKeyConstraint(["subject_id", "case_id"], ["cases.subject_id", "cases.id"]),
)

record_receivers = Table(
    "record_receivers",
    metadata,
    Column("subject_id", Key, primary_key=True),
    Column("record_id", String(40), primary_key=True),
    Column("receiver", String(120), primary_key=True, comment="destination in the outbox"),
    Column("at", Instant, nullable=False),
    ForeignKeyConstraint(["subject_id", "record_id"], ["credit_records.subject_id", "credit_records.id"]),
    comment="who was given a record, and has to be told when it changes",
)
