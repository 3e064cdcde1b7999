"""A partner's keys: what is taken, how long it lasts, how it ends. One thing to know: a key is an account, and the
account's end is the key's, so a key that is revoked opens nothing from the next request on, in every process.

The lengths are interpretations: two keys at once for a week let a partner change without a gap, 398 days is what the
makers of browsers allow a certificate. Keys for the sandbox have no account here; they are mirrored there.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.errors import BadInput, ExpectedError
from core.identifiers import new_id
from core.keys import b64decode
from partners.accounts import Role
from partners.onboarding.tables import partner_keys
from partners.onboarding.workflow import Act, Status, StepNotAllowed
from partners.tables import accounts
from partners.webhooks.events import emit

MOST_KEYS = 2
"""Live at once for one use."""
OVERLAP = timedelta(days=7)
"""How long a key lasts beside the one that follows it."""
LONGEST_KEY = 2000
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class KeyUse(StrEnum):
    """What a key is for."""

    DESK = "desk"
    LIVE = "live"
    SANDBOX = "sandbox"


ROLES = {KeyUse.DESK: Role.REPRESENTATIVE, KeyUse.LIVE: Role.PARTNER}
"""The role of the account behind a key; those of the sandbox have one there."""
_ALLOWED = {
    KeyUse.DESK: frozenset(Status) - {Status.OFFBOARDED},
    KeyUse.LIVE: frozenset({Status.CERTIFIED, Status.LIVE}),
    KeyUse.SANDBOX: frozenset({Status.SANDBOX, Status.CERTIFIED, Status.LIVE, Status.SUSPENDED}),
}


class PrivateKeyGiven(ExpectedError):
    """The half that nobody else may see was sent to us."""

    code = "PRIVATE_KEY_GIVEN"


class KeyInUse(ExpectedError):
    """The key was registered before, by this partner or another, here or in the sandbox."""

    code = "KEY_IN_USE"


class TooManyKeys(ExpectedError):
    """As many live keys as there may be."""

    code = "TOO_MANY_KEYS"


class UnknownKey(ExpectedError):
    """No such key of this partner."""

    code = "UNKNOWN_KEY"


class KeyEnded(ExpectedError):
    """The key has ended before."""

    code = "KEY_ENDED"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that may sign a partner's assertions."""

    kid: str
    """Its thumbprint (RFC 7638)."""
    algorithm: str
    """`EdDSA` or `ES256`."""
    jwk: dict[str, str]
    """The members that make it up, and no others."""


def read_public_key(text: str) -> PublicKey:
    """The key in a JWK (RFC 7517) given as text: Ed25519 (RFC 8037), or P-256 for ES256.

    Raises:
        PrivateKeyGiven: it holds the private half too. It is compromised from now on.
        BadInput: it is no such key. The message does not repeat it.
    """
    try:
        jwk = orjson.loads(text) if len(text) <= LONGEST_KEY else None
    except orjson.JSONDecodeError:
        jwk = None
    if not isinstance(jwk, dict):
        raise BadInput("publicKey 须为一把公钥的 JWK(JSON 对象)。可用 xinyi partner key new 生成。")
    if _PRIVATE & jwk.keys():
        raise PrivateKeyGiven(
            "收到的是含私钥的 JWK。我们没有保存它,但私钥已离开贵单位,请作废这把密钥、另行生成,只提交公钥部分。"
        )
    sort = (jwk.get("kty"), jwk.get("crv"))
    try:
        match sort:
            case ("OKP", "Ed25519"):
                algorithm, members = "EdDSA", {name: str(jwk[name]) for name in ("crv", "kty", "x")}
                Ed25519PublicKey.from_public_bytes(_whole(members["x"]))
            case ("EC", "P-256"):
                algorithm, members = "ES256", {name: str(jwk[name]) for name in ("crv", "kty", "x", "y")}
                x, y = (int.from_bytes(_whole(members[name])) for name in ("x", "y"))
                EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()  # whether the point lies on the curve
            case _:
                raise ValueError("another sort of key")
    except (ValueError, KeyError):
        raise BadInput("只接受 Ed25519 或 P-256(ES256)的公钥 JWK,各段为无填充的 base64url。请核对后重试。") from None
    if jwk.get("alg", algorithm) != algorithm or jwk.get("use", "sig") != "sig":
        raise BadInput(f"JWK 的 alg 或 use 与密钥不符:应为 {algorithm}、sig。请改正后重试。")
    digest = sha256(orjson.dumps(members, option=orjson.OPT_SORT_KEYS)).digest()
    return PublicKey(urlsafe_b64encode(digest).rstrip(b"=").decode(), algorithm, members)


