"""OpenID Connect: authorization code with PKCE, any provider by discovery. One thing to know: nothing of an answer is
believed before its ID token has passed every check here, and what is learned from it is one number or one account's id.

Discovery, keys and signatures are the provider's; state, nonce and verifier are ours and travel sealed in the browser
that began (`api.identity.browser`). Keys are kept for an hour; a key id that we do not know has them fetched again,
once a minute at most, so that a provider may change its keys at any time.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import urlencode

import orjson
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from api.identity import SignInFailed
from api.identity.fetching import Answer, ask, down
from api.identity.providers import Oidc, is_allowed_address

KEPT = timedelta(hours=1)
BETWEEN_FETCHES = timedelta(minutes=1)
SKEW_SECONDS = 60
OLDEST_SECONDS = 600
"""An ID token of a sign-in that has just ended is younger."""
LONGEST_TOKEN = 20_000
LONGEST_CLAIM = 200
Key: TypeAlias = RSAKey | ECKey | OKPKey


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the provider has to give back unchanged, or has to prove it knows."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> Attempt:
        """Fresh ones."""
        return cls(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48))


@dataclass(frozen=True, slots=True)
class Proved:
    """What an ID token that passed says."""

    user: str
    """What the provider calls its user (`sub`)."""
    value: str
    """The claim that was asked for: a number, or the id of an account."""
    name: str


@dataclass(slots=True)
class _Known:
    """What was fetched last, and when."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    metadata_at: datetime | None = None
    keys: Sequence[Key] = ()
    keys_at: datetime | None = None


