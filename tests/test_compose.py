"""The deployment's files. One thing to know: no image is built here, so all that the files refer to is looked up."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
GATEWAY = (ROOT / "deploy/haproxy.cfg").read_text()
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
SETTINGS = {f"XINYI_{name.upper()}": field for name, field in Settings.model_fields.items()}
VARIABLES = dict(re.findall(r"(?<!\$)\$\{(\w+)(:[?-])", COMPOSE_TEXT))


def xinyi(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("xinyi")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_compose_file_has_the_specifications_shape() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    ran = subprocess.run([*command, ROOT / "docker-compose.yml"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_file_that_is_mounted_or_copied_exists() -> None:
    volumes = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    mounted = [volume.split(":")[0] for volume in volumes if not volume.startswith("$")]
    assert [path for path in mounted if path.startswith(".") and not (ROOT / path).exists()] == []
    assert {path for path in mounted if not path.startswith(".")} == set(COMPOSE["volumes"])
    copied = re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE, re.MULTILINE)
    assert copied == ["web/package.json", "schema.graphql", "web", "requirements.lock", "."]
    assert [path for path in copied if not (ROOT / path).exists()] == []


def test_the_image_holds_all_packages_and_rules_and_nothing_else() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    kept = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert ignore[1] == "*"
    assert {*packages["packages"], "jurisdictions", "migrations", "requirements.lock", "pyproject.toml"} <= kept
    assert kept.isdisjoint({"var", "secrets", ".env", ".git", "tests"})


@pytest.mark.parametrize("service", OURS)
def test_every_setting_that_is_given_exists_and_none_that_is_needed_is_missing(service: str) -> None:
    given = set(SERVICES[service]["environment"])
    assert given - set(SETTINGS) == set()
    assert {name for name, field in SETTINGS.items() if field.is_required()} - given == set()
    assert SERVICES[service]["environment"]["XINYI_ENVIRONMENT"] == "production"


def test_every_setting_that_the_image_and_the_guide_name_exists() -> None:
    text = DOCKERFILE + (ROOT / "docs/running.md").read_text()
    assert set(re.findall(r"\bXINYI_[A-Z_]+[A-Z]", text)) - set(SETTINGS) == set()


def test_nothing_secret_or_particular_to_a_place_has_a_default() -> None:
    must_be_given = {name for name, operator in VARIABLES.items() if operator == ":?"}
    assert must_be_given == {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "XINYI_PLACES", "XINYI_ISSUER", "KEYS_FOLDER"}
    assert set(VARIABLES) - must_be_given == {"GATEWAY_BIND", "IMAGE_TAG", "XINYI_LOG_LEVEL"}


def test_the_guide_names_every_variable_of_the_compose_file() -> None:
    guide = (ROOT / "docs/running.md").read_text()
    assert [name for name in VARIABLES if f"`{name}`" not in guide] == []


def test_the_server_runs_in_two_processes_behind_the_one_open_port() -> None:
    assert SERVICES["app"]["deploy"]["replicas"] == 2
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["gateway"]
    assert "server-template app 8 app:8000" in GATEWAY
    assert "uri /readyz" in GATEWAY


def test_the_stores_are_out_of_the_gateways_reach() -> None:
    assert COMPOSE["networks"]["stores"] == {"internal": True}
    on_stores = {name for name, service in SERVICES.items() if "stores" in service["networks"]}
    assert on_stores == {"app", "migrate", "postgres", "redis"}


def test_whatever_keeps_running_is_restarted_and_asked_for_its_health() -> None:
    lasting = {name: service for name, service in SERVICES.items() if name != "migrate"}
    assert {service["restart"] for service in lasting.values()} == {"unless-stopped"}
    assert [name for name, service in lasting.items() if "test" not in service["healthcheck"]] == []
    assert "/readyz" in str(SERVICES["app"]["healthcheck"]["test"])
    assert "/readyz" in DOCKERFILE


def test_the_server_starts_only_on_a_migrated_database() -> None:
    assert SERVICES["app"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert SERVICES["migrate"]["restart"] == "no"


def test_the_image_installs_by_hash_and_does_not_run_as_root() -> None:
    assert "pip install --require-hashes -r requirements.lock" in DOCKERFILE
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE) == ["10001:10001"]


@pytest.mark.parametrize(
    "command",
    [
        *(SERVICES[name]["command"] for name in OURS),
        yaml.safe_load(re.findall(r"^CMD (\[.*\])", DOCKERFILE, re.MULTILINE)[-1]),
        ["keys", "new"],
    ],
    ids=" ".join,
)
def test_every_command_exists_with_its_options(command: list[str]) -> None:
    words = [word for word in command if re.fullmatch("[a-z]+", word)]
    ran = xinyi(*words, "--help")
    assert ran.returncode == 0, ran.stderr
    assert [option for option in command if option.startswith("--") and option not in ran.stdout] == []
