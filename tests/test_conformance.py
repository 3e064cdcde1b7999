"""The conformance run: judged by what the sandbox saw."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from sandboxes import FINISH, MOVE, REPORT, RUN, SEND, START, Trial, open_trial, second_partner

from cli.partner_client import receiving
from cli.partner_steps import _is_genuine
from core.clock import utc_now
from partners.sandbox.conformance import passed_run
from partners.sandbox.judging import PAY, PROPOSE, REDEEM, REVERSE, VERIFY, Facts, Seen
from partners.sandbox.personas import STANDARD
from partners.sandbox.steps import STEPS, is_passed, missing
from partners.sandbox.synthetic import Role

RELEASE = """mutation ($input: ReleaseVerificationInput!) { releaseVerification(input: $input) { __typename
  ... on ReleasedVerification { id releasedAt } ... on Problem { code message } } }"""


@pytest.fixture
async def trial(
    tmp_path: Path, sqlite_template: Path, keys_file: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Trial]:
    """A partner in the sandbox of a city where slow answers are quick."""
    monkeypatch.setattr("api.rehearsal.SLOW_SECONDS", 0.01)
    shutil.copy(sqlite_template, tmp_path / "city.db")
    urls = {name: f"sqlite+aiosqlite:///{tmp_path}/{name}.db" for name in ("city", "sandbox")}
    async with open_trial(tmp_path, city_url=urls["city"], sandbox_url=urls["sandbox"], keys_file=keys_file) as opened:
        yield opened


def states(run: dict[str, Any]) -> dict[str, bool]:
    """Which steps are passed."""
    return {step["code"]: step["passed"] for step in run["steps"]}


async def handle_everything(trial: Trial, run: dict[str, Any]) -> None:
    """Do all that a run asks for but webhooks, as a program that is right would."""
    await trial.serve()
    for persona in STANDARD:
        await trial.verify(await trial.code(persona))
    again = await trial.code()
    for _ in range(2):
        await trial.verify(again, requestId="again")
    unavailable = await trial.code(fault="UNAVAILABLE")
    for _ in range(2):
        await trial.verify(unavailable, requestId="unavailable")
    for fault in ("REPLAYED", "EXPIRED", "FORGED", "OTHER_OFFER"):
        await trial.verify(await trial.code(fault=fault))
        await trial.serve()
    conflicting = await trial.code()
    await trial.verify(conflicting, requestId="again")
    await trial.verify(conflicting)
    await trial.verify(await trial.code(), role=Role.CLOSED)
    await trial.verify(await trial.code(), role=Role.EXHAUSTED)
    await trial.reverse(await trial.serve())
    held = await trial.verify(await trial.code())
    await trial.do(RELEASE, requestId=trial.city.next_request(), verificationId=held["id"])
    await trial.redeem(await trial.verify(await trial.code(fault="SLOW")))
    keys = {key["kid"]: key for key in trial.state.keys.jwks()["keys"]}
    for step in run["steps"]:
        if step["code"] in ("RECEIPTS", "KEY_CHANGE"):
            pairs = zip("ABCDEF", step["materials"], strict=True)
            genuine = "".join(letter for letter, receipt in pairs if _is_genuine(receipt, keys))
            await trial.do(REPORT, runId=run["id"], step=step["code"], verdict=genuine)


async def receive_events(trial: Trial, run: dict[str, Any], receiver: Any) -> dict[str, Any]:
    """Have the events sent, and report what was taken."""
    receiver.secret = run["webhookSecret"]
    await trial.do(SEND, runId=run["id"])
    return await trial.do(REPORT, runId=run["id"], step="WEBHOOKS", verdict=",".join(receiver.taken.values()))


async def test_a_program_that_handles_everything_passes(trial: Trial) -> None:
    trial.city.now = utc_now()  # a receiver goes by its own clock
    await trial.sign_in()
    with receiving("127.0.0.1", 0) as (receiver, address):
        run = await trial.do(START, webhookUrl=address)
        assert (run["state"], states(run)["SIGN_IN"], states(run)["BENEFIT"]) == ("RUNNING", True, False)
        await handle_everything(trial, run)
        await receive_events(trial, run, receiver)
    result = await trial.do(FINISH, runId=run["id"])
    # Only who lets people pay later has to show an order.
    assert [step["code"] for step in result["steps"] if not step["passed"]] == ["PAY_LATER"]
    assert result["state"] == "PASSED"
    async with trial.state.database.reading() as connection:
        found = await passed_run(connection, partner_id=1, now=trial.city.now)
        assert found is not None
        assert await passed_run(connection, partner_id=2, now=trial.city.now) is None
        assert await passed_run(connection, partner_id=1, now=trial.city.now + timedelta(days=91)) is None


async def test_a_program_that_does_nothing_fails_and_is_told_what_is_missing(trial: Trial) -> None:
    run = await trial.do(START)
    result = await trial.do(FINISH, runId=run["id"])
    assert result["state"] == "FAILED"
    assert {code for code, passed in states(result).items() if passed} == {"SIGN_IN"}
    assert all(step["missing"].endswith("。") for step in result["steps"] if not step["passed"])
    assert (await trial.do(FINISH, runId=run["id"]))["code"] == "NO_SUCH_RUN"
    async with trial.state.database.reading() as connection:
        assert await passed_run(connection, partner_id=1, now=trial.city.now) is None


async def test_what_was_done_before_the_run_does_not_count(trial: Trial) -> None:
    await trial.serve()
    run = await trial.do(START)
    assert not states(await trial.do(REPORT, runId=run["id"], step="WEBHOOKS", verdict=""))["BENEFIT"]


async def test_a_run_is_over_after_a_day(trial: Trial) -> None:
    run = await trial.do(START)
    trial.city.now += timedelta(hours=24)
    await trial.sign_in()
    assert (await trial.do(FINISH, runId=run["id"]))["code"] == "NO_SUCH_RUN"
    assert (await trial.do(REPORT, runId=run["id"], step="RECEIPTS", verdict="ABC"))["code"] == "NO_SUCH_RUN"


async def test_a_moved_clock_neither_ends_a_run_nor_signs_its_partner_out_of_it(trial: Trial) -> None:
    run = await trial.do(START)
    await trial.do(MOVE, seconds=400 * 86400)
    assert (await trial.do(FINISH, runId=run["id"]))["state"] == "FAILED"


async def test_a_new_run_closes_the_one_before_it(trial: Trial) -> None:
    first = await trial.do(START)
    second = await trial.do(START)
    query = f"query ($id: ID!) {{ conformanceRun(id: $id) {{ {RUN} }} }}"
    shown = [(await trial.ask(query, {"id": run["id"]}))["data"]["conformanceRun"]["state"] for run in (first, second)]
    assert shown == ["FAILED", "RUNNING"]


async def test_a_partner_sees_its_own_runs_alone(trial: Trial, tmp_path: Path) -> None:
    run = await trial.do(START)
    other = await second_partner(trial, tmp_path)
    query = "query ($id: ID!) { conformanceRun(id: $id) { state } }"
    assert (await trial.ask(query, {"id": run["id"]}))["data"] == {"conformanceRun": {"state": "RUNNING"}}
    assert (await other.ask(query, {"id": run["id"]}))["data"] == {"conformanceRun": None}
    assert (await other.do(FINISH, runId=run["id"]))["code"] == "NO_SUCH_RUN"


@pytest.mark.parametrize("letters", ["", "ABCDEF", "FED"])
async def test_receipts_are_told_apart_by_their_signature_and_nothing_else(trial: Trial, letters: str) -> None:
    run = await trial.do(START)
    materials = next(step["materials"] for step in run["steps"] if step["code"] == "RECEIPTS")
    assert len({len(receipt) for receipt in materials}) == 1
    assert len({jwt.get_unverified_header(receipt)["kid"] for receipt in materials}) == 1
    result = await trial.do(REPORT, runId=run["id"], step="RECEIPTS", verdict=letters)
    assert not states(result)["RECEIPTS"]


async def test_a_run_signs_with_a_receipt_key_not_seen_before(trial: Trial) -> None:
    before = {key["kid"] for key in trial.state.keys.jwks()["keys"]}
    run = await trial.do(START)
    materials = next(step["materials"] for step in run["steps"] if step["code"] == "KEY_CHANGE")
    used = jwt.get_unverified_header(materials[0])["kid"]
    assert used not in before
    assert before < {key["kid"] for key in trial.state.keys.jwks()["keys"]}
    await trial.do(START)
    assert trial.state.keys.active("receipt").kid == used  # once an hour is enough


async def test_a_receiver_that_takes_forged_or_repeated_events_does_not_pass(trial: Trial) -> None:
    with receiving("127.0.0.1", 0) as (receiver, address):
        run = await trial.do(START, webhookUrl=address)
        receiver.secret = run["webhookSecret"]
        receiver.take = lambda headers, body: 204  # type: ignore[method-assign]
        result = await trial.do(SEND, runId=run["id"])
    step = next(step for step in result["steps"] if step["code"] == "WEBHOOKS")
    assert (step["passed"], step["missing"]) == (False, "签名不对的事件请答复 4xx(收到的是 204)。")


async def test_an_endpoint_that_is_not_there_is_no_answer(trial: Trial) -> None:
    with receiving("127.0.0.1", 0) as (_, address):
        pass
    run = await trial.do(START, webhookUrl=address)
    result = await trial.do(SEND, runId=run["id"])
    step = next(step for step in result["steps"] if step["code"] == "WEBHOOKS")
    assert step["missing"] == "真实的事件请答复 2xx(收到的是 无应答)。"


async def test_events_go_to_no_address_that_is_refused(trial: Trial) -> None:
    assert (await trial.do(START, webhookUrl="http://169.254.169.254/"))["code"] == "ADDRESS_REFUSED"


NOTHING = Facts(seen=(), by_key=True, expected={}, reported={}, webhook={})


def scan(fault: str = "NONE", request: str = "1", **given: Any) -> Seen:
    return replace(Seen(VERIFY, request, persona="BENEFIT", fault=fault, code="c", offer="MAIN"), **given)


def lacks(step: str, seen: Sequence[Seen]) -> bool:
    return bool(missing(replace(NOTHING, seen=seen))[step])


FRESH = scan(code="fresh", request="9", outcome="BENEFIT_APPLIES", id="v9")


@pytest.mark.parametrize(
    ("step", "seen", "passed"),
    [
        ("BENEFIT", [scan(outcome="BENEFIT_APPLIES", id="v")], False),
        ("BENEFIT", [scan(outcome="BENEFIT_APPLIES", id="v"), Seen(REDEEM, "2", id="r", of="v")], True),
        ("BENEFIT", [scan(outcome="BENEFIT_APPLIES", id="v"), Seen(REDEEM, "2", problem="X", of="v")], False),
        ("STANDARD", [scan(persona=p.value, outcome="STANDARD_SERVICE", id=p.value) for p in STANDARD], True),
        ("STANDARD", [scan(persona=p.value, outcome="STANDARD_SERVICE", id=p.value) for p in STANDARD[1:]], False),
        (
            "STANDARD",
            [
                *(scan(persona=p.value, outcome="STANDARD_SERVICE", id=p.value) for p in STANDARD),
                Seen(REDEEM, "2", problem="NOT_REDEEMABLE", of="MINOR"),
            ],
            False,
        ),
        ("SAME_REQUEST", [scan(id="v"), scan(id="v")], True),
        ("SAME_REQUEST", [scan(id="v"), scan(id="w")], False),
        ("UNAVAILABLE", [scan("UNAVAILABLE", problem="UNAVAILABLE")], False),
        ("UNAVAILABLE", [scan("UNAVAILABLE", problem="UNAVAILABLE"), scan("UNAVAILABLE", outcome="X")], True),
        ("UNAVAILABLE", [scan("UNAVAILABLE", problem="UNAVAILABLE"), scan("UNAVAILABLE", "2", outcome="X")], False),
        ("REPLAYED", [scan("REPLAYED", problem="CODE_REPLAYED")], False),
        ("REPLAYED", [scan("REPLAYED", problem="CODE_REPLAYED"), FRESH], True),
        ("REPLAYED", [FRESH, scan("REPLAYED", problem="CODE_REPLAYED")], False),
        ("REPLAYED", [scan("REPLAYED", problem="CODE_REPLAYED"), scan("REPLAYED", "2", problem="X"), FRESH], False),
        ("FORGED", [scan("FORGED", problem="CODE_INVALID")], True),
        ("CONFLICT", [scan(problem="REQUEST_CONFLICT")], False),
        ("CONFLICT", [scan(problem="REQUEST_CONFLICT"), scan(request="2", outcome="X")], True),
        ("OFFER_CLOSED", [scan(offer="CLOSED", problem="OFFER_CLOSED")], True),
        ("OFFER_CLOSED", [scan(offer="MAIN", problem="OFFER_CLOSED")], False),
        ("QUOTA_EXHAUSTED", [scan("QUOTA_EXHAUSTED", problem="QUOTA_EXHAUSTED")], True),
        ("PAY_LATER", [Seen(PROPOSE, "1", id="o", of="v")], False),
        ("PAY_LATER", [Seen(PROPOSE, "1", id="o", of="v"), Seen(PAY, "2", id="o", of="o")], True),
        ("REVERSAL", [Seen(REVERSE, "1", problem="NOT_REDEEMABLE")], False),
        ("REVERSAL", [Seen(REVERSE, "1", id="r")], True),
        ("SLOW", [scan("SLOW", outcome="X", id="v")], False),
        ("SLOW", [scan("SLOW", outcome="X", id="v"), Seen(REDEEM, "2", id="r", of="v")], True),
        (
            "SLOW",
            [scan("SLOW", outcome="X", id="v"), scan("SLOW", "2", problem="Y"), Seen(REDEEM, "3", id="r", of="v")],
            False,
        ),
    ],
)
def test_a_step_is_judged_by_what_was_seen(step: str, seen: Sequence[Seen], passed: bool) -> None:
    assert lacks(step, seen) is not passed


def test_one_mandatory_step_missing_is_not_passed() -> None:
    found = {step.code: "" for step in STEPS}
    assert is_passed(found)
    assert not any(is_passed(found | {step.code: "x"}) for step in STEPS if step.mandatory)


def test_whoever_did_not_sign_in_by_key_has_not_shown_it() -> None:
    assert missing(replace(NOTHING, by_key=False))["SIGN_IN"]
