"""Loan applications as they are read in the API. One thing to know: a bank reads bands and yes or no, each look at them
is on the applicant's log, and no score, grade or record is anywhere near."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import strawberry
from sqlalchemy import ColumnElement, select

from api.context import Context, Info
from api.ids import public_id, uuid_of
from api.offers import Offer, Partner, offer_of, partner_of
from api.pagination import After, First, PageInfo, cursor_of, id_after, page_info, page_size
from api.permissions import ANYONE, PARTNER, SUBJECT, access
from api.scalars import Fen, SubjectKind
from core.clock import day_of
from core.errors import BadInput, Forbidden
from partners.catalogue import Catalogue
from partners.lending import workflow
from partners.lending.answering import Answer, answers_for_bank, answers_of
from partners.lending.tables import loan_applications
from partners.lending.workflow import Side, allowed_actions, stands_in, state_of
from partners.standing import SubjectStanding
from scoring.tables import subjects

BOTH = (*SUBJECT, *PARTNER)


@strawberry.enum(description="Where a loan application stands.")
class LoanState(Enum):
    """`partners.lending.workflow.LoanState`, described."""

    APPLIED = strawberry.enum_value("APPLIED", description="The bank has to decide, within 30 days.")
    OFFERED = strawberry.enum_value("OFFERED", description="The bank offers a loan; the applicant decides.")
    ACCEPTED = strawberry.enum_value("ACCEPTED", description="The applicant has accepted.")
    DECLINED = strawberry.enum_value("DECLINED", description="Declined, by the bank or the applicant.")
    DISBURSED = strawberry.enum_value("DISBURSED", description="The bank reports that it has paid out.")
    REPAID = strawberry.enum_value("REPAID", description="The bank reports that it is repaid.")
    WITHDRAWN = strawberry.enum_value("WITHDRAWN", description="Withdrawn by the applicant.")
    EXPIRED = strawberry.enum_value("EXPIRED", description="Not decided within 30 days.")


@strawberry.enum(description="What can be done with a loan application.")
class LoanAction(Enum):
    """`partners.lending.workflow.LoanAction`, described."""

    OFFER = strawberry.enum_value("OFFER", description="`offerLoan`.")
    DECLINE = strawberry.enum_value("DECLINE", description="`declineLoan` or `answerLoanOffer(accept: false)`.")
    ACCEPT = strawberry.enum_value("ACCEPT", description="`answerLoanOffer(accept: true)`.")
    WITHDRAW = strawberry.enum_value("WITHDRAW", description="`withdrawLoan`.")
    REPORT = strawberry.enum_value("REPORT", description="`reportLoan`.")


@strawberry.enum(description="A bank's own reason. There is none for a credit result.")
class LoanDeclineCode(Enum):
    """`partners.lending.workflow.DeclineCode`, described."""

    REPAYMENT_CAPACITY = strawberry.enum_value("REPAYMENT_CAPACITY", description="Income does not cover repayment.")
    PAPERS_INCOMPLETE = strawberry.enum_value("PAPERS_INCOMPLETE", description="Papers are missing.")
    USE_NOT_COVERED = strawberry.enum_value("USE_NOT_COVERED", description="The use is none this product is for.")
    COLLATERAL = strawberry.enum_value("COLLATERAL", description="What would secure it does not suffice.")
    TOTAL_EXPOSURE = strawberry.enum_value("TOTAL_EXPOSURE", description="Too much is borrowed already.")
    OUTSIDE_POLICY = strawberry.enum_value("OUTSIDE_POLICY", description="Outside the bank's published policy.")
    OTHER = strawberry.enum_value("OTHER", description="As the words say.")


@strawberry.type(
    description="Something that a bank may be told about, if its applicant names it.", directives=access(ANYONE)
)
class LoanIndicator:
    """A question, never a figure."""

    code: str = strawberry.field(description="Stable code; give it to `applyForLoan`.")
    label: str = strawberry.field(description="The question in words.")
    field: str = strawberry.field(description="The field the data is from.")
    possible_answers: list[str] = strawberry.field(description="All that a bank could be told.")
    written: bool = strawberry.field(description="Whether a natural person consents to it in writing.")
    source: str = strawberry.field(description="The document behind it.")


@strawberry.type(description="What a bank is told: a band, or yes or no.", directives=access(BOTH))
class LoanAnswer:
    """Not named, no data, and taken back look the same."""

    indicator: str = strawberry.field(description="Code of the indicator.")
    label: str = strawberry.field(description="The question in words.")
    field: str = strawberry.field(description="The field the data is from.")
    answer: str = strawberry.field(description="是, 否, a band, or 未授权或无数据.")


@strawberry.type(description="What a bank offers.", directives=access(BOTH))
class LoanBid:
    """For the applicant to accept or decline."""

    amount_fen: Fen = strawberry.field(description="The amount, in 分.")
    rate_bp: int = strawberry.field(description="Yearly rate, in hundredths of a percent.")
    months: int = strawberry.field(description="The term, in months.")
    secured: bool = strawberry.field(description="Whether collateral or a guarantor is asked for.")


@strawberry.type(description="Why a bank declined: its own ground.", directives=access(BOTH))
class LoanRefusal:
    """Never a credit result (L10)."""

    code: LoanDeclineCode = strawberry.field(description="Of the list.")
    words: str = strawberry.field(description="In the bank's words.")


class PageAnswers:
    """The answers about a page of applications, read when the first of them is asked for, once for all."""

    def __init__(self, context: Context, rows: list[Any], side: Side) -> None:
        self._context, self._rows, self._side = context, rows, side
        self._found: dict[UUID, list[Answer]] | None = None
        self._lock = asyncio.Lock()

    async def about(self, application_id: UUID) -> list[Answer]:
        """In one transaction for the page: what a bank is told is on its applicant's log, or is not told."""
        async with self._lock:
            if self._found is None:
                self._found = await self._read()
        return self._found[application_id]

    async def _read(self) -> dict[UUID, list[Answer]]:
        context, state = self._context, self._context.state
        rules = state.rulebook.lending
        async with state.database.transaction() as connection:
            if self._side is Side.APPLICANT:
                return await answers_of(connection, self._rows, rules=rules, now=context.now)
            account = context.signed_in().account
            return await answers_for_bank(connection, self._rows, rules=rules, account=account, now=context.now)


