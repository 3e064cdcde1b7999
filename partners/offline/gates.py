"""Gates: registering them, ending them, and the bundle each fetches once a day. One thing to know: what has ended is
found when a bundle is made, by the decision that a scan would come to now, so no way of losing a benefit is missed.

The list of ended passes holds those that were used, replaced or switched off as well as those whose benefit applies no
more, so that standing on it says nothing of anybody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.errors import BadInput, ExpectedError
from core.identifiers import new_id, public_id
from core.keys import Key, Keys, b64encode
from core.signing import sign
from legal.effects import Effect
from partners.alarms import raise_alarm
from partners.catalogue import Catalogue, Offer
from partners.codes import CreditCode
from partners.decisions import Verifier
from partners.eligibility import why_not
from partners.labels import check_labels
from partners.limits import needs_site
from partners.offline.gate import BUNDLE_SECONDS, ended_hash
from partners.offline.passes import SECONDS_SHOWN, SKEW, is_device_key
from partners.offline.tables import offline_bundles, offline_gates, offline_passes, offline_uses
from partners.orders.overdue import pays_later
from partners.verification import apart_from_limits
from scoring.consent.consents import CONSENT_STATE
from scoring.scores import SCORE_STATE
from scoring.subjects import SUBJECT_STATE
from scoring.tables import consents, enrollments, scores, subjects

GATE = "OfflineGate"
"""Type in a gate's public id."""
MOST_GATES = 1000
LATEST = timedelta(days=7)
"""How late a use may be synced."""
_KEPT = LATEST + timedelta(days=2)
STOLEN_GATE = "STOLEN_GATE"
_AMOUNTS = frozenset({Effect.FEE_REDUCTION, Effect.FEE_WAIVER})
Lineage = Callable[[str], tuple[str, ...]]


class GateUnknown(ExpectedError):
    """No gate of this partner under that id."""

    code = "GATE_UNKNOWN"

    def __init__(self) -> None:
        super().__init__("贵单位没有登记过这台离线设备。请核对 gateId,或先用 registerGate 登记。")


class GateEnded(ExpectedError):
    """The gate was ended, so it gets no bundle."""

    code = "GATE_ENDED"


class GateKeyKnown(ExpectedError):
    """Another gate has the same key."""

    code = "GATE_KEY_KNOWN"


@dataclass(frozen=True, slots=True)
class MadeBundle:
    """What a gate fetches, and until when it may judge by it."""

    text: str
    at: datetime
    expires_at: datetime


def works_offline(offer: Offer) -> bool:
    """Whether an offer can be had where there is no network: nobody else pays an amount that only the counter knows, it
    is not paid later, is no loan, excludes no other offer, and is not limited by site."""
    paid_by_another = offer.terms.payer != "partner" and not _AMOUNTS.isdisjoint(offer.terms.effects)
    return not (
        paid_by_another
        or offer.budget_fen is not None
        or pays_later(offer)
        or offer.kind.code == "loan"
        or offer.exclusive_group
        or needs_site(offer)
    )


def offline_offers(catalogue: Catalogue, partner_id: int) -> tuple[Offer, ...]:
    """A partner's open offers that can be had off line."""
    return tuple(offer for offer in catalogue.open_of(partner_id) if offer.is_granted and works_offline(offer))


async def partners_with_gates(connection: AsyncConnection) -> set[int]:
    """Who has a gate in use: by registering one a partner says that its offers may be had off line."""
    wanted = select(offline_gates.c.partner_id).where(offline_gates.c.ended_at.is_(None)).distinct()
    return set((await connection.scalars(wanted)).all())


