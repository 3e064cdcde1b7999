"""The same request gets the same answer. One thing to know: a repeated request writes nothing at all, in any table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from factories import REDEEM, REVERSE, VERIFY, City, offer_id, open_city
from test_codes import rotated

from partners.tables import answers, security_events


async def post(city: City, query: str, *, by: str = "scenic", **given: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {city.token(by)}"}
    body = {"query": query, "variables": {"input": given}}
    response = await city.client.post("/graphql", json=body, headers=headers)
    assert response.status_code == 200
    return response


def scan(code: str, offer: str = "museum", **given: Any) -> dict[str, Any]:
    return {"requestId": "one", "code": code, "offerId": offer_id(offer)} | given


def answer_in(response: httpx.Response) -> bytes:
    """The bytes of a response up to what it cost."""
    return response.content.partition(b',"extensions":{"cost":')[0]


async def twice(city: City, query: str, **given: Any) -> dict[str, Any]:
    """The answer to a request that is sent, and sent again later: the same bytes, and no row more."""
    first = await post(city, query, **given)
    before = await city.tally()
    city.wait(hours=23, minutes=59)
    # Beside the answer stands what is left of the caller's allowance, which is of the moment.
    assert answer_in(await post(city, query, **given)) == answer_in(first)
    assert await city.tally() == before
    (answer,) = first.json()["data"].values()
    return dict(answer)


async def test_a_verification_asked_again_is_the_same_to_the_byte_and_writes_nothing(city: City) -> None:
    for number, (person, outcome) in enumerate({"good": "BENEFIT_APPLIES", "poor": "STANDARD_SERVICE"}.items()):
        asked = scan(await city.code(person), "tower", requestId=f"{number}", clerk="3号", site="东门")
        assert (await twice(city, VERIFY, **asked))["outcome"] == outcome


async def test_a_redemption_and_a_reversal_asked_again_are_the_same_to_the_byte(city: City) -> None:
    answer = await city.verify(await city.code("good"), "tower")
    redeemed = await twice(city, REDEEM, requestId="one", verificationId=answer["id"], amountFen=10**12)
    assert redeemed["__typename"] == "Redemption"
    gone = await twice(city, REVERSE, requestId="one", redemptionId=redeemed["id"], reason="顾客退票")
    assert gone["__typename"] == "ReversedRedemption"


async def test_problems_are_recorded_too(city: City) -> None:
    async def problem(**asked: Any) -> str:
        return str((await twice(city, VERIFY, **asked))["code"])

    assert await problem(**scan("A" * 91, requestId="a")) == "CODE_INVALID"
    assert await problem(**scan(await city.code("good"), "ended", requestId="b")) == "OFFER_CLOSED"
    assert await problem(**scan(await city.code("good"), "clinic", requestId="c")) == "OFFER_NOT_YOURS"
    bound = await city.code("good", offerId=offer_id("garden"))
    assert await problem(**scan(bound, requestId="d")) == "CODE_OTHER_OFFER"
    assert await problem(**scan(bound, requestId="e")) == "CODE_EXPIRED"
    used = await city.code("good")
    await city.verify(used)
    assert await problem(**scan(used, requestId="f")) == "CODE_REPLAYED"
    answer = await city.verify(await city.code("poor"))
    refused = await twice(city, REDEEM, requestId="g", verificationId=answer["id"])
    assert refused["code"] == "NOT_REDEEMABLE"


async def test_a_problem_recorded_stays_the_answer_when_its_cause_is_gone(city: City) -> None:
    reserved = [await city.verify(await city.code("good"), "tower") for _ in range(10)]
    redeemed = [await city.redeem(answer["id"]) for answer in reserved]
    asked = scan(await city.code("good"), "tower")
    assert (await city.do(VERIFY, by="scenic", **asked))["code"] == "QUOTA_EXHAUSTED"
    await city.reverse(redeemed[0]["id"])
    assert (await city.do(VERIFY, by="scenic", **asked))["code"] == "QUOTA_EXHAUSTED"
    assert (await city.do(VERIFY, by="scenic", **asked | {"requestId": "two"}))["outcome"] == "BENEFIT_APPLIES"


async def test_another_body_under_the_same_id_is_a_conflict_that_is_logged_and_changes_nothing(city: City) -> None:
    code = await city.code("good")
    asked = scan(code, clerk="3号", site="东门")
    answer = await city.do(VERIFY, by="scenic", **asked)
    redeem = {"requestId": "one", "verificationId": answer["id"], "amountFen": 100}
    redeemed = await city.do(REDEEM, by="scenic", **redeem)
    reverse = {"requestId": "one", "redemptionId": redeemed["id"], "reason": "顾客退票"}
    await city.do(REVERSE, by="scenic", **reverse)
    before = await city.tally()
    fresh = await city.code("good")
    others = [
        (VERIFY, asked | {"code": fresh}),
        (VERIFY, asked | {"code": code[:-1]}),
        (VERIFY, asked | {"offerId": offer_id("garden")}),
        (VERIFY, asked | {"clerk": "4号"}),
        (VERIFY, asked | {"site": None}),
        (VERIFY, asked | {"clerk": "东门", "site": "3号"}),
        (REDEEM, redeem | {"amountFen": 101}),
        (REDEEM, redeem | {"amountFen": None}),
        (REVERSE, reverse | {"reason": "顾客换票"}),
    ]
    for query, changed in others:
        assert (await city.do(query, by="scenic", **changed))["code"] == "REQUEST_CONFLICT", changed
    # Somebody asked about a person, so it is on that person's log; of the code cut short nobody knows whose it is.
    logged = {"access_events": 5, "audit_entries": 5, "security_events": 1}
    assert await city.tally() == {table: rows + logged.get(table, 0) for table, rows in before.items()}
    assert [event["problem"] for event in await city.log("good")] == ["REQUEST_CONFLICT"] * 5 + [None]
    assert (await city.do(VERIFY, by="scenic", **asked)) == answer
    assert (await city.verify(fresh))["outcome"] == "BENEFIT_APPLIES"


async def test_a_null_label_and_an_absent_one_are_the_same_body(city: City) -> None:
    asked = scan(await city.code("good"))
    answer = await city.do(VERIFY, by="scenic", **asked)
    assert await city.do(VERIFY, by="scenic", **asked | {"clerk": None, "site": None}) == answer


async def test_the_same_id_of_another_partner_is_another_request(city: City) -> None:
    mine = await city.do(VERIFY, by="scenic", **scan(await city.code("good")))
    theirs = await city.do(VERIFY, by="hospital", **scan(await city.code("good"), "clinic"))
    assert mine["outcome"] == theirs["outcome"] == "BENEFIT_APPLIES"
    assert mine["id"] != theirs["id"]
    assert {(row.partner_id, row.request_id) for row in await city.rows(answers)} == {(1, "one"), (2, "one")}


async def test_the_same_id_under_another_mutation_is_another_request(city: City) -> None:
    answer = await city.do(VERIFY, by="scenic", **scan(await city.code("good")))
    redeemed = await city.do(REDEEM, by="scenic", requestId="one", verificationId=answer["id"])
    gone = await city.do(REVERSE, by="scenic", requestId="one", redemptionId=redeemed["id"], reason="顾客退票")
    assert [one["__typename"] for one in (answer, redeemed, gone)] == [
        "Verification",
        "Redemption",
        "ReversedRedemption",
    ]
    assert len(await city.rows(answers)) == 3


async def test_after_a_day_the_id_is_free_again_and_keeps_one_row(city: City) -> None:
    first = await city.do(VERIFY, by="scenic", **scan(await city.code("good")))
    redeemed = await city.do(REDEEM, by="scenic", requestId="one", verificationId=first["id"])
    await city.do(REVERSE, by="scenic", requestId="one", redemptionId=redeemed["id"], reason="顾客退票")
    city.wait(hours=24)
    again = await city.do(VERIFY, by="scenic", **scan(await city.code("poor")))
    assert again["outcome"] == "STANDARD_SERVICE"
    spent = await city.do(REDEEM, by="scenic", requestId="one", verificationId=first["id"])
    assert spent["code"] == "ALREADY_REDEEMED"
    gone = await city.do(REVERSE, by="scenic", requestId="one", redemptionId=redeemed["id"], reason="顾客退票")
    assert gone["code"] == "ALREADY_REVERSED"
    assert {row.at for row in await city.rows(answers)} == {city.now}
    assert len(await city.rows(answers)) == 3


async def test_a_malformed_request_is_not_recorded_and_its_id_stays_free(city: City) -> None:
    code = await city.code("good")
    before = await city.tally()
    for wrong in (
        {"requestId": ""},
        {"requestId": "x" * 129},
        {"requestId": "a\u0000b"},
        {"requestId": "a\nb"},
        {"offerId": "Offer:1"},
        {"offerId": offer_id("museum") + "="},
        {"clerk": ""},
        {"clerk": "三" * 41},
        {"site": "东\u202e门"},
    ):
        body = await city.ask(VERIFY, {"input": scan(code) | wrong}, by="scenic")
        assert [error["extensions"]["code"] for error in body["errors"]] == ["BAD_USER_INPUT"], wrong
    assert await city.tally() == before
    assert (await city.do(VERIFY, by="scenic", **scan(code)))["outcome"] == "BENEFIT_APPLIES"


async def test_of_a_body_only_a_keyed_hash_is_kept(city: City) -> None:
    code = await city.code("good")
    await city.do(VERIFY, by="scenic", **scan(code, clerk="当班甲"))
    await city.do(VERIFY, by="scenic", **scan("not a code", requestId="two", clerk="当班甲"))
    kept = repr(await city.rows(answers)) + repr(await city.rows(security_events))
    assert code not in kept
    assert "not a code" not in kept
    assert "当班甲" not in kept
    assert {len(row.body_hash) for row in await city.rows(answers)} == {32}


async def test_a_code_of_any_letters_written_into_the_document_is_just_no_code(city: City) -> None:
    for code in ("\\uD83D", "\\uDC00x", "\\u0000", "😀", "码"):
        query = f"""mutation {{ verifyCreditCode(input: {{ requestId: "one", offerId: "{offer_id("museum")}",
          code: "{code}" }}) {{ ... on Problem {{ code }} }} }}"""
        body = await city.ask(query.replace('"one"', f'"{city.next_request()}"'), by="scenic")
        if "errors" in body:
            assert [error["extensions"]["code"] for error in body["errors"]] == ["BAD_USER_INPUT"]
        else:
            assert body["data"]["verifyCreditCode"] == {"code": "CODE_INVALID"}


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_a_request_repeated_after_the_keys_were_rotated_gets_its_answer(
    city: City, city_url: str, keys_file: Path, tmp_path: Path
) -> None:
    asked = scan(await city.code("good"))
    answer = await city.do(VERIFY, by="scenic", **asked)
    rotated(keys_file, tmp_path, "body")
    async with open_city(database_url=city_url, keys_file=tmp_path / "rotated.json") as restarted:
        assert await restarted.do(VERIFY, by="scenic", **asked) == answer


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_a_code_shown_while_its_key_is_rotated_is_good_at_the_instance_started_since(
    city: City, city_url: str, keys_file: Path, tmp_path: Path
) -> None:
    shown = await city.code("good")
    rotated(keys_file, tmp_path, "code")
    async with open_city(database_url=city_url, keys_file=tmp_path / "rotated.json") as restarted:
        assert (await restarted.verify(shown))["outcome"] == "BENEFIT_APPLIES"
        assert (await city.verify(shown, requestId="x"))["code"] == "CODE_REPLAYED"
