"""Tables of signing in. One thing to know: nothing in them signs in: of tokens and of the names that outside providers
know people by, only keyed hashes are kept."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Uuid, text

from core.database import Instant, metadata

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account", String(40), ForeignKey("accounts.id"), nullable=False),
    Column(
        "provider", String(40), nullable=False, comment="through whom it was signed in, by its name in the settings"
    ),
    Column("device", String(40), nullable=False, comment="family of browser and system, never the whole user agent"),
    Column("created_at", Instant, nullable=False),
    Column("claimed_at", Instant, comment="when the page came for its tokens; null until then"),
    Column("used_at", Instant, nullable=False, comment="when tokens were last given out"),
    Column("expires_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("end_reason", String(20), comment="signed-out, ended, stolen, account-ended"),
    Column("refresh_hash", LargeBinary, nullable=False, comment="keyed hash of the one secret that is good now"),
    Index("ix_sessions_account", "account", "created_at"),
)

linked_identities = Table(
    "linked_identities",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("provider", String(40), nullable=False),
    Column("external_hash", LargeBinary, nullable=False, comment="keyed hash of what the provider calls its user"),
    Column("account", String(40), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("linked_at", Instant, nullable=False),
    Column("used_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index(
        "uq_linked_identities_live",
        "provider",
        "external_hash",
        unique=True,
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
)

sign_in_counts = Table(
    "sign_in_counts",
    metadata,
    Column("counted", LargeBinary, primary_key=True, comment="keyed hash of an account, an identity or an address"),
    Column("failures", Integer, nullable=False, comment="since first_at"),
    Column("first_at", Instant, nullable=False),
    Column("locked_until", Instant),
    Index("ix_sign_in_counts_first", "first_at"),
)
