"""Tables of what works off line. One thing to know: a pass is a reservation kept in `verifications`, made when the pass
is issued and redeemed when its use is synced, so quota and limits count it once."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, LargeBinary, String, Table, Uuid

from core.database import Instant, Json, metadata

offline_gates = Table(
    "offline_gates",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("partner_id", BigInteger, ForeignKey("partners.id"), nullable=False),
    Column("site", String(40), nullable=False, comment="where it stands, by the partner's own label"),
    Column("public_key", LargeBinary, nullable=False, comment="Ed25519; the other half never leaves the gate"),
    Column("registered_by", String(40), nullable=False),
    Column("registered_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("ended_by", String(40)),
    Column("stolen_since", Instant, comment="nothing it signed from then on counts"),
    Index("ix_offline_gates_partner", "partner_id"),
    Index("uq_offline_gates_key", "public_key", unique=True),
)

offline_bundles = Table(
    "offline_bundles",
    metadata,
    Column("gate_id", Uuid, ForeignKey("offline_gates.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("at", Instant, nullable=False),
    comment="what each gate knew since when: a pass ended later was good to it",
)

offline_answers = Table(
    "offline_answers",
    metadata,
    Column("gate_id", Uuid, ForeignKey("offline_gates.id"), primary_key=True),
    Column("counter", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the use as the gate signed it"),
    Column("answer", Json, nullable=False),
    Column("at", Instant, nullable=False),
    comment="what was answered to each use: the same again gets the same answer",
)

offline_choices = Table(
    "offline_choices",
    metadata,
    Column("subject_id", BigInteger, ForeignKey("subjects.id"), primary_key=True),
    Column("offer_id", BigInteger, ForeignKey("offers.id"), primary_key=True),
    Column("on_since", Instant, comment="null: switched off again"),
    Column("rests_since", Instant, comment="a pass was used twice, and its holder has not looked yet"),
)

offline_passes = Table(
    "offline_passes",
    metadata,
    Column("subject_id", BigInteger, ForeignKey("subjects.id"), primary_key=True),
    Column("id", Uuid, primary_key=True, comment="random; stands in the pass"),
    Column("verification_id", Uuid, nullable=False, comment="what is reserved for it; stands in no pass"),
    Column("partner_id", BigInteger, nullable=False),
    Column("offer_id", BigInteger, nullable=False),
    Column("kid", String(64), nullable=False, comment="of our key that signed it"),
    Column("device_key", LargeBinary, nullable=False, comment="public key of the phone it is good with"),
    Column("issued_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("ended_at", Instant, comment="good no more, for gates that fetch a bundle after this"),
    Column("used_at", Instant, comment="the earliest use synced so far, by the gate's clock"),
    Index("ix_offline_passes_id", "id"),
    Index("ix_offline_passes_offer", "subject_id", "offer_id"),
    Index("ix_offline_passes_partner", "partner_id", "expires_at"),
)

offline_uses = Table(
    "offline_uses",
    metadata,
    Column("subject_id", BigInteger, ForeignKey("subjects.id"), primary_key=True),
    Column("id", Uuid, primary_key=True, comment="of its line on the access log"),
    Column("pass_id", Uuid, nullable=False),
    Column("gate_id", Uuid, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("used_at", Instant, nullable=False, comment="by the gate's clock"),
    Column("synced_at", Instant, nullable=False),
    Column("problem", String(40), comment="why it does not count; null where it does"),
    Column("redemption_id", Uuid),
    Column("double_use", Boolean, nullable=False, comment="the pass was used earlier at another gate; not paid again"),
    Index("ix_offline_uses_pass", "subject_id", "pass_id"),
    Index("ix_offline_uses_redemption", "redemption_id"),
)
