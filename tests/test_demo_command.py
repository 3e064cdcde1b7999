"""`xinyi demo`, `xinyi demo-token` and the folder behind them."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import api.transport.server
import demo.city
from api.identity.bearer import BearerTokens
from cli.demo import SECTORS
from cli.main import run
from core.clock import utc_now
from core.database import Database
from core.errors import StartupError
from core.keys import load_keys
from core.places import ROOT
from demo.alliance import make_members
from demo.folder import DemoFolder, open_folder
from demo.people import make_uscc
from partners.accounts import Role
from partners.catalogue import Partner
from partners.registry import register_partner
from partners.rulebook import load_rulebook
from partners.tables import accounts


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a city; tests that change it work on a copy."""
    return open_folder(tmp_path_factory.mktemp("built") / "var").path


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A copy of that folder elsewhere."""
    return Path(shutil.copytree(built, tmp_path / "copied"))


def claims_of(folder: Path, token: str) -> tuple[str, Role]:
    settings = open_folder(folder).settings
    claims = BearerTokens(load_keys(settings.keys_file), issuer=settings.issuer).check(token, now=utc_now().timestamp())
    return claims.account, claims.role


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("role", "n", "expected"),
    [
        ("citizen", 1, ("citizen-1", Role.CITIZEN)),
        ("citizen", 2000, ("citizen-2000", Role.CITIZEN)),
        ("enterprise", 500, ("enterprise-500", Role.AGENT)),
        ("bank", 14, ("bank-14", Role.PARTNER)),
        ("hospital", 2, ("hospital-2", Role.PARTNER)),
        ("scenic", 13, ("scenic-13", Role.PARTNER)),
        ("operator", 3, ("operator-3", Role.OPERATOR)),
        ("reviewer", 2, ("reviewer-2", Role.REVIEWER)),
        ("auditor", 1, ("auditor-1", Role.AUDITOR)),
        ("provider", 1, ("provider-1", Role.PROVIDER)),
        ("clerk", 1, ("clerk-1", Role.CLERK)),
        ("representative", 1, ("bank-1-desk", Role.REPRESENTATIVE)),
        ("agency", 1, ("agency-1", Role.AGENCY)),
        ("parking", 1, ("parking-1", Role.PARTNER)),
        ("elder-care", 2, ("elder-care-2", Role.PARTNER)),
        ("park", 1, ("park-1", Role.PARTNER)),
    ],
)
def test_a_token_is_for_the_nth_account_of_its_role(
    built: Path, capsys: pytest.CaptureFixture[str], role: str, n: int, expected: tuple[str, Role]
) -> None:
    assert run(["demo-token", role, "--n", str(n), "--data", str(built)]) == 0
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (1, "")
    assert claims_of(built, out.strip()) == expected


def test_every_sector_of_the_city_can_be_named() -> None:
    assert set(SECTORS) == {member.sector for member in make_members()}


def test_the_first_one_is_meant_where_no_number_is_given(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo-token", "hospital", "--data", str(built)]) == 0
    assert claims_of(built, capsys.readouterr().out.strip()) == ("hospital-1", Role.PARTNER)


def test_a_partner_that_joined_later_can_be_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def join() -> tuple[Partner, str]:
        database = Database(open_settings.database_url)
        async with database.transaction() as connection:
            partner = await register_partner(
                connection,
                actor="operator-1",
                place="hunan-shaoyang",
                sector="bank",
                name="新来银行(演示)",
                uscc=make_uscc("91", "430502", 99_999),
                rulebook=load_rulebook(ROOT, ()),
                now=utc_now(),
            )
            account = await connection.scalar(select(accounts.c.id).where(accounts.c.partner_id == partner.id))
        await database.close()
        return partner, str(account)

    open_settings = open_folder(folder).settings
    partner, account = asyncio.run(join())
    assert partner.id == 64
    assert run(["demo-token", "bank", "--n", "15", "--data", str(folder)]) == 0
    assert claims_of(folder, capsys.readouterr().out.strip()) == (account, Role.PARTNER)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["king"], "UNKNOWN_ROLE: 没有 king 这种角色。可选:citizen、enterprise、bank、hospital、scenic、operator、"
                   "reviewer、auditor、provider、clerk、representative、agency、parking、hotel、property、transport、hall、"
                   "household、elder-care、shop、park"),
        (["bank", "--n", "15"], "NO_SUCH_ACCOUNT: 没有第 15 个 bank。--n 可用 1 至 14"),
        (["parking", "--n", "3"], "NO_SUCH_ACCOUNT: 没有第 3 个 parking。--n 可用 1 至 2"),
        (["citizen", "--n", "0"], "NO_SUCH_ACCOUNT: 没有第 0 个 citizen。--n 可用 1 至 2000"),
        (["auditor", "--n", "-1"], "NO_SUCH_ACCOUNT: 没有第 -1 个 auditor。--n 可用 1 至 1"),
        (["citizen", "--n", "one"], "USAGE: n 的值不可用。运行 xinyi demo-token --help 查看用法"),
    ],
)  # fmt: skip
def test_wrong_use_is_one_line_and_exit_code_2(
    built: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    assert run(["demo-token", *arguments, "--data", str(built)]) == 2
    assert capfd.readouterr() == ("", f"{line}\n")


@pytest.mark.parametrize("command", [["demo-token", "citizen"], ["demo", "--port", "1024"]])
def test_production_has_neither_demo_nor_tokens(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("XINYI_ENVIRONMENT", "production")
    assert run([*command, "--data", str(tmp_path / "var")]) == 1
    out, err = capfd.readouterr()
    assert (out, err.count("\n"), err.split(":")[0]) == ("", 1, "STARTUP")
    assert list(tmp_path.iterdir()) == []


def test_only_its_owner_may_read_the_folder(built: Path) -> None:
    assert stat.S_IMODE(built.stat().st_mode) == 0o700
    assert modes(built) == {"xinyi.db": 0o600, "keys.json": 0o600, ".lock": 0o600, "files": 0o700}


def test_the_side_files_of_an_open_database_are_its_owners_alone(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "xinyi.db")) as connection:
        connection.execute("UPDATE catalogue_state SET version = version + 1")
        connection.commit()
        assert {name: mode for name, mode in modes(folder).items() if "-" in name} == {
            "xinyi.db-wal": 0o600,
            "xinyi.db-shm": 0o600,
        }


def test_the_environment_s_stores_are_not_the_demo_s(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINYI_DATABASE_URL", "postgresql+asyncpg://elsewhere/xinyi")
    monkeypatch.setenv("XINYI_KEYS_FILE", "/elsewhere/keys.json")
    monkeypatch.setenv("XINYI_REDIS_URL", "redis://elsewhere")
    monkeypatch.setenv("XINYI_PLACES", "hebei")
    settings = open_folder(built).settings
    assert settings.database_url == f"sqlite+aiosqlite:///{built}/xinyi.db"
    assert (settings.keys_file, settings.redis_url, settings.places) == (built / "keys.json", None, ())
    assert settings.environment == "demo"


def test_a_copied_folder_is_the_same_city(built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = Path(shutil.copytree(built, tmp_path / "另一 处 50% #1"))
    assert run(["demo-token", "citizen", "--n", "7", "--data", str(copy)]) == 0
    assert claims_of(built, capsys.readouterr().out.strip()) == ("citizen-7", Role.CITIZEN)
    for name in ("xinyi.db", "keys.json"):
        assert (copy / name).read_bytes() == (built / name).read_bytes()
        assert os.fsencode(built) not in (copy / name).read_bytes()


def test_a_folder_is_named_from_where_the_command_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: Path
) -> None:
    shutil.copytree(built, tmp_path / "var")
    monkeypatch.chdir(tmp_path)
    assert open_folder().path == tmp_path / "var"


def test_a_building_that_fails_leaves_no_database_and_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Any) -> None:
        raise RuntimeError("disk full")

    folder = tmp_path / "var"
    with monkeypatch.context() as patched:
        patched.setattr(demo.city, "_count_on", fail)  # after every row was written
        with pytest.raises(RuntimeError, match="disk full"):
            open_folder(folder)
    assert set(modes(folder)) == {"keys.json", ".lock"}
    keys = (folder / "keys.json").read_bytes()
    assert open_folder(folder).path == folder
    assert set(modes(folder)) == {"xinyi.db", "keys.json", ".lock", "files"}
    assert (folder / "keys.json").read_bytes() == keys


STUCK = """
import asyncio, signal, sys
import demo.city
from cli.demo import SECTORS
from cli.main import run

