"""A process that dies at any statement of opening, deciding or repairing. One thing to know: whatever it had done is
gone, and the same request again does all of it, once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from unittest.mock import patch

import pytest
from case_steps import APPLY, CASES, DECIDE, OBJECT, give_record, make_provider
from factories import City
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from core.audit import audit_entries
from partners.tables import access_events, security_events
from scoring.cases.tables import case_files, case_steps, cases, record_receivers
from scoring.tables import credit_records, outbox, record_versions, score_inputs, scores

WATCHED = (
    cases, case_steps, case_files, credit_records, record_versions, scores, score_inputs, outbox, audit_entries,
    access_events, security_events,
)  # fmt: skip


class Killed(Exception):
    """The process is gone."""


@contextmanager
def killed_at(number: int, *, after: bool = False) -> Iterator[list[int]]:
    """Die before, or just after, that many statements; the list's one entry counts them."""
    seen, execute = [0], AsyncConnection.execute

    async def dying(self: AsyncConnection, *given: Any, **more: Any) -> Any:
        seen[0] += 1
        if seen[0] == number and not after:
            raise Killed
        result = await execute(self, *given, **more)
        if seen[0] == number and after:
            raise Killed
        return result

    with patch.object(AsyncConnection, "execute", dying):
        yield seen


async def post(city: City, query: str, by: str, given: dict[str, Any]) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {city.token(by)}"}
    response = await city.client.post("/graphql", json={"query": query, "variables": {"input": given}}, headers=headers)
    body: dict[str, Any] = response.json()
    return body


async def snapshot(city: City) -> dict[str, list[Any]]:
    """All that is stored where a case leaves something."""
    return {table.name: sorted(map(repr, await city.rows(table))) for table in WATCHED}


async def prepare(city: City, *, opened: str | None) -> dict[str, Any]:
    """A penalty that somebody else was given; with `opened`, a case about it."""
    await make_provider(city)
    await give_record(city, "good", "penalty", "administrative-penalty", date(2026, 6, 1))
    told = {"subject_id": 1, "record_id": "penalty", "receiver": "bank-platform", "at": city.now}
    await city.write(insert(record_receivers).values(told))
    objection = {"recordId": "penalty", "ground": "WRONG", "statement": "不是我"}
    repair = {"recordId": "penalty", "way": "put-right", "statement": "已改正"}
    if opened is None:
        return objection
    query, given = (OBJECT, objection) if opened == "objection" else (APPLY, repair)
    return {"caseId": (await city.do(query, by="good", **given))["id"], "reason": "已核实"}


async def dies_everywhere(city: City, act: Callable[[], Awaitable[dict[str, Any]]]) -> None:
    """Kill the act at each of its statements: nothing stays."""
    before = await snapshot(city)
    number = 0
    while True:
        number += 1
        for after in (False, True):
            with killed_at(number, after=after) as seen:
                body = await act()
            if seen[0] < number:
                assert "errors" not in body, "it went through at last"
                assert number > 10, "there was something to die at"
                return
            assert body["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
            assert await snapshot(city) == before, (number, after)


def added(before: dict[str, list[Any]], after: dict[str, list[Any]]) -> dict[str, int]:
    return {name: len(after[name]) - len(before[name]) for name in before if len(after[name]) != len(before[name])}


async def test_an_objection_killed_at_any_statement_leaves_nothing_and_is_opened_once(city: City) -> None:
    given = await prepare(city, opened=None)
    before = await snapshot(city)
    await dies_everywhere(city, lambda: post(city, OBJECT, "good", given))
    done = await snapshot(city)
    counted = added(before, done)
    assert {name: counted[name] for name in ("cases", "case_steps", "record_versions", "outbox")} == {
        "cases": 1,
        "case_steps": 1,
        "record_versions": 2,
        "outbox": 1,
    }
    again = await post(city, OBJECT, "good", given)
    assert again["data"]["openObjection"]["code"] == "ALREADY_OPEN"
    (one,) = (await city.ask(CASES, by="good"))["data"]["me"]["cases"]["edges"]
    assert one["node"]["id"] in again["data"]["openObjection"]["message"], "it names the case"
    assert await snapshot(city) == done


@pytest.mark.parametrize("opened", ["objection", "repair"])
async def test_a_decision_killed_at_any_statement_leaves_nothing_and_is_made_once(city: City, opened: str) -> None:
    given = await prepare(city, opened=opened)
    if opened == "objection":
        correction = {"fields": [{"field": "decided-on", "value": "2020-06-01"}]}
        given |= {"outcome": "UPHELD", "correction": correction}
    else:
        given |= {"outcome": "GRANTED"}
    before = await snapshot(city)
    await dies_everywhere(city, lambda: post(city, DECIDE, "reviewer", given))
    done = await snapshot(city)
    counted = added(before, done)
    assert {name: counted[name] for name in ("case_steps", "outbox", "access_events")} == {
        "case_steps": 1,
        "outbox": 1,
        "access_events": 1,
    }
    again = await post(city, DECIDE, "reviewer", given)
    assert again["data"]["decideCase"]["code"] == "WRONG_STATE"
    assert await snapshot(city) == done
