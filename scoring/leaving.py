"""Leaving the scheme. One thing to know: in one transaction scoring stops, codes that are out there give the standard
service, and everything that no law keeps is gone; what law keeps is named in the answer, each with the reason.

Joining again starts anew: nothing that was erased comes back (《中华人民共和国个人信息保护法》第十五条、第四十七条).
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import Row, Table, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of
from core.database import announce
from core.errors import ExpectedError
from core.news import BENEFITS, of_subject
from scoring.cases.tables import record_receivers
from scoring.catalogue import Catalogue
from scoring.consent.consents import ConsentFaulty, Move, State, consents_of, move_consent, state_of
from scoring.consent.purposes import Purpose
from scoring.consent.receipts import Issuing
from scoring.indicators import Collection as Collected
from scoring.indicators import FactIndicator
from scoring.lending import LendingRules
from scoring.records import tell_receivers
from scoring.subjects import lock_subject
from scoring.tables import credit_records, departures, enrollments, facts, record_versions, score_inputs, scores

BY_CONSENT: tuple[Collected, ...] = ("consent", "written-consent")
"""How that was collected which nothing but the consent keeps."""
ERASED = {
    "scores": "评价结果",
    "score_inputs": "评价结果的历史和所据数据",
    "credit_records": "经同意采集的信用信息",
    "record_versions": "这些信息的变更经过",
    "record_receivers": "这些信息提供给谁的登记",
    "facts": "经同意采集的事实数据",
    "notices": "消息",
    "benefit_news": "可用优惠的查看结果",
    "benefit_watches": "新优惠提醒的设置",
    "offline_choices": "离线使用的设置",
    "consents": "撤回的授权",
    "loan_applications": "撤回的贷款申请",
    "orders": "作废的待确认订单",
}
"""What is erased, or taken back, in words."""


class NeverEnrolled(ExpectedError):
    """Nobody can leave what was never joined."""

    code = "NOT_ENROLLED"


class Kept(NamedTuple):
    """Something that stays, and why."""

    what: str
    reason: str


KEPT = (
    Kept("依法归集、公示的信用信息", "按《黑龙江省社会信用条例》第十八条、第三十七条归集、公示和存档,与加入无关。"),
    Kept("其他主管部门推送的评价结果", "由推送单位作出并负责更正(第二十一条);退出后这里不再使用。"),
    Kept("查询记录", "您有权知晓谁查询过您(第三十五条第一款),只有您本人和依法监督的人可以看到。"),
    Kept("异议、修复、投诉等办理记录", "办理结果须可核查(第三十五条至第四十一条)。"),
    Kept("已核验、已使用的优惠", "合作机构手中有同样的回执,双方据此对账;已预留的优惠仍可按时使用。"),
    Kept("机构对您使用优惠情况的回报", "附于上述回执,只说明服务情况,不影响任何评价;您可以在查询记录中看到。"),
    Kept(
        "已确认的先用后付订单和应付款",
        "是您与该机构之间的约定,退出后仍应按约履行(《中华人民共和国民法典》第五百零九条);不影响评价,也不告知其他机构。",
    ),
    Kept("贷款申请的办理经过和已发放的贷款", "是您与银行之间的约定,银行存有同样的内容;退出后银行得不到您的新信息。"),
    Kept("授权和撤回的凭证", "证明何时起不得再使用(《中华人民共和国个人信息保护法》第十四条、第十五条)。"),
    Kept("审计记录", "篡改、泄露可追溯到人(《黑龙江省社会信用条例》第三十六条);其中没有信用信息的内容。"),
    Kept("信用报告的编号和校验值", "使您已交给他人的报告仍可核对;报告本身从未留存。"),
)  # fmt: skip
"""What leaving does not erase."""


Gone = dict[str, list[dict[str, Any]]]
"""The rows that were erased, or taken back, by table."""


class Departure(NamedTuple):
    """What leaving did: rows erased by table, and a hash that proves it was done and says nothing of what it was."""

    at: datetime
    erased: Mapping[str, int]
    tombstone: str


async def leave_scheme(
    connection: AsyncConnection,
    *,
    subject_id: int,
    catalogue: Catalogue,
    known_facts: Mapping[str, FactIndicator],
    lending: LendingRules,
    purposes: Mapping[tuple[str, str], Purpose],
    issuing: Issuing,
    further: Callable[[], Awaitable[Gone]],
    actor: str,
    now: datetime,
) -> Departure:
    """Leave, in a transaction. Leaving again changes nothing and tells what was done.

    `further` erases or takes back, once the consents have ended, what other floors hold; it runs under the subject's
    lock, and not at all where there is nothing to leave.

    Raises:
        NeverEnrolled: the subject never took part.
    """
    await lock_subject(connection, subject_id)
    current = (enrollments.c.subject_id == subject_id, enrollments.c.left_at.is_(None))
    if (await connection.execute(select(enrollments.c.enrolled_at).where(*current))).first() is None:
        return await _last_departure(connection, subject_id)
    await connection.execute(update(enrollments).where(*current).values(left_at=now))
    revoked = await _end_consents(connection, subject_id, purposes=purposes, issuing=issuing, actor=actor, now=now)
    gone = await _erase(connection, subject_id, catalogue, _facts_by_consent(known_facts, lending), now)
    gone |= await further()
    erased = {name: len(rows) for name, rows in gone.items() if rows} | ({"consents": revoked} if revoked else {})
    departure = Departure(now, erased, _tombstone(gone))
    values = {"subject_id": subject_id, "at": now, "erased": erased, "tombstone": departure.tombstone}
    await connection.execute(insert(departures).values(values))
    content = {"erased": erased, "tombstone": departure.tombstone}
    await audit.record(connection, at=now, actor=actor, action="leaveScheme", content=content, subject_id=subject_id)
    announce(connection, of_subject(subject_id), BENEFITS)
    return departure


async def _last_departure(connection: AsyncConnection, subject_id: int) -> Departure:
    mine = select(departures).where(departures.c.subject_id == subject_id).order_by(departures.c.at.desc()).limit(1)
    row = (await connection.execute(mine)).one_or_none()
    if row is None:
        raise NeverEnrolled("您没有加入,因此没有可退出的。您的信用信息仍可在“我的信用信息”中查看。")
    return Departure(row.at, row.erased, row.tombstone)


async def _end_consents(
    connection: AsyncConnection,
    subject_id: int,
    *,
    purposes: Mapping[tuple[str, str], Purpose],
    issuing: Issuing,
    actor: str,
    now: datetime,
) -> int:
    """Take back every consent that holds, and refuse every one that was asked for. How many were taken back."""
    revoked = 0
    for row in await consents_of(connection, subject_id):
        stands = state_of(row, on=day_of(now))
        if stands not in (State.ACTIVE, State.PAUSED, State.REQUESTED):
            continue
        move = Move.REFUSE if stands is State.REQUESTED else Move.REVOKE
        with suppress(ConsentFaulty):  # a request that was changed by hand holds for nothing anyway
            await move_consent(
                connection,
                subject_id=subject_id,
                consent_id=row.id,
                move=move,
                purposes=purposes,
                actor=actor,
                issuing=issuing,
                now=now,
                reason="退出",
            )
        revoked += move is Move.REVOKE
    return revoked


async def _erase(
    connection: AsyncConnection,
    subject_id: int,
    catalogue: Catalogue,
    fact_names: Collection[str],
    now: datetime,
) -> Gone:
    """Erase what no law keeps; all that was in it. Rows changed by hand go like the others."""
    by_consent = [code for code, item in catalogue.items.items() if item.collection in BY_CONSENT]
    delivered_as = func.coalesce(credit_records.c.catalogued_as, credit_records.c.item)
    mine = (credit_records.c.subject_id == subject_id, delivered_as.in_(by_consent))
    records = (await connection.execute(select(credit_records.c.id).where(*mine))).scalars().all()
    # Whoever was given a record that is erased here has to erase it too.
    await tell_receivers(connection, {(subject_id, record): {} for record in records}, change="erased", now=now)
    gone: Gone = {}
    for table in (scores, score_inputs):
        gone[str(table.name)] = await taken(connection, table, table.c.subject_id == subject_id)
    for table in (record_receivers, record_versions):
        of_them = (table.c.subject_id == subject_id, table.c.record_id.in_(records))
        gone[str(table.name)] = await taken(connection, table, *of_them)
    gone["credit_records"] = await taken(connection, credit_records, *mine)
    gone["facts"] = await taken(connection, facts, facts.c.subject_id == subject_id, facts.c.name.in_(fact_names))
    return gone


def _facts_by_consent(known: Mapping[str, FactIndicator], lending: LendingRules) -> set[str]:
    """Names of the facts that nothing but a consent keeps; those that lending alone looks at are all of that sort."""
    answered = {one.fact for one in lending.indicators.values() if one.fact not in known}
    return answered | {name for name, fact in known.items() if fact.collection in BY_CONSENT}


async def taken(connection: AsyncConnection, table: Table, *where: Any) -> list[dict[str, Any]]:
    """Erase these rows; what was in them."""
    rows = await connection.execute(delete(table).where(*where).returning(*table.c))
    return [values_of(row) for row in rows]


def values_of(row: Row[Any]) -> dict[str, Any]:
    """A row by plain column names."""
    return {str(name): value for name, value in row._mapping.items()}


def _tombstone(gone: Gone) -> str:
    """SHA-256, in hex, of what was erased and of a nonce that nobody keeps, so that nobody can try what it was."""
    rows = {name: sorted(orjson.dumps(row, default=_plain).decode() for row in of_it) for name, of_it in gone.items()}
    return sha256(secrets.token_bytes(32) + orjson.dumps(rows, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, UUID):  # drivers have classes of their own for it
        return str(value)
    raise TypeError(f"{type(value).__name__} was not expected in a row")
