"""Tables of settlement. One thing to know: a file once made is never changed; what is corrected is a new line of a
later file."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, Uuid

from core.database import Instant, metadata

settlement_files = Table(
    "settlement_files",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("partner_id", BigInteger, ForeignKey("partners.id"), nullable=False),
    Column("funder", Text, nullable=False, comment="the partner itself, or the budget or sponsor by name"),
    Column("day", Date, nullable=False, comment="in Asia/Shanghai"),
    Column("lines", Integer, nullable=False),
    Column("total_fen", BigInteger, nullable=False),
    Column("csv", LargeBinary, nullable=False),
    Column("json", LargeBinary, nullable=False),
    Column("sha256_csv", String(64), nullable=False),
    Column("sha256_json", String(64), nullable=False),
    Column("statement", Text, nullable=False, comment="JWS over both hashes, day, partner, funder and total"),
    Column("made_at", Instant, nullable=False),
    Index("uq_settlement_files_day", "partner_id", "funder", "day", unique=True),
)

settlement_lines = Table(
    "settlement_lines",
    metadata,
    Column("file_id", Uuid, ForeignKey("settlement_files.id"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(10), nullable=False, comment="use or correction"),
    Column("redemption_id", Uuid, nullable=False),
    Column("receipt_jti", String(40), nullable=False, comment="the receipt of the verification"),
    Column("amount_fen", BigInteger, nullable=False, comment="below zero in a correction"),
    Column("at", Instant, nullable=False),
    Index("uq_settlement_lines_redemption", "redemption_id", "kind", unique=True),
)

settlement_days = Table(
    "settlement_days",
    metadata,
    Column("day", Date, primary_key=True, comment="all files of this day have been made"),
    Column("made_at", Instant, nullable=False),
)
