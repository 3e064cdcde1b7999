"""The keys of a deployment, one or more for each purpose. One thing to know: no key serves two purposes.

The file is a JSON Web Key Set (RFC 7517) with members more on each key: `purpose`, `status` and, on one that was made
by a rotation, `active_from`. Of a purpose's `active` keys the one whose `active_from` came last is in use; those before
it, and the `retired`, still open and verify what they once made.
"""

from __future__ import annotations

import fcntl
import logging
import math
import os
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, get_args

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from core.errors import StartupError

log = logging.getLogger("xinyi.keys")

SigningPurpose = Literal[
    "bearer", "receipt", "proof", "results", "audit", "consent", "report", "webhook", "settlement", "offline",
    "credential", "presentation",
]  # fmt: skip
SealingPurpose = Literal["code", "seal"]
HashingPurpose = Literal["lookup", "body", "pseudonym", "integrity"]
SecretPurpose = SealingPurpose | HashingPurpose
Purpose = SigningPurpose | SecretPurpose
Suite = Literal["international", "sm"]
SIGNING: tuple[SigningPurpose, ...] = get_args(SigningPurpose)
SEALING: tuple[SealingPurpose, ...] = get_args(SealingPurpose)
SECRET: tuple[SecretPurpose, ...] = (*SEALING, *get_args(HashingPurpose))
SUITES: tuple[Suite, ...] = get_args(Suite)
PUBLIC: tuple[SigningPurpose, ...] = (
    "receipt", "proof", "results", "audit", "consent", "report", "webhook", "settlement", "offline",
    "credential", "presentation",
)  # fmt: skip
"""Purposes whose signatures others check."""
SEALING_BYTES = {"A256GCM": 32, "SM4-GCM": 16}
HASHING_BYTES = {"HS256": 32, "HMAC-SM3": 32}
LENGTH = 32
"""Bytes of either half of a signing pair."""


def algorithm(purpose: Purpose, suite: Suite) -> str:
    """The `alg` of a purpose's keys in a suite. Signatures are Ed25519 in both: the library has no SM2."""
    if purpose in SIGNING:
        return "EdDSA"
    if purpose in SEALING:
        return "SM4-GCM" if suite == "sm" else "A256GCM"
    return "HMAC-SM3" if suite == "sm" else "HS256"


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


