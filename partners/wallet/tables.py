"""Tables of wallet credentials. One thing to know: a credential itself is kept nowhere; a keyed hash of its holder's
key is, by which we alone can tell whose it was."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Uuid

from core.database import Instant, metadata

wallet_credentials = Table(
    "wallet_credentials",
    metadata,
    Column("key_hash", LargeBinary, primary_key=True, comment="keyed hash of the holder key's thumbprint"),
    Column("subject_id", BigInteger, ForeignKey("subjects.id"), nullable=False),
    Column("offer_id", BigInteger, ForeignKey("offers.id"), nullable=False),
    Column("account", String(40), nullable=False, comment="through which it was asked for"),
    Column("issued_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("ix_wallet_credentials_subject", "subject_id", "issued_at"),
    Index("ix_wallet_credentials_expires", "expires_at"),
    comment="finds a subject by a key of its wallet; a key is never taken twice",
)

presentation_requests = Table(
    "presentation_requests",
    metadata,
    Column("id", Uuid, primary_key=True, comment="122 random bits: whoever has it was shown the request"),
    Column("partner_id", BigInteger, ForeignKey("partners.id"), nullable=False),
    Column("account", String(40), nullable=False, comment="through which the partner asks"),
    Column("offer_id", BigInteger, ForeignKey("offers.id"), nullable=False),
    Column("site", String(40)),
    Column("clerk", String(40)),
    Column("nonce", String(43), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("refusals", Integer, nullable=False, comment="presentations that were no answer"),
    Index("ix_presentation_requests_expires", "expires_at"),
    comment="what partners ask of wallets; the answer stands in `answers`, under the request's id",
)
