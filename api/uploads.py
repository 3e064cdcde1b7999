"""Files that providers upload: `POST /intake?item=…&place=…`, the file as the body. One thing to know: the body goes to
a file of its own before a row of it is judged, so a broken connection loads nothing.

The answer is JSON: the counts, quarantined rows by code, and where to fetch the file to send back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import orjson
from sqlalchemy import select
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from api.context import State
from api.identity import Claims
from api.identity.bearer import BearerTokens
from api.identity.holding import admitted, check_holds
from api.identity.sessions import remote_of
from api.running.limits import Limits
from core.clock import day_of
from core.errors import BadInput, ExpectedError, Forbidden, Unauthenticated
from core.identifiers import new_id
from partners.accounts import Role, body_of, find_principal
from scoring.intake.load import Body, Summary, catalogued, keep_quarantine, load_file
from scoring.intake.tables import intake_batches

LARGEST_UPLOAD = 1024**3
PIECE = 100
"""Rows in one transaction: few, so that those who scan meanwhile do not wait."""
AT_ONCE = 2
"""Files loaded at once by one process, and files received at once from one account."""
STATUS = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403, "TOO_LARGE": 413, "THROTTLED": 429, "UNAVAILABLE": 503}
log = logging.getLogger("xinyi.intake")


class TooLarge(ExpectedError):
    """The file is larger than may be uploaded."""

    code = "TOO_LARGE"


class NoSuchFile(ExpectedError):
    """No file to send back, of no delivery of this account."""

    code = "FILE_MISSING"


class Uploads:
    """The two routes of providers' files."""

    def __init__(self, state: State, tokens: BearerTokens, limits: Limits) -> None:
        self._state, self._tokens, self._limits = state, tokens, limits
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._receiving: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def load(self, request: Request) -> Response:
        """`POST /intake`."""
        return await self._answered(request, self._load)

    async def quarantine(self, request: Request) -> Response:
        """`GET /intake/{batch}/quarantine`: the file to send back, to whoever delivered it."""
        return await self._answered(request, self._quarantine)

    async def _answered(self, request: Request, act: Any) -> Response:
        try:
            now = self._state.clock()
            remote, authorization = remote_of(request), request.headers.get("authorization")
            claims, _ = await admitted(self._state, self._tokens, self._limits, authorization, remote=remote, now=now)
            if claims is None:
                raise Unauthenticated
            if claims.role is not Role.PROVIDER:
                raise Forbidden
            answer: Response = await act(request, claims)
        except ClientDisconnect:
            return Response(status_code=400)
        except ExpectedError as error:
            told = {"error": {"code": error.code, "message": error.message}}
            return Response(orjson.dumps(told), STATUS.get(error.code, 400), media_type="application/json")
        return answer

    async def _load(self, request: Request, claims: Claims) -> Response:
        state, now = self._state, self._state.clock()
        async with state.database.reading() as connection:
            await find_principal(connection, account=claims.account, role=claims.role, now=now)
            await state.current_catalogue(connection)
            body, uscc = await body_of(connection, claims.account)
        rulebook = state.rulebook
        place = request.query_params.get("place") or rulebook.served[0]
        if place not in rulebook.served:
            raise BadInput("没有这个地方。请在 place 中写明本平台服务的地方,例如 hunan-shaoyang。")
        item, batch_id = catalogued(rulebook.catalogues[place], request.query_params.get("item", "")), new_id()
        # A file that only trickles in keeps nobody waiting but its sender.
        receiving = self._receiving.setdefault(claims.account, asyncio.Semaphore(AT_ONCE))
        async with receiving, _received(request) as (path, back), self._turns:
            await self._check_still(claims)
            summary = await load_file(
                state.database,
                path,
                item=item,
                place=place,
                actor=claims.account,
                models_of=partial(rulebook.models_for, on=day_of(now)),
                quarantine=back,
                now=now,
                body=Body(body, uscc) if body else None,
                piece=PIECE,
                batch_id=batch_id,
            )
            files = state.files if summary.quarantined else None
            if files is not None:
                await keep_quarantine(state.database, files, batch_id, back)
        return Response(_told(batch_id, summary, is_kept=files is not None), media_type="application/json")

    async def _check_still(self, claims: Claims) -> None:
        """Raises `Unauthenticated` where the right ended while the file was on its way."""
        await check_holds(self._state, claims)
        async with self._state.database.reading() as connection:
            await find_principal(connection, account=claims.account, role=claims.role, now=self._state.clock())

    async def _quarantine(self, request: Request, claims: Claims) -> Response:
        state = self._state
        try:
            batch_id = UUID(request.path_params["batch"])
        except ValueError:
            raise NoSuchFile("没有这份退回文件。请核对批次编号。") from None
        async with state.database.reading() as connection:
            await find_principal(connection, account=claims.account, role=claims.role, now=state.clock())
            mine = select(intake_batches.c.quarantine).where(
                intake_batches.c.id == batch_id, intake_batches.c.actor == claims.account
            )
            name = await connection.scalar(mine)
        if name is None or state.files is None:
            raise NoSuchFile("没有这份退回文件。请核对批次编号;没有退回行的批次没有退回文件。")
        return StreamingResponse(
            state.files.read(name),
            media_type="text/csv; charset=utf-8",
            headers={"content-disposition": f'attachment; filename="{batch_id}.csv"', "cache-control": "no-store"},
        )


@asynccontextmanager
async def _received(request: Request) -> AsyncIterator[tuple[Path, Path]]:
    """The body in a file that nobody else can read, and a place beside it for the file to send back."""
    with TemporaryDirectory(prefix="xinyi-intake-") as folder:
        path, size = Path(folder) / "delivery", 0
        with path.open("wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > LARGEST_UPLOAD:
                    raise TooLarge(f"文件超过 {LARGEST_UPLOAD // 1024**2} MB。请分成几个文件报送。")
                file.write(chunk)
        yield path, Path(folder) / "quarantine.csv"


def _told(batch_id: UUID, summary: Summary, *, is_kept: bool) -> bytes:
    return orjson.dumps(
        {
            "batch": str(batch_id),
            **summary.counts(),
            "reasons": dict(sorted(summary.reasons.items())),
            "unknownColumns": len(summary.unknown_columns),
            "quarantineFile": f"/intake/{batch_id}/quarantine" if is_kept else None,
        }
    )
