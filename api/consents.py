"""Consents as they are read in the API. One thing to know: a partner reads the state and the days of what it asked for,
and nothing of the person.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any

import strawberry
from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from api.context import Context, Info
from api.ids import public_id
from api.offers import Offer, Partner, offer_of, partner_of
from api.pagination import After, First, PageInfo, cursor_of, id_after, page_info, page_size
from api.permissions import ANYONE, PARTNER, SUBJECT, access
from core.clock import day_of
from core.errors import BadInput, Forbidden
from partners.catalogue import Catalogue
from partners.tables import accounts
from scoring.consent import purposes
from scoring.consent.consents import State, consents_of, state_of, steps_of
from scoring.tables import consents, subjects


@strawberry.enum(description="Where a consent stands.")
class ConsentState(Enum):
    """`scoring.consent.consents.State`, described."""

    REQUESTED = strawberry.enum_value(State.REQUESTED.value, description="Asked for; nothing may be done yet.")
    ACTIVE = strawberry.enum_value(State.ACTIVE.value, description="Given, and holds.")
    PAUSED = strawberry.enum_value(State.PAUSED.value, description="Held back by its subject, until resumed.")
    REFUSED = strawberry.enum_value(State.REFUSED.value, description="Never given; nothing follows from it.")
    REVOKED = strawberry.enum_value(State.REVOKED.value, description="Taken back for good.")
    EXPIRED = strawberry.enum_value(State.EXPIRED.value, description="Its day has come, or it was used up.")


@strawberry.enum(description="How often a consent may be used.")
class ConsentFrequency(Enum):
    """Never for life: each of them ends with its day."""

    ONCE = strawberry.enum_value("once", description="Used up by its first use.")
    PER_USE = strawberry.enum_value("per-use", description="Each time, until it ends.")


@strawberry.type(
    description="What a consent can be given for, as one reads it before deciding.", directives=access(ANYONE)
)
class ConsentPurpose:
    """One version of one purpose."""

    id: str = strawberry.field(description="Stable code: benefit-check, collect …")
    version: str = strawberry.field(description="Version of the text.")
    in_force_from: date = strawberry.field(description="Since when this text is the one to show.")
    name: str = strawberry.field(description="What it is for, in a few words.")
    what: str = strawberry.field(description="Which data.")
    method: str = strawberry.field(description="How they are had.")
    use: str = strawberry.field(description="What they may be used for, and nothing else.")
    rights: str = strawberry.field(description="Rights and duties of whoever consents.")
    harm: str | None = strawberry.field(description="What giving the data may bring upon its subject.")
    statement: str | None = strawberry.field(description="Where consent is in writing: the words to send back.")
    to_partner: bool = strawberry.field(description="Whether a partner receives it; else the office.")
    scoped: bool = strawberry.field(description="Whether items of the catalogue have to be named.")
    frequencies: list[ConsentFrequency] = strawberry.field(description="How often it may be used.")
    source: str = strawberry.field(description="Where the rule comes from.")


@strawberry.type(description="Something done with a consent; never changed.", directives=access(SUBJECT))
class ConsentStep:
    """One append-only step."""

    act: str = strawberry.field(description="request, give, accept, refuse, pause, resume, revoke, use.")
    state: ConsentState = strawberry.field(description="Where the consent stood afterwards.")
    at: datetime = strawberry.field(description="When.")
    actor: str = strawberry.field(description="The account that did it.")
    reason: str = strawberry.field(description="Why, or the words of a consent in writing.")


@strawberry.type(
    description="What its subject lets somebody do, for one purpose, until a day.", directives=access(SUBJECT)
)
class Consent:
    """As its subject sees it."""

    id: strawberry.ID = strawberry.field(description="Opaque id.")
    state: ConsentState = strawberry.field(description="Where it stands today.")
    purpose: ConsentPurpose = strawberry.field(description="The very text that it was given to.")
    recipient: str = strawberry.field(description="To whom, in words.")
    partner: Partner | None = strawberry.field(description="To whom, where that is a partner.")
    offer: Offer | None = strawberry.field(description="For this offer alone; null: for all of the partner's.")
    scope: list[str] = strawberry.field(description="The items of the catalogue that it is about.")
    frequency: ConsentFrequency = strawberry.field(description="How often it may be used.")
    requested_at: datetime = strawberry.field(description="When it was asked for or given.")
    ends_on: date = strawberry.field(description="First day on which it holds no more.")
    erase_by: date = strawberry.field(description="By when what was received is erased.")
    used_at: datetime | None = strawberry.field(description="The last use, where uses are counted here.")
    receipt: str | None = strawberry.field(description="The signed receipt of the newest grant or revocation. Keep it.")
    steps: list[ConsentStep] = strawberry.field(description="All that was done with it, in order.")


@strawberry.type(description="A consent in a page (Relay).", directives=access(SUBJECT))
class ConsentEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: Consent = strawberry.field(description="The consent.")


@strawberry.type(description="A page of consents, newest first (Relay).", directives=access(SUBJECT))
class ConsentConnection:
    """Relay's connection."""

    edges: list[ConsentEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.type(
    description="A consent that a partner has asked for; nothing of the person.", directives=access(PARTNER)
)
class RequestedConsent:
    """State and days."""

    id: strawberry.ID = strawberry.field(description="Opaque id.")
    state: ConsentState = strawberry.field(description="Where it stands today.")
    requested_at: datetime = strawberry.field(description="When it was asked for.")
    ends_on: date = strawberry.field(description="First day on which it holds no more.")
    erase_by: date = strawberry.field(description="By when you erase what you received under it.")


@strawberry.type(description="A requested consent in a page (Relay).", directives=access(PARTNER))
class RequestedConsentEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: RequestedConsent = strawberry.field(description="The consent.")


@strawberry.type(description="A page of requested consents, newest first (Relay).", directives=access(PARTNER))
class RequestedConsentConnection:
    """Relay's connection."""

    edges: list[RequestedConsentEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


async def consents_page(context: Context, subject_id: int, first: int | None, after: str | None) -> ConsentConnection:
    """A page of a subject's own consents."""
    size, last = page_size(first), id_after(after)
    async with context.state.database.reading() as connection:
        known = await context.state.current_catalogue(connection)
        rows = await consents_of(connection, subject_id, before=last, most=size + 1)
        shown = await shown_consents(context, connection, subject_id, rows[:size], known)
    edges = [ConsentEdge(cursor=cursor_of(row.id), node=one) for row, one in zip(rows, shown, strict=False)]
    return ConsentConnection(
        edges=edges, page_info=page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
    )


async def shown_consents(
    context: Context, connection: AsyncConnection, subject_id: int, rows: list[Any], known: Catalogue
) -> list[Consent]:
    place = await place_of(connection, subject_id)
    texts = context.state.rulebook.purposes[place].versions
    steps = await steps_of(connection, subject_id, [row.id for row in rows])
    return [
        Consent(
            id=strawberry.ID(public_id("Consent", row.id)),
            state=ConsentState(state_of(row, on=day_of(context.now)).value),
            purpose=_purpose(texts[row.purpose, row.purpose_version]),
            recipient=row.recipient,
            partner=partner_of(known.partners[row.partner_id]) if row.partner_id in known.partners else None,
            offer=offer_of(known.offers[row.offer_id]) if row.offer_id in known.offers else None,
            scope=row.scope,
            frequency=ConsentFrequency(row.frequency),
            requested_at=row.requested_at,
            ends_on=row.ends_on,
            erase_by=row.erase_by,
            used_at=row.used_at,
            receipt=row.receipt,
            steps=[
                ConsentStep(
                    act=step.act, state=ConsentState(step.state), at=step.at, actor=step.actor, reason=step.reason
                )
                for step in steps[row.id]
            ],
        )
        for row in rows
    ]


def _purpose(held: purposes.Purpose) -> ConsentPurpose:
    source = held.source
    return ConsentPurpose(
        id=held.id,
        version=held.version,
        in_force_from=held.in_force_from,
        name=held.name,
        what=held.what,
        method=held.method,
        use=held.use,
        rights=held.rights,
        harm=held.harm,
        statement=held.statement,
        to_partner=held.recipient == "partner",
        scoped=held.scoped,
        frequencies=[ConsentFrequency(one) for one in held.frequencies],
        source=f"{source.title or ''} {source.clause or ''}".strip(),
    )


def requested_of(row: Any, on: date) -> RequestedConsent:
    return RequestedConsent(
        id=strawberry.ID(public_id("Consent", row.id)),
        state=ConsentState(state_of(row, on=on).value),
        requested_at=row.requested_at,
        ends_on=row.ends_on,
        erase_by=row.erase_by,
    )


async def place_of(connection: AsyncConnection, subject_id: int) -> str:
    return str(await connection.scalar(select(subjects.c.place).where(subjects.c.id == subject_id)))


@strawberry.type
class ConsentQueries:
    """The purposes, and what a partner has asked for."""

    @strawberry.field(
        description="What one can consent to in a place today; all that there is to read.", directives=access(ANYONE)
    )
    def consent_purposes(
        self,
        info: Info,
        place: Annotated[str, strawberry.argument(description="Folder name of the place, for example hunan-shaoyang.")],
    ) -> list[ConsentPurpose]:
        """The versions in force."""
        known = info.context.state.rulebook.purposes.get(place)
        if known is None:
            raise BadInput(f"本部署没有 {place[:40]} 这个地方。请核对 place。")
        return [_purpose(one) for one in known.in_force(day_of(info.context.now)).values()]

    @strawberry.field(
        description="The consents that your accounts asked for, newest first.", directives=access(PARTNER)
    )
    async def requested_consents(
        self, info: Info, first: First = None, after: After = None
    ) -> RequestedConsentConnection:
        """State and days alone."""
        context = info.context
        size, last = page_size(first), id_after(after)
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
            if principal.partner_id is None:
                raise Forbidden
            ours = exists().where(
                accounts.c.id == consents.c.requested_by, accounts.c.partner_id == principal.partner_id
            )
            found = select(consents).where(consents.c.partner_id == principal.partner_id, ours)
            if last is not None:
                found = found.where(consents.c.id < last)
            rows = (await connection.execute(found.order_by(consents.c.id.desc()).limit(size + 1))).all()
        on = day_of(context.now)
        edges = [RequestedConsentEdge(cursor=cursor_of(row.id), node=requested_of(row, on)) for row in rows[:size]]
        return RequestedConsentConnection(
            edges=edges, page_info=page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
        )
