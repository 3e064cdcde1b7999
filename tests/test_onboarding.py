"""The way into the alliance. One thing to know: the table of moves is tried whole, each move by each role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from factories import City
from joining import (
    ADD_DOCUMENT,
    APPLY,
    MOVE,
    SUBMIT,
    WAY,
    KeyPair,
    add_paper,
    application,
    applied,
    ask_with,
    brought_to,
    client_of,
    do_with,
    move,
    open_town,
    paper,
    sign_in,
    some_uscc,
    take,
    token_of,
)
from sqlalchemy import select, update

from api.ids import public_id
from core.errors import Forbidden, FourEyes
from partners.accounts import Role
from partners.onboarding.documents import DocumentKind
from partners.onboarding.tables import partner_keys, partner_steps
from partners.onboarding.workflow import MOVES, EvidenceMissing, Status, StepNotAllowed
from partners.registry import register_partner
from partners.tables import accounts, catalogue_state, partners

MINE = """{ membership { partnerId name uscc contact status nextStep dueOn overdue
  steps { status remark evidence } documents { id kind title } keys { id use kid live } } }"""
QUEUE = """query ($statuses: [PartnerStatus!], $first: Int, $after: String) { partnerQueue(
  statuses: $statuses, first: $first, after: $after) { edges { node { partnerId name status dueOn overdue
  steps { status actor remark evidence } } } pageInfo { hasNextPage endCursor } } }"""
DOCUMENT = "query ($id: ID!) { partnerDocument(id: $id) { content document { title sha256 } } }"


@pytest.fixture
async def town(city_url: str, keys_file: Path, tmp_path: Path) -> AsyncIterator[City]:
    """A small city that keeps files."""
    async with open_town(city_url, keys_file, tmp_path) as opened:
        yield opened


async def standing(city: City, partner_id: int) -> str:
    [row] = [row for row in await city.rows(partners) if row.id == partner_id]
    return str(row.status)


async def test_an_applicant_signs_in_hands_in_papers_and_submits(town: City) -> None:
    key = KeyPair()
    done = await do_with(town, None, APPLY, **application(key))
    assert (done["__typename"], done["status"], done["kid"]) == ("PartnerApplication", "DRAFT", key.public.kid)
    token = await token_of(town, key, done["partnerId"])
    early = await do_with(town, token, SUBMIT)
    assert early["code"] == "EVIDENCE_MISSING"
    added = await do_with(town, token, ADD_DOCUMENT, **paper())
    assert (added["kind"], added["mediaType"]) == ("LICENCE", "application/pdf")
    done_ = await do_with(town, token, SUBMIT)
    assert (done_["status"], done_["dueOn"]) == ("SUBMITTED", "2026-12-04")
    mine = (await ask_with(town, token, MINE))["data"]["membership"]
    assert [step["status"] for step in mine["steps"]] == ["DRAFT", "SUBMITTED"]
    assert added["sha256"] in mine["steps"][1]["evidence"]
    assert (mine["name"], mine["contact"], mine["keys"][0]["live"]) == ("测试古镇", "前台 0739-000", True)
    read = (await ask_with(town, token, DOCUMENT, {"id": added["id"]}))["data"]["partnerDocument"]
    assert read["content"] == paper()["content"]


async def test_an_applicant_may_do_nothing_else(town: City) -> None:
    key = KeyPair()
    done = await do_with(town, None, APPLY, **application(key))
    token = await token_of(town, key, done["partnerId"])
    for query in ("{ partner { id } }", "{ partnerQueue { edges { cursor } } }", "{ alarms { edges { cursor } } }"):
        body = await ask_with(town, token, query)
        assert [error["extensions"]["code"] for error in body["errors"]] == ["FORBIDDEN"], query


@pytest.mark.parametrize(
    "wrong",
    [
        {"uscc": "91430502MA7YK0011M"}, {"place": "nowhere"}, {"publicKey": "{}"}, {"publicKey": "[" * 1500},
        {"name": ""}, {"sector": "x" * 21}, {"publicKey": "null"},
    ],
)  # fmt: skip
async def test_an_application_that_cannot_be_is_refused_and_not_kept(town: City, wrong: dict[str, str]) -> None:
    before = await town.tally()
    body = await ask_with(town, None, APPLY, {"input": application(KeyPair()) | wrong})
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert await town.tally() == before


async def test_an_organisation_that_has_joined_or_is_applying_is_there_once(town: City) -> None:
    first = application(KeyPair())
    assert (await do_with(town, None, APPLY, **first))["__typename"] == "PartnerApplication"
    for again in ({"uscc": first["uscc"]}, {"uscc": first["uscc"].lower()}, {"uscc": "91430502MA7YK0011L"}):
        before = await town.tally()
        assert (await do_with(town, None, APPLY, **application(KeyPair(), **again)))["code"] == "PARTNER_EXISTS"
        assert await town.tally() == before


async def test_two_applications_at_once_make_one_partner(town: City) -> None:
    number = some_uscc()
    given = [application(KeyPair(), uscc=number) for _ in range(2)]
    done = await asyncio.gather(*(do_with(town, None, APPLY, **one) for one in given))
    assert sorted(one["__typename"] for one in done) == ["PartnerApplication", "Problem"]


async def test_a_draft_nobody_went_on_with_makes_room_and_shows_nothing_of_the_former(town: City) -> None:
    former, key = KeyPair(), KeyPair()
    first = application(former)
    done = await do_with(town, None, APPLY, **first)
    await do_with(town, await token_of(town, former, done["partnerId"]), ADD_DOCUMENT, **paper())
    town.wait(days=29)
    taken = await do_with(town, None, APPLY, **application(key, uscc=first["uscc"]))
    assert taken["code"] == "PARTNER_EXISTS"
    town.wait(days=1)
    anew = await do_with(town, None, APPLY, **application(key, uscc=first["uscc"], name="测试新名"))
    assert anew["partnerId"] == done["partnerId"]
    refused = await sign_in(town, former, done["partnerId"])
    assert (refused.status_code, refused.json()["xinyi_code"]) == (401, "KEY_ENDED")
    mine = (await ask_with(town, await token_of(town, key, done["partnerId"]), MINE))["data"]["membership"]
    assert (mine["name"], mine["documents"], len(mine["steps"]), len(mine["keys"])) == ("测试新名", [], 1, 1)
    assert (await do_with(town, await token_of(town, key, done["partnerId"]), SUBMIT))["code"] == "EVIDENCE_MISSING"


async def test_applications_are_counted_by_address(town: City) -> None:
    town.state.settings = town.settings.model_copy(update={"environment": "production"})
    answers = [await do_with(town, None, APPLY, **application(KeyPair())) for _ in range(11)]
    assert [one.get("code") for one in answers] == [None] * 10 + ["THROTTLED"]


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("step", range(len(WAY)), ids=[str(step) for step, _ in WAY])
async def test_each_step_is_taken_by_the_right_role_and_by_no_other(city: City, step: int) -> None:
    to, by = WAY[step]
    before = list(Status)[list(Status).index(to) - 1]
    row = await brought_to(city, before, KeyPair())
    contract = await add_paper(city, row.partner_id, DocumentKind.CONTRACT, actor="operator")
    allowed = MOVES[before, to].by
    tally = await city.tally()
    for role in set(Role) - allowed:
        with pytest.raises(Forbidden):
            await take(city, row, to, by="somebody", role=role, contract=contract)
    assert await city.tally() == tally
    await take(city, row, to, by=by, contract=contract)
    assert await standing(city, row.partner_id) == to
    last = max(
        (one for one in await city.rows(partner_steps) if one.partner_id == row.partner_id), key=lambda s: s.step
    )
    assert (last.status, last.actor) == (to, row.account if by == "account" else by)


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_no_other_move_leads_anywhere(city: City) -> None:
    row = await brought_to(city, Status.DRAFT, KeyPair())
    for before in Status:
        await city.write(update(partners).where(partners.c.id == row.partner_id).values(status=before.value))
        for after in Status:
            if (before, after) not in MOVES:
                with pytest.raises(StepNotAllowed):
                    await move(city, row.partner_id, after, by="operator", reason="x")


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("to", "by", "role"),
    [
        (Status.CONTRACTED, "operator", Role.REVIEWER),
        (Status.CERTIFIED, "operator", Role.REVIEWER),
        (Status.LIVE, "reviewer", Role.OPERATOR),
    ],
)
async def test_nobody_looks_over_his_own_step(city: City, to: Status, by: str, role: Role) -> None:
    # One account has one role; the rule holds by itself all the same.
    row = await brought_to(city, list(Status)[list(Status).index(to) - 1], KeyPair())
    with pytest.raises(FourEyes):
        await take(city, row, to, by=by, role=role, contract="x")


async def test_whoever_submits_for_a_partner_does_not_qualify_it_and_whoever_sent_it_back_may(city: City) -> None:
    row = await brought_to(city, Status.DRAFT, KeyPair())
    await move(city, row.partner_id, Status.SUBMITTED, by="operator")
    with pytest.raises(FourEyes):
        await move(city, row.partner_id, Status.QUALIFIED, by="operator")
    with pytest.raises(EvidenceMissing):
        await move(city, row.partner_id, Status.DRAFT, by="operator-2")
    await move(city, row.partner_id, Status.DRAFT, by="operator-2", reason="缺少授权书")
    await move(city, row.partner_id, Status.SUBMITTED, by=row.account, role=Role.APPLICANT)
    await move(city, row.partner_id, Status.QUALIFIED, by="operator-2")
    assert await standing(city, row.partner_id) == "QUALIFIED"


async def test_who_suspended_does_not_resume(city: City) -> None:
    row = await brought_to(city, Status.LIVE, KeyPair())
    await move(city, row.partner_id, Status.SUSPENDED, by="operator", reason="核查")
    with pytest.raises(FourEyes):
        await move(city, row.partner_id, Status.LIVE, by="operator", reason="查清")
    await move(city, row.partner_id, Status.LIVE, by="reviewer", reason="查清")


@pytest.mark.parametrize(
    ("before", "to", "by"),
    [
        (Status.DRAFT, Status.SUBMITTED, "operator"),
        (Status.QUALIFIED, Status.CONTRACTED, "reviewer"),
        (Status.SANDBOX, Status.CERTIFIED, "reviewer"),
    ],
)
async def test_a_step_without_what_it_rests_on_is_refused(city: City, before: Status, to: Status, by: str) -> None:
    row = await applied(city, KeyPair()) if before is Status.DRAFT else await brought_to(city, before, KeyPair())
    tally = await city.tally()
    with pytest.raises(EvidenceMissing):
        await move(city, row.partner_id, to, by=by)
    assert await city.tally() == tally


async def test_two_who_qualify_at_once_take_one_step(city: City) -> None:
    row = await brought_to(city, Status.SUBMITTED, KeyPair())
    done = await asyncio.gather(
        *(move(city, row.partner_id, Status.QUALIFIED, by=by) for by in ("operator", "operator-2")),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in done) == ["NoneType", "StepNotAllowed"]
    steps = [one for one in await city.rows(partner_steps) if one.partner_id == row.partner_id]
    assert [one.status for one in steps] == ["DRAFT", "SUBMITTED", "QUALIFIED"]


async def test_being_qualified_makes_the_applicant_a_representative_and_its_name_count(city: City) -> None:
    row = await brought_to(city, Status.SUBMITTED, KeyPair())
    await move(city, row.partner_id, Status.QUALIFIED, by="operator")
    [account] = [one for one in await city.rows(accounts) if one.id == row.account]
    assert (account.role, account.ended_at) == ("representative", row.expires_at)


async def test_a_strangers_application_does_not_make_everybody_read_the_catalogue_again(city: City) -> None:
    before = await city.rows(catalogue_state)
    row = await brought_to(city, Status.SUBMITTED, KeyPair())
    assert await city.rows(catalogue_state) == before
    await move(city, row.partner_id, Status.QUALIFIED, by="operator")
    assert await city.rows(catalogue_state) != before


async def test_suspending_closes_counters_and_offers_at_once_and_resuming_opens_them(city: City) -> None:
    city.wait(minutes=1)
    code = await city.code("good")
    done = await city.do(MOVE, by="operator", partnerId=public_id("Partner", 1), to="SUSPENDED", reason="核查")
    assert done["status"] == "SUSPENDED"
    asked = {"requestId": "r", "code": code, "offerId": public_id("Offer", 1)}
    query = "mutation ($input: VerifyCreditCodeInput!) { verifyCreditCode(input: $input) { __typename } }"
    body = await city.ask(query, {"input": asked}, by="scenic")
    assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    offers = (await city.ask('{ offers(kind: "tourism") { edges { node { id } } } }'))["data"]["offers"]["edges"]
    assert offers == []
    mine = (await city.ask(MINE, by="representative"))["data"]["membership"]
    assert (mine["status"], mine["steps"][-1]["remark"]) == ("SUSPENDED", "核查"), "the desk stays open to read why"
    city.wait(minutes=5)
    done = await city.do(MOVE, by="reviewer", partnerId=public_id("Partner", 1), to="LIVE", reason="查清")
    assert done["status"] == "LIVE"
    assert (await city.verify(await city.code("good")))["outcome"] == "BENEFIT_APPLIES"
    [ended] = [one for one in await city.rows(accounts) if one.id == "ended"]
    assert ended.ended_at is not None, "what had ended before stays so"


async def test_what_was_reserved_is_still_redeemed_after_a_partner_has_left(city: City) -> None:
    answer = await city.verify(await city.code("good"), "tower")
    left = {"partnerId": public_id("Partner", 1), "to": "OFFBOARDED", "reason": "合同到期"}
    assert (await city.do(MOVE, by="operator", **left))["status"] == "OFFBOARDED"
    assert (await city.redeem(answer["id"]))["__typename"] == "Redemption"
    refused = await city.verify(await city.code("good"))
    assert refused["code"] == "OFFER_CLOSED"
    city.wait(days=31)
    body = await city.ask("{ partner { id } }", by="scenic")
    assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_partner_that_left_may_apply_anew_once_its_business_is_wound_up(town: City) -> None:
    left = {"partnerId": public_id("Partner", 1), "to": "OFFBOARDED", "reason": "合同到期"}
    await town.do(MOVE, by="operator", **left)
    again = {"uscc": "91430502MA7YK0011L", "name": "测试冒名"}
    assert (await do_with(town, None, APPLY, **application(KeyPair(), **again)))["code"] == "PARTNER_EXISTS"
    town.wait(days=31)
    key = KeyPair()
    done = await do_with(town, None, APPLY, **application(key, **again))
    assert done["partnerId"] == public_id("Partner", 1)
    [row] = [one for one in await town.rows(partners) if one.id == 1]
    assert (row.name, row.status) == ("测试scenic", "DRAFT"), "an unproved name is not the partner's"
    mine = (await ask_with(town, await token_of(town, key, done["partnerId"]), MINE))["data"]["membership"]
    assert (mine["name"], len(mine["steps"])) == ("测试冒名", 1)


async def test_the_queue_shows_what_waits_with_its_term_actors_and_evidence(city: City) -> None:
    first, second = [await brought_to(city, Status.SUBMITTED, KeyPair()) for _ in range(2)]
    await brought_to(city, Status.QUALIFIED, KeyPair())
    page = (await city.ask(QUEUE, {"statuses": ["SUBMITTED"], "first": 1}, by="auditor"))["data"]["partnerQueue"]
    [edge] = page["edges"]
    assert (edge["node"]["partnerId"], edge["node"]["dueOn"]) == (client_of(first), "2026-12-04")
    assert [step["actor"] for step in edge["node"]["steps"]] == [first.account] * 2
    assert page["pageInfo"]["hasNextPage"]
    city.wait(days=15)
    given = {"statuses": ["SUBMITTED"], "after": page["pageInfo"]["endCursor"]}
    [edge] = (await city.ask(QUEUE, given, by="operator"))["data"]["partnerQueue"]["edges"]
    assert (edge["node"]["partnerId"], edge["node"]["overdue"]) == (client_of(second), True)


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"content": "M"}, "BAD_USER_INPUT"),
        ({"content": "TVo="}, "EVIDENCE_TYPE"),
        ({"title": "x.png"}, "EVIDENCE_TYPE"),
        ({"content": "A" * 933_336}, "DOCUMENT_TOO_LARGE"),
    ],
)
async def test_a_paper_that_is_none_is_refused_and_not_kept(town: City, wrong: dict[str, Any], code: str) -> None:
    before = await town.tally()
    body = await town.ask(ADD_DOCUMENT, {"input": paper(**wrong)}, by="representative")
    found = body["errors"][0]["extensions"]["code"] if "errors" in body else body["data"]["addPartnerDocument"]["code"]
    assert found == code
    assert await town.tally() == before


async def test_a_paper_is_read_by_its_partner_and_by_staff_and_by_no_other(town: City) -> None:
    added = await town.do(ADD_DOCUMENT, by="representative", **paper())
    key = KeyPair()
    done = await do_with(town, None, APPLY, **application(key))
    stranger = await token_of(town, key, done["partnerId"])
    for by in ("representative", "operator", "reviewer", "auditor"):
        assert (await town.ask(DOCUMENT, {"id": added["id"]}, by=by))["data"]["partnerDocument"]["content"]
    assert (await ask_with(town, stranger, DOCUMENT, {"id": added["id"]}))["data"] == {"partnerDocument": None}


async def test_in_production_an_operators_registration_is_a_draft_that_others_look_at(city: City) -> None:
    async with city.state.database.transaction() as connection:
        partner = await register_partner(
            connection,
            actor="operator",
            place="hunan-shaoyang",
            sector="park",
            name="测试公园",
            uscc=some_uscc(),
            rulebook=city.state.rulebook,
            now=city.now,
            is_demo=False,
        )
        held = await connection.scalar(select(accounts.c.id).where(accounts.c.partner_id == partner.id))
    assert (partner.status, held) == ("DRAFT", None)
    await add_paper(city, partner.id, DocumentKind.LICENCE, actor="operator")
    await move(city, partner.id, Status.SUBMITTED, by="operator-2")
    for by in ("operator", "operator-2"):
        with pytest.raises(FourEyes):
            await move(city, partner.id, Status.QUALIFIED, by=by)
    assert await city.rows(partner_keys) == []
