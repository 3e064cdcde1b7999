"""What keeps browsers from doing harm in somebody's name. One thing to know: no cookie opens the interface (a bearer
token does), a POST is JSON and therefore asked about beforehand (CORS), and every answer says that it is no page.

Pages of other origins are let in by name alone (`XINYI_ORIGINS`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Message

from api.transport.origins import is_allowed_origin
from core.settings import Settings

PREFLIGHTED = ("authorization", "x-requested-with", "apollo-require-preflight", "x-apollo-operation-name")
"""Headers that no page can send to another origin without having asked first."""
SAFE: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),  # what is asked with a token is about somebody; what is public says so
)
LASTING = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


def cross_origin(settings: Settings) -> Middleware:
    """Answers what browsers ask before they let a page of another origin speak to us."""
    return Middleware(
        CORSMiddleware,
        allow_origins=list(settings.origins),
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type", "accept-language", *PREFLIGHTED[1:]],
        expose_headers=["x-request-id", "retry-after"],
        max_age=600,
    )


def is_foreign(settings: Settings, headers: Mapping[str, str]) -> bool:
    """Whether a GET may be another page's doing: an image, a link, a form of some other origin."""
    site = headers.get("sec-fetch-site", "none")
    if site in ("none", "same-origin") or any(name in headers for name in PREFLIGHTED):
        return False
    if headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        return False
    origin = headers.get("origin")
    return origin is None or not is_allowed_origin(settings, origin, headers.get("host"))


class SafeHeaders:
    """Adds to an answer what it does not say itself."""

    def __init__(self, settings: Settings) -> None:
        is_https = settings.issuer.startswith("https://") and settings.environment == "production"
        self._added: Sequence[tuple[bytes, bytes]] = (*SAFE, LASTING) if is_https else SAFE

    def add(self, message: Message) -> None:
        """`message` begins a response."""
        headers: list[Any] = message["headers"]
        said = [name for name, _ in headers]
        message["headers"] = [*headers, *(pair for pair in self._added if pair[0] not in said)]
