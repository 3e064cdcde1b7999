"""Recorded answers: the same request gets the same answer. One thing to know: of a request's body only a keyed hash is
kept, and an answer is recorded in the transaction of what it did.

A key is (partner, mutation, requestId) and lives for 24 hours. `UNAVAILABLE` is never recorded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import ExpectedError
from core.keys import Keys
from core.sealing import keyed_hashes
from partners.tables import answers

LIFETIME = timedelta(hours=24)


class RequestConflict(ExpectedError):
    """The request id was used for another body."""

    code = "REQUEST_CONFLICT"


@dataclass(frozen=True, slots=True)
class Request:
    """What makes a request the same request."""

    partner_id: int
    mutation: str
    request_id: str
    body_hashes: tuple[bytes, ...]
    """Under each key there is, the active one first: a request made before a rotation may be repeated after it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An expected failure as it is answered."""

    code: str
    message: str


def body_hashes(keys: Keys, body: Mapping[str, Any]) -> tuple[bytes, ...]:
    """The keyed hashes of a request's body, the same for the same values."""
    return keyed_hashes(keys, "body", orjson.dumps(body, option=orjson.OPT_SORT_KEYS))


def recorded_answer(
    request: Request, *, stored_hash: bytes | None, answer: dict[str, Any] | None, at: datetime | None, now: datetime
) -> dict[str, Any] | None:
    """The answer given before to this request, or None where it is new (or older than 24 hours).

    Raises:
        RequestConflict: the same request id came with another body.
    """
    if answer is None or at is None or at <= now - LIFETIME:
        return None
    if stored_hash not in request.body_hashes:
        raise RequestConflict("这个 requestId 已用于另一个内容不同的请求。请换一个新的 requestId。")
    return answer


def answer_row(request: Request, answer: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """A row for `answers`. It breaks the primary key when another request was quicker."""
    return {
        "partner_id": request.partner_id,
        "mutation": request.mutation,
        "request_id": request.request_id,
        "body_hash": request.body_hashes[0],
        "answer": answer,
        "at": now,
    }


async def forget_expired(connection: AsyncConnection, request: Request, *, now: datetime) -> None:
    """Make room for a request whose id was used more than 24 hours ago."""
    await connection.execute(
        delete(answers).where(
            answers.c.partner_id == request.partner_id,
            answers.c.mutation == request.mutation,
            answers.c.request_id == request.request_id,
            answers.c.at <= now - LIFETIME,
        )
    )


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
