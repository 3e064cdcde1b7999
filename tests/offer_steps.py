"""Offers on their way, for tests. One thing to know: `offer_draft` is lawful; what a test changes is all there is."""

from __future__ import annotations

from typing import Any

from factories import City

from api.ids import public_id

FIELDS = """id state revision version writtenBy since dueOn
  offer { title benefit status details { label value } }
  opinions { refusal { rule } needsReview key } signedReviews { rule signedBy reason }
  versions { version status inForce author decidedBy fromVersion changes { field before after } }
  steps { step version status actor reason }"""
WORK = f"... on OfferWork {{ {FIELDS} }} ... on Problem {{ code message refusals {{ rule }} }}"
QUEUE = f"""query ($states: [OfferState!], $first: Int, $after: String) {{
  offerQueue(states: $states, first: $first, after: $after) {{
    edges {{ cursor node {{ {FIELDS} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
DETAILS = {"discountPercent": 20, "companions": 1}
STANDARD = {"sourceTitle": "景区服务公示", "inForceFrom": "2024-01-01", "priceFen": 5000}
REASON = {"reason": "测试"}


def offer_draft(**changes: Any) -> dict[str, Any]:
    """A lawful offer of the scenic spot; `baseline` changes its standard service."""
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
        "baseline": STANDARD | changes.pop("baseline", {}),
    } | changes


async def act(city: City, name: str, *, by: str = "operator", **given: Any) -> dict[str, Any]:
    """One mutation about offers."""
    kind = f"{name[0].upper()}{name[1:]}Input"
    shown = "... on Offer { id status } ... on Problem { code message refusals { rule } }"
    selection = shown if name in {"submitOffer", "approveOffer"} else WORK
    return await city.do(
        f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ __typename {selection} }} }}", by=by, **given
    )


async def drafted(city: City, *, by: str = "operator", **changes: Any) -> str:
    """The id of a draft."""
    return str((await act(city, "draftOffer", by=by, **offer_draft(**changes)))["id"])


async def opened(city: City, **changes: Any) -> str:
    """The id of an offer written by one and approved by another."""
    offer = (await act(city, "submitOffer", **offer_draft(**changes)))["id"]
    assert (await act(city, "approveOffer", by="reviewer", offerId=offer))["status"] == "approved"
    return str(offer)


async def revised(city: City, offer: str, **changes: Any) -> dict[str, Any]:
    """A revision of it, submitted and approved; the offer's work afterwards."""
    begun = await act(city, "reviseOffer", offerId=offer, offer=offer_draft(**changes), reason="改进")
    assert begun["__typename"] == "OfferWork", begun
    await act(city, "submitDraft", offerId=offer)
    assert (await act(city, "approveOffer", by="reviewer", offerId=offer))["status"] == "approved"
    return await work(city, offer)


async def work(city: City, offer: str, *, by: str = "operator") -> dict[str, Any]:
    """An offer as work."""
    query = f"query ($id: ID!) {{ offerWork(id: $id) {{ {FIELDS} }} }}"
    found = (await city.ask(query, {"id": offer}, by=by))["data"]["offerWork"]
    return dict(found) if found else {}


async def queue(city: City, *states: str, by: str = "operator", **page: Any) -> list[str]:
    """The titles in the queue."""
    body = await city.ask(QUEUE, {"states": list(states) or None, **page}, by=by)
    return [edge["node"]["offer"]["title"] for edge in body["data"]["offerQueue"]["edges"]]


async def doubtful(city: City, **changes: Any) -> str:
    """A submitted offer that a machine cannot judge: a gift beside a basic public service."""
    asked = offer_draft(basicPublicService=True, title="阅览赠册", **changes)
    done = await act(city, "submitOffer", **asked)
    assert done["__typename"] == "Offer", done
    return str(done["id"])


async def signed(city: City, offer: str) -> dict[str, Any]:
    """All that waits for a human is signed."""
    for opinion in (await work(city, offer))["opinions"]:
        done = await act(city, "signOfferReview", by="reviewer", offerId=offer, key=opinion["key"], reason="已核对")
        assert done["__typename"] == "OfferWork", done
    return await work(city, offer)


async def work_on_offers(city: City) -> None:
    """An offer with a revision, and one with a signed review."""
    await revised(city, await opened(city), title="守信游客赠册二", details={"tourism": DETAILS})
    await signed(city, await doubtful(city))


async def offer_input(city: City, what: str, actor: str) -> dict[str, Any]:  # noqa: PLR0911  # one each
    """A good input for a mutation about offers."""
    match what:
        case "draftOffer":
            return offer_draft(title="起草的优惠")
        case "signOfferReview":
            return {"offerId": await doubtful(city), "key": "0" * 64, **REASON}
        case "editOffer":
            return {"offerId": await drafted(city, title="要改的优惠"), "offer": offer_draft(title="改过的优惠")}
        case "submitDraft":
            return {"offerId": await drafted(city, title="要提交的优惠")}
        case "withdrawOffer":
            return {"offerId": await drafted(city, by="representative", title="要撤回的优惠"), **REASON}
        case "requestOfferChanges":
            offer = await act(city, "submitOffer", by="operator-2", **offer_draft(title="要退回的优惠"))
            return {"offerId": offer["id"], **REASON}
        case "reviseOffer":
            return {"offerId": public_id("Offer", 1), "offer": offer_draft(title="修订的优惠"), **REASON}
        case "rollBackOffer":
            return {"offerId": public_id("Offer", 4), "version": 1, **REASON}
        case "recordBaseline":
            return {"offerId": public_id("Offer", 4), "baseline": STANDARD | {"inForceFrom": "2024-01-01"}}
    return {"offerId": public_id("Offer", 6), **REASON}


ACTS = {
    "draftOffer", "editOffer", "submitDraft", "reviseOffer", "withdrawOffer", "requestOfferChanges", "signOfferReview",
    "pauseOffer", "resumeOffer", "closeOffer", "rollBackOffer", "recordBaseline",
}  # fmt: skip
