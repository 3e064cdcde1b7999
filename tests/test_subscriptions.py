"""What people hear as it happens. One thing to know: every event is read anew by the rights of the moment, and nobody
hears of anybody else."""

from __future__ import annotations

from datetime import datetime
from time import monotonic

import pytest
from case_steps import OBJECT, WITHDRAW
from factories import City, offer_id
from offer_steps import act as act_on_offer
from offer_steps import drafted
from order_steps import CANCEL, CONFIRM, propose
from sqlalchemy import update
from subscribing import Heard, subscribed

from api.cases import rules_of
from partners.tables import accounts
from scoring.cases.workflow import Kind, open_case

SCANNED = (
    """subscription { codeScanned { at partner { name } offer { id } outcome problem whyNot { code } receipt } }"""
)
CASES = "subscription { caseMoved { id kind state statement steps { act } } }"
BENEFITS = """subscription { benefitsChanged { id benefits(first: 100) { edges { node {
  available offer { id } } } } } }"""
ORDERS = "subscription { orderMoved { id state allowedActions } }"
OFFERS = "subscription { offerMoved { id title } }"
STATUSES = "subscription { offerMoved { id status } }"
EVENTS = "subscription ($types: [String!]) { partnerEvent(types: $types) { type at about } }"
ENROLL = """mutation ($input: EnrollInput!) { enroll(input: $input) { __typename } }"""


async def test_a_scan_is_heard_by_its_subject_with_what_was_answered_and_why(city: City) -> None:
    async with subscribed(city, SCANNED, by="poor") as heard, subscribed(city, SCANNED, by="good") as other:
        answer = await city.verify(await city.code("poor"))
        event = await heard.next()
        (logged,) = await city.log("poor")
        assert event["receipt"] == answer["receipt"] == logged["receipt"]
        assert (event["outcome"], event["problem"]) == ("STANDARD_SERVICE", None)
        assert event["whyNot"] == [{"code": one["code"]} for one in logged["whyNot"]] != []
        assert (event["partner"], event["offer"]) == ({"name": "测试scenic"}, {"id": offer_id("museum")})
        await heard.nothing()
        await other.nothing()


async def test_a_refused_scan_is_heard_too_and_a_repeated_request_only_once(city: City) -> None:
    async with subscribed(city, SCANNED, by="good") as heard:
        code, request = await city.code("good"), city.next_request()
        for _ in range(2):
            await city.verify(code, requestId=request)
        assert (await heard.next())["outcome"] == "BENEFIT_APPLIES"
        assert (await city.verify(code))["code"] == "CODE_REPLAYED"
        assert (await heard.next())["problem"] == "CODE_REPLAYED"
        await heard.nothing()


async def test_scans_are_heard_in_the_order_in_which_they_were_answered(city: City) -> None:
    async with subscribed(city, SCANNED, by="good") as heard:
        receipts = [(await city.verify(await city.code("good")))["receipt"] for _ in range(12)]
        assert [(await heard.next())["receipt"] for _ in range(12)] == receipts


async def test_a_case_is_heard_at_each_step_and_by_nobody_else(city: City) -> None:
    async with subscribed(city, CASES, by="poor") as heard, subscribed(city, CASES, by="good") as other:
        opened = await city.do(OBJECT, by="poor", recordId="r0", ground="WRONG", statement="不是我")
        event = await heard.next()
        assert (event["id"], event["state"], event["statement"]) == (opened["id"], "OPEN", "不是我")
        await city.do(WITHDRAW, by="poor", caseId=opened["id"])
        event = await heard.next()
        assert (event["state"], [step["act"] for step in event["steps"]]) == ("WITHDRAWN", ["open", "withdraw"])
        await heard.nothing()
        await other.nothing()


