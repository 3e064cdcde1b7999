"""What a gate without network does: judge a shown code by the bundle it fetched, and write down its use for the sync.
Pure: no clock, no database, no network. One thing to know: the answer is «a good pass for this offer» or a refusal
that says nothing of the person, and whoever is refused gets the standard service.

A bundle (`xinyi-offline+jwt`) holds our public keys with the time of each, the partner's offers, and hashes of the
passes that are good no more; a gate judges by it for 24 hours. A use (`xinyi-offline-use+jwt`) is signed by the gate's
own key over gate, counter, instant and the code as it was shown; each use has the next counter of its gate.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jwt
import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from core.keys import Keys, b64decode
from core.signing import SignatureInvalid, verify
from partners.offline.passes import MESSAGES, SKEW, Refusal, is_timely, read_code

BUNDLE_SECONDS = 24 * 3600
"""How long a gate judges by one bundle."""
LONGEST_BUNDLE = 4_000_000
LONGEST_USE = 1024
MOST_USES = 50
"""In one batch of a sync."""
USE_TYP = "xinyi-offline-use+jwt"
MOST_COUNTER = 2**31
_ENDED = b"xinyi-offline-ended\0"


@dataclass(frozen=True, slots=True)
class BundleKey:
    """One of our public keys, and from when until when it signed passes."""

    public: Ed25519PublicKey
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class BundleOffer:
    """An offer as the gate tells of it."""

    id: str
    """Public id."""
    title: str
    benefit: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a gate fetches once a day."""

    gate: str
    """Public id of the gate it is for."""
    made_at: int
    keys: Mapping[bytes, BundleKey]
    """By tag."""
    offers: Mapping[int, BundleOffer]
    ended: frozenset[bytes]
    """Hashes of the passes that are good no more, see `ended_hash`."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A good pass for this offer."""

    pass_id: bytes
    offer: BundleOffer


@dataclass(frozen=True, slots=True)
class Refused:
    """Not taken, and why; give the standard service."""

    code: Refusal

    @property
    def message(self) -> str:
        """In words for whoever stands at the gate."""
        return MESSAGES[self.code]


@dataclass(frozen=True, slots=True)
class Use:
    """What a gate says of one use."""

    counter: int
    at: int
    code: str


def ended_hash(pass_id: bytes) -> bytes:
    """How a bundle names a pass that is good no more: of no use to whoever has not been shown the pass."""
    return sha256(_ENDED + pass_id).digest()[:16]


def open_bundle(keys: Keys, token: str) -> Bundle:
    """A genuine bundle. `keys` is our public key set, as fetched from `/.well-known/jwks.json`.

    Raises:
        SignatureInvalid: it is not one of ours, or not readable.
    """
    claims = verify(keys, "offline", token, max_length=LONGEST_BUNDLE)
    try:
        return Bundle(
            gate=str(claims["gate"]),
            made_at=int(claims["iat"]),
            keys={_tag(key["kid"]): _key(key) for key in claims["keys"]},
            offers={
                int(offer["number"]): BundleOffer(offer["id"], offer["title"], offer["benefit"])
                for offer in claims["offers"]
            },
            ended=frozenset(b64decode(one) for one in claims["ended"]),
        )
    except (KeyError, TypeError, ValueError):
        raise SignatureInvalid("离线包的内容不全。请重新联网获取离线包。") from None


def _tag(kid: str) -> bytes:
    return sha256(kid.encode()).digest()[:4]


def _key(stated: Mapping[str, Any]) -> BundleKey:
    since, until = (stated[name] for name in ("from", "until"))
    return BundleKey(
        Ed25519PublicKey.from_public_bytes(b64decode(stated["x"])),
        float("-inf") if since is None else float(since),
        float("inf") if until is None else float(until),
    )


def check(code: str, bundle: Bundle, *, now: float, used: Collection[bytes]) -> Accepted | Refused:
    """Judge a shown code at `now` (seconds since 1970, by the gate's clock). `used` holds the ids of the passes that
    this gate has taken."""
    if not -SKEW <= now - bundle.made_at <= BUNDLE_SECONDS:
        return Refused(Refusal.BUNDLE_STALE)
    shown = read_code(code, lambda tag: bundle.keys[tag].public if tag in bundle.keys else None)
    if shown is None:
        return Refused(Refusal.CODE_INVALID)
    key, found = bundle.keys[shown.found.key_tag], shown.found
    against = (
        (not key.since - SKEW <= found.not_before <= key.until + SKEW, Refusal.CODE_INVALID),
        (found.id in used, Refusal.CODE_REPLAYED),
        (not is_timely(shown, at=now), Refusal.CODE_EXPIRED),
        (found.offer_id not in bundle.offers, Refusal.CODE_OTHER_OFFER),
        (ended_hash(found.id) in bundle.ended, Refusal.PASS_ENDED),
    )
    refusal = next((code for is_so, code in against if is_so), None)
    return Accepted(found.id, bundle.offers[found.offer_id]) if refusal is None else Refused(refusal)


def sign_use(device: Ed25519PrivateKey, *, gate: str, counter: int, at: int, code: str) -> str:
    """A use as the gate keeps it for the sync; `gate` is its public id."""
    claims = {"gate": gate, "counter": counter, "at": at, "code": code}
    return jwt.encode(claims, device, algorithm="EdDSA", headers={"typ": USE_TYP})


def open_use(text: str, *, gate: str, public_key: bytes) -> Use | None:
    """What a gate says of a use, or None where this gate did not sign it so."""
    if len(text) > LONGEST_USE or not text.isascii() or text.count(".") != 2:
        return None
    signed, _, signature = text.rpartition(".")
    try:
        head, claims = (orjson.loads(b64decode(part)) for part in signed.split("."))
        Ed25519PublicKey.from_public_bytes(public_key).verify(b64decode(signature), signed.encode())
    except (ValueError, InvalidSignature):
        return None
    if not isinstance(head, dict) or not isinstance(claims, dict):
        return None
    if (head.get("alg"), head.get("typ"), claims.get("gate")) != ("EdDSA", USE_TYP, gate) or "crit" in head:
        return None
    counter, at, code = (claims.get(name) for name in ("counter", "at", "code"))
    if len(claims) != 4 or not isinstance(code, str) or type(counter) is not int or type(at) is not int:
        return None
    return Use(counter, at, code) if 0 < counter < MOST_COUNTER and 0 <= at < 2**32 else None
