"""`xinyi keys`. One thing to know: what still opens something cannot be dropped."""

from __future__ import annotations

import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from cli.keys import IDLE_SECONDS
from cli.main import run
from core.keys import SECRET, SIGNING, load_keys, rotate_keys
from core.sealing import unseal


@pytest.fixture
def keys_of_city(sqlite_template: Path, keys_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The key file of a small city that the environment names."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    shutil.copy(keys_file, tmp_path / "keys.json")
    monkeypatch.setenv("XINYI_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/city.db")
    monkeypatch.setenv("XINYI_KEYS_FILE", str(tmp_path / "keys.json"))
    monkeypatch.setenv("XINYI_ENVIRONMENT", "demo")
    return tmp_path / "keys.json"


def rows(path: Path, query: str) -> list[Any]:
    with sqlite3.connect(path.with_name("city.db")) as connection:
        return connection.execute(query).fetchall()


def acts(path: Path) -> list[str]:
    named = "('rotateKeys', 'rehash', 'dropKey')"
    return [row[0] for row in rows(path, f"SELECT action FROM audit_entries WHERE action IN {named} ORDER BY at")]


def long_ago(path: Path, *purposes: Any) -> dict[str, str]:
    """Rotate as if it had been long ago; the ids of the keys before."""
    keys = load_keys(path)
    rotate_keys(path, purposes, active_from=time.time() - IDLE_SECONDS - 1)
    return {purpose: keys.active(purpose).kid for purpose in purposes}


def told(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capfd.readouterr()
    code = run(["keys", *arguments])
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    return code, out, err


def test_without_a_purpose_all_are_rotated_a_minute_ahead(keys_of_city: Path) -> None:
    began = time.time()
    assert run(["keys", "rotate"]) == 0
    waiting = load_keys(keys_of_city).waiting()
    assert sorted(key.purpose for key in waiting) == sorted([*SIGNING, *SECRET])
    assert all(60 <= key.active_from - began < 75 for key in waiting)
    assert acts(keys_of_city) == ["rotateKeys"]


@pytest.mark.parametrize(
    "arguments",
    [["rotate", "love"], ["rotate", "seal", "--in", "1"], ["rotate", "--suite", "x"], ["drop"], ["drop", "x"]],
)
def test_wrong_use_changes_nothing(keys_of_city: Path, arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    before = keys_of_city.read_bytes()
    code, out, err = told(capfd, *arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert keys_of_city.read_bytes() == before
    assert acts(keys_of_city) == []


def test_a_rotation_that_cannot_be_written_is_not_in_the_audit_trail(
    keys_of_city: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["keys", "rotate", "seal"]) == 0
    code, _, err = told(capfd, "rotate", "seal")
    assert (code, err.partition(":")[0]) == (1, "STARTUP")
    assert acts(keys_of_city) == ["rotateKeys"]


def test_the_list_names_keys_and_shows_none(keys_of_city: Path, capfd: pytest.CaptureFixture[str]) -> None:
    old = long_ago(keys_of_city, "seal")
    rotate_keys(keys_of_city, ["lookup"], active_from=time.time() + 60)
    code, out, _ = told(capfd, "list")
    assert code == 0
    keys = load_keys(keys_of_city)
    states = {line.split()[1]: line.split(maxsplit=3)[3] for line in out.splitlines()[1:]}
    assert states.keys() == {key.kid for key in keys.all}
    assert states[old["seal"]] == "停用"
    assert states[keys.active("seal").kid] == "在用"
    assert states[keys.waiting()[0].kid].endswith("启用")
    for key in orjson.loads(keys_of_city.read_bytes())["keys"]:
        assert key.get("d", key.get("k")) not in out


@pytest.mark.parametrize("purpose", ["seal", "lookup"])
def test_a_key_that_rows_need_is_not_dropped_and_one_that_none_needs_is(
    keys_of_city: Path, purpose: str, capfd: pytest.CaptureFixture[str]
) -> None:
    old = long_ago(keys_of_city, purpose)[purpose]
    subjects = rows(keys_of_city, "SELECT count(*) FROM subjects")[0][0]
    needed = subjects * 2 if purpose == "seal" else subjects  # the name and the number
    code, out, err = told(capfd, "drop", old)
    assert (code, out, err.partition(":")[0]) == (1, "", "KEY_IN_USE")
    assert f" {needed} 行" in err
    assert load_keys(keys_of_city).find(purpose, old)  # type: ignore[arg-type]

    code, out, _ = told(capfd, "rehash")
    assert (code, f"换了 {subjects} 项" in out) == (0, purpose == "lookup")
    assert told(capfd, "drop", old)[0] == 0
    assert load_keys(keys_of_city).find(purpose, old) is None  # type: ignore[arg-type]
    assert acts(keys_of_city) == ["rehash", "dropKey"]
    keys = load_keys(keys_of_city)
    for sealed in rows(keys_of_city, "SELECT identity_sealed FROM subjects"):
        assert unseal(keys, "seal", sealed[0])


@pytest.mark.parametrize("purpose", ["receipt", "bearer", "code", "body", "pseudonym", "integrity"])
def test_keys_that_check_what_was_given_out_are_kept_for_good(
    keys_of_city: Path, purpose: str, capfd: pytest.CaptureFixture[str]
) -> None:
    old = long_ago(keys_of_city, purpose)[purpose]
    code, _, err = told(capfd, "drop", old)
    assert (code, err.partition(":")[0]) == (1, "KEY_IN_USE")
    assert load_keys(keys_of_city).find(purpose, old)  # type: ignore[arg-type]


def test_a_key_in_use_or_waiting_or_just_followed_is_not_dropped(
    keys_of_city: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    active = load_keys(keys_of_city).active("seal").kid
    assert told(capfd, "drop", active)[0] == 1
    [waiting] = rotate_keys(keys_of_city, ["seal"], active_from=time.time() + 60)
    assert told(capfd, "drop", waiting)[0] == 1
    [_] = rotate_keys(keys_of_city, ["lookup"], active_from=time.time() - 5)
    before = next(key.kid for key in load_keys(keys_of_city).of("lookup"))
    code, _, err = told(capfd, "drop", before)
    assert (code, err.partition(":")[0]) == (1, "KEY_IN_USE")
    assert len(load_keys(keys_of_city).all) == len([*SIGNING, *SECRET]) + 2


def test_rows_that_cannot_be_moved_are_said_with_exit_code_one(
    keys_of_city: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    old = long_ago(keys_of_city, "seal")["seal"]
    [(sealed,)] = rows(keys_of_city, "SELECT name_sealed FROM subjects WHERE id = 1")
    with sqlite3.connect(keys_of_city.with_name("city.db")) as connection:
        # Under the key, as its first bytes say, and yet not to be opened.
        connection.execute("UPDATE subjects SET name_sealed = ? WHERE id = 1", (sealed[:-1] + b"!",))
    code, _, err = told(capfd, "rehash")
    assert (code, err.partition(":")[0]) == (1, "ROWS_NOT_MOVED")
    code, _, err = told(capfd, "drop", old)
    assert (code, " 1 行" in err) == (1, True)
