"""The pages of `web/`, built, served by a real demo city and used in a real browser. One thing to know: the stories are
the files of `pages/`; they live in one city, so each has people and partners of its own."""

from __future__ import annotations

import subprocess

import pytest

from tests_web.conftest import NodeTests
from tests_web.node import HERE, run_node
from tests_web.served import ROOT

STORIES = sorted(path.name for path in (HERE / "pages").glob("*.test.mjs"))


@pytest.mark.parametrize("story", STORIES)
def test_people_get_done_what_they_come_for(node_tests: NodeTests, story: str) -> None:
    node_tests(f"pages/{story}", seconds=180)


def test_every_view_has_a_story_that_opens_it() -> None:
    told = "".join((HERE / "pages" / story).read_text() for story in STORIES)
    assert STORIES
    for page in ("citizen", "desk", "operator", "open"):
        assert f'"{page}"' in told


def test_pages_hold_under_strict_typescript() -> None:
    ran = run_node("node_modules/vue-tsc/bin/vue-tsc.js", "--noEmit", folder=ROOT / "web")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_pages_ask_nobody_outside() -> None:
    # What a component library would load from elsewhere stands in what is built as an address.
    found = subprocess.run(
        ["grep", "-rlE", r"https?://[^\"'` ]*(cdn|jsdelivr|unpkg|yzcdn|alicdn|googleapis)", str(ROOT / "web/dist")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""