def _whole(text: str) -> bytes:
    raw = b64decode(text)
    if len(raw) != 32:
        raise ValueError("a key of another length")
    return raw


def live_keys(partner_id: int, *, now: datetime) -> Any:
    """The keys of a partner that have not ended, as a statement."""
    is_live = (partner_keys.c.revoked_at.is_(None), partner_keys.c.expires_at > now)
    return select(partner_keys).where(partner_keys.c.partner_id == partner_id, *is_live)


async def keys_of_partner(connection: AsyncConnection, partner_id: int) -> list[Row[Any]]:
    """All keys of a partner, the ended ones included, newest first."""
    mine = select(partner_keys).where(partner_keys.c.partner_id == partner_id).order_by(partner_keys.c.id.desc())
    return list((await connection.execute(mine)).all())


async def register_key(
    connection: AsyncConnection,
    partner: Row[Any],
    *,
    use: KeyUse,
    key: PublicKey,
    expires_at: datetime | None,
    act: Act,
    longest: timedelta,
) -> Row[Any]:
    """Take a key of a partner that is held (`hold_partner`). The one before it lasts a week at most from now on.

    Raises:
        StepNotAllowed: the partner does not stand where this use is open.
        KeyInUse, TooManyKeys
        BadInput: it would last longer than `longest`, or has ended already.
        Conflict: another was quicker; run it again.
    """
    if partner.status not in _ALLOWED[use]:
        raise StepNotAllowed(f"机构当前为 {partner.status},还不能登记 {use.name} 密钥。请先完成前面的步骤。")
    ends = act.now + longest if expires_at is None else expires_at
    if ends.tzinfo is None or not act.now < ends <= act.now + longest:
        raise BadInput(f"expiresAt 须带时区,晚于现在,且不超过 {longest.days} 天。请改正后重试。")
    if await connection.scalar(select(partner_keys.c.id).where(partner_keys.c.kid == key.kid)) is not None:
        raise KeyInUse("这把公钥登记过(包括已作废的、沙箱的或别家的)。每种用途、每个环境请各用一把新密钥。")
    former = (await connection.execute(live_keys(partner.id, now=act.now).where(partner_keys.c.use == use))).all()
    if len(former) >= MOST_KEYS:
        raise TooManyKeys(f"{use.name} 同时最多 {MOST_KEYS} 把有效密钥。请先作废一把,或等旧的一把到期。")
    for one in former:
        if one.expires_at > act.now + OVERLAP:
            await _end(connection, one, at=act.now + OVERLAP, expires_at=act.now + OVERLAP)
    return await add_key(
        connection, partner.id, use=use, key=key, expires_at=ends, role=ROLES.get(use), act=act
    )  # fmt: skip