async def stick(_):
    print("stuck", flush=True)
    await asyncio.sleep(60)

demo.city._count_on = stick
# Where tests run in the background, their shell has had Ctrl-C ignored, and a child inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(run(["demo-token", "citizen", "--data", sys.argv[1]]))
"""


@pytest.mark.parametrize(("sent", "left"), [(signal.SIGINT, 0), (signal.SIGKILL, 1)])
def test_a_building_that_is_stopped_leaves_no_database_and_is_made_up_for(
    tmp_path: Path, sent: signal.Signals, left: int
) -> None:
    folder = tmp_path / "var"
    child = subprocess.Popen(
        [sys.executable, "-c", STUCK, str(folder)],
        cwd=ROOT.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "stuck\n"
    child.send_signal(sent)
    out, err = child.communicate(timeout=20)
    assert out == ""
    if sent is signal.SIGINT:
        assert (child.returncode, err.splitlines()[-1]) == (130, "INTERRUPTED: 已中断")
    assert not (folder / "xinyi.db").exists()
    assert len(list(folder.glob(".unfinished-*"))) == left
    open_folder(folder)
    assert set(modes(folder)) == {"xinyi.db", "keys.json", ".lock", "files"}


def test_two_who_open_a_folder_at_once_find_one_city(tmp_path: Path) -> None:
    told: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: open_folder(tmp_path / "var", tell=told.append), range(2))
    assert first == second
    assert len(told) == 1
    assert set(modes(tmp_path / "var")) == {"xinyi.db", "keys.json", ".lock", "files"}


def test_a_database_without_its_keys_is_refused_and_left_alone(folder: Path) -> None:
    (folder / "keys.json").unlink()
    before = (folder / "xinyi.db").read_bytes()
    with pytest.raises(StartupError, match=r"没有密钥文件 keys\.json"):
        open_folder(folder)
    assert set(modes(folder)) == {"xinyi.db", ".lock", "files"}
    assert (folder / "xinyi.db").read_bytes() == before


def test_a_file_that_is_no_database_is_refused(folder: Path) -> None:
    (folder / "xinyi.db").write_text("not a database, though long enough to look like one " * 40)
    with pytest.raises(StartupError, match="不是完好的演示数据库"):
        open_folder(folder)


def test_a_database_of_an_older_version_is_migrated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrated: list[str] = []

    async def note(database: Database) -> None:
        migrated.append(str(database.url))

    monkeypatch.setattr("core.migrations.migrate", note)
    open_folder(folder)
    assert migrated == []
    with closing(sqlite3.connect(folder / "xinyi.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
        connection.commit()
    open_folder(folder)
    assert migrated == [f"sqlite+aiosqlite:///{folder}/xinyi.db"]


def test_opening_a_whole_folder_loads_no_database_library(built: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from demo.folder import open_folder; "
        "open_folder(Path(sys.argv[1])); print({'sqlalchemy', 'alembic', 'tqdm'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(built)], capture_output=True, text=True, cwd=ROOT.parent, check=False
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_demo_prints_where_it_is_and_how_to_get_a_token_then_serves(
    built: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[tuple[DemoFolder, str, int]] = []
    monkeypatch.setattr(
        api.transport.server,
        "serve",
        lambda settings, *, host, port: served.append((DemoFolder(built, settings), host, port)),
    )
    monkeypatch.setattr(sys, "argv", [".venv/bin/xinyi"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert run(["demo", "--port", str(port), "--data", str(built)]) == 0
    assert served == [(open_folder(built), "127.0.0.1", port)]
    out = capsys.readouterr().out
    assert f"http://127.0.0.1:{port}/graphql" in out
    assert f".venv/bin/xinyi demo-token citizen --n 1 --data {built}\n" in out
    assert f".venv/bin/xinyi demo-token representative --n 1 --data {built}(" in out
    assert f"http://127.0.0.1:{port}/sandbox/graphql" in out


def test_a_port_in_use_is_said_before_anything_is_built(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run(["demo", "--port", str(port), "--data", str(tmp_path / "var")]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"PORT_TAKEN: 无法监听 127.0.0.1:{port}(")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_starting_imports_nothing_that_only_reports_and_workbooks_need() -> None:
    asked = "import api.app, sys; print(sorted({'fpdf', 'pypdf', 'openpyxl', 'PIL', 'alembic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True, text=True).stdout == "[]\n"
