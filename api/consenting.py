"""What is done with a consent in the API. One thing to know: saying yes and saying no are one mutation, and pausing or
revoking holds from the moment it is answered.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import strawberry
from sqlalchemy.ext.asyncio import AsyncConnection

from api.consents import Consent, ConsentFrequency, RequestedConsent, place_of, requested_of, shown_consents
from api.context import Context, Info
from api.errors import Problem
from api.ids import key_of, uuid_of
from api.mutations import mutation
from api.permissions import PARTNER, SUBJECT
from api.verification import checked_text
from core.clock import day_of
from core.errors import BadInput, Forbidden
from core.identifiers import new_id
from partners import answers
from partners.codes import open_code
from partners.consents import ask_for_consent
from scoring.consent.consents import Move, NoticeOutdated, give_consent, move_consent
from scoring.consent.purposes import Frequency, Purpose
from scoring.consent.terms import BadTerms, Terms, check_scope

LONGEST_ID, LONGEST_WORDS = 60, 200
OFFICE = "公共信用工作机构"
_FREQUENCIES: dict[ConsentFrequency, Frequency] = {
    ConsentFrequency.ONCE: "once",
    ConsentFrequency.PER_USE: "per-use",
}


@strawberry.input(description="What a partner asks somebody who stands before it.")
class RequestConsentInput:
    """For `requestConsent`."""

    code: str = strawberry.field(description="A fresh credit code of the person; it stays good for a verification.")
    purpose: str = strawberry.field(description="Code of the purpose.")
    offer_id: strawberry.ID | None = strawberry.field(default=None, description="One of your offers; left out: all.")
    frequency: ConsentFrequency = strawberry.field(description="How often you would use it.")
    ends_on: date = strawberry.field(description="First day on which it would hold no more; at most a year off.")


@strawberry.input(description="A consent that its subject gives of its own accord.")
class GiveConsentInput:
    """For `giveConsent`."""

    purpose: str = strawberry.field(description="Code of the purpose: one, never several.")
    purpose_version: str = strawberry.field(description="Version of the text that was shown.")
    partner_id: strawberry.ID | None = strawberry.field(default=None, description="To which partner, if to one.")
    offer_id: strawberry.ID | None = strawberry.field(default=None, description="For one offer; left out: for all.")
    scope: list[str] = strawberry.field(default_factory=list, description="Items of the catalogue.")
    frequency: ConsentFrequency = strawberry.field(description="How often it may be used.")
    ends_on: date = strawberry.field(description="First day on which it holds no more; at most a year off.")
    statement: str | None = strawberry.field(default=None, description="The words of a consent in writing.")


@strawberry.input(description="Yes or no to a request: the same act, the same path.")
class AnswerConsentInput:
    """For `answerConsent`."""

    consent_id: strawberry.ID = strawberry.field(description="The request.")
    accept: bool = strawberry.field(description="Yes or no. Nothing is lost by a no.")
    statement: str | None = strawberry.field(default=None, description="With a yes in writing: its words.")


@strawberry.input(description="Which consent.")
class _ConsentInput:
    consent_id: strawberry.ID = strawberry.field(description="The consent.")
    reason: str = strawberry.field(default="", description="Why, if one likes to say; at most 200 characters.")


@strawberry.input(description="Which consent to hold back for a while.")
class PauseConsentInput(_ConsentInput):
    """For `pauseConsent`."""


@strawberry.input(description="Which consent to let hold again.")
class ResumeConsentInput(_ConsentInput):
    """For `resumeConsent`."""


@strawberry.input(description="Which consent to take back for good.")
class RevokeConsentInput(_ConsentInput):
    """For `revokeConsent`."""


def _union(name: str, what: str) -> Any:
    return strawberry.union(name, description=f"{what}, or why not.")


RequestConsentResult = Annotated[RequestedConsent | Problem, _union("RequestConsentResult", "The request")]
GiveConsentResult = Annotated[Consent | Problem, _union("GiveConsentResult", "The consent")]
AnswerConsentResult = Annotated[Consent | Problem, _union("AnswerConsentResult", "The consent, given or refused")]
PauseConsentResult = Annotated[Consent | Problem, _union("PauseConsentResult", "The consent")]
ResumeConsentResult = Annotated[Consent | Problem, _union("ResumeConsentResult", "The consent")]
RevokeConsentResult = Annotated[Consent | Problem, _union("RevokeConsentResult", "The consent")]


async def _mine(context: Context, connection: AsyncConnection) -> int:
    principal = await context.principal(connection)
    if principal.subject_id is None:
        raise Forbidden
    return principal.subject_id


async def _move(info: Info, consent_id: strawberry.ID, move: Move, **words: str | None) -> Consent:
    context, state = info.context, info.context.state
    key = uuid_of(consent_id, "Consent")
    async with state.database.transaction() as connection:
        subject_id = await _mine(context, connection)
        known = await state.current_catalogue(connection)
        row = await move_consent(
            connection,
            subject_id=subject_id,
            consent_id=key,
            move=move,
            purposes=state.rulebook.purposes[await place_of(connection, subject_id)].versions,
            actor=context.signed_in().account,
            issuing=state.verifier,
            now=context.now,
            statement=words.get("statement"),
            reason=_optional("reason", words.get("reason")) or "",
        )
        (shown,) = await shown_consents(context, connection, subject_id, [row], known)
    return shown


def _optional(name: str, value: str | None) -> str | None:
    return checked_text(name, value, LONGEST_WORDS) if value else None


@strawberry.type
class ConsentMutations:
    """Asking and answering."""

    @mutation(description="Ask whoever shows this code for a consent. Answered alike about everybody.", to=PARTNER)
    async def request_consent(self, info: Info, input: RequestConsentInput) -> RequestConsentResult:  # noqa: A002
        """Nothing may be done before its subject says yes."""
        context, state = info.context, info.context.state
        offer_id = None if input.offer_id is None else key_of(input.offer_id, "Offer")
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            if principal.partner_id is None:
                raise Forbidden
            known = await state.current_catalogue(connection)
            partner = known.partners[principal.partner_id]
            terms = Terms(
                purpose=_purpose_in_force(context, partner.place, input.purpose),
                recipient=partner.name,
                frequency=_FREQUENCIES[input.frequency],
                ends_on=input.ends_on,
                partner_id=partner.id,
                offer_id=offer_id,
            )
            answer = await ask_for_consent(
                connection,
                account=principal.account,
                code=open_code(state.keys, input.code),
                terms=terms,
                catalogue=known,
                keys=state.keys,
                now=context.now,
            )
        if isinstance(answer, answers.Problem):
            return Problem(code=answer.code, message=answer.message)
        return requested_of(answer, day_of(context.now))

    @mutation(description="Consent to one purpose, until a day, to one recipient.", to=SUBJECT)
    async def give_consent(self, info: Info, input: GiveConsentInput) -> GiveConsentResult:  # noqa: A002
        """For what nobody has asked for."""
        context, state = info.context, info.context.state
        partner_id = None if input.partner_id is None else key_of(input.partner_id, "Partner")
        offer_id = None if input.offer_id is None else key_of(input.offer_id, "Offer")
        scope = tuple(checked_text("scope", item, LONGEST_ID) for item in input.scope)
        async with state.database.transaction() as connection:
            subject_id = await _mine(context, connection)
            known = await state.current_catalogue(connection)
            place = await place_of(connection, subject_id)
            purpose = _purpose_in_force(context, place, input.purpose)
            if purpose.version != input.purpose_version:
                raise NoticeOutdated("这一用途的说明文字已更新。请重新阅读最新版本后再决定。")
            partner = None if partner_id is None else known.partners.get(partner_id)
            offer = None if offer_id is None else known.offers.get(offer_id)
            if (partner is None) != (partner_id is None) or (
                offer_id is not None and (offer is None or offer.partner.id != partner_id)
            ):
                raise BadTerms("没有这家合作机构,或这项优惠不是它的。请从优惠列表中选择。")
            terms = Terms(
                purpose=purpose,
                recipient=partner.name if partner else OFFICE,
                frequency=_FREQUENCIES[input.frequency],
                ends_on=input.ends_on,
                scope=scope,
                partner_id=partner_id,
                offer_id=offer_id,
            )
            if purpose.scoped:
                items = state.rulebook.catalogues[place].items
                check_scope(terms, {code: item.collection for code, item in items.items()})
            row = await give_consent(
                connection,
                consent_id=new_id(),
                subject_id=subject_id,
                terms=terms,
                statement=input.statement,
                actor=context.signed_in().account,
                issuing=state.verifier,
                now=context.now,
            )
            (shown,) = await shown_consents(context, connection, subject_id, [row], known)
        return shown

    @mutation(description="Say yes or no to a request for consent.", to=SUBJECT)
    async def answer_consent(self, info: Info, input: AnswerConsentInput) -> AnswerConsentResult:  # noqa: A002
        """Refusing is as short as accepting, and has no consequence."""
        move = Move.ACCEPT if input.accept else Move.REFUSE
        return await _move(info, input.consent_id, move, statement=input.statement if input.accept else None)

    @mutation(description="Hold a consent back until it is resumed; at once.", to=SUBJECT)
    async def pause_consent(self, info: Info, input: PauseConsentInput) -> PauseConsentResult:  # noqa: A002
        """The next check already finds it so."""
        return await _move(info, input.consent_id, Move.PAUSE, reason=input.reason)

    @mutation(description="Let a paused consent hold again.", to=SUBJECT)
    async def resume_consent(self, info: Info, input: ResumeConsentInput) -> ResumeConsentResult:  # noqa: A002
        """Until its day, as before."""
        return await _move(info, input.consent_id, Move.RESUME, reason=input.reason)

    @mutation(description="Take a consent back for good; at once.", to=SUBJECT)
    async def revoke_consent(self, info: Info, input: RevokeConsentInput) -> RevokeConsentResult:  # noqa: A002
        """The next check already finds it so; the receipt proves it."""
        return await _move(info, input.consent_id, Move.REVOKE, reason=input.reason)


def _purpose_in_force(context: Context, place: str, purpose_id: str) -> Purpose:
    found = context.state.rulebook.purposes[place].in_force(day_of(context.now)).get(purpose_id)
    if found is None:
        raise BadInput("没有这个授权用途。请从 consentPurposes 中选择。")
    return found
