"""Who lives in the sandbox: for each partner one synthetic person for each thing that can be so. One thing to know:
nobody is real, names say «测试», and numbers are computed.

Their sequence codes from 900 on are not given out in practice, and their organisation codes begin with XB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from stdnum.cn import uscc

from core.clock import day_of
from core.identifiers import check_digit_of
from core.integrity import keys_of, sealed
from partners.eligibility import Outcome
from partners.sandbox.synthetic import CONSENT_PURPOSE, CONSENT_VERSION, NOTICE, PLACE, Role, offer_id
from partners.sandbox.tables import sandbox_personas
from partners.tables import redemptions, verifications
from scoring.subjects import SubjectKind, subject_row
from scoring.tables import consents, credit_records, enrollments, facts, scores, subjects


class Persona(StrEnum):
    """Whom a partner can have stand before it. Each but the first and the last gets the standard service, and the
    partner cannot tell one from another."""

    BENEFIT = "BENEFIT"
    STANDARD = "STANDARD"
    NOT_ENROLLED = "NOT_ENROLLED"
    MINOR = "MINOR"
    NO_CONSENT = "NO_CONSENT"
    DATA_FAULT = "DATA_FAULT"
    LIMIT_REACHED = "LIMIT_REACHED"
    ENTERPRISE = "ENTERPRISE"

    @property
    def shown_at(self) -> Role:
        """The offer at which it is what its name says."""
        return {Persona.LIMIT_REACHED: Role.LIMITED, Persona.ENTERPRISE: Role.ENTERPRISE}.get(self, Role.MAIN)


STANDARD = tuple(persona for persona in Persona if persona not in (Persona.BENEFIT, Persona.ENTERPRISE))
"""Those who get the standard service."""


@dataclass(frozen=True, slots=True)
class _Life:
    name: str
    years: int = 35
    enrolled: bool = True
    honoured: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)


_LIVES = {
    Persona.BENEFIT: _Life("测试甲"),
    Persona.STANDARD: _Life("测试乙", honoured=False),
    Persona.NOT_ENROLLED: _Life("测试丙", enrolled=False),
    Persona.MINOR: _Life("测试丁", years=10),
    Persona.NO_CONSENT: _Life("测试戊"),
    Persona.DATA_FAULT: _Life("测试己", facts={"volunteer_hours": "测试用的坏数据"}),
    Persona.LIMIT_REACHED: _Life("测试庚"),
    Persona.ENTERPRISE: _Life(
        "测试企业(沙箱)有限公司",
        honoured=False,
        facts={"public": "96.00", "industries": [{"industry": "retail", "score": "97.5", "weight": "1"}]},
    ),
}


async def add_personas(connection: AsyncConnection, *, partner_id: int, now: datetime) -> None:
    """Let a partner's synthetic people move in."""
    for number, (persona, life) in enumerate(_LIVES.items()):
        is_person = persona is not Persona.ENTERPRISE
        row = subject_row(
            keys_of(connection),
            kind=SubjectKind.PERSON if is_person else SubjectKind.ENTERPRISE,
            place=PLACE,
            name=life.name,
            number=_resident_id(partner_id, number, life, now) if is_person else make_uscc("E", partner_id),
        )
        subject_id = int((await connection.execute(insert(subjects).values(row).returning(subjects.c.id))).scalar_one())
        named = {"partner_id": partner_id, "persona": persona.value, "subject_id": subject_id}
        await connection.execute(insert(sandbox_personas).values(named))
        await _live(connection, subject_id, life, now)
        if persona is Persona.NO_CONSENT:
            await _revoke_consent(connection, subject_id, partner_id, now)
        if persona is Persona.LIMIT_REACHED:
            await _use_up(connection, subject_id, partner_id, now)


async def _live(connection: AsyncConnection, subject_id: int, life: _Life, now: datetime) -> None:
    if life.enrolled:
        enrolled = {"subject_id": subject_id, "enrolled_at": now - timedelta(days=30), "notice_version": NOTICE}
        await connection.execute(insert(enrollments).values(enrolled))
    if life.honoured:
        # Fresh enough to count also for a partner that has moved its clock as far as it goes.
        honour = {"item": "rescue-honour", "occurred_on": day_of(now - timedelta(days=1)), "source": "沙箱"}
        values = {"subject_id": subject_id, "id": "sandbox", **honour}
        await connection.execute(insert(credit_records).values(sealed(connection, credit_records, values)))
    for name, value in life.facts.items():
        values = {"subject_id": subject_id, "name": name, "value": value, "observed_on": day_of(now)}
        await connection.execute(insert(facts).values(sealed(connection, facts, values)))


