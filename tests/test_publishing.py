"""Operators' work: a partner joins, an offer is submitted, judged, approved by somebody else, opens, closes."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from factories import VERIFY, City, offer_id, open_city
from sqlalchemy import insert, select, text
from stdnum.cn import uscc

from api.ids import key_of, public_id
from core.audit import audit_entries
from legal.guard import SOURCES
from partners.accounts import Role
from partners.catalogue import bump_catalogue
from partners.tables import accounts, baselines, catalogue_state, offer_steps, offers, partners, quotas

REGISTER = """mutation ($input: RegisterPartnerInput!) { registerPartner(input: $input) { __typename
  ... on Partner { id name offers { edges { node { id } } } } ... on Problem { code message } } }"""
SUBMIT = """mutation ($input: SubmitOfferInput!) { submitOffer(input: $input) { __typename
  ... on Offer { id status title partner { id } kind { code } }
  ... on Problem { code message refusals { rule message source } } } }"""
APPROVE = """mutation ($input: ApproveOfferInput!) { approveOffer(input: $input) { __typename
  ... on Offer { id status } ... on Problem { code message refusals { rule message source } } } }"""
OFFERS = "{ offers(first: 100) { edges { node { id } } } }"
PARK = "91430502MA7YK0045" + str(uscc.calc_check_digit("91430502MA7YK0045"))
TABLES = (offers, baselines, quotas, offer_steps, partners, accounts, catalogue_state, audit_entries)


@pytest.fixture
async def city(city: City) -> City:
    """Both stores; new rows are numbered after those that the small city numbered itself."""
    if not city.state.database.is_sqlite:
        async with city.state.database.transaction() as connection:
            for table in ("offers", "partners"):
                last = f"SELECT max(id) FROM {table}"
                await connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), ({last}))"))
    return city


@pytest.fixture
async def small(sqlite_template: Path, tmp_path: Path, keys_file: Path) -> AsyncIterator[City]:
    """SQLite alone, for what is refused before the store matters."""
    shutil.copy(sqlite_template, tmp_path / "small.db")
    async with open_city(database_url=f"sqlite+aiosqlite:///{tmp_path}/small.db", keys_file=keys_file) as opened:
        yield opened


def draft(**changes: Any) -> dict[str, Any]:
    """A lawful offer of the scenic spot; `baseline` changes its standard service."""
    standard = {"sourceTitle": "景区服务公示", "inForceFrom": "2024-01-01", "priceFen": 5000}
    return {
        "partnerId": public_id("Partner", 1),
        "kind": "tourism",
        "model": "xiangxinfen",
        "threshold": "A",
        "title": "守信游客赠册",
        "standardService": "按公示票价购票,先到先入",
        "benefit": "赠送导览手册一份",
        "effects": ["gift"],
        "opensOn": "2026-11-20",
        "baseline": standard | changes.pop("baseline", {}),
    } | changes


async def submit(city: City, *, by: str = "operator", **changes: Any) -> dict[str, Any]:
    return await city.do(SUBMIT, by=by, **draft(**changes))


async def approve(city: City, offer: str, *, by: str = "reviewer") -> dict[str, Any]:
    return await city.do(APPROVE, by=by, offerId=offer)


async def opened(city: City, **changes: Any) -> str:
    """The id of an offer submitted by one and approved by another."""
    offer = (await submit(city, **changes))["id"]
    assert (await approve(city, offer))["status"] == "approved"
    return str(offer)


async def open_offers(city: City) -> list[str]:
    return [edge["node"]["id"] for edge in (await city.ask(OFFERS))["data"]["offers"]["edges"]]


async def everything(city: City) -> list[Any]:
    return [await city.rows(table) for table in TABLES]


async def mistake(city: City, query: str, asked: dict[str, Any], *, by: str = "operator") -> str:
    """The message of a client's mistake, which leaves nothing behind."""
    before = await everything(city)
    body = await city.ask(query, {"input": asked}, by=by)
    assert body["data"] is None
    (error,) = body["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert await everything(city) == before
    return str(error["message"])


async def register(city: City, *, by: str = "operator", **changes: Any) -> dict[str, Any]:
    asked = {"place": "hunan-shaoyang", "sector": "park", "name": "测试公园", "uscc": PARK} | changes
    return await city.do(REGISTER, by=by, **asked)


async def test_a_partner_that_joins_is_there_at_once_and_its_account_verifies(city: City) -> None:
    joined = await register(city, uscc=f" {PARK.lower()} ")
    assert (joined["__typename"], joined["name"], joined["offers"]["edges"]) == ("Partner", "测试公园", [])
    key = key_of(joined["id"], "Partner")
    (row,) = [row for row in await city.rows(partners) if row.id == key]
    assert (row.place, row.sector, row.uscc) == ("hunan-shaoyang", "park", PARK)
    (account,) = [row for row in await city.rows(accounts) if row.partner_id == key]
    offer = await opened(city, partnerId=joined["id"])
    headers = {"authorization": f"Bearer {city.token(account.id, role=Role(account.role))}"}
    asked = {"requestId": "1", "code": await city.code("good"), "offerId": offer}
    response = await city.client.post(
        "/graphql", json={"query": VERIFY, "variables": {"input": asked}}, headers=headers
    )
    assert response.json()["data"]["verifyCreditCode"]["outcome"] == "BENEFIT_APPLIES"
    assert (await city.log("good"))[0]["partner"] == {"name": "测试公园"}


async def test_a_partner_joins_once(city: City) -> None:
    await register(city)
    before = await everything(city)
    for spelling in (PARK, PARK.lower(), f" {PARK}", "91430502MA7YK0011L"):
        assert (await register(city, uscc=spelling, name="另一个名字"))["code"] == "PARTNER_EXISTS"
    assert await everything(city) == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"uscc": "91430502MA7YK0011A"}, "统一社会信用代码不正确"),
        ({"uscc": ""}, "统一社会信用代码不正确"),
        ({"uscc": "\x00"}, "统一社会信用代码不正确"),
        ({"uscc": "9" * 10_000}, "统一社会信用代码不正确"),
        ({"place": "atlantis"}, "不服务"),
        ({"place": ""}, "不服务"),
        ({"place": "../hebei"}, "不服务"),
        ({"name": ""}, "name 须为"),
        ({"name": "\x00"}, "name 须为"),
        ({"name": "名" * 101}, "name 须为"),
        ({"sector": ""}, "sector 须为"),
        ({"sector": "x" * 21}, "sector 须为"),
    ],
)
async def test_a_partner_that_cannot_be_is_refused_and_not_kept(
    small: City, changes: dict[str, str], said: str
) -> None:
    asked = {"place": "hunan-shaoyang", "sector": "park", "name": "测试公园", "uscc": PARK} | changes
    assert said in await mistake(small, REGISTER, asked)


