"""Which answer wins when several could be given. One thing to know: the person comes last, so that no Problem depends
on who the person is."""

from __future__ import annotations

from itertools import chain, repeat
from typing import Any

from factories import NOON, VERIFY, City, offer_id
from sqlalchemy import update

from api.ids import public_id
from partners.codes import issue_code
from partners.tables import quotas

CODES = {
    "forged": ["CODE_INVALID"],
    "used and expired": ["CODE_REPLAYED"],
    "expired and bound elsewhere": ["CODE_EXPIRED"],
    "bound elsewhere": ["CODE_OTHER_OFFER"],
    "good": [],
    "poor": [],
}
"""A code's own Problem, if it has one; «good» and «poor» are sound codes of two people."""
OFFERS_ASKED = {
    "nowhere": ["OFFER_NOT_YOURS"],
    "clinic": ["OFFER_NOT_YOURS"],
    "ended": ["OFFER_CLOSED"],
    "later": ["OFFER_CLOSED"],
    "waiting": ["OFFER_CLOSED"],
    "tower": ["QUOTA_EXHAUSTED"],
    "museum": [],
}
"""An offer's own Problem, if it has one; the tower has nothing left."""
PERSON = {"good": "BENEFIT_APPLIES", "poor": "STANDARD_SERVICE"}


def public_offer(name: str) -> str:
    return offer_id(name) if name != "nowhere" else public_id("Offer", 99_999)


async def codes_of(city: City) -> dict[str, str]:
    """A code of each sort; the used one is used at an offer of the same partner."""
    used = await city.code("good")
    await city.verify(used)
    old = await city.code("good", offerId=offer_id("garden"))
    city.wait(seconds=61)
    _, good = issue_code(city.keys, subject_id=1, offer_id=None, now=city.now)
    return {
        "forged": good[:-9] + "AAAAAAAAA",
        "used and expired": used,
        "expired and bound elsewhere": old,
        "bound elsewhere": await city.code("good", offerId=offer_id("garden")),
        "good": good,
        "poor": await city.code("poor"),
    }


async def test_the_code_comes_before_the_offer_the_offer_before_its_quota_and_the_person_last(city: City) -> None:
    await city.write(update(quotas).values(taken=quotas.c.cap))
    codes = await codes_of(city)
    for offer, of_offer in OFFERS_ASKED.items():
        for sort, of_code in CODES.items():
            answer = await city.verify(codes[sort], offerId=public_offer(offer))
            wanted = (of_code + of_offer + [PERSON.get(sort, "")])[0]
            assert answer.get("code", answer.get("outcome")) == wanted, (sort, offer)


async def test_the_recorded_answer_comes_before_all_but_the_partner_and_the_form(city: City) -> None:
    asked: dict[str, Any] = {"requestId": "one", "code": await city.code("good"), "offerId": offer_id("museum")}
    answer = await city.do(VERIFY, by="scenic", **asked)
    for change in ({"code": "forged"}, {"offerId": offer_id("clinic")}, {"offerId": offer_id("ended")}):
        assert (await city.do(VERIFY, by="scenic", **asked | change))["code"] == "REQUEST_CONFLICT"
    for wrong in ({"clerk": ""}, {"offerId": "x"}):
        body = await city.ask(VERIFY, {"input": asked | wrong}, by="scenic")
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    city.wait(minutes=30)  # the code has expired since, the offer's day goes on
    assert await city.do(VERIFY, by="scenic", **asked) == answer
    await city.end_account("scenic")
    body = await city.ask(VERIFY, {"input": asked}, by="scenic")
    assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_an_offer_that_does_not_exist_and_another_partners_look_alike(city: City) -> None:
    code = await city.code("good")
    answers = [await city.verify(code, offerId=public_offer(name)) for name in ("nowhere", "clinic", "loan")]
    assert answers[0] == answers[1] == answers[2]


async def test_every_problem_is_the_same_whoever_holds_the_code(city: City) -> None:
    await city.write(update(quotas).values(taken=quotas.c.cap))
    people = ["good", "plain", "poor", "minor", "faulty", "elsewhere", "firm"]
    for offer in ("clinic", "ended", "tower"):
        found = [await city.verify(await city.code(person), offer) for person in people]
        assert all(answer == found[0] for answer in found), offer
    bound = [await city.verify(await city.code(person, offerId=offer_id("garden")), "museum") for person in people]
    assert all(answer == bound[0] for answer in bound)
    old = [await city.code(person) for person in people]
    city.wait(seconds=60)
    expired = [await city.verify(code) for code in old]
    assert all(answer == expired[0] for answer in expired)


async def test_of_two_people_who_get_the_standard_service_nothing_differs_but_what_must(city: City) -> None:
    found = [await city.verify(await city.code(person)) for person in ("plain", "poor", "minor", "faulty", "firm")]
    assert {(answer["outcome"], answer["benefit"], answer["expiresAt"]) for answer in found} == {
        ("STANDARD_SERVICE", None, found[0]["expiresAt"])
    }
    assert {len(answer["receipt"]) for answer in found} == {len(found[0]["receipt"])}
    assert {len(answer["id"]) for answer in found} == {len(found[0]["id"])}


async def test_offers_open_and_end_at_midnight_in_shanghai_in_a_running_process(city: City) -> None:
    assert (await city.verify(await city.code("good"), "later"))["code"] == "OFFER_CLOSED"
    city.wait(hours=11, minutes=59, seconds=59)
    assert (await city.verify(await city.code("good"), "later"))["code"] == "OFFER_CLOSED"
    city.wait(seconds=1)
    assert (await city.verify(await city.code("good"), "later"))["outcome"] == "BENEFIT_APPLIES"


async def test_a_scan_that_began_before_midnight_is_answered_after_it(city: City) -> None:
    """A later request was quicker and has the catalogue of the new day in memory already."""
    city.now = NOON.replace(hour=15, minute=59, second=59)  # 23:59:59 in Shanghai
    code, began = await city.code("good"), city.now
    token = city.token("scenic")
    city.wait(seconds=1)
    assert (await city.verify(await city.code("good")))["outcome"] == "BENEFIT_APPLIES"
    asked = {"requestId": "late", "code": code, "offerId": offer_id("museum")}
    instants = chain([began], repeat(city.now))
    city.state.clock = lambda: next(instants)
    response = await city.client.post(
        "/graphql",
        json={"query": VERIFY, "variables": {"input": asked}},
        headers={"authorization": f"Bearer {token}"},
    )
    assert "errors" not in response.json()
    assert response.json()["data"]["verifyCreditCode"]["outcome"] == "BENEFIT_APPLIES"


async def test_two_scans_of_one_code_in_one_document_decide_once(city: City) -> None:
    code = await city.code("good")
    query = f"""mutation ($code: String!) {{
      a: verifyCreditCode(input: {{ requestId: "a", code: $code, offerId: "{offer_id("museum")}" }}) {{ __typename }}
      b: verifyCreditCode(input: {{ requestId: "b", code: $code, offerId: "{offer_id("museum")}" }}) {{
        ... on Problem {{ code }} }} }}"""
    body = await city.ask(query, {"code": code}, by="scenic")
    assert body["data"] == {"a": {"__typename": "Verification"}, "b": {"code": "CODE_REPLAYED"}}