async def test_benefits_are_heard_to_change_with_a_record_and_a_burst_is_one_event(city: City) -> None:
    async with subscribed(city, BENEFITS, by="poor") as heard:
        opened = await city.do(OBJECT, by="poor", recordId="r0", ground="WRONG", statement="不是我")
        offers = {
            edge["node"]["offer"]["id"]: edge["node"]["available"] for edge in (await heard.next())["benefits"]["edges"]
        }
        assert offers[offer_id("museum")], "the record is out of use, so the benefit is there"
        began = monotonic()
        for _ in range(3):
            answer = await city.verify(await city.code("poor"))
            await city.redeem(answer["id"])
        told, quiet = await heard.until_nothing(1.5), 1.5
        assert 1 <= told <= 1 + (monotonic() - began - quiet), "at most one in a second"
        await city.do(WITHDRAW, by="poor", caseId=opened["id"])
        nodes = [edge["node"] for edge in (await heard.next())["benefits"]["edges"]]
        assert not any(node["available"] for node in nodes if node["offer"]["id"] == offer_id("museum"))


async def test_benefits_are_heard_to_change_when_an_offer_opens_or_one_takes_part(city: City) -> None:
    async with subscribed(city, BENEFITS, by="stranger") as heard:
        await act_on_offer(city, "approveOffer", by="reviewer", offerId=offer_id("waiting"))
        nodes = [edge["node"] for edge in (await heard.next())["benefits"]["edges"]]
        assert offer_id("waiting") in {node["offer"]["id"] for node in nodes}
        assert not any(node["available"] for node in nodes)
        await city.do(ENROLL, by="stranger", noticeVersion=city.state.rulebook.notice.version)
        nodes = [edge["node"] for edge in (await heard.next())["benefits"]["edges"]]
        assert any(node["available"] for node in nodes)


async def test_scoring_again_with_the_same_result_is_no_news(city: City) -> None:
    await city.verify(await city.code("good"))
    async with subscribed(city, BENEFITS, by="good") as heard:
        city.wait(days=1)
        await city.verify(await city.code("good"))
        await heard.nothing()


async def test_both_sides_of_an_order_hear_it_move_and_other_partners_do_not(city: City) -> None:
    async with (
        subscribed(city, ORDERS, by="good") as holder,
        subscribed(city, ORDERS, by="hospital") as hospital,
        subscribed(city, ORDERS, by="scenic") as scenic,
    ):
        order = (await propose(city))["id"]
        assert await holder.next() == {"id": order, "state": "CREATED", "allowedActions": ["CONFIRM", "CANCEL"]}
        assert await hospital.next() == {"id": order, "state": "CREATED", "allowedActions": ["CANCEL"]}
        await city.do(CONFIRM, by="good", orderId=order)
        assert [(await one.next())["state"] for one in (holder, hospital)] == ["CONFIRMED"] * 2
        await scenic.nothing()


async def test_an_offer_is_heard_to_move_by_its_partner_and_at_the_counter_once_it_was_approved(city: City) -> None:
    async with (
        subscribed(city, STATUSES, by="representative") as desk,
        subscribed(city, OFFERS, by="scenic") as counter,
        subscribed(city, OFFERS, by="hospital") as other,
    ):
        offer = await drafted(city)
        assert await desk.next() == {"id": offer, "status": "draft"}
        await act_on_offer(city, "submitDraft", offerId=offer)
        assert await desk.next() == {"id": offer, "status": "submitted"}
        await act_on_offer(city, "approveOffer", by="reviewer", offerId=offer)
        assert await desk.next() == {"id": offer, "status": "approved"}
        assert await counter.next() == {"id": offer, "title": "守信游客赠册"}
        await counter.nothing()
        await other.nothing()


