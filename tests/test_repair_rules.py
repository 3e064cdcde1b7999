"""What may be done about a record, told beforehand: both sides of each threshold, and files that are broken."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from case_steps import APPEAL, APPLY, DECIDE, give_record, make_provider
from factories import City, rulebook
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from core.clock import start_of
from core.errors import DataFileError
from core.places import load_places
from partners.tables import accounts
from scoring.cases.repair import RepairRules, load_repairs, options_for
from scoring.tables import credit_records

GUIDE = """query ($id: String!) { repairOptions(recordId: $id) { ways { id label evidence } earliestOn leastMonths
  whyNot after } }"""
PLACE = "hunan-shaoyang"


def a_record(item: str = "administrative-penalty", **more: Any) -> Any:
    values = {"item": item, "catalogued_as": None, "severity": None, "serious_consequence": False, "removed_on": None}
    return SimpleNamespace(**values | {"occurred_on": date(2026, 6, 1)} | more)


def told(record: Any, rules: RepairRules | None = None, *, on: date = date(2026, 11, 20)) -> Any:
    book = rulebook()
    return options_for(record, rules=rules or book.repairs[PLACE], catalogue=book.catalogues[PLACE], on=on)


@pytest.mark.parametrize(
    ("record", "earliest_on", "ways"),
    [
        (a_record(), date(2026, 9, 2), ["put-right", "commitment", "training", "report", "public-service"]),
        (a_record(severity="serious"), date(2027, 6, 2), ["put-right", "training", "report", "public-service"]),
        (a_record(serious_consequence=True), date(2027, 6, 2), ["put-right", "training", "report", "public-service"]),
        (a_record(occurred_on=date(2026, 11, 30)), date(2027, 3, 1), None),
        (a_record("abc-not-catalogued"), date(2026, 6, 1), None),
        (a_record("licence-suspended", catalogued_as="administrative-penalty"), date(2026, 9, 2), None),
    ],
)
def test_a_repair_can_be_applied_for_from_the_day_after_the_shortest_term(
    record: Any, earliest_on: date, ways: list[str] | None
) -> None:
    found = told(record)
    assert (found.earliest_on, found.why_not) == (earliest_on, None)
    assert ways is None or [way.id for way in found.ways] == ways


@pytest.mark.parametrize(
    ("record", "word"),
    [
        (a_record("rescue-honour"), "不是失信信息"),
        (a_record(removed_on=date(2026, 11, 20)), "已经不再使用"),
    ],
)
def test_what_cannot_be_repaired_has_no_ways_and_says_why(record: Any, word: str) -> None:
    found = told(record)
    assert found.ways == ()
    assert word in found.why_not


@given(st.dates(date(2005, 1, 1), date(2090, 1, 1)))
def test_a_serious_record_never_waits_less_than_a_general_one(occurred_on: date) -> None:
    general, serious = (told(a_record(occurred_on=occurred_on, severity=s)) for s in ("general", "serious"))
    assert occurred_on < general.earliest_on <= serious.earliest_on
    assert set(serious.ways) <= set(general.ways)


WAY = """\
  - id: put-right
    label: 纠正
    evidence: [证明]
    severities: [general]
    source: {status: illustrative, reason: 样例}
"""
HEAD = "after: 停止公示\nafter_source: {status: illustrative, reason: 样例}\nways:\n"


def place(root: Path, code: str, text: str | None, *, parent: str | None = None) -> None:
    (root / code).mkdir()
    named = f"name: {code}\n" + (f"parent: {parent}\n" if parent else "")
    (root / code / "place.yaml").write_text(named, encoding="utf-8")
    if text is not None:
        (root / code / "repair.yaml").write_text(text, encoding="utf-8")


def test_a_place_inherits_ways_and_may_write_one_anew_and_exclude_an_item_by_law(tmp_path: Path) -> None:
    excluded = (
        "excluded:\n- {item: administrative-penalty, source: {status: official, title: 《某条例》, clause: 第一条}}\n"
    )
    place(tmp_path, "above", HEAD + WAY + WAY.replace("put-right", "training"))
    place(tmp_path, "here", HEAD + WAY.replace("纠正", "改正") + excluded, parent="above")
    place(tmp_path, "alone", None)
    rules = load_repairs(load_places(tmp_path))
    assert set(rules) == {"above", "here"}
    assert {way.id: way.label for way in rules["here"].ways.values()} == {"put-right": "改正", "training": "纠正"}
    found = told(a_record(), rules["here"])
    assert found.ways == ()
    assert "《某条例》第一条" in found.why_not


def test_a_way_that_stands_twice_is_named_with_its_line(tmp_path: Path) -> None:
    place(tmp_path, "here", HEAD + WAY + WAY)
    with pytest.raises(DataFileError) as fault:
        load_repairs(load_places(tmp_path))
    assert fault.value.line == 9
    assert "重复" in fault.value.message


async def test_one_is_told_before_applying_and_of_others_records_nothing(city: City) -> None:
    await make_provider(city)
    await give_record(city, "good", "penalty", "administrative-penalty", date(2026, 9, 1))
    guide = (await city.ask(GUIDE, {"id": "penalty"}, by="good"))["data"]["repairOptions"]
    assert (guide["earliestOn"], guide["leastMonths"], guide["whyNot"]) == ("2026-12-02", 3, None)
    assert guide["ways"][0]["evidence"][0].startswith("履行完毕的证明")
    assert "同时停止公示、停止使用" in guide["after"]
    assert (await city.ask(GUIDE, {"id": "penalty"}, by="plain"))["data"]["repairOptions"] is None
    wrong = {"recordId": "penalty", "way": "nothing", "statement": "改正"}
    assert (await city.do(APPLY, by="good", **wrong))["code"] == "NOT_REPAIRABLE"
    honour = {"recordId": "r0", "way": "put-right", "statement": "改正"}
    assert (await city.do(APPLY, by="good", **honour))["code"] == "NOT_REPAIRABLE"


async def test_a_refused_repair_leaves_all_as_it_was_and_an_appeal_may_still_grant_it(city: City) -> None:
    await make_provider(city)
    await city.write(insert(accounts).values(id="reviewer-2", role="reviewer"))
    await give_record(city, "good", "penalty", "administrative-penalty", date(2026, 6, 1))
    before = await city.rows(credit_records)
    case = await city.do(APPLY, by="good", recordId="penalty", way="put-right", statement="已改正")
    assert (case["dueOn"], case["routedTo"]) == ("2026-12-04", "测试市场监督管理局")
    again = await city.do(APPLY, by="good", recordId="penalty", way="training", statement="已培训")
    assert again["code"] == "ALREADY_OPEN"
    await city.do(DECIDE, by="provider", caseId=case["id"], outcome="REFUSED", reason="材料不全")
    assert await city.rows(credit_records) == before
    appeal = await city.do(APPEAL, by="good", caseId=case["id"], statement="材料已齐")
    assert (appeal["kind"], appeal["markedAt"]) == ("APPEAL", None)
    assert await city.rows(credit_records) == before, "a repair accepts the record: it counts until it is granted"
    city.now = start_of(date(2026, 11, 23)) + timedelta(hours=9)
    done = await city.do(DECIDE, by="reviewer-2", caseId=appeal["id"], outcome="UPHELD", reason="材料齐全")
    assert done["outcome"] == "UPHELD"
    (row,) = [one for one in await city.rows(credit_records) if one.id == "penalty"]
    assert (row.removed_on, row.removal) == (date(2026, 11, 23), "repaired")
