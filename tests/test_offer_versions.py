"""Versions of an offer: the old stays until the new is approved, all are kept whole, and one act goes back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from factories import City
from offer_steps import REASON, STANDARD, act, offer_draft, opened, revised, work
from test_offer_life import city, everything, outcome

from api.ids import key_of
from core.signing import verify
from partners.kinds import benefit_kinds
from partners.offers.content import content_of, draft_of
from partners.offers.diff import Change, changes
from partners.tables import offer_versions, quotas, verifications

__all__ = ["city"]


async def benefit_told(city: City, offer: str) -> Any:
    return (await city.verify(await city.code("good"), by="scenic", offerId=offer))["benefit"]


async def test_a_revision_waits_while_the_old_version_is_given(city: City) -> None:
    offer = await opened(city)
    begun = await act(city, "reviseOffer", offerId=offer, offer=offer_draft(benefit="赠送画册一份"), reason="换赠品")
    assert (begun["state"], begun["revision"], begun["version"]) == ("OPEN", "DRAFT", 1)
    assert begun["offer"]["benefit"] == "赠送画册一份", "work shows what waits"
    await act(city, "submitDraft", offerId=offer)
    assert await benefit_told(city, offer) == "赠送导览手册一份"
    await act(city, "approveOffer", by="reviewer", offerId=offer)
    assert await benefit_told(city, offer) == "赠送画册一份"
    found = await work(city, offer)
    assert [(v["version"], v["inForce"], v["author"], v["decidedBy"]) for v in found["versions"]] == [
        (1, False, "operator", "reviewer"),
        (2, True, "operator", "reviewer"),
    ]
    assert found["versions"][1]["changes"] == [
        {"field": "增加的内容", "before": "赠送导览手册一份", "after": "赠送画册一份"}
    ]
    assert [step["version"] for step in found["steps"]] == [1, 1, 2, 2, 2]


async def test_receipts_carry_the_version_and_one_of_before_still_redeems(city: City) -> None:
    offer = await opened(city)
    before = await city.verify(await city.code("good"), by="scenic", offerId=offer)
    await revised(city, offer, benefit="赠送画册一份")
    after = await city.verify(await city.code("good"), by="scenic", offerId=offer)
    told = [verify(city.keys, "receipt", answer["receipt"])["offerVersion"] for answer in (before, after)]
    assert told == [1, 2]
    assert [row.offer_version for row in await city.rows(verifications)] == [1, 2]
    assert "redeemedAt" in await city.redeem(before["id"])


async def test_one_act_puts_an_earlier_version_back_in_force_under_a_new_number(city: City) -> None:
    offer = await opened(city, quota=3)
    await revised(city, offer, benefit="赠送画册一份", quota=1)
    await act(city, "reviseOffer", offerId=offer, offer=offer_draft(title="又一版"), **REASON)
    back = await act(city, "rollBackOffer", by="reviewer", offerId=offer, version=1, reason="画册印错")
    assert (back["state"], back["revision"], back["version"]) == ("OPEN", None, 4)
    assert [(v["version"], v["status"], v["inForce"], v["fromVersion"]) for v in back["versions"]] == [
        (1, "approved", False, None),
        (2, "approved", False, None),
        (3, "withdrawn", False, None),
        (4, "approved", True, 1),
    ]
    assert await benefit_told(city, offer) == "赠送导览手册一份"
    (row,) = [row for row in await city.rows(quotas) if row.offer_id == key_of(offer, "Offer")]
    assert (row.cap, row.taken) == (3, 1)
    before = await everything(city)
    again = await act(city, "rollBackOffer", by="reviewer", offerId=offer, version=1, reason="画册印错")
    assert (again, await everything(city)) == (back, before)
    for version in (4, 3, 0, 99):
        refused = await act(city, "rollBackOffer", by="reviewer", offerId=offer, version=version, **REASON)
        assert refused["code"] == "VERSION_UNKNOWN"
    assert await everything(city) == before


async def test_a_version_that_would_be_unlawful_today_does_not_come_back(city: City) -> None:
    offer = await opened(city)
    await revised(city, offer, benefit="赠送画册一份")
    worse = STANDARD | {"inForceFrom": "2026-11-20", "priceFen": 5001}
    await act(city, "recordBaseline", offerId=offer, baseline=worse)
    before = await everything(city)
    refused = await act(city, "rollBackOffer", by="reviewer", offerId=offer, version=1, **REASON)
    assert (refused["code"], refused["refusals"]) == ("OFFER_UNLAWFUL", [{"rule": "L1"}])
    assert await everything(city) == before


async def test_there_is_one_revision_at_a_time_and_of_what_is_given_alone(city: City) -> None:
    offer = await opened(city)
    await act(city, "reviseOffer", offerId=offer, offer=offer_draft(title="第二版"), **REASON)
    other = await act(city, "reviseOffer", offerId=offer, offer=offer_draft(title="第三版"), **REASON)
    assert other["code"] == "REVISION_WAITS"
    await act(city, "closeOffer", offerId=offer, **REASON)
    ended = await act(city, "reviseOffer", offerId=offer, offer=offer_draft(title="第三版"), **REASON)
    assert ended["code"] == "OFFER_MOVE_NOT_ALLOWED"
    assert [v["status"] for v in (await work(city, offer))["versions"]] == ["approved", "withdrawn"]


@pytest.mark.parametrize(
    ("changed", "said"), [({"kind": "parking"}, "换种类"), ({"baseline": {"priceFen": 1}}, "标准服务已有登记")]
)
async def test_a_revision_keeps_its_kind_and_rewrites_no_standard_service(
    city: City, changed: dict[str, Any], said: str
) -> None:
    offer = await opened(city)
    query = "mutation ($input: ReviseOfferInput!) { reviseOffer(input: $input) { __typename } }"
    asked = {"offerId": offer, "offer": offer_draft(**changed), **REASON}
    body = await city.ask(query, {"input": asked}, by="operator")
    assert said in body["errors"][0]["message"]


async def test_an_offer_from_before_versions_were_kept_gets_its_first_when_it_is_touched(city: City) -> None:
    tower = await act(city, "pauseOffer", offerId="T2ZmZXI6Mg==", **REASON)
    assert [(v["version"], v["status"], v["inForce"]) for v in tower["versions"]] == [(1, "approved", True)]
    (row,) = await city.rows(offer_versions)
    assert (row.content["quota"], row.content["effects"]) == (10, ["voucher"])
    await act(city, "resumeOffer", offerId="T2ZmZXI6Mg==", **REASON)
    assert await outcome(city, "T2ZmZXI6Mg==") == "BENEFIT_APPLIES"


async def test_content_is_read_back_as_it_was_written(city: City) -> None:
    await opened(
        city,
        quota=3, closesOn="2027-01-01", alsoOpenTo=["hebei"], budgetFen=1000, mostFen=10, priority=-2,
        limits=[{"scope": "SITE", "period": "MONTH", "most": 4}], exclusiveGroup="门票",
    )  # fmt: skip
    (row,) = await city.rows(offer_versions)
    assert content_of(draft_of(row.content)) == row.content


def test_a_diff_tells_each_field_in_plain_words() -> None:
    standard = {
        "price_fen": 5000, "deposit_fen": 0, "days": None, "documents": [], "queue": "first-come",
        "code_required": False, "source_title": "公示", "source_clause": "", "in_force_from": "2024-01-01",
    }  # fmt: skip
    old = {"kind": "tourism", "title": "甲", "effects": ["gift"], "limits": [], "budget_fen": None,
           "standard_lanes_unchanged": False, "details": {"companions": 1}, "baseline": standard}  # fmt: skip
    new = old | {
        "title": "乙",
        "limits": [{"scope": "person", "period": "day", "most": 2}, {"scope": "site", "period": "ever", "most": 9}],
        "budget_fen": 123_456_05,
        "standard_lanes_unchanged": True,
        "details": {},
        "baseline": standard | {"price_fen": 4550},
    }
    assert changes(old, old, kinds=benefit_kinds()) == ()
    assert changes(old, new, kinds=benefit_kinds()) == (
        Change("标题", "甲", "乙"),
        Change("标准通道和名额不变", "否", "是"),
        Change("次数上限", "(无)", "每人每日 2 次、每个网点 9 次"),
        Change("预算总额", "(无)", "123,456.05 元"),
        Change("可同享人数", "1 人", "(无)"),
        Change("标准服务的价格", "50 元", "45.50 元"),
    )


async def test_of_two_approved_at_the_same_time_the_second_is_judged_beside_the_first(city: City) -> None:
    asked: dict[str, Any] = {"kind": "parking", "title": "停车券", "effects": ["voucher"]}
    waiting = [
        (await act(city, "submitOffer", **offer_draft(**asked, threshold=threshold)))["id"] for threshold in ("A", "A+")
    ]
    answers = await asyncio.gather(*(act(city, "approveOffer", by="reviewer", offerId=offer) for offer in waiting))
    assert sorted(answer.get("status") or answer["code"] for answer in answers) == ["OFFER_UNLAWFUL", "approved"]
    refused = next(answer for answer in answers if "code" in answer)
    assert refused["refusals"] == [{"rule": "L12"}], "a second threshold"
