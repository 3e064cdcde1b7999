"""`xinyi population score`: what it writes, what it refuses, and that what stops it loses nothing."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from populations import (
    FACT_TYPES,
    RECORD_TYPES,
    SUBJECT_TYPES,
    Files,
    Person,
    read_results,
    write_population,
    write_table,
)

from cli.main import run
from core.places import load_places
from scoring.engine import Record
from scoring.models import load_models
from scoring.population.engines import DuckDB
from scoring.population.run import InputChanged, RunInProgress, score_population

ON = date(2026, 11, 20)
HEBEI, CHANGXING = "hebei-enterprise", "changxing-accountant"
MODELS = load_models(load_places())
PEOPLE = {
    "clean": Person(),
    "listed": Person([Record("serious-list", date(2001, 1, 1))]),
    "late": Person([Record("tax-arrears", date(2026, 1, 5))]),
}
OLD = b"the results of yesterday"


def ask(files: Files, model: str = HEBEI, *options: str) -> int:
    """The command's exit code."""
    given = [part for name, path in files.given.items() if name != "facts" for part in (f"--{name}", str(path))]
    return run(["population", "score", model, *given, "--on", str(ON), *options])


def leftovers(folder: Path) -> list[str]:
    """What stands in the folder besides the files of the run."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".parquet")


def test_everybody_gets_one_row_of_the_promised_types(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write_population(tmp_path, PEOPLE)
    assert ask(files) == 0
    out, err = capsys.readouterr()
    assert out.startswith("3 个主体,用时 ")
    assert err == ""
    path = files.given["out"]
    assert read_results(path) == {"clean": (None, "A"), "listed": (None, "C"), "late": (None, "B")}
    with duckdb.connect() as connection:
        types = connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE FROM '{path}')").fetchall()
        marks = dict(connection.execute(f"SELECT key, value FROM parquet_kv_metadata('{path}')").fetchall())
    assert types == [("subject", "VARCHAR"), ("points", "DECIMAL(18,2)"), ("grade", "VARCHAR")]
    assert marks[b"model"] == HEBEI.encode()
    assert marks[b"day"] == b"2026-11-20"
    assert marks[b"run_id"].decode() in out
    assert leftovers(tmp_path) == []


def test_it_says_what_the_command_for_single_lines_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = PEOPLE | {"leap": Person([Record("closure-ordered", date(2025, 11, 20)), Record("tax-arrears", ON)])}
    lines = tmp_path / "lines.jsonl"
    lines.write_text(
        "".join(
            json.dumps(
                {
                    "subject": name,
                    "records": [{"item": r.item, "occurred_on": str(r.occurred_on)} for r in person.records],
                }
            )
            + "\n"
            for name, person in people.items()
        )
    )
    files = write_population(tmp_path, people)
    assert ask(files) == 0
    capsys.readouterr()
    assert run(["score", HEBEI, "--on", str(ON), str(lines)]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert read_results(files.given["out"]) == {one["subject"]: (None, one["grade"]) for one in answers}


GOOD: dict[str, Any] = {"subject": "p", "item": "incentive", "occurred_on": "2026-05-01", "points": "5"}
BAD_ROWS: dict[str, tuple[str, dict[str, Any], str]] = {
    "an unknown item": ("R", {"item": "tax-arrears"}, "UNKNOWN_ITEM"),
    "no item": ("R", {"item": None}, "UNKNOWN_ITEM"),
    "no day": ("R", {"occurred_on": None}, "BAD_DATE"),
    "a day before all calendars": ("R", {"occurred_on": "0044-03-15 (BC)"}, "BAD_DATE"),
    "an infinite day": ("R", {"removed_on": "infinity"}, "BAD_DATE"),
    "negative points": ("R", {"points": "-0.01"}, "BAD_NUMBER"),
    "no points where the record brings its own": ("R", {"points": None}, "BAD_NUMBER"),
    "negative points where none are asked for": ("R", {"item": "veto", "points": "-1"}, "BAD_NUMBER"),
    "a record of nobody": ("R", {"subject": None}, "BAD_SUBJECT"),
    "a subject without a name": ("S", {"subject": None}, "BAD_SUBJECT"),
    "a subject with a NUL": ("S", {"subject": "chr(0)"}, "BAD_SUBJECT"),
    "a subject listed twice": ("S", {"subject": "p"}, "DUPLICATE_SUBJECT"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_stops_the_run_with_its_place(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    which, wrong, code = BAD_ROWS[name]
    files = Files(tmp_path)
    files.given["out"].write_bytes(OLD)
    good = tuple(GOOD.get(column) for column in RECORD_TYPES)
    bad = tuple((GOOD | wrong).get(column) for column in RECORD_TYPES)
    write_table(files.given["records"], RECORD_TYPES, [good, good, bad if which == "R" else good, good])
    subject = wrong.get("subject")
    listed = [("p",), ("q",), (subject if subject != "chr(0)" else "a\0b",)] if which == "S" else [("p",)]
    write_table(files.given["subjects"], SUBJECT_TYPES, listed)
    assert ask(files, CHANGXING) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{code}: {which}.parquet 第 3 行:")
    assert err.count("\n") == 1
    assert files.given["out"].read_bytes() == OLD
    assert leftovers(tmp_path) == []


def test_bad_rows_of_subjects_that_nobody_asks_for_are_left_out(tmp_path: Path) -> None:
    files = Files(tmp_path)
    rows = [GOOD | {"subject": "stranger"} | wrong for which, wrong, _ in BAD_ROWS.values() if which == "R"]
    rows = [row for row in rows if row["subject"] is not None] + [GOOD]
    write_table(
        files.given["records"], RECORD_TYPES, [tuple(row.get(column) for column in RECORD_TYPES) for row in rows]
    )
    write_table(files.given["subjects"], SUBJECT_TYPES, [("p",)])
    assert ask(files, CHANGXING) == 0
    assert {name: grade for name, (_, grade) in read_results(files.given["out"]).items()} == {"p": "优秀"}


BAD_FACTS = {
    "too high": (("p", "public", "100.01", None), "BAD_NUMBER"),
    "a weight for a plain number": (("p", "public", "90", "1"), "BAD_FACTS"),
    "no score": (("p", "industries", None, "1"), "BAD_NUMBER"),
    "no weight": (("p", "industries", "90", None), "BAD_NUMBER"),
    "a weight of nothing": (("p", "industries", "90", "0"), "BAD_NUMBER"),
    "the same number twice": (("p", "public", "91", None), "BAD_FACTS"),
    "a fact without a name": (("p", None, "91", None), "BAD_FACTS"),
    "a fact of nobody": ((None, "public", "91", None), "BAD_SUBJECT"),
}


@pytest.mark.parametrize("name", BAD_FACTS)
def test_a_bad_fact_stops_the_run_with_its_place(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row, code = BAD_FACTS[name]
    files = write_population(tmp_path, {"p": Person()})
    good = [("p", "public", "90", None), ("p", "industries", "80", "1.5")]
    write_table(files.given["facts"], FACT_TYPES, [*good, row])
    assert ask(files, "hunan-comprehensive", "--facts", str(files.given["facts"])) == 1
    assert capsys.readouterr().err.startswith(f"{code}: F.parquet 第 3 行:")
    assert not files.given["out"].exists()
    write_table(files.given["facts"], FACT_TYPES, [*good, ("stranger", *row[1:]), ("p", "unheard-of", "-1", None)])
    assert ask(files, "hunan-comprehensive", "--facts", str(files.given["facts"])) == 0
    assert read_results(files.given["out"])["p"][1] == "B+"


def test_without_facts_a_model_built_on_them_cannot_speak(tmp_path: Path) -> None:
    files = write_population(tmp_path, {"p": Person()})
    assert ask(files, "hunan-comprehensive") == 0
    assert read_results(files.given["out"]) == {"p": (None, None)}


@pytest.mark.parametrize(
    ("column", "kind", "message"),
    [
        ("points", "DOUBLE", "R.parquet 的列 points 类型不对(DOUBLE)"),
        ("occurred_on", "TIMESTAMP", "R.parquet 的列 occurred_on 类型不对(TIMESTAMP)"),
        ("item", "BLOB", "R.parquet 的列 item 类型不对(BLOB)"),
        ("removed_on", None, "R.parquet 缺少列 removed_on"),
    ],
)
def test_columns_are_of_their_type_or_the_file_is_refused(
    column: str, kind: str | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write_population(tmp_path, PEOPLE)
    types = {name: (kind if name == column else given) for name, given in RECORD_TYPES.items()}
    write_table(files.given["records"], {name: given for name, given in types.items() if given is not None}, [])
    assert ask(files) == 1
    assert capsys.readouterr().err.startswith(f"BAD_COLUMN: {message}")


def test_other_decimals_and_missing_or_further_columns_are_read_all_the_same(tmp_path: Path) -> None:
    files = write_population(tmp_path, {"p": Person()})
    for kind, points, expected in (("DECIMAL(38,2)", "100.25", "1100.25"), ("DECIMAL(9,4)", "3.5000", "1003.50")):
        types = {name: given for name, given in RECORD_TYPES.items() if name not in ("minor", "corrected_on")}
        types |= {"points": kind, "further": "VARCHAR"}
        row = tuple((GOOD | {"points": points}).get(column) for column in types)
        write_table(files.given["records"], types, [row], options=", DICTIONARY_SIZE_LIMIT 1")
        assert ask(files, CHANGXING) == 0
        assert str(read_results(files.given["out"])["p"][0]) == expected
    write_table(files.given["records"], types, [tuple((GOOD | {"points": "3.5001"}).get(name) for name in types)])
    assert ask(files, CHANGXING) == 1


@pytest.mark.parametrize("content", [None, b"", b"PAR1", b"no Parquet at all"])
def test_a_file_that_cannot_be_read_is_named(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write_population(tmp_path, PEOPLE)
    files.given["records"].unlink()
    if content is not None:
        files.given["records"].write_bytes(content)
    assert ask(files) == 1
    err = capsys.readouterr().err
    assert err.startswith("UNREADABLE_FILE: ")
    assert "R.parquet" in err


def test_a_damaged_file_leaves_the_old_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write_population(tmp_path, {f"p{n}": PEOPLE["late"] for n in range(2000)})
    content = bytearray(files.given["records"].read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    files.given["records"].write_bytes(content)
    files.given["out"].write_bytes(OLD)
    assert ask(files) == 1
    assert capsys.readouterr().err.startswith("UNREADABLE_FILE: ")
    assert files.given["out"].read_bytes() == OLD


def test_results_go_nowhere_but_to_a_file_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write_population(tmp_path, PEOPLE)
    before = files.given["subjects"].read_bytes()
    for out in (tmp_path, tmp_path / "nowhere" / "O.parquet", files.given["subjects"]):
        assert ask(files, HEBEI, "--out", str(out)) == 1
        assert capsys.readouterr().err.startswith("BAD_OUTPUT: ")
    assert files.given["subjects"].read_bytes() == before


def test_wrong_use_is_told_from_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write_population(tmp_path, PEOPLE)
    assert ask(files, "nothing") == 2
    assert ask(files, HEBEI, "--on", "2026-02-29") == 2
    assert ask(files, HEBEI, "--engine", "abacus") == 2
    codes = [line.split(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert codes == ["UNKNOWN_MODEL", "BAD_DATE", "USAGE"]


def test_two_runs_at_once_on_one_output_are_one_too_many(tmp_path: Path) -> None:
    files = write_population(tmp_path, PEOPLE)
    files.given["out"].write_bytes(OLD)
    folder = tmp_path / ".O.parquet.run"
    folder.mkdir()
    other = os.open(folder, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(RunInProgress):
        score_population(MODELS.get(HEBEI), on=ON, **files.given)
    assert files.given["out"].read_bytes() == OLD
    os.close(other)
    assert score_population(MODELS.get(HEBEI), on=ON, **files.given).rows == 3
    assert leftovers(tmp_path) == []


SHARDED = """
import os, resource, signal, sys
from datetime import date
from pathlib import Path
from core.places import load_places
from scoring.models import load_models
from scoring.population.run import score_population
from scoring.population.engines import DuckDB
DuckDB.subjects_at_once = 50
def on_shard(done, of):
    if done == 2:
        os.kill(os.getpid(), signal.SIGKILL)
