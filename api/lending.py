"""What is done with a loan application in the API. One thing to know: applying consents to named indicators for one
bank and one application; a bank's acts are done once for each request id."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any

import strawberry

from api.context import Info
from api.errors import Problem
from api.ids import key_of, public_id, uuid_of
from api.loans import LoanApplication, LoanDeclineCode, LoanState, one_of_mine
from api.mutations import mutation
from api.permissions import PARTNER, SUBJECT, access
from api.scalars import Fen
from api.typed import one_line
from api.verification import LONGEST_REASON, LONGEST_REQUEST_ID, checked_text
from core.errors import BadInput, Forbidden
from partners import answers
from partners.accounts import Principal
from partners.kinds.loan import PRODUCTS
from partners.lending import bank, workflow
from partners.lending.applying import Wish, act_as_applicant, apply_for_loan

LONGEST_USE, LONGEST_CODE, MOST_MONTHS, MOST_RATE_BP = 200, 60, 480, 3600
SHORTEST_WORDS = 4


@strawberry.enum(description="How a loan is being repaid: for figures alone; no record comes of it.")
class LoanRepayment(Enum):
    """`partners.lending.workflow.Repayment`, described."""

    RUNNING = strawberry.enum_value("RUNNING", description="As agreed.")
    REPAID = strawberry.enum_value("REPAID", description="Repaid.")
    OVERDUE = strawberry.enum_value("OVERDUE", description="Late.")


@strawberry.type(description="What a bank's act led to.", directives=access(PARTNER))
class DecidedLoan:
    """Result of a bank's acts."""

    id: strawberry.ID = strawberry.field(description="Id of the application.")
    state: LoanState = strawberry.field(description="Where it stands after the act.")
    at: datetime = strawberry.field(description="When.")


@strawberry.input(description="A loan to apply for, and what its bank may be told.")
class ApplyForLoanInput:
    """For `applyForLoan`."""

    offer_id: strawberry.ID = strawberry.field(description="The bank's offer.")
    product: str = strawberry.field(description="The product by its name; for persons 农户小额贷款.")
    amount_fen: Fen = strawberry.field(description="How much, in 分.")
    months: int = strawberry.field(description="For how long, in months: 1 to 480.")
    use: str = strawberry.field(description="What for, in 1 to 200 characters.")
    indicators: list[str] = strawberry.field(
        description="Codes of `loanIndicators`: each that the bank may have answered, and no other."
    )
    purpose_version: str | None = strawberry.field(
        default=None, description="Version of the text consented to, as shown; left out: the one in force."
    )
    statement: str | None = strawberry.field(
        default=None, description="The words of a consent in writing, where a person names what needs one."
    )


@strawberry.input(description="Yes or no to what a bank offers.")
class AnswerLoanOfferInput:
    """For `answerLoanOffer`."""

    application_id: strawberry.ID = strawberry.field(description="The application.")
    accept: bool = strawberry.field(description="Yes or no.")


@strawberry.input(description="Which application to withdraw.")
class WithdrawLoanInput:
    """For `withdrawLoan`."""

    application_id: strawberry.ID = strawberry.field(description="The application.")
    reason: str | None = strawberry.field(default=None, description="Why, if one likes to say.")


@strawberry.input(description="What the bank offers.")
class OfferLoanInput:
    """For `offerLoan`."""

    request_id: str = strawberry.field(description="Your id of this request: 1 to 128 characters, the same on a retry.")
    application_id: strawberry.ID = strawberry.field(description="The application.")
    amount_fen: Fen = strawberry.field(description="How much, in 分: at most what was asked for.")
    rate_bp: int = strawberry.field(description="Yearly rate, in hundredths of a percent: 0 to 3600.")
    months: int = strawberry.field(description="For how long, in months: 1 to 480.")
    secured: bool = strawberry.field(description="Whether collateral or a guarantor is asked for.")


@strawberry.input(description="Why the bank declines.")
class DeclineLoanInput:
    """For `declineLoan`."""

    request_id: str = strawberry.field(description="Your id of this request: 1 to 128 characters, the same on a retry.")
    application_id: strawberry.ID = strawberry.field(description="The application.")
    code: LoanDeclineCode = strawberry.field(description="Your own ground.")
    words: str = strawberry.field(description="In 4 to 200 characters of your own; a credit result is none.")


