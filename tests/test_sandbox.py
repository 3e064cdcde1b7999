"""The sandbox: every outcome and every fault on demand, and a clock to move."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sandboxes import CODE, MOVE, RESET, Trial, open_trial, register, revoke, second_partner
from servers import Postgres
from sqlalchemy import select

from api.ids import public_id
from cli.partner_keys import new_key
from partners.sandbox.personas import STANDARD
from partners.sandbox.synthetic import Role
from partners.tables import offers

_NUMBERS = count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
async def trial(
    request: pytest.FixtureRequest, tmp_path: Path, sqlite_template: Path, keys_file: Path
) -> AsyncIterator[Trial]:
    """A partner in a sandbox on SQLite, and on PostgreSQL."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    sandbox_url = f"sqlite+aiosqlite:///{tmp_path}/sandbox.db"
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        sandbox_url = postgres.create_database(f"sandbox_{next(_NUMBERS)}")
    city_url = f"sqlite+aiosqlite:///{tmp_path}/city.db"
    async with open_trial(tmp_path, city_url=city_url, sandbox_url=sandbox_url, keys_file=keys_file) as opened:
        yield opened


async def test_each_persona_gets_the_outcome_in_its_name(trial: Trial) -> None:
    found = {}
    for persona in ("BENEFIT", "ENTERPRISE", *STANDARD):
        found[str(persona)] = (await trial.verify(await trial.code(persona)))["outcome"]
    assert found == {
        "BENEFIT": "BENEFIT_APPLIES",
        "ENTERPRISE": "BENEFIT_APPLIES",
        **{persona.value: "STANDARD_SERVICE" for persona in STANDARD},
    }


async def test_each_fault_happens_on_demand(trial: Trial) -> None:
    found = {}
    for fault in ("EXPIRED", "REPLAYED", "FORGED", "OTHER_OFFER", "UNAVAILABLE", "QUOTA_EXHAUSTED"):
        found[fault] = (await trial.verify(await trial.code(fault=fault)))["code"]
    assert found == {
        "EXPIRED": "CODE_EXPIRED",
        "REPLAYED": "CODE_REPLAYED",
        "FORGED": "CODE_INVALID",
        "OTHER_OFFER": "CODE_OTHER_OFFER",
        "UNAVAILABLE": "UNAVAILABLE",
        "QUOTA_EXHAUSTED": "QUOTA_EXHAUSTED",
    }


async def test_each_synthetic_offer_shows_what_it_is_there_for(trial: Trial) -> None:
    closed = await trial.verify(await trial.code(), role=Role.CLOSED)
    exhausted = await trial.verify(await trial.code(), role=Role.EXHAUSTED)
    last = await trial.verify(await trial.code(), role=Role.LAST_ONE)
    gone = await trial.verify(await trial.code(), role=Role.LAST_ONE)
    deferred = await trial.verify(await trial.code(), role=Role.PAY_LATER)
    soon = await trial.verify(await trial.code(), role=Role.CLOSES_SOON)
    assert (closed["code"], exhausted["code"], gone["code"]) == ("OFFER_CLOSED", "QUOTA_EXHAUSTED", "QUOTA_EXHAUSTED")
    assert {one["outcome"] for one in (last, deferred, soon)} == {"BENEFIT_APPLIES"}


async def test_after_unavailable_the_same_request_gets_its_answer(trial: Trial) -> None:
    code = await trial.code(fault="UNAVAILABLE")
    first = await trial.verify(code, requestId="r")
    second = await trial.verify(code, requestId="r")
    third = await trial.verify(code, requestId="r")
    assert first["code"] == "UNAVAILABLE"
    assert second["outcome"] == "BENEFIT_APPLIES"
    assert third == second


async def test_a_moved_clock_is_the_partners_own(trial: Trial, tmp_path: Path) -> None:
    code = await trial.code()
    moved = await trial.do(MOVE, seconds=61)
    expired = await trial.verify(code)
    await trial.do(MOVE, seconds=31 * 86400)
    closed = await trial.verify(await trial.code(), role=Role.CLOSES_SOON)
    still = await trial.verify(await trial.code())
    other = await second_partner(trial, tmp_path)
    unmoved = await other.verify(await other.code(), role=Role.CLOSES_SOON)
    assert moved["aheadSeconds"] == 61
    assert (expired["code"], closed["code"]) == ("CODE_EXPIRED", "OFFER_CLOSED")
    assert (still["outcome"], unmoved["outcome"]) == ("BENEFIT_APPLIES", "BENEFIT_APPLIES")


