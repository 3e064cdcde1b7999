"""The credit code, attacked. One thing to know: there is one spelling of each code, and nobody but us can make one."""

from __future__ import annotations

import base64
import random
import secrets
import string
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import orjson
import pytest
from factories import NOON, City, key_file, offer_id
from hypothesis import given, settings
from hypothesis import strategies as st

from core.keys import Keys, b64decode, b64encode, load_keys
from core.sealing import seal
from partners.codes import LIFETIME, CreditCode, issue_code, open_code
from partners.tables import security_events

ALPHABET = string.ascii_letters + string.digits + "-_"


@cache
def some_keys() -> Keys:
    """Keys for tests that need no city."""
    return load_keys(key_file(Path(mkdtemp())))


def fresh(keys: Keys, offer: int | None = None) -> tuple[CreditCode, str]:
    return issue_code(keys, subject_id=7, offer_id=offer, now=NOON)


def rotated(source: Path, target: Path, purpose: str) -> Keys:
    """The keys of a file after the key of one purpose was replaced and retired."""
    content, other = orjson.loads(source.read_bytes()), orjson.loads(key_file(target).read_bytes())
    for key in content["keys"]:
        if key["purpose"] == purpose:
            key["status"] = "retired"
    content["keys"] += [key for key in other["keys"] if key["purpose"] == purpose]
    (target / "rotated.json").write_bytes(orjson.dumps(content))
    return load_keys(target / "rotated.json")


@given(st.integers(0, 2**63 - 1), st.none() | st.integers(1, 2**63 - 1), st.floats(0, 59.999))
def test_what_goes_in_comes_out_and_lives_a_minute_at_most(subject: int, offer: int | None, seconds: float) -> None:
    now = NOON + timedelta(seconds=seconds)
    code, token = issue_code(some_keys(), subject_id=subject, offer_id=offer, now=now)
    assert open_code(some_keys(), token) == code
    assert (code.subject_id, code.offer_id) == (subject, offer)
    assert timedelta(seconds=59) < code.expires_at - now <= LIFETIME == timedelta(seconds=60)


def test_two_codes_of_one_person_have_nothing_in_common() -> None:
    tokens = {fresh(some_keys())[1] for _ in range(500)}
    assert len(tokens) == 500
    assert {len(token) for token in tokens} == {91}
    # Only the tag of the key, the first four bytes, is the same in all.
    assert len({b64decode(token)[:4] for token in tokens}) == 1
    assert len({b64decode(token)[4:12] for token in tokens}) == 500


def test_a_code_bound_or_not_has_the_same_length_and_shows_neither_person_nor_offer() -> None:
    for offer in (None, 1, 2**62):
        _, token = issue_code(some_keys(), subject_id=0x1122334455667788, offer_id=offer, now=NOON)
        assert len(token) == 91
        assert bytes.fromhex("1122334455667788") not in b64decode(token)


@given(st.integers(0, 90), st.sampled_from(ALPHABET))
def test_any_one_letter_changed_is_no_code(position: int, letter: str) -> None:
    code, token = fresh(some_keys())
    changed = token[:position] + letter + token[position + 1 :]
    assert open_code(some_keys(), changed) == (code if changed == token else None)


@given(st.integers(0, 67), st.integers(1, 255))
def test_any_one_byte_changed_is_no_code(position: int, mask: int) -> None:
    raw = bytearray(b64decode(fresh(some_keys())[1]))
    raw[position] ^= mask
    assert open_code(some_keys(), b64encode(bytes(raw))) is None


@settings(max_examples=50)
@given(st.text(max_size=120) | st.text(alphabet=ALPHABET, min_size=91, max_size=91))
def test_no_text_at_all_raises_or_opens(text: str) -> None:
    assert open_code(some_keys(), text) is None