@strawberry.input(description="What became of a loan.")
class ReportLoanInput:
    """For `reportLoan`."""

    request_id: str = strawberry.field(description="Your id of this request: 1 to 128 characters, the same on a retry.")
    application_id: strawberry.ID = strawberry.field(description="The application.")
    amount_fen: Fen = strawberry.field(description="What was paid out, in 分.")
    rate_bp: int = strawberry.field(description="Yearly rate, in hundredths of a percent.")
    disbursed_on: date = strawberry.field(description="The day on which it was paid out.")
    secured: bool = strawberry.field(description="Whether it is secured.")
    repayment: LoanRepayment = strawberry.field(description="How it is being repaid.")


def _union(name: str, what: str) -> Any:
    return strawberry.union(name, description=f"{what}, or why not.")


ApplyForLoanResult = Annotated[LoanApplication | Problem, _union("ApplyForLoanResult", "The application")]
AnswerLoanOfferResult = Annotated[LoanApplication | Problem, _union("AnswerLoanOfferResult", "The application")]
WithdrawLoanResult = Annotated[LoanApplication | Problem, _union("WithdrawLoanResult", "The application")]
OfferLoanResult = Annotated[DecidedLoan | Problem, _union("OfferLoanResult", "What was offered")]
DeclineLoanResult = Annotated[DecidedLoan | Problem, _union("DeclineLoanResult", "What was declined")]
ReportLoanResult = Annotated[DecidedLoan | Problem, _union("ReportLoanResult", "What was reported")]


def _subject_of(principal: Principal) -> int:
    if principal.subject_id is None:
        raise Forbidden
    return principal.subject_id


