"""By when one is answered is told beforehand, and it is what then stands on the case."""

from __future__ import annotations

from datetime import date

from case_steps import OBJECT, give_record
from factories import City

TERMS = """query ($place: String!) { caseTerms(place: $place) {
  kind workingDays answeredBy provisional source { status title clause } } }"""


async def test_the_day_told_beforehand_is_the_day_on_the_case(city: City) -> None:
    told = {one["kind"]: one for one in (await city.ask(TERMS, {"place": "hunan-shaoyang"}))["data"]["caseTerms"]}
    assert {"OBJECTION", "REPAIR"} <= set(told)
    await give_record(city, "good", "penalty", "administrative-penalty", date(2026, 3, 1))
    opened = await city.do(OBJECT, by="good", recordId="penalty", ground="WRONG", statement="金额不对。")
    assert opened["dueOn"] == told["OBJECTION"]["answeredBy"]
    assert told["OBJECTION"]["workingDays"] > 0
    assert told["OBJECTION"]["source"]["status"] in ("official", "interpretation", "illustrative")


async def test_a_place_that_is_not_served_has_no_terms(city: City) -> None:
    (error,) = (await city.ask(TERMS, {"place": "atlantis"}))["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
