"""Consent: what a subject lets somebody do with its data, for one purpose, until a day. One thing to know: nothing has
to run for a consent to end, and whoever acts on one looks at it in the transaction of the act.

Never for life and never bundled (《黑龙江省社会信用条例》第二十条、第三十六条第一项;《中华人民共和国个人信息保护法》
第十四条至第十六条): it ends within a year, has one purpose, and refusing is the same act as accepting.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of
from core.database import announce
from core.errors import BadInput, ExpectedError
from core.integrity import is_intact, reseal, sealed
from core.news import BENEFITS, of_subject
from scoring.consent.purposes import Purpose
from scoring.consent.receipts import Issuing, sign_consent
from scoring.consent.terms import Terms, check_statement, check_terms
from scoring.subjects import SubjectDataFault, lock_subject
from scoring.tables import consent_steps, consents

BENEFIT_CHECK = "benefit-check"
"""The purpose of a standing consent to being verified by a partner."""
AT_ONCE = 10_000
"""Subjects in one question; SQLite takes 32,766 parameters."""
log = logging.getLogger("xinyi.consents")


class State(StrEnum):
    """Where a consent stands. REFUSED was never given, so nothing follows from it."""

    REQUESTED = "REQUESTED"
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    REFUSED = "REFUSED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"


class Move(StrEnum):
    """What can be done with a consent that there is."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    PAUSE = "pause"
    RESUME = "resume"
    REVOKE = "revoke"
    USE_UP = "use"


MOVES: Mapping[Move, tuple[frozenset[State], State]] = {
    Move.ACCEPT: (frozenset({State.REQUESTED}), State.ACTIVE),
    Move.REFUSE: (frozenset({State.REQUESTED}), State.REFUSED),
    Move.PAUSE: (frozenset({State.ACTIVE}), State.PAUSED),
    Move.RESUME: (frozenset({State.PAUSED}), State.ACTIVE),
    Move.REVOKE: (frozenset({State.ACTIVE, State.PAUSED}), State.REVOKED),
    Move.USE_UP: (frozenset({State.ACTIVE}), State.EXPIRED),
}
"""From where to where; from each of these but the last three time alone leads to EXPIRED."""
_OPEN = frozenset({State.REQUESTED, State.ACTIVE, State.PAUSED})
_GIVEN = frozenset({State.ACTIVE, State.PAUSED, State.REVOKED, State.EXPIRED})


class NoticeOutdated(ExpectedError):
    """Another text is in force than the one that was shown."""

    code = "NOTICE_OUTDATED"


class UnknownConsent(ExpectedError):
    """No such consent of this subject."""

    code = "UNKNOWN_CONSENT"


class WrongState(ExpectedError):
    """The consent does not stand where this act begins."""

    code = "WRONG_STATE"


class ConsentFaulty(ExpectedError):
    """Somebody has changed the consent by hand; it holds no more, and can only be revoked."""

    code = "UNDER_REVIEW"


def state_of(row: Any, *, on: date) -> State:
    """Where a consent (a row with `state` and `ends_on`) stands on a day."""
    stored = State(row.state)
    return State.EXPIRED if stored in _OPEN and row.ends_on <= on else stored


async def request_consent(
    connection: AsyncConnection, *, consent_id: UUID, subject_id: int, terms: Terms, actor: str, now: datetime
) -> Row[Any]:
    """Lay a request before its subject, in a transaction; the row. The same id again changes nothing.

    Raises:
        BadTerms: nobody may ask for that.
        BadInput: that id was used for something else.
    """
    await lock_subject(connection, subject_id)
    found = await _find(connection, subject_id, consent_id)
    if found is not None:
        if (found.purpose, found.offer_id, found.ends_on, found.frequency, tuple(found.scope)) != (
            terms.purpose.id, terms.offer_id, terms.ends_on, terms.frequency, terms.scope,
        ):  # fmt: skip
            raise BadInput("这个信用码已用于申请另一份条件不同的授权。请对方刷新信用码后再申请。")
        return found
    check_terms(terms, on=day_of(now))
    row = _row(consent_id=consent_id, subject_id=subject_id, terms=terms, state=State.REQUESTED, actor=actor, now=now)
    await connection.execute(insert(consents).values(sealed(connection, consents, row)))
    await _note(connection, row, act="request", state=State.REQUESTED, actor=actor, reason="", now=now)
    return await _read(connection, subject_id, consent_id)


