"""The two suites of algorithms. One thing to know: which one applies is said by the key, so a file may hold both."""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.hashes import SM3, Hash
from factories import NOON, key_file
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.main import run
from core.errors import StartupError
from core.keys import SECRET, SIGNING, Keys, complete_key_file, load_keys, new_key_file
from core.sealing import _Sm4Gcm, keyed_hash, keyed_hashes, seal, unseal
from partners.codes import issue_code, open_code


def file_of(folder: Path, suite: Any) -> Path:
    path = folder / f"{suite}.json"
    new_key_file(path, demo=True, suite=suite)
    return path


def content_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(path.read_bytes())
    return found


def sm3(message: bytes) -> bytes:
    digest = Hash(SM3())
    digest.update(message)
    return digest.finalize()


def test_sm4_gcm_gives_the_published_example_of_rfc_8998() -> None:
    cipher, nonce = (
        _Sm4Gcm(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")),
        bytes.fromhex("00001234567800000000ABCD"),
    )
    plain = b"".join(bytes([byte]) * 8 for byte in bytes.fromhex("AABBCCDDEEFFEEAA"))
    bound_to = bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2")
    sealed = bytes.fromhex(
        "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735"
        "D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D"
        "83DE3541E4C2B58177E065A9BF7B62EC"
    )
    assert cipher.encrypt(nonce, plain, bound_to) == sealed
    assert cipher.decrypt(nonce, sealed, bound_to) == plain


def test_hmac_sm3_is_what_the_definition_of_hmac_says(tmp_path: Path) -> None:
    assert sm3(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    keys = load_keys(file_of(tmp_path, "sm"))
    padded = (keys.active("lookup").secret or b"").ljust(64, b"\0")
    inner, outer = bytes(byte ^ 0x36 for byte in padded), bytes(byte ^ 0x5C for byte in padded)
    assert keyed_hash(keys, "lookup", b"abc") == sm3(outer + sm3(inner + b"abc"))


def test_each_key_names_its_algorithm(tmp_path: Path) -> None:
    wanted = {
        "international": {"code": "A256GCM", "seal": "A256GCM", "receipt": "EdDSA", "lookup": "HS256"},
        "sm": {"code": "SM4-GCM", "seal": "SM4-GCM", "receipt": "EdDSA", "lookup": "HMAC-SM3"},
    }
    for suite, algorithms in wanted.items():
        of = {key["purpose"]: key["alg"] for key in content_of(file_of(tmp_path, suite))["keys"]}
        assert {purpose: of[purpose] for purpose in algorithms} == algorithms
        assert of.keys() == {*SIGNING, *SECRET}


@pytest.mark.parametrize("suite", ["international", "sm"])
def test_a_sealed_value_opens_and_a_changed_one_does_not(tmp_path: Path, suite: str) -> None:
    keys = load_keys(file_of(tmp_path, suite))
    sealed = seal(keys, "seal", "张三".encode())
    assert unseal(keys, "seal", sealed) == "张三".encode()
    assert unseal(keys, "code", sealed) is None
    for place in range(len(sealed)):
        assert unseal(keys, "seal", sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]) is None
    for end in range(len(sealed)):
        assert unseal(keys, "seal", sealed[:end]) is None


@pytest.mark.parametrize("suite", ["international", "sm"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(plain=st.binary(max_size=200))
def test_the_length_of_a_sealed_value_is_the_same_in_both_suites(tmp_path: Path, suite: str, plain: bytes) -> None:
    path = tmp_path / f"{suite}.json"
    keys = load_keys(path if path.exists() else file_of(tmp_path, suite))
    assert len(seal(keys, "seal", plain)) == 4 + 12 + len(plain) + 16
    assert len(keyed_hash(keys, "body", plain)) == 32


def mixed(tmp_path: Path) -> tuple[Keys, Keys]:
    """The keys of a file before and after it was moved from one suite to the other."""
    one, other = file_of(tmp_path, "international"), file_of(tmp_path, "sm")
    before = load_keys(one)
    content = content_of(one)
    for key in content["keys"]:
        key["status"] = "retired"
    content["keys"] += content_of(other)["keys"]
    one.write_bytes(orjson.dumps(content))
    return before, load_keys(one)


def test_a_file_may_mix_suites_and_all_that_was_made_still_opens(tmp_path: Path) -> None:
    before, after = mixed(tmp_path)
    assert unseal(after, "seal", seal(before, "seal", b"old")) == b"old"
    assert unseal(before, "seal", seal(after, "seal", b"new")) is None
    assert keyed_hashes(after, "lookup", b"x") == (
        keyed_hash(after, "lookup", b"x"),
        keyed_hash(before, "lookup", b"x"),
    )
    code, token = issue_code(before, subject_id=7, offer_id=None, now=NOON)
    assert open_code(after, token) == code


def test_a_file_without_algorithms_is_read_as_before(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    before, content = load_keys(path), content_of(path)
    del content["suite"]
    for key in content["keys"]:
        if key["kty"] == "oct":
            del key["alg"]
    path.write_bytes(orjson.dumps(content))
    after = load_keys(path)
    assert keyed_hash(after, "lookup", b"x") == keyed_hash(before, "lookup", b"x")
    key = before.active("lookup").secret or b""
    assert keyed_hash(after, "lookup", b"x") == hmac.digest(key, b"x", "sha256")
    assert unseal(after, "seal", seal(before, "seal", b"x")) == b"x"


@pytest.mark.parametrize(
    ("purpose", "alg"),
    [
        ("seal", "HS256"),
        ("lookup", "A256GCM"),
        ("seal", "SM4-GCM"),
        ("receipt", "HS256"),
        ("seal", "none"),
        ("seal", 7),
    ],
)
def test_an_algorithm_that_is_not_the_purposes_does_not_start(tmp_path: Path, purpose: str, alg: Any) -> None:
    path = key_file(tmp_path)
    content = content_of(path)
    for key in content["keys"]:
        if key["purpose"] == purpose:
            key["alg"] = alg  # SM4 with the 32 bytes of AES is refused too
    path.write_bytes(orjson.dumps(content))
    with pytest.raises(StartupError):
        load_keys(path)


def test_a_suite_of_another_name_does_not_start(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    path.write_bytes(orjson.dumps(content_of(path) | {"suite": "rot13"}))
    with pytest.raises(StartupError):
        load_keys(path)


def test_completing_a_file_adds_keys_of_its_own_suite_and_leaves_the_rest(tmp_path: Path) -> None:
    path = file_of(tmp_path, "sm")
    content = content_of(path)
    kept = [key for key in content["keys"] if key["purpose"] not in {"integrity", "audit", "seal"}]
    path.write_bytes(orjson.dumps(content | {"keys": kept}))
    assert complete_key_file(path) == ["audit", "seal", "integrity"]
    after = content_of(path)["keys"]
    assert after[: len(kept)] == kept
    assert [key["alg"] for key in after[len(kept) :]] == ["EdDSA", "SM4-GCM", "HMAC-SM3"]
    load_keys(path)
    assert complete_key_file(path) == []


def test_the_command_makes_either_suite_and_says_what_it_made(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["keys", "new", str(tmp_path / "own.json"), "--suite", "sm"]) == 0
    assert load_keys(tmp_path / "own.json").suite == "sm"
    assert run(["keys", "new", str(tmp_path / "more.json"), "--suite", "rc4"]) == 2
    assert not (tmp_path / "more.json").exists()
    assert run(["keys", "new", str(tmp_path / "usual.json")]) == 0
    assert load_keys(tmp_path / "usual.json").suite == "international"
    assert "USAGE" in capfd.readouterr().err
