"""Fixtures of all tests. One thing to know: stores are real, and start when the first test asks for one."""

from __future__ import annotations

import logging
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import count
from pathlib import Path

import pytest
from factories import City, build_city, key_file, open_city
from hypothesis import settings
from servers import Postgres, Redis, start_postgres, start_redis

from core.database import Database
from core.keys import load_keys

# How long an example takes says how busy the machine is, not whether a law holds.
settings.register_profile("xinyi", deadline=None)
settings.load_profile("xinyi")
_NUMBERS = count(1)

STORES = {
    "sqlite_url": "SQLite",
    "sqlite": "SQLite",
    "sqlite_template": "SQLite",
    "postgres_url": "PostgreSQL",
    "postgres": "PostgreSQL",
    "postgresql": "PostgreSQL",
    "redis_url": "Redis",
    "redis_server": "Redis",
    "redis": "Redis",
}
"""The store that a fixture's name, or a parameter's value, stands for."""


@pytest.fixture(autouse=True)
def no_handler_outlives_its_test() -> Iterator[None]:
    """A library that logs unasked gives the root logger a handler on the captured stream, which is closed soon."""
    root = logging.getLogger()
    before = root.handlers[:]
    yield
    root.handlers[:] = [one for one in root.handlers if one in before or type(one) is not logging.StreamHandler]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """This process's PostgreSQL server; ask it for further databases, or for copies of a template."""
    server = start_postgres()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_url(postgres: Postgres) -> str:
    """An empty PostgreSQL database, the same one for all tests of this process."""
    return postgres.create_database("xinyi")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """This process's Redis server."""
    server = start_redis()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_url(redis_server: Redis) -> str:
    """This process's Redis; a test clears what it leaves there."""
    return redis_server.url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file of this test alone, not yet created."""
    return f"sqlite+aiosqlite:///{tmp_path}/xinyi.db"


@pytest.fixture(scope="session")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key file of this process's cities."""
    return key_file(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
async def sqlite_template(tmp_path_factory: pytest.TempPathFactory, keys_file: Path) -> Path:
    """A small city in a SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("city") / "city.db"
    keys = load_keys(keys_file)
    database = Database(f"sqlite+aiosqlite:///{path}", keys=keys)
    await build_city(database, keys)
    await database.close()
    return path


@pytest.fixture(scope="session")
async def postgres_template(postgres: Postgres, keys_file: Path) -> str:
    """The name of a PostgreSQL database with a small city in it, to be copied."""
    keys = load_keys(keys_file)
    database = Database(postgres.create_database("small_city"), keys=keys)
    await build_city(database, keys)
    await database.close()
    return "small_city"


@pytest.fixture(params=["sqlite", "postgresql"])
def city_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh copy of the small city: once on SQLite, once on PostgreSQL."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "city.db")
        yield f"sqlite+aiosqlite:///{tmp_path}/city.db"
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    template = request.getfixturevalue("postgres_template")
    name = f"city_{next(_NUMBERS)}"
    yield postgres.create_database(name, template=template)
    postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def city(city_url: str, keys_file: Path) -> AsyncIterator[City]:
    """The application over a fresh small city."""
    async with open_city(database_url=city_url, keys_file=keys_file) as opened:
        yield opened


def pytest_configure() -> None:
    # A developer's own settings, libpq's among them, must not decide the outcome.
    for name in [name for name in os.environ if name.startswith(("XINYI_", "PG"))]:
        del os.environ[name]


def stores_of(fixtures: Iterable[str], parameters: Iterable[object]) -> set[str]:
    """The stores a test runs on, by the fixtures it reaches and the parameters it was given."""
    names = [*fixtures, *(value for value in parameters if isinstance(value, str))]
    return {STORES[name] for name in names if name in STORES}


def pytest_itemcollected(item: pytest.Item) -> None:
    # A report's own properties are what xdist carries from the workers to the process that prints.
    call = getattr(item, "callspec", None)
    stores = stores_of(getattr(item, "fixturenames", ()), call.params.values() if call else ())
    item.user_properties += [("store", store) for store in sorted(stores)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for group in terminalreporter.stats.values() for report in group]
    ran = Counter(
        value
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == "store"
    )
    counts = ",".join(f"{store} {ran[store]} 项" for store in ("SQLite", "PostgreSQL", "Redis"))
    terminalreporter.write_line(f"在真实存储上运行的测试:{counts}。")