class OidcClient:
    """Speaks with one provider; `redirect_uri` is where it sends browsers back to."""

    def __init__(self, provider: Oidc, *, redirect_uri: str, is_demo: bool) -> None:
        self.provider, self._redirect_uri, self._is_demo = provider, redirect_uri, is_demo
        self._settings = provider.settings
        self._known = _Known()

    async def begin(self, attempt: Attempt, *, again: bool, now: datetime) -> str:
        """The address to send the browser to. `again`: the person shall prove herself anew, signed in there or not.

        Raises:
            Unavailable: the provider does not answer.
        """
        metadata, asked = await self._metadata(now), self._settings
        more = {"acr_values": " ".join(asked.assurance)} if asked.assurance else {}
        if again:
            more |= {"prompt": "login"}
        return str(
            prepare_grant_uri(
                metadata["authorization_endpoint"],
                client_id=asked.client_id,
                response_type="code",
                redirect_uri=self._redirect_uri,
                scope=" ".join(asked.scopes),
                state=attempt.state,
                nonce=attempt.nonce,
                code_challenge=create_s256_code_challenge(attempt.verifier),
                code_challenge_method="S256",
                **more,
            )
        )

    async def finish(self, attempt: Attempt, returned: Mapping[str, str], *, now: datetime) -> Proved:
        """Who came back. `returned` are the parameters that the browser brought; its state was compared before.

        Raises:
            SignInFailed: a check failed. Unavailable: the provider does not answer.
        """
        metadata = await self._metadata(now)
        issuer = returned.get("iss")  # RFC 9207: another provider's answer is not taken for this one's
        if issuer is None and metadata.get("authorization_response_iss_parameter_supported") is True:
            raise SignInFailed("ISSUER_MISSING")
        if issuer is not None and issuer != self._settings.issuer:
            raise SignInFailed("WRONG_ISSUER")
        if "error" in returned:
            if returned["error"] in ("access_denied", "login_required", "interaction_required"):
                raise SignInFailed("CANCELLED", "登录没有完成:在登录服务方取消了,或没有授权。如需登录,请重新开始。")
            raise SignInFailed("REFUSED_BY_PROVIDER")
        code = returned.get("code", "")
        if not code:
            raise SignInFailed("CODE_MISSING")
        tokens = await self._exchange(metadata, code, attempt)
        claims = await self._checked(tokens.get("id_token"), attempt, now=now)
        if self._settings.userinfo:
            claims = {**await self._userinfo(metadata, tokens, claims), **claims}
        value, name = claims.get(self._settings.claim), claims.get(self._settings.name_claim or "", "")
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST_CLAIM:
            raise SignInFailed("CLAIM_MISSING", "登录服务方没有提供所需的实名信息。请在那里完成实名认证后重新登录。")
        return Proved(claims["sub"], value, name if isinstance(name, str) else "")

    async def _exchange(self, metadata: Mapping[str, Any], code: str, attempt: Attempt) -> dict[str, Any]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._redirect_uri}
        body = urlencode(form | {"code_verifier": attempt.verifier})
        url = metadata["token_endpoint"]
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        url, headers, body = self._authentication(metadata).prepare("POST", url, headers, body)
        sent = body.encode() if isinstance(body, str) else bytes(body)
        answer = await self._ask("POST", url, headers=headers, form=sent)
        if answer.status == 200:
            return answer.body
        if answer.body.get("error") == "invalid_grant":
            raise SignInFailed("CODE_REFUSED", "登录服务方没有接受本次登录:登录码已用过或已过期。请重新登录。")
        raise down(self._settings.name, f"token endpoint: status {answer.status}")

    def _authentication(self, metadata: Mapping[str, Any]) -> ClientAuth:
        provider, client_id = self.provider, self._settings.client_id
        if provider.private_key is not None:
            algorithm = self._settings.private_key_algorithm
            signed = PrivateKeyJWT(metadata["token_endpoint"], alg=algorithm)
            return ClientAuth(client_id, _private_key(provider.private_key, algorithm), signed)
        if provider.secret is None:
            return ClientAuth(client_id, None, "none")
        allowed = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        posts = isinstance(allowed, list) and "client_secret_basic" not in allowed and "client_secret_post" in allowed
        return ClientAuth(client_id, provider.secret, "client_secret_post" if posts else "client_secret_basic")

    async def _checked(self, token: object, attempt: Attempt, *, now: datetime) -> dict[str, Any]:
        """The claims of an ID token for us, of this attempt, made just now (OpenID Connect Core, 3.1.3.7)."""
        claims = await self._signed(token, now)
        asked, present = self._settings, now.timestamp()
        if claims.get("iss") != asked.issuer:
            raise SignInFailed("WRONG_ISSUER")
        heard = claims.get("aud")
        audience = heard if isinstance(heard, list) else [heard]
        if asked.client_id not in audience:
            raise SignInFailed("WRONG_AUDIENCE")
        if (len(audience) > 1 or "azp" in claims) and claims.get("azp") != asked.client_id:
            raise SignInFailed("WRONG_PARTY")
        expires, issued = _seconds(claims, "exp"), _seconds(claims, "iat")
        begins = _seconds(claims, "nbf") if "nbf" in claims else issued
        if expires <= present - SKEW_SECONDS or issued <= present - OLDEST_SECONDS:
            raise SignInFailed("EXPIRED")
        if issued > present + SKEW_SECONDS or begins > present + SKEW_SECONDS:
            raise SignInFailed("NOT_YET")
        nonce = claims.get("nonce")
        if not isinstance(nonce, str) or not secrets.compare_digest(nonce.encode(), attempt.nonce.encode()):
            raise SignInFailed("WRONG_NONCE")
        if asked.assurance and claims.get("acr") not in asked.assurance:
            raise SignInFailed("ASSURANCE", "登录的认证方式强度不够。请用登录服务方要求的更高等级方式重新登录。")
        if not isinstance(claims.get("sub"), str) or not 0 < len(claims["sub"]) <= LONGEST_CLAIM:
            raise SignInFailed("SUBJECT_MISSING")
        return claims

    async def _signed(self, token: object, now: datetime) -> dict[str, Any]:
        if not isinstance(token, str) or len(token) > LONGEST_TOKEN:
            raise SignInFailed("TOKEN_MISSING")
        try:
            head = jws.extract_compact(token.encode()).headers()
        except (JoseError, ValueError):
            raise SignInFailed("TOKEN_MALFORMED") from None
        # The list decides, not the token: `none` proves nothing, HS256 would take a public key for a secret.
        if head.get("alg") not in self._settings.algorithms or "crit" in head:
            raise SignInFailed("WRONG_ALGORITHM")
        key = await self._key(now, head.get("kid"))
        try:
            opened = jws.deserialize_compact(token, key, algorithms=list(self._settings.algorithms))
        except (JoseError, ValueError):
            raise SignInFailed("BAD_SIGNATURE") from None
        try:
            claims = orjson.loads(opened.payload)
        except ValueError:
            claims = None
        if not isinstance(claims, dict):
            raise SignInFailed("TOKEN_MALFORMED")
        return claims

    async def _key(self, now: datetime, kid: object) -> Key:
        """The provider's key of that id, or its only one; fetched again where they are old or it is not among them."""
        known, fetched = self._known, self._known.keys_at
        found = _chosen(known.keys, kid)
        is_old = fetched is None or not now - KEPT < fetched <= now
        if is_old or (found is None and fetched is not None and now >= fetched + BETWEEN_FETCHES):
            answer = await self._ask("GET", (await self._metadata(now))["jwks_uri"])
            known.keys, known.keys_at = _public_keys(answer.body), now
            found = _chosen(known.keys, kid)
        if found is None:
            raise SignInFailed("UNKNOWN_KEY")
        return found

    async def _metadata(self, now: datetime) -> Mapping[str, Any]:
        known, asked = self._known, self._settings
        if known.metadata_at is not None and now - KEPT < known.metadata_at <= now:
            return known.metadata
        answer = await self._ask("GET", asked.issuer.rstrip("/") + "/.well-known/openid-configuration")
        found = answer.body
        endpoints = [found.get(f"{name}_endpoint") for name in ("authorization", "token")] + [found.get("jwks_uri")]
        if answer.status != 200 or found.get("issuer") != asked.issuer:
            raise down(asked.name, "discovery: another issuer")
        if not all(isinstance(one, str) and is_allowed_address(one, is_demo=self._is_demo) for one in endpoints):
            raise down(asked.name, "discovery: an address is missing or not https")
        known.metadata, known.metadata_at = found, now
        return found

    async def _userinfo(
        self, metadata: Mapping[str, Any], tokens: Mapping[str, Any], claims: Mapping[str, Any]
    ) -> dict[str, Any]:
        url, token = metadata.get("userinfo_endpoint"), tokens.get("access_token")
        if not isinstance(url, str) or not isinstance(token, str):
            raise down(self._settings.name, "no userinfo")
        answer = await self._ask("GET", url, headers={"authorization": f"Bearer {token}"})
        if answer.status != 200:
            raise down(self._settings.name, f"userinfo: status {answer.status}")
        if answer.body.get("sub") != claims["sub"]:
            raise SignInFailed("OTHER_USER")
        return answer.body

    async def _ask(self, method: str, url: str, **given: Any) -> Answer:
        return await ask(method, url, name=self._settings.name, is_demo=self._is_demo, **given)


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    at = claims.get(name)
    if isinstance(at, bool) or not isinstance(at, (int, float)):
        raise SignInFailed("TIMES_MISSING")
    return at


def _private_key(pem: str, algorithm: str) -> Key:
    sort = {"R": RSAKey, "P": RSAKey, "E": OKPKey if algorithm.startswith("Ed") else ECKey}[algorithm[0]]
    return sort.import_key(pem)


def _public_keys(content: Mapping[str, Any]) -> list[Key]:
    """Those of a key set that are for signatures; a key of a kind we do not know is passed over."""
    found = list[Key]()
    for jwk in content["keys"] if isinstance(content.get("keys"), list) else ():
        sort = _SORTS.get(jwk.get("kty")) if isinstance(jwk, dict) and jwk.get("use", "sig") == "sig" else None
        if sort is None:
            continue
        try:
            found.append(sort.import_key(jwk))
        except (JoseError, ValueError, KeyError, TypeError):
            continue
    return found


_SORTS: Mapping[Any, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}


def _chosen(keys: Sequence[Key], kid: object) -> Key | None:
    if kid is None:
        return keys[0] if len(keys) == 1 else None
    return next((key for key in keys if key.kid == kid), None)
