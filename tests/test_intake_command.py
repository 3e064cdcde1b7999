"""`xinyi intake` as it is typed: the line it prints, its exit codes, and what a killed load leaves."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from intake_files import PENALTY_ROW, csv_bytes, enterprise_code, person_code
from sqlalchemy import create_engine, text

from cli.main import run

CODE, NUMBER = "行政相对人代码_1(统一社会信用代码)", "行政处罚决定文书号"
RECENT = {"处罚决定日期": "2026-09-01", "公示截止期": "2027-09-01"}
COMMAND = [sys.executable, "-m", "cli.main"]


def rows(count: int) -> list[dict[str, str]]:
    return [{**PENALTY_ROW, **RECENT, CODE: enterprise_code(n), NUMBER: f"测罚{n}号"} for n in range(count)]


@pytest.fixture
def city(tmp_path: Path, sqlite_template: Path, keys_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small city's database, named by the environment as a deployment's is."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    monkeypatch.setenv("XINYI_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/city.db")
    monkeypatch.setenv("XINYI_KEYS_FILE", str(keys_file))
    monkeypatch.setenv("XINYI_ENVIRONMENT", "demo")
    return tmp_path / "city.db"


def count(database: Path, query: str) -> int:
    engine = create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        found = int(connection.execute(text(query)).scalar_one())
    engine.dispose()
    return found


def test_the_last_line_counts_and_the_file_to_send_back_says_why(
    city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = {**PENALTY_ROW, **RECENT, CODE: "91430500O000000019", NUMBER: "错1号", "法定代表人": person_code()}
    (tmp_path / "a.csv").write_bytes(csv_bytes(*rows(3), bad, encoding="gb18030"))
    asked = ["intake", str(tmp_path / "a.csv"), "--item", "administrative-penalty", "--quarantine"]
    for expected in ({"accepted": 3, "duplicates": 0}, {"accepted": 0, "duplicates": 3}):
        assert run([*asked, str(tmp_path / "back.csv")]) == 0
        told = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert told == {"rows": 4, "corrections": 0, "not_collected": 0, "quarantined": 1} | expected
    back = (tmp_path / "back.csv").read_text(encoding="utf-8-sig")
    assert back.splitlines()[0].endswith("行号,错误代码,原因")
    assert ",4," in back
    assert person_code() not in back


@pytest.mark.parametrize(
    ("content", "options", "exit_code", "code"),
    [
        (b"%PDF-1.7 ...", (), 1, "FILE_UNREADABLE"),
        ("名称,日期\n甲,2026-01-01\n".encode(), (), 1, "MISSING_COLUMN"),
        (None, (), 1, "FILE_UNREADABLE"),
        (b"a", ("--item", "religion"), 1, "NOT_CATALOGUED"),
        (b"a", ("--place", "atlantis"), 2, "UNKNOWN_PLACE"),
    ],
)
def test_what_cannot_be_loaded_is_one_line_with_a_code(
    *,
    city: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    options: tuple[str, ...],
    exit_code: int,
    code: str,
) -> None:
    before = count(city, "SELECT count(*) FROM intake_batches")
    if content is not None:
        (tmp_path / "a.csv").write_bytes(content)
    asked = ["intake", str(tmp_path / "a.csv"), "--item", "administrative-penalty", *options]
    assert run(asked) == exit_code
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"{code}: ")
    assert told.err.count("\n") == 1
    assert count(city, "SELECT count(*) FROM intake_batches") == before


def test_a_load_killed_from_outside_is_made_whole_by_loading_again(city: Path, tmp_path: Path) -> None:
    size = 6000
    (tmp_path / "a.csv").write_bytes(csv_bytes(*rows(size)))
    asked = [*COMMAND, "intake", str(tmp_path / "a.csv"), "--item", "administrative-penalty"]
    process = subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    loaded, ends = 0, time.monotonic() + 60
    while loaded == 0 and time.monotonic() < ends:
        loaded = count(city, "SELECT count(*) FROM record_versions")
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = count(city, "SELECT count(*) FROM record_versions")
    assert 0 < kept < size
    assert kept % 500 == 0
    again = subprocess.run(asked, capture_output=True, check=True)
    assert again.stderr == b""  # no progress bar in a pipe
    told = json.loads(again.stdout)
    assert (told["accepted"], told["duplicates"]) == (size - kept, kept)
    assert count(city, "SELECT count(*) FROM credit_records WHERE content_sealed IS NOT NULL") == size
    assert run(["audit", "verify"]) == 0


def test_rates_are_shown_per_body(city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_bytes(csv_bytes(*rows(2)))
    run(["intake", str(tmp_path / "a.csv"), "--item", "administrative-penalty"])
    capsys.readouterr()
    assert run(["intake-rates", "--from", "2026-01-01"]) == 0
    (head, line) = capsys.readouterr().out.splitlines()
    assert head.split() == ["单位", "报送行数", "入库", "完整率", "合规率", "七日报送率"]
    assert line.split()[:3] == ["某市市场监督管理局", "2", "2"]
    assert line.split()[4:] == ["100.0%", "0.0%"]
