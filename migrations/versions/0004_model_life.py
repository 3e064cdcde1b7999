"""Versions of score models that operators draft, the steps they take, and the reports of their simulations.

Revision: 0004
Follows: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.database import Instant, Json

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_versions",
        sa.Column("model", sa.String(length=60), nullable=False),
        sa.Column("version", sa.String(length=10), nullable=False),
        sa.Column("place", sa.String(length=40), nullable=False),
        sa.Column("checksum", sa.String(length=64), nullable=False, comment="of the content and what it is built on"),
        sa.Column("content", sa.Text(), nullable=False, comment="the YAML exactly as drafted"),
        sa.Column("cases", sa.Text(), nullable=False, comment="the YAML of its table of cases"),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("in_force_from", sa.Date(), nullable=True, comment="set by publishing"),
        sa.Column(
            "in_force_until",
            sa.Date(),
            nullable=True,
            comment="first day on which it was rolled back; a later version supersedes by its own day",
        ),
        sa.Column("drafted_by", sa.String(length=40), nullable=False),
        sa.Column("drafted_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", name=op.f("pk_model_versions")),
    )
    op.create_table(
        "model_steps",
        sa.Column("model", sa.String(length=60), nullable=False),
        sa.Column("version", sa.String(length=10), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("act", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False, comment="after the act"),
        sa.Column("actor", sa.String(length=40), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("checksum", sa.String(length=64), nullable=False, comment="of the content that the act was about"),
        sa.Column("evidence", Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "version"],
            ["model_versions.model", "model_versions.version"],
            name=op.f("fk_model_steps_model_model_versions"),
        ),
        sa.PrimaryKeyConstraint("model", "version", "step", name=op.f("pk_model_steps")),
    )
    op.create_table(
        "model_reports",
        sa.Column("model", sa.String(length=60), nullable=False),
        sa.Column("version", sa.String(length=10), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False, comment="of the HTML itself"),
        sa.Column("page", sa.LargeBinary(), nullable=False, comment="the HTML, compressed by zlib"),
        sa.ForeignKeyConstraint(
            ["model", "version", "step"],
            ["model_steps.model", "model_steps.version", "model_steps.step"],
            name=op.f("fk_model_reports_model_model_steps"),
        ),
        sa.PrimaryKeyConstraint("model", "version", "step", name=op.f("pk_model_reports")),
    )


def downgrade() -> None:
    op.drop_table("model_reports")
    op.drop_table("model_steps")
    op.drop_table("model_versions")
