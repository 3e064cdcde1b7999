"""A wallet for tests: its keys are its own, and what it shows is made by the SD-JWT library's holder side."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson
from factories import City, offer_id
from jwcrypto.jwk import JWK
from sd_jwt.holder import SDJWTHolder

from core.keys import b64decode
from core.signing import verify

ISSUE = """mutation ($input: IssueCredentialsInput!) { issueCredentials(input: $input) { __typename
  ... on CredentialBatch { credentials expiresAt } ... on Problem { code message } } }"""
ASK = """mutation ($input: CreatePresentationRequestInput!) { createPresentationRequest(input: $input) { __typename
  ... on PresentationRequest { id state requestUri qrText expiresAt } ... on Problem { code message } } }"""
LOOK = """query ($id: ID!) { presentationRequest(id: $id) { state expiresAt problem { code message }
  verification { id outcome benefit receipt expiresAt } } }"""
MINE = "{ me { credentials { offer { id } issuedAt expiresAt count used } } }"
ALGORITHMS = {"EC": "ES256", "OKP": "EdDSA"}


def new_key(curve: str = "P-256") -> JWK:
    """A fresh pair of a holder's."""
    return JWK.generate(kty="OKP" if curve == "Ed25519" else "EC", crv=curve)


@dataclass
class Held:
    """A credential and its key."""

    text: str
    key: JWK

    def shown(self, *, nonce: str, audience: str, at: float, disclose: bool = True, key: JWK | None = None) -> str:
        """A presentation, made at that moment; `key` signs in place of the credential's own."""
        holder = SDJWTHolder(self.text)
        signing = key or self.key
        with patch("sd_jwt.holder.time", lambda: at):
            algorithm = ALGORITHMS[signing.export(as_dict=True)["kty"]]
            claims = {"benefit_applies": True} if disclose else {}
            holder.create_presentation(claims, nonce, audience, signing, algorithm)
        return str(holder.sd_jwt_presentation)


@dataclass
class Wallet:
    """What a person carries."""

    city: City
    person: str
    held: list[Held] = field(default_factory=list)

    async def fetch(
        self, offer: str = "museum", *, number: int = 1, curve: str = "P-256", **given: Any
    ) -> dict[str, Any]:
        """Get credentials of an offer; the answer."""
        made = [new_key(curve) for _ in range(number)]
        asked = {"offerId": offer_id(offer), "keys": [key.export_public() for key in made]} | given
        answer = await self.city.do(ISSUE, by=self.person, **asked)
        self.held += [Held(text, key) for text, key in zip(answer.get("credentials", []), made, strict=False)]
        return answer

    async def read(self, request: dict[str, Any]) -> dict[str, Any]:
        """Scan a request's QR code, fetch the request object and check it; its claims."""
        parts = urlsplit(request["qrText"])
        assert parts.scheme == "openid4vp"
        (address,), (client,) = (parse_qs(parts.query)[name] for name in ("request_uri", "client_id"))
        answer = await self.city.client.get(urlsplit(address).path)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/oauth-authz-req+jwt"
        claims = verify(self.city.keys, "presentation", answer.text)
        assert claims["client_id"] == client
        return claims

    async def show(self, request: dict[str, Any], held: Held | None = None, **how: Any) -> httpx.Response:
        """Answer a request with a credential, by default the newest one."""
        return await self.answer(await self.read(request), held, **how)

    async def answer(self, asked: dict[str, Any], held: Held | None = None, **how: Any) -> httpx.Response:
        """Answer what was read of a request."""
        given = {"nonce": asked["nonce"], "audience": asked["client_id"], "at": self.city.now.timestamp()} | how
        shown = (held or self.held[-1]).shown(**given)
        return await self.post(asked, {"benefit": [shown]})

    async def post(self, asked: dict[str, Any], vp_token: Any, **given: str) -> httpx.Response:
        """Post an answer as it is."""
        form = {"vp_token": orjson.dumps(vp_token).decode(), "state": asked["state"]} | given
        return await self.city.client.post(urlsplit(asked["response_uri"]).path, data=form)


async def request(city: City, offer: str = "museum", *, by: str = "scenic", **given: Any) -> dict[str, Any]:
    """A partner's request for the credential of an offer."""
    return await city.do(ASK, by=by, **{"requestId": city.next_request(), "offerId": offer_id(offer)} | given)


async def look(city: City, asked: dict[str, Any], *, by: str = "scenic") -> dict[str, Any]:
    """How the request stands, as its partner sees it."""
    body = await city.ask(LOOK, {"id": asked["id"]}, by=by)
    assert "errors" not in body, body
    found: dict[str, Any] = body["data"]["presentationRequest"]
    return found


def opened(text: str) -> list[Any]:
    """Everything that can be read in a credential or presentation, decoded."""
    found: list[Any] = []
    for part in filter(None, text.split("~")):
        segments = part.split(".")
        found += [orjson.loads(b64decode(one)) for one in (segments[:2] if len(segments) == 3 else segments)]
    return found
