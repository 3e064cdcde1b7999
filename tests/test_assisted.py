"""Service at a window. One thing to know: a clerk reaches nothing about anybody without an open session, and the
citizen reads of each on the access log."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest
from factories import ISSUE, PEOPLE, City, resident_id
from sqlalchemy import update

from core.audit import audit_entries
from partners.tables import accounts, security_events
from scoring.tables import subjects

OPEN = """mutation ($input: OpenAssistedSessionInput!) { openAssistedSession(input: $input) { __typename
  ... on AssistedSession { token expiresAt } ... on Problem { code message } } }"""
END = """mutation ($input: EndAssistedSessionInput!) { endAssistedSession(input: $input) { __typename
  ... on EndedSession { ended } ... on Problem { code message } } }"""
ME = "{ me { displayName enrolled scores { points } } }"
EVENTS = "{ me { accessLog { edges { node { reader action purpose site at } } } } }"
GOOD = resident_id(PEOPLE["good"]["birth"], 1)
SHOWN = {
    "scheme": "RESIDENT_ID",
    "number": GOOD,
    "documentSeen": True,
    "site": "政务中心 3 号窗",
    "purpose": "代查信用分",
}


async def opened(city: City, *, by: str = "clerk", **given: Any) -> dict[str, Any]:
    return await city.do(OPEN, by=by, **SHOWN | given)


async def ask_with(city: City, token: str, query: str, **given: Any) -> dict[str, Any]:
    body = {"query": query, "variables": {"input": given} if given else None}
    response = await city.client.post("/graphql", json=body, headers={"authorization": f"Bearer {token}"})
    return {name: told for name, told in response.json().items() if name != "extensions"}


def code_of(body: dict[str, Any]) -> str:
    return str(body["errors"][0]["extensions"]["code"])


async def test_a_clerk_acts_for_the_citizen_who_reads_who_where_and_what_for(city: City) -> None:
    session = await opened(city)
    assert session["expiresAt"] == "2026-11-20T04:15:00+00:00"
    told = await ask_with(city, session["token"], ME)
    assert told == await city.ask(ME, by="good"), "what the citizen sees, and no more"
    code = (await ask_with(city, session["token"], ISSUE, offerId=None))["data"]["issueCreditCode"]["token"]
    assert (await city.verify(code))["outcome"] == "BENEFIT_APPLIES"
    edges = [edge["node"] for edge in (await city.ask(EVENTS, by="good"))["data"]["me"]["accessLog"]["edges"]]
    assert [edge["action"] for edge in edges] == ["verifyCreditCode", "issueCreditCode", "openAssistedSession"]
    assert (edges[2]["site"], edges[2]["purpose"]) == ("政务中心 3 号窗", "代查信用分")
    assert all("服务窗口人员" in edge["reader"] and "clerk" in edge["reader"] for edge in edges[1:])


async def test_what_is_done_in_a_session_is_audited_under_its_account(city: City) -> None:
    session = await opened(city, number=resident_id(PEOPLE["stranger"]["birth"], 5))
    enroll = "mutation ($input: EnrollInput!) { enroll(input: $input) { __typename } }"
    await ask_with(city, session["token"], enroll, noticeVersion=city.state.rulebook.notice.version)
    (account,) = [row for row in await city.rows(accounts) if row.basis == "assisted"]
    actors = {row.action: row.actor for row in await city.rows(audit_entries) if row.subject_id == 5}
    assert actors == {"openAssistedSession": "clerk", "enroll": account.id}
    assert account.held_by == "clerk"


async def test_a_session_ends_after_a_quarter_of_an_hour_or_when_the_clerk_says_so(city: City) -> None:
    session = await opened(city)
    city.wait(minutes=14, seconds=59)
    assert "data" in await ask_with(city, session["token"], ME)
    city.wait(seconds=1)
    assert code_of(await ask_with(city, session["token"], ME)) == "UNAUTHENTICATED"
    session = await opened(city)
    assert (await city.do(END, by="clerk"))["ended"] == 1
    assert code_of(await ask_with(city, session["token"], ME)) == "UNAUTHENTICATED"
    assert (await city.do(END, by="clerk"))["ended"] == 0


async def test_a_clerk_has_one_session_at_a_time_also_when_asking_twice_at_once(city: City) -> None:
    found = await asyncio.gather(*(opened(city) for _ in range(5)))
    assert sorted(one.get("code", "") for one in found) == ["", *["ASSISTED_SESSION_OPEN"] * 4]
    assert len([row for row in await city.rows(accounts) if row.basis == "assisted"]) == 1


@pytest.mark.parametrize("query", [ME, "{ mandatesHeld { id } }", "{ partner { id } }"])
async def test_without_a_session_a_clerk_reaches_nobody(city: City, query: str) -> None:
    assert code_of(await city.ask(query, by="clerk")) == "FORBIDDEN"
    assert code_of(await city.ask(OPEN, {"input": SHOWN}, by="good")) == "FORBIDDEN"


async def test_no_mandate_is_granted_in_a_session(city: City) -> None:
    token = (await opened(city))["token"]
    grant = "mutation ($input: GrantMandateInput!) { grantMandate(input: $input) { __typename } }"
    given = {"kind": "FAMILY", "holder": "plain", "evidence": "委托书", "endsOn": "2027-01-01"}
    assert code_of(await ask_with(city, token, grant, **given)) == "FORBIDDEN"


async def test_wrong_numbers_are_counted_and_limited_for_this_clerk_and_hour_alone(city: City) -> None:
    nobody = resident_id(date(1970, 1, 1), 999)
    for _ in range(19):
        assert (await opened(city, number=nobody))["code"] == "UNKNOWN_SUBJECT"
    body = await city.ask(OPEN, {"input": SHOWN | {"number": "430502199003010019"}}, by="clerk")
    assert code_of(body) == "BAD_USER_INPUT"
    assert (await opened(city))["code"] == "TOO_MANY_MISSES"
    events = await city.rows(security_events)
    assert {(row.kind, row.detail["clerk"]) for row in events} == {("ASSISTED_NOT_FOUND", "clerk")}
    assert nobody not in repr(events)
    city.wait(hours=1)
    assert (await opened(city))["__typename"] == "AssistedSession"


async def test_a_document_not_seen_and_a_person_who_has_died_open_nothing(city: City) -> None:
    body = await city.ask(OPEN, {"input": SHOWN | {"documentSeen": False}}, by="clerk")
    assert code_of(body) == "BAD_USER_INPUT"
    await city.write(
        update(subjects).where(subjects.c.id == 1).values(ended_on=date(2026, 11, 1), end_reason="deceased")
    )
    assert (await opened(city))["code"] == "ALREADY_ENDED"
    firm = {"scheme": "USCC", "number": "91430502MA7YK0003R"}
    assert code_of(await city.ask(OPEN, {"input": SHOWN | firm}, by="clerk")) == "BAD_USER_INPUT"
    assert not [row for row in await city.rows(accounts) if row.basis == "assisted"]
