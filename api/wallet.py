"""Wallet credentials in the API: a subject gets them, a partner asks for one. One thing to know: the partner reads the
same answer as after a scan, and of a request that nobody answered nothing but that."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from api.context import Info
from api.errors import Problem
from api.ids import key_of, public_id, uuid_of
from api.mutations import mutation
from api.offers import Offer, offer_of
from api.permissions import PARTNER, SUBJECT, access
from api.scalars import show_enum
from api.verification import LONGEST_LABEL, LONGEST_REQUEST_ID, Verification, checked_text
from core.errors import BadInput, Forbidden
from partners import answers
from partners.mandates import ACTING
from partners.standing import SubjectStanding, read_standing
from partners.verification import OfferClosed
from partners.wallet import requests
from partners.wallet.credentials import read_holder_key
from partners.wallet.issuing import MOST_AT_ONCE, check_benefit, issue_credentials, issued_to
from partners.wallet.requests import find_request, open_request, qr_text, request_uri

PresentationState = requests.State
show_enum(
    PresentationState,
    "Where a request to a wallet stands.",
    name="PresentationState",
    WAITING="Nobody has answered yet.",
    ANSWERED="There is an answer: a verification, or a problem that is about nobody.",
    EXPIRED="Nobody answered in time. Whoever declined, came without a wallet or went away: it looks the same.",
)


@strawberry.type(description="Credentials for a wallet, one for each key.", directives=access(SUBJECT))
class CredentialBatch:
    """Result of `issueCredentials`."""

    credentials: list[str] = strawberry.field(
        description="SD-JWT VCs in the order of the keys. Each is shown once, and never kept here."
    )
    expires_at: datetime = strawberry.field(description="End of all of them, on the hour: at most 24 hours from now.")


@strawberry.type(description="Credentials that were handed out at one time, in numbers.", directives=access(SUBJECT))
class IssuedCredentials:
    """Their contents are in the wallet alone."""

    offer: Offer | None = strawberry.field(description="For which offer; null where it is no more.")
    issued_at: datetime = strawberry.field(description="When.")
    expires_at: datetime = strawberry.field(description="Until when they are good.")
    count: int = strawberry.field(description="How many.")
    used: int = strawberry.field(description="How many of them have decided.")


@strawberry.type(
    description="A request for a wallet to show the credential of one offer (OpenID4VP 1.0).",
    directives=access(PARTNER),
)
class PresentationRequest:
    """Good for five minutes and one answer."""

    id: strawberry.ID = strawberry.field(description="Give it to `presentationRequest`.")
    state: PresentationState = strawberry.field(description="Where it stands.")
    request_uri: str = strawberry.field(description="Where a wallet fetches the signed request.")
    qr_text: str = strawberry.field(description="What to show as a QR code.")
    expires_at: datetime = strawberry.field(description="Until when it may be answered.")
    verification: Verification | None = strawberry.field(description="The answer, as after a scan; redeem it as usual.")
    problem: Problem | None = strawberry.field(
        description="Why there is no answer though a credential was shown; never about who showed it."
    )


@strawberry.input(description="For which offer, and to which keys.")
class IssueCredentialsInput:
    """For `issueCredentials`."""

    offer_id: strawberry.ID = strawberry.field(description="The offer.")
    keys: list[str] = strawberry.field(
        description=f"Public keys that the wallet has just made, 1 to {MOST_AT_ONCE}, each a JWK as text (P-256 or "
        "Ed25519); one credential is bound to each."
    )


@strawberry.input(description="What to ask of whoever stands at the counter or gate.")
class CreatePresentationRequestInput:
    """For `createPresentationRequest`."""

    request_id: str = strawberry.field(description="Your id of this request: 1 to 128 characters, the same on a retry.")
    offer_id: strawberry.ID = strawberry.field(description="Which of your offers.")
    site: str | None = strawberry.field(default=None, description="Label of the gate or counter, 1 to 40 characters.")
    clerk: str | None = strawberry.field(default=None, description="Label of the person on duty, 1 to 40 characters.")


IssueCredentialsResult = Annotated[
    CredentialBatch | Problem, strawberry.union("IssueCredentialsResult", description="The credentials, or why not.")
]
CreatePresentationRequestResult = Annotated[
    PresentationRequest | Problem,
    strawberry.union("CreatePresentationRequestResult", description="The request, or why not."),
]


@strawberry.type
class WalletFields:
    """The part of `CreditSubject` that is its wallet."""

    held: strawberry.Private[SubjectStanding]

    @strawberry.field(description="Wallet credentials that I was given and that are not long expired, newest first.")
    async def credentials(self, info: Info) -> list[IssuedCredentials]:
        """In numbers."""
        state = info.context.state
        async with state.database.reading() as connection:
            found = await issued_to(connection, self.held.id)
        offers = state.catalogue.offers
        return [
            IssuedCredentials(
                offer=offer_of(offers[one.offer_id]) if one.offer_id in offers else None,
                issued_at=one.issued_at,
                expires_at=one.expires_at,
                count=one.count,
                used=one.used,
            )
            for one in found
        ]


@strawberry.type
class WalletQueries:
    """A partner's own requests."""

    @strawberry.field(
        description="A request of yours to a wallet, for a day; null for any other.", directives=access(PARTNER)
    )
    async def presentation_request(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")],  # noqa: A002
    ) -> PresentationRequest | None:
        """Ask again until it is answered or expired."""
        context = info.context
        try:
            key: UUID | None = uuid_of(id, "PresentationRequest")
        except BadInput:
            key = None
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
            if principal.partner_id is None:
                raise Forbidden
            found = await find_request(connection, key) if key is not None else None
        if found is None or found.partner_id != principal.partner_id:
            return None
        return _shown(found, issuer=context.state.settings.issuer, now=context.now)


