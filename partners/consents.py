"""A partner asks somebody who stands before it for a consent. One thing to know: it has to show a fresh credit code of
that person, and is answered alike about everybody there is, so nobody can be asked about who is not there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from core.errors import ExpectedError
from core.identifiers import new_id
from core.keys import Keys
from core.sealing import keyed_hash
from partners.access import note_request
from partners.answers import Problem
from partners.catalogue import Catalogue
from partners.codes import LIFETIME, CreditCode
from partners.tables import security_events, verifications
from partners.verification import check_code, check_offer
from scoring.consent.consents import request_consent
from scoring.consent.terms import Terms, check_terms
from scoring.tables import subjects

ACTION = "requestConsent"


async def ask_for_consent(
    connection: AsyncConnection,
    *,
    account: str,
    code: CreditCode | None,
    terms: Terms,
    catalogue: Catalogue,
    keys: Keys,
    now: datetime,
) -> Row[Any] | Problem:
    """Lay a partner's request before the holder of a code, in a transaction; the consent's row, or what the partner is
    told instead. The code stays good for one verification; the same code and terms again change nothing.

    Order: the terms → the code → the offer, as for a scan. What can be attributed is on the holder's access log.

    Raises:
        BadTerms: nobody may ask for that.
        BadInput: the code was used for other terms.
    """
    check_terms(terms, on=day_of(now))
    partner_id = terms.partner_id or 0
    owner = None if code is None else await _owner(connection, code)
    try:
        code = check_code(code if owner is not None else None, owner, offer_id=terms.offer_id, now=now)
        if terms.offer_id is not None:
            check_offer(catalogue.offers.get(terms.offer_id), on=catalogue.on, partner_id=partner_id)
    except ExpectedError as problem:
        if code is None or owner is None:
            event = {"id": new_id(), "at": now, "kind": problem.code, "partner_id": partner_id, "detail": {}}
            await connection.execute(insert(security_events).values(event | {"detail": {"action": ACTION}}))
        else:
            await _note(connection, code, terms, now=now, problem=problem.code)
        return Problem(problem.code, problem.message)
    row = await request_consent(
        connection,
        consent_id=_consent_id(keys, code, terms),
        subject_id=code.subject_id,
        terms=terms,
        actor=account,
        now=now,
    )
    await _note(connection, code, terms, now=now)
    return row


async def _owner(connection: AsyncConnection, code: CreditCode) -> Any:
    used = and_(verifications.c.subject_id == subjects.c.id, verifications.c.code_id == code.id)
    found = select(subjects.c.kind, verifications.c.at.label("used_at")).outerjoin(verifications, used)
    return (await connection.execute(found.where(subjects.c.id == code.subject_id))).one_or_none()


async def _note(
    connection: AsyncConnection, code: CreditCode, terms: Terms, *, now: datetime, problem: str | None = None
) -> None:
    await note_request(
        connection,
        subject_id=code.subject_id,
        partner_id=terms.partner_id or 0,
        offer_id=terms.offer_id,
        action=ACTION,
        purpose=terms.purpose.id,
        now=now,
        problem=problem,
    )


def _consent_id(keys: Keys, code: CreditCode, terms: Terms) -> UUID:
    """The id that a request made with this code has: one for each purpose and offer, so that a code is good for no
    more. A UUIDv7 of the minute, so that requests lie in order; what follows the time nobody can guess."""
    message = b"consent" + code.id + f"{terms.partner_id}:{terms.purpose.id}:{terms.offer_id}".encode()
    milliseconds = int((code.expires_at - LIFETIME).timestamp() * 1000)
    random = int.from_bytes(keyed_hash(keys, "pseudonym", message)[:10], "big")
    number = milliseconds << 80 | random
    return UUID(int=number & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)