async def register_gate(
    connection: AsyncConnection,
    *,
    partner_id: int,
    site: str,
    public_key: bytes,
    catalogue: Catalogue,
    actor: str,
    now: datetime,
) -> Row[Any]:
    """Register a gate by the raw public half of its Ed25519 key.

    Raises:
        BadInput: it is no such key, the site is not registered or names a hospital's department, or there are too many.
        GateKeyKnown: a gate has this key already.
    """
    if not is_device_key(public_key):
        raise BadInput("publicKey 须为 32 字节 Ed25519 公钥的 base64url。请用 xinyi offline key 生成后原样填写。")
    check_labels(catalogue, partner_id, None, site=site, clerk=None)
    live = and_(offline_gates.c.partner_id == partner_id, offline_gates.c.ended_at.is_(None))
    if int(await connection.scalar(select(func.count()).select_from(offline_gates).where(live)) or 0) >= MOST_GATES:
        raise BadInput(f"离线设备最多登记 {MOST_GATES} 台。请先停用不再使用的设备。")
    known = select(offline_gates.c.id).where(offline_gates.c.public_key == public_key)
    if (await connection.execute(known)).first() is not None:
        raise GateKeyKnown("这把公钥已经登记在一台离线设备上(停用的也算)。请为每台设备各生成一把密钥后再登记。")
    gate_id = new_id()
    row = {"id": gate_id, "partner_id": partner_id, "site": site, "public_key": public_key}
    await connection.execute(insert(offline_gates).values(**row, registered_by=actor, registered_at=now))
    content = {"gate": str(gate_id), "partner": partner_id, "site": site, "publicKey": b64encode(public_key)}
    await audit.record(connection, at=now, actor=actor, action="registerGate", content=content)
    return await find_gate(connection, partner_id=partner_id, gate_id=gate_id)


async def find_gate(connection: AsyncConnection, *, partner_id: int, gate_id: UUID, locked: bool = False) -> Row[Any]:
    """A partner's gate, an ended one too.

    Raises:
        GateUnknown: it has none under that id.
    """
    wanted = select(offline_gates).where(offline_gates.c.id == gate_id, offline_gates.c.partner_id == partner_id)
    row = (await connection.execute(wanted.with_for_update() if locked else wanted)).one_or_none()
    if row is None:
        raise GateUnknown
    return row


async def gates_of(connection: AsyncConnection, partner_id: int) -> Sequence[Row[Any]]:
    """A partner's gates, ended ones too, by site and age."""
    mine = select(offline_gates).where(offline_gates.c.partner_id == partner_id)
    return (await connection.execute(mine.order_by(offline_gates.c.site, offline_gates.c.id))).all()


async def end_gate(
    connection: AsyncConnection,
    *,
    partner_id: int,
    gate_id: UUID,
    stolen_since: datetime | None,
    actor: str,
    now: datetime,
) -> Row[Any]:
    """End a gate: it gets no bundle any more, and what it took before still syncs within `LATEST`. Reported stolen,
    nothing counts that it signed from that instant on, and an alarm says what had been synced already. Ending it again
    changes nothing but an earlier instant of the theft.

    Raises:
        BadInput: `stolen_since` has no zone, or lies ahead.
        GateUnknown: it is none of the partner's.
    """
    if stolen_since is not None and (stolen_since.tzinfo is None or stolen_since > now):
        raise BadInput("stolenSince 须带时区,且不晚于现在:写最早可能失窃的时刻。请改正后重试。")
    row = await find_gate(connection, partner_id=partner_id, gate_id=gate_id, locked=True)
    stolen = min((one for one in (row.stolen_since, stolen_since) if one is not None), default=None)
    if row.ended_at is not None and stolen == row.stolen_since:
        return row
    ended = {"ended_at": row.ended_at or now, "ended_by": row.ended_by or actor, "stolen_since": stolen}
    await connection.execute(update(offline_gates).where(offline_gates.c.id == gate_id).values(ended))
    content = {"gate": str(gate_id), "partner": partner_id, "stolenSince": stolen.isoformat() if stolen else None}
    await audit.record(connection, at=now, actor=actor, action="endGate", content=content)
    if stolen is not None:
        counted = and_(offline_uses.c.gate_id == gate_id, offline_uses.c.used_at >= stolen)
        synced = await connection.scalar(
            select(func.count()).select_from(offline_uses).where(counted, offline_uses.c.problem.is_(None))
        )
        detail = {"gate": str(gate_id), "site": row.site, "since": stolen.isoformat(), "synced": int(synced or 0)}
        await raise_alarm(connection, kind=STOLEN_GATE, detail=detail, now=now, partner_id=partner_id)
    return await find_gate(connection, partner_id=partner_id, gate_id=gate_id)


