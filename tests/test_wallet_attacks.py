"""Credentials and presentations, attacked. One thing to know: there is one spelling of each, and whoever lacks the keys
makes none; what is refused is no answer to the partner."""

from __future__ import annotations

import random
import string
from datetime import timedelta
from functools import cache
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from factories import NOON, City, key_file, offer_id
from hypothesis import given
from hypothesis import strategies as st
from jwcrypto.jwk import JWK
from sd_jwt.verifier import SDJWTVerifier
from test_codes import some_keys
from wallets import ISSUE, Held, Wallet, look, new_key, request

from core.errors import ExpectedError
from core.keys import Keys, b64decode, b64encode, load_keys
from core.signing import sign
from partners.tables import access_events, security_events, verifications
from partners.wallet.answering import MOST_REFUSALS
from partners.wallet.credentials import (
    BENEFIT,
    LONGEST,
    CredentialInvalid,
    KeyNotProved,
    check_current,
    check_proof,
    make_credential,
    proof_claims,
    read_credential,
    read_holder_key,
)

NONCE, AUDIENCE, ISSUER = "nonce-of-the-request", "xinyi.example", "https://xinyi.example"
LETTERS = string.ascii_letters + string.digits + "-_"


@cache
def held(curve: str = "P-256") -> Held:
    """A credential that some keys made."""
    key = new_key(curve)
    holder = read_holder_key(key.export_public())
    return Held(make_credential(some_keys(), issuer=ISSUER, offer="offer", holder=holder, now=NOON), key)


@cache
def presented(curve: str = "P-256") -> str:
    return held(curve).shown(nonce=NONCE, audience=AUDIENCE, at=NOON.timestamp())


def accept(keys: Keys, text: str, *, seconds: float = 0) -> dict[str, Any]:
    """What the answer to a request looks at; raises where it is refused."""
    credential = read_credential(keys, text)
    now = NOON + timedelta(seconds=seconds)
    check_current(credential, now=now)
    check_proof(credential, nonce=NONCE, audience=AUDIENCE, now=now, since=NOON)
    return dict(credential.disclosed)


@pytest.mark.parametrize("curve", ["P-256", "Ed25519"])
def test_no_letter_can_be_changed_left_out_or_put_in(curve: str) -> None:
    text = presented(curve)
    assert accept(some_keys(), text) == {BENEFIT: {"offer": "offer"}}
    chosen = random.Random(6)
    for place in range(len(text)):
        other = chosen.choice([letter for letter in LETTERS + ".~=" if letter != text[place]])
        for changed in (
            text[:place] + other + text[place + 1 :],
            text[:place] + text[place + 1 :],
            text[:place] + other + text[place:],
        ):
            with pytest.raises(ExpectedError) as refused:
                accept(some_keys(), changed)
            assert refused.value.code in {"CREDENTIAL_INVALID", "KEY_NOT_PROVED"}


def mutated(chosen: random.Random, text: str, other: str) -> str:  # noqa: PLR0911  # one each
    """The text with something done to it that a machine would think of."""
    parts = text.split("~")
    match chosen.randrange(8):
        case 0:
            place = chosen.randrange(len(text))
            return text[:place] + chr(chosen.randrange(1, 0x300)) + text[place + 1 :]
        case 1:
            chosen.shuffle(parts)
            return "~".join(parts)
        case 2:
            return text[: chosen.randrange(len(text))]
        case 3:
            parts.insert(chosen.randrange(len(parts)), chosen.choice(parts))
            return "~".join(parts)
        case 4:
            place = chosen.randrange(3)
            parts[place] = other.split("~")[place]
            return "~".join(parts)
        case 5:
            deep = chosen.choice([b"[" * 5000, b'{"a":' * 999, b"1" * 5000, b"null", b"\xff\xfe", b'{"alg":"none"}'])
            place = chosen.randrange(3)
            segments = parts[place].split(".")
            segments[chosen.randrange(len(segments))] = b64encode(deep)
            parts[place] = ".".join(segments)
            return "~".join(parts)
        case 6:
            return text + chosen.choice(["=", "==", "~", ".", " ", "\n", "~~", "\x00", text])
        case _:
            return "".join(chosen.choice(LETTERS + ".~= ") for _ in range(chosen.randrange(400)))


