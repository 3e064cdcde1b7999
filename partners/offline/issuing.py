"""A citizen's own side: switching off-line use on for an offer, and taking a pass. One thing to know: a pass is issued
only while a scan would answer that the benefit applies, and it reserves then what a scan would reserve; of each offer a
subject gets one pass a day, which bounds double use from the start.

A pass ends with its day (Asia/Shanghai): limits, opening days and consents, which all go by days, hold for it exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of, start_of
from core.errors import BadInput, ExpectedError
from core.keys import Keys
from partners.catalogue import Offer
from partners.codes import CreditCode
from partners.eligibility import MESSAGES, Outcome, why_not
from partners.limits import buckets_of
from partners.offline.gates import LATEST, Lineage, is_live, partners_with_gates, persons, works_offline
from partners.offline.passes import is_device_key, make_pass
from partners.offline.tables import offline_choices, offline_passes
from partners.quotas import take
from partners.tables import verifications
from partners.verification import standing_towards
from scoring.subjects import lock_subject
from scoring.tables import subjects


class OfflineNotOffered(ExpectedError):
    """The offer cannot be had off line, or not today."""

    code = "OFFLINE_NOT_OFFERED"

    def __init__(self) -> None:
        super().__init__("这项优惠目前不能离线使用:今天不开放、须现场计额,或机构没有离线设备。请联网后出示信用码。")


class OfflineOff(ExpectedError):
    """Its holder has not switched off-line use on for this offer."""

    code = "OFFLINE_OFF"


class OfflineRests(ExpectedError):
    """A pass was used twice; its holder has to look first."""

    code = "OFFLINE_RESTS"


class PassIssuedToday(ExpectedError):
    """There was a pass of this offer today."""

    code = "PASS_ISSUED_TODAY"


class BenefitNotAvailable(ExpectedError):
    """The benefit does not apply to the subject now."""

    code = "BENEFIT_NOT_AVAILABLE"


@dataclass(frozen=True, slots=True)
class Issued:
    """A pass for its holder's phone."""

    text: str
    not_before: datetime
    expires_at: datetime


async def set_offline_use(
    connection: AsyncConnection, *, subject_id: int, offer: Offer | None, on: bool, actor: str, now: datetime
) -> Row[Any]:
    """Switch off-line use of an offer on or off, in a transaction; the choice as it stands. On ends a rest; off ends
    the pass that is out, for gates that fetch a bundle from now on.

    Raises:
        OfflineNotOffered: the offer cannot be had off line, so it cannot be switched on.
    """
    await lock_subject(connection, subject_id)
    if offer is None or (on and not await _is_offered(connection, offer, now=now)):
        raise OfflineNotOffered
    mine = and_(offline_choices.c.subject_id == subject_id, offline_choices.c.offer_id == offer.id)
    row = (await connection.execute(select(offline_choices).where(mine))).one_or_none()
    if row is None:
        await connection.execute(insert(offline_choices).values(subject_id=subject_id, offer_id=offer.id))
    since = (row.on_since if row is not None else None) or now
    chosen = {"on_since": since, "rests_since": None} if on else {"on_since": None}
    await connection.execute(update(offline_choices).where(mine).values(chosen))
    if not on:
        await end_passes(connection, subject_id, offer_id=offer.id, now=now)
    content = {"offer": offer.id, "on": on}
    await audit.record(connection, at=now, actor=actor, action="setOfflineUse", content=content, subject_id=subject_id)
    return (await connection.execute(select(offline_choices).where(mine))).one()


async def choices_of(connection: AsyncConnection, subject_id: int) -> Sequence[Row[Any]]:
    """What a subject has ever switched on, by offer."""
    mine = select(offline_choices).where(offline_choices.c.subject_id == subject_id)
    return (await connection.execute(mine.order_by(offline_choices.c.offer_id))).all()


async def end_passes(
    connection: AsyncConnection, subject_id: int, *, now: datetime, offer_id: int | None = None
) -> None:
    """End the subject's passes that are out, of one offer or of all. What they reserve stays until no gate can have
    taken them any more: gates learn of it when they next fetch a bundle."""
    mine = and_(offline_passes.c.subject_id == subject_id, is_live(now))
    if offer_id is not None:
        mine = and_(mine, offline_passes.c.offer_id == offer_id)
    await connection.execute(update(offline_passes).where(mine).values(ended_at=now))


async def forget_choices(connection: AsyncConnection, subject_id: int, *, now: datetime) -> None:
    """End all off-line use of a subject that leaves or is merged, in the caller's transaction."""
    await end_passes(connection, subject_id, now=now)
    await connection.execute(delete(offline_choices).where(offline_choices.c.subject_id == subject_id))


