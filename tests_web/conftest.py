"""Fixtures of the checks in this folder, and their table at the end of a run. One thing to know: whoever measures a
suite hands the figure to `figures`, and docs/clients.md has to hold every line of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

import pytest

from tests_web.figures import Figures
from tests_web.node import run_node
from tests_web.served import City, served_city

FIGURES = Figures()


class NodeTests(Protocol):
    """What the fixture `node_tests` gives."""

    def __call__(self, script: str, *, seconds: int = 20) -> str: ...


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """A demo city for as long as the checks run."""
    with served_city(tmp_path_factory.mktemp("city") / "data") as opened:
        yield opened


@pytest.fixture(scope="session")
def figures() -> Figures:
    """Where a check writes what it found."""
    return FIGURES


@pytest.fixture
def node_tests(city: City) -> NodeTests:
    """Runs a file of Node's own test runner; how many of its tests passed, such as `61/61`, and all must. A single test
    may take `seconds`."""

    def run(script: str, *, seconds: int = 20) -> str:
        ran = run_node("--test", "--test-reporter=spec", f"--test-timeout={seconds}000", script, given=city.given)
        count = dict(re.findall(r"^ℹ (tests|pass) (\d+)$", ran.stdout, re.MULTILINE))
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert count["pass"] == count["tests"] != "0", ran.stdout
        return f"{count['pass']}/{count['tests']}"

    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in FIGURES.lines:
        terminalreporter.write_line(line)
