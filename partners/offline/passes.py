"""The pass a phone carries, and the code it shows of it. Pure: no clock, no database, no network. One thing to know: a
pass says «good for this offer until then, with this phone» and nothing of the person, and the phone signs it anew each
time it is shown, so that a photograph of the screen is soon worth nothing.

A pass is bytes, whole numbers big-endian: version (1), tag of our key's id (4), pass id (16), offer (8), not before
(4), expires (4), the phone's Ed25519 public key (32), our Ed25519 signature (64). A shown code is, in base64url, the
pass, the instant (4) and the phone's signature (64): 268 letters with one valid spelling. Instants are whole seconds
since 1970.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from core.keys import Key, b64decode, b64encode

VERSION = 1
SECONDS_SHOWN = 60
"""How long a shown code is good by right clocks."""
SKEW = 120
"""Seconds by which the clocks of a phone and a gate may differ."""
_BODY = struct.Struct(">B4s16sQII32s")
_INSTANT = struct.Struct(">I")
_SIGNATURE = 64
PASS_LENGTH = _BODY.size + _SIGNATURE
CODE_LENGTH = len(b64encode(bytes(PASS_LENGTH + _INSTANT.size + _SIGNATURE)))
_PASS, _CODE = b"xinyi-offline-pass\0", b"xinyi-offline-code\0"
"""What stands before the signed bytes, so that neither signature is ever taken for another."""
_PRIME = 2**255 - 19
_SMALL_ORDER = frozenset(
    {
        0,
        1,
        _PRIME - 1,
        2707385501144840649318225287225658788936804267575313519463743609750303402022,
        55188659117513257062467267217118295137698188065244968500265048394206261417927,
    }
)
"""Heights of the eight points for which anybody's signature can be made to hold."""


class Refusal(StrEnum):
    """Why a gate, or we at the sync, do not take a code. None of them is a statement about a person: what is ended may
    have been used, replaced or switched off. Public, never renamed."""

    CODE_INVALID = "CODE_INVALID"
    CODE_EXPIRED = "CODE_EXPIRED"
    CODE_OTHER_OFFER = "CODE_OTHER_OFFER"
    CODE_REPLAYED = "CODE_REPLAYED"
    PASS_ENDED = "PASS_ENDED"  # noqa: S105
    BUNDLE_STALE = "BUNDLE_STALE"
    GATE_ENDED = "GATE_ENDED"
    OFFLINE_TOO_LATE = "OFFLINE_TOO_LATE"
    REQUEST_CONFLICT = "REQUEST_CONFLICT"


MESSAGES = {
    Refusal.CODE_INVALID: "这不是有效的离线码,或内容不完整。请对方刷新后重新出示;仍不行请按标准服务办理。",
    Refusal.CODE_EXPIRED: "这个离线码已过时(约一分钟一换),或两边时钟差得太多。请校准时钟,再请对方刷新后重新出示。",
    Refusal.CODE_OTHER_OFFER: "这个离线码不是本机可办理的优惠。请核对优惠项目,或更新离线包后再试;否则按标准服务办理。",
    Refusal.CODE_REPLAYED: "这张离线凭证或这个离线码已在贵单位用过一次。请按标准服务办理,或联网后请对方出示信用码。",
    Refusal.PASS_ENDED: "这张离线凭证已不能再用(用过、换发、关闭都会如此)。请按标准服务办理,或联网后请对方出示信用码。",
    Refusal.BUNDLE_STALE: "离线包已超过 24 小时,或本机时钟不对。请联网更新并校准时钟;在此之前按标准服务办理。",
    Refusal.GATE_ENDED: "这台设备当时已停用、报失或尚未登记,这次使用不予认可。请核对设备,需要时重新登记。",
    Refusal.OFFLINE_TOO_LATE: "这次使用发生在 7 天以前,已超过同步期限。请联系平台运营人员人工核对。",
    Refusal.REQUEST_CONFLICT: "本机的这个序号已用于另一次使用。请检查设备的计数器,换一个新的序号后重新同步。",
}
"""Each refusal in words for whoever stands at the gate."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What is in a pass."""

    key_tag: bytes
    """Of the key that signed it: the first four bytes of the SHA-256 of its id."""
    id: bytes
    """128 bits, random."""
    offer_id: int
    not_before: int
    expires_at: int
    device_key: bytes
    """The phone's raw Ed25519 public key."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A genuine pass with the instant at which its phone showed it."""

    found: Pass
    at: int


def is_device_key(raw: bytes) -> bool:
    """Whether it is a public key in its one spelling that only the holder of its other half can sign for."""
    if len(raw) != 32:
        return False
    height = int.from_bytes(raw, "little") & (2**255 - 1)
    return height < _PRIME and height not in _SMALL_ORDER


def make_pass(key: Key, *, pass_id: bytes, offer_id: int, not_before: int, expires_at: int, device_key: bytes) -> str:
    """A pass in base64url, signed by a key of the purpose `offline`; the same for the same values."""
    body = _BODY.pack(VERSION, key.tag, pass_id, offer_id, not_before, expires_at, device_key)
    return b64encode(body + key.private_key.sign(_PASS + body))


def show(given: str, device: Ed25519PrivateKey, *, at: int) -> str:
    """What a phone shows of its pass at this instant: the text of the QR code."""
    signed = b64decode(given) + _INSTANT.pack(at)
    return b64encode(signed + device.sign(_CODE + signed))


def read_code(code: str, key_of: Callable[[bytes], Ed25519PublicKey | None]) -> Shown | None:
    """What a shown code says, or None where we did not issue the pass, its own phone did not show it, or a letter was
    changed. Times are not judged. `key_of` gives the public key for a tag."""
    if len(code) != CODE_LENGTH or not code.isascii():
        return None
    try:
        raw = b64decode(code)
    except ValueError:
        return None
    body, ours = raw[: _BODY.size], raw[_BODY.size : PASS_LENGTH]
    signed, theirs = raw[:-_SIGNATURE], raw[-_SIGNATURE:]
    version, *fields = _BODY.unpack(body)
    found = Pass(*fields)
    key = key_of(found.key_tag)
    if version != VERSION or key is None or not is_device_key(found.device_key):
        return None
    try:
        key.verify(ours, _PASS + body)
        Ed25519PublicKey.from_public_bytes(found.device_key).verify(theirs, _CODE + signed)
    except InvalidSignature:
        return None
    return Shown(found, _INSTANT.unpack(signed[PASS_LENGTH:])[0])


def is_timely(shown: Shown, *, at: float) -> bool:
    """Whether a code may be taken at this instant of a gate's clock: shown within a minute, by a pass that holds, the
    clocks differing by two minutes at most."""
    held = shown.found.not_before - SKEW <= at < shown.found.expires_at + SKEW
    return held and -SKEW <= at - shown.at <= SECONDS_SHOWN + SKEW
