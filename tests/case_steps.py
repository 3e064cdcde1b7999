"""Documents and small acts for tests of cases."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from factories import ENTERPRISES, PEOPLE, City
from sqlalchemy import insert, update

from api.ids import uuid_of
from core.identifiers import new_id
from core.sealing import seal
from partners.tables import accounts
from scoring.cases.tables import case_files, case_steps, cases
from scoring.tables import credit_records

BODY = {"body": "测试市场监督管理局", "body_uscc": "11430500MB00000103"}
"""The body for which the account `provider` acts."""
CONTESTED = {"subject_id": 1, "id": UUID(int=7), "kind": "objection", "ground": "WRONG", "record_id": "p0"}
"""What is about a record of «good»; decided."""
_CASE = """__typename ... on CreditCase { id kind state recordId model field ground way statement routedTo markedAt
  markDueOn dueOn dueIsProvisional overdue escalatedAt decidedAt outcome answer aboutCase
  steps { step act state actor at reason evidence } papers { title mediaType size sha256 content } }
  ... on Problem { code message }"""


def _mutation(name: str) -> str:
    capital = name[0].upper() + name[1:]
    return f"mutation ($input: {capital}Input!) {{ {name}(input: $input) {{ {_CASE} }} }}"


OBJECT, STATE, COMPLAIN = _mutation("openObjection"), _mutation("openStatement"), _mutation("openComplaint")
APPEAL, APPLY, WITHDRAW = _mutation("appealCase"), _mutation("applyForRepair"), _mutation("withdrawCase")
EVIDENCE, DECIDE, HELP = _mutation("addEvidence"), _mutation("decideCase"), _mutation("askForHelp")
ANSWER_HELP, PAUSE, RESUME = _mutation("answerHelp"), _mutation("pauseForExamination"), _mutation("resumeClock")
CASES = """{ me { cases { edges { cursor node { id kind state recordId outcome overdue escalatedAt dueOn answer
  steps { step act actor reason } papers { title } } } pageInfo { hasNextPage } } } }"""
WORKLIST = """query ($due: CaseDue!, $first: Int, $after: String, $kind: CaseKind, $place: String) {
  caseWorklist(due: $due, first: $first, after: $after, kind: $kind, place: $place) { dueToday overdue
    pageInfo { hasNextPage endCursor } edges { node { id kind state dueOn overdue routedTo helper helpDueOn } } } }"""
OPEN_CASE = "query ($id: ID!) { creditCase(id: $id) { id statement steps { act evidence } papers { title content } } }"


async def make_provider(city: City) -> None:
    """Let the account `provider` act for a body, and `provider-2` for another."""
    other = {"body": "测试税务局", "body_uscc": "11430500MB00000290"}
    await city.write(
        update(accounts).where(accounts.c.id == "provider").values(**BODY),
        insert(accounts).values(id="provider-2", role="provider", **other),
    )


async def give_record(city: City, person: str, record_id: str, item: str, occurred_on: date, **more: Any) -> None:
    """Put a record from the provider's body on somebody's file."""
    values = {
        "subject_id": [*PEOPLE, *ENTERPRISES].index(person) + 1,
        "id": record_id,
        "item": item,
        "occurred_on": occurred_on,
        "source": "测试",
        "document_number": "测市监罚〔2025〕1号",
        "authority": BODY["body"],
        "provider": BODY["body"],
        "provider_uscc": BODY["body_uscc"],
    }
    await city.write(insert(credit_records).values(values | more))


async def file_one_of_each(city: City) -> None:
    """A complaint of «good» with a paper, and a repair of «firm» that was granted."""
    case = await city.do(COMPLAIN, by="good", statement="窗口没有按时答复。")
    keys, key = city.keys, uuid_of(case["id"], "CreditCase")
    name = "0" * 32
    if city.state.files is not None:
        name = (await city.state.files.put(b"x", media_type="application/pdf")).name
    paper = {"subject_id": 1, "case_id": key, "name": name, "title_sealed": seal(keys, "seal", b"a.pdf")}
    paper |= {"type": "application/pdf", "size": 1, "sha256": "0" * 64, "at": city.now, "actor": "good"}
    repair = {"subject_id": 8, "id": new_id(), "kind": "repair", "place": "hunan-shaoyang", "record_id": "r0"}
    repair |= {"ground": "repair", "way": "put-right", "state": "decided", "outcome": "granted", "opened_by": "firm"}
    repair |= {
        "statement_sealed": seal(keys, "seal", b"1"),
        "opened_at": city.now,
        "decided_at": city.now,
        "pauses": [],
    }
    stood = [{"model": "hunan-comprehensive", "points": 9500, "grade": "A"}]
    step = {"subject_id": 8, "case_id": repair["id"], "step": 1, "act": "decide", "state": "decided", "at": city.now}
    step |= {"actor": "reviewer", "reason_sealed": seal(keys, "seal", b"1")}
    step |= {"evidence": {"before": stood, "after": stood}}
    await city.write(insert(case_files).values(paper), insert(cases).values(repair), insert(case_steps).values(step))
    content = seal(keys, "seal", '{"penalty-content": "罚款"}'.encode())
    await give_record(city, "good", "p0", "administrative-penalty", date(2018, 1, 1), content_sealed=content)
    await city.write(insert(cases).values(repair | CONTESTED))
