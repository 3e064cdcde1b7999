"""Bearer tokens: only those made for this interface, by this deployment, for now, are good; and the database has the
last word about what an account may do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jwt
import pytest
from factories import NOON, City, key_file
from sqlalchemy import update

from api.identity.bearer import AUDIENCE, BearerTokens
from core.errors import Unauthenticated
from core.keys import b64encode, load_keys
from core.signing import sign
from partners.accounts import Role
from partners.tables import accounts

NOW = int(NOON.timestamp())
ME = "{ me { displayName } }"


@pytest.fixture
def city_url(sqlite_template: Path, tmp_path: Path) -> str:
    """SQLite alone: a token is judged before the store is asked."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    return f"sqlite+aiosqlite:///{tmp_path}/city.db"


def claims(city: City, **changes: Any) -> dict[str, Any]:
    """Good claims of the citizen called good; a change to None leaves one out."""
    usual = {
        "iss": city.settings.issuer,
        "aud": AUDIENCE,
        "sub": "good",
        "role": "citizen",
        "iat": NOW,
        "exp": NOW + 60,
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}


async def present(city: City, authorization: str, query: str = ME) -> tuple[int, dict[str, Any]]:
    """Ask with that header: status and body."""
    headers = {"authorization": authorization, "accept": "application/graphql-response+json"}
    response = await city.client.post("/graphql", json={"query": query}, headers=headers)
    return response.status_code, response.json()


async def refused(city: City, token: str) -> str:
    """The message of a token that is not good; refused the same way twice, since failures are not remembered."""
    first, second = await present(city, f"Bearer {token}"), await present(city, f"Bearer {token}")
    assert first == second
    status, body = first
    assert status == 401
    assert set(body) == {"errors"}
    assert body["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    return str(body["errors"][0]["message"])


async def test_a_good_token_is_good(city: City) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        status, body = await present(city, f"{scheme} {sign(city.keys, 'bearer', claims(city))}")
        assert (status, body["data"]) == (200, {"me": {"displayName": "测*"}})


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Basic Z29vZDpnb29k", "Token abc", "Bearer\tabc", "Bearer,abc"]
)
async def test_a_header_that_is_no_bearer_is_refused_even_for_public_fields(city: City, authorization: str) -> None:
    status, body = await present(city, authorization, "{ benefitKinds { code } }")
    assert (status, body["errors"][0]["extensions"]) == (401, {"code": "UNAUTHENTICATED"})


async def test_a_bare_token_without_its_scheme_is_refused(city: City) -> None:
    status, _ = await present(city, city.token("good"))
    assert status == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "xinyi-proof"},
        {"aud": [AUDIENCE]},
        {"aud": None},
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"exp": NOW},
        {"exp": NOW - 1},
        {"exp": None},
        {"exp": float(NOW + 60)},
        {"exp": str(NOW + 60)},
        {"exp": True},
        {"iat": NOW + 301, "exp": NOW + 900},
        {"iat": None},
        {"iat": "now"},
        {"sub": None},
        {"sub": 1},
        {"sub": ["good"]},
        {"role": None},
        {"role": "admin"},
        {"role": "CITIZEN"},
        {"role": 1},
        {"role": ["citizen"]},
    ],
    ids=repr,
)
async def test_a_token_with_a_wrong_claim_is_refused(city: City, changes: dict[str, Any]) -> None:
    assert await refused(city, sign(city.keys, "bearer", claims(city, **changes)))


async def test_a_clock_may_be_five_minutes_ahead_and_no_more(city: City) -> None:
    ahead = sign(city.keys, "bearer", claims(city, iat=NOW + 300, exp=NOW + 900))
    assert (await present(city, f"Bearer {ahead}"))[0] == 200
    assert "未来" in await refused(city, sign(city.keys, "bearer", claims(city, iat=NOW + 301, exp=NOW + 900)))


async def test_a_token_ends_at_its_second_though_it_was_remembered(city: City) -> None:
    token = sign(city.keys, "bearer", claims(city, exp=NOW + 10))
    city.wait(seconds=9)
    assert (await present(city, f"Bearer {token}"))[0] == 200
    city.wait(seconds=1)
    assert "过期" in await refused(city, token)


async def test_what_was_signed_for_another_purpose_is_no_bearer(city: City) -> None:
    for purpose in ("receipt", "proof"):
        assert "类型不符" in await refused(city, sign(city.keys, purpose, claims(city)))  # type: ignore[arg-type]
    receipt = (await city.verify(await city.code("good")))["receipt"]
    assert "类型不符" in await refused(city, receipt)


def forged(city: City, *, algorithm: str = "EdDSA", key: Any = None, **header: Any) -> str:
    """A token with a header of our choice."""
    bearer = city.keys.active("bearer")
    head = {name: value for name, value in ({"kid": bearer.kid, "typ": "at+jwt"} | header).items() if value}
    return jwt.encode(claims(city), key if key is not None else bearer.private_key, algorithm=algorithm, headers=head)


