"""Providers that do not answer as they should, and files of providers that cannot be meant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from identity_providers import OpenIdProvider, WechatServer
from signing_in import Deployment, deployment, providers_file, why

from api.identity import fetching
from api.identity.providers import load_providers
from core.errors import StartupError


@pytest.fixture
async def here(city_url: str, keys_file: Path, tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment with its providers."""
    async with deployment(city_url, keys_file, tmp_path) as opened:
        yield opened


SQLITE = pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
"""For what is decided before the database is asked."""


@SQLITE
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/jwks"])
@pytest.mark.parametrize(
    "instead",
    [
        (500, {}, b"{}"),
        (302, {"location": "http://127.0.0.1:1/"}, b""),
        (200, {}, b"no json"),
        (200, {}, b"[]"),
        (200, {}, b"{" + b" " * 300_000 + b"}"),
        (200, {"content-encoding": "gzip"}, b"{}"),
        (404, {}, b"{}"),
    ],
    ids=["fails", "redirects", "no JSON", "no object", "huge", "compressed", "missing"],
)
async def test_a_provider_that_does_not_answer_as_it_should_is_named(
    here: Deployment, path: str, instead: tuple[int, dict[str, str], bytes]
) -> None:
    here.idp.instead[path] = instead
    response = await here.browser().http.get("/sign-in/city-id")
    if response.status_code == 303:
        response = await here.browser().come_back()
    if (path, instead[0]) == ("/jwks", 404):
        assert why(response) == (401, "SIGN_IN_FAILED", "UNKNOWN_KEY")
        return
    assert why(response) == (503, "UNAVAILABLE", None)
    assert "市统一身份认证" in response.json()["error"]["message"]


@SQLITE
@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://elsewhere.example"},
        {"token_endpoint": "http://elsewhere.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": None},
        {"token_endpoint": "https://user:password@elsewhere.example/token"},
    ],
    ids=str,
)
async def test_a_discovery_that_leads_elsewhere_is_not_followed(here: Deployment, metadata: dict[str, Any]) -> None:
    here.idp.metadata = metadata
    assert why(await here.browser().http.get("/sign-in/city-id")) == (503, "UNAVAILABLE", None)


@SQLITE
async def test_a_slow_provider_is_not_waited_for(here: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "SECONDS", 0.2)
    here.idp.seconds = 1.0
    assert why(await here.browser().http.get("/sign-in/city-id")) == (503, "UNAVAILABLE", None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"issuer": "http://elsewhere.example"}, "https"),
        ({"scopes": ["profile"]}, "openid"),
        ({"roles": ["operator"]}, "roles"),
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"client_secret_file": "missing.secret"}, "missing.secret"),
        ({"private_key_file": "client.secret"}, "只能写一个"),
        ({"proves": "account"}, "roles"),
        ({"colour": "red"}, "colour"),
        ({"registers_in": "hebei", "name_claim": None}, "registers_in"),
    ],
    ids=str,
)
def test_a_file_of_providers_that_cannot_be_meant_does_not_start(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    idp, wechat = OpenIdProvider(clock=lambda: 0.0), WechatServer()
    for one in (idp, wechat):
        one.server.server_close()
    path = providers_file(tmp_path, idp, wechat, **changes)
    with pytest.raises(StartupError, match=said):
        load_providers(path, issuer="https://xinyi.example", is_demo=True)


def test_in_production_every_address_is_https(tmp_path: Path) -> None:
    idp, wechat = OpenIdProvider(clock=lambda: 0.0), WechatServer()
    for one in (idp, wechat):
        one.server.server_close()
    with pytest.raises(StartupError, match="https"):
        load_providers(providers_file(tmp_path, idp, wechat), issuer="https://xinyi.example", is_demo=False)
