"""Partners as those see them who bring them in, and as each sees itself: stage, steps, papers, keys. One thing to know:
an applicant sees what it handed in and nothing of whoever had the row before; who among the staff did what, staff sees.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import orjson
import strawberry
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from api.context import Info
from api.ids import key_of, public_id, uuid_of
from api.pagination import After, First, PageInfo, cursor_of, number_after, page_info, page_size
from api.permissions import APPLICANT, AUDITOR, REPRESENTATIVE, STAFF, access
from core import audit
from core.files import FileMissing
from partners.accounts import Principal, Role
from partners.onboarding.documents import DocumentKind, documents_of, find_document
from partners.onboarding.keys import KeyUse
from partners.onboarding.membership import Membership as Found
from partners.onboarding.membership import count_partners, partner_queue, read_membership
from partners.onboarding.workflow import NEXT_STEP, Status
from partners.tables import partners

DESKS, OVERSEERS = (*APPLICANT, *REPRESENTATIVE), (*STAFF, *AUDITOR)


def _described(kind: type[Enum], name: str, description: str, **values: str) -> None:
    definition: Any = strawberry.enum(kind, name=name, description=description)
    for value in definition.__strawberry_definition__.values:
        value.description = values[value.name]


_described(
    Status,
    "PartnerStatus",
    "Where a partner stands on its way into the alliance.",
    DRAFT="The application is being prepared.",
    SUBMITTED="It was handed in, and waits to be looked at.",
    QUALIFIED="Papers and organisation were found in order.",
    CONTRACTED="A contract was signed.",
    SANDBOX="It may try everything in the sandbox.",
    CERTIFIED="It has passed the conformance run there.",
    LIVE="It gives benefits.",
    SUSPENDED="Its counters and offers are closed for the time being.",
    OFFBOARDED="It has left.",
)
_described(
    DocumentKind,
    "PartnerDocumentKind",
    "What a paper is.",
    LICENCE="Business licence, or certificate of registration.",
    QUALIFICATION="A qualification of its trade.",
    CONTRACT="The contract with the alliance.",
    OTHER="Anything else.",
)
_described(
    KeyUse,
    "PartnerKeyUse",
    "What a key is for.",
    DESK="For its representative: application, keys, offers.",
    LIVE="For its counters: verifying and redeeming.",
    SANDBOX="For the sandbox alone.",
)


@strawberry.type(description="A step that a partner took.", directives=access(DESKS, OVERSEERS))
class MembershipStep:
    """Never changed."""

    status: Status = strawberry.field(description="Where the partner stood after it.")
    at: datetime = strawberry.field(description="When.")
    remark: str = strawberry.field(description="What was said about it.")
    evidence: str = strawberry.field(description="What it rests on, as JSON: papers, contract, conformance run.")
    actor: str = strawberry.field(description="The account that took it.", directives=access(OVERSEERS))


@strawberry.type(description="A paper of a partner.", directives=access(DESKS, OVERSEERS))
class PartnerDocument:
    """Its content is read with `partnerDocument`."""

    id: strawberry.ID = strawberry.field(description="Opaque id.")
    kind: DocumentKind = strawberry.field(description="What it is.")
    title: str = strawberry.field(description="Its title.")
    media_type: str = strawberry.field(description="application/pdf, image/png or image/jpeg.")
    size: int = strawberry.field(description="Bytes.")
    sha256: str = strawberry.field(description="SHA-256 of its content, in hex.")
    at: datetime = strawberry.field(description="When it was handed in.")


@strawberry.type(description="A paper with its content.", directives=access(DESKS, OVERSEERS))
class PartnerDocumentContent:
    """That it was read is on the audit trail."""

    document: PartnerDocument = strawberry.field(description="The paper.")
    content: str = strawberry.field(description="Its content in base64.")


@strawberry.type(description="A public key of a partner.", directives=access(DESKS, OVERSEERS))
class PartnerKey:
    """The other half is the partner's alone."""

    id: strawberry.ID = strawberry.field(description="Opaque id.")
    use: KeyUse = strawberry.field(description="What it is for.")
    kid: str = strawberry.field(description="Its thumbprint (RFC 7638): `kid` in the head of an assertion.")
    algorithm: str = strawberry.field(description="EdDSA or ES256.")
    registered_at: datetime = strawberry.field(description="When it was registered.")
    expires_at: datetime = strawberry.field(description="When it ends by itself.")
    revoked_at: datetime | None = strawberry.field(description="When it was revoked, if it was.")
    live: bool = strawberry.field(description="Whether it is neither revoked nor past its end.")
    remark: str = strawberry.field(description="Why it was revoked.")


