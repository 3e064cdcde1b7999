"""Signing in by key: what is taken, what is not, and what many wrong ones lead to."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from factories import City, open_city
from joining import ENDPOINT, ISSUER, KeyPair, applied, ask_with, client_of, forged, form_of, sign_in
from servers import Postgres

from api.identity.partner_key import BAD_SIGNATURES_A_DAY
from partners.accounts import Role
from partners.onboarding.keys import revoke_key
from partners.onboarding.tables import assertions, sign_in_failures
from partners.onboarding.workflow import Act
from partners.tables import security_events

MINE = "{ membership { status } }"


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256"])
@pytest.mark.parametrize("client", ["partner", "kid"])
@pytest.mark.parametrize("audience", [ENDPOINT, ISSUER, ["https://other.example", ENDPOINT]])
async def test_a_good_assertion_signs_in(city: City, algorithm: str, client: str, audience: Any) -> None:
    key = KeyPair(algorithm)
    row = await applied(city, key)
    response = await sign_in(city, key, client_of(row) if client == "partner" else row.kid, aud=audience)
    assert response.status_code == 200, response.text
    body = response.json()
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 300, "applicant")
    assert response.headers["cache-control"] == "no-store"
    assert (await ask_with(city, body["access_token"], MINE))["data"] == {"membership": {"status": "DRAFT"}}
    city.wait(minutes=5)
    assert "errors" in await ask_with(city, body["access_token"], MINE)


async def test_a_token_never_outlives_its_key(city: City) -> None:
    key = KeyPair()
    row = await applied(city, key)
    city.now = row.expires_at - timedelta(seconds=90)
    assert (await sign_in(city, key, client_of(row))).json()["expires_in"] == 90
    city.now = row.expires_at
    response = await sign_in(city, key, client_of(row))
    assert (response.status_code, response.json()["xinyi_code"]) == (401, "KEY_ENDED")


def at(seconds: int) -> Any:
    """A claim so many seconds from now."""
    return lambda now: int(now.timestamp()) + seconds


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"aud": "https://other.example/oauth/token"}, "WRONG_AUDIENCE"),
    ({"aud": None}, "WRONG_AUDIENCE"),
    ({"aud": [5, None]}, "WRONG_AUDIENCE"),
    ({"exp": None}, "ASSERTION_MALFORMED"),
    ({"exp": at(0)}, "ASSERTION_EXPIRED"),
    ({"exp": at(-600)}, "ASSERTION_EXPIRED"),
    ({"exp": at(301)}, "ASSERTION_TOO_LONG"),
    ({"iat": at(301)}, "CLOCK_SKEW"),
    ({"iat": at(-301)}, "CLOCK_SKEW"),
    ({"nbf": at(301)}, "CLOCK_SKEW"),
    ({"jti": None}, "ASSERTION_MALFORMED"),
    ({"jti": ""}, "ASSERTION_MALFORMED"),
    ({"jti": "x" * 129}, "ASSERTION_MALFORMED"),
    ({"exp": True}, "ASSERTION_MALFORMED"),
    ({"exp": "1"}, "ASSERTION_MALFORMED"),
    ({"sub": "somebody"}, "ASSERTION_MALFORMED"),
    ({"iss": "somebody", "sub": "somebody"}, "WRONG_ISSUER"),
    ({"head": {"kid": "nothing"}}, "UNKNOWN_KEY"),
    ({"head": {"kid": None}}, "UNKNOWN_KEY"),
    ({"head": {"typ": "at+jwt"}}, "ASSERTION_MALFORMED"),
    ({"head": {"crit": ["exp"]}}, "ASSERTION_MALFORMED"),
]  # fmt: skip


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("given", "why"), REFUSED)
async def test_an_assertion_that_is_not_for_us_now_is_refused(city: City, given: dict[str, Any], why: str) -> None:
    key = KeyPair()
    row = await applied(city, key)
    said = {name: value(city.now) if callable(value) else value for name, value in given.items()}
    before = await city.tally()
    response = await sign_in(city, key, client_of(row), **said)
    assert (response.status_code, response.json()["error"], response.json()["xinyi_code"]) == (
        401,
        "invalid_client",
        why,
    ), response.text
    assert await city.tally() == before


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("claims", [{"iat": at(300)}, {"iat": at(-300)}, {"nbf": at(300)}, {"exp": at(300)}])
async def test_a_clock_may_be_five_minutes_off(city: City, claims: dict[str, Any]) -> None:
    key = KeyPair()
    row = await applied(city, key)
    said = {name: value(city.now) for name, value in claims.items()}
    assert (await sign_in(city, key, client_of(row), **said)).status_code == 200


async def hand_in(city: City, assertion: str) -> tuple[int, str]:
    response = await city.client.post("/oauth/token", data=form_of(assertion))
    return response.status_code, response.json()["xinyi_code"]


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256"])
async def test_no_other_algorithm_passes_for_the_keys_own(city: City, algorithm: str) -> None:
    key = KeyPair(algorithm)
    row = await applied(city, key)
    good = key.assertion(client_of(row), city.now)
    other = "ES256" if algorithm == "EdDSA" else "EdDSA"
    for alg in ("none", "None", "HS256", "RS256", other, None):
        assert await hand_in(city, forged(good, alg=alg, kid=row.kid, typ="JWT")) == (401, "BAD_SIGNATURE"), alg
    # The public key as the secret of a symmetric signature, as a careless library would take it.
    signed = forged(good, alg="HS256", kid=row.kid).rpartition(".")[0]
    for secret in (key.text.encode(), orjson.dumps(row.jwk), row.jwk["x"].encode()):
        mac = urlsafe_b64encode(hmac.new(secret, signed.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
        assert (await hand_in(city, f"{signed}.{mac}"))[1] == "BAD_SIGNATURE"
    assert await city.rows(assertions) == []


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_only_the_canonical_spelling_passes(city: City) -> None:
    key = KeyPair()
    row = await applied(city, key)
    good = key.assertion(client_of(row), city.now)
    head, claims, signature = good.split(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    stray = signature[:-1] + alphabet[alphabet.index(signature[-1]) + 1]
    for other in (f"{good}==", f"{head}.{claims}.{stray}", f"{head}.{claims}", f"{good}.", f"{good} ", "..", "a.b.c"):
        assert await hand_in(city, other) == (401, "ASSERTION_MALFORMED"), other[-20:]
    assert (await city.client.post("/oauth/token", data=form_of(good))).status_code == 200


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("content", "media", "status", "error"),
    [
        (b"", "application/x-www-form-urlencoded", 400, "unsupported_grant_type"),
        (b"grant_type=password", "application/x-www-form-urlencoded", 400, "unsupported_grant_type"),
        (b"grant_type=client_credentials", "application/x-www-form-urlencoded", 400, "invalid_request"),
        (b"grant_type=client_credentials&grant_type=x", "application/x-www-form-urlencoded", 400, "invalid_request"),
        (b"{}", "application/json", 415, "invalid_request"),
        (b"\xff\xfe", "application/x-www-form-urlencoded", 400, "invalid_request"),
        (b"a=1&" * 30, "application/x-www-form-urlencoded", 400, "invalid_request"),
        (b"x" * 20_000, "application/x-www-form-urlencoded", 413, "invalid_request"),
        (b"a=%ff", "application/x-www-form-urlencoded", 400, "invalid_request"),
    ],
)
async def test_whatever_comes_in_gets_an_answer_that_the_standard_knows(
    city: City, content: bytes, media: str, status: int, error: str
) -> None:
    response = await city.client.post("/oauth/token", content=content, headers={"content-type": media})
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert (await city.client.get("/oauth/token")).status_code == 405


async def test_an_assertion_signs_in_once(city: City) -> None:
    key = KeyPair()
    row = await applied(city, key)
    given = key.assertion(client_of(row), city.now)
    both = await asyncio.gather(*(city.client.post("/oauth/token", data=form_of(given)) for _ in range(2)))
    assert sorted(one.status_code for one in both) == [200, 401]
    assert await hand_in(city, given) == (401, "ASSERTION_REPLAYED")
    city.wait(minutes=6)
    assert (await sign_in(city, key, client_of(row))).status_code == 200
    assert len(await city.rows(assertions)) == 1, "those past their end are forgotten"


@pytest.fixture
async def two(postgres: Postgres, postgres_template: str, keys_file: Path, tmp_path: Path) -> AsyncIterator[list[City]]:
    """Two instances over one PostgreSQL."""
    url = postgres.create_database(f"two_{tmp_path.name[-12:].replace('-', '_')}", template=postgres_template)
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_city(database_url=url, keys_file=keys_file)) for _ in range(2)]


async def test_an_assertion_signs_in_once_on_two_instances(two: list[City]) -> None:
    key = KeyPair()
    row = await applied(two[0], key)
    for _ in range(5):
        given = key.assertion(client_of(row), two[0].now)
        both = await asyncio.gather(*(one.client.post("/oauth/token", data=form_of(given)) for one in two * 2))
        assert sorted(one.status_code for one in both) == [200, 401, 401, 401]


async def test_a_revoked_key_opens_nothing_from_the_next_request_on_in_both_processes(two: list[City]) -> None:
    key = KeyPair()
    row = await applied(two[0], key)
    tokens = [(await sign_in(one, key, client_of(row))).json()["access_token"] for one in two]
    for one, token in zip(two, tokens, strict=True):
        assert "errors" not in await ask_with(one, token, MINE)
    async with two[0].state.database.transaction() as connection:
        await revoke_key(connection, row, act=Act("operator", Role.OPERATOR, two[0].now, "丢失"))
    for one, token in zip(two, tokens, strict=True):
        body = await ask_with(one, token, MINE)
        assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        response = await sign_in(one, key, client_of(row))
        assert (response.status_code, response.json()["xinyi_code"]) == (401, "KEY_ENDED")


async def wrong(city: City, row: Any, times: int) -> list[Any]:
    """So many signatures of another key under that one's name."""
    stranger = KeyPair()
    return [await sign_in(city, stranger, client_of(row), head={"kid": row.kid}) for _ in range(times)]


