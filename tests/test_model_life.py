"""A version of a model from draft to retirement: every move, two people, and processes that follow at once."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from factories import NOON, City, open_city, rulebook
from model_drafts import AWARD, SHIPPED, do, draft, mutation, publish, reach_shadow, submit
from sqlalchemy import delete, text, update

from core.audit import audit_entries
from core.database import Database
from core.errors import ExpectedError
from partners.catalogue import load_catalogue
from partners.model_changes import publish_model, roll_back_model, run_version
from partners.tables import offers
from scoring.life.governance import MOVES, Act, State, draft_version, retire_version, review_version
from scoring.life.publication import sign_disparity
from scoring.tables import credit_records, model_steps, model_versions, subjects

TOMORROW = date(2026, 11, 21)
REASON = "差异来自各年龄段参加活动的机会不同,已安排补救并按季度跟踪"
MINE = "{ me { scores { model { id version } points grade { code } } } }"


async def mine(city: City, person: str = "citizen-1") -> tuple[str, str, str]:
    """Version, points and grade of somebody with one award."""
    body = await city.ask(MINE, by=person)
    (score,) = [one for one in body["data"]["me"]["scores"] if one["model"]["id"] == "xiangxinfen"]
    return score["model"]["version"], score["points"], score["grade"]["code"]


async def let_somebody_win_an_award(city: City) -> None:
    """«citizen-1» has one award: 625 points as shipped, 640 and another grade under the draft. Two have no record."""
    await city.move_in(3)
    records = credit_records.c
    await city.write(
        update(credit_records)
        .where(records.subject_id == 1001)
        .values(item="honour-award", occurred_on=date(2026, 1, 1)),
        delete(credit_records).where(records.subject_id.in_([1002, 1003])),
    )


@pytest.fixture(autouse=True)
def _no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page has tests of its own; drawing it takes half a second."""
    monkeypatch.setattr("scoring.life.rehearsal.report_page", lambda _: "<!doctype html>")


@pytest.fixture
async def small(sqlite_template: Path, tmp_path: Path, keys_file: Path) -> AsyncIterator[City]:
    shutil.copy(sqlite_template, tmp_path / "small.db")
    async with open_city(database_url=f"sqlite+aiosqlite:///{tmp_path}/small.db", keys_file=keys_file) as opened:
        yield opened


# What each act leads to from each state: the new state, or the code of the refusal.
TABLE = {
    "DRAFT": "DRAFT SIMULATED NOT_SIMULATED NOT_SIMULATED NOT_SIMULATED WRONG_STATE RETIRED NOT_SIMULATED",
    "SIMULATED": "DRAFT SIMULATED REVIEWED NOT_REVIEWED NOT_REVIEWED WRONG_STATE RETIRED WRONG_STATE",
    "REVIEWED": "DRAFT SIMULATED WRONG_STATE SHADOW WRONG_STATE WRONG_STATE RETIRED WRONG_STATE",
    "SHADOW": "DRAFT SIMULATED WRONG_STATE SHADOW PUBLISHED WRONG_STATE RETIRED WRONG_STATE",
    "PUBLISHED": "MODEL_EXISTS WRONG_STATE WRONG_STATE WRONG_STATE WRONG_STATE RETIRED WRONG_STATE WRONG_STATE",
    "RETIRED": "MODEL_EXISTS WRONG_STATE WRONG_STATE WRONG_STATE WRONG_STATE WRONG_STATE WRONG_STATE WRONG_STATE",
}
ACTS = ("draft", "simulate", "review", "shadow", "publish", "roll-back", "retire", "sign")


@pytest.fixture(scope="module")
async def shadow_file(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, keys_file: Path) -> Path:
    """A small city in which a version stands at SHADOW."""
    path = tmp_path_factory.mktemp("shadow") / "city.db"
    shutil.copy(sqlite_template, path)
    async with open_city(database_url=f"sqlite+aiosqlite:///{path}", keys_file=keys_file) as city:
        await reach_shadow(city)
    return path