@strawberry.type(description="A partner on its way into the alliance, and in it.", directives=access(DESKS, OVERSEERS))
class Membership:
    """Of one organisation."""

    partner_id: strawberry.ID = strawberry.field(description="Id of the partner.")
    name: str = strawberry.field(description="Its name; an applicant's as it says.")
    place: str = strawberry.field(description="Folder name of its place.")
    sector: str = strawberry.field(description="What it is: bank, hospital, scenic …")
    uscc: str = strawberry.field(description="Its unified social credit code.")
    contact: str = strawberry.field(description="Where it can be reached, as it said when it applied.")
    status: Status = strawberry.field(description="Where it stands.")
    next_step: str = strawberry.field(description="What happens next, in words for the partner.")
    due_on: date | None = strawberry.field(description="The last day for looking at a submitted application.")
    overdue: bool = strawberry.field(description="Whether that day has passed.")
    steps: list[MembershipStep] = strawberry.field(description="How it came where it stands, oldest first.")
    documents: list[PartnerDocument] = strawberry.field(description="Its papers, oldest first.")
    keys: list[PartnerKey] = strawberry.field(description="Its keys, newest first.")


@strawberry.type(description="A partner in a page (Relay).", directives=access(OVERSEERS))
class MembershipEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: Membership = strawberry.field(description="The partner.")


