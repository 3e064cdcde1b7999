"""The receipt that both sides of a verification hold. One thing to know: it says what was answered, never about whom.

An EdDSA JWS that anyone with our public keys checks years later without us.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from core.keys import Keys, b64encode
from core.sealing import keyed_hash
from core.signing import SignatureInvalid, sign, unproved_claims, verify

CLAIMS = frozenset({"iss", "iat", "jti", "partner", "offer", "offerVersion", "outcome", "subject", "leaf"})


def sign_receipt(
    keys: Keys,
    *,
    issuer: str,
    verification_id: UUID,
    partner: str,
    offer: str,
    offer_version: int,
    outcome: str,
    subject_id: int,
    leaf: str,
    at: datetime,
) -> str:
    """A receipt. `partner` and `offer` are the public ids, `leaf` the hash of the audit row."""
    claims = {
        "iss": issuer,
        "iat": int(at.timestamp()),
        "jti": str(verification_id),
        "partner": partner,
        "offer": offer,
        "offerVersion": offer_version,
        "outcome": outcome,
        "subject": pseudonym(keys, subject_id=subject_id, verification_id=verification_id),
        "leaf": leaf,
    }
    return sign(keys, "receipt", claims)


def pseudonym(keys: Keys, *, subject_id: int, verification_id: UUID) -> str:
    """A name for the subject in this one receipt: fresh each time, so that two receipts tell nobody but us that
    they are about the same subject."""
    message = verification_id.bytes + subject_id.to_bytes(8, "big")
    return b64encode(keyed_hash(keys, "pseudonym", message)[:16])


def check_receipt(keys: Keys, token: str) -> dict[str, Any]:
    """The claims of a genuine receipt.

    Raises:
        SignatureInvalid: it is not one; the message says why.
    """
    claims = verify(keys, "receipt", token)
    if set(claims) != CLAIMS:
        raise SignatureInvalid("回执的内容项不全或有多余。请提供未经改动的原文。")
    return claims


def verification_named_in(token: str | None) -> UUID | None:
    """Which verification a receipt that we keep ourselves is of; None where it cannot be read. Nothing is proved."""
    try:
        return UUID(str(unproved_claims(token or "")["jti"]))
    except (SignatureInvalid, KeyError, ValueError):
        return None
