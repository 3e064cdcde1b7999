"""A benefit out of a wallet, from issuing to redeeming. One thing to know: the wallet is the library's, it speaks HTTP,
and both stores are asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from factories import City, offer_id
from sqlalchemy import update
from test_authorisation import A_CONSENT, GIVE_CONSENT
from test_receipts import parts
from wallets import ASK, ISSUE, MINE, Wallet, look, new_key, opened, request

from api.ids import public_id
from core.audit import audit_entries
from core.keys import b64decode
from partners.eligibility import MESSAGES, WhyNot
from partners.receipts import check_receipt
from partners.tables import access_events, accounts, security_events, verifications
from partners.wallet.tables import presentation_requests, wallet_credentials
from scoring.tables import enrollments


@pytest.mark.parametrize("curve", ["P-256", "Ed25519"])
async def test_a_credential_is_fetched_shown_decided_about_and_redeemed(city: City, curve: str) -> None:
    wallet = Wallet(city, "good")
    answer = await wallet.fetch("tower", number=3, curve=curve)
    assert (answer["__typename"], answer["expiresAt"]) == ("CredentialBatch", "2026-11-21T04:00:00+00:00")
    asked = await request(city, "tower", site="东门")
    assert (asked["state"], asked["expiresAt"]) == ("WAITING", "2026-11-20T04:05:00+00:00")
    assert await look(city, asked) == {
        "state": "WAITING", "expiresAt": asked["expiresAt"], "problem": None, "verification": None,
    }  # fmt: skip
    city.wait(seconds=20)
    shown = await wallet.show(asked)
    assert (shown.status_code, shown.json()) == (200, {})
    found = await look(city, asked)
    assert (found["state"], found["problem"]) == ("ANSWERED", None)
    answered = found["verification"]
    assert (answered["outcome"], answered["benefit"]) == ("BENEFIT_APPLIES", "赠送导览手册一份")
    assert check_receipt(city.keys, answered["receipt"])["outcome"] == "BENEFIT_APPLIES"
    (event,) = await city.log("good")
    assert (event["outcome"], event["receipt"], event["site"]) == ("BENEFIT_APPLIES", answered["receipt"], "东门")
    redeemed = await city.redeem(answered["id"])
    assert redeemed["__typename"] == "Redemption"
    mine = (await city.ask(MINE, by="good"))["data"]["me"]["credentials"]
    assert [(one["offer"]["id"], one["count"], one["used"]) for one in mine] == [(offer_id("tower"), 3, 1)]
    assert [row.action for row in sorted(await city.rows(audit_entries), key=lambda row: row.id)] == [
        "issueCredentials", "presentCredential", "redeemBenefit",
    ]  # fmt: skip


async def test_the_credential_says_one_thing_and_nothing_of_its_holder(city: City) -> None:
    wallet = Wallet(city, "good")
    await wallet.fetch()
    head, claims, (_, name, value) = opened(wallet.held[0].text)
    assert set(head) == {"alg", "typ", "kid"}
    assert (head["alg"], head["typ"]) == ("EdDSA", "dc+sd-jwt")
    assert set(claims) == {"iss", "iat", "exp", "vct", "cnf", "_sd", "_sd_alg"}
    assert set(claims["cnf"]["jwk"]) == {"kty", "crv", "x", "y"}
    assert (name, value) == ("benefit_applies", {"offer": offer_id("museum")})
    assert claims["iat"] % 3600 == claims["exp"] % 3600 == 0
    assert claims["exp"] - claims["iat"] == 86_400


async def test_two_presentations_to_two_partners_have_no_value_in_common_but_what_everybody_has(city: City) -> None:
    wallet = Wallet(city, "good")
    await wallet.fetch("museum", number=2)
    city.wait(minutes=7)
    await wallet.fetch("clinic", number=2)
    shown = []
    for offer, partner, held in (("museum", "scenic", wallet.held[0]), ("clinic", "hospital", wallet.held[2])):
        asked = await wallet.read(await request(city, offer, by=partner))
        told = {"nonce": asked["nonce"], "audience": asked["client_id"], "at": city.now.timestamp()}
        shown.append(held.shown(**told))
        city.wait(seconds=5)
    values = [
        set(leaves(opened(text))) | {b64decode(s) for p in text.split("~") for s in p.split(".")} for text in shown
    ]
    for_everybody = {
        "EdDSA", "dc+sd-jwt", city.keys.active("credential").kid, city.settings.issuer, 1795147200, 1795233600,
        "urn:xinyi:credential:benefit:1", "sha-256", "EC", "P-256", "benefit_applies", "ES256", "kb+jwt",
        "xinyi.example",
    }  # fmt: skip
    common = {value for value in values[0] & values[1] if not isinstance(value, bytes)}
    assert common == for_everybody
    heads = {b64decode(text.split(".")[0]) for text in shown}
    proofs = {b64decode(text.split("~")[-1].split(".")[0]) for text in shown}
    assert {value for value in values[0] & values[1] if isinstance(value, bytes)} == heads | proofs


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for one in value.values() for leaf in leaves(one)]
    if isinstance(value, list):
        return [leaf for one in value for leaf in leaves(one)]
    return [value]


REASONS = {
    "poor": "GRADE_NOT_REACHED", "plain": "GRADE_NOT_REACHED", "minor": "MINOR", "stranger": "NOT_ENROLLED",
    "faulty": "UNDER_REVIEW", "firm": "OTHER_SUBJECT_KIND", "elsewhere": "OTHER_PLACE",
}  # fmt: skip


@pytest.mark.parametrize("person", REASONS)
async def test_who_does_not_get_the_benefit_gets_no_credential_and_is_told_why(city: City, person: str) -> None:
    before = await city.tally()
    answer = await Wallet(city, person).fetch()
    assert answer == {
        "__typename": "Problem", "code": "BENEFIT_NOT_AVAILABLE", "message": MESSAGES[WhyNot(REASONS[person])],
    }  # fmt: skip
    assert await city.tally() == before


async def change(city: City, what: str) -> None:
    """Something about «good» that a partner must not hear of."""
    match what:
        case "left":
            await city.write(update(enrollments).where(enrollments.c.subject_id == 1).values(left_at=city.now))
        case "used up":
            answer = await city.verify(await city.code("good"), "garden")
            assert answer["outcome"] == "BENEFIT_APPLIES"
        case "consent paused":
            given = await city.do(GIVE_CONSENT, by="good", **A_CONSENT | {"partnerId": public_id("Partner", 1)})
            pause = "mutation ($input: PauseConsentInput!) { pauseConsent(input: $input) { __typename } }"
            assert (await city.do(pause, by="good", consentId=given["id"]))["__typename"] != "Problem"


@pytest.mark.parametrize("what", ["left", "used up", "consent paused"])
async def test_what_changed_about_the_person_since_is_standard_service_in_the_same_shape(city: City, what: str) -> None:
    wallet = Wallet(city, "good")
    await wallet.fetch("garden")
    await change(city, what)
    asked = await request(city, "garden")
    shown = await wallet.show(asked)
    assert (shown.status_code, shown.json()) == (200, {})
    found = await look(city, asked)
    assert (found["state"], found["problem"]) == ("ANSWERED", None)
    answered = found["verification"]
    assert (answered["outcome"], answered["benefit"]) == ("STANDARD_SERVICE", None)
    assert answered["receipt"]
    assert answered["id"]
    assert len((await city.log("good"))[0]["whyNot"]) == 1


async def test_whoever_shows_nothing_is_nobody_and_declining_looks_the_same(city: City) -> None:
    wallet = Wallet(city, "good")
    silent, declined = await request(city), await request(city)
    before = await city.tally()
    read = await wallet.read(declined)
    told = await city.client.post(
        f"/openid4vp/response/{read['state']}", data={"error": "access_denied", "state": read["state"]}
    )
    assert (told.status_code, told.json()) == (200, {})
    assert await look(city, silent) == await look(city, declined)
    city.wait(minutes=5)
    found = [await look(city, one) for one in (silent, declined)]
    assert [one["state"] for one in found] == ["EXPIRED", "EXPIRED"]
    assert await city.tally() == before
    late = await city.client.get(f"/openid4vp/request/{read['state']}")
    assert (late.status_code, late.json()["xinyi_code"]) == (404, "PRESENTATION_ENDED")


async def test_a_request_is_its_partners_alone_and_the_same_request_id_is_the_same_request(city: City) -> None:
    asked = await request(city, requestId="again")
    assert await request(city, requestId="again") == asked
    assert await look(city, asked, by="hospital") is None
    assert await look(city, {"id": "nonsense"}) is None
    other = await city.do(ASK, by="scenic", requestId="again", offerId=offer_id("tower"))
    assert other["code"] == "REQUEST_CONFLICT"
    for offer, code in (("clinic", "OFFER_NOT_YOURS"), ("ended", "OFFER_CLOSED")):
        assert (await request(city, offer))["code"] == code
    assert len(await city.rows(presentation_requests)) == 1


async def test_the_wallet_may_send_its_answer_again_and_nothing_happens_twice(city: City) -> None:
    wallet = Wallet(city, "good")
    await wallet.fetch("tower", number=2)
    asked = await request(city, "tower")
    read = await wallet.read(asked)
    told = {"nonce": read["nonce"], "audience": read["client_id"], "at": city.now.timestamp()}
    vp_token = {"benefit": [wallet.held[0].shown(**told)]}
    assert (await wallet.post(read, vp_token)).status_code == 200
    found, before = await look(city, asked), await city.tally()
    city.wait(seconds=30)
    assert (await wallet.post(read, vp_token)).status_code == 200
    assert (await look(city, asked), await city.tally()) == (found, before)
    other = await wallet.post(read, {"benefit": [wallet.held[1].shown(**told)]})
    assert other.json()["xinyi_code"] == "REQUEST_CONFLICT"
    assert await look(city, asked) == found
    assert len(await city.rows(verifications)) == 1


async def test_an_offer_without_quota_left_is_a_problem_about_nobody(city: City) -> None:
    wallet = Wallet(city, "good")
    await wallet.fetch("tower")
    asked = await request(city, "tower")
    for _ in range(10):
        await city.verify(await city.code("good"), "tower")
    shown = await wallet.show(asked)
    assert (shown.status_code, shown.json()["xinyi_code"]) == (400, "QUOTA_EXHAUSTED")
    found = await look(city, asked)
    assert (found["state"], found["verification"], found["problem"]["code"]) == ("ANSWERED", None, "QUOTA_EXHAUSTED")


async def test_a_key_is_used_once_is_public_and_comes_in_moderation(city: City) -> None:
    wallet = Wallet(city, "good")
    key = new_key()
    assert (await wallet.fetch(keys=[key.export_public()]))["__typename"] == "CredentialBatch"
    before = await city.tally()
    for person in ("good", "firm"):
        offer = {"good": "tower", "firm": "loan"}[person]
        again = await Wallet(city, person).fetch(offer, keys=[key.export_public()])
        assert again["code"] == "KEY_USED_BEFORE"
    assert (await wallet.fetch(keys=[new_key().export_private()]))["code"] == "PRIVATE_KEY_GIVEN"
    twice = new_key().export_public()
    for keys in (
        [],
        [twice, twice],
        [new_key().export_public() for _ in range(21)],
        ["{}"],
        ["1" * 3000],
        ["[" * 2000],
    ):
        body = await city.ask(ISSUE, {"input": {"offerId": offer_id("museum"), "keys": keys}}, by="good")
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert await city.tally() == before
    for _ in range(9):
        await wallet.fetch(number=20)
    assert (await wallet.fetch(number=20))["code"] == "TOO_MANY_CREDENTIALS"
    city.wait(days=1, hours=25)
    assert (await wallet.fetch(number=20))["__typename"] == "CredentialBatch"
    assert len(await city.rows(wallet_credentials)) == 20, "what is long over is forgotten"


async def test_what_was_issued_through_an_account_ends_with_it(city: City) -> None:
    wallet = Wallet(city, "firm")
    assert (await wallet.fetch("loan"))["__typename"] == "CredentialBatch"
    asked = await request(city, "loan", by="bank")
    await city.write(update(accounts).where(accounts.c.id == "firm").values(ended_at=city.now))
    shown = await wallet.show(asked)
    assert shown.json()["xinyi_code"] == "CREDENTIAL_INVALID"
    (event,) = await city.rows(access_events)
    assert (event.subject_id, event.action, event.problem) == (8, "presentCredential", "CREDENTIAL_INVALID")
    assert await city.rows(security_events) == []
    assert (await look(city, asked, by="bank"))["state"] == "WAITING"


async def test_the_partners_right_is_looked_at_when_the_wallet_answers(city: City) -> None:
    wallet = Wallet(city, "good")
    await wallet.fetch()
    asked = await request(city)
    await city.end_account("scenic")
    shown = await wallet.show(asked)
    assert (shown.status_code, shown.json()["xinyi_code"]) == (404, "PRESENTATION_ENDED")
    assert await city.rows(verifications) == []


async def test_who_asks_and_for_what_is_in_the_signed_request(city: City) -> None:
    asked = await Wallet(city, "good").read(await request(city, site="东门"))
    (who,) = asked["verifier_info"]
    assert (who["data"]["partnerName"], who["data"]["offer"], who["data"]["site"]) == (
        "测试scenic",
        offer_id("museum"),
        "东门",
    )
    assert (asked["response_type"], asked["response_mode"]) == ("vp_token", "direct_post")
    assert asked["response_uri"].startswith("https://xinyi.example/openid4vp/response/")
    assert "client_metadata" not in asked, "we are known beforehand"
    client = (await city.client.get("/openid4vp/client")).json()
    assert (client["client_id"], ":" in client["client_id"]) == (asked["client_id"], False)
    issuer = (await city.client.get("/.well-known/jwt-vc-issuer")).json()
    assert issuer == {"issuer": "https://xinyi.example", "jwks_uri": "https://xinyi.example/.well-known/jwks.json"}
    purposes = {key["purpose"] for key in (await city.client.get("/.well-known/jwks.json")).json()["keys"]}
    assert {"credential", "presentation"} <= purposes
    assert parts(await _object(city, asked))[0]["typ"] == "oauth-authz-req+jwt"


async def _object(city: City, asked: dict[str, Any]) -> str:
    return (await city.client.get(f"/openid4vp/request/{asked['state']}")).text


async def test_credentials_of_one_hour_end_together_and_none_lives_longer_than_a_day(city: City) -> None:
    wallet = Wallet(city, "good")
    ends = set()
    for minutes in (0, 30, 29):
        city.wait(minutes=minutes)
        ends.add((await wallet.fetch())["expiresAt"])
    assert ends == {"2026-11-21T04:00:00+00:00"}
    assert {row.expires_at - row.issued_at <= timedelta(hours=24) for row in await city.rows(wallet_credentials)} == {
        True
    }