given = {name: Path(path) for name, path in zip(("subjects", "records", "out"), sys.argv[1:], strict=True)}
score_population(load_models(load_places()).get("hebei-enterprise"), on=date(2026, 11, 20), on_shard=on_shard, **given)
"""


def test_a_killed_run_leaves_the_old_results_and_goes_on_where_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = {f"p{n}": list(PEOPLE.values())[n % 3] for n in range(240)}
    files = write_population(tmp_path, people)
    given = {name: path for name, path in files.given.items() if name != "facts"}
    given["out"].write_bytes(OLD)
    arguments = [sys.executable, "-c", SHARDED, *(str(given[name]) for name in ("subjects", "records", "out"))]
    assert subprocess.run(arguments, check=False).returncode == -signal.SIGKILL
    assert given["out"].read_bytes() == OLD
    monkeypatch.setattr(DuckDB, "subjects_at_once", 50)
    shards: list[tuple[int, int]] = []
    finished = score_population(MODELS.get(HEBEI), on=ON, on_shard=lambda done, of: shards.append((done, of)), **given)
    assert (finished.resumed, finished.rows) == (2, 240)
    assert shards == [(n, 5) for n in range(1, 6)]
    results = read_results(given["out"])
    assert {name: grade for name, (_, grade) in results.items()} == {
        name: {"clean": "A", "listed": "C", "late": "B"}[list(PEOPLE)[n % 3]] for n, name in enumerate(people)
    }
    assert leftovers(tmp_path) == []
    assert score_population(MODELS.get(HEBEI), on=ON, **given).resumed == 0


def test_another_run_does_not_go_on_with_the_shards_of_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write_population(tmp_path, {f"p{n}": PEOPLE["late"] for n in range(100)})
    monkeypatch.setattr(DuckDB, "subjects_at_once", 50)

    def stop(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_population(MODELS.get(HEBEI), on=ON, on_shard=stop, **files.given)
    again = score_population(MODELS.get(HEBEI), on=date(2028, 1, 1), **files.given)
    assert again.resumed == 0
    assert set(read_results(files.given["out"]).values()) == {(None, "A")}


def test_a_file_that_changes_meanwhile_stops_the_run(tmp_path: Path) -> None:
    files = write_population(tmp_path, PEOPLE)
    with pytest.raises(InputChanged):
        score_population(
            MODELS.get(HEBEI), on=ON, on_shard=lambda done, of: os.utime(files.given["records"], (1, 1)), **files.given
        )
    assert not files.given["out"].exists()


SMALL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from cli.main import run
sys.exit(run(sys.argv[1:]))
"""


def test_a_full_disk_leaves_the_old_results(tmp_path: Path) -> None:
    files = write_population(tmp_path, {f"p{n * 7919}": PEOPLE["late"] for n in range(30_000)})
    files.given["out"].write_bytes(OLD)
    given = [part for name, path in files.given.items() if name != "facts" for part in (f"--{name}", str(path))]
    command = [sys.executable, "-c", SMALL_DISK, "population", "score", HEBEI, "--on", str(ON), *given]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr.split(":")[0]) == (1, "DISK_FULL")
    assert files.given["out"].read_bytes() == OLD
    assert ask(files) == 0
    assert len(read_results(files.given["out"])) == 30_000


def test_an_engine_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write_population(tmp_path, PEOPLE)
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    assert ask(files, HEBEI, "--engine", "spark") == 1
    assert ask(files, HEBEI, "--engine", "postgres") == 1
    monkeypatch.setenv("XINYI_DATABASE_URL", "postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    assert ask(files, HEBEI, "--engine", "postgres") == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["ENGINE_MISSING"] * 3
    assert "requirements-spark.lock" in lines[0]
    assert not files.given["out"].exists()
