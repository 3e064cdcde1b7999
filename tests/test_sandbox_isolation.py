"""There is no way from the sandbox to real people: not through its objects, and not by trying."""

from __future__ import annotations

import gc
import shutil
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import pytest
from factories import ISSUE, NOON, VERIFY, open_city
from factories import offer_id as live_offer
from sandboxes import CODE, Trial, open_trial
from sqlalchemy import insert
from starlette.routing import Route

from api.sandbox_state import open_sandbox
from core.database import Database
from core.errors import StartupError, Unavailable
from core.keys import Keys, load_keys
from core.settings import Settings
from partners.sandbox.synthetic import Role
from scoring.subjects import SubjectKind, subject_row
from scoring.tables import subjects


@pytest.fixture
async def trial(tmp_path: Path, sqlite_template: Path, keys_file: Path) -> AsyncIterator[Trial]:
    """A partner in the sandbox of a city."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    urls = {"city_url": f"sqlite+aiosqlite:///{tmp_path}/city.db", "sandbox_url": _sandbox_url(tmp_path)}
    async with open_trial(tmp_path, **urls, keys_file=keys_file, redis_url=None) as opened:
        yield opened


def _sandbox_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/sandbox.db"


async def test_no_object_of_the_sandbox_leads_to_the_live_database_keys_or_settings(trial: Trial) -> None:
    await trial.verify(await trial.code())
    live, now = trial.city.state, trial.city.now
    trial.state.clock.real = lambda: now  # the test's own clock hangs on its city
    endpoints = [
        route.endpoint
        for route in trial.city.app.routes
        if isinstance(route, Route) and route.path.startswith("/sandbox/")
    ]
    assert len(endpoints) == 4
    found = reachable([trial.state, *endpoints])
    assert [one for one in found.values() if isinstance(one, Database)] == [trial.state.database]
    assert [one for one in found.values() if isinstance(one, Keys)] == [trial.state.keys]
    for one in (live, live.database, live.keys, live.settings, live.verifier, live.cache, *live.keys.all):
        assert id(one) not in found, type(one)
    live_url = live.settings.database_url
    assert not [one for one in found.values() if isinstance(one, str) and live_url in one]


async def test_the_live_side_does_know_its_sandbox_so_the_search_can_find(trial: Trial) -> None:
    assert id(trial.state.database) in reachable([trial.city.state])


async def test_what_the_live_side_made_is_refused_in_the_sandbox(trial: Trial) -> None:
    city = trial.city
    real = {"token": await city.code("good"), "offerId": trial.offer(Role.MAIN)}
    assert (await trial.verify(real))["code"] == "CODE_INVALID"
    synthetic = await trial.code()
    assert (await trial.verify(synthetic | {"offerId": live_offer("museum")}))["code"] == "OFFER_NOT_YOURS"
    answer = await trial.ask(CODE, {"input": {}}, token=city.token("scenic"))
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_what_the_sandbox_made_is_refused_on_the_live_side(trial: Trial) -> None:
    city, code = trial.city, await trial.code()
    assert (await city.verify(code["token"]))["code"] == "CODE_INVALID"
    assert (await city.verify(await city.code("good"), offerId=code["offerId"]))["code"] == "OFFER_NOT_YOURS"
    headers = {"authorization": f"Bearer {trial.token}"}
    asked = {"requestId": "r", "code": code["token"], "offerId": live_offer("museum")}
    response = await city.client.post(
        "/graphql", json={"query": VERIFY, "variables": {"input": asked}}, headers=headers
    )
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_the_sandboxs_own_acts_do_nothing_on_the_live_side(trial: Trial) -> None:
    before = await trial.city.tally()
    assert (await trial.city.do(CODE, by="scenic"))["code"] == "SANDBOX_ONLY"
    assert await trial.city.tally() == before


async def test_receipts_of_the_sandbox_name_another_issuer_and_keys(trial: Trial) -> None:
    sandbox, live = trial.state, trial.city.state
    assert sandbox.settings.issuer == f"{live.settings.issuer}/sandbox"
    assert not {key.kid for key in sandbox.keys.all} & {key.kid for key in live.keys.all}
    served = (await trial.city.client.get("/sandbox/.well-known/jwks.json")).json()
    assert served == sandbox.keys.jwks()


async def test_nobody_real_can_take_part_in_the_sandbox(trial: Trial) -> None:
    body = await trial.ask(ISSUE, {"input": {}}, token=trial.city.token("good"))
    assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_trying_leaves_nothing_on_the_live_side(trial: Trial) -> None:
    before = await trial.city.tally()
    await trial.serve()
    assert await trial.city.tally() == before


async def test_a_database_with_real_people_is_no_sandbox(trial: Trial) -> None:
    row = subject_row(
        trial.state.keys, kind=SubjectKind.ENTERPRISE, place="hebei", name="某企业", number="91430502MA7YK0003R"
    )
    async with trial.state.database.transaction() as connection:
        await connection.execute(insert(subjects).values(row))
    trial.state.is_ready = False
    with pytest.raises(Unavailable):
        await trial.state.ready()


def test_a_sandbox_shares_neither_database_nor_keys(tmp_path: Path, keys_file: Path) -> None:
    url = _sandbox_url(tmp_path)
    same_database = Settings(database_url=url, keys_file=keys_file, sandbox_database_url=url)
    same_keys = Settings(
        database_url="sqlite+aiosqlite:///other.db",
        keys_file=keys_file,
        sandbox_database_url=url,
        sandbox_keys_file=keys_file,
    )
    for settings in (same_database, same_keys):
        with pytest.raises(StartupError):
            open_sandbox(settings, rulebook=None, clock=lambda: NOON)  # type: ignore[arg-type]


def test_the_sandboxs_keys_are_its_owners_alone_and_no_demonstrations(tmp_path: Path, keys_file: Path) -> None:
    own = tmp_path / "own.json"
    settings = Settings(
        database_url="sqlite+aiosqlite:///other.db",
        keys_file=keys_file,
        sandbox_database_url=_sandbox_url(tmp_path),
        sandbox_keys_file=own,
    )
    open_sandbox(settings, rulebook=None, clock=lambda: NOON)  # type: ignore[arg-type]
    assert own.stat().st_mode & 0o777 == 0o600
    assert not load_keys(own).demo


async def test_without_the_setting_there_is_no_sandbox(tmp_path: Path, sqlite_template: Path, keys_file: Path) -> None:
    shutil.copy(sqlite_template, tmp_path / "city.db")
    async with open_city(database_url=f"sqlite+aiosqlite:///{tmp_path}/city.db", keys_file=keys_file) as city:
        assert city.state.sandbox is None
        assert (await city.client.post("/sandbox/graphql", json={"query": "{ __typename }"})).status_code == 404


def reachable(roots: Iterable[Any]) -> dict[int, Any]:
    """Every object that can be got at from these, by way of attributes, closures, arguments kept, and containers.

    Modules and classes are not entered: what they hold is the program, the same for both sides; that nothing of one
    deployment hangs on them is what the test of the live side would show. Nor is the event loop, which runs both sides,
    and which a queue knows once somebody has waited at it.
    """
    found: dict[int, Any] = {}
    queue = deque(roots)
    while queue:
        one = queue.popleft()
        if id(one) in found or isinstance(one, (ModuleType, type, BuiltinFunctionType, AbstractEventLoop)):
            continue
        found[id(one)] = one
        if isinstance(one, FunctionType):
            # Not its globals: those are a module's.
            queue.extend([cell.cell_contents for cell in one.__closure__ or () if _is_full(cell)])
            queue.extend([one.__defaults__, one.__kwdefaults__, one.__dict__])
            continue
        queue.extend(gc.get_referents(one))
    return found


def _is_full(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
