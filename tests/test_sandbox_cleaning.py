"""The sandbox forgets what is older than thirty days, and nothing that is still needed."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sandboxes import Trial, open_trial
from sqlalchemy import Table, func, select
from webhook_receivers import REGISTER, act

from api.jobs.sandbox_sending import cleaning, send_in_sandbox
from partners.orders.tables import orders
from partners.sandbox import cleaning as forgetting
from partners.sandbox.cleaning import clean
from partners.sandbox.synthetic import Role
from partners.sandbox.tables import sandbox_faults, sandbox_key_changes
from partners.tables import access_events, answers, redemptions, verifications
from partners.webhooks.tables import webhook_attempts, webhook_deliveries, webhook_endpoints, webhook_events

REHEARSE = act("rehearseWebhook", gives="RehearsedWebhook", shows="{ eventId }")
CHANGE_KEY = act("changeSandboxKey", gives="SandboxKey", shows="{ kid }")
ORDER = act("createOrder", gives="Order", shows="{ id }")
FORGOTTEN = (
    sandbox_faults, sandbox_key_changes, answers, access_events, verifications, redemptions,
    webhook_events, webhook_deliveries, webhook_attempts,
)  # fmt: skip


@pytest.fixture
async def trial(tmp_path: Path, sqlite_template: Path, keys_file: Path) -> AsyncIterator[Trial]:
    """A partner that has tried a little of everything."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    urls = {name: f"sqlite+aiosqlite:///{tmp_path}/{name}.db" for name in ("city", "sandbox")}
    async with open_trial(tmp_path, city_url=urls["city"], sandbox_url=urls["sandbox"], keys_file=keys_file) as opened:
        await opened.do(REGISTER, url="http://127.0.0.1:9/", events=[])
        await opened.do(REHEARSE)
        await send_in_sandbox(opened.state)
        await opened.do(CHANGE_KEY)
        await opened.reverse(await opened.serve())
        await opened.serve()
        yield opened


async def counted(trial: Trial, *tables: Table) -> dict[str, int]:
    async with trial.state.database.reading() as connection:
        return {one.name: await connection.scalar(select(func.count()).select_from(one)) or 0 for one in tables}


async def test_after_thirty_days_everything_tried_is_gone_and_before_that_nothing(trial: Trial) -> None:
    before = await counted(trial, *FORGOTTEN)
    assert all(before.values())
    assert await clean(trial.state.database, now=trial.city.now + timedelta(days=29, hours=23))
    # What makes a persona what it is was never tried, and stays to the end.
    assert await counted(trial, *FORGOTTEN) == before
    assert await clean(trial.state.database, now=trial.city.now + timedelta(days=30, seconds=1))
    assert await counted(trial, *FORGOTTEN) == dict.fromkeys(before, 0) | {"verifications": 1, "redemptions": 1}
    assert await counted(trial, webhook_endpoints) == {"webhook_endpoints": 1}


async def test_a_persona_stays_what_it_is_and_quota_is_not_lost(trial: Trial) -> None:
    held = await trial.verify(await trial.code(), role=Role.LAST_ONE)
    assert held["outcome"] == "BENEFIT_APPLIES"
    trial.city.now += timedelta(days=31)
    await clean(trial.state.database, now=trial.city.now)
    await trial.sign_in()
    assert (await trial.verify(await trial.code("LIMIT_REACHED")))["outcome"] == "STANDARD_SERVICE"
    assert (await trial.verify(await trial.code(), role=Role.LAST_ONE))["outcome"] == "BENEFIT_APPLIES"


async def test_what_an_order_rests_on_stays(trial: Trial) -> None:
    held = await trial.verify(await trial.code(), role=Role.PAY_LATER)
    await trial.do(ORDER, requestId="o1", verificationId=held["id"], title="门诊", amountFen=100)
    await clean(trial.state.database, now=trial.city.now + timedelta(days=31))
    assert await counted(trial, orders, verifications) == {"orders": 1, "verifications": 2}


async def test_a_pass_forgets_so_much_and_the_next_one_goes_on(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "BATCH", 1)
    monkeypatch.setattr(forgetting, "MOST_BATCHES", 1)
    later = trial.city.now + timedelta(days=31)
    left = [(await counted(trial, access_events))["access_events"]]
    while not await clean(trial.state.database, now=later):
        left.append((await counted(trial, access_events))["access_events"])
    assert left[:3] == [left[0], left[0] - 1, left[0] - 2]
    assert await counted(trial, access_events, answers) == {"access_events": 0, "answers": 0}


async def test_cleaning_is_done_once_a_day(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr("api.jobs.sandbox_sending.SECONDS_BETWEEN_LOOKS", 0.01)

    async def noted(_: object, *, now: object) -> bool:
        seen.append(now)
        if len(seen) == 2:
            done.set()
        return True

    done = asyncio.Event()
    monkeypatch.setattr("api.jobs.sandbox_sending.clean", noted)
    async with cleaning(trial.state):
        await asyncio.sleep(0.1)
        assert len(seen) == 1
        trial.city.now += timedelta(days=1)
        await asyncio.wait_for(done.wait(), 5)
    assert len(seen) == 2