async def test_ten_bad_signatures_lock_the_key_until_told_and_raise_an_alarm(city: City) -> None:
    key = KeyPair()
    row = await applied(city, key)
    answers = await wrong(city, row, 10)
    assert [one.json()["xinyi_code"] for one in answers] == ["BAD_SIGNATURE"] * 9 + ["LOCKED"]
    right = await sign_in(city, key, client_of(row))
    assert (right.status_code, right.json()["error"], right.headers["retry-after"]) == (429, "invalid_client", "900")
    until = datetime.fromisoformat(right.json()["locked_until"])
    assert until == city.now + timedelta(minutes=15)
    [alarm] = [one for one in await city.rows(security_events) if one.kind == "SIGN_IN_LOCKED"]
    assert (alarm.partner_id, alarm.detail["kid"]) == (row.partner_id, row.kid)
    city.now = until
    assert (await sign_in(city, key, client_of(row))).status_code == 200


async def test_bad_signatures_far_apart_or_followed_by_a_right_one_do_not_lock(city: City) -> None:
    key = KeyPair()
    row = await applied(city, key)
    await wrong(city, row, 9)
    city.wait(minutes=15)
    assert (await wrong(city, row, 1))[0].json()["xinyi_code"] == "BAD_SIGNATURE"
    assert (await sign_in(city, key, client_of(row))).status_code == 200
    assert await city.rows(sign_in_failures) == []


