"""Alarms: who sees them, what is done about them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from factories import City

from api.ids import public_id
from core.identifiers import new_id
from partners.alarms import raise_alarm
from partners.tables import alarm_steps

ALARMS = """query ($state: AlarmState, $kinds: [String!], $first: Int, $after: String) { alarms(
  state: $state, kinds: $kinds, first: $first, after: $after) {
  edges { node { id kind partnerId detail state actions { state actor remark } } }
  pageInfo { hasNextPage endCursor } } }"""
HANDLE = """mutation ($input: HandleAlarmInput!) { handleAlarm(input: $input) { __typename
  ... on Alarm { state actions { state actor remark } } ... on Problem { code message } } }"""


async def raised(city: City, *kinds: str) -> list[str]:
    """Alarms, oldest first: their public ids."""
    found = []
    for kind in kinds:
        async with city.state.database.transaction() as connection:
            key = await raise_alarm(connection, kind=kind, detail={"kid": "k"}, now=city.now, partner_id=1)
        found.append(public_id("Alarm", key))
    return found


async def listed(city: City, **given: Any) -> list[dict[str, Any]]:
    body = await city.ask(ALARMS, given, by=given.pop("by", "auditor"))
    return [edge["node"] for edge in body["data"]["alarms"]["edges"]]


async def test_alarms_are_listed_newest_first_by_kind_and_state_a_page_at_a_time(city: City) -> None:
    first, second, third = await raised(city, "STOLEN_KEY", "SIGN_IN_LOCKED", "STOLEN_KEY")
    assert [one["id"] for one in await listed(city)] == [third, second, first]
    assert [one["id"] for one in await listed(city, kinds=["STOLEN_KEY"])] == [third, first]
    await city.do(HANDLE, by="operator", alarmId=first, state="SEEN", reason="正在核实")
    assert [one["id"] for one in await listed(city, state="OPEN")] == [third, second]
    assert [one["id"] for one in await listed(city, state="SEEN")] == [first]
    page = (await city.ask(ALARMS, {"first": 2}, by="reviewer"))["data"]["alarms"]
    assert page["pageInfo"]["hasNextPage"]
    rest = (await city.ask(ALARMS, {"after": page["pageInfo"]["endCursor"]}, by="operator"))["data"]["alarms"]
    assert [edge["node"]["id"] for edge in rest["edges"]] == [first]
    [node] = [edge["node"] for edge in rest["edges"]]
    assert (node["partnerId"], node["detail"]) == (public_id("Partner", 1), '{"kid":"k"}')


async def test_an_alarm_goes_onward_alone_with_who_and_why(city: City) -> None:
    [alarm] = await raised(city, "STOLEN_KEY")
    await city.do(HANDLE, by="operator", alarmId=alarm, state="SEEN", reason="正在核实")
    done = await city.do(HANDLE, by="reviewer", alarmId=alarm, state="CLOSED", reason="已更换密钥")
    assert done["actions"] == [
        {"state": "SEEN", "actor": "operator", "remark": "正在核实"},
        {"state": "CLOSED", "actor": "reviewer", "remark": "已更换密钥"},
    ]
    for state in ("SEEN", "CLOSED"):
        again = await city.do(HANDLE, by="operator", alarmId=alarm, state=state, reason="x")
        assert again["code"] == "ALARM_HANDLED"
    never = public_id("Alarm", new_id())
    assert (await city.do(HANDLE, by="operator", alarmId=never, state="SEEN", reason="x"))["code"] == "UNKNOWN_ALARM"


async def test_two_who_close_at_once_write_one_step(city: City) -> None:
    [alarm] = await raised(city, "STOLEN_KEY")
    done = await asyncio.gather(
        *(city.do(HANDLE, by=by, alarmId=alarm, state="CLOSED", reason="已处理") for by in ("operator", "reviewer"))
    )
    assert sorted(one["__typename"] for one in done) == ["Alarm", "Problem"]
    assert len(await city.rows(alarm_steps)) == 1


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("by", ["auditor", "representative", "scenic", "good"])
async def test_an_alarm_is_handled_by_staff_alone(city: City, by: str) -> None:
    [alarm] = await raised(city, "STOLEN_KEY")
    given = {"alarmId": alarm, "state": "CLOSED", "reason": "x"}
    body = await city.ask(HANDLE, {"input": given}, by=by)
    assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert await city.rows(alarm_steps) == []
