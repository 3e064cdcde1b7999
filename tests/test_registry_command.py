"""Officers' work on who is on file, from the command line. One thing to know: numbers come by standard input, and no
output repeats one."""

from __future__ import annotations

import io
import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from factories import PEOPLE, resident_id

from cli.main import run

NUMBER = resident_id(date(1995, 5, 5), 77)
REGISTER = ["register", "--as", "operator", "--place", "hunan-shaoyang"]


@pytest.fixture(autouse=True)
def city(tmp_path: Path, sqlite_template: Path, keys_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small city's database and keys, named by the environment as a deployment's are."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    monkeypatch.setenv("XINYI_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/city.db")
    monkeypatch.setenv("XINYI_KEYS_FILE", str(keys_file))
    monkeypatch.setenv("XINYI_ENVIRONMENT", "demo")


@pytest.fixture
def told(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command of `xinyi subject` with a line of JSON; the exit code, and what it printed or complained of."""

    def runs(arguments: list[str], **said: str) -> tuple[int, Any]:
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(said) if said else ""))
        code = run(["subject", *arguments])
        out, err = capfd.readouterr()
        assert NUMBER not in out + err
        return code, json.loads(out) if out else err.split(":")[0]

    return runs


def test_a_subject_goes_on_file_is_found_named_anew_ended_and_merged(told: Any) -> None:
    code, new = told(REGISTER, number=NUMBER, name="测新人")
    assert (code, new["subject"], new["name"], new["scheme"]) == (0, 1 + len(PEOPLE) + 1, "测*", "resident-id")
    assert told(REGISTER, number=NUMBER, name="测新人") == (0, new)
    it = str(new["subject"])
    passport = ["map-code", it, "--as", "operator", "--scheme", "passport", "--reason", "原件"]
    assert told(passport, number="XXX12345678") == (0, new)
    found = ["find", "--as", "reviewer", "--scheme", "passport", "--purpose", "来访"]
    assert told(found, number="XXX12345678") == (0, new)
    assert told(["rename", it, "--as", "operator", "--reason", "户口簿"], name="欧阳")[1]["name"] == "欧*"
    died = ["end", it, "--as", "operator", "--deceased", "2026-11-01", "--reason", "证明"]
    assert told(died)[1]["ended"] == "deceased"
    assert told(["end", it, "--as", "operator", "--undo", "--reason", "误记"]) == (1, "FORBIDDEN")
    assert told(["end", it, "--as", "reviewer", "--undo", "--reason", "误记"])[1]["ended"] is None
    pair = ["merge", "1", it, "--reason", "证明", "--as"]
    assert told([*pair, "reviewer"]) == (1, "MERGE_NOT_PROPOSED")
    assert told([*pair, "operator"])[1]["subject"] == 1
    assert told([*pair, "reviewer"])[1]["subject"] == 1
    assert told(found, number="XXX12345678")[1]["subject"] == 1


@pytest.mark.parametrize(
    ("arguments", "said", "answer"),
    [
        (REGISTER, {}, (2, "BAD_LINE")),
        (REGISTER, {"number": NUMBER}, (2, "BAD_LINE")),
        (REGISTER, {"number": NUMBER[:17] + "A", "name": "测"}, (1, "BAD_USER_INPUT")),
        ([*REGISTER, "--scheme", "nothing"], {"number": NUMBER, "name": "测"}, (2, "UNKNOWN_SCHEME")),
        ([*REGISTER[:2], "good", *REGISTER[3:]], {"number": NUMBER, "name": "测"}, (1, "FORBIDDEN")),
        ([*REGISTER[:2], "nobody", *REGISTER[3:]], {"number": NUMBER, "name": "测"}, (1, "FORBIDDEN")),
        (["find", "--as", "operator", "--purpose", "来访"], {"number": NUMBER}, (1, "UNKNOWN_SUBJECT")),
        (["end", "1", "--as", "operator", "--reason", "证明"], {}, (2, "USAGE")),
        (["end", "1", "--as", "operator", "--reason", "x", "--deceased", "2026-02-30"], {}, (2, "BAD_DATE")),
    ],
)
def test_wrong_use_is_one_line_with_a_code(
    told: Any, arguments: list[str], said: dict[str, str], answer: tuple[int, str]
) -> None:
    assert told(arguments, **said) == answer
