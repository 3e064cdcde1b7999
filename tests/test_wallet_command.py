"""`xinyi credential verify`. One thing to know: it asks no server, believes no key out of the file, and says in one
line what does not hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from test_commands import Xinyi, complaint, xinyi
from wallets import Held, new_key

from core.clock import utc_now
from core.keys import Keys, load_keys
from core.signing import sign
from partners.wallet.credentials import make_credential, read_holder_key

__all__ = ["xinyi"]
Write = Callable[[str], Path]


@pytest.fixture
def keys(keys_file: Path) -> Keys:
    return load_keys(keys_file)


@pytest.fixture
def jwks(keys: Keys, tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_bytes(orjson.dumps(keys.jwks()))
    return path


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        path = tmp_path / "credential.txt"
        path.write_text(text)
        return path

    return written


def made(keys: Keys, *, hours_ago: int = 0) -> Held:
    key = new_key()
    holder = read_holder_key(key.export_public())
    now = utc_now() - timedelta(hours=hours_ago)
    return Held(make_credential(keys, issuer="https://xinyi.example", offer="o", holder=holder, now=now), key)


def test_it_says_what_is_disclosed_until_when_and_how_far_the_key_was_proved(
    xinyi: Xinyi, keys: Keys, jwks: Path, write: Write
) -> None:
    held = made(keys)
    shown = held.shown(nonce="n", audience="a", at=utc_now().timestamp())
    asked = ("--nonce", "n", "--audience", "a")
    for text, options, proved in (
        (held.text, (), "not-at-all"),
        (held.text + "\n", (), "not-at-all"),
        (shown, (), "for-a-request-not-compared"),
        (shown, asked, "for-this-request"),
    ):
        code, out, err = xinyi("credential", "verify", write(text), "--jwks", jwks, *options)
        told: dict[str, Any] = json.loads(out)
        assert (code, err, told["holds"], told["disclosed"]) == (0, "", True, {"benefit_applies": {"offer": "o"}})
        assert (told["key_proved"], told["issuer"]) == (proved, "https://xinyi.example")
    hidden = held.shown(nonce="n", audience="a", at=utc_now().timestamp(), disclose=False)
    assert json.loads(xinyi("credential", "verify", write(hidden), "--jwks", jwks, *asked)[1])["disclosed"] == {}


def test_what_does_not_hold_is_one_line_with_a_code(
    xinyi: Xinyi, keys: Keys, jwks: Path, write: Write, tmp_path: Path
) -> None:
    held = made(keys)
    shown = held.shown(nonce="n", audience="a", at=utc_now().timestamp())
    asked = ("--nonce", "n", "--audience", "a")
    for text, options, code in (
        (shown, ("--nonce", "m", "--audience", "a"), "KEY_NOT_PROVED"),
        (shown, ("--nonce", "n", "--audience", "b"), "KEY_NOT_PROVED"),
        (held.text, asked, "KEY_NOT_PROVED"),
        (held.shown(nonce="n", audience="a", at=0, key=new_key()), (), "KEY_NOT_PROVED"),
        (made(keys, hours_ago=25).text, (), "CREDENTIAL_EXPIRED"),
        (held.text[:-2] + "~", (), "CREDENTIAL_INVALID"),
        (held.text.replace("~", "=~", 1), (), "CREDENTIAL_INVALID"),
        (held.text + "\n\n", (), "KEY_NOT_PROVED"),
        (sign(keys, "receipt", {}), (), "CREDENTIAL_INVALID"),
        ("", (), "CREDENTIAL_INVALID"),
        ("x" * 9000, (), "UNREADABLE"),
        ("凭证", (), "UNREADABLE"),
    ):
        assert complaint(xinyi("credential", "verify", write(text), "--jwks", jwks, *options)) == code, (text, code)
    assert complaint(xinyi("credential", "verify", tmp_path / "none", "--jwks", jwks)) == "UNREADABLE"
    half = xinyi("credential", "verify", write(shown), "--jwks", jwks, "--nonce", "n")
    assert complaint(half, exit_code=2) == "USAGE"


def test_a_key_out_of_the_file_is_never_believed(xinyi: Xinyi, keys: Keys, jwks: Path, write: Write) -> None:
    held = made(keys)
    content = orjson.loads(jwks.read_bytes())
    others = [key for key in content["keys"] if key["purpose"] != "credential"]
    renamed = [key | {"purpose": "receipt"} for key in content["keys"] if key["purpose"] == "credential"]
    for known in (others, others + renamed, []):
        jwks.write_bytes(orjson.dumps({"keys": known}))
        assert complaint(xinyi("credential", "verify", write(held.text), "--jwks", jwks)) == "CREDENTIAL_INVALID"
