"""Signing in by key: `private_key_jwt` (RFC 7521, RFC 7523). One thing to know: an assertion names its key, is signed
by it for us alone, lives five minutes at most and signs in once.

**Bad signatures.** Ten within 15 minutes lock the key they were tried on for 15 minutes, and raise an alarm. Counted is
by key and not by partner: who a partner is everybody knows, but the name of a key (its thumbprint) is known to its
holder and to us, so that a stranger who guesses ids counts for nothing; the partner's other keys go on working, and so
do the tokens it has. Whoever did see the name, in a log say, may still lock that key: therefore one address counts for
twenty bad signatures a day with any key (`api.identity.partner_key`), and the way out is another key. A right signature
during the lock is refused too: else a thief could go on trying whether it fits.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import jwt
import orjson
from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import ExpectedError
from core.keys import b64decode
from partners.accounts import Role
from partners.alarms import raise_alarm
from partners.onboarding.tables import assertions, partner_keys, sign_in_failures
from partners.tables import accounts

SKEW = LONGEST_LIFE = timedelta(minutes=5)
MOST_FAILURES = 10
WITHIN = LOCKED_FOR = timedelta(minutes=15)
LONGEST_ASSERTION = 4096
LONGEST_JTI = 128
_TYPES = frozenset({"jwt", "client-authentication+jwt"})


class SignInRefused(ExpectedError):
    """An assertion that does not sign in. `why` is a stable code of its own."""

    code = "SIGN_IN_REFUSED"

    def __init__(self, why: str, message: str, *, locked_until: datetime | None = None) -> None:
        super().__init__(message)
        self.why, self.locked_until = why, locked_until


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an assertion says; nothing of it is proved yet."""

    token: str
    kid: str
    """Of the key it names: in its head, or as its issuer."""
    algorithm: str
    claims: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Holder:
    """A key with what acts through it."""

    key: Row[Any]
    role: Role
    ends_at: datetime
    """Of the account: the end of the key, or of the partner's right."""


def read_assertion(token: str) -> Assertion:
    """Take an assertion apart.

    Raises:
        SignInRefused: it is none that we read: only the one canonical spelling passes.
    """
    parts = token.split(".")
    if len(token) > LONGEST_ASSERTION or len(parts) != 3:
        raise _malformed("不是三段式 JWT,或超过 4096 个字符")
    try:
        head, claims, _ = orjson.loads(b64decode(parts[0])), orjson.loads(b64decode(parts[1])), b64decode(parts[2])
    except ValueError:
        raise _malformed("编码不规范:只接受无填充、无多余位的 base64url 和其中的 JSON") from None
    if not isinstance(head, dict) or not isinstance(claims, dict):
        raise _malformed("头部和内容须各为一个 JSON 对象")
    if "crit" in head or "b64" in head or str(head.get("typ", "JWT")).lower() not in _TYPES:
        raise _malformed("头部的 typ 须为 JWT(或不写),且不得有 crit、b64")
    issuer, kid = claims.get("iss"), head.get("kid", claims.get("iss"))
    if not isinstance(issuer, str) or claims.get("sub") != issuer or not isinstance(kid, str):
        raise _malformed("iss 与 sub 须相同,为机构编号或密钥编号(kid);用机构编号时头部须写 kid")
    return Assertion(token, kid, str(head.get("alg")), claims)


def _malformed(what: str) -> SignInRefused:
    return SignInRefused("ASSERTION_MALFORMED", f"断言不合格:{what}。请按接入说明改正后重试。")


async def find_holder(connection: AsyncConnection, given: Assertion, *, now: datetime) -> Holder:
    """The key that an assertion names, if it signs in here. Whether it is its issuer's is the caller's to see.

    Raises:
        SignInRefused: there is none, it has ended, or it is locked.
    """
    acting = partner_keys.join(accounts, accounts.c.id == partner_keys.c.account)
    named = select(partner_keys).select_from(acting).where(partner_keys.c.kid == given.kid)
    named = named.add_columns(accounts.c.role, accounts.c.ended_at)
    row = (await connection.execute(named)).one_or_none()
    if row is None:
        raise SignInRefused("UNKNOWN_KEY", "没有登记这把密钥,或它不用于本环境。请核对 kid 和所连的环境。")
    failures = await _failures(connection, row)
    if failures is not None and failures.locked_until is not None and failures.locked_until > now:
        raise locked(failures.locked_until)
    if row.ended_at is not None and row.ended_at <= now:
        raise SignInRefused("KEY_ENDED", "这把密钥已到期、已作废或随机构暂停。请改用有效的密钥,或联系运营人员。")
    return Holder(row, Role(row.role), row.ended_at or row.expires_at)


def locked(until: datetime) -> SignInRefused:
    """The refusal of a key that is locked."""
    message = "签名连续不符,这把密钥已暂时锁定,到 locked_until 为止;期间正确的签名也不接受。请核对私钥后再试。"
    return SignInRefused("LOCKED", message, locked_until=until)