async def _revoke_consent(connection: AsyncConnection, subject_id: int, partner_id: int, now: datetime) -> None:
    values = {
        "subject_id": subject_id,
        "id": uuid5(NAMESPACE_URL, f"xinyi-sandbox:{partner_id}:consent"),
        "state": "REVOKED",
        "purpose": CONSENT_PURPOSE,
        "purpose_version": CONSENT_VERSION,
        "partner_id": partner_id,
        "recipient": "沙箱中的贵单位",
        "offer_id": None,
        "scope": [],
        "frequency": "per-use",
        "requested_at": now - timedelta(days=20),
        "requested_by": "sandbox",
        # Beyond a year only here: it has to stay withheld however far the partner moves its clock.
        "ends_on": day_of(now + timedelta(days=10_000)),
        "erase_by": day_of(now + timedelta(days=10_000)),
        "used_at": None,
    }
    await connection.execute(insert(consents).values(sealed(connection, consents, values)))


async def _use_up(connection: AsyncConnection, subject_id: int, partner_id: int, now: datetime) -> None:
    """Use the offer with a limit of one for each person."""
    offer, at = offer_id(partner_id, Role.LIMITED), now - timedelta(days=1)
    verification = standing_use(partner_id)
    used = {"code_id": verification.bytes, "partner_id": partner_id, "offer_id": offer, "offer_version": 1}
    await connection.execute(
        insert(verifications).values(
            subject_id=subject_id,
            id=verification,
            **used,
            outcome=Outcome.BENEFIT_APPLIES.value,
            at=at,
            expires_at=at + timedelta(minutes=10),
            reserved=False,
        )
    )
    redeemed = {"subject_id": subject_id, "id": uuid5(verification, "redemption"), "verification_id": verification}
    await connection.execute(insert(redemptions).values(**redeemed, partner_id=partner_id, took_quota=False, at=at))


def standing_use(partner_id: int) -> UUID:
    """The id of the verification by which `LIMIT_REACHED` has had its share, as long as the sandbox stands."""
    return uuid5(NAMESPACE_URL, f"xinyi-sandbox:{partner_id}:verification")


async def subject_of(connection: AsyncConnection, *, partner_id: int, persona: Persona) -> int | None:
    """The subject that plays a persona for a partner; None where the partner was never admitted."""
    mine = (sandbox_personas.c.partner_id == partner_id, sandbox_personas.c.persona == persona.value)
    found = await connection.scalar(select(sandbox_personas.c.subject_id).where(*mine))
    return None if found is None else int(found)


async def persona_of(connection: AsyncConnection, *, partner_id: int, subject_id: int) -> Persona | None:
    """Which of a partner's personas a subject plays."""
    mine = (sandbox_personas.c.partner_id == partner_id, sandbox_personas.c.subject_id == subject_id)
    found = await connection.scalar(select(sandbox_personas.c.persona).where(*mine))
    return None if found is None else Persona(found)


async def scores_forgotten(connection: AsyncConnection, *, partner_id: int) -> None:
    """Forget the scores of a partner's personas: the next question makes them afresh."""
    mine = select(sandbox_personas.c.subject_id).where(sandbox_personas.c.partner_id == partner_id)
    await connection.execute(delete(scores).where(scores.c.subject_id.in_(mine)))


def _resident_id(partner_id: int, number: int, life: _Life, now: datetime) -> str:
    """A number of its own for each persona of each of the first 81,000 partners."""
    days, block = partner_id % 3000, partner_id // 3000 % 9
    born = date(now.year - life.years, 1, 1) - timedelta(days=days) if life.years >= 18 else _young(life, days, now)
    front = f"430502{born:%Y%m%d}{900 + 10 * block + number}"
    return front + check_digit_of(front)


def _young(life: _Life, days: int, now: datetime) -> date:
    # However far the clock is moved: still a minor.
    return date(now.year - life.years, 1, 1) - timedelta(days=days % 1800)


def make_uscc(letter: str, number: int) -> str:
    """A computed USCC (GB 32100) around an organisation code that is given to nobody."""
    body = f"XB{letter}{number % 100_000:05d}"
    weights = (3, 7, 9, 10, 5, 8, 4, 2)
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    rest = 11 - sum(alphabet.index(sign) * weight for sign, weight in zip(body, weights, strict=True)) % 11
    front = f"91430502{body}{'X' if rest == 10 else rest % 11}"
    return front + uscc.calc_check_digit(front)