async def perform(database: Database, what: str) -> str:
    """The state after an act by somebody who did not draft the version."""
    book = rulebook()
    act = Act("reviewer", "xiangxinfen", "2026-12", NOON, REASON)
    content, cases = draft()
    if what in ("simulate", "shadow"):
        to = State.SIMULATED if what == "simulate" else State.SHADOW
        return str((await run_version(database, book, act, to=to)).state)
    async with database.transaction() as connection:
        models = (await load_catalogue(connection, book, on=NOON.date())).rulebook.models
        match what:
            case "draft":
                row = await draft_version(
                    connection, actor="operator", content=content, cases=cases, place=None, models=models,
                    places=book.places, now=NOON,
                )  # fmt: skip
            case "review":
                row = await review_version(connection, act)
            case "publish":
                row = await publish_model(connection, book, act)
            case "roll-back":
                row = await roll_back_model(
                    connection, book, actor="reviewer", model="xiangxinfen", reason=REASON, now=NOON
                )
            case "retire":
                row = await retire_version(connection, act, models=models)
            case _:
                row = await sign_disparity(connection, act)
    return str(row.state)


@pytest.mark.parametrize("state", TABLE)
async def test_each_act_is_allowed_or_refused_as_the_table_says(shadow_file: Path, tmp_path: Path, state: str) -> None:
    for what, expected in zip(ACTS, TABLE[state].split(), strict=True):
        path = tmp_path / f"{what}.db"
        shutil.copy(shadow_file, path)
        database = Database(f"sqlite+aiosqlite:///{path}")
        values: dict[str, Any] = {"state": state}
        if state == "PUBLISHED":
            values["in_force_from"] = TOMORROW
        async with database.transaction() as connection:
            await connection.execute(update(model_versions).values(values))
            before = (await connection.execute(model_steps.select())).all()
        try:
            found = await perform(database, what)
        except ExpectedError as error:
            found = error.code
            async with database.reading() as connection:
                assert (await connection.execute(model_steps.select())).all() == before, "a refusal changes nothing"
        await database.close()
        assert found == expected, (state, what)


def test_nothing_leads_out_of_retirement_and_only_shadow_leads_to_publication() -> None:
    assert MOVES[State.RETIRED] == frozenset()
    assert [state for state, to in MOVES.items() if State.PUBLISHED in to] == [State.SHADOW]


async def test_the_drafter_neither_reviews_nor_publishes_nor_signs_not_even_after_another_drafted_again(
    small: City,
) -> None:
    version = {"model": "xiangxinfen", "version": "2026-12"}
    await submit(small)
    await submit(small, by="operator-2", award=41)
    await do(small, "simulateScoreModel", by="operator", **version)
    for drafter in ("operator", "operator-2"):
        assert (await do(small, "reviewScoreModel", by=drafter, **version))["code"] == "FOUR_EYES"
        signing = await do(small, "signDisparity", by=drafter, reason=REASON, **version)
        assert signing["code"] == "FOUR_EYES"
    await do(small, "reviewScoreModel", by="reviewer", **version)
    await do(small, "shadowScoreModel", by="operator", **version)
    for drafter in ("operator", "operator-2"):
        assert (await publish(small, by=drafter, **version))["code"] == "FOUR_EYES"
    assert (await publish(small, **version))["state"] == "PUBLISHED"


async def test_new_content_voids_what_was_simulated_and_reviewed(small: City) -> None:
    version = await reach_shadow(small)
    again = await submit(small, award=41)
    assert again["state"] == "DRAFT"
    assert (await publish(small, **version))["code"] == "NOT_SIMULATED"
    assert (await do(small, "reviewScoreModel", by="reviewer", **version))["code"] == "NOT_SIMULATED"
    assert (await do(small, "simulateScoreModel", by="operator", **version))["state"] == "SIMULATED"
    assert (await publish(small, **version))["code"] == "NOT_REVIEWED"


async def test_every_act_is_a_step_with_its_evidence_and_an_audit_row(small: City) -> None:
    version = await reach_shadow(small)
    done = await publish(small, **version)
    assert [(s["act"], s["actor"]) for s in done["steps"]] == [
        ("draft", "operator"),
        ("simulate", "operator"),
        ("review", "reviewer"),
        ("shadow", "operator"),
        ("publish", "reviewer"),
    ]
    assert '"in_force_from":"2026-11-21"' in done["steps"][-1]["evidence"]
    actions = [row.action for row in await small.rows(audit_entries)]
    assert actions == ["model-draft", "model-simulate", "model-review", "model-shadow", "model-publish"]


