"""Sealed values and keyed hashes. One thing to know: a sealed value names its key, so keys rotate, and suites mix.

A sealed value is `tag of the key id (4 bytes) · nonce (12) · ciphertext and authentication tag (16)`, in AES-256-GCM or
SM4-GCM (GB/T 32907); a keyed hash is HMAC-SHA-256 or HMAC-SM3 (GB/T 32905). Which, the key says. All use of secret
keys is in this module.
"""

from __future__ import annotations

import hmac
import secrets
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SM3
from cryptography.hazmat.primitives.hmac import HMAC

from core.keys import HashingPurpose, Key, Keys, SealingPurpose

_TAG, _NONCE, _AUTHENTICATION = 4, 12, 16


class _Sm4Gcm:
    """SM4-GCM with the face of `AESGCM`, which the library does not give it."""

    def __init__(self, secret: bytes) -> None:
        self._algorithm = algorithms.SM4(secret)

    def encrypt(self, nonce: bytes, plain: bytes, bound_to: bytes) -> bytes:
        encryptor = Cipher(self._algorithm, modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(bound_to)
        return encryptor.update(plain) + encryptor.finalize() + encryptor.tag

    def decrypt(self, nonce: bytes, sealed: bytes, bound_to: bytes) -> bytes:
        secret, tag = sealed[:-_AUTHENTICATION], sealed[-_AUTHENTICATION:]
        decryptor = Cipher(self._algorithm, modes.GCM(nonce, tag)).decryptor()
        decryptor.authenticate_additional_data(bound_to)
        return decryptor.update(secret) + decryptor.finalize()


@lru_cache(64)
def _cipher(key: Key) -> AESGCM | _Sm4Gcm:
    return _Sm4Gcm(key.secret or b"") if key.alg == "SM4-GCM" else AESGCM(key.secret or b"")


@lru_cache(64)
def _keyed_sm3(key: Key) -> HMAC:
    return HMAC(key.secret or b"", SM3())


def seal(keys: Keys, purpose: SealingPurpose, plain: bytes) -> bytes:
    """`plain` under the purpose's active key, bound to the purpose."""
    key = keys.active(purpose)
    nonce = secrets.token_bytes(_NONCE)
    return key.tag + nonce + _cipher(key).encrypt(nonce, plain, purpose.encode())


def unseal(keys: Keys, purpose: SealingPurpose, sealed: bytes) -> bytes | None:
    """What was sealed, or None where it was not sealed by us for this purpose or has been changed."""
    tag, nonce, rest = sealed[:_TAG], sealed[_TAG : _TAG + _NONCE], sealed[_TAG + _NONCE :]
    for key in keys.of(purpose):
        if key.tag == tag:
            try:
                return _cipher(key).decrypt(nonce, rest, purpose.encode())
            except (InvalidTag, ValueError):
                continue  # two key ids in four thousand million share a tag
    return None


def keyed_hash(keys: Keys, purpose: HashingPurpose, message: bytes) -> bytes:
    """32 bytes: equal for equal messages, and of no use to whoever lacks the key."""
    return hash_with(keys.active(purpose), message)


def keyed_hashes(keys: Keys, purpose: HashingPurpose, message: bytes) -> tuple[bytes, ...]:
    """`keyed_hash` under each key of the purpose, the active one first."""
    active = keys.active(purpose)
    if len(keys.of(purpose)) == 1:
        return (hash_with(active, message),)
    return tuple(hash_with(key, message) for key in (active, *(key for key in keys.of(purpose) if key is not active)))


def hash_with(key: Key, message: bytes) -> bytes:
    """`keyed_hash` under this key, active or not."""
    if key.alg != "HMAC-SM3":
        return hmac.digest(key.secret or b"", message, "sha256")
    keyed = _keyed_sm3(key).copy()
    keyed.update(message)
    return keyed.finalize()
