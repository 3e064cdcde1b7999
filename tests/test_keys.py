"""The key file. One thing to know: a deployment with a missing, broken or demonstration key does not start."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import orjson
import pytest
from factories import City, key_file
from test_codes import rotated

from api.app import open_state
from core.errors import StartupError
from core.keys import PUBLIC, SECRET, SIGNING, b64decode, b64encode, load_keys, load_public_keys, new_key_file
from core.settings import Settings


def content_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(path.read_bytes())
    return found


def changed(path: Path, keys: list[dict[str, Any]]) -> Path:
    target = path.with_name("changed.json")
    target.write_bytes(orjson.dumps(content_of(path) | {"keys": keys}))
    return target


def test_a_key_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = key_file(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    before = path.read_bytes()
    with pytest.raises(StartupError):
        new_key_file(path, demo=False)
    assert path.read_bytes() == before
    (tmp_path / "link.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(StartupError):
        new_key_file(tmp_path / "link.json", demo=False)
    assert not (tmp_path / "elsewhere.json").exists()


def test_there_is_one_active_key_for_each_purpose_and_no_secret_serves_two(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    keys = load_keys(path)
    active = [keys.active(purpose) for purpose in (*SIGNING, *SECRET)]
    assert [key.purpose for key in active] == [*SIGNING, *SECRET]
    assert len({key.secret for key in active}) == len(active) == len(SIGNING) + len(SECRET)
    assert {len(key.secret or b"") for key in active} == {32}
    assert len({key.kid for key in active}) == len(active)


def test_two_files_have_no_secret_in_common(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one, other = load_keys(key_file(tmp_path)), load_keys(key_file(tmp_path / "other"))
    assert all(one.active(purpose).secret != other.active(purpose).secret for purpose in (*SIGNING, *SECRET))
    assert all(one.active(purpose).kid != other.active(purpose).kid for purpose in (*SIGNING, *SECRET))


@pytest.mark.parametrize("purpose", [*SIGNING, *SECRET])
def test_a_file_without_an_active_key_for_a_purpose_does_not_start(tmp_path: Path, purpose: str) -> None:
    path = key_file(tmp_path)
    keys = content_of(path)["keys"]
    without = [key for key in keys if key["purpose"] != purpose]
    with pytest.raises(StartupError, match=purpose):
        load_keys(changed(path, without))
    retired = [key | {"status": "retired"} if key["purpose"] == purpose else key for key in keys]
    with pytest.raises(StartupError, match=purpose):
        load_keys(changed(path, retired))


BROKEN: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "null": b"null",
    "no keys": b"{}",
    "keys of another shape": b'{"keys": {"a": 1}}',
    "a key without a kind": b'{"keys": [{"kid": "a", "purpose": "code", "k": "AAAA"}]}',
    "a key without a secret": b'{"keys": [{"kid": "a", "purpose": "code", "kty": "oct"}]}',
    "padded base64": b'{"keys": [{"kid": "a", "purpose": "code", "kty": "oct", "k": "AAA="}]}',
    "a secret that is a number": b'{"keys": [{"kid": "a", "purpose": "code", "kty": "oct", "k": 7}]}',
    "no text at all": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_file_is_a_one_line_message_that_names_it(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(BROKEN[fault])
    for load in (load_keys, load_public_keys):
        with pytest.raises(StartupError) as raised:
            load(path)
        assert str(path) in raised.value.message
        assert "\n" not in raised.value.message


@pytest.mark.parametrize("secret", ["", b64encode(bytes(5)), b64encode(bytes(33))], ids=["empty", "short", "long"])
@pytest.mark.parametrize("purpose", ["code", "lookup", "receipt"])
def test_a_secret_of_another_length_does_not_start(tmp_path: Path, purpose: str, secret: str) -> None:
    path = key_file(tmp_path)
    keys = content_of(path)["keys"]
    for key in keys:
        if key["purpose"] == purpose:
            key["d" if key["kty"] == "OKP" else "k"] = secret
    with pytest.raises(StartupError):
        load_keys(changed(path, keys))


def test_a_public_half_that_is_not_its_private_halfs_does_not_start(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    keys = content_of(path)["keys"]
    signing = {key["purpose"]: key for key in keys if key["kty"] == "OKP"}
    signing["receipt"]["x"] = signing["proof"]["x"]
    with pytest.raises(StartupError):
        load_keys(changed(path, keys))


def test_two_active_keys_of_one_purpose_do_not_start(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    path, other = key_file(tmp_path), key_file(tmp_path / "other")
    more = [key for key in content_of(other)["keys"] if key["purpose"] == "code"]
    with pytest.raises(StartupError):
        load_keys(changed(path, content_of(path)["keys"] + more))


def test_a_missing_file_is_said_in_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(StartupError, match=str(path)):
            load_keys(path)


def test_production_refuses_demonstration_keys_and_takes_its_own(tmp_path: Path) -> None:
    demo = key_file(tmp_path)
    own = tmp_path / "own.json"
    new_key_file(own, demo=False)
    given: dict[str, Any] = {"environment": "production", "database_url": f"sqlite+aiosqlite:///{tmp_path}/x.db"}
    with pytest.raises(StartupError, match="演示密钥"):
        open_state(Settings(keys_file=demo, **given))
    assert open_state(Settings(keys_file=own, **given)).keys.demo is False


def test_the_public_set_has_public_members_of_what_others_check_alone_the_retired_included(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    (tmp_path / "new").mkdir()
    after = rotated(path, tmp_path / "new", "receipt")
    listed = after.jwks()["keys"]
    assert sorted(key["purpose"] for key in listed) == sorted([*PUBLIC, "receipt"])
    assert {frozenset(key) for key in listed} == {
        frozenset({"kty", "crv", "x", "kid", "alg", "use", "purpose"}),
    }
    assert {key["kid"] for key in listed} == {key.kid for purpose in PUBLIC for key in after.of(purpose)}
    told = orjson.dumps(after.jwks()).decode()
    for key in content_of(tmp_path / "new" / "rotated.json")["keys"]:
        assert key.get("d", "none") not in told
        assert key.get("k", "none") not in told


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_the_set_is_served_to_everybody_and_cannot_sign(city: City, tmp_path: Path) -> None:
    response = await city.client.get("/.well-known/jwks.json")
    assert response.status_code == 200
    assert response.json() == city.keys.jwks()
    (tmp_path / "jwks.json").write_bytes(response.content)
    public = load_public_keys(tmp_path / "jwks.json")
    with pytest.raises(StartupError):
        _ = public.of("receipt")[0].private_key


def test_only_the_canonical_spelling_of_bytes_is_read() -> None:
    assert b64decode("_-8") == b"\xff\xef"
    for wrong in ("_-8=", "/+8", "_-9", "_-8\n", " _-8", "_-", "_", "é"):
        with pytest.raises(ValueError):  # noqa: PT011  # any ValueError is the promise
            b64decode(wrong)
