"""The receipt of a consent given or revoked, for its subject to keep. One thing to know: it pins the audit row of the
act (`leaf`), so that nobody can later make the act undone.

An EdDSA JWS that anyone with our public keys checks years later without us; of the subject it holds a pseudonym alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol

from core.keys import Keys, b64encode
from core.sealing import keyed_hash
from core.signing import SignatureInvalid, sign, verify
from scoring.consent.purposes import Purpose

RECEIPT_CLAIMS = frozenset({
    "iss", "iat", "jti", "act", "purpose", "purposeVersion", "textSha256", "recipient", "partner", "offer", "scope",
    "frequency", "endsOn", "eraseBy", "statement", "subject", "leaf",
})  # fmt: skip


class Issuing(Protocol):
    """What signing a receipt takes."""

    @property
    def keys(self) -> Keys:
        """The deployment's."""

    @property
    def issuer(self) -> str:
        """Who signs."""

    @property
    def partner_public_id(self) -> Callable[[int], str]:
        """How a partner's id is written."""

    @property
    def offer_public_id(self) -> Callable[[int], str]:
        """How an offer's id is written."""


def sign_consent(
    row: Mapping[str, Any],
    *,
    act: str,
    purpose: Purpose | None,
    statement: str | None,
    leaf: str,
    issuing: Issuing,
    now: datetime,
) -> str:
    """A receipt that the consent in `row` was `given` or `revoked`; `purpose` is the version it is given to."""
    message = row["id"].bytes + row["subject_id"].to_bytes(8, "big")
    claims = {
        "iss": issuing.issuer,
        "iat": int(now.timestamp()),
        "jti": str(row["id"]),
        "act": act,
        "purpose": row["purpose"],
        "purposeVersion": row["purpose_version"],
        "textSha256": None if purpose is None else sha256(purpose.model_dump_json().encode()).hexdigest(),
        "recipient": row["recipient"],
        "partner": None if row["partner_id"] is None else issuing.partner_public_id(row["partner_id"]),
        "offer": None if row["offer_id"] is None else issuing.offer_public_id(row["offer_id"]),
        "scope": row["scope"],
        "frequency": row["frequency"],
        "endsOn": row["ends_on"].isoformat(),
        "eraseBy": row["erase_by"].isoformat(),
        "statement": statement,
        "subject": b64encode(keyed_hash(issuing.keys, "pseudonym", message)[:16]),
        "leaf": leaf,
    }
    return sign(issuing.keys, "consent", claims)


def check_consent_receipt(keys: Keys, token: str) -> dict[str, Any]:
    """The claims of a genuine receipt of a consent given or revoked.

    Raises:
        SignatureInvalid: it is not one; the message says why.
    """
    claims = verify(keys, "consent", token)
    if set(claims) != RECEIPT_CLAIMS:
        raise SignatureInvalid("授权回执的内容项不全或有多余。请提供未经改动的原文。")
    return claims
