"""A bank looks at one application. One thing to know: only that applicant's log has the look."""

from __future__ import annotations

import pytest
from factories import City, offer_id
from loan_steps import ANSWERS, FIELDS, FIRM, KNOWN, apply, know

from api.ids import public_id
from core.identifiers import new_id
from partners.tables import access_events

ONE = f"query ($id: ID!) {{ loanApplication(id: $id) {{ {FIELDS} {ANSWERS} }} }}"
PAYS_LATER = "query { offers { edges { node { id paysLater } } } }"


async def test_a_look_at_one_application_is_on_its_applicants_log_alone(city: City) -> None:
    await know(city, FIRM, KNOWN)
    made = await apply(city)

    found = (await city.ask(ONE, {"id": made["id"]}, by="bank"))["data"]["loanApplication"]
    assert (found["id"], found["state"], found["allowedActions"]) == (made["id"], "APPLIED", ["OFFER", "DECLINE"])
    assert {one["answer"] for one in found["answers"]} > {"未授权或无数据"}
    assert [row.subject_id for row in await city.rows(access_events)] == [FIRM]


@pytest.mark.parametrize("kind", ["LoanApplication", "another bank's"])
async def test_an_application_that_is_not_there_is_null(city: City, kind: str) -> None:
    asked = (await apply(city))["id"] if kind == "another bank's" else public_id(kind, new_id())
    assert (await city.ask(ONE, {"id": asked}, by="hospital"))["data"] == {"loanApplication": None}
    assert await city.rows(access_events) == []


async def test_an_offer_says_whether_its_use_is_paid_later(city: City) -> None:
    found = (await city.ask(PAYS_LATER))["data"]["offers"]["edges"]
    later = {edge["node"]["id"] for edge in found if edge["node"]["paysLater"]}
    assert offer_id("clinic") in later
    assert offer_id("museum") not in later
