"""Who looked at a person's data. One thing to know: the row is written in the transaction of the reading, so nothing is
read that does not stand on its subject's log (《黑龙江省社会信用条例》第三十五条).

Scans write their rows in `decisions`; all other readings by anybody but the subject itself are noted here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from core.identifiers import new_id
from core.keys import Keys, b64encode
from core.sealing import keyed_hash
from partners.accounts import Role
from partners.tables import access_events

COMMAND_LINE = "command line"
"""The reader's role where somebody reads with `xinyi` on the machine itself."""
VERIFICATION, VERIFICATION_PURPOSE = "verifyCreditCode", "benefit-check"
"""What a scan's row, which names neither, was for."""
_ROLES = {
    Role.CITIZEN.value: "其他市民",
    Role.AGENT.value: "企业经办人",
    Role.PARTNER.value: "合作机构",
    Role.OPERATOR.value: "平台运营人员",
    Role.REVIEWER.value: "平台审核人员",
    Role.AUDITOR.value: "审计人员",
    Role.PROVIDER.value: "信用信息提供单位",
    Role.CLERK.value: "服务窗口人员",
    "guardian": "监护人",
    "family": "受托的家人",
    COMMAND_LINE: "平台运维人员(命令行)",
}


async def note_reading(
    connection: AsyncConnection,
    *,
    subject_id: int,
    reader: str,
    role: str,
    action: str,
    purpose: str,
    now: datetime,
) -> None:
    """Write that `reader` (an account's id) in this role read or did something about a subject, in the transaction in
    which it is done. `action` is the field or command, `purpose` says what for, in at most 120 characters."""
    row = _row(subject_id, now) | {"reader": reader, "reader_role": role, "action": action, "purpose": purpose[:120]}
    await connection.execute(insert(access_events).values(row))


async def note_request(
    connection: AsyncConnection,
    *,
    subject_id: int,
    partner_id: int,
    offer_id: int | None,
    action: str,
    purpose: str,
    now: datetime,
    problem: str | None = None,
) -> None:
    """Write that a partner asked something about a subject other than a scan's question; `problem` where refused."""
    asked = {"partner_id": partner_id, "offer_id": offer_id, "action": action, "purpose": purpose, "problem": problem}
    await connection.execute(insert(access_events).values(_row(subject_id, now) | asked))


def reader_in_words(*, role: str, body: str | None, account: str) -> str:
    """Who a reader is: the role, the body if it acts for one, the account; never a person's name."""
    named = f"{_ROLES.get(role, role)}{'·' + body if body else ''}"
    return named if role == COMMAND_LINE else f"{named}(账号 {account})"


def register_pseudonym(keys: Keys, subject_id: int) -> str:
    """A name for a subject in the query register: the same at each reading, until the key is rotated, so that a reader
    who looks at one person again and again is seen; only we can tell whose it is."""
    return b64encode(keyed_hash(keys, "pseudonym", b"query-register:%d" % subject_id)[:16])


def _row(subject_id: int, now: datetime) -> dict[str, Any]:
    return {"subject_id": subject_id, "id": new_id(), "at": now, "why_not": []}
