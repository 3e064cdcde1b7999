"""Officers' side of cases: worklists, reading, help, examination, decisions, the ledger of repairs. One thing to know:
whoever opens a case is written into its subject's log in the same transaction; a worklist names nobody."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, cast
from uuid import UUID

import strawberry
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from api.cases import (
    OFFICERS,
    CreditCase,
    act_of,
    case_id_of,
    case_key,
    case_of,
    look_for_overdue,
    rules_of,
    writing,
)
from api.context import Context, Info
from api.errors import Problem
from api.ids import public_id
from api.mutations import mutation
from api.pagination import After, First, PageInfo, cursor_of, key_after, page_info, page_size
from api.permissions import PROVIDER, REVIEWER, STAFF, access
from api.verification import checked_text
from core.clock import day_of
from core.errors import BadInput
from core.identifiers import check_uscc
from partners.access import note_reading
from partners.accounts import Principal, Role
from partners.tables import accounts
from scoring.cases.decisions import (
    Correction,
    Officer,
    answer_help,
    ask_for_help,
    decide_case,
    pause_for_examination,
    resume_clock,
)
from scoring.cases.workflow import Kind, Outcome, UnknownCase, read_case
from scoring.cases.workflow import State as CaseState
from scoring.cases.worklist import NO_TERM, count_due, list_cases, repair_ledger
from scoring.values import BadValue, number_text, read_number

DECIDERS = (*REVIEWER, *PROVIDER)
LONGEST_REASON, LONGEST_BODY, LONGEST_PLACE, LONGEST_VALUE, MOST_FIELDS = 500, 120, 40, 2000, 50
STANDING = frozenset({"before", "after"})
"""What of a step's evidence is scores, which no provider sees."""


@strawberry.enum(description="Which open cases.")
class CaseDue(Enum):
    """By the last day for deciding."""

    TODAY = strawberry.enum_value("TODAY", description="Those whose last day is today.")
    OVERDUE = strawberry.enum_value("OVERDUE", description="Those whose last day has passed.")
    ALL = strawberry.enum_value("ALL", description="All of them.")


@strawberry.type(description="An open case as a worklist shows it; it names nobody.", directives=access(OFFICERS))
class CaseSummary:
    """Open it with `creditCase`."""

    id: strawberry.ID = strawberry.field(description="Opaque id.")
    kind: Kind = strawberry.field(description="What it is.")
    state: CaseState = strawberry.field(description="Where it stands.")
    place: str = strawberry.field(description="Folder name of the place whose terms apply.")
    ground: str = strawberry.field(description="Of an objection its ground; else repair, listing or complaint.")
    opened_at: datetime = strawberry.field(description="When it was received.")
    routed_to: str | None = strawberry.field(description="The body that decides; null: this platform.")
    helper: str | None = strawberry.field(description="The body that was asked for help.")
    help_due_on: date | None = strawberry.field(description="The last day for that body's answer.")
    due_on: date | None = strawberry.field(description="The last day for deciding; null while the clock stands still.")
    overdue: bool = strawberry.field(description="Whether that day has passed.")
    escalated_at: datetime | None = strawberry.field(description="When that it is overdue was reported upward.")


@strawberry.type(description="A case in a page (Relay).", directives=access(OFFICERS))
class CaseSummaryEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: CaseSummary = strawberry.field(description="The case.")


