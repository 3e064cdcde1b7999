"""When a store is gone. One thing to know: the answer is «the system, not the person», nothing of it is recorded, and
the same request gets its real answer once the store is back."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import servers
from factories import ISSUE, REDEEM, REVERSE, VERIFY, City, build_city, offer_id, open_city
from redis.asyncio import Redis as RedisClient
from servers import Postgres, Redis, start_redis
from sqlalchemy import text

from core.database import MOST_CONNECTIONS, Database
from core.errors import Unavailable
from core.keys import load_keys
from partners import verification
from partners.tables import answers


class Breakable:
    """A PostgreSQL server that can be stopped and started again over the same data."""

    def __init__(self, binaries: Path) -> None:
        self._owner = servers._server_owner()
        self._home, self._sockets = servers._new_folder("pg-data"), servers._new_folder("pg")
        if self._owner:
            os.chown(self._home, self._owner["user"], self._owner["group"])
        self._binaries, self.data = binaries, self._home / "data"
        initdb = [f"{binaries}/initdb", "-D", f"{self.data}", "-U", servers.USER, "-A", "trust", "--no-sync"]
        subprocess.run([*initdb, "-E", "UTF8", "--no-locale"], check=True, capture_output=True, cwd="/", **self._owner)
        self.start()

    def start(self) -> None:
        self._sockets.mkdir(exist_ok=True)
        if self._owner:
            os.chown(self._sockets, self._owner["user"], self._owner["group"])
        # No fsync: what a crash of the machine would lose is not what is tried here.
        given = servers.POSTGRES_SETTINGS | {"unix_socket_directories": str(self._sockets)}
        command = [f"{self._binaries}/postgres", "-D", f"{self.data}", *(f"--{k}={v}" for k, v in given.items())]
        supervisor = servers._supervise(
            self._sockets,
            [command],
            owner=self._owner,
            is_ready=lambda: servers._postgres_is_ready(self.data / "postmaster.pid"),
        )
        self._server = Postgres(self._sockets, supervisor, self._binaries)

    @property
    def folder(self) -> Path:
        return self._sockets

    @property
    def process(self) -> int:
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def stop(self) -> None:
        self._server.stop()

    def url(self, database: str) -> str:
        return self._server.url(database)

    def create_database(self, name: str) -> str:
        return self._server.create_database(name)

    def sql(self, statement: str, *, database: str = "postgres") -> str:
        return self._server.sql(statement, database=database)

    def remove(self) -> None:
        if self._server.supervisor.poll() is None:
            self.stop()
        shutil.rmtree(self._home, ignore_errors=True)


@pytest.fixture(scope="module")
def breakable(postgres: Postgres) -> Iterator[Breakable]:
    """A server for the tests of this file to break; each leaves it running."""
    server = Breakable(postgres.binaries)
    yield server
    server.remove()


@pytest.fixture
def redis() -> Iterator[Redis]:
    """A Redis of one test's own."""
    server = start_redis()
    yield server
    if server.supervisor.poll() is None:
        server.stop()


@pytest.fixture
async def fragile(breakable: Breakable, redis: Redis, keys_file: Path) -> AsyncIterator[City]:
    """The small city over a PostgreSQL and a Redis that can be stopped."""
    name = f"city_{os.urandom(4).hex()}"
    database = Database(breakable.create_database(name), keys=load_keys(keys_file))
    await build_city(database, load_keys(keys_file))
    await database.close()
    async with open_city(database_url=breakable.url(name), keys_file=keys_file, redis_url=redis.url) as city:
        yield city


async def ready(city: City) -> tuple[int, dict[str, str]]:
    response = await city.client.get("/readyz")
    return response.status_code, response.json()


async def alive(city: City) -> int:
    return (await city.client.get("/healthz")).status_code


def same_but_for_text(answer: dict[str, Any]) -> tuple[str, str]:
    return answer["__typename"], answer["code"]


