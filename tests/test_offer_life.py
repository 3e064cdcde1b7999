"""An offer from draft to its end: who may do what, from where, and what stays as it was."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from factories import City, offer_id
from offer_steps import DETAILS, REASON, STANDARD, act, doubtful, drafted, offer_draft, opened, revised, signed, work
from sqlalchemy import text

from api.ids import key_of, public_id
from core.audit import audit_entries
from partners.offers.life import MOVES, PENDING, Status
from partners.tables import baselines, catalogue_state, grants, offer_steps, offer_versions, offers, quotas

TABLES = (offers, offer_versions, offer_steps, baselines, quotas, grants, catalogue_state, audit_entries)


@pytest.fixture
async def city(city: City) -> City:
    """New offers are numbered after those that the small city numbered itself."""
    if not city.state.database.is_sqlite:
        async with city.state.database.transaction() as connection:
            await connection.execute(
                text("SELECT setval(pg_get_serial_sequence('offers', 'id'), (SELECT max(id) FROM offers))")
            )
    return city


async def everything(city: City) -> list[Any]:
    return [await city.rows(table) for table in TABLES]


async def outcome(city: City, offer: str) -> str:
    answer = await city.verify(await city.code("good"), by="scenic", offerId=offer)
    return str(answer.get("outcome", answer.get("code")))


def test_the_table_of_moves_is_the_whole_workflow() -> None:
    told = {now.value: sorted(to.value for to in allowed) for now, allowed in MOVES.items()}
    assert told == {
        "draft": ["draft", "submitted", "withdrawn"],
        "submitted": ["approved", "changes-requested", "withdrawn"],
        "changes-requested": ["draft", "submitted", "withdrawn"],
        "approved": ["closed", "paused"],
        "paused": ["approved", "closed"],
        "closed": [],
        "withdrawn": [],
    }
    assert {to for now in PENDING for to in MOVES[now]} - PENDING == {Status.APPROVED, Status.WITHDRAWN}


async def test_a_draft_becomes_an_offer_step_by_step(city: City) -> None:
    offer = await drafted(city)
    assert (await work(city, offer))["state"] == "DRAFT"
    assert (await act(city, "submitDraft", offerId=offer))["state"] == "SUBMITTED"
    sent_back = await act(city, "requestOfferChanges", by="reviewer", offerId=offer, reason="请写明手册种类")
    assert sent_back["state"] == "CHANGES_REQUESTED"
    edited = await act(city, "editOffer", offerId=offer, offer=offer_draft(benefit="赠送园区导览手册一份"))
    assert (edited["state"], edited["offer"]["benefit"]) == ("DRAFT", "赠送园区导览手册一份")
    await act(city, "submitDraft", offerId=offer)
    assert await outcome(city, offer) == "OFFER_CLOSED"
    assert (await act(city, "approveOffer", by="reviewer", offerId=offer))["status"] == "approved"
    assert await outcome(city, offer) == "BENEFIT_APPLIES"
    found = await work(city, offer)
    assert (found["state"], found["version"], [v["status"] for v in found["versions"]]) == ("OPEN", 1, ["approved"])
    assert [(s["step"], s["status"], s["actor"], s["reason"]) for s in found["steps"]] == [
        (1, "draft", "operator", "起草"),
        (2, "submitted", "operator", "提交审核"),
        (3, "changes-requested", "reviewer", "请写明手册种类"),
        (4, "draft", "operator", "修改"),
        (5, "submitted", "operator", "提交审核"),
        (6, "approved", "reviewer", "审核通过"),
    ]


async def test_an_unlawful_draft_is_kept_and_told_and_cannot_be_submitted(city: City) -> None:
    offer = await drafted(city, baseline={"codeRequired": True})
    opinions = (await work(city, offer))["opinions"]
    assert opinions == [{"refusal": {"rule": "L2"}, "needsReview": False, "key": None}]
    before = await everything(city)
    refused = await act(city, "submitDraft", offerId=offer)
    assert (refused["code"], refused["refusals"]) == ("OFFER_UNLAWFUL", [{"rule": "L2"}])
    assert await everything(city) == before


async def test_whoever_wrote_any_part_of_a_version_does_not_let_it_pass(city: City) -> None:
    offer = await drafted(city, by="representative")
    await act(city, "editOffer", by="operator-2", offerId=offer, offer=offer_draft(title="守信游客赠手册"))
    await act(city, "submitDraft", by="operator", offerId=offer)
    before = await everything(city)
    for author in ("operator", "operator-2"):
        assert (await act(city, "approveOffer", by=author, offerId=offer))["code"] == "FOUR_EYES"
        assert (await act(city, "requestOfferChanges", by=author, offerId=offer, **REASON))["code"] == "FOUR_EYES"
    assert await everything(city) == before
    assert (await act(city, "approveOffer", by="reviewer", offerId=offer))["status"] == "approved"


async def test_acts_done_twice_are_done_once(city: City) -> None:
    offer = await drafted(city)
    assert await drafted(city) == offer
    same = offer_draft()
    for name, by, given in (
        ("editOffer", "operator", {"offer": same}),
        ("submitDraft", "operator", {}),
        ("requestOfferChanges", "reviewer", REASON),
        ("submitDraft", "operator", {}),
        ("approveOffer", "reviewer", {}),
        ("pauseOffer", "operator", REASON),
        ("resumeOffer", "operator", REASON),
        ("reviseOffer", "operator", {"offer": offer_draft(title="守信游客赠册二"), **REASON}),
        ("withdrawOffer", "operator", REASON),
        ("recordBaseline", "operator", {"baseline": STANDARD | {"inForceFrom": "2026-11-20", "priceFen": 4000}}),
        ("closeOffer", "operator", REASON),
    ):
        first = await act(city, name, by=by, offerId=offer, **given)
        before = await everything(city)
        again = await act(city, name, by=by, offerId=offer, **given)
        assert await everything(city) == before, name
        if name != "approveOffer":
            assert (first["__typename"], again) == ("OfferWork", first), name


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("editOffer", {"offer": offer_draft()}),
        ("submitDraft", {}),
        ("requestOfferChanges", REASON),
        ("withdrawOffer", REASON),
        ("resumeOffer", REASON),
    ],
)
async def test_what_the_table_does_not_have_is_refused(city: City, name: str, given: dict[str, Any]) -> None:
    offer = await opened(city)
    if name == "resumeOffer":
        await act(city, "closeOffer", offerId=offer, **REASON)
    before = await everything(city)
    by = "reviewer" if name == "requestOfferChanges" else "operator"
    assert (await act(city, name, by=by, offerId=offer, **given))["code"] == "OFFER_MOVE_NOT_ALLOWED"
    assert await everything(city) == before


@pytest.mark.parametrize("name", ["submitDraft", "pauseOffer", "resumeOffer", "closeOffer", "withdrawOffer"])
async def test_an_offer_of_another_and_one_that_never_was_are_the_same_to_a_representative(
    city: City, name: str
) -> None:
    given = {} if name == "submitDraft" else REASON
    before = await everything(city)
    answers = [
        await act(city, name, by="representative", offerId=offer, **given)
        for offer in (offer_id("clinic"), public_id("Offer", 987_654_321))
    ]
    assert (answers[0]["code"], answers[0]) == ("OFFER_UNKNOWN", answers[1])
    assert await everything(city) == before
    assert await work(city, offer_id("clinic"), by="representative") == {}
    assert (await work(city, offer_id("museum"), by="representative"))["state"] == "OPEN"


async def test_a_representative_writes_for_its_own_partner_alone(city: City) -> None:
    asked = offer_draft(partnerId=public_id("Partner", 2), kind="medical", effects=["deferred-payment"])
    for name in ("draftOffer", "submitOffer"):
        assert (await act(city, name, by="representative", **asked))["code"] == "OFFER_UNKNOWN"
    own = await act(city, "submitOffer", by="representative", **offer_draft())
    assert own["status"] == "submitted"


async def test_only_an_author_takes_a_version_back(city: City) -> None:
    offer = await drafted(city)
    assert (await act(city, "withdrawOffer", by="operator-2", offerId=offer, **REASON))["code"] == "NOT_THE_AUTHOR"
    assert (await act(city, "withdrawOffer", offerId=offer, **REASON))["state"] == "WITHDRAWN"
    assert (await act(city, "submitDraft", offerId=offer))["code"] == "OFFER_MOVE_NOT_ALLOWED"


async def test_a_pause_closes_at_once_and_who_was_verified_before_redeems(city: City) -> None:
    offer = await opened(city)
    code = await city.code("good")
    verified = await city.verify(await city.code("good"), by="scenic", offerId=offer)
    assert (await act(city, "pauseOffer", by="representative", offerId=offer, **REASON))["state"] == "PAUSED"
    assert (await city.verify(code, by="scenic", offerId=offer))["code"] == "OFFER_CLOSED"
    assert "redeemedAt" in await city.redeem(verified["id"])
    assert (await act(city, "resumeOffer", offerId=offer, **REASON))["state"] == "OPEN"
    assert await outcome(city, offer) == "BENEFIT_APPLIES"
    assert (await act(city, "closeOffer", offerId=offer, **REASON))["state"] == "CLOSED"
    assert await outcome(city, offer) == "OFFER_CLOSED"


async def test_a_paused_offer_that_became_unlawful_is_not_resumed(city: City) -> None:
    offer = await opened(city)
    await act(city, "pauseOffer", offerId=offer, **REASON)
    worse = STANDARD | {"inForceFrom": "2026-11-20", "priceFen": 5001}
    await act(city, "recordBaseline", offerId=offer, baseline=worse)
    refused = await act(city, "resumeOffer", offerId=offer, **REASON)
    assert (refused["code"], refused["refusals"]) == ("OFFER_UNLAWFUL", [{"rule": "L1"}])


async def test_an_approved_offer_is_scheduled_open_and_closed_by_its_days(city: City) -> None:
    offer = await opened(city, opensOn="2026-11-22", closesOn="2026-11-24")
    seen = []
    for _ in range(5):
        seen.append((await work(city, offer))["state"])
        city.wait(days=1)
    assert seen == ["SCHEDULED", "SCHEDULED", "OPEN", "OPEN", "CLOSED"]


async def test_what_a_machine_cannot_judge_waits_for_a_named_reviewer(city: City) -> None:
    offer = await doubtful(city)
    opinions = (await work(city, offer))["opinions"]
    assert opinions
    assert all(opinion["needsReview"] for opinion in opinions)
    refused = await act(city, "approveOffer", by="operator-2", offerId=offer)
    assert refused["code"] == "OFFER_NEEDS_REVIEW"
    before = await everything(city)
    unknown = await act(city, "signOfferReview", by="reviewer", offerId=offer, key="0" * 64, reason="已核对")
    assert (unknown["code"], await everything(city)) == ("REVIEW_UNKNOWN", before)
    found = await signed(city, offer)
    assert found["opinions"] == []
    assert {(one["rule"], one["signedBy"], one["reason"]) for one in found["signedReviews"]} == {
        (opinion["refusal"]["rule"], "reviewer", "已核对") for opinion in opinions
    }
    assert (await act(city, "approveOffer", by="reviewer", offerId=offer))["status"] == "approved"
    assert await outcome(city, offer) == "BENEFIT_APPLIES"
    again = await act(
        city, "reviseOffer", offerId=offer, **REASON,
        offer=offer_draft(basicPublicService=True, title="阅览赠册", benefit="赠送书签一枚"),
    )  # fmt: skip
    assert [one["refusal"]["rule"] for one in again["opinions"]] == [one["refusal"]["rule"] for one in opinions]
    assert await outcome(city, offer) == "BENEFIT_APPLIES", "what was signed holds for the terms that were signed"


async def test_approving_gives_the_grant_the_quota_and_the_budget(city: City) -> None:
    asked: dict[str, Any] = {"kind": "parking", "title": "停车券", "effects": ["voucher"], "quota": 5, "limits": []}
    asked |= {"budgetFen": 100_000, "mostFen": 500}
    submitted = await act(city, "submitOffer", **offer_draft(**asked))
    key = key_of(submitted["id"], "Offer")
    assert [row for row in await city.rows(quotas) if row.offer_id == key] == []
    assert [row for row in await city.rows(grants) if row.service == "parking"] == []
    await act(city, "approveOffer", by="reviewer", offerId=submitted["id"])
    caps = {row.bucket: (row.cap, row.taken) for row in await city.rows(quotas) if row.offer_id == key}
    assert caps == {"ever": (5, 0), "budget": (100_000, 0)}
    (grant,) = [row for row in await city.rows(grants) if row.service == "parking"]
    assert (grant.partner_id, grant.model, grant.threshold, grant.purpose) == (1, "xiangxinfen", "A", "benefit-check")
    assert (grant.granted_by, grant.revoked_at) == ("reviewer", None)
    await revised(city, submitted["id"], **asked | {"quota": 9, "budgetFen": None, "mostFen": None})
    caps = {row.bucket: (row.cap, row.taken) for row in await city.rows(quotas) if row.offer_id == key}
    assert caps == {"ever": (9, 0)}
    assert len([row for row in await city.rows(grants) if row.service == "parking"]) == 1


async def test_the_terms_of_a_kind_are_typed_and_told(city: City) -> None:
    offer = await opened(city, details={"tourism": DETAILS})
    lines = (await work(city, offer))["offer"]["details"]
    assert lines == [{"label": "门票减免", "value": "20%"}, {"label": "可同享人数", "value": "1 人"}]
    query = "mutation ($input: DraftOfferInput!) { draftOffer(input: $input) { __typename } }"
    for details, said in (
        ({"tourism": {"discountPercent": 101}}, "门票减免"),
        ({"loan": {"longestMonths": 12}}, "只填本类的条款"),
    ):
        body = await city.ask(query, {"input": offer_draft(details=details)}, by="operator")
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert said in body["errors"][0]["message"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"budgetFen": 100}, "mostFen"),
        ({"mostFen": 100}, "budgetFen"),
        ({"budgetFen": 100, "mostFen": 101}, "mostFen"),
        ({"limits": [{"scope": "PERSON", "period": "DAY", "most": 0}]}, "须为正整数"),
        ({"limits": [{"scope": "SITE", "period": "DAY", "most": n} for n in (1, 2)]}, "只能有一个上限"),
        ({"quota": 3, "limits": [{"scope": "OFFER", "period": "EVER", "most": 2}]}, "只能有一个上限"),
    ],
)
async def test_limits_and_budgets_that_do_not_fit_are_the_clients_mistake(
    city: City, changes: dict[str, Any], said: str
) -> None:
    query = "mutation ($input: SubmitOfferInput!) { submitOffer(input: $input) { __typename } }"
    before = await everything(city)
    body = await city.ask(query, {"input": offer_draft(**changes)}, by="operator")
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert said in body["errors"][0]["message"]
    assert await everything(city) == before


async def test_a_standard_service_is_only_ever_added_to(city: City) -> None:
    offer = await opened(city)
    for day in ("2023-12-31", "2024-01-01"):
        worse = STANDARD | {"inForceFrom": day, "priceFen": 9000}
        assert (await act(city, "recordBaseline", offerId=offer, baseline=worse))["code"] == "BASELINE_NOT_LATER"
    better = STANDARD | {"inForceFrom": "2026-11-20", "priceFen": 4000}
    assert (await act(city, "recordBaseline", offerId=offer, baseline=better))["state"] == "OPEN"
    worse = STANDARD | {"inForceFrom": "2026-11-21", "priceFen": 4500}
    assert (await act(city, "recordBaseline", offerId=offer, baseline=worse))["state"] == "OPEN"
    city.wait(days=1)
    found = await work(city, offer)
    assert (found["state"], [one["refusal"]["rule"] for one in found["opinions"]]) == ("HELD", ["L1"])
    assert await outcome(city, offer) == "OFFER_CLOSED"
    rows = [row.in_force_from for row in await city.rows(baselines) if row.offer_id == key_of(offer, "Offer")]
    assert rows == [date(2024, 1, 1), date(2026, 11, 20), date(2026, 11, 21)]


async def test_closing_an_offer_and_registering_it_afresh_is_no_way_round_the_year(city: City) -> None:
    offer = await opened(city)
    await act(city, "closeOffer", offerId=offer, **REASON)
    dearer = {"priceFen": 6000, "inForceFrom": "2026-11-19"}
    fresh = await act(city, "submitOffer", **offer_draft(baseline=dearer))
    refused = await act(city, "approveOffer", by="reviewer", offerId=fresh["id"])
    assert (refused["code"], [one["rule"] for one in refused["refusals"]]) == ("OFFER_NEEDS_REVIEW", ["L1"])
