"""Passes and codes as they are written and read. One thing to know: whatever is changed in a code, it is refused, and
nothing that anybody could show makes a gate stumble."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest
import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from core.keys import Key, b64decode, b64encode
from partners.offline.gate import (
    Accepted,
    Bundle,
    BundleKey,
    BundleOffer,
    Refused,
    check,
    ended_hash,
    open_use,
    sign_use,
)
from partners.offline.passes import CODE_LENGTH, MESSAGES, Refusal, is_device_key, make_pass, read_code, show

NOW = 1_795_000_000
PHONE, OTHER_PHONE, GATE = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3))
INPUTS = 20_000
PRIME = 2**255 - 19
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@cache
def key(kid: str = "offline-1") -> Key:
    private = Ed25519PrivateKey.from_private_bytes(kid.encode().ljust(32, b"."))
    return Key(kid, "offline", True, private.private_bytes_raw(), private.public_key().public_bytes_raw())


def a_pass(signed_by: Key | None = None, **changed: Any) -> str:
    said: dict[str, Any] = {"pass_id": b"p" * 16, "offer_id": 1, "not_before": NOW - 3600, "expires_at": NOW + 3600}
    said |= {"device_key": PHONE.public_key().public_bytes_raw()} | changed
    return make_pass(signed_by or key(), **said)


def bundle(**changed: Any) -> Bundle:
    said: dict[str, Any] = {
        "gate": "R2F0ZQ==",
        "made_at": NOW - 600,
        "keys": {key().tag: BundleKey(key().public_key, float("-inf"), float("inf"))},
        "offers": {1: BundleOffer("T2ZmZXI6MQ==", "参观", "赠送导览手册一份")},
        "ended": frozenset(),
    }
    return Bundle(**said | changed)


def judged(code: str, *, now: float = NOW, used: frozenset[bytes] = frozenset(), **changed: Any) -> str:
    answer = check(code, bundle(**changed), now=now, used=used)
    return "ACCEPTED" if isinstance(answer, Accepted) else answer.code.value


GOOD = show(a_pass(), PHONE, at=NOW)


def test_a_good_code_is_accepted_says_its_offer_and_fits_a_small_qr_code() -> None:
    answer = check(GOOD, bundle(), now=NOW, used=())
    assert answer == Accepted(b"p" * 16, BundleOffer("T2ZmZXI6MQ==", "参观", "赠送导览手册一份"))
    assert len(GOOD) == CODE_LENGTH == 268
    assert segno.make(GOOD, error="m").version <= 14


def test_a_pass_holds_nothing_but_key_id_offer_times_phone_and_signature() -> None:
    raw = b64decode(a_pass())
    assert len(raw) == 133
    assert raw[:5] == bytes([1]) + key().tag
    assert raw[5:21] == b"p" * 16
    assert int.from_bytes(raw[21:29], "big") == 1
    assert [int.from_bytes(raw[at : at + 4], "big") for at in (29, 33)] == [NOW - 3600, NOW + 3600]
    assert raw[37:69] == PHONE.public_key().public_bytes_raw()


@pytest.mark.parametrize(
    ("code", "told", "changed"),
    [
        (show(a_pass(), OTHER_PHONE, at=NOW), "CODE_INVALID", {}),
        (show(a_pass(key("offline-2")), PHONE, at=NOW), "CODE_INVALID", {}),
        (show(a_pass(offer_id=2), PHONE, at=NOW), "CODE_OTHER_OFFER", {}),
        (show(a_pass(not_before=NOW + 121), PHONE, at=NOW), "CODE_EXPIRED", {}),
        (show(a_pass(expires_at=NOW - 120), PHONE, at=NOW), "CODE_EXPIRED", {}),
        (GOOD, "PASS_ENDED", {"ended": frozenset({ended_hash(b"p" * 16)})}),
        (GOOD, "ACCEPTED", {"ended": frozenset({ended_hash(b"q" * 16), b"p" * 16})}),
        (GOOD, "CODE_REPLAYED", {"used": frozenset({b"p" * 16})}),
        (GOOD, "BUNDLE_STALE", {"made_at": NOW - 86_401}),
        (GOOD, "ACCEPTED", {"made_at": NOW - 86_400}),
        (GOOD, "BUNDLE_STALE", {"made_at": NOW + 121}),
        (GOOD, "CODE_EXPIRED", {"now": NOW + 181}),
        (GOOD, "ACCEPTED", {"now": NOW + 180}),
        (GOOD, "ACCEPTED", {"now": NOW - 120}),
        (GOOD, "CODE_EXPIRED", {"now": NOW - 121}),
        (GOOD, "CODE_INVALID", {"keys": {}}),
        (GOOD, "CODE_INVALID", {"keys": {key().tag: BundleKey(key().public_key, 0, NOW - 3600 - 121)}}),
        (GOOD, "CODE_INVALID", {"keys": {key().tag: BundleKey(key().public_key, NOW - 3600 + 121, 2e9)}}),
    ],
)
def test_each_thing_that_is_wrong_has_its_code(code: str, told: str, changed: dict[str, Any]) -> None:
    assert judged(code, **changed) == told


def test_a_signature_for_one_thing_is_none_for_another() -> None:
    raw = b64decode(GOOD)
    body, signature = raw[:69], raw[69:133]
    with_phones = body + PHONE.sign(body) + raw[133:]
    assert judged(b64encode(with_phones)) == "CODE_INVALID"
    assert judged(b64encode(body + signature + raw[133:137] + PHONE.sign(raw[:137]))) == "CODE_INVALID"


@pytest.mark.parametrize("height", [0, 1, PRIME - 1, PRIME, PRIME + 1, 2**255 - 1])
@pytest.mark.parametrize("sign", [0, 1])
def test_a_key_for_which_anybody_can_sign_is_no_phones_key(height: int, sign: int) -> None:
    raw = (height | sign << 255).to_bytes(32, "little")
    assert not is_device_key(raw)
    assert judged(show(a_pass(device_key=raw), PHONE, at=NOW)) == "CODE_INVALID"


@pytest.mark.parametrize(
    "raw",
    [
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ],
)
def test_nor_is_a_point_of_order_eight(raw: str) -> None:
    assert not is_device_key(bytes.fromhex(raw))
    assert is_device_key(PHONE.public_key().public_bytes_raw())


def test_every_other_letter_anywhere_is_refused() -> None:
    for place in range(len(GOOD)):
        other = ALPHABET[(ALPHABET.index(GOOD[place]) + 1) % 64]
        assert judged(GOOD[:place] + other + GOOD[place + 1 :]) == "CODE_INVALID", place


@pytest.mark.parametrize("changed", [GOOD + "=", GOOD + "A", GOOD[:-1], f" {GOOD[1:]}", GOOD.lower(), "码" * 268, ""])
def test_there_is_one_spelling_of_a_code(changed: str) -> None:
    assert judged(changed) == "CODE_INVALID"


def mangled(chance: random.Random) -> str:
    """A good code with something done to it, or something else of its length."""
    raw = bytearray(b64decode(GOOD))
    match chance.randrange(5):
        case 0:
            raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        case 1:
            start, length = chance.randrange(len(raw)), chance.randrange(1, 40)
            raw[start : start + length] = chance.randbytes(len(raw[start : start + length]))
        case 2:
            raw = bytearray(chance.randbytes(len(raw)))
        case 3:
            one, other = sorted(chance.sample(range(len(raw)), 2))
            raw[one], raw[other] = raw[other], raw[one]
        case _:
            return "".join(chance.choices(ALPHABET + "=+/ .码", k=chance.choice([0, 1, 267, 268, 269])))
    return b64encode(bytes(raw))


def test_twenty_thousand_changed_codes_are_refused_and_none_makes_a_gate_stumble() -> None:
    chance = random.Random(20261122)
    here = bundle()
    for _ in range(INPUTS):
        code = mangled(chance)
        if code == GOOD:
            continue
        assert check(code, here, now=NOW, used=()) == Refused(Refusal.CODE_INVALID)


@given(st.text(max_size=400))
@settings(max_examples=300, deadline=None)
def test_no_text_is_a_code(text: str) -> None:
    assert judged(text) == "CODE_INVALID"


@given(at=st.integers(-400, 400), now=st.integers(-400, 400), begins=st.integers(-400, 400), lasts=st.integers(1, 800))
@settings(max_examples=300, deadline=None)
def test_what_is_accepted_was_shown_in_its_time_and_within_the_minute_and_the_clocks(
    at: int, now: int, begins: int, lasts: int
) -> None:
    text = a_pass(not_before=NOW + begins, expires_at=NOW + begins + lasts)
    answer = judged(show(text, PHONE, at=NOW + at), now=NOW + now)
    timely = begins - 120 <= now < begins + lasts + 120 and -120 <= now - at <= 180
    assert answer == ("ACCEPTED" if timely else "CODE_EXPIRED")


def opened(text: str, gate: str = "R2F0ZQ==") -> Any:
    return open_use(text, gate=gate, public_key=GATE.public_key().public_bytes_raw())


def test_a_use_is_read_as_its_gate_signed_it_and_in_no_other_way() -> None:
    text = sign_use(GATE, gate="R2F0ZQ==", counter=7, at=NOW, code=GOOD)
    use = opened(text)
    assert (use.counter, use.at, use.code) == (7, NOW, GOOD)
    assert len(text) < 700
    assert opened(text, gate="other") is None
    for place in range(len(text)):
        other = "A" if text[place] != "A" else "B"
        assert opened(text[:place] + other + text[place + 1 :]) is None, place
    for wrong in (0, -1, 2**31, True, 1.5, "1", None):
        assert opened(sign_use(GATE, gate="R2F0ZQ==", counter=wrong, at=NOW, code=GOOD)) is None  # type: ignore[arg-type]
    for other in ("", "..", "a.b.c", text + "=", text * 3, "é.é.é", "bnVsbA.bnVsbA.bnVsbA"):
        assert opened(other) is None


def test_a_key_is_found_by_its_tag_alone() -> None:
    asked: list[bytes] = []

    def key_of(tag: bytes) -> Ed25519PublicKey | None:
        asked.append(tag)
        return None

    assert read_code(GOOD, key_of) is None
    assert asked == [key().tag]


def test_every_refusal_has_words_that_name_nobody_and_say_what_to_do() -> None:
    assert set(MESSAGES) == set(Refusal)
    for message in MESSAGES.values():
        assert "请" in message
        assert not any(word in message for word in ("信用差", "等级", "评分", "分数", "失信"))