def _shown(found: requests.PresentationRequest, *, issuer: str, now: datetime) -> PresentationRequest:
    answer, verification, problem = found.answer, None, None
    if isinstance(answer, answers.Problem):
        problem = Problem(code=answer.code, message=answer.message)
    elif answer is not None:
        verification = Verification(
            id=strawberry.ID(public_id("Verification", answer.id)),
            outcome=answer.outcome,
            benefit=answer.benefit,
            receipt=answer.receipt,
            expires_at=answer.expires_at,
        )
    return PresentationRequest(
        id=strawberry.ID(public_id("PresentationRequest", found.id)),
        state=found.state(now),
        request_uri=request_uri(issuer, found.id),
        qr_text=qr_text(issuer, found.id),
        expires_at=found.expires_at,
        verification=verification,
        problem=problem,
    )


@strawberry.type
class WalletMutations:
    """Issuing, and asking."""

    @mutation(description="Credentials of one offer for my wallet, while the benefit applies to me.", to=SUBJECT)
    async def issue_credentials(self, info: Info, input: IssueCredentialsInput) -> IssueCredentialsResult:  # noqa: A002
        """For oneself alone: whoever acts for another shows a code, which ends with the mandate."""
        context, state = info.context, info.context.state
        claims = context.signed_in()
        offer_id = key_of(input.offer_id, "Offer")
        if claims.account.startswith(ACTING):
            raise Forbidden("凭证只发给本人的钱包。代办时请改用信用码。")
        if len(input.keys) > MOST_AT_ONCE:
            raise BadInput(f"keys 每次 1 到 {MOST_AT_ONCE} 把。请分几次领取。")
        holders = [read_holder_key(text) for text in input.keys]
        async with state.database.reading() as connection:
            standing = await read_standing(
                connection, account=claims.account, role=claims.role, rulebook=state.rulebook, now=context.now
            )
            catalogue = await state.current_catalogue(connection, version=standing.catalogue_version)
        offer = catalogue.offers.get(offer_id)
        if offer is None or not offer.is_open(catalogue.on):
            raise OfferClosed("这项优惠不存在或今天不开放。请从优惠列表中重新选择。")
        await check_benefit(state.database, standing, offer=offer, catalogue=catalogue, now=context.now)
        async with state.database.transaction() as connection:
            batch = await issue_credentials(
                connection,
                subject_id=standing.id,
                offer_id=offer.id,
                offer=public_id("Offer", offer.id),
                holders=holders,
                keys=state.keys,
                issuer=state.settings.issuer,
                actor=claims.account,
                now=context.now,
            )
        return CredentialBatch(credentials=list(batch.credentials), expires_at=batch.expires_at)

    @mutation(description="Ask a wallet to show the credential of one of your offers.", to=PARTNER)
    async def create_presentation_request(
        self,
        info: Info,
        input: CreatePresentationRequestInput,  # noqa: A002
    ) -> CreatePresentationRequestResult:
        """Nothing is reserved until somebody answers."""
        context, state = info.context, info.context.state
        request_id = checked_text("requestId", input.request_id, LONGEST_REQUEST_ID)
        offer_id = key_of(input.offer_id, "Offer")
        labels = {
            name: None if value is None else checked_text(name, value, LONGEST_LABEL)
            for name, value in (("site", input.site), ("clerk", input.clerk))
        }
        async with state.database.reading() as connection:
            principal = await context.principal(connection)
            catalogue = await state.current_catalogue(connection)
        if principal.partner_id is None:
            raise Forbidden
        async with state.database.transaction() as connection:
            answer = await open_request(
                connection,
                account=principal.account,
                partner_id=principal.partner_id,
                request_id=request_id,
                offer_id=offer_id,
                **labels,
                catalogue=catalogue,
                keys=state.keys,
                now=context.now,
            )
        if isinstance(answer, answers.Problem):
            return Problem(code=answer.code, message=answer.message)
        return _shown(answer, issuer=state.settings.issuer, now=context.now)
