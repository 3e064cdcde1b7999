"""Sealed values (AES-256-GCM) and keyed hashes. One thing to know: a sealed value names its key, so keys rotate.

A sealed value is `tag of the key id (4 bytes) · nonce (12) · ciphertext and authentication tag`.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256

from cryptography.exceptions import InvalidTag

from core.keys import Key, Keys, SecretPurpose

_TAG, _NONCE = 4, 12


def _tag(kid: str) -> bytes:
    return sha256(kid.encode()).digest()[:_TAG]


def seal(keys: Keys, purpose: SecretPurpose, plain: bytes) -> bytes:
    """`plain` under the purpose's active key, bound to the purpose."""
    key = keys.active(purpose)
    nonce = secrets.token_bytes(_NONCE)
    return _tag(key.kid) + nonce + key.cipher.encrypt(nonce, plain, purpose.encode())


def unseal(keys: Keys, purpose: SecretPurpose, sealed: bytes) -> bytes | None:
    """What was sealed, or None where it was not sealed by us for this purpose or has been changed."""
    tag, nonce, rest = sealed[:_TAG], sealed[_TAG : _TAG + _NONCE], sealed[_TAG + _NONCE :]
    for key in keys.of(purpose):
        if _tag(key.kid) == tag:
            try:
                return key.cipher.decrypt(nonce, rest, purpose.encode())
            except (InvalidTag, ValueError):
                return None
    return None


def keyed_hash(keys: Keys, purpose: SecretPurpose, message: bytes) -> bytes:
    """HMAC-SHA-256 of `message`: equal for equal messages, and of no use to whoever lacks the key."""
    return _hash(keys.active(purpose), message)


def keyed_hashes(keys: Keys, purpose: SecretPurpose, message: bytes) -> tuple[bytes, ...]:
    """`keyed_hash` under each key of the purpose, the active one first."""
    active = keys.active(purpose)
    ordered = [active, *(key for key in keys.of(purpose) if key is not active)]
    return tuple(_hash(key, message) for key in ordered)


def _hash(key: Key, message: bytes) -> bytes:
    return hmac.digest(key.secret or b"", message, "sha256")
