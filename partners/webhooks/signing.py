"""What a receiver checks a webhook by. One thing to know: each is signed twice over the same bytes, with the endpoint's
own secret (Standard Webhooks) and with a key of ours that everybody can look up (`/.well-known/jwks.json`).

The secret is quick to check with any library of the conventions; but whoever knows it can sign too. The signature by
our key, a JWT that holds the SHA-256 of the body, proves to a third person that we said it.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from standardwebhooks import Webhook

from core.keys import Keys
from core.signing import sign

SECRET_BYTES = 32
PREFIX = "whsec_"
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
STATEMENT = "xinyi-signature"
"""The header with the JWT."""


def new_secret() -> bytes:
    """A fresh secret of an endpoint."""
    return secrets.token_bytes(SECRET_BYTES)


def secret_text(secret: bytes) -> str:
    """The secret as it is shown, once, and as libraries take it."""
    return PREFIX + b64encode(secret).decode()


def signed_headers(
    keys: Keys, *, event_id: UUID, body: bytes, at: datetime, signed_with: Sequence[bytes], issuer: str, url: str
) -> dict[str, str]:
    """The headers that go with `body` at this attempt; one `v1` signature for each secret, the newest first.

    Claims of the JWT: `iss`, `iat`, `aud` (the URL), `jti` (the event), `request_body_sha256` in hex.
    """
    at = at.astimezone(UTC)
    signatures = [
        Webhook(secret).sign(msg_id=str(event_id), timestamp=at, data=body.decode()) for secret in signed_with
    ]
    claims = {"iss": issuer, "iat": int(at.timestamp()), "aud": url, "jti": str(event_id)}
    return {
        ID: str(event_id),
        TIMESTAMP: str(int(at.timestamp())),
        SIGNATURE: " ".join(signatures),
        STATEMENT: sign(keys, "webhook", claims | {"request_body_sha256": sha256(body).hexdigest()}),
    }
