"""Objection, statement and defence, appeal, complaint and repair, as the subject meets them. One thing to know: the
subject sees every step of its own cases, and an objected record is out of use from the moment of objecting."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
import strawberry
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from api.context import Context, State
from api.ids import public_id, uuid_of
from api.pagination import PageInfo
from api.permissions import PROVIDER, STAFF, SUBJECT, access
from core.errors import ExpectedError
from core.files import Files
from core.identifiers import new_id
from core.integrity import RowChanged, keys_of
from core.sealing import unseal
from partners.access import note_reading
from partners.accounts import Principal, Role, body_of
from partners.alarms import alarm_overdue
from partners.standing import score_participant
from partners.tables import security_events
from scoring.cases import opening
from scoring.cases.decisions import Officer
from scoring.cases.papers import list_papers
from scoring.cases.workflow import Kind, Outcome, Rules, due_of, is_overdue, read_steps
from scoring.cases.workflow import State as CaseState
from scoring.cases.worklist import note_overdue
from scoring.mine import CataloguedRecord
from scoring.queries.records import as_queried
from scoring.records import Act, UnknownRecord, read_record
from scoring.subjects import SubjectDataFault

log = logging.getLogger("xinyi.cases")
OFFICERS = (*STAFF, *PROVIDER)
READERS = (*SUBJECT, *OFFICERS)
SCORES = frozenset({"before", "after"})
"""What of a step's evidence is scores."""

strawberry.enum(Kind, name="CaseKind", description="What a case is.")
strawberry.enum(CaseState, name="CaseState", description="Where a case stands.")
strawberry.enum(Outcome, name="CaseOutcome", description="How a case was decided.")
strawberry.enum(opening.Ground, name="ObjectionGround", description="Why something is said to be wrong.")
_VALUES: dict[Any, dict[str, str]] = {
    Kind: {
        "OBJECTION": "Disputes a record or a result.",
        "STATEMENT": "Statement and defence against being listed as seriously dishonest.",
        "APPEAL": "Another person decides anew.",
        "COMPLAINT": "About anything.",
        "REPAIR": "Accepts the record, and asks for its effect to end.",
    },
    CaseState: {
        "OPEN": "Being handled.",
        "HELP": "Another body was asked to check.",
        "PAUSED": "An examination by experts has stopped the clock.",
        "DECIDED": "Decided.",
        "WITHDRAWN": "Taken back by the subject.",
    },
    Outcome: {
        "UPHELD": "The subject was right.",
        "PARTLY": "The subject was right in part.",
        "REJECTED": "The subject was not right; the reason is given.",
        "GRANTED": "Repaired.",
        "REFUSED": "Not repaired; the reason is given.",
        "WITHDRAWN": "Taken back by the subject.",
    },
    opening.Ground: {
        "WRONG": "It is wrong.",
        "INCOMPLETE": "Something is missing.",
        "PAST_TERM": "It is shown beyond its term.",
        "PRIVACY": "It hurts a trade secret, privacy or personal data.",
        "BASIS_WITHDRAWN": "The decision behind it was revoked or changed.",
    },
}
for _kind, _described in _VALUES.items():
    for _value in _kind.__strawberry_definition__.values:
        _value.description = _described[_value.name]


@strawberry.type(description="Something done in a case; never changed.", directives=access(READERS))
class CaseStep:
    """One append-only step."""

    step: int = strawberry.field(description="Counts up from 1.")
    act: str = strawberry.field(
        description="open, evidence, ask-help, answer-help, pause, resume, escalate, decide, withdraw."
    )
    state: CaseState = strawberry.field(description="Where the case stood afterwards.")
    actor: str = strawberry.field(description="The account that did it; `system` where a term ran out.")
    at: datetime = strawberry.field(description="When.")
    reason: str = strawberry.field(description="Why, in the actor's words.")
    evidence: str = strawberry.field(description="JSON: whether it was late, who was told and until when they correct.")


