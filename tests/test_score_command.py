"""`xinyi score` and `xinyi models`, called as a person would and with lines no person would write."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.main import run
from core.places import load_places
from scoring.lines import BadLine, read_line
from scoring.model import Model
from scoring.models import load_models

MODELS = load_models(load_places())
GOOD = b'{"subject": "a"}'


class Command:
    """Runs the command line in this process on bytes; keeps what it wrote."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[bytes]) -> None:
        self._monkeypatch, self._capture = monkeypatch, capture

    def __call__(self, *arguments: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = run(list(arguments))
        out, err = self._capture.readouterr()
        return code, out, err.decode()


@pytest.fixture
def xinyi(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Command:
    return Command(monkeypatch, capsysbinary)


def answers(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_each_line_is_answered_in_order_to_the_byte(xinyi: Command) -> None:
    lines = (
        '{"subject": "张三"}\r\n'
        "\n"
        '{"subject": "李四", "records": [{"item": "constraint", "occurred_on": "2023-05-01", "points": 150.01}]}\n'
        '{"subject": "王五", "records": [{"item": "veto", "occurred_on": "2023-05-01", "points": null}]}'
    )
    code, out, err = xinyi("score", "changxing-accountant", "--on", "2023-06-01", stdin=lines.encode())
    start = '"model":"changxing-accountant","version":"2022-01","assessed":true'
    assert out.decode() == (
        f'{{"subject":"张三",{start},"points":1000,"grade":"优秀"}}\n'
        f'{{"subject":"李四",{start},"points":849.99,"grade":"良好"}}\n'
        f'{{"subject":"王五",{start},"points":0,"grade":"差"}}\n'
    )
    assert (code, err) == (0, "")


def test_a_model_without_points_says_null(xinyi: Command) -> None:
    code, out, _ = xinyi("score", "hebei-enterprise", "--on", "2023-06-01", stdin=GOOD)
    assert code == 0
    assert answers(out) == [
        {
            "subject": "a",
            "model": "hebei-enterprise",
            "version": "2022-04",
            "assessed": True,
            "points": None,
            "grade": "A",
        }
    ]


def test_a_model_that_cannot_speak_says_why_public_results_first(xinyi: Command) -> None:
    lines = b"\n".join(
        [
            b'{"subject": "a"}',
            b'{"subject": "b", "facts": {"public": null, "industries": []}}',
            b'{"subject": "c", "facts": {"public": 90}}',
            b'{"subject": "d", "facts": {"public": 90, "industries": []}}',
        ]
    )
    code, out, _ = xinyi("score", "hunan-comprehensive", stdin=lines)
    assert code == 0
    assert answers(out) == [
        {"subject": "a", "assessed": False, "reason": "NO_PUBLIC_EVALUATION"},
        {"subject": "b", "assessed": False, "reason": "NO_PUBLIC_EVALUATION"},
        {"subject": "c", "assessed": False, "reason": "NO_INDUSTRY_EVALUATION"},
        {"subject": "d", "assessed": False, "reason": "NO_INDUSTRY_EVALUATION"},
    ]


def test_explained_lines_add_up_and_name_their_records(xinyi: Command) -> None:
    line = (
        b'{"subject": "a", "records": [{"item": "incentive", "occurred_on": "2023-01-01", "points": 400},'
        b'{"item": "veto", "occurred_on": "2023-01-02"}]}'
    )
    code, out, _ = xinyi("score", "changxing-accountant", "--on", "2023-06-01", "--explain", stdin=line)
    lines = answers(out)[0]["lines"]
    assert code == 0
    assert [(each["rule"], each["points"], each["records"]) for each in lines] == [
        ("base", 1000, []),
        ("incentive", 340, [1]),
        ("veto", -1340, [2]),
    ]
    assert all(each["label"] and "长兴县会计从业人员信用管理办法" in each["basis"] for each in lines)


def test_a_rounding_line_closes_the_sum(xinyi: Command) -> None:
    line = b'{"subject": "a", "facts": {"public": 0.01, "industries": [{"score": 0.01, "weight": 0.01}]}}'
    _, out, _ = xinyi("score", "hunan-comprehensive", "--explain", stdin=line)
    answer = answers(out)[0]
    assert [(each["rule"], each["points"]) for each in answer["lines"]] == [
        ("public", 0.01),
        ("industry", 0.01),
        ("rounding", -0.01),
    ]
    assert answer["points"] == 0.01


def record(**attributes: object) -> bytes:
    return json.dumps({"subject": "甲", "records": [attributes]}).encode()


def facts(**values: object) -> bytes:
    return json.dumps({"subject": "甲", "facts": values}).encode()


OK = {"item": "constraint", "occurred_on": "2023-01-01", "points": 1}
INDUSTRY = {"industry": "甲", "score": 1, "weight": 1}


@pytest.mark.parametrize(
    ("model", "line", "code"),
    [
        ("changxing-accountant", record(**OK | {"item": "bonus"}), "UNKNOWN_ITEM"),
        ("changxing-accountant", record(**OK | {"item": None}), "UNKNOWN_ITEM"),
        ("changxing-accountant", record(**OK | {"item": ["veto"]}), "UNKNOWN_ITEM"),
        ("changxing-accountant", record(**OK | {"item": "\ud800"}), "UNKNOWN_ITEM"),
        ("changxing-accountant", record(**OK | {"occurred_on": "2023-02-29"}), "BAD_DATE"),
        ("changxing-accountant", record(**OK | {"occurred_on": "20230201"}), "BAD_DATE"),
        ("changxing-accountant", record(**OK | {"occurred_on": "2023-W05-1"}), "BAD_DATE"),
        ("changxing-accountant", record(**OK | {"occurred_on": "2023-1-1"}), "BAD_DATE"),
        ("changxing-accountant", record(**OK | {"occurred_on": "２０２３-０１-０１"}), "BAD_DATE"),
        ("changxing-accountant", record(**OK | {"occurred_on": "2023-01-01T00:00:00"}), "BAD_DATE"),
        ("changxing-accountant", record(**OK | {"occurred_on": " 2023-01-01"}), "BAD_DATE"),
        ("changxing-accountant", record(**OK | {"occurred_on": 20230101}), "BAD_DATE"),
        ("changxing-accountant", record(**OK | {"occurred_on": None}), "BAD_DATE"),
        ("changxing-accountant", record(**OK | {"removed_on": "2023-13-01"}), "BAD_DATE"),
        ("changxing-accountant", record(**OK | {"removed_on": False}), "BAD_DATE"),
        ("changxing-accountant", record(item="constraint", occurred_on="2023-01-01"), "BAD_NUMBER"),
        ("changxing-accountant", record(**OK | {"points": None}), "BAD_NUMBER"),
        ("changxing-accountant", record(**OK | {"points": True}), "BAD_NUMBER"),
        ("changxing-accountant", record(**OK | {"points": "1"}), "BAD_NUMBER"),
        ("changxing-accountant", record(**OK | {"points": -0.01}), "BAD_NUMBER"),
        ("changxing-accountant", record(**OK | {"points": 0.001}), "BAD_NUMBER"),
        ("changxing-accountant", record(**OK | {"item": "veto", "points": -1}), "BAD_NUMBER"),
        ("changxing-accountant", record(**OK).replace(b": 1}", b": 1e999999999}"), "BAD_NUMBER"),
        ("changxing-accountant", record(**OK).replace(b": 1}", b": 1e-999999999}"), "BAD_NUMBER"),
        ("changxing-accountant", record(**OK).replace(b": 1}", b": 1e99999999999999999999}"), "BAD_NUMBER"),
        ("changxing-accountant", record(**OK).replace(b": 1}", b": " + b"1" * 5000 + b"}"), "BAD_NUMBER"),
        ("changxing-accountant", record(**OK).replace(b": 1}", b": 1." + b"0" * 50 + b"1}"), "BAD_NUMBER"),
        ("changxing-accountant", b'{"subject": "\xe7\x94\xb2", "records": {}}', "BAD_RECORDS"),
        ("changxing-accountant", b'{"subject": "\xe7\x94\xb2", "records": [1]}', "BAD_RECORDS"),
        ("changxing-accountant", b'{"subject": "\xe7\x94\xb2", "facts": []}', "BAD_FACTS"),
        (
            "hebei-enterprise",
            record(item="tax-arrears", occurred_on="2023-01-01", serious_consequence=1),
            "BAD_BOOLEAN",
        ),
        ("hunan-comprehensive", facts(public=100.01), "BAD_NUMBER"),
        ("hunan-comprehensive", facts(public=-1), "BAD_NUMBER"),
        ("hunan-comprehensive", facts(public="90"), "BAD_NUMBER"),
        ("hunan-comprehensive", facts(industries=[INDUSTRY | {"weight": 0}]), "BAD_NUMBER"),
        ("hunan-comprehensive", facts(industries=[INDUSTRY | {"weight": -1}]), "BAD_NUMBER"),
        ("hunan-comprehensive", facts(industries=[INDUSTRY | {"weight": None}]), "BAD_NUMBER"),
        ("hunan-comprehensive", facts(industries=[INDUSTRY | {"score": 100.01}]), "BAD_NUMBER"),
        ("hunan-comprehensive", facts(industries=[INDUSTRY | {"score": None}]), "BAD_NUMBER"),
        ("hunan-comprehensive", facts(industries=[INDUSTRY | {"score": 1.234}]), "BAD_NUMBER"),
        ("hunan-comprehensive", facts(industries=[INDUSTRY | {"industry": 1}]), "BAD_FACTS"),
        ("hunan-comprehensive", facts(industries={"industry": "甲"}), "BAD_FACTS"),
        ("hunan-comprehensive", facts(industries=[1]), "BAD_FACTS"),
    ],
)
def test_a_bad_line_says_what_is_wrong_and_the_others_are_answered(
    xinyi: Command, model: str, line: bytes, code: str
) -> None:
    exit_code, out, err = xinyi("score", model, "--on", "2023-06-01", stdin=b"\n".join([GOOD, line, GOOD]))
    first, second, third = answers(out)
    assert exit_code == 1
    assert err.startswith("BAD_LINES: ")
    assert err.count("\n") == 1
    assert set(second) == {"subject", "error"}
    assert (second["subject"], second["error"]["code"]) == ("甲", code)
    assert first == third
    assert "error" not in first


def test_a_byte_order_mark_begins_a_file_and_no_other_line(xinyi: Command) -> None:
    line = b'\xef\xbb\xbf{"subject": "a"}\n'
    exit_code, out, _ = xinyi("score", "hebei-enterprise", stdin=line + line)
    first, second = answers(out)
    assert (exit_code, first["grade"], second["error"]["code"]) == (1, "A", "BAD_JSON")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", "BAD_JSON"),
        (b"\xff", "BAD_JSON"),
        (b'{"subject": "\xed\xa0\x80"}', "BAD_JSON"),
        (b'{"subject": "a\x00"}', "BAD_JSON"),
        (b'\x00{"subject": "a"}', "BAD_JSON"),
        (b'{"subject": "a", "x": NaN}', "BAD_JSON"),
        (b'{"subject": "a", "x": -Infinity}', "BAD_JSON"),
        (b'{"subject": "a"} {}', "BAD_JSON"),
        (b"[" * 5000, "BAD_JSON"),
        (b'{"subject": "a", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}", "BAD_JSON"),
        (b'{"subject": "a", "x": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001, "BAD_JSON"),
        (b"[" * 101 + b'"' + b'\\"' * 200_000, "BAD_JSON"),
        (b"[]", "BAD_LINE"),
        (b"null", "BAD_LINE"),
        (b"1" * 5000, "BAD_LINE"),
        (b"{}", "BAD_SUBJECT"),
        (b'{"subject": null}', "BAD_SUBJECT"),
        (b'{"subject": 1}', "BAD_SUBJECT"),
        (b'{"subject": "\\ud800"}', "BAD_SUBJECT"),
        (b'{"subject": "a\\u0000"}', "BAD_SUBJECT"),
    ],
)
def test_a_line_that_names_no_subject_is_answered_with_null(xinyi: Command, line: bytes, code: str) -> None:
    exit_code, out, _ = xinyi("score", "hebei-enterprise", stdin=line + b"\n" + GOOD)
    first, second = answers(out)
    assert (exit_code, first["subject"], first["error"]["code"]) == (1, None, code)
    assert second["grade"] == "A"


def test_many_brackets_side_by_side_are_not_deep(xinyi: Command) -> None:
    one = {"item": "tax-arrears", "occurred_on": "2023-05-01"}
    line = json.dumps({"subject": "[[[", "records": [one] * 5000}).encode()
    code, out, _ = xinyi("score", "hebei-enterprise", "--on", "2023-06-01", stdin=line)
    assert (code, answers(out)[0]["grade"]) == (0, "C")


def test_a_number_by_value_may_be_written_in_any_way(xinyi: Command) -> None:
    for written in (b"150.010", b"1.5001e2", b"15001E-2", b"150.01" + b"0" * 60):
        line = record(**OK).replace(b": 1}", b": " + written + b"}")
        _, out, _ = xinyi("score", "changxing-accountant", "--on", "2023-06-01", stdin=line)
        assert answers(out)[0]["points"] == 849.99


def test_attributes_that_a_model_does_not_read_are_ignored(xinyi: Command) -> None:
    line = record(item="tax-arrears", occurred_on="2023-05-01", points="many", colour=[1])
    code, out, _ = xinyi("score", "hebei-enterprise", "--on", "2023-06-01", stdin=line)
    assert (code, answers(out)[0]["grade"]) == (0, "B")


@pytest.mark.parametrize("model", [model.id for model in MODELS.all])
@pytest.mark.parametrize("day", ["0001-01-01", "0001-12-31", "9999-12-31"])
def test_the_first_and_last_days_of_the_calendar_are_days(xinyi: Command, model: str, day: str) -> None:
    items = MODELS.get(model).items
    line = json.dumps(
        {
            "subject": "a",
            "records": [
                {"item": item, "occurred_on": on, "points": 1} for item in items for on in ("0001-01-01", "9999-12-31")
            ],
            "facts": {"public": 1, "industries": [INDUSTRY], "market_evaluation": 1},
        }
    ).encode()
    code, out, _ = xinyi("score", model, "--on", day, stdin=line)
    assert code == 0
    assert answers(out)[0]["assessed"] is True


def subject_of(model: Model, line: bytes) -> str | None:
    """The subject that the line is answered for, well or badly; any other end is an error."""
    try:
        return read_line(model, line).subject
    except BadLine as error:
        error.message.encode()
        return error.subject


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(MODELS.all), st.data())
def test_no_json_whatever_breaks_the_reader(model: Model, data: st.DataObject) -> None:
    scalar = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.sampled_from([*model.items, "2023-01-01"])
    )
    anything = st.recursive(scalar, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(), part))
    known = st.sampled_from(["item", "occurred_on", "removed_on", "points", "serious_consequence"])
    records = st.lists(st.dictionaries(known, anything, max_size=5), max_size=3) | anything
    scores = st.lists(st.dictionaries(st.sampled_from(["industry", "score", "weight"]), anything)) | anything
    given_facts = st.dictionaries(st.sampled_from(["public", "industries", "volunteer_hours"]), scores) | anything
    line = json.dumps({"subject": "a", "records": data.draw(records), "facts": data.draw(given_facts)}).encode()
    assert subject_of(model, line) in {"a", None}


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_whatever_break_the_reader(line: bytes) -> None:
    assert subject_of(MODELS.all[0], line) is None


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "USAGE: "),
        (["nothing"], 2, "USAGE: "),
        (["--nothing"], 2, "USAGE: "),
        (["score"], 2, "USAGE: "),
        (["score", "hebei-enterprise", "--nothing"], 2, "USAGE: "),
        (["score", "hebei-enterprise", "--on"], 2, "USAGE: "),
        (["score", "hebei-enterprise", "a", "b"], 2, "USAGE: "),
        (["score", "no-such-model"], 2, "UNKNOWN_MODEL: "),
        (["score", "no\nsuch\nmodel"], 2, "UNKNOWN_MODEL: "),
        (["score", "hebei-enterprise", "--on", "2023-02-29"], 2, "BAD_DATE: "),
        (["score", "hebei-enterprise", "--on", "20230228"], 2, "BAD_DATE: "),
        (["score", "hebei-enterprise", "--on", ""], 2, "BAD_DATE: "),
        (["score", "hebei-enterprise", "/no/such/file"], 1, "UNREADABLE_FILE: "),
        (["score", "hebei-enterprise", "/"], 1, "UNREADABLE_FILE: "),
        (["models", "x", "y"], 2, "USAGE: "),
    ],
)
def test_wrong_use_is_one_line_with_a_code(xinyi: Command, arguments: list[str], code: int, said: str) -> None:
    exit_code, out, err = xinyi(*arguments)
    assert (exit_code, out) == (code, b"")
    assert err.startswith(said)
    assert err.count("\n") == 1


