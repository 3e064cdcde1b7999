"""Tables of onboarding. One thing to know: a partner's row says where it stands; its steps say how it came there, with
who did it and the evidence, and are never changed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, Uuid, text

from core.database import Instant, Json, metadata

partner_steps = Table(
    "partner_steps",
    metadata,
    Column("partner_id", BigInteger, ForeignKey("partners.id"), primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("status", String(12), nullable=False, comment="after the step"),
    Column("actor", String(40), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence", Json, nullable=False, comment="documents, contract number, conformance run …"),
)

partner_documents = Table(
    "partner_documents",
    metadata,
    Column("partner_id", BigInteger, ForeignKey("partners.id"), primary_key=True),
    Column("name", String(64), primary_key=True, comment="under which it is stored"),
    Column("kind", String(30), nullable=False, comment="licence, qualification, contract …"),
    Column("title", Text, nullable=False),
    Column("type", String(40), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("actor", String(40), nullable=False),
)

partner_keys = Table(
    "partner_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("partner_id", BigInteger, ForeignKey("partners.id"), nullable=False, index=True),
    Column("use", String(8), nullable=False, comment="desk: for its representative; live: for its counters; sandbox"),
    Column("kid", String(64), nullable=False, unique=True, comment="thumbprint of the key (RFC 7638)"),
    Column("algorithm", String(8), nullable=False, comment="EdDSA or ES256"),
    Column("jwk", Json, nullable=False, comment="the public key; we never see the other half"),
    Column("account", String(40), nullable=False, comment="through which whoever holds the key acts, where it may"),
    Column("registered_by", String(40), nullable=False),
    Column("registered_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    Column("revoked_by", String(40)),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Index("ix_partner_keys_account", "account"),
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("partner_id", BigInteger, ForeignKey("partners.id"), primary_key=True),
    Column("kid", String(64), primary_key=True, comment="the key whose signature was tried"),
    Column("failures", Integer, nullable=False, comment="bad signatures since first_at"),
    Column("first_at", Instant, nullable=False),
    Column("locked_until", Instant),
)

assertions = Table(
    "assertions",
    metadata,
    Column("partner_id", BigInteger, ForeignKey("partners.id"), primary_key=True),
    Column("jti", String(64), primary_key=True, comment="SHA-256 of it, in hex"),
    Column("expires_at", Instant, nullable=False),
    Index("ix_assertions_expires", "expires_at"),
    comment="assertions that have been used: each signs in once",
)
