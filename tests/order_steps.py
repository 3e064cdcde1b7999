"""Steps of pay-later orders, and what they are asked with. One thing to know: the small city's hospital lets one pay
later at its clinic, within seven days."""

from __future__ import annotations

from typing import Any

from factories import City
from sqlalchemy import insert, update

from partners.tables import catalogue_state, offers, quotas

FIELDS = (
    "id state allowedActions amountFen finalFen paidFen payDays dueOn expiresAt title partner { name } offer { id }"
)


def order_mutation(name: str) -> str:
    """The document of one of the mutations about orders."""
    kind = name[0].upper() + name[1:]
    return f"""mutation ($input: {kind}Input!) {{ {name}(input: $input) {{ __typename
      ... on Order {{ {FIELDS} }} ... on Problem {{ code message }} }} }}"""


CREATE, CONFIRM, START, COMPLETE, PAY, CANCEL = (
    order_mutation(name)
    for name in ("createOrder", "confirmOrder", "startOrder", "completeOrder", "recordPayment", "cancelOrder")
)
MINE = f"""query ($states: [OrderState!], $first: Int, $after: String) {{ me {{
  orders(first: $first, after: $after, states: $states) {{
  edges {{ node {{ {FIELDS} steps {{ state by amountFen words }} }} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"""
THEIRS = f"""query ($states: [OrderState!], $first: Int, $after: String) {{
  orders(first: $first, after: $after, states: $states) {{
  edges {{ node {{ {FIELDS} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
CLINIC = 7


async def propose(city: City, person: str = "good", *, offer: str = "clinic", **given: Any) -> dict[str, Any]:
    """A verified benefit and an order from it; what the hospital is answered."""
    by = given.pop("by", "hospital")
    answer = await city.verify(await city.code(person), offer, by=by)
    assert answer["outcome"] == "BENEFIT_APPLIES", answer
    asked = {"requestId": city.next_request(), "verificationId": answer["id"], "title": "普通门诊", "amountFen": 10_000}
    return await city.do(CREATE, by=by, **asked | given)


async def act(city: City, mutation: str, order: str, *, by: str = "hospital", **given: Any) -> dict[str, Any]:
    """One of the hospital's acts."""
    return await city.do(mutation, by=by, **{"requestId": city.next_request(), "orderId": order} | given)


async def completed(city: City, person: str = "good", **given: Any) -> str:
    """An order that is to be paid by 27 November; its id."""
    order = str((await propose(city, person, **given))["id"])
    await city.do(CONFIRM, by=person, orderId=order)
    by = given.get("by", "hospital")
    await act(city, START, order, by=by)
    done = await act(city, COMPLETE, order, by=by, amountFen=8_000)
    assert done["state"] == "COMPLETED", done
    return order


async def mine(city: City, person: str = "good", **given: Any) -> list[dict[str, Any]]:
    """That person's orders, newest first."""
    body = await city.ask(MINE, given, by=person)
    return [edge["node"] for edge in body["data"]["me"]["orders"]["edges"]]


async def theirs(city: City, by: str = "hospital", **given: Any) -> list[dict[str, Any]]:
    """That partner's orders, newest first."""
    return [edge["node"] for edge in (await city.ask(THEIRS, given, by=by))["data"]["orders"]["edges"]]


async def give_quota(city: City, cap: int, *, limit: int | None = None) -> None:
    """Let the clinic's offer have a quota, and a limit per person."""
    await city.write(
        insert(quotas).values(offer_id=CLINIC, bucket="ever", cap=cap, taken=0),
        update(offers).where(offers.c.id == CLINIC).values(limit_per_person=limit),
        update(catalogue_state).values(version=catalogue_state.c.version + 1),
    )


async def taken(city: City) -> int:
    """How many units of the clinic's quota are taken."""
    (row,) = [row for row in await city.rows(quotas) if row.offer_id == CLINIC]
    return int(row.taken)