@strawberry.type(description="An application for a loan.", directives=access(BOTH))
class LoanApplication:
    """The same for both sides."""

    held: strawberry.Private[Any]
    side: strawberry.Private[Side]
    page: strawberry.Private[PageAnswers]
    id: strawberry.ID = strawberry.field(description="Opaque id.")
    applicant: str = strawberry.field(description="An enterprise's name, a person's masked name.")
    bank: Partner = strawberry.field(description="At which bank.")
    offer: Offer | None = strawberry.field(description="Under which offer.")
    product: str = strawberry.field(description="Which product.")
    state: LoanState = strawberry.field(description="Where it stands now.")
    allowed_actions: list[LoanAction] = strawberry.field(description="What you may do with it next.")
    amount_fen: Fen = strawberry.field(description="Asked for, in 分.")
    months: int = strawberry.field(description="Asked for, in months.")
    use: str = strawberry.field(description="What the money is for.")
    applied_at: datetime = strawberry.field(description="When.")
    expires_on: date = strawberry.field(description="First day on which the bank is told nothing more.")
    bid: LoanBid | None = strawberry.field(description="What the bank offers; null before.")
    declined: LoanRefusal | None = strawberry.field(description="Why the bank declined, if it did.")

    @strawberry.field(description="What the bank is told; each look of a bank is on its applicant's log.")
    async def answers(self) -> list[LoanAnswer]:
        """All indicators there are, named or not."""
        return [
            LoanAnswer(indicator=one.code, label=one.label, field=one.field, answer=one.answer)
            for one in await self.page.about(self.held.id)
        ]

    @strawberry.field(description="The consent behind it, to pause or take back.", directives=access(SUBJECT))
    def consent_id(self) -> strawberry.ID:
        """Taking it back does not end the application."""
        return strawberry.ID(public_id("Consent", self.held.consent_id))


@strawberry.type(description="A loan application in a page (Relay).", directives=access(BOTH))
class LoanApplicationEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: LoanApplication = strawberry.field(description="The application.")