@strawberry.type(description="Open cases by deadline (Relay), with what is pressing.", directives=access(OFFICERS))
class CaseWorklist:
    """A provider's own account sees what is routed to its body."""

    edges: list[CaseSummaryEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")
    due_today: int = strawberry.field(description="Open cases, of any kind, whose last day is today.")
    overdue: int = strawberry.field(description="Open cases, of any kind, whose last day has passed.")


@strawberry.type(description="A result as it stood.", directives=access(STAFF))
class LedgerScore:
    """Of one model."""

    model: str = strawberry.field(description="The model's id.")
    points: Decimal | None = strawberry.field(description="Points, where it had some.")
    grade: str | None = strawberry.field(description="Code of the grade.")


@strawberry.type(description="A repair that was decided.", directives=access(STAFF))
class RepairLedgerEntry:
    """One line of the ledger."""

    case_id: strawberry.ID = strawberry.field(description="The case.")
    place: str = strawberry.field(description="Folder name of the place.")
    record_id: str | None = strawberry.field(description="The record.")
    way: str | None = strawberry.field(description="The way of repair.")
    outcome: Outcome = strawberry.field(description="How it was decided.")
    decided_at: datetime = strawberry.field(description="When.")
    decided_by: str = strawberry.field(description="The account that decided.")
    before: list[LedgerScore] = strawberry.field(description="The results before it.")
    after: list[LedgerScore] = strawberry.field(description="The results after it.")


@strawberry.type(description="A line in a page (Relay).", directives=access(STAFF))
class RepairLedgerEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: RepairLedgerEntry = strawberry.field(description="The line.")


@strawberry.type(description="A page of the ledger of repairs, newest first (Relay).", directives=access(STAFF))
class RepairLedgerConnection:
    """Relay's connection."""

    edges: list[RepairLedgerEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.input(description="Help wanted from another body.")
class AskForHelpInput:
    """For `askForHelp`."""

    case_id: strawberry.ID = strawberry.field(description="The case.")
    body: str = strawberry.field(description="The body's name.")
    uscc: str | None = strawberry.field(default=None, description="Its USCC; then its own account sees the case.")
    reason: str = strawberry.field(description="What is to be checked, in 1 to 500 characters.")


@strawberry.input(description="Something done in a case, and why.")
class _CaseActInput:
    case_id: strawberry.ID = strawberry.field(description="The case.")
    reason: str = strawberry.field(description="Why, or what was found, in 1 to 500 characters; the subject reads it.")


@strawberry.input(description="What the helping body found.")
class AnswerHelpInput(_CaseActInput):
    """For `answerHelp`."""


@strawberry.input(description="An inspection, test or review by experts begins.")
class PauseForExaminationInput(_CaseActInput):
    """For `pauseForExamination`."""


@strawberry.input(description="It has ended.")
class ResumeClockInput(_CaseActInput):
    """For `resumeClock`."""


@strawberry.input(description="A field of a record, put right.")
class CorrectedFieldInput:
    """By the catalogue."""

    field: str = strawberry.field(description="Id of the field.")
    value: str | None = strawberry.field(default=None, description="What is right; null takes the field out.")


@strawberry.input(description="What is right: of a record, or of a result.")
class CorrectionInput:
    """Needed where something is upheld that is about a record or a result."""

    fields: list[CorrectedFieldInput] = strawberry.field(
        default_factory=list, description="Fields of the record, at most 50."
    )
    item: str | None = strawberry.field(default=None, description="The record's right item.")
    serious: bool | None = strawberry.field(default=None, description="Whether it is serious, where that was wrong.")
    remove: bool = strawberry.field(default=False, description="The record goes: it has no basis, or is not theirs.")
    points: Decimal | None = strawberry.field(default=None, description="Of a result: the right points.")
    grade: str | None = strawberry.field(default=None, description="Of a result: the right grade.")
    valid_until: date | None = strawberry.field(default=None, description="Of a result: its first day without effect.")


@strawberry.input(description="A decision.")
class DecideCaseInput(_CaseActInput):
    """For `decideCase`."""

    outcome: Outcome = strawberry.field(description="UPHELD, PARTLY or REJECTED; of a repair GRANTED or REFUSED.")
    correction: CorrectionInput | None = strawberry.field(default=None, description="What is right, where upheld.")


AskForHelpResult = Annotated[
    CreditCase | Problem, strawberry.union("AskForHelpResult", description="The case, or why not.")
]
AnswerHelpResult = Annotated[
    CreditCase | Problem, strawberry.union("AnswerHelpResult", description="The case, or why not.")
]
PauseForExaminationResult = Annotated[
    CreditCase | Problem, strawberry.union("PauseForExaminationResult", description="The case, or why not.")
]
ResumeClockResult = Annotated[
    CreditCase | Problem, strawberry.union("ResumeClockResult", description="The case, or why not.")
]
DecideCaseResult = Annotated[
    CreditCase | Problem, strawberry.union("DecideCaseResult", description="The case, or why not.")
]


@strawberry.type
class CaseworkMutations:
    """What officers do with cases. A provider's account acts for its own body alone."""

    @mutation(description="Ask another body to check; the longer term applies.", to=DECIDERS)
    async def ask_for_help(self, info: Info, input: AskForHelpInput) -> AskForHelpResult:  # noqa: A002
        """That body has a term of its own."""
        context = info.context
        body, uscc = checked_text("body", input.body, LONGEST_BODY), input.uscc and check_uscc(input.uscc)
        async with writing(context) as (connection, principal):
            row = await ask_for_help(
                connection, case_id=case_key(input.case_id), body=body, uscc=uscc or None,
                officer=await officer_of(connection, principal), rules=rules_of(context.state),
                act=act_of(context, principal, _reason(input.reason)),
            )  # fmt: skip
            return await _shown(connection, context, principal, row, action="askForHelp")

    @mutation(description="Say what the helping body found.", to=DECIDERS)
    async def answer_help(self, info: Info, input: AnswerHelpInput) -> AnswerHelpResult:  # noqa: A002
        """By that body's account, or by whoever has its answer on paper."""
        context = info.context
        async with writing(context) as (connection, principal):
            row = await answer_help(
                connection, case_id=case_key(input.case_id), officer=await officer_of(connection, principal),
                act=act_of(context, principal, _reason(input.reason)),
            )  # fmt: skip
            return await _shown(connection, context, principal, row, action="answerHelp")

    @mutation(description="Stop the clock for an examination by experts.", to=DECIDERS)
    async def pause_for_examination(
        self,
        info: Info,
        input: PauseForExaminationInput,  # noqa: A002
    ) -> PauseForExaminationResult:
        """Until `resumeClock`."""
        context = info.context
        async with writing(context) as (connection, principal):
            row = await pause_for_examination(
                connection, case_id=case_key(input.case_id), officer=await officer_of(connection, principal),
                rules=rules_of(context.state), act=act_of(context, principal, _reason(input.reason)),
            )  # fmt: skip
            return await _shown(connection, context, principal, row, action="pauseForExamination")

    @mutation(description="Let the clock run again.", to=DECIDERS)
    async def resume_clock(self, info: Info, input: ResumeClockInput) -> ResumeClockResult:  # noqa: A002
        """The days of the examination do not count."""
        context = info.context
        async with writing(context) as (connection, principal):
            row = await resume_clock(
                connection, case_id=case_key(input.case_id), officer=await officer_of(connection, principal),
                rules=rules_of(context.state), act=act_of(context, principal, _reason(input.reason)),
            )  # fmt: skip
            return await _shown(connection, context, principal, row, action="resumeClock")

    @mutation(description="Decide; what it means for the record and the scores happens at once.", to=DECIDERS)
    async def decide_case(self, info: Info, input: DecideCaseInput) -> DecideCaseResult:  # noqa: A002
        """Late works too, and says so."""
        context, correction = info.context, _correction(input.correction)
        async with writing(context) as (connection, principal):
            row = await decide_case(
                connection, case_id=case_key(input.case_id), officer=await officer_of(connection, principal),
                outcome=input.outcome, correction=correction, rules=rules_of(context.state),
                act=act_of(context, principal, _reason(input.reason)),
            )  # fmt: skip
            return await _shown(connection, context, principal, row, action="decideCase")
