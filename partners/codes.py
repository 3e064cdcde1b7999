"""The credit code: what a phone shows and a partner scans. One thing to know: nobody but us can read anything in it.

It is one sealed value (AES-256-GCM) of fixed length with one valid spelling, good for a minute and for one decision.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.keys import Keys, b64decode, b64encode
from core.sealing import seal, unseal

LIFETIME = timedelta(seconds=60)
_FIELDS = struct.Struct(">16sQIQ")
_TOKEN_LENGTH = len(b64encode(bytes(4 + 12 + _FIELDS.size + 16)))


@dataclass(frozen=True, slots=True)
class CreditCode:
    """What is inside a code."""

    id: bytes
    """128 random bits; single use is a unique row on them."""
    subject_id: int
    expires_at: datetime
    offer_id: int | None
    """The one offer its holder bound it to, if any."""


def issue_code(keys: Keys, *, subject_id: int, offer_id: int | None, now: datetime) -> tuple[CreditCode, str]:
    """A fresh code and its token. Expires on a whole second, at most 60 s from now."""
    seconds = int((now + LIFETIME).timestamp())
    code = CreditCode(secrets.token_bytes(16), subject_id, datetime.fromtimestamp(seconds, UTC), offer_id)
    sealed = seal(keys, "code", _FIELDS.pack(code.id, subject_id, seconds, offer_id or 0))
    return code, b64encode(sealed)


def open_code(keys: Keys, token: str) -> CreditCode | None:
    """What is inside `token`, or None where we did not make it or a letter was changed. Expiry is not judged."""
    if len(token) != _TOKEN_LENGTH or not token.isascii():
        return None
    try:
        plain = unseal(keys, "code", b64decode(token))
    except ValueError:
        return None
    if plain is None:
        return None
    code_id, subject_id, seconds, offer_id = _FIELDS.unpack(plain)
    return CreditCode(code_id, subject_id, datetime.fromtimestamp(seconds, UTC), offer_id or None)
