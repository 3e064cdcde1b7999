"""What came of a verified benefit, as the partner reports it. One thing to know: it is about the benefit, never about
the person, so it is a code of a closed list, and it changes nobody's score.

《关于进一步加快推进社会信用体系建设的实施方案》大委办发〔2019〕8号 二(四)9 asks that what comes of incentives be fed
back. A report is taken for a genuine receipt of the partner's own alone; a later one corrects the earlier by a new
number, and both stay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.errors import ExpectedError
from core.keys import Keys
from core.signing import SignatureInvalid
from partners.answers import Problem, Request, answer_once, body_hashes
from partners.eligibility import Outcome
from partners.receipts import check_receipt
from partners.tables import outcome_reports, verifications

MUTATION = "reportOutcome"


class OutcomeCode(StrEnum):
    """What came of a benefit: how it was used and how the service went; nothing about the person."""

    USED = "USED"
    PARTLY_USED = "PARTLY_USED"
    NOT_USED = "NOT_USED"
    SERVICE_PROBLEM = "SERVICE_PROBLEM"
    GIVEN_BACK = "GIVEN_BACK"


class ReceiptUnknown(ExpectedError):
    """No genuine receipt of this partner."""

    code = "RECEIPT_UNKNOWN"


class NothingToReport(ExpectedError):
    """The receipt says that the standard service was given."""

    code = "NOTHING_TO_REPORT"


@dataclass(frozen=True, slots=True)
class Report:
    """What is reported; `satisfaction` from 1 to 5, as the customer said it of the service."""

    outcome: OutcomeCode
    satisfaction: int | None
    note: str | None


class Reported(NamedTuple):
    """A report as it was taken; a higher number corrects the lower ones of the same verification."""

    verification_id: UUID
    number: int
    at: datetime


async def report_outcome(
    connection: AsyncConnection,
    *,
    account: str,
    partner_id: int,
    partner_public_id: str,
    request_id: str,
    receipt: str | None,
    verification_id: UUID | None,
    report: Report,
    keys: Keys,
    now: datetime,
) -> Reported | Problem:
    """Take a report about a receipt, or a verification, of this partner's; one of the two is given. In a transaction.

    The same request again gets the recorded answer.

    Raises:
        RequestConflict: the request id was used for another body. Nothing is written.
        Conflict: another request was quicker; run it again.
    """
    body = {"receipt": receipt, "verification": str(verification_id or ""), "report": asdict(report)}
    request = Request(partner_id, MUTATION, request_id, body_hashes(keys, body))

    async def act() -> Mapping[str, Any]:
        found = verification_id if receipt is None else _verification_of(keys, receipt, partner=partner_public_id)
        number = await _report(
            connection, account=account, partner_id=partner_id, verification_id=found, report=report, now=now
        )
        return {"id": str(found), "number": number, "at": now.isoformat()}

    answer = await answer_once(connection, request, act, now=now)
    if isinstance(answer, Problem):
        return answer
    return Reported(UUID(answer["id"]), answer["number"], datetime.fromisoformat(answer["at"]))


_UNKNOWN = "没有贵单位的这份回执或这次核验。请原样提供 verifyCreditCode 给出的 receipt 或 id。"


def _verification_of(keys: Keys, receipt: str, *, partner: str) -> UUID:
    """The verification that a genuine receipt of this partner's is about."""
    try:
        claims = check_receipt(keys, receipt)
        found = UUID(str(claims["jti"]))
    except (SignatureInvalid, ValueError):
        raise ReceiptUnknown(_UNKNOWN) from None
    if claims["partner"] != partner:
        raise ReceiptUnknown(_UNKNOWN)
    return found


async def _report(
    connection: AsyncConnection,
    *,
    account: str,
    partner_id: int,
    verification_id: UUID | None,
    report: Report,
    now: datetime,
) -> int:
    mine = select(verifications.c.subject_id, verifications.c.outcome).where(
        verifications.c.id == verification_id, verifications.c.partner_id == partner_id
    )
    row = (await connection.execute(mine)).one_or_none()
    if row is None or verification_id is None:
        raise ReceiptUnknown(_UNKNOWN)
    if row.outcome != Outcome.BENEFIT_APPLIES.value:
        raise NothingToReport("这次核验的答复是标准服务,没有可回报的优惠。无需回报。")
    key = {"subject_id": row.subject_id, "verification_id": verification_id}
    theirs = (outcome_reports.c.subject_id == row.subject_id, outcome_reports.c.verification_id == verification_id)
    # Of two at once the second breaks the primary key, is run again, and becomes the correction.
    number = int(await connection.scalar(select(func.max(outcome_reports.c.number)).where(*theirs)) or 0) + 1
    said = {"outcome": report.outcome.value, "satisfaction": report.satisfaction, "note": report.note}
    values = key | {"number": number, "partner_id": partner_id, "report": said, "at": now, "actor": account}
    await connection.execute(insert(outcome_reports).values(values))
    content = {"verification": str(verification_id), "number": number, "outcome": report.outcome.value}
    await audit.record(connection, at=now, actor=account, action=MUTATION, content=content, subject_id=row.subject_id)
    return number


async def reports_of(
    connection: AsyncConnection, subject_id: int, verification_ids: Collection[UUID] | None = None
) -> dict[UUID, list[Row[Any]]]:
    """What partners reported about these verifications of a subject's (None: all there are), in order, by
    verification; those without are left out."""
    mine = select(outcome_reports).where(outcome_reports.c.subject_id == subject_id)
    if verification_ids is not None:
        mine = mine.where(outcome_reports.c.verification_id.in_(verification_ids))
    found: dict[UUID, list[Row[Any]]] = defaultdict(list)
    for row in await connection.execute(mine.order_by(outcome_reports.c.at, outcome_reports.c.number)):
        found[row.verification_id].append(row)
    return dict(found)
