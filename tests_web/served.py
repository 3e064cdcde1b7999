"""A real demo city on a free port. One thing to know: that the server lives on and has logged no error is part of every
check made on it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

from tests_web.node import HERE

ROOT = HERE.parent
START_SECONDS = 60
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ACCOUNTS = {"citizen": ("citizen", 1), "other": ("citizen", 2), "scenic": ("scenic", 1)}
"""Name in the checks → role and number of the demo account."""


class City(NamedTuple):
    """A demo city that is served."""

    address: str
    folder: Path
    given: dict[str, str]
    """What the checks read from their environment."""


def chromium() -> str:
    """The browser that `scripts/set-up web` has found or installed."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    assert found is not None, "找不到 Chromium。请安装后重试(Debian/Ubuntu:apt install chromium)。"
    return found


def _xinyi(*arguments: str) -> str:
    command = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=_environment(), capture_output=True, text=True, check=True
    ).stdout.strip()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("XINYI_")}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def served_city(folder: Path, *, port: int | None = None, **settings: str) -> Iterator[City]:
    """`xinyi demo` on `folder` in a process of its own, with these `XINYI_…`; it may end with no error in its log."""
    port = port or free_port()
    log = folder.with_suffix(".log")
    command = [sys.executable, "-m", "cli.main", "demo", "--port", str(port), "--data", str(folder)]
    with log.open("wb") as told:
        server = subprocess.Popen(command, cwd=ROOT, env=_environment() | settings, stdout=told, stderr=told)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/readyz", server, log)
        tokens = {
            name: _xinyi("demo-token", role, "--n", str(n), "--data", str(folder))
            for name, (role, n) in ACCOUNTS.items()
        }
        given = {"CITY_ADDRESS": address, "CITY_TOKENS": json.dumps(tokens), "CHROMIUM": chromium()}
        yield City(address, folder, given)
        assert server.poll() is None, f"the server has ended:\n{log.read_text()[-4000:]}"
        assert '"level":"ERROR"' not in log.read_text(), log.read_text()[-8000:]
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text()
        try:
            with urlopen(url):  # our own server
                return
        except (URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"not ready within {START_SECONDS} s:\n{log.read_text()}")
