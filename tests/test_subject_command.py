"""What a subject reads of itself from the command line: the same as over the interface, and written down."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from factories import PEOPLE
from sqlalchemy import create_engine, text

from cli.main import run


@pytest.fixture
def city(tmp_path: Path, sqlite_template: Path, keys_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small city's database, named by the environment as a deployment's is."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    monkeypatch.setenv("XINYI_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/city.db")
    monkeypatch.setenv("XINYI_KEYS_FILE", str(keys_file))
    monkeypatch.setenv("XINYI_ENVIRONMENT", "demo")
    return tmp_path / "city.db"


def entries(database: Path) -> list[tuple[int, str, str]]:
    engine = create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT subject_id, actor, action FROM audit_entries ORDER BY id"))
        found = [(row[0], row[1], row[2]) for row in rows]
    engine.dispose()
    return found


def test_scores_are_told_with_lines_and_reasons_and_the_reading_is_written_down(
    city: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["subject", "scores", "--as", "good"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("湘信分(xiangxinfen 2025-03):")
    assert "base" in told
    assert entries(city)[-1] == (1 + list(PEOPLE).index("good"), "good", "readScores")


def test_what_if_tells_the_day_supposed_and_changes_nothing(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["subject", "scores", "--as", "plain"]) == 0
    before = capsys.readouterr().out
    supposed = ["subject", "what-if", "xiangxinfen", "--as", "plain", "--day", "2030-01-01"]
    assert run([*supposed, "--add", "rescue-honour@2029-12-31"]) == 0
    told = capsys.readouterr().out
    assert "湘信分(2030-01-01):" in told
    assert "见义勇为" in told
    assert run(["subject", "scores", "--as", "plain"]) == 0
    assert capsys.readouterr().out == before


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["scores", "--as", "operator"], 1, "FORBIDDEN"),
        (["scores", "--as", "nobody"], 1, "FORBIDDEN"),
        (["scores", "--as", "minor"], 1, "FORBIDDEN"),
        (["history", "nothing", "--as", "good"], 2, "UNKNOWN_MODEL"),
        (["history", "xiangxinfen", "--as", "good", "--from", "2026-02-30"], 2, "BAD_DATE"),
        (["what-if", "xiangxinfen", "--as", "good", "--add", "rescue-honour"], 2, "BAD_DATE"),
        (["what-if", "xiangxinfen", "--as", "good", "--without", "record-of-another"], 1, "BAD_USER_INPUT"),
        (["what-if", "xiangxinfen", "--as", "good", "--add", "nothing@2020-01-01"], 1, "BAD_USER_INPUT"),
    ],
)
def test_what_cannot_be_answered_is_one_line_with_a_code(
    city: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    assert run(["subject", *arguments]) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(said)


def test_history_is_empty_before_anything_was_noted(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["subject", "history", "xiangxinfen", "--as", "good"]) == 0
    assert capsys.readouterr().out.split() == ["日期", "结果", "变化"]


def test_a_model_is_told_rule_by_rule_with_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "hebei-enterprise"]) == 0
    told = capsys.readouterr().out
    assert told.count("依据 《河北省人民政府办公厅") == 6
    assert "(interpretation:文件只说造成严重后果的不属 B 类" in told
    assert run(["models", "nothing"]) == 2
    assert capsys.readouterr().err.startswith("UNKNOWN_MODEL: ")
