"""Officers' side of cases: help, examination, decisions. One thing to know: whoever acts in a case is written into its
subject's log in the same transaction, and a provider's account acts for its own body alone."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import strawberry
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from api.cases import CreditCase, act_of, case_key, officer_of, officers_case, rules_of, writing
from api.context import Context, Info
from api.errors import Problem
from api.mutations import mutation
from api.permissions import PROVIDER, REVIEWER
from api.verification import checked_text
from core.errors import BadInput
from core.identifiers import check_uscc
from partners.accounts import Principal
from scoring.cases.decisions import (
    Correction,
    answer_help,
    ask_for_help,
    decide_case,
    pause_for_examination,
    resume_clock,
)
from scoring.cases.workflow import Outcome
from scoring.values import BadValue, read_number

DECIDERS = (*REVIEWER, *PROVIDER)
LONGEST_REASON, LONGEST_BODY, LONGEST_VALUE, MOST_FIELDS = 500, 120, 2000, 50


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


async def _shown(
    connection: AsyncConnection, context: Context, principal: Principal, row: Row[Any], *, action: str
) -> CreditCase:
    """The case after an act, which its subject finds in its log."""
    return await officers_case(connection, context, principal, row, action=action, purpose="办理本人提出的事项")


def _reason(given: str) -> str:
    return checked_text("reason", given, LONGEST_REASON)


def _correction(given: CorrectionInput | None) -> Correction:
    if given is None:
        return Correction()
    if len(given.fields) > MOST_FIELDS:
        raise BadInput(f"fields 最多 {MOST_FIELDS} 项。请分几次更正。")
    fields = {one.field: one.value for one in given.fields}
    if len(fields) != len(given.fields):
        raise BadInput("fields 中同一数据项只能写一次。请删去重复的一项。")
    for value in fields.values():
        if value is not None and not 1 <= len(value) <= LONGEST_VALUE:
            raise BadInput(f"value 须为 1 到 {LONGEST_VALUE} 个字符;要去掉一项请写 null。")
    try:
        points = None if given.points is None else read_number(given.points, "points ")
    except BadValue as error:
        raise BadInput(f"{error.message}。") from None
    severity = None if given.serious is None else ("serious" if given.serious else "general")
    return Correction(fields, given.item, severity, given.remove, points, given.grade, given.valid_until)
