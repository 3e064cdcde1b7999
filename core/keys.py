"""The keys of a deployment, one or more for each purpose. One thing to know: no key serves two purposes.

The file is a JSON Web Key Set (RFC 7517) with two members more on each key: `purpose` and `status`.
Exactly one key of a purpose is `active`; `retired` ones still open and verify what they once made.
"""

from __future__ import annotations

import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import StartupError

SigningPurpose = Literal["bearer", "receipt", "proof", "results"]
SecretPurpose = Literal["code", "seal", "lookup", "body", "pseudonym"]
SIGNING: tuple[SigningPurpose, ...] = get_args(SigningPurpose)
SECRET: tuple[SecretPurpose, ...] = get_args(SecretPurpose)
PUBLIC: tuple[SigningPurpose, ...] = ("receipt", "proof", "results")
"""Purposes whose signatures others check."""
LENGTH = 32
"""Bytes of every key, symmetric or half of a pair."""


def b64encode(raw: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def b64decode(text: str) -> bytes:
    """The bytes of `text` if it is their one canonical spelling in base64url.

    Raises:
        ValueError: another alphabet, padding, white space, or stray bits in the last letter.
    """
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64encode(raw) != text:
        raise ValueError("not canonical base64url")
    return raw


@dataclass(frozen=True)
class Key:
    """One key as it stands in the file."""

    kid: str
    purpose: str
    active: bool
    secret: bytes | None
    public: bytes | None = None

    @cached_property
    def private_key(self) -> Ed25519PrivateKey:
        """For signing. Only keys of a signing purpose that came with their private half have one."""
        if self.secret is None:
            raise StartupError(f"密钥 {self.kid} 只有公钥,不能签名。请提供完整的密钥文件。")
        return Ed25519PrivateKey.from_private_bytes(self.secret)

    @cached_property
    def public_key(self) -> Ed25519PublicKey:
        """For verifying signatures."""
        return Ed25519PublicKey.from_public_bytes(self.public or b"")

    @cached_property
    def cipher(self) -> AESGCM:
        """For sealing, with AES-256-GCM."""
        return AESGCM(self.secret or b"")

    def public_jwk(self) -> dict[str, str]:
        """What everybody may see of a signing key."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": b64encode(self.public or b""),
            "kid": self.kid,
            "alg": "EdDSA",
            "use": "sig",
            "purpose": self.purpose,
        }


class Keys:
    """All keys, found by purpose and key id."""

    def __init__(self, keys: list[Key], *, demo: bool) -> None:
        self.demo = demo
        self.all = tuple(keys)
        self._by_id = {(key.purpose, key.kid): key for key in keys}
        self._active = {key.purpose: key for key in keys if key.active}

    def active(self, purpose: SigningPurpose | SecretPurpose) -> Key:
        """The key that new things of this purpose are made with."""
        return self._active[purpose]

    def find(self, purpose: SigningPurpose | SecretPurpose, kid: str) -> Key | None:
        """The key of this purpose and id, active or retired."""
        return self._by_id.get((purpose, kid))

    def of(self, purpose: SigningPurpose | SecretPurpose) -> list[Key]:
        """All keys of a purpose."""
        return [key for (held_for, _), key in self._by_id.items() if held_for == purpose]

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public set: what signs receipts, proofs and results, retired keys included, so that old ones verify."""
        return {"keys": [key.public_jwk() for purpose in PUBLIC for key in self.of(purpose)]}


def new_key_file(path: Path, *, demo: bool) -> None:
    """Write a file with one fresh active key for every purpose, readable by its owner alone.

    Raises:
        StartupError: the file exists already, or cannot be written.
    """
    _write(path, {"demo": demo, "keys": [_fresh(purpose) for purpose in (*SIGNING, *SECRET)]})


def complete_key_file(path: Path) -> list[str]:
    """Add a fresh active key for each purpose that the file has none for; these purposes.

    A file made before a purpose was thought of lacks it. What it holds stays as it is.

    Raises:
        StartupError: the file is missing or broken, or cannot be written.
    """
    active = {key.purpose for key in _load(path).all if key.active}
    missing = [purpose for purpose in (*SIGNING, *SECRET) if purpose not in active]
    if missing:
        content = orjson.loads(path.read_bytes())
        beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        _write(beside, content | {"keys": [*content["keys"], *(_fresh(purpose) for purpose in missing)]})
        beside.replace(path)
    return [*missing]


def _fresh(purpose: SigningPurpose | SecretPurpose) -> dict[str, str]:
    named = {"kid": f"{purpose}-{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(3)}", "purpose": purpose}
    if purpose not in SIGNING:
        return {"kty": "oct", "k": b64encode(secrets.token_bytes(LENGTH)), **named, "status": "active"}
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    pair = {"kty": "OKP", "crv": "Ed25519", "x": b64encode(public), "d": b64encode(private.private_bytes_raw())}
    return {**pair, "alg": "EdDSA", **named, "status": "active"}


def _write(path: Path, content: dict[str, Any]) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise StartupError(f"写不了密钥文件 {path}({error.strerror})。请换一个可写且尚不存在的路径。") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def _read(jwk: dict[str, Any]) -> Key:
    is_pair = jwk["kty"] == "OKP"
    text = jwk.get("d") if is_pair else jwk["k"]
    secret = None if text is None else b64decode(text)
    public = b64decode(jwk["x"]) if is_pair else None
    if any(half is not None and len(half) != LENGTH for half in (secret, public)):
        raise ValueError("a key of another length")
    if is_pair and secret and Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw() != public:
        raise ValueError("two halves of different keys")
    return Key(str(jwk["kid"]), str(jwk["purpose"]), jwk.get("status") == "active", secret, public)


def _load(path: Path) -> Keys:
    try:
        content = orjson.loads(path.read_bytes())
        return Keys([_read(jwk) for jwk in content["keys"]], demo=bool(content.get("demo", False)))
    except OSError as error:
        raise StartupError(f"读不到密钥文件 {path}({error.strerror})。可用 xinyi keys new 生成一份。") from None
    except (ValueError, KeyError, TypeError, UnsupportedAlgorithm):
        raise StartupError(f"密钥文件 {path} 格式不对。请恢复备份,或用 xinyi keys new 重新生成。") from None


def load_keys(path: Path) -> Keys:
    """Read a key file that has an active key for every purpose.

    Raises:
        StartupError: missing, broken, or without an active key for some purpose.
    """
    keys = _load(path)
    for purpose in (*SIGNING, *SECRET):
        active = [key for key in keys.of(purpose) if key.active and key.secret]
        if len(active) != 1:
            raise StartupError(
                f"密钥文件 {path} 中 {purpose} 的在用密钥应恰好一把,现有 {len(active)} 把。"
                "缺少时可用 xinyi keys complete 补上,多出的请停用,然后重新启动。"
            )
    return keys


def load_public_keys(path: Path) -> Keys:
    """Read a public key set as served at `/.well-known/jwks.json`, for checking receipts and proofs.

    Raises:
        StartupError: missing or broken.
    """
    return _load(path)
