"""Credentials for wallets, and what partners ask of them.

Revision: 0010
Follows: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.database import Instant

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Whose a credential is, by its holder's key; and the requests."""
    op.create_table(
        "wallet_credentials",
        sa.Column("key_hash", sa.LargeBinary(), nullable=False, comment="keyed hash of the holder key's thumbprint"),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.String(length=40), nullable=False, comment="through which it was asked for"),
        sa.Column("issued_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_wallet_credentials_offer_id_offers")),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["subjects.id"], name=op.f("fk_wallet_credentials_subject_id_subjects")
        ),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_wallet_credentials")),
        comment="finds a subject by a key of its wallet; a key is never taken twice",
    )
    op.create_index("ix_wallet_credentials_expires", "wallet_credentials", ["expires_at"], unique=False)
    op.create_index("ix_wallet_credentials_subject", "wallet_credentials", ["subject_id", "issued_at"], unique=False)
    op.create_table(
        "presentation_requests",
        sa.Column("id", sa.Uuid(), nullable=False, comment="122 random bits: whoever has it was shown the request"),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.String(length=40), nullable=False, comment="through which the partner asks"),
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("site", sa.String(length=40), nullable=True),
        sa.Column("clerk", sa.String(length=40), nullable=True),
        sa.Column("nonce", sa.String(length=43), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("refusals", sa.Integer(), nullable=False, comment="presentations that were no answer"),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_presentation_requests_offer_id_offers")),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_presentation_requests_partner_id_partners")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_presentation_requests")),
        comment="what partners ask of wallets; the answer stands in `answers`, under the request's id",
    )
    op.create_index("ix_presentation_requests_expires", "presentation_requests", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_presentation_requests_expires", table_name="presentation_requests")
    op.drop_table("presentation_requests")
    op.drop_index("ix_wallet_credentials_subject", table_name="wallet_credentials")
    op.drop_index("ix_wallet_credentials_expires", table_name="wallet_credentials")
    op.drop_table("wallet_credentials")
