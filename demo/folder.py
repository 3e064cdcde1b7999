"""The demo city in a folder: `xinyi.db` and `keys.json`. One thing to know: the database is built beside its place and
moved there when whole, so a folder that was interrupted has none, and the next start builds it again.

The sandbox's own two, `sandbox.db` and `sandbox-keys.json`, are made by the server when they are first needed. Nothing
inside names the folder: stop the server, and the folder may be copied elsewhere and used there.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.errors import StartupError
from core.keys import complete_key_file, load_keys, new_key_file
from core.settings import Settings, read_settings

DEFAULT = Path("var")
DATABASE, SANDBOX, KEYS, FILES = "xinyi.db", "sandbox.db", "keys.json", "files"
UNFINISHED = ".unfinished-"
MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations" / "versions"


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """A folder that holds a whole demo city, and the settings with which to use it."""

    path: Path
    settings: Settings


def open_folder(path: Path | None = None, *, tell: Callable[[str], None] = lambda _: None) -> DemoFolder:
    """The demo city in `path` (`var` in the current folder), built first where there is none.

    Safe when two commands open it at once: the second waits for the first. `tell` is given a sentence for the person
    at the terminal before work that takes seconds. Not to be called from a running event loop.

    Raises:
        StartupError: the folder cannot be used, its keys are gone, or the environment is a production one.
    """
    check_not_production()
    folder = (path or DEFAULT).resolve()
    if "?" in str(folder):
        raise StartupError(f"数据文件夹 {folder} 的路径含有问号,数据库地址写不下。请换一个路径。")
    if not (folder / DATABASE).exists():
        _prepare(folder)
        with _alone(folder):
            if not (folder / DATABASE).exists():
                tell(f"首次使用:正在 {folder} 建立演示城市(市民、企业、合作机构与优惠全部为虚构),约需几秒……")
                _build(folder)
    settings = _settings(folder, folder / DATABASE)
    if not settings.keys_file.exists():
        raise StartupError(
            f"{folder} 有数据库却没有密钥文件 {KEYS},其中密封的数据打不开。请找回该文件;或删去 {DATABASE} 后重新建立。"
        )
    if not _is_newest(folder / DATABASE):
        with _alone(folder):
            complete_key_file(settings.keys_file)  # a newer version may use keys for more purposes
            asyncio.run(_migrate(settings))
    return DemoFolder(folder, settings)


def check_not_production() -> None:
    """Refuse the demo where the environment says that this is a production machine.

    Raises:
        StartupError: `XINYI_ENVIRONMENT=production` is set.
    """
    said = read_settings(database_url="", keys_file="")
    if "environment" in said.model_fields_set and said.environment == "production":
        raise StartupError(
            "XINYI_ENVIRONMENT=production:生产环境不提供演示城市和演示令牌。请取消该变量,或改用 xinyi serve。"
        )


def _settings(folder: Path, database: Path) -> Settings:
    """The demo is whole in its folder: what the environment says of databases, Redis and places is not its business."""
    return read_settings(
        environment="demo",
        database_url=f"sqlite+aiosqlite:///{database}",
        redis_url=None,
        keys_file=folder / KEYS,
        sandbox_database_url=f"sqlite+aiosqlite:///{folder / SANDBOX}",
        sandbox_keys_file=None,
        files=str(folder / FILES),
        places=(),
    )


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(f"无法使用数据文件夹 {folder}({error.strerror})。请换一个可写的文件夹。") from None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system lets go of it even if the process is killed."""
    try:
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartupError(f"无法写入数据文件夹 {folder}({error.strerror})。请换一个可写的文件夹。") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _build(folder: Path) -> None:
    """Make what is missing, the database last: whoever sees it finds everything."""
    for left_over in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(left_over, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=folder) as beside:
        workshop = Path(beside)
        if not (folder / KEYS).exists():
            new_key_file(workshop / KEYS, demo=True)
            (workshop / KEYS).replace(folder / KEYS)
        database = workshop / DATABASE
        database.touch(mode=0o600)  # SQLite gives its side files the same mode
        asyncio.run(_fill(_settings(folder, database)))
        database.replace(folder / DATABASE)


async def _fill(settings: Settings) -> None:
    # Imported here: a folder that is whole opens without the rules, and a second start is quick.
    from core.clock import utc_now
    from core.database import Database
    from core.files import open_files
    from core.migrations import migrate
    from demo.city import seed_city
    from demo.underway import let_things_happen
    from partners.rulebook import load_rulebook

    now = utc_now()
    rulebook, keys = load_rulebook(settings.jurisdictions, settings.places), load_keys(settings.keys_file)
    database = Database(settings.database_url, keys=keys)
    try:
        await migrate(database)
        await seed_city(database, keys=keys, rulebook=rulebook, now=now, issuer=settings.issuer)
        files = open_files(settings, keys)
        await let_things_happen(database, files=files, keys=keys, rulebook=rulebook, now=now)
    finally:
        # Closing the last connection moves the log into the file itself, which can then be moved alone.
        await database.close()


def _is_newest(database: Path) -> bool:
    """Whether the newest migration, by file name, has run. A wrong «no» is harmless: migrating again does nothing."""
    try:
        with closing(sqlite3.connect(database)) as connection:
            [version] = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except (sqlite3.Error, TypeError):
        raise StartupError(f"{database} 不是完好的演示数据库。请恢复它;或删去后重新建立。") from None
    return bool(version == max(file.name for file in MIGRATIONS.glob("*.py")).partition("_")[0])


async def _migrate(settings: Settings) -> None:
    from core.database import Database
    from core.migrations import migrate

    database = Database(settings.database_url, keys=load_keys(settings.keys_file))
    try:
        await migrate(database)
    finally:
        await database.close()
