"""Hostile paths, methods, headers and bodies at everything that is served over HTTP beside GraphQL. One thing to know:
the routes are read from the application, so a new one is tried without anybody thinking of it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories import City
from hostile_values import INSIDE, quickly
from starlette.routing import Route

PARTS = [
    "x",
    "%00",
    "..%2f..%2fetc%2fpasswd",
    "%ff",
    "a" * 3000,
    "-1",
    "9" * 400,
    "%E2%80%AE",
    "'%20OR%201=1",
    "%0d%0aa:%20b",
]
BODIES = [
    b"",
    b"null",
    b"{}",
    b"\x00" * 100,
    b"\xff\xfe",
    b"[" * 50_000,
    b"a=b&a=b",
    b'{"a": "\\u0000"}',
    b"x" * 300_000,
]
TYPES = [
    "",
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=",
    "text/csv",
    "x" * 500,
]
HEADERS = [
    {},
    {"authorization": "Bearer x"},
    {"authorization": "Bearer " + "a." * 2000},
    {"authorization": "Basic ="},
    {"accept": "a" * 5000, "accept-language": ";;;q=," * 300},
    {"range": "bytes=-1,5-2,9999999999999999999-", "if-none-match": '"' * 50},
    {"content-length": "-1"},
    {"cookie": "a=" + "b" * 5000, "origin": "null", "forwarded": 'for="[::1"'},
]
QUERIES = [
    "",
    "?",
    "?after=-1&after=9999999999999999999999",
    "?%00=%00",
    "?a=" + "b" * 5000,
    "?code=x&state=%00",
    "?item=%ff",
]


@pytest.fixture
def city_url(sqlite_template: Path, tmp_path: Path) -> str:
    """SQLite alone: what is refused here does not reach the store."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    return f"sqlite+aiosqlite:///{tmp_path}/city.db"


def paths(city: City) -> Iterator[str]:
    """Every route but GraphQL's own, each place in it filled with what nobody means well by."""
    for route in city.app.routes:
        if not isinstance(route, Route) or route.path.endswith("/graphql"):
            continue
        if "{" in route.path:
            yield from (re.sub(r"\{[^}]+\}", part.replace("\\", "%5c"), route.path) for part in PARTS)
        else:
            yield route.path


async def check(city: City, method: str, path: str, content: bytes, headers: dict[str, str]) -> None:
    with quickly((method, path)):
        response = await city.client.request(method, path, content=content, headers=headers)
    # Where nothing is configured, 503 says so.
    assert response.status_code < 500 or response.status_code in {501, 503}, (method, path, headers, response.text)
    assert "INTERNAL_SERVER_ERROR" not in response.text
    if response.status_code >= 400:
        assert not INSIDE.search(response.text), (path, response.text)


async def test_no_path_or_query_makes_a_5xx(city: City) -> None:
    for path in paths(city):
        for query in QUERIES:
            await check(city, "GET", path + query, b"", {"authorization": f"Bearer {city.token('auditor')}"})


@pytest.mark.parametrize("media", TYPES)
async def test_no_body_makes_a_5xx(city: City, media: str) -> None:
    headers = {"content-type": media, "authorization": f"Bearer {city.token('provider')}"}
    for path in dict.fromkeys(path.partition("%")[0] for path in paths(city)):
        for body in BODIES:
            await check(city, "POST", path, body, headers)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "PROPFIND"])
async def test_no_method_or_header_makes_a_5xx(city: City, method: str) -> None:
    for path in dict.fromkeys(path.partition("%")[0] for path in paths(city)):
        for headers in HEADERS:
            await check(city, method, path, b"", headers)
