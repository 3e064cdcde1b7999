"""Acting for another by a mandate. One thing to know: the holder signs in to an account of the mandate's own, and the
one who is represented reads of all that is done there."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
from factories import ISSUE, City, resident_id
from sqlalchemy import insert

from api.ids import public_id
from core.audit import audit_entries
from partners.tables import access_events, accounts, mandates
from scoring.subjects import SubjectKind, subject_row
from scoring.tables import subjects

FIELDS = "id represented kind holder endsOn inForce revokedAt grantedBy"
GRANT = f"""mutation ($input: GrantMandateInput!) {{ grantMandate(input: $input) {{ __typename
  ... on Mandate {{ {FIELDS} }} ... on Problem {{ code message }} }} }}"""
REVOKE = f"""mutation ($input: RevokeMandateInput!) {{ revokeMandate(input: $input) {{ __typename
  ... on Mandate {{ {FIELDS} }} ... on Problem {{ code message }} }} }}"""
OPEN = """mutation ($input: OpenMandateInput!) { openMandate(input: $input) { __typename
  ... on OpenedMandate { token expiresAt } ... on Problem { code message } } }"""
ME = "{ me { id displayName scores { points } mandates { holder kind inForce } } }"
EVENTS = "{ me { accessLog { edges { node { reader action purpose outcome } } } } }"
FAMILY = {"kind": "FAMILY", "holder": "plain", "evidence": "亲笔委托书", "endsOn": "2027-11-20"}
GUARDIAN = {"kind": "GUARDIAN", "holder": "plain", "evidence": "户口簿", "endsOn": "2027-11-20"}
AGENT = {"kind": "AGENT", "holder": "plain", "evidence": "授权委托书", "endsOn": "2027-05-01"}
MINOR, FIRM = public_id("CreditSubject", 4), public_id("CreditSubject", 8)


async def granted(city: City, given: dict[str, Any] = FAMILY, *, by: str = "good", **more: Any) -> dict[str, Any]:
    return await city.do(GRANT, by=by, **given | more)


async def opened(city: City, mandate: str, *, by: str = "plain") -> str:
    answer = await city.do(OPEN, by=by, mandateId=mandate)
    return str(answer.get("token", answer.get("code")))


async def ask_with(city: City, token: str, query: str, **given: Any) -> dict[str, Any]:
    body = {"query": query, "variables": {"input": given} if given else None}
    response = await city.client.post("/graphql", json=body, headers={"authorization": f"Bearer {token}"})
    return dict(response.json())


def code_of(body: dict[str, Any]) -> str:
    return str(body["errors"][0]["extensions"]["code"])


async def test_a_family_member_sees_and_does_what_the_person_could_and_the_person_reads_of_it(city: City) -> None:
    mandate = await granted(city)
    assert (mandate["represented"], mandate["holder"], mandate["inForce"]) == ("测*", "plain", True)
    token = await opened(city, mandate["id"])
    told = (await ask_with(city, token, ME))["data"]["me"]
    assert told["id"] == public_id("CreditSubject", 1)
    assert told["mandates"] == [{"holder": "plain", "kind": "FAMILY", "inForce": True}]
    code = (await ask_with(city, token, ISSUE, offerId=None))["data"]["issueCreditCode"]["token"]
    assert (await city.verify(code))["outcome"] == "BENEFIT_APPLIES"
    edges = (await city.ask(EVENTS, by="good"))["data"]["me"]["accessLog"]["edges"]
    assert [edge["node"]["action"] for edge in edges] == ["verifyCreditCode", "issueCreditCode", "openMandate"]
    assert all("受托的家人" in edge["node"]["reader"] and "plain" in edge["node"]["reader"] for edge in edges[1:])
    held = (await city.ask("{ mandatesHeld { represented kind inForce } }", by="plain"))["data"]["mandatesHeld"]
    assert held == [{"represented": "测*", "kind": "FAMILY", "inForce": True}]


async def test_what_is_done_under_a_mandate_is_audited_under_its_account(city: City) -> None:
    mandate = await granted(city, by="stranger")
    token = await opened(city, mandate["id"])
    enroll = "mutation ($input: EnrollInput!) { enroll(input: $input) { __typename } }"
    notice = city.state.rulebook.notice.version
    assert "errors" not in await ask_with(city, token, enroll, noticeVersion=notice)
    (entry,) = [row for row in await city.rows(audit_entries) if row.action == "enroll"]
    (row,) = await city.rows(mandates)
    assert (entry.subject_id, entry.actor) == (5, row.account)


@pytest.mark.parametrize("by", ["good", "plain", "reviewer"])
async def test_ending_a_mandate_holds_at_the_next_request(city: City, by: str) -> None:
    mandate = await granted(city)
    token = await opened(city, mandate["id"])
    assert "data" in await ask_with(city, token, ME)
    ended = await city.do(REVOKE, by=by, mandateId=mandate["id"])
    assert ended["inForce"] is False
    assert code_of(await ask_with(city, token, ME)) == "UNAUTHENTICATED"
    assert code_of(await ask_with(city, token, ISSUE, offerId=None)) == "UNAUTHENTICATED"
    assert await opened(city, mandate["id"]) == "MANDATE_ENDED"
    assert await city.do(REVOKE, by=by, mandateId=mandate["id"]) == ended, "again changes nothing"
    assert (await granted(city))["__typename"] == "Mandate", "and may be granted anew"


async def test_a_mandate_is_nobody_elses_business(city: City) -> None:
    mandate = await granted(city)
    never = public_id("Mandate", "00000000-0000-4000-8000-000000000000")  # type: ignore[arg-type]
    for query in (REVOKE, OPEN):
        found = await city.do(query, by="poor", mandateId=mandate["id"])
        assert found == await city.do(query, by="poor", mandateId=never)
        assert found["code"] == "UNKNOWN_MANDATE"
    assert await opened(city, mandate["id"], by="good") == "UNKNOWN_MANDATE", "nor does the represented hold it"


async def test_a_holder_can_neither_grant_on_nor_open_another_ones_nor_revoke_it(city: City) -> None:
    first = await granted(city)
    other = await granted(city, holder="poor")
    token = await opened(city, first["id"])
    assert code_of(await ask_with(city, token, GRANT, **FAMILY | {"holder": "stranger"})) == "FORBIDDEN"
    for query in (OPEN, REVOKE):
        (answer,) = (await ask_with(city, token, query, mandateId=other["id"]))["data"].values()
        assert answer["code"] == "UNKNOWN_MANDATE"
    (answer,) = (await ask_with(city, token, REVOKE, mandateId=first["id"]))["data"].values()
    assert answer["inForce"] is False, "but may lay down its own"


@pytest.mark.parametrize(
    ("by", "given", "code"),
    [
        ("good", FAMILY | {"endsOn": "2026-11-20"}, "MANDATE_REFUSED"),
        ("good", FAMILY | {"endsOn": "2027-11-21"}, "MANDATE_REFUSED"),
        ("good", FAMILY | {"holder": "good"}, "MANDATE_REFUSED"),
        ("good", FAMILY | {"holder": "nobody"}, "MANDATE_REFUSED"),
        ("good", FAMILY | {"holder": "minor"}, "MANDATE_REFUSED"),
        ("good", FAMILY | {"holder": "scenic"}, "MANDATE_REFUSED"),
        ("good", FAMILY | {"holder": "operator"}, "MANDATE_REFUSED"),
        ("good", FAMILY | {"holder": "firm"}, "MANDATE_REFUSED"),
        ("good", GUARDIAN, "MANDATE_REFUSED"),
        ("good", AGENT, "MANDATE_REFUSED"),
        ("minor", FAMILY, "MANDATE_REFUSED"),
        ("firm", FAMILY, "MANDATE_REFUSED"),
        ("good", FAMILY | {"subjectId": FIRM}, "FORBIDDEN"),
        ("operator", GUARDIAN | {"subjectId": MINOR}, "FORBIDDEN"),
        ("operator", GUARDIAN, "BAD_USER_INPUT"),
        ("reviewer", FAMILY | {"subjectId": MINOR}, "MANDATE_REFUSED"),
    ],
)
async def test_a_mandate_that_cannot_be_is_refused_and_writes_nothing(
    city: City, by: str, given: dict[str, Any], code: str
) -> None:
    before = await city.tally()
    body = await city.ask(GRANT, {"input": given}, by=by)
    assert (code_of(body) if "errors" in body else body["data"]["grantMandate"]["code"]) == code
    assert await city.tally() == before


async def test_a_guardian_acts_for_a_child_until_the_eighteenth_birthday_and_no_longer(city: City) -> None:
    assert (await granted(city, GUARDIAN, by="reviewer", subjectId=MINOR))["kind"] == "GUARDIAN"
    city.now = city.now.replace(year=2027, month=12, day=1)
    late = await granted(city, GUARDIAN | {"endsOn": "2028-05-06"}, by="reviewer", subjectId=MINOR)
    assert "2028-05-05" in late["message"]
    mandate = await granted(city, GUARDIAN | {"endsOn": "2028-05-05"}, by="reviewer", subjectId=MINOR)
    city.now = city.now.replace(year=2028, month=5, day=4, hour=15, minute=59)  # 23:59 in Shanghai
    answer = await city.do(OPEN, by="plain", mandateId=mandate["id"])
    assert answer["expiresAt"] == "2028-05-05T00:00:00+08:00"
    assert (await ask_with(city, answer["token"], ME))["data"]["me"]["scores"] == []
    city.wait(minutes=1)
    assert code_of(await ask_with(city, answer["token"], ME)) == "UNAUTHENTICATED"
    assert await opened(city, mandate["id"]) == "MANDATE_ENDED"
    assert len((await city.ask(ME, by="minor"))["data"]["me"]["scores"]) == 1


@pytest.mark.parametrize("by", ["firm", "operator"])
async def test_a_company_is_represented_by_an_agent_with_its_own_sign_in(city: City, by: str) -> None:
    mandate = await granted(city, AGENT, by=by, **({} if by == "firm" else {"subjectId": FIRM}))
    assert mandate["represented"] == "测试企业"
    told = (await ask_with(city, await opened(city, mandate["id"]), ME))["data"]["me"]
    assert told["id"] == FIRM
    readings = [row for row in await city.rows(access_events) if row.action == "grantMandate"]
    assert len(readings) == (by == "operator")


async def test_the_death_of_either_ends_a_mandate(city: City) -> None:
    end = "mutation ($input: EndSubjectInput!) { endSubject(input: $input) { __typename } }"
    by_good, by_plain = await granted(city), await granted(city, by="plain", holder="poor")
    tokens = [await opened(city, by_good["id"]), await opened(city, by_plain["id"], by="poor")]
    dead = {"subjectId": public_id("CreditSubject", 2), "endReason": "DECEASED", "endedOn": "2026-11-19"}
    await city.do(end, by="operator", **dead, reason="死亡证明")
    for token in tokens:
        assert code_of(await ask_with(city, token, ME)) == "UNAUTHENTICATED"
    assert all(row.revoked_at == city.now for row in await city.rows(mandates))


async def test_using_and_ending_a_mandate_at_once_leaves_none_in_use(city: City) -> None:
    mandate = await granted(city)
    token = await opened(city, mandate["id"])
    await asyncio.gather(
        *(ask_with(city, token, ISSUE, offerId=None) for _ in range(5)),
        city.do(REVOKE, by="good", mandateId=mandate["id"]),
        *(city.do(OPEN, by="plain", mandateId=mandate["id"]) for _ in range(5)),
        city.do(REVOKE, by="reviewer", mandateId=mandate["id"]),
    )
    assert code_of(await ask_with(city, token, ISSUE, offerId=None)) == "UNAUTHENTICATED"
    (row,) = await city.rows(mandates)
    (account,) = [one for one in await city.rows(accounts) if one.basis == "mandate"]
    assert (row.revoked_at, account.ended_at) == (city.now, city.now)
    assert len([one for one in await city.rows(audit_entries) if one.action == "revokeMandate"]) == 1


async def test_granting_the_same_twice_at_once_gives_one(city: City) -> None:
    found = await asyncio.gather(*(granted(city) for _ in range(5)))
    assert sorted(one.get("code", one["__typename"]) for one in found) == ["MANDATE_EXISTS"] * 4 + ["Mandate"]


async def test_neither_a_mandates_account_nor_somebody_who_has_died_can_hold_a_mandate(city: City) -> None:
    await granted(city)
    (row,) = await city.rows(mandates)
    assert (await granted(city, by="poor", holder=row.account))["code"] == "MANDATE_REFUSED"
    gone = subject_row(
        city.keys,
        kind=SubjectKind.PERSON,
        place="hunan-shaoyang",
        name="测人",
        number=resident_id(date(1960, 1, 1), 9),
    )
    await city.write(insert(subjects).values(id=90, ended_on=city.now.date() - timedelta(days=1), **gone))
    await city.write(insert(accounts).values(id="citizen-90", role="citizen", subject_id=90))
    assert (await granted(city, holder="citizen-90"))["code"] == "MANDATE_REFUSED"