async def test_an_offer_opens_when_somebody_else_has_approved_it(city: City) -> None:
    submitted = await submit(city)
    assert (submitted["status"], submitted["title"], submitted["kind"]) == (
        "submitted",
        "守信游客赠册",
        {"code": "tourism"},
    )
    offer = submitted["id"]
    assert offer not in await open_offers(city)
    assert (await city.verify(await city.code("good"), by="scenic", offerId=offer))["code"] == "OFFER_CLOSED"
    assert (await approve(city, offer)) == {"__typename": "Offer", "id": offer, "status": "approved"}
    assert offer in await open_offers(city)
    assert (await city.verify(await city.code("good"), by="scenic", offerId=offer))["benefit"] == "赠送导览手册一份"
    key = key_of(offer, "Offer")
    steps = [(row.step, row.status, row.actor) for row in await city.rows(offer_steps) if row.offer_id == key]
    assert steps == [(1, "submitted", "operator"), (2, "approved", "reviewer")]
    assert [row.actor for row in await city.rows(audit_entries) if row.action == "offer"] == ["operator", "reviewer"]


async def test_nobody_approves_what_he_submitted(city: City) -> None:
    offer = (await submit(city))["id"]
    before = await everything(city)
    assert (await approve(city, offer, by="operator"))["code"] == "FOUR_EYES"
    assert await everything(city) == before
    assert (await approve(city, offer, by="operator-2"))["status"] == "approved"


async def test_an_offer_is_approved_once(city: City) -> None:
    offer = await opened(city)
    before = await everything(city)
    unknown = public_id("Offer", 987_654_321)
    answers = [await approve(city, one, by="operator-2") for one in (offer, unknown, offer_id("museum"))]
    assert [answer["code"] for answer in answers] == ["OFFER_NOT_SUBMITTED"] * 3
    assert len({answer["message"] for answer in answers}) == 1
    assert await everything(city) == before


UNLAWFUL: dict[str, tuple[str, dict[str, Any]]] = {
    "beyond the kind's list": ("L0", {"effects": ["publicity"]}),
    "without a source": ("L1", {"baseline": {"sourceTitle": " "}}),
    "a standard service that begins later": ("L1", {"baseline": {"inForceFrom": "2027-01-01"}}),
    "negative days": ("L1", {"baseline": {"days": -1}}),
    "a code for the standard service": ("L2", {"baseline": {"codeRequired": True}}),
    "a code in the words": ("L2", {"standardService": "须先出示信用码,再购票入园"}),
    "a grade that an empty record has": ("L3", {"threshold": "B"}),
    "another lane, the standard ones not promised": ("L4", {"effects": ["separate-lane"]}),
    "a protected service made cheaper": (
        "L0",
        {"kind": "medical", "partnerId": public_id("Partner", 2), "effects": ["fee-reduction"]},
    ),
    "a second threshold": ("L12", {"threshold": "A+"}),
    "a word that shames": ("L13", {"title": "失信人员不享受的赠册"}),
}


