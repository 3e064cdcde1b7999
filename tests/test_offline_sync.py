"""What gates bring back: batches, replays, double uses, gates that ended, and a process that dies in the middle. One
thing to know: nobody is told anything of a person here, and no use is counted twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from factories import City, offer_id
from offline_steps import BUNDLE, END, REGISTER, SET, SYNC, Gate, Phone, carrying, log_of, new_gate, notices_of, public
from test_cases_crashes import killed_at, post
from test_merging import merged
from test_settlement import fetch, listed, settle

from core.audit import audit_entries
from core.identifiers import public_id
from core.signing import unproved_claims
from partners.offline.gate import Refused, sign_use
from partners.offline.tables import offline_answers, offline_choices, offline_gates, offline_passes, offline_uses
from partners.tables import access_events, answers, notices, redemptions, security_events, verifications
from scoring.tables import scores

WATCHED = (
    verifications, redemptions, access_events, audit_entries, answers, notices, security_events, offline_uses,
    offline_passes, offline_answers, offline_choices,
)  # fmt: skip


async def snapshot(city: City) -> dict[str, list[str]]:
    return {table.name: sorted(map(repr, await city.rows(table))) for table in WATCHED}


async def used_twice(city: City) -> tuple[Gate, Gate]:
    """One pass taken at two gates, an hour apart; neither has told."""
    first, second = await new_gate(city, "东门"), await new_gate(city, "西门")
    phone = await carrying(city)
    first.judge(phone.show())
    city.wait(hours=1)
    second.judge(phone.show())
    city.wait(hours=1)
    return first, second


@pytest.mark.parametrize("order", ["first", "second"])
async def test_a_double_use_is_settled_alike_in_either_order_of_syncing(city: City, order: str) -> None:
    first, second = await used_twice(city)
    before = {row.model: row.points for row in await city.rows(scores)}
    pair = (first, second) if order == "first" else (second, first)
    told = [(await gate.sync())[0] for gate in pair]
    assert [one["accepted"] for one in told] == [True, True], "both were taken in good faith"
    assert {tuple(one) for one in told} == {tuple(told[0])}, "and both are answered in the same words"
    assert [one["message"] for one in told] == [None, None]
    uses = sorted(await city.rows(offline_uses), key=lambda row: row.used_at)
    assert [(row.gate_id, row.double_use) for row in uses] == [(uses[0].gate_id, False), (uses[1].gate_id, True)]
    assert uses[1].used_at - uses[0].used_at == timedelta(hours=1)
    assert sorted(line["offline"]["doubleUse"] for line in await log_of(city)) == [False, True]
    (notice,) = await notices_of(city)
    assert notice["kind"] == "offline-double-use"
    assert "12:00" in notice["text"]
    assert "13:00" in notice["text"]
    assert {row.model: row.points for row in await city.rows(scores)} == before, "no mark in any score"
    assert (await Phone(city, "good").ask())["code"] == "OFFLINE_RESTS"
    scanned = await city.verify(await city.code("good"))
    assert scanned["outcome"] == "BENEFIT_APPLIES", "on line nothing has changed"
    assert (await city.do(SET, by="good", offerId=offer_id("museum"), on=True))["restsSince"] is None
    city.wait(days=1)
    assert (await Phone(city, "good").ask())["__typename"] == "OfflinePass"


@pytest.mark.parametrize("order", ["first", "second"])
async def test_a_double_use_at_one_partners_gates_is_paid_once_in_either_order_of_syncing(
    city: City, order: str
) -> None:
    first, second = await used_twice(city)
    pair = (first, second) if order == "first" else (second, first)
    (told,), (again,) = [await gate.sync() for gate in pair]
    assert again["redemptionId"] == told["redemptionId"], "there is one, to be settled and to be reversed"
    assert again["receipt"] != told["receipt"], "but each use has its own receipt"
    assert len(await city.rows(redemptions)) == 1
    assert len(await log_of(city)) == 2
    city.wait(days=1)
    await settle(city)
    (file,) = await listed(city)
    content = (await fetch(city, file["jsonPath"])).json()
    assert [(line["kind"], line["redemption"]) for line in content["lines"]] == [("use", told["redemptionId"])]
    assert await settle(city) == [], "once"


async def test_the_use_that_is_not_paid_cannot_be_redeemed_on_line_either(city: City) -> None:
    first, second = await new_gate(city, "东门"), await new_gate(city, "西门")
    phone = await carrying(city)
    first.judge(phone.show())
    city.wait(seconds=30)
    second.judge(phone.show(ahead=110), ahead=110)
    await first.sync()
    (told,) = await second.sync()
    named = unproved_claims(told["receipt"])["jti"]
    answer = await city.redeem(public_id("Verification", UUID(named)))
    assert answer["code"] == "NOT_REDEEMABLE", "though its clock says that it is still to come"


async def test_one_shown_code_at_several_gates_of_one_partner_counts_once_and_raises_an_alarm(city: City) -> None:
    east, west, south = [await new_gate(city, site) for site in ("东门", "西门", "南门")]
    phone = await carrying(city)
    code = phone.show()
    for gate in (east, west, south):
        assert not isinstance(gate.judge(code), Refused), "a gate knows nothing of the others"
    city.wait(minutes=1)
    (taken,), (told,), (third,) = [await gate.sync(keep=True) for gate in (west, east, south)]
    replayed = {"accepted": False, "problem": "CODE_REPLAYED", "receipt": None, "redemptionId": None}
    assert taken["accepted"]
    assert {name: told[name] for name in replayed} == {name: third[name] for name in replayed} == replayed
    assert len(await city.rows(redemptions)) == 1
    assert [row.double_use for row in await city.rows(offline_uses)] == [False] * 3
    assert await notices_of(city) == []
    assert [row.rests_since for row in await city.rows(offline_choices)] == [None]
    log = await log_of(city)
    assert [(line["problem"], line["offline"]["doubleUse"]) for line in log] == [
        ("CODE_REPLAYED", False), ("CODE_REPLAYED", False), (None, False),
    ]  # fmt: skip
    alarms = sorted(await city.rows(security_events), key=lambda row: row.id)
    assert [(row.kind, row.partner_id) for row in alarms] == [("OFFLINE_CODE_SHARED", 1)] * 2
    assert [{one["site"] for one in row.detail["gates"]} for row in alarms] == [{"东门", "西门"}, {"南门", "西门"}]
    ours = {str(row.id): row.site for row in await city.rows(offline_gates)}
    for row in alarms:
        assert row.detail == {"uses": 1, "gates": row.detail["gates"]}, "nobody is named"
        assert all(one == {"gate": one["gate"], "site": ours[one["gate"]]} for one in row.detail["gates"])
    assert await east.sync() == [told], "for good, and without a further alarm"
    assert len(await city.rows(security_events)) == 2
    city.wait(days=1)
    await settle(city)
    (file,) = await listed(city)
    content = (await fetch(city, file["jsonPath"])).json()
    assert [(line["kind"], line["site"]) for line in content["lines"]] == [("use", "西门")]


async def test_one_shown_code_that_two_gates_sync_at_once_counts_once(city: City) -> None:
    first, second = await new_gate(city, "东门"), await new_gate(city, "西门")
    code = (await carrying(city)).show()
    first.judge(code)
    second.judge(code)
    told = await asyncio.gather(first.sync(), second.sync())
    assert sorted(str(one["problem"]) for (one,) in told) == ["CODE_REPLAYED", "None"]
    assert len(await city.rows(redemptions)) == len(await city.rows(security_events)) == 1
    assert await notices_of(city) == []


async def test_a_reversed_double_use_is_corrected_in_a_later_file(city: City) -> None:
    first, second = await used_twice(city)
    await first.sync()
    (told,) = await second.sync()
    city.wait(days=1)
    await settle(city)
    await city.reverse(told["redemptionId"])
    city.wait(days=1)
    await settle(city)
    latest = (await listed(city))[0]
    content = (await fetch(city, latest["jsonPath"])).json()
    assert [(line["kind"], line["redemption"]) for line in content["lines"]] == [("correction", told["redemptionId"])]


async def test_three_uses_leave_one_that_stands(city: City) -> None:
    gates = [await new_gate(city, site) for site in ("东门", "西门", "南门")]
    phone = await carrying(city)
    for gate in gates:
        gate.judge(phone.show())
        city.wait(minutes=10)
    for gate in (gates[2], gates[0], gates[1]):
        assert (await gate.sync())[0]["accepted"]
    uses = sorted(await city.rows(offline_uses), key=lambda row: row.used_at)
    assert [row.double_use for row in uses] == [False, True, True]
    assert len(await city.rows(redemptions)) == 1


async def test_a_batch_that_is_sent_again_changes_nothing_whatever_its_request_id(city: City) -> None:
    gate = await new_gate(city)
    for person in ("good", "firm"):
        if person == "good":
            gate.judge((await carrying(city, person)).show())
    gate.note("?")
    first = await gate.sync(keep=True, requestId="r")
    done = await snapshot(city)
    city.wait(minutes=1)
    assert await gate.sync(keep=True, requestId="r") == first
    assert await snapshot(city) == done
    assert await gate.sync(keep=True) == first, "by its counter"
    assert (await city.do(SYNC, by="scenic", requestId="r", gateId=gate.id, uses=gate.waiting[:1]))["code"] == (
        "REQUEST_CONFLICT"
    )
    changed = {**done, "answers": []}
    now = await snapshot(city)
    assert {**now, "answers": []} == changed
    city.wait(days=3)
    assert await gate.sync(keep=True, requestId="r") == first, "also when the request is forgotten"


async def test_a_counter_that_comes_with_another_use_is_a_conflict(city: City) -> None:
    gate, phone = await new_gate(city), await carrying(city)
    gate.judge(phone.show())
    await gate.sync()
    gate.counter = 0
    city.wait(seconds=30)
    gate.note(phone.show())
    (told,) = await gate.sync()
    assert (told["counter"], told["problem"], told["receipt"]) == (1, "REQUEST_CONFLICT", None)
    assert len(await city.rows(redemptions)) == 1


async def test_the_same_use_twice_in_a_batch_is_one(city: City) -> None:
    gate, phone = await new_gate(city), await carrying(city)
    gate.judge(phone.show())
    one, same = await gate.sync(uses=gate.waiting * 2)
    assert one == same
    assert len(await city.rows(redemptions)) == 1


async def test_what_a_gate_did_not_sign_or_nobody_issued_goes_to_the_security_log(city: City) -> None:
    gate, other, phone = await new_gate(city), await new_gate(city, "西门"), await carrying(city)
    code = phone.show()
    by_other = sign_use(other.private, gate=gate.id, counter=1, at=int(city.now.timestamp()), code=code)
    for_other = sign_use(gate.private, gate=other.id, counter=1, at=int(city.now.timestamp()), code=code)
    told = await gate.sync(uses=[by_other, for_other, "", "a.b.c", gate.note("x" * 268)])
    assert [(one["counter"], one["problem"]) for one in told] == [(None, "CODE_INVALID")] * 4 + [(1, "CODE_INVALID")]
    assert len(await city.rows(security_events)) == 5
    assert await log_of(city) == []


async def test_a_gate_of_another_partner_answers_like_none(city: City) -> None:
    gate, never = await new_gate(city), "T2ZmbGluZUdhdGU6MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAw"
    for query, more in ((BUNDLE, {}), (END, {}), (SYNC, {"uses": ["?"]})):
        answers_ = []
        for one in (gate.id, never):
            request = {"requestId": city.next_request()} if query is SYNC else {}
            answers_.append(await city.do(query, by="hospital", gateId=one, **request, **more))
        assert answers_[0] == answers_[1]
        assert answers_[0]["code"] == "GATE_UNKNOWN"


async def test_a_pass_of_another_partner_is_refused_and_logged(city: City) -> None:
    await new_gate(city)
    foreign = await new_gate(city, "收费窗口", by="hospital")
    phone = await carrying(city)
    foreign.note(phone.show())
    (told,) = await foreign.sync()
    assert told["problem"] == "CODE_OTHER_OFFER"
    (line,) = await log_of(city)
    assert (line["problem"], line["outcome"], line["offline"]["doubleUse"]) == ("CODE_OTHER_OFFER", None, False)


async def test_an_ended_gate_gets_no_bundle_and_what_it_took_before_still_counts(city: City) -> None:
    gate, phone = await new_gate(city), await carrying(city)
    gate.judge(phone.show())
    city.wait(minutes=10)
    ended = await city.do(END, by="representative", gateId=gate.id)
    assert ended["endedAt"] == city.now.isoformat()
    assert (await gate.fetch())["code"] == "GATE_ENDED"
    await new_gate(city, "西门")
    other = await carrying(city, offer="garden")
    city.wait(minutes=10)
    gate.note(other.show())
    before, after = await gate.sync()
    assert (before["accepted"], after["problem"]) == (True, "GATE_ENDED")


async def test_nothing_counts_that_a_stolen_gate_signed_since(city: City) -> None:
    gate, phone = await new_gate(city), await carrying(city)
    late = await carrying(city, offer="garden")
    gate.judge(phone.show())
    city.wait(hours=1)
    stolen = city.now
    city.wait(hours=1)
    gate.judge(late.show())
    city.wait(hours=1)
    given: dict[str, Any] = {"gateId": gate.id, "stolenSince": stolen.isoformat()}
    assert (await city.do(END, by="scenic", **given))["stolenSince"] == stolen.isoformat()
    before, since = await gate.sync()
    assert (before["accepted"], since["problem"]) == (True, "GATE_ENDED")
    (alarm,) = [row for row in await city.rows(security_events) if row.kind == "STOLEN_GATE"]
    assert alarm.detail["synced"] == 0
    body = await city.ask(END, {"input": given | {"stolenSince": "2027-01-01T00:00:00+00:00"}}, by="scenic")
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(("days", "problem"), [(6.99, None), (7.01, "OFFLINE_TOO_LATE")])
async def test_a_use_comes_within_seven_days(city: City, days: float, problem: str | None) -> None:
    gate, phone = await new_gate(city), await carrying(city, offer="tower")
    gate.judge(phone.show())
    city.wait(days=days)
    (told,) = await gate.sync()
    assert told["problem"] == problem
    assert len(await city.rows(redemptions)) == (problem is None)
    assert (await log_of(city))[0]["problem"] == problem


async def test_two_gates_that_sync_at_once_and_a_batch_sent_twice_at_once_count_each_use_once(city: City) -> None:
    first, second = await used_twice(city)
    await asyncio.gather(*(gate.sync(keep=True) for gate in (first, second, first, second)))
    assert len(await city.rows(redemptions)) == 1
    uses = await city.rows(offline_uses)
    assert sorted(row.double_use for row in uses) == [False, True]
    assert len(await notices_of(city)) == 1


async def test_a_phone_that_asks_five_times_at_once_gets_one_pass(city: City) -> None:
    await new_gate(city)
    phone = await carrying(city)
    await city.write(offline_passes.delete(), verifications.delete())
    answers_ = await asyncio.gather(*(phone.ask() for _ in range(5)))
    assert len({answer["text"] for answer in answers_}) == 1
    assert len(await city.rows(offline_passes)) == len(await city.rows(verifications)) == 1


async def test_a_process_that_dies_at_any_statement_of_a_sync_leaves_nothing_and_again_does_it_once(city: City) -> None:
    first, second = await used_twice(city)
    await first.sync()
    before = await snapshot(city)
    given = {"requestId": "again", "gateId": second.id, "uses": second.waiting}
    number = 0
    while True:
        number += 1
        with killed_at(number) as seen:
            body = await post(city, SYNC, "scenic", given)
        if seen[0] < number:
            break
        assert "errors" in body, number
        assert await snapshot(city) == before, number
    assert number > 12
    assert body["data"]["syncOfflineUses"]["uses"][0]["accepted"]
    assert len(await city.rows(redemptions)) == 1
    assert (await post(city, SYNC, "scenic", given))["data"] == body["data"]


async def test_a_pass_of_a_merged_entry_still_syncs_to_the_one_that_goes_on(city: City) -> None:
    gate, phone = await new_gate(city), await carrying(city)
    gate.judge(phone.show())
    await merged(city, 2, 1)
    (told,) = await gate.sync()
    assert told["accepted"]
    for table in (offline_uses, offline_passes, redemptions):
        assert [row.subject_id for row in await city.rows(table)] == [2]
    assert await city.rows(offline_choices) == []


async def test_a_partner_reads_nothing_of_a_person_in_a_bundle(city: City) -> None:
    gate = await new_gate(city)
    await carrying(city)
    await city.do(SET, by="good", offerId=offer_id("museum"), on=False)
    claims = unproved_claims((await gate.fetch())["text"])
    assert set(claims) == {
        "iss", "iat", "exp", "jti", "partner", "gate", "site", "keys", "offers", "ended", "rules",
    }  # fmt: skip
    assert len(claims["ended"]) == 1
    assert len(claims["ended"][0]) == 22, "a hash, of use only to whoever was shown the pass"


@pytest.mark.parametrize("key", ["", "MQ", "A" * 43, "é" * 43, "A" * 65])
async def test_what_is_no_key_is_not_registered(city: City, key: str) -> None:
    body = await city.ask(REGISTER, {"input": {"site": "东门", "publicKey": key}}, by="scenic")
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_two_gates_never_share_a_key_and_a_hospital_names_no_department(city: City) -> None:
    gate = await new_gate(city)
    again = {"site": "西门", "publicKey": public(gate.private)}
    assert (await city.do(REGISTER, by="hospital", **again))["code"] == "GATE_KEY_KNOWN"
    body = await city.ask(REGISTER, {"input": again | {"site": "肿瘤科"}}, by="hospital")
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
