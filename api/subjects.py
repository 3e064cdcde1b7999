"""The citizen, or the enterprise being acted for: scores, benefits, and who looked. For the subject alone."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import strawberry

from api.access import AccessEventConnection, WhyNot, access_log
from api.case_requests import cases_of
from api.cases import CreditCaseConnection
from api.consents import ConsentConnection, consents_page
from api.context import Context, Info
from api.errors import Problem
from api.ids import public_id
from api.loans import LoanFields
from api.mandates import Mandate, mandates_for
from api.mutations import mutation
from api.node import Node
from api.notices import NoticeFields
from api.offers import KindCode, Offer, Search, offer_of, searched
from api.orders import OrderFields
from api.pagination import After, First, PageInfo, cursor_of, number_after, page_info, page_size
from api.permissions import ANYONE, SUBJECT, access
from api.records import RecordFields
from api.registered import SubjectEnd, end_of
from api.scalars import SubjectKind
from api.scores import Known, Score, score_of
from api.wallet import WalletFields
from core.errors import ExpectedError
from partners import catalogue
from partners.browsing import Wanted, find_offers
from partners.next_steps import in_words, next_step
from partners.standing import Judged, SubjectStanding, read_standing, score_participant
from scoring.subjects import enroll_subject

Available = Annotated[
    bool | None,
    strawberry.argument(description="True: only what applies now. False: only what does not, with why. Null: both."),
]
"""The `available` of benefits."""
Area = Annotated[
    str | None,
    strawberry.argument(
        description="Code of a place or of one of its districts: only what is given there, or all over what it lies in."
    ),
]
"""The `area` of benefits."""


@strawberry.type(description="An offer as it stands for this subject.", directives=access(SUBJECT))
class Benefit:
    """Available or not, and why not."""

    offer: Offer = strawberry.field(description="The offer.")
    available: bool = strawberry.field(description="Whether it would apply now.")
    why_not: list[WhyNot] = strawberry.field(description="Empty where it applies.")
    held: strawberry.Private[catalogue.Offer]
    judged: strawberry.Private[Judged]
    holder: strawberry.Private[SubjectStanding]

    @strawberry.field(description="The nearest thing to do, in plain Chinese; null where it applies.")
    def next_step(self, info: Info) -> str | None:
        """Worked out where it is asked for."""
        score = next((score for score in self.holder.scores if score.model == self.held.model.id), None)
        return next_step(self.judged, self.held, score, on=info.context.state.catalogue.on)


def _benefit(offer: catalogue.Offer, judged: Judged, held: SubjectStanding, *, on: date) -> Benefit:
    return Benefit(
        offer=offer_of(offer),
        available=not judged.reasons,
        why_not=[WhyNot(code=one.value, message=in_words(one, judged, on=on)) for one in judged.reasons],
        held=offer,
        judged=judged,
        holder=held,
    )


@strawberry.type(description="A benefit in a page (Relay).", directives=access(SUBJECT))
class BenefitEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: Benefit = strawberry.field(description="The benefit.")


@strawberry.type(description="A page of benefits (Relay).", directives=access(SUBJECT))
class BenefitConnection:
    """Relay's connection."""

    edges: list[BenefitEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.type(description="A credit subject as it sees itself.", directives=access(SUBJECT))
class CreditSubject(RecordFields, NoticeFields, OrderFields, LoanFields, WalletFields, Node):
    """The citizen, or the enterprise an agent acts for."""

    held: strawberry.Private[SubjectStanding]
    id: strawberry.ID = strawberry.field(description="Opaque id.")
    kind: SubjectKind = strawberry.field(description="Person or enterprise.")
    display_name: str = strawberry.field(description="A person's masked name, an enterprise's name.")
    enrolled: bool = strawberry.field(description="Whether the subject takes part.")
    place: str = strawberry.field(description="Folder name of the place whose purposes, indicators and terms apply.")
    scores: list[Score] = strawberry.field(description="One for each model that applies; none for a minor.")

    @strawberry.field(description="Open offers for subjects of this kind: available or not, and why not.")
    async def benefits(  # noqa: PLR0917  # the arguments of a field
        self,
        info: Info,
        first: First = None,
        after: After = None,
        kind: KindCode = None,
        available: Available = None,
        area: Area = None,
        search: Search = None,
    ) -> BenefitConnection:
        """By offer id."""
        context = info.context
        known = context.state.catalogue
        wanted = Wanted(kind=kind, available=available, area=area, words=searched(search))
        found, more = await find_offers(
            context.state.database,
            self.held,
            wanted=wanted,
            catalogue=known,
            after=number_after(after),
            first=page_size(first),
            now=context.now,
        )
        edges = [
            BenefitEdge(cursor=cursor_of(offer.id), node=_benefit(offer, judged, self.held, on=known.on))
            for offer, judged in found
        ]
        cursors = [edge.cursor for edge in edges]
        return BenefitConnection(edges=edges, page_info=page_info(cursors, more=more, after=after))

    @strawberry.field(description="The district where its number was first registered, if its place lists it.")
    def district(self, info: Info) -> str | None:
        """No place to be: many live elsewhere."""
        place = info.context.state.rulebook.places.get(self.held.place)
        return self.held.district if place is not None and self.held.district in place.districts else None

    @strawberry.field(description="Why the subject is no more, where it is not; an agent still reads its records.")
    async def ended(self, info: Info) -> SubjectEnd | None:
        """Null while it goes on."""
        return await end_of(info.context, self.held.id)

    @strawberry.field(description="Who may act for me, or could; newest first.")
    async def mandates(self, info: Info) -> list[Mandate]:
        """Those that have ended too."""
        return await mandates_for(info.context, self.held.id)

    @strawberry.field(description="Who looked at me, newest first.")
    async def access_log(self, info: Info, first: First = None, after: After = None) -> AccessEventConnection:
        """Refused requests included."""
        return await access_log(info.context, self.held.id, first, after)

    @strawberry.field(description="My objections, appeals, complaints and repairs, newest first.")
    async def cases(self, info: Info, first: First = None, after: After = None) -> CreditCaseConnection:
        """What has run out is noted before it is shown."""
        return await cases_of(info.context, self.held.id, first, after)

    @strawberry.field(description="What I have consented to, was asked for, and have ended; newest first.")
    async def consents(self, info: Info, first: First = None, after: After = None) -> ConsentConnection:
        """With every step, and the signed receipts."""
        return await consents_page(info.context, self.held.id, first, after)


async def signed_in_subject(context: Context) -> CreditSubject:
    """The subject that the caller acts for."""
    claims, state = context.signed_in(), context.state
    async with state.database.reading() as connection:
        rulebook = state.rulebook
        standing = await read_standing(
            connection, account=claims.account, role=claims.role, rulebook=rulebook, now=context.now
        )
        await state.current_catalogue(connection, version=standing.catalogue_version)
        if state.rulebook is not rulebook:  # a model was published or rolled back since this process last looked
            standing = await read_standing(
                connection, account=claims.account, role=claims.role, rulebook=state.rulebook, now=context.now
            )
    known = Known(context, standing.id, standing.models)
    return CreditSubject(
        held=standing,
        id=strawberry.ID(public_id("CreditSubject", standing.id)),
        kind=SubjectKind(standing.kind),
        display_name=standing.display_name,
        enrolled=standing.enrolled,
        place=standing.place,
        scores=[score_of(score, model, known) for score, model in zip(standing.scores, standing.models, strict=False)],
    )


@strawberry.type(description="What somebody reads, and consents to, before taking part.", directives=access(ANYONE))
class EnrollmentNotice:
    """Give its version to `enroll`."""

    version: str = strawberry.field(description="Version of the text.")
    text: str = strawberry.field(description="The text.")


@strawberry.type(description="The subject takes part.", directives=access(SUBJECT))
class Enrollment:
    """Result of `enroll`."""

    enrolled_at: datetime = strawberry.field(description="Since when.")


@strawberry.input(description="Informed consent to being evaluated.")
class EnrollInput:
    """For `enroll`."""

    notice_version: str = strawberry.field(description="Version of the notice that was shown.")


EnrollResult = Annotated[Enrollment | Problem, strawberry.union("EnrollResult", description="Enrolled, or why not.")]


class NoticeOutdated(ExpectedError):
    """Another text is in force than the one that was shown."""

    code = "NOTICE_OUTDATED"


@strawberry.type
class SubjectQueries:
    """The subject signed in, and the notice."""

    @strawberry.field(description="The citizen, or the enterprise being acted for.", directives=access(SUBJECT))
    async def me(self, info: Info) -> CreditSubject:
        """Read in one statement."""
        return await signed_in_subject(info.context)

    @strawberry.field(description="What to read before taking part.", directives=access(ANYONE))
    def enrollment_notice(self, info: Info) -> EnrollmentNotice:
        """The text in force."""
        notice = info.context.state.rulebook.notice
        return EnrollmentNotice(version=notice.version, text=notice.text)


@strawberry.type
class SubjectMutations:
    """Taking part."""

    @mutation(description="Take part, after reading the notice. Doing so again changes nothing.", to=SUBJECT)
    async def enroll(self, info: Info, input: EnrollInput) -> EnrollResult:  # noqa: A002
        """A minor may enrol and is never scored; an agent enrols the enterprise."""
        context = info.context
        if input.notice_version != context.state.rulebook.notice.version:
            raise NoticeOutdated("告知书已更新。请重新阅读最新版本后再同意。")
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            enrolled_at = await enroll_subject(
                connection,
                subject_id=principal.subject_id or 0,
                notice_version=input.notice_version,
                actor=principal.account,
                now=context.now,
            )
            if enrolled_at == context.now:
                await score_participant(
                    connection, subject_id=principal.subject_id or 0, rulebook=context.state.rulebook, now=context.now
                )
        return Enrollment(enrolled_at=enrolled_at)
