"""A scenic spot nobody knows applies, is let in, opens an offer, serves its first visitor, and is paid. One thing to
know: everything goes through the API, over HTTP, with keys that the partner made itself; nobody helps from inside."""

from __future__ import annotations

import asyncio
import csv
import io
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import orjson
import pytest
from factories import ISSUE, REDEEM, REVERSE, VERIFY, City, open_city
from joining import ADD_DOCUMENT, APPLY, MOVE, PDF, REGISTER_KEY, SUBMIT, some_uscc
from listening import listening
from offer_steps import offer_draft
from sqlalchemy import insert

from api.settlement import making_of
from cli.main import run
from cli.partner_keys import PartnerKey, new_key
from core.clock import day_of, utc_now
from partners.settlement.making import settle_due
from scoring.tables import credit_records

SUBMIT_OFFER = """mutation ($input: SubmitOfferInput!) { submitOffer(input: $input) {
  __typename ... on Offer { id } ... on Problem { code message } } }"""
APPROVE_OFFER = """mutation ($input: ApproveOfferInput!) { approveOffer(input: $input) {
  __typename ... on Offer { id status } ... on Problem { code message } } }"""
BENEFITS = "{ me { benefits(first: 50) { edges { node { available offer { id title partner { name } } } } } } }"
FILES = "{ settlementFiles { edges { node { day funder lines totalFen csvPath statementPath } } } }"
HISTORY = "query ($id: ID!) { membership(partnerId: $id) { status steps { status actor } } }"


