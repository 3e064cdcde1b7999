"""Spark and PostgreSQL say what DuckDB and the engine for one person say. One thing to know: Spark's Java starts once,
so all that needs it is in one group, for one process of the test run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from populations import Person, expected, random_people, read_results, write_population
from random_models import ON, any_models, model_of, sourced
from sample_models import sample_models

from core.places import ROOT, load_places
from scoring.engine import Record
from scoring.facts import read_facts
from scoring.model import Model
from scoring.models import load_models
from scoring.population.engines import ResultTooLarge
from scoring.population.run import score_population
from scoring.population.spark import start_spark

SHIPPED = load_models(load_places())
ENGINES = [pytest.param("spark", marks=pytest.mark.xdist_group("spark")), "postgres"]
NAMES = ["", "NULL", "\\N", 'a"b', "a,b", "两\n行", " 前后 ", "it's", "a\\'b", "'", "\t", "ü" * 50, "\ufeff"]


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One session for all tests of this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")  # a short life needs no more
        with start_spark(tmp_path_factory.mktemp("spark") / "scratch") as session:
            session.conf.set("spark.sql.shuffle.partitions", "2")
            yield


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> dict[str, str]:
    """An engine as `score_population` takes it."""
    name = request.param
    if name == "spark":
        request.getfixturevalue("spark")
        return {"engine": name}
    return {"engine": name, "database_url": request.getfixturevalue("postgres_url")}


def check_same(model: Model, people: dict[str, Person], on: date, folder: Path, engine: dict[str, Any]) -> None:
    """The engine gives what the engine for one person does."""
    files = write_population(folder, people)
    score_population(model, on=on, **files.given, **engine)
    assert read_results(files.given["out"]) == expected(model, people, on)


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize("name", ["composed", "three-years", "lenient-classes"])  # built on all the others
def test_every_operator_means_the_same_to_every_engine(name: str, engine: dict[str, Any], tmp_path: Path) -> None:
    model = sample_models().get(name)
    check_same(model, random_people(model, ON, seed=1, number=400), ON, tmp_path, engine)


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(model=any_models, seed=st.integers(0, 1 << 32))
def test_random_models_mean_the_same_to_every_engine(
    engine: dict[str, Any], tmp_path: Path, model: Model, seed: int
) -> None:
    check_same(model, random_people(model, ON, seed=seed, number=300), ON, tmp_path, engine)


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize("model_id", ["hebei-enterprise", "changxing-accountant", "hunan-comprehensive"])
def test_models_of_fixed_meaning_mean_the_same_to_every_engine(
    model_id: str, engine: dict[str, Any], tmp_path: Path
) -> None:
    model = SHIPPED.get(model_id)
    check_same(model, random_people(model, date(2024, 2, 29), seed=2, number=400), date(2024, 2, 29), tmp_path, engine)


@pytest.mark.parametrize("model", SHIPPED.all, ids=lambda model: f"{model.id}-{model.version}")
def test_the_table_of_a_shipped_model_holds_on_duckdb_and_postgresql(
    model: Model, postgres_url: str, tmp_path: Path
) -> None:
    path = ROOT / model.place / "models" / f"{model.id}-{model.version}.tests.yaml"
    by_day: defaultdict[date, dict[str, dict[str, Any]]] = defaultdict(dict)
    for case in yaml.safe_load(path.read_text(encoding="utf-8")):
        by_day[case["day"]][case["name"]] = case
    for on, cases in by_day.items():
        files = write_population(tmp_path, {name: person_of(model, case) for name, case in cases.items()})
        for engine in ({"engine": "duckdb"}, {"engine": "postgres", "database_url": postgres_url}):
            score_population(model, on=on, **files.given, **engine)  # type: ignore[arg-type]
            assert read_results(files.given["out"]) == {name: wanted(case) for name, case in cases.items()}


def person_of(model: Model, case: dict[str, Any]) -> Person:
    """The person of a case in a model's table."""
    records = [
        Record(
            entry["item"],
            entry["occurred_on"],
            entry.get("removed_on"),
            entry.get("serious_consequence", False),
            None if entry.get("points") is None else int(Decimal(str(entry["points"])) * 100),
            None,
            entry.get("minor", False),
            entry.get("corrected_on"),
            entry.get("force_majeure", False),
        )
        for entry in case.get("records", [])
        for _ in range(entry.get("times", 1))
    ]
    return Person(records, read_facts(model.all_facts, _exact(case.get("facts") or {})))


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: part if key == "industry" else _exact(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_exact(part) for part in value]
    return Decimal(str(value)) if isinstance(value, int | float) else value


def wanted(case: dict[str, Any]) -> tuple[Decimal | None, str | None]:
    """What a case expects, as a run writes it."""
    points = case["expect"].get("points")
    return None if points is None else Decimal(str(points)), case["expect"].get("grade")


@pytest.mark.parametrize("engine", [*ENGINES, "duckdb"], indirect=True)
def test_a_subject_may_have_any_name(engine: dict[str, Any], tmp_path: Path) -> None:
    model = SHIPPED.get("hebei-enterprise")
    records = [Record("tax-arrears", ON)]
    check_same(model, {name: Person(records[: n % 2]) for n, name in enumerate(NAMES)}, ON, tmp_path, engine)


def unbounded() -> Model:
    """A model whose points have no bound but that of their records."""
    rule = sourced(id="own", label="自带", op="add", items=["bonus"], each="own")
    method = {"type": "points", "base": sourced(points=0), "rules": [rule]}
    grades = [{"code": "A", "name": "A", "at_least": 1}, {"code": "B", "name": "B"}]
    return model_of(method, grades, items={"bonus": {"label": "加分", "nature": "honour"}})


@pytest.mark.parametrize("engine", [*ENGINES, "duckdb"], indirect=True)
def test_sums_are_exact_up_to_the_last_digit_and_beyond_it_an_error(engine: dict[str, Any], tmp_path: Path) -> None:
    most = 10**18 - 1
    model, halves = unbounded(), [Record("bonus", ON, points=most // 2), Record("bonus", ON, points=most // 2 + 1)]
    check_same(model, {"p": Person(halves), "q": Person(halves[:1])}, ON, tmp_path, engine)
    files = write_population(tmp_path, {"p": Person([Record("bonus", ON, points=most)] * 50)})
    before = files.given["out"].read_bytes()
    with pytest.raises(ResultTooLarge):
        score_population(model, on=ON, **files.given, **engine)
    assert files.given["out"].read_bytes() == before
