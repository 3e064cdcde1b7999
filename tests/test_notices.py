"""Being told of newly available benefits: only good news, only whom it pleases, and once. One thing to know: each test
lets the background look do its work, and nothing else is called when something changes."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from factories import NOON, City, offer_id
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, update

from api.ids import public_id
from api.notices import look_once
from core.integrity import sealed
from partners.notices import tell
from partners.tables import benefit_news, benefit_watches, catalogue_state, notices, offers
from partners.triggers import FLICKER, Seen, news_of
from scoring.scores import refresh_scores
from scoring.tables import credit_records

SWITCH = """mutation ($input: SetBenefitNoticesInput!) { setBenefitNotices(input: $input) {
  ... on BenefitNotices { on since } ... on Problem { code } } }"""
READ = """mutation ($input: MarkNoticesReadInput!) { markNoticesRead(input: $input) {
  ... on NoticesRead { marked } ... on Problem { code } } }"""
INBOX = """query ($first: Int, $after: String) { me { benefitNotices { on since }
  notices(first: $first, after: $after) { unread pageInfo { endCursor hasNextPage }
    edges { node { id kind text offer { id } partner { name } readAt } } } } }"""


async def inbox(city: City, person: str, **given: Any) -> dict[str, Any]:
    return dict((await city.ask(INBOX, given, by=person))["data"]["me"]["notices"])


async def told(city: City, person: str) -> list[str]:
    """The offers that the person was told of, newest first."""
    return [edge["node"]["offer"]["id"] for edge in (await inbox(city, person))["edges"]]


async def give_honour(city: City, subject_id: int, record_id: str = "new") -> None:
    """A record that lifts somebody to the highest grade, with the scores that come of it."""
    values = {"subject_id": subject_id, "id": record_id, "item": "rescue-honour", "source": "测试"}
    async with city.state.database.transaction() as connection:
        row = sealed(connection, credit_records, values | {"occurred_on": date(2026, 10, 1)})
        await connection.execute(insert(credit_records).values(row))
        models = city.state.rulebook.models_for("hunan-shaoyang", "person", city.now.date())
        await refresh_scores(connection, subject_id=subject_id, models=models, now=city.now)


async def set_offer(city: City, name: str, status: str) -> None:
    number = offer_id(name)
    keys = {offer_id(one): key for key, one in enumerate(("museum", "tower", "garden"), 1)}
    await city.write(
        update(offers).where(offers.c.id == keys[number]).values(status=status),
        update(catalogue_state).values(version=catalogue_state.c.version + 1),
    )


async def test_a_better_standing_is_told_once_for_each_new_benefit(city: City) -> None:
    assert await city.do(SWITCH, by="plain", on=True) == {"on": True, "since": "2026-11-20T04:00:00+00:00"}
    assert await look_once(city.state) == 0
    city.wait(minutes=5)
    await give_honour(city, 2)
    assert await look_once(city.state) == 4
    page = await inbox(city, "plain")
    assert page["unread"] == 4
    assert {edge["node"]["offer"]["id"] for edge in page["edges"]} == {
        offer_id(one) for one in ("museum", "tower", "garden", "clinic")
    }
    node = page["edges"][0]["node"]
    assert (node["kind"], node["readAt"]) == ("new-benefit", None)
    assert "测试优惠" in node["text"]
    assert "分" not in node["text"], "no score"
    for _ in range(3):
        city.wait(minutes=20)
        assert await look_once(city.state) == 0
    assert len(await told(city, "plain")) == 4


async def test_what_is_available_already_when_it_is_switched_on_is_no_news(city: City) -> None:
    await city.do(SWITCH, by="good", on=True)
    city.wait(days=1)
    assert [row for row in await city.rows(notices) if row.offer_id != 5] == []
    await look_once(city.state)
    assert await told(city, "good") == [offer_id("later")], "the one that opened meanwhile"


async def test_who_has_not_switched_it_on_is_told_nothing(city: City) -> None:
    await give_honour(city, 2)
    assert await look_once(city.state) == 0
    await city.do(SWITCH, by="plain", on=True)
    assert await city.do(SWITCH, by="plain", on=False) == {"on": False, "since": None}
    await set_offer(city, "museum", "closed")
    await set_offer(city, "museum", "approved")
    city.wait(days=30)
    assert await look_once(city.state) == 0
    assert await city.rows(notices) == []


async def test_a_minor_is_never_told(city: City) -> None:
    await city.do(SWITCH, by="minor", on=True)
    city.wait(days=1)
    assert await look_once(city.state) == 0
    assert await city.rows(benefit_news) == []


async def test_what_goes_away_is_not_told_and_a_flicker_is_not_news(city: City) -> None:
    await city.do(SWITCH, by="good", on=True)
    await set_offer(city, "museum", "closed")
    assert await look_once(city.state) == 0
    assert await told(city, "good") == []
    city.wait(days=6)
    await set_offer(city, "museum", "approved")
    await look_once(city.state)
    assert await told(city, "good") == [offer_id("later")], "six days away is a flicker"
    await set_offer(city, "museum", "closed")
    await look_once(city.state)
    city.wait(days=7)
    await set_offer(city, "museum", "approved")
    assert await look_once(city.state) == 1
    assert await told(city, "good") == [offer_id("museum"), offer_id("later")]


async def test_a_new_offer_is_told_to_all_who_wish_it_and_may_have_it(city: City) -> None:
    await set_offer(city, "museum", "closed")
    for person in ("good", "plain", "poor"):
        await city.do(SWITCH, by=person, on=True)
    await set_offer(city, "museum", "approved")
    assert await look_once(city.state) == 1
    assert await told(city, "good") == [offer_id("museum")]
    assert await told(city, "plain") == await told(city, "poor") == []


async def test_processes_that_look_at_once_tell_once(city: City) -> None:
    await city.do(SWITCH, by="plain", on=True)
    city.wait(minutes=5)
    await give_honour(city, 2)
    await asyncio.gather(*(look_once(city.state) for _ in range(4)))
    assert len(await told(city, "plain")) == 4


async def test_a_look_is_taken_up_where_a_killed_process_left_it(city: City) -> None:
    from test_cases_crashes import Killed, killed_at

    await city.do(SWITCH, by="plain", on=True)
    city.wait(minutes=5)
    await give_honour(city, 2)
    number = 0
    while True:
        number += 1
        with killed_at(number, after=bool(number % 2)) as seen:
            try:
                await look_once(city.state)
            except Killed:
                rows = await city.rows(notices)
                assert len(rows) in (0, 4), "all of one subject or nothing"
        if seen[0] < number:
            break
    assert len(await told(city, "plain")) == 4


async def test_a_change_timed_just_before_a_look_and_committed_after_it_is_seen(city: City) -> None:
    await city.do(SWITCH, by="plain", on=True)
    city.wait(minutes=10)
    began = city.now
    city.wait(seconds=30)
    await look_once(city.state)
    city.now = began  # a transaction that began before the look ends after it
    await give_honour(city, 2)
    city.wait(minutes=1)
    assert await look_once(city.state) == 4


async def test_notices_are_read_by_their_own_subject_alone(city: City) -> None:
    async with city.state.database.transaction() as connection:
        for subject_id, text in ((1, "一"), (1, "二"), (1, "三"), (2, "别人的")):
            await tell(connection, subject_id=subject_id, kind="test", text=text, now=city.now)
    page = await inbox(city, "good", first=2)
    rest = await inbox(city, "good", after=page["pageInfo"]["endCursor"])
    assert [edge["node"]["text"] for edge in page["edges"] + rest["edges"]] == ["三", "二", "一"]
    others = (await inbox(city, "plain"))["edges"][0]["node"]["id"]
    newest = page["edges"][0]["node"]["id"]
    assert await city.do(READ, by="good", ids=[newest, others, public_id("Notice", UUID(int=7))]) == {"marked": 1}
    assert (await inbox(city, "good"))["unread"] == 2
    assert (await inbox(city, "plain"))["unread"] == 1
    assert await city.do(READ, by="good") == {"marked": 2}
    assert await city.do(READ, by="good") == {"marked": 0}


async def test_switching_twice_changes_nothing(city: City) -> None:
    first = await city.do(SWITCH, by="good", on=True)
    city.wait(hours=1)
    assert await city.do(SWITCH, by="good", on=True) == first
    assert len(await city.rows(benefit_watches)) == 1


@given(
    before=st.dictionaries(st.integers(1, 9), st.one_of(st.none(), st.integers(0, 20)), max_size=9),
    available=st.sets(st.integers(1, 9)),
)
def test_news_is_what_is_available_and_was_not_for_a_week(before: dict[int, int | None], available: set[int]) -> None:
    now = NOON
    seen = {key: Seen(None if days is None else now - timedelta(days=days)) for key, days in before.items()}
    found = news_of(seen, available, now=now)
    away = {key for key, days in before.items() if days is not None}
    assert set(found.come) == {
        key for key in available if key not in before or ((before[key] or 0) >= FLICKER.days and key in away)
    }
    assert set(found.back) == (available & away) - set(found.come)
    assert set(found.gone) == before.keys() - away - available
    assert not set(found.come) & set(found.back)
