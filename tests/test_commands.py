"""The command line of a deployment: keys, migrations, the schema, the catalogue's proof, receipts. One thing to know:
whatever goes wrong is one line on standard error, `CODE: sentence`."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from factories import key_file, offer_id, rulebook

from api.schema import sdl
from cli.main import run
from core.keys import b64decode, b64encode, load_keys
from core.signing import sign
from partners.receipts import CLAIMS
from partners.rulebook import load_rulebook

Xinyi = Callable[..., tuple[int, str, str]]
ONE_LINE = re.compile(r"[A-Z][A-Z_]+: .+\n")


@pytest.fixture
def xinyi(capfd: pytest.CaptureFixture[str]) -> Xinyi:
    """Run a command: exit code, standard output, standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        told = capfd.readouterr()
        assert "Traceback" not in told.err
        return code, told.out, told.err

    return call


def complaint(answer: tuple[int, str, str], *, exit_code: int = 1) -> str:
    """The stable code of a command that failed in the one way commands fail."""
    code, out, err = answer
    assert (code, out) == (exit_code, "")
    assert ONE_LINE.fullmatch(err), err
    return err.partition(":")[0]


@pytest.fixture
def deployment(
    sqlite_template: Path, keys_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> sqlite3.Connection:
    """The small city as the deployment of the environment; its database, to change it by hand."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    monkeypatch.setenv("XINYI_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/city.db")
    monkeypatch.setenv("XINYI_KEYS_FILE", str(keys_file))
    monkeypatch.setenv("XINYI_ENVIRONMENT", "demo")
    # The rules as they ship are read once for all tests; a deployment that names its places reads its own.
    monkeypatch.setattr(
        "partners.rulebook.load_rulebook", lambda root, served: load_rulebook(root, served) if served else rulebook()
    )
    return sqlite3.connect(tmp_path / "city.db", isolation_level=None)


@pytest.fixture
def jwks(keys_file: Path, tmp_path: Path) -> Path:
    """The public key set, as a deployment publishes it."""
    path = tmp_path / "jwks.json"
    path.write_bytes(orjson.dumps(load_keys(keys_file).jwks()))
    return path


# Wrong use


@pytest.mark.parametrize(
    "arguments",
    [["nope"], [], ["serve", "--nope"], ["serve", "--port", "0"], ["serve", "--port", "x"],
     ["guard"], ["guard", "nope"], ["guard", "verify"], ["receipt", "verify"], ["receipt"], ["keys", "new"],
     ["schema", "extra"], ["migrate", "extra"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_use_is_one_line_and_exit_code_2(xinyi: Xinyi, arguments: list[str]) -> None:
    assert complaint(xinyi(*arguments), exit_code=2) == "USAGE"


@pytest.mark.parametrize("arguments", [["--help"], ["guard", "--help"], ["receipt", "verify", "-h"]])
def test_help_is_no_error(xinyi: Xinyi, arguments: list[str]) -> None:
    code, out, err = xinyi(*arguments)
    assert (code, err) == (0, "")
    assert "xinyi" in out


def test_a_missing_deployment_is_one_line(xinyi: Xinyi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for command in (["serve"], ["migrate"]):
        assert complaint(xinyi(*command)) == "STARTUP"
    monkeypatch.setenv("XINYI_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/none.db")
    monkeypatch.setenv("XINYI_KEYS_FILE", str(tmp_path / "none.json"))
    for command in (["serve"], ["guard", "prove"]):
        assert complaint(xinyi(*command)) == "STARTUP"


def test_a_broken_setting_is_one_line(xinyi: Xinyi, deployment: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINYI_PLACES", "atlantis")
    assert complaint(xinyi("serve")) == "STARTUP"
    assert complaint(xinyi("guard", "prove")) == "STARTUP"
    monkeypatch.setenv("XINYI_DATABASE_URL", "mysql://x")
    assert complaint(xinyi("migrate")) == "STARTUP"


# Schema, keys, migrations


def test_the_schema_is_printed_as_it_stands_in_the_file() -> None:
    ran = subprocess.run([sys.executable, "-m", "cli.main", "schema"], capture_output=True, check=True, text=True)
    assert (ran.stdout, ran.stderr) == (sdl(), "")


def test_a_new_key_file_belongs_to_its_owner_and_is_never_overwritten(xinyi: Xinyi, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    code, out, _ = xinyi("keys", "new", path)
    assert (code, str(path) in out) == (0, True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not load_keys(path).demo
    before = path.read_bytes()
    assert complaint(xinyi("keys", "new", path)) == "STARTUP"
    assert complaint(xinyi("keys", "new", tmp_path / "no" / "where.json")) == "STARTUP"
    assert path.read_bytes() == before


def test_migrating_makes_a_database_and_doing_so_again_changes_nothing(
    xinyi: Xinyi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keys_file: Path
) -> None:
    monkeypatch.setenv("XINYI_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/new.db")
    monkeypatch.setenv("XINYI_KEYS_FILE", str(keys_file))
    assert complaint(xinyi("guard", "prove")) == "STARTUP", "an empty database is told before anything is read"
    tables = []
    for _ in range(2):
        assert xinyi("migrate")[0] == 0
        with sqlite3.connect(tmp_path / "new.db") as database:
            tables.append(database.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall())
    assert tables[0] == tables[1]
    assert "subjects" in str(tables[0])


# The catalogue's proof


@pytest.fixture
def proof(xinyi: Xinyi, deployment: sqlite3.Connection, tmp_path: Path) -> Path:
    """A proof over the small city."""
    path = tmp_path / "proof.jws"
    code, out, err = xinyi("guard", "prove", "--out", path)
    assert (code, out) == (0, "")
    assert "定理成立" in err
    return path


def test_a_proof_is_checked_again_by_the_deployment_or_by_its_key_set(xinyi: Xinyi, proof: Path, jwks: Path) -> None:
    for more in ([], ["--jwks", jwks]):
        code, out, err = xinyi("guard", "verify", proof, *more)
        assert (code, err) == (0, "")
        assert "证明成立" in out


def test_a_proof_goes_to_the_screen_where_no_file_is_named(xinyi: Xinyi, proof: Path) -> None:
    code, out, _ = xinyi("guard", "prove")
    assert code == 0
    assert out.count(".") == 2
    assert out.endswith("\n")


def test_one_byte_of_a_proof_changed_anywhere_fails_it(xinyi: Xinyi, proof: Path, tmp_path: Path) -> None:
    whole = proof.read_bytes()
    length = len(whole) - 1
    for place in {0, 5, whole.index(b".") + 3, length // 2, whole.rindex(b".") + 4, length - 1}:
        changed = bytearray(whole)
        changed[place] = ord("A") if changed[place] != ord("A") else ord("B")
        (tmp_path / "changed").write_bytes(changed)
        assert complaint(xinyi("guard", "verify", tmp_path / "changed")) == "SIGNATURE_INVALID"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ("UPDATE offers SET benefit = benefit || '。' WHERE id = 2", "2"),
        ("UPDATE offers SET threshold = 'A+' WHERE partner_id = 1", "1"),
        ("UPDATE baselines SET price_fen = price_fen + 1 WHERE offer_id = 7", "7"),
    ],
)
def test_a_proof_of_another_catalogue_fails_and_says_where(
    xinyi: Xinyi, proof: Path, deployment: sqlite3.Connection, change: str, where: str
) -> None:
    deployment.execute(change)
    answer = xinyi("guard", "verify", proof)
    assert complaint(answer) == "PROOF_FAILS"
    assert f"优惠 {where} " in answer[2].partition("第一处")[2]


@pytest.mark.parametrize("status", ["'closed' WHERE id = 3", "'approved' WHERE id = 6"])
def test_a_proof_fails_when_an_offer_has_gone_or_come(
    xinyi: Xinyi, proof: Path, deployment: sqlite3.Connection, status: str
) -> None:
    deployment.execute(f"UPDATE offers SET status = {status}")
    assert complaint(xinyi("guard", "verify", proof)) == "PROOF_FAILS"


def test_what_the_guard_closed_is_no_part_of_the_proof(
    xinyi: Xinyi, deployment: sqlite3.Connection, tmp_path: Path
) -> None:
    deployment.execute("UPDATE offers SET threshold = 'B' WHERE partner_id = 1")
    assert xinyi("guard", "prove", "--out", tmp_path / "proof")[0] == 0
    claims = jwt.decode((tmp_path / "proof").read_text().strip(), options={"verify_signature": False})
    assert set(claims["outcomes"]) == {"7", "8"}
    assert claims["holds"] is True


def test_other_signed_things_are_no_proof(xinyi: Xinyi, proof: Path, keys_file: Path, tmp_path: Path) -> None:
    keys, other = load_keys(keys_file), load_keys(key_file(tmp_path))
    claims = jwt.decode(proof.read_text().strip(), options={"verify_signature": False})
    tokens = {
        "a receipt": sign(keys, "receipt", claims),
        "a bearer": sign(keys, "bearer", claims),
        "another deployment": sign(other, "proof", claims),
        "another audience": sign(keys, "proof", claims | {"aud": "xinyi-api"}),
        "no audience": sign(keys, "proof", {name: value for name, value in claims.items() if name != "aud"}),
    }
    for name, token in tokens.items():
        (tmp_path / "token").write_text(token)
        assert complaint(xinyi("guard", "verify", tmp_path / "token")) == "SIGNATURE_INVALID", name


def test_a_proof_that_was_signed_but_says_something_else_fails(
    xinyi: Xinyi, proof: Path, keys_file: Path, tmp_path: Path
) -> None:
    claims = jwt.decode(proof.read_text().strip(), options={"verify_signature": False})
    claims["counts"]["outcomes"] += 1
    (tmp_path / "token").write_text(sign(load_keys(keys_file), "proof", claims))
    assert complaint(xinyi("guard", "verify", tmp_path / "token")) == "PROOF_FAILS"


@pytest.mark.parametrize("claims", [{}, {"counts": 1, "issued_at": "2026-11-20T04:00:00+00:00"}])
def test_a_signed_statement_without_a_proofs_content_fails_in_one_line(
    xinyi: Xinyi, deployment: object, keys_file: Path, tmp_path: Path, claims: dict[str, Any]
) -> None:
    (tmp_path / "token").write_text(sign(load_keys(keys_file), "proof", claims | {"aud": "xinyi-proof"}))
    assert complaint(xinyi("guard", "verify", tmp_path / "token")) == "PROOF_FAILS"


# Receipts


def receipt_claims(**changes: Any) -> dict[str, Any]:
    return {
        "iss": "https://xinyi.example",
        "iat": 1_790_000_000,
        "jti": "00000000-0000-4000-8000-000000000000",
        "partner": "UGFydG5lcjox",
        "offer": offer_id("museum"),
        "offerVersion": 1,
        "outcome": "STANDARD_SERVICE",
        "subject": "x" * 22,
        "leaf": "0" * 64,
    } | changes


def test_a_receipt_is_checked_without_a_server_or_a_deployment(
    xinyi: Xinyi, keys_file: Path, jwks: Path, tmp_path: Path
) -> None:
    (tmp_path / "receipt").write_text(sign(load_keys(keys_file), "receipt", receipt_claims()) + "\n")
    code, out, err = xinyi("receipt", "verify", tmp_path / "receipt", "--jwks", jwks)
    assert (code, err) == (0, "")
    assert json.loads(out) == receipt_claims()
    assert set(json.loads(out)) == CLAIMS


def test_a_receipt_is_checked_with_the_keys_of_the_deployment(
    xinyi: Xinyi, deployment: object, keys_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "receipt").write_text(sign(load_keys(keys_file), "receipt", receipt_claims()))
    assert xinyi("receipt", "verify", tmp_path / "receipt")[0] == 0


def test_a_receipt_of_a_retired_key_still_verifies(xinyi: Xinyi, keys_file: Path, tmp_path: Path) -> None:
    (tmp_path / "receipt").write_text(sign(load_keys(keys_file), "receipt", receipt_claims()))
    content = json.loads(keys_file.read_text())
    retired = [key | {"status": "retired"} for key in content["keys"] if key["purpose"] == "receipt"]
    fresh = json.loads(key_file(tmp_path).read_text())
    (tmp_path / "rotated.json").write_text(json.dumps({"demo": True, "keys": fresh["keys"] + retired}))
    (tmp_path / "jwks.json").write_bytes(orjson.dumps(load_keys(tmp_path / "rotated.json").jwks()))
    assert xinyi("receipt", "verify", tmp_path / "receipt", "--jwks", tmp_path / "jwks.json")[0] == 0


def respelt(token: str) -> dict[str, str]:
    """The same receipt in spellings that are not its own."""
    head, body, signature = token.split(".")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = letters[letters.index(signature[-1]) ^ 1]
    return {
        "padded at the end": f"{token}==",
        "padded in the head": f"{head}=.{body}.{signature}",
        "padded in the body": f"{head}.{body}=.{signature}",
        "a stray bit in the last letter": f"{head}.{body}.{signature[:-1]}{last}",
        "a blank before": f" {token}",
        "a blank after": f"{token} ",
        "two line ends": f"{token}\n\n",
        "a line end within": f"{head}.\n{body}.{signature}",
        "four parts": f"{token}.",
        "no signature": f"{head}.{body}.",
        "the other alphabet": f"{head}.{body}.+/{signature[2:]}",
    }


def test_a_receipt_has_one_spelling(xinyi: Xinyi, keys_file: Path, jwks: Path, tmp_path: Path) -> None:
    token = sign(load_keys(keys_file), "receipt", receipt_claims())
    for name, changed in respelt(token).items():
        (tmp_path / "receipt").write_text(changed)
        answer = xinyi("receipt", "verify", tmp_path / "receipt", "--jwks", jwks)
        assert complaint(answer) == "SIGNATURE_INVALID", name


def test_what_is_no_receipt_of_ours_is_refused(xinyi: Xinyi, keys_file: Path, jwks: Path, tmp_path: Path) -> None:
    keys, other = load_keys(keys_file), load_keys(key_file(tmp_path))
    key = keys.active("receipt")
    good = sign(keys, "receipt", receipt_claims())
    head, body, signature = good.split(".")
    changed = b64encode(b64decode(body).replace(b"STANDARD_SERVICE", b"BENEFIT_APPLIES"))
    own = other.active("receipt").public_jwk()
    typ = {"typ": "xinyi-receipt+jwt"}
    brought = typ | {"jwk": own, "kid": key.kid}
    tokens = {
        "a proof": sign(keys, "proof", receipt_claims()),
        "a bearer": sign(keys, "bearer", receipt_claims()),
        "another deployment's": sign(other, "receipt", receipt_claims()),
        "a key in its own head": jwt.encode(
            receipt_claims(),
            other.active("receipt").private_key,
            algorithm="EdDSA",
            headers=brought,
        ),
        "another type": jwt.encode(receipt_claims(), key.private_key, algorithm="EdDSA", headers={"kid": key.kid}),
        "no algorithm": jwt.encode(receipt_claims(), "", algorithm="none", headers=typ | {"kid": key.kid}),
        "the public key as a secret": jwt.encode(
            receipt_claims(), key.public or b"", algorithm="HS256", headers=typ | {"kid": key.kid}
        ),
        "another outcome": f"{head}.{changed}.{signature}",
        "a claim more": sign(keys, "receipt", receipt_claims(name="张三")),
        "a claim less": sign(keys, "receipt", {k: v for k, v in receipt_claims().items() if k != "leaf"}),
        "no claims": sign(keys, "receipt", {}),
        "a list": ".".join((head, b64encode(b"[]"), signature)),
        "nothing": "",
        "dots": "..",
    }
    for name, token in tokens.items():
        (tmp_path / "receipt").write_text(token)
        answer = xinyi("receipt", "verify", tmp_path / "receipt", "--jwks", jwks)
        assert complaint(answer) == "SIGNATURE_INVALID", name


def test_a_file_that_cannot_be_read_is_one_line(xinyi: Xinyi, jwks: Path, tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\x00")
    (tmp_path / "long").write_text("a" * 10_000)
    for name in ("missing", "bytes", "long"):
        assert complaint(xinyi("receipt", "verify", tmp_path / name, "--jwks", jwks)) == "UNREADABLE"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"keys": 1}', '{"keys": [{}]}', '{"keys": [{"kty": "OKP"}]}'])
def test_a_broken_key_set_is_one_line(xinyi: Xinyi, keys_file: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "receipt").write_text(sign(load_keys(keys_file), "receipt", receipt_claims()))
    (tmp_path / "jwks.json").write_text(content)
    answer = xinyi("receipt", "verify", tmp_path / "receipt", "--jwks", tmp_path / "jwks.json")
    assert complaint(answer) == "STARTUP"