class Town:
    """The application on a port of this machine, and people who ask it over the wire."""

    def __init__(self, city: City, address: str) -> None:
        self.city, self.address = city, address
        self.client = httpx.AsyncClient(base_url=address, timeout=30)

    async def do(self, token: str | None, document: str, **given: Any) -> dict[str, Any]:
        """A mutation's one result, or a query's whole data."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        variables = given if document.startswith("query") else {"input": given}
        asked = {"query": document, "variables": variables}
        body = (await self.client.post("/graphql", json=asked, headers=headers)).json()
        assert "errors" not in body, body
        found: dict[str, Any] = body["data"]
        return next(iter(found.values())) if document.startswith(("mutation", "query")) else found

    async def sign_in(self, key: PartnerKey, partner: str) -> str:
        """A token for whoever holds the key."""
        about = (await self.client.get("/.well-known/oauth-authorization-server")).json()
        now = int(self.city.now.timestamp())
        claims = {"iss": partner, "sub": partner, "aud": about["token_endpoint"], "exp": now + 60, "jti": str(uuid4())}
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": jwt.encode(claims, key.private, algorithm=key.algorithm, headers={"kid": key.kid}),
        }
        return str((await self.client.post("/oauth/token", data=form)).json()["access_token"])


@pytest.fixture
async def town(city_url: str, tmp_path: Path, keys_file: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    """A small city of today with a sandbox, where slow answers are quick; one of its people has just been honoured."""
    monkeypatch.setattr("api.rehearsal.SLOW_SECONDS", 0.01)
    sandbox = {
        "sandbox_database_url": f"sqlite+aiosqlite:///{tmp_path}/sandbox.db",
        "sandbox_keys_file": tmp_path / "sandbox-keys.json",
    }
    async with open_city(database_url=city_url, keys_file=keys_file, files=str(tmp_path / "files"), **sandbox) as city:
        city.now = utc_now()
        honoured = {"subject_id": 1, "id": "story", "item": "rescue-honour", "source": "测试"}
        await city.write(insert(credit_records).values(**honoured, occurred_on=day_of(city.now) - timedelta(days=30)))
        async with listening(city.app) as address:
            opened = Town(city, address)
            yield opened
            await opened.client.aclose()


async def test_a_partner_goes_from_application_to_its_first_settled_redemption(
    town: Town, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    city = town.city
    operator, colleague, reviewer = (city.token(who) for who in ("operator", "operator-2", "reviewer"))
    page = b64encode(PDF).decode()

    # Somebody unknown applies, with a key of its own and nothing else.
    desk = new_key(tmp_path / "desk.jwk", algorithm="EdDSA")
    asked = {"place": "hunan-shaoyang", "sector": "scenic", "name": "测试古镇", "uscc": some_uscc()}
    applied = await town.do(None, APPLY, **asked, contact="前台", publicKey=public_half(desk))
    assert applied["status"] == "DRAFT"
    partner = applied["partnerId"]
    mine = await town.sign_in(desk, partner)
    await town.do(mine, ADD_DOCUMENT, kind="LICENCE", title="执照.pdf", content=page)
    assert (await town.do(mine, SUBMIT))["status"] == "SUBMITTED"

    # Two people of the alliance look it over and sign a contract; the one who qualified it may not sign.
    await town.do(operator, MOVE, partnerId=partner, to="QUALIFIED")
    contract = await town.do(operator, ADD_DOCUMENT, partnerId=partner, kind="CONTRACT", title="协议.pdf", content=page)
    signed = {"partnerId": partner, "to": "CONTRACTED", "contractNumber": "XY-1", "documentId": contract["id"]}
    await town.do(reviewer, MOVE, **signed)
    await town.do(operator, MOVE, partnerId=partner, to="SANDBOX")

    # Without a passed run it is not certified; its program passes in the sandbox.
    early = await town.do(reviewer, MOVE, partnerId=partner, to="CERTIFIED")
    assert early["__typename"] == "Problem", early
    mine = await town.sign_in(desk, partner)
    trial, live = (new_key(tmp_path / f"{use}.jwk", algorithm="ES256") for use in ("trial", "live"))
    await town.do(mine, REGISTER_KEY, use="SANDBOX", publicKey=public_half(trial))
    arguments = ["--url", f"{town.address}/sandbox", "--key", str(tmp_path / "trial.jwk"), "--partner", partner]
    assert await asyncio.to_thread(run, ["partner", "check", *arguments]) == 0, capsys.readouterr()
    assert (await town.do(reviewer, MOVE, partnerId=partner, to="CERTIFIED"))["status"] == "CERTIFIED"
    await town.do(mine, REGISTER_KEY, use="LIVE", publicKey=public_half(live))
    assert (await town.do(colleague, MOVE, partnerId=partner, to="LIVE"))["status"] == "LIVE"
    history = await town.do(operator, HISTORY, id=partner)
    assert [step["status"] for step in history["steps"]] == [
        "DRAFT", "SUBMITTED", "QUALIFIED", "CONTRACTED", "SANDBOX", "CERTIFIED", "LIVE",
    ]  # fmt: skip

    # It writes an offer; an unlawful one is refused with the rule, a lawful one is opened by somebody else.
    today = day_of(city.now).isoformat()
    offer = offer_draft(partnerId=partner, opensOn=today, benefit="门票减 10 元", effects=["fee-reduction"])
    unlawful = await town.do(mine, SUBMIT_OFFER, **offer | {"benefit": "门票减 10 元,未达标者加收 10 元"})
    assert (unlawful["code"], "[L11]" in unlawful["message"]) == ("OFFER_UNLAWFUL", True)
    written = await town.do(mine, SUBMIT_OFFER, **offer)
    assert (await town.do(colleague, APPROVE_OFFER, offerId=written["id"]))["status"] == "approved"

    # A citizen finds it, shows a code, and gets it; one without the standing gets the standard service.
    visitor = city.token("good")
    shown = [edge["node"] for edge in (await town.do(visitor, BENEFITS))["me"]["benefits"]["edges"]]
    assert [one["available"] for one in shown if one["offer"]["id"] == written["id"]] == [True]
    counter = await town.sign_in(live, partner)

    async def scan(person: str) -> dict[str, Any]:
        code = (await town.do(city.token(person), ISSUE))["token"]
        asked = {"requestId": city.next_request(), "code": code, "offerId": written["id"], "site": "东门"}
        return await town.do(counter, VERIFY, **asked)

    plain = await scan("plain")
    assert (plain["outcome"], plain["benefit"]) == ("STANDARD_SERVICE", None)
    verified = await scan("good")
    assert (verified["outcome"], verified["benefit"]) == ("BENEFIT_APPLIES", "门票减 10 元")
    used = await town.do(counter, REDEEM, requestId=city.next_request(), verificationId=verified["id"], amountFen=1000)
    again = await scan("good")
    mistaken = await town.do(counter, REDEEM, requestId=city.next_request(), verificationId=again["id"], amountFen=1000)
    undone = {"requestId": city.next_request(), "redemptionId": mistaken["id"], "reason": "顾客退票"}
    await town.do(counter, REVERSE, **undone)
    assert [event["outcome"] for event in await city.log("good")] == ["BENEFIT_APPLIES", "BENEFIT_APPLIES"]

    # The next morning there is a file, signed, and equal to the receipts to the 分.
    city.wait(days=1)
    await settle_due(city.state.database, making_of(city.state), now=city.now)
    mine = await town.sign_in(desk, partner)
    (edge,) = (await town.do(mine, FILES))["settlementFiles"]["edges"]
    file = edge["node"]
    assert (file["day"], file["funder"], int(file["totalFen"])) == (today, "测试古镇", 1000)
    for path in ("csvPath", "statementPath"):
        fetched = await town.client.get(file[path], headers={"authorization": f"Bearer {mine}"})
        (tmp_path / f"settled.{path[:-4]}").write_bytes(fetched.content)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "settled.csv").read_text("utf-8-sig"))))
    assert len(rows) == file["lines"]
    (tmp_path / "jwks.json").write_bytes((await town.client.get("/.well-known/jwks.json")).content)
    check = ["settlement", "verify", str(tmp_path / "settled.csv"), "--statement", str(tmp_path / "settled.statement")]
    assert await asyncio.to_thread(run, [*check, "--jwks", str(tmp_path / "jwks.json")]) == 0
    assert used["redeemedAt"]


def public_half(key: PartnerKey) -> str:
    """The public half, as it is registered."""
    return orjson.dumps(key.public_jwk()).decode()
