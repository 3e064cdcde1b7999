"""Runs migrations on the database that the caller hands over; the same ones on PostgreSQL and SQLite."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

import partners.tables  # noqa: F401  # registers its tables
import scoring.tables  # noqa: F401
from core import audit  # noqa: F401
from core.database import metadata

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
