"""The main path: a code is shown, scanned, decided about, redeemed or released and, if need be, reversed."""

from __future__ import annotations

from datetime import datetime
from time import monotonic
from typing import Annotated

import strawberry

from api.context import Context, Info
from api.errors import Problem
from api.ids import key_of, public_id, uuid_of
from api.mutations import mutation
from api.pacing import until_the_grid
from api.permissions import PARTNER, SUBJECT, access
from api.scalars import Fen, Outcome
from core.errors import BadInput, ExpectedError, Forbidden
from core.identifiers import holds_resident_id
from partners import answers
from partners.codes import issue_code, open_code
from partners.decisions import Scan
from partners.redemption import redeem_benefit, release_verification, reverse_redemption
from partners.standing import read_standing
from partners.verification import OfferClosed, verify_credit_code

LONGEST_LABEL, LONGEST_REQUEST_ID, LONGEST_REASON = 40, 128, 200


class NotEnrolled(ExpectedError):
    """The subject does not take part."""

    code = "NOT_ENROLLED"


@strawberry.type(description="A code to show: good for a minute, for one decision.", directives=access(SUBJECT))
class CreditCode:
    """Result of `issueCreditCode`."""

    id: strawberry.ID = strawberry.field(description="Opaque id of the code; nothing in the token shows it.")
    token: str = strawberry.field(description="What the QR code carries. Nobody but us can read anything in it.")
    expires_at: datetime = strawberry.field(description="At most 60 seconds from now.")


@strawberry.type(description="The answer about a code. Both outcomes have the same shape.", directives=access(PARTNER))
class Verification:
    """Result of `verifyCreditCode`."""

    id: strawberry.ID = strawberry.field(description="Give it to `redeemBenefit`.")
    outcome: Outcome = strawberry.field(description="Benefit or standard service.")
    benefit: str | None = strawberry.field(description="What to add; null with STANDARD_SERVICE.")
    receipt: str = strawberry.field(description="A signed receipt; the subject holds the same one.")
    expires_at: datetime = strawberry.field(description="Until when the benefit is reserved.")


@strawberry.type(description="A benefit was used.", directives=access(PARTNER))
class Redemption:
    """Result of `redeemBenefit`."""

    id: strawberry.ID = strawberry.field(description="Give it to `reverseRedemption`.")
    redeemed_at: datetime = strawberry.field(description="When.")


@strawberry.type(description="A verified benefit was given back unused.", directives=access(PARTNER))
class ReleasedVerification:
    """Result of `releaseVerification`."""

    id: strawberry.ID = strawberry.field(description="Id of the verification.")
    released_at: datetime = strawberry.field(description="From when nothing is reserved for it any more.")


@strawberry.type(description="A redemption was taken back.", directives=access(PARTNER))
class ReversedRedemption:
    """Result of `reverseRedemption`."""

    id: strawberry.ID = strawberry.field(description="Id of the redemption.")
    reversed_at: datetime = strawberry.field(description="When it was taken back.")


@strawberry.input(description="For which offer, if the holder binds the code to one.")
class IssueCreditCodeInput:
    """For `issueCreditCode`."""

    offer_id: strawberry.ID | None = strawberry.field(default=None, description="The one offer the code is good for.")


@strawberry.input(description="A scan at a counter or gate.")
class VerifyCreditCodeInput:
    """For `verifyCreditCode`."""

    request_id: str = strawberry.field(description="Your id of this request: 1 to 128 characters, the same on a retry.")
    code: str = strawberry.field(description="The token that was scanned, as it is.")
    offer_id: strawberry.ID = strawberry.field(description="Which of your offers.")
    clerk: str | None = strawberry.field(default=None, description="Label of the person on duty, 1 to 40 characters.")
    site: str | None = strawberry.field(default=None, description="Label of the gate or counter, 1 to 40 characters.")


@strawberry.input(description="Use of a verified benefit.")
class RedeemBenefitInput:
    """For `redeemBenefit`."""

    request_id: str = strawberry.field(description="Your id of this request: 1 to 128 characters, the same on a retry.")
    verification_id: strawberry.ID = strawberry.field(description="The verification, at most ten minutes old.")
    amount_fen: Fen | None = strawberry.field(
        default=None, description="Amount in 分, where there is one; needed where the offer has a budget."
    )


