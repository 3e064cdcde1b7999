"""A wallet answers a partner's request. One thing to know: a credential that holds is decided about exactly like a code
(`partners.verification`), at this moment and anew, so what changed since it was issued counts, and in the same shape.

What is wrong with a presentation itself is told to the wallet, is no answer to the partner, and never depends on who
shows it. A genuine credential is on its subject's log whatever came of it; what is none of ours, on the security log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.database import begun
from core.errors import BadInput, ExpectedError, Forbidden, Unauthenticated
from core.identifiers import new_id
from partners.access import VERIFICATION_PURPOSE, note_request
from partners.answers import Problem
from partners.catalogue import Catalogue
from partners.codes import CreditCode
from partners.decisions import Scan, Verification, Verifier
from partners.tables import security_events
from partners.verification import MOST_OFFERS, verify_credit_code
from partners.wallet.credentials import (
    BENEFIT,
    Credential,
    CredentialInvalid,
    check_current,
    check_proof,
    read_credential,
)
from partners.wallet.issuing import find_issued
from partners.wallet.requests import ANSWERING, PresentationRequest, State, client_id, find_request
from partners.wallet.tables import presentation_requests

MOST_REFUSALS = 10
"""Presentations of genuine credentials to one request that were no answer; those beyond are not even looked at. What
is none of ours is not counted, or whoever photographs the QR code could end the request; the limit by address holds."""


class PresentationEnded(ExpectedError):
    """There is no such request, or nobody waits for its answer any more."""

    code = "PRESENTATION_ENDED"


class CredentialOtherOffer(ExpectedError):
    """The credential is for another offer than the one asked for."""

    code = "CREDENTIAL_OTHER_OFFER"


class CredentialReplayed(ExpectedError):
    """The credential has decided before."""

    code = "CREDENTIAL_REPLAYED"


async def answer_presentation(
    connection: AsyncConnection,
    *,
    request_id: UUID,
    presentation: str,
    catalogue: Catalogue,
    refresh: Callable[[AsyncConnection], Awaitable[Catalogue]],
    lineage: Callable[[str], tuple[str, ...]],
    verifier: Verifier,
    now: datetime,
    most_offers: int = MOST_OFFERS,
) -> Verification | Problem:
    """Answer a request with an SD-JWT and the proof of its key, on a connection of `Database.statements`.

    The same credential shown again to the same request gets the same answer. A Problem of this module leaves the
    request open.

    Raises:
        PresentationEnded: there is nothing to answer.
        Conflict: another was quicker; run it again.
    """
    asked = await find_request(connection, request_id)
    if asked is None or asked.state(now) is State.EXPIRED or asked.refusals >= MOST_REFUSALS:
        raise PresentationEnded("这次出示请求不存在、已过期或尝试次数过多。请扫描对方最新的二维码。")
    credential: Credential | None = None
    issued: Row[Any] | None = None
    try:
        credential = read_credential(verifier.keys, presentation)
        issued = await find_issued(connection, verifier.keys, credential.holder)
        code = _check(asked, credential, issued, verifier=verifier, now=now)
    except ExpectedError as problem:
        subject_id, is_genuine = issued.subject_id if issued else None, credential is not None
        return await _refuse(connection, asked, problem, subject_id=subject_id, is_genuine=is_genuine, now=now)
    scan = Scan(str(asked.id), code.id.hex(), asked.offer_id, asked.clerk, asked.site)
    try:
        return await verify_credit_code(
            connection,
            account=asked.account,
            scan=scan,
            code=code,
            catalogue=catalogue,
            refresh=refresh,
            lineage=lineage,
            verifier=verifier,
            now=now,
            most_offers=most_offers,
            mutation=ANSWERING,
        )
    except (Unauthenticated, Forbidden, BadInput):
        # The account it was asked through has ended since, or a label has.
        raise PresentationEnded("发出请求的一方已不能核验。请扫描对方最新的二维码。") from None


def _check(
    asked: PresentationRequest, credential: Credential, issued: Row[Any] | None, *, verifier: Verifier, now: datetime
) -> CreditCode:
    """The credential as a code that decides once, if it may be shown to this request.

    Raises:
        CredentialInvalid, CredentialExpired, CredentialOtherOffer, KeyNotProved, CredentialReplayed: it may not.
    """
    check_current(credential, now=now)
    if issued is None or (issued.ended_at is not None and issued.ended_at <= now):
        raise CredentialInvalid("这份凭证已作废。请领取新的凭证后重新出示。")
    disclosed = credential.disclosed.get(BENEFIT)
    if disclosed is None:
        raise CredentialInvalid(f"没有披露 {BENEFIT} 一项。请同意披露后重新出示。")
    if disclosed["offer"] != verifier.offer_public_id(asked.offer_id):
        raise CredentialOtherOffer("这份凭证用于另一项优惠。请出示对方所请求的那一项优惠的凭证。")
    audience = client_id(verifier.issuer)
    check_proof(credential, nonce=asked.nonce, audience=audience, now=now, since=asked.created_at)
    if issued.used_at is not None and asked.answer is None:
        raise CredentialReplayed("这份凭证已出示过一次。请出示同一批中的另一份,或领取新的凭证。")
    return CreditCode(issued.key_hash, issued.subject_id, credential.expires_at, issued.offer_id)


async def _refuse(
    connection: AsyncConnection,
    asked: PresentationRequest,
    problem: ExpectedError,
    *,
    subject_id: int | None,
    is_genuine: bool,
    now: datetime,
) -> Problem:
    """Write a refusal down; of a credential of ours, together with its count."""
    mine = presentation_requests.c.id == asked.id
    about = {"offer": asked.offer_id, "problem": problem.code}
    async with begun(connection):
        if is_genuine:
            counted = update(presentation_requests).where(mine).values(refusals=presentation_requests.c.refusals + 1)
            await connection.execute(counted)
        if subject_id is None:
            event = {"id": new_id(), "at": now, "kind": problem.code, "partner_id": asked.partner_id}
            await connection.execute(insert(security_events).values(event | {"detail": {"offer": asked.offer_id}}))
        else:
            await note_request(
                connection,
                subject_id=subject_id,
                partner_id=asked.partner_id,
                offer_id=asked.offer_id,
                action=ANSWERING,
                purpose=VERIFICATION_PURPOSE,
                problem=problem.code,
                now=now,
            )
            await audit.record(
                connection, at=now, actor=asked.account, action=ANSWERING, content=about, subject_id=subject_id
            )
    return Problem(problem.code, problem.message)
