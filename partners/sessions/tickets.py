"""Sealed tickets: what we hand out to get it back unread and unchanged. One thing to know: a ticket says what it is
for, and one made for something else is none.

Refresh tokens, one-time codes, the state of a sign-in that is under way, and the name of a WeChat user who is not bound
yet travel in them; whoever holds one can read nothing in it, and there is one spelling of each.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson

from core.keys import Keys, b64decode
from core.sealing import seal, unseal

TicketKind = Literal["refresh", "code", "state", "bind", "confirm"]
LONGEST = 3500
"""Characters; a browser keeps cookies of 4096 bytes with their name and attributes."""


def make_ticket(
    keys: Keys, kind: TicketKind, content: dict[str, Any], *, now: datetime, lifetime: timedelta | None = None
) -> str:
    """`content` sealed; without a lifetime it is good as long as what it names is."""
    ends = None if lifetime is None else (now + lifetime).timestamp()
    sealed = seal(keys, "seal", orjson.dumps({"ticket": kind, "ends": ends, "content": content}))
    return urlsafe_b64encode(sealed).decode().rstrip("=")


def open_ticket(keys: Keys, kind: TicketKind, text: object, *, now: datetime) -> dict[str, Any] | None:
    """What was sealed; None where it is no ticket of ours of this kind, or has expired."""
    if not isinstance(text, str) or len(text) > LONGEST:
        return None
    try:
        opened = unseal(keys, "seal", b64decode(text))
        held = None if opened is None else orjson.loads(opened)
    except ValueError:
        return None
    if not isinstance(held, dict) or held.get("ticket") != kind:
        return None
    if held["ends"] is not None and held["ends"] <= now.timestamp():
        return None
    return dict(held["content"])
