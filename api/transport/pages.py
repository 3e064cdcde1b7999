"""Pages that people open. One thing to know: they are files built from `web/` (`make web`) that talk to `/graphql` like
any client, under a policy that lets nothing in from outside; without them the server works all the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

BUILT = Path(__file__).resolve().parents[2] / "web" / "dist"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; font-src 'self' data:; "
    "img-src 'self' data: blob:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    # The desk scans; nobody else may, and nothing here asks where somebody is.
    "permissions-policy": "camera=(self), microphone=(), geolocation=(), payment=()",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
PAGES = {"/": "citizen", "/desk": "desk", "/operator": "operator", "/open": "open"}
"""Address → folder of `web/`."""
NOT_BUILT = """<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>信易+</title>
<p>页面还没有构建。请在能连接 npm 源的机器上运行 <code>make web</code>,然后刷新。接口本身照常可用。</p></html>"""


def are_built() -> bool:
    """Whether there are pages to show."""
    return all((BUILT / folder / "index.html").is_file() for folder in PAGES.values())


def page(folder: str) -> Response:
    """The page of a folder of `web/`."""
    path = BUILT / folder / "index.html"
    if not path.is_file():
        return HTMLResponse(NOT_BUILT, headers=HEADERS)
    return FileResponse(path, headers=HEADERS)


def pages() -> list[BaseRoute]:
    """The pages, and what they are made of. Each finds its own way after the `#`, so one address each is enough."""
    return [
        *(Route(path, _shows(folder)) for path, folder in PAGES.items()),
        Mount("/assets", Assets(BUILT / "assets")),
    ]


def _shows(folder: str) -> Callable[[Request], Awaitable[Response]]:
    async def show(_: Request) -> Response:
        return page(folder)

    return show


class Assets:
    """What the pages are made of: compressed where the browser takes it, and, since each name carries a hash of what is
    in the file, kept for good."""

    def __init__(self, folder: Path) -> None:
        self._files = GZipMiddleware(StaticFiles(directory=folder, check_dir=False))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one file."""

        async def lasting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in (200, 304):
                message["headers"].append((b"cache-control", b"public, max-age=31536000, immutable"))
            await send(message)

        await self._files(scope, receive, lasting)
