"""A benefit as an SD-JWT VC: made, read, and its holder's key proved. One thing to know: everything in it that two
partners could compare is either the same for everybody or fresh for each credential.

It says one thing, «this benefit applies», in one disclosure, for a day at most. Its times are those of the hour, its
salt, holder's key and signature its own; it has no id, no subject and no status address. What we read is stricter than
the standards ask (RFC 9901): one spelling, one type, no claim or disclosure that we do not make. Pure: no database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import jwt
import orjson

from core.errors import BadInput, ExpectedError
from core.keys import Keys, b64decode, b64encode
from core.signing import TYP, SignatureInvalid, verify
from partners.onboarding.keys import PrivateKeyGiven, PublicKey, read_public_key

VCT = "urn:xinyi:credential:benefit:1"
"""The type (`vct`) of every credential."""
BENEFIT = "benefit_applies"
"""The one claim that is disclosed or not: `{"offer": "…"}`, by the offer's public id."""
FORMAT = TYP["credential"]
PROOF_TYP = "kb+jwt"
LIFETIME = timedelta(hours=24)
LONGEST = 8192
"""Longest presentation looked at, in characters."""
LEEWAY = timedelta(seconds=60)
"""How far a wallet's clock may be ahead of ours."""
_CLAIMS = frozenset({"iss", "iat", "exp", "vct", "cnf", "_sd", "_sd_alg"})
_SIGNATURE_ONLY: Any = {f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}


class CredentialInvalid(ExpectedError):
    """Not a credential of ours, or changed."""

    code = "CREDENTIAL_INVALID"


class CredentialExpired(ExpectedError):
    """A genuine credential past its end."""

    code = "CREDENTIAL_EXPIRED"


class KeyNotProved(ExpectedError):
    """Whoever shows the credential did not prove, for this request, to hold its key."""

    code = "KEY_NOT_PROVED"


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential whose signature and disclosures were checked; its times and its holder's key were not."""

    issuer: str
    issued_at: datetime
    expires_at: datetime
    holder: PublicKey
    disclosed: Mapping[str, Any]
    """What is shown of it: empty, or `BENEFIT`."""
    body: str
    """The text that the proof of the key signs a hash of."""
    proof: str
    """The proof of the key (KB-JWT); empty where there is none."""


def read_holder_key(text: str) -> PublicKey:
    """A wallet's public key, from a JWK as text: Ed25519 or P-256, and of its members only those that make it up.

    Raises:
        PrivateKeyGiven, BadInput: it is none.
    """
    try:
        return read_public_key(text)
    except PrivateKeyGiven:
        raise PrivateKeyGiven(
            "收到的是含私钥的 JWK。我们没有保存它,请在钱包中作废这把密钥、另行生成,只提交公钥部分。"
        ) from None
    except BadInput:
        raise BadInput("keys 的每一项须为一把公钥的 JWK(Ed25519 或 P-256)。请由钱包重新生成后再试。") from None


def period_of(now: datetime) -> tuple[datetime, datetime]:
    """When a credential made now began and ends: both on the hour, so that they tell of no one moment."""
    issued_at = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return issued_at, issued_at + LIFETIME


def make_credential(keys: Keys, *, issuer: str, offer: str, holder: PublicKey, now: datetime) -> str:
    """The SD-JWT VC that says that the benefit of `offer` (a public id) applies to whoever holds this key."""
    # Only the server makes credentials: who checks one needs neither library.
    from jwcrypto.jwk import JWK  # type: ignore[import-untyped]
    from sd_jwt.common import SDObj  # type: ignore[import-untyped]
    from sd_jwt.issuer import SDJWTIssuer  # type: ignore[import-untyped]

    issued_at, expires_at = period_of(now)
    key = keys.active("credential")
    claims = {
        "iss": issuer,
        "iat": int(issued_at.timestamp()),
        "exp": int(expires_at.timestamp()),
        "vct": VCT,
        "cnf": {"jwk": holder.jwk},
        SDObj(BENEFIT): {"offer": offer},
    }
    signing = JWK(kty="OKP", crv="Ed25519", x=b64encode(key.public or b""), d=b64encode(key.secret or b""))
    made = SDJWTIssuer(claims, signing, sign_alg="EdDSA", extra_header_parameters={"typ": FORMAT, "kid": key.kid})
    return str(made.sd_jwt_issuance)


