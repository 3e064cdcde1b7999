"""Pages that people open. One thing to know: they are static files that talk to `/graphql` like any client, under a
policy that lets nothing in from outside."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

FOLDER = Path(__file__).resolve().parent.parent / "web"
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


def page(name: str) -> Response:
    """A file of `web/`."""
    return FileResponse(FOLDER / name, headers=HEADERS)


async def _script(_: Request) -> Response:
    return page("console.js")


async def _style(_: Request) -> Response:
    return page("console.css")


CONSOLE = [Route("/console.js", _script), Route("/console.css", _style)]
"""What the page for trying documents is made of; served in the demo alone."""