async def test_a_scheduled_version_begins_at_midnight_in_shanghai_without_any_job(city: City) -> None:
    await let_somebody_win_an_award(city)
    version = await reach_shadow(city)
    done = await publish(city, **version)
    assert (done["inForceFrom"], done["inForceUntil"]) == ("2026-11-21", None)
    assert await mine(city, "citizen-1") == ("2025-03", "625.00", "B")
    assert (await city.verify(await city.code("citizen-1")))["outcome"] == "STANDARD_SERVICE"
    city.now = NOON.replace(hour=15, minute=59, second=59)
    assert await mine(city, "citizen-1") == ("2025-03", "625.00", "B")
    city.now += timedelta(seconds=1)
    assert await mine(city, "citizen-1") == ("2026-12", "640.00", "A")
    assert (await city.verify(await city.code("citizen-1")))["outcome"] == "BENEFIT_APPLIES"


async def test_another_process_follows_publication_and_rollback_at_once(city_url: str, keys_file: Path) -> None:
    async with AsyncExitStack() as stack:
        here, there = [
            await stack.enter_async_context(open_city(database_url=city_url, keys_file=keys_file)) for _ in range(2)
        ]
        await let_somebody_win_an_award(here)
        version = await reach_shadow(here)
        assert await mine(there, "citizen-1") == ("2025-03", "625.00", "B")
        assert (await publish(here, day=NOON.date(), **version))["state"] == "PUBLISHED"
        assert await mine(there, "citizen-1") == ("2026-12", "640.00", "A")
        assert (await there.verify(await there.code("citizen-1")))["outcome"] == "BENEFIT_APPLIES"
        ended = await do(here, "rollBackScoreModel", by="operator-2", model="xiangxinfen", reason="门槛有误")
        assert (ended["state"], ended["inForceUntil"]) == ("RETIRED", "2026-11-20")
        assert (await there.verify(await there.code("citizen-1")))["outcome"] == "STANDARD_SERVICE"
        assert await mine(there, "citizen-1") == ("2025-03", "625.00", "B")


async def test_after_a_rollback_past_days_keep_the_version_that_held_then(small: City) -> None:
    version = await reach_shadow(small)
    await publish(small, day=TOMORROW, **version)
    small.wait(days=10)
    await do(small, "rollBackScoreModel", by="operator-2", model="xiangxinfen", reason="门槛有误")
    await mine(small, "good")
    models = small.state.rulebook.models
    days = [date(2026, 11, 20), TOMORROW, date(2026, 11, 29), date(2026, 11, 30), date(2027, 11, 30)]
    assert [models.get("xiangxinfen", day).version for day in days] == [
        "2025-03", "2026-12", "2026-12", "2025-03", "2025-03",
    ]  # fmt: skip
    again = await reach_shadow(small, version="2027-01", award=41)
    assert (await publish(small, **again))["inForceFrom"] == "2026-12-01"


async def test_two_who_publish_at_once_publish_once(city: City) -> None:
    version = await reach_shadow(city)
    other = await reach_shadow(city, version="2027-01", award=41)
    found = await asyncio.gather(
        publish(city, **version),
        publish(city, by="operator-2", **version),
        publish(city, **other),
        publish(city, by="operator-2", **other),
    )
    codes = sorted(answer.get("code", answer.get("state")) for answer in found)
    assert codes.count("PUBLISHED") == 1
    # The other version was run beside what is no longer the newest, or would begin on the same day.
    assert set(codes) <= {"PUBLISHED", "WRONG_STATE", "BAD_START"}
    assert [row.act for row in await city.rows(model_steps)].count("publish") == 1


async def test_a_version_is_never_published_over(small: City) -> None:
    shipped = await do(small, "draftScoreModel", by="operator", content=SHIPPED.replace(AWARD, AWARD + "0"), cases="[]")
    assert shipped["code"] == "MODEL_EXISTS"
    version = await reach_shadow(small)
    await publish(small, **version)
    assert (await submit(small, award=41))["code"] == "MODEL_EXISTS"
    assert (await submit(small))["code"] == "MODEL_EXISTS"
    await do(small, "rollBackScoreModel", by="operator", model="xiangxinfen", reason="撤回")
    assert (await submit(small, award=41))["code"] == "MODEL_EXISTS", "a number that was used stays used"


