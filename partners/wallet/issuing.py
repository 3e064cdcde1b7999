"""Handing credentials out, to their subject alone. One thing to know: they are given while the benefit applies, and
what is kept of each is a keyed hash of its holder's key, so that we alone can tell later whose it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.database import Database
from core.errors import BadInput, ExpectedError
from core.keys import Keys, b64decode
from core.sealing import keyed_hashes
from partners.catalogue import Catalogue, Offer
from partners.next_steps import in_words
from partners.onboarding.keys import PublicKey
from partners.standing import SubjectStanding, judge_offers
from partners.tables import accounts, verifications
from partners.wallet.credentials import make_credential, period_of
from partners.wallet.tables import wallet_credentials

ACTION = "issueCredentials"
MOST_AT_ONCE = 20
MOST_LIVE = 200
"""Credentials of one subject that have not expired."""
KEPT = timedelta(days=1)
"""How long it is kept after its end whose a credential was."""


class BenefitNotAvailable(ExpectedError):
    """The benefit does not apply to whoever asks; the message, for that subject alone, says why."""

    code = "BENEFIT_NOT_AVAILABLE"


class KeyUsedBefore(ExpectedError):
    """A key that a credential was issued to before."""

    code = "KEY_USED_BEFORE"


class TooManyCredentials(ExpectedError):
    """As many unexpired credentials as one subject may have."""

    code = "TOO_MANY_CREDENTIALS"


@dataclass(frozen=True, slots=True)
class Batch:
    """What was handed out: one credential for each key, in their order."""

    credentials: tuple[str, ...]
    expires_at: datetime


async def check_benefit(
    database: Database, standing: SubjectStanding, *, offer: Offer, catalogue: Catalogue, now: datetime
) -> None:
    """Raises `BenefitNotAvailable` where a partner's scan would now be answered with the standard service."""
    (judged,) = await judge_offers(database, standing, offers=[offer], catalogue=catalogue, now=now)
    if judged.reasons:
        raise BenefitNotAvailable(" ".join(in_words(reason, judged, on=catalogue.on) for reason in judged.reasons))


async def issue_credentials(
    connection: AsyncConnection,
    *,
    subject_id: int,
    offer_id: int,
    offer: str,
    holders: Sequence[PublicKey],
    keys: Keys,
    issuer: str,
    actor: str,
    now: datetime,
) -> Batch:
    """Hand out a credential for each key, in a transaction. `offer` is the public id of `offer_id`.

    Raises:
        BadInput: no key, too many, or one of them twice.
        KeyUsedBefore, TooManyCredentials
        Conflict: another was quicker; run it again.
    """
    if not 1 <= len(holders) <= MOST_AT_ONCE or len({holder.kid for holder in holders}) != len(holders):
        raise BadInput(f"keys 每次 1 到 {MOST_AT_ONCE} 把,不得重复。请让钱包为每份凭证各生成一把新密钥。")
    await connection.execute(delete(wallet_credentials).where(wallet_credentials.c.expires_at <= now - KEPT))
    live = and_(wallet_credentials.c.subject_id == subject_id, wallet_credentials.c.expires_at > now)
    held = int(await connection.scalar(select(func.count()).select_from(wallet_credentials).where(live)) or 0)
    if held + len(holders) > MOST_LIVE:
        raise TooManyCredentials(f"未过期的凭证最多 {MOST_LIVE} 份,您已有 {held} 份。请先使用已领取的凭证,或待其过期。")
    hashes = [key_hashes(keys, holder) for holder in holders]
    known = select(wallet_credentials.c.key_hash).where(
        wallet_credentials.c.key_hash.in_([one for of_key in hashes for one in of_key])
    )
    if (await connection.execute(known)).first() is not None:
        raise KeyUsedBefore(
            "有一把密钥已领取过凭证,重复使用会让机构把两次出示联系起来。请让钱包为每份凭证各生成新密钥。"
        )
    _, expires_at = period_of(now)
    row = {"subject_id": subject_id, "offer_id": offer_id, "account": actor, "issued_at": now, "expires_at": expires_at}
    await connection.execute(insert(wallet_credentials), [row | {"key_hash": of_key[0]} for of_key in hashes])
    content = {"offer": offer_id, "count": len(holders), "expires": expires_at.isoformat()}
    await audit.record(connection, at=now, actor=actor, action=ACTION, content=content, subject_id=subject_id)
    made = (make_credential(keys, issuer=issuer, offer=offer, holder=holder, now=now) for holder in holders)
    return Batch(tuple(made), expires_at)


def key_hashes(keys: Keys, holder: PublicKey) -> tuple[bytes, ...]:
    """What a holder's key is kept by, under each key of ours there is, the active one first."""
    return keyed_hashes(keys, "pseudonym", b"wallet-key:" + b64decode(holder.kid))


_USED = and_(
    verifications.c.subject_id == wallet_credentials.c.subject_id,
    verifications.c.code_id == wallet_credentials.c.key_hash,
)


async def find_issued(connection: AsyncConnection, keys: Keys, holder: PublicKey) -> Row[Any] | None:
    """The row of `wallet_credentials` for a holder's key, with `ended_at` of the account it was issued through and
    `used_at`, when it decided; None where we issued nothing to the key, or too long ago."""
    found = await connection.execute(
        select(wallet_credentials, accounts.c.ended_at, verifications.c.at.label("used_at"))
        .join(accounts, accounts.c.id == wallet_credentials.c.account)
        .outerjoin(verifications, _USED)
        .where(wallet_credentials.c.key_hash.in_(key_hashes(keys, holder)))
    )
    return found.first()


@dataclass(frozen=True, slots=True)
class Issued:
    """What was handed out at one time for one offer, in numbers."""

    offer_id: int
    issued_at: datetime
    expires_at: datetime
    count: int
    used: int


async def issued_to(connection: AsyncConnection, subject_id: int) -> list[Issued]:
    """What was issued to a subject and is not long expired, newest first."""
    batch = (wallet_credentials.c.offer_id, wallet_credentials.c.issued_at, wallet_credentials.c.expires_at)
    rows = await connection.execute(
        select(*batch, func.count().label("count"), func.count(verifications.c.id).label("used"))
        .select_from(wallet_credentials)
        .outerjoin(verifications, _USED)
        .where(wallet_credentials.c.subject_id == subject_id)
        .group_by(*batch)
        .order_by(wallet_credentials.c.issued_at.desc(), wallet_credentials.c.offer_id)
    )
    return [Issued(row.offer_id, row.issued_at, row.expires_at, row._mapping["count"], row.used) for row in rows]
