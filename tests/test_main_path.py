"""The main job: a code is shown, scanned, answered, redeemed, reversed, and everyone can see what happened."""

from __future__ import annotations

import pytest
from factories import City

from core.audit import audit_entries, leaf_of
from partners.receipts import CLAIMS, check_receipt
from partners.tables import access_events, redemptions, verifications


async def test_a_benefit_is_given_and_both_sides_hold_the_receipt(city: City) -> None:
    answer = await city.verify(await city.code("good"), site="东门", clerk="3号")
    assert answer["outcome"] == "BENEFIT_APPLIES"
    assert answer["benefit"] == "赠送导览手册一份"
    (event,) = await city.log("good")
    assert event["receipt"] == answer["receipt"]
    assert (event["outcome"], event["problem"], event["whyNot"]) == ("BENEFIT_APPLIES", None, [])
    assert (event["partner"]["name"], event["site"]) == ("测试scenic", "东门")
    claims = check_receipt(city.keys, answer["receipt"])
    assert set(claims) == CLAIMS
    assert claims["outcome"] == "BENEFIT_APPLIES"
    (entry,) = await city.rows(audit_entries)
    assert claims["leaf"] == entry.leaf == leaf_of(entry._mapping)


@pytest.mark.parametrize(
    ("person", "reason"),
    [
        ("plain", "GRADE_NOT_REACHED"),
        ("poor", "GRADE_NOT_REACHED"),
        ("minor", "MINOR"),
        ("faulty", "UNDER_REVIEW"),
        ("elsewhere", "OTHER_PLACE"),
        ("firm", "OTHER_SUBJECT_KIND"),
    ],
)
async def test_whoever_does_not_qualify_gets_the_standard_service_and_alone_learns_why(
    city: City, person: str, reason: str
) -> None:
    good = await city.verify(await city.code("good"))
    answer = await city.verify(await city.code(person))
    assert set(answer) == set(good)
    assert (answer["outcome"], answer["benefit"]) == ("STANDARD_SERVICE", None)
    assert [why["code"] for why in (await city.log(person))[0]["whyNot"]] == [reason]


async def test_a_redemption_happens_once_and_can_be_taken_back_once(city: City) -> None:
    answer = await city.verify(await city.code("good"))
    redeemed = await city.redeem(answer["id"], amountFen=12_000)
    assert redeemed["__typename"] == "Redemption"
    assert (await city.redeem(answer["id"]))["code"] == "ALREADY_REDEEMED"
    reversed_ = await city.reverse(redeemed["id"])
    assert reversed_["__typename"] == "ReversedRedemption"
    assert (await city.reverse(redeemed["id"]))["code"] == "ALREADY_REVERSED"
    (row,) = await city.rows(redemptions)
    assert (row.amount_fen, row.reversal_reason) == (12_000, "顾客退票")


async def test_a_used_code_is_told_from_an_expired_one(city: City) -> None:
    used, unused = await city.code("good"), await city.code("good")
    await city.verify(used)
    assert (await city.verify(used))["code"] == "CODE_REPLAYED"
    city.wait(seconds=61)
    assert (await city.verify(used))["code"] == "CODE_REPLAYED"
    assert (await city.verify(unused))["code"] == "CODE_EXPIRED"
    assert [event["problem"] for event in await city.log("good")] == [
        "CODE_EXPIRED",
        "CODE_REPLAYED",
        "CODE_REPLAYED",
        None,
    ]
    assert len(await city.rows(verifications)) == 1


async def test_a_problem_does_not_use_the_code_up(city: City) -> None:
    code = await city.code("good")
    assert (await city.verify(code, "ended"))["code"] == "OFFER_CLOSED"
    assert (await city.verify(code, "clinic"))["code"] == "OFFER_NOT_YOURS"
    assert (await city.verify(code))["outcome"] == "BENEFIT_APPLIES"
    assert len(await city.rows(access_events)) == 3
