"""Whatever an officer does about somebody is on that person's access log. One thing to know: each act here is done for
real, and the log is read by the person itself."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from case_steps import ANSWER_HELP, DECIDE, HELP, OBJECT, OPEN_CASE, PAUSE, RESUME, give_record, make_provider
from factories import PEOPLE, City, resident_id

from api.ids import public_id
from partners.tables import access_events

GOOD, PLAIN = public_id("CreditSubject", 1), public_id("CreditSubject", 2)
LOG = "{ me { accessLog(first: 50) { edges { node { reader action purpose partner { name } } } } } }"
LEDGER = "{ repairLedger { edges { node { caseId } } } }"


def mutation(name: str) -> str:
    kind = f"{name[0].upper()}{name[1:]}Input"
    return f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ __typename ... on Problem {{ code message }} }} }}"


async def log(city: City, person: str = "good") -> list[dict[str, Any]]:
    body = await city.ask(LOG, by=person)
    return [edge["node"] for edge in body["data"]["me"]["accessLog"]["edges"]]


async def newest(city: City, person: str = "good") -> tuple[str, str]:
    """Action of the newest line, and the account in it."""
    line = (await log(city, person))[0]
    assert line["partner"] is None
    return line["action"], line["reader"].partition("账号 ")[2].rstrip(")")


async def test_every_step_of_a_case_is_on_the_log(city: City) -> None:
    await make_provider(city)
    await give_record(city, "good", "penalty", "administrative-penalty", date(2026, 6, 1))
    case = (await city.do(OBJECT, by="good", recordId="penalty", ground="WRONG", statement="不是我"))["id"]
    await city.ask(OPEN_CASE, {"id": case}, by="provider")
    assert await newest(city) == ("readCase", "provider")
    await city.do(PAUSE, by="reviewer", caseId=case, reason="送鉴定")
    assert await newest(city) == ("pauseForExamination", "reviewer")
    await city.do(RESUME, by="reviewer", caseId=case, reason="鉴定已出")
    assert await newest(city) == ("resumeClock", "reviewer")
    await city.do(HELP, by="provider", caseId=case, body="测试税务局", uscc="11430500MB00000290", reason="请协查")
    assert await newest(city) == ("askForHelp", "provider")
    await city.do(ANSWER_HELP, by="provider-2", caseId=case, reason="已核实")
    assert await newest(city) == ("answerHelp", "provider-2")
    await city.do(DECIDE, by="provider", caseId=case, outcome="REJECTED", reason="核对无误")
    assert await newest(city) == ("decideCase", "provider")


A_PASSPORT = {"subjectId": GOOD, "scheme": "PASSPORT", "number": "XXX1234567", "reason": "原件"}
ACTS: list[tuple[str, str, dict[str, Any]]] = [
    ("addSubjectNumber", "operator", A_PASSPORT),
    ("renameSubject", "operator", {"subjectId": GOOD, "name": "测新名", "reason": "户口簿"}),
    ("endSubject", "operator", {"subjectId": GOOD, "endReason": "DECEASED", "endedOn": "2026-11-01", "reason": "证明"}),
    ("proposeMerge", "operator", {"keepId": PLAIN, "dropId": GOOD, "reason": "重复登记"}),
]  # fmt: skip


@pytest.mark.parametrize(("act", "by", "given"), ACTS)
async def test_every_act_of_the_registry_leaves_a_line(city: City, act: str, by: str, given: dict[str, Any]) -> None:
    before = len(await city.rows(access_events))
    answer = await city.do(mutation(act), by=by, **given)
    assert answer["__typename"] != "Problem", answer
    lines = (await city.rows(access_events))[before:]
    assert {(row.subject_id, row.action, row.reader) for row in lines} >= {(1, act, by)}


async def test_finding_reinstating_and_merging_leave_lines_too(city: City) -> None:
    found = {"scheme": "RESIDENT_ID", "number": resident_id(PEOPLE["good"]["birth"], 1), "purpose": "群众来访"}
    await city.do(mutation("findSubject"), by="reviewer", **found)
    assert await newest(city) == ("findSubject", "reviewer")
    ended = {"subjectId": GOOD, "endReason": "DECEASED", "endedOn": "2026-11-01", "reason": "证明"}
    await city.do(mutation("endSubject"), by="operator", **ended)
    back = await city.do(mutation("reinstateSubject"), by="reviewer", subjectId=GOOD, reason="登记有误")
    assert back["__typename"] != "Problem", back
    assert await newest(city) == ("reinstateSubject", "reviewer")
    merged = {"keepId": GOOD, "dropId": PLAIN, "reason": "重复登记"}
    await city.do(mutation("proposeMerge"), by="operator", **merged)
    done = await city.do(mutation("mergeSubjects"), by="reviewer", **merged)
    assert done["__typename"] != "Problem", done
    assert await newest(city) == ("mergeSubjects", "reviewer")


async def test_the_ledger_of_repairs_is_on_the_log_of_all_it_shows(city: City) -> None:
    await give_record(city, "good", "penalty", "administrative-penalty", date(2026, 6, 1))
    given = {"recordId": "penalty", "way": "put-right", "statement": "已改正"}
    apply = "mutation ($input: ApplyForRepairInput!) { applyForRepair(input: $input) { ... on CreditCase { id } } }"
    case = (await city.do(apply, by="good", **given))["id"]
    await city.do(DECIDE, by="reviewer", caseId=case, outcome="GRANTED", reason="已改正")
    read = await city.ask(LEDGER, by="operator")
    assert [edge["node"]["caseId"] for edge in read["data"]["repairLedger"]["edges"]] == [case]
    assert await newest(city) == ("repairLedger", "operator")
    assert await log(city, "plain") == []
