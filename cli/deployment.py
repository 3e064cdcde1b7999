"""Which deployment a command speaks of: the database of `XINYI_DATABASE_URL`, else the demo under `--data`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from core.settings import Settings, is_configured, read_settings

if TYPE_CHECKING:
    from core.database import Database
    from core.news import News


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
    """The deployment's database, its rows readable with the deployment's keys. What is written is told to whoever
    listens at the servers, where there is a Redis to tell them by.

    Raises:
        StartupError: its schema is not the newest, or the key file is missing or broken.
    """
    from core.cache import open_cache
    from core.database import Database
    from core.keys import load_keys
    from core.migrations import check_current

    async with AsyncExitStack() as stack:
        database = Database(settings.database_url, keys=load_keys(settings.keys_file), patience=patience)
        stack.push_async_callback(database.close)
        await check_current(database)

        def tell(news: Sequence[News]) -> None:
            cache = open_cache(settings.redis_url)  # once, and only where there is news: it is slow to import
            cache.publish(news)
            stack.push_async_callback(cache.close)
            database.publish = cache.publish

        database.publish = tell if settings.redis_url else None
        yield database