@strawberry.type(description="A paper that was handed in.", directives=access(READERS))
class CasePaper:
    """A PDF, PNG or JPEG."""

    files: strawberry.Private[Files | None]
    stored_as: strawberry.Private[str]
    title: str = strawberry.field(description="The file's own name.")
    media_type: str = strawberry.field(description="By its content.")
    size: int = strawberry.field(description="Bytes.")
    sha256: str = strawberry.field(description="Of the content, in hex.")
    at: datetime = strawberry.field(description="When it was handed in.")

    @strawberry.field(description="The content in base64; null where the deployment keeps no files.")
    async def content(self) -> str | None:
        """Unsealed and checked on the way."""
        return None if self.files is None else b64encode(await self.files.get(self.stored_as)).decode()


@strawberry.type(description="A field of a record that a case is about.", directives=access(OFFICERS))
class ContestedField:
    """Never a personal one."""

    id: str = strawberry.field(description="Code of the field in the catalogue; give it in a correction.")
    label: str = strawberry.field(description="Its name.")
    value: str = strawberry.field(description="What it says, identity numbers masked.")


@strawberry.type(description="The record that a case is about, for whoever decides.", directives=access(OFFICERS))
class ContestedRecord:
    """As it stands now; it does not say whose it is."""

    item: str = strawberry.field(description="Code of what it is, in the catalogue.")
    label: str = strawberry.field(description="What it is, in words.")
    nature: str = strawberry.field(description="honour, adverse or neutral.")
    severity: str | None = strawberry.field(description="general or serious, for terms.")
    document_number: str | None = strawberry.field(description="Number of the document behind it.")
    authority: str | None = strawberry.field(description="The body that decided.")
    provider: str | None = strawberry.field(description="The body that delivered it.")
    decided_on: date = strawberry.field(description="The day of the decision.")
    counts_until: date | None = strawberry.field(description="Last day on which it counts; null where there is no end.")
    fields: list[ContestedField] = strawberry.field(description="Its fields, without those about persons.")


@strawberry.type(description="A case with all that was done in it.", directives=access(READERS))
class CreditCase:
    """For its subject, and for the officers who handle it."""

    id: strawberry.ID = strawberry.field(description="Opaque id.")
    kind: Kind = strawberry.field(description="What it is.")
    state: CaseState = strawberry.field(description="Where it stands.")
    place: str = strawberry.field(description="Folder name of the place whose terms apply.")
    record_id: str | None = strawberry.field(description="The record it is about.")
    model: str | None = strawberry.field(description="The model whose result it is about.")
    field: str | None = strawberry.field(description="The field of the record that is said to be wrong.")
    ground: str = strawberry.field(description="Of an objection its ground; else repair, listing or complaint.")
    way: str | None = strawberry.field(description="Of a repair: the way.")
    statement: str = strawberry.field(description="What the subject says.")
    opened_at: datetime = strawberry.field(description="When it was received.")
    routed_to: str | None = strawberry.field(description="The body that decides; null: this platform.")
    marked_at: datetime | None = strawberry.field(description="Since when the record is marked and out of use.")
    mark_due_on: date | None = strawberry.field(description="The last day for marking it.")
    due_on: date | None = strawberry.field(description="The last day for deciding; null while the clock stands still.")
    due_is_provisional: bool = strawberry.field(description="The holiday table of that year is not out yet.")
    overdue: bool = strawberry.field(description="Open after its last day; then the record stays out of use.")
    escalated_at: datetime | None = strawberry.field(description="When that it is overdue was reported upward.")
    decided_at: datetime | None = strawberry.field(description="When it was decided or taken back.")
    outcome: Outcome | None = strawberry.field(description="How.")
    answer: str | None = strawberry.field(description="The decision's reason.")
    about_case: strawberry.ID | None = strawberry.field(description="Of an appeal: the case decided first.")
    steps: list[CaseStep] = strawberry.field(description="What was done, oldest first.")
    papers: list[CasePaper] = strawberry.field(description="What was handed in, oldest first.")
    record: ContestedRecord | None = strawberry.field(
        default=None,
        description="The record it is about, for officers; null where it is about none, or none is left.",
        directives=access(OFFICERS),
    )


