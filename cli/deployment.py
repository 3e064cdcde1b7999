"""Which deployment a command speaks of: the database of `XINYI_DATABASE_URL`, else the demo under `--data`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from core.settings import Settings, is_configured, read_settings

if TYPE_CHECKING:
    from core.database import Database


def deployment(data: Path | None) -> Settings:
    """The settings of the environment where it names a database, with the keys under `--data` if that is given; else
    of the demo under `--data` or `var/`, seeded if absent.

    Raises:
        StartupError: a setting is missing, or the demo cannot be opened.
    """
    from demo.folder import KEYS, open_folder

    if not is_configured():
        return open_folder(data).settings
    return read_settings() if data is None else read_settings(keys_file=data / KEYS)


@asynccontextmanager
async def open_database(settings: Settings, *, patience: float | None = 10) -> AsyncIterator[Database]:
    """The deployment's database, its rows readable with the deployment's keys.

    Raises:
        StartupError: its schema is not the newest, or the key file is missing or broken.
    """
    from core.database import Database
    from core.keys import load_keys
    from core.migrations import check_current

    database = Database(settings.database_url, keys=load_keys(settings.keys_file), patience=patience)
    try:
        await check_current(database)
        yield database
    finally:
        await database.close()