@strawberry.type(description="A page of loan applications, newest first (Relay).", directives=access(BOTH))
class LoanApplicationConnection:
    """Relay's connection."""

    edges: list[LoanApplicationEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


States = Annotated[
    list[LoanState] | None, strawberry.argument(description="Those that stand in one of these states alone.")
]
"""The `states` of a list of applications."""


async def applications_page(  # noqa: PLR0917  # a page's usual arguments
    context: Context,
    mine: ColumnElement[bool],
    side: Side,
    first: int | None,
    after: str | None,
    states: list[LoanState] | None,
) -> LoanApplicationConnection:
    """A page of applications, as one of their sides reads them."""
    size, last = page_size(first), id_after(after)
    wanted = _APPLICATIONS.where(mine).order_by(loan_applications.c.id.desc()).limit(size + 1)
    if last is not None:
        wanted = wanted.where(loan_applications.c.id < last)
    if states is not None:
        on = day_of(context.now)
        wanted = wanted.where(stands_in((workflow.LoanState(one.name) for one in states), on=on))
    async with context.state.database.reading() as connection:
        known = await context.state.current_catalogue(connection)
        rows = list((await connection.execute(wanted)).all())
    page = PageAnswers(context, rows[:size], side)
    edges = [
        LoanApplicationEdge(cursor=cursor_of(row.id), node=_shown(row, side, known, page, day_of(context.now)))
        for row in rows[:size]
    ]
    info = page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
    return LoanApplicationConnection(edges=edges, page_info=info)


async def one_of_mine(context: Context, subject_id: int, application_id: UUID) -> LoanApplication:
    """An application of this subject's, as it stands now."""
    mine = (loan_applications.c.subject_id == subject_id, loan_applications.c.id == application_id)
    async with context.state.database.reading() as connection:
        known = await context.state.current_catalogue(connection)
        row = (await connection.execute(_APPLICATIONS.where(*mine))).one()
    page = PageAnswers(context, [row], Side.APPLICANT)
    return _shown(row, Side.APPLICANT, known, page, day_of(context.now))


_APPLICATIONS = select(loan_applications, subjects.c.display_name).join(
    subjects, subjects.c.id == loan_applications.c.subject_id
)


def _shown(row: Any, side: Side, known: Catalogue, page: PageAnswers, on: date) -> LoanApplication:
    stands, offer, bid, declined = state_of(row, on=on), known.offers.get(row.offer_id), None, None
    if row.offered_fen is not None:
        bid = LoanBid(
            amount_fen=Fen(row.offered_fen), rate_bp=row.rate_bp, months=row.offered_months, secured=row.secured
        )
    if row.decline_reason is not None:
        code, _, words = row.decline_reason.partition(": ")
        declined = LoanRefusal(code=LoanDeclineCode(code), words=words)
    return LoanApplication(
        held=row,
        side=side,
        page=page,
        id=strawberry.ID(public_id("LoanApplication", row.id)),
        applicant=row.display_name,
        bank=partner_of(known.partners[row.partner_id]),
        offer=offer_of(offer) if offer else None,
        product=row.product,
        state=LoanState(stands.value),
        allowed_actions=[LoanAction(one.value) for one in allowed_actions(stands, side)],
        amount_fen=Fen(row.amount_fen),
        months=row.months,
        use=row.use,
        applied_at=row.applied_at,
        expires_on=row.expires_on,
        bid=bid,
        declined=declined,
    )


@strawberry.type
class LoanFields:
    """The part of `CreditSubject` that is its loan applications."""

    held: strawberry.Private[SubjectStanding]

    @strawberry.field(description="My applications for loans, newest first.")
    async def loan_applications(
        self, info: Info, first: First = None, after: After = None, states: States = None
    ) -> LoanApplicationConnection:
        """With what each bank is told."""
        mine = loan_applications.c.subject_id == self.held.id
        return await applications_page(info.context, mine, Side.APPLICANT, first, after, states)


@strawberry.type
class LoanQueries:
    """A bank's applications, and what may be named in one; a subject's own are under `me`."""

    @strawberry.field(description="The applications at your bank, newest first.", directives=access(PARTNER))
    async def loan_applications(
        self, info: Info, first: First = None, after: After = None, states: States = None
    ) -> LoanApplicationConnection:
        """Nobody else's."""
        context = info.context
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
        if principal.partner_id is None:
            raise Forbidden
        mine = loan_applications.c.partner_id == principal.partner_id
        return await applications_page(context, mine, Side.BANK, first, after, states)

    @strawberry.field(
        description="One application at your bank; null if there is none. So a look at `answers` is a look at one.",
        directives=access(PARTNER),
    )
    async def loan_application(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Id of the application.")],  # noqa: A002
    ) -> LoanApplication | None:
        """Nobody else's."""
        context = info.context
        key = uuid_of(id, "LoanApplication")
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
            if principal.partner_id is None:
                raise Forbidden
            known = await context.state.current_catalogue(connection)
            mine = (loan_applications.c.partner_id == principal.partner_id, loan_applications.c.id == key)
            row = (await connection.execute(_APPLICATIONS.where(*mine))).one_or_none()
        page = PageAnswers(context, [row], Side.BANK)
        return None if row is None else _shown(row, Side.BANK, known, page, day_of(context.now))

    @strawberry.field(description="What an applicant of a place may name in an application.", directives=access(ANYONE))
    def loan_indicators(
        self,
        info: Info,
        place: Annotated[str, strawberry.argument(description="Folder name of the place, for example hunan-shaoyang.")],
        kind: Annotated[SubjectKind, strawberry.argument(description="Of persons, or of enterprises.")],
    ) -> list[LoanIndicator]:
        """With all that a bank could be told of each."""
        rules = info.context.state.rulebook.lending.get(place)
        if rules is None:
            raise BadInput(f"本部署没有 {place[:40]} 这个地方。请核对 place。")
        return [
            LoanIndicator(
                code=code,
                label=one.label,
                field=one.field,
                possible_answers=list(one.possible_answers),
                written=one.written,
                source=f"{one.source.title or ''} {one.source.clause or ''} {one.source.reason or ''}".strip(),
            )
            for code, one in rules.open_to(kind.value).items()
        ]
