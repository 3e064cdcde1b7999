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


def mac() -> Column[bytes]:
    """The keyed hash of a row's covered columns (`core.integrity`)."""
    return Column("mac", LargeBinary, comment="keyed hash of the columns covered; a row without it is not used")


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
    Column("ended_on", Date, comment="a person's death, an enterprise's end: from then on never scored"),
    Column("end_reason", String(12), comment="deceased, struck-off, or merged"),
    Column("merged_into", BigInteger, comment="the subject that goes on in its place"),
    mac(),
    CheckConstraint("kind IN ('person', 'enterprise')", name="kind"),
    Index("ix_subjects_enterprise_name", "display_name", sqlite_where=text("kind = 'enterprise'"),
          postgresql_where=text("kind = 'enterprise'")),
    info={"sealed": ("identity_hash", "kind", "place", "birth_on", "ended_on", "end_reason", "merged_into")},
)  # fmt: skip

subject_identifiers = Table(
    "subject_identifiers",
    metadata,
    Column("identity_hash", LargeBinary, primary_key=True, comment="keyed hash of scheme and number"),
    Column("subject_id", Key, ForeignKey("subjects.id"), nullable=False, index=True),
    Column("scheme", String(24), nullable=False, comment="uscc, organisation-code, registration-number, passport …"),
    Column("identity_sealed", LargeBinary, nullable=False),
    Column("noted_at", Instant, nullable=False),
    Column("noted_by", String(40), nullable=False),
    Column("until_on", Date, comment="first day on which it was another's or nobody's"),
    comment="numbers besides the one that a subject is keyed by",
)

