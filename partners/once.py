"""An act that is done once for each request of a partner. One thing to know: the answer is recorded in the transaction
of the act, a Problem too, so the same request again writes nothing and is answered alike for 24 hours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import ExpectedError
from partners.answers import Problem, Request, answer_row, forget_expired, recorded_answer
from partners.tables import answers


async def answer_once(
    connection: AsyncConnection, request: Request, act: Callable[[], Awaitable[Mapping[str, Any]]], *, now: datetime
) -> Mapping[str, Any] | Problem:
    """The recorded answer to this request; where there is none, act and record what came of it, in a transaction.

    `act` answers in plain JSON values, of which none is named `code`.

    Raises:
        RequestConflict: the request id was used for another body. Nothing is written.
        Conflict: another request was quicker; run it again.
    """
    known = await _known(connection, request, now=now)
    if known is not None:
        return Problem(**known) if "code" in known else known
    answer: Mapping[str, Any] | Problem
    try:
        answer = await act()
    except ExpectedError as problem:
        answer = Problem(problem.code, problem.message)
    stored = asdict(answer) if isinstance(answer, Problem) else answer
    await connection.execute(insert(answers).values(answer_row(request, stored, now=now)))
    return answer


async def _known(connection: AsyncConnection, request: Request, *, now: datetime) -> dict[str, Any] | None:
    statement = select(answers.c.body_hash, answers.c.answer, answers.c.at).where(
        answers.c.partner_id == request.partner_id,
        answers.c.mutation == request.mutation,
        answers.c.request_id == request.request_id,
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    known = recorded_answer(request, stored_hash=row.body_hash, answer=row.answer, at=row.at, now=now)
    if known is None:
        await forget_expired(connection, request, now=now)
    return known
