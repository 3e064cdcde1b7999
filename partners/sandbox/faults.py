"""Codes for the sandbox, with a fault on demand. One thing to know: a fault hangs on one code, so that a partner has it
when it asks for it and nobody else does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from uuid import uuid4

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import ExpectedError
from core.integrity import keys_of
from core.keys import Keys, b64decode, b64encode
from partners.codes import LIFETIME, issue_code, open_code
from partners.eligibility import Outcome
from partners.sandbox.personas import Persona, persona_of, subject_of
from partners.sandbox.synthetic import Role, offer_id
from partners.sandbox.tables import sandbox_faults
from partners.tables import verifications

SLOW_SECONDS = 6
"""How long a slow answer takes: longer than the five seconds at which careless programs give up."""


class Fault(StrEnum):
    """What goes wrong with a code."""

    NONE = "NONE"
    EXPIRED = "EXPIRED"
    REPLAYED = "REPLAYED"
    FORGED = "FORGED"
    OTHER_OFFER = "OTHER_OFFER"
    UNAVAILABLE = "UNAVAILABLE"
    SLOW = "SLOW"
    QUOTA_EXHAUSTED = "QUOTA_EXHAUSTED"


TIMES = {Fault.UNAVAILABLE: 1, Fault.SLOW: 1, Fault.QUOTA_EXHAUSTED: 1_000}
"""How often these happen to a code; the others are in the code itself."""


class NotInSandbox(ExpectedError):
    """The partner has not been let into the sandbox, or this is not the sandbox."""

    code = "NOT_IN_SANDBOX"


@dataclass(frozen=True, slots=True)
class SandboxCode:
    """A code to scan, and at which offer it does what was asked for."""

    token: str
    expires_at: datetime
    offer_id: int


@dataclass(frozen=True, slots=True)
class Scanned:
    """What the sandbox knows of a code that a partner scans."""

    key: str
    persona: Persona | None
    fault: Fault


async def sandbox_code(
    connection: AsyncConnection, *, partner_id: int, persona: Persona, fault: Fault, now: datetime
) -> SandboxCode:
    """A code of one of the partner's synthetic people.

    Raises:
        NotInSandbox: the partner was never admitted.
    """
    subject_id = await subject_of(connection, partner_id=partner_id, persona=persona)
    if subject_id is None:
        raise NotInSandbox("沙箱里还没有贵单位。请先登记一把用途为 SANDBOX 的公钥,一分钟内即可使用。")
    shown_at = Role.EXHAUSTED if fault is Fault.QUOTA_EXHAUSTED else persona.shown_at
    issued = now - LIFETIME - timedelta(seconds=1) if fault is Fault.EXPIRED else now
    bound = offer_id(partner_id, Role.CLOSES_SOON) if fault is Fault.OTHER_OFFER else None
    code, token = issue_code(keys_of(connection), subject_id=subject_id, offer_id=bound, now=issued)
    if fault is Fault.FORGED:
        token = _forged(token)
    if fault is Fault.REPLAYED:
        await _burn(connection, code.id, subject_id, partner_id, now)
    key = _token_key(token) if fault is Fault.FORGED else code.id
    row = {"code_id": key, "partner_id": partner_id, "fault": fault.value, "times_left": TIMES.get(fault, 0)}
    await connection.execute(insert(sandbox_faults).values(**row, made_at=now))
    return SandboxCode(token, code.expires_at, offer_id(partner_id, shown_at))


async def scanned(connection: AsyncConnection, keys: Keys, *, partner_id: int, token: str) -> tuple[Scanned, bool]:
    """What a scanned code is, and whether its fault happens now, which counts as once."""
    code = open_code(keys, token)
    key = code.id if code else _token_key(token)
    mine = (sandbox_faults.c.code_id == key, sandbox_faults.c.partner_id == partner_id)
    row = (await connection.execute(select(sandbox_faults).where(*mine).with_for_update())).one_or_none()
    persona = await persona_of(connection, partner_id=partner_id, subject_id=code.subject_id) if code else None
    found = Scanned(key.hex()[:16], persona, Fault(row.fault) if row else Fault.NONE)
    if row is None or row.times_left == 0:
        return found, False
    await connection.execute(update(sandbox_faults).where(*mine).values(times_left=row.times_left - 1))
    return found, True


async def forget_codes(connection: AsyncConnection, *, partner_id: int) -> None:
    """Forget what was wrong with codes asked for so far; they live a minute."""
    await connection.execute(delete(sandbox_faults).where(sandbox_faults.c.partner_id == partner_id))


async def _burn(connection: AsyncConnection, code_id: bytes, subject_id: int, partner_id: int, now: datetime) -> None:
    """Let a code have decided already, a second ago."""
    used = {"code_id": code_id, "partner_id": partner_id, "offer_id": offer_id(partner_id, Role.MAIN)}
    await connection.execute(
        insert(verifications).values(
            subject_id=subject_id,
            id=uuid4(),
            **used,
            offer_version=1,
            outcome=Outcome.STANDARD_SERVICE.value,
            at=now - timedelta(seconds=1),
            expires_at=now - timedelta(seconds=1),
            reserved=False,
        )
    )


def _forged(token: str) -> str:
    raw = bytearray(b64decode(token))
    raw[-1] ^= 1
    return b64encode(bytes(raw))


def _token_key(token: str) -> bytes:
    return sha256(token.encode()).digest()[:16]
