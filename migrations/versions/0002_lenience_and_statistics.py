"""What lenience looks at in a record, and what statistics count subjects by.

Revision: 0002
Follows: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("subjects") as subjects:
        subjects.add_column(
            sa.Column(
                "sex",
                sa.String(length=1),
                comment="persons only; F or M: for measuring whether a model treats people alike",
            )
        )
        subjects.add_column(
            sa.Column("district", sa.String(length=6), comment="division code (GB/T 2260), for statistics")
        )
        subjects.add_column(
            sa.Column("industry", sa.String(length=1), comment="enterprises only; section of GB/T 4754, for statistics")
        )
        subjects.add_column(
            sa.Column("park", sa.String(length=60), comment="enterprises only: code of the park it stands in")
        )
    with op.batch_alter_table("credit_records") as credit_records:
        credit_records.add_column(
            sa.Column(
                "minor", sa.Boolean(), server_default=sa.text("(false)"), nullable=False, comment="a minor breach"
            )
        )
        credit_records.add_column(sa.Column("corrected_on", sa.Date(), comment="the day on which it was put right"))
        credit_records.add_column(
            sa.Column("force_majeure", sa.Boolean(), server_default=sa.text("(false)"), nullable=False)
        )


def downgrade() -> None:
    with op.batch_alter_table("credit_records") as credit_records:
        for name in ("force_majeure", "corrected_on", "minor"):
            credit_records.drop_column(name)
    with op.batch_alter_table("subjects") as subjects:
        for name in ("park", "industry", "district", "sex"):
            subjects.drop_column(name)