async def give_consent(
    connection: AsyncConnection,
    *,
    consent_id: UUID,
    subject_id: int,
    terms: Terms,
    statement: str | None,
    actor: str,
    issuing: Issuing,
    now: datetime,
) -> Row[Any]:
    """Let the subject give a consent that nobody asked for, in a transaction; the row, with its receipt.

    Raises:
        BadTerms, StatementMissing: it cannot be given like that.
    """
    await lock_subject(connection, subject_id)
    check_terms(terms, on=day_of(now))
    words = check_statement(terms.purpose, statement)
    row = _row(consent_id=consent_id, subject_id=subject_id, terms=terms, state=State.ACTIVE, actor=actor, now=now)
    await connection.execute(insert(consents).values(sealed(connection, consents, row)))
    leaf = await _note(connection, row, act="give", state=State.ACTIVE, actor=actor, reason=words or "", now=now)
    receipt = sign_consent(
        row, act="given", purpose=terms.purpose, statement=words, leaf=leaf, issuing=issuing, now=now
    )
    await connection.execute(update(consents).where(*_key(row)).values(receipt=receipt))
    return await _read(connection, subject_id, consent_id)


async def move_consent(
    connection: AsyncConnection,
    *,
    subject_id: int,
    consent_id: UUID,
    move: Move,
    purposes: Mapping[tuple[str, str], Purpose],
    actor: str,
    issuing: Issuing,
    now: datetime,
    reason: str = "",
    statement: str | None = None,
) -> Row[Any]:
    """Accept, refuse, pause, resume or revoke, in a transaction; the row. A move made before changes nothing.

    Raises:
        UnknownConsent: there is none.
        WrongState: it does not stand where this begins.
        StatementMissing: accepting it takes words.
        ConsentFaulty: it was changed by hand; only revoking it goes through.
    """
    await lock_subject(connection, subject_id)
    row = await _read(connection, subject_id, consent_id)
    if move is not Move.REVOKE and not is_intact(connection, consents, row._asdict(), row.mac):
        raise ConsentFaulty("这份授权的数据正在核对,暂不生效。如不愿保留,可以直接撤回。")
    begins, state = MOVES[move]
    stands = state_of(row, on=day_of(now))
    if stands is state and move is not Move.USE_UP:
        return row
    if stands not in begins:
        raise WrongState(f"这份授权目前是 {stands.value},不能如此操作。请刷新后查看它的状态。")
    purpose = purposes.get((row.purpose, row.purpose_version))
    words = None
    if move is Move.ACCEPT and purpose is not None:
        words = check_statement(purpose, statement)
    await _set(connection, row, state=state.value)
    leaf = await _note(connection, row._asdict(), act=move.value, state=state, actor=actor,
                       reason=words or reason, now=now)  # fmt: skip
    if move in (Move.ACCEPT, Move.REVOKE):
        act = "given" if move is Move.ACCEPT else "revoked"
        receipt = sign_consent(
            row._asdict(), act=act, purpose=purpose, statement=words, leaf=leaf, issuing=issuing, now=now
        )
        await connection.execute(update(consents).where(*_key(row._asdict())).values(receipt=receipt))
    return await _read(connection, subject_id, consent_id)


async def active_consents(
    connection: AsyncConnection, subject_ids: Collection[int], purpose: str, on: date
) -> dict[int, set[str]]:
    """To which items each of these subjects consents on that day; subjects without are left out.

    With `collect`, consents in writing are among them: which items may only be had in writing was looked at when they
    were given. A consent that was changed by hand counts for nothing, and an error is logged.
    """
    found: dict[int, set[str]] = defaultdict(set)
    for row in await _holding(connection, subject_ids, purpose, on):
        found[row.subject_id].update(row.scope)
    return dict(found)


async def use_consent(
    connection: AsyncConnection, *, subject_id: int, purpose: str, item: str, actor: str, now: datetime
) -> bool:
    """Use one consent to this item, in a transaction: one given for once is used up. Whether there was any."""
    await lock_subject(connection, subject_id)
    held = [row for row in await _holding(connection, [subject_id], purpose, day_of(now)) if item in row.scope]
    if not held:
        return False
    row = min(held, key=lambda one: (one.frequency == "once", one.ends_on))  # what lasts is used first
    if row.frequency == "once":
        await _set(connection, row, state=State.EXPIRED.value, used_at=now)
        await _note(connection, row._asdict(), act=Move.USE_UP.value, state=State.EXPIRED, actor=actor, reason=item,
                    now=now)  # fmt: skip
    else:
        await _set(connection, row, used_at=now)
    return True


CONSENT_STATE = tuple(consents.c[name].label(f"consent_{name}") for name in (*consents.info["sealed"], "mac"))
"""What deciding looks at in a consent, for an outer join: null where there is none."""


def is_withheld(connection: AsyncConnection, rows: Iterable[Any], *, offer_id: int, on: date) -> bool:
    """Whether, by the rows (with `CONSENT_STATE`) of one subject and one partner, being verified for this offer was
    once consented to and is so no more. Who never said anything consents to one check by showing a code.

    Raises:
        SubjectDataFault: somebody has changed one of them by hand.
    """
    was_given = False
    for row in rows:
        if row.consent_id is None:
            continue
        values = {name: getattr(row, f"consent_{name}") for name in consents.info["sealed"]}
        if not is_intact(connection, consents, values, row.consent_mac):
            raise SubjectDataFault("consents: changed by hand")
        if values["purpose"] != BENEFIT_CHECK or values["offer_id"] not in (None, offer_id):
            continue
        stored = State(values["state"])
        if stored is State.ACTIVE and values["ends_on"] > on:
            return False
        was_given = was_given or stored in _GIVEN
    return was_given