def test_of_5000_mutations_none_is_taken_and_none_breaks_the_reader() -> None:
    chosen = random.Random(32)
    genuine = presented("P-256"), presented("Ed25519")
    other = held("P-256").shown(nonce="another", audience="elsewhere", at=NOON.timestamp())
    for curve in ("P-256", "Ed25519") * 2500:
        base = presented(curve)
        changed = mutated(chosen, base, chosen.choice([other, *genuine]))
        if changed in genuine:
            continue
        with pytest.raises(ExpectedError):
            accept(some_keys(), changed)


@given(st.text(max_size=300) | st.binary(max_size=300).map(b64encode))
def test_whatever_is_read_is_refused_in_words(text: str) -> None:
    for shape in (text, f"{text}~", f"{text}.{text}.{text}~{text}~{text}.{text}.{text}"):
        with pytest.raises(CredentialInvalid):
            read_credential(some_keys(), shape)


def test_what_we_take_the_library_takes_too(tmp_path: Any) -> None:
    public = JWK(kty="OKP", crv="Ed25519", x=b64encode(some_keys().active("credential").public or b""))
    found = SDJWTVerifier(presented(), lambda issuer, header: public, AUDIENCE, NONCE).get_verified_payload()
    credential = read_credential(some_keys(), presented())
    assert found[BENEFIT] == credential.disclosed[BENEFIT] == {"offer": "offer"}
    assert (found["iss"], found["cnf"]["jwk"]) == (credential.issuer, credential.holder.jwk)
    others = load_keys(key_file(tmp_path))
    with pytest.raises(CredentialInvalid):
        read_credential(others, presented())


def forged(claims: dict[str, Any], *, purpose: Any = "credential", tail: str = "~") -> str:
    return sign(some_keys(), purpose, claims) + tail


def test_no_other_signed_text_of_ours_is_a_credential() -> None:
    holder = read_holder_key(new_key().export_public())
    claims = {"iss": ISSUER, "iat": 0, "exp": 2**31, "vct": "urn:xinyi:credential:benefit:1", "_sd": []}
    claims |= {"_sd_alg": "sha-256", "cnf": {"jwk": holder.jwk}}
    assert read_credential(some_keys(), forged(claims)).disclosed == {}
    for purpose in ("bearer", "receipt", "presentation", "consent"):
        with pytest.raises(CredentialInvalid):
            read_credential(some_keys(), forged(claims, purpose=purpose))
    for wrong in ({"vct": "urn:other"}, {"_sd_alg": "sha-512"}, {"sub": "somebody"}):
        with pytest.raises(CredentialInvalid):
            read_credential(some_keys(), forged(claims | wrong))
    hidden = b64encode(orjson.dumps(["salt", BENEFIT, {"offer": "another"}]))
    with pytest.raises(CredentialInvalid, match="不在签名之内"):
        read_credential(some_keys(), forged(claims, tail=f"~{hidden}~"))
    with pytest.raises(CredentialInvalid, match="长度"):
        read_credential(some_keys(), "a" * (LONGEST + 1))


def test_the_key_has_to_be_proved_for_this_request_now() -> None:
    mine = held()
    good = {"nonce": NONCE, "audience": AUDIENCE, "at": NOON.timestamp()}
    assert accept(some_keys(), mine.shown(**good)) == {BENEFIT: {"offer": "offer"}}
    assert accept(some_keys(), mine.shown(**good, disclose=False)) == {}
    stolen = {"key": new_key()}
    edwards = {"key": new_key("Ed25519")}
    for wrong in (
        {"nonce": "other"}, {"audience": "other"}, {"at": NOON.timestamp() - 61}, {"at": NOON.timestamp() + 61}, stolen,
        edwards,
    ):  # fmt: skip
        with pytest.raises(KeyNotProved):
            accept(some_keys(), mine.shown(**(good | wrong)))
    with pytest.raises(KeyNotProved, match="没有持有人密钥的证明"):
        accept(some_keys(), mine.text)
    body, other = mine.shown(**good).rpartition("~")[0], mine.shown(**good, disclose=False).rpartition("~")[2]
    with pytest.raises(KeyNotProved, match="不是针对这份凭证"):
        accept(some_keys(), f"{body}~{other}")
    with pytest.raises(ExpectedError) as over:
        accept(some_keys(), mine.shown(**good), seconds=86_400)
    assert over.value.code == "CREDENTIAL_EXPIRED"


