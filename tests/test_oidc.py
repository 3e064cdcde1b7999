"""Signing in by OpenID Connect, against a provider over real HTTP: the way there and back, and each check made to
fail."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest
from factories import City, resident_id
from identity_providers import OpenIdProvider
from joserfc.jwk import ECKey, RSAKey
from signing_in import GOOD, STRANGER, Browser, Deployment, ask, code_in, deployment, parameters, why

from core.audit import audit_entries
from core.keys import b64encode
from partners.sessions.tables import sessions
from partners.tables import accounts


@pytest.fixture
async def here(city_url: str, keys_file: Path, tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment with its providers."""
    async with deployment(city_url, keys_file, tmp_path) as opened:
        yield opened


NOBODY = resident_id(date(1964, 12, 31), 641)
"""On file nowhere."""
SQLITE = pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
"""For what is decided before the database is asked."""


async def refusal(here: Deployment, provider: str = "city-id") -> tuple[int, str, str | None]:
    """How a sign-in is refused; nobody is signed in by it."""
    before = len(await here.city.rows(sessions))
    response = await here.browser().sign_in(provider)
    assert len(await here.city.rows(sessions)) == before
    return why(response)


async def test_a_person_signs_in_and_the_token_is_hers(here: Deployment) -> None:
    browser = here.browser()
    address = await browser.begin(return_to="/card?from=home")
    asked = parameters(address)
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == "http://127.0.0.1/sign-in/city-id/callback"
    back = await browser.http.get(await browser.at_provider(address))
    assert (back.status_code, back.headers["location"].split("#")[0]) == (303, "/card?from=home")
    tokens = (await browser.claim(code_in(back))).json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
    assert (await ask(here.city, tokens["access_token"]))["data"]["me"]["displayName"] == "测*"
    (row,) = await here.city.rows(sessions)
    assert (row.account, row.provider, row.device) == ("good", "city-id", "Firefox · Linux")
    actions = {entry.action for entry in await here.city.rows(audit_entries) if entry.subject_id == 1}
    assert "signIn" in actions


async def test_an_agent_and_an_operator_sign_in_through_providers_of_their_own(here: Deployment) -> None:
    here.idp.person = {"sub": "firm", "uscc": "91430502MA7YK0003R"}
    firm = await here.sign_in("firm-id")
    assert (await ask(here.city, firm["access_token"]))["data"]["me"]["displayName"] == "测试企业"
    here.idp.person = {"sub": "someone", "account": "operator-2"}
    operator = await here.sign_in("staff-id")
    assert "errors" not in await ask(here.city, operator["access_token"], "{ partnerQueue { edges { cursor } } }")


@pytest.mark.parametrize("account", ["reviewer", "good", "scenic", "nobody", "ended"])
async def test_a_provider_names_accounts_of_its_own_roles_alone(here: Deployment, account: str) -> None:
    here.idp.person = {"sub": "someone", "account": account}
    assert await refusal(here, "staff-id") == (403, "ACCOUNT_REFUSED", None)


async def test_whoever_is_on_file_without_an_account_gets_one_at_the_first_sign_in(here: Deployment) -> None:
    city = here.city
    await city.write(accounts.delete().where(accounts.c.id == "stranger"))
    here.idp.person = {"sub": "user-5", "id_number": STRANGER}
    first, second = await asyncio.gather(here.sign_in(), here.sign_in())
    for tokens in (first, second):
        assert (await ask(city, tokens["access_token"]))["data"]["me"]["displayName"] == "测*"
    opened = [row for row in await city.rows(accounts) if row.subject_id == 5]
    assert [row.role for row in opened] == ["citizen"]
    assert opened[0].id.startswith("citizen-")


async def test_who_is_not_on_file_is_told_where_to_go(here: Deployment) -> None:
    here.idp.person = {"sub": "user-9", "id_number": NOBODY}
    assert await refusal(here) == (403, "NOT_REGISTERED", None)


