"""Everything that is held about one subject, as plain values for its credit report. One thing to know: who looked, and
who may act for the subject, is known one floor up, and `partners.credit_report` adds it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import SHANGHAI, day_of
from core.identifiers import mask_number
from core.integrity import is_intact, keys_of
from core.keys import Keys
from core.sealing import unseal
from scoring.cases.tables import cases
from scoring.catalogue import Catalogue
from scoring.indicators import FactIndicator
from scoring.mine import RecordState, histories, receivers_of, records_page
from scoring.subjects import SubjectDataFault
from scoring.tables import consents, departures, enrollments, facts, pushed_results, subject_changes, subjects
from scoring.values import number_text

NameOf = Callable[[Collection[str]], Awaitable[Mapping[str, str]]]
"""Says in words who the holders of accounts are."""
CHANGES = {
    "received": "归集",
    "corrected": "更正",
    "suspended": "暂停使用",
    "resumed": "恢复使用",
    "repaired": "信用修复",
    "withdrawn": "撤销",
    "hidden": "不再公示",
    "shown": "恢复公示",
    "moved": "并入",
    "expired": "期满",
}
"""What happened to a record, in words."""
STATES = {RecordState.ACTIVE: "使用中", RecordState.SUSPENDED: "暂停使用", RecordState.ENDED: "已终止"}
NATURES = {"honour": "守信信息", "adverse": "失信信息", "neutral": "其他信息"}
_CONSENTS = {
    "REQUESTED": "待答复",
    "ACTIVE": "有效",
    "PAUSED": "已暂停",
    "REVOKED": "已撤回",
    "REFUSED": "已拒绝",
    "EXPIRED": "已到期",
}
_CASES = {
    "objection": "异议",
    "statement": "陈述和申辩",
    "appeal": "复核",
    "complaint": "投诉",
    "repair": "信用修复",
}

_GROUNDS = {
    "wrong": "信息有误",
    "incomplete": "信息不完整",
    "past-term": "已过期限",
    "privacy": "涉及隐私",
    "basis-withdrawn": "依据已被撤销",
    "listing": "被列入名单",
    "complaint": "投诉",
    "repair": "申请修复",
}
_STANDS = {
    "open": "办理中",
    "help": "其他单位协助核查中",
    "paused": "专家评审中",
    "decided": "已作出决定",
    "withdrawn": "已撤回",
}
_OUTCOMES = {
    "upheld": "成立",
    "partly": "部分成立",
    "rejected": "不成立",
    "withdrawn": "本人撤回",
    "granted": "准予",
    "refused": "不予",
}


async def everything_about(
    connection: AsyncConnection,
    subject_id: int,
    *,
    catalogue: Catalogue,
    known_facts: Mapping[str, FactIndicator],
    name_of: NameOf,
    now: datetime,
) -> dict[str, Any]:
    """All that this floor holds, as plain values that JSON can carry: instants in Asia/Shanghai, numbers masked.

    Raises:
        SubjectDataFault: somebody has changed a row by hand.
    """
    row = (await connection.execute(select(subjects).where(subjects.c.id == subject_id))).one()
    if not is_intact(connection, subjects, row._asdict(), row.mac):
        raise SubjectDataFault("subjects: changed by hand")
    number = unseal(keys_of(connection), "seal", row.identity_sealed)
    return {
        "subject": {
            "kind": row.kind.upper(),
            "display_name": row.display_name,
            "number_masked": mask_number(number.decode()) if number else None,
            "place": row.place,
        },
        "participation": await _participation(connection, subject_id),
        "records": await _records(connection, subject_id, catalogue, name_of, now),
        "facts": await _facts(connection, subject_id, known_facts),
        "pushed": await _pushed(connection, subject_id),
        "consents": await _consents(connection, subject_id, now),
        "cases": await _cases(connection, subject_id, catalogue),
        "changes": await _changes(connection, subject_id),
    }


async def _rows(connection: AsyncConnection, table: Table, subject_id: int, *order: Any) -> list[Row[Any]]:
    mine = select(table).where(table.c.subject_id == subject_id)
    rows = (await connection.execute(mine.order_by(*order))).all()
    if "sealed" in table.info and not all(is_intact(connection, table, row._asdict(), row.mac) for row in rows):
        raise SubjectDataFault(f"{table.name}: changed by hand")
    return list(rows)


async def _participation(connection: AsyncConnection, subject_id: int) -> list[dict[str, Any]]:
    joined = await _rows(connection, enrollments, subject_id, enrollments.c.enrolled_at)
    left = {row.at: row for row in await _rows(connection, departures, subject_id, departures.c.at)}
    return [
        {
            "enrolled_at": local(row.enrolled_at),
            "notice_version": row.notice_version,
            "left_at": local(row.left_at),
            "erased": left[row.left_at].erased if row.left_at in left else None,
            "tombstone": left[row.left_at].tombstone if row.left_at in left else None,
        }
        for row in joined
    ]


async def _records(
    connection: AsyncConnection, subject_id: int, catalogue: Catalogue, name_of: NameOf, now: datetime
) -> list[dict[str, Any]]:
    found = await records_page(connection, subject_id, catalogue=catalogue, on=day_of(now))
    ids = [record.row.id for record in found]
    versions = await histories(connection, subject_id, ids)
    given_to = await receivers_of(connection, subject_id, ids)
    names = await name_of({version.actor for changes in versions.values() for version in changes})
    return [
        {
            "id": record.row.id,
            "item": record.row.item,
            "label": record.label,
            "nature": NATURES[record.kind.nature] if record.kind else None,
            "document_number": record.row.document_number,
            "authority": record.row.authority,
            "decided_on": record.row.occurred_on.isoformat(),
            "published_until": record.last_day.isoformat() if record.last_day and record.is_public else None,
            "counts_until": record.last_day.isoformat() if record.last_day else None,
            "state": STATES[record.state(on=day_of(now))],
            "suspended_at": local(record.row.suspended_at),
            "hidden_at": local(record.row.hidden_at),
            "provider": record.row.provider,
            "source": record.row.source,
            "received_at": local(record.row.received_at),
            "fields": {label: value for _, label, value in record.content()},
            "receivers": [{"to": one.name, "at": local(one.at)} for one in given_to.get(record.row.id, ())],
            "history": [
                {
                    "at": local(version.at),
                    "change": CHANGES[version.change],
                    "by": names.get(version.actor, version.actor),
                    "reason": version.reason or None,
                }
                for version in versions.get(record.row.id, ())
            ],
        }
        for record in found
    ]


async def _facts(
    connection: AsyncConnection, subject_id: int, known: Mapping[str, FactIndicator]
) -> list[dict[str, Any]]:
    return [
        {
            "name": row.name,
            "label": known[row.name].label if row.name in known else row.name,
            "value": row.value,
            "observed_on": row.observed_on.isoformat(),
        }
        for row in await _rows(connection, facts, subject_id, facts.c.name)
    ]


async def _pushed(connection: AsyncConnection, subject_id: int) -> list[dict[str, Any]]:
    return [
        {
            "model": row.model,
            "points": None if row.points is None else number_text(row.points),
            "grade": row.grade,
            "result_on": row.result_on.isoformat(),
            "issuer": row.issuer_name,
            "reference": row.reference,
            "received_at": local(row.received_at),
            "withdrawn_at": local(row.withdrawn_at),
        }
        for row in await _rows(connection, pushed_results, subject_id, pushed_results.c.received_at)
    ]


async def _consents(connection: AsyncConnection, subject_id: int, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "id": str(row.id),
            "purpose": row.purpose,
            "partner": row.recipient,
            "item": list(row.scope),
            "state": _CONSENTS.get(_consent_state(row, on=day_of(now)), row.state),
            "given_at": local(row.requested_at),
            "ends_on": row.ends_on.isoformat(),
        }
        for row in await _rows(connection, consents, subject_id, consents.c.requested_at, consents.c.id)
    ]


def _consent_state(row: Row[Any], *, on: date) -> str:
    return "EXPIRED" if row.ends_on <= on and row.state in ("REQUESTED", "ACTIVE", "PAUSED") else str(row.state)


async def _cases(connection: AsyncConnection, subject_id: int, catalogue: Catalogue) -> list[dict[str, Any]]:
    keys = keys_of(connection)
    return [
        {
            "id": str(row.id),
            "kind": _CASES.get(row.kind, row.kind),
            "record": row.record_id,
            "ground": _GROUNDS.get(row.ground, row.ground),
            "text": _opened(keys, row.statement_sealed),
            "opened_at": local(row.opened_at),
            "due_on": row.due_on.isoformat() if row.due_on else None,
            "state": _STANDS.get(row.state, row.state),
            "decided_at": local(row.decided_at),
            "outcome": _OUTCOMES.get(row.outcome, row.outcome),
            "reason": _opened(keys, row.answer_sealed),
        }
        for row in await _rows(connection, cases, subject_id, cases.c.opened_at, cases.c.id)
    ]


async def _changes(connection: AsyncConnection, subject_id: int) -> list[dict[str, Any]]:
    return [
        {"at": local(row.at), "change": row.change, "reason": row.reason}
        for row in await _rows(connection, subject_changes, subject_id, subject_changes.c.at)
    ]


def _opened(keys: Keys, held: bytes | None) -> str | None:
    found = unseal(keys, "seal", held) if held else None
    return found.decode() if found else None


def local(instant: datetime | None) -> str | None:
    """An instant as people here write it, to the second."""
    return None if instant is None else instant.astimezone(SHANGHAI).isoformat(timespec="seconds")
