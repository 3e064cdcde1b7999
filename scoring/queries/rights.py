"""Query rights of bodies: asked for on line, opened by themselves where the catalogue allows it for the matter, else
decided by a reviewer. One thing to know: a right is for one account of one body, one item and one matter, and ends by
itself; nothing has to run for that.

《珠晖区创建全省社会信用体系建设示范区实施方案》珠政办发〔2022〕11号 15;《黑龙江省社会信用条例》第二十二条、第四十四条.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy import insert as insert_into
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.calendar import add_months
from core.clock import day_of
from core.errors import ExpectedError
from core.identifiers import new_id
from scoring.catalogue import CatalogueItem
from scoring.queries.matters import Matter
from scoring.queries.tables import query_rights

LONGEST_MONTHS = 12


class RightState(StrEnum):
    """Where a right stands."""

    WAITING = "WAITING"
    OPEN = "OPEN"
    REFUSED = "REFUSED"
    ENDED = "ENDED"


class NoBody(ExpectedError):
    """The account acts for no body with a USCC."""

    code = "NO_BODY"


class RightUnknown(ExpectedError):
    """No such right that the caller may see."""

    code = "RIGHT_UNKNOWN"


class RightNotOpen(ExpectedError):
    """The right does not stand where this act begins."""

    code = "RIGHT_NOT_OPEN"


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks for a right."""

    account: str
    body: str | None
    body_uscc: str | None


def state_of(row: Any, *, on: date) -> RightState:
    """Where a right (a row of `query_rights`) stands on a day."""
    stored = RightState(row.state)
    return RightState.ENDED if stored is RightState.OPEN and row.ends_on <= on else stored


async def request_right(
    connection: AsyncConnection,
    asking: Asking,
    *,
    place: str,
    item: CatalogueItem,
    matter: str,
    matters: Mapping[str, Matter],
    basis: str,
    now: datetime,
) -> Any:
    """Ask for a right, in a transaction; its row. It is open at once where `matters` (of the place) has the matter and
    that reaches the item. Asking again for one that is open or waiting changes nothing.

    Raises:
        NoBody: the account acts for no body.
    """
    if not asking.body or not asking.body_uscc:
        raise NoBody("当前账号没有登记所代表的单位及其统一社会信用代码,不能申请查询权限。请联系平台运营人员登记。")
    known, on = matters.get(matter), day_of(now)
    words = f"{known.name if known else matter}(依据:{basis})"
    mine = select(query_rights).where(query_rights.c.account == asking.account, query_rights.c.item == item.code)
    for row in await connection.execute(mine.where(query_rights.c.place == place, query_rights.c.matter == words)):
        if state_of(row, on=on) in (RightState.OPEN, RightState.WAITING):
            return row
    opens = known is not None and known.allows(item)
    right_id, state = new_id(), RightState.OPEN if opens else RightState.WAITING
    asked = {
        "id": right_id,
        "body": asking.body,
        "body_uscc": asking.body_uscc,
        "account": asking.account,
        "place": place,
        "item": item.code,
        "matter": words,
        "state": state.value,
        "asked_at": now,
        "opened_by": None,
        "opened_at": now if opens else None,
        "ends_on": add_months(on, known.months) if known is not None and opens else None,
        "reason": f"目录允许:{known.source.title} {known.source.clause}" if known is not None and opens else "",
    }
    await connection.execute(insert_into(query_rights).values(asked))
    await _audit(connection, right_id, "requestQueryRight", asking.account, now, item=item.code, state=state.value)
    return (await connection.execute(_one(right_id))).one()


async def decide_right(
    connection: AsyncConnection, right_id: UUID, *, opens: bool, months: int, reason: str, actor: str, now: datetime
) -> Any:
    """A reviewer opens a right that waits, or refuses it; one that is open is ended by refusing it. Its row.

    Raises:
        RightUnknown: there is none.
        RightNotOpen: it was decided before, or has ended.
    """
    row = (await connection.execute(_one(right_id).with_for_update())).one_or_none()
    if row is None:
        raise RightUnknown("没有这项查询权限。请从列表中选择。")
    state, on = state_of(row, on=day_of(now)), day_of(now)
    if state is not RightState.WAITING and (opens or state is not RightState.OPEN):
        raise RightNotOpen("这项查询权限不在待审核状态,或者已经终止。请刷新列表;需要时请申请单位重新申请。")
    values: dict[str, Any] = {"reason": reason}
    if opens:
        values |= {"state": "OPEN", "opened_by": actor, "opened_at": now, "ends_on": add_months(on, months)}
    elif state is RightState.WAITING:
        values |= {"state": "REFUSED"}
    else:
        values |= {"state": "ENDED", "ends_on": on}
    await connection.execute(update(query_rights).where(query_rights.c.id == right_id).values(values))
    action = "openQueryRight" if opens else "refuseQueryRight"
    await _audit(connection, right_id, action, actor, now, item=row.item, reason=reason)
    return (await connection.execute(_one(right_id))).one()


async def open_right(connection: AsyncConnection, right_id: UUID, *, account: str, now: datetime) -> Any:
    """The account's right, open today.

    Raises:
        RightUnknown: it has none of that id.
        RightNotOpen: it waits, was refused, or has ended.
    """
    row = (await connection.execute(_one(right_id).where(query_rights.c.account == account))).one_or_none()
    if row is None:
        raise RightUnknown("贵单位没有这项查询权限。请先申请(requestQueryRight)。")
    if state_of(row, on=day_of(now)) is not RightState.OPEN:
        raise RightNotOpen("这项查询权限尚未开通、未获准或已期满。请查看其状态;仍有需要的,请重新申请。")
    return row


async def rights_page(
    connection: AsyncConnection, *, account: str | None, waiting: bool, after: UUID | None, most: int
) -> list[Any]:
    """At most `most` rights below that id, the newest first: of one account, or of all; only those that wait."""
    wanted = select(query_rights).order_by(query_rights.c.id.desc()).limit(most)
    if account is not None:
        wanted = wanted.where(query_rights.c.account == account)
    if waiting:
        wanted = wanted.where(query_rights.c.state == RightState.WAITING.value)
    if after is not None:
        wanted = wanted.where(query_rights.c.id < after)
    return list((await connection.execute(wanted)).all())


def _one(right_id: UUID) -> Select[Any]:
    return select(query_rights).where(query_rights.c.id == right_id)


async def _audit(
    connection: AsyncConnection, right_id: UUID, action: str, actor: str, now: datetime, **said: str
) -> None:
    await audit.record(connection, at=now, actor=actor, action=action, content={"right": str(right_id), **said})
