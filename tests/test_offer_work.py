"""The queue of offers, what the guard closes afterwards, the crowd behind L12, and the proof anybody can fetch."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from factories import NOON, City, rulebook
from offer_steps import REASON, STANDARD, act, doubtful, drafted, offer_draft, opened, queue, work
from sqlalchemy import insert, select, update
from test_offer_life import city

from api.ids import key_of, public_id
from api.jobs.watching_offers import look_at_offers
from core.identifiers import new_id
from core.integrity import sealed
from core.keys import b64decode
from partners.catalogue import load_catalogue
from partners.offers import review
from partners.offers.life import Status
from partners.offers.queue import DAYS_FOR_REVIEW, State, state_of
from partners.tables import offers, security_events
from partners.webhooks.tables import webhook_endpoints, webhook_events
from scoring.tables import credit_records, subjects

__all__ = ["city"]
XINYI = str(Path(sys.executable).with_name("xinyi"))


async def test_the_queue_begins_with_what_waits_longest(city: City) -> None:
    for number in range(3):
        await act(city, "submitOffer", **offer_draft(title=f"待审{number}"))
        city.wait(hours=1)
    offer = await drafted(city, title="草稿")
    city.wait(hours=1)
    await act(city, "reviseOffer", offerId=public_id("Offer", 1), offer=offer_draft(title="修订"), **REASON)
    assert await queue(city) == ["测试优惠", "待审0", "待审1", "待审2"], "the small city's own has no step at all"
    assert await queue(city, "DRAFT") == ["草稿", "修订"]
    await act(city, "submitDraft", offerId=public_id("Offer", 1))
    assert (await queue(city))[-1] == "修订"
    assert offer == (await work(city, offer))["id"]


async def test_pages_of_the_queue_join_without_a_gap(city: City) -> None:
    for number in range(5):  # all at the same instant
        await act(city, "submitOffer", **offer_draft(title=f"待审{number}"))
    seen, after = [], None
    while True:
        body = await city.ask(
            "query ($after: String) { offerQueue(first: 2, after: $after) { edges { node { offer { title } } } "
            "pageInfo { hasNextPage endCursor } } }",
            {"after": after},
            by="reviewer",
        )
        page = body["data"]["offerQueue"]
        seen += [edge["node"]["offer"]["title"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert seen == ["测试优惠", *(f"待审{number}" for number in range(5))]


@pytest.mark.parametrize("cursor", ["MQ==", "Lw==", "MjAyNi0xMS0yMFQwMDowMDowMC8x", "x"])
async def test_a_cursor_that_is_none_of_ours_is_the_clients_mistake(city: City, cursor: str) -> None:
    body = await city.ask(
        "query ($after: String) { offerQueue(after: $after) { edges { cursor } } }", {"after": cursor}, by="reviewer"
    )
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_representative_sees_its_own_partners_offers_alone(city: City) -> None:
    asked = offer_draft(
        partnerId=public_id("Partner", 3), kind="loan", model="hunan-comprehensive", effects=["fee-reduction"],
        title="贷款优惠", standardService="按公示利率申请", benefit="利率减 30 个基点",
    )  # fmt: skip
    assert (await act(city, "submitOffer", **asked))["status"] == "submitted"
    assert "贷款优惠" in await queue(city)
    assert "贷款优惠" not in await queue(city, by="representative")


async def test_what_was_submitted_is_due_five_working_days_later(city: City) -> None:
    offer = (await act(city, "submitOffer", **offer_draft()))["id"]
    assert DAYS_FOR_REVIEW == 5
    assert (await work(city, offer))["dueOn"] == "2026-11-27", "submitted on a Friday"
    await act(city, "approveOffer", by="reviewer", offerId=offer)
    assert (await work(city, offer))["dueOn"] is None


def test_the_state_of_an_approved_offer_goes_by_its_days() -> None:
    days = {"opens_on": date(2026, 11, 20), "closes_on": date(2026, 11, 22)}
    seen = [
        state_of(Status.APPROVED, **days, is_open=is_open, on=date(2026, 11, day))
        for day, is_open in ((19, False), (20, True), (21, False), (22, False))
    ]
    assert seen == [State.SCHEDULED, State.OPEN, State.HELD, State.CLOSED]


async def test_the_guard_closing_an_offer_is_told_once_a_day(city: City) -> None:
    offer = await opened(city)
    row = {"id": new_id(), "partner_id": 1, "url": "https://example.test/", "events": [], "status": "ACTIVE"}
    row |= {"secret_sealed": b"", "created_by": "representative", "created_at": NOON}
    await city.write(insert(webhook_endpoints).values(row))
    await look_at_offers(city.state)
    assert await city.rows(security_events) == []
    worse = STANDARD | {"inForceFrom": "2026-11-21", "priceFen": 5001}
    await act(city, "recordBaseline", offerId=offer, baseline=worse)
    for day, count in ((20, 0), (21, 1), (21, 1), (22, 2)):
        city.now = NOON.replace(day=day)
        await look_at_offers(city.state)
        alarms = [row for row in await city.rows(security_events) if row.kind == "OFFER_CLOSED_BY_GUARD"]
        assert len(alarms) == len(await city.rows(webhook_events)) == count
    assert {(row.partner_id, str(row.detail)) for row in alarms} == {
        (1, str({"offer": key_of(offer, "Offer"), "rules": ["L1"]}))
    }
    event = (await city.rows(webhook_events))[0]
    assert (event.type, event.partner_id, event.payload["offer"], event.payload["rules"]) == (
        "offer.closed", 1, offer, ["L1"],
    )  # fmt: skip


async def crowd_of(city: City, offer: int) -> dict[str, Any] | None:
    async with city.state.database.reading() as connection:
        found: dict[str, Any] | None = await connection.scalar(select(offers.c.crowd).where(offers.c.id == offer))
    return found


async def test_a_handful_of_people_is_not_counted(city: City) -> None:
    await look_at_offers(city.state)
    assert await crowd_of(city, 1) == {"on": "2026-11-20"}
    assert await crowd_of(city, 8) is None, "an enterprise's"
    version = city.state.catalogue.version
    await look_at_offers(city.state)
    assert city.state.catalogue.version == version, "counted once a day"


async def test_the_crowd_is_counted_over_all_living_adults_and_closes_an_offer_that_tells_on_them(
    city: City,
) -> None:
    await city.move_in(20)  # none of them has a result yet
    assert (await city.verify(await city.code("good")))["outcome"] == "BENEFIT_APPLIES"
    await look_at_offers(city.state)
    # Besides them plain, poor, stranger and faulty; not the minor, not who lives elsewhere, and not good.
    assert await crowd_of(city, 1) == {"on": "2026-11-20", "standard": 24, "without_adverse": 23}
    record = {"item": "court-enforcement", "occurred_on": NOON.date() - timedelta(days=9), "source": "测试"}
    async with city.state.database.transaction() as connection:
        for number in range(1001, 1021):
            row = {"subject_id": number, "id": "adverse", **record}
            await connection.execute(insert(credit_records).values(sealed(connection, credit_records, row)))
        await connection.execute(update(subjects).where(subjects.c.id == 1020).values(ended_on=NOON.date()))
    city.wait(days=1)
    await look_at_offers(city.state)
    assert await crowd_of(city, 1) == {"on": "2026-11-21", "standard": 23, "without_adverse": 3}
    found = await work(city, public_id("Offer", 1))
    assert (found["state"], [one["refusal"]["rule"] for one in found["opinions"]]) == ("HELD", ["L12"])
    refused = await act(city, "submitOffer", **offer_draft())
    assert (refused["code"], refused["refusals"]) == ("OFFER_UNLAWFUL", [{"rule": "L12"}])


async def test_offers_of_partners_about_whom_nothing_changed_are_taken_over(city: City) -> None:
    async def loaded(known: Any) -> Any:
        async with city.state.database.reading() as connection:
            return await load_catalogue(connection, rulebook(), on=city.state.catalogue.on, known=known)

    first = await loaded(None)
    await act(city, "pauseOffer", offerId=public_id("Offer", 1), **REASON)
    second = await loaded(first)
    kept = {key for key, offer in second.offers.items() if offer is first.offers[key]}
    assert kept == {key for key, offer in first.offers.items() if offer.partner.id != 1}
    afresh = await loaded(None)
    assert {key: (o.status, o.refusals) for key, o in second.offers.items()} == {
        key: (o.status, o.refusals) for key, o in afresh.offers.items()
    }


async def test_anybody_fetches_the_proof_and_checks_it_without_the_server(city: City, tmp_path: Path) -> None:
    responses = [await city.client.get("/.well-known/offers-proof") for _ in range(2)]
    assert [r.status_code for r in responses] == [200, 200]
    assert responses[0].headers["content-type"] == "application/jose"
    assert responses[0].content == responses[1].content, "made once for each version"
    (tmp_path / "proof").write_bytes(responses[0].content)
    (tmp_path / "jwks").write_bytes((await city.client.get("/.well-known/jwks.json")).content)
    environment = {
        "XINYI_DATABASE_URL": city.settings.database_url,
        "XINYI_KEYS_FILE": str(city.settings.keys_file),
        "XINYI_ENVIRONMENT": "demo",
    }
    await act(city, "pauseOffer", offerId=public_id("Offer", 1), **REASON)
    later = await city.client.get("/.well-known/offers-proof")
    claims = [orjson.loads(_content(r.text)) for r in (responses[0], later)]
    assert [one["holds"] for one in claims] == [True, True]
    assert set(claims[0]["outcomes"]) - set(claims[1]["outcomes"]) == {"1"}
    asked = [XINYI, "guard", "verify", "", "--jwks", str(tmp_path / "jwks")]
    (tmp_path / "later").write_bytes(later.content)
    for name, told in (("later", "证明成立"), ("proof", "优惠 1")):  # the first is of the catalogue before the pause
        asked[3] = str(tmp_path / name)
        done = await asyncio.to_thread(subprocess.run, asked, env=environment, capture_output=True, text=True)
        assert told in done.stdout + done.stderr
        assert done.returncode == (0 if name == "later" else 1)


def _content(token: str) -> bytes:
    return b64decode(token.strip().split(".")[1])


async def test_a_submission_that_breaks_half_way_leaves_nothing(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    offer = await doubtful(city)
    signed_key = (await work(city, offer))["opinions"][0]["key"]
    await act(city, "signOfferReview", by="reviewer", offerId=offer, key=signed_key, reason="已核对")
    before = [await city.rows(table) for table in (offers, security_events)]

    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the power went")

    for part in ("_grant", "_set_cap", "step"):
        with monkeypatch.context() as patch:
            patch.setattr(review, part, broken)
            body = await city.ask(
                "mutation ($input: ApproveOfferInput!) { approveOffer(input: $input) { __typename } }",
                {"input": {"offerId": offer}},
                by="operator-2",
            )
        assert body["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
        assert [await city.rows(table) for table in (offers, security_events)] == before
    assert (await act(city, "approveOffer", by="operator-2", offerId=offer))["status"] == "approved"
