"""Signs in the background where the audit trail stands, and publishes it. One thing to know: a checkpoint kept by
anybody else is what a rewritten trail cannot be made to agree with, so keep copies outside.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractAsyncContextManager

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.context import State
from api.jobs.background import repeating
from core.checkpoints import as_published, make_checkpoint, published_checkpoints
from core.database import Conflict
from core.errors import Unavailable

log = logging.getLogger("xinyi.audit")
SECONDS_BETWEEN, PATIENCE_SECONDS = 10, 5
PATH = "/.well-known/audit-checkpoints"
AT_ONCE = 1000


async def checkpoint_once(state: State) -> int | None:
    """Make a checkpoint; its number, or None where nothing has moved or another process was quicker."""
    try:
        async with state.database.transaction() as connection:
            return await make_checkpoint(connection, state.keys, issuer=state.settings.issuer, now=state.clock())
    except Conflict:
        return None


def checkpointing(state: State) -> AbstractAsyncContextManager[None]:
    """Make checkpoints as long as the application runs, and one when it stops."""

    async def sign() -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await checkpoint_once(state)
        except (Unavailable, TimeoutError):  # the next pass signs what this one could not
            log.warning("no checkpoint: the database does not answer")

    return repeating(sign, seconds=SECONDS_BETWEEN, log=log, once_more=True)


async def checkpoints(request: Request) -> Response:
    """`/.well-known/audit-checkpoints?after=N`: JSON lines of number, at and statement; at most 1000, in order."""
    state: State = request.app.state.xinyi
    after = request.query_params.get("after", "0")
    if not (after.isascii() and after.isdecimal() and len(after) <= 18):
        return PlainTextResponse("after 须为检查点的编号(非负整数)。请改正后重试。\n", status_code=400)
    try:
        async with state.database.reading() as connection:
            found = await published_checkpoints(connection, after=int(after), most=AT_ONCE)
    except Unavailable as error:
        return PlainTextResponse(f"{error.message}\n", status_code=503)
    lines = [orjson.dumps(as_published(row), option=orjson.OPT_APPEND_NEWLINE) for row in found]
    return Response(b"".join(lines), media_type="application/jsonl", headers={"cache-control": "no-cache"})
