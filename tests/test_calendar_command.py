"""`xinyi calendar`, to the byte."""

from __future__ import annotations

import io
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.calendar import _answer
from cli.main import run
from core.errors import ExpectedError
from scoring.values import BadValue

GOOD = '{"from_day": "2026-01-31", "months": 1}\n'


def call(
    monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[bytes], text: str, *arguments: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    code = run(["calendar", *arguments])
    out, err = capture.readouterr()
    return code, out.decode(), err.decode()


def test_each_line_is_answered_in_order_to_the_byte(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    lines = (
        '\ufeff{"start": "2026-02-13T10:00:00+08:00", "working_days": 3}\r\n'
        "\n"
        + GOOD
        + '{"start": "2025-12-30T23:59:59.5Z", "working_days": 1}\n'
        + '{"start": "2100-01-01T00:00+00:00", "working_days": 1, "note": "ignored"}'
    )
    assert call(monkeypatch, capsysbinary, lines) == (
        0,
        '{"deadline_on":"2026-02-25","provisional":false}\n'
        '{"last_day":"2026-02-28","ends_at":"2026-03-01T00:00:00+08:00"}\n'
        '{"deadline_on":"2026-01-04","provisional":false}\n'
        '{"deadline_on":"2100-01-04","provisional":true}\n',
        "",
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{", "BAD_JSON"),
        ('{"start": "2026-01-01T00:00:00Z", "working_days": NaN}', "BAD_JSON"),
        ("[1]", "BAD_LINE"),
        ("{}", "BAD_LINE"),
        ('{"start": "2026-01-01T00:00:00Z", "working_days": 1, "from_day": "2026-01-01"}', "BAD_LINE"),
        ('{"start": "2026-01-01T00:00:00", "working_days": 1}', "BAD_INSTANT"),
        ('{"start": "2026-01-01", "working_days": 1}', "BAD_INSTANT"),
        ('{"start": "2026-02-30T00:00:00Z", "working_days": 1}', "BAD_INSTANT"),
        ('{"start": "2026-01-01T24:00:00Z", "working_days": 1}', "BAD_INSTANT"),
        ('{"start": null, "working_days": 1}', "BAD_INSTANT"),
        ('{"start": "2026-01-01T00:00:00Z", "working_days": "1"}', "BAD_NUMBER"),
        ('{"start": "2026-01-01T00:00:00Z", "working_days": true}', "BAD_NUMBER"),
        ('{"start": "2026-01-01T00:00:00Z", "working_days": 1.5}', "BAD_NUMBER"),
        ('{"start": "2026-01-01T00:00:00Z"}', "BAD_NUMBER"),
        ('{"start": "2026-01-01T00:00:00Z", "working_days": 0}', "OUTSIDE_CALENDAR"),
        ('{"start": "2003-01-01T00:00:00Z", "working_days": 1}', "OUTSIDE_CALENDAR"),
        ('{"start": "0001-01-01T00:00:00+14:00", "working_days": 1}', "OUTSIDE_CALENDAR"),
        ('{"from_day": "2026-1-31", "months": 1}', "BAD_DATE"),
        ('{"from_day": "2026-02-29", "months": 1}', "BAD_DATE"),
        ('{"from_day": "2026-01-31", "months": -1}', "OUTSIDE_CALENDAR"),
        ('{"from_day": "9999-12-31", "months": 1}', "OUTSIDE_CALENDAR"),
    ],
)
def test_a_bad_line_is_answered_with_its_error_and_the_others_as_ever(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes], line: str, code: str
) -> None:
    exit_code, out, err = call(monkeypatch, capsysbinary, f"{line}\n{GOOD}")
    first, second = [json.loads(answer) for answer in out.splitlines()]
    assert first["error"]["code"] == code
    assert second["last_day"] == "2026-02-28"
    assert exit_code == 1
    assert err.startswith("BAD_LINES: 有 1 行")


def test_a_file_is_read_where_one_is_named(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    (tmp_path / "asked.jsonl").write_text(GOOD)
    code, out, _ = call(monkeypatch, capsysbinary, "", str(tmp_path / "asked.jsonl"))
    assert (code, json.loads(out)["last_day"]) == (0, "2026-02-28")
    code, out, err = call(monkeypatch, capsysbinary, "", str(tmp_path / "missing.jsonl"))
    assert (code, out) == (1, "")
    assert err.startswith("UNREADABLE_FILE: ")


VALUES: Any = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers()), st.just("2026-01-31")
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(
        st.binary(),
        st.dictionaries(st.sampled_from(["start", "working_days", "from_day", "months"]), VALUES).map(
            lambda asked: json.dumps(asked).encode()
        ),
    )
)
def test_whatever_a_line_holds_it_is_answered_or_refused_with_a_code(line: bytes) -> None:
    with suppress(BadValue, ExpectedError):
        assert _answer(line).keys() & {"deadline_on", "last_day"}