def test_ten_thousand_guesses_open_nothing() -> None:
    generator = random.Random(20261120)
    genuine = b64decode(fresh(some_keys())[1])
    guesses = [genuine[:4] + generator.randbytes(64) for _ in range(9_000)]
    # The better guess: a genuine code with another authentication tag.
    guesses += [genuine[:-16] + generator.randbytes(16) for _ in range(1_000)]
    assert not any(open_code(some_keys(), b64encode(guess)) for guess in guesses)


def last_letter(token: str) -> str:
    """The token with a last letter that decodes to the same bytes."""
    place = ALPHABET_IN_ORDER.index(token[-1])
    return token[:-1] + ALPHABET_IN_ORDER[place + 1]


ALPHABET_IN_ORDER = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"

SPELLINGS: dict[str, Callable[[str], str]] = {
    "padded": lambda token: token + "=",
    "padded twice": lambda token: token + "==",
    "another last letter for the same bytes": last_letter,
    "standard alphabet": lambda token: token.replace("-", "+").replace("_", "/"),
    "white space before": lambda token: " " + token,
    "new line after": lambda token: token + "\n",
    "white space inside": lambda token: token[:40] + " " + token[40:],
    "lower case": str.lower,
    "full width": lambda token: chr(ord(token[0]) + 0xFEE0) + token[1:],
    "a look-alike letter": lambda token: token[:10] + "а" + token[11:],
    "invisible letter": lambda token: token + "\u200b",
    "byte order mark": lambda token: "\ufeff" + token,
    "surrogate": lambda token: token[:-1] + "\ud800",
    "truncated": lambda token: token[:-1],
    "half": lambda token: token[:45],
    "empty": lambda token: "",
    "twice": lambda token: token + token,
    "huge": lambda token: token * 10_000,
    "hexadecimal": lambda token: b64decode(token).hex(),
    "base32": lambda token: base64.b32encode(b64decode(token)).decode(),
    "percent-encoded": lambda token: "%" + token[0].encode().hex() + token[1:],
    "an address around it": lambda token: f"https://xinyi.example/{token}",
    "NUL after": lambda token: token + "\0",
}


def with_both_symbols() -> str:
    """A code in whose spelling both letters occur that the alphabets differ in."""
    while True:
        token = fresh(some_keys())[1]
        if "-" in token and "_" in token and token != token.lower():
            return token


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_there_is_one_spelling_of_a_code(spelling: str) -> None:
    token = with_both_symbols()
    changed = SPELLINGS[spelling](token)
    assert changed != token
    assert open_code(some_keys(), changed) is None
    assert open_code(some_keys(), token) is not None


def test_what_was_sealed_for_another_purpose_is_no_code() -> None:
    plain = b64decode(fresh(some_keys())[1])[16:52]
    assert open_code(some_keys(), b64encode(seal(some_keys(), "seal", plain))) is None
    for purpose in ("seal", "lookup", "body", "pseudonym"):
        assert open_code(some_keys(), b64encode(seal(some_keys(), purpose, plain))) is None  # type: ignore[arg-type]


def test_the_key_of_another_purpose_under_the_code_keys_name_opens_nothing(tmp_path: Path) -> None:
    content = orjson.loads(key_file(tmp_path).read_bytes())
    secret = {key["purpose"]: key["k"] for key in content["keys"] if "k" in key}
    for key in content["keys"]:
        if key["purpose"] == "code":
            key["k"] = secret["seal"]
    (tmp_path / "mixed.json").write_bytes(orjson.dumps(content))
    mixed, own = load_keys(tmp_path / "mixed.json"), load_keys(tmp_path / "keys.json")
    assert open_code(own, fresh(mixed)[1]) is None
    # Even with one secret for both, what is sealed names its purpose.
    sealed = seal(mixed, "seal", bytes(36))
    tag = b64decode(fresh(mixed)[1])[:4]
    assert open_code(mixed, b64encode(tag + sealed[4:])) is None


def test_a_code_of_another_deployment_opens_nothing(tmp_path: Path) -> None:
    assert open_code(load_keys(key_file(tmp_path)), fresh(some_keys())[1]) is None