@dataclass(frozen=True, eq=False)
class Key:
    """One key as it stands in the file; equal to itself alone, so that what is made of it is found quickly."""

    kid: str
    purpose: str
    active: bool
    secret: bytes | None
    public: bytes | None = None
    alg: str = "EdDSA"
    active_from: float = -math.inf
    """Seconds since 1970."""

    @cached_property
    def tag(self) -> bytes:
        """Four bytes by which a sealed value names its key."""
        return sha256(self.kid.encode()).digest()[:4]

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
    """All keys, found by purpose and key id. Which one is active depends on the clock: see `active`."""

    def __init__(
        self,
        keys: Iterable[Key],
        *,
        demo: bool,
        suite: Suite = "international",
        path: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.demo, self.suite, self.path = demo, suite, path
        self._clock = clock
        self._seen = _look_of(path)
        self._hold(tuple(keys))

    def _hold(self, keys: tuple[Key, ...]) -> None:
        self.all = keys
        self._by_id = {(key.purpose, key.kid): key for key in keys}
        self._of: dict[str, tuple[Key, ...]] = {
            purpose: tuple(key for key in keys if key.purpose == purpose) for purpose in {key.purpose for key in keys}
        }
        self._switch()

    def _switch(self) -> None:
        now = self._clock()
        ordered = sorted((key for key in self.all if key.active), key=lambda key: key.active_from)
        self._active = {key.purpose: key for key in ordered if key.active_from <= now}
        self._switch_at = min((key.active_from for key in ordered if key.active_from > now), default=math.inf)

    def active(self, purpose: Purpose) -> Key:
        """The key that new things of this purpose are made with at this instant."""
        if self._clock() >= self._switch_at:
            self._switch()
        return self._active[purpose]

    def find(self, purpose: Purpose, kid: str) -> Key | None:
        """The key of this purpose and id, active or retired."""
        return self._by_id.get((purpose, kid))

    def of(self, purpose: Purpose) -> tuple[Key, ...]:
        """All keys of a purpose: the retired, the active, and one that is to follow it."""
        return self._of.get(purpose, ())

    def waiting(self) -> list[Key]:
        """Keys that are to be used from an instant on that has not come yet."""
        return [key for key in self.all if key.active and key.active_from > self._clock()]

    def out_of_use_since(self, key: Key) -> float:
        """When a key was followed by another, in seconds since 1970; infinity while it was not."""
        of_purpose = self._of.get(key.purpose, ())
        later = [one.active_from for one in of_purpose if one.active_from > key.active_from]
        return min(later, default=math.inf)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public set: what signs that which others check, retired keys included, so that old signatures verify."""
        return {"keys": [key.public_jwk() for purpose in PUBLIC for key in self.of(purpose)]}

    def refresh(self) -> bool:
        """Take over what the file now holds, in place; whether it had changed.

        Meant to be called every second or so. A file that is missing, broken or turned into a demonstration's is
        logged once, and the keys stay as they are.
        """
        look = _look_of(self.path)
        if self.path is None or look == self._seen:
            return False
        self._seen = look
        try:
            found = load_keys(self.path)
            if found.demo is not self.demo:
                raise StartupError(f"密钥文件 {self.path} 的 demo 一项与启动时不同。请恢复原来的文件,或重新启动。")
        except StartupError as error:
            log.error("keys not read again: %s", error.message)
            return False
        self.suite = found.suite
        self._hold(found.all)
        log.info("keys read again", extra={"kids": [key.kid for key in self.all if key.active]})
        return True


def _look_of(path: Path | None) -> tuple[int, ...]:
    """What changes about a file whenever it is replaced or written."""
    try:
        found = path.stat() if path else None
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found else ()


def new_key_file(path: Path, *, demo: bool, suite: Suite = "international") -> None:
    """Write a file with one fresh active key for every purpose, readable by its owner alone.

    Raises:
        StartupError: the file exists already, or cannot be written.
    """
    _write(path, {"demo": demo, "suite": suite, "keys": [_fresh(purpose, suite) for purpose in (*SIGNING, *SECRET)]})


def complete_key_file(path: Path) -> list[str]:
    """Add a fresh active key for each purpose that the file has none for; these purposes.

    A file made before a purpose was thought of lacks it. What it holds stays as it is.

    Raises:
        StartupError: the file is missing or broken, or cannot be written.
    """
    with _changing(path) as content:
        held = _parse(path, content)
        active = {key.purpose for key in held.all if key.active}
        missing = [purpose for purpose in (*SIGNING, *SECRET) if purpose not in active]
        content["keys"] += [_fresh(purpose, held.suite) for purpose in missing]
    return [*missing]


def rotate_keys(
    path: Path, purposes: Sequence[Purpose], *, active_from: float, suite: Suite | None = None
) -> list[str]:
    """Add to the file, for each purpose, a key that is in use from that instant (seconds since 1970) on; their ids.

    `suite` moves the file to another one, a purpose at a time. What the last rotation put out of use is marked retired.

    Raises:
        StartupError: the file is missing or broken, cannot be written, or a purpose still waits for its last rotation.
    """
    made = []
    with _changing(path) as content:
        held = _parse(path, content)
        content["suite"] = suite or held.suite
        if early := sorted({key.purpose for key in held.waiting()} & {*purposes}):
            raise StartupError(f"{'、'.join(early)} 已有一把新密钥等待启用。请待其启用后再轮换。")
        for jwk in content["keys"]:
            purpose = jwk["purpose"]
            if purpose in purposes and jwk.get("status") == "active" and jwk["kid"] != held.active(purpose).kid:
                jwk["status"] = "retired"
        since = datetime.fromtimestamp(active_from, UTC).isoformat()
        made = [_fresh(purpose, content["suite"]) | {"active_from": since} for purpose in purposes]
        content["keys"] += made
    return [jwk["kid"] for jwk in made]


def drop_key(path: Path, kid: str) -> None:
    """Take a key out of the file. Whether anything still needs it is the caller's to know.

    Raises:
        StartupError: the file is missing or broken, or cannot be written.
    """
    with _changing(path) as content:
        content["keys"] = [jwk for jwk in content["keys"] if jwk["kid"] != kid]


def _fresh(purpose: Purpose, suite: Suite) -> dict[str, str]:
    kid, alg = f"{purpose}-{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(3)}", algorithm(purpose, suite)
    named = {"alg": alg, "kid": kid, "purpose": purpose, "status": "active"}
    if purpose not in SIGNING:
        length = (SEALING_BYTES | HASHING_BYTES)[alg]
        return {"kty": "oct", "k": b64encode(secrets.token_bytes(length)), **named}
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": b64encode(public),
        "d": b64encode(private.private_bytes_raw()),
        **named,
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise StartupError(f"写不了密钥文件 {path}({error.strerror})。请换一个可写且尚不存在的路径。") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _changing(path: Path) -> Iterator[dict[str, Any]]:
    """The file's content, to be changed by one process at a time; it is replaced whole, or not at all."""
    path = path.resolve()  # a link stays a link
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise StartupError(f"读不到密钥文件 {path}({error.strerror})。请检查路径与权限。") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        content = _content(path)
        before = orjson.dumps(content)
        yield content
        if orjson.dumps(content) == before:
            return
        beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        _write(beside, content)
        try:
            owner = path.stat()
            if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(beside, owner.st_uid, owner.st_gid)  # the server's user has to read it as before
            beside.replace(path)
            os.fsync(folder)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise StartupError(f"写不了密钥文件 {path}({error.strerror})。请以文件属主的身份重试。") from None
    finally:
        os.close(folder)


def _read(jwk: dict[str, Any]) -> Key:
    is_pair = jwk["kty"] == "OKP"
    purpose = str(jwk["purpose"])
    sizes = {"EdDSA": LENGTH} if is_pair else SEALING_BYTES if purpose in SEALING else HASHING_BYTES
    alg = str(jwk.get("alg", next(iter(sizes))))  # files of the first version name none
    text = jwk.get("d") if is_pair else jwk["k"]
    secret = None if text is None else b64decode(text)
    public = b64decode(jwk["x"]) if is_pair else None
    if any(half is not None and len(half) != sizes[alg] for half in (secret, public)):
        raise ValueError("a key of another length")
    if is_pair and secret and Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw() != public:
        raise ValueError("two halves of different keys")
    since = datetime.fromisoformat(jwk["active_from"]).timestamp() if "active_from" in jwk else -math.inf
    return Key(str(jwk["kid"]), purpose, jwk.get("status") == "active", secret, public, alg, since)


def _content(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = orjson.loads(path.read_bytes())
    except OSError as error:
        raise StartupError(f"读不到密钥文件 {path}({error.strerror})。可用 xinyi keys new 生成一份。") from None
    except ValueError:
        raise _broken(path) from None
    return content


def _parse(path: Path, content: dict[str, Any]) -> Keys:
    try:
        suite = content.get("suite", SUITES[0])
        if suite not in SUITES:
            raise ValueError("a suite of another name")
        held = [_read(jwk) for jwk in content["keys"]]
    except (ValueError, KeyError, TypeError, AttributeError, UnsupportedAlgorithm):
        raise _broken(path) from None
    return Keys(held, demo=bool(content.get("demo", False)), suite=suite, path=path)


def _broken(path: Path) -> StartupError:
    return StartupError(f"密钥文件 {path} 格式不对。请恢复备份,或用 xinyi keys new 重新生成。")


def load_keys(path: Path) -> Keys:
    """Read a key file that has an active key for every purpose.

    Raises:
        StartupError: missing, broken, or without exactly one active key for some purpose at some instant.
    """
    look = _look_of(path)
    keys = _parse(path, _content(path))
    keys._seen = look  # what was written while it was being read is read again
    now = time.time()
    for purpose in (*SIGNING, *SECRET):
        active = [key for key in keys.of(purpose) if key.active and key.secret]
        began = [key for key in active if key.active_from <= now]
        if not began or len({key.active_from for key in active}) != len(active):
            raise StartupError(
                f"密钥文件 {path} 中 {purpose} 的在用密钥应恰好一把,现有 {len(began)} 把。"
                "缺少时可用 xinyi keys complete 补上,多出的请停用,然后重新启动。"
            )
    return keys


def load_public_keys(path: Path) -> Keys:
    """Read a public key set as served at `/.well-known/jwks.json`, for checking receipts and proofs.

    Raises:
        StartupError: missing or broken.
    """
    return _parse(path, _content(path))
