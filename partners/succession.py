"""What the end of a subject, and two entries becoming one, mean for accounts, mandates and scores. One thing to know:
it is one transaction with the change itself, and codes that are still about give the standard service from then on."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ColumnElement, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import ExpectedError
from core.keys import Keys
from partners.accounts import Role
from partners.mandates import check_account_id, end_mandates
from partners.merging import carry_over
from partners.rulebook import Rulebook
from partners.standing import score_participant
from partners.tables import accounts, mandates
from scoring.registry.ends import EndReason, end_subject, reinstate_subject
from scoring.registry.merging import merge_subjects
from scoring.registry.subjects import Act, Registration, read_subject, register_subject
from scoring.subjects import SubjectKind


class AccountTaken(ExpectedError):
    """The account's id is somebody else's."""

    code = "ACCOUNT_TAKEN"

    def __init__(self) -> None:
        super().__init__("这个账号编号已被使用。请换一个编号。")


async def register(
    connection: AsyncConnection, keys: Keys, given: Registration, *, account: str | None, rulebook: Rulebook, act: Act
) -> tuple[int, bool]:
    """Put a subject on file and, where an id is given, open an account of its own; its id, and whether it is new.

    Raises:
        BadInput: see `register_subject`; or an id that no account may have.
        AccountTaken.
    """
    subject_id, is_new = await register_subject(connection, keys, given, served=rulebook.served, act=act)
    if account is not None:
        await _open_account(connection, check_account_id(account), subject_id)
    return subject_id, is_new


async def end(
    connection: AsyncConnection,
    keys: Keys,
    subject_id: int,
    *,
    reason: EndReason,
    on: date,
    successor: int | None,
    act: Act,
) -> None:
    """End a subject. A dead person's accounts end, and all mandates to or from that person; an enterprise that was
    struck off is still represented by its agents, so that somebody can read and settle what is on file."""
    await end_subject(connection, keys, subject_id, reason=reason, on=on, successor=successor, act=act)
    if reason == "deceased":
        await _end_representation(connection, subject_id, act=act)
        await connection.execute(
            update(accounts).where(accounts.c.subject_id == subject_id, _in_use(act.now)).values(ended_at=act.now)
        )


async def reinstate(connection: AsyncConnection, keys: Keys, subject_id: int, *, rulebook: Rulebook, act: Act) -> None:
    """Take back an end noted by mistake: accounts that ended with it are good again, scores are made again. Mandates
    and consents are given anew by whoever wishes."""
    ended_at = await reinstate_subject(connection, keys, subject_id, act=act)
    same = (accounts.c.subject_id == subject_id, accounts.c.basis.is_(None), accounts.c.ended_at == ended_at)
    await connection.execute(update(accounts).where(*same).values(ended_at=None))
    await score_participant(connection, subject_id=subject_id, rulebook=rulebook, now=act.now)


async def merge(connection: AsyncConnection, keys: Keys, *, keep: int, drop: int, rulebook: Rulebook, act: Act) -> bool:
    """Make two entries one; False where that had been done before. The dropped one's own accounts act for the one that
    is kept, mandates to act for it end; what it used, owes and was told goes on with the kept one."""
    if not await merge_subjects(connection, keys, keep=keep, drop=drop, act=act):
        return False
    await end_mandates(connection, mandates.c.subject_id == drop, actor=act.actor, now=act.now)
    acting = (accounts.c.subject_id == drop, accounts.c.basis.is_not(None), _in_use(act.now))
    await connection.execute(update(accounts).where(*acting).values(ended_at=act.now))
    own = (accounts.c.subject_id == drop, accounts.c.basis.is_(None))
    await connection.execute(update(accounts).where(*own).values(subject_id=keep))
    await carry_over(connection, keep=keep, drop=drop, act=act)
    await score_participant(connection, subject_id=keep, rulebook=rulebook, now=act.now)
    return True


async def _open_account(connection: AsyncConnection, account: str, subject_id: int) -> None:
    row = (await connection.execute(select(accounts).where(accounts.c.id == account))).one_or_none()
    if row is not None and row.subject_id != subject_id:
        raise AccountTaken
    if row is None:
        kind = (await read_subject(connection, subject_id)).kind
        role = Role.CITIZEN if kind == SubjectKind.PERSON.value else Role.AGENT
        await connection.execute(insert(accounts).values(id=account, role=role.value, subject_id=subject_id))


async def _end_representation(connection: AsyncConnection, subject_id: int, *, act: Act) -> None:
    theirs = select(accounts.c.id).where(accounts.c.subject_id == subject_id, accounts.c.basis.is_(None))
    concerned = or_(mandates.c.subject_id == subject_id, mandates.c.holder.in_(theirs))
    await end_mandates(connection, concerned, actor=act.actor, now=act.now)


def _in_use(now: datetime) -> ColumnElement[bool]:
    return or_(accounts.c.ended_at.is_(None), accounts.c.ended_at > now)
