"""Results that come from elsewhere, and results put right here. One thing to know: what is answered says how many rows
were applied, and never why a person's was not."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

import strawberry

from api.context import Info, State
from api.errors import Problem
from api.ids import key_of
from api.mutations import mutation
from api.permissions import PROVIDER, REVIEWER, access
from api.verification import checked_text
from core.errors import BadInput
from core.identifiers import new_id
from partners.access import note_reading
from scoring.issuers import LONGEST_BATCH, LONGEST_REFERENCE, Issuer, Push, PushedRow, issuer_of_account
from scoring.results import correct_result, receive_results
from scoring.values import BadValue, read_number

MOST_ROWS = 1000


@strawberry.input(description="A result about one subject.")
class PushedResultInput:
    """For `pushResults`."""

    subject: str = strawberry.field(description="Identity number of a person, USCC of an enterprise.")
    points: Decimal | None = strawberry.field(default=None, description="Points; left out where it is a grade alone.")
    grade: str | None = strawberry.field(default=None, description="Code of the grade; left out, that of the points.")
    result_on: date = strawberry.field(description="The day of the result.")
    valid_until: date | None = strawberry.field(default=None, description="First day on which it no longer holds.")
    reference: str | None = strawberry.field(
        default=None, description="The document behind it, at most 200 characters."
    )


@strawberry.input(description="Results of one model, made by the body that pushes them.")
class PushResultsInput:
    """For `pushResults`."""

    request_id: str = strawberry.field(description="Your id of this batch: 1 to 128 characters, the same on a retry.")
    model: str = strawberry.field(description="The model's id.")
    results: list[PushedResultInput] = strawberry.field(description="At most 1000, each about another subject.")


@strawberry.input(description="A result to be put right.")
class CorrectResultInput:
    """For `correctResult`."""

    request_id: str | None = strawberry.field(
        default=None, description="Your id of this request: 1 to 128 characters, the same on a retry."
    )
    subject_id: strawberry.ID = strawberry.field(description="The subject.")
    model: str = strawberry.field(description="The model's id.")
    points: Decimal | None = strawberry.field(default=None, description="The right points; none for a grade alone.")
    grade: str | None = strawberry.field(default=None, description="The right grade; left out, that of the points.")
    valid_until: date | None = strawberry.field(
        default=None, description="First day on which it no longer holds; left out, that of the result it replaces."
    )
    reason: str = strawberry.field(description="Why, in 1 to 200 characters; the subject reads it.")


@strawberry.type(description="A row of a push that was not applied.", directives=access(PROVIDER))
class UnappliedRow:
    """By its number, never by whom it is about."""

    row: int = strawberry.field(description="Its place in `results`, from 1.")
    code: str = strawberry.field(
        description="BAD_IDENTITY, or NOT_APPLIED: nobody here to whom such a result could belong."
    )


@strawberry.type(description="Results were received.", directives=access(PROVIDER))
class PushedResults:
    """Result of `pushResults`."""

    rows: int = strawberry.field(description="How many there were.")
    applied: int = strawberry.field(description="How many were applied.")
    repeated: bool = strawberry.field(description="Whether the batch had come before; then nothing was changed.")
    not_applied: list[UnappliedRow] = strawberry.field(description="The others.")


@strawberry.type(description="A result was put right.", directives=access(REVIEWER))
class CorrectedResult:
    """Result of `correctResult`."""

    id: strawberry.ID = strawberry.field(description="Id of the corrected result.")
    corrected_at: datetime = strawberry.field(description="Since when it holds; it is on its way up.")


PushResultsResult = Annotated[
    PushedResults | Problem, strawberry.union("PushResultsResult", description="What became of the push, or why not.")
]
CorrectResultResult = Annotated[
    CorrectedResult | Problem, strawberry.union("CorrectResultResult", description="The correction, or why not.")
]


@strawberry.type
class ResultMutations:
    """Pushed and corrected results."""

    @mutation(description="Give results that you made; they take precedence over computed ones.", to=PROVIDER)
    async def push_results(self, info: Info, input: PushResultsInput) -> PushResultsResult:  # noqa: A002
        """Applied whole or not at all, but for rows about nobody here."""
        context, state = info.context, info.context.state
        request_id = checked_text("requestId", input.request_id, LONGEST_BATCH)
        if not 1 <= len(input.results) <= MOST_ROWS:
            raise BadInput(f"results 须有 1 到 {MOST_ROWS} 行。更多时请分批推送,或使用签名文件。")
        rows = [
            PushedRow(
                subject=row.subject,
                points=_points(row.points, f"results 第 {place} 行的 points "),
                grade=row.grade,
                result_on=row.result_on,
                valid_until=row.valid_until,
                reference=None
                if row.reference is None
                else checked_text("reference", row.reference, LONGEST_REFERENCE),
            )
            for place, row in enumerate(input.results, 1)
        ]
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            receipt = await receive_results(
                connection,
                Push(_issuer(state, principal.account), request_id, input.model, rows),
                models=state.rulebook.models,
                keys=state.keys,
                actor=principal.account,
                now=context.now,
            )
        return PushedResults(
            rows=receipt.rows,
            applied=receipt.applied,
            repeated=receipt.repeated,
            not_applied=[UnappliedRow(row=left.row, code=left.code) for left in receipt.leftovers],
        )

    @mutation(description="Put a result right; the right one is sent to the platform above.", to=REVIEWER)
    async def correct_result(self, info: Info, input: CorrectResultInput) -> CorrectResultResult:  # noqa: A002
        """At once, and it stays until a newer result comes."""
        context, state = info.context, info.context.state
        request_id = (
            str(new_id()) if input.request_id is None else checked_text("requestId", input.request_id, LONGEST_BATCH)
        )
        key = key_of(input.subject_id, "CreditSubject")
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            correction = await correct_result(
                connection,
                subject_id=key,
                model_id=input.model,
                points=_points(input.points, "points "),
                grade=input.grade,
                valid_until=input.valid_until,
                reason=checked_text("reason", input.reason, LONGEST_REFERENCE),
                request_id=request_id,
                models=state.rulebook.models,
                keys=state.keys,
                actor=principal.account,
                now=context.now,
            )
            if not correction.repeated:
                await note_reading(
                    connection,
                    subject_id=key,
                    reader=principal.account,
                    role=principal.role.value,
                    action="correctResult",
                    purpose="更正评价结果",
                    now=context.now,
                )
        return CorrectedResult(id=strawberry.ID(str(correction.id)), corrected_at=correction.at)


def _issuer(state: State, account: str) -> Issuer:
    """In whose name the account pushes. The demo's provider speaks for everybody until a list of issuers is given."""
    if state.settings.environment == "demo" and not state.issuers:
        models = frozenset(model.id for model in state.rulebook.models.all)
        return Issuer(f"account:{account}", "演示信用信息提供单位", models, frozenset(state.rulebook.places))
    return issuer_of_account(state.issuers, account)


def _points(value: Decimal | None, name: str) -> int | None:
    try:
        return None if value is None else read_number(value, name)
    except BadValue as error:
        raise BadInput(f"{error.message}。") from None
