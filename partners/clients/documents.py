"""Which documents are answered in production. One thing to know: a document's id is the hash of its text, and
registering it says nothing about who may see what: whoever sends it is judged as with any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from partners.clients.tables import document_freedoms, trusted_documents
from partners.tables import accounts


def id_of(text: str) -> str:
    """The id of a document: SHA-256 of its UTF-8 text, in hex."""
    return sha256(text.encode()).hexdigest()


async def register_documents(
    connection: AsyncConnection, documents: Iterable[str], *, app: str, actor: str, now: datetime
) -> int:
    """Let documents be answered, in a transaction; how many were not before. Retired ones hold again."""
    texts = {id_of(text): text for text in documents}
    stored = {
        row.sha256: row.retired_at
        for row in await connection.execute(
            select(trusted_documents.c.sha256, trusted_documents.c.retired_at).where(
                trusted_documents.c.sha256.in_(texts)
            )
        )
    }
    again = [key for key, retired_at in stored.items() if retired_at is not None]
    fresh = {key: text for key, text in texts.items() if key not in stored}
    if again:
        await connection.execute(
            update(trusted_documents).where(trusted_documents.c.sha256.in_(again)).values(retired_at=None)
        )
    if fresh:
        values = {"app": app, "registered_by": actor, "registered_at": now}
        await connection.execute(
            insert(trusted_documents), [{"sha256": key, "text": text, **values} for key, text in fresh.items()]
        )
    if again or fresh:
        content = {"app": app, "documents": sorted([*again, *fresh])}
        await audit.record(connection, at=now, actor=actor, action="registerDocuments", content=content)
    return len(again) + len(fresh)


async def retire_documents(connection: AsyncConnection, ids: Iterable[str], *, actor: str, now: datetime) -> int:
    """Answer these documents no more, in a transaction; how many were answered until now."""
    wanted = trusted_documents.c.sha256.in_(list(ids)), trusted_documents.c.retired_at.is_(None)
    held = (await connection.execute(select(trusted_documents.c.sha256).where(*wanted))).scalars().all()
    if held:
        await connection.execute(update(trusted_documents).where(*wanted).values(retired_at=now))
        content = {"documents": sorted(held)}
        await audit.record(connection, at=now, actor=actor, action="retireDocuments", content=content)
    return len(held)


async def trusted_text(connection: AsyncConnection, sha256: str) -> str | None:
    """The text of a document that is answered; None where it is not."""
    found: str | None = await connection.scalar(
        select(trusted_documents.c.text).where(
            trusted_documents.c.sha256 == sha256, trusted_documents.c.retired_at.is_(None)
        )
    )
    return found


def documents_by_id(*, app: str | None) -> Select[Any]:
    """All registered documents, or those of one program, by id; retired ones too."""
    wanted = select(trusted_documents).order_by(trusted_documents.c.sha256)
    return wanted if app is None else wanted.where(trusted_documents.c.app == app)


async def free_documents(
    connection: AsyncConnection, partner_id: int, *, allowed: bool, reason: str, actor: str, now: datetime
) -> None:
    """Let a partner send documents that nobody registered, or end that, in a transaction."""
    await connection.execute(delete(document_freedoms).where(document_freedoms.c.partner_id == partner_id))
    if allowed:
        values = {"partner_id": partner_id, "reason": reason, "given_by": actor, "given_at": now}
        await connection.execute(insert(document_freedoms).values(values))
    content: Mapping[str, Any] = {"partner": partner_id, "allowed": allowed, "reason": reason}
    await audit.record(connection, at=now, actor=actor, action="setFreeDocuments", content=content)


async def is_free(connection: AsyncConnection, account: str) -> bool:
    """Whether an account acts for a partner that may send documents that nobody registered."""
    found = await connection.scalar(
        select(document_freedoms.c.partner_id)
        .join(accounts, accounts.c.partner_id == document_freedoms.c.partner_id)
        .where(accounts.c.id == account)
    )
    return found is not None