@strawberry.type(description="A page of partners (Relay).", directives=access(OVERSEERS))
class MembershipConnection:
    """Relay's connection."""

    edges: list[MembershipEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.type(description="How many partners stand at a stage.", directives=access(OVERSEERS))
class PartnerCount:
    """One bar of a chart."""

    status: Status = strawberry.field(description="The stage.")
    partners: int = strawberry.field(description="How many.")


def document_of(row: Row[Any]) -> PartnerDocument:
    """A row of `partner_documents` as the schema shows it."""
    return PartnerDocument(
        id=strawberry.ID(public_id("PartnerDocument", UUID(row.name))),
        kind=DocumentKind(row.kind),
        title=row.title,
        media_type=row.type,
        size=row.size,
        sha256=row.sha256,
        at=row.at,
    )


def key_shown(row: Row[Any], *, now: datetime) -> PartnerKey:
    """A row of `partner_keys` as the schema shows it."""
    return PartnerKey(
        id=strawberry.ID(public_id("PartnerKey", row.id)),
        use=KeyUse(row.use),
        kid=row.kid,
        algorithm=row.algorithm,
        registered_at=row.registered_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        live=row.revoked_at is None and row.expires_at > now,
        remark=row.reason,
    )


async def membership_of(
    connection: AsyncConnection, partner_id: int, *, reader: Principal, now: datetime
) -> Membership | None:
    """A partner as that reader may see it; None where there is none."""
    row = (await connection.execute(select(partners).where(partners.c.id == partner_id))).one_or_none()
    return None if row is None else await _shown(connection, row, reader=reader, now=now)


async def _shown(connection: AsyncConnection, row: Row[Any], *, reader: Principal, now: datetime) -> Membership:
    found = await read_membership(connection, row)
    documents = await documents_of(connection, row.id, reader=reader)
    steps, keys, said = found.steps, found.keys, found.said
    if reader.role is Role.APPLICANT:
        steps, keys = _its_own(found, reader)
    return Membership(
        partner_id=strawberry.ID(public_id("Partner", row.id)),
        name=said["name"],
        place=said["place"],
        sector=said["sector"],
        uscc=row.uscc,
        contact=said.get("contact", ""),
        status=Status(row.status),
        next_step=NEXT_STEP[Status(row.status)],
        due_on=found.due_on,
        overdue=found.is_overdue(now),
        steps=[_step(step) for step in steps],
        documents=[document_of(one) for one in documents],
        keys=[key_shown(key, now=now) for key in keys],
    )


def _its_own(found: Found, reader: Principal) -> tuple[list[Row[Any]], list[Row[Any]]]:
    """Steps since the applicant applied, and its key."""
    began = next((n for n, step in enumerate(found.steps) if step.actor == reader.account), len(found.steps))
    return found.steps[began:], [key for key in found.keys if key.account == reader.account]


def _step(row: Row[Any]) -> MembershipStep:
    evidence = orjson.dumps(row.evidence, option=orjson.OPT_SORT_KEYS).decode()
    return MembershipStep(status=Status(row.status), at=row.at, remark=row.reason, evidence=evidence, actor=row.actor)


PartnerGiven = Annotated[
    strawberry.ID | None, strawberry.argument(description="For staff: which; a partner's own desk leaves it out.")
]
DocumentGiven = Annotated[strawberry.ID, strawberry.argument(description="The paper.")]
StatusesGiven = Annotated[
    list[Status] | None, strawberry.argument(description="Those that stand there; all if left out.")
]
Sought = Annotated[str, strawberry.argument(description="Part of a name, or how a USCC begins; all if left out.")]


@strawberry.type
class MembershipQueries:
    """What stands where."""

    @strawberry.field(
        description="One's own way into the alliance, or for staff that of a partner; null where there is none.",
        directives=access(DESKS, OVERSEERS),
    )
    async def membership(self, info: Info, partner_id: PartnerGiven = None) -> Membership | None:
        """Stage, next step, papers and keys."""
        context = info.context
        named = None if partner_id is None else key_of(partner_id, "Partner")
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
            key = named if principal.partner_id is None else principal.partner_id
            if key is None or named not in {None, key}:
                return None
            return await membership_of(connection, key, reader=principal, now=context.now)

    @strawberry.field(
        description="Partners by id, with what is due; narrow it to those that wait for you.",
        directives=access(OVERSEERS),
    )
    async def partner_queue(
        self, info: Info, statuses: StatusesGiven = None, search: Sought = "", first: First = None, after: After = None
    ) -> MembershipConnection:
        """A page of it."""
        context, size = info.context, page_size(first)
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
            rows = await partner_queue(
                connection, statuses=statuses or (), search=search, after=number_after(after), size=size + 1
            )
            nodes = [await _shown(connection, row, reader=principal, now=context.now) for row in rows[:size]]
        edges = [
            MembershipEdge(cursor=cursor_of(row.id), node=node) for row, node in zip(rows[:size], nodes, strict=True)
        ]
        found = page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
        return MembershipConnection(edges=edges, page_info=found)

    @strawberry.field(
        description="How many partners stand at each stage; none where nobody does.", directives=access(OVERSEERS)
    )
    async def partner_counts(self, info: Info) -> list[PartnerCount]:
        """In the order of the way in."""
        context = info.context
        async with context.state.database.reading() as connection:
            await context.principal(connection)
            found = await count_partners(connection)
        return [PartnerCount(status=status, partners=number) for status, number in found]

    @strawberry.field(
        description="A paper with its content; null where there is none that one may see.",
        directives=access(DESKS, OVERSEERS),
    )
    async def partner_document(self, info: Info, id: DocumentGiven) -> PartnerDocumentContent | None:  # noqa: A002
        """Reading it is on the audit trail."""
        context, state = info.context, info.context.state
        name = uuid_of(id, "PartnerDocument").hex
        if state.files is None:
            return None
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            try:
                row = await find_document(connection, name, reader=principal)
            except FileMissing:
                return None
            said = {"partner": row.partner_id, "sha256": row.sha256}
            await audit.record(
                connection, at=context.now, actor=principal.account, action="readPartnerDocument", content=said
            )
        content = await state.files.get(name)
        return PartnerDocumentContent(document=document_of(row), content=b64encode(content).decode())
