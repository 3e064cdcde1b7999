"""Who looked at me. One thing to know: what can be attributed is on its subject's log, refusals included, in the one
transaction with the answer; what cannot goes to the security log and to nobody else's."""

from __future__ import annotations

from typing import Any

import pytest
from factories import VERIFY, City, offer_id
from sqlalchemy import text, update

from api.ids import public_id
from core.audit import audit_entries
from partners.codes import issue_code
from partners.tables import access_events, quotas, security_events
from scoring.tables import enrollments


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["problem"] or event["outcome"] for event in events]


async def test_every_answer_about_a_code_of_mine_is_on_my_log_refused_ones_included(city: City) -> None:
    await city.write(update(quotas).values(taken=quotas.c.cap))
    code = await city.code("poor")
    await city.verify(code, "clinic", site="东门")
    await city.verify(code, "ended")
    await city.verify(code, "tower")
    await city.verify(code, "museum", site="西门")
    await city.verify(code, "museum")
    await city.verify(await city.code("poor", offerId=offer_id("garden")), "museum")
    old = await city.code("poor")
    city.wait(seconds=61)
    await city.verify(old)
    events = await city.log("poor")
    assert kinds(events) == [
        "CODE_EXPIRED",
        "CODE_OTHER_OFFER",
        "CODE_REPLAYED",
        "STANDARD_SERVICE",
        "QUOTA_EXHAUSTED",
        "OFFER_CLOSED",
        "OFFER_NOT_YOURS",
    ]
    assert [event["site"] for event in events] == [None, None, None, "西门", None, None, "东门"]
    assert [event["offer"]["id"] for event in events[-3:]] == [offer_id(name) for name in ("tower", "ended", "clinic")]
    assert {event["partner"]["name"] for event in events} == {"测试scenic"}
    assert [bool(event["receipt"]) for event in events] == [False] * 3 + [True] + [False] * 3
    assert [len(event["whyNot"]) for event in events] == [0] * 3 + [1] + [0] * 3
    assert await city.log("good") == []
    tally = await city.tally()
    assert tally["access_events"] == tally["audit_entries"] == tally["answers"] == 7


async def test_what_was_made_of_a_benefit_is_on_the_log_of_the_one_whose_it_is(city: City) -> None:
    query = "{ me { accessLog { edges { node { use { at amountFen reversedAt } } } } } }"

    async def uses(who: str) -> list[dict[str, Any] | None]:
        edges = (await city.ask(query, by=who))["data"]["me"]["accessLog"]["edges"]
        return [edge["node"]["use"] for edge in edges]

    given = await city.verify(await city.code("good"))
    await city.verify(await city.code("poor"))
    assert await uses("good") == await uses("poor") == [None]
    redeemed = await city.redeem(given["id"], amountFen=4500)
    assert await uses("good") == [{"at": redeemed["redeemedAt"], "amountFen": 4500, "reversedAt": None}]
    city.wait(seconds=5)
    taken_back = await city.reverse(redeemed["id"])
    assert (await uses("good"))[0] == {
        "at": redeemed["redeemedAt"],
        "amountFen": 4500,
        "reversedAt": taken_back["reversedAt"],
    }
    assert await uses("poor") == [None]


async def test_an_offer_that_never_was_is_logged_without_an_offer(city: City) -> None:
    await city.verify(await city.code("good"), offerId=public_id("Offer", 99_999))
    assert [(event["offer"], event["problem"]) for event in await city.log("good")] == [(None, "OFFER_NOT_YOURS")]


async def test_a_code_of_nobody_is_in_the_security_log_and_on_nobodys_own(city: City) -> None:
    _, of_nobody = issue_code(city.keys, subject_id=4711, offer_id=None, now=city.now)
    for code in ("forged", of_nobody):
        assert (await city.verify(code, "ended", by="scenic"))["code"] == "CODE_INVALID"
    assert await city.rows(access_events) == []
    assert [(row.kind, row.partner_id, row.detail) for row in await city.rows(security_events)] == [
        ("CODE_INVALID", 1, {"offer": 4})
    ] * 2


async def test_who_has_left_still_sees_who_asked(city: City) -> None:
    code = await city.code("good")
    await city.write(update(enrollments).where(enrollments.c.subject_id == 1).values(left_at=city.now))
    assert (await city.verify(code))["outcome"] == "STANDARD_SERVICE"
    (event,) = await city.log("good")
    assert [reason["code"] for reason in event["whyNot"]] == ["NOT_ENROLLED"]


async def test_a_request_of_somebody_who_may_not_ask_is_on_no_log_and_uses_no_code(city: City) -> None:
    code = await city.code("good")
    asked = {"requestId": "one", "code": code, "offerId": offer_id("museum")}
    for by, wanted in [
        (None, "UNAUTHENTICATED"),
        ("good", "FORBIDDEN"),
        ("operator", "FORBIDDEN"),
        ("ended", "UNAUTHENTICATED"),
    ]:
        body = await city.ask(VERIFY, {"input": asked}, by=by)
        assert body["errors"][0]["extensions"]["code"] == wanted
    assert (await city.tally())["access_events"] == 0
    assert (await city.verify(code))["outcome"] == "BENEFIT_APPLIES"