subject_changes = Table(
    "subject_changes",
    metadata,
    Column("subject_id", Key, ForeignKey("subjects.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", String(40), nullable=False),
    Column("change", String(16), nullable=False, comment="renamed, deceased, struck-off, merged, took-over, corrected"),
    Column("reason", Text, nullable=False, comment="the document behind it"),
    Column("before_sealed", LargeBinary, nullable=False, comment="what it was before; append-only"),
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
    Column("catalogued_as", String(60), comment="item of the catalogue; null is the same as `item`"),
    Column("severity", String(8), comment="general or serious, for terms"),
    Column("document_number", Text, comment="as it is written"),
    Column("authority", Text),
    Column("authority_uscc", String(18)),
    Column("provider", Text, comment="the body that delivered it, and that objections go to"),
    Column("provider_uscc", String(18)),
    Column("content_sealed", LargeBinary, comment="all catalogued fields, as JSON"),
    Column("received_at", Instant),
    Column("version", Integer, nullable=False, server_default=text("1"), comment="the newest of record_versions"),
    Column("suspended_at", Instant, comment="not used while something about it is open"),
    Column("hidden_at", Instant, comment="honours only: hidden at the subject's own wish"),
    Column("removal", String(12), comment="why it ends before its term: repaired, corrected, withdrawn, merged"),
    mac(),
    Index("ix_credit_records_public", "item", "subject_id"),
    info={
        "sealed": (
            "subject_id", "id", "item", "occurred_on", "removed_on", "serious_consequence", "points", "minor",
            "corrected_on", "force_majeure", "source", "catalogued_as", "severity", "document_number", "authority",
            "authority_uscc", "provider", "provider_uscc", "content_sealed", "received_at", "version", "suspended_at",
            "hidden_at", "removal",
        )
    },
)  # fmt: skip

record_versions = Table(
    "record_versions",
    metadata,
    Column("subject_id", Key, primary_key=True),
    Column("record_id", String(40), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("actor", String(40), nullable=False),
    Column("change", String(12), nullable=False,
           comment="received, corrected, suspended, resumed, repaired, withdrawn, hidden, shown, moved"),
    Column("reason", Text, nullable=False),
    Column("content_hash", String(64), comment="SHA-256 of a delivery, without the subject's number"),
    Column("state_sealed", LargeBinary, nullable=False, comment="the record as it was from then on, as JSON"),
    Column("batch_id", Uuid, comment="the delivery it came with"),
    ForeignKeyConstraint(["subject_id", "record_id"], ["credit_records.subject_id", "credit_records.id"]),
    comment="how a record came and changed; append-only",
)  # fmt: skip

facts = Table(
    "facts",
    metadata,
    Column("subject_id", Key, ForeignKey("subjects.id"), primary_key=True),
    Column("name", String(60), primary_key=True),
    Column("value", Json, nullable=False),
    Column("observed_on", Date, nullable=False),
    mac(),
    info={"sealed": ("subject_id", "name", "value", "observed_on")},
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
    mac(),
    # What deciding looks at, and no more: it is read at every scan.
    info={
        "sealed": (
            "subject_id", "model", "model_checksum", "points", "grade", "reason", "better_grade", "evaluated_on",
            "evaluated_at", "valid_until",
        )
    },
)  # fmt: skip

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

consents = Table(
    "consents",
    metadata,
    Column("subject_id", Key, ForeignKey("subjects.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("state", String(10), nullable=False, comment="as last set; past `ends_on` it is EXPIRED whatever this says"),
    Column("purpose", String(40), nullable=False),
    Column("purpose_version", String(10), nullable=False),
    Column("partner_id", BigInteger, comment="to whom it is given, where that is a partner"),
    Column("recipient", Text, nullable=False, comment="to whom it is given, in words"),
    Column("offer_id", BigInteger),
    Column("scope", Json, nullable=False, comment="catalogue items or answers that it is about"),
    Column("frequency", String(20), nullable=False, comment="once, or per-use"),
    Column("requested_at", Instant, nullable=False),
    Column("requested_by", String(40), nullable=False),
    Column("ends_on", Date, nullable=False, comment="first day on which it no longer holds; at most a year on"),
    Column("erase_by", Date, nullable=False, comment="by when what was received is erased"),
    Column("used_at", Instant, comment="the last use; one given for once is used up by it"),
    Column("receipt", Text, comment="the newest signed receipt"),
    mac(),
    Index("ix_consents_partner", "subject_id", "partner_id"),
    Index("ix_consents_asked_by", "partner_id", "id"),
    info={
        "sealed": (
            "subject_id", "id", "state", "purpose", "purpose_version", "partner_id", "recipient", "offer_id", "scope",
            "frequency", "requested_at", "requested_by", "ends_on", "erase_by", "used_at",
        )
    },
)  # fmt: skip

consent_steps = Table(
    "consent_steps",
    metadata,
    Column("subject_id", Key, primary_key=True),
    Column("consent_id", Uuid, primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("act", String(12), nullable=False),
    Column("state", String(10), nullable=False, comment="after the act"),
    Column("actor", String(40), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    ForeignKeyConstraint(["subject_id", "consent_id"], ["consents.subject_id", "consents.id"]),
)

departures = Table(
    "departures",
    metadata,
    Column("subject_id", Key, ForeignKey("subjects.id"), primary_key=True),
    Column("at", Instant, primary_key=True),
    Column("erased", Json, nullable=False, comment="how many rows of each table"),
    Column("tombstone", String(64), nullable=False, comment="SHA-256 of what was erased, with a nonce nobody keeps"),
)

credit_reports = Table(
    "credit_reports",
    metadata,
    Column("subject_id", Key, ForeignKey("subjects.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("made_at", Instant, nullable=False),
    Column("made_by", String(40), nullable=False),
    Column("sha256", String(64), nullable=False, comment="of the report; the report itself is not kept"),
    Index("ix_credit_reports_id", "id"),
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
    mac(),
    Index("ix_pushed_results_batch", "issuer", "batch"),
    info={
        "sealed": (
            "subject_id", "model", "id", "origin", "points", "grade", "result_on", "valid_until", "issuer",
            "issuer_name", "reference", "batch", "received_at", "withdrawn_at",
        )
    },
)  # fmt: skip

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
