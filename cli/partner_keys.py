"""A partner's own key pair. One thing to know: the private half never leaves the partner's machine; what is registered
is the public JWK alone.

Keys are Ed25519 (EdDSA) or P-256 (ES256), in a JWK (RFC 7517) or PEM file that its owner alone can read.
"""

from __future__ import annotations

import os
import stat
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt import PyJWK, PyJWTError
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from core.errors import BadInput

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey
ALGORITHMS = ("EdDSA", "ES256")


@dataclass(frozen=True, slots=True)
class PartnerKey:
    """A key pair and the name it goes by."""

    private: PrivateKey
    algorithm: str
    kid: str
    """Thumbprint (RFC 7638)."""

    def public_jwk(self) -> dict[str, str]:
        """What is registered."""
        return _public(self.private) | {"kid": self.kid, "alg": self.algorithm, "use": "sig"}


def new_key(path: Path, *, algorithm: str) -> PartnerKey:
    """Make a key pair and keep it in a file that its owner alone can read.

    Raises:
        BadInput: the file exists already, or cannot be written.
    """
    private: PrivateKey = Ed25519PrivateKey.generate() if algorithm == "EdDSA" else generate_private_key(SECP256R1())
    key = _key(private)
    algorithms: Any = OKPAlgorithm if algorithm == "EdDSA" else ECAlgorithm
    content = algorithms.to_jwk(private, as_dict=True) | {"kid": key.kid, "alg": algorithm, "use": "sig"}
    content.pop("key_ops", None)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BadInput(f"写不了 {path}({error.strerror})。请换一个可写且尚不存在的路径。") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    return key


def read_key(path: Path) -> PartnerKey:
    """Read a private key from a JWK or PEM file.

    Raises:
        BadInput: others can read the file, or it holds no such key.
    """
    try:
        mode, raw = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise BadInput(f"读不到私钥文件 {path}({error.strerror})。请检查路径与权限。") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadInput(f"私钥文件 {path} 别人也能读。请先运行 chmod 600 {path};若曾被他人读到,请换一把新的。")
    try:
        if raw.lstrip().startswith(b"{"):
            private: Any = PyJWK(orjson.loads(raw)).key
        else:
            private = serialization.load_pem_private_key(raw, password=None)
    except (ValueError, TypeError, KeyError, PyJWTError):
        private = None
    is_p256 = isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP256R1)
    if not isinstance(private, Ed25519PrivateKey) and not is_p256:
        raise BadInput(
            f"{path} 不是 Ed25519 或 P-256 的私钥(JWK 或未加密的 PEM)。可用 xinyi partner key new 生成一把。"
        )
    return _key(private)


def _key(private: PrivateKey) -> PartnerKey:
    algorithm = "EdDSA" if isinstance(private, Ed25519PrivateKey) else "ES256"
    # RFC 7638: the required members alone, in alphabetical order, without blanks.
    digest = sha256(orjson.dumps(_public(private), option=orjson.OPT_SORT_KEYS)).digest()
    return PartnerKey(private, algorithm, urlsafe_b64encode(digest).rstrip(b"=").decode())


def _public(private: PrivateKey) -> dict[str, str]:
    if isinstance(private, Ed25519PrivateKey):
        full = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    else:
        full = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return {name: str(full[name]) for name in ("crv", "kty", "x", "y") if name in full}