@pytest.mark.parametrize("header", [{"alg": "none"}, {"typ": "JWT"}, {"crit": ["exp"]}, {"alg": "HS256"}])
def test_a_proof_of_another_type_proves_nothing(header: dict[str, Any]) -> None:
    body, _, proof = presented().rpartition("~")
    head, claims, signature = proof.split(".")
    changed = b64encode(orjson.dumps(orjson.loads(b64decode(head)) | header))
    with pytest.raises(KeyNotProved, match="类型"):
        proof_claims(read_credential(some_keys(), f"{body}~{changed}.{claims}.{signature}"))


async def test_what_is_wrong_with_a_presentation_is_no_answer_and_the_same_for_everybody(city: City) -> None:
    wallet = Wallet(city, "good")
    await wallet.fetch("museum", number=2)
    await wallet.fetch("tower")
    asked = await request(city)
    museum, spare, tower = wallet.held
    shown = [
        (await wallet.show(asked, tower), "CREDENTIAL_OTHER_OFFER"),
        (await wallet.show(asked, museum, disclose=False), "CREDENTIAL_INVALID"),
        (await wallet.show(asked, museum, nonce="other"), "KEY_NOT_PROVED"),
        (await wallet.show(asked, museum, audience="other"), "KEY_NOT_PROVED"),
        (await wallet.show(asked, museum, key=new_key()), "KEY_NOT_PROVED"),
        (await wallet.show(asked, museum, at=city.now.timestamp() - 3600), "KEY_NOT_PROVED"),
    ]
    for answer, code in shown:
        assert (answer.status_code, answer.json()["xinyi_code"], answer.json()["error"]) == (
            400,
            code,
            "invalid_request",
        )
    assert await look(city, asked) == await look(city, await request(city))
    events = await city.rows(access_events)
    assert sorted((row.subject_id, row.problem) for row in events) == sorted((1, code) for _, code in shown)
    assert await city.rows(verifications) == []
    assert await city.rows(security_events) == []
    assert (await wallet.show(asked, museum)).status_code == 200
    replayed = await request(city)
    answer = await wallet.show(replayed, museum)
    assert (answer.status_code, answer.json()["xinyi_code"]) == (400, "CREDENTIAL_REPLAYED")
    assert (await look(city, replayed))["state"] == "WAITING"
    assert (await wallet.show(replayed, spare)).status_code == 200
    assert {row["problem"] for row in await city.log("good")} == {code for _, code in shown} | {
        None,
        "CREDENTIAL_REPLAYED",
    }


async def test_a_credential_past_its_day_is_refused(city: City) -> None:
    wallet = Wallet(city, "good")
    await wallet.fetch()
    city.wait(hours=24)
    asked = await request(city)
    assert (await wallet.show(asked)).json()["xinyi_code"] == "CREDENTIAL_EXPIRED"


async def test_what_is_none_of_ours_goes_to_the_security_log_and_ends_no_request(city: City) -> None:
    wallet, stranger = Wallet(city, "good"), Wallet(city, "good", [held()])  # the latter's is of another deployment
    await wallet.fetch()
    asked = await request(city)
    read = await stranger.read(asked)
    changed = wallet.held[-1].text + "WyJhIiwgImIiLCAxXQ~"
    for text in (presented(), "~", changed):
        for _ in range(MOST_REFUSALS):
            answer = await stranger.post(read, {"benefit": [text]})
            assert (answer.status_code, answer.json()["xinyi_code"]) == (400, "CREDENTIAL_INVALID")
    events = await city.rows(security_events)
    assert [(row.kind, row.partner_id) for row in events] == [("CREDENTIAL_INVALID", 1)] * (3 * MOST_REFUSALS)
    assert await city.rows(access_events) == []
    assert (await wallet.show(asked)).status_code == 200, "whoever photographed the QR code has stopped nobody"
    assert (await look(city, asked))["state"] == "ANSWERED"