async def test_four_hundred_days_ahead_every_persona_is_still_itself(trial: Trial) -> None:
    await trial.do(MOVE, seconds=399 * 86400)
    await trial.do(RESET)
    await trial.do(MOVE, seconds=80 * 86400)
    for persona in ("BENEFIT", "ENTERPRISE", *STANDARD):
        outcome = (await trial.verify(await trial.code(persona)))["outcome"]
        assert outcome == ("STANDARD_SERVICE" if persona in STANDARD else "BENEFIT_APPLIES"), persona


async def test_the_clock_goes_forward_only_four_hundred_days_and_back_to_now(trial: Trial) -> None:
    for seconds in (0, -1, 400 * 86400 + 1):
        body = await trial.ask(MOVE, {"input": {"seconds": seconds}})
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    await trial.do(MOVE, seconds=400 * 86400)
    # Its key has ended by that time, and yet it can come back.
    assert (await trial.ask("{ partner { id } }"))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert (await trial.do(RESET))["aheadSeconds"] == 0
    assert (await trial.ask("{ partner { name } }"))["data"]["partner"]["name"] == "测试scenic(沙箱)"


async def test_a_revoked_key_signs_in_no_more_and_its_tokens_end(trial: Trial) -> None:
    await revoke(trial.city, trial.key)
    answer = await trial.ask(CODE, {"input": {}})
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert (await trial.sign_in()).status_code == 401


async def test_admitting_again_changes_nothing(trial: Trial, tmp_path: Path) -> None:
    async with trial.state.database.reading() as connection:
        before = (await connection.execute(select(offers.c.id).order_by(offers.c.id))).all()
    await register(trial.city, new_key(tmp_path / "next.jwk", algorithm="ES256"))
    async with trial.state.database.reading() as connection:
        assert (await connection.execute(select(offers.c.id).order_by(offers.c.id))).all() == before


async def test_a_slow_answer_comes_all_the_same(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.rehearsal.SLOW_SECONDS", 0.01)
    assert (await trial.verify(await trial.code(fault="SLOW")))["outcome"] == "BENEFIT_APPLIES"


async def test_a_sandbox_token_ends_like_any_other(trial: Trial) -> None:
    trial.city.now += timedelta(minutes=6)
    assert (await trial.ask(CODE, {"input": {}}))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_partner_reads_every_field_that_the_sandbox_has_for_it(trial: Trial) -> None:
    run = """mutation ($input: StartConformanceRunInput!) { startConformanceRun(input: $input) { ... on ConformanceRun {
      id state startedAt finishedAt webhookSecret offers { role id } steps {
        code title instruction mandatory persona fault offer passed missing materials } } } }"""
    started = await trial.do(run)
    assert started["state"] == "RUNNING"
    assert [offer["role"] for offer in started["offers"]] == [role.value for role in Role]
    assert len(started["steps"]) == 19
    assert set(await trial.code()) == {"__typename", "token", "expiresAt", "offerId"}


async def test_an_order_is_confirmed_for_the_synthetic_person_and_falls_due(trial: Trial) -> None:
    shown = "{ __typename ... on Order { id state } ... on Problem { code message } }"

    async def act(name: str, **given: Any) -> dict[str, Any]:
        kind = f"{name[0].upper()}{name[1:]}Input!"
        return await trial.do(f"mutation ($input: {kind}) {{ {name}(input: $input) {shown} }}", **given)

    held = await trial.verify(await trial.code(), role=Role.PAY_LATER)
    order = await act("createOrder", requestId="o1", verificationId=held["id"], title="门诊", amountFen=100)
    assert (await act("confirmSandboxOrder", orderId=order["id"]))["state"] == "CONFIRMED"
    await act("startOrder", requestId="o2", orderId=order["id"])
    await act("completeOrder", requestId="o3", orderId=order["id"], amountFen=100)
    await trial.do(MOVE, seconds=10 * 86400)
    late = await trial.verify(await trial.code(), role=Role.PAY_LATER)
    assert late["outcome"] == "STANDARD_SERVICE"
    assert (await act("recordPayment", requestId="o4", orderId=order["id"], amountFen=100))["state"] == "PAID"
    paid = await trial.verify(await trial.code(), role=Role.PAY_LATER)
    assert paid["outcome"] == "BENEFIT_APPLIES"
    other = await act("confirmSandboxOrder", orderId=public_id("Order", UUID(int=0)))
    assert other["code"] == "UNKNOWN_ORDER"
