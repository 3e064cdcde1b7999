"""Outside providers that people sign in through, as the deployment's file has them. One thing to know: the file names
no secret, only the files in which secrets are.

How it is written is in docs/sign-in.md. A relative file name is one beside the file itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field

from core.datafile import Document, RuleFile
from core.errors import ExpectedError, StartupError
from partners.accounts import Role

LONGEST_NAME = 40
LONGEST_SECRET = 20_000
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures that a provider may use: those that prove something to whoever has the public key alone."""
Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"
]  # fmt: skip


class UnknownProvider(ExpectedError):
    """No provider of that name, or of that sort."""

    code = "UNKNOWN_PROVIDER"

    def __init__(self) -> None:
        super().__init__("没有这种登录方式。请核对登录方的名称,或改用其他登录方式。")


class OidcProvider(Document):
    """A provider of OpenID Connect, found by discovery."""

    kind: Literal["oidc"]
    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    issuer: str
    client_id: str = Field(min_length=1)
    client_secret_file: Path | None = None
    private_key_file: Path | None = None
    """Of `private_key_jwt`; PEM."""
    private_key_algorithm: Algorithm = "RS256"
    scopes: tuple[str, ...] = ("openid",)
    proves: Literal["person", "enterprise", "account"]
    """What the claim is: a person's 公民身份号码, an enterprise's 统一社会信用代码, or the id of an account."""
    claim: str = Field(min_length=1)
    name_claim: str | None = None
    registers_in: str | None = None
    """The place where a person not on file yet is put on file; without it that person is refused."""
    roles: tuple[Role, ...] = ()
    """Of the accounts that it may name; given with `proves: account`."""
    assurance: tuple[str, ...] = ()
    """The `acr` of which one is demanded."""
    algorithms: tuple[Algorithm, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    userinfo: bool = False
    """Whether claims missing from the ID token are asked for at the userinfo endpoint."""

    @property
    def gives(self) -> frozenset[Role]:
        """The roles that signing in through it may lead to."""
        own = {"person": (Role.CITIZEN,), "enterprise": (Role.AGENT,), "account": self.roles}
        return frozenset(own[self.proves])


class WechatProvider(Document):
    """A WeChat mini-program."""

    kind: Literal["wechat"]
    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    app_id: str = Field(min_length=1)
    secret_file: Path
    address: str = "https://api.weixin.qq.com"
    binds_with: str
    """The provider that proves who somebody is before her WeChat is bound."""


class _File(Document):
    address: str | None = None
    providers: dict[
        Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,29}$")],
        Annotated[OidcProvider | WechatProvider, Field(discriminator="kind")],
    ]


@dataclass(frozen=True, slots=True)
class Oidc:
    """An OpenID provider with what we prove ourselves by."""

    id: str
    settings: OidcProvider
    secret: str | None = None
    private_key: str | None = None


@dataclass(frozen=True, slots=True)
class Wechat:
    """A mini-program with its secret."""

    id: str
    settings: WechatProvider
    secret: str


@dataclass(frozen=True, slots=True)
class Providers:
    """All that are configured, by id."""

    address: str
    """Where browsers reach this deployment, without a slash at the end."""
    oidc: Mapping[str, Oidc]
    wechat: Mapping[str, Wechat]

    @property
    def one_wechat(self) -> Wechat | None:
        """The mini-program that `POST /sign-in/wechat` means where it names none."""
        return next(iter(self.wechat.values())) if len(self.wechat) == 1 else None


_RESERVED = frozenset({"session", "refresh", "end", "wechat", "demo", "bind"})
"""Words of our own below `/sign-in/`."""
P = TypeVar("P", OidcProvider, WechatProvider)


def load_providers(path: Path | None, *, issuer: str, is_demo: bool) -> Providers:
    """The providers of the deployment; none where there is no file. `issuer` is ours: the usual address.

    Raises:
        StartupError: the file, or one that it names, is missing or broken, or an address is not https.
    """
    if path is None:
        return Providers(issuer.rstrip("/"), {}, {})
    file = RuleFile(path, root=path.parent)
    content = file.parse(_File)
    oidc, wechat = dict[str, Oidc](), dict[str, Wechat]()
    for key, entry in content.providers.items():
        if key in _RESERVED:
            raise file.error(("providers", key), f"{key} 是保留名称", "请换一个名称")
        if isinstance(entry, OidcProvider):
            _check_oidc(file, key, entry, is_demo=is_demo)
            secret, private_key = _read(path, entry.client_secret_file), _read(path, entry.private_key_file)
            oidc[key] = Oidc(key, entry, secret, private_key)
        else:
            _check_address(file, ("providers", key, "address"), entry.address, is_demo=is_demo)
            wechat[key] = Wechat(key, entry, _read(path, entry.secret_file) or "")
    for key, mini in wechat.items():
        partner = oidc.get(mini.settings.binds_with)
        if partner is None or partner.settings.proves == "account":
            where = ("providers", key, "binds_with")
            raise file.error(where, "没有这个证明个人或单位身份的 oidc 登录方", "请写明同一文件中的名称")
    address = (content.address or issuer).rstrip("/")
    _check_address(file, ("address",), address, is_demo=is_demo)
    return Providers(address, oidc, wechat)


def _check_oidc(file: RuleFile, key: str, entry: OidcProvider, *, is_demo: bool) -> None:
    _check_address(file, ("providers", key, "issuer"), entry.issuer, is_demo=is_demo)
    if "openid" not in entry.scopes:
        raise file.error(("providers", key, "scopes"), "scopes 须含 openid", "请补上")
    if (entry.proves == "account") != bool(entry.roles):
        raise file.error(("providers", key, "roles"), "roles 与 proves: account 须同时写", "请补上或删去 roles")
    if entry.proves == "account" and {Role.CITIZEN, Role.AGENT} & {*entry.roles}:
        raise file.error(
            ("providers", key, "roles"), "市民和企业经办人按号码登录", "请改用 proves: person 或 enterprise"
        )
    if entry.registers_in is not None and (entry.proves != "person" or entry.name_claim is None):
        where = ("providers", key, "registers_in")
        raise file.error(where, "registers_in 需要 proves: person 和 name_claim", "请补上,或删去 registers_in")
    if entry.client_secret_file and entry.private_key_file:
        where = ("providers", key, "private_key_file")
        raise file.error(where, "client_secret_file 与 private_key_file 只能写一个", "请删去其中之一")


def is_allowed_address(address: str, *, is_demo: bool) -> bool:
    """Whether we may go there: https; in the demo also plain http to this machine."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment or any(sign.isspace() for sign in address):
        return False
    return parts.scheme == "https" or (is_demo and parts.scheme == "http" and host in ("127.0.0.1", "localhost"))


def _check_address(file: RuleFile, where: tuple[str, ...], address: str, *, is_demo: bool) -> None:
    if not is_allowed_address(address, is_demo=is_demo):
        raise file.error(where, "地址须以 https:// 开头", "请改正(仅演示环境可用 http://127.0.0.1)")


def _read(path: Path, name: Path | None) -> str | None:
    if name is None:
        return None
    try:
        held = (path.parent / name).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or "不是文本"
        raise StartupError(f"读不到 {path} 所指的密钥文件 {name}({told})。请检查路径与权限。") from None
    if not 0 < len(held) <= LONGEST_SECRET:
        raise StartupError(f"{path} 所指的密钥文件 {name} 是空的或过大。请放入正确的密钥。")
    return held
