"""Records as intake writes them, for tests. One thing to know: each comes with its first version, sealed as ours."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import orjson
from factories import NOON, City
from sqlalchemy import insert

from core.integrity import sealed
from core.sealing import seal
from scoring.cases.tables import record_receivers
from scoring.records import state_of
from scoring.tables import credit_records, record_versions

FIRM = 8
UNLISTED = "91430502MA7YK0011L"
"""A valid USCC of no subject."""
PENALTY = {
    "subject-name": "测试企业",
    "legal-representative": "欧阳测",
    "document-number": "邵市监罚〔2026〕7号",
    "offence": "经营者欧阳测(43050219790130003X)未明码标价",
    "penalty-category": "罚款",
    "fine": "0.5",
    "decided-on": "2026-10-01",
    "authority": "测试市场监管局",
}
LISTED = {
    "subject-name": "测试企业",
    "document-number": "邵名单〔2026〕1号",
    "reason": "连续三年守信经营",
    "basis": "守信激励对象名单认定标准第三条",
    "way-out": "不再符合认定标准的,移出名单",
    "remedies": "六十日内申请行政复议,六个月内提起行政诉讼",
    "authority": "测试发展改革局",
}
PROMISED = {
    "subject-name": "测试企业",
    "document-number": "诺-001",
    "matter": "证明事项告知承诺",
    "due-on": "2026-12-31",
    "fulfilment": "已履行",
    "authority": "测试行政审批局",
}


async def deliver(
    city: City, subject_id: int, record_id: str, item: str, content: dict[str, str], **given: Any
) -> None:
    """Put a record on file as of now, with its first version and its receivers."""
    values: dict[str, Any] = {
        "subject_id": subject_id,
        "id": record_id,
        "item": item,
        "occurred_on": date(2026, 10, 1),
        "source": "测试",
        "document_number": content.get("document-number"),
        "authority": content.get("authority"),
        "provider": "测试提供单位",
        "content_sealed": seal(city.keys, "seal", orjson.dumps(content)),
        "received_at": city.now,
    } | {name: value for name, value in given.items() if name != "receivers"}
    async with city.state.database.transaction() as connection:
        await connection.execute(insert(credit_records).values(sealed(connection, credit_records, values)))
        state = seal(city.keys, "seal", state_of(values, content))
        version: dict[str, Any] = {
            "version": 1,
            "at": city.now,
            "actor": "provider",
            "change": "received",
            "reason": "",
        }
        await connection.execute(
            insert(record_versions).values(subject_id=subject_id, record_id=record_id, state_sealed=state, **version)
        )
        for receiver in given.get("receivers", ()):
            row = {"subject_id": subject_id, "record_id": record_id, "receiver": receiver, "at": city.now}
            await connection.execute(insert(record_receivers).values(row))


async def deliver_one_of_each(city: City) -> None:
    """A record with all that belongs to it, and one of each sort that everybody or an auditor reads."""
    honour = {"document-number": "表〔2026〕1号", "authority": "测试人民政府", "content": "见义勇为"}
    await deliver(city, 1, "mine", "honour-award", honour, receivers=["测试接收单位"])
    await deliver(city, FIRM, "promised", "credit-commitment", PROMISED)
    await deliver(city, FIRM, "listed", "red-list", LISTED, removed_on=date(2027, 10, 1))
    await deliver(city, FIRM, "old", "administrative-penalty", PENALTY, removed_on=date(2026, 11, 1))


def at(instant: datetime = NOON) -> str:
    """An instant as the interface writes it."""
    return instant.isoformat()
