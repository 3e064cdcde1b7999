"""What is published about many enterprises together: grades by region and industry, park indices.

Revision: 0005
Follows: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.database import Instant

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "statistics_takes",
        sa.Column("month", sa.Date(), nullable=False, comment="its first day"),
        sa.Column("place", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=60), nullable=False),
        sa.Column("taken_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("month", "place", "model", name=op.f("pk_statistics_takes")),
        comment="a month is taken once: two takes of one month could be compared",
    )
    op.create_table(
        "grade_statistics",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("place", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=60), nullable=False),
        sa.Column("dimension", sa.String(length=10), nullable=False, comment="region or industry"),
        sa.Column(
            "value",
            sa.String(length=40),
            nullable=False,
            comment="a district's or industry's code; empty where not told",
        ),
        sa.Column("grade", sa.String(length=20), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False, comment="a multiple of ten; nothing smaller is ever stored"),
        sa.PrimaryKeyConstraint(
            "month", "place", "model", "dimension", "value", "grade", name=op.f("pk_grade_statistics")
        ),
    )
    op.create_table(
        "park_indices",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("place", sa.String(length=40), nullable=False),
        sa.Column("park", sa.String(length=40), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("enterprises", sa.Integer(), nullable=False, comment="rounded down to ten"),
        sa.PrimaryKeyConstraint("month", "place", "park", name=op.f("pk_park_indices")),
    )


def downgrade() -> None:
    for table in ("park_indices", "grade_statistics", "statistics_takes"):
        op.drop_table(table)