async def issue_pass(
    connection: AsyncConnection,
    *,
    subject_id: int,
    offer: Offer | None,
    device_key: bytes,
    keys: Keys,
    lineage: Lineage,
    actor: str,
    now: datetime,
) -> Issued:
    """Today's pass of an offer, for the phone with this key, in a transaction. The same phone gets the same pass again.

    Raises:
        BadInput: it is no key.
        OfflineNotOffered, OfflineOff, OfflineRests, PassIssuedToday, BenefitNotAvailable, QuotaExhausted: none is
            given, and nothing is written.
    """
    if not is_device_key(device_key):
        raise BadInput("deviceKey 须为 32 字节 Ed25519 公钥的 base64url。请由手机生成密钥后原样填写。")
    await lock_subject(connection, subject_id)
    if offer is None or not await _is_offered(connection, offer, now=now):
        raise OfflineNotOffered
    await _check_choice(connection, subject_id, offer)
    begun = start_of(day_of(now))
    mine = and_(offline_passes.c.subject_id == subject_id, offline_passes.c.offer_id == offer.id)
    row = (await connection.execute(select(offline_passes).where(mine, offline_passes.c.issued_at >= begun))).first()
    if row is not None:
        return _again(row, device_key=device_key, keys=keys)
    rows = (await connection.execute(persons(offer).where(subjects.c.id == subject_id))).all()
    asked = CreditCode(b"", subject_id, now, offer.id)
    standing, _ = await standing_towards(
        connection, rows, code=asked, offer=offer, rivals=(), site=None, lineage=lineage, now=now
    )
    if reasons := why_not(offer, standing):
        raise BenefitNotAvailable("".join(MESSAGES[reason] for reason in reasons))
    buckets = buckets_of(offer, on=day_of(now), site=None)
    await take(connection, offer_id=offer.id, buckets=buckets, now=now)
    return await _write(
        connection,
        subject_id=subject_id,
        offer=offer,
        holds=[[bucket.name, bucket.units] for bucket in buckets],
        device_key=device_key,
        keys=keys,
        actor=actor,
        now=now,
    )


async def _is_offered(connection: AsyncConnection, offer: Offer, *, now: datetime) -> bool:
    today = offer.is_open(day_of(now)) and offer.is_granted and works_offline(offer)
    return today and offer.partner.id in await partners_with_gates(connection)


async def _check_choice(connection: AsyncConnection, subject_id: int, offer: Offer) -> None:
    mine = and_(offline_choices.c.subject_id == subject_id, offline_choices.c.offer_id == offer.id)
    row = (await connection.execute(select(offline_choices).where(mine))).one_or_none()
    if row is None or row.on_since is None:
        raise OfflineOff("您还没有为这项优惠开启离线使用。请先用 setOfflineUse 开启,再取离线凭证。")
    if row.rests_since is not None:
        raise OfflineRests(
            "这项优惠的一张离线凭证被用了两次,离线使用已暂停。请先查看消息和查询记录;确认后重新开启即可恢复,联网出示信用码不受影响。"
        )


def _again(row: Row[Any], *, device_key: bytes, keys: Keys) -> Issued:
    key = keys.find("offline", row.kid)
    if row.device_key != device_key or row.ended_at is not None or key is None:
        raise PassIssuedToday(
            "这项优惠今天已经签发过离线凭证(每天一张,用过、关闭或在另一台手机上也算)。请明天再取,或联网出示信用码。"
        )
    return _made(row.id, key, row.offer_id, device_key, row.issued_at, row.expires_at)


def _made(  # noqa: PLR0917  # what stands in a pass, in its order
    pass_id: UUID, key: Any, offer_id: int, device_key: bytes, issued_at: datetime, expires_at: datetime
) -> Issued:
    text = make_pass(
        key,
        pass_id=pass_id.bytes,
        offer_id=offer_id,
        not_before=int(issued_at.timestamp()),
        expires_at=int(expires_at.timestamp()),
        device_key=device_key,
    )
    return Issued(text, issued_at, expires_at)


async def _write(
    connection: AsyncConnection,
    *,
    subject_id: int,
    offer: Offer,
    holds: list[list[Any]],
    device_key: bytes,
    keys: Keys,
    actor: str,
    now: datetime,
) -> Issued:
    pass_id, verification_id, key = uuid4(), uuid4(), keys.active("offline")
    expires_at = start_of(day_of(now) + timedelta(days=1)).astimezone(UTC)
    await connection.execute(
        insert(verifications).values(
            subject_id=subject_id,
            id=verification_id,
            code_id=pass_id.bytes,
            partner_id=offer.partner.id,
            offer_id=offer.id,
            offer_version=offer.version,
            outcome=Outcome.BENEFIT_APPLIES.value,
            at=now,
            # A gate may have taken it until the last moment, and sync as late as it may.
            expires_at=expires_at + LATEST + timedelta(minutes=10),
            reserved=bool(holds),
            holds=holds or None,
        )
    )
    kept = {"subject_id": subject_id, "id": pass_id, "verification_id": verification_id, "kid": key.kid}
    kept |= {"partner_id": offer.partner.id, "offer_id": offer.id, "device_key": device_key}
    await connection.execute(insert(offline_passes).values(**kept, issued_at=now, expires_at=expires_at))
    content = {"offer": offer.id, "verification": str(verification_id)}
    await audit.record(
        connection, at=now, actor=actor, action="issueOfflinePass", content=content, subject_id=subject_id
    )
    return _made(pass_id, key, offer.id, device_key, now, expires_at)
