"""Papers of a partner: licence, qualification, contract. One thing to know: a file is checked, sealed and stored first,
and counts once its row is committed; an applicant sees its own and nothing of whoever had the row before."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.errors import ExpectedError
from core.evidence import check_evidence
from core.files import FileMissing, Files, StoredFile
from partners.accounts import Principal, Role
from partners.onboarding.tables import partner_documents
from partners.onboarding.workflow import Act

LARGEST = 700_000
"""Bytes: what fits the body of a request once it is written in base64."""
MOST_DOCUMENTS = 30


class DocumentKind(StrEnum):
    """What a paper is."""

    LICENCE = "licence"
    QUALIFICATION = "qualification"
    CONTRACT = "contract"
    OTHER = "other"


class DocumentTooLarge(ExpectedError):
    """Over `LARGEST`."""

    code = "DOCUMENT_TOO_LARGE"


class TooManyDocuments(ExpectedError):
    """As many as a partner may have."""

    code = "TOO_MANY_DOCUMENTS"


async def store_document(files: Files, *, title: str, content: bytes) -> StoredFile:
    """Check what is handed in and store it, before the transaction that names it.

    Raises:
        DocumentTooLarge, EvidenceType: it is not taken.
        Unavailable: the store does not answer.
    """
    if len(content) > LARGEST:
        raise DocumentTooLarge(f"文件超过 {LARGEST // 1000} KB。请压缩或分成几个文件后重新上传。")
    media = await asyncio.to_thread(check_evidence, title, content)
    return await files.put(content, media_type=media)


async def add_document(
    connection: AsyncConnection, partner_id: int, *, kind: DocumentKind, title: str, stored: StoredFile, act: Act
) -> Row[Any]:
    """Put a stored file among the papers of a partner that is held.

    Raises:
        TooManyDocuments
    """
    of_partner = select(func.count()).where(partner_documents.c.partner_id == partner_id)
    if (await connection.scalar(of_partner) or 0) >= MOST_DOCUMENTS:
        raise TooManyDocuments(f"一家机构最多 {MOST_DOCUMENTS} 份材料。请合并成一个 PDF,或联系运营人员。")
    values = {
        "partner_id": partner_id,
        "name": stored.name,
        "kind": kind.value,
        "title": title,
        "type": stored.media_type,
        "size": stored.size,
        "sha256": stored.sha256.hex(),
        "at": act.now,
        "actor": act.actor,
    }
    row: Row[Any] = (
        await connection.execute(insert(partner_documents).values(values).returning(partner_documents))
    ).one()
    content = {"partner": partner_id, "kind": kind.value, "sha256": row.sha256}
    await audit.record(connection, at=act.now, actor=act.actor, action="addPartnerDocument", content=content)
    return row


async def documents_of(connection: AsyncConnection, partner_id: int, *, reader: Principal) -> list[Row[Any]]:
    """The papers of a partner that the reader may see, oldest first."""
    mine = select(partner_documents).where(partner_documents.c.partner_id == partner_id)
    if reader.role is Role.APPLICANT:
        mine = mine.where(partner_documents.c.actor == reader.account)
    return list((await connection.execute(mine.order_by(partner_documents.c.at, partner_documents.c.name))).all())


async def find_document(connection: AsyncConnection, name: str, *, reader: Principal) -> Row[Any]:
    """A paper by the name under which it is stored.

    Raises:
        FileMissing: there is none that the reader may see.
    """
    found = select(partner_documents).where(partner_documents.c.name == name)
    if reader.partner_id is not None:
        found = found.where(partner_documents.c.partner_id == reader.partner_id)
    if reader.role is Role.APPLICANT:
        found = found.where(partner_documents.c.actor == reader.account)
    row = (await connection.execute(found)).one_or_none()
    if row is None:
        raise FileMissing
    return row
