"""Settings, read once from `XINYI_*`. One thing to know: nothing else in the project reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.errors import StartupError
from core.places import ROOT


class Settings(BaseSettings):
    """What a deployment chooses. Secrets have no default: outside the demo they must be given."""

    model_config = SettingsConfigDict(env_prefix="XINYI_", frozen=True, extra="ignore", use_attribute_docstrings=True)

    environment: Literal["demo", "production"] = "production"
    """`production` turns introspection, GraphiQL and demo tokens off and refuses demo keys."""
    database_url: str
    """SQLAlchemy address: `postgresql+asyncpg://…` or `sqlite+aiosqlite:///…`."""
    redis_url: str | None = None
    """`redis://…` or `unix://…`; without it what is short-lived stays inside the one process."""
    keys_file: Path
    """The key file (`xinyi keys new FILE`), readable by this process alone."""
    places: Annotated[tuple[str, ...], NoDecode] = ()
    """The places served, comma-separated folder names of `jurisdictions/`; empty means all."""
    issuer: str = "https://xinyi.example"
    """`iss` of every receipt and token."""
    jurisdictions: Path = ROOT
    """The folder of rules."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least serious log line that is written."""
    rate_per_second: int = Field(default=50, ge=1)
    """Points a second that one account may spend in the long run; a plain request costs one."""
    rate_burst: int = Field(default=1000, ge=1)
    """Points that one account may spend at once."""
    request_seconds: float = Field(default=10, gt=0, le=300)
    """Seconds after which an answer is given up."""
    offers_per_person: int = Field(default=5, ge=1)
    """How many of its offers a partner may ask about one person within ten minutes."""
    sandbox_database_url: str | None = None
    """A database for partners to try things in, apart from the live one; without it there is no sandbox."""
    sandbox_keys_file: Path | None = None
    """The sandbox's own key file, made if absent; by default beside the other one, `sandbox-` before its name."""
    issuers: Path | None = None
    """The file that says who may push results, of which models and for which places; without it nobody may."""
    providers: Path | None = None
    """The file that says through whom people sign in (OpenID Connect, WeChat); without it only keys and tokens do."""
    upstream_url: str | None = None
    """Where corrected results are sent; without it they wait in the outbox."""
    receivers: Annotated[Mapping[str, str], NoDecode] = {}
    """Where notices go, by the receiver's name, as YAML or JSON: `{"name": "https://…"}`. `overseer` hears of overdue
    cases, the others of changes to records that they were given."""
    origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins whose pages may use the interface from a browser, comma-separated: `https://app.example`."""
    proxies: str = "127.0.0.1"
    """Addresses or networks of the gateways in front, comma-separated, or `*`: whose `X-Forwarded-For` is believed."""
    partner_key_days: int = Field(default=398, ge=1, le=398)
    """How many days a partner's key lasts at most; it ends by itself."""
    files: str | None = None
    """Where evidence and uploads are kept, sealed: a folder, or `s3://bucket/prefix`; without it none are taken."""
    files_endpoint: str | None = None
    """The address of an S3-compatible store that is not Amazon's own."""
    files_region: str = "us-east-1"
    """The region that requests to the store are signed for."""
    files_access_key_id: str | None = None
    """The store's access key; without it the machine's own role is asked for one."""
    files_secret_access_key: SecretStr | None = None
    """The secret that belongs to it."""

    @field_validator("places", "origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            page = urlsplit(origin)
            if page.scheme not in ("http", "https") or f"{page.scheme}://{page.netloc}" != origin or not page.netloc:
                raise ValueError("not an origin")
        return value

    @field_validator("receivers", mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        try:
            return yaml.safe_load(value) or {} if isinstance(value, str) else value
        except yaml.YAMLError:
            raise ValueError("neither YAML nor JSON") from None


def read_settings(**given: object) -> Settings:
    """The settings of the environment, with `given` before them.

    Raises:
        StartupError: one is missing or wrong; the message names the variable.
    """
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks each value
    except ValidationError as error:
        first = error.errors()[0]
        name = "XINYI_" + str(first["loc"][0]).upper()
        if first["type"] == "missing":
            raise StartupError(f"缺少设置 {name}。请设置该环境变量后重新启动。") from None
        raise StartupError(
            f"设置 {name} 的取值 {first['input']!r:.60} 不可用。可用的取值见 docs/running.md。"
        ) from None


def is_configured() -> bool:
    """Whether the environment names a deployment's database."""
    return "XINYI_DATABASE_URL" in os.environ


def jurisdictions_folder() -> Path:
    """The folder of rules, for commands that need nothing else of a deployment."""
    return Path(os.environ.get("XINYI_JURISDICTIONS") or ROOT)


def database_url() -> str | None:
    """The deployment's database, for commands that need nothing else of it."""
    return os.environ.get("XINYI_DATABASE_URL")
