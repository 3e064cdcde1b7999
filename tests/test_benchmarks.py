"""The benchmark's rivals do the same work as ours. One thing to know: answers and rows are compared
here, never time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from types import ModuleType
from typing import Any

import httpx
import pytest
from factories import ENTERPRISES, OFFERS, PEOPLE, City, open_city, rulebook
from servers import Postgres
from sqlalchemy import update

from benchmarks import by_hand, ordinary
from benchmarks.compare import Counter, Different, check_leaves, check_same, decisions, profiles, rows_written
from benchmarks.load import Measured
from benchmarks.report import ratio, table, targets_met
from benchmarks.wire import Ask, GraphQL, Plain
from partners.tables import quotas

_NUMBERS = count(1)
SUBJECTS = [*PEOPLE, *ENTERPRISES]
Asking = Callable[[Ask], Awaitable[bytes]]


@pytest.fixture
def fresh_url(postgres: Postgres, postgres_template: str) -> Callable[[], str]:
    """Gives addresses of fresh copies of the small city."""
    return lambda: postgres.create_database(f"rival_{next(_NUMBERS)}", template=postgres_template)


@pytest.fixture(params=[by_hand, ordinary], ids=["by_hand", "ordinary"])
def rival(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Each rival in turn, with the rules that all tests share."""
    module: ModuleType = request.param
    monkeypatch.setattr(module, "load_rulebook", lambda *_: rulebook())
    return module


def asking_of(client: httpx.AsyncClient) -> Asking:
    """Ask through this client."""

    async def asking(one: Ask) -> bytes:
        response = await client.request(one.method, one.path, headers=one.headers, content=one.body)
        assert response.status_code == 200, response.text
        return response.content

    return asking


@asynccontextmanager
async def open_rival(module: ModuleType, city: City, url: str) -> AsyncIterator[Asking]:
    """Start a rival over the database at `url`, with the keys and the clock of `city`."""
    settings = city.settings.model_copy(update={"database_url": url})
    app = module.create_app(settings, clock=lambda: city.now)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield asking_of(client)


def counters(city: City) -> list[Counter]:
    """The museum, where everybody comes by once."""
    offers = list(OFFERS)
    return [
        Counter(
            city.token("scenic"),
            offers.index("museum") + 1,
            offers.index("clinic") + 1,
            range(1, len(SUBJECTS) + 1),
        )
    ]


async def test_a_rival_decides_like_ours_and_writes_as_many_rows(
    rival: ModuleType, fresh_url: Callable[[], str], keys_file: Any
) -> None:
    ours_url, rival_url = fresh_url(), fresh_url()
    async with open_city(database_url=ours_url, keys_file=keys_file) as city:
        ours = await decisions(asking_of(city.client), GraphQL(), counters(city), keys=city.keys, now=city.now)
        written = await rows_written(city.state.database)
        async with open_rival(rival, city, rival_url) as asking:
            theirs = await decisions(asking, Plain(), counters(city), keys=city.keys, now=city.now)
    async with open_city(database_url=rival_url, keys_file=keys_file) as city:
        assert theirs == ours
        assert await rows_written(city.state.database) == written
        await check_leaves(city.state.database)
    assert [answer.get("outcome", answer.get("code")) for answer in ours] == [
        "BENEFIT_APPLIES",
        *["STANDARD_SERVICE"] * 7,
        "REQUEST_CONFLICT",
        "CODE_REPLAYED",
        "CODE_INVALID",
        "CODE_EXPIRED",
        "CODE_OTHER_OFFER",
        "OFFER_NOT_YOURS",
    ]


async def test_a_rival_shows_everybody_the_same_profile_as_ours(
    rival: ModuleType, fresh_url: Callable[[], str], keys_file: Any
) -> None:
    url = fresh_url()
    async with open_city(database_url=url, keys_file=keys_file) as city, open_rival(rival, city, url) as asking:
        tokens = [city.token(name) for name in SUBJECTS]
        ours = await profiles(asking_of(city.client), GraphQL(), tokens)
        assert await profiles(asking, Plain(), tokens) == ours
        assert [len(profile["scores"]) for profile in ours] == [1, 1, 1, 0, 0, 0, 2, 3]


async def test_a_rival_shows_the_same_limits_and_quotas_reached(
    rival: ModuleType, fresh_url: Callable[[], str], keys_file: Any
) -> None:
    url = fresh_url()
    async with open_city(database_url=url, keys_file=keys_file) as city, open_rival(rival, city, url) as asking:
        await city.verify(await city.code("good"), "garden")
        await city.write(update(quotas).values(taken=quotas.c.cap))
        (ours,) = await profiles(asking_of(city.client), GraphQL(), [city.token("good")])
        assert await profiles(asking, Plain(), [city.token("good")]) == [ours]
    reasons = [[why["code"] for why in edge["node"]["whyNot"]] for edge in ours["benefits"]["edges"]]
    assert reasons == [[], ["QUOTA_EXHAUSTED"], ["LIMIT_REACHED"], []]


async def test_a_rival_gives_the_answer_that_ours_recorded(
    rival: ModuleType, fresh_url: Callable[[], str], keys_file: Any
) -> None:
    url = fresh_url()
    async with open_city(database_url=url, keys_file=keys_file) as city, open_rival(rival, city, url) as asking:
        scan = {"requestId": "r-1", "code": await city.code("good"), "offerId": "T2ZmZXI6MQ=="}
        body = await asking_of(city.client)(GraphQL().verify(city.token("scenic"), scan))
        before = await city.tally()
        again = await asking(Plain().verify(city.token("scenic"), scan))
        assert Plain().read_verify(again).keys() == GraphQL().read_verify(body).keys()
        assert Plain().read_verify(again)["receipt"] == GraphQL().read_verify(body)["receipt"]
        assert await city.tally() == before


def test_a_difference_is_named() -> None:
    with pytest.raises(Different, match=r"by hand disagrees.\nours:   2\ntheirs: 3"):
        check_same("by hand", [1, 2], [1, 3])


def test_a_ratio_is_taken_within_rounds() -> None:
    def at(per_second: int) -> Measured:
        return Measured(seconds=1.0, latencies=[0.01] * per_second)

    rounds = {"ours": [at(50), at(10), at(60)], "rival": [at(100), at(20), at(30)]}
    assert ratio(rounds, "ours", "rival") == 0.5


@pytest.mark.parametrize(
    ("used_by_rival", "told", "is_met"),
    [(1.0, "0.50 by requests/s  met", True), (0.5, "0.25 by processor time  MISSED", False)],
)
def test_a_target_is_judged_by_processor_time_where_a_server_was_not_the_bottleneck(
    used_by_rival: float, told: str, is_met: bool
) -> None:
    def at(per_second: int, used: float) -> list[Measured]:
        return [Measured(seconds=1.0, latencies=[0.01] * per_second, server_seconds=used)]

    rounds = {"(a) by hand": at(100, used_by_rival), "(b) FastAPI + ORM": at(10, 1.0), "ours": at(50, 1.0)}
    lines, met = targets_met("verify", rounds)
    assert told in lines.splitlines()[0]
    assert met is is_met


def test_percentiles_are_in_milliseconds() -> None:
    measured = Measured(seconds=2.0, latencies=[n / 1000 for n in range(1, 101)])
    assert (measured.per_second, measured.percentile(0.5), measured.percentile(0.99)) == (50.0, 51.0, 100.0)


def test_columns_line_up_whatever_is_in_them() -> None:
    assert table([["", "n"], ["信易", "7"], ["a", "10"]]) == "         n\n  ────  ──\n  信易   7\n  a     10"
