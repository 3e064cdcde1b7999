"""`xinyi settlement verify`: a file is checked with the public keys alone."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
from factories import NOON

from cli.main import run
from core.keys import load_keys
from partners.settlement.files import Head, Line, write_file


@pytest.fixture
def folder(tmp_path: Path, keys_file: Path) -> Path:
    """A file in both forms, its statement, and the public keys."""
    keys = load_keys(keys_file)
    head = Head(uuid4(), "https://test", "p", "测试景区", "测试景区", date(2026, 11, 20), NOON)
    lines = [
        Line("use", uuid4(), str(uuid4()), 1, 1, "东门,2 号", 10**12, NOON),
        Line("correction", uuid4(), str(uuid4()), 1, 1, None, -1, NOON),
    ]
    written = write_file(keys, head, lines, public_id=lambda kind, key: f"{kind}:{key}")
    (tmp_path / "day.csv").write_bytes(written.csv)
    (tmp_path / "day.json").write_bytes(written.json)
    (tmp_path / "day.jws").write_text(written.statement)
    (tmp_path / "jwks.json").write_bytes(orjson.dumps(keys.jwks()))
    return tmp_path


@pytest.mark.parametrize("form", ["csv", "json"])
def test_either_form_is_checked_against_the_statement_beside_it(
    folder: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["settlement", "verify", f"{folder}/day.{form}", "--jwks", f"{folder}/jwks.json"]) == 0
    told = orjson.loads(capsys.readouterr().out)
    assert (told["day"], told["funder"], told["lines"], told["totalFen"]) == (
        "2026-11-20", "测试景区", 2, 10**12 - 1,
    )  # fmt: skip


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_changed_file_is_refused_in_one_line(folder: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / f"day.{form}"
    file.write_bytes(file.read_bytes().replace(b"-1", b"-2"))
    assert run(["settlement", "verify", str(file), "--jwks", f"{folder}/jwks.json"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("SETTLEMENT_INVALID: ")
    assert said.count("\n") == 1


def test_a_statement_that_is_not_there_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "day.jws").unlink()
    assert run(["settlement", "verify", f"{folder}/day.csv", "--jwks", f"{folder}/jwks.json"]) == 1
    assert "day.jws" in capsys.readouterr().err


def test_a_day_that_is_none_is_wrong_use(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["settlement", "make", "--day", "2026-02-30"]) == 2
    assert capsys.readouterr().err.startswith("BAD_DATE: ")