def read_credential(keys: Keys, text: str) -> Credential:
    """What stands in a credential or presentation, if we made it and nothing in it was changed.

    Raises:
        CredentialInvalid: it is none; the message says why.
    """
    if len(text) > LONGEST or not text.isascii():
        raise CredentialInvalid("不是 SD-JWT 文本,或长度超限。请由钱包重新出示。")
    signed, *disclosures = text.split("~")
    if not disclosures:
        raise CredentialInvalid("不是 SD-JWT 文本:缺少以 ~ 分隔的各段。请由钱包重新出示。")
    try:
        claims = verify(keys, "credential", signed)
    except SignatureInvalid as error:
        raise CredentialInvalid(error.message) from None
    if set(claims) != _CLAIMS or claims["vct"] != VCT or claims["_sd_alg"] != "sha-256":
        raise CredentialInvalid(f"凭证的内容项与类型 {VCT} 不符。请领取新的凭证。")
    proof = disclosures.pop()
    return Credential(
        issuer=str(claims["iss"]),
        issued_at=datetime.fromtimestamp(claims["iat"], UTC),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        holder=read_public_key(orjson.dumps(claims["cnf"]["jwk"]).decode()),
        disclosed=_disclosed(disclosures, claims["_sd"]),
        body=text[: len(text) - len(proof)],
        proof=proof,
    )


def _disclosed(disclosures: list[str], digests: list[str]) -> dict[str, Any]:
    """The claims that the disclosures show; each has to be one that the signature covers, and to come once."""
    found: dict[str, Any] = {}
    for disclosure in disclosures:
        if b64encode(sha256(disclosure.encode()).digest()) not in digests:
            raise CredentialInvalid("披露的内容不在签名之内,或被改动过。请由钱包重新出示。")
        # What the signature covers we made ourselves.
        _, name, value = orjson.loads(b64decode(disclosure))
        if name in found:
            raise CredentialInvalid("同一项内容披露了两次。请由钱包重新出示。")
        found[name] = value
    return found


def check_current(credential: Credential, *, now: datetime) -> None:
    """Raises `CredentialExpired` where its day is over."""
    if credential.expires_at <= now:
        raise CredentialExpired("凭证已过期(有效期不超过 24 小时)。请领取新的凭证后重新出示。")


def proof_claims(credential: Credential) -> dict[str, Any]:
    """What the holder signed with the credential's key over just this text; whom it was for is the caller's to judge.

    Raises:
        KeyNotProved: there is no proof, or it is not the key's over this text.
    """
    if not credential.proof:
        raise KeyNotProved("没有持有人密钥的证明(KB-JWT)。请由钱包出示,不要转发凭证本身。")
    header, claims = _opened(credential.proof)
    algorithm = credential.holder.algorithm
    if header.get("typ") != PROOF_TYP or header.get("alg") != algorithm or "crit" in header:
        raise KeyNotProved(f"密钥证明的类型不符:应为 {PROOF_TYP}、{algorithm}。请升级钱包后重新出示。")
    try:
        public = jwt.PyJWK(credential.holder.jwk, algorithm=algorithm)
        jwt.decode(credential.proof, public, algorithms=[algorithm], options=_SIGNATURE_ONLY)
    except jwt.PyJWTError:
        raise KeyNotProved("密钥证明的签名与凭证绑定的密钥不符。请由领取凭证的钱包出示。") from None
    if claims.get("sd_hash") != b64encode(sha256(credential.body.encode()).digest()):
        raise KeyNotProved("密钥证明不是针对这份凭证签的。请由钱包重新出示。")
    return claims


def check_proof(credential: Credential, *, nonce: str, audience: str, now: datetime, since: datetime) -> None:
    """Whether the key was proved for this nonce and audience, not before `since`.

    Raises:
        KeyNotProved: it was not; the message says what differs.
    """
    claims = proof_claims(credential)
    if claims.get("nonce") != nonce:
        raise KeyNotProved("密钥证明的 nonce 与本次请求不符。请扫描最新的请求后重新出示。")
    if claims.get("aud") != audience:
        raise KeyNotProved("密钥证明的对象(aud)不是本平台。请核对请求来源后重新出示。")
    at = claims.get("iat")
    earliest, latest = (since - LEEWAY).timestamp(), (now + LEEWAY).timestamp()
    if isinstance(at, bool) or not isinstance(at, int) or not earliest <= at <= latest:
        raise KeyNotProved("密钥证明的时间(iat)不在请求期间。请校准手机时钟后重新出示。")


def _opened(proof: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a proof in its one spelling; nothing of them is proved yet."""
    try:
        header, claims, signature = proof.split(".")
        b64decode(signature)
        opened = orjson.loads(b64decode(header)), orjson.loads(b64decode(claims))
    except ValueError:
        opened = None, None
    if not all(isinstance(part, dict) for part in opened):
        raise KeyNotProved("密钥证明不是规范的 JWT。请由钱包重新出示。")
    return opened