async def test_the_log_pages_backwards_without_gap_or_repeat_while_it_grows(city: City) -> None:
    for _ in range(7):
        await city.verify(await city.code("good"))
    query = """query ($after: String) { me { accessLog(first: 3, after: $after) {
      edges { node { receipt } } pageInfo { hasNextPage endCursor } } } }"""
    seen: list[str] = []
    after = None
    while True:
        page = (await city.ask(query, {"after": after}, by="good"))["data"]["me"]["accessLog"]
        seen += [edge["node"]["receipt"] for edge in page["edges"]]
        await city.verify(await city.code("good"))
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    whole = [event["receipt"] for event in await city.log("good")]
    assert seen == whole[-7:]
    assert len(set(seen)) == 7


REFUSE_ON_SQLITE = "CREATE TRIGGER refuse BEFORE INSERT ON {0} BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
REFUSE_ON_POSTGRESQL = """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'disk is full'; END $$"""


async def refuse_inserts(city: City, table: str) -> None:
    """Make every further row of a table fail."""
    if city.state.database.is_sqlite:
        await city.write(text(REFUSE_ON_SQLITE.format(table)))
        return
    await city.write(text(REFUSE_ON_POSTGRESQL))
    await city.write(text(f"CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"))


@pytest.mark.parametrize("table", [access_events.name, audit_entries.name, "answers"])
async def test_where_one_row_cannot_be_written_there_is_no_answer_and_no_other_row(city: City, table: str) -> None:
    done = await city.verify(await city.code("good"), "tower")
    await city.verify(await city.code("poor"))  # both scores are stored now
    kept = await city.code("good")
    await refuse_inserts(city, table)
    before = await city.tally()
    (taken_before,) = await city.rows(quotas)
    for asked in (
        {"code": kept, "offerId": offer_id("tower")},
        {"code": await city.code("poor"), "offerId": offer_id("museum")},
        {"code": kept, "offerId": offer_id("ended")},
    ):
        body = await city.ask(VERIFY, {"input": asked | {"requestId": city.next_request()}}, by="scenic")
        told = body["errors"][0]["extensions"]["code"] if "errors" in body else body["data"]["verifyCreditCode"]["code"]
        assert told in ("UNAVAILABLE", "INTERNAL_SERVER_ERROR")
        assert "disk" not in repr(body)
    if table != access_events.name:
        redeem = """mutation ($input: RedeemBenefitInput!) { redeemBenefit(input: $input) { __typename } }"""
        body = await city.ask(redeem, {"input": {"requestId": "one", "verificationId": done["id"]}}, by="scenic")
        assert "errors" in body or body["data"]["redeemBenefit"]["__typename"] == "Problem"
    # A score made afresh may stay: it says nothing of a scan, and is the same for whoever asks next.
    # And where a transaction failed, its connection has begun another chain of audit rows.
    left = {"scores": 0, "audit_chains": 0}
    assert await city.tally() | left == before | left
    assert await city.rows(quotas) == [taken_before]
    await city.write(text("DROP TRIGGER refuse" + ("" if city.state.database.is_sqlite else f" ON {table}")))
    assert (await city.verify(kept, "tower"))["outcome"] == "BENEFIT_APPLIES"
    assert (await city.redeem(done["id"]))["__typename"] == "Redemption"


async def test_a_fault_in_one_persons_data_raises_an_alarm_and_tells_the_partner_nothing(city: City) -> None:
    sound = await city.verify(await city.code("plain"))
    answer = await city.verify(await city.code("faulty"))
    assert set(answer) == set(sound)
    assert (answer["outcome"], answer["benefit"]) == ("STANDARD_SERVICE", None)
    assert len(answer["receipt"]) == len(sound["receipt"])
    (alarm,) = await city.rows(security_events)
    assert (alarm.kind, alarm.partner_id, alarm.detail["subject"]) == ("SUBJECT_DATA_FAULT", None, 6)
    assert "many" not in repr(alarm)
    assert [reason["code"] for reason in (await city.log("faulty"))[0]["whyNot"]] == ["UNDER_REVIEW"]
    assert kinds(await city.log("plain")) == ["STANDARD_SERVICE"]


async def test_who_has_not_enrolled_is_answered_like_anybody_and_learns_why(city: City) -> None:
    _, code = issue_code(city.keys, subject_id=5, offer_id=None, now=city.now)
    assert (await city.verify(code))["outcome"] == "STANDARD_SERVICE"
    assert [reason["code"] for reason in (await city.log("stranger"))[0]["whyNot"]] == ["NOT_ENROLLED"]
