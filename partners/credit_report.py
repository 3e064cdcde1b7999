"""The credit report: everything about one subject in one signed file, as JSON and as PDF. One thing to know: no report
is kept, only its hash, so that whoever is handed one can ask whether it is as it was made.

It joins what `scoring.mine` holds with the scores, with who looked, with what partners and the subject have to do with
each other, and with who may act for it.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of
from core.identifiers import new_id
from core.keys import Keys
from core.signing import SignatureInvalid, sign, verify
from partners.access import reader_in_words
from partners.accounts import Role
from partners.dealings import dealings_of
from partners.eligibility import MESSAGES, Outcome, WhyNot
from partners.rulebook import Rulebook
from partners.standing import SubjectStanding, read_standing
from partners.tables import OF_VERIFICATION, access_events, accounts, mandates, offers, partners, redemptions
from partners.tables import verifications as checks
from scoring.mine import place_of
from scoring.report.everything import everything_about, local
from scoring.subjects import SubjectDataFault
from scoring.tables import credit_reports
from scoring.values import number_text

AUDIENCE = "xinyi-report"
ROLES = {
    "citizen": "本人",
    "agent": "企业经办人",
    "partner": "合作机构",
    "operator": "运营人员",
    "reviewer": "审核人员",
    "auditor": "审计人员",
    "provider": "信用信息提供单位",
    "clerk": "窗口人员",
}
"""Who holds an account, in words; no member of staff is named to a subject."""
_OUTCOMES = {Outcome.BENEFIT_APPLIES.value: "适用优惠", Outcome.STANDARD_SERVICE.value: "按标准服务办理"}
_MANDATES = {"agent": "企业经办人", "family": "家庭成员", "guardian": "监护人"}


class Format(StrEnum):
    """How a report is written."""

    JSON = "json"
    PDF = "pdf"


@dataclass(frozen=True, slots=True)
class CreditReport:
    """A report as it was signed."""

    id: UUID
    made_at: datetime
    content: Mapping[str, Any]
    signed: str
    """JWS over the content: what proves it."""

    @property
    def sha256(self) -> str:
        """Of the signed text, in hex: the same for both formats."""
        return sha256(self.signed.encode()).hexdigest()


async def read_report(
    connection: AsyncConnection, *, account: str, role: Role, rulebook: Rulebook, now: datetime
) -> tuple[int, dict[str, Any]]:
    """The subject that the account acts for, and everything about it; also of one that has left or never joined.

    Raises:
        Unauthenticated, Forbidden: the account has ended, or acts for no subject.
        SubjectDataFault: somebody has changed a row by hand.
    """
    standing = await read_standing(connection, account=account, role=role, rulebook=rulebook, now=now)
    if standing.under_review:
        raise SubjectDataFault("scores: cannot be read")
    place = await place_of(connection, standing.id)
    held = await everything_about(
        connection,
        standing.id,
        catalogue=rulebook.catalogues[place],
        known_facts=rulebook.indicators[place].facts,
        name_of=partial(holders_of, connection),
        now=now,
    )
    rights = rulebook.entitlements.rights(place).values()
    held |= {
        "scores": _scores(standing),
        "access": await _access(connection, standing.id),
        "used": await _used(connection, standing.id),
        **await dealings_of(
            connection, standing.id, rules=rulebook.lending, name_of=partial(holders_of, connection), now=now
        ),
        "mandates": await _mandates(connection, standing.id, now),
        "rights": [
            {"text": right.text, "source": f"{right.source.title or ''}{right.source.clause or ''}"} for right in rights
        ],
    }
    return standing.id, held


def sign_report(keys: Keys, *, issuer: str, held: Mapping[str, Any], now: datetime) -> CreditReport:
    """Give it an id and sign it."""
    key = new_id()
    content = {"id": str(key), "made_at": local(now), **held}
    claims = {"iss": issuer, "aud": AUDIENCE, "iat": int(now.timestamp()), "jti": str(key), "report": content}
    return CreditReport(key, now, content, sign(keys, "report", claims))


def report_file(report: CreditReport, *, written: Format, check_url: str) -> bytes:
    """The file that is handed out. A PDF of two thousand records takes seconds: not on the event loop.

    `check_url` is what the QR code says, up to the report's id and hash.
    """
    if written is Format.JSON:
        return orjson.dumps({"report": report.content, "signed": report.signed}, option=orjson.OPT_INDENT_2)
    from scoring.report.page import report_pdf  # fonts and PDF take a second to import: not at every start

    return report_pdf(report.content, check_url=f"{check_url}/{report.id}/{report.sha256}", signed=report.signed)


async def note_report(connection: AsyncConnection, report: CreditReport, *, subject_id: int, actor: str) -> None:
    """Keep the report's hash, in a transaction; it is handed out once this is done."""
    values = {"id": report.id, "made_at": report.made_at, "made_by": actor, "sha256": report.sha256}
    await connection.execute(insert(credit_reports).values(subject_id=subject_id, **values))
    await audit.record(
        connection,
        at=report.made_at,
        actor=actor,
        action="exportMine",
        content={"report": str(report.id), "sha256": report.sha256},
        subject_id=subject_id,
    )


async def made_at(connection: AsyncConnection, *, report_id: UUID, digest: str) -> datetime | None:
    """When we made the report of this id and hash; None where we made no such report."""
    known = select(credit_reports.c.made_at, credit_reports.c.sha256).where(credit_reports.c.id == report_id)
    for row in (await connection.execute(known)).all():
        if hmac.compare_digest(row.sha256.encode(), digest.lower().encode()):
            found: datetime = row.made_at
            return found
    return None


