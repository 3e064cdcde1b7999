"""What a form of an offer is made from: the terms of each kind, and each version as it was stated."""

from __future__ import annotations

import json
from typing import Any

from factories import City
from offer_steps import DETAILS, REASON, STANDARD, act, drafted, offer_draft, opened
from test_offer_life import city

from api.kind_terms import TermSort, terms_of
from partners.kinds import benefit_kinds

__all__ = ["city"]

STATED = """query ($id: ID!) { offerWork(id: $id) { versions { version stated } } }"""


async def stated(city: City, offer: str) -> list[dict[str, Any]]:
    body = await city.ask(STATED, {"id": offer}, by="operator")
    return [json.loads(one["stated"]) for one in body["data"]["offerWork"]["versions"]]


def test_every_field_of_every_kind_is_a_term_that_a_form_can_show() -> None:
    for kind in benefit_kinds().values():
        terms = terms_of(kind)
        assert len(terms) == len(kind.terms.model_fields)
        for term in terms:
            assert term.label != ""
            assert not (term.words and term.sort not in {TermSort.TEXT, TermSort.TEXTS}), (kind.code, term.name)


def test_a_term_says_its_unit_its_bounds_and_whether_it_has_to_be_stated() -> None:
    terms = {term.name: term for term in terms_of(benefit_kinds()["loan"])}
    assert terms["largestAmountFen"].sort is TermSort.MONEY
    assert terms["largestAmountFen"].most == 10**14
    assert terms["product"].sort is TermSort.TEXT
    assert terms["forWhom"].sort is TermSort.TEXTS
    off = next(term for term in terms_of(benefit_kinds()["tourism"]) if term.name == "discountPercent")
    assert (off.unit, off.least, off.most, off.required) == ("%", 0, 100, False)


async def test_a_version_is_stated_as_it_was_sent(city: City) -> None:
    given = offer_draft(
        details={"tourism": DETAILS},
        limits=[{"scope": "PERSON", "period": "MONTH", "most": 2}],
        quota=30,
        closesOn="2027-01-01",
        baseline={"documents": ["预约单"]},
    )
    offer = (await act(city, "draftOffer", **given))["id"]
    (found,) = await stated(city, offer)
    assert {name: found[name] for name in given} == given | {
        "baseline": {**STANDARD, "documents": ["预约单"], "depositFen": None, "days": None, "queue": "first-come"}
        | {"codeRequired": False, "sourceClause": ""}
    }


async def test_what_is_stated_can_be_changed_and_sent_back(city: City) -> None:
    offer = await drafted(city, details={"tourism": DETAILS})
    (before,) = await stated(city, offer)
    await act(city, "editOffer", offerId=offer, offer=before | {"title": "改过的名称"})
    assert await stated(city, offer) == [before | {"title": "改过的名称"}]


async def test_a_revision_begins_with_what_stands(city: City) -> None:
    offer = await opened(city)
    (before,) = await stated(city, offer)
    work = await act(city, "reviseOffer", offerId=offer, offer=before | {"benefit": "赠送画册一份"}, **REASON)
    assert [change["field"] for change in work["versions"][-1]["changes"]] == ["增加的内容"]
