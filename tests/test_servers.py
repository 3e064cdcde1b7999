"""The stores under the tests. One thing to know: a broken workshop makes green tests worthless, so it is tested too."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import conftest
import pytest
import servers
from redis.asyncio import Redis as RedisClient
from servers import MissingServer, Postgres, Redis, start_postgres, start_redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

HERE = Path(__file__).parent


def wait_until_gone(folder: Path) -> bool:
    give_up_at = time.monotonic() + 15
    while folder.exists() and time.monotonic() < give_up_at:
        time.sleep(0.02)
    return not folder.exists()


async def test_sqlalchemy_reaches_postgresql_over_the_socket_address(postgres_url: str) -> None:
    engine = create_async_engine(postgres_url)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT current_database()"))).scalar_one() == "xinyi"
    await engine.dispose()


async def test_sqlalchemy_reaches_sqlite(sqlite_url: str) -> None:
    engine = create_async_engine(sqlite_url)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
    await engine.dispose()


async def test_a_commit_is_seen_by_others_and_an_open_transaction_is_not(postgres: Postgres) -> None:
    postgres.create_database("commits")
    writer = await asyncpg.connect(host=str(postgres.folder), user="xinyi", database="commits")
    await writer.execute("CREATE TABLE seen (n int)")
    transaction = writer.transaction()
    await transaction.start()
    await writer.execute("INSERT INTO seen VALUES (1)")
    assert postgres.sql("SELECT count(*) FROM seen", database="commits") == "0"
    await transaction.commit()
    assert postgres.sql("SELECT count(*) FROM seen", database="commits") == "1"
    await writer.close()


def test_commits_wait_for_their_own_record(postgres: Postgres) -> None:
    assert postgres.sql("SHOW synchronous_commit") == "on"


def test_a_database_made_from_a_template_has_its_rows_and_no_tie_to_it(postgres: Postgres) -> None:
    postgres.create_database("template_city")
    postgres.sql("CREATE TABLE place (name text); INSERT INTO place VALUES ('邵阳')", database="template_city")
    postgres.create_database("city_copy", template="template_city")
    postgres.sql("DELETE FROM place", database="city_copy")
    assert postgres.sql("SELECT name FROM place", database="template_city") == "邵阳"
    assert postgres.sql("SELECT count(*) FROM place", database="city_copy") == "0"


def test_a_failing_statement_says_why(postgres: Postgres) -> None:
    with pytest.raises(RuntimeError, match='relation "nowhere" does not exist'):
        postgres.sql("SELECT * FROM nowhere")


async def test_redis_answers_over_its_socket(redis_url: str) -> None:
    client = RedisClient.from_url(redis_url)
    assert await client.set("greeting", "你好", px=1000)
    assert await client.get("greeting") == "你好".encode()
    await client.aclose()


async def test_neither_server_listens_on_a_port(postgres: Postgres, redis_url: str) -> None:
    assert postgres.sql("SHOW listen_addresses") == ""
    client = RedisClient.from_url(redis_url)
    assert (await client.config_get("port")) == {"port": "0"}
    await client.aclose()


def test_socket_paths_stay_below_the_systems_limit(postgres: Postgres, redis_server: Redis) -> None:
    for path in (postgres.folder / ".s.PGSQL.5432", redis_server.folder / "redis.sock"):
        assert path.is_socket()
        assert len(str(path).encode()) <= 107


def test_two_servers_at_once_know_nothing_of_each_other(postgres: Postgres) -> None:
    other = start_postgres()
    try:
        assert other.folder != postgres.folder
        other.create_database("only_here")
        query = "SELECT count(*) FROM pg_database WHERE datname = 'only_here'"
        assert (other.sql(query), postgres.sql(query)) == ("1", "0")
    finally:
        other.stop()


def test_a_stopped_server_leaves_nothing_behind() -> None:
    server = start_redis()
    assert server.folder.exists()
    server.stop()
    assert not server.folder.exists()


def test_tests_killed_outright_leave_no_server_behind() -> None:
    script = (
        "import servers, time; p = servers.start_postgres(); r = servers.start_redis();"
        "pid = (p.folder / 'data/postmaster.pid').read_text().split()[0];"
        "print(p.folder, r.folder, pid, flush=True); time.sleep(60)"
    )
    tests = subprocess.Popen([sys.executable, "-c", script], cwd=HERE, stdout=subprocess.PIPE, text=True)
    assert tests.stdout
    *folders, pid = tests.stdout.readline().split()
    os.kill(int(pid), 0)  # it runs
    tests.kill()
    tests.communicate()
    assert [wait_until_gone(Path(folder)) for folder in folders] == [True, True]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_a_server_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "POSTGRES_SETTINGS", {"shared_buffers": "nonsense"})
    with pytest.raises(RuntimeError, match=r"(?s)没有启动成功.*nonsense"):
        start_postgres()


@pytest.mark.parametrize("find", [servers.find_postgres, servers.find_redis])
def test_a_missing_server_fails_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, find: Callable[[], Path], tmp_path: Path
) -> None:
    monkeypatch.setattr(servers, "find_spec", lambda _: None)
    monkeypatch.setattr(servers, "SYSTEM_POSTGRES", tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingServer, match=r"找不到.*apt install"):
        find()


def test_without_the_wheel_the_systems_newest_postgresql_serves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for version in ("9.6", "15", "17"):
        folder = tmp_path / version / "bin"
        folder.mkdir(parents=True)
        for name in ("initdb", "postgres", "psql"):
            (folder / name).touch()
    monkeypatch.setattr(servers, "find_spec", lambda _: None)
    monkeypatch.setattr(servers, "SYSTEM_POSTGRES", tmp_path)
    assert servers.find_postgres() == tmp_path / "17/bin"


def test_root_serves_from_a_copy_where_the_server_may_not_read_the_original(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = pwd.getpwnam("nobody")
    as_nobody = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    here = {"user": os.geteuid(), "group": os.getegid(), "extra_groups": None}
    monkeypatch.setattr(servers, "_server_owner", lambda: as_nobody or here)
    monkeypatch.setattr(servers, "_can_run", lambda *_: False)
    server = start_postgres()
    try:
        assert server.binaries.is_relative_to(server.folder)
        assert server.sql("SELECT 1") == "1"
    finally:
        server.stop()


def test_a_tests_stores_are_read_off_its_fixtures_and_parameters() -> None:
    assert conftest.stores_of(["tmp_path", "sqlite_url"], []) == {"SQLite"}
    assert conftest.stores_of(["database"], ["postgresql", 3]) == {"PostgreSQL"}
    assert conftest.stores_of(["postgres_url", "redis_url"], []) == {"PostgreSQL", "Redis"}
    assert conftest.stores_of(["tmp_path"], ["公园"]) == set()


def test_the_last_line_counts_tests_by_store_across_workers(tmp_path: Path) -> None:
    for path in HERE.glob("*.py"):
        if not path.name.startswith("test_"):
            shutil.copy(path, tmp_path)
    (tmp_path / "test_sample.py").write_text(
        "import pytest\n"
        "def test_one(sqlite_url): ...\n"
        "def test_two(sqlite_url, redis_url): assert redis_url.startswith('unix:///tmp/')\n"
        "@pytest.mark.parametrize('store', ['sqlite', 'postgresql'])\n"
        "def test_three(store): ...\n"
        "def test_four(): ...\n"
    )
    (tmp_path / "pytest.ini").touch()
    command = [sys.executable, "-m", "pytest", "-n", "2", "-p", "no:cacheprovider", str(tmp_path)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert "在真实存储上运行的测试:SQLite 3 项,PostgreSQL 1 项,Redis 1 项。" in ran.stdout
