"""A city made up by copying a folder. One thing to know: the commands of docs/new-city.md are run as they stand."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import yaml

from api.app import create_app
from api.identity.bearer import issue_token
from cli.main import run
from core.clock import utc_now
from core.keys import load_keys
from core.places import load_places
from demo.folder import open_folder
from partners.accounts import Role
from partners.rulebook import load_rulebook
from scoring.engine import Score, evaluate
from scoring.lines import read_line
from scoring.models import Models, load_models

ROOT = Path(__file__).parent.parent
[COMMANDS] = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "new-city.md").read_text(encoding="utf-8"), re.DOTALL)
MODELS = [
    "yunling-hunan-comprehensive",
    "yunling-park-enterprise",
    "yunling-public-evaluation",
    "yunling-xiangxinfen",
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """The folder of places, the demo's data, and what the commands printed."""
    folder = tmp_path_factory.mktemp("city")
    places, data = folder / "places", folder / "var"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("XINYI_")}
    done = subprocess.run(
        ["/bin/bash", "-euc", COMMANDS],
        cwd=ROOT,
        env={**environment, "PLACES": str(places), "DATA": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return places, data, done.stdout


def models_of(places: Path) -> Models:
    return load_models(load_places(places))


def test_the_commands_list_the_models_and_score_a_line(built: tuple[Path, Path, str]) -> None:
    *listed, answer = built[2].splitlines()
    assert [line.split()[0] for line in listed if "云岭市(示例)(hunan-yunling)" in line] == MODELS
    assert json.loads(answer) == {
        "subject": "一位市民",
        "model": "yunling-xiangxinfen",
        "version": "2025-03",
        "assessed": True,
        "points": 620,
        "grade": "B",
    }


def test_the_new_tables_hold(built: tuple[Path, Path, str]) -> None:
    models, ran = models_of(built[0]), 0
    for path in sorted((built[0] / "hunan-yunling" / "models").glob("*.tests.yaml")):
        model = next(one for one in models.all if path.name == f"{one.id}-{one.version}.tests.yaml")
        for case in yaml.safe_load(path.read_text(encoding="utf-8")):
            records = [record for entry in case.get("records", []) for record in [entry] * entry.get("times", 1)]
            line = {"subject": "s", "records": records, "facts": case.get("facts")}
            asked = read_line(model, json.dumps(line, default=str).encode())
            result = evaluate(model, records=asked.records, facts=asked.facts, on=case["day"])
            if isinstance(result, Score):
                assert result.grade is not None
                assert result.grade.code == case["expect"]["grade"], case["name"]
                assert result.points == round(100 * case["expect"]["points"]), case["name"]
            else:
                assert case["expect"] == {"assessed": False, "reason": result.reason}
            ran += 1
    assert ran > 50


def test_what_the_city_took_over_holds_for_it(built: tuple[Path, Path, str]) -> None:
    book = load_rulebook(built[0], ())
    assert [table.of for table in book.models.get("yunling-xiangxinfen").recognitions] == [
        "huixinma-person",
        "integrity-points",
    ]
    assert book.statistics.parks["hunan-yunling"].model == "yunling-hunan-comprehensive"
    assert [rule.id for rule in book.statistics.warnings["hunan-yunling"]] == ["low-grades-rising"]


def test_the_command_line_takes_a_month_once_and_shows_it(
    built: tuple[Path, Path, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XINYI_JURISDICTIONS", str(built[0]))
    data = ["--data", str(built[1])]

    def printed(*arguments: str) -> str:
        assert run(["statistics", *arguments, *data]) == 0
        return capsys.readouterr().out

    with closing(sqlite3.connect(built[1] / "xinyi.db")) as demo, demo:  # which took some months itself
        for table in ("statistics_takes", "grade_statistics", "park_indices"):
            demo.execute(f"DELETE FROM {table}")
    assert "hunan-comprehensive" in printed("take")
    assert printed("take") == "本月的统计已经记下,没有改动。\n"
    shown = printed("show", "hunan-shaoyang", "hunan-comprehensive", "--by", "industry")
    _, head, *rows = shown.splitlines()
    assert head.split() == ["行业", "A", "A-", "B+", "B", "B-", "C+", "C", "C-", "D"]
    counts = [int(cell) for row in rows for cell in row.split()[1:] if cell != "·"]
    assert counts
    assert all(count >= 10 and count % 10 == 0 for count in counts)
    assert "shaoyang-etdz" in printed("park-index", "hunan-shaoyang")
    assert printed("park-index", "hunan-yunling") == "还没有公布的园区指数。\n"
    assert run(["statistics", "show", "nowhere", "hunan-comprehensive", *data]) == 2
    assert capsys.readouterr().err.startswith("UNKNOWN_PLACE: ")
    assert run(["statistics", "show", "hunan-shaoyang", "hunan-comprehensive", "--month", "2026-13", *data]) == 2


async def test_the_running_demo_scores_a_citizen_of_the_new_city(
    built: tuple[Path, Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XINYI_JURISDICTIONS", str(built[0]))
    settings = open_folder(built[1]).settings
    token = issue_token(
        load_keys(settings.keys_file),
        issuer=settings.issuer,
        account="yunling-1",
        role=Role.CITIZEN,
        now=utc_now(),
        lifetime=timedelta(hours=1),
    )
    app = create_app(settings)
    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        enroll = """mutation ($input: EnrollInput!) { enroll(input: $input) { __typename } }"""
        body = {"query": enroll, "variables": {"input": {"noticeVersion": app.state.xinyi.rulebook.notice.version}}}
        await client.post("/graphql", json=body, headers={"authorization": f"Bearer {token}"})
        query = "{ me { scores { model { id name } points grade { code } lines { points } } } }"
        response = await client.post("/graphql", json={"query": query}, headers={"authorization": f"Bearer {token}"})
    [score] = response.json()["data"]["me"]["scores"]
    assert score["model"] == {"id": "yunling-xiangxinfen", "name": "云岭分"}
    assert score["grade"] == {"code": "B"}
    assert float(score["points"]) == sum(float(line["points"]) for line in score["lines"])
