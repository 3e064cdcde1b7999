"""How a score came to be what it is: made again from what was known, day by day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from factories import NOON, City
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, update
from test_whatif import MODELS, facts_of, records_of

from core.clock import day_of
from core.integrity import sealed
from core.places import load_places
from scoring.history import Timeline, changes_between, recompute
from scoring.inputs import Inputs, Result, Snapshot, inputs_row, read_snapshots, result_on
from scoring.model import Model
from scoring.models import load_models
from scoring.scores import refresh_scores
from scoring.tables import credit_records, score_inputs

FOUND = load_models(load_places())
START = datetime(2023, 6, 1, 4, tzinfo=UTC)
HISTORY = """query ($first: Int, $after: String, $from: Date, $until: Date) { me { scores { model { id }
  history(first: $first, after: $after, from: $from, until: $until) { pageInfo { hasNextPage endCursor }
    edges { node { fromDay untilDay points grade { code } modelVersion origin changes } } } } } }"""
DIFFERENCE = """query ($from: Date!, $to: Date!) { me { scores { model { id } difference(from: $from, to: $to) {
  points fromPoints toPoints fromGrade { code } toGrade { code } changes } } } }"""


@st.composite
def lives(draw: st.DrawFn) -> tuple[Model, list[Snapshot]]:
    """A model, and up to four times at which something else became known."""
    model = draw(st.sampled_from(MODELS))
    days = sorted(draw(st.lists(st.integers(0, 500), min_size=1, max_size=4)))
    return model, [
        Snapshot(START + timedelta(days=day), Inputs(draw(records_of(model, "r")), draw(facts_of(model))))
        for day in days
    ]


def plainly(snapshots: list[Snapshot], model_id: str, day: date) -> Result | None:
    """The result of a day, looked up without any cleverness."""
    known = [snapshot.inputs for snapshot in snapshots if day_of(snapshot.at) <= day]
    versions = [model for model in MODELS if model.id == model_id and model.is_in_force(day)]
    return result_on(versions[-1], known[-1], on=day) if known and versions else None


def shown(result: Result) -> tuple[Any, ...]:
    score = result.score
    return (getattr(score, "points", None), getattr(score, "grade", None), getattr(score, "lines", None))


@settings(max_examples=60, deadline=None)
@given(life=lives())
def test_the_entries_tell_the_result_of_every_day_and_no_two_neighbours_are_the_same(
    life: tuple[Model, list[Snapshot]],
) -> None:
    model, snapshots = life
    since, until = date(2023, 5, 1), date(2025, 2, 1)
    entries = Timeline(snapshots, FOUND, model.id).newest_first(since=since, until=until, most=10_000)
    told = {
        date.fromordinal(day): shown(entry.result)
        for entry in entries
        for day in range(entry.from_on.toordinal(), entry.until_on.toordinal())
    }
    days = [since + timedelta(days=day) for day in range((until - since).days)]
    expected = {day: shown(result) for day in days if (result := plainly(snapshots, model.id, day)) is not None}
    assert told == expected
    assert entries == sorted(entries, key=lambda entry: entry.from_on, reverse=True)
    for newer, older in pairwise(entries):
        assert older.until_on <= newer.from_on
        assert older.until_on < newer.from_on or shown(older.result) != shown(newer.result) or _told(older, newer)


def _told(older: Any, newer: Any) -> bool:
    return bool(changes_between(older.result, newer.result)) or older.result.score.model != newer.result.score.model


@settings(max_examples=60, deadline=None)
@given(life=lives(), most=st.integers(1, 7))
def test_pages_put_together_are_the_whole(life: tuple[Model, list[Snapshot]], most: int) -> None:
    model, snapshots = life
    timeline = Timeline(snapshots, FOUND, model.id)
    since, until = date(2023, 11, 1), date(2024, 2, 1)
    whole = timeline.newest_first(since=since, until=until, most=10_000)
    pages: list[Any] = []
    while page := timeline.newest_first(since=since, until=until, most=most + 1):
        pages += page[:most]
        until = page[:most][-1].from_on
        if len(page) <= most:
            break
    assert [(entry.from_on, shown(entry.result)) for entry in pages] == [
        (entry.from_on, shown(entry.result)) for entry in whole
    ]


@settings(max_examples=100, deadline=None)
@given(life=lives())
def test_a_snapshot_that_is_read_back_is_the_one_that_was_written(life: tuple[Model, list[Snapshot]]) -> None:
    import json
    from types import SimpleNamespace

    from scoring.inputs import _inputs

    for snapshot in life[1]:
        row = json.loads(json.dumps(inputs_row(1, snapshot.inputs, now=snapshot.at), default=str))
        assert _inputs(SimpleNamespace(**row)) == snapshot.inputs


async def refresh(city: City, person: int, model: str = "xiangxinfen") -> None:
    async with city.state.database.transaction() as connection:
        models = [city.state.rulebook.models.get(model)]
        await refresh_scores(connection, subject_id=person, models=models, now=city.now)


async def happens(city: City, person: int, **values: Any) -> None:
    """A record arrives, and the scores are made again in its transaction."""
    async with city.state.database.transaction() as connection:
        given_ = {"source": "测试", "subject_id": person, "serious_consequence": False}
        await connection.execute(insert(credit_records).values(sealed(connection, credit_records, given_ | values)))
        models = [city.state.rulebook.models.get("xiangxinfen")]
        await refresh_scores(connection, subject_id=person, models=models, now=city.now)


async def history(city: City, by: str = "plain", **given_: Any) -> Any:
    body = await city.ask(HISTORY, given_, by=by)
    assert "errors" not in body, body
    return next(one["history"] for one in body["data"]["me"]["scores"] if one["model"]["id"] == "xiangxinfen")


async def test_what_happened_is_told_newest_first_with_what_changed(city: City) -> None:
    await refresh(city, 2)
    city.wait(days=10)
    await happens(city, 2, id="a", item="rescue-honour", occurred_on=date(2026, 11, 28))
    city.wait(days=10)
    await happens(city, 2, id="b", item="administrative-penalty", occurred_on=date(2026, 12, 9))
    city.wait(days=5)
    found = [edge["node"] for edge in (await history(city))["edges"]]
    assert [(one["fromDay"], one["untilDay"], float(one["points"]), one["grade"]["code"]) for one in found] == [
        ("2026-12-10", None, 630.0, "B"),
        ("2026-11-30", "2026-12-10", 660.0, "A"),
        ("2026-11-20", "2026-11-30", 600.0, "B"),
    ]
    assert found[0]["changes"] == ["新计入「近三年的行政处罚」,少了 30 分。", "等级由A 级变为B 级。"]
    assert found[1]["changes"] == ["新计入「见义勇为表彰」,多了 60 分。", "等级由B 级变为A 级。"]
    assert found[2]["changes"] == []
    assert {(one["modelVersion"], one["origin"]) for one in found} == {("2025-03", "COMPUTED")}


async def test_pages_and_ranges_of_the_history(city: City) -> None:
    await refresh(city, 2)
    for day in range(5):
        city.wait(days=10)
        await happens(city, 2, id=f"k{day}", item="commitment-kept", occurred_on=day_of(city.now))
    whole = [edge["node"]["fromDay"] for edge in (await history(city))["edges"]]
    assert len(whole) == 6
    seen, after = [], None
    while True:
        page = await history(city, first=2, after=after)
        seen += [edge["node"]["fromDay"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == whole
    part = await history(city, **{"from": "2026-12-05", "until": "2026-12-15"})
    nodes = [edge["node"] for edge in part["edges"]]
    assert [(one["fromDay"], one["untilDay"]) for one in nodes] == [
        ("2026-12-10", "2026-12-15"),
        ("2026-12-05", "2026-12-10"),
    ]
    assert nodes[1]["changes"] == [], "it had begun before"
    for wrong in ({"after": "x"}, {"first": 0}, {"first": 101}, {"from": "2026-12-05", "until": "2026-12-05"}):
        body = await city.ask(HISTORY, wrong, by="plain")
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_the_difference_between_two_days(city: City) -> None:
    await refresh(city, 2)
    city.wait(days=10)
    await happens(city, 2, id="a", item="rescue-honour", occurred_on=date(2026, 11, 28))

    async def between(begin: str, end: str) -> Any:
        return await city.ask(DIFFERENCE, {"from": begin, "to": end}, by="plain")

    found = (await between("2026-11-29", "2026-11-30"))["data"]["me"]["scores"][0]["difference"]
    assert (float(found["points"]), found["fromGrade"]["code"], found["toGrade"]["code"]) == (60, "B", "A")
    assert found["changes"] == ["新计入「见义勇为表彰」,多了 60 分。", "等级由B 级变为A 级。"]
    assert (await between("2026-11-19", "2026-11-30"))["data"]["me"]["scores"][0]["difference"] is None
    for begin, end in (("2026-11-30", "2026-11-29"), ("2026-11-30", "2026-12-01")):
        assert (await between(begin, end))["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_one_request_cannot_ask_for_a_long_days_work(city: City) -> None:
    def asking(times: int) -> str:
        fields = " ".join(f"a{n}: history(first: 1) {{ pageInfo {{ hasNextPage }} }}" for n in range(times))
        return f"{{ me {{ scores {{ {fields} }} }} }}"

    assert "errors" not in await city.ask(asking(50), by="good")
    body = await city.ask(asking(51), by="good")
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_past_result_is_made_again_as_it_was_whatever_has_been_changed_since(city: City) -> None:
    await happens(city, 2, id="a", item="rescue-honour", occurred_on=date(2026, 11, 1))
    then = city.now
    city.wait(days=3)
    await city.write(update(credit_records).where(credit_records.c.id == "a").values(removed_on=date(2026, 11, 1)))
    await refresh(city, 2)
    async with city.state.database.reading() as connection:
        models = city.state.rulebook.models
        made = [
            await recompute(connection, subject_id=2, model_id="xiangxinfen", models=models, at=at)
            for at in (then - timedelta(seconds=1), then, city.now - timedelta(seconds=1), city.now)
        ]
    assert [None if one is None else one.score.points for one in made] == [None, 66000, 66000, 60000]  # type: ignore[union-attr]


async def test_only_what_differs_is_noted(city: City) -> None:
    for _ in range(3):
        await refresh(city, 1)
        await refresh(city, 8, "hunan-comprehensive")
        city.wait(days=1)
    assert sorted(row.subject_id for row in await city.rows(score_inputs)) == [1, 8]
    async with city.state.database.reading() as connection:
        (snapshot,) = await read_snapshots(connection, 8)
    assert snapshot.at == NOON
    assert snapshot.inputs.facts == {
        "public": "96.00",
        "industries": [{"industry": "retail", "score": "97.5", "weight": "1"}],
    }


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_history_begins_with_enrolment_which_makes_the_scores_at_once(city: City) -> None:
    from scoring.tables import scores

    answer = await city.do(
        """mutation ($input: EnrollInput!) { enroll(input: $input) { __typename } }""",
        by="stranger",
        noticeVersion="2026-11-22",
    )
    assert answer["__typename"] == "Enrollment"
    assert {(row.subject_id, row.evaluated_at) for row in await city.rows(scores)} == {(5, NOON)}
    assert len((await history(city, by="stranger"))["edges"]) == 1