@strawberry.input(description="A verified benefit that will not be used.")
class ReleaseVerificationInput:
    """For `releaseVerification`."""

    request_id: str = strawberry.field(description="Your id of this request: 1 to 128 characters, the same on a retry.")
    verification_id: strawberry.ID = strawberry.field(description="The verification.")


@strawberry.input(description="Taking a redemption back.")
class ReverseRedemptionInput:
    """For `reverseRedemption`."""

    request_id: str = strawberry.field(description="Your id of this request: 1 to 128 characters, the same on a retry.")
    redemption_id: strawberry.ID = strawberry.field(description="The redemption.")
    reason: str = strawberry.field(description="Why, in 1 to 200 characters; about the order, not about the person.")


IssueCreditCodeResult = Annotated[
    CreditCode | Problem, strawberry.union("IssueCreditCodeResult", description="A code, or why not.")
]
VerifyCreditCodeResult = Annotated[
    Verification | Problem, strawberry.union("VerifyCreditCodeResult", description="The answer, or why there is none.")
]
RedeemBenefitResult = Annotated[
    Redemption | Problem, strawberry.union("RedeemBenefitResult", description="The redemption, or why not.")
]
ReleaseVerificationResult = Annotated[
    ReleasedVerification | Problem,
    strawberry.union("ReleaseVerificationResult", description="From when nothing is reserved, or why not."),
]
ReverseRedemptionResult = Annotated[
    ReversedRedemption | Problem, strawberry.union("ReverseRedemptionResult", description="The reversal, or why not.")
]


def checked_text(name: str, value: str, longest: int) -> str:
    """`value` if it is a label of 1 to `longest` printable characters without a person's number in it.

    Raises:
        BadInput: it is not.
    """
    if not 1 <= len(value) <= longest or not value.isprintable():
        raise BadInput(f"{name} 须为 1 到 {longest} 个可见字符。请改正后重试。", field=name)
    # A partner's own id of a request may well have 15 digits.
    if holds_resident_id(value, even_old=name != "requestId"):
        raise BadInput(f"{name} 中有公民身份号码,这里不保存任何人的号码。请去掉号码后重试。", field=name)
    return value


def _label(name: str, value: str | None) -> str | None:
    return None if value is None else checked_text(name, value, LONGEST_LABEL)


async def _partner(context: Context) -> int:
    async with context.state.database.reading() as connection:
        principal = await context.principal(connection)
    if principal.partner_id is None:
        raise Forbidden
    return principal.partner_id


