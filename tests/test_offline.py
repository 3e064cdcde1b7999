"""Off-line passes from switching on to settlement. One thing to know: a gate decides with nothing but a bundle, and the
server, at the sync, by what that gate could know."""

from __future__ import annotations

import subprocess
import sys

import pytest
from factories import City, offer_id
from offline_steps import SET, USES, Phone, carrying, log_of, new_gate, notices_of, seconds
from sqlalchemy import delete, update
from test_authorisation import A_CONSENT, GIVE_CONSENT
from test_consents import PAUSE

from api.ids import public_id
from core.signing import verify
from partners.offline.gate import Accepted, Refused
from partners.offline.tables import offline_passes
from partners.tables import catalogue_state, offers, quotas, redemptions
from scoring.tables import credit_records, scores

UNCHANGED = {
    "budget_fen": None, "exclusive_group": "", "limits": [], "payer": "partner", "effects": ["gift"],
}  # fmt: skip


def code_of(answer: Accepted | Refused) -> str:
    return "" if isinstance(answer, Accepted) else answer.code.value


async def taken(city: City, offer: str) -> int:
    return sum(row.taken for row in await city.rows(quotas) if public_id("Offer", row.offer_id) == offer_id(offer))


def test_the_gate_imports_no_database_and_no_server() -> None:
    script = (
        "import sys, partners.offline.gate\n"
        "print([one for one in ('sqlalchemy', 'asyncpg', 'starlette', 'strawberry', 'redis') if one in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout.strip() == b"[]"


async def test_on_then_a_pass_then_a_gate_then_the_log_says_off_line_with_both_times(city: City) -> None:
    gate = await new_gate(city)
    phone = await carrying(city)
    city.wait(hours=2)
    code = phone.show()
    answer = gate.judge(code)
    assert isinstance(answer, Accepted)
    assert (answer.offer.id, answer.offer.benefit) == (offer_id("museum"), "赠送导览手册一份")
    assert await log_of(city) == [], "nobody has heard of it yet"
    used_at = seconds(city)
    city.wait(hours=5)
    (told,) = await gate.sync()
    assert (told["accepted"], told["problem"], told["counter"]) == (True, None, 1)
    (line,) = await log_of(city)
    assert (line["outcome"], line["problem"], line["site"], line["whyNot"]) == ("BENEFIT_APPLIES", None, "东门", [])
    assert line["offline"] == {"usedAt": used_at, "syncedAt": city.now.isoformat(), "doubleUse": False}
    assert line["at"] == city.now.isoformat()
    assert line["receipt"] == told["receipt"]
    claims = verify(city.keys, "receipt", told["receipt"])
    assert (claims["outcome"], claims["offer"]) == ("BENEFIT_APPLIES", offer_id("museum"))
    (redeemed,) = await city.rows(redemptions)
    assert (redeemed.at.replace(microsecond=0).isoformat(), redeemed.partner_id) == (used_at, 1)
    reversed_ = await city.reverse(told["redemptionId"])
    assert reversed_["__typename"] == "ReversedRedemption"


async def test_an_online_scan_stays_unmarked(city: City) -> None:
    await city.verify(await city.code("good"))
    (line,) = await log_of(city)
    assert line["offline"] is None


async def test_no_pass_without_switching_on_and_none_after_switching_off(city: City) -> None:
    await new_gate(city)
    phone = Phone(city, "good")
    assert (await phone.ask())["code"] == "OFFLINE_OFF"
    chosen = await city.do(SET, by="good", offerId=offer_id("museum"), on=True)
    assert (chosen["on"], chosen["restsSince"]) == (True, None)
    assert "同步" in chosen["told"]
    assert (await city.ask(USES, by="good"))["data"]["offlineUses"] == [
        {"on": True, "restsSince": None, "offer": {"id": offer_id("museum")}}
    ]
    assert (await city.ask(USES, by="plain"))["data"]["offlineUses"] == []
    await city.do(SET, by="good", offerId=offer_id("museum"), on=False)
    assert (await phone.ask())["code"] == "OFFLINE_OFF"
    assert await city.rows(offline_passes) == []


@pytest.mark.parametrize("person", ["plain", "poor", "minor", "faulty", "elsewhere"])
async def test_a_pass_is_given_only_while_a_scan_would_say_the_benefit_applies(city: City, person: str) -> None:
    await new_gate(city)
    await city.do(SET, by=person, offerId=offer_id("museum"), on=True)
    scanned = await city.verify(await city.code(person))
    answer = await Phone(city, person).ask()
    assert (scanned["outcome"], answer["code"]) == ("STANDARD_SERVICE", "BENEFIT_NOT_AVAILABLE")
    assert await city.rows(offline_passes) == []


async def test_only_offers_of_partners_with_a_gate_and_without_amounts_or_groups_go_off_line(city: City) -> None:
    listing = "{ offlineOffers { edges { node { id } } } }"

    async def listed_() -> list[str]:
        return [edge["node"]["id"] for edge in (await city.ask(listing))["data"]["offlineOffers"]["edges"]]

    assert await listed_() == []
    assert (await city.do(SET, by="good", offerId=offer_id("museum"), on=True))["code"] == "OFFLINE_NOT_OFFERED"
    await new_gate(city)
    await new_gate(city, by="hospital")
    assert await listed_() == [offer_id(name) for name in ("museum", "tower", "garden")], "the clinic is paid later"
    for name in ("clinic", "loan", "ended", "later", "waiting"):
        assert (await city.do(SET, by="good", offerId=offer_id(name), on=True))["code"] == "OFFLINE_NOT_OFFERED"
    for change in (
        {"budget_fen": 1000, "most_fen": 10},
        {"exclusive_group": "g"},
        {"payer": "government", "effects": ["fee-reduction"]},
        {"limits": [{"scope": "site", "period": "day", "most": 1}]},
    ):
        await city.write(
            update(offers).where(offers.c.id == 1).values(change),
            update(catalogue_state).values(version=catalogue_state.c.version + 1),
        )
        assert offer_id("museum") not in await listed_(), change
        await city.write(update(offers).where(offers.c.id == 1).values(UNCHANGED))


async def test_a_day_has_one_pass_of_an_offer_for_one_phone_and_it_ends_with_the_day(city: City) -> None:
    gate = await new_gate(city)
    phone = await carrying(city)
    first = phone.text
    city.wait(hours=1)
    again = await phone.ask()
    assert (again["text"], again["expiresAt"]) == (first, "2026-11-20T16:00:00+00:00")
    assert (await Phone(city, "good").ask())["code"] == "PASS_ISSUED_TODAY"
    city.wait(hours=10, minutes=59)
    assert code_of(gate.judge(phone.show())) == ""
    city.wait(minutes=4)
    await gate.fetch()
    assert code_of(gate.judge(phone.show())) == "CODE_REPLAYED"
    other = await new_gate(city, "西门")
    assert code_of(other.judge(phone.show())) == "CODE_EXPIRED", "its day is over, also for a gate two minutes behind"
    assert (await phone.ask())["text"] != first, "a new day"
    assert len(await city.rows(offline_passes)) == 2


async def test_a_pass_reserves_what_a_scan_would_and_gives_it_back_when_no_gate_can_have_taken_it(city: City) -> None:
    await new_gate(city)
    await city.write(update(quotas).where(quotas.c.offer_id == 2).values(cap=1))
    await carrying(city, offer="tower")
    assert await taken(city, "tower") == 1
    await city.move_in(1)
    assert (await city.verify(await city.code("citizen-1"), "tower"))["code"] == "QUOTA_EXHAUSTED"
    city.wait(days=7)
    assert (await city.verify(await city.code("citizen-1"), "tower"))["code"] == "QUOTA_EXHAUSTED"
    city.wait(days=1)
    assert (await city.verify(await city.code("citizen-1"), "tower"))["outcome"] == "BENEFIT_APPLIES"
    assert await taken(city, "tower") == 1


async def test_a_pass_counts_once_towards_the_limit_of_its_holder(city: City) -> None:
    gate = await new_gate(city)
    phone = await carrying(city, offer="garden")
    assert (await city.verify(await city.code("good"), "garden"))["outcome"] == "STANDARD_SERVICE"
    gate.judge(phone.show())
    (told,) = await gate.sync()
    assert told["accepted"]
    city.wait(days=9)
    await gate.fetch()
    assert (await phone.ask("garden"))["code"] == "BENEFIT_NOT_AVAILABLE", "used for good"
    await city.reverse(told["redemptionId"])
    assert (await phone.ask("garden"))["__typename"] == "OfflinePass"


async def test_a_full_quota_gives_no_pass_and_writes_nothing(city: City) -> None:
    await new_gate(city)
    await city.do(SET, by="good", offerId=offer_id("tower"), on=True)
    await city.write(update(quotas).where(quotas.c.offer_id == 2).values(taken=10))
    before = await city.tally()
    assert (await Phone(city, "good").ask("tower"))["code"] == "QUOTA_EXHAUSTED"
    assert await city.tally() == before


@pytest.mark.parametrize("ahead", [0, 60, 180, -120])
async def test_clocks_may_differ_by_two_minutes(city: City, ahead: float) -> None:
    gate, phone = await new_gate(city), await carrying(city)
    city.wait(hours=1)
    assert code_of(gate.judge(phone.show(), ahead=ahead)) == ""
    (told,) = await gate.sync()
    # The server hears of a gate that is ahead only when its instant has come, two minutes apart.
    assert told["accepted"] == (ahead <= 120)


@pytest.mark.parametrize("ahead", [181, 600, -121])
async def test_a_photograph_is_refused_after_its_minute_and_two_minutes_of_clocks(city: City, ahead: float) -> None:
    gate, phone = await new_gate(city), await carrying(city)
    city.wait(hours=1)
    photograph = phone.show()
    assert code_of(gate.judge(photograph, ahead=ahead)) == "CODE_EXPIRED"
    city.wait(hours=1)
    gate.note(photograph)
    (told,) = await gate.sync()
    assert told["problem"] == "CODE_EXPIRED", "nor does a gate that took it get it honoured"
    assert (await log_of(city))[0]["problem"] == "CODE_EXPIRED"


async def test_a_gate_takes_a_pass_once_and_the_server_knows_it_too(city: City) -> None:
    gate, phone = await new_gate(city), await carrying(city)
    assert code_of(gate.judge(phone.show())) == ""
    city.wait(seconds=40)
    assert code_of(gate.judge(phone.show())) == "CODE_REPLAYED"
    gate.note(phone.show())
    first, second = await gate.sync()
    assert (first["accepted"], second["problem"]) == (True, "CODE_REPLAYED")
    assert len(await city.rows(redemptions)) == 1
    assert await notices_of(city) == []


async def test_a_stale_bundle_judges_nothing(city: City) -> None:
    gate = await new_gate(city)
    city.wait(hours=24)
    phone = await carrying(city)
    assert code_of(gate.judge(phone.show())) == ""
    gate.used.clear()
    city.wait(seconds=1)
    assert code_of(gate.judge(phone.show())) == "BUNDLE_STALE"
    city.wait(minutes=3)
    gate.waiting.clear()
    gate.note(phone.show())
    (told,) = await gate.sync()
    assert told["problem"] == "BUNDLE_STALE"
    await gate.fetch()
    assert code_of(gate.judge(phone.show())) == ""
    assert code_of(gate.judge(phone.show(), ahead=-600)) == "BUNDLE_STALE", "a clock behind its own bundle is wrong"


@pytest.mark.parametrize("how", ["off", "left", "graded", "paused"])
async def test_an_end_reaches_gates_when_they_fetch_and_uses_before_are_honoured(city: City, how: str) -> None:
    early, late = await new_gate(city, "东门"), await new_gate(city, "西门")
    consent = await city.do(GIVE_CONSENT, by="good", **A_CONSENT | {"partnerId": public_id("Partner", 1)})
    phone = await carrying(city)
    city.wait(hours=1)
    if how == "off":
        await city.do(SET, by="good", offerId=offer_id("museum"), on=False)
    elif how == "left":
        leave = "mutation ($input: LeaveSchemeInput!) { leaveScheme(input: $input) { __typename } }"
        await city.do(leave, by="good", confirm=True)
    elif how == "graded":
        await city.write(delete(credit_records).where(credit_records.c.subject_id == 1), delete(scores))
    elif how == "paused":
        await city.do(PAUSE, by="good", consentId=consent["id"])
    city.wait(minutes=10)
    assert code_of(early.judge(phone.show())) == "", "it has not heard"
    await late.fetch()
    city.wait(minutes=10)
    assert code_of(late.judge(phone.show())) == "PASS_ENDED"
    late.note(phone.show())
    (honoured,) = await early.sync()
    (refused,) = await late.sync()
    assert (honoured["accepted"], refused["problem"]) == (True, "PASS_ENDED")
    assert await notices_of(city) == []
