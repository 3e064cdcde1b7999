"""Bring a database to the present schema. One thing to know: the same migrations run on PostgreSQL and SQLite."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from core.database import Database, metadata
from core.errors import StartupError

FOLDER = Path(__file__).resolve().parent.parent / "migrations"


def config(connection: Connection | None = None) -> Config:
    """Alembic's settings, for an open connection where one is needed."""
    made = Config(attributes={"connection": connection})
    made.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return made


def _upgrade(connection: Connection) -> None:
    command.upgrade(config(connection), "head")


def _is_current(connection: Connection) -> bool:
    found = MigrationContext.configure(connection).get_current_heads()
    return set(found) == set(ScriptDirectory.from_config(config()).get_heads())


def differences(connection: Connection) -> list[object]:
    """What the tables in the code say and the database does not; empty where they agree."""
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))


async def migrate(database: Database) -> None:
    """Run all migrations that have not run yet, in one transaction each."""
    async with database.writer.begin() as connection:
        await connection.run_sync(_upgrade)


async def check_current(database: Database) -> None:
    """Refuse to serve on an old or foreign schema.

    Raises:
        StartupError: migrations are missing.
        Unavailable: the database cannot be reached.
    """
    async with database.reading() as connection:
        if not await connection.run_sync(_is_current):
            raise StartupError("数据库结构不是最新版本。请先运行 xinyi migrate。")
