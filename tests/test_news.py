"""News: told after the commit, in order, each piece once, in one process and across many. One thing to know: the Redis
of these tests is stopped, held and started again, and nobody has to be started anew for it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import mkdtemp
from unittest.mock import patch

import pytest
from factories import City, open_city
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis as RedisClient
from servers import find_redis
from sqlalchemy import text
from subscribing import subscribed

from cli.deployment import open_database
from core.cache import Cache, LocalCache
from core.database import Conflict, Database, announce
from core.news import BENEFITS, GAP, MOST_WAITING, Fanout, News, Texts, of_subject
from core.redis_cache import RedisCache
from core.settings import Settings

ONE = of_subject(1)
SCANNED = "subscription { codeScanned { receipt } }"
BENEFITS_CHANGED = "subscription { benefitsChanged { id } }"


async def heard(texts: Texts, number: int = 1) -> list[str]:
    """The next texts."""
    async with asyncio.timeout(10):
        return [await anext(texts) for _ in range(number)]


async def silent(texts: Texts, seconds: float = 0.2) -> bool:
    """Whether nothing is said for a while; waiting for it loses nothing."""
    try:
        async with asyncio.timeout(seconds):
            await anext(texts)
    except TimeoutError:
        return True
    return False


async def test_a_listener_hears_its_topics_alone_and_leaves_nothing_behind() -> None:
    fanout = Fanout()
    async with fanout.listen(ONE, "catalogue") as texts, fanout.listen(ONE) as other:
        fanout.spread([News(ONE, "a"), News("subject:2", "b"), News("catalogue", "c")])
        assert await heard(texts, 2) == ["a", "c"]
        assert await heard(other) == ["a"]
        assert await silent(texts)
        assert len(fanout) == 2
    assert len(fanout) == 0


async def test_who_is_told_while_nobody_listens_is_nobody() -> None:
    fanout = Fanout()
    fanout.spread([News(ONE, "a")])
    fanout.tell_gap()
    async with fanout.listen(ONE) as texts:
        assert await silent(texts)


@given(st.lists(st.one_of(st.just("take"), st.text("abc", min_size=1)), max_size=3 * MOST_WAITING))
async def test_a_listener_gets_all_in_order_or_is_told_of_the_gap(acts: list[str]) -> None:
    texts, expected = Texts(), list[str]()
    for act in acts:
        if act == "take":
            if expected:
                assert await anext(texts) == expected.pop(0)
            continue
        texts.add(act)
        expected = [GAP] if len(expected) >= MOST_WAITING else [*expected, act]
    assert [await anext(texts) for _ in expected] == expected


@pytest.fixture(params=["sqlite_url", "postgres_url"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """An empty database that tells its news to nobody yet."""
    opened = Database(request.getfixturevalue(request.param))
    yield opened
    await opened.close()


async def test_news_leaves_after_the_commit_and_never_where_there_is_none(database: Database) -> None:
    told: list[News] = []
    database.publish = told.extend
    async with database.transaction() as connection:
        announce(connection, ONE, "kept")
        assert told == []
    assert told == [News(ONE, "kept")]
    for error in (ZeroDivisionError, Conflict, asyncio.CancelledError):
        with pytest.raises(error):
            await fail(database, error)
    async with database.transaction() as connection:
        await connection.execute(text("SELECT 1"))
    assert told == [News(ONE, "kept")]


async def fail(database: Database, error: type[BaseException]) -> None:
    """A transaction that says something and is rolled back."""
    async with database.transaction() as connection:
        announce(connection, ONE, "lost")
        raise error


async def test_transactions_at_once_tell_their_own_news_each_once(database: Database) -> None:
    told: list[News] = []
    database.publish = told.extend

    async def write(number: int) -> None:
        async with database.transaction() as connection:
            announce(connection, ONE, str(number))
            await connection.execute(text("SELECT 1"))
            announce(connection, ONE, f"{number}-again")

    await asyncio.gather(*(write(number) for number in range(60)))
    assert sorted(told) == sorted(News(ONE, f"{n}{more}") for n in range(60) for more in ("", "-again"))
    assert all(told[i + 1].text == f"{told[i].text}-again" for i in range(0, 120, 2))


class Store:
    """A Redis that can be stopped and started again at the same address."""

    def __init__(self) -> None:
        self._folder = Path(mkdtemp(prefix="xinyi-news-", dir="/tmp"))
        self.url = f"unix://{self._folder}/redis.sock"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Serve, with nothing in it."""
        socket = self._folder / "redis.sock"
        socket.unlink(missing_ok=True)
        command = [
            str(find_redis()),
            "--port",
            "0",
            "--unixsocket",
            str(socket),
            "--save",
            "",
            "--dir",
            str(self._folder),
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while not socket.exists():
            assert time.monotonic() < until
            time.sleep(0.01)

    def stop(self) -> None:
        """Be gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def clear(self) -> None:
        """Leave nothing behind."""
        self.stop()
        shutil.rmtree(self._folder)


@pytest.fixture
def store() -> Iterator[Store]:
    """A running Redis for one test to stop."""
    served = Store()
    served.start()
    yield served
    served.clear()


async def ready(cache: Cache) -> None:
    """Wait until a cache hears other processes."""
    assert isinstance(cache, RedisCache)
    async with asyncio.timeout(10):
        await cache._hears.wait()


async def test_processes_hear_each_other_and_themselves_in_order_and_once(redis_url: str) -> None:
    one, other = RedisCache(redis_url), RedisCache(redis_url)
    async with one.listen(ONE) as near, other.listen(ONE) as far:
        for number in range(0, 2_000, 2):
            one.publish([News(ONE, str(number)), News(ONE, str(number + 1)), News(ONE, str(number))])
            if number % 50 == 0:
                told = [str(n) for n in range(max(number - 50, -2) + 2, number + 2)]
                assert await heard(near, len(told)) == await heard(far, len(told)) == told
        other.publish([News("subject:2", "elsewhere")])
        await heard(near, 48)
        await heard(far, 48)
        assert await silent(near)
        assert await silent(far)
    await one.close()
    await other.close()


async def test_a_process_that_ends_has_told_what_it_said(redis_url: str) -> None:
    one, other = RedisCache(redis_url), RedisCache(redis_url)
    async with other.listen(ONE) as far:
        one.publish([News(ONE, str(number)) for number in range(MOST_WAITING)])
        await one.close()
        assert await heard(far, MOST_WAITING) == [str(number) for number in range(MOST_WAITING)]
    await other.close()


async def test_without_redis_a_process_hears_itself_and_afterwards_the_others_again(store: Store) -> None:
    one, other = RedisCache(store.url), RedisCache(store.url)
    async with one.listen(ONE) as near, other.listen(ONE) as far:
        store.stop()
        one.publish([News(ONE, "meanwhile")])
        assert await heard(near) == ["meanwhile"]
        assert await silent(far)
        store.start()
        # Whoever was cut off is told that it may have missed something. What was said meanwhile is told again, perhaps
        # before the other process listens again: then the gap speaks of it.
        assert await heard(near) == [GAP]
        assert await heard(far) == [GAP]
        await ready(one)
        await ready(other)
        other.publish([News(ONE, "again")])
        assert (await heard(near))[-1] == "again"
        one.publish([News(ONE, "last")])
        found = await heard(far, 2)
        if "meanwhile" in found:
            found = [text for text in found + await heard(far) if text != "meanwhile"]
        assert found == ["again", "last"]
    await one.close()
    await other.close()


async def test_whoever_begins_to_listen_while_redis_is_down_waits_a_second_at_most(store: Store) -> None:
    store.stop()
    cache, began = RedisCache(store.url), time.monotonic()
    async with cache.listen(ONE) as texts:
        assert time.monotonic() - began < 2
        cache.publish([News(ONE, "a")])
        assert await heard(texts) == ["a"]
        store.start()
        assert await heard(texts) == [GAP]
    await cache.close()


async def test_a_redis_that_hangs_neither_loses_nor_doubles_news(store: Store) -> None:
    one, other = RedisCache(store.url), RedisCache(store.url)
    async with one.listen(ONE) as near, other.listen(ONE) as far:
        assert store.process is not None
        os.kill(store.process.pid, signal.SIGSTOP)
        one.publish([News(ONE, "a"), News(ONE, "b")])
        assert await heard(near, 2) == ["a", "b"]
        await asyncio.sleep(0.6)  # given up by now, and to be told again
        one.publish([News(ONE, "c")])
        os.kill(store.process.pid, signal.SIGCONT)
        assert await heard(far, 3) == ["a", "b", "c"]
        assert await heard(near) == ["c"]
        assert await silent(far, 1.5)
        assert await silent(near, 0.1)
    await one.close()
    await other.close()


async def test_a_connection_that_was_cut_is_found_out_by_asking(store: Store) -> None:
    cache = RedisCache(store.url)
    with patch("core.redis_cache.SECONDS_OF_SILENCE", 0.2):
        async with cache.listen(ONE) as texts:
            assert await silent(texts, 1.0), "a Redis that answers is not taken for one that is gone"
            assert store.process is not None
            os.kill(store.process.pid, signal.SIGSTOP)
            await asyncio.sleep(0.7)
            assert not cache._hears.is_set()
            os.kill(store.process.pid, signal.SIGCONT)
            assert await heard(texts) == [GAP]
    await cache.close()


async def test_what_is_none_of_ours_is_passed_over_and_a_number_left_out_is_a_gap(redis_url: str) -> None:
    cache = RedisCache(redis_url)
    async with cache.listen(ONE) as texts, RedisClient.from_url(redis_url) as client:
        foreign = ["no json", "{}", "[1]", '["x",1,2]', '["x",1,[["t"]]]', '["x",1,[["t",2]]]', '[null,1,[["t","a"]]]']
        numbered = [(4, "four"), (4, "four again"), (5, "five"), (9, "nine")]
        for message in (*foreign, *(f'["x",{number},[["{ONE}","{said}"]]]' for number, said in numbered)):
            await client.publish("xinyi:news", message)
        assert await heard(texts, 2) in (["four", "five"], [GAP, "nine"])
        cache.publish([News(ONE, "last")])
        while (await heard(texts)) != ["last"]:
            pass
    await cache.close()


async def test_the_cache_without_redis_tells_what_was_said_once() -> None:
    cache = LocalCache()
    async with cache.listen(ONE) as texts:
        cache.publish([News(ONE, "a"), News(ONE, "b"), News(ONE, "a")])
        assert await heard(texts, 2) == ["a", "b"]
        assert await silent(texts)


@pytest.fixture
async def two(
    request: pytest.FixtureRequest, city_url: str, keys_file: Path, store: Store
) -> AsyncIterator[tuple[City, City]]:
    """Two instances over one PostgreSQL and one Redis."""
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(
                open_city(database_url=city_url, keys_file=keys_file, redis_url=store.url)
            )
            for _ in range(2)
        ]  # fmt: skip
        yield one, other


on_postgresql = pytest.mark.parametrize("city_url", ["postgresql"], indirect=True)


@on_postgresql
async def test_what_one_instance_answers_is_heard_at_another(two: tuple[City, City]) -> None:
    here, there = two
    async with subscribed(there, SCANNED, by="good") as far, subscribed(here, SCANNED, by="good") as near:
        await ready(there.state.cache)
        receipts = [(await here.verify(await here.code("good")))["receipt"] for _ in range(5)]
        assert [(await far.next())["receipt"] for _ in range(5)] == receipts
        assert [(await near.next())["receipt"] for _ in range(5)] == receipts
        await far.nothing()
        await near.nothing()


@on_postgresql
async def test_a_stream_outlives_redis_and_makes_up_for_what_it_missed(two: tuple[City, City], store: Store) -> None:
    here, there = two
    async with subscribed(there, SCANNED, by="good") as far, subscribed(here, SCANNED, by="good") as near:
        await ready(there.state.cache)
        first = (await here.verify(await here.code("good")))["receipt"]
        assert [(await one.next())["receipt"] for one in (near, far)] == [first] * 2
        store.stop()
        missed = [(await here.verify(await here.code("good")))["receipt"] for _ in range(3)]
        assert [(await near.next())["receipt"] for _ in range(3)] == missed
        await far.nothing()
        store.start()
        assert [(await far.next())["receipt"] for _ in range(3)] == missed
        await ready(there.state.cache)
        last = (await here.verify(await here.code("good")))["receipt"]
        assert [(await one.next())["receipt"] for one in (near, far)] == [last] * 2
        await far.nothing(1.5)
        await near.nothing()


@on_postgresql
async def test_what_the_command_line_does_is_heard_at_the_server(two: tuple[City, City]) -> None:
    here, there = two
    async with subscribed(there, BENEFITS_CHANGED, by="good") as far:
        await ready(there.state.cache)
        settings: Settings = here.settings
        with patch("core.migrations.check_current"):
            async with open_database(settings) as database, database.transaction() as connection:
                announce(connection, ONE, BENEFITS)
        assert (await far.next())["id"]
