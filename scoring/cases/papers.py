"""Papers that belong to a case. One thing to know: a file is checked and stored first, and counts once its row is
committed; what has no row is swept away.
"""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import ExpectedError
from core.evidence import check_evidence
from core.files import Files, StoredFile
from core.integrity import keys_of
from core.sealing import seal, unseal
from scoring.cases.tables import case_files
from scoring.cases.workflow import hold_case, take_step
from scoring.records import Act

MOST_FILES = 20
"""Papers of one case."""


class TooManyFiles(ExpectedError):
    """The case has as many papers as one may have."""

    code = "TOO_MANY_FILES"


async def store_paper(files: Files, *, title: str, content: bytes) -> StoredFile:
    """Check what is handed in and store it, before the transaction that names it.

    Raises:
        EvidenceTooLarge, EvidenceType: it is not taken.
        Unavailable: the store does not answer.
    """
    media = await asyncio.to_thread(check_evidence, title, content)
    return await files.put(content, media_type=media)


async def add_paper(
    connection: AsyncConnection, *, subject_id: int, case_id: UUID, title: str, stored: StoredFile, act: Act
) -> Row[Any]:
    """Put a stored paper into the subject's case. Returns the row of `cases`.

    Raises:
        UnknownCase: not the subject's.
        WrongState: it is decided.
        TooManyFiles: it has `MOST_FILES`.
    """
    case = await hold_case(connection, case_id, subject_id=subject_id)
    said = {"file": stored.name, "type": stored.media_type, "size": stored.size, "sha256": stored.sha256.hex()}
    case = await take_step(connection, case, "evidence", actor=act.actor, reason=act.reason, now=act.now, evidence=said)
    mine = (case_files.c.subject_id == subject_id, case_files.c.case_id == case_id)
    if (await connection.scalar(select(func.count()).select_from(case_files).where(*mine)) or 0) >= MOST_FILES:
        raise TooManyFiles(f"一件事项最多 {MOST_FILES} 份材料。请把相关的材料合并成一个 PDF。")
    values = {
        "subject_id": subject_id,
        "case_id": case_id,
        "name": stored.name,
        "title_sealed": seal(keys_of(connection), "seal", title.encode()),
        "type": stored.media_type,
        "size": stored.size,
        "sha256": stored.sha256.hex(),
        "at": act.now,
        "actor": act.actor,
    }
    await connection.execute(insert(case_files).values(values))
    return case


async def list_papers(connection: AsyncConnection, case: Any) -> list[tuple[Row[Any], str]]:
    """The rows of a case's papers with their titles, oldest first."""
    mine = (case_files.c.subject_id == case.subject_id, case_files.c.case_id == case.id)
    found = (await connection.execute(select(case_files).where(*mine).order_by(case_files.c.at))).all()
    keys = keys_of(connection)
    return [(row, (unseal(keys, "seal", row.title_sealed) or b"").decode()) for row in found]
