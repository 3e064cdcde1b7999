"""Documents that clients may run in production.

Revision: 0009
Follows: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.database import Instant

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The register of documents, and the partners that need none."""
    op.create_table(
        "trusted_documents",
        sa.Column("sha256", sa.String(length=64), nullable=False, comment="of the text in UTF-8, in hex"),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("app", sa.String(length=40), nullable=False, comment="the program that it came with"),
        sa.Column("registered_by", sa.String(length=64), nullable=False),
        sa.Column("registered_at", Instant(), nullable=False),
        sa.Column("retired_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_trusted_documents")),
    )
    op.create_table(
        "document_freedoms",
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("given_by", sa.String(length=64), nullable=False),
        sa.Column("given_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_document_freedoms_partner_id_partners")),
        sa.PrimaryKeyConstraint("partner_id", name=op.f("pk_document_freedoms")),
    )


def downgrade() -> None:
    """Forget both."""
    op.drop_table("document_freedoms")
    op.drop_table("trusted_documents")
