"""Pay-later orders. One thing to know: an order has one state, its amount only goes down, and an overdue one closes
pay-later at its own partner for its own holder and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from factories import NOON, REDEEM, City, offer_id
from order_steps import (
    CANCEL,
    COMPLETE,
    CONFIRM,
    CREATE,
    PAY,
    START,
    act,
    completed,
    give_quota,
    mine,
    propose,
    taken,
    theirs,
)
from sqlalchemy import update

from api.ids import public_id
from core.audit import audit_entries
from partners.orders.looking import look_at_orders
from partners.orders.tables import order_steps, orders
from partners.tables import catalogue_state, notices, offers, redemptions
from scoring.tables import credit_records, scores


async def test_an_order_goes_from_its_proposal_to_its_payment(city: City) -> None:
    made = await propose(city)
    expected = {
        "__typename": "Order",
        "state": "CREATED",
        "allowedActions": ["CANCEL"],
        "amountFen": 10_000,
        "finalFen": None,
        "paidFen": None,
        "payDays": 7,
        "dueOn": None,
        "expiresAt": (NOON + timedelta(minutes=15)).isoformat(),
        "title": "普通门诊",
        "partner": {"name": "测试hospital"},
        "offer": {"id": offer_id("clinic")},
    }
    assert made == expected | {"id": made["id"]}
    (shown,) = await mine(city)
    assert (shown["id"], shown["allowedActions"]) == (made["id"], ["CONFIRM", "CANCEL"])
    confirmed = await city.do(CONFIRM, by="good", orderId=made["id"])
    assert (confirmed["state"], confirmed["allowedActions"]) == ("CONFIRMED", ["CANCEL"])
    assert (await theirs(city))[0]["allowedActions"] == ["START", "CANCEL"]
    begun = await act(city, START, made["id"])
    assert (begun["state"], begun["allowedActions"]) == ("IN_SERVICE", ["COMPLETE"])
    done = await act(city, COMPLETE, made["id"], amountFen=8_000)
    assert (done["state"], done["finalFen"], done["dueOn"]) == ("COMPLETED", 8_000, "2026-11-27")
    paid = await act(city, PAY, made["id"], amountFen=8_000)
    assert (paid["state"], paid["paidFen"], paid["allowedActions"]) == ("PAID", 8_000, [])
    (shown,) = await mine(city)
    assert [(step["state"], step["by"], step["amountFen"]) for step in shown["steps"]] == [
        ("CREATED", "机构", 10_000),
        ("CONFIRMED", "本人", None),
        ("IN_SERVICE", "机构", None),
        ("COMPLETED", "机构", 8_000),
        ("PAID", "机构", 8_000),
    ]
    assert [row.step for row in await city.rows(order_steps)] == [1, 2, 3, 4, 5]


async def test_an_order_uses_the_benefit_it_was_made_from(city: City) -> None:
    await give_quota(city, 2)
    answer = await city.verify(await city.code("good"), "clinic", by="hospital")
    asked = {"requestId": "o", "verificationId": answer["id"], "title": "普通门诊", "amountFen": 100}
    made = await city.do(CREATE, by="hospital", **asked)
    assert made["state"] == "CREATED"
    assert await taken(city) == 1
    redeemed = await city.do(REDEEM, by="hospital", requestId="r", verificationId=answer["id"])
    assert redeemed["code"] == "ALREADY_REDEEMED"
    again = await city.do(CREATE, by="hospital", **asked | {"requestId": "o2"})
    assert again["code"] == "ALREADY_REDEEMED"
    assert await city.do(CREATE, by="hospital", **asked) == made, "the same request, the same answer"
    assert (await city.do(CREATE, by="hospital", **asked | {"amountFen": 200}))["code"] == "REQUEST_CONFLICT"
    assert len(await city.rows(orders)) == 1


async def test_only_what_may_be_paid_later_is_ordered(city: City) -> None:
    answer = await city.verify(await city.code("good"), "museum")
    asked = {"requestId": "o", "verificationId": answer["id"], "title": "门票", "amountFen": 100}
    assert (await city.do(CREATE, by="scenic", **asked))["code"] == "NOT_PAY_LATER"
    assert (await city.redeem(answer["id"]))["__typename"] == "Redemption", "the benefit is still there"
    standard = await city.verify(await city.code("plain"), "clinic", by="hospital")
    asked = asked | {"verificationId": standard["id"], "requestId": "o2"}
    assert (await city.do(CREATE, by="hospital", **asked))["code"] == "NOT_REDEEMABLE"
    nobodys = asked | {"verificationId": public_id("Verification", UUID(int=0)), "requestId": "o3"}
    assert (await city.do(CREATE, by="hospital", **nobodys))["code"] == "NOT_REDEEMABLE"
    assert await city.rows(orders) == []


async def test_what_the_offer_promises_holds_for_its_orders(city: City) -> None:
    terms = {"pay_within_days": 14, "largest_amount_fen": 20_000}
    await city.write(
        update(offers).where(offers.c.id == 7).values(details=terms),
        update(catalogue_state).values(version=catalogue_state.c.version + 1),
    )
    answer = await city.verify(await city.code("good"), "clinic", by="hospital")
    asked = {"verificationId": answer["id"], "title": "门诊", "amountFen": 20_001}
    assert (await city.do(CREATE, by="hospital", requestId="a", **asked))["code"] == "AMOUNT_TOO_HIGH"
    asked["amountFen"] = 20_000
    query = await city.ask(CREATE, {"input": {"requestId": "b", "payDays": 13, **asked}}, by="hospital")
    assert "BAD_USER_INPUT" in str(query)
    assert (await city.do(CREATE, by="hospital", requestId="c", **asked))["payDays"] == 14


async def test_the_amount_only_ever_goes_down(city: City) -> None:
    order = (await propose(city))["id"]
    await city.do(CONFIRM, by="good", orderId=order)
    await act(city, START, order)
    assert (await act(city, COMPLETE, order, amountFen=10_001))["code"] == "AMOUNT_TOO_HIGH"
    assert (await act(city, COMPLETE, order, amountFen=10_000))["finalFen"] == 10_000
    assert (await act(city, PAY, order, amountFen=10_001))["code"] == "AMOUNT_TOO_HIGH"
    assert (await act(city, COMPLETE, order, amountFen=9_000))["code"] == "WRONG_STATE"
    assert (await act(city, PAY, order, amountFen=9_000))["paidFen"] == 9_000


async def test_acts_out_of_turn_are_refused_and_change_nothing(city: City) -> None:
    order = (await propose(city))["id"]
    before = await city.rows(orders)
    for mutation, more in ((START, {}), (COMPLETE, {"amountFen": 1}), (PAY, {"amountFen": 1})):
        assert (await act(city, mutation, order, **more))["code"] == "WRONG_STATE"
    assert await city.rows(orders) == before
    assert (await city.do(CONFIRM, by="plain", orderId=order))["code"] == "UNKNOWN_ORDER"
    assert (await act(city, START, order, by="scenic"))["code"] == "UNKNOWN_ORDER"
    assert await theirs(city, "scenic") == []
    assert await mine(city, "plain") == []


@pytest.mark.parametrize("confirmed", [False, True])
@pytest.mark.parametrize("by", ["good", "hospital"])
async def test_either_side_may_cancel_before_the_service_and_the_use_is_given_back(
    city: City, by: str, confirmed: bool
) -> None:
    await give_quota(city, 1, limit=1)
    order = (await propose(city))["id"]
    if confirmed:
        await city.do(CONFIRM, by="good", orderId=order)
    assert await taken(city) == 1
    request = {"requestId": "c"} if by == "hospital" else {}
    gone = await city.do(CANCEL, by=by, orderId=order, reason="改期", **request)
    assert (gone["state"], gone["allowedActions"]) == ("CANCELLED", [])
    assert await city.do(CANCEL, by=by, orderId=order, reason="改期", **request) == gone
    assert await taken(city) == 0
    (used,) = await city.rows(redemptions)
    assert (used.reversed_at, used.reversal_reason) == (NOON, "订单取消")
    assert (await propose(city))["state"] == "CREATED", "quota and limit are free again"
    assert "改期" not in str(await theirs(city))


async def test_a_partner_cancels_once_for_each_request_id_and_needs_one(city: City) -> None:
    order = (await propose(city))["id"]
    body = await city.ask(CANCEL, {"input": {"orderId": order}}, by="hospital")
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert (await act(city, CANCEL, order))["state"] == "CANCELLED"
    assert (await act(city, CANCEL, order))["code"] == "WRONG_STATE"


async def test_an_order_begun_cannot_be_cancelled(city: City) -> None:
    order = (await propose(city))["id"]
    await city.do(CONFIRM, by="good", orderId=order)
    await act(city, START, order)
    assert (await city.do(CANCEL, by="good", orderId=order))["code"] == "WRONG_STATE"
    assert (await act(city, CANCEL, order))["code"] == "WRONG_STATE"


async def test_an_order_not_confirmed_within_fifteen_minutes_is_expired_without_any_job(city: City) -> None:
    await give_quota(city, 1, limit=1)
    order = (await propose(city))["id"]
    city.wait(minutes=14, seconds=59)
    assert (await mine(city))[0]["state"] == "CREATED"
    city.wait(seconds=1)
    (shown,) = await mine(city)
    assert (shown["state"], shown["allowedActions"]) == ("EXPIRED", [])
    assert [row.state for row in await city.rows(orders)] == ["CREATED"], "nobody has noted it"
    assert await mine(city, states=["CREATED"]) == []
    assert [one["id"] for one in await theirs(city, states=["EXPIRED", "PAID"])] == [order]
    assert (await city.do(CONFIRM, by="good", orderId=order))["code"] == "WRONG_STATE"
    fresh = await propose(city)
    assert fresh["state"] == "CREATED", "its unit was free again at the next taking"
    assert await taken(city) == 1
    assert sorted(row.state for row in await city.rows(orders)) == ["CREATED", "EXPIRED"]


async def test_confirming_twice_is_confirming_once(city: City) -> None:
    order = (await propose(city))["id"]
    first = await city.do(CONFIRM, by="good", orderId=order)
    city.wait(minutes=20)
    assert await city.do(CONFIRM, by="good", orderId=order) == first
    assert len(await city.rows(order_steps)) == 2


async def look(city: City) -> dict[str, int]:
    return dict(await look_at_orders(city.state.database, now=city.now))


async def test_an_overdue_order_shows_on_its_day_and_is_noted_and_told_once(city: City) -> None:
    order = await completed(city)
    assert await look(city) == {"expired": 0, "overdue": 0, "reminded": 0}
    city.now = NOON + timedelta(days=4)
    assert await look(city) == {"expired": 0, "overdue": 0, "reminded": 1}
    assert await look(city) == {"expired": 0, "overdue": 0, "reminded": 0}
    city.now = NOON + timedelta(days=7)
    assert (await mine(city))[0]["state"] == "COMPLETED", "the last day is a day for paying"
    city.now = NOON + timedelta(days=7, hours=12)
    (shown,) = await theirs(city)
    assert (shown["id"], shown["state"], shown["allowedActions"]) == (order, "OVERDUE", ["RECORD_PAYMENT"])
    assert [row.state for row in await city.rows(orders)] == ["COMPLETED"]
    assert await look(city) == {"expired": 0, "overdue": 1, "reminded": 0}
    assert await look(city) == {"expired": 0, "overdue": 0, "reminded": 0}
    kinds = [row.kind for row in await city.rows(notices)]
    assert sorted(kinds) == ["order-completed", "order-due", "order-overdue", "order-to-confirm"]
    assert (await act(city, PAY, order, amountFen=8_000))["state"] == "PAID"


async def test_an_expired_order_is_noted_and_its_use_given_back(city: City) -> None:
    await give_quota(city, 1)
    await propose(city)
    city.wait(minutes=15)
    assert await look(city) == {"expired": 1, "overdue": 0, "reminded": 0}
    assert await look(city) == {"expired": 0, "overdue": 0, "reminded": 0}
    assert await taken(city) == 0
    assert (await mine(city))[0]["steps"][-1] == {"state": "EXPIRED", "by": "到时自动", "amountFen": None, "words": ""}


SCORES = (
    "{ me { scores { points grade { code } } benefits { edges { node { offer { id } available whyNot { code } } } } } }"
)


async def everything_else(city: City) -> dict[str, Any]:
    """Scores, records and what every other partner is answered."""
    body = (await city.ask(SCORES, by="good"))["data"]["me"]
    others = [edge["node"] for edge in body["benefits"]["edges"] if edge["node"]["offer"]["id"] != offer_id("clinic")]
    answers = [
        (await city.verify(await city.code("good"), offer))["outcome"] for offer in ("museum", "tower", "garden")
    ]
    records = [row.id for row in await city.rows(credit_records)]
    return {"scores": body["scores"], "benefits": others, "answers": answers, "records": records}


async def test_an_overdue_order_closes_pay_later_at_that_partner_and_nothing_else(city: City) -> None:
    await city.write(update(offers).where(offers.c.id == 3).values(limit_per_person=None))
    order = await completed(city)
    city.now = NOON + timedelta(days=7)
    before = await everything_else(city)
    stored = [(row.subject_id, row.points, row.grade) for row in await city.rows(scores)]
    city.wait(hours=12)
    assert (await mine(city))[0]["state"] == "OVERDUE"
    answer = await city.verify(await city.code("good"), "clinic", by="hospital")
    assert (answer["outcome"], answer["benefit"]) == ("STANDARD_SERVICE", None)
    (why,) = (await city.log("good"))[0]["whyNot"]
    assert why["code"] == "ORDER_OVERDUE"
    body = (await city.ask(SCORES, by="good"))["data"]["me"]["benefits"]["edges"]
    (clinic,) = [edge["node"] for edge in body if edge["node"]["offer"]["id"] == offer_id("clinic")]
    assert clinic["whyNot"] == [{"code": "ORDER_OVERDUE"}]
    assert await everything_else(city) == before
    await look(city)
    assert await everything_else(city) == before
    now = [(row.subject_id, row.points, row.grade) for row in await city.rows(scores)]
    assert now == stored
    await act(city, PAY, order, amountFen=8_000)
    answer = await city.verify(await city.code("good"), "clinic", by="hospital")
    assert answer["outcome"] == "BENEFIT_APPLIES", "paying opens it again at once"


async def test_an_overdue_order_is_nobody_elses(city: City) -> None:
    people = await city.move_in(1)
    await completed(city)
    city.now = NOON + timedelta(days=9)
    (other,) = people
    answer = await city.verify(await city.code(other), "clinic", by="hospital")
    assert answer["outcome"] == "BENEFIT_APPLIES"


async def test_pages_of_orders_go_from_the_newest_to_the_oldest(city: City) -> None:
    made = [(await propose(city))["id"] for _ in range(5)]
    assert [one["id"] for one in await theirs(city)] == made[::-1]
    assert [one["id"] for one in await mine(city, first=2)] == made[:2:-1]
    query = (
        "query ($after: String) { orders(first: 3, after: $after) { edges { node { id } } pageInfo { endCursor } } }"
    )
    first = (await city.ask(query, {}, by="hospital"))["data"]["orders"]
    rest = (await city.ask(query, {"after": first["pageInfo"]["endCursor"]}, by="hospital"))["data"]["orders"]
    assert [edge["node"]["id"] for edge in first["edges"] + rest["edges"]] == made[::-1]
    assert await theirs(city, states=[]) == []


async def test_every_step_is_on_the_audit_trail(city: City) -> None:
    order = await completed(city)
    await act(city, PAY, order, amountFen=1)
    actions = [row.action for row in await city.rows(audit_entries)]
    for act_ in ("createOrder", "redeemBenefit", "confirmOrder", "startOrder", "completeOrder", "recordPayment"):
        assert actions.count(act_) == 1, act_