async def make_bundle(
    connection: AsyncConnection,
    *,
    partner_id: int,
    gate_id: UUID,
    catalogue: Catalogue,
    lineage: Lineage,
    verifier: Verifier,
    now: datetime,
) -> MadeBundle:
    """The bundle of a gate, signed, in a transaction: passes that are good no more are ended with it.

    Raises:
        GateUnknown, GateEnded: it gets none.
    """
    gate = await find_gate(connection, partner_id=partner_id, gate_id=gate_id, locked=True)
    if gate.ended_at is not None:
        raise GateEnded("这台离线设备已停用,不能再取离线包。请登记新的设备。")
    offers = offline_offers(catalogue, partner_id)
    for offer in offers:
        await _end_what_applies_no_more(connection, offer, lineage=lineage, now=now)
    bundle_id = new_id()
    old = and_(offline_bundles.c.gate_id == gate_id, offline_bundles.c.at < now - _KEPT)
    await connection.execute(delete(offline_bundles).where(old))
    await connection.execute(insert(offline_bundles).values(gate_id=gate_id, id=bundle_id, at=now))
    ended = select(offline_passes.c.id).where(
        offline_passes.c.partner_id == partner_id,
        offline_passes.c.expires_at > now - timedelta(seconds=SKEW),
        offline_passes.c.ended_at.is_not(None),
    )
    made_at = int(now.timestamp())
    claims = {
        "iss": verifier.issuer,
        "iat": made_at,
        "exp": made_at + BUNDLE_SECONDS,
        "jti": str(bundle_id),
        "partner": verifier.partner_public_id(partner_id),
        "gate": public_id(GATE, gate_id),
        "site": gate.site,
        "keys": [_told_key(verifier.keys, key) for key in verifier.keys.of("offline")],
        "offers": [
            {
                "number": offer.id,
                "id": verifier.offer_public_id(offer.id),
                "title": offer.terms.title,
                "benefit": offer.terms.benefit,
                "standardService": offer.terms.standard_service,
            }
            for offer in offers
        ],
        # In an order that tells nothing of when each was issued or ended.
        "ended": sorted(b64encode(ended_hash(one.bytes)) for one in await connection.scalars(ended)),
        "rules": {"secondsShown": SECONDS_SHOWN, "skewSeconds": SKEW, "latestSeconds": int(LATEST.total_seconds())},
    }
    text = sign(verifier.keys, "offline", claims)
    return MadeBundle(text, now, datetime.fromtimestamp(claims["exp"], UTC))


def _told_key(keys: Keys, key: Key) -> dict[str, Any]:
    """A key with the time in which it signed; null where that has no end."""
    until = keys.out_of_use_since(key)
    return {
        "kid": key.kid,
        "x": b64encode(key.public or b""),
        "from": None if key.active_from == float("-inf") else int(key.active_from),
        "until": None if until == float("inf") else int(until),
    }


def persons(offer: Offer) -> Select[Any]:
    """What deciding about an offer looks at, of subjects: to be narrowed to some. A row for each consent."""
    return (
        select(subjects.c.id.label("subject"), *SUBJECT_STATE, enrollments.c.enrolled_at, *SCORE_STATE, *CONSENT_STATE)
        .select_from(subjects)
        .outerjoin(enrollments, and_(enrollments.c.subject_id == subjects.c.id, enrollments.c.left_at.is_(None)))
        .outerjoin(scores, and_(scores.c.subject_id == subjects.c.id, scores.c.model == offer.model.id))
        .outerjoin(consents, and_(consents.c.subject_id == subjects.c.id, consents.c.partner_id == offer.partner.id))
    )


def is_live(now: datetime) -> ColumnElement[bool]:
    """Passes that gates may still take."""
    return and_(offline_passes.c.ended_at.is_(None), offline_passes.c.expires_at > now)


async def _end_what_applies_no_more(
    connection: AsyncConnection, offer: Offer, *, lineage: Lineage, now: datetime
) -> None:
    """End the live passes of an offer whose holders a scan would now give the standard service, limits apart: the pass
    itself is what it counts."""
    live = and_(offline_passes.c.offer_id == offer.id, is_live(now))
    holders = select(offline_passes.c.subject_id).where(offline_passes.c.partner_id == offer.partner.id, live)
    rows: dict[int, list[Any]] = defaultdict(list)
    for row in (await connection.execute(persons(offer).where(subjects.c.id.in_(holders)))).all():
        rows[row.subject].append(row)
    gone = []
    for subject_id, found in rows.items():
        asked = CreditCode(b"", subject_id, now, offer.id)
        stored = found[0] if found[0].model is not None else None
        standing, _ = await apart_from_limits(connection, found, offer, stored, code=asked, lineage=lineage, now=now)
        if why_not(offer, standing):
            gone.append(subject_id)
    if gone:
        which = or_(*(offline_passes.c.subject_id == one for one in gone))
        await connection.execute(update(offline_passes).where(which, live).values(ended_at=now))
