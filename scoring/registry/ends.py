"""How an entry ends: a death, an enterprise struck off or merged, a mistake taken back. One thing to know: from then
on the subject is never scored and takes no part; what is on file stays as it is.

What it means for accounts and mandates is in `partners.succession`.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from core.errors import BadInput, ExpectedError
from core.integrity import reseal
from core.keys import Keys
from scoring.registry.subjects import Act, changes_of, note_change, read_subject
from scoring.scores import lock_subjects
from scoring.subjects import SubjectKind, lock_subject
from scoring.tables import consent_steps, consents, enrollments, subjects

EndReason = Literal["deceased", "struck-off"]


class AlreadyEnded(ExpectedError):
    """The subject has died, was struck off or merged."""

    code = "ALREADY_ENDED"

    def __init__(self) -> None:
        super().__init__("该主体已登记为终止(死亡、注销吊销或合并),不能再办理此事。登记有误的,请先更正。")


class NotEnded(ExpectedError):
    """There is no end that could be taken back."""

    code = "NOT_ENDED"


async def end_subject(
    connection: AsyncConnection,
    keys: Keys,
    subject_id: int,
    *,
    reason: EndReason,
    on: date,
    successor: int | None = None,
    act: Act,
) -> None:
    """A person has died, or an enterprise was struck off: never scored again, no part in the scheme, consents end.

    `successor` is the enterprise that took it over; records stay with the old one.

    Raises:
        BadInput: a reason of the other kind of subject, a day to come, a successor that cannot be one.
        AlreadyEnded.
    """
    await lock_subjects(connection, [subject_id, *([] if successor is None else [successor])])
    row = await read_subject(connection, subject_id, follow=False)
    if row.ended_on is not None:
        raise AlreadyEnded
    if (reason == "deceased") != (row.kind == SubjectKind.PERSON.value):
        raise BadInput("自然人登记为死亡,单位登记为注销或吊销,两者不能混用。请核对。")
    if on > day_of(act.now) or (row.birth_on is not None and on < row.birth_on):
        raise BadInput("终止日期不能晚于今天,也不能早于出生日期。请核对证明文件。")
    if successor is not None:
        await _check_successor(connection, row, successor)
    await _end(connection, keys, row, reason=reason, on=on, goes_on=successor, act=act)


async def reinstate_subject(connection: AsyncConnection, keys: Keys, subject_id: int, *, act: Act) -> datetime:
    """Take back an end that was noted by mistake; the subject takes part again if it did. Consents do not come back.

    Returns the instant at which the end had been noted.

    Raises:
        NotEnded: it has not ended, or was merged.
    """
    await lock_subject(connection, subject_id)
    row = await read_subject(connection, subject_id, follow=False)
    if row.end_reason not in ("deceased", "struck-off"):
        raise NotEnded("该主体没有登记为死亡或注销吊销,没有可以更正的内容。请核对主体。")
    ends = [one for one in await changes_of(connection, keys, subject_id) if one.change == row.end_reason]
    ended_at = ends[-1].at
    before = {name: row._asdict()[name] for name in ("ended_on", "end_reason", "merged_into")}
    values: dict[str, Any] = {"ended_on": None, "end_reason": None, "merged_into": None}
    await connection.execute(update(subjects).where(subjects.c.id == subject_id).values(values))
    await reseal(connection, subjects, subjects.c.id == subject_id)
    same = (enrollments.c.subject_id == subject_id, enrollments.c.left_at == ended_at)
    await connection.execute(update(enrollments).where(*same).values(left_at=None))
    await note_change(connection, keys, subject_id, "reinstated", before=before, act=act)
    return ended_at


async def end_merged(connection: AsyncConnection, keys: Keys, row: Row[Any], *, keep: int, act: Act) -> None:
    """The subject of this row turned out to be `keep`; whatever pointed at it points there."""
    others = subjects.c.merged_into == row.id
    await connection.execute(update(subjects).where(others).values(merged_into=keep))
    await reseal(connection, subjects, subjects.c.merged_into == keep)
    await _end(connection, keys, row, reason="merged", on=day_of(act.now), goes_on=keep, act=act)


async def _end(
    connection: AsyncConnection,
    keys: Keys,
    row: Row[Any],
    *,
    reason: Literal["deceased", "struck-off", "merged"],
    on: date,
    goes_on: int | None,
    act: Act,
) -> None:
    mine = subjects.c.id == row.id
    values = {"ended_on": on, "end_reason": reason, "merged_into": goes_on}
    await connection.execute(update(subjects).where(mine).values(values))
    await reseal(connection, subjects, mine)
    current = (enrollments.c.subject_id == row.id, enrollments.c.left_at.is_(None))
    await connection.execute(update(enrollments).where(*current).values(left_at=act.now))
    await _end_consents(connection, row.id, act)
    await note_change(connection, keys, row.id, reason, before={}, act=act)


async def _end_consents(connection: AsyncConnection, subject_id: int, act: Act) -> None:
    """A consent is given by one subject and ends with it."""
    mine = (consents.c.subject_id == subject_id, consents.c.state.in_(("REQUESTED", "ACTIVE", "PAUSED")))
    open_ones = (await connection.execute(select(consents.c.id).where(*mine))).scalars().all()
    for consent_id in open_ones:
        its_steps = (consent_steps.c.subject_id == subject_id, consent_steps.c.consent_id == consent_id)
        last = await connection.scalar(select(func.max(consent_steps.c.step)).where(*its_steps))
        await connection.execute(
            insert(consent_steps).values(
                subject_id=subject_id,
                consent_id=consent_id,
                step=(last or 0) + 1,
                act="revoke",
                state="REVOKED",
                actor=act.actor,
                at=act.now,
                reason="主体已终止或合并",
            )
        )
        its_key = (consents.c.subject_id == subject_id, consents.c.id == consent_id)
        await connection.execute(update(consents).where(*its_key).values(state="REVOKED"))
        await reseal(connection, consents, *its_key)


async def _check_successor(connection: AsyncConnection, row: Row[Any], successor: int) -> None:
    heir = await read_subject(connection, successor, follow=False)
    if heir.id == row.id or heir.kind != SubjectKind.ENTERPRISE.value or heir.kind != row.kind or heir.ended_on:
        raise BadInput("承继单位须是另一家存续的单位。请核对合并文件。")