def test_a_retired_key_still_opens_and_new_codes_are_made_with_the_new_one(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    before = load_keys(path)
    (tmp_path / "new").mkdir()
    after = rotated(path, tmp_path / "new", "code")
    code, token = fresh(before)
    assert open_code(after, token) == code
    renewed, token = fresh(after)
    assert open_code(after, token) == renewed
    assert open_code(before, token) is None
    assert after.active("code").kid != before.active("code").kid


async def test_at_the_counter_a_changed_code_is_invalid_and_tells_nobody_whose_it_was(city: City) -> None:
    token = await city.code("good")
    forged = token[:50] + ("A" if token[50] != "A" else "B") + token[51:]
    _, of_nobody = issue_code(city.keys, subject_id=987_654, offer_id=None, now=city.now)
    _, of_nobody_expired = issue_code(city.keys, subject_id=0, offer_id=None, now=city.now - timedelta(hours=1))
    wrong = [
        forged,
        token + "=",
        token[:-1],
        secrets.token_urlsafe(68),
        "",
        "x" * 100_000,
        of_nobody,
        of_nobody_expired,
    ]
    assert [(await city.verify(code))["code"] for code in wrong] == ["CODE_INVALID"] * len(wrong)
    assert await city.log("good") == []
    assert {(row.kind, row.partner_id) for row in await city.rows(security_events)} == {("CODE_INVALID", 1)}
    tally = await city.tally()
    assert (tally["security_events"], tally["answers"]) == (len(wrong), len(wrong))
    assert tally["access_events"] == tally["audit_entries"] == tally["verifications"] == 0
    assert (await city.verify(token))["outcome"] == "BENEFIT_APPLIES"


async def test_a_forged_code_that_has_expired_is_invalid(city: City) -> None:
    token = await city.code("good")
    city.wait(minutes=5)
    assert (await city.verify(token[:-5] + "AAAAA"))["code"] == "CODE_INVALID"
    assert (await city.verify(token))["code"] == "CODE_EXPIRED"


async def test_a_code_is_good_until_its_minute_is_over_and_not_longer(city: City) -> None:
    early, late = await city.code("good"), await city.code("good")
    city.wait(seconds=59.999)
    assert (await city.verify(early))["outcome"] == "BENEFIT_APPLIES"
    city.wait(seconds=0.001)
    assert (await city.verify(late))["code"] == "CODE_EXPIRED"


async def test_a_used_code_is_replayed_for_a_day_and_expired_from_then_on(city: City) -> None:
    token = await city.code("poor")
    await city.verify(token)
    city.wait(hours=23, minutes=59, seconds=59)
    assert (await city.verify(token))["code"] == "CODE_REPLAYED"
    assert (await city.verify(token, "clinic", by="hospital"))["code"] == "CODE_REPLAYED"
    city.wait(seconds=1)
    assert (await city.verify(token))["code"] == "CODE_EXPIRED"


async def test_a_code_bound_to_an_offer_is_good_for_that_one_alone(city: City) -> None:
    token = await city.code("good", offerId=offer_id("garden"))
    assert (await city.verify(token, "museum"))["code"] == "CODE_OTHER_OFFER"
    assert (await city.verify(token, "clinic", by="hospital"))["code"] == "CODE_OTHER_OFFER"
    assert (await city.verify(token, "garden"))["outcome"] == "BENEFIT_APPLIES"


async def test_an_id_of_a_code_tells_nothing_of_its_token(city: City) -> None:
    issue = """mutation { issueCreditCode(input: {}) { ... on CreditCode { id token } } }"""
    body = await city.ask(issue, by="good")
    found = body["data"]["issueCreditCode"]
    inner = base64.b64decode(found["id"]).decode().removeprefix("CreditCode:")
    assert int(inner).to_bytes(16, "big") not in b64decode(found["token"])
