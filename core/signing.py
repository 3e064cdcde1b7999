"""Signed statements (JWS, EdDSA). One thing to know: each purpose has its own key and its own fixed `typ`,
and a verifier of one purpose refuses what was signed for another."""

from __future__ import annotations

from typing import Any

import jwt
import orjson
from jwt.types import Options

from core.errors import ExpectedError
from core.keys import Keys, SigningPurpose, b64decode

TYP: dict[SigningPurpose, str] = {
    "bearer": "at+jwt",
    "receipt": "xinyi-receipt+jwt",
    "proof": "xinyi-proof+jwt",
    "results": "xinyi-results+jwt",
    "audit": "xinyi-audit+jwt",
    "consent": "xinyi-consent+jwt",
    "report": "xinyi-report+jwt",
    "webhook": "xinyi-webhook+jwt",
    "settlement": "xinyi-settlement+jwt",
    "offline": "xinyi-offline+jwt",
    "credential": "dc+sd-jwt",
    "presentation": "oauth-authz-req+jwt",
}
MAX_LENGTH = 8192
"""Longest token looked at; a proof may be longer and says so itself."""
_SIGNATURE_ONLY: Options = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class SignatureInvalid(ExpectedError):
    """A signed statement is not what it claims to be. The message says which check it failed."""

    code = "SIGNATURE_INVALID"


_SEGMENTS = ("第一段(头部)", "第二段(内容)", "第三段(签名)")


def _opened(token: str, max_length: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims as written; nothing of them is proved yet."""
    if len(token) > max_length or token.count(".") != 2:
        raise SignatureInvalid("不是三段式签名文本,或长度超限。请提供完整的原文。")
    raw = []
    for segment, name in zip(token.split("."), _SEGMENTS, strict=True):
        try:
            raw.append(b64decode(segment))
        except ValueError:
            raise SignatureInvalid(
                f"{name}编码不规范:只接受无填充、无多余位的 base64url。请提供未经改动的原文。"
            ) from None
    opened = []
    for content, name in zip(raw, _SEGMENTS[:2], strict=False):
        try:
            value = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise SignatureInvalid(f"{name}在第 {error.pos} 字节处不是有效的 JSON。请提供未经改动的原文。") from None
        if not isinstance(value, dict):
            raise SignatureInvalid(f"{name}不是 JSON 对象。请提供未经改动的原文。")
        opened.append(value)
    return opened[0], opened[1]


def unproved_claims(token: str, *, max_length: int = MAX_LENGTH) -> dict[str, Any]:
    """What a token says, believed by nobody: only for telling where it was changed.

    Raises:
        SignatureInvalid: it says nothing readable.
    """
    return _opened(token, max_length)[1]


def sign(keys: Keys, purpose: SigningPurpose, claims: dict[str, Any]) -> str:
    """`claims` as a compact JWS under the purpose's active key."""
    key = keys.active(purpose)
    headers = {"kid": key.kid, "typ": TYP[purpose]}
    return jwt.encode(claims, key.private_key, algorithm="EdDSA", headers=headers)


def verify(keys: Keys, purpose: SigningPurpose, token: str, *, max_length: int = MAX_LENGTH) -> dict[str, Any]:
    """The claims of `token`, its signature, key, type and spelling checked; times and audience are the caller's.

    Raises:
        SignatureInvalid: any of them fails.
    """
    head, claims = _opened(token, max_length)
    if head.get("typ") != TYP[purpose] or head.get("alg") != "EdDSA":
        raise SignatureInvalid(f"类型不符:应为 {TYP[purpose]}、EdDSA。请确认拿来核对的是哪一种凭据。")
    key = keys.find(purpose, str(head.get("kid")))
    if key is None:
        raise SignatureInvalid("不认识签名所用的密钥编号。请更新公钥集后重试。")
    try:
        jwt.decode(token, key.public_key, algorithms=["EdDSA"], options=_SIGNATURE_ONLY)
    except jwt.PyJWTError:
        raise SignatureInvalid("签名与内容不符:内容或签名被改动过。请提供未经改动的原文。") from None
    return claims
