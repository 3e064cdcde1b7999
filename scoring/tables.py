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
    Column("origin", String(10), nullable=False, server_default=text("'computed'"), comment="see scoring.results"),
    Column("issuer", Text, comment="who made it, where it was not computed here"),
    Column("result_on", Date, comment="the day of a result that was not computed here"),
    Column("better_grade", String(20), comment="what counts for benefits where it is better than the grade"),
    Column("better_why", Text, comment="why it counts, for the subject"),
)

score_inputs = Table(
    "score_inputs",
    metadata,
    Column("subject_id", Key, ForeignKey("subjects.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("records", Json, nullable=False),
    Column("facts", Json, nullable=False),
    Column("pushed", Json, nullable=False),
    comment="what was known of a subject from `at` on; never changed, so that any past score can be made again",
)

pushed_results = Table(
    "pushed_results",
    metadata,
    Column("subject_id", Key, ForeignKey("subjects.id"), primary_key=True),
    Column("model", String(60), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("origin", String(10), nullable=False, comment="pushed, or corrected here"),
    Column("points", BigInteger, comment="hundredths of a point; null where the result is a grade alone"),
    Column("grade", String(20), nullable=False),
    Column("result_on", Date, nullable=False),
    Column("valid_until", Date, comment="first day on which it no longer holds"),
    Column("issuer", String(200), nullable=False),
    Column("issuer_name", Text, nullable=False),
    Column("reference", Text, comment="the document behind it, or why it was corrected"),
    Column("batch", String(128), nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("withdrawn_at", Instant),
    Index("ix_pushed_results_batch", "issuer", "batch"),
)

result_batches = Table(
    "result_batches",
    metadata,
    Column("issuer", String(200), primary_key=True),
    Column("batch", String(128), primary_key=True, comment="the issuer's own id of what was pushed together"),
    Column("body_hash", LargeBinary, nullable=False),
    Column("answer", Json, nullable=False),
    Column("received_at", Instant, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("topic", String(40), nullable=False),
    Column("destination", Text, nullable=False),
    Column("payload_sealed", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", Instant, nullable=False),
    Column("delivered_at", Instant),
    Column("failed_at", Instant, comment="after the last attempt; an alarm was raised"),
    Column("last_error", Text),
    Index("ix_outbox_waiting", "next_attempt_at",
          sqlite_where=text("delivered_at IS NULL AND failed_at IS NULL"),
          postgresql_where=text("delivered_at IS NULL AND failed_at IS NULL")),
)  # fmt: skip

model_versions = Table(
    "model_versions",
    metadata,
    Column("model", String(60), primary_key=True),
    Column("version", String(10), primary_key=True),
    Column("place", String(40), nullable=False),
    Column("checksum", String(64), nullable=False, comment="of the content and what it is built on"),
    Column("content", Text, nullable=False, comment="the YAML exactly as drafted"),
    Column("cases", Text, nullable=False, comment="the YAML of its table of cases"),
    Column("state", String(12), nullable=False),
    Column("in_force_from", Date, comment="set by publishing"),
    Column("in_force_until", Date,
           comment="first day on which it was rolled back; a later version supersedes by its own day"),
    Column("drafted_by", String(40), nullable=False),
    Column("drafted_at", Instant, nullable=False),
)  # fmt: skip

model_steps = Table(
    "model_steps",
    metadata,
    Column("model", String(60), primary_key=True),
    Column("version", String(10), primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("act", String(16), nullable=False),
    Column("state", String(12), nullable=False, comment="after the act"),
    Column("actor", String(40), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("checksum", String(64), nullable=False, comment="of the content that the act was about"),
    Column("evidence", Json, nullable=False),
    ForeignKeyConstraint(["model", "version"], ["model_versions.model", "model_versions.version"]),
)

model_reports = Table(
    "model_reports",
    metadata,
    Column("model", String(60), primary_key=True),
    Column("version", String(10), primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("sha256", String(64), nullable=False, comment="of the HTML itself"),
    Column("page", LargeBinary, nullable=False, comment="the HTML, compressed by zlib"),
    ForeignKeyConstraint(
        ["model", "version", "step"], ["model_steps.model", "model_steps.version", "model_steps.step"]
    ),
)

statistics_takes = Table(
    "statistics_takes",
    metadata,
    Column("month", Date, primary_key=True, comment="its first day"),
    Column("place", String(40), primary_key=True),
    Column("model", String(60), primary_key=True),
    Column("taken_at", Instant, nullable=False),
    comment="a month is taken once: two takes of one month could be compared",
)

grade_statistics = Table(
    "grade_statistics",
    metadata,
    Column("month", Date, primary_key=True),
    Column("place", String(40), primary_key=True),
    Column("model", String(60), primary_key=True),
    Column("dimension", String(10), primary_key=True, comment="region or industry"),
    Column("value", String(40), primary_key=True, comment="a district's or industry's code; empty where not told"),
    Column("grade", String(20), primary_key=True),
    Column("count", Integer, nullable=False, comment="a multiple of ten; nothing smaller is ever stored"),
)

park_indices = Table(
    "park_indices",
    metadata,
    Column("month", Date, primary_key=True),
    Column("place", String(40), primary_key=True),
    Column("park", String(40), primary_key=True),
    Column("points", Integer, nullable=False),
    Column("enterprises", Integer, nullable=False, comment="rounded down to ten"),
)