async def test_a_partner_hears_what_webhooks_carry_without_having_any(city: City) -> None:
    async with (
        subscribed(city, EVENTS, by="hospital") as everything,
        subscribed(city, EVENTS, {"types": ["order.cancelled", "offer.*"]}, by="hospital") as some,
        subscribed(city, EVENTS, by="scenic") as scenic,
    ):
        order = (await propose(city))["id"]
        await city.do(CANCEL, by="hospital", orderId=order, requestId=city.next_request(), reason="不来了")
        told = [await everything.next() for _ in range(3)]
        assert [one["type"] for one in told] == ["order.created", "order.cancelled", "redemption.reversed"]
        assert [one["about"] for one in told[:2]] == [order, order]
        assert {datetime.fromisoformat(one["at"]) for one in told} == {city.now}
        assert (await some.next())["type"] == "order.cancelled"
        await some.nothing()
        await scenic.nothing()


async def test_a_type_that_no_event_can_have_is_refused(city: City) -> None:
    async with subscribed(city, EVENTS, {"types": ["score.*"]}, by="hospital") as heard:
        body = await heard.body()
        assert body is not None
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert await heard.body() is None


async def ended(heard: Heard) -> str:
    """The code that a stream ended with, and that nothing was in that answer."""
    body = await heard.body()
    assert body is not None
    assert body.get("data") is None
    assert await heard.body() is None
    return str(body["errors"][0]["extensions"]["code"])


async def test_an_account_that_has_ended_hears_nothing_more(city: City) -> None:
    async with subscribed(city, SCANNED, by="good") as heard:
        code = await city.code("good")
        await city.end_account("good")
        await city.verify(code)
        assert await ended(heard) == "UNAUTHENTICATED"


async def test_an_account_that_acts_for_another_now_hears_nothing_of_the_one_before(city: City) -> None:
    async with subscribed(city, SCANNED, by="good") as heard:
        code = await city.code("good")
        await city.write(update(accounts).where(accounts.c.id == "good").values(subject_id=2))
        await city.verify(code)
        assert await ended(heard) == "UNAUTHENTICATED"


async def test_what_was_missed_is_looked_for_and_told_once(city: City) -> None:
    await city.verify(await city.code("good"))  # before anybody listened
    city.wait(seconds=1)
    async with (
        subscribed(city, SCANNED, by="good") as scans,
        subscribed(city, CASES, by="good") as cases,
        subscribed(city, ORDERS, by="good") as mine,
        subscribed(city, ORDERS, by="hospital") as theirs,
        subscribed(city, STATUSES, by="representative") as offers,
        subscribed(city, BENEFITS, by="plain") as benefits,
    ):
        publish, city.state.database.publish = city.state.database.publish, None
        case = await city.do(OBJECT, by="good", recordId="r0", ground="WRONG", statement="不是我")
        await city.do(WITHDRAW, by="good", caseId=case["id"])
        order = (await propose(city))["id"]
        offer = await drafted(city)
        city.state.database.publish = publish
        for _ in range(2):
            city.state.cache._fanout.tell_gap()  # type: ignore[attr-defined]
        assert (await scans.next())["outcome"] == "BENEFIT_APPLIES"
        assert [(await cases.next())["id"] for _ in range(2)] == [case["id"]] * 2
        assert [(await one.next())["id"] for one in (mine, theirs, offers)] == [order, order, offer]
        assert (await benefits.next())["id"]
        for one in (scans, cases, mine, theirs, offers):
            await one.nothing(0.1)


async def test_a_transaction_that_fails_tells_nothing(city: City) -> None:
    async with subscribed(city, CASES, by="good") as heard:
        refused = await city.do(OBJECT, by="good", recordId="r9", ground="WRONG", statement="不是我")
        assert refused["__typename"] == "Problem"
        with pytest.raises(ZeroDivisionError):
            await fail_after_opening(city)
        await heard.nothing()


async def fail_after_opening(city: City) -> None:
    """A case that is opened in a transaction which is rolled back."""
    async with city.state.database.transaction() as connection:
        await open_case(
            connection, subject_id=1, kind=Kind.COMPLAINT, place="hunan-shaoyang", statement="", actor="good",
            rules=rules_of(city.state), now=city.now, ground="complaint",
        )  # fmt: skip
        raise ZeroDivisionError
