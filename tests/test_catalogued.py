"""What desks need to know beforehand: the places, the catalogue, the record a case is about, mandates of an entry."""

from __future__ import annotations

from datetime import date
from typing import Any

from case_steps import OBJECT, give_record, make_provider
from factories import PEOPLE, City, resident_id

from core.sealing import seal

ITEMS = """query ($place: String) { catalogueItems(place: $place) {
  code label nature openness basis subjects fields { id label required needed personal } } }"""
OPENED = """query ($id: ID!) { creditCase(id: $id) {
  recordId record { item label nature documentNumber authority decidedOn fields { id label value } } } }"""
MINE = "{ me { cases { edges { node { record { label } } } } } }"
FIND = """mutation ($input: FindSubjectInput!) { findSubject(input: $input) { __typename
  ... on RegisteredSubject { mandates { kind holder inForce } } ... on Problem { code } } }"""
GRANT = """mutation ($input: GrantMandateInput!) { grantMandate(input: $input) { __typename ... on Mandate { id } } }"""
RATES = "{ intakeRates { body rows accepted validity } }"
PERSON = resident_id(date(2000, 1, 1), 77)


async def test_places_and_their_catalogue_are_public(city: City) -> None:
    places = (await city.ask("{ servedPlaces { code name } }"))["data"]["servedPlaces"]
    assert {"code": "hunan-shaoyang", "name": "湖南省邵阳市"} in places
    items = (await city.ask(ITEMS, {"place": "hunan-shaoyang"}))["data"]["catalogueItems"]
    penalty = next(one for one in items if one["code"] == "administrative-penalty")
    assert (penalty["label"], penalty["nature"], penalty["openness"]) == ("行政处罚", "adverse", "public")
    assert penalty["basis"] == "《黑龙江省社会信用条例》第十八条第(四)项"
    fields = {one["id"]: one for one in penalty["fields"]}
    number = {
        "id": "document-number",
        "label": "行政处罚决定文书号",
        "required": True,
        "needed": True,
        "personal": False,
    }
    assert fields["document-number"] == number
    assert fields["legal-representative"]["personal"] is True
    first = (await city.ask(ITEMS))["data"]["catalogueItems"]
    assert {one["code"] for one in first} >= {"administrative-penalty", "tax-arrears"}


async def test_a_place_that_is_not_served_has_no_catalogue(city: City) -> None:
    body = await city.ask(ITEMS, {"place": "atlantis"})
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def objected(city: City) -> dict[str, Any]:
    await make_provider(city)
    content = '{"penalty-content": "罚款,当事人%s", "legal-representative": "某某"}' % PERSON  # noqa: UP031
    sealed = seal(city.keys, "seal", content.encode())
    await give_record(city, "good", "penalty", "administrative-penalty", date(2026, 6, 1), content_sealed=sealed)
    return await city.do(OBJECT, by="good", recordId="penalty", ground="WRONG", statement="不是我")


async def test_whoever_decides_reads_the_record_without_what_is_about_a_person(city: City) -> None:
    case = await objected(city)
    for officer in ("provider", "reviewer", "operator"):
        opened = (await city.ask(OPENED, {"id": case["id"]}, by=officer))["data"]["creditCase"]
        record = opened["record"]
        assert (record["item"], record["label"], record["decidedOn"]) == (
            "administrative-penalty",
            "行政处罚",
            "2026-06-01",
        )
        assert record["documentNumber"] == "测市监罚〔2025〕1号"
        (field,) = record["fields"]
        assert (field["id"], field["label"]) == ("penalty-content", "处罚内容")
        assert field["value"].startswith("罚款,当事人")
        assert PERSON not in field["value"]


async def test_the_subject_reads_its_record_elsewhere(city: City) -> None:
    await objected(city)
    body = await city.ask(MINE, by="good")
    assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_complaint_is_about_no_record(city: City) -> None:
    complain = (
        """mutation ($input: OpenComplaintInput!) { openComplaint(input: $input) { ... on CreditCase { id } } }"""
    )
    case = (await city.ask(complain, {"input": {"statement": "窗口没有答复"}}, by="good"))["data"]["openComplaint"]
    opened = await city.ask(OPENED, {"id": case["id"]}, by="reviewer")
    assert opened["data"]["creditCase"] == {"recordId": None, "record": None}


async def test_an_entry_shows_officers_who_may_act_for_it(city: City) -> None:
    mandate = {"kind": "FAMILY", "holder": "plain", "evidence": "亲笔委托书", "endsOn": "2027-11-20"}
    await city.do(GRANT, by="good", **mandate)
    number = resident_id(PEOPLE["good"]["birth"], 1)
    found = await city.do(FIND, by="operator", scheme="RESIDENT_ID", number=number, purpose="核对")
    assert found["mandates"] == [{"kind": "FAMILY", "holder": "plain", "inForce": True}]


async def test_an_account_of_no_body_sees_how_its_own_files_were(city: City) -> None:
    content = (
        "行政相对人名称,统一社会信用代码,文书号,认定机关,认定日期\n示例公司,坏的代码,税欠1号,测试税务局,2026-10-31\n"
    )
    asked = {"item": "tax-arrears", "place": "hunan-shaoyang"}
    headers = {"authorization": f"Bearer {city.token('provider')}"}
    await city.client.post("/intake", params=asked, content=content.encode(), headers=headers)
    (rate,) = (await city.ask(RATES, by="provider"))["data"]["intakeRates"]
    assert rate == {"body": "测试税务局", "rows": 1, "accepted": 0, "validity": 0.0}
    await make_provider(city)  # from now on it acts for another body
    assert (await city.ask(RATES, by="provider"))["data"]["intakeRates"] == []
    assert len((await city.ask(RATES, by="reviewer"))["data"]["intakeRates"]) == 1
