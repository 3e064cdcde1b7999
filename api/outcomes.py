"""Partners report what came of verified benefits. One thing to know: the answer says that the report was taken and
nothing else; reports count in the monthly figures alone."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import strawberry

from api.context import Info
from api.errors import Problem
from api.ids import public_id, uuid_of
from api.mutations import mutation
from api.permissions import PARTNER, SUBJECT, access
from api.verification import LONGEST_REQUEST_ID, checked_text
from core.errors import BadInput, Forbidden
from partners import answers
from partners.outcomes import OutcomeCode, Report, report_outcome

LONGEST_NOTE, LONGEST_RECEIPT = 200, 8192
BEST = 5

_definition: Any = strawberry.enum(
    OutcomeCode, description="What came of a benefit: how it was used; nothing about the person."
)
_SAID = {
    "USED": "It was used as offered.",
    "PARTLY_USED": "It was used in part.",
    "NOT_USED": "It was not used in the end.",
    "SERVICE_PROBLEM": "Something went wrong with the service.",
    "GIVEN_BACK": "It was used and then taken back.",
}
for _value in _definition.__strawberry_definition__.values:
    _value.description = _SAID[_value.name]


@strawberry.input(description="What came of a verified benefit. Give the receipt or the verification's id.")
class ReportOutcomeInput:
    """For `reportOutcome`."""

    request_id: str = strawberry.field(description="Your own id of this request; the same again gets the same answer.")
    receipt: str | None = strawberry.field(default=None, description="The receipt of the verification.")
    verification_id: strawberry.ID | None = strawberry.field(default=None, description="Or its id.")
    outcome: OutcomeCode = strawberry.field(description="What came of it.")
    satisfaction: int | None = strawberry.field(
        default=None, description=f"What the customer thought of the service, from 1 to {BEST}, if asked."
    )
    note: str | None = strawberry.field(default=None, description="About the service, never about the person.")


@strawberry.type(description="A report was taken.", directives=access(PARTNER))
class OutcomeReport:
    """Result of `reportOutcome`."""

    verification_id: strawberry.ID = strawberry.field(description="The verification it is about.")
    number: int = strawberry.field(description="1 for the first report; a higher one corrects those before it.")
    reported_at: datetime = strawberry.field(description="When.")


@strawberry.type(description="What a partner said came of a benefit.", directives=access(SUBJECT))
class PartnerReport:
    """As its subject reads it."""

    number: int = strawberry.field(description="1 for the first; a higher one corrects those before it.")
    outcome: OutcomeCode = strawberry.field(description="What came of it.")
    satisfaction: int | None = strawberry.field(
        description=f"What you thought of the service, from 1 to {BEST}, as the partner says you said."
    )
    note: str | None = strawberry.field(description="The partner's words about the service.")
    reported_at: datetime = strawberry.field(description="When.")


def shown_report(row: Any) -> PartnerReport:
    """A row of `outcome_reports` as its subject reads it."""
    said = row.report
    return PartnerReport(
        number=row.number,
        outcome=OutcomeCode(said["outcome"]),
        satisfaction=said["satisfaction"],
        note=said["note"],
        reported_at=row.at,
    )


ReportOutcomeResult = Annotated[
    OutcomeReport | Problem, strawberry.union("ReportOutcomeResult", description="Taken, or why not.")
]


@strawberry.type
class OutcomeMutations:
    """Reports back from partners."""

    @mutation(description="Report what came of a benefit that you verified. A later report corrects it.", to=PARTNER)
    async def report_outcome(self, info: Info, input: ReportOutcomeInput) -> ReportOutcomeResult:  # noqa: A002
        """For genuine receipts of one's own."""
        context, state = info.context, info.context.state
        request_id = checked_text("requestId", input.request_id, LONGEST_REQUEST_ID)
        note = None if input.note is None else checked_text("note", input.note, LONGEST_NOTE)
        if (input.receipt is None) == (input.verification_id is None):
            raise BadInput("请给出 receipt 或 verificationId 其中一项。")
        if input.receipt is not None and len(input.receipt) > LONGEST_RECEIPT:
            raise BadInput("receipt 过长,不是本平台的回执。请原样提供。")
        if input.satisfaction is not None and not 1 <= input.satisfaction <= BEST:
            raise BadInput(f"satisfaction 须为 1 到 {BEST} 的整数。请改正后重试。")
        given = None if input.verification_id is None else uuid_of(input.verification_id, "Verification")
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            if principal.partner_id is None:
                raise Forbidden
            answer = await report_outcome(
                connection,
                account=principal.account,
                partner_id=principal.partner_id,
                partner_public_id=public_id("Partner", principal.partner_id),
                request_id=request_id,
                receipt=input.receipt,
                verification_id=given,
                report=Report(input.outcome, input.satisfaction, note),
                keys=state.keys,
                now=context.now,
            )
        if isinstance(answer, answers.Problem):
            return Problem(code=answer.code, message=answer.message)
        verification = strawberry.ID(public_id("Verification", answer.verification_id))
        return OutcomeReport(verification_id=verification, number=answer.number, reported_at=answer.at)
