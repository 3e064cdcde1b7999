"""Signing in by key: `POST /oauth/token`. One thing to know: whatever comes in, the answer is JSON as RFC 6749 has it,
with a sentence that says what to do and, as `xinyi_code`, a stable code finer than the standard's."""

from __future__ import annotations

import logging
import math
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from api.context import State
from api.identity.bearer import issue_token
from api.identity.sessions import remote_of, settled, told
from api.ids import public_id
from api.running.limits import Limits
from api.transport.bodies import BodyRefused, read_form
from core.errors import BadInput, ExpectedError, Unavailable
from partners.onboarding.sign_in import (
    Holder,
    SignInRefused,
    check_claims,
    find_holder,
    is_signed,
    locked,
    note_failure,
    read_assertion,
    use_assertion,
)

PATH = "/oauth/token"
METADATA = "/.well-known/oauth-authorization-server"
LIFETIME = timedelta(minutes=5)
LARGEST_BODY = 16_384
MOST_FIELDS = 20
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
BAD_SIGNATURES_A_DAY = 20
"""From one address with one key; those beyond are refused, and do not count towards locking the key."""
_DAY = 86_400
_ERRORS = {"UNAVAILABLE": (503, "temporarily_unavailable"), "THROTTLED": (429, "temporarily_unavailable")}
log = logging.getLogger("xinyi.sign-in")


class _Malformed(ExpectedError):
    """The request is not one that RFC 6749 knows. `error` is its word for it."""

    code = "INVALID_REQUEST"

    def __init__(self, message: str, *, error: str = "invalid_request", status: int = 400) -> None:
        super().__init__(message)
        self.error, self.status = error, status


class TokenEndpoint:
    """Gives an access token for an assertion; of one `State`, the real one or the sandbox."""

    def __init__(self, state: State, limits: Limits) -> None:
        self._state, self._limits = state, limits
        issuer = state.settings.issuer
        self._audiences = frozenset({issuer, issuer.rstrip("/") + PATH})

    async def answer(self, request: Request) -> Response:
        """`POST /oauth/token`."""
        try:
            return told(200, await self._token(request))
        except ClientDisconnect:
            return Response(status_code=400)
        except SignInRefused as refused:
            return _refused(refused, now=self._state.clock())
        except _Malformed as error:
            body = {"error": error.error, "error_description": error.message, "xinyi_code": error.code}
            return told(error.status, body)
        except ExpectedError as error:
            status, word = _ERRORS.get(error.code, (400, "invalid_request"))
            if isinstance(error, Unavailable):
                log.warning("unavailable", exc_info=error)
            return told(status, {"error": word, "error_description": error.message, "xinyi_code": error.code})

    async def metadata(self, _: Request) -> Response:
        """`GET /.well-known/oauth-authorization-server` (RFC 8414): what to write into an assertion, and where to."""
        issuer = self._state.settings.issuer.rstrip("/")
        body = {
            "issuer": self._state.settings.issuer,
            "token_endpoint": issuer + PATH,
            "jwks_uri": f"{issuer}/.well-known/jwks.json",
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["EdDSA", "ES256"],
        }
        return JSONResponse(body, headers={"cache-control": "public, max-age=3600"})

    async def _token(self, request: Request) -> dict[str, Any]:
        remote = remote_of(request)
        await self._limits.check(None, remote)
        form = await _form(request)
        given = read_assertion(form["client_assertion"])
        now = self._state.clock()
        async with self._state.database.reading() as connection:
            holder = await find_holder(connection, given, now=now)
        issuer = given.claims["iss"]
        if issuer not in {holder.key.kid, public_id("Partner", holder.key.partner_id)}:
            raise SignInRefused("WRONG_ISSUER", "iss 与密钥所属的机构不符。请核对机构编号和 kid。")
        if form.get("client_id", issuer) != issuer:
            raise _Malformed("client_id 须与断言的 iss 相同,或不写。请改正后重试。")
        if form.get("scope", holder.role.value) != holder.role.value:
            raise _Malformed(f"这把密钥的 scope 为 {holder.role.value}。请改正或不写。", error="invalid_scope")
        if not is_signed(given, holder.key):
            raise await self._bad_signature(holder, remote, now=now)
        check_claims(given, audiences=self._audiences, now=now)
        await settled(self._state, lambda connection: use_assertion(connection, given, holder, now=now))
        lifetime = min(LIFETIME, holder.ends_at - now)
        token = issue_token(
            self._state.keys,
            issuer=self._state.settings.issuer,
            account=holder.key.account,
            role=holder.role,
            now=now,
            lifetime=lifetime,
        )
        seconds = int(lifetime.total_seconds())
        return {"access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": holder.role.value}

    async def _bad_signature(self, holder: Holder, remote: str, *, now: datetime) -> SignInRefused:
        """Count it, and say so."""
        refusal = SignInRefused("BAD_SIGNATURE", "签名与登记的公钥不符,或算法不是该密钥的算法。请核对私钥。")
        bucket = f"bad-signature:{remote}:{holder.key.kid}"
        rate = BAD_SIGNATURES_A_DAY / _DAY
        if not await self._state.cache.take(bucket, wanted=1, per_second=rate, burst=BAD_SIGNATURES_A_DAY):
            return refusal
        until = await settled(self._state, lambda connection: note_failure(connection, holder.key, now=now))
        return refusal if until is None else locked(until)


async def _form(request: Request) -> dict[str, str]:
    try:
        form = await read_form(request, most=LARGEST_BODY, fields=MOST_FIELDS)
    except (BodyRefused, BadInput) as refused:
        raise _Malformed(refused.message, status=getattr(refused, "status", 400)) from None
    if form.get("grant_type") != "client_credentials":
        raise _Malformed("grant_type 须为 client_credentials。请改正后重试。", error="unsupported_grant_type")
    if form.get("client_assertion_type") != ASSERTION_TYPE or not form.get("client_assertion"):
        raise _Malformed(f"须有 client_assertion,且 client_assertion_type 为 {ASSERTION_TYPE}。请改正后重试。")
    return form


def _refused(refused: SignInRefused, *, now: datetime) -> Response:
    body = {"error": "invalid_client", "error_description": refused.message, "xinyi_code": refused.why}
    if refused.locked_until is None:
        return told(401, body)
    seconds = max(1, math.ceil((refused.locked_until - now).total_seconds()))
    return told(429, body | {"locked_until": refused.locked_until.isoformat()}, {"retry-after": str(seconds)})
