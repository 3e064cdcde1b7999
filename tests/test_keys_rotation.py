"""Rotation of keys. One thing to know: every process learns of a new key before any of them uses it."""

from __future__ import annotations

import logging
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest
from factories import key_file
from hypothesis import given
from hypothesis import strategies as st

from core.errors import StartupError
from core.keys import PUBLIC, SECRET, SIGNING, Key, Keys, drop_key, load_keys, rotate_keys
from core.sealing import keyed_hash, keyed_hashes, seal, unseal
from core.signing import sign, verify

EVERY = (*SIGNING, *SECRET)


def content_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(path.read_bytes())
    return found


@given(st.lists(st.floats(1, 1000), unique=True, max_size=5), st.lists(st.floats(0, 2000), min_size=1, max_size=20))
def test_the_active_key_is_the_one_whose_instant_came_last(switches: list[float], moments: list[float]) -> None:
    now = [0.0]
    first = Key("first", "lookup", True, b"", alg="HS256")
    made = [Key(f"{at}", "lookup", True, b"", alg="HS256", active_from=at) for at in switches]
    keys = Keys([*made, first], demo=True, clock=lambda: now[0])
    for moment in sorted(moments):
        now[0] = moment
        due = [key for key in made if key.active_from <= moment]
        assert keys.active("lookup") is max(due, key=lambda key: key.active_from, default=first)


def test_all_who_hold_the_file_change_at_one_instant(tmp_path: Path) -> None:
    path, now = key_file(tmp_path), [float(int(time.time()))]
    before = load_keys(path).active("seal").kid
    [kid] = rotate_keys(path, ["seal"], active_from=now[0] + 60)
    held = [Keys(load_keys(path).all, demo=True, clock=lambda: now[0]) for _ in range(3)]
    for moment, active in ((now[0], before), (now[0] + 59, before), (now[0] + 60, kid), (now[0] + 600, kid)):
        now[0] = moment
        assert {keys.active("seal").kid for keys in held} == {active}


@pytest.mark.parametrize("purpose", EVERY)
def test_what_was_made_with_the_key_before_is_still_good(tmp_path: Path, purpose: Any) -> None:
    path = key_file(tmp_path)
    before = load_keys(path)
    rotate_keys(path, [purpose], active_from=time.time() - 1)
    after = load_keys(path)
    assert after.active(purpose).kid != before.active(purpose).kid
    assert all(after.active(other).kid == before.active(other).kid for other in EVERY if other != purpose)
    if purpose in SIGNING:
        claims = {"iss": "x"}
        assert verify(after, purpose, sign(before, purpose, claims)) == claims
        assert verify(after, purpose, sign(after, purpose, claims)) == claims
    elif purpose in {"code", "seal"}:
        assert unseal(after, purpose, seal(before, purpose, b"x")) == b"x"
    else:
        assert keyed_hashes(after, purpose, b"x") == (
            keyed_hash(after, purpose, b"x"),
            keyed_hash(before, purpose, b"x"),
        )


def test_a_new_public_key_is_published_before_it_signs(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    made = rotate_keys(path, PUBLIC, active_from=time.time() + 60)
    keys = load_keys(path)
    assert {*made} <= {key["kid"] for key in keys.jwks()["keys"]}
    assert not {*made} & {keys.active(purpose).kid for purpose in PUBLIC}


def test_a_second_rotation_waits_for_the_first_and_changes_nothing(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    rotate_keys(path, ["seal"], active_from=time.time() + 60)
    before = path.read_bytes()
    with pytest.raises(StartupError, match="seal"):
        rotate_keys(path, ["code", "seal"], active_from=time.time() + 60)
    assert path.read_bytes() == before
    rotate_keys(path, ["code"], active_from=time.time() + 60)


def test_the_next_rotation_marks_as_retired_what_the_last_one_put_out_of_use(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    for _ in range(3):
        rotate_keys(path, ["seal"], active_from=time.time())
    states = [key["status"] for key in content_of(path)["keys"] if key["purpose"] == "seal"]
    assert states == ["retired", "retired", "active", "active"]
    assert len({key.tag for key in load_keys(path).of("seal")}) == 4


def test_the_file_stays_its_owners_alone_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    (tmp_path / "link").symlink_to(path)
    rotate_keys(tmp_path / "link", EVERY, active_from=time.time() + 60)
    assert (tmp_path / "link").is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {entry.name for entry in tmp_path.iterdir()} == {"keys.json", "link"}
    assert len(load_keys(path).all) == 2 * len(EVERY)


def test_rotations_at_the_same_time_lose_no_key(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    with ThreadPoolExecutor(8) as several:
        made = several.map(lambda one: rotate_keys(path, [one], active_from=time.time() + 60), EVERY)
        kids = {kid for [kid] in made}
    assert kids <= {key.kid for key in load_keys(path).all}
    assert len(kids) == len(EVERY)


def test_a_rotation_moves_a_file_to_another_suite(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    before = load_keys(path)
    rotate_keys(path, ["seal", "lookup"], active_from=time.time() - 1, suite="sm")
    after = load_keys(path)
    assert (after.suite, after.active("seal").alg, after.active("lookup").alg) == ("sm", "SM4-GCM", "HMAC-SM3")
    assert unseal(after, "seal", seal(before, "seal", b"x")) == b"x"
    assert after.active("code").alg == "A256GCM"


def test_keys_are_taken_over_in_place_when_the_file_was_replaced(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    keys = load_keys(path)
    assert keys.refresh() is False
    [kid] = rotate_keys(path, ["receipt"], active_from=time.time() - 1)
    assert keys.active("receipt").kid != kid
    assert keys.refresh() is True
    assert keys.active("receipt").kid == kid
    assert keys.refresh() is False


@pytest.mark.parametrize("fault", ["missing", "broken", "without a purpose", "of a demonstration no more"])
def test_a_file_that_is_no_good_is_logged_once_and_the_keys_stay(
    tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = key_file(tmp_path)
    keys, content = load_keys(path), content_of(path)
    kids = [keys.active(purpose).kid for purpose in EVERY]
    if fault == "missing":
        path.unlink()
    elif fault == "broken":
        path.write_bytes(b"{")
    elif fault == "without a purpose":
        path.write_bytes(orjson.dumps(content | {"keys": content["keys"][1:]}))
    else:
        path.write_bytes(orjson.dumps(content | {"demo": False}))
    with caplog.at_level(logging.INFO, logger="xinyi.keys"):
        assert [keys.refresh() for _ in range(3)] == [False] * 3
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert [keys.active(purpose).kid for purpose in EVERY] == kids
    for key in content["keys"]:
        assert key.get("d", key.get("k")) not in caplog.text
    path.write_bytes(orjson.dumps(content))
    assert keys.refresh() is True


def test_a_key_is_dropped_and_the_others_stay(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    old = load_keys(path).active("seal").kid
    rotate_keys(path, ["seal"], active_from=time.time())
    drop_key(path, old)
    assert old not in {key.kid for key in load_keys(path).all}
    assert len(load_keys(path).all) == len(EVERY)


def test_asking_for_the_active_key_costs_next_to_nothing(tmp_path: Path) -> None:
    keys = load_keys(key_file(tmp_path))
    began = time.perf_counter()
    for _ in range(100_000):
        keys.active("seal")
    assert time.perf_counter() - began < 0.5  # 5 µs each, on the slowest machine; a verification takes a thousand
