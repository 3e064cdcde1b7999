"""Names of gates and people on duty. One thing to know: checking one costs no statement, and none names a hospital's
department."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from counted_offers import outcome
from factories import City, offer_id, resident_id

REGISTER = """mutation ($input: RegisterLabelsInput!) { registerLabels(input: $input) { __typename
  ... on Labels { labels { kind label endedAt } } ... on Problem { code message } } }"""
END = """mutation ($input: EndLabelInput!) { endLabel(input: $input) { __typename
  ... on Labels { labels { kind label endedAt } } ... on Problem { code message } } }"""
VERIFY = "mutation ($input: VerifyCreditCodeInput!) { verifyCreditCode(input: $input) { __typename } }"


async def refused(city: City, *, by: str = "scenic", offer: str = "museum", **given: Any) -> str:
    """The message of a scan that is the client's mistake; nothing is written."""
    before = await city.tally()
    asked = {"requestId": city.next_request(), "code": await city.code("good"), "offerId": offer_id(offer)} | given
    body = await city.ask(VERIFY, {"input": asked}, by=by)
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert await city.tally() == before
    return str(body["errors"][0]["message"])


async def test_labels_are_free_text_until_one_of_the_kind_is_registered(city: City) -> None:
    assert await outcome(city, site="随便", clerk="王工") == "BENEFIT_APPLIES"
    done = await city.do(REGISTER, by="representative", kind="SITE", labels=["东门", "西门"])
    assert [(one["kind"], one["label"], one["endedAt"]) for one in done["labels"]] == [
        ("SITE", "东门", None),
        ("SITE", "西门", None),
    ]
    assert await outcome(city, site="东门", clerk="王工") == "BENEFIT_APPLIES"
    assert "registerLabels" in await refused(city, site="南门")
    assert await outcome(city) == "BENEFIT_APPLIES", "a scan need not name one"


async def test_an_ended_label_is_refused_until_it_is_registered_again(city: City) -> None:
    await city.do(REGISTER, by="scenic", kind="CLERK", labels=["3号"])
    ended = await city.do(END, by="representative", kind="CLERK", label="3号")
    assert ended["labels"][0]["endedAt"] == city.now.isoformat()
    city.wait(minutes=1)
    assert await city.do(END, by="representative", kind="CLERK", label="3号") == ended
    await refused(city, clerk="3号")
    await city.do(REGISTER, by="scenic", kind="CLERK", labels=["3号"])
    assert await outcome(city, clerk="3号") == "BENEFIT_APPLIES"
    assert (await city.ask("{ labels { label } }", by="scenic"))["data"] == {"labels": [{"label": "3号"}]}
    assert (await city.ask("{ labels { label } }", by="hospital"))["data"] == {"labels": []}


async def test_a_recorded_answer_is_given_again_also_after_its_label_was_ended(city: City) -> None:
    await city.do(REGISTER, by="scenic", kind="SITE", labels=["东门"])
    asked = {"requestId": "r", "code": await city.code("good"), "offerId": offer_id("museum"), "site": "东门"}
    first = await city.verify(asked["code"], **{key: asked[key] for key in ("requestId", "site")})
    await city.do(END, by="scenic", kind="SITE", label="东门")
    assert await city.verify(asked["code"], **{key: asked[key] for key in ("requestId", "site")}) == first


@pytest.mark.parametrize("label", ["肿瘤科", "精神科二诊室", "内科 3", "HIV 咨询", "icu"])
async def test_no_label_of_a_hospital_names_a_department(city: City, label: str) -> None:
    assert "科室" in await refused(city, by="hospital", offer="clinic", site=label)
    assert await outcome(city, site=label) == "BENEFIT_APPLIES", "it is the hospital's that would tell"
    body = await city.ask(REGISTER, {"input": {"kind": "SITE", "labels": [label]}}, by="hospital")
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert (await city.ask("{ labels { label } }", by="hospital"))["data"] == {"labels": []}


@pytest.mark.parametrize("labels", [[], [""], ["长" * 41], ["a\nb"], [resident_id(date(1990, 3, 1), 1)], ["门"] * 101])
async def test_what_is_no_label_is_not_registered(city: City, labels: list[str]) -> None:
    body = await city.ask(REGISTER, {"input": {"kind": "SITE", "labels": labels}}, by="representative")
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_another_process_knows_of_a_label_at_its_next_scan(city: City) -> None:
    known = city.state.catalogue.version
    await city.do(REGISTER, by="representative", kind="SITE", labels=["东门"])
    assert city.state.catalogue.version == known, "this one has not looked since"
    await refused(city, site="南门")
