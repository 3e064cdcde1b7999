"""Results made elsewhere, what scores were made from, and what waits to be sent.

Revision: 0003
Follows: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.database import Instant, Json

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WAITING = sa.text("delivered_at IS NULL AND failed_at IS NULL")


def upgrade() -> None:
    op.add_column(
        "scores",
        sa.Column(
            "origin",
            sa.String(length=10),
            server_default=sa.text("'computed'"),
            nullable=False,
            comment="see scoring.results",
        ),
    )
    op.add_column(
        "scores",
        sa.Column("issuer", sa.Text(), nullable=True, comment="who made it, where it was not computed here"),
    )
    op.add_column(
        "scores",
        sa.Column("result_on", sa.Date(), nullable=True, comment="the day of a result that was not computed here"),
    )
    op.add_column(
        "scores",
        sa.Column(
            "better_grade",
            sa.String(length=20),
            nullable=True,
            comment="what counts for benefits where it is better than the grade",
        ),
    )
    op.add_column("scores", sa.Column("better_why", sa.Text(), nullable=True, comment="why it counts, for the subject"))
    op.create_table(
        "score_inputs",
        sa.Column("subject_id", KEY, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("records", Json, nullable=False),
        sa.Column("facts", Json, nullable=False),
        sa.Column("pushed", Json, nullable=False),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_score_inputs_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_score_inputs")),
        comment="what was known of a subject from `at` on; never changed, so that any past score can be made again",
    )
    op.create_table(
        "pushed_results",
        sa.Column("subject_id", KEY, nullable=False),
        sa.Column("model", sa.String(length=60), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("origin", sa.String(length=10), nullable=False, comment="pushed, or corrected here"),
        sa.Column(
            "points",
            sa.BigInteger(),
            nullable=True,
            comment="hundredths of a point; null where the result is a grade alone",
        ),
        sa.Column("grade", sa.String(length=20), nullable=False),
        sa.Column("result_on", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True, comment="first day on which it no longer holds"),
        sa.Column("issuer", sa.String(length=200), nullable=False),
        sa.Column("issuer_name", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True, comment="the document behind it, or why it was corrected"),
        sa.Column("batch", sa.String(length=128), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("withdrawn_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_pushed_results_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "model", "id", name=op.f("pk_pushed_results")),
    )
    op.create_index("ix_pushed_results_batch", "pushed_results", ["issuer", "batch"], unique=False)
    op.create_table(
        "result_batches",
        sa.Column("issuer", sa.String(length=200), nullable=False),
        sa.Column(
            "batch", sa.String(length=128), nullable=False, comment="the issuer's own id of what was pushed together"
        ),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("answer", Json, nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "batch", name=op.f("pk_result_batches")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.String(length=40), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("payload_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", Instant(), nullable=False),
        sa.Column("delivered_at", Instant(), nullable=True),
        sa.Column("failed_at", Instant(), nullable=True, comment="after the last attempt; an alarm was raised"),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["next_attempt_at"],
        unique=False,
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )


def downgrade() -> None:
    op.drop_index("ix_outbox_waiting", table_name="outbox", sqlite_where=WAITING, postgresql_where=WAITING)
    op.drop_table("outbox")
    op.drop_table("result_batches")
    op.drop_index("ix_pushed_results_batch", table_name="pushed_results")
    op.drop_table("pushed_results")
    op.drop_table("score_inputs")
    with op.batch_alter_table("scores", schema=None) as batch_op:
        for name in ("result_on", "issuer", "origin"):
            batch_op.drop_column(name)