@pytest.mark.parametrize(("rule", "changes"), UNLAWFUL.values(), ids=UNLAWFUL)
async def test_an_unlawful_offer_is_refused_by_rule_and_source_and_leaves_nothing(
    small: City, rule: str, changes: dict[str, Any]
) -> None:
    before = await everything(small)
    answer = await submit(small, **dict(changes))
    assert (answer["__typename"], answer["code"]) == ("Problem", "OFFER_UNLAWFUL")
    named = {refusal["rule"]: refusal["source"] for refusal in answer["refusals"]}
    assert rule in named
    assert all(source.startswith("《") and "》" in source for source in named.values())
    assert set(named) <= set(SOURCES)
    assert all(f"[{refusal['rule']}] {refusal['message']}" in answer["message"] for refusal in answer["refusals"])
    assert await everything(small) == before
    assert (await submit(small))["status"] == "submitted", "its lawful look-alike passes"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"partnerId": public_id("Partner", 99)}, "没有这个合作机构"),
        ({"partnerId": public_id("Offer", 1)}, "Partner"),
        ({"kind": "atlantis"}, "没有 atlantis 这种优惠类型"),
        ({"kind": "\x00"}, "这种优惠类型"),
        ({"model": "atlantis"}, "没有名为 atlantis 的评价模型"),
        ({"model": "hebei-enterprise"}, "没有名为 hebei-enterprise 的评价模型"),
        ({"opensOn": "2020-01-01"}, "没有名为 xiangxinfen 的评价模型"),
        ({"threshold": "Z"}, "没有等级 Z"),
        ({"threshold": ""}, "没有等级"),
        ({"effects": []}, "选一项以上"),
        ({"effects": ["slower"]}, "不存在任何减损类效果"),
        ({"effects": ["gift", "deny"]}, "不存在任何减损类效果"),
        ({"payer": "those-outside"}, "费用承担方只能是"),
        ({"closesOn": "2026-11-20"}, "结束日必须晚于开始日"),
        ({"closesOn": "2026-11-19"}, "结束日必须晚于开始日"),
        ({"alsoOpenTo": ["atlantis"]}, "没有这些地方"),
        ({"quota": 0}, "须为正整数"),
        ({"quota": -1}, "须为正整数"),
        ({"limitPerPerson": 0}, "须为正整数"),
        ({"title": ""}, "title 须为"),
        ({"title": "\x00"}, "title 须为"),
        ({"title": "名" * 101}, "title 须为"),
        ({"benefit": ""}, "benefit 须为"),
        ({"standardService": "务" * 501}, "standardService 须为"),
        ({"baseline": {"queue": "x" * 21}}, "queue 须为"),
        ({"baseline": {"priceFen": 0}}, "金额以分为单位"),
        ({"baseline": {"depositFen": -1}}, "金额以分为单位"),
    ],
)
async def test_an_offer_that_names_what_does_not_exist_is_the_clients_mistake(
    small: City, changes: dict[str, Any], said: str
) -> None:
    if "baseline" in changes and ("priceFen" in changes["baseline"] or "depositFen" in changes["baseline"]):
        body = await small.ask(SUBMIT, {"input": draft(**dict(changes))}, by="operator")
        assert "data" not in body, "a wrong value is found before anything runs"
        assert said in body["errors"][0]["message"]
        return
    assert said in await mistake(small, SUBMIT, draft(**dict(changes)))


@pytest.mark.parametrize(
    "changes",
    [
        {"budget": "\x00"},
        {"baseline": {"sourceTitle": "公示\x00"}},
        {"baseline": {"sourceClause": "\x00"}},
        {"baseline": {"documents": ["\x00"]}},
        {"budget": "x" * 100_000},
        {"baseline": {"sourceTitle": "x" * 100_000}},
        {"baseline": {"documents": ["x"] * 10_000}},
        {"effects": ["gift"] * 10_000},
        {"alsoOpenTo": ["hebei"] * 10_000},
    ],
    ids=lambda changes: repr(changes)[:40],
)
async def test_every_text_of_an_offer_is_short_and_printable(small: City, changes: dict[str, Any]) -> None:
    assert await mistake(small, SUBMIT, draft(**dict(changes)))


@pytest.mark.parametrize(
    "changes", [{"budget": "a\x00"}, {"baseline": {"sourceTitle": "公示\x00"}}], ids=["budget", "title"]
)
async def test_a_text_that_cannot_be_stored_is_the_clients_mistake(city: City, changes: dict[str, Any]) -> None:
    assert await mistake(city, SUBMIT, draft(**dict(changes)))


