"""Bearer tokens of our own (`at+jwt`, EdDSA). One thing to know: a checked token is remembered for a short time, so
that a busy partner's signature is not checked thousands of times; failures are never remembered."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from api.identity import Claims
from core.errors import Unauthenticated
from core.keys import Keys
from core.signing import SignatureInvalid, sign, verify
from partners.accounts import Role

AUDIENCE = "xinyi-api"
SKEW_SECONDS = 300
"""How far ahead of ours the clock of an issuer may be."""
REMEMBERED_SECONDS = 60
REMEMBERED_TOKENS = 10_000


def issue_token(
    keys: Keys,
    *,
    issuer: str,
    account: str,
    role: Role,
    now: datetime,
    lifetime: timedelta,
    session: UUID | None = None,
) -> str:
    """A bearer token for an account, good no longer than the session it belongs to, if it belongs to one."""
    issued = int(now.timestamp())
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": account,
        "role": role.value,
        "iat": issued,
        "exp": issued + int(lifetime.total_seconds()),
        "jti": str(uuid4()),
    }
    if session is not None:
        claims["sid"] = str(session)
    return sign(keys, "bearer", claims)


class BearerTokens:
    """Checks tokens and remembers the good ones."""

    def __init__(self, keys: Keys, *, issuer: str) -> None:
        self._keys, self._issuer = keys, issuer
        self._checked: OrderedDict[str, tuple[Claims, float]] = OrderedDict()

    def check(self, token: str, *, now: float) -> Claims:
        """The claims of a token good at `now` (seconds since 1970).

        Raises:
            Unauthenticated: it is not good; the message says why in general terms.
        """
        known = self._checked.get(token)
        if known is not None and now < known[1]:
            return known[0]
        claims = self._check(token, now)
        self._checked[token] = (claims, min(claims.expires_at, now + REMEMBERED_SECONDS))
        self._checked.move_to_end(token)
        if len(self._checked) > REMEMBERED_TOKENS:
            self._checked.popitem(last=False)
        return claims

    def signed_in(self, authorization: str | None, *, now: float) -> Claims | None:
        """The claims of an `Authorization` header; None where there is none.

        Raises:
            Unauthenticated: it carries no good token.
        """
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("Authorization 头须为 Bearer 令牌。请改正后重试。")
        return self.check(token.strip(), now=now)

    def _check(self, token: str, now: float) -> Claims:
        try:
            claims = verify(self._keys, "bearer", token)
        except SignatureInvalid as error:
            raise Unauthenticated(f"令牌无效:{error.message}") from None
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int) or not isinstance(expires, int) or not isinstance(claims.get("sub"), str):
            raise Unauthenticated("令牌缺少必要的内容项(sub、iat、exp)。请重新登录。")
        if claims.get("aud") != AUDIENCE or claims.get("iss") != self._issuer:
            raise Unauthenticated("令牌不是签发给本系统的。请重新登录。")
        if expires <= now:
            raise Unauthenticated("令牌已过期。请重新登录。")
        if issued > now + SKEW_SECONDS:
            raise Unauthenticated("令牌的签发时间在未来。请校准签发方的时钟后重新登录。")
        try:
            role = Role(claims.get("role", ""))
        except ValueError:
            raise Unauthenticated("令牌中的角色不存在。请重新登录。") from None
        try:
            session = UUID(claims["sid"]) if "sid" in claims else None
        except (ValueError, TypeError, AttributeError):
            raise Unauthenticated("令牌中的登录编号不对。请重新登录。") from None
        return Claims(claims["sub"], role, expires, session)