def check_report(keys: Keys, file: bytes) -> tuple[dict[str, Any], str]:
    """The report in a file that we made, JSON or PDF, and the hash of its signed text.

    Raises:
        ReportUnreadable: it is no such file, or says in plain text something else than what was signed.
        SignatureInvalid: it was not signed by us, or was changed.
    """
    from scoring.report.page import LARGEST_SIGNED, ReportUnreadable, read_signed

    shown: object = None
    if file.startswith(b"%PDF"):
        signed = read_signed(file)
    else:
        try:
            content = orjson.loads(file)
            signed, shown = content["signed"], content["report"]
            signed.encode("ascii")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ReportUnreadable("这不是信用报告的 PDF 或 JSON 文件。请提供下载时的原文件。") from None
    claims = verify(keys, "report", signed, max_length=LARGEST_SIGNED)
    if claims.get("aud") != AUDIENCE or not isinstance(claims.get("report"), dict):
        raise SignatureInvalid("不是信用报告,或 aud 被改动过。请确认文件。")
    if shown is not None and shown != claims["report"]:
        raise ReportUnreadable("文件中的 report 与签名的内容不同,被改动过。请以签名的内容为准,或索取原文件。")
    return claims["report"], sha256(signed.encode()).hexdigest()


async def holders_of(connection: AsyncConnection, actors: Collection[str]) -> dict[str, str]:
    """Who these accounts are held by, in words: the body, or what the role is."""
    found = select(accounts.c.id, accounts.c.role, accounts.c.body, accounts.c.basis).where(accounts.c.id.in_(actors))
    return {row.id: _holder(row) for row in (await connection.execute(found)).all()}


def _holder(row: Any) -> str:
    role = ROLES.get(row.role, row.role)
    if row.basis == "mandate":
        return f"代理人({role})"
    return f"{row.body}({role})" if row.body else role


def _scores(standing: SubjectStanding) -> list[dict[str, Any]]:
    found = []
    for score, model in zip(standing.scores, standing.models, strict=False):
        names = {grade.code: grade.name for grade in model.grades}
        found.append(
            {
                "model": model.name,
                "model_id": model.id,
                "version": model.version,
                "points": None if score.points is None else number_text(score.points),
                "grade": names.get(score.grade or "", score.grade),
                "reason": score.reason,
                "origin": score.origin,
                "issuer": score.issuer,
                "evaluated_at": local(score.evaluated_at),
                "better_grade": names.get(score.better_grade or ""),
                "better_why": score.better_why,
                "lines": [
                    {
                        "label": line["label"],
                        "points": number_text(line["points"]),
                        "basis": line["basis"],
                        "records": list(line["records"]),
                    }
                    for line in score.lines
                ],
            }
        )
    return found


async def _access(connection: AsyncConnection, subject_id: int) -> list[dict[str, Any]]:
    mine = (
        select(access_events, partners.c.name.label("partner"), offers.c.title.label("offer"))
        .outerjoin(partners, partners.c.id == access_events.c.partner_id)
        .outerjoin(offers, offers.c.id == access_events.c.offer_id)
        .where(access_events.c.subject_id == subject_id)
        .order_by(access_events.c.id.desc())
    )
    rows = (await connection.execute(mine)).all()
    readers = {row.reader for row in rows if row.reader}
    held = select(accounts.c.id, accounts.c.body).where(accounts.c.id.in_(readers))
    bodies = {row.id: row.body for row in (await connection.execute(held)).all()}
    return [
        {
            "at": local(row.at),
            "by": row.partner or _reader(row, bodies),
            "what": row.offer or row.purpose or row.action,
            "action": row.action,
            "outcome": _OUTCOMES.get(row.outcome, row.outcome)
            or (f"未办理({row.problem})" if row.problem else "已查看"),
            "why_not": [MESSAGES[WhyNot(code)] for code in row.why_not],
            "site": row.site,
            "clerk": row.clerk,
            "receipt": row.receipt,
        }
        for row in rows
    ]


def _reader(row: Any, bodies: Mapping[str, str | None]) -> str:
    return reader_in_words(role=row.reader_role or "", body=bodies.get(row.reader), account=row.reader or "")


async def _used(connection: AsyncConnection, subject_id: int) -> list[dict[str, Any]]:
    mine = (
        select(redemptions, partners.c.name.label("partner"), offers.c.title.label("offer"))
        .join(checks, OF_VERIFICATION)
        .outerjoin(partners, partners.c.id == redemptions.c.partner_id)
        .outerjoin(offers, offers.c.id == checks.c.offer_id)
        .where(redemptions.c.subject_id == subject_id)
        .order_by(redemptions.c.at.desc(), redemptions.c.id)
    )
    return [
        {
            "at": local(row.at),
            "partner": row.partner,
            "what": row.offer,
            "amount_fen": row.amount_fen,
            "reversed_at": local(row.reversed_at),
        }
        for row in (await connection.execute(mine)).all()
    ]


async def _mandates(connection: AsyncConnection, subject_id: int, now: datetime) -> list[dict[str, Any]]:
    mine = select(mandates).where(mandates.c.subject_id == subject_id).order_by(mandates.c.granted_at)
    return [
        {
            "id": str(row.id),
            "kind": _MANDATES.get(row.kind, row.kind),
            "basis": row.evidence,
            "given_at": local(row.granted_at),
            "ends_on": row.ends_on.isoformat(),
            "state": "已撤回" if row.revoked_at else "已到期" if row.ends_on <= day_of(now) else "有效",
            "withdrawn_at": local(row.revoked_at),
        }
        for row in (await connection.execute(mine)).all()
    ]
