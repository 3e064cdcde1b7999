"""Settings, and what production refuses to start with."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from factories import key_file
from pydantic import ValidationError

from api.app import create_app
from core.errors import StartupError
from core.keys import new_key_file
from core.settings import Settings, is_configured, read_settings

GIVEN = {"XINYI_DATABASE_URL": "sqlite+aiosqlite:///x.db", "XINYI_KEYS_FILE": "keys.json"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which all that must be given is given."""
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def city_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A city on SQLite."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    return f"sqlite+aiosqlite:///{tmp_path}/city.db"


def test_settings_come_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("XINYI_PLACES", " hunan-shaoyang, ,hebei ")
    environment.setenv("XINYI_RATE_BURST", "7")
    found = read_settings()
    assert (found.places, found.rate_burst, str(found.keys_file)) == (("hunan-shaoyang", "hebei"), 7, "keys.json")
    assert is_configured()


def test_a_deployment_that_says_nothing_is_production(environment: pytest.MonkeyPatch) -> None:
    assert read_settings().environment == "production"


@pytest.mark.parametrize("missing", GIVEN)
def test_a_missing_setting_is_named_in_one_line(environment: pytest.MonkeyPatch, missing: str) -> None:
    environment.delenv(missing)
    with pytest.raises(StartupError) as caught:
        read_settings()
    assert missing in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "test"),
        ("ENVIRONMENT", ""),
        ("RATE_BURST", "many"),
        ("RATE_PER_SECOND", ""),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(f"XINYI_{name}", value)
    with pytest.raises(StartupError) as caught:
        read_settings()
    assert f"XINYI_{name}" in caught.value.message
    assert "\n" not in caught.value.message


def test_a_wrong_setting_is_explained_in_chinese(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("XINYI_RATE_BURST", "many")
    with pytest.raises(StartupError) as caught:
        read_settings()
    assert "should be" not in caught.value.message


@pytest.mark.parametrize(("name", "value"), [("RATE_BURST", "0"), ("RATE_BURST", "-1"), ("RATE_PER_SECOND", "0")])
def test_an_allowance_is_at_least_one(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(f"XINYI_{name}", value)
    with pytest.raises(StartupError):
        read_settings()


def test_settings_do_not_change(environment: pytest.MonkeyPatch) -> None:
    found: Any = read_settings()
    with pytest.raises(ValidationError):
        found.environment = "demo"


def settings(url: str, keys: Path, **given: Any) -> Settings:
    return Settings(database_url=url, keys_file=keys, **({"environment": "production"} | given))


@pytest.fixture
def real_keys(tmp_path: Path) -> Path:
    """Keys that were not made for the demo."""
    new_key_file(tmp_path / "real.json", demo=False)
    return tmp_path / "real.json"


def refusal(given: Settings) -> str:
    """The one line with which the application does not start."""
    with pytest.raises(StartupError) as caught:
        create_app(given)
    assert "\n" not in caught.value.message
    return caught.value.message


def test_production_refuses_demo_keys(city_url: str, tmp_path: Path) -> None:
    demo = key_file(tmp_path)
    assert "演示密钥" in refusal(settings(city_url, demo))
    create_app(settings(city_url, demo, environment="demo"))


def test_no_deployment_starts_without_its_keys(city_url: str, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "empty.json").write_text('{"keys": []}')
    for name in ("missing.json", "broken.json", "empty.json"):
        assert name in refusal(settings(city_url, tmp_path / name))


@pytest.mark.parametrize("url", ["mysql://x", "postgresql://x/y", "sqlite:///x.db"])
def test_another_database_is_refused(real_keys: Path, url: str) -> None:
    assert "XINYI_DATABASE_URL" in refusal(settings(url, real_keys))


def test_an_address_that_is_none_is_refused_in_one_line(real_keys: Path) -> None:
    assert "XINYI_DATABASE_URL" in refusal(settings("no address", real_keys))


def test_a_place_that_is_not_there_is_refused(city_url: str, real_keys: Path) -> None:
    assert "atlantis" in refusal(settings(city_url, real_keys, places=("hunan-shaoyang", "atlantis")))


async def ask(given: Settings, query: str) -> dict[str, Any]:
    """One question to an application of its own."""
    app = create_app(given)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            body: dict[str, Any] = (await client.post("/graphql", json={"query": query})).json()
    return body


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { types { name } } }",
        '{ __type(name: "Score") { fields { name } } }',
        "{ ...A } fragment A on Query { __schema { queryType { name } } }",
        "{ benefitKinds { code } a: __schema { directives { name } } }",
    ],
)
async def test_production_does_not_tell_its_schema(city_url: str, real_keys: Path, query: str) -> None:
    body = await ask(settings(city_url, real_keys), query)
    assert "data" not in body
    assert {error["extensions"]["code"] for error in body["errors"]} == {"DOCUMENT_REQUIRED"}


def test_every_setting_is_explained_to_who_runs_it() -> None:
    explained = (Path(__file__).parent.parent / "docs" / "running.md").read_text()
    for name in Settings.model_fields:
        assert f"| `XINYI_{name.upper()}` |" in explained
