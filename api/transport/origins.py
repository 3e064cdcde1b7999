"""Which web pages may talk to us. One thing to know: only browsers name an origin, and they say it truly, so this keeps
other people's pages out, not programs."""

from __future__ import annotations

from urllib.parse import urlsplit

from core.settings import Settings

DEFAULT_PORTS = (":443", ":80")


def is_allowed_origin(settings: Settings, origin: str | None, host: str | None) -> bool:
    """Whether a request with these `Origin` and `Host` headers may come in: from no page, from one of our own host,
    or from one that the deployment has named.
    """
    if origin is None:
        return True
    if origin in settings.origins:
        return True
    try:
        page = urlsplit(origin)
    except ValueError:
        return False
    return page.scheme in ("http", "https") and bool(host) and _bare(page.netloc) == _bare(host or "")


def _bare(host: str) -> str:
    lowered = host.lower()
    for port in DEFAULT_PORTS:
        lowered = lowered.removesuffix(port)
    return lowered
