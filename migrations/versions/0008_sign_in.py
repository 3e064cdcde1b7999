"""Signing in: sessions, identities of outside providers, failures that lock.

Revision: 0008
Follows: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.database import Instant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account", sa.String(length=40), nullable=False),
        sa.Column(
            "provider",
            sa.String(length=40),
            nullable=False,
            comment="through whom it was signed in, by its name in the settings",
        ),
        sa.Column(
            "device",
            sa.String(length=40),
            nullable=False,
            comment="family of browser and system, never the whole user agent",
        ),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("claimed_at", Instant(), nullable=True, comment="when the page came for its tokens; null until then"),
        sa.Column("used_at", Instant(), nullable=False, comment="when tokens were last given out"),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column(
            "end_reason", sa.String(length=20), nullable=True, comment="signed-out, ended, stolen, account-ended"
        ),
        sa.Column(
            "refresh_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="keyed hash of the one secret that is good now",
        ),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name=op.f("fk_sessions_account_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_account", "sessions", ["account", "created_at"], unique=False)
    op.create_table(
        "linked_identities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=40), nullable=False),
        sa.Column(
            "external_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="keyed hash of what the provider calls its user",
        ),
        sa.Column("account", sa.String(length=40), nullable=False),
        sa.Column("linked_at", Instant(), nullable=False),
        sa.Column("used_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name=op.f("fk_linked_identities_account_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_linked_identities")),
    )
    op.create_index(op.f("ix_linked_identities_account"), "linked_identities", ["account"], unique=False)
    op.create_index(
        "uq_linked_identities_live",
        "linked_identities",
        ["provider", "external_hash"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "sign_in_counts",
        sa.Column(
            "counted",
            sa.LargeBinary(),
            nullable=False,
            comment="keyed hash of an account, an identity or an address",
        ),
        sa.Column("failures", sa.Integer(), nullable=False, comment="since first_at"),
        sa.Column("first_at", Instant(), nullable=False),
        sa.Column("locked_until", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("counted", name=op.f("pk_sign_in_counts")),
    )
    op.create_index("ix_sign_in_counts_first", "sign_in_counts", ["first_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_sign_in_counts_first", table_name="sign_in_counts")
    op.drop_table("sign_in_counts")
    op.drop_index("uq_linked_identities_live", table_name="linked_identities")
    op.drop_index(op.f("ix_linked_identities_account"), table_name="linked_identities")
    op.drop_table("linked_identities")
    op.drop_index("ix_sessions_account", table_name="sessions")
    op.drop_table("sessions")
