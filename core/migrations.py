"""Bring a database to the present schema. One thing to know: the same migrations run on PostgreSQL and SQLite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from core.audit import record
from core.clock import utc_now
from core.database import Database, metadata
from core.errors import StartupError
from core.integrity import reseal

if TYPE_CHECKING:  # imported where used: serving needs none of it, and it is slow to import
    from alembic.config import Config

SEALED_SINCE = "0006"
"""The revision since which rows carry a `mac`."""
FOLDER = Path(__file__).resolve().parent.parent / "migrations"


def newest() -> str:
    """The newest revision: files are named by it, and it counts up."""
    return max(file.name for file in FOLDER.glob("versions/*.py")).partition("_")[0]


def config(connection: Connection | None = None) -> Config:
    """Alembic's settings, for an open connection where one is needed."""
    from alembic.config import Config

    made = Config(attributes={"connection": connection})
    made.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return made


def _upgrade(connection: Connection) -> None:
    from alembic import command

    command.upgrade(config(connection), "head")


def differences(connection: Connection) -> list[object]:
    """What the tables in the code say and the database does not; empty where they agree."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))


async def migrate(database: Database) -> None:
    """Run all migrations that have not run yet, in one transaction, and seal what older versions left unsealed."""
    async with database.transaction() as connection:
        known = await connection.run_sync(_version)
        await connection.run_sync(_upgrade)
        if known is not None and known < SEALED_SINCE:
            await _seal_all(connection)


def _version(connection: Connection) -> str | None:
    from alembic.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()


async def _seal_all(connection: AsyncConnection) -> None:
    sealed = {}
    for table in metadata.sorted_tables:
        if "sealed" in table.info:
            sealed[str(table.name)] = await connection.scalar(select(func.count()).select_from(table))
            await reseal(connection, table)
    await record(connection, at=utc_now(), actor="migrate", action="sealRows", content=sealed)


async def check_current(database: Database) -> None:
    """Refuse to serve on an old or foreign schema.

    Raises:
        StartupError: migrations are missing.
        Unavailable: the database cannot be reached.
    """
    found = None
    async with database.reading() as connection:
        try:
            found = await connection.scalar(text("SELECT version_num FROM alembic_version"))
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
    if found != newest():
        raise StartupError("数据库结构不是最新版本。请先运行 xinyi migrate。")