@strawberry.type(description="A case in a page (Relay).", directives=access(SUBJECT))
class CreditCaseEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: CreditCase = strawberry.field(description="The case.")


@strawberry.type(description="A page of one's own cases, newest first (Relay).", directives=access(SUBJECT))
class CreditCaseConnection:
    """Relay's connection."""

    edges: list[CreditCaseEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.type(description="A way to repair a record.", directives=access(SUBJECT))
class RepairWay:
    """From the place's rules."""

    id: str = strawberry.field(description="Give it as `way`: put-right, commitment, training, report …")
    label: str = strawberry.field(description="In words.")
    evidence: list[str] = strawberry.field(description="What has to be handed in.")


@strawberry.type(description="What may be done about a record, told beforehand.", directives=access(SUBJECT))
class RepairGuide:
    """No ways where it cannot be repaired; then `whyNot` says why."""

    ways: list[RepairWay] = strawberry.field(description="The ways.")
    earliest_on: date = strawberry.field(description="The first day on which one can apply.")
    least_months: int = strawberry.field(description="The shortest term of publication, from the decision.")
    why_not: str | None = strawberry.field(description="Why it cannot be repaired.")
    after: str = strawberry.field(description="What happens once it is repaired.")


def rules_of(state: State) -> Rules:
    """What cases need of the rulebook in force."""
    book = state.rulebook
    return Rules(book.entitlements, book.catalogues, book.repairs, book.models)


def act_of(context: Context, principal: Principal, reason: str) -> Act:
    """Who acts now, and what follows for the subject's scores."""
    rulebook, now = context.state.rulebook, context.now

    async def rescore(connection: AsyncConnection, subject_id: int) -> None:
        await score_participant(connection, subject_id=subject_id, rulebook=rulebook, now=now)

    return Act(principal.account, reason, now, rescore)


class DataUnderReview(ExpectedError):
    """What is stored about this subject is not as it was written; an alarm was raised."""

    code = "DATA_UNDER_REVIEW"


@asynccontextmanager
async def writing(context: Context) -> AsyncIterator[tuple[AsyncConnection, Principal]]:
    """A transaction and who asks; a row changed by hand raises an alarm and leaves all as it was.

    Raises:
        DataUnderReview: there is such a row.
    """
    database = context.state.database
    try:
        async with database.transaction() as connection:
            yield connection, await context.principal(connection)
    except (SubjectDataFault, RowChanged) as fault:
        log.error("a row is not as it was written", exc_info=fault)
        alarm = {"id": new_id(), "at": context.now, "kind": "ROW_CHANGED", "partner_id": None}
        async with database.transaction() as connection:
            await connection.execute(security_events.insert().values(**alarm, detail={"what": str(fault)}))
        raise DataUnderReview("有关数据与存入时不一致,已暂停办理并通知运营人员核查。请稍后再试。") from None


async def _alarm(connection: AsyncConnection, case: Row[Any], now: datetime) -> None:
    log.warning("case overdue", extra={"case": str(case.id), "kind": case.kind, "place": case.place})
    await alarm_overdue(connection, case, now)


async def look_for_overdue(state: State, *, now: datetime, subject_id: int | None = None) -> None:
    """Note what has run out, before anybody is shown a case."""
    await note_overdue(state.database, rules=rules_of(state), alarm=_alarm, now=now, subject_id=subject_id)


async def case_of(
    connection: AsyncConnection, row: Row[Any], state: State, *, now: datetime, hides: frozenset[str] = frozenset()
) -> CreditCase:
    """A row of `cases` as it is shown; `hides` names what of the steps' evidence the reader may not see."""
    keys = keys_of(connection)
    due = None if row.decided_at is not None else due_of(row, rules_of(state))
    answer = None if row.answer_sealed is None else unseal(keys, "seal", row.answer_sealed)
    return CreditCase(
        id=case_id_of(row.id),
        kind=Kind(row.kind),
        state=CaseState(row.state),
        place=row.place,
        record_id=row.record_id,
        model=row.model,
        field=row.field,
        ground=row.ground,
        way=row.way,
        statement=(unseal(keys, "seal", row.statement_sealed) or b"").decode(),
        opened_at=row.opened_at,
        routed_to=row.routed_to,
        marked_at=row.marked_at,
        mark_due_on=row.mark_due_on,
        due_on=due.on if due else row.due_on,
        due_is_provisional=due.provisional if due else row.due_is_provisional,
        overdue=is_overdue(due, now=now),
        escalated_at=row.escalated_at,
        decided_at=row.decided_at,
        outcome=Outcome(row.outcome) if row.outcome else None,
        answer=answer.decode() if answer else None,
        about_case=case_id_of(row.about_case) if row.about_case else None,
        steps=[
            CaseStep(
                step=step.step, act=step.act, state=step.state, actor=step.actor, at=step.at, reason=step.reason,
                evidence=orjson.dumps({k: v for k, v in step.evidence.items() if k not in hides}).decode(),
            )
            for step in await read_steps(connection, row)
        ],
        papers=[
            CasePaper(
                files=state.files, stored_as=paper.name, title=title, media_type=paper.type, size=paper.size,
                sha256=paper.sha256, at=paper.at,
            )
            for paper, title in await list_papers(connection, row)
        ],
    )  # fmt: skip


def case_id_of(key: UUID) -> strawberry.ID:
    """The id that clients see of a case."""
    return strawberry.ID(public_id("CreditCase", UUID(str(key))))


def case_key(given: str) -> UUID:
    """The key inside a case's id.

    Raises:
        BadInput: it is no case's id.
    """
    return uuid_of(given, "CreditCase")


async def officer_of(connection: AsyncConnection, principal: Principal) -> Officer:
    """Whoever handles cases: a provider's account for its body, our own staff for all."""
    if principal.role is not Role.PROVIDER:
        return Officer(principal.account, handles_all=True)
    body, uscc = await body_of(connection, principal.account)
    return Officer(principal.account, body=body, body_uscc=uscc)


async def officers_case(
    connection: AsyncConnection, context: Context, principal: Principal, row: Row[Any], *, action: str, purpose: str
) -> CreditCase:
    """A case as an officer sees it, with the row in its subject's log; no provider sees a score."""
    await note_reading(
        connection, subject_id=row.subject_id, reader=principal.account, role=principal.role.value, action=action,
        purpose=purpose, now=context.now,
    )  # fmt: skip
    hides = SCORES if principal.role is Role.PROVIDER else frozenset()
    case = await case_of(connection, row, context.state, now=context.now, hides=hides)
    case.record = await _contested(connection, row, context.state)
    return case


async def _contested(connection: AsyncConnection, case: Row[Any], state: State) -> ContestedRecord | None:
    """The record of a case as an officer sees it: without what is about a person."""
    if case.record_id is None:
        return None
    try:
        row = await read_record(connection, case.subject_id, case.record_id)
    except UnknownRecord:  # leaving the scheme has erased it meanwhile
        return None
    told = as_queried(CataloguedRecord(row, state.rulebook.catalogues[case.place], keys_of(connection)))
    return ContestedRecord(
        item=row.item,
        label=told.label,
        nature=told.nature,
        severity=row.severity,
        document_number=told.document_number,
        authority=told.authority,
        provider=row.provider,
        decided_on=told.decided_on,
        counts_until=told.last_day,
        fields=[ContestedField(id=name, label=label, value=value) for name, label, value in told.fields],
    )
