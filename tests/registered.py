"""What the authorisation table asks of who is on file, and who acts for whom. One thing to know: only people whom no
other row of the table looks at are changed."""

from __future__ import annotations

from itertools import count
from typing import Any
from uuid import UUID

from factories import NOON, PEOPLE, City, resident_id
from sqlalchemy import insert, update

from api.ids import public_id
from core.identifiers import new_id
from partners.tables import accounts, mandates
from scoring.subjects import SubjectKind, subject_row
from scoring.tables import subjects

ELSE = public_id("CreditSubject", 7)
_NAMES = count(1)
_MANDATES: dict[str, UUID] = {}


async def file_registry(city: City) -> None:
    """Two entries alike, a merge that waits, a mandate for each who may open one, and an enterprise that is no more."""
    for number in (7001, 7002):
        birth = PEOPLE["elsewhere"]["birth"]
        row = subject_row(
            city.keys,
            kind=SubjectKind.PERSON,
            place="hunan-shaoyang",
            name="测双",
            number=resident_id(birth, number % 1000 + 300),
        )
        await city.write(insert(subjects).values(id=number, **row))
    propose = "mutation ($input: ProposeMergeInput!) { proposeMerge(input: $input) { __typename } }"
    pair = {"keepId": public_id("CreditSubject", 7001), "dropId": public_id("CreditSubject", 7002)}
    await city.do(propose, by="operator", **pair, reason="证明")
    for holder, subject in (("good", 2), ("plain", 1)):
        _MANDATES[holder] = new_id()
        account = f"mandate-{_MANDATES[holder].hex}"
        row = {"subject_id": subject, "id": _MANDATES[holder], "kind": "family"}
        row |= {"holder": holder, "account": account, "evidence": "委托书", "granted_by": "reviewer"}
        await city.write(insert(mandates).values(granted_at=NOON, ends_on=NOON.replace(year=2027).date(), **row))
        acts = {"role": "citizen", "subject_id": subject, "held_by": holder}
        await city.write(insert(accounts).values(id=account, basis="mandate", **acts))
    ended = {"ended_on": NOON.date(), "end_reason": "struck-off"}
    await city.write(update(subjects).where(subjects.c.id == 8).values(ended))


async def registry_input(city: City, what: str, actor: str) -> dict[str, Any]:  # noqa: PLR0911  # one input each
    """A good input for a mutation, or one that is understood and refused without changing anything."""
    nothing = public_id("CreditSubject", 987_654)
    number = {"scheme": "RESIDENT_ID", "number": resident_id(PEOPLE["elsewhere"]["birth"], 7)}
    mandate = public_id("Mandate", _MANDATES.get("good", UUID(int=0)))
    match what:
        case "registerSubject":
            return number | {"place": "hunan-shaoyang", "name": "测人"}
        case "findSubject":
            return number | {"purpose": "核对"}
        case "addSubjectNumber":
            return number | {"subjectId": ELSE, "reason": "核对"}
        case "renameSubject":
            return {"subjectId": ELSE, "name": f"测{'甲' * next(_NAMES)}"[:90], "reason": "核对"}
        case "endSubject":
            return {"subjectId": nothing, "endReason": "DECEASED", "endedOn": "2026-11-01", "reason": "核对"}
        case "reinstateSubject":
            return {"subjectId": nothing, "reason": "核对"}
        case "proposeMerge" | "mergeSubjects":
            return {"keepId": nothing, "dropId": nothing, "reason": "核对"}
        case "grantMandate":
            whom = {"subjectId": public_id("CreditSubject", 8)} if actor in ("operator", "reviewer") else {}
            return {"kind": "AGENT", "holder": "nobody", "evidence": "核对", "endsOn": "2027-01-01"} | whom
        case "revokeMandate":
            return {"mandateId": public_id("Mandate", UUID(int=0))}
        case "openMandate":
            return {"mandateId": mandate}
        case "openAssistedSession":
            await city.do(
                "mutation ($input: EndAssistedSessionInput!) { endAssistedSession(input: $input) { __typename } }",
                by="clerk",
            )
            return number | {"documentSeen": True, "site": "三号窗", "purpose": "代查"}
        case "endAssistedSession":
            return {}
    raise KeyError(what)