@strawberry.type
class VerificationMutations:
    """Code, verification, redemption, reversal."""

    @mutation(description="A fresh code to show.", to=SUBJECT)
    async def issue_credit_code(self, info: Info, input: IssueCreditCodeInput) -> IssueCreditCodeResult:  # noqa: A002
        """Nothing is stored: the code itself says whose it is, to us alone."""
        context, state = info.context, info.context.state
        claims = context.signed_in()
        offer_id = None if input.offer_id is None else key_of(input.offer_id, "Offer")
        async with state.database.reading() as connection:
            standing = await read_standing(
                connection, account=claims.account, role=claims.role, rulebook=state.rulebook, now=context.now
            )
            catalogue = await state.current_catalogue(connection, version=standing.catalogue_version)
        if not standing.enrolled:
            raise NotEnrolled("您尚未加入信用激励计划。请先阅读告知书并同意加入。")
        offer = None if offer_id is None else catalogue.offers.get(offer_id)
        if offer_id is not None and (offer is None or not offer.is_open(catalogue.on)):
            raise OfferClosed("这项优惠不存在或今天不开放。请从优惠列表中重新选择。")
        code, token = issue_code(state.keys, subject_id=standing.id, offer_id=offer_id, now=context.now)
        return CreditCode(
            id=strawberry.ID(public_id("CreditCode", int.from_bytes(code.id, "big"))),
            token=token,
            expires_at=code.expires_at,
        )

    @mutation(description="Does this benefit apply to whoever shows this code?", to=PARTNER)
    async def verify_credit_code(self, info: Info, input: VerifyCreditCodeInput) -> VerifyCreditCodeResult:  # noqa: A002
        """One transaction: decision, access log, audit and recorded answer."""
        began = monotonic()
        context, state = info.context, info.context.state
        scan = Scan(
            request_id=checked_text("requestId", input.request_id, LONGEST_REQUEST_ID),
            code=input.code,
            offer_id=key_of(input.offer_id, "Offer"),
            clerk=_label("clerk", input.clerk),
            site=_label("site", input.site),
        )
        async with state.database.statements() as connection:
            answer = await verify_credit_code(
                connection,
                account=context.signed_in().account,
                scan=scan,
                code=open_code(state.keys, scan.code),
                catalogue=state.catalogue,
                refresh=state.refresh_catalogue,
                lineage=state.rulebook.lineage,
                verifier=state.verifier,
                now=context.now,
                most_offers=state.settings.offers_per_person,
            )
        if isinstance(answer, answers.Problem):
            return Problem(code=answer.code, message=answer.message)
        await until_the_grid(began)
        return Verification(
            id=strawberry.ID(public_id("Verification", answer.id)),
            outcome=answer.outcome,
            benefit=answer.benefit,
            receipt=answer.receipt,
            expires_at=answer.expires_at,
        )

    @mutation(description="Use a verified benefit.", to=PARTNER)
    async def redeem_benefit(self, info: Info, input: RedeemBenefitInput) -> RedeemBenefitResult:  # noqa: A002
        """What was reserved still redeems."""
        context, state = info.context, info.context.state
        request_id = checked_text("requestId", input.request_id, LONGEST_REQUEST_ID)
        verification_id = uuid_of(input.verification_id, "Verification")
        partner_id = await _partner(context)
        async with state.database.transaction() as connection:
            answer = await redeem_benefit(
                connection,
                account=context.signed_in().account,
                partner_id=partner_id,
                request_id=request_id,
                verification_id=verification_id,
                amount_fen=input.amount_fen,
                keys=state.keys,
                now=context.now,
            )
        if isinstance(answer, answers.Problem):
            return Problem(code=answer.code, message=answer.message)
        return Redemption(id=strawberry.ID(public_id("Redemption", answer.id)), redeemed_at=answer.at)

    @mutation(description="Give a verified benefit back unused, before its ten minutes are over.", to=PARTNER)
    async def release_verification(
        self,
        info: Info,
        input: ReleaseVerificationInput,  # noqa: A002
    ) -> ReleaseVerificationResult:
        """What it held of quota, limits and budget is free at once; doing so again changes nothing."""
        context, state = info.context, info.context.state
        request_id = checked_text("requestId", input.request_id, LONGEST_REQUEST_ID)
        verification_id = uuid_of(input.verification_id, "Verification")
        partner_id = await _partner(context)
        async with state.database.transaction() as connection:
            answer = await release_verification(
                connection,
                account=context.signed_in().account,
                partner_id=partner_id,
                request_id=request_id,
                verification_id=verification_id,
                keys=state.keys,
                now=context.now,
            )
        if isinstance(answer, answers.Problem):
            return Problem(code=answer.code, message=answer.message)
        return ReleasedVerification(id=strawberry.ID(public_id("Verification", answer.id)), released_at=answer.at)

    @mutation(description="Take a redemption back; what it took of quota, limits and budget is free again.", to=PARTNER)
    async def reverse_redemption(self, info: Info, input: ReverseRedemptionInput) -> ReverseRedemptionResult:  # noqa: A002
        """For orders that were cancelled or entered by mistake."""
        context, state = info.context, info.context.state
        request_id = checked_text("requestId", input.request_id, LONGEST_REQUEST_ID)
        reason = checked_text("reason", input.reason, LONGEST_REASON)
        redemption_id = uuid_of(input.redemption_id, "Redemption")
        partner_id = await _partner(context)
        async with state.database.transaction() as connection:
            answer = await reverse_redemption(
                connection,
                account=context.signed_in().account,
                partner_id=partner_id,
                request_id=request_id,
                redemption_id=redemption_id,
                reason=reason,
                keys=state.keys,
                now=context.now,
            )
        if isinstance(answer, answers.Problem):
            return Problem(code=answer.code, message=answer.message)
        return ReversedRedemption(id=strawberry.ID(public_id("Redemption", answer.id)), reversed_at=answer.at)