async def consents_of(
    connection: AsyncConnection, subject_id: int, *, before: UUID | None = None, most: int | None = None
) -> list[Row[Any]]:
    """A subject's consents, newest first: at most so many, of those with an id before this one."""
    mine = select(consents).where(consents.c.subject_id == subject_id).order_by(consents.c.id.desc()).limit(most)
    if before is not None:
        mine = mine.where(consents.c.id < before)
    return list((await connection.execute(mine)).all())


async def steps_of(
    connection: AsyncConnection, subject_id: int, consent_ids: Sequence[UUID]
) -> dict[UUID, list[Row[Any]]]:
    """What was done with each of these consents, in order."""
    found: dict[UUID, list[Row[Any]]] = {one: [] for one in consent_ids}
    mine = (consent_steps.c.subject_id == subject_id, consent_steps.c.consent_id.in_(consent_ids))
    for row in await connection.execute(select(consent_steps).where(*mine).order_by(consent_steps.c.step)):
        found[row.consent_id].append(row)
    return found


async def _holding(connection: AsyncConnection, subject_ids: Collection[int], purpose: str, on: date) -> list[Row[Any]]:
    ids = list(subject_ids)
    found: list[Row[Any]] = []
    for start in range(0, len(ids), AT_ONCE):
        mine = consents.c.subject_id.in_(ids[start : start + AT_ONCE])
        wanted = select(consents).where(
            mine,
            consents.c.purpose.in_((purpose, f"{purpose}-written")),
            consents.c.state == State.ACTIVE.value,
            consents.c.ends_on > on,
        )
        found += (await connection.execute(wanted)).all()
    held = []
    for row in found:
        if is_intact(connection, consents, row._asdict(), row.mac):
            held.append(row)
        else:
            log.error("consent changed by hand", extra={"consent": str(row.id)})
    return held


def _row(*, consent_id: UUID, subject_id: int, terms: Terms, state: State, actor: str, now: datetime) -> dict[str, Any]:
    return {
        "subject_id": subject_id,
        "id": consent_id,
        "state": state.value,
        "purpose": terms.purpose.id,
        "purpose_version": terms.purpose.version,
        "partner_id": terms.partner_id,
        "recipient": terms.recipient,
        "offer_id": terms.offer_id,
        "scope": list(terms.scope),
        "frequency": terms.frequency,
        "requested_at": now,
        "requested_by": actor,
        "ends_on": terms.ends_on,
        "erase_by": terms.ends_on + timedelta(days=terms.purpose.erase_days),
    }


async def _find(connection: AsyncConnection, subject_id: int, consent_id: UUID) -> Row[Any] | None:
    mine = _key({"subject_id": subject_id, "id": consent_id})
    return (await connection.execute(select(consents).where(*mine))).one_or_none()


async def _read(connection: AsyncConnection, subject_id: int, consent_id: UUID) -> Row[Any]:
    row = await _find(connection, subject_id, consent_id)
    if row is None:
        raise UnknownConsent("没有这份授权。请从本人的授权列表中选择。")
    return row


def _key(row: Mapping[str, Any]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return consents.c.subject_id == row["subject_id"], consents.c.id == row["id"]


async def _set(connection: AsyncConnection, row: Any, **values: Any) -> None:
    mine = _key(row._asdict())
    await connection.execute(update(consents).where(*mine).values(**values))
    await reseal(connection, consents, *mine)


async def _note(
    connection: AsyncConnection, row: Mapping[str, Any], *, act: str, state: State, actor: str, reason: str,
    now: datetime,
) -> str:  # fmt: skip
    """The step and its audit row; the leaf of the latter."""
    subject_id, consent_id = row["subject_id"], row["id"]
    mine = (consent_steps.c.subject_id == subject_id, consent_steps.c.consent_id == consent_id)
    last = await connection.scalar(select(func.max(consent_steps.c.step)).where(*mine)) or 0
    step = {"step": last + 1, "act": act, "state": state.value, "actor": actor, "at": now, "reason": reason}
    await connection.execute(insert(consent_steps).values(subject_id=subject_id, consent_id=consent_id, **step))
    content = {"consent": str(consent_id), "purpose": row["purpose"], "state": state.value}
    entry = await audit.new_entry(
        connection, at=now, actor=actor, action=f"{act}Consent", content=content, subject_id=subject_id
    )
    await connection.execute(insert(audit.audit_entries).values(entry))
    announce(connection, of_subject(subject_id), BENEFITS)
    return str(entry["leaf"])
