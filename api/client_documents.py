"""The register of trusted documents, for those who keep it. One thing to know: registering one opens nothing; it says
which of the things that a caller may do a program is known to ask for."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import strawberry
from sqlalchemy import Row

from api.context import Info
from api.errors import Problem
from api.ids import key_of
from api.mutations import mutation
from api.offers import Partner, current, partner_of
from api.pagination import After, First, PageInfo, cursor_of, key_after, page_info, page_size
from api.permissions import OPERATOR, Audience, access
from api.running.trusted import check_documents, checked_id, read_manifest
from api.verification import checked_text
from core.errors import BadInput
from partners.clients import documents
from partners.clients.tables import trusted_documents

KEEPERS = (*OPERATOR, Audience.REVIEWER, Audience.AUDITOR)
LONGEST_APP, LONGEST_REASON = 40, 200


@strawberry.type(description="A document that is answered in production.", directives=access(KEEPERS))
class TrustedDocument:
    """A row of the register."""

    document_id: str = strawberry.field(description="`sha256:` and 64 hex digits: what a client sends.")
    text: str = strawberry.field(description="The document.")
    app: str = strawberry.field(description="The program that it came with.")
    registered_at: datetime = strawberry.field(description="When it was registered first.")
    retired_at: datetime | None = strawberry.field(description="Since when it is refused; null while it is answered.")


@strawberry.type(description="A document in a page (Relay).", directives=access(KEEPERS))
class TrustedDocumentEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: TrustedDocument = strawberry.field(description="The document.")


@strawberry.type(description="A page of documents, by id (Relay).", directives=access(KEEPERS))
class TrustedDocumentConnection:
    """Relay's connection."""

    edges: list[TrustedDocumentEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.type(description="What registering or retiring did.", directives=access(OPERATOR))
class DocumentsChanged:
    """Result of `registerDocuments` and `retireDocuments`."""

    changed: int = strawberry.field(description="How many documents are answered now, or refused now, that were not.")


@strawberry.type(description="Whether a partner needs trusted documents.", directives=access(OPERATOR))
class DocumentFreedom:
    """Result of `setFreeDocuments`."""

    partner: Partner = strawberry.field(description="The partner.")
    allowed: bool = strawberry.field(description="Whether it may send documents that nobody registered.")


@strawberry.input(description="A manifest of documents.")
class RegisterDocumentsInput:
    """For `registerDocuments`."""

    app: str = strawberry.field(description="Name of the program, 1 to 40 characters.")
    manifest: str = strawberry.field(
        description="JSON as relay-compiler or GraphQL Code Generator (SHA-256) or Apollo writes it: at most 500."
    )


@strawberry.input(description="Documents that are answered no more.")
class RetireDocumentsInput:
    """For `retireDocuments`."""

    document_ids: list[str] = strawberry.field(description="1 to 500 ids.")


@strawberry.input(description="Freedom from trusted documents, for a partner.")
class SetFreeDocumentsInput:
    """For `setFreeDocuments`."""

    partner_id: strawberry.ID = strawberry.field(description="The partner.")
    allowed: bool = strawberry.field(description="Whether it may send any document.")
    reason: str = strawberry.field(description="Why, in 1 to 200 characters; it is on the audit trail.")


RegisterDocumentsResult = Annotated[
    DocumentsChanged | Problem, strawberry.union("RegisterDocumentsResult", description="What was done, or why not.")
]
RetireDocumentsResult = Annotated[
    DocumentsChanged | Problem, strawberry.union("RetireDocumentsResult", description="What was done, or why not.")
]
SetFreeDocumentsResult = Annotated[
    DocumentFreedom | Problem, strawberry.union("SetFreeDocumentsResult", description="What holds now, or why not.")
]


def _shown(row: Row[Any]) -> TrustedDocument:
    return TrustedDocument(
        document_id=f"sha256:{row.sha256}",
        text=row.text,
        app=row.app,
        registered_at=row.registered_at,
        retired_at=row.retired_at,
    )


@strawberry.type
class DocumentQueries:
    """The register."""

    @strawberry.field(description="The registered documents, retired ones too, by id.", directives=access(KEEPERS))
    async def trusted_documents(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        app: Annotated[str | None, strawberry.argument(description="Only those of this program.")] = None,
    ) -> TrustedDocumentConnection:
        """A page."""
        size, above = page_size(first), key_after(after)
        wanted = documents.documents_by_id(app=app).limit(size + 1)
        if above is not None:
            wanted = wanted.where(trusted_documents.c.sha256 > checked_id(above))
        async with info.context.state.database.reading() as connection:
            await info.context.principal(connection)
            rows = (await connection.execute(wanted)).all()
        edges = [TrustedDocumentEdge(cursor=cursor_of(row.sha256), node=_shown(row)) for row in rows[:size]]
        cursors = [edge.cursor for edge in edges]
        return TrustedDocumentConnection(edges=edges, page_info=page_info(cursors, more=len(rows) > size, after=after))


@strawberry.type
class DocumentMutations:
    """Registering, retiring, and freeing a partner from it."""

    @mutation(description="Let the documents of a manifest be answered in production.", to=OPERATOR)
    async def register_documents(self, info: Info, input: RegisterDocumentsInput) -> RegisterDocumentsResult:  # noqa: A002
        """Those registered before stay; retired ones hold again."""
        context = info.context
        app = checked_text("app", input.app, LONGEST_APP)
        texts = read_manifest(input.manifest)
        check_documents(info._raw_info.schema, texts)
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            changed = await documents.register_documents(
                connection, texts, app=app, actor=principal.account, now=context.now
            )
        return DocumentsChanged(changed=changed)

    @mutation(description="Refuse documents in production, within half a minute.", to=OPERATOR)
    async def retire_documents(self, info: Info, input: RetireDocumentsInput) -> RetireDocumentsResult:  # noqa: A002
        """Those that come with the release stay."""
        context = info.context
        if not 1 <= len(input.document_ids) <= 500:
            raise BadInput("documentIds 每次 1 到 500 个。请分几次停用。")
        ids = [checked_id(one) for one in input.document_ids]
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            changed = await documents.retire_documents(connection, ids, actor=principal.account, now=context.now)
        return DocumentsChanged(changed=changed)

    @mutation(description="Let a partner send documents that nobody registered, or end that.", to=OPERATOR)
    async def set_free_documents(self, info: Info, input: SetFreeDocumentsInput) -> SetFreeDocumentsResult:  # noqa: A002
        """It holds within half a minute."""
        context = info.context
        partner_id = key_of(input.partner_id, "Partner")
        reason = checked_text("reason", input.reason, LONGEST_REASON)
        partner = (await current(context)).partners.get(partner_id)
        if partner is None:
            raise BadInput("没有这个合作机构。请原样使用接口返回的 id。")
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            await documents.free_documents(
                connection,
                partner_id,
                allowed=input.allowed,
                reason=reason,
                actor=principal.account,
                now=context.now,
            )
        return DocumentFreedom(partner=partner_of(partner), allowed=input.allowed)
