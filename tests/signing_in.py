"""A browser that signs in, and a deployment with providers to sign in through."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import yaml
from factories import NOON, PEOPLE, City, open_city, resident_id
from identity_providers import APP, APP_SECRET, CLIENT, SECRET, OpenIdProvider, WechatServer, serving

GOOD, STRANGER = resident_id(PEOPLE["good"]["birth"], 1), resident_id(PEOPLE["stranger"]["birth"], 5)
ME = "{ me { id displayName } }"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Deployment(NamedTuple):
    """A city whose people sign in through two fakes."""

    city: City
    idp: OpenIdProvider
    wechat: WechatServer

    def browser(self, *, agent: str = FIREFOX) -> Browser:
        """A fresh one, without cookies."""
        return Browser(self.city, agent)

    async def sign_in(self, provider: str = "city-id") -> dict[str, Any]:
        """The tokens of whoever the provider says is there."""
        response = await self.browser().sign_in(provider)
        assert response.status_code == 200, response.text
        return dict(response.json())


def providers_file(folder: Path, idp: OpenIdProvider, wechat: WechatServer, **changes: Any) -> Path:
    """The deployment's file; `changes` to the provider `city-id`."""
    for name, secret in (("client", SECRET), ("mini", APP_SECRET)):
        (folder / f"{name}.secret").write_text(f"{secret}\n")
    common = {"kind": "oidc", "issuer": idp.url, "client_id": CLIENT, "client_secret_file": "client.secret"}
    person = common | {"name": "市统一身份认证", "proves": "person", "claim": "id_number", "name_claim": "name"}
    mini = {"kind": "wechat", "name": "信易小程序", "app_id": APP, "secret_file": "mini.secret", "address": wechat.url}
    content = {
        "address": "http://127.0.0.1",
        "providers": {
            "city-id": {name: value for name, value in (person | changes).items() if value is not None},
            "firm-id": common | {"name": "法人登录", "proves": "enterprise", "claim": "uscc"},
            "staff-id": common | {"name": "单点登录", "proves": "account", "claim": "account", "roles": ["operator"]},
            "mini": mini | {"binds_with": "city-id"},
        },
    }
    path = folder / "providers.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True))
    return path


@asynccontextmanager
async def deployment(city_url: str, keys_file: Path, folder: Path, **changes: Any) -> AsyncIterator[Deployment]:
    """While it runs."""
    held: list[City] = []

    def clock() -> float:
        return (held[0].now if held else NOON).timestamp()

    idp = OpenIdProvider(clock=clock)
    wechat = WechatServer()
    with serving(idp, wechat):
        redis_url = changes.pop("redis_url", None)
        path = providers_file(folder, idp, wechat, **changes)
        async with open_city(database_url=city_url, keys_file=keys_file, providers=path, redis_url=redis_url) as city:
            held.append(city)
            idp.person = {"sub": "user-1", "id_number": GOOD, "name": "测good"}
            yield Deployment(city, idp, wechat)


class Browser:
    """Keeps cookies as a browser does, and follows to the provider and back."""

    def __init__(self, city: City, agent: str = FIREFOX) -> None:
        transport = httpx.ASGITransport(app=city.app)
        # No https in here: the cookies of these tests are not `Secure`.
        self.http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers={"user-agent": agent})

    async def begin(self, provider: str = "city-id", **given: str) -> str:
        """Where it is sent to."""
        response = await self.http.get(f"/sign-in/{provider}", params=given)
        assert response.status_code == 303, response.text
        return str(response.headers["location"])

    async def at_provider(self, address: str) -> str:
        """What the provider sends it back to, as a path of ours."""
        async with httpx.AsyncClient() as outside:
            response = await outside.get(address)
        assert response.status_code == 302, response.text
        parts = urlsplit(response.headers["location"])
        return f"{parts.path}?{parts.query}"

    async def come_back(self, provider: str = "city-id", **given: str) -> httpx.Response:
        """The whole way up to the callback's answer."""
        return await self.http.get(await self.at_provider(await self.begin(provider, **given)))

    async def claim(self, code: str) -> httpx.Response:
        """What the page does with the code."""
        return await self.http.post("/sign-in/session", json={"code": code})

    async def sign_in(self, provider: str = "city-id") -> httpx.Response:
        """The whole way to the tokens, or the first refusal."""
        back = await self.come_back(provider)
        return await self.claim(code_in(back)) if back.status_code == 303 else back


def code_in(response: httpx.Response) -> str:
    """The one-time code in a redirect back to the page."""
    fragment = urlsplit(response.headers["location"]).fragment
    return unquote(fragment.removeprefix("sign-in="))


def parameters(address: str) -> dict[str, str]:
    """Of an address's query."""
    return dict(parse_qsl(urlsplit(address).query))


def why(response: httpx.Response) -> tuple[int, str, str | None]:
    """Status, code and the check that failed."""
    error = response.json()["error"]
    assert re.search(r"[。]$", error["message"]), error
    return response.status_code, error["code"], error.get("why")


async def ask(city: City, token: str, query: str = ME, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    """The body of the answer to whoever holds that token."""
    headers = {"authorization": f"Bearer {token}"}
    response = await city.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
    return dict(response.json())
