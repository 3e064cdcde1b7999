"""Gates without network: devices, passes, uses that were synced.

Revision: 0011
Follows: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.database import Instant, Json

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = ("offline_uses", "offline_passes", "offline_choices", "offline_answers", "offline_bundles", "offline_gates")


def upgrade() -> None:
    """Six tables."""
    _create_gates()
    _create_what_subjects_have()


def _create_gates() -> None:
    op.create_table(
        "offline_gates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("site", sa.String(length=40), nullable=False, comment="where it stands, by the partner's own label"),
        sa.Column(
            "public_key", sa.LargeBinary(), nullable=False, comment="Ed25519; the other half never leaves the gate"
        ),
        sa.Column("registered_by", sa.String(length=40), nullable=False),
        sa.Column("registered_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant()),
        sa.Column("ended_by", sa.String(length=40)),
        sa.Column("stolen_since", Instant(), comment="nothing it signed from then on counts"),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_offline_gates_partner_id_partners")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offline_gates")),
    )
    op.create_index("ix_offline_gates_partner", "offline_gates", ["partner_id"])
    op.create_index("uq_offline_gates_key", "offline_gates", ["public_key"], unique=True)
    op.create_table(
        "offline_bundles",
        sa.Column("gate_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["gate_id"], ["offline_gates.id"], name=op.f("fk_offline_bundles_gate_id_offline_gates")
        ),
        sa.PrimaryKeyConstraint("gate_id", "id", name=op.f("pk_offline_bundles")),
        comment="what each gate knew since when: a pass ended later was good to it",
    )
    op.create_table(
        "offline_answers",
        sa.Column("gate_id", sa.Uuid(), nullable=False),
        sa.Column("counter", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the use as the gate signed it"),
        sa.Column("answer", Json, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["gate_id"], ["offline_gates.id"], name=op.f("fk_offline_answers_gate_id_offline_gates")
        ),
        sa.PrimaryKeyConstraint("gate_id", "counter", name=op.f("pk_offline_answers")),
        comment="what was answered to each use: the same again gets the same answer",
    )


def _create_what_subjects_have() -> None:
    op.create_table(
        "offline_choices",
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("on_since", Instant(), comment="null: switched off again"),
        sa.Column("rests_since", Instant(), comment="a pass was used twice, and its holder has not looked yet"),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_offline_choices_subject_id_subjects")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_offline_choices_offer_id_offers")),
        sa.PrimaryKeyConstraint("subject_id", "offer_id", name=op.f("pk_offline_choices")),
    )
    op.create_table(
        "offline_passes",
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False, comment="random; stands in the pass"),
        sa.Column("verification_id", sa.Uuid(), nullable=False, comment="what is reserved for it; stands in no pass"),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("kid", sa.String(length=64), nullable=False, comment="of our key that signed it"),
        sa.Column("device_key", sa.LargeBinary(), nullable=False, comment="public key of the phone it is good with"),
        sa.Column("issued_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), comment="good no more, for gates that fetch a bundle after this"),
        sa.Column("used_at", Instant(), comment="the earliest use synced so far, by the gate's clock"),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_offline_passes_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_offline_passes")),
    )
    op.create_index("ix_offline_passes_id", "offline_passes", ["id"])
    op.create_index("ix_offline_passes_offer", "offline_passes", ["subject_id", "offer_id"])
    op.create_index("ix_offline_passes_partner", "offline_passes", ["partner_id", "expires_at"])
    op.create_table(
        "offline_uses",
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False, comment="of its line on the access log"),
        sa.Column("pass_id", sa.Uuid(), nullable=False),
        sa.Column("gate_id", sa.Uuid(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("used_at", Instant(), nullable=False, comment="by the gate's clock"),
        sa.Column("synced_at", Instant(), nullable=False),
        sa.Column("problem", sa.String(length=40), comment="why it does not count; null where it does"),
        sa.Column("redemption_id", sa.Uuid()),
        sa.Column(
            "double_use",
            sa.Boolean(),
            nullable=False,
            comment="the pass was used earlier at another gate; not paid again",
        ),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_offline_uses_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_offline_uses")),
    )
    op.create_index("ix_offline_uses_pass", "offline_uses", ["subject_id", "pass_id"])
    op.create_index("ix_offline_uses_redemption", "offline_uses", ["redemption_id"])


def downgrade() -> None:
    """None of them."""
    for name in TABLES:
        op.drop_table(name)
