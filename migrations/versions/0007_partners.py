"""Partners from application to settlement: onboarding, keys, grants, offers by version, limits, orders, loans,
webhooks, settlement, notices, query rights and the sandbox's own tables.

Revision: 0007
Follows: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.database import Instant, Json

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def _remake_quotas(kind: sa.types.TypeEngine[int], *, with_bucket: bool) -> None:
    """SQLite cannot change a primary key: the few rows are set aside and put back."""
    op.execute("CREATE TEMPORARY TABLE kept_quotas AS SELECT offer_id, cap, taken FROM quotas")
    op.drop_table("quotas")
    bucket = sa.Column(
        "bucket",
        sa.String(length=90),
        server_default="ever",
        nullable=False,
        comment="ever, budget, or a scope and a period: day:2026-11-22, site:东门:day:2026-11-22",
    )
    told = "redeemed, or reserved and not yet swept"
    op.create_table(
        "quotas",
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        *([bucket] if with_bucket else []),
        sa.Column("cap", kind, nullable=False),
        sa.Column("taken", kind, nullable=False, comment=f"{told}; a budget in 分" if with_bucket else told),
        sa.CheckConstraint("taken >= 0 AND taken <= cap", name=op.f("ck_quotas_taken")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_quotas_offer_id_offers")),
        sa.PrimaryKeyConstraint("offer_id", *(["bucket"] if with_bucket else []), name=op.f("pk_quotas")),
    )
    op.execute("INSERT INTO quotas (offer_id, cap, taken) SELECT offer_id, cap, taken FROM kept_quotas")
    op.execute("DROP TABLE kept_quotas")


def _grant_what_is_open() -> None:
    """What was approved before there were grants is granted to its partner, once for each service and predicate."""
    from uuid import uuid4

    connection = op.get_bind()
    open_offers = connection.execute(
        sa.text(
            "SELECT DISTINCT partner_id, kind, model, threshold, p.registered_at AS at FROM offers"
            " JOIN partners p ON p.id = offers.partner_id WHERE offers.status = 'approved'"
        ).columns(at=Instant())
    ).all()
    rows = [
        {
            "id": uuid4(),
            "partner_id": row.partner_id,
            "service": row.kind,
            "purpose": "benefit-check",
            "model": row.model,
            "threshold": row.threshold,
            "granted_by": "migration",
            "granted_at": row.at,
        }
        for row in open_offers
    ]
    if rows:
        grants = sa.table(
            "grants",
            sa.column("id", sa.Uuid()),
            sa.column("granted_at", Instant()),
            *(sa.column(name) for name in ("partner_id", "service", "purpose", "model", "threshold", "granted_by")),
        )
        op.bulk_insert(grants, rows)


def upgrade() -> None:
    op.create_table(
        "query_rights",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("body_uscc", sa.String(length=18), nullable=True),
        sa.Column("account", sa.String(length=40), nullable=False, comment="of the body's officer who asked"),
        sa.Column("place", sa.String(length=40), nullable=False),
        sa.Column("item", sa.String(length=60), nullable=False, comment="of the catalogue"),
        sa.Column("matter", sa.Text(), nullable=False, comment="what the data is for, with its legal basis"),
        sa.Column("state", sa.String(length=10), nullable=False, comment="OPEN, WAITING, REFUSED, ENDED"),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column(
            "opened_by",
            sa.String(length=40),
            nullable=True,
            comment="null: it opened by itself, as the catalogue allows",
        ),
        sa.Column("opened_at", Instant(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True, comment="first day on which it no longer holds"),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_query_rights")),
    )
    op.create_index("ix_query_rights_account", "query_rights", ["account", "item"], unique=False)
    op.create_table(
        "webhook_attempts",
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True, comment="HTTP status; null where none came"),
        sa.Column("error", sa.String(length=200), server_default=sa.text("''"), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint_id", "event_id", "number", "attempt", name=op.f("pk_webhook_attempts")),
    )
    op.create_table(
        "alarm_steps",
        sa.Column("alarm_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False, comment="SEEN or CLOSED"),
        sa.Column("actor", sa.String(length=40), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["alarm_id"], ["security_events.id"], name=op.f("fk_alarm_steps_alarm_id_security_events")
        ),
        sa.PrimaryKeyConstraint("alarm_id", "step", name=op.f("pk_alarm_steps")),
        comment="what operators did about an alarm",
    )
    op.create_table(
        "assertions",
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("jti", sa.String(length=64), nullable=False, comment="SHA-256 of it, in hex"),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_assertions_partner_id_partners")),
        sa.PrimaryKeyConstraint("partner_id", "jti", name=op.f("pk_assertions")),
        comment="assertions that have been used: each signs in once",
    )
    op.create_index("ix_assertions_expires", "assertions", ["expires_at"], unique=False)
    op.create_table(
        "benefit_watches",
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("switched_on_at", Instant(), nullable=True),
        sa.Column(
            "looked_at",
            Instant(),
            nullable=True,
            comment="a little before the last look: whatever changed since is looked at again",
        ),
        sa.Column("looked_version", sa.BigInteger(), nullable=True, comment="of the catalogue, at the last look"),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_benefit_watches_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("pk_benefit_watches")),
        comment="who wants to be told of newly available benefits; null: switched off again",
    )
    op.create_table(
        "conformance_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False, comment="RUNNING, PASSED or FAILED"),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("steps", Json, nullable=False, comment="what is asked, and what was seen"),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_conformance_runs_partner_id_partners")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conformance_runs")),
    )
    op.create_index("ix_conformance_runs_partner", "conformance_runs", ["partner_id", "started_at"], unique=False)
    op.create_table(
        "grants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("service", sa.String(length=20), nullable=False, comment="code of a benefit kind"),
        sa.Column(
            "purpose",
            sa.String(length=40),
            nullable=False,
            comment="of the published purposes, for example benefit-check",
        ),
        sa.Column("model", sa.String(length=60), nullable=False),
        sa.Column(
            "threshold",
            sa.String(length=20),
            nullable=False,
            comment="the predicate: this grade of the model or better",
        ),
        sa.Column(
            "requested_by",
            sa.String(length=40),
            nullable=True,
            comment="who of the partner asked for it; null where it was given unasked",
        ),
        sa.Column("requested_at", Instant(), nullable=True),
        sa.Column(
            "granted_by", sa.String(length=40), nullable=True, comment="null while it waits, and where it was refused"
        ),
        sa.Column("granted_at", Instant(), nullable=True),
        sa.Column("revoked_by", sa.String(length=40), nullable=True, comment="or refused by"),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_grants_partner_id_partners")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
    )
    op.create_index(
        "uq_grants_live",
        "grants",
        ["partner_id", "service", "purpose", "model", "threshold"],
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_table(
        "notices",
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False, comment="new-benefit, stolen-key, order-due …"),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("offer_id", sa.BigInteger(), nullable=True),
        sa.Column("partner_id", sa.BigInteger(), nullable=True),
        sa.Column("read_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_notices_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_notices")),
        comment="what is told to a subject, in its own inbox",
    )
    op.create_table(
        "partner_documents",
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False, comment="under which it is stored"),
        sa.Column("kind", sa.String(length=30), nullable=False, comment="licence, qualification, contract …"),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_partner_documents_partner_id_partners")),
        sa.PrimaryKeyConstraint("partner_id", "name", name=op.f("pk_partner_documents")),
    )
    op.create_table(
        "partner_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "use",
            sa.String(length=8),
            nullable=False,
            comment="desk: for its representative; live: for its counters; sandbox",
        ),
        sa.Column("kid", sa.String(length=64), nullable=False, comment="thumbprint of the key (RFC 7638)"),
        sa.Column("algorithm", sa.String(length=8), nullable=False, comment="EdDSA or ES256"),
        sa.Column("jwk", Json, nullable=False, comment="the public key; we never see the other half"),
        sa.Column(
            "account",
            sa.String(length=40),
            nullable=False,
            comment="through which whoever holds the key acts, where it may",
        ),
        sa.Column("registered_by", sa.String(length=40), nullable=False),
        sa.Column("registered_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.Column("revoked_by", sa.String(length=40), nullable=True),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_partner_keys_partner_id_partners")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_keys")),
        sa.UniqueConstraint("kid", name=op.f("uq_partner_keys_kid")),
    )
    op.create_index("ix_partner_keys_account", "partner_keys", ["account"], unique=False)
    op.create_index(op.f("ix_partner_keys_partner_id"), "partner_keys", ["partner_id"], unique=False)
    op.create_table(
        "partner_labels",
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=5), nullable=False, comment="site or clerk"),
        sa.Column("label", sa.String(length=40), nullable=False),
        sa.Column("registered_by", sa.String(length=40), nullable=False),
        sa.Column("registered_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_partner_labels_partner_id_partners")),
        sa.PrimaryKeyConstraint("partner_id", "kind", "label", name=op.f("pk_partner_labels")),
        comment="gates, counters and people on duty, by the names a partner gives them",
    )
    op.create_table(
        "partner_steps",
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False, comment="after the step"),
        sa.Column("actor", sa.String(length=40), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", Json, nullable=False, comment="documents, contract number, conformance run …"),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_partner_steps_partner_id_partners")),
        sa.PrimaryKeyConstraint("partner_id", "step", name=op.f("pk_partner_steps")),
    )
    op.create_table(
        "sandbox_clocks",
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("ahead_seconds", sa.BigInteger(), nullable=False, comment="how far the partner has moved its clock"),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_sandbox_clocks_partner_id_partners")),
        sa.PrimaryKeyConstraint("partner_id", name=op.f("pk_sandbox_clocks")),
    )
    op.create_table(
        "sandbox_faults",
        sa.Column("code_id", sa.LargeBinary(), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("fault", sa.String(length=20), nullable=False),
        sa.Column("times_left", sa.Integer(), nullable=False, comment="how often it still happens"),
        sa.Column("made_at", Instant(), nullable=False, comment="by the partner's clock"),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_sandbox_faults_partner_id_partners")),
        sa.PrimaryKeyConstraint("code_id", name=op.f("pk_sandbox_faults")),
    )
    op.create_table(
        "sandbox_key_changes",
        sa.Column("partner_id", sa.BigInteger(), nullable=False, comment="who had the key changed"),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_sandbox_key_changes_partner_id_partners")
        ),
        sa.PrimaryKeyConstraint("partner_id", "at", name=op.f("pk_sandbox_key_changes")),
    )
    op.create_table(
        "sandbox_personas",
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("persona", sa.String(length=30), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_sandbox_personas_partner_id_partners")),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_sandbox_personas_subject_id_subjects")),
        sa.PrimaryKeyConstraint("partner_id", "persona", name=op.f("pk_sandbox_personas")),
    )
    op.create_table(
        "settlement_days",
        sa.Column("day", sa.Date(), nullable=False, comment="all files of this day have been made"),
        sa.Column("made_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_settlement_days")),
    )
    op.create_table(
        "usage_blocks",
        sa.Column("month", sa.Date(), nullable=False, comment="its first day"),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False, comment="0 stands for the month itself"),
        sa.Column("partner_id", sa.BigInteger(), nullable=True, comment="null where several are put together"),
        sa.Column("kind", sa.String(length=20), nullable=True, comment="null where several are put together"),
        sa.Column("figures", Json, nullable=False, comment="of ten people or more, rounded down"),
        sa.Column("taken_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("month", "number", name=op.f("pk_usage_blocks")),
        comment="how benefits were used, as published; what may not be published is not here",
    )
    op.create_table(
        "settlement_files",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("funder", sa.Text(), nullable=False, comment="the partner itself, or the budget or sponsor by name"),
        sa.Column("day", sa.Date(), nullable=False, comment="in Asia/Shanghai"),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("total_fen", sa.BigInteger(), nullable=False),
        sa.Column("csv", sa.LargeBinary(), nullable=False),
        sa.Column("json", sa.LargeBinary(), nullable=False),
        sa.Column("sha256_csv", sa.String(length=64), nullable=False),
        sa.Column("sha256_json", sa.String(length=64), nullable=False),
        sa.Column(
            "statement", sa.Text(), nullable=False, comment="JWS over both hashes, day, partner, funder and total"
        ),
        sa.Column("made_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_settlement_files_partner_id_partners")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_settlement_files")),
    )
    op.create_index("uq_settlement_files_day", "settlement_files", ["partner_id", "funder", "day"], unique=True)
    op.create_table(
        "sign_in_failures",
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("kid", sa.String(length=64), nullable=False, comment="the key whose signature was tried"),
        sa.Column("failures", sa.Integer(), nullable=False, comment="bad signatures since first_at"),
        sa.Column("first_at", Instant(), nullable=False),
        sa.Column("locked_until", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_sign_in_failures_partner_id_partners")),
        sa.PrimaryKeyConstraint("partner_id", "kid", name=op.f("pk_sign_in_failures")),
    )
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", Json, nullable=False, comment="types wanted; empty: all"),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("former_secret_sealed", sa.LargeBinary(), nullable=True, comment="signs too until former_until"),
        sa.Column("former_until", Instant(), nullable=True),
        sa.Column("status", sa.String(length=8), nullable=False, comment="ACTIVE, PAUSED or REMOVED"),
        sa.Column("paused_at", Instant(), nullable=True),
        sa.Column("pause_reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_webhook_endpoints_partner_id_partners")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
    )
    op.create_index(op.f("ix_webhook_endpoints_partner_id"), "webhook_endpoints", ["partner_id"], unique=False)
    op.create_table(
        "webhook_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(length=60), nullable=False),
        sa.Column(
            "lane",
            sa.LargeBinary(),
            nullable=False,
            comment="keyed hash of the subject or offer: events of one keep order",
        ),
        sa.Column("payload", Json, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_webhook_events_partner_id_partners")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_events")),
    )
    op.create_index("ix_webhook_events_partner", "webhook_events", ["partner_id", "at"], unique=False)
    op.create_table(
        "benefit_news",
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("available_since", Instant(), nullable=False),
        sa.Column(
            "gone_at", Instant(), nullable=True, comment="not available any more; it is news again when it comes back"
        ),
        sa.Column("told_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_benefit_news_offer_id_offers")),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_benefit_news_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "offer_id", name=op.f("pk_benefit_news")),
        comment="which benefits are available to whom, as last looked at",
    )
    op.create_table(
        "loan_applications",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False, comment="the bank"),
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("consent_id", sa.Uuid(), nullable=False, comment="for this bank and this application"),
        sa.Column("product", sa.String(length=30), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False, comment="asked for"),
        sa.Column("months", sa.Integer(), nullable=False, comment="asked for"),
        sa.Column("use", sa.Text(), nullable=False),
        sa.Column("indicators", Json, nullable=False, comment="names that the applicant consented to"),
        sa.Column("applied_at", Instant(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False, comment="first day on which the bank is told nothing more"),
        sa.Column("offered_fen", sa.BigInteger(), nullable=True),
        sa.Column("rate_bp", sa.Integer(), nullable=True, comment="yearly rate in hundredths of a percent"),
        sa.Column("offered_months", sa.Integer(), nullable=True),
        sa.Column("secured", sa.Boolean(), nullable=True, comment="whether collateral or a guarantor is asked for"),
        sa.Column("decline_reason", sa.Text(), nullable=True, comment="the bank's own; never the credit result alone"),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_loan_applications_offer_id_offers")),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_loan_applications_partner_id_partners")),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_loan_applications_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_loan_applications")),
    )
    op.create_index("ix_loan_applications_id", "loan_applications", ["id"], unique=False)
    op.create_index("ix_loan_applications_partner", "loan_applications", ["partner_id", "state"], unique=False)
    op.create_table(
        "offer_versions",
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "status", sa.String(length=20), nullable=False, comment="of this version: draft, submitted, approved …"
        ),
        sa.Column("content", Json, nullable=False, comment="all that a partner or operator wrote"),
        sa.Column("author", sa.String(length=40), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("decided_by", sa.String(length=40), nullable=True),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.Column("from_version", sa.Integer(), nullable=True, comment="which one it takes up again, after a rollback"),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_offer_versions_offer_id_offers")),
        sa.PrimaryKeyConstraint("offer_id", "version", name=op.f("pk_offer_versions")),
        comment="every version there was; the row of `offers` is the one in force",
    )
    op.create_table(
        "orders",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("verification_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("title", sa.Text(), nullable=False, comment="what is ordered, in neutral words"),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False, comment="the most it may cost; only ever lowered"),
        sa.Column("final_fen", sa.BigInteger(), nullable=True, comment="what it did cost"),
        sa.Column("paid_fen", sa.BigInteger(), nullable=True),
        sa.Column(
            "pay_days", sa.Integer(), nullable=False, comment="days after completion within which it is to be paid"
        ),
        sa.Column("due_on", sa.Date(), nullable=True, comment="last day for paying"),
        sa.Column("expires_at", Instant(), nullable=False, comment="until when its holder may confirm it"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_orders_offer_id_offers")),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_orders_partner_id_partners")),
        sa.ForeignKeyConstraint(
            ["subject_id", "verification_id"],
            ["verifications.subject_id", "verifications.id"],
            name=op.f("fk_orders_subject_id_verification_id_verifications"),
        ),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_orders_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_orders")),
        sa.UniqueConstraint("subject_id", "verification_id", name=op.f("uq_orders_subject_id_verification_id")),
    )
    op.create_index("ix_orders_id", "orders", ["id"], unique=False)
    op.create_index("ix_orders_partner", "orders", ["partner_id", "state"], unique=False)
    op.create_table(
        "outcome_reports",
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("verification_id", sa.Uuid(), nullable=False),
        sa.Column(
            "number", sa.Integer(), autoincrement=False, nullable=False, comment="a later one corrects the earlier"
        ),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("report", Json, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["subject_id", "verification_id"],
            ["verifications.subject_id", "verifications.id"],
            name=op.f("fk_outcome_reports_subject_id_verification_id_verifications"),
        ),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_outcome_reports_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "verification_id", "number", name=op.f("pk_outcome_reports")),
        comment="what came of a verified benefit, as the partner says",
    )
    op.create_index("ix_outcome_reports_partner", "outcome_reports", ["partner_id", "at"], unique=False)
    op.create_table(
        "settlement_lines",
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False, comment="use or correction"),
        sa.Column("redemption_id", sa.Uuid(), nullable=False),
        sa.Column("receipt_jti", sa.String(length=40), nullable=False, comment="the receipt of the verification"),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False, comment="below zero in a correction"),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["settlement_files.id"], name=op.f("fk_settlement_lines_file_id_settlement_files")
        ),
        sa.PrimaryKeyConstraint("file_id", "line", name=op.f("pk_settlement_lines")),
    )
    op.create_index("uq_settlement_lines_redemption", "settlement_lines", ["redemption_id", "kind"], unique=True)
    op.create_table(
        "webhook_deliveries",
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column(
            "number", sa.Integer(), autoincrement=False, nullable=False, comment="1; higher ones were asked for again"
        ),
        sa.Column("lane", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", Instant(), nullable=False),
        sa.Column("delivered_at", Instant(), nullable=True),
        sa.Column(
            "failed_at", Instant(), nullable=True, comment="given up for now; a person is told, nothing is dropped"
        ),
        sa.Column("skipped_at", Instant(), nullable=True, comment="a person let it be; later ones of its lane go on"),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["webhook_endpoints.id"], name=op.f("fk_webhook_deliveries_endpoint_id_webhook_endpoints")
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["webhook_events.id"], name=op.f("fk_webhook_deliveries_event_id_webhook_events")
        ),
        sa.PrimaryKeyConstraint("endpoint_id", "event_id", "number", name=op.f("pk_webhook_deliveries")),
    )
    op.create_index(
        "ix_webhook_deliveries_due",
        "webhook_deliveries",
        ["endpoint_id", "next_attempt_at"],
        unique=False,
        sqlite_where=sa.text("delivered_at IS NULL AND skipped_at IS NULL AND failed_at IS NULL"),
        postgresql_where=sa.text("delivered_at IS NULL AND skipped_at IS NULL AND failed_at IS NULL"),
    )
    op.create_index(
        "ix_webhook_deliveries_lane",
        "webhook_deliveries",
        ["endpoint_id", "lane", "event_id"],
        unique=False,
        sqlite_where=sa.text("delivered_at IS NULL AND skipped_at IS NULL"),
        postgresql_where=sa.text("delivered_at IS NULL AND skipped_at IS NULL"),
    )
    op.create_table(
        "loan_reports",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column(
            "number",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="a later one takes the place of the earlier",
        ),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("disbursed_fen", sa.BigInteger(), nullable=False),
        sa.Column("rate_bp", sa.Integer(), nullable=False),
        sa.Column("secured", sa.Boolean(), nullable=False),
        sa.Column("disbursed_on", sa.Date(), nullable=False),
        sa.Column(
            "repayment", sa.String(length=12), nullable=False, comment="running, repaid, overdue …; for figures alone"
        ),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_loan_reports_partner_id_partners")),
        sa.ForeignKeyConstraint(
            ["subject_id", "application_id"],
            ["loan_applications.subject_id", "loan_applications.id"],
            name=op.f("fk_loan_reports_subject_id_application_id_loan_applications"),
        ),
        sa.PrimaryKeyConstraint("subject_id", "application_id", "number", name=op.f("pk_loan_reports")),
    )
    op.create_index("ix_loan_reports_partner", "loan_reports", ["partner_id", "disbursed_on"], unique=False)
    op.create_table(
        "loan_steps",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False, comment="after the step"),
        sa.Column("actor", sa.String(length=40), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subject_id", "application_id"],
            ["loan_applications.subject_id", "loan_applications.id"],
            name=op.f("fk_loan_steps_subject_id_application_id_loan_applications"),
        ),
        sa.PrimaryKeyConstraint("subject_id", "application_id", "step", name=op.f("pk_loan_steps")),
    )
    op.create_table(
        "order_steps",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False, comment="after the step"),
        sa.Column("actor", sa.String(length=40), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subject_id", "order_id"],
            ["orders.subject_id", "orders.id"],
            name=op.f("fk_order_steps_subject_id_order_id_orders"),
        ),
        sa.PrimaryKeyConstraint("subject_id", "order_id", "step", name=op.f("pk_order_steps")),
    )
    op.create_index("ix_accounts_partner", "accounts", ["partner_id"], unique=False)
    op.add_column(
        "offers",
        sa.Column("details", Json, server_default=sa.text("'{}'"), nullable=False, comment="the terms of its kind"),
    )
    op.add_column(
        "offers",
        sa.Column(
            "measure",
            sa.String(length=60),
            server_default=sa.text("''"),
            nullable=False,
            comment="of the place's published list",
        ),
    )
    op.add_column(
        "offers",
        sa.Column(
            "notice",
            sa.Text(),
            server_default=sa.text("''"),
            nullable=False,
            comment="list or tender notice that names it",
        ),
    )
    op.add_column(
        "offers",
        sa.Column("conditions", Json, server_default=sa.text("'[]'"), nullable=False, comment="beyond the grade"),
    )
    op.add_column(
        "offers", sa.Column("basic_public_service", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("offers", sa.Column("statutory_right", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column(
        "offers",
        sa.Column("limits", Json, server_default=sa.text("'[]'"), nullable=False, comment="[{scope, period, most}, …]"),
    )
    op.add_column(
        "offers", sa.Column("budget_fen", sa.BigInteger(), nullable=True, comment="what all its uses may cost together")
    )
    op.add_column(
        "offers",
        sa.Column("most_fen", sa.BigInteger(), nullable=True, comment="the most that one use may cost the budget"),
    )
    op.add_column(
        "offers",
        sa.Column(
            "exclusive_group",
            sa.String(length=40),
            server_default=sa.text("''"),
            nullable=False,
            comment="one of these at a time",
        ),
    )
    op.add_column(
        "offers",
        sa.Column(
            "priority",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="the highest wins in its group",
        ),
    )
    op.add_column(
        "offers",
        sa.Column(
            "crowd",
            Json,
            nullable=True,
            comment="who would get the standard service, as last counted: {on, standard, without_adverse}",
        ),
    )
    op.add_column(
        "offers",
        sa.Column(
            "signed_reviews", Json, server_default=sa.text("'[]'"), nullable=False, comment="what a person answered for"
        ),
    )
    op.add_column(
        "partners",
        sa.Column(
            "status",
            sa.String(length=12),
            server_default="LIVE",
            nullable=False,
            comment="of its onboarding; see onboarding",
        ),
    )
    _remake_quotas(sa.BigInteger(), with_bucket=True)
    op.add_column(
        "offer_steps",
        sa.Column(
            "version",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="of the offer, that it is about",
        ),
    )
    op.add_column("redemptions", sa.Column("site", sa.String(length=40), nullable=True))
    op.add_column(
        "redemptions",
        sa.Column("holds", Json, nullable=True, comment="what it has taken of which bucket, given back when reversed"),
    )
    op.create_index("ix_redemptions_partner", "redemptions", ["partner_id", "at"], unique=False)
    op.create_index(
        "ix_redemptions_reversed",
        "redemptions",
        ["partner_id", "reversed_at"],
        unique=False,
        sqlite_where=sa.text("reversed_at IS NOT NULL"),
        postgresql_where=sa.text("reversed_at IS NOT NULL"),
    )
    op.add_column(
        "verifications",
        sa.Column("site", sa.String(length=40), nullable=True, comment="where, by the partner's own label"),
    )
    op.add_column(
        "verifications", sa.Column("account", sa.String(length=40), nullable=True, comment="through which it was asked")
    )
    op.add_column(
        "verifications",
        sa.Column(
            "holds", Json, nullable=True, comment="what it holds of which bucket of the quota: [[bucket, units], …]"
        ),
    )
    op.add_column(
        "verifications",
        sa.Column("voided_at", Instant(), nullable=True, comment="asked with a stolen key: redeems no more"),
    )
    op.create_index("ix_verifications_account", "verifications", ["account", "at"], unique=False)
    op.drop_index("ix_verifications_person_limit", table_name="verifications")
    op.create_index("ix_verifications_person", "verifications", ["subject_id", "at"], unique=False)
    _grant_what_is_open()


def downgrade() -> None:
    op.drop_index("ix_verifications_person", table_name="verifications")
    op.create_index("ix_verifications_person_limit", "verifications", ["subject_id", "offer_id"], unique=False)
    op.drop_index("ix_verifications_account", table_name="verifications")
    op.drop_column("verifications", "voided_at")
    op.drop_column("verifications", "holds")
    op.drop_column("verifications", "account")
    op.drop_column("verifications", "site")
    op.drop_index(
        "ix_redemptions_reversed",
        table_name="redemptions",
        sqlite_where=sa.text("reversed_at IS NOT NULL"),
        postgresql_where=sa.text("reversed_at IS NOT NULL"),
    )
    op.drop_index("ix_redemptions_partner", table_name="redemptions")
    op.drop_column("redemptions", "holds")
    op.drop_column("redemptions", "site")
    op.execute("DELETE FROM quotas WHERE bucket <> 'ever'")
    _remake_quotas(sa.Integer(), with_bucket=False)
    op.drop_column("partners", "status")
    op.drop_column("offer_steps", "version")
    op.drop_column("offers", "crowd")
    op.drop_column("offers", "signed_reviews")
    op.drop_column("offers", "priority")
    op.drop_column("offers", "exclusive_group")
    op.drop_column("offers", "most_fen")
    op.drop_column("offers", "budget_fen")
    op.drop_column("offers", "limits")
    op.drop_column("offers", "statutory_right")
    op.drop_column("offers", "basic_public_service")
    op.drop_column("offers", "conditions")
    op.drop_column("offers", "notice")
    op.drop_column("offers", "measure")
    op.drop_column("offers", "details")
    op.drop_index("ix_accounts_partner", table_name="accounts")
    op.drop_table("order_steps")
    op.drop_table("loan_steps")
    op.drop_index("ix_loan_reports_partner", table_name="loan_reports")
    op.drop_table("loan_reports")
    op.drop_index(
        "ix_webhook_deliveries_lane",
        table_name="webhook_deliveries",
        sqlite_where=sa.text("delivered_at IS NULL AND skipped_at IS NULL"),
        postgresql_where=sa.text("delivered_at IS NULL AND skipped_at IS NULL"),
    )
    op.drop_index(
        "ix_webhook_deliveries_due",
        table_name="webhook_deliveries",
        sqlite_where=sa.text("delivered_at IS NULL AND skipped_at IS NULL AND failed_at IS NULL"),
        postgresql_where=sa.text("delivered_at IS NULL AND skipped_at IS NULL AND failed_at IS NULL"),
    )
    op.drop_table("webhook_deliveries")
    op.drop_index("uq_settlement_lines_redemption", table_name="settlement_lines")
    op.drop_table("settlement_lines")
    op.drop_index("ix_outcome_reports_partner", table_name="outcome_reports")
    op.drop_table("outcome_reports")
    op.drop_index("ix_orders_partner", table_name="orders")
    op.drop_index("ix_orders_id", table_name="orders")
    op.drop_table("orders")
    op.drop_table("offer_versions")
    op.drop_index("ix_loan_applications_partner", table_name="loan_applications")
    op.drop_index("ix_loan_applications_id", table_name="loan_applications")
    op.drop_table("loan_applications")
    op.drop_table("benefit_news")
    op.drop_index("ix_webhook_events_partner", table_name="webhook_events")
    op.drop_table("webhook_events")
    op.drop_index(op.f("ix_webhook_endpoints_partner_id"), table_name="webhook_endpoints")
    op.drop_table("webhook_endpoints")
    op.drop_table("sign_in_failures")
    op.drop_index("uq_settlement_files_day", table_name="settlement_files")
    op.drop_table("settlement_files")
    op.drop_table("usage_blocks")
    op.drop_table("settlement_days")
    op.drop_table("sandbox_personas")
    op.drop_table("sandbox_key_changes")
    op.drop_table("sandbox_faults")
    op.drop_table("sandbox_clocks")
    op.drop_table("partner_steps")
    op.drop_table("partner_labels")
    op.drop_index(op.f("ix_partner_keys_partner_id"), table_name="partner_keys")
    op.drop_index("ix_partner_keys_account", table_name="partner_keys")
    op.drop_table("partner_keys")
    op.drop_table("partner_documents")
    op.drop_table("notices")
    op.drop_index(
        "uq_grants_live",
        table_name="grants",
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.drop_table("grants")
    op.drop_index("ix_conformance_runs_partner", table_name="conformance_runs")
    op.drop_table("conformance_runs")
    op.drop_table("benefit_watches")
    op.drop_index("ix_assertions_expires", table_name="assertions")
    op.drop_table("assertions")
    op.drop_table("alarm_steps")
    op.drop_table("webhook_attempts")
    op.drop_index("ix_query_rights_account", table_name="query_rights")
    op.drop_table("query_rights")
