"""`xinyi offline`: what a gate runs. One thing to know: each call is a process of its own, so what a gate took is
remembered in its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from factories import City
from offline_steps import Gate, Phone, carrying

from cli.offline import offline
from cli.output import WrongUse
from cli.partner_keys import read_key
from core.errors import BadInput
from core.signing import SignatureInvalid


def run(folder: Path, *given: str) -> Result:
    return CliRunner().invoke(offline, [one.replace("@", f"{folder}/") for one in given], standalone_mode=False)


HERE = ("--bundle", "@bundle", "--jwks", "@jwks", "--memory", "@taken", "--key", "@gate.json")


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_a_gate_takes_a_code_once_and_its_uses_sync(city: City, tmp_path: Path) -> None:
    gate = Gate(city)
    phone = await _phone(city, tmp_path, gate)
    at = ("--at", city.now.isoformat())
    code = run_ok(tmp_path, "show", "@pass", "--key", "@phone.json", *at)
    assert code == phone.show()
    told = orjson.loads(run_ok(tmp_path, "check", code, *HERE, *at))
    assert (told["accepted"], told["benefit"], told["counter"]) == (True, "赠送导览手册一份", 1)
    again = run(tmp_path, "check", code, *HERE, *at)
    assert (again.return_value, again.stderr.split(":")[0]) == (1, "CODE_REPLAYED")
    late = run(tmp_path, "check", code, *HERE, "--at", "2026-11-20T20:00:00+08:00")
    assert late.stderr.startswith("CODE_REPLAYED")
    uses = orjson.loads(run_ok(tmp_path, "uses", "--memory", "@taken"))
    (synced,) = await gate.sync(uses=uses)
    assert synced["accepted"]
    assert run_ok(tmp_path, "uses", "--memory", "@taken", "--after", "1") == "[]"


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_what_is_broken_is_refused_in_one_line(city: City, tmp_path: Path) -> None:
    gate = Gate(city)
    phone = await _phone(city, tmp_path, gate)
    code, at = phone.show(), ("--at", city.now.isoformat())
    refused: list[tuple[tuple[str, ...], type[Exception]]] = [
        (("check", code, *HERE, "--at", "noon"), WrongUse),
        (("show", "@bundle", "--key", "@phone.json"), BadInput),
        (("show", "@nothing", "--key", "@phone.json"), BadInput),
    ]
    for given, error in refused:
        assert isinstance(run(tmp_path, *given).exception, error), given
    (tmp_path / "taken").write_text('{"counter": 1}\n')
    assert isinstance(run(tmp_path, "check", code, *HERE, *at).exception, BadInput), "it may have taken this pass"
    (tmp_path / "taken").unlink()
    bundle = (tmp_path / "bundle").read_text()
    (tmp_path / "bundle").write_text(bundle.replace(".", "A.", 1))
    assert isinstance(run(tmp_path, "check", code, *HERE, *at).exception, SignatureInvalid)
    assert not (tmp_path / "taken").exists()


def run_ok(folder: Path, *given: str) -> str:
    result = run(folder, *given)
    assert not result.exception, result.exception
    return result.stdout.strip()


async def _phone(city: City, folder: Path, gate: Gate) -> Phone:
    """A gate and a phone whose keys the command made, with bundle, key set and pass in files."""
    phone = Phone(city, "good")
    made: list[tuple[Any, str]] = [(gate, "gate.json"), (phone, "phone.json")]
    for one, name in made:
        run_ok(folder, "key", f"@{name}")
        one.private = read_key(folder / name).private
    await gate.register()
    (folder / "bundle").write_text((await gate.fetch())["text"] + "\n")
    (folder / "jwks").write_bytes(orjson.dumps(city.keys.jwks()))
    await carrying(city, phone=phone)
    (folder / "pass").write_text(phone.text + "\n")
    return phone
