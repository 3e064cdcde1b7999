"""What a bank is told about an applicant. One thing to know: the consent is looked at in the transaction of the
telling, which also writes it to the applicant's log, so a consent taken back closes the view at the very next look.

All indicators of the applicant's place are answered, whether named or not: what was not named, what there is no data
of, and what was taken back look the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of
from core.integrity import is_intact
from partners.access import note_request
from partners.alarms import raise_alarm
from partners.lending.applying import PURPOSE
from partners.lending.workflow import DECIDING, state_of
from scoring.consent.consents import State
from scoring.consent.consents import state_of as consent_state
from scoring.lending import NOTHING, LendingRules, answer_of, read_lending_facts
from scoring.tables import consents, subjects

ACTION = "loanApplications"


class Answer(NamedTuple):
    """One indicator's answer, in words."""

    code: str
    label: str
    field: str
    answer: str


async def answers_for_bank(
    connection: AsyncConnection, rows: Sequence[Any], *, rules: Mapping[str, LendingRules], account: str, now: datetime
) -> dict[UUID, list[Answer]]:
    """Answer about these applications (rows of `loan_applications`), and note it on each applicant's log and the audit
    trail, in a transaction."""
    found = await answers_of(connection, rows, rules=rules, now=now)
    for row in rows:
        told = [one.code for one in found[row.id] if one.answer != NOTHING]
        await note_request(
            connection,
            subject_id=row.subject_id,
            partner_id=row.partner_id,
            offer_id=row.offer_id,
            action=ACTION,
            purpose=PURPOSE,
            now=now,
        )
        content = {"application": str(row.id), "indicators": told}
        await audit.record(connection, at=now, actor=account, action=ACTION, content=content, subject_id=row.subject_id)
    return found


async def answers_of(
    connection: AsyncConnection, rows: Sequence[Any], *, rules: Mapping[str, LendingRules], now: datetime
) -> dict[UUID, list[Answer]]:
    """What the bank would be told now about each application, by its id, in a transaction: a fault in somebody's data
    raises an alarm, and is answered like no data."""
    on = day_of(now)
    ids = {row.subject_id for row in rows}
    wanted = select(subjects.c.id, subjects.c.kind, subjects.c.place).where(subjects.c.id.in_(ids))
    who: dict[int, Any] = {row.id: row for row in await connection.execute(wanted)}
    scopes = await _consented(connection, rows, on)
    asked_of = {row.id: rules[who[row.subject_id].place].open_to(who[row.subject_id].kind) for row in rows}
    names = {one.fact for indicators in asked_of.values() for one in indicators.values()}
    known, faulty = await read_lending_facts(connection, ids, names)
    for subject_id in sorted(faulty):
        detail = {"subject": subject_id, "fault": "facts: changed by hand"}
        await raise_alarm(connection, kind="SUBJECT_DATA_FAULT", detail=detail, now=now)
    return {
        row.id: [
            Answer(
                code,
                one.label,
                one.field,
                answer_of(one, known.get(row.subject_id, {}).get(one.fact)) if code in scopes[row.id] else NOTHING,
            )
            for code, one in asked_of[row.id].items()
        ]
        for row in rows
    }


async def _consented(connection: AsyncConnection, rows: Sequence[Any], on: date) -> dict[UUID, frozenset[str]]:
    """Which indicators each application's own consent, as it stands now, lets the bank be told."""
    open_rows = {row.consent_id: row for row in rows if state_of(row, on=on) in DECIDING}
    mine = (
        consents.c.subject_id.in_({row.subject_id for row in open_rows.values()}),
        consents.c.id.in_(list(open_rows)),
    )
    scopes: dict[UUID, frozenset[str]] = {row.id: frozenset() for row in rows}
    for held in await connection.execute(select(consents).where(*mine)):
        row = open_rows[held.id]
        is_ours = (held.subject_id, held.partner_id) == (row.subject_id, row.partner_id)
        holds = consent_state(held, on=on) is State.ACTIVE and is_intact(connection, consents, held._asdict(), held.mac)
        if is_ours and holds:
            scopes[row.id] = frozenset(held.scope) & frozenset(row.indicators)
    return scopes
