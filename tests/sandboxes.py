"""A small city with a sandbox, and a partner in it. One thing to know: the partner signs in with a real key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
from factories import REDEEM, REVERSE, VERIFY, City, open_city
from sqlalchemy import insert, update

from api.ids import public_id
from api.sandbox import Mirror
from api.sandbox_state import SandboxState
from cli.partner_keys import PartnerKey, new_key
from core.identifiers import new_id
from partners.onboarding.tables import partner_keys
from partners.sandbox.synthetic import Role, offer_id

RUN = """... on ConformanceRun { id state webhookSecret offers { role id }
  steps { code passed missing materials persona fault offer } }"""
CODE = """mutation ($input: SandboxCodeInput!) { sandboxCode(input: $input) { __typename
  ... on SandboxCode { token expiresAt offerId } ... on Problem { code message } } }"""
MOVE = """mutation ($input: MoveSandboxClockInput!) { moveSandboxClock(input: $input) { __typename
  ... on SandboxTime { now aheadSeconds } ... on Problem { code message } } }"""
RESET = """mutation ($input: ResetSandboxClockInput!) { resetSandboxClock(input: $input) { __typename
  ... on SandboxTime { now aheadSeconds } ... on Problem { code message } } }"""
START = f"""mutation ($input: StartConformanceRunInput!) {{ startConformanceRun(input: $input) {{ __typename {RUN}
  ... on Problem {{ code message }} }} }}"""
FINISH = f"""mutation ($input: FinishConformanceRunInput!) {{ finishConformanceRun(input: $input) {{ __typename {RUN}
  ... on Problem {{ code message }} }} }}"""
REPORT = f"""mutation ($input: ReportConformanceInput!) {{ reportConformance(input: $input) {{ __typename {RUN}
  ... on Problem {{ code message }} }} }}"""
SEND = f"""mutation ($input: SendConformanceWebhooksInput!) {{
  sendConformanceWebhooks(input: $input) {{ __typename {RUN} ... on Problem {{ code message }} }} }}"""


class Trial:
    """A partner of a city trying the city's sandbox."""

    def __init__(self, city: City, key: PartnerKey, *, partner_id: int = 1) -> None:
        assert city.state.sandbox is not None
        self.city, self.key, self.partner_id = city, key, partner_id
        self.state: SandboxState = city.state.sandbox
        self.token = ""

    async def sign_in(self) -> httpx.Response:
        """Take a token with the key."""
        issuer, now = self.state.settings.issuer, int(self.city.now.timestamp())
        me = public_id("Partner", self.partner_id)
        claims = {"iss": me, "sub": me, "aud": issuer, "iat": now, "exp": now + 60, "jti": str(uuid4())}
        assertion = jwt.encode(claims, self.key.private, algorithm=self.key.algorithm, headers={"kid": self.key.kid})
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
        }
        response = await self.city.client.post("/sandbox/oauth/token", data=form)
        self.token = response.json().get("access_token", "")
        return response

    async def ask(self, query: str, variables: dict[str, Any] | None = None, *, token: str | None = None) -> Any:
        """The whole body of the sandbox's answer."""
        headers = {"authorization": f"Bearer {self.token if token is None else token}"}
        body = {"query": query, "variables": variables}
        return (await self.city.client.post("/sandbox/graphql", json=body, headers=headers)).json()

    async def do(self, mutation: str, **given: Any) -> dict[str, Any]:
        """A mutation's one result."""
        body = await self.ask(mutation, {"input": given})
        assert "errors" not in body, body
        (result,) = body["data"].values()
        return dict(result)

    async def code(self, persona: str = "BENEFIT", fault: str = "NONE") -> dict[str, Any]:
        """A code to scan."""
        return await self.do(CODE, persona=persona, fault=fault)

    async def verify(self, code: dict[str, Any], *, role: Role | None = None, **given: Any) -> dict[str, Any]:
        """Scan it: at the offer it is meant for, or at that of a role."""
        offer = code["offerId"] if role is None else self.offer(role)
        asked = {"requestId": self.city.next_request(), "code": code["token"], "offerId": offer}
        return await self.do(VERIFY, **asked | given)

    async def redeem(self, verification: dict[str, Any]) -> dict[str, Any]:
        """Use what was verified."""
        return await self.do(REDEEM, requestId=self.city.next_request(), verificationId=verification["id"])

    async def reverse(self, redemption: dict[str, Any]) -> dict[str, Any]:
        """Take it back."""
        asked = {"requestId": self.city.next_request(), "redemptionId": redemption["id"], "reason": "顾客退票"}
        return await self.do(REVERSE, **asked)

    async def serve(self) -> dict[str, Any]:
        """Verify somebody to whom the benefit applies, and redeem."""
        return await self.redeem(await self.verify(await self.code()))

    def offer(self, role: Role) -> str:
        """The public id of the partner's synthetic offer."""
        return public_id("Offer", offer_id(self.partner_id, role))


async def register(city: City, key: PartnerKey, *, partner_id: int = 1) -> None:
    """Register a sandbox key on the live side, and let it be passed on."""
    row = {
        "id": new_id(),
        "partner_id": partner_id,
        "use": "sandbox",
        "kid": key.kid,
        "algorithm": key.algorithm,
        "jwk": key.public_jwk(),
        "account": str(uuid4()),
        "registered_by": "representative",
        "registered_at": city.now,
        "expires_at": city.now + timedelta(days=90),
        "reason": "",
    }
    await city.write(insert(partner_keys).values(row))
    await pass_on(city)


async def revoke(city: City, key: PartnerKey) -> None:
    """Revoke it there."""
    await city.write(update(partner_keys).where(partner_keys.c.kid == key.kid).values(revoked_at=city.now))
    await pass_on(city)


async def pass_on(city: City) -> None:
    """What the background does every two seconds."""
    assert city.state.sandbox is not None
    await Mirror(city.state, city.state.sandbox)()


@asynccontextmanager
async def open_trial(
    tmp_path: Path, *, city_url: str, sandbox_url: str, keys_file: Path, algorithm: str = "EdDSA", **given: Any
) -> AsyncIterator[Trial]:
    """A city with a sandbox, and its first partner signed in there."""
    own = {"sandbox_database_url": sandbox_url, "sandbox_keys_file": tmp_path / "sandbox-keys.json"}
    async with open_city(database_url=city_url, keys_file=keys_file, **own, **given) as city:
        key = new_key(tmp_path / f"partner-{algorithm}.jwk", algorithm=algorithm)
        await register(city, key)
        trial = Trial(city, key)
        await trial.sign_in()
        yield trial


async def second_partner(trial: Trial, tmp_path: Path) -> Trial:
    """Another partner of the same sandbox."""
    other = Trial(trial.city, new_key(tmp_path / "other.jwk", algorithm="ES256"), partner_id=2)
    await register(trial.city, other.key, partner_id=2)
    await other.sign_in()
    return other