def test_a_file_and_standard_input_are_read_alike(xinyi: Command, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(GOOD)
    from_file = xinyi("score", "xiangxinfen", str(path))
    assert from_file == xinyi("score", "xiangxinfen", "-", stdin=GOOD) == xinyi("score", "xiangxinfen", stdin=GOOD)
    assert answers(from_file[1])[0]["grade"] == "B"


def test_models_lists_those_in_force_with_version_place_and_status(xinyi: Command) -> None:
    code, out, _ = xinyi("models")
    rows = [line.split() for line in out.decode().splitlines()[1:]]
    assert code == 0
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("changsha-enterprise", "2022-06", "illustrative"),
        ("changxing-accountant", "2022-01", "interpretation"),
        ("changxing-honours", "2022-01", "interpretation"),
        ("hebei-enterprise", "2022-04", "interpretation"),
        ("huixinma-enterprise", "2022-04", "illustrative"),
        ("huixinma-entrepreneur", "2022-04", "illustrative"),
        ("huixinma-person", "2022-04", "illustrative"),
        ("hunan-comprehensive", "2025-03", "illustrative"),
        ("integrity-points", "2022-07", "illustrative"),
        ("park-enterprise", "2025-03", "illustrative"),
        ("public-evaluation", "2025-03", "illustrative"),
        ("xiangxinfen", "2025-03", "illustrative"),
    ]
    assert "邵阳市" in out.decode()


XINYI = [sys.executable, "-c", "from cli.main import main; main()"]


def test_a_reader_that_has_had_enough_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes((GOOD + b"\n") * 50_000)
    with subprocess.Popen(
        [*XINYI, "score", "hebei-enterprise", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stdout.readline())["grade"] == "A"
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 0)


def test_a_pipe_sees_no_progress_bar_and_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes('{"subject": "张三"}\n'.encode())
    environment = os.environ | {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*XINYI, "score", "changxing-accountant", str(path)], capture_output=True, env=environment, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert "张三" in done.stdout.decode()
    listed = subprocess.run([*XINYI, "models"], capture_output=True, env=environment, check=False)
    assert (listed.returncode, listed.stderr) == (0, b"")
    assert "湘信分" in listed.stdout.decode()


def test_scoring_loads_neither_the_database_nor_the_interface() -> None:
    program = (
        "import sys; from cli.main import run; run(['score', 'hebei-enterprise', '/dev/null']); "
        "print([name for name in ('sqlalchemy', 'strawberry', 'starlette', 'redis') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"