async def test_a_stranger_who_knows_the_partner_alone_locks_nothing(city: City) -> None:
    key, stranger = KeyPair(), KeyPair()
    row = await applied(city, key)
    for head in ({}, {"kid": None}, {"kid": "guess"}):
        for _ in range(12):
            assert (await sign_in(city, stranger, client_of(row), head=head)).json()["xinyi_code"] == "UNKNOWN_KEY"
    assert (await sign_in(city, key, client_of(row))).status_code == 200


async def test_one_address_cannot_keep_a_key_locked(city: City) -> None:
    key = KeyPair()
    row = await applied(city, key)
    for _ in range(BAD_SIGNATURES_A_DAY // 10):
        assert (await wrong(city, row, 10))[-1].json()["xinyi_code"] == "LOCKED"
        city.wait(minutes=15)
    assert {one.json()["xinyi_code"] for one in await wrong(city, row, 30)} == {"BAD_SIGNATURE"}
    assert (await sign_in(city, key, client_of(row))).status_code == 200


async def test_bad_signatures_at_once_on_two_instances_are_all_counted(two: list[City]) -> None:
    key = KeyPair()
    row = await applied(two[0], key)
    await asyncio.gather(*(wrong(one, row, 4) for one in two))
    [counted] = await two[0].rows(sign_in_failures)
    assert counted.failures == 8


async def test_the_lock_of_one_key_is_no_other_keys(city: City) -> None:
    key, other = KeyPair(), KeyPair()
    row, second = await applied(city, key), await applied(city, other)
    await wrong(city, row, 10)
    assert (await sign_in(city, other, client_of(second))).status_code == 200


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_what_to_write_into_an_assertion_can_be_looked_up(city: City) -> None:
    told = (await city.client.get("/.well-known/oauth-authorization-server")).json()
    assert (told["issuer"], told["token_endpoint"]) == (ISSUER, ENDPOINT)
    assert told["token_endpoint_auth_signing_alg_values_supported"] == ["EdDSA", "ES256"]
