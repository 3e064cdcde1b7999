"""Runs migrations on the database that the caller hands over; the same ones on PostgreSQL and SQLite."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection

import partners.schema  # noqa: F401  # registers every table
from core.database import Instant, Json, metadata


def _render(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our own column types by their own names."""
    if kind == "type" and isinstance(item, Instant):
        autogen.imports.add("from core.database import Instant")
        return "Instant()"
    if kind == "type" and item is Json:
        autogen.imports.add("from core.database import Json")
        return "Json"
    return False


connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    render_item=_render,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