async def test_without_the_database_mutations_say_unavailable_and_mean_it_when_it_is_back(
    fragile: City, breakable: Breakable
) -> None:
    city = fragile
    done = await city.verify(await city.code("good"), "tower")
    redeemed = await city.redeem(done["id"])
    other = await city.verify(await city.code("good"), "tower")
    verify = {"requestId": "v", "code": await city.code("good"), "offerId": offer_id("tower")}
    redeem = {"requestId": "d", "verificationId": other["id"]}
    reverse = {"requestId": "r", "redemptionId": redeemed["id"], "reason": "顾客退票"}
    before = await city.tally()
    assert await ready(city) == (200, {"status": "ready", "database": "ok", "cache": "ok"})

    breakable.stop()
    for query, given, by in [
        (VERIFY, verify, "scenic"),
        (VERIFY, verify | {"requestId": "w", "code": "forged"}, "scenic"),
        (REDEEM, redeem, "scenic"),
        (REVERSE, reverse, "scenic"),
        (ISSUE, {}, "good"),
        ("mutation ($input: EnrollInput!) { enroll(input: $input) { __typename ... on Problem { code } } }",
         {"noticeVersion": "2026-11-22"}, "stranger"),
    ]:  # fmt: skip
        answer = await city.do(query, by=by, **given)
        assert same_but_for_text(answer) == ("Problem", "UNAVAILABLE"), query
    for query, by in [
        ("{ me { id } }", "good"),
        ("{ partner { id } }", "scenic"),
        ("{ offers { edges { cursor } } }", None),
    ]:
        body = await city.ask(query, by=by)
        assert [error["extensions"] for error in body["errors"]] == [{"code": "UNAVAILABLE"}]
        assert body["data"] is None
    assert await ready(city) == (503, {"status": "not ready", "database": "unavailable", "cache": "ok"})
    assert await alive(city) == 200
    assert (await city.client.get("/.well-known/jwks.json")).status_code == 200

    breakable.start()
    assert await ready(city) == (200, {"status": "ready", "database": "ok", "cache": "ok"})
    assert await city.tally() == before
    assert (await city.do(VERIFY, by="scenic", **verify))["outcome"] == "BENEFIT_APPLIES"
    assert (await city.do(REDEEM, by="scenic", **redeem))["__typename"] == "Redemption"
    assert (await city.do(REVERSE, by="scenic", **reverse))["__typename"] == "ReversedRedemption"
    assert "UNAVAILABLE" not in repr(await city.rows(answers))


async def test_connections_cut_in_the_midst_of_a_verification_leave_no_trace_of_it(
    fragile: City, breakable: Breakable, monkeypatch: pytest.MonkeyPatch
) -> None:
    city = fragile
    asked = {"requestId": "v", "code": await city.code("good"), "offerId": offer_id("tower")}
    before = await city.tally()
    decide = verification.give_back

    async def cut(*args: Any, **kwargs: Any) -> None:
        await decide(*args, **kwargs)
        breakable.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )

    monkeypatch.setattr(verification, "give_back", cut)
    assert (await city.do(VERIFY, by="scenic", **asked))["code"] == "UNAVAILABLE"
    monkeypatch.setattr(verification, "give_back", decide)
    assert await city.tally() == before
    assert (await city.do(VERIFY, by="scenic", **asked))["outcome"] == "BENEFIT_APPLIES"


async def test_a_crash_of_the_database_loses_no_answer_that_was_given(fragile: City, breakable: Breakable) -> None:
    city = fragile
    asked = {"requestId": "v", "code": await city.code("good"), "offerId": offer_id("tower")}
    answer = await city.do(VERIFY, by="scenic", **asked)
    os.kill(breakable.process, signal.SIGKILL)
    breakable.stop()
    (breakable.data / "postmaster.pid").unlink(missing_ok=True)
    breakable.start()
    await asyncio.sleep(0.01)  # the loop stood still meanwhile; let it see that its connections are closed
    assert await city.do(VERIFY, by="scenic", **asked) == answer
    assert (await city.redeem(answer["id"]))["__typename"] == "Redemption"


async def test_while_the_database_takes_no_connections_the_answer_is_unavailable(
    fragile: City, breakable: Breakable
) -> None:
    """A fail-over, or an administrator's hand: the server is there and turns everybody away."""
    city = fragile
    name = city.state.database.url.database
    code = await city.code("good")
    breakable.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    breakable.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    body = await city.ask(
        VERIFY, {"input": {"requestId": "v", "code": code, "offerId": offer_id("museum")}}, by="scenic"
    )
    told = await ready(city)
    breakable.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert "errors" not in body, body
    assert body["data"]["verifyCreditCode"]["code"] == "UNAVAILABLE"
    assert told[0] == 503


async def test_a_database_that_only_reads_answers_unavailable(fragile: City, breakable: Breakable) -> None:
    """After a fail-over the old primary is a standby for a while."""
    city = fragile
    name = city.state.database.url.database
    code = await city.code("good")
    breakable.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    breakable.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    body = await city.ask(
        VERIFY, {"input": {"requestId": "v", "code": code, "offerId": offer_id("museum")}}, by="scenic"
    )
    assert "errors" not in body, body
    assert body["data"]["verifyCreditCode"]["code"] == "UNAVAILABLE"