async def test_a_provider_may_put_people_on_file(city_url: str, keys_file: Path, tmp_path: Path) -> None:
    async with deployment(city_url, keys_file, tmp_path, registers_in="hunan-shaoyang") as here:
        here.idp.person = {"sub": "user-9", "id_number": NOBODY, "name": "测新人"}
        tokens = await here.sign_in()
        body = await ask(here.city, tokens["access_token"], "{ me { displayName enrolled } }")
        assert body["data"]["me"] == {"displayName": "测*", "enrolled": False}


async def test_an_account_that_was_ended_is_not_opened_anew(here: Deployment) -> None:
    await here.city.end_account("good")
    assert await refusal(here) == (403, "ACCOUNT_REFUSED", None)


@SQLITE
@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"iss": "https://elsewhere.example"}, "WRONG_ISSUER"),
        ({"iss": None}, "WRONG_ISSUER"),
        ({"aud": "another"}, "WRONG_AUDIENCE"),
        ({"aud": None}, "WRONG_AUDIENCE"),
        ({"aud": ["xinyi-client", "another"]}, "WRONG_PARTY"),
        ({"azp": "another"}, "WRONG_PARTY"),
        ({"nonce": "another"}, "WRONG_NONCE"),
        ({"nonce": None}, "WRONG_NONCE"),
        ({"exp": 1}, "EXPIRED"),
        ({"exp": "4102444800"}, "TIMES_MISSING"),
        ({"iat": None}, "TIMES_MISSING"),
        ({"iat": 4102444800, "exp": 4102444900}, "NOT_YET"),
        ({"nbf": 4102444800}, "NOT_YET"),
        ({"sub": None}, "SUBJECT_MISSING"),
        ({"id_number": None}, "CLAIM_MISSING"),
        ({"id_number": 7}, "CLAIM_MISSING"),
        ({"id_number": GOOD[:-1] + "Q"}, "CLAIM_INVALID"),
    ],
    ids=str,
)
async def test_an_id_token_with_one_wrong_claim_signs_nobody_in(
    here: Deployment, changes: dict[str, Any], failed: str
) -> None:
    here.idp.changes = changes
    assert await refusal(here) == (401, "SIGN_IN_FAILED", failed)


@SQLITE
async def test_clocks_may_differ_by_a_minute(here: Deployment) -> None:
    now = int(here.city.now.timestamp())
    for changes, is_good in (
        ({"iat": now + 60, "exp": now + 300}, True),
        ({"iat": now + 61, "exp": now + 300}, False),
        ({"exp": now - 59}, True),
        ({"exp": now - 60}, False),
        ({"iat": now - 599}, True),
        ({"iat": now - 600}, False),
    ):
        here.idp.changes = changes
        assert ((await here.browser().sign_in()).status_code == 200) == is_good, changes


def forged(how: str, idp: OpenIdProvider) -> Any:
    """Makes ID tokens that the provider's keys did not sign as they should."""
    if how in ("none", "HS256"):
        # The public key in the place of a secret: what a verifier is tricked with that lets the token say how.
        key = idp.keys[0].as_pem(private=False) if how == "HS256" else b""

        def by_hand(claims: dict[str, Any]) -> str:
            head = {"alg": how, "kid": idp.keys[0].kid}
            front = ".".join(b64encode(orjson.dumps(part)) for part in (head, claims))
            return f"{front}.{b64encode(hmac.digest(key, front.encode(), 'sha256')) if key else ''}"

        return by_hand
    stranger = RSAKey.generate_key(2048)
    return {
        "stranger": lambda claims: idp.sign(claims, key=stranger),
        "unknown kid": lambda claims: idp.sign(claims, kid="key-9"),
        "other alg": lambda claims: idp.sign(claims, alg="RS384"),
        "crit": lambda claims: idp.sign(claims, crit=["exp"], exp=1),
        "no token": lambda claims: "",
        "two parts": lambda claims: ".".join(idp.sign(claims).split(".")[:2]),
        "no signature": lambda claims: ".".join([*idp.sign(claims).split(".")[:2], ""]),
    }[how]


