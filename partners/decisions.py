"""Writing down what was answered to a scan. One thing to know: the answer, the subject's access log, the audit row and
the recorded answer are one statement, so there is never one of them without the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.database import announce
from core.errors import ExpectedError
from core.identifiers import new_id
from core.keys import Keys
from core.news import of_subject
from core.statements import PreparedInserts
from partners.answers import Problem, Request, RequestConflict, answer_row
from partners.catalogue import Offer
from partners.codes import CreditCode
from partners.eligibility import Outcome, WhyNot, outcome_of
from partners.quotas import Hold
from partners.receipts import sign_receipt
from partners.tables import access_events, answers, security_events, verifications

RESERVATION = timedelta(minutes=10)
"""How long a verified benefit is kept for its holder."""

_DECISION = PreparedInserts(verifications, access_events, audit.audit_entries, answers)
_DECISION_WITH_ALARM = PreparedInserts(verifications, access_events, audit.audit_entries, security_events, answers)
_REFUSAL = PreparedInserts(access_events, audit.audit_entries, answers)
_UNATTRIBUTED = PreparedInserts(security_events, answers)
# A conflict is logged like any refusal, but its request id holds another answer.
_CONFLICT = PreparedInserts(access_events, audit.audit_entries)
_UNATTRIBUTED_CONFLICT = PreparedInserts(security_events)


@dataclass(frozen=True, slots=True)
class Scan:
    """What a partner sends."""

    request_id: str
    code: str
    offer_id: int
    clerk: str | None = None
    site: str | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """The answer. `benefit` is None with `STANDARD_SERVICE`, and nothing else differs."""

    id: UUID
    outcome: Outcome
    benefit: str | None
    receipt: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Verifier:
    """What answering takes besides the database: keys, issuer, and how public ids are written."""

    keys: Keys
    issuer: str
    partner_public_id: Callable[[int], str]
    offer_public_id: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Asked:
    """One scan being answered."""

    account: str
    request: Request
    scan: Scan
    now: datetime


def stored_answer(stored: dict[str, Any]) -> Verification | Problem:
    """A recorded answer as it was given."""
    if "code" in stored:
        return Problem(**stored)
    return Verification(
        id=UUID(stored["id"]),
        outcome=Outcome(stored["outcome"]),
        benefit=stored["benefit"],
        receipt=stored["receipt"],
        expires_at=datetime.fromisoformat(stored["expires_at"]),
    )


async def write_decision(
    connection: AsyncConnection,
    asked: Asked,
    reasons: tuple[WhyNot, ...],
    *,
    code: CreditCode,
    offer: Offer,
    verifier: Verifier,
    holds: Sequence[Hold] = (),
    fault: Exception | None = None,
) -> Verification:
    """Write what was decided: the same rows, the same signature, the same shape, whichever way it went.

    `holds` is what was reserved, and is kept where the benefit applies. A `fault` in the person's data raises an alarm
    for those who look after the data, with the decision or not at all.
    """
    outcome, verification_id, now = outcome_of(reasons), uuid4(), asked.now
    content = {
        "verification": str(verification_id),
        "offer": offer.id,
        "version": offer.version,
        "outcome": outcome.value,
    }
    entry = await _audit_entry(connection, asked, code, content)
    receipt = sign_receipt(
        verifier.keys,
        issuer=verifier.issuer,
        verification_id=verification_id,
        partner=verifier.partner_public_id(offer.partner.id),
        offer=verifier.offer_public_id(offer.id),
        offer_version=offer.version,
        outcome=outcome.value,
        subject_id=code.subject_id,
        leaf=entry["leaf"],
        at=now,
    )
    applies = outcome is Outcome.BENEFIT_APPLIES
    benefit = offer.terms.benefit if applies else None
    expires_at = now + RESERVATION
    decided = {
        "subject_id": code.subject_id,
        "id": verification_id,
        "code_id": code.id,
        "partner_id": asked.request.partner_id,
        "offer_id": offer.id,
        "offer_version": offer.version,
        "outcome": outcome.value,
        "at": now,
        "expires_at": expires_at,
        "reserved": applies and bool(holds),
        "lapsed": False,
        "account": asked.account,
        "site": asked.scan.site,
        "holds": [list(hold) for hold in holds] if applies and holds else None,
        "voided_at": None,
    }
    seen = _access_event(asked, code)
    seen |= {"outcome": outcome.value, "why_not": [reason.value for reason in reasons], "receipt": receipt}
    stored = {
        "id": str(verification_id),
        "outcome": outcome.value,
        "benefit": benefit,
        "receipt": receipt,
        "expires_at": expires_at.isoformat(),
    }
    answered = answer_row(asked.request, stored, now=now)
    if fault is None:
        await _DECISION.run(connection, decided, seen, entry, answered)
    else:
        detail = {"subject": code.subject_id, "fault": str(fault)}
        alarm = {"id": new_id(), "at": now, "kind": "SUBJECT_DATA_FAULT", "partner_id": None, "detail": detail}
        await _DECISION_WITH_ALARM.run(connection, decided, seen, entry, alarm, answered)
    _tell_subject(connection, seen)
    return Verification(verification_id, outcome, benefit, receipt, expires_at)


async def write_refusal(
    connection: AsyncConnection, asked: Asked, problem: ExpectedError, *, owner: CreditCode | None
) -> Problem:
    """Write a refusal: to its subject's access log where the code tells whose it is, else to the security log."""
    answer = Problem(problem.code, problem.message)
    is_conflict = isinstance(problem, RequestConflict)
    stored = {"code": answer.code, "message": answer.message}
    answered = () if is_conflict else (answer_row(asked.request, stored, now=asked.now),)
    if owner is None:
        event = {
            "id": new_id(),
            "at": asked.now,
            "kind": answer.code,
            "partner_id": asked.request.partner_id,
            "detail": {"offer": asked.scan.offer_id},
        }
        await (_UNATTRIBUTED_CONFLICT if is_conflict else _UNATTRIBUTED).run(connection, event, *answered)
        return answer
    content = {"offer": asked.scan.offer_id, "problem": answer.code}
    entry = await _audit_entry(connection, asked, owner, content)
    seen = _access_event(asked, owner) | {"problem": answer.code}
    await (_CONFLICT if is_conflict else _REFUSAL).run(connection, seen, entry, *answered)
    _tell_subject(connection, seen)
    return answer


def _tell_subject(connection: AsyncConnection, seen: dict[str, Any]) -> None:
    announce(connection, of_subject(seen["subject_id"]), f"scan:{seen['id']}")


async def _audit_entry(
    connection: AsyncConnection, asked: Asked, code: CreditCode, content: dict[str, Any]
) -> dict[str, Any]:
    return await audit.new_entry(
        connection,
        at=asked.now,
        actor=asked.account,
        action=asked.request.mutation,
        content=content,
        subject_id=code.subject_id,
    )


def _access_event(asked: Asked, code: CreditCode) -> dict[str, Any]:
    return {
        "subject_id": code.subject_id,
        "id": new_id(),
        "at": asked.now,
        "partner_id": asked.request.partner_id,
        "offer_id": asked.scan.offer_id,
        "outcome": None,
        "problem": None,
        "why_not": [],
        "receipt": None,
        "clerk": asked.scan.clerk,
        "site": asked.scan.site,
        "reader": None,
        "reader_role": None,
        "action": None,
        "purpose": None,
    }
