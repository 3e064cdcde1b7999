"""The rivals of the population benchmark are honest: on a small city each gives what ours gives, row by row."""

from __future__ import annotations

import pytest
from populations import read_results

from benchmarks.population import Bench, differences, make_files, people
from benchmarks.population_rivals import ON, RIVALS, zen_grades
from scoring.engine import Score, evaluate

SUBJECTS = 2000


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A small city's files."""
    folder = tmp_path_factory.mktemp("bench")
    make_files(folder, SUBJECTS)
    return Bench(folder, print, subjects=SUBJECTS)


@pytest.mark.parametrize("name", RIVALS)
def test_models_written_by_hand_give_what_ours_gives(bench: Bench, name: str) -> None:
    ours = bench.score(name)
    assert len({grade for _, grade in read_results(ours).values()}) > 2
    for run in RIVALS[name].values():
        theirs = bench.folder / "theirs.parquet"
        run(bench.file("subjects"), bench.file(name), theirs)
        assert differences(ours, theirs) == 0


def test_a_difference_is_seen(bench: Bench) -> None:
    other = bench.folder / "other.parquet"
    bench.score("changxing-accountant").rename(other)
    assert differences(bench.score("hebei-enterprise"), other) == SUBJECTS


def test_the_rule_engine_gives_what_ours_gives(bench: Bench) -> None:
    model = bench.models["hebei-enterprise"]
    asked = people(bench, "hebei-enterprise", 200)
    grades, per_second = zen_grades(list(asked.values()))
    results = [evaluate(model, records=records, facts={}, on=ON) for records in asked.values()]
    assert grades == [result.grade.code for result in results if isinstance(result, Score) and result.grade is not None]
    assert len(set(grades)) > 2
    assert per_second > 0