async def test_a_version_that_lacks_a_grade_of_a_published_offer_is_refused(small: City) -> None:
    await small.write(update(offers).where(offers.c.id == 1).values(threshold="A+"))
    content, cases = draft(replace=("  - {code: A+, name: A+ 级, at_least: 700}\n", ""))
    cases = cases.replace("grade: A+", "grade: A")
    drafted = await do(small, "draftScoreModel", by="operator", content=content, cases=cases)
    assert drafted["state"] == "DRAFT"
    version = {"model": "xiangxinfen", "version": "2026-12"}
    for name, by in (("simulateScoreModel", "operator"), ("reviewScoreModel", "reviewer")):
        await do(small, name, by=by, **version)
    await do(small, "shadowScoreModel", by="operator", **version)
    answer = await publish(small, **version)
    assert answer["code"] == "GRADE_IN_USE"
    assert "测试优惠(A+)" in answer["message"]


async def test_a_version_begins_today_at_the_earliest_and_after_the_one_before(small: City) -> None:
    version = await reach_shadow(small)
    assert (await publish(small, day=date(2026, 11, 19), **version))["code"] == "BAD_START"
    assert (await publish(small, day=TOMORROW, **version))["state"] == "PUBLISHED"
    later = await reach_shadow(small, version="2027-01", award=41)
    assert (await publish(small, day=TOMORROW, **later))["code"] == "BAD_START"
    assert (await publish(small, day=date(2026, 11, 22), **later))["state"] == "PUBLISHED"


async def test_a_run_beside_a_version_that_is_no_longer_in_force_does_not_count(small: City) -> None:
    other = await reach_shadow(small, version="2027-01", award=41)
    version = await reach_shadow(small)
    await publish(small, day=NOON.date(), **version)
    answer = await publish(small, day=TOMORROW, **other)
    assert answer["code"] == "NOT_SIMULATED"
    assert "已不是现行版本" in answer["message"]


async def test_unequal_shares_stop_publishing_until_somebody_else_signs_why(small: City) -> None:
    # Of ten times ten women four have an award, of as many men all: nobody's record is bad, the shares are not equal.
    await small.move_in(40)
    async with small.state.database.transaction() as connection:
        await connection.execute(update(subjects).values(sex="F"))
        await connection.execute(update(subjects).where(subjects.c.id > 1020).values(sex="M"))
        await connection.execute(
            text("DELETE FROM credit_records WHERE subject_id BETWEEN 1001 AND 1012")
        )  # rescue honours
    version = await reach_shadow(small)
    refused = await publish(small, **version)
    assert refused["code"] == "DISPARITY_UNSIGNED"
    assert "A 及以上 · 性别" in refused["message"]
    body = await small.ask(mutation("signDisparity"), {"input": version | {"reason": "太短"}}, by="reviewer")
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    signed = await do(small, "signDisparity", by="reviewer", reason=REASON, **version)
    assert (signed["state"], signed["steps"][-1]["act"]) == ("SHADOW", "sign-disparity")
    assert (await publish(small, **version))["state"] == "PUBLISHED"


async def test_a_standard_service_that_would_say_something_bad_stops_publishing(small: City) -> None:
    # Besides «plain», without a record, and «poor», with one: two more with a record.
    await small.move_in(2)
    async with small.state.database.transaction() as connection:
        await connection.execute(
            update(credit_records).where(credit_records.c.subject_id > 1000).values(item="court-enforcement")
        )
    version = await reach_shadow(small)
    answer = await publish(small, **version)
    assert answer["code"] == "DENIABILITY"
    assert "不到一半" in answer["message"]


async def test_a_simulation_touches_no_score(small: City) -> None:
    before = await small.tally()
    await reach_shadow(small)
    after = await small.tally()
    changed = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    del changed["audit_chains"]
    assert changed == {"model_versions": 1, "model_steps": 4, "model_reports": 2, "audit_entries": 4}


async def test_too_many_for_a_request_are_sent_to_the_command_line(
    small: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    await submit(small)
    monkeypatch.setattr("api.governance.MOST_SUBJECTS", 1)
    answer = await do(small, "simulateScoreModel", by="operator", model="xiangxinfen", version="2026-12")
    assert answer["code"] == "TOO_MANY_SUBJECTS"
    assert "xinyi model simulate" in answer["message"]
