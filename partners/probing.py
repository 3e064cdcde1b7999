"""Asking many offers about one person, and asking at unusual rates. One thing to know: what is refused here depends on
what the partner itself did, and never on how the person stands; an alarm names no person.

«查询个人信用信息应当用于约定的用途»(《黑龙江省社会信用条例》第二十四条): an offer is asked about for the one who would
use it, and going through a list of offers with one person's codes is asking for a score.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of, start_of
from core.errors import ExpectedError
from partners.alarms import raise_alarm
from partners.tables import access_events, accounts, security_events, verifications

WINDOW = timedelta(minutes=10)
MOST_OUT_OF_GRANT = 5
"""So many refusals for want of a grant about one person within `WINDOW` are a mistake; one more is probing."""
HOUR = timedelta(hours=1)
UNUSUAL_RATE = "UNUSUAL_RATE"
RATE_DAYS, RATE_TIMES, RATE_LEAST = 14, 10, 200
"""A partner's hour is unusual from so many verifications on, and at so many times its median hour of so many days."""


class TooManyOffers(ExpectedError):
    """Too many of a partner's offers were asked about one person in a short time."""

    code = "TOO_MANY_OFFERS"


class OutOfGrant(ExpectedError):
    """The partner holds no grant for what the offer asks."""

    code = "OUT_OF_GRANT"


def check_probing(others: int, *, most: int) -> None:
    """`others` is how many other offers of this partner were decided for this person within `WINDOW`.

    Raises:
        TooManyOffers: with this one they would be more than `most`.
    """
    if others >= most:
        raise TooManyOffers(
            f"贵单位 10 分钟内用同一持码人的信用码核验了 {most} 项不同的优惠,不能继续核验其他优惠。"
            "请只核验对方要使用的那一项;已核验的仍可核销,10 分钟后可再核验。"
        )


async def judge_refusal(
    connection: AsyncConnection, problem: ExpectedError, *, subject_id: int, partner_id: int, now: datetime
) -> ExpectedError:
    """What a refusal turns into where it is one too many; raises the alarm, once for a partner and person in an hour.

    Runs after the refusal was decided on, so that no scan that is answered pays for it.
    """
    if not isinstance(problem, OutOfGrant | TooManyOffers):
        return problem
    mine = and_(access_events.c.subject_id == subject_id, access_events.c.partner_id == partner_id)
    if isinstance(problem, OutOfGrant):
        refused = select(func.count()).where(
            mine, access_events.c.problem == OutOfGrant.code, access_events.c.at > now - WINDOW
        )
        if int(await connection.scalar(refused) or 0) < MOST_OUT_OF_GRANT:
            return problem
        problem = TooManyOffers(
            "贵单位 10 分钟内多次用同一持码人的信用码核验未获授权的优惠,已被暂停核验这类优惠。请停止尝试;"
            "需要核验的,请先向运营人员申请授权。"
        )
    told = select(func.count()).where(
        mine, access_events.c.problem == TooManyOffers.code, access_events.c.at > now - HOUR
    )
    if not await connection.scalar(told):
        minutes = int(WINDOW.total_seconds() // 60)
        detail = {"minutes": minutes, "reason": "many offers about one holder of codes"}
        await raise_alarm(connection, kind="PROBING", partner_id=partner_id, detail=detail, now=now)
    return problem


@dataclass(frozen=True, slots=True)
class Rate:
    """How much a partner asked in the last hour, against what is usual for it."""

    partner_id: int
    last_hour: int
    median_hour: float

    @property
    def is_unusual(self) -> bool:
        """Whether somebody should look. Only how much was asked counts, never what was answered."""
        return self.last_hour >= RATE_LEAST and self.last_hour > RATE_TIMES * self.median_hour


async def look_for_unusual_rates(
    connection: AsyncConnection, *, usual: dict[tuple[int, date], float], now: datetime
) -> list[Rate]:
    """Raise `UNUSUAL_RATE` for each partner whose last hour is unusual, once a day, in a transaction; the new ones.

    `usual` keeps what is usual for a partner on a day, which is counted once.
    """
    today = day_of(now)
    asked = func.count().label("asked")
    recent = (
        select(accounts.c.partner_id, asked)
        .join(verifications, verifications.c.account == accounts.c.id)
        .where(accounts.c.partner_id.is_not(None), verifications.c.at > now - HOUR, verifications.c.at <= now)
        .group_by(accounts.c.partner_id)
        .having(asked >= RATE_LEAST)
    )
    busy = (await connection.execute(recent)).all()
    if not busy:
        return []
    told = select(security_events.c.partner_id).where(
        security_events.c.kind == UNUSUAL_RATE, security_events.c.at >= start_of(today)
    )
    known = set((await connection.scalars(told)).all())
    found = []
    for row in busy:
        if row.partner_id in known:
            continue
        if (row.partner_id, today) not in usual:
            usual[row.partner_id, today] = await _median_hour(connection, row.partner_id, until=start_of(today))
        rate = Rate(row.partner_id, row.asked, usual[row.partner_id, today])
        if rate.is_unusual:
            detail = {"lastHour": rate.last_hour, "medianHour": rate.median_hour}
            await raise_alarm(connection, kind=UNUSUAL_RATE, partner_id=row.partner_id, detail=detail, now=now)
            found.append(rate)
    return found


async def _median_hour(connection: AsyncConnection, partner_id: int, *, until: datetime) -> float:
    """How much a partner asked in the middle one of those hours of the last days in which it asked anything."""
    hour: Any = (
        func.strftime("%Y-%m-%d %H", verifications.c.at)
        if connection.dialect.name == "sqlite"
        else func.date_trunc("hour", verifications.c.at)
    )
    counted = (
        select(func.count())
        .select_from(accounts)
        .join(verifications, verifications.c.account == accounts.c.id)
        .where(
            accounts.c.partner_id == partner_id,
            verifications.c.at >= until - timedelta(days=RATE_DAYS),
            verifications.c.at < until,
        )
        .group_by(hour)
    )
    hours = [int(number) for number in (await connection.scalars(counted)).all()]
    return float(median(hours)) if hours else 0.0
