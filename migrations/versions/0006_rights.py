"""Credit information and the rights of the person it is about; chained audit rows; rows that are sealed.

Revision: 0006
Follows: 0005
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

from core.audit import link_of
from core.database import Instant, Json

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_chains",
        sa.Column("chain", sa.Uuid(), nullable=False),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column(
            "signed_step", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="a hint where to look"
        ),
        sa.PrimaryKeyConstraint("chain", name=op.f("pk_audit_chains")),
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False, comment="from 1, without a gap"),
        sa.Column("at", Instant(), nullable=False),
        sa.Column(
            "statement",
            sa.Text(),
            nullable=False,
            comment="JWS; its heads are the chains that moved since the last one",
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_checkpoints")),
    )
    op.create_table(
        "intake_batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("item", sa.String(length=60), nullable=False),
        sa.Column("place", sa.String(length=40), nullable=False),
        sa.Column("file_sha256", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=40), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column(
            "finished_at",
            Instant(),
            nullable=True,
            comment="null while it is being read, and for good where that was interrupted",
        ),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("corrections", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("not_collected", sa.Integer(), nullable=False),
        sa.Column("quarantined", sa.Integer(), nullable=False),
        sa.Column("unknown_columns", sa.Integer(), nullable=False),
        sa.Column("reasons", Json, nullable=False, comment="quarantined rows by code"),
        sa.Column("quarantine", sa.String(length=64), nullable=True, comment="name of the stored file to send back"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intake_batches")),
    )
    op.create_table(
        "cases",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind", sa.String(length=12), nullable=False, comment="objection, statement, appeal, complaint, repair"
        ),
        sa.Column("place", sa.String(length=40), nullable=False, comment="whose terms apply"),
        sa.Column("record_id", sa.String(length=40), nullable=True, comment="the record it is about"),
        sa.Column(
            "model",
            sa.String(length=60),
            nullable=True,
            comment="the result it is about, where it is about none of the records",
        ),
        sa.Column(
            "field", sa.String(length=60), nullable=True, comment="the field of the record that is said to be wrong"
        ),
        sa.Column("ground", sa.String(length=40), nullable=False),
        sa.Column(
            "way",
            sa.String(length=20),
            nullable=True,
            comment="repairs: put-right, commitment, training, report, public-service",
        ),
        sa.Column("statement_sealed", sa.LargeBinary(), nullable=False, comment="what the subject says"),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column("opened_by", sa.String(length=40), nullable=False),
        sa.Column("routed_to", sa.Text(), nullable=True, comment="the body that decides, in words"),
        sa.Column("routed_to_uscc", sa.String(length=18), nullable=True),
        sa.Column(
            "needs_help",
            sa.Boolean(),
            server_default=sa.text("(false)"),
            nullable=False,
            comment="another body has to help",
        ),
        sa.Column("helper", sa.Text(), nullable=True, comment="the body that was asked for help"),
        sa.Column("helper_uscc", sa.String(length=18), nullable=True),
        sa.Column("help_due_on", sa.Date(), nullable=True, comment="last day for the helping body's answer"),
        sa.Column("marked_at", Instant(), nullable=True),
        sa.Column("mark_due_on", sa.Date(), nullable=True),
        sa.Column(
            "due_on",
            sa.Date(),
            nullable=True,
            comment="last day for the decision, as reckoned when the case last changed",
        ),
        sa.Column("due_is_provisional", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("paused_at", Instant(), nullable=True, comment="an expert examination has stopped the clock"),
        sa.Column("pauses", Json, nullable=False, comment="past intervals that do not count: [[from, to], …]"),
        sa.Column("escalated_at", Instant(), nullable=True),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.Column(
            "outcome",
            sa.String(length=16),
            nullable=True,
            comment="upheld, partly, rejected, withdrawn; granted, refused",
        ),
        sa.Column("answer_sealed", sa.LargeBinary(), nullable=True, comment="the decision and its reason"),
        sa.Column("about_case", sa.Uuid(), nullable=True, comment="appeals: the case that was decided"),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_cases_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_cases")),
    )
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.create_index("ix_cases_id", ["id"], unique=False)
        batch_op.create_index(
            "ix_cases_due",
            ["due_on"],
            unique=False,
            sqlite_where=sa.text("decided_at IS NULL"),
            postgresql_where=sa.text("decided_at IS NULL"),
        )
        batch_op.create_index(
            "uq_cases_open",
            ["subject_id", "record_id", "kind", "ground"],
            unique=True,
            sqlite_where=sa.text("decided_at IS NULL AND record_id IS NOT NULL"),
            postgresql_where=sa.text("decided_at IS NULL AND record_id IS NOT NULL"),
        )

    op.create_table(
        "consents",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.String(length=10),
            nullable=False,
            comment="as last set; past `ends_on` it is EXPIRED whatever this says",
        ),
        sa.Column("purpose", sa.String(length=40), nullable=False),
        sa.Column("purpose_version", sa.String(length=10), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=True, comment="to whom it is given, where that is a partner"),
        sa.Column("recipient", sa.Text(), nullable=False, comment="to whom it is given, in words"),
        sa.Column("offer_id", sa.BigInteger(), nullable=True),
        sa.Column("scope", Json, nullable=False, comment="catalogue items or answers that it is about"),
        sa.Column("frequency", sa.String(length=20), nullable=False, comment="once, or per-use"),
        sa.Column("requested_at", Instant(), nullable=False),
        sa.Column("requested_by", sa.String(length=40), nullable=False),
        sa.Column(
            "ends_on", sa.Date(), nullable=False, comment="first day on which it no longer holds; at most a year on"
        ),
        sa.Column("erase_by", sa.Date(), nullable=False, comment="by when what was received is erased"),
        sa.Column("used_at", Instant(), nullable=True, comment="the last use; one given for once is used up by it"),
        sa.Column("receipt", sa.Text(), nullable=True, comment="the newest signed receipt"),
        sa.Column(
            "mac",
            sa.LargeBinary(),
            nullable=True,
            comment="keyed hash of the columns covered; a row without it is not used",
        ),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_consents_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_consents")),
    )
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.create_index("ix_consents_partner", ["subject_id", "partner_id"], unique=False)
        batch_op.create_index("ix_consents_asked_by", ["partner_id", "id"], unique=False)

    op.create_table(
        "credit_reports",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("made_at", Instant(), nullable=False),
        sa.Column("made_by", sa.String(length=40), nullable=False),
        sa.Column(
            "sha256", sa.String(length=64), nullable=False, comment="of the report; the report itself is not kept"
        ),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_credit_reports_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_credit_reports")),
    )
    with op.batch_alter_table("credit_reports", schema=None) as batch_op:
        batch_op.create_index("ix_credit_reports_id", ["id"], unique=False)

    op.create_table(
        "departures",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("erased", Json, nullable=False, comment="how many rows of each table"),
        sa.Column(
            "tombstone",
            sa.String(length=64),
            nullable=False,
            comment="SHA-256 of what was erased, with a nonce nobody keeps",
        ),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_departures_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "at", name=op.f("pk_departures")),
    )
    op.create_table(
        "intake_counts",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column(
            "body",
            sa.String(length=120),
            nullable=False,
            comment="the body that provided the rows; empty where not told",
        ),
        sa.Column("month", sa.Date(), nullable=False, comment="first day of the month of the decisions"),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False, comment="new or corrected"),
        sa.Column("fields", sa.Integer(), nullable=False, comment="catalogued fields of the accepted rows"),
        sa.Column("filled", sa.Integer(), nullable=False, comment="of them, those that said something"),
        sa.Column("timed", sa.Integer(), nullable=False, comment="new rows"),
        sa.Column(
            "in_time", sa.Integer(), nullable=False, comment="of them, those within seven working days of the decision"
        ),
        sa.Column("invalid", sa.Integer(), nullable=False, comment="quarantined"),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["intake_batches.id"], name=op.f("fk_intake_counts_batch_id_intake_batches")
        ),
        sa.PrimaryKeyConstraint("batch_id", "body", "month", name=op.f("pk_intake_counts")),
        comment="completeness, validity and seven-day rate per body",
    )
    op.create_table(
        "mandates",
        sa.Column("subject_id", sa.BigInteger(), nullable=False, comment="who is represented"),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False, comment="agent, family, or guardian"),
        sa.Column("holder", sa.String(length=40), nullable=False, comment="account of whoever represents"),
        sa.Column("account", sa.String(length=40), nullable=False, comment="the account through which this is done"),
        sa.Column("evidence", sa.Text(), nullable=False, comment="the document behind it"),
        sa.Column("granted_by", sa.String(length=40), nullable=False),
        sa.Column("granted_at", Instant(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False, comment="first day on which it no longer holds"),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.Column("revoked_by", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_mandates_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_mandates")),
    )
    with op.batch_alter_table("mandates", schema=None) as batch_op:
        batch_op.create_index("ix_mandates_holder", ["holder"], unique=False)
        batch_op.create_index("ix_mandates_id", ["id"], unique=False)

    op.create_table(
        "subject_changes",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.String(length=40), nullable=False),
        sa.Column(
            "change",
            sa.String(length=16),
            nullable=False,
            comment="renamed, deceased, struck-off, merged, took-over, corrected",
        ),
        sa.Column("reason", sa.Text(), nullable=False, comment="the document behind it"),
        sa.Column("before_sealed", sa.LargeBinary(), nullable=False, comment="what it was before; append-only"),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_subject_changes_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_subject_changes")),
    )
    op.create_table(
        "subject_identifiers",
        sa.Column("identity_hash", sa.LargeBinary(), nullable=False, comment="keyed hash of scheme and number"),
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "scheme",
            sa.String(length=24),
            nullable=False,
            comment="uscc, organisation-code, registration-number, passport …",
        ),
        sa.Column("identity_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("noted_at", Instant(), nullable=False),
        sa.Column("noted_by", sa.String(length=40), nullable=False),
        sa.Column("until_on", sa.Date(), nullable=True, comment="first day on which it was another's or nobody's"),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["subjects.id"], name=op.f("fk_subject_identifiers_subject_id_subjects")
        ),
        sa.PrimaryKeyConstraint("identity_hash", name=op.f("pk_subject_identifiers")),
        comment="numbers besides the one that a subject is keyed by",
    )
    op.create_index("ix_subject_identifiers_subject_id", "subject_identifiers", ["subject_id"])
    op.create_table(
        "case_files",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False, comment="under which it is stored"),
        sa.Column("title_sealed", sa.LargeBinary(), nullable=False, comment="the file's own name"),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["subject_id", "case_id"],
            ["cases.subject_id", "cases.id"],
            name=op.f("fk_case_files_subject_id_case_id_cases"),
        ),
        sa.PrimaryKeyConstraint("subject_id", "case_id", "name", name=op.f("pk_case_files")),
    )
    op.create_table(
        "case_steps",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("act", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False, comment="after the act"),
        sa.Column("actor", sa.String(length=40), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("reason_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("evidence", Json, nullable=False, comment="names of files, and what was true then"),
        sa.ForeignKeyConstraint(
            ["subject_id", "case_id"],
            ["cases.subject_id", "cases.id"],
            name=op.f("fk_case_steps_subject_id_case_id_cases"),
        ),
        sa.PrimaryKeyConstraint("subject_id", "case_id", "step", name=op.f("pk_case_steps")),
    )
    op.create_table(
        "consent_steps",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("consent_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("act", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False, comment="after the act"),
        sa.Column("actor", sa.String(length=40), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subject_id", "consent_id"],
            ["consents.subject_id", "consents.id"],
            name=op.f("fk_consent_steps_subject_id_consent_id_consents"),
        ),
        sa.PrimaryKeyConstraint("subject_id", "consent_id", "step", name=op.f("pk_consent_steps")),
    )
    op.create_table(
        "record_receivers",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column("receiver", sa.String(length=120), nullable=False, comment="destination in the outbox"),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subject_id", "record_id"],
            ["credit_records.subject_id", "credit_records.id"],
            name=op.f("fk_record_receivers_subject_id_record_id_credit_records"),
        ),
        sa.PrimaryKeyConstraint("subject_id", "record_id", "receiver", name=op.f("pk_record_receivers")),
        comment="who was given a record, and has to be told when it changes",
    )
    op.create_table(
        "record_versions",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.String(length=40), nullable=False),
        sa.Column(
            "change",
            sa.String(length=12),
            nullable=False,
            comment="received, corrected, suspended, resumed, repaired, withdrawn, hidden, shown, moved",
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "content_hash",
            sa.String(length=64),
            nullable=True,
            comment="SHA-256 of a delivery, without the subject's number",
        ),
        sa.Column(
            "state_sealed", sa.LargeBinary(), nullable=False, comment="the record as it was from then on, as JSON"
        ),
        sa.Column("batch_id", sa.Uuid(), nullable=True, comment="the delivery it came with"),
        sa.ForeignKeyConstraint(
            ["subject_id", "record_id"],
            ["credit_records.subject_id", "credit_records.id"],
            name=op.f("fk_record_versions_subject_id_record_id_credit_records"),
        ),
        sa.PrimaryKeyConstraint("subject_id", "record_id", "version", name=op.f("pk_record_versions")),
        comment="how a record came and changed; append-only",
    )
    with op.batch_alter_table("access_events", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "reader",
                sa.String(length=40),
                nullable=True,
                comment="account of whoever looked, where that is no partner",
            )
        )
        batch_op.add_column(sa.Column("reader_role", sa.String(length=20), nullable=True))
        batch_op.add_column(
            sa.Column("action", sa.String(length=40), nullable=True, comment="what was done or read; null for a scan")
        )
        batch_op.add_column(
            sa.Column(
                "purpose",
                sa.String(length=120),
                nullable=True,
                comment="what for, as the reader said or the rule has it",
            )
        )
        batch_op.alter_column("partner_id", existing_type=sa.BIGINT(), nullable=True)
        batch_op.create_index("ix_access_events_id", ["id"], unique=False)

    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "held_by", sa.String(length=40), nullable=True, comment="the account of whoever acts through this one"
            )
        )
        batch_op.add_column(
            sa.Column("basis", sa.String(length=10), nullable=True, comment="mandate or assisted; null for one's own")
        )
        batch_op.add_column(sa.Column("body", sa.Text(), nullable=True, comment="providers: the body they act for"))
        batch_op.add_column(sa.Column("body_uscc", sa.String(length=18), nullable=True))

    _chain_audit_entries()
    with op.batch_alter_table("credit_records", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "catalogued_as",
                sa.String(length=60),
                nullable=True,
                comment="item of the catalogue; null is the same as `item`",
            )
        )
        batch_op.add_column(
            sa.Column("severity", sa.String(length=8), nullable=True, comment="general or serious, for terms")
        )
        batch_op.add_column(sa.Column("document_number", sa.Text(), nullable=True, comment="as it is written"))
        batch_op.add_column(sa.Column("authority", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("authority_uscc", sa.String(length=18), nullable=True))
        batch_op.add_column(
            sa.Column(
                "provider", sa.Text(), nullable=True, comment="the body that delivered it, and that objections go to"
            )
        )
        batch_op.add_column(sa.Column("provider_uscc", sa.String(length=18), nullable=True))
        batch_op.add_column(
            sa.Column("content_sealed", sa.LargeBinary(), nullable=True, comment="all catalogued fields, as JSON")
        )
        batch_op.add_column(sa.Column("received_at", Instant(), nullable=True))
        batch_op.add_column(
            sa.Column(
                "version",
                sa.Integer(),
                server_default=sa.text("1"),
                nullable=False,
                comment="the newest of record_versions",
            )
        )
        batch_op.add_column(
            sa.Column("suspended_at", Instant(), nullable=True, comment="not used while something about it is open")
        )
        batch_op.add_column(
            sa.Column("hidden_at", Instant(), nullable=True, comment="honours only: hidden at the subject's own wish")
        )
        batch_op.add_column(
            sa.Column(
                "removal",
                sa.String(length=12),
                nullable=True,
                comment="why it ends before its term: repaired, corrected, withdrawn, merged",
            )
        )
        batch_op.add_column(
            sa.Column(
                "mac",
                sa.LargeBinary(),
                nullable=True,
                comment="keyed hash of the columns covered; a row without it is not used",
            )
        )
        batch_op.create_index("ix_credit_records_public", ["item", "subject_id"], unique=False)

    with op.batch_alter_table("facts", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "mac",
                sa.LargeBinary(),
                nullable=True,
                comment="keyed hash of the columns covered; a row without it is not used",
            )
        )

    with op.batch_alter_table("pushed_results", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "mac",
                sa.LargeBinary(),
                nullable=True,
                comment="keyed hash of the columns covered; a row without it is not used",
            )
        )

    with op.batch_alter_table("scores", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "mac",
                sa.LargeBinary(),
                nullable=True,
                comment="keyed hash of the columns covered; a row without it is not used",
            )
        )

    with op.batch_alter_table("subjects", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "ended_on",
                sa.Date(),
                nullable=True,
                comment="a person's death, an enterprise's end: from then on never scored",
            )
        )
        batch_op.add_column(
            sa.Column("end_reason", sa.String(length=12), nullable=True, comment="deceased, struck-off, or merged")
        )
        batch_op.add_column(
            sa.Column("merged_into", sa.BigInteger(), nullable=True, comment="the subject that goes on in its place")
        )
        batch_op.add_column(
            sa.Column(
                "mac",
                sa.LargeBinary(),
                nullable=True,
                comment="keyed hash of the columns covered; a row without it is not used",
            )
        )
        batch_op.create_index(
            "ix_subjects_enterprise_name",
            ["display_name"],
            unique=False,
            sqlite_where=sa.text("kind = 'enterprise'"),
            postgresql_where=sa.text("kind = 'enterprise'"),
        )


def _chain_audit_entries() -> None:
    """What was written before there were chains becomes one chain, in the order of writing."""
    with op.batch_alter_table("audit_entries") as batch_op:
        batch_op.add_column(sa.Column("chain", sa.Uuid()))
        batch_op.add_column(sa.Column("step", sa.BigInteger(), comment="place in its chain, from 1"))
        batch_op.add_column(
            sa.Column("link", sa.String(length=64), comment="SHA-256 of the link before it and the leaf")
        )
    columns = ("id", sa.Uuid()), ("chain", sa.Uuid()), ("leaf", sa.String()), ("link", sa.String())
    entries = sa.table(
        "audit_entries", *(sa.column(name, kind) for name, kind in columns), sa.column("step", sa.BigInteger())
    )
    connection, chain = op.get_bind(), uuid4()
    found = connection.execute(sa.select(entries.c.id, entries.c.leaf).order_by(entries.c.id)).all()
    link = sha256(chain.bytes).hexdigest()
    linked = []
    for step, row in enumerate(found, 1):
        link = link_of(link, row.leaf)
        linked.append({"its_id": row.id, "its_chain": chain, "its_step": step, "its_link": link})
    if linked:
        of_entry = entries.update().where(entries.c.id == sa.bindparam("its_id", type_=sa.Uuid()))
        values = {
            "chain": sa.bindparam("its_chain"),
            "step": sa.bindparam("its_step"),
            "link": sa.bindparam("its_link"),
        }
        connection.execute(of_entry.values(values), linked)
        chains = sa.table("audit_chains", sa.column("chain", sa.Uuid()), sa.column("opened_at", Instant()))
        connection.execute(chains.insert().values(chain=chain, opened_at=datetime.now(UTC)))
    with op.batch_alter_table("audit_entries") as batch_op:
        batch_op.alter_column("chain", existing_type=sa.Uuid(), nullable=False)
        batch_op.alter_column("step", existing_type=sa.BigInteger(), nullable=False)
        batch_op.alter_column("link", existing_type=sa.String(length=64), nullable=False)
        batch_op.create_index("ix_audit_entries_chain", ["chain", "step"])
        batch_op.create_index("ix_audit_entries_id", ["id"])


def downgrade() -> None:
    with op.batch_alter_table("subjects", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_subjects_enterprise_name",
            sqlite_where=sa.text("kind = 'enterprise'"),
            postgresql_where=sa.text("kind = 'enterprise'"),
        )
        batch_op.drop_column("mac")
        batch_op.drop_column("merged_into")
        batch_op.drop_column("end_reason")
        batch_op.drop_column("ended_on")

    with op.batch_alter_table("scores", schema=None) as batch_op:
        batch_op.drop_column("mac")

    with op.batch_alter_table("pushed_results", schema=None) as batch_op:
        batch_op.drop_column("mac")

    with op.batch_alter_table("facts", schema=None) as batch_op:
        batch_op.drop_column("mac")

    with op.batch_alter_table("credit_records", schema=None) as batch_op:
        batch_op.drop_index("ix_credit_records_public")
        batch_op.drop_column("mac")
        batch_op.drop_column("removal")
        batch_op.drop_column("hidden_at")
        batch_op.drop_column("suspended_at")
        batch_op.drop_column("version")
        batch_op.drop_column("received_at")
        batch_op.drop_column("content_sealed")
        batch_op.drop_column("provider_uscc")
        batch_op.drop_column("provider")
        batch_op.drop_column("authority_uscc")
        batch_op.drop_column("authority")
        batch_op.drop_column("document_number")
        batch_op.drop_column("severity")
        batch_op.drop_column("catalogued_as")

    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_entries_id")
        batch_op.drop_index("ix_audit_entries_chain")
        batch_op.drop_column("link")
        batch_op.drop_column("step")
        batch_op.drop_column("chain")

    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.drop_column("body_uscc")
        batch_op.drop_column("body")
        batch_op.drop_column("basis")
        batch_op.drop_column("held_by")

    with op.batch_alter_table("access_events", schema=None) as batch_op:
        batch_op.drop_index("ix_access_events_id")
        batch_op.alter_column("partner_id", existing_type=sa.BIGINT(), nullable=False)
        batch_op.drop_column("purpose")
        batch_op.drop_column("action")
        batch_op.drop_column("reader_role")
        batch_op.drop_column("reader")

    op.drop_table("record_versions")
    op.drop_table("record_receivers")
    op.drop_table("consent_steps")
    op.drop_table("case_steps")
    op.drop_table("case_files")
    op.drop_index("ix_subject_identifiers_subject_id", table_name="subject_identifiers")
    op.drop_table("subject_identifiers")
    op.drop_table("subject_changes")
    with op.batch_alter_table("mandates", schema=None) as batch_op:
        batch_op.drop_index("ix_mandates_id")
        batch_op.drop_index("ix_mandates_holder")

    op.drop_table("mandates")
    op.drop_table("intake_counts")
    op.drop_table("departures")
    with op.batch_alter_table("credit_reports", schema=None) as batch_op:
        batch_op.drop_index("ix_credit_reports_id")

    op.drop_table("credit_reports")
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.drop_index("ix_consents_partner")

    op.drop_table("consents")
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_cases_open",
            sqlite_where=sa.text("decided_at IS NULL AND record_id IS NOT NULL"),
            postgresql_where=sa.text("decided_at IS NULL AND record_id IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_cases_due", sqlite_where=sa.text("decided_at IS NULL"), postgresql_where=sa.text("decided_at IS NULL")
        )
        batch_op.drop_index("ix_cases_id")

    op.drop_table("cases")
    op.drop_table("intake_batches")
    op.drop_table("audit_checkpoints")
    op.drop_table("audit_chains")