@SQLITE
@pytest.mark.parametrize(
    ("how", "failed"),
    [
        ("none", "WRONG_ALGORITHM"),
        ("HS256", "WRONG_ALGORITHM"),
        ("other alg", "WRONG_ALGORITHM"),
        ("stranger", "BAD_SIGNATURE"),
        ("unknown kid", "UNKNOWN_KEY"),
        ("no token", "TOKEN_MALFORMED"),
        ("two parts", "TOKEN_MALFORMED"),
        ("no signature", "BAD_SIGNATURE"),
    ],
)
async def test_an_id_token_that_the_provider_did_not_sign_signs_nobody_in(
    here: Deployment, how: str, failed: str
) -> None:
    here.idp.mint = forged(how, here.idp)
    assert await refusal(here) == (401, "SIGN_IN_FAILED", failed)


@SQLITE
async def test_a_new_key_is_fetched_when_it_is_first_met_and_at_most_once_a_minute(here: Deployment) -> None:
    await here.sign_in()
    here.idp.rotate("key-2")
    assert await refusal(here) == (401, "SIGN_IN_FAILED", "UNKNOWN_KEY")
    assert here.idp.asked["/jwks"] == 1
    here.city.wait(minutes=1)
    await here.sign_in()
    assert here.idp.asked["/jwks"] == 2
    await here.sign_in()
    assert (here.idp.asked["/jwks"], here.idp.asked["/.well-known/openid-configuration"]) == (2, 1)
    here.city.wait(hours=1)
    await here.sign_in()
    assert (here.idp.asked["/jwks"], here.idp.asked["/.well-known/openid-configuration"]) == (3, 2)


@SQLITE
async def test_what_comes_back_to_another_browser_or_with_another_state_is_refused(here: Deployment) -> None:
    browser = here.browser()
    path = await browser.at_provider(await browser.begin())
    assert why(await here.browser().http.get(path)) == (401, "SIGN_IN_FAILED", "NOT_BEGUN")
    other = here.browser()
    await other.begin()
    assert why(await other.http.get(path)) == (401, "SIGN_IN_FAILED", "WRONG_STATE")
    assert why(await browser.http.get(path.replace("city-id", "firm-id"))) == (401, "SIGN_IN_FAILED", "NOT_BEGUN")
    assert why(await browser.http.get(f"{path}&state=twice"))[2] == "WRONG_STATE"
    assert why(await browser.http.get(f"{path}&code=twice"))[2] == "REPEATED_PARAMETER"
    here.city.wait(minutes=10)
    assert why(await browser.http.get(path)) == (401, "SIGN_IN_FAILED", "NOT_BEGUN")


@SQLITE
async def test_a_code_of_the_provider_works_once(here: Deployment) -> None:
    browser = here.browser()
    path = await browser.at_provider(await browser.begin())
    assert (await browser.http.get(path)).status_code == 303
    assert why(await browser.http.get(path)) == (401, "SIGN_IN_FAILED", "CODE_REFUSED")


@SQLITE
async def test_an_answer_that_names_another_issuer_or_none_where_one_was_promised_is_refused(here: Deployment) -> None:
    browser = here.browser()
    path = await browser.at_provider(await browser.begin())
    assert why(await browser.http.get(f"{path}&iss=https://elsewhere.example"))[2] == "WRONG_ISSUER"
    here.idp.metadata = {"authorization_response_iss_parameter_supported": True}
    here.city.wait(hours=2)
    await here.sign_in()
    path = await browser.at_provider(await browser.begin())
    assert why(await browser.http.get(path.split("&iss=")[0]))[2] == "ISSUER_MISSING"


@SQLITE
async def test_whoever_cancels_is_told_so_and_is_not_counted(here: Deployment) -> None:
    browser = here.browser()
    for _ in range(60):
        state = parameters(await browser.begin())["state"]
        response = await browser.http.get(f"/sign-in/city-id/callback?error=access_denied&state={state}")
        assert why(response) == (401, "SIGN_IN_FAILED", "CANCELLED")


