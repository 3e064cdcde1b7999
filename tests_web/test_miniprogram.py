"""The mini-program example as WeChat would run it: compiled strictly, known to the server, its pages on a demo city."""

from __future__ import annotations

import subprocess
import sys

from tests_web.conftest import NodeTests
from tests_web.served import ROOT, City


def test_the_miniprogram_shows_what_the_city_says(city: City, node_tests: NodeTests) -> None:
    registered = [sys.executable, "-m", "cli.main", "documents", "register", "examples/miniprogram/documents.json"]
    told = [*registered, "--app", "miniprogram", "--as", "operator-1", "--data", str(city.folder)]
    ran = subprocess.run(told, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    node_tests("miniprogram.test.mjs", seconds=60)