def _within(name: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise BadInput(f"{name} 须在 {least} 到 {most} 之间。请改正。")
    return value


async def _act(
    info: Info, application_id: strawberry.ID, action: workflow.LoanAction, reason: str = ""
) -> LoanApplication:
    context, state = info.context, info.context.state
    key = uuid_of(application_id, "LoanApplication")
    async with state.database.transaction() as connection:
        principal = await context.principal(connection)
        subject_id = _subject_of(principal)
        await act_as_applicant(
            connection,
            account=principal.account,
            subject_id=subject_id,
            application_id=key,
            action=action,
            rulebook=state.rulebook,
            issuing=state.verifier,
            now=context.now,
            reason=reason,
        )
    return await one_of_mine(context, subject_id, key)


def _desk(info: Info, principal: Principal) -> bank.Desk:
    if principal.partner_id is None:
        raise Forbidden
    state = info.context.state
    return bank.Desk(
        account=principal.account,
        partner_id=principal.partner_id,
        rulebook=state.rulebook,
        keys=state.keys,
        issuing=state.verifier,
        now=info.context.now,
    )


def _decided(answer: bank.Decided | answers.Problem) -> DecidedLoan | Problem:
    if isinstance(answer, answers.Problem):
        return Problem(code=answer.code, message=answer.message)
    key = strawberry.ID(public_id("LoanApplication", answer.id))
    return DecidedLoan(id=key, state=LoanState(answer.state.value), at=answer.at)


@strawberry.type
class LoanMutations:
    """From the application to the last report."""

    @mutation(description="Apply at a bank, and consent to named indicators for this application alone.", to=SUBJECT)
    async def apply_for_loan(self, info: Info, input: ApplyForLoanInput) -> ApplyForLoanResult:  # noqa: A002
        """For enterprises through their agents, and for farmers."""
        context, state = info.context, info.context.state
        if input.product not in PRODUCTS:
            raise BadInput(f"没有这个产品。请从这些中选择:{'、'.join(PRODUCTS)}。")
        wish = Wish(
            product=input.product,
            amount_fen=input.amount_fen,
            months=_within("months", input.months, 1, MOST_MONTHS),
            use=checked_text("use", one_line(input.use), LONGEST_USE),
            indicators=tuple(checked_text("indicators", one, LONGEST_CODE) for one in input.indicators),
            purpose_version=input.purpose_version,
            statement=input.statement,
        )
        offer_id = key_of(input.offer_id, "Offer")
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            subject_id = _subject_of(principal)
            known = await state.current_catalogue(connection)
            key = await apply_for_loan(
                connection,
                account=principal.account,
                subject_id=subject_id,
                offer=known.offers.get(offer_id),
                wish=wish,
                rulebook=state.rulebook,
                issuing=state.verifier,
                now=context.now,
            )
        return await one_of_mine(context, subject_id, key)

    @mutation(description="Accept or decline what a bank offers: the same act, the same path.", to=SUBJECT)
    async def answer_loan_offer(self, info: Info, input: AnswerLoanOfferInput) -> AnswerLoanOfferResult:  # noqa: A002
        """Either way the bank is told nothing more."""
        action = workflow.LoanAction.ACCEPT if input.accept else workflow.LoanAction.DECLINE
        return await _act(info, input.application_id, action)

    @mutation(description="Withdraw an application; the bank is told nothing more.", to=SUBJECT)
    async def withdraw_loan(self, info: Info, input: WithdrawLoanInput) -> WithdrawLoanResult:  # noqa: A002
        """Until it is paid out."""
        reason = checked_text("reason", input.reason, LONGEST_REASON) if input.reason else ""
        return await _act(info, input.application_id, workflow.LoanAction.WITHDRAW, reason)

    @mutation(description="Offer a loan to an applicant.", to=PARTNER)
    async def offer_loan(self, info: Info, input: OfferLoanInput) -> OfferLoanResult:  # noqa: A002
        """For the applicant to answer."""
        request_id = checked_text("requestId", input.request_id, LONGEST_REQUEST_ID)
        bid = bank.Bid(
            amount_fen=input.amount_fen,
            rate_bp=_within("rateBp", input.rate_bp, 0, MOST_RATE_BP),
            months=_within("months", input.months, 1, MOST_MONTHS),
            secured=input.secured,
        )
        key = uuid_of(input.application_id, "LoanApplication")
        async with info.context.state.database.transaction() as connection:
            desk = _desk(info, await info.context.principal(connection))
            return _decided(await bank.offer_loan(connection, desk, request_id=request_id, application_id=key, bid=bid))

    @mutation(description="Decline an application, for a ground of your own.", to=PARTNER)
    async def decline_loan(self, info: Info, input: DeclineLoanInput) -> DeclineLoanResult:  # noqa: A002
        """A credit result alone is refused (L10)."""
        request_id = checked_text("requestId", input.request_id, LONGEST_REQUEST_ID)
        words = checked_text("words", input.words, LONGEST_REASON)
        if len(words.strip()) < SHORTEST_WORDS:
            raise BadInput(f"words 须写明理由,至少 {SHORTEST_WORDS} 个字。请补充后重试。")
        code = workflow.DeclineCode(input.code.name)
        key = uuid_of(input.application_id, "LoanApplication")
        async with info.context.state.database.transaction() as connection:
            desk = _desk(info, await info.context.principal(connection))
            return _decided(
                await bank.decline_loan(
                    connection, desk, request_id=request_id, application_id=key, code=code, words=words
                )
            )

    @mutation(description="Report a loan that was accepted, or correct what was reported.", to=PARTNER)
    async def report_loan(self, info: Info, input: ReportLoanInput) -> ReportLoanResult:  # noqa: A002
        """A correction is a row of its own; the newest counts."""
        request_id = checked_text("requestId", input.request_id, LONGEST_REQUEST_ID)
        report = bank.Report(
            amount_fen=input.amount_fen,
            rate_bp=_within("rateBp", input.rate_bp, 0, MOST_RATE_BP),
            disbursed_on=input.disbursed_on,
            secured=input.secured,
            repayment=workflow.Repayment(input.repayment.name),
        )
        key = uuid_of(input.application_id, "LoanApplication")
        async with info.context.state.database.transaction() as connection:
            desk = _desk(info, await info.context.principal(connection))
            return _decided(
                await bank.report_loan(connection, desk, request_id=request_id, application_id=key, report=report)
            )
