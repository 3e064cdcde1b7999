"""Tables about credit subjects. One thing to know: each carries the subject's key in its primary key, so that the
schema can be distributed by subject without a rewrite."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from core.database import Instant, Json, metadata

# SQLite counts up by itself only in a column declared INTEGER.
Key = BigInteger().with_variant(Integer, "sqlite")

subjects = Table(
    "subjects",
    metadata,
    Column("id", Key, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("place", String(40), nullable=False),
    Column("display_name", Text, nullable=False, comment="a person's masked name, an enterprise's full name"),
    Column("name_sealed", LargeBinary, nullable=False),
    Column("identity_hash", LargeBinary, nullable=False, unique=True, comment="keyed hash of the identity number"),
    Column("identity_sealed", LargeBinary, nullable=False),
    Column("birth_on", Date, comment="persons only: minors are never scored"),
    Column("sex", String(1), comment="persons only; F or M: for measuring whether a model treats people alike"),
    Column("district", String(6), comment="division code (GB/T 2260), for statistics"),
    Column("industry", String(1), comment="enterprises only; section of GB/T 4754, for statistics"),
    Column("park", String(60), comment="enterprises only: code of the park it stands in"),
    CheckConstraint("kind IN ('person', 'enterprise')", name="kind"),
)

enrollments = Table(
    "enrollments",
    metadata,
    Column("subject_id", Key, ForeignKey("subjects.id"), primary_key=True),
    Column("enrolled_at", Instant, primary_key=True),
    Column("notice_version", String(40), nullable=False),
    Column("left_at", Instant),
    Index("uq_enrollments_current", "subject_id", unique=True, sqlite_where=text("left_at IS NULL"),
          postgresql_where=text("left_at IS NULL")),
)  # fmt: skip

credit_records = Table(
    "credit_records",
    metadata,
    Column("subject_id", Key, ForeignKey("subjects.id"), primary_key=True),
    Column("id", String(40), primary_key=True),
    Column("item", String(60), nullable=False),
    Column("occurred_on", Date, nullable=False),
    Column("removed_on", Date, comment="first day on which the record counts no more"),
    Column("serious_consequence", Boolean, nullable=False, server_default=text("false")),
    Column("points", BigInteger, comment="hundredths of a point, where the item carries its own"),
    Column("minor", Boolean, nullable=False, server_default=text("false"), comment="a minor breach"),
    Column("corrected_on", Date, comment="the day on which it was put right"),
    Column("force_majeure", Boolean, nullable=False, server_default=text("false")),
    Column("source", Text, nullable=False, comment="the body and the legal document behind the record"),
)

facts = Table(
    "facts",
    metadata,
    Column("subject_id", Key, ForeignKey("subjects.id"), primary_key=True),
    Column("name", String(60), primary_key=True),
    Column("value", Json, nullable=False),
    Column("observed_on", Date, nullable=False),
)

scores = Table(
    "scores",
    metadata,
    Column("subject_id", Key, ForeignKey("subjects.id"), primary_key=True),
    Column("model", String(60), primary_key=True),
    Column("model_checksum", String(64), nullable=False, comment="of the model's file: another file, another score"),
    Column("points", BigInteger, comment="hundredths of a point"),
    Column("grade", String(20), comment="null where the model could not speak"),
    Column("reason", String(40), comment="why the model could not speak"),
    Column("lines", Json, nullable=False),
    Column("evaluated_on", Date, nullable=False, comment="the day the score was made for"),
    Column("evaluated_at", Instant, nullable=False),
    Column("valid_until", Date, comment="first day on which time alone may have changed it"),
)
