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
    Column("status", String(12), nullable=False, server_default="LIVE", comment="of its onboarding; see onboarding"),
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
    Index("ix_accounts_partner", "partner_id"),
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
    Column("districts", Json, nullable=False, server_default=text("'[]'"), comment="where it is given; none: all over"),
    Column("limit_per_person", Integer),
    Column("opens_on", Date, nullable=False),
    Column("closes_on", Date, comment="first day on which it is closed"),
    Column("details", Json, nullable=False, server_default=text("'{}'"), comment="the terms of its kind"),
    Column("measure", String(60), nullable=False, server_default=text("''"), comment="of the place's published list"),
    Column("notice", Text, nullable=False, server_default=text("''"), comment="list or tender notice that names it"),
    Column("conditions", Json, nullable=False, server_default=text("'[]'"), comment="beyond the grade"),
    Column("basic_public_service", Boolean, nullable=False, server_default=text("false")),
    Column("statutory_right", Boolean, nullable=False, server_default=text("false")),
    Column("limits", Json, nullable=False, server_default=text("'[]'"), comment="[{scope, period, most}, …]"),
    Column("budget_fen", BigInteger, comment="what all its uses may cost together"),
    Column("most_fen", BigInteger, comment="the most that one use may cost the budget"),
    Column("exclusive_group", String(40), nullable=False, server_default=text("''"), comment="one of these at a time"),
    Column("priority", Integer, nullable=False, server_default=text("0"), comment="the highest wins in its group"),
    Column(
        "crowd", Json, comment="who would get the standard service, as last counted: {on, standard, without_adverse}"
    ),
    Column("signed_reviews", Json, nullable=False, server_default=text("'[]'"), comment="what a person answered for"),
)

