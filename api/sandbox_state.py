"""The sandbox's state: a database, keys and a clock of its own. One thing to know: it is made of settings from which
whatever leads to live data has been taken out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path

from api.context import State
from api.rehearsal import Rehearsal
from core.cache import open_cache
from core.clock import day_of
from core.database import Conflict, Database
from core.errors import StartupError, Unavailable
from core.keys import complete_key_file, load_keys, new_key_file
from core.migrations import check_current, migrate
from core.settings import Settings
from partners.catalogue import Catalogue
from partners.rulebook import Rulebook
from partners.sandbox.admission import check_is_sandbox

log = logging.getLogger("xinyi.sandbox")
PATH = "/sandbox"
CATALOGUES_KEPT = 50
"""Days for which a catalogue is kept in memory: partners' clocks differ."""


class SandboxClock:
    """The present instant, moved on as far as the partner whose request is being answered has moved its own."""

    def __init__(self, real: Callable[[], datetime]) -> None:
        self.real = real
        self.ahead: ContextVar[timedelta] = ContextVar("ahead", default=timedelta())

    def __call__(self) -> datetime:
        """Now, for whoever is asking."""
        return self.real() + self.ahead.get()


class SandboxState(State):
    """A state whose catalogue is that of the asking partner's day."""

    clock: SandboxClock
    is_ready = False
    """Whether anybody has come, and the database stands."""

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue of the day; one of no day where it has not been read, which is read again wherever used."""
        return self._held.get(day_of(self.clock())) or Catalogue(-1, date.min, {}, {}, self.rulebook)

    @catalogue.setter
    def catalogue(self, found: Catalogue) -> None:
        self._held.pop(found.on, None)
        self._held[found.on] = found
        while len(self._held) > CATALOGUES_KEPT:
            del self._held[next(iter(self._held))]

    @cached_property
    def _held(self) -> dict[date, Catalogue]:
        return {}

    @cached_property
    def _preparing(self) -> asyncio.Lock:
        return asyncio.Lock()

    async def ready(self) -> None:
        """See to it that the database stands, the first time anybody comes.

        Raises:
            Unavailable: it cannot be made ready now; the next one who comes tries again.
        """
        if self.is_ready:
            return
        async with self._preparing:
            try:
                await _prepare(self.database)
            except StartupError as error:
                log.error("sandbox: %s", error.message)
                raise Unavailable("沙箱暂时打不开,与贵单位的请求无关;请稍后再试,或联系运营人员。") from error
            self.is_ready = True


async def _prepare(database: Database) -> None:
    if database.is_sqlite and database.url.database:
        with suppress(OSError):
            # Its owner's alone; SQLite gives its side files the same mode.
            await asyncio.to_thread(Path(database.url.database).touch, 0o600)
    for _ in range(5):
        try:
            await check_current(database)
            break
        except StartupError:
            log.info("sandbox: preparing its database, this takes a few seconds the first time")
        try:
            await migrate(database)
        except Conflict:  # another process is at it
            await asyncio.sleep(1)
    async with database.reading() as connection:
        await check_is_sandbox(connection)


def sandbox_settings(settings: Settings) -> Settings | None:
    """The sandbox's settings: those of the deployment, but nothing in them that leads to live data. None: there is no
    sandbox.

    Raises:
        StartupError: it would share a database or keys with the live side.
    """
    if settings.sandbox_database_url is None:
        return None
    keys_file = settings.sandbox_keys_file or settings.keys_file.with_name(f"sandbox-{settings.keys_file.name}")
    if settings.sandbox_database_url == settings.database_url or keys_file.resolve() == settings.keys_file.resolve():
        raise StartupError("沙箱不能与正式环境共用数据库或密钥文件。请为 XINYI_SANDBOX_* 另设。")
    own: dict[str, object] = {
        "database_url": settings.sandbox_database_url,
        "sandbox_database_url": None,
        "sandbox_keys_file": None,
        "keys_file": keys_file,
        "issuer": settings.issuer + PATH,
        "redis_url": None,  # what is short-lived stays in the process: the live side's cache is not the sandbox's
        "issuers": None,
        "upstream_url": None,
        "receivers": {},
        "files": None,
        "files_endpoint": None,
        "files_access_key_id": None,
        "files_secret_access_key": None,
    }
    return settings.model_copy(update=own)


def open_sandbox(settings: Settings, *, rulebook: Rulebook, clock: Callable[[], datetime]) -> SandboxState | None:
    """The sandbox's state, where the settings ask for one. Its key file is made if absent; nothing is connected yet.

    Raises:
        StartupError: the settings do not hold, or the key file cannot be made.
    """
    own = sandbox_settings(settings)
    if own is None:
        return None
    if not own.keys_file.exists():
        _make_keys(own.keys_file)
    complete_key_file(own.keys_file)
    keys, moved = load_keys(own.keys_file), SandboxClock(clock)
    database = Database(own.database_url, keys=keys)
    state = SandboxState(
        settings=own, keys=keys, rulebook=rulebook, database=database, cache=open_cache(None), clock=moved
    )
    state.rehearsal = Rehearsal(database, keys, lambda: moved.real())  # noqa: PLW0108  # whatever it is by then
    return state


def _make_keys(path: Path) -> None:
    try:
        new_key_file(path, demo=False)
    except StartupError:
        if not path.exists():  # else another process was quicker
            raise
