"""What a partner asks to be allowed to ask. One thing to know: nothing may be asked before somebody of the alliance has
said yes."""

from __future__ import annotations

from typing import Any

from factories import City, offer_id

from api.ids import public_id
from partners.tables import grants

FIELDS = "... on Grant { id state requestedAt dueOn grantedAt revokedAt remark } ... on Problem { code message }"
REQUEST = f"mutation ($input: RequestGrantInput!) {{ requestGrant(input: $input) {{ __typename {FIELDS} }} }}"
GRANT = f"mutation ($input: GrantAccessInput!) {{ grantAccess(input: $input) {{ __typename {FIELDS} }} }}"
REVOKE = f"mutation ($input: RevokeGrantInput!) {{ revokeGrant(input: $input) {{ __typename {FIELDS} }} }}"
QUEUE = "{ grantQueue { edges { node { id state dueOn predicate } } } }"
WANTED = {"service": "parking", "model": "xiangxinfen", "threshold": "A"}


async def waiting(city: City) -> list[dict[str, Any]]:
    body = await city.ask(QUEUE, by="operator")
    return [edge["node"] for edge in body["data"]["grantQueue"]["edges"]]


async def test_a_request_waits_in_the_queue_with_its_day_and_holds_once_it_is_granted(city: City) -> None:
    asked = await city.do(REQUEST, by="representative", **WANTED)
    assert (asked["state"], asked["dueOn"], asked["grantedAt"]) == ("WAITING", "2026-11-27", None)
    assert await city.do(REQUEST, by="representative", **WANTED) == asked
    (found,) = await waiting(city)
    assert found == {"id": asked["id"], "state": "WAITING", "dueOn": "2026-11-27", "predicate": "xiangxinfen >= A"}
    given = await city.do(GRANT, by="operator", partnerId=public_id("Partner", 1), **WANTED)
    assert (given["id"], given["state"], given["dueOn"]) == (asked["id"], "HELD", None)
    assert await waiting(city) == []


async def test_what_only_waits_may_not_be_asked(city: City) -> None:
    held = grants.update().where(grants.c.partner_id == 1).values(granted_at=None, granted_by=None)
    await city.write(held.values(requested_at=city.now, requested_by="representative"))
    await city.write(grants.metadata.tables["catalogue_state"].update().values(version=99))
    answer = await city.verify(await city.code("good"))
    assert answer["code"] == "OUT_OF_GRANT", offer_id("museum")


async def test_a_refused_request_says_why_and_can_be_made_again(city: City) -> None:
    asked = await city.do(REQUEST, by="representative", **WANTED)
    ended = await city.do(REVOKE, by="operator", grantId=asked["id"], reason="本地尚无停车优惠")
    assert (ended["state"], ended["remark"]) == ("REFUSED", "本地尚无停车优惠")
    assert (await city.do(REQUEST, by="representative", **WANTED))["id"] != asked["id"]


async def test_what_does_not_exist_cannot_be_asked_for(city: City) -> None:
    for wrong in ({"service": "queue-jump"}, {"model": "nothing"}, {"threshold": "Z"}):
        body = await city.ask(REQUEST, {"input": WANTED | wrong}, by="representative")
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert await waiting(city) == []