async def test_without_redis_verification_goes_on_and_a_code_still_decides_once(fragile: City, redis: Redis) -> None:
    city = fragile
    redis.stop()
    code = await city.code("good")
    assert (await city.verify(code))["outcome"] == "BENEFIT_APPLIES"
    assert (await city.verify(code))["code"] == "CODE_REPLAYED"
    assert await ready(city) == (503, {"status": "not ready", "database": "ok", "cache": "unavailable"})
    assert await alive(city) == 200


async def test_a_redis_that_hangs_does_not_hold_up_a_verification(fragile: City, redis: Redis) -> None:
    city = fragile
    async with RedisClient.from_url(redis.url) as client:
        process = int((await client.info("server"))["process_id"])
    os.kill(process, signal.SIGSTOP)
    try:
        assert (await city.verify(await city.code("good")))["outcome"] == "BENEFIT_APPLIES"
        assert (await ready(city))[0] == 503
    finally:
        os.kill(process, signal.SIGCONT)


async def test_each_process_keeps_limits_of_its_own_while_redis_is_gone(
    breakable: Breakable, redis: Redis, keys_file: Path
) -> None:
    name = f"city_{os.urandom(4).hex()}"
    database = Database(breakable.create_database(name), keys=load_keys(keys_file))
    await build_city(database, load_keys(keys_file))
    await database.close()
    redis.stop()
    async with open_city(
        database_url=breakable.url(name), keys_file=keys_file, redis_url=redis.url, rate_burst=5, rate_per_second=1
    ) as city:
        for _ in range(5):
            assert "errors" not in await city.ask("{ partner { id } }", by="scenic")
        headers = {"authorization": f"Bearer {city.token('scenic')}"}
        response = await city.client.post("/graphql", json={"query": "{ partner { id } }"}, headers=headers)
        assert response.json()["errors"][0]["extensions"]["code"] == "THROTTLED"


async def test_the_application_does_not_start_while_its_database_is_gone(breakable: Breakable, keys_file: Path) -> None:
    breakable.stop()
    with pytest.raises(Unavailable):
        async with open_city(database_url=breakable.url("any"), keys_file=keys_file):
            pytest.fail("it started")
    breakable.start()


async def test_a_lock_held_too_long_by_somebody_else_is_waited_for(fragile: City, breakable: Breakable) -> None:
    """An administrator's long transaction: whoever asks waits, and is answered when it ends."""
    city, code = fragile, await fragile.code("good")
    holder = await asyncpg.connect(
        host=str(breakable.folder), user=servers.USER, database=city.state.database.url.database
    )
    await holder.execute("BEGIN")
    await holder.execute("LOCK TABLE verifications")
    asking = asyncio.create_task(city.verify(code))
    assert not (await asyncio.wait([asking], timeout=0.1))[0]
    await holder.execute("ROLLBACK")
    assert (await asking)["outcome"] == "BENEFIT_APPLIES"
    await holder.close()


async def test_when_all_connections_are_taken_too_long_the_answer_is_unavailable(
    fragile: City, breakable: Breakable, monkeypatch: pytest.MonkeyPatch
) -> None:
    city, code = fragile, await fragile.code("good")
    monkeypatch.setattr("core.database.POOL_SECONDS", 0.05)
    async with AsyncExitStack() as held:
        for _ in range(MOST_CONNECTIONS):
            await held.enter_async_context(city.state.database.reading())
        assert (await city.verify(code))["code"] == "UNAVAILABLE"
    assert (await city.verify(code))["outcome"] == "BENEFIT_APPLIES"


async def test_a_full_disk_under_sqlite_is_unavailable_and_leaves_nothing_half_written(
    sqlite_template: Path, tmp_path: Path, keys_file: Path
) -> None:
    shutil.copy(sqlite_template, tmp_path / "city.db")
    async with open_city(database_url=f"sqlite+aiosqlite:///{tmp_path}/city.db", keys_file=keys_file) as city:
        await city.write(text("PRAGMA max_page_count=1"))  # no page more than there are
        for number in range(50):
            asked = {"requestId": f"v{number}", "code": await city.code("good"), "offerId": offer_id("museum")}
            before = await city.tally()
            answer = await city.do(VERIFY, by="scenic", **asked)
            if answer["__typename"] == "Problem":
                break
        assert answer["code"] == "UNAVAILABLE"
        assert await city.tally() == before
        await city.write(text("PRAGMA max_page_count=100000"))
        assert (await city.do(VERIFY, by="scenic", **asked))["outcome"] == "BENEFIT_APPLIES"
