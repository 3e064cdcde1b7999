"""Starts the servers that are compared. One thing to know: each is a process of its own on the first core, alone under
load; the load and PostgreSQL have the other cores."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.wire import Dialect, GraphQL, Plain

ROOT = Path(__file__).resolve().parent.parent
XINYI = Path(sys.executable).with_name("xinyi")
START_SECONDS = 30


@dataclass(frozen=True)
class Entrant:
    """A server that takes part: what it is called in the tables, and how it is started."""

    name: str
    command: tuple[str, ...]
    dialect: Dialect
    store: str = "postgresql"

    @property
    def is_ours(self) -> bool:
        """Whether it is the product itself."""
        return isinstance(self.dialect, GraphQL)


def _uvicorn(module: str) -> tuple[str, ...]:
    options = ("--factory", "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
    return (sys.executable, "-m", "uvicorn", f"benchmarks.{module}:app", *options)


BY_HAND = Entrant("(a) by hand", _uvicorn("by_hand"), Plain())
ORDINARY = Entrant("(b) FastAPI + ORM", _uvicorn("ordinary"), Plain())
OURS = Entrant("ours", (str(XINYI), "serve"), GraphQL())
OURS_ON_SQLITE = Entrant("ours on SQLite", (str(XINYI), "serve"), GraphQL(), store="sqlite")
ENTRANTS = (BY_HAND, ORDINARY, OURS, OURS_ON_SQLITE)


def cores() -> list[int]:
    """The cores that may be used; empty where the system does not let us choose."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@contextmanager
def on_cores(chosen: Sequence[int]) -> Iterator[None]:
    """Let what is started here run on these cores alone."""
    if not chosen:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, chosen)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Running:
    """A server that answers."""

    def __init__(self, entrant: Entrant, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.entrant, self.process, self.port, self.log = entrant, process, port, log

    def complaints(self) -> str:
        """What its log says, requests that went well left out."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join([line for line in lines if '"status": 200' not in line][-20:])

    def processor_time(self) -> float | None:
        """Seconds of processor time used so far, where the system tells."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Ask it to end, as Ctrl-C would."""
        self.process.send_signal(2)
        try:
            self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(
    entrant: Entrant, settings: Mapping[str, str], log: Path, *, on: Sequence[int] = (), patience: float = START_SECONDS
) -> Running:
    """Start a server on the cores `on` and wait until it answers; what it writes goes to the file `log`."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XINYI_", "PG"))}
    with on_cores(on), log.open("wb") as output:
        process = subprocess.Popen(
            [*entrant.command, "--port", str(port)],
            env={**environment, **settings},
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    running = Running(entrant, process, port, log)
    give_up_at = time.monotonic() + patience
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > give_up_at:
            running.stop()
            raise RuntimeError(f"{entrant.name} did not start:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.05)
    return running


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False