offer_versions = Table(
    "offer_versions",
    metadata,
    Column("offer_id", BigInteger, ForeignKey("offers.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("status", String(20), nullable=False, comment="of this version: draft, submitted, approved …"),
    Column("content", Json, nullable=False, comment="all that a partner or operator wrote"),
    Column("author", String(40), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("decided_by", String(40)),
    Column("decided_at", Instant),
    Column("from_version", Integer, comment="which one it takes up again, after a rollback"),
    comment="every version there was; the row of `offers` is the one in force",
)

grants = Table(
    "grants",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("partner_id", BigInteger, ForeignKey("partners.id"), nullable=False),
    Column("service", String(20), nullable=False, comment="code of a benefit kind"),
    Column("purpose", String(40), nullable=False, comment="of the published purposes, for example benefit-check"),
    Column("model", String(60), nullable=False),
    Column("threshold", String(20), nullable=False, comment="the predicate: this grade of the model or better"),
    Column("requested_by", String(40), comment="who of the partner asked for it; null where it was given unasked"),
    Column("requested_at", Instant),
    Column("granted_by", String(40), comment="null while it waits, and where it was refused"),
    Column("granted_at", Instant),
    Column("revoked_by", String(40), comment="or refused by"),
    Column("revoked_at", Instant),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Index("uq_grants_live", "partner_id", "service", "purpose", "model", "threshold", unique=True,
          sqlite_where=text("revoked_at IS NULL"), postgresql_where=text("revoked_at IS NULL")),
)  # fmt: skip

partner_labels = Table(
    "partner_labels",
    metadata,
    Column("partner_id", BigInteger, ForeignKey("partners.id"), primary_key=True),
    Column("kind", String(5), primary_key=True, comment="site or clerk"),
    Column("label", String(40), primary_key=True),
    Column("registered_by", String(40), nullable=False),
    Column("registered_at", Instant, nullable=False),
    Column("ended_at", Instant),
    comment="gates, counters and people on duty, by the names a partner gives them",
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
    Column("version", Integer, nullable=False, server_default=text("1"), comment="of the offer, that it is about"),
)

quotas = Table(
    "quotas",
    metadata,
    Column("offer_id", BigInteger, ForeignKey("offers.id"), primary_key=True),
    Column("bucket", String(90), primary_key=True, server_default="ever",
           comment="ever, budget, or a scope and a period: day:2026-11-22, site:东门:day:2026-11-22"),
    Column("cap", BigInteger, nullable=False),
    Column("taken", BigInteger, nullable=False, comment="redeemed, or reserved and not yet swept; a budget in 分"),
    CheckConstraint("taken >= 0 AND taken <= cap", name="taken"),
)  # fmt: skip

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
    Column("account", String(40), comment="through which it was asked"),
    Column("site", String(40), comment="where, by the partner's own label"),
    Column("holds", Json, comment="what it holds of which bucket of the quota: [[bucket, units], …]"),
    Column("voided_at", Instant, comment="asked with a stolen key: redeems no more"),
    UniqueConstraint("subject_id", "code_id"),
    Index("ix_verifications_id", "id"),
    Index("ix_verifications_person", "subject_id", "at"),
    Index("ix_verifications_account", "account", "at"),
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
    Column("site", String(40)),
    Column("holds", Json, comment="what it has taken of which bucket, given back when reversed"),
    UniqueConstraint("subject_id", "verification_id"),
    Index("ix_redemptions_partner", "partner_id", "at"),
    Index("ix_redemptions_reversed", "partner_id", "reversed_at", sqlite_where=text("reversed_at IS NOT NULL"),
          postgresql_where=text("reversed_at IS NOT NULL")),
    Index("ix_redemptions_id", "id"),
    ForeignKeyConstraint(["subject_id", "verification_id"], ["verifications.subject_id", "verifications.id"]),
)  # fmt: skip

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

alarm_steps = Table(
    "alarm_steps",
    metadata,
    Column("alarm_id", Uuid, ForeignKey("security_events.id"), primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("state", String(12), nullable=False, comment="SEEN or CLOSED"),
    Column("actor", String(40), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    comment="what operators did about an alarm",
)

benefit_watches = Table(
    "benefit_watches",
    metadata,
    Column("subject_id", BigInteger, ForeignKey("subjects.id"), primary_key=True),
    Column("switched_on_at", Instant),
    Column("looked_at", Instant, comment="a little before the last look: whatever changed since is looked at again"),
    Column("looked_version", BigInteger, comment="of the catalogue, at the last look"),
    comment="who wants to be told of newly available benefits; null: switched off again",
)

benefit_news = Table(
    "benefit_news",
    metadata,
    Column("subject_id", BigInteger, ForeignKey("subjects.id"), primary_key=True),
    Column("offer_id", BigInteger, ForeignKey("offers.id"), primary_key=True),
    Column("available_since", Instant, nullable=False),
    Column("gone_at", Instant, comment="not available any more; it is news again when it comes back"),
    Column("told_at", Instant),
    comment="which benefits are available to whom, as last looked at",
)

notices = Table(
    "notices",
    metadata,
    Column("subject_id", BigInteger, ForeignKey("subjects.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("kind", String(30), nullable=False, comment="new-benefit, stolen-key, order-due …"),
    Column("text", Text, nullable=False),
    Column("offer_id", BigInteger),
    Column("partner_id", BigInteger),
    Column("read_at", Instant),
    comment="what is told to a subject, in its own inbox",
)

outcome_reports = Table(
    "outcome_reports",
    metadata,
    Column("subject_id", BigInteger, ForeignKey("subjects.id"), primary_key=True),
    Column("verification_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="a later one corrects the earlier"),
    Column("partner_id", BigInteger, nullable=False),
    Column("report", Json, nullable=False),
    Column("at", Instant, nullable=False),
    Column("actor", String(40), nullable=False),
    ForeignKeyConstraint(["subject_id", "verification_id"], ["verifications.subject_id", "verifications.id"]),
    Index("ix_outcome_reports_partner", "partner_id", "at"),
    comment="what came of a verified benefit, as the partner says",
)

usage_blocks = Table(
    "usage_blocks",
    metadata,
    Column("month", Date, primary_key=True, comment="its first day"),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="0 stands for the month itself"),
    Column("partner_id", BigInteger, comment="null where several are put together"),
    Column("kind", String(20), comment="null where several are put together"),
    Column("figures", Json, nullable=False, comment="of ten people or more, rounded down"),
    Column("taken_at", Instant, nullable=False),
    comment="how benefits were used, as published; what may not be published is not here",
)
