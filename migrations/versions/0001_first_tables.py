"""The first tables.

Revision: 0001
Follows:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.database import Instant, Json

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "access_events",
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("offer_id", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("problem", sa.String(length=40), nullable=True),
        sa.Column("why_not", Json, nullable=False, comment="for the subject alone"),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("clerk", sa.String(length=40), nullable=True),
        sa.Column("site", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_access_events")),
    )
    op.create_table(
        "answers",
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("mutation", sa.String(length=40), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("answer", Json, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("partner_id", "mutation", "request_id", name=op.f("pk_answers")),
    )
    op.create_table(
        "audit_entries",
        sa.Column("subject_id", sa.BigInteger(), nullable=False, comment="0 where the act concerns no subject"),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False, comment="account id"),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("content", sa.Text(), nullable=False, comment="canonical JSON of what was done"),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("leaf", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_audit_entries")),
    )
    op.create_table(
        "catalogue_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="counts up whenever reference data changes"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalogue_state")),
    )
    op.create_table(
        "partners",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("place", sa.String(length=40), nullable=False),
        sa.Column("sector", sa.String(length=20), nullable=False, comment="bank, hospital, scenic …"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("uscc", sa.String(length=18), nullable=False),
        sa.Column("registered_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partners")),
        sa.UniqueConstraint("uscc", name=op.f("uq_partners_uscc")),
    )
    op.create_table(
        "security_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=True),
        sa.Column("detail", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_events")),
    )
    op.create_table(
        "subjects",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("place", sa.String(length=40), nullable=False),
        sa.Column(
            "display_name", sa.Text(), nullable=False, comment="a person's masked name, an enterprise's full name"
        ),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("identity_hash", sa.LargeBinary(), nullable=False, comment="keyed hash of the identity number"),
        sa.Column("identity_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("birth_on", sa.Date(), nullable=True, comment="persons only: minors are never scored"),
        sa.CheckConstraint("kind IN ('person', 'enterprise')", name=op.f("ck_subjects_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subjects")),
        sa.UniqueConstraint("identity_hash", name=op.f("uq_subjects_identity_hash")),
    )
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=True, comment="whom a citizen or an agent acts for"),
        sa.Column("partner_id", sa.BigInteger(), nullable=True, comment="whom a partner's account acts for"),
        sa.Column("ended_at", Instant(), nullable=True, comment="from then on the account may do nothing"),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_accounts_partner_id_partners")),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_accounts_subject_id_subjects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
    )
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.create_index("ix_accounts_subject", ["subject_id"], unique=False)

    op.create_table(
        "credit_records",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("item", sa.String(length=60), nullable=False),
        sa.Column("occurred_on", sa.Date(), nullable=False),
        sa.Column("removed_on", sa.Date(), nullable=True, comment="first day on which the record counts no more"),
        sa.Column("serious_consequence", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column(
            "points", sa.BigInteger(), nullable=True, comment="hundredths of a point, where the item carries its own"
        ),
        sa.Column("source", sa.Text(), nullable=False, comment="the body and the legal document behind the record"),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_credit_records_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_credit_records")),
    )
    op.create_table(
        "enrollments",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("enrolled_at", Instant(), nullable=False),
        sa.Column("notice_version", sa.String(length=40), nullable=False),
        sa.Column("left_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_enrollments_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "enrolled_at", name=op.f("pk_enrollments")),
    )
    with op.batch_alter_table("enrollments", schema=None) as batch_op:
        batch_op.create_index(
            "uq_enrollments_current",
            ["subject_id"],
            unique=True,
            sqlite_where=sa.text("left_at IS NULL"),
            postgresql_where=sa.text("left_at IS NULL"),
        )

    op.create_table(
        "facts",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("value", Json, nullable=False),
        sa.Column("observed_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_facts_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "name", name=op.f("pk_facts")),
    )
    op.create_table(
        "offers",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("model", sa.String(length=60), nullable=False),
        sa.Column(
            "threshold",
            sa.String(length=20),
            nullable=False,
            comment="the lowest grade of the model that the benefit asks for",
        ),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("standard_service", sa.Text(), nullable=False),
        sa.Column("benefit", sa.Text(), nullable=False),
        sa.Column("effects", Json, nullable=False),
        sa.Column("payer", sa.String(length=20), nullable=False),
        sa.Column("budget", sa.Text(), nullable=False),
        sa.Column("standard_lanes_unchanged", sa.Boolean(), nullable=False),
        sa.Column("also_open_to", Json, nullable=False, comment="places besides the partner's own"),
        sa.Column("limit_per_person", sa.Integer(), nullable=True),
        sa.Column("opens_on", sa.Date(), nullable=False),
        sa.Column("closes_on", sa.Date(), nullable=True, comment="first day on which it is closed"),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_offers_partner_id_partners")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offers")),
    )
    with op.batch_alter_table("offers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_offers_partner_id"), ["partner_id"], unique=False)

    op.create_table(
        "scores",
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("model", sa.String(length=60), nullable=False),
        sa.Column(
            "model_checksum",
            sa.String(length=64),
            nullable=False,
            comment="of the model's file: another file, another score",
        ),
        sa.Column("points", sa.BigInteger(), nullable=True, comment="hundredths of a point"),
        sa.Column("grade", sa.String(length=20), nullable=True, comment="null where the model could not speak"),
        sa.Column("reason", sa.String(length=40), nullable=True, comment="why the model could not speak"),
        sa.Column("lines", Json, nullable=False),
        sa.Column("evaluated_on", sa.Date(), nullable=False, comment="the day the score was made for"),
        sa.Column("evaluated_at", Instant(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True, comment="first day on which time alone may have changed it"),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_scores_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "model", name=op.f("pk_scores")),
    )
    op.create_table(
        "verifications",
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code_id", sa.LargeBinary(), nullable=False, comment="unique: a code decides once"),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("offer_version", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column(
            "reserved",
            sa.Boolean(),
            nullable=False,
            comment="holds a unit of quota, not yet redeemed, released or swept",
        ),
        sa.Column(
            "lapsed",
            sa.Boolean(),
            server_default=sa.text("(false)"),
            nullable=False,
            comment="ran out and was counted as free: redeems no more, whatever a slower clock says",
        ),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_verifications_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_verifications")),
        sa.UniqueConstraint("subject_id", "code_id", name=op.f("uq_verifications_subject_id_code_id")),
    )
    with op.batch_alter_table("verifications", schema=None) as batch_op:
        batch_op.create_index("ix_verifications_id", ["id"], unique=False)
        batch_op.create_index("ix_verifications_person_limit", ["subject_id", "offer_id"], unique=False)
        batch_op.create_index(
            "ix_verifications_reserved",
            ["offer_id", "expires_at"],
            unique=False,
            sqlite_where=sa.text("reserved"),
            postgresql_where=sa.text("reserved"),
        )

    op.create_table(
        "baselines",
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("in_force_from", sa.Date(), nullable=False),
        sa.Column("price_fen", sa.BigInteger(), nullable=True),
        sa.Column("deposit_fen", sa.BigInteger(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=True),
        sa.Column("documents", Json, nullable=False),
        sa.Column("queue", sa.String(length=20), nullable=False),
        sa.Column("code_required", sa.Boolean(), nullable=False),
        sa.Column("source_title", sa.Text(), nullable=False),
        sa.Column("source_clause", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_baselines_offer_id_offers")),
        sa.PrimaryKeyConstraint("offer_id", "in_force_from", name=op.f("pk_baselines")),
    )
    op.create_table(
        "offer_steps",
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("actor", sa.String(length=40), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_offer_steps_offer_id_offers")),
        sa.PrimaryKeyConstraint("offer_id", "step", name=op.f("pk_offer_steps")),
    )
    op.create_table(
        "quotas",
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("cap", sa.Integer(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False, comment="redeemed, or reserved and not yet swept"),
        sa.CheckConstraint("taken >= 0 AND taken <= cap", name=op.f("ck_quotas_taken")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_quotas_offer_id_offers")),
        sa.PrimaryKeyConstraint("offer_id", name=op.f("pk_quotas")),
    )
    op.create_table(
        "redemptions",
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("verification_id", sa.Uuid(), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=True),
        sa.Column("took_quota", sa.Boolean(), nullable=False, comment="gives a unit back when reversed"),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("reversed_at", Instant(), nullable=True),
        sa.Column("reversal_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["subject_id", "verification_id"],
            ["verifications.subject_id", "verifications.id"],
            name=op.f("fk_redemptions_subject_id_verification_id_verifications"),
        ),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_redemptions")),
        sa.UniqueConstraint("subject_id", "verification_id", name=op.f("uq_redemptions_subject_id_verification_id")),
    )
    with op.batch_alter_table("redemptions", schema=None) as batch_op:
        batch_op.create_index("ix_redemptions_id", ["id"], unique=False)
    op.execute("INSERT INTO catalogue_state (id, version) VALUES (1, 1)")


def downgrade() -> None:
    with op.batch_alter_table("redemptions", schema=None) as batch_op:
        batch_op.drop_index("ix_redemptions_id")

    op.drop_table("redemptions")
    op.drop_table("quotas")
    op.drop_table("offer_steps")
    op.drop_table("baselines")
    with op.batch_alter_table("verifications", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_verifications_reserved", sqlite_where=sa.text("reserved"), postgresql_where=sa.text("reserved")
        )
        batch_op.drop_index("ix_verifications_person_limit")
        batch_op.drop_index("ix_verifications_id")

    op.drop_table("verifications")
    op.drop_table("scores")
    with op.batch_alter_table("offers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_offers_partner_id"))

    op.drop_table("offers")
    op.drop_table("facts")
    with op.batch_alter_table("enrollments", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_enrollments_current",
            sqlite_where=sa.text("left_at IS NULL"),
            postgresql_where=sa.text("left_at IS NULL"),
        )

    op.drop_table("enrollments")
    op.drop_table("credit_records")
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.drop_index("ix_accounts_subject")

    op.drop_table("accounts")
    op.drop_table("subjects")
    op.drop_table("security_events")
    op.drop_table("partners")
    op.drop_table("catalogue_state")
    op.drop_table("audit_entries")
    op.drop_table("answers")
    op.drop_table("access_events")