async def test_a_genuine_credential_is_refused_ten_times_and_then_not_looked_at(city: City) -> None:
    wallet = Wallet(city, "good")
    await wallet.fetch(number=2)
    asked = await request(city)
    for _ in range(MOST_REFUSALS):
        answer = await wallet.show(asked, wallet.held[0], nonce="other")
        assert (answer.status_code, answer.json()["xinyi_code"]) == (400, "KEY_NOT_PROVED")
    answer = await wallet.show(asked, wallet.held[1])
    assert (answer.status_code, answer.json()["xinyi_code"]) == (404, "PRESENTATION_ENDED")
    assert len(await city.log("good")) == MOST_REFUSALS
    assert (await look(city, asked))["problem"] is None


FORMS: list[tuple[Any, int, str]] = [
    ({"vp_token": "{}"}, 400, "BAD_USER_INPUT"),
    ({"vp_token": "["}, 400, "BAD_USER_INPUT"),
    ({"vp_token": "[" * 3000}, 400, "BAD_USER_INPUT"),
    ({"vp_token": '{"benefit": "a~b"}'}, 400, "BAD_USER_INPUT"),
    ({"vp_token": '{"benefit": ["a~b", "a~b"]}'}, 400, "BAD_USER_INPUT"),
    ({"vp_token": '{"benefit": [1]}'}, 400, "BAD_USER_INPUT"),
    ({"vp_token": '{"benefit": ["~"], "more": []}'}, 400, "BAD_USER_INPUT"),
    ({"vp_token": '{"benefit": ["\\u0000~"]}'}, 400, "CREDENTIAL_INVALID"),
    ({"state": "other"}, 400, "BAD_USER_INPUT"),
    ({"vp_token": "a" * 40_000}, 413, "TOO_LARGE"),
]


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_a_form_of_another_shape_is_refused_in_json(city: City) -> None:
    asked = await request(city)
    read = await Wallet(city, "good").read(asked)
    address = f"/openid4vp/response/{read['state']}"
    for form, status, code in FORMS:
        answer = await city.client.post(address, data={"state": read["state"]} | form)
        assert (answer.status_code, answer.json()["xinyi_code"]) == (status, code), form
    doubled = f"state={read['state']}&state={read['state']}&vp_token=x"
    media = {"content-type": "application/x-www-form-urlencoded"}
    for content, headers, status in (
        (doubled.encode(), media, 400), (b"\xff=1", media, 400), (b"%ff=1", media, 400), (b"{}", {}, 415),
        (b"&" * 30_000, media, 400),
    ):  # fmt: skip
        answer = await city.client.post(address, content=content, headers=headers)
        assert answer.status_code == status
        assert answer.json()["error"] == "invalid_request"
    for path in ("nothing", read["state"].upper(), "00000000-0000-4000-8000-000000000000"):
        for answer in (await city.client.get(f"/openid4vp/request/{path}"), await city.client.post(
            f"/openid4vp/response/{path}", data={"state": path, "vp_token": '{"benefit": ["~"]}'}
        )):  # fmt: skip
            assert (answer.status_code, answer.json()["xinyi_code"]) == (404, "PRESENTATION_ENDED")
    assert (await city.client.get(address)).status_code == 405
    assert (await look(city, asked))["state"] == "WAITING"


async def test_a_credential_cannot_be_issued_past_the_log(city: City) -> None:
    with patch("core.audit.record", side_effect=RuntimeError):
        body = await city.client.post(
            "/graphql",
            json={
                "query": ISSUE,
                "variables": {"input": {"offerId": offer_id("museum"), "keys": [new_key().export_public()]}},
            },
            headers={"authorization": f"Bearer {city.token('good')}"},
        )  # fmt: skip
    assert body.json()["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert (await city.ask("{ me { credentials { count } } }", by="good"))["data"]["me"]["credentials"] == []
