"""Pages: files under a strict policy, in production too; without them the server says what to do."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest
from factories import City, open_city
from starlette.applications import Starlette
from starlette.routing import Mount

from api.transport import pages
from api.transport.pages import PAGES, POLICY

SHEET = "<!doctype html><title>a page</title>"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder such as `make web` leaves."""
    for folder in PAGES.values():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "index.html").write_text(SHEET)
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "page-1a2b3c.js").write_text("export const a = 1;\n" * 500)
    return tmp_path


@pytest.fixture
async def city(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, keys_file: Path) -> AsyncIterator[City]:
    """The small city, which nothing here changes."""
    async with open_city(database_url=f"sqlite+aiosqlite:///{sqlite_template}", keys_file=keys_file) as opened:
        yield opened


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_comes_under_a_policy_that_lets_nothing_in_from_outside(
    city: City, built: Path, path: str
) -> None:
    with patch.object(pages, "BUILT", built):
        answer = await city.client.get(path)
    assert (answer.status_code, answer.text) == (200, SHEET)
    assert answer.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert "*" not in POLICY
    assert answer.headers["permissions-policy"].startswith("camera=(self)")
    assert answer.headers["cache-control"] == "no-cache"
    assert (await city.client.post(path)).status_code == 405


@pytest.mark.parametrize("path", PAGES)
async def test_without_built_pages_the_server_says_what_to_do(city: City, tmp_path: Path, path: str) -> None:
    with patch.object(pages, "BUILT", tmp_path):
        answer = await city.client.get(path)
    assert answer.status_code == 200
    assert "make web" in answer.text


async def test_what_pages_are_made_of_is_compressed_and_kept_for_good(built: Path) -> None:
    assets = Mount("/assets", pages.Assets(built / "assets"))
    transport = httpx.ASGITransport(Starlette(routes=[assets]))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/assets/page-1a2b3c.js", headers={"accept-encoding": "gzip"})
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.text == (built / "assets" / "page-1a2b3c.js").read_text()
        assert int(answer.headers["content-length"]) < len(gzip.compress(answer.content)) + 50
        for path in ("/assets/absent.js", "/assets/../citizen/index.html", "/assets/%2e%2e/citizen/index.html"):
            missing = await client.get(path)
            assert missing.status_code == 404
            assert "cache-control" not in missing.headers


async def test_signing_in_is_offered_by_name(city: City) -> None:
    offered = (await city.client.get("/sign-in")).json()
    assert offered["providers"] == []
    assert {"citizen", "scenic", "operator"} <= set(offered["demo"])