async def make_worse(city: City, offer: str, on: date) -> None:
    """A higher price for everybody from that day on, entered past the interface."""
    async with city.state.database.transaction() as connection:
        key = key_of(offer, "Offer")
        row = dict((await connection.execute(select(baselines).where(baselines.c.offer_id == key))).one()._mapping)
        await connection.execute(insert(baselines).values(row | {"in_force_from": on, "price_fen": 5001}))
        await bump_catalogue(connection)


async def test_an_offer_around_which_the_standard_service_grew_worse_is_closed_at_use(city: City) -> None:
    offer = await opened(city)
    code = await city.code("good")
    await make_worse(city, offer, date(2026, 11, 20))
    assert offer not in await open_offers(city)
    assert (await city.ask("query ($id: ID!) { node(id: $id) { id } }", {"id": offer}))["data"] == {"node": None}
    answer = await city.verify(code, by="scenic", offerId=offer)
    assert (answer["__typename"], answer["code"]) == ("Problem", "OFFER_CLOSED")
    assert "L1" not in answer["message"], "a partner is not told more than that"
    mine = (await city.ask("{ me { benefits(first: 100) { edges { node { offer { id } } } } } }", by="good"))["data"]
    assert offer not in [edge["node"]["offer"]["id"] for edge in mine["me"]["benefits"]["edges"]]
    assert (await city.verify(code))["outcome"] == "BENEFIT_APPLIES", "the code was not used up"


async def test_a_worse_standard_service_closes_the_offer_on_its_first_day(city: City) -> None:
    offer = await opened(city)
    await make_worse(city, offer, date(2026, 11, 22))
    assert offer in await open_offers(city)
    city.wait(days=1)
    assert offer in await open_offers(city)
    city.wait(days=1)
    assert offer not in await open_offers(city)


async def test_an_offer_that_became_unlawful_while_it_waited_is_not_approved(city: City) -> None:
    offer = (await submit(city))["id"]
    await make_worse(city, offer, date(2026, 11, 20))
    before = await everything(city)
    answer = await approve(city, offer)
    assert (answer["code"], [refusal["rule"] for refusal in answer["refusals"]]) == ("OFFER_UNLAWFUL", ["L1"])
    assert await everything(city) == before


async def test_offers_open_and_close_at_midnight_in_shanghai(city: City) -> None:
    offer = await opened(city, opensOn="2026-11-22", closesOn="2026-11-24")
    seen = []
    for instant in (
        datetime(2026, 11, 21, 15, 59, 59, tzinfo=UTC),
        datetime(2026, 11, 21, 16, 0, tzinfo=UTC),
        datetime(2026, 11, 23, 15, 59, 59, tzinfo=UTC),
        datetime(2026, 11, 23, 16, 0, tzinfo=UTC),
    ):
        city.now = instant
        outcome = await city.verify(await city.code("good"), by="scenic", offerId=offer)
        seen.append((offer in await open_offers(city), outcome.get("outcome", outcome.get("code"))))
    assert seen == [
        (False, "OFFER_CLOSED"),
        (True, "BENEFIT_APPLIES"),
        (True, "BENEFIT_APPLIES"),
        (False, "OFFER_CLOSED"),
    ]


async def test_an_offer_approved_here_is_seen_at_once_by_another_process(
    city: City, city_url: str, keys_file: Path
) -> None:
    async with open_city(database_url=city_url, keys_file=keys_file) as other:
        before = await open_offers(other)
        offer = await opened(city)
        assert await open_offers(other) == [*before, offer]
        answer = await other.verify(await other.code("good"), by="scenic", offerId=offer)
        assert answer["outcome"] == "BENEFIT_APPLIES"
        await make_worse(city, offer, date(2026, 11, 20))
        again = await other.verify(await other.code("good"), by="scenic", offerId=offer)
        assert again["code"] == "OFFER_CLOSED", "also where nothing but the verification looks"


async def test_a_quota_and_a_personal_limit_submitted_hold(city: City) -> None:
    offer = await opened(city, quota=2, limitPerPerson=1)
    codes = [await city.code("good") for _ in range(2)]
    outcomes = [(await city.verify(code, by="scenic", offerId=offer))["outcome"] for code in codes]
    assert outcomes == ["BENEFIT_APPLIES", "STANDARD_SERVICE"]
    (row,) = [row for row in await city.rows(quotas) if row.offer_id == key_of(offer, "Offer")]
    assert (row.cap, row.taken) == (2, 1)
    city.wait(minutes=10, seconds=1)
    assert (await city.verify(await city.code("good"), by="scenic", offerId=offer))["outcome"] == "BENEFIT_APPLIES"
