"""Tables of client programs. One thing to know: a document is known by the SHA-256 of its text, so what was registered
cannot be changed, only retired."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, String, Table, Text

from core.database import Instant, metadata

trusted_documents = Table(
    "trusted_documents",
    metadata,
    Column("sha256", String(64), primary_key=True, comment="of the text in UTF-8, in hex"),
    Column("text", Text, nullable=False),
    Column("app", String(40), nullable=False, comment="the program that it came with"),
    Column("registered_by", String(64), nullable=False),
    Column("registered_at", Instant, nullable=False),
    Column("retired_at", Instant),
)

document_freedoms = Table(
    "document_freedoms",
    metadata,
    Column("partner_id", BigInteger, ForeignKey("partners.id"), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("given_by", String(64), nullable=False),
    Column("given_at", Instant, nullable=False),
)
