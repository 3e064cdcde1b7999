"""Files that are fetched with a bearer token. One thing to know: who may fetch is asked of the database at each
request, and a refusal is the same JSON as everywhere over HTTP: `{"error": {"code", "message"}}`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api.context import State
from api.identity.bearer import BearerTokens
from api.identity.holding import admitted
from api.identity.sessions import remote_of
from api.running.limits import Limits
from core.errors import ExpectedError, Forbidden, Unauthenticated
from partners.accounts import Principal, Role, find_principal

STATUS = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "FILE_MISSING": 404,
    "THROTTLED": 429,
    "UNAVAILABLE": 503,
}
Fetch: TypeAlias = Callable[[State, Request, Principal], Awaitable[Response]]
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


class NoSuchFile(ExpectedError):
    """No such file that the caller may have."""

    code = "FILE_MISSING"


def downloads(state: State, tokens: BearerTokens, limits: Limits, fetch: Fetch, *, to: Collection[Role]) -> Endpoint:
    """The endpoint that answers `fetch` to accounts of these roles."""

    async def endpoint(request: Request) -> Response:
        try:
            now = state.clock()
            remote, authorization = remote_of(request), request.headers.get("authorization")
            claims, _ = await admitted(state, tokens, limits, authorization, remote=remote, now=now)
            if claims is None:
                raise Unauthenticated
            if claims.role not in to:
                raise Forbidden
            async with state.database.reading() as connection:
                principal = await find_principal(connection, account=claims.account, role=claims.role, now=now)
            return await fetch(state, request, principal)
        except ExpectedError as error:
            told = {"error": {"code": error.code, "message": error.message}}
            return Response(orjson.dumps(told), STATUS.get(error.code, 400), media_type="application/json")

    return endpoint


def attachment(content: bytes, *, name: str, media_type: str) -> Response:
    """A file as it is stored; kept by no cache in between."""
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(content, media_type=media_type, headers=headers)
