"""What a browser is told, and which pages may speak to us through it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from factories import City, open_city
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.transport.pages import BUILT, NOT_BUILT
from api.transport.server import server_of
from api.transport.streams import Streams
from core.settings import Settings

PAGE, STRANGER = "https://app.example", "https://stranger.example"
QUERY = {"query": "{ __typename }"}
FOREIGN = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}


@pytest.fixture
async def open_to_a_page(sqlite_template: Path, tmp_path: Path, keys_file: Path) -> AsyncIterator[City]:
    """A city whose interface one page of another origin may use."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    url = f"sqlite+aiosqlite:///{tmp_path}/city.db"
    async with open_city(database_url=url, keys_file=keys_file, origins=(PAGE,)) as opened:
        yield opened


async def preflight(city: City, origin: str) -> Any:
    wanted = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    return await city.client.options("/graphql", headers={"origin": origin, **wanted})


@pytest.mark.parametrize("path", ["/graphql?query={__typename}", "/healthz", "/nothing", "/.well-known/jwks.json"])
async def test_every_answer_says_that_it_is_no_page(city: City, path: str) -> None:
    headers = (await city.client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "strict-transport-security" not in headers


async def test_a_named_page_may_post_and_read_and_no_other(open_to_a_page: City) -> None:
    allowed = await preflight(open_to_a_page, PAGE)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, PAGE)
    assert "access-control-allow-credentials" not in allowed.headers
    assert (await preflight(open_to_a_page, STRANGER)).headers.get("access-control-allow-origin") is None
    for origin, told in ((PAGE, PAGE), (STRANGER, None)):
        answer = await open_to_a_page.client.post("/graphql", json=QUERY, headers={"origin": origin})
        assert answer.headers.get("access-control-allow-origin") == told
        assert answer.json()["data"] == {"__typename": "Query"}  # read by programs, which name no origin truly


async def test_where_no_page_is_named_none_is_let_in(city: City) -> None:
    answer = await preflight(city, PAGE)
    assert "access-control-allow-origin" not in answer.headers
    assert answer.status_code == 405


async def test_a_get_that_another_page_may_have_caused_is_refused(open_to_a_page: City) -> None:
    async def get(**headers: str) -> tuple[int, str]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await open_to_a_page.client.get("/graphql", params=QUERY, headers=given)
        body = answer.json()
        return answer.status_code, body["errors"][0]["extensions"]["code"] if "errors" in body else ""

    assert await get() == (200, "")
    for site in ("same-origin", "none"):
        assert await get(sec_fetch_site=site) == (200, "")
    for site in ("cross-site", "same-site", "anything"):
        assert await get(sec_fetch_site=site) == (403, "CROSS_ORIGIN")
        assert await get(sec_fetch_site=site, origin=STRANGER) == (403, "CROSS_ORIGIN")
        assert await get(sec_fetch_site=site, origin=PAGE) == (200, "")
        assert await get(sec_fetch_site=site, x_requested_with="fetch") == (200, "")
        assert await get(sec_fetch_site=site, content_type="application/json") == (200, "")


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_a_post_that_needs_no_asking_beforehand_is_refused(city: City, media: str) -> None:
    answer = await city.client.post("/graphql", content=b'{"query": "{ __typename }"}', headers={"content-type": media})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "origin", ["app.example", "https://app.example/", "https://app.example/x", "*", "null", "ftp://a"]
)
def test_what_is_no_origin_is_no_setting(origin: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="origin"):
        Settings(database_url="sqlite+aiosqlite:///x", keys_file=tmp_path, origins=(origin,))


async def test_the_page_for_trying_documents_loads_nothing_from_outside(city: City) -> None:
    page = await city.client.get("/graphql", headers={"accept": "text/html"})
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert page.text == NOT_BUILT if not (BUILT / "graphiql").is_dir() else "/assets/" in page.text
    assert "<script>" not in page.text


@pytest.mark.parametrize(
    ("proxies", "seen"), [("127.0.0.1", "203.0.113.7"), ("10.0.0.0/8", "127.0.0.1"), ("*", "203.0.113.7")]
)
async def test_a_clients_address_is_taken_from_a_gateway_that_is_named_and_from_nobody_else(
    proxies: str, seen: str
) -> None:
    async def tell(request: Request) -> Response:
        return Response(request.client.host if request.client else "")

    app = Starlette(routes=[Route("/", tell)])
    app.state.streams = Streams()
    config = server_of(app, proxies=proxies).config
    config.load()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(config.loaded_app), base_url="http://test") as client:
        assert (await client.get("/", headers={"x-forwarded-for": "203.0.113.7"})).text == seen