def is_signed(given: Assertion, key: Row[Any]) -> bool:
    """Whether the key has signed the assertion, by its own algorithm and no other."""
    if given.algorithm != key.algorithm:
        return False
    try:
        public = jwt.PyJWK(key.jwk, algorithm=key.algorithm)
        jwt.decode(given.token, public, algorithms=[key.algorithm], options=_SIGNATURE_ONLY)
    except jwt.PyJWTError:
        return False
    return True


_SIGNATURE_ONLY: Any = {f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}


def check_claims(given: Assertion, *, audiences: Collection[str], now: datetime) -> None:
    """Whether an assertion that was signed is for us, now.

    Raises:
        SignInRefused: it is not.
    """
    claims, present = given.claims, now.timestamp()
    heard = claims.get("aud")
    told = heard if isinstance(heard, list) else [heard]
    if not any(isinstance(one, str) and one in audiences for one in told):
        raise SignInRefused("WRONG_AUDIENCE", f"aud 须为 {' 或 '.join(sorted(audiences))}。请改正后重试。")
    times = {name: claims[name] for name in ("exp", "iat", "nbf") if name in claims}
    if "exp" not in times or any(isinstance(at, bool) or not isinstance(at, (int, float)) for at in times.values()):
        raise _malformed("须有 exp;exp、iat、nbf 须为秒数")
    if times["exp"] <= present:
        raise SignInRefused("ASSERTION_EXPIRED", "断言已过期。请每次登录现签一份,并校准时钟。")
    if times["exp"] > present + LONGEST_LIFE.total_seconds():
        raise SignInRefused("ASSERTION_TOO_LONG", "exp 最多在 5 分钟之后。请缩短有效期(建议 60 秒),并校准时钟。")
    skew = SKEW.total_seconds()
    if times.get("nbf", present) > present + skew or abs(times.get("iat", present) - present) > skew:
        raise SignInRefused("CLOCK_SKEW", "iat 或 nbf 与本系统时钟相差超过 5 分钟。请校准时钟后重试。")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= LONGEST_JTI:
        raise _malformed(f"jti 须为 1 到 {LONGEST_JTI} 个字符,每次不同")


async def use_assertion(connection: AsyncConnection, given: Assertion, holder: Holder, *, now: datetime) -> None:
    """Note that an assertion has signed in, and forget former failures of its key.

    Raises:
        SignInRefused: it has before.
        Conflict: another instance was just using it; run it again.
    """
    key = holder.key
    mine = assertions.c.partner_id == key.partner_id
    # Past its exp it is refused for that: no need to keep it.
    await connection.execute(delete(assertions).where(mine, assertions.c.expires_at <= now))
    name = sha256(given.claims["jti"].encode("utf-8", "surrogatepass")).hexdigest()
    if await connection.scalar(select(assertions.c.jti).where(mine, assertions.c.jti == name)) is not None:
        raise SignInRefused("ASSERTION_REPLAYED", "这份断言用过了(jti 重复)。请每次登录现签一份。")
    ends = now + LONGEST_LIFE
    await connection.execute(insert(assertions).values(partner_id=key.partner_id, jti=name, expires_at=ends))
    # A lock that another instance has set meanwhile stays.
    await connection.execute(delete(sign_in_failures).where(*_of(key), sign_in_failures.c.locked_until.is_(None)))


async def note_failure(connection: AsyncConnection, key: Row[Any], *, now: datetime) -> datetime | None:
    """Count a bad signature; until when the key is locked, if it is now.

    Raises:
        Conflict: the first two came at once; run it again.
    """
    row = await _failures(connection, key, hold=True)
    if row is None:
        first = {"partner_id": key.partner_id, "kid": key.kid, "failures": 1, "first_at": now}
        await connection.execute(insert(sign_in_failures).values(first))
        return None
    if row.locked_until is not None and row.locked_until > now:
        return row.locked_until  # type: ignore[no-any-return]
    begins_anew = row.locked_until is not None or row.first_at <= now - WITHIN
    failures = 1 if begins_anew else row.failures + 1
    until = now + LOCKED_FOR if failures >= MOST_FAILURES else None
    values = {"failures": failures, "first_at": now if begins_anew else row.first_at, "locked_until": until}
    await connection.execute(update(sign_in_failures).where(*_of(key)).values(values))
    if until is not None:
        detail = {"kid": key.kid, "use": key.use, "failures": failures, "lockedUntil": until.isoformat()}
        await raise_alarm(connection, kind="SIGN_IN_LOCKED", detail=detail, now=now, partner_id=key.partner_id)
    return until


def _of(key: Row[Any]) -> tuple[Any, Any]:
    return sign_in_failures.c.partner_id == key.partner_id, sign_in_failures.c.kid == key.kid


async def _failures(connection: AsyncConnection, key: Row[Any], *, hold: bool = False) -> Row[Any] | None:
    found = select(sign_in_failures).where(*_of(key))
    return (await connection.execute(found.with_for_update() if hold else found)).one_or_none()