async def test_the_header_decides_nothing(city: City, tmp_path: Path) -> None:
    bearer = city.keys.active("bearer")
    stranger = load_keys(key_file(tmp_path)).active("bearer")
    assert (await present(city, f"Bearer {forged(city)}"))[0] == 200
    tokens = [
        forged(city, typ="JWT"),
        forged(city, typ="xinyi-receipt+jwt"),
        forged(city, typ="AT+JWT"),
        forged(city, kid="bearer-unknown"),
        forged(city, kid=city.keys.active("receipt").kid),
        forged(city, kid=None),
        forged(city, key=stranger.private_key),
        forged(city, key=stranger.private_key, kid=stranger.kid),
        forged(city, key=city.keys.active("receipt").private_key),
        forged(city, key="x" * 32, algorithm="HS256"),
        forged(city, key=bearer.public or b"", algorithm="HS256"),
        forged(city, key="", algorithm="none"),
    ]
    for token in tokens:
        assert await refused(city, token)


async def test_a_token_has_one_spelling(city: City) -> None:
    token = sign(city.keys, "bearer", claims(city))
    head, body, signature = token.split(".")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = letters[letters.index(signature[-1]) ^ 1]
    for changed in (
        f"{token}==",
        f"{token}.",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}=.{body}.{signature}",
        f"{head}. {body}.{signature}",
        f"{head}.{body}.{signature[:-1]}{last}",
        f"{head}.{b64encode(json.dumps(claims(city, sub='scenic')).encode())}.{signature}",
        "a.b.c",
        "..",
        "x" * 9000,
        "é.é.é",
    ):
        headers = {b"authorization": b"Bearer " + changed.encode(), b"accept": b"application/graphql-response+json"}
        response = await city.client.post("/graphql", json={"query": ME}, headers=headers)  # type: ignore[arg-type]
        assert response.status_code == 401, changed


async def test_an_unknown_account_is_nobody(city: City) -> None:
    for account in ("nobody", "", "GOOD", "good ", "1"):
        status, body = await present(city, f"Bearer {sign(city.keys, 'bearer', claims(city, sub=account))}")
        assert body["data"] is None
        assert body["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
        assert status == 200


async def test_a_token_of_another_role_than_the_accounts_is_nobody(city: City) -> None:
    for account, role, query in (
        ("good", Role.PARTNER, "{ partner { id } }"),
        ("good", Role.AGENT, ME),
        ("scenic", Role.CITIZEN, ME),
        ("auditor", Role.PARTNER, "{ partner { id } }"),
    ):
        body = await city_body(city, account, role, query)
        assert body["data"] is None
        assert body["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}


async def city_body(city: City, account: str, role: Role, query: str) -> dict[str, Any]:
    return (await present(city, f"Bearer {city.token(account, role=role)}", query))[1]


async def test_a_role_that_changed_ends_the_tokens_of_the_old_one_at_once(city: City) -> None:
    token = city.token("good")
    assert (await present(city, f"Bearer {token}"))[1]["data"] is not None
    async with city.state.database.transaction() as connection:
        await connection.execute(update(accounts).where(accounts.c.id == "good").values(role="agent"))
    assert (await present(city, f"Bearer {token}"))[1]["data"] is None


async def test_an_account_that_ended_may_do_nothing_from_then_on_though_its_token_was_remembered(city: City) -> None:
    token, code = city.token("scenic"), await city.code("good")
    assert (await present(city, f"Bearer {token}", "{ partner { id } }"))[1]["data"] is not None
    await city.end_account("scenic")
    status, body = await present(city, f"Bearer {token}", "{ partner { id } }")
    assert (status, body["data"]) == (200, None)
    assert body["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    query = "mutation ($input: VerifyCreditCodeInput!) { verifyCreditCode(input: $input) { __typename } }"
    asked = {"requestId": "1", "code": code, "offerId": "T2ZmZXI6MQ=="}
    body = await city.ask(query, {"input": asked}, by="scenic")
    assert body["data"] is None
    assert body["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}


async def test_an_account_that_has_ended_still_reads_what_everybody_may(city: City) -> None:
    body = await city.ask("{ offers { edges { node { title } } } }", by="ended")
    assert len(body["data"]["offers"]["edges"]) == 5


def test_only_good_tokens_are_remembered_and_for_a_minute(tmp_path: Path) -> None:
    keys = load_keys(key_file(tmp_path))
    tokens = BearerTokens(keys, issuer="us")
    good = {"iss": "us", "aud": AUDIENCE, "sub": "a", "role": "citizen", "iat": NOW, "exp": NOW + 3600}
    token = sign(keys, "bearer", good)
    tokens.check(token, now=NOW)
    for broken in (sign(keys, "bearer", good | {"iss": "them"}), "a.b.c"):
        with pytest.raises(Unauthenticated):
            tokens.check(broken, now=NOW)
    assert list(tokens._checked) == [token]
    keys._by_id.clear()
    assert tokens.check(token, now=NOW + 59).account == "a"
    with pytest.raises(Unauthenticated):
        tokens.check(token, now=NOW + 60)


def test_a_token_that_ends_sooner_than_the_minute_is_not_remembered_longer(tmp_path: Path) -> None:
    keys = load_keys(key_file(tmp_path))
    tokens = BearerTokens(keys, issuer="us")
    short = {"iss": "us", "aud": AUDIENCE, "sub": "a", "role": "citizen", "iat": NOW, "exp": NOW + 5}
    token = sign(keys, "bearer", short)
    assert tokens.check(token, now=NOW).expires_at == NOW + 5
    with pytest.raises(Unauthenticated):
        tokens.check(token, now=NOW + 5)
