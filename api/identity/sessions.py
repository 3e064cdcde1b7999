"""Our own sessions over HTTP: `POST /sign-in/session`, `/refresh` and `/end`. One thing to know: tokens go in JSON
bodies and the `Authorization` header, never in cookies, so no request is signed in by a browser alone.

Access tokens live a quarter of an hour, the refresh token is another one each time (`partners.sessions.opening`).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, TypeVar

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from api.context import State
from api.identity import SignInFailed
from api.identity.bearer import issue_token
from api.running.limits import Limits
from api.transport.bodies import read_json
from core.database import Conflict
from core.errors import ExpectedError, Unavailable
from partners.sessions.failures import Counted, SignInLocked, check_not_locked, note_failure
from partners.sessions.opening import (
    Opened,
    SessionEnded,
    SessionStolen,
    Stolen,
    claim_session,
    renew_session,
    sign_out,
)

LIFETIME = timedelta(minutes=15)
LARGEST_BODY = 16_384
ATTEMPTS = 5
COOKIE = "xinyi-sign-in"
"""What the browser that began a sign-in is known by; below `/sign-in` alone."""
STATUS = {
    "SIGN_IN_FAILED": 401,
    "SESSION_ENDED": 401,
    "WECHAT_CODE_INVALID": 401,
    "NOT_REGISTERED": 403,
    "ACCOUNT_REFUSED": 403,
    "BINDING_REQUIRED": 403,
    "WECHAT_RISK": 403,
    "UNKNOWN_PROVIDER": 404,
    "LOCKED": 429,
    "THROTTLED": 429,
    "UNAVAILABLE": 503,
}
log = logging.getLogger("xinyi.sign-in")
T = TypeVar("T")


class SessionEndpoints:
    """What a client does with its own session."""

    def __init__(self, state: State, limits: Limits) -> None:
        self._state, self._limits = state, limits

    async def claim(self, request: Request) -> Response:
        """`POST /sign-in/session`: the tokens of the one-time code that the page came back with."""

        async def act() -> Response:
            cookie, given = request.cookies.get(COOKIE), await read_json(request, most=LARGEST_BODY)
            response = await self._given(
                request,
                lambda connection, now: claim_session(
                    connection,
                    self._state.keys,
                    code=given.get("code"),
                    browser=None if cookie is None else browser_of(cookie),
                    now=now,
                ),
            )
            response.delete_cookie(COOKIE, path="/sign-in")
            return response

        return await answered(self._state, self._limits, request, act)

    async def refresh(self, request: Request) -> Response:
        """`POST /sign-in/refresh`: the next tokens."""

        async def act() -> Response:
            given = await read_json(request, most=LARGEST_BODY)
            return await self._given(
                request,
                lambda connection, now: renew_session(
                    connection, self._state.keys, token=given.get("refresh_token"), now=now
                ),
            )

        return await answered(self._state, self._limits, request, act)

    async def end(self, request: Request) -> Response:
        """`POST /sign-in/end`: the session of this refresh token is over. It says the same of whatever is sent."""

        async def act() -> Response:
            given, now = await read_json(request, most=LARGEST_BODY), self._state.clock()
            await settled(
                self._state,
                lambda connection: sign_out(connection, self._state.keys, token=given.get("refresh_token"), now=now),
            )
            return told(200, {"ended": True})

        return await answered(self._state, self._limits, request, act)

    async def _given(
        self, request: Request, take: Callable[[AsyncConnection, datetime], Awaitable[Opened | Stolen]]
    ) -> Response:
        state, now = self._state, self._state.clock()
        address = Counted("address", remote_of(request))

        try:
            # Whoever has what we gave is not guessing, whatever others at that address do.
            opened = await settled(state, lambda connection: take(connection, now))
        except SessionEnded as error:
            raise await failed(state, error, address, provider="session", now=now) from None
        if isinstance(opened, Stolen):  # noted, and committed
            raise SessionStolen
        return told(200, tokens_of(state, opened, now=now))


def tokens_of(state: State, opened: Opened, *, now: datetime) -> dict[str, Any]:
    """What a client is given for a session."""
    lifetime = min(LIFETIME, opened.expires_at - now)
    access = issue_token(
        state.keys,
        issuer=state.settings.issuer,
        account=opened.account,
        role=opened.role,
        now=now,
        lifetime=lifetime,
        session=opened.id,
    )
    return {
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": int(lifetime.total_seconds()),
        "refresh_token": opened.refresh_token,
        "refresh_expires_at": opened.expires_at.isoformat(),
        # Named as in the schema's `@access`, for pages to know what to offer; the token opens the same without it.
        "role": opened.role.name,
    }


async def settled(state: State, act: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """What `act` does in one transaction, run again where another was quicker.

    Raises:
        Unavailable: it never went through.
    """
    lost = None
    for _ in range(ATTEMPTS):
        try:
            async with state.database.transaction() as connection:
                return await act(connection)
        except Conflict as conflict:
            lost = conflict
    raise Unavailable from lost


async def failed(state: State, error: ExpectedError, *these: Counted, provider: str, now: datetime) -> ExpectedError:
    """Count a failure; the error, or that it has locked.

    Raises:
        SignInLocked: one of these was locked before, and nothing more is counted.
    """
    why = error.why if isinstance(error, SignInFailed) else error.code

    async def act(connection: AsyncConnection) -> datetime | None:
        await check_not_locked(connection, state.keys, *these, now=now)
        return await note_failure(connection, state.keys, *these, provider=provider, why=why, now=now)

    until = await settled(state, act)
    return error if until is None else SignInLocked(until)


async def answered(state: State, limits: Limits, request: Request, act: Callable[[], Awaitable[Response]]) -> Response:
    """The answer of `act`, or its refusal as JSON."""
    try:
        await limits.check(None, remote_of(request))
        return await act()
    except ClientDisconnect:
        return Response(status_code=400)
    except ExpectedError as error:
        return refused(error, now=state.clock())


def refused(error: ExpectedError, *, now: datetime) -> Response:
    """`{"error": {"code", "message"}}`, with what else the client needs in order to go on."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    headers = {}
    if isinstance(error, SignInFailed):
        body["why"] = error.why
    if isinstance(error, SignInLocked):
        body["lockedUntil"] = error.until.isoformat()
        headers["retry-after"] = str(max(1, math.ceil((error.until - now).total_seconds())))
    status = getattr(error, "status", None) or STATUS.get(error.code, 400)
    return told(status, {"error": body}, headers)


