"""Tables of partners, offers and what was decided. One thing to know: what is about a subject has the subject's key
in its primary key; partners, offers and accounts are small reference data; answers belong to their partner."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    and_,
    text,
)

from core.database import Instant, Json, metadata
from scoring.tables import Key

partners = Table(
    "partners",
    metadata,
    Column("id", Key, primary_key=True),
    Column("place", String(40), nullable=False),
    Column("sector", String(20), nullable=False, comment="bank, hospital, scenic …"),
    Column("name", Text, nullable=False),
    Column("uscc", String(18), nullable=False, unique=True),
    Column("registered_at", Instant, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("role", String(20), nullable=False),
    Column("subject_id", BigInteger, ForeignKey("subjects.id"), comment="whom a citizen or an agent acts for"),
    Column("partner_id", BigInteger, ForeignKey("partners.id"), comment="whom a partner's account acts for"),
    Column("ended_at", Instant, comment="from then on the account may do nothing"),
    Column("held_by", String(40), comment="the account of whoever acts through this one"),
    Column("basis", String(10), comment="mandate or assisted; null for one's own"),
    Column("body", Text, comment="providers: the body they act for"),
    Column("body_uscc", String(18)),
    Index("ix_accounts_subject", "subject_id"),
)

mandates = Table(
    "mandates",
    metadata,
    Column("subject_id", BigInteger, ForeignKey("subjects.id"), primary_key=True, comment="who is represented"),
    Column("id", Uuid, primary_key=True),
    Column("kind", String(10), nullable=False, comment="agent, family, or guardian"),
    Column("holder", String(40), nullable=False, comment="account of whoever represents"),
    Column("account", String(40), nullable=False, comment="the account through which this is done"),
    Column("evidence", Text, nullable=False, comment="the document behind it"),
    Column("granted_by", String(40), nullable=False),
    Column("granted_at", Instant, nullable=False),
    Column("ends_on", Date, nullable=False, comment="first day on which it no longer holds"),
    Column("revoked_at", Instant),
    Column("revoked_by", String(40)),
    Index("ix_mandates_holder", "holder"),
    Index("ix_mandates_id", "id"),
)

offers = Table(
    "offers",
    metadata,
    Column("id", Key, primary_key=True),
    Column("partner_id", BigInteger, ForeignKey("partners.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("status", String(20), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("model", String(60), nullable=False),
    Column("threshold", String(20), nullable=False, comment="the lowest grade of the model that the benefit asks for"),
    Column("title", Text, nullable=False),
    Column("standard_service", Text, nullable=False),
    Column("benefit", Text, nullable=False),
    Column("effects", Json, nullable=False),
    Column("payer", String(20), nullable=False),
    Column("budget", Text, nullable=False),
    Column("standard_lanes_unchanged", Boolean, nullable=False),
    Column("also_open_to", Json, nullable=False, comment="places besides the partner's own"),
    Column("limit_per_person", Integer),
    Column("opens_on", Date, nullable=False),
    Column("closes_on", Date, comment="first day on which it is closed"),
)

baselines = Table(
    "baselines",
    metadata,
    Column("offer_id", BigInteger, ForeignKey("offers.id"), primary_key=True),
    Column("in_force_from", Date, primary_key=True),
    Column("price_fen", BigInteger),
    Column("deposit_fen", BigInteger, nullable=False),
    Column("days", Integer),
    Column("documents", Json, nullable=False),
    Column("queue", String(20), nullable=False),
    Column("code_required", Boolean, nullable=False),
    Column("source_title", Text, nullable=False),
    Column("source_clause", Text, nullable=False),
)

offer_steps = Table(
    "offer_steps",
    metadata,
    Column("offer_id", BigInteger, ForeignKey("offers.id"), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("status", String(20), nullable=False),
    Column("actor", String(40), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
)

quotas = Table(
    "quotas",
    metadata,
    Column("offer_id", BigInteger, ForeignKey("offers.id"), primary_key=True),
    Column("cap", Integer, nullable=False),
    Column("taken", Integer, nullable=False, comment="redeemed, or reserved and not yet swept"),
    CheckConstraint("taken >= 0 AND taken <= cap", name="taken"),
)

catalogue_state = Table(
    "catalogue_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False, comment="counts up whenever reference data changes"),
)

verifications = Table(
    "verifications",
    metadata,
    Column("subject_id", BigInteger, ForeignKey("subjects.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("code_id", LargeBinary, nullable=False, comment="unique: a code decides once"),
    Column("partner_id", BigInteger, nullable=False),
    Column("offer_id", BigInteger, nullable=False),
    Column("offer_version", Integer, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("reserved", Boolean, nullable=False, comment="holds a unit of quota, not yet redeemed, released or swept"),
    Column("lapsed", Boolean, nullable=False, server_default=text("false"),
           comment="ran out and was counted as free: redeems no more, whatever a slower clock says"),
    UniqueConstraint("subject_id", "code_id"),
    Index("ix_verifications_id", "id"),
    Index("ix_verifications_person_limit", "subject_id", "offer_id"),
    Index("ix_verifications_reserved", "offer_id", "expires_at", sqlite_where=text("reserved"),
          postgresql_where=text("reserved")),
)  # fmt: skip

redemptions = Table(
    "redemptions",
    metadata,
    Column("subject_id", BigInteger, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("verification_id", Uuid, nullable=False),
    Column("partner_id", BigInteger, nullable=False),
    Column("amount_fen", BigInteger),
    Column("took_quota", Boolean, nullable=False, comment="gives a unit back when reversed"),
    Column("at", Instant, nullable=False),
    Column("reversed_at", Instant),
    Column("reversal_reason", Text),
    UniqueConstraint("subject_id", "verification_id"),
    Index("ix_redemptions_id", "id"),
    ForeignKeyConstraint(["subject_id", "verification_id"], ["verifications.subject_id", "verifications.id"]),
)

OF_VERIFICATION = and_(
    redemptions.c.subject_id == verifications.c.subject_id,
    redemptions.c.verification_id == verifications.c.id,
)
"""How a redemption and its verification find each other."""

access_events = Table(
    "access_events",
    metadata,
    Column("subject_id", BigInteger, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("partner_id", BigInteger),
    Column("offer_id", BigInteger),
    Column("outcome", String(20)),
    Column("problem", String(40)),
    Column("why_not", Json, nullable=False, comment="for the subject alone"),
    Column("receipt", Text),
    Column("clerk", String(40)),
    Column("site", String(40)),
    Column("reader", String(40), comment="account of whoever looked, where that is no partner"),
    Column("reader_role", String(20)),
    Column("action", String(40), comment="what was done or read; null for a scan"),
    Column("purpose", String(120), comment="what for, as the reader said or the rule has it"),
    Index("ix_access_events_id", "id"),
)

answers = Table(
    "answers",
    metadata,
    Column("partner_id", BigInteger, primary_key=True),
    Column("mutation", String(40), primary_key=True),
    Column("request_id", String(128), primary_key=True),
    Column("body_hash", LargeBinary, nullable=False),
    Column("answer", Json, nullable=False),
    Column("at", Instant, nullable=False),
)

security_events = Table(
    "security_events",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("partner_id", BigInteger),
    Column("detail", Json, nullable=False),
)
