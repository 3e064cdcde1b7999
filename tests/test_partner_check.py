"""`xinyi partner`: an engineer of a partner at the terminal, against a server that listens."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from listening import listening
from sandboxes import Trial, open_trial

from api.ids import public_id
from cli.main import run
from cli.partner import _sandbox_of
from cli.partner_keys import new_key, read_key
from cli.partner_steps import Program
from core.clock import utc_now
from core.errors import BadInput
from partners.onboarding.keys import read_public_key


@pytest.fixture
async def trial(
    tmp_path: Path, sqlite_template: Path, keys_file: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Trial]:
    """A partner in the sandbox of a city that lives today, and where slow answers are quick."""
    monkeypatch.setattr("api.rehearsal.SLOW_SECONDS", 0.01)
    shutil.copy(sqlite_template, tmp_path / "city.db")
    urls = {name: f"sqlite+aiosqlite:///{tmp_path}/{name}.db" for name in ("city", "sandbox")}
    async with open_trial(
        tmp_path, city_url=urls["city"], sandbox_url=urls["sandbox"], keys_file=keys_file, algorithm="ES256"
    ) as opened:
        opened.city.now = utc_now()
        yield opened


async def check(address: str, key: Path, *more: str) -> int:
    arguments = ["partner", "check", "--url", f"{address}/sandbox", "--key", str(key), *more]
    return await asyncio.to_thread(run, arguments)


async def test_the_reference_client_passes_every_step(
    trial: Trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with listening(trial.city.app) as address:
        partner = public_id("Partner", 1)
        assert await check(address, tmp_path / "partner-ES256.jwk", "--partner", partner) == 0
    told = capsys.readouterr()
    assert (told.out.count("✓"), told.out.count("✗")) == (19, 0)
    assert told.out.splitlines()[-1].startswith("全部通过。")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/sandbox"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/sandbox"),
        ("https://a.example/graphql", "https://a.example/sandbox"),
        ("https://a.example/sandbox/", "https://a.example/sandbox"),
        ("https://a.example/sandbox/graphql", "https://a.example/sandbox"),
        ("https://sandbox.example/xinyi", "https://sandbox.example/xinyi"),
    ],
)
def test_the_address_of_a_deployment_stands_for_its_sandbox(given: str, meant: str) -> None:
    assert _sandbox_of(given) == meant


async def test_a_step_that_is_left_out_is_named_and_the_exit_code_is_1(
    trial: Trial, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Program, "_slow", lambda _: None)
    async with listening(trial.city.app) as address:
        assert await check(address, tmp_path / "partner-ES256.jwk") == 1
    told = capsys.readouterr()
    assert [line.split()[1] for line in told.out.splitlines() if line.startswith("✗")] == ["SLOW"]
    assert told.err == "NOT_PASSED: 联调验收未通过:请按上表逐项改正后重新运行\n"


async def test_a_key_that_is_not_registered_does_not_sign_in(
    trial: Trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new_key(tmp_path / "stranger.jwk", algorithm="EdDSA")
    async with listening(trial.city.app) as address:
        assert await check(address, tmp_path / "stranger.jwk") == 1
    assert capsys.readouterr().err.startswith("SIGN_IN_REFUSED: ")


async def test_a_key_is_registered_from_the_command_line_and_good_in_the_sandbox_at_once(
    trial: Trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new_key(tmp_path / "next.jwk", algorithm="EdDSA")
    token = tmp_path / "token"
    token.write_text(trial.city.token("representative") + "\n")
    async with listening(trial.city.app) as address:
        arguments = ["partner", "key", "register", str(tmp_path / "next.jwk"), "--url", address]
        assert await asyncio.to_thread(run, [*arguments, "--token-file", str(token)]) == 0
        assert capsys.readouterr().out.startswith("已登记:用途 SANDBOX,kid ")
        assert await check(address, tmp_path / "next.jwk") == 0
        assert await asyncio.to_thread(run, [*arguments, "--token-file", str(token)]) == 1
        assert "KEY_IN_USE: " in capsys.readouterr().err


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/sandbox", "nonsense"])
def test_where_nobody_answers_it_says_so(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new_key(tmp_path / "k.jwk", algorithm="EdDSA")
    assert run(["partner", "check", "--url", url, "--key", str(tmp_path / "k.jwk")]) == 1
    assert capsys.readouterr().err.startswith("UNREACHABLE: ")


def test_a_private_key_that_others_can_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new_key(tmp_path / "k.jwk", algorithm="EdDSA")
    (tmp_path / "k.jwk").chmod(0o640)
    assert run(["partner", "check", "--url", "http://127.0.0.1:9", "--key", str(tmp_path / "k.jwk")]) == 1
    assert "chmod 600" in capsys.readouterr().err


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256"])
def test_a_new_key_shows_its_public_half_alone(
    algorithm: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "k.jwk"
    assert run(["partner", "key", "new", str(file), "--algorithm", algorithm]) == 0
    shown = capsys.readouterr().out
    assert (file.stat().st_mode & 0o777, "d" in orjson.loads(shown)) == (0o600, False)
    assert read_public_key(shown).kid == orjson.loads(shown)["kid"] == read_key(file).kid
    assert run(["partner", "key", "show", str(file)]) == 0
    assert capsys.readouterr().out == shown
    assert run(["partner", "key", "new", str(file)]) == 1


def test_a_pem_file_will_do_and_other_files_will_not(tmp_path: Path) -> None:
    made, file = new_key(tmp_path / "k.jwk", algorithm="ES256"), tmp_path / "k.pem"
    file.write_bytes(made.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    file.chmod(0o600)
    assert read_key(file).kid == made.kid
    for content in (b"", b"{}", b"{", b'{"kty": "oct", "k": "AAAA"}', b"-----BEGIN PRIVATE KEY-----"):
        file.write_bytes(content)
        with pytest.raises(BadInput):
            read_key(file)


def test_a_bad_address_to_listen_on_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new_key(tmp_path / "k.jwk", algorithm="EdDSA")
    given = ["--url", "http://127.0.0.1:9", "--key", str(tmp_path / "k.jwk"), "--listen", "9000"]
    assert run(["partner", "check", *given]) == 2
    assert capsys.readouterr().err.startswith("BAD_LISTEN: ")