async def add_key(
    connection: AsyncConnection,
    partner_id: int,
    *,
    use: KeyUse,
    key: PublicKey,
    expires_at: datetime,
    role: Role | None,
    act: Act,
    account: str | None = None,
) -> Row[Any]:
    """Write a key, and the account through which whoever holds it acts; without a role it opens nothing here."""
    account = account or str(uuid4())
    values = {
        "id": new_id(),
        "partner_id": partner_id,
        "use": use.value,
        "kid": key.kid,
        "algorithm": key.algorithm,
        "jwk": key.jwk,
        "account": account,
        "registered_by": act.actor,
        "registered_at": act.now,
        "expires_at": expires_at,
        "reason": "",
    }
    row: Row[Any] = (await connection.execute(insert(partner_keys).values(values).returning(partner_keys))).one()
    if role is not None:
        acting = {"id": account, "role": role.value, "partner_id": partner_id, "ended_at": expires_at}
        await connection.execute(insert(accounts).values(acting))
    content = {"partner": partner_id, "use": use.value, "kid": key.kid, "expiresAt": expires_at.isoformat()}
    await audit.record(connection, at=act.now, actor=act.actor, action="registerPartnerKey", content=content)
    return row


async def find_key(connection: AsyncConnection, key_id: UUID, *, partner_id: int | None, hold: bool = True) -> Row[Any]:
    """A key, of that partner alone where one is given; held until the transaction ends.

    Raises:
        UnknownKey: there is none, or it is another's.
    """
    found = select(partner_keys).where(partner_keys.c.id == key_id)
    row = (await connection.execute(found.with_for_update() if hold else found)).one_or_none()
    if row is None or partner_id not in {None, row.partner_id}:
        raise UnknownKey("没有这把密钥。请从密钥列表中重新选择。")
    return row


async def revoke_key(connection: AsyncConnection, key: Row[Any], *, act: Act) -> None:
    """End a key that is held (`find_key`), at once and for good. Its partner is told.

    Raises:
        KeyEnded: it has ended before.
    """
    if key.revoked_at is not None or key.expires_at <= act.now:
        raise KeyEnded("这把密钥已经作废或到期,无需重复操作。请查看密钥列表。")
    await _end(connection, key, at=act.now, revoked_at=act.now, revoked_by=act.actor, reason=act.reason)
    content = {"partner": key.partner_id, "kid": key.kid, "reason": act.reason}
    await audit.record(connection, at=act.now, actor=act.actor, action="revokePartnerKey", content=content)
    payload = {"kid": key.kid, "use": key.use, "revokedAt": act.now.isoformat()}
    await emit(
        connection,
        partner_id=key.partner_id,
        type="key.revoked",
        lane=f"key:{key.kid}",
        payload=payload,
        now=act.now,
    )


async def _end(connection: AsyncConnection, key: Row[Any], *, at: datetime, **values: Any) -> None:
    """Let a key end at that instant, and its account with it, unless that has ended before."""
    await connection.execute(update(partner_keys).where(partner_keys.c.id == key.id).values(**values))
    later = or_(accounts.c.ended_at.is_(None), accounts.c.ended_at > at)
    await connection.execute(update(accounts).where(accounts.c.id == key.account, later).values(ended_at=at))


async def end_accounts(connection: AsyncConnection, partner_id: int, *, roles: Iterable[Role], at: datetime) -> None:
    """Let what acts for a partner end at that instant; what ends before stays as it is."""
    mine = (accounts.c.partner_id == partner_id, accounts.c.role.in_([role.value for role in roles]))
    later = or_(accounts.c.ended_at.is_(None), accounts.c.ended_at > at)
    await connection.execute(update(accounts).where(*mine, later).values(ended_at=at))


async def restore_accounts(connection: AsyncConnection, partner_id: int, *, ended_at: datetime) -> None:
    """Undo `end_accounts` of that instant: each lasts as long as its key, and one without a key has no end."""
    mine = (accounts.c.partner_id == partner_id, accounts.c.ended_at == ended_at)
    held = {
        key.account: None if key.revoked_at else key.expires_at for key in await keys_of_partner(connection, partner_id)
    }
    for account in (await connection.scalars(select(accounts.c.id).where(*mine))).all():
        if account in held and held[account] is None:
            continue  # revoked meanwhile
        await connection.execute(
            update(accounts).where(accounts.c.id == account).values(ended_at=held.get(account))
        )  # fmt: skip