def told(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """JSON that nobody keeps."""
    kept = {"cache-control": "no-store", "pragma": "no-cache", **(headers or {})}
    return Response(orjson.dumps(body), status, media_type="application/json", headers=kept)


def remote_of(request: Request) -> str:
    """The address that a request came from."""
    return request.client.host if request.client else ""


def browser_of(cookie: str) -> str:
    """By which a one-time code knows the browser that began."""
    return sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()


_APPS = (("MicroMessenger", "微信"), ("AlipayClient", "支付宝"), ("Edg", "Edge"), ("Firefox", "Firefox"),
         ("Chrome", "Chrome"), ("Safari", "Safari"))  # fmt: skip
_SYSTEMS = (("HarmonyOS", "鸿蒙"), ("OpenHarmony", "鸿蒙"), ("iPhone", "iPhone"), ("iPad", "iPad"),
            ("Android", "Android"), ("Windows", "Windows"), ("Mac OS", "Mac"), ("Linux", "Linux"))  # fmt: skip


def device_of(user_agent: str | None) -> str:
    """A label that its holder recognises: families alone, whatever else a user agent says of somebody."""
    given = user_agent or ""
    named = [next((label for word, label in some if word in given), "") for some in (_APPS, _SYSTEMS)]
    return " · ".join(filter(None, named)) or "其他设备"