@SQLITE
@pytest.mark.parametrize(
    "path",
    ["//elsewhere.example", "https://elsewhere.example/", "/\\elsewhere.example", "javascript:alert(1)", "", "card",
     "/a b", "/a\nb", "/a#b", "/" + "a" * 500, "/\t/elsewhere.example", "/号"],
)  # fmt: skip
async def test_nobody_is_sent_anywhere_but_to_a_path_of_ours(here: Deployment, path: str) -> None:
    response = await here.browser().http.get("/sign-in/city-id", params={"return_to": path})
    assert why(response) == (400, "BAD_USER_INPUT", None)


async def test_a_demanded_assurance_has_to_be_shown(city_url: str, keys_file: Path, tmp_path: Path) -> None:
    async with deployment(city_url, keys_file, tmp_path, assurance=["loa3", "loa4"]) as here:
        assert await refusal(here) == (401, "SIGN_IN_FAILED", "ASSURANCE")
        here.idp.person["acr"] = "loa2"
        assert await refusal(here) == (401, "SIGN_IN_FAILED", "ASSURANCE")
        here.idp.person["acr"] = "loa4"
        await here.sign_in()
        assert here.idp.begun["acr_values"] == "loa3 loa4"


async def test_claims_may_come_from_userinfo_of_the_same_user_alone(
    city_url: str, keys_file: Path, tmp_path: Path
) -> None:
    async with deployment(city_url, keys_file, tmp_path, userinfo=True) as here:
        here.idp.person = {"sub": "user-1"}
        here.idp.userinfo = {"sub": "user-1", "id_number": GOOD}
        await here.sign_in()
        here.idp.userinfo["sub"] = "user-2"
        assert await refusal(here) == (401, "SIGN_IN_FAILED", "OTHER_USER")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_we_may_prove_ourselves_by_a_private_key(
    city_url: str, keys_file: Path, tmp_path: Path, algorithm: str
) -> None:
    key: Any = RSAKey.generate_key(2048) if algorithm == "RS256" else ECKey.generate_key("P-256")
    (tmp_path / "client.pem").write_bytes(key.as_pem(private=True))
    changes = {"client_secret_file": None, "private_key_file": "client.pem", "private_key_algorithm": algorithm}
    async with deployment(city_url, keys_file, tmp_path, **changes) as here:
        await here.sign_in()
        (sent,) = here.idp.token_requests
        assert sent["client_assertion_type"].endswith("jwt-bearer")
        assert "client_secret" not in sent
        assert sent["authorization"] == ""


@SQLITE
async def test_the_session_cookie_is_read_by_no_script_and_sent_by_no_other_site(here: Deployment) -> None:
    response = await here.browser().http.get("/sign-in/city-id")
    (cookie,) = response.headers.get_list("set-cookie")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/sign-in;" in cookie
    assert "Max-Age=600" in cookie
    assert parameters(response.headers["location"])["state"] not in cookie


@SQLITE
async def test_a_browser_is_told_on_a_page_and_a_program_in_json(here: Deployment) -> None:
    http = here.browser().http
    page = await http.get("/sign-in/city-id/callback?state=x", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert "请重新登录。" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert why(await http.get("/sign-in/nobody")) == (404, "UNKNOWN_PROVIDER", None)


def bytes_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("city.db*"))


async def test_neither_number_nor_token_is_stored_or_logged(
    here: Deployment, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level("DEBUG")
    tokens = await here.sign_in()
    here.idp.changes = {"nonce": "another"}
    await refusal(here)
    logged = "".join(
        f"{record.getMessage()}{record.__dict__}" for record in caplog.records if not record.name.startswith("http")
    )
    stored = bytes_below(tmp_path)
    rows = [repr(row) for table in (sessions, audit_entries, accounts) for row in await here.city.rows(table)]
    for secret in (GOOD, tokens["refresh_token"], tokens["access_token"], "user-1"):
        assert secret not in logged
        assert secret.encode() not in stored
        assert not any(secret in row for row in rows)


async def test_a_city_without_providers_has_no_pages_of_theirs(city: City) -> None:
    http = Browser(city).http
    assert (await http.get("/sign-in/city-id")).status_code == 404
    assert (await http.post("/sign-in/wechat", json={})).status_code == 404
